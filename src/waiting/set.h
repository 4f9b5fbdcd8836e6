/* SPDX-License-Identifier: MIT */
/*
 * set.h - a kept set of items.
 *
 * Each entry is in one of these states:
 *
 *   HOT     may be ready: the next wait looks at it. It is in the list of the hot.
 *
 *   ARMED   was not ready, and its bells are prepared: a touch makes it hot again. It is among
 *           those whom naps look after, until it may sleep soundly (fy_item_sound()).
 *
 *   KERNEL  was not ready, and epoll(7) or a hail (wait/hail.h) will say when it may be.
 *
 *   SILENT  was reported and is FERRY_ONE_SHOT.
 *
 * All of it under the waiter's mutex, which nobody holds while asleep.
 */
#ifndef FY_WAITING_SET_H
#define FY_WAITING_SET_H

#include <pthread.h>
#include <stdatomic.h>

#include "../wait/hail.h"
#include "item.h"
#include "keeper.h"

enum fy_entry_state { FY_HOT, FY_ARMED, FY_KERNEL, FY_SILENT };

/* Entries that are armed, in no order. */
struct fy_asleep {
	struct fy_entry **all; /* has room for every entry */
	uint32_t n;
	uint32_t sweep_at; /* the one that is looked at next */
	int64_t swept_at;
};

struct fy_entry {
	struct ferry_item item;
	struct fy_item_place place;
	void *user;
	int key;
	enum fy_entry_state state;
	uint32_t seen[FY_ITEM_BELLS]; /* the bells' words, when prepared */
	int number;                   /* of the watched file (os/touch.h); 0: none */
	int own_fd;                   /* descriptor that was made for it, or -1 */
	int edge_fd;                  /* descriptor that tells when to look again, or -1 */
	int polled;                   /* descriptor by which epoll(7) has it, or -1 */
	int hailed;                   /* counted among n_signals, and in that list */
	struct fy_asleep *asleep;     /* if armed: where it is, ... */
	uint32_t asleep_at;           /* ... with which index, ... */
	int rung;                     /* ... and whether it got there since the last sweep */
	uint64_t round;               /* of the wait that it was reported in last ... */
	int at;                       /* ... and which of its reports that is */
	int64_t closed_at;            /* when its file was last closed by somebody ... */
	struct fy_entry *next_closed; /* ... who may have died; in this list; 0: not in it */
	struct fy_entry *next;        /* of the hot */
	struct fy_entry *previous;
	struct fy_entry *next_watched; /* with a number that goes into the same bucket */
	struct fy_entry *next_signals; /* that is hailed for */
};

struct ferry_waiter {
	pthread_mutex_t mutex;
	uint32_t generation; /* of the process that made it (os/fork.h) */
	int epoll;
	int wake;                   /* eventfd: ferry_wake() */
	int again;                  /* eventfd: there are hot ones, and somebody else should look */
	int cancel;                 /* eventfd: readable while cancelled */
	int touch;                  /* os/touch.h; -1: nothing has bells yet */
	int touches_left;           /* unread there since the last wait */
	struct fy_entry *last_told; /* of those with bells; NULL: none, or it is gone */
	struct fy_hail *hail;
	uint32_t n_signals; /* entries that are hailed for */
	struct fy_entry *signals;
	int shown;     /* ferry_waiter_fd() was called */
	int sleepers;  /* threads in epoll_wait(2) ... */
	int nappers;   /* ... and of them those who will look about by themselves */
	int owes_wake; /* a ferry_wake() may be waiting since before the last reports */

	struct fy_entry **table; /* by slot; NULL: free */
	uint32_t table_room;
	uint32_t n;
	uint32_t slot_hint;
	uint32_t serial;
	uint64_t rounds; /* waits that have begun */

	struct fy_entry *hot_first;
	struct fy_entry *hot_last;
	struct fy_asleep napping;
	struct fy_asleep sound;
	uint32_t asleep_room;
	uint32_t care_at;        /* the napping one whose members are looked after next */
	struct fy_entry *closed; /* to be looked after before all others */

	struct fy_entry **watched; /* buckets, by number */
	uint32_t buckets;          /* a power of two */
	uint32_t n_watched;

	struct fy_kept kept; /* while shown */
	_Atomic int cancelled;
};

/* What epoll(7) gives back: an entry's key, or one of these. */
enum fy_own {
	FY_OWN_WAKE = 1,
	FY_OWN_AGAIN,
	FY_OWN_CANCEL,
	FY_OWN_TOUCH,
	FY_OWN_HAIL,
	FY_OWN_LAST = FY_OWN_HAIL
};
#define FY_IS_OWN  (UINT64_C(1) << 63)
#define FY_IS_EDGE (UINT64_C(1) << 62) /* beside a key: look at it again */

/* ---- set.c; all with the mutex held ---- */

struct fy_entry *fy_set_find(const struct ferry_waiter *waiter, int key);
void fy_set_heat(struct ferry_waiter *waiter, struct fy_entry *entry);
void fy_set_cool(struct ferry_waiter *waiter, struct fy_entry *entry, enum fy_entry_state state);
void fy_set_sound(struct ferry_waiter *waiter, struct fy_entry *entry); /* it napped */
void fy_set_heat_watched(struct ferry_waiter *waiter, int number);
void fy_set_note_closing(struct ferry_waiter *waiter, int number, int64_t now);
void fy_set_heat_all(struct ferry_waiter *waiter);
void fy_set_heat_signals(struct ferry_waiter *waiter);
void fy_set_free(struct ferry_waiter *waiter);

/* Prepare the entry's bells. */
void fy_set_arm(struct fy_entry *entry);

/* Have epoll(7) tell of the entry's descriptor what the entry asks for now, also again after a
 * FERRY_ONE_SHOT one was told of. 0, or an error. */
int fy_set_poll(struct ferry_waiter *waiter, struct fy_entry *entry);

/* ---- waiter.c ---- */

/* With the mutex held, when a nap is over: look after the armed. */
void fy_set_sweep(struct ferry_waiter *waiter, int64_t now);

/* There are hot ones: make the shown descriptor readable, and wake one who sleeps. */
void fy_set_tell(struct ferry_waiter *waiter);

int fy_waiter_is_cancelled(const struct ferry_waiter *waiter);

#endif
