/* SPDX-License-Identifier: MIT */
/* sockets.h - sockets and those who talk over them, as both files of the family know them. */
#ifndef KILL_SOCKETS_H
#define KILL_SOCKETS_H

#include <pthread.h>
#include <stdatomic.h>

#include "await.h"
#include "harness.h"
#include "scene.h"

enum { SOCKET_SMALL = 64, SOCKET_LARGE = 60000 }; /* two of the latter find room everywhere */

/* What the victim does, and so what must be there before. */
enum part { TALKS, CONNECTS, ACCEPTS, LISTENS };

/* What a thread of the survivor's does all the time. */
enum helper { NO_HELPER, HEARS, HEARS_ONCE, TELLS };

struct socket_setup {
	enum part part;
	bool tcp;
	bool plain;         /* not through shared memory */
	bool fresh;         /* the victim has not read before */
	bool greeted;       /* it receives a message before it acts ... */
	uint32_t ahead;     /* ... and sends some */
	bool settled;       /* then all goes through shared memory, both ways */
	bool stale;         /* a dead listener has left its file */
	uint32_t size;      /* of messages */
	bool is_told;       /* a message waits for the victim */
	enum helper helper; /* it is asleep when the victim acts */
	enum await way;     /* the victim waits so */
	bool shown;         /* the survivor has a descriptor of ferry_fd() for its end */
};

/* Messages are numbered from 1, each way. */
struct socket_ledger {
	struct faults *faults;
	char address[FERRY_ADDRESS_MAX];
	uint32_t begun, sent; /* by the victim; sent: the call said so */
	uint32_t told;        /* to the victim */
	bool returned;        /* the victim's call ... */
	int result;
	_Atomic pid_t helper;   /* the thread */
	_Atomic uint32_t heard; /* messages that came from the victim */
};

struct socket_actor {
	struct socket_ledger *ledger;
	const struct socket_setup *setup;
	ferry_listener *listener;
	ferry_socket *socket; /* between victim and survivor */
	int fd;               /* of ferry_fd() for it; -1: none */
	_Atomic uint32_t got;
	pthread_t helper;
	bool helped;               /* there is such a thread */
	_Atomic bool helper_ended; /* with what is in helper_result */
	int helper_result;
};

extern const struct operation socket_operations[];

/* Note it if a call of ours did not go as it must. */
void socket_expect(struct socket_ledger *ledger, const char *what, int64_t r, bool is_right);

/* The bytes of a message; each thread has its own. */
const unsigned char *socket_message(uint32_t number, uint32_t size);

/* Receive into memory of this thread's own; then compare it with the next message of the other end:
 * its size, 0 if it is another, or the error. Or both at once. */
ssize_t socket_receive(struct socket_actor *actor, ferry_deadline deadline);
ssize_t socket_check(struct socket_actor *actor, ssize_t n);
ssize_t socket_next(struct socket_actor *actor, ferry_deadline deadline);

/* Send the victim its next message. */
void socket_tell_victim(struct socket_actor *survivor);

/* socket_helper.c: begin; and wait until the thread has done what it can: heard what the victim has
 * sent, or ended because the victim is over. With what it ended, or -EAGAIN. */
void socket_helper_start(struct socket_actor *survivor);
int socket_helper_await(struct scene *scene);

#endif
