/* SPDX-License-Identifier: MIT */
/*
 * bench_lock_pthread.c - what a C library has, in memory that processes share: mutexes (robust and
 * plain), a POSIX semaphore, a condition.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "bench_locks.h"
#include "bench_transports.h"

/* Each in lines of its own. */
union mutex {
	pthread_mutex_t mutex;
	char lines[64];
};

union semaphore {
	sem_t semaphore;
	char lines[64];
};

/* ---- mutexes ---- */

static int make_mutex(pthread_mutex_t *mutex, int robust)
{
	pthread_mutexattr_t attributes;
	int e = pthread_mutexattr_init(&attributes);

	if (e == 0)
		e = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	if (e == 0 && robust)
		e = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	if (e == 0)
		e = pthread_mutex_init(mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
	return -e;
}

static int make_mutexes(struct bench_channel *c, int robust)
{
	union mutex *mutex = bench_lock_memory(c);
	int e = 0;

	for (int i = 0; i < BENCH_LOCKS && e == 0; i++)
		e = make_mutex(&mutex[i].mutex, robust);
	return e;
}

static int make_robust(struct bench_channel *c)
{
	return make_mutexes(c, 1);
}

static int make_plain(struct bench_channel *c)
{
	return make_mutexes(c, 0);
}

static int lock_mutex(struct bench_channel *c, unsigned i)
{
	union mutex *mutex = bench_lock_memory(c);

	return -pthread_mutex_lock(&mutex[i].mutex);
}

static int unlock_mutex(struct bench_channel *c, unsigned i)
{
	union mutex *mutex = bench_lock_memory(c);

	return -pthread_mutex_unlock(&mutex[i].mutex);
}

static const struct bench_lock robust = {
	.bytes = BENCH_LOCKS * sizeof(union mutex),
	.make = make_robust,
	.acquire = lock_mutex,
	.release = unlock_mutex,
};

static const struct bench_lock plain = {
	.bytes = BENCH_LOCKS * sizeof(union mutex),
	.make = make_plain,
	.acquire = lock_mutex,
	.release = unlock_mutex,
};

const struct bench_peer bench_section_robust = {
	.name = "robust mutex",
	.waits = "sleeps",
	BENCH_SECTION_PEER(robust),
};

const struct bench_peer bench_section_mutex = {
	.name = "plain mutex",
	.waits = "sleeps",
	BENCH_SECTION_PEER(plain),
};

const struct bench_peer bench_baton_robust = {
	.name = "robust mutex",
	.waits = "sleeps",
	.abilities = BENCH_ROUNDTRIP,
	BENCH_BATON_PEER(robust),
};

const struct bench_peer bench_baton_mutex = {
	.name = "plain mutex",
	.waits = "sleeps",
	.abilities = BENCH_ROUNDTRIP,
	BENCH_BATON_PEER(plain),
};

/* ---- POSIX semaphores, as locks and as such ---- */

static int make_semaphores(struct bench_channel *c, unsigned value)
{
	union semaphore *semaphore = bench_lock_memory(c);

	for (int i = 0; i < BENCH_LOCKS; i++)
		if (sem_init(&semaphore[i].semaphore, 1, value) < 0)
			return -errno;
	return 0;
}

static int make_free(struct bench_channel *c)
{
	return make_semaphores(c, 1);
}

static int make_empty(struct bench_channel *c)
{
	return make_semaphores(c, 0);
}

static int take_semaphore(struct bench_channel *c, unsigned i)
{
	union semaphore *semaphore = bench_lock_memory(c);

	while (sem_wait(&semaphore[i].semaphore) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int post_semaphore(struct bench_channel *c, unsigned i)
{
	union semaphore *semaphore = bench_lock_memory(c);

	return sem_post(&semaphore[i].semaphore) < 0 ? -errno : 0;
}

static const struct bench_lock posix = {
	.bytes = BENCH_LOCKS * sizeof(union semaphore),
	.make = make_free,
	.acquire = take_semaphore,
	.release = post_semaphore,
};

static const struct bench_lock posix_empty = {
	.bytes = BENCH_LOCKS * sizeof(union semaphore),
	.make = make_empty,
	.acquire = take_semaphore,
	.release = post_semaphore,
};

const struct bench_peer bench_section_posix = {
	.name = "POSIX semaphore",
	.waits = "sleeps",
	BENCH_SECTION_PEER(posix),
};

const struct bench_peer bench_baton_posix = {
	.name = "POSIX semaphore",
	.waits = "sleeps",
	.abilities = BENCH_ROUNDTRIP,
	BENCH_BATON_PEER(posix),
};

const struct bench_peer bench_post_posix = {
	.name = "POSIX semaphore",
	.waits = "sleeps",
	.abilities = BENCH_ROUNDTRIP,
	BENCH_POST_PEER(posix_empty),
};

/* ---- a condition for each direction ---- */

struct signalled {
	pthread_mutex_t mutex;
	pthread_cond_t condition;
	uint64_t number; /* 0 is nothing */
	char apart[64];
};

static int make_conditions(struct bench_channel *c)
{
	struct signalled *signalled = bench_lock_memory(c);
	pthread_condattr_t attributes;
	int e = 0;

	pthread_condattr_init(&attributes);
	pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	for (int i = 0; i < 2 && e == 0; i++) {
		e = make_mutex(&signalled[i].mutex, 0);
		if (e == 0)
			e = -pthread_cond_init(&signalled[i].condition, &attributes);
	}
	pthread_condattr_destroy(&attributes);
	return e;
}

static int signal_number(struct bench_channel *c, const void *data)
{
	struct signalled *s = (struct signalled *)bench_lock_memory(c) + c->direction;
	int e = pthread_mutex_lock(&s->mutex);

	s->number = *(const uint64_t *)data;
	if (e == 0)
		e = pthread_cond_signal(&s->condition);
	if (e == 0)
		e = pthread_mutex_unlock(&s->mutex);
	return -e;
}

static int wait_for_number(struct bench_channel *c, void **ret_data)
{
	struct signalled *s = (struct signalled *)bench_lock_memory(c) + c->direction;
	int e = pthread_mutex_lock(&s->mutex);

	while (e == 0 && s->number == 0)
		e = pthread_cond_wait(&s->condition, &s->mutex);
	*(uint64_t *)c->room = s->number;
	*ret_data = c->room;
	s->number = 0;
	if (e == 0)
		e = pthread_mutex_unlock(&s->mutex);
	return -e;
}

static const struct bench_lock conditions = {
	.bytes = 2 * sizeof(struct signalled),
	.make = make_conditions,
};

const struct bench_peer bench_signal_pthread = {
	.name = "pthread",
	.waits = "sleeps",
	.abilities = BENCH_ROUNDTRIP,
	.mechanism = &conditions,
	.create = bench_lock_create,
	.remove = bench_lock_remove,
	.attach = bench_lock_attach,
	.send = signal_number,
	.receive = wait_for_number,
};
