/* SPDX-License-Identifier: MIT */
/* bench_locks.c - how any kind of lock is a section or a baton, and a semaphore a way to send. */
#include "bench_locks.h"
#include "bench_transports.h"

/* Both directions of a round trip use the same locks. */
int bench_lock_create(struct bench_channel *c, const struct bench_channel *there)
{
	const struct bench_lock *lock = c->peer->mechanism;
	int e;

	if (there) {
		*c = *there;
		c->direction = 1;
		return 0;
	}
	e = bench_share(c, 64 + lock->bytes);
	if (e == 0 && lock->make)
		e = lock->make(c);
	if (e < 0)
		bench_unshare(c);
	return e;
}

void bench_lock_remove(struct bench_channel *c)
{
	const struct bench_lock *lock = c->peer->mechanism;

	if (c->direction != 0)
		return;
	if (lock->remove)
		lock->remove(c);
	bench_unshare(c);
}

/* What a process has open is opened once for both directions: whoever takes a lock through one
 * handle cannot release it through another. */
int bench_lock_attach(struct bench_channel *c)
{
	static void *opened; /* of this process, which measures only once */
	const struct bench_lock *lock = c->peer->mechanism;
	int e = 0;

	if (c->direction == 0 && lock->open) {
		e = lock->open(c);
		opened = c->handle;
	}
	c->handle = opened;
	return e;
}

int bench_section_enter(struct bench_channel *c, void **ret_data)
{
	const struct bench_lock *lock = c->peer->mechanism;

	(void)ret_data;
	return lock->acquire(c, 0);
}

int bench_section_leave(struct bench_channel *c, const void *data)
{
	const struct bench_lock *lock = c->peer->mechanism;

	(void)data;
	return lock->release(c, 0);
}

int bench_baton_attach(struct bench_channel *c)
{
	const struct bench_lock *lock = c->peer->mechanism;
	int e = bench_lock_attach(c);

	if (e < 0 || c->direction != 0)
		return e;
	if (c->process != 0)
		return lock->acquire(c, 1);
	e = lock->acquire(c, 0);
	return e < 0 ? e : lock->acquire(c, 2);
}

static unsigned next_lock(struct bench_channel *c)
{
	return (unsigned)((2 * c->position++ + c->direction) % BENCH_LOCKS);
}

int bench_baton_pass(struct bench_channel *c, const void *data)
{
	const struct bench_lock *lock = c->peer->mechanism;
	struct bench_baton *baton = c->shared;

	baton->number[c->direction] = *(const uint64_t *)data;
	return lock->release(c, next_lock(c));
}

int bench_baton_take(struct bench_channel *c, void **ret_data)
{
	const struct bench_lock *lock = c->peer->mechanism;
	const struct bench_baton *baton = c->shared;
	int e = lock->acquire(c, next_lock(c));

	*(uint64_t *)c->room = baton->number[c->direction];
	*ret_data = c->room;
	return e;
}

int bench_post_post(struct bench_channel *c, const void *data)
{
	const struct bench_lock *lock = c->peer->mechanism;
	struct bench_baton *baton = c->shared;

	baton->number[c->direction] = *(const uint64_t *)data;
	return lock->release(c, c->direction);
}

int bench_post_wait(struct bench_channel *c, void **ret_data)
{
	const struct bench_lock *lock = c->peer->mechanism;
	const struct bench_baton *baton = c->shared;
	int e = lock->acquire(c, c->direction);

	*(uint64_t *)c->room = baton->number[c->direction];
	*ret_data = c->room;
	return e;
}
