/* SPDX-License-Identifier: MIT */
/*
 * bench_locks.h - locks, semaphores and conditions as contestants of the benchmark.
 *
 * A lock takes part in two ways. As a section: receive() takes it, send() gives it back. As a
 * baton: there are three of them, and two processes pass on the right to go on, such that the one
 * that waits always waits for a lock that the other has. Who goes first has the locks 0 and 2, the
 * other one has 1; message number s there is the release of lock 2 s, back of lock 2 s + 1 (modulo
 * 3), and receiving it is taking that lock. What can be released by somebody else, a semaphore,
 * also takes part in a third way: one for each direction, sending is posting.
 */
#ifndef FERRY_CLI_BENCH_LOCKS_H
#define FERRY_CLI_BENCH_LOCKS_H

#include "bench_peers.h"

#define BENCH_LOCKS 3

/* A kind of lock. Functions return 0 or a negative error. */
struct bench_lock {
	size_t bytes; /* of the memory that all of them need, shared by the processes */
	int (*make)(struct bench_channel *c);    /* in the parent; NULL: nothing to do */
	void (*remove)(struct bench_channel *c); /* in the parent, or NULL */
	int (*open)(struct bench_channel *c);    /* in each process, once; or NULL */
	int (*acquire)(struct bench_channel *c, unsigned i);
	int (*release)(struct bench_channel *c, unsigned i);
};

/* bench_channel.shared begins with this; memory of a kind of lock lies behind it. */
struct bench_baton {
	uint64_t number[2]; /* the message, each way */
};

static inline void *bench_lock_memory(const struct bench_channel *c)
{
	return (char *)c->shared + 64;
}

int bench_lock_create(struct bench_channel *c, const struct bench_channel *there);
void bench_lock_remove(struct bench_channel *c);
int bench_lock_attach(struct bench_channel *c);
int bench_section_enter(struct bench_channel *c, void **ret_data);
int bench_section_leave(struct bench_channel *c, const void *data);
int bench_baton_attach(struct bench_channel *c);
int bench_baton_pass(struct bench_channel *c, const void *data);
int bench_baton_take(struct bench_channel *c, void **ret_data);
int bench_post_post(struct bench_channel *c, const void *data);
int bench_post_wait(struct bench_channel *c, void **ret_data);

/* What the ways of taking part have in their tables of functions. */
#define BENCH_SECTION_PEER(lock)                                                                   \
	.abilities = BENCH_SECTION, .mechanism = &(lock), .create = bench_lock_create,             \
	.remove = bench_lock_remove, .attach = bench_lock_attach, .receive = bench_section_enter,  \
	.send = bench_section_leave
#define BENCH_POST_PEER(lock)                                                                      \
	.mechanism = &(lock), .create = bench_lock_create, .remove = bench_lock_remove,            \
	.attach = bench_lock_attach, .receive = bench_post_wait, .send = bench_post_post
#define BENCH_BATON_PEER(lock)                                                                     \
	.mechanism = &(lock), .create = bench_lock_create, .remove = bench_lock_remove,            \
	.attach = bench_baton_attach, .receive = bench_baton_take, .send = bench_baton_pass

extern const struct bench_peer bench_section_ferry, bench_section_robust, bench_section_mutex,
    bench_section_posix, bench_section_sysv, bench_section_flock;
extern const struct bench_peer bench_baton_ferry, bench_baton_ferry_sleep, bench_baton_robust,
    bench_baton_mutex, bench_baton_posix, bench_baton_sysv, bench_baton_flock;
extern const struct bench_peer bench_post_ferry, bench_post_ferry_sleep, bench_post_posix,
    bench_post_sysv;
extern const struct bench_peer bench_signal_ferry, bench_signal_ferry_sleep, bench_signal_pthread;

#endif
