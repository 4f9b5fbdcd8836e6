/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/wait.h
 * One wait for everything: sleep until any of several handles or descriptors has something.
 *
 * Three ways, for one and the same items:
 *  - ferry_wait(): an array of items and a deadline, for a few things at a time;
 *  - ferry_waiter: a kept set, for many things and several threads; what a wake-up costs depends on
 *    what is ready, not on what is watched;
 *  - ferry_fd(): a descriptor for a loop of somebody else's (poll, epoll, libuv, GLib, asyncio).
 *
 * All are level-triggered: an item is reported as long as it is so. What is reported is a hint: by
 * the time of the call that follows, somebody else may have taken the message; so that call is made
 * with FERRY_NOW, and -EAGAIN is no surprise. Several waiters on one handle all hear of one
 * message; none keeps it from another, nor from a thread that sleeps in the family's own call.
 *
 * What the events mean: FERRY_CAN_READ; FERRY_CAN_WRITE; FERRY_AT_END.
 *  - mailbox: a message can be received; one can be sent; never.
 *  - reading end of a pipe: bytes, or the end of file; never; end of file, and nothing left to
 * read.
 *  - writing end of a pipe: never; bytes fit, or a write is -EPIPE; no reader is left.
 *  - listener: a connection can be accepted; never; never.
 *  - socket: bytes, the end, or a datagram; bytes fit; the peer has closed or died.
 *  - signals: one of the set waits; never; never.
 *  - handlers: handlers ran in this wait; never; never.
 *  - process: it has ended; never; never.
 *  - lock: it could be taken; never; never.
 *  - semaphore: there are units; never; never.
 *  - condition: signalled or broadcast since ferry_condition_watch(); never; never.
 *  - segment: it is larger than was said; never; never.
 *  - waiter: it has something to report; never; never.
 *  - descriptor: POLLIN; POLLOUT; POLLHUP or POLLRDHUP. An error (POLLERR) of a descriptor or
 * socket shows as both first ones, and the next call tells it.
 *
 * FERRY_AT_END and FERRY_FAILED are reported whether they were asked for or not. FERRY_FAILED: the
 * handle cannot be used any more, or not for that, and error says why: -EIDRM (the object was
 * removed), -FERRY_ECORRUPT, -EBADF, -ENOTRECOVERABLE and so on: what the next call on it would
 * return. Both end every wait at once. A dead peer shows as in the family's own calls: what it
 * held is given back, within the same time (docs/formats/wait.md says for whom it may be longer).
 *
 * Signals: no wait ends with EINTR. Those that the program catches with ferry end it if an item
 * asks for them.
 *
 * fork: items are plain data. A ferry_waiter and the descriptors of ferry_fd() are the parent's; a
 * child may call ferry_wake() on the waiter, nothing else but ferry_waiter_close(), and makes its
 * own. What a vfork() child may call: nothing.
 */
#ifndef FERRY_WAIT_H
#define FERRY_WAIT_H

#include <ferry/base.h>
#include <ferry/condition.h>
#include <ferry/lock.h>
#include <ferry/mailbox.h>
#include <ferry/pipe.h>
#include <ferry/process.h>
#include <ferry/segment.h>
#include <ferry/semaphore.h>
#include <ferry/signal.h>
#include <ferry/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What is asked for, and what happened. */
enum ferry_event {
	FERRY_CAN_READ = 1 << 0,
	FERRY_CAN_WRITE = 1 << 1,
	FERRY_AT_END = 1 << 2,   /**< the other side is gone; always reported */
	FERRY_FAILED = 1 << 3,   /**< it cannot be used any more: see error; always reported */
	FERRY_ONE_SHOT = 1 << 8, /**< waiters: after one report silent until ferry_waiter_change(),
				      so that of several threads one has it */
};

/** What an item is. */
enum ferry_item_kind {
	FERRY_ITEM_NONE = 0, /**< nothing; never ready */
	FERRY_ITEM_FD = 1,
	FERRY_ITEM_MAILBOX = 2,
	FERRY_ITEM_PIPE = 3,
	FERRY_ITEM_LISTENER = 4,
	FERRY_ITEM_SOCKET = 5,
	FERRY_ITEM_SIGNALS = 6,
	FERRY_ITEM_HANDLERS = 7,
	FERRY_ITEM_PROCESS = 8,
	FERRY_ITEM_LOCK = 9,
	FERRY_ITEM_SEMAPHORE = 10,
	FERRY_ITEM_SEGMENT = 11,
	FERRY_ITEM_WAITER = 12,
	FERRY_ITEM_CONDITION = 13,
};

typedef struct ferry_waiter ferry_waiter;

/** One thing to wait for. Made by the functions below, so that kinds and pointers fit. */
struct ferry_item {
	enum ferry_item_kind kind;
	uint32_t events;   /**< in: enum ferry_event, any of them */
	uint32_t happened; /**< out: enum ferry_event; 0 = nothing yet */
	int error;         /**< out: with FERRY_FAILED, the negative number; else 0 */
	int fd;            /**< FD */
	int signo;         /**< out, HANDLERS: the last signal that was handled; else 0 */
	void *handle;      /**< the others */
	void *at;          /**< LOCK, SEMAPHORE, CONDITION: where in the segment */
	uint64_t value;    /**< MAILBOX: priority; PIPE: bytes; SIGNALS: set; SEGMENT: bytes;
				CONDITION: address of what was seen */
};

/** Any descriptor that poll(2) knows. events: FERRY_CAN_READ, FERRY_CAN_WRITE or both. */
static inline struct ferry_item ferry_on_fd(int fd, uint32_t events)
{
	struct ferry_item item = { FERRY_ITEM_FD, events, 0, 0, fd, 0, NULL, NULL, 0 };
	return item;
}

/** A mailbox: to receive, to send, or both. To send means: a cell is free at the lowest priority;
 *  set value to another priority. A message that needs memory of its own may still have to wait for
 *  that. */
static inline struct ferry_item ferry_on_mailbox(ferry_mailbox *box, uint32_t events)
{
	struct ferry_item item = { FERRY_ITEM_MAILBOX, events, 0, 0, -1, 0, box, NULL, 0 };
	return item;
}

/** An end of a pipe: FERRY_CAN_READ or FERRY_CAN_WRITE, as it is. A writing end is ready when one
 *  byte fits; set value to the bytes that shall fit, up to 4096. */
static inline struct ferry_item ferry_on_pipe(ferry_pipe *pipe, uint32_t events)
{
	struct ferry_item item = { FERRY_ITEM_PIPE, events, 0, 0, -1, 0, pipe, NULL, 1 };
	return item;
}

/** A listener that can accept. */
static inline struct ferry_item ferry_on_listener(ferry_listener *listener)
{
	struct ferry_item item = {
		FERRY_ITEM_LISTENER, FERRY_CAN_READ, 0, 0, -1, 0, listener, NULL, 0
	};
	return item;
}

/** A socket. Over TLS, readable may mean that a record is on its way: then reading with FERRY_NOW
 *  gives -EAGAIN. */
static inline struct ferry_item ferry_on_socket(ferry_socket *socket, uint32_t events)
{
	struct ferry_item item = { FERRY_ITEM_SOCKET, events, 0, 0, -1, 0, socket, NULL, 0 };
	return item;
}

/** Signals, each of them caught without a handler, or blocked in every thread; FERRY_SIGNAL_CAUGHT:
 *  all that are caught. Ready: ferry_signal_wait() would return one at once. */
static inline struct ferry_item ferry_on_signals(ferry_signal_set set)
{
	struct ferry_item item = {
		FERRY_ITEM_SIGNALS, FERRY_CAN_READ, 0, 0, -1, 0, NULL, NULL, set
	};
	return item;
}

/** Signals that are caught with a handler: their handlers run inside the wait, in the thread that
 *  waits, as in ferry_signal_dispatch(); then it returns. With ferry_fd(): ready means that
 *  ferry_signal_dispatch() would run one. */
static inline struct ferry_item ferry_on_handlers(void)
{
	struct ferry_item item = {
		FERRY_ITEM_HANDLERS, FERRY_CAN_READ, 0, 0, -1, 0, NULL, NULL, 0
	};
	return item;
}

/** The end of a process: ferry_process_wait() would return at once. */
static inline struct ferry_item ferry_on_process(ferry_process *process)
{
	struct ferry_item item = {
		FERRY_ITEM_PROCESS, FERRY_CAN_READ, 0, 0, -1, 0, process, NULL, 0
	};
	return item;
}

/** A lock that lies in a segment. Ready: ferry_lock_acquire() with FERRY_NOW would have got it,
 * also as the heir of one who died. Who waits here is not in the queue of those who wait for the
 * lock: with many of those, it may never see it free. */
static inline struct ferry_item ferry_on_lock(ferry_segment *segment, ferry_lock *lock)
{
	struct ferry_item item = { FERRY_ITEM_LOCK, FERRY_CAN_READ, 0, 0, -1, 0, segment, lock, 0 };
	return item;
}

/** A semaphore that lies in a segment and has units. */
static inline struct ferry_item ferry_on_semaphore(ferry_segment *segment,
						   ferry_semaphore *semaphore)
{
	struct ferry_item item = {
		FERRY_ITEM_SEMAPHORE, FERRY_CAN_READ, 0, 0, -1, 0, segment, semaphore, 0
	};
	return item;
}

/** A condition that lies in a segment and was signalled since ferry_condition_watch() wrote seen,
 *  which lives as long as the item. It stays ready until that is called again, with the lock. */
static inline struct ferry_item ferry_on_condition(ferry_segment *segment,
						   ferry_condition *condition, const uint32_t *seen)
{
	struct ferry_item item = {
		FERRY_ITEM_CONDITION,     FERRY_CAN_READ, 0, 0, -1, 0, segment, condition,
		(uint64_t)(uintptr_t)seen
	};
	return item;
}

/** A segment that has more than so many bytes. */
static inline struct ferry_item ferry_on_segment(ferry_segment *segment, uint64_t bytes)
{
	struct ferry_item item = {
		FERRY_ITEM_SEGMENT, FERRY_CAN_READ, 0, 0, -1, 0, segment, NULL, bytes
	};
	return item;
}

/** A waiter that has something to report, or was woken; FERRY_FAILED with -ECANCELED: it was
 *  cancelled. So a ferry_wait() that has one among its items can be woken and cancelled. */
static inline struct ferry_item ferry_on_waiter(ferry_waiter *waiter)
{
	struct ferry_item item = {
		FERRY_ITEM_WAITER, FERRY_CAN_READ, 0, 0, -1, 0, waiter, NULL, 0
	};
	return item;
}

/**
 * Wait until at least one of the items is ready. Every item's happened and error are written.
 *
 * @param items    May be NULL only if n is 0: then it sleeps until the deadline.
 * @param n        0 to FERRY_ITEMS_MAX.
 * @param deadline FERRY_NOW polls.
 *
 * @retval > 0         So many items have happened != 0.
 * @retval -EAGAIN     None, and deadline is FERRY_NOW.
 * @retval -ETIMEDOUT  None until the deadline.
 * @retval -EINVAL     An item has no handle, an unknown kind, or events that it cannot have; or n
 * is out of range. Nothing was waited for.
 * @retval -EMFILE, -ENFILE, -ENOMEM  What is needed to sleep cannot be had.
 *
 * Cost: without a descriptor among the items (listeners, sockets, processes, waiters and FD have
 * one) and with at most 64 of them one system call to sleep; else some for each item. Looks at
 * every item after each wake-up: for many, use a ferry_waiter. Threads: any number may wait, for
 * the same handles too. A handle is not closed while it is waited for. Crash: nothing of a wait
 * stays behind; others' wake-ups that the dead one swallowed come again within 30 ms. Since: 0.1
 */
FERRY_API int ferry_wait(struct ferry_item *items, int n, ferry_deadline deadline);

#define FERRY_ITEMS_MAX 4096

/** What ferry_waiter_wait() reports of one item. */
struct ferry_report {
	void *user;        /**< as it was given to ferry_waiter_add() */
	int key;           /**< as ferry_waiter_add() returned it */
	uint32_t happened; /**< enum ferry_event */
	int error;         /**< with FERRY_FAILED, the negative number; else 0 */
	int signo;         /**< HANDLERS: the last signal that was handled; else 0 */
};

/**
 * Make a waiter: a set of items that stays, from which several threads may wait.
 *
 * @param why NULL, or where a sentence about a failure goes.
 *
 * @retval 0
 * @retval -EMFILE, -ENFILE, -ENOMEM
 *
 * Since: 0.1
 */
FERRY_API int ferry_waiter_open(ferry_waiter **ret_waiter, struct ferry_why *why);

/** Forget the set. No thread waits or will. The handles in it stay open. NULL is allowed. */
FERRY_API void ferry_waiter_close(ferry_waiter *waiter);

/**
 * Add an item. One that is ready already is reported at the next wait, and ends one that is under
 * way. A handle or descriptor may be added more than once, with different events.
 *
 * @param item Copied. Its handle stays open as long as it is in the set.
 * @param user Comes back with each report.
 *
 * @retval >= 0     The key of this item: not that of any other one in the set.
 * @retval -EINVAL  As ferry_wait().
 * @retval -EPERM   A descriptor that epoll(7) cannot watch (a regular file, which is always ready).
 * @retval -EBADF   Not a descriptor.
 * @retval -ENOSPC, -ENOMEM, -EMFILE
 * @retval -EXDEV   The waiter is a parent's (see fork above).
 *
 * MT-Safe, also while others wait. Since: 0.1
 */
FERRY_API int ferry_waiter_add(ferry_waiter *waiter, const struct ferry_item *item, void *user);

/** Ask for other events (0: only those that are always reported), and let a FERRY_ONE_SHOT item be
 *  reported again. 0, -ENOENT (no such key), -EINVAL (events it cannot have), -EXDEV; -EMFILE,
 *  -ENOMEM (it asked for nothing before). MT-Safe, also while others wait. Since: 0.1 */
FERRY_API int ferry_waiter_change(ferry_waiter *waiter, int key, uint32_t events);

/** Take an item out. A thread that returns from a wait at this moment may still have it in its
 *  reports; waits that begin later do not. A descriptor is taken out before it is closed. 0,
 * -ENOENT, -EXDEV. MT-Safe, also while others wait. Since: 0.1 */
FERRY_API int ferry_waiter_remove(ferry_waiter *waiter, int key);

/**
 * Wait until something in the set is ready.
 *
 * @param ret_reports  Room for so many reports; if more are ready, the others come first next time.
 * @param room         1 or more.
 *
 * @retval > 0         So many reports.
 * @retval 0           ferry_wake() was called.
 * @retval -EAGAIN     Nothing, and deadline is FERRY_NOW.
 * @retval -ETIMEDOUT  Nothing until the deadline.
 * @retval -ECANCELED  ferry_waiter_cancel() was called.
 * @retval -EINVAL     No waiter, no reports or no room.
 * @retval -EXDEV      The waiter is a parent's (see fork above).
 *
 * Several threads may wait: each is told of what is ready; FERRY_ONE_SHOT gives an item to one.
 * Cost: grows with what is ready and with what was reported last time. Since: 0.1
 */
FERRY_API int ferry_waiter_wait(ferry_waiter *waiter, struct ferry_report *ret_reports, int room,
				ferry_deadline deadline);

/** Let one ferry_waiter_wait() return 0: one that is under way, or else the next one; if that has
 *  reports, the one after it, whatever there is to report then. Calls that nobody has heard of yet
 *  count as one. From any thread, from a signal handler (AS-Safe), and from
 *  a forked child, which so wakes its parent. 0, or -EINVAL. Since: 0.1 */
FERRY_API int ferry_wake(ferry_waiter *waiter);

/** A descriptor that wakes the waiter when 8 bytes that are not all 0 are written into it, as
 *  ferry_wake() does: to be passed to another process (ferry_socket_send_descriptors()), which
 * needs nothing of ferry for it. The waiter's own: do not read or close it. Since: 0.1 */
FERRY_API int ferry_waiter_wake_fd(const ferry_waiter *waiter);

/** End every wait, those under way and those to come, with -ECANCELED, until
 *  ferry_waiter_resume(). The handles are as they were. 0 or -EINVAL. MT-Safe, AS-Safe.
 *  Since: 0.1 */
FERRY_API int ferry_waiter_cancel(ferry_waiter *waiter);

/** Let waits wait again. 0 or -EINVAL. MT-Safe, AS-Safe. Since: 0.1 */
FERRY_API int ferry_waiter_resume(ferry_waiter *waiter);

/** A descriptor for an event loop of somebody else's: readable when ferry_waiter_wait() with
 *  FERRY_NOW may have something; it is unreadable again once that has returned -EAGAIN. The
 * waiter's own: do not read or close it. From the first call on a thread of ferry's looks after
 * lost wake-ups meanwhile, as with ferry_fd(). Or a negative error. Since: 0.1 */
FERRY_API int ferry_waiter_fd(ferry_waiter *waiter);

/**
 * A descriptor for somebody else's poll, epoll, libuv, libevent, GLib or asyncio: readable while
 * the item is ready. Watch it for reading, whatever the item's events are.
 *
 * How to clear it: when it is readable, make the calls (receive, send, ...) with FERRY_NOW until
 * -EAGAIN or as often as you like, then ferry_fd_clear(). That makes it unreadable if the item is
 * not ready any more, and leaves it readable if it is. Nobody but ferry reads from it. It may
 * become readable for nothing: when something else happened to the same object, another descriptor
 * for it was made or cleared, or somebody read the object's file. Signals that are blocked in every
 * thread do not make one readable.
 *
 * @param item Copied. Any but FERRY_ITEM_FD, which has one. Its handle stays open until
 *             ferry_fd_close().
 *
 * @retval >= 0     The descriptor: one for each call.
 * @retval -EINVAL  As ferry_wait().
 * @retval -EMFILE, -ENFILE, -ENOMEM, -ENOSPC
 *
 * Cost: none for the other side until somebody waits; then what it pays for a sleeper, plus one
 * system call of about half a microsecond. Since: 0.1
 */
FERRY_API int ferry_fd(const struct ferry_item *item);

/** See ferry_fd(). > 0: it stays readable, and these (enum ferry_event) are why; 0: it is
 * unreadable until something comes; -EBADF: no descriptor of ferry_fd(). MT-Safe. Since: 0.1 */
FERRY_API int ferry_fd_clear(int fd);

/** Close a descriptor of ferry_fd(). Take it out of your loop first. 0, or -EBADF. Since: 0.1 */
FERRY_API int ferry_fd_close(int fd);

#ifdef __cplusplus
}
#endif
#endif
