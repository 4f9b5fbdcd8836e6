/* SPDX-License-Identifier: MIT */
/*
 * resolve.c - looking up a host's name, with a deadline.
 *
 * getaddrinfo(3) takes as long as the name servers do and cannot be stopped. So it runs in a thread
 * of its own. At the deadline the caller leaves; the thread ends when the answer comes or libc
 * gives up, and whoever is last frees the look-up. See docs/decisions/0018-sockets.md.
 */
#include <errno.h>
#include <ferry/error.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/why.h"
#include "../os/clock.h"
#include "../os/fork.h"
#include "address.h"

#define LOOK_UPS 64 /* that may hang at once */

struct look_up {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	int users; /* caller and thread, under mutex */
	int done;  /* under mutex, as all that follows */
	int error; /* of getaddrinfo() */
	struct addrinfo *found;
	struct ferry_address address;
};

/* Look-ups that run in this process: generation << 32 | count. A child has none. */
static _Atomic uint64_t running;

/* Count one more or less. 0, or -EAGAIN: they are too many. */
static int count(int change)
{
	const uint64_t generation = (uint64_t)fy_fork_generation() << 32;
	/* RELAXED(a limit; nothing belongs to it) */
	uint64_t before = atomic_load_explicit(&running, memory_order_relaxed);

	for (;;) {
		uint32_t n = (before & ~UINT64_C(0xffffffff)) == generation ? (uint32_t)before : 0;
		if (change > 0 && n >= LOOK_UPS)
			return -EAGAIN;
		uint64_t after = generation | (n + (uint32_t)change);
		/* RELAXED(a limit; nothing belongs to it) */
		if (atomic_compare_exchange_weak_explicit(
			&running, &before, after, memory_order_relaxed, memory_order_relaxed))
			return 0;
	}
}

/* Called with the mutex held, which it gives back. */
static void leave(struct look_up *look_up)
{
	int last = --look_up->users == 0;

	(void)pthread_mutex_unlock(&look_up->mutex);
	if (!last)
		return;
	if (look_up->found)
		freeaddrinfo(look_up->found);
	(void)pthread_cond_destroy(&look_up->changed);
	(void)pthread_mutex_destroy(&look_up->mutex);
	free(look_up);
}

static void *run(void *argument)
{
	struct look_up *look_up = argument;
	struct addrinfo *found = NULL;
	struct addrinfo hints = {
		.ai_socktype = fy_transport_type(look_up->address.transport),
		.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG,
	};
	char port[8];

	(void)snprintf(port, sizeof(port), "%u", (unsigned)look_up->address.port);
	int error = getaddrinfo(look_up->address.host, port, &hints, &found);
	if (error == EAI_NONAME || error == EAI_ADDRFAMILY) {
		/* A machine whose only addresses are its own has a localhost all the same. */
		hints.ai_flags &= ~AI_ADDRCONFIG;
		error = getaddrinfo(look_up->address.host, port, &hints, &found);
	}
	(void)count(-1);
	(void)pthread_mutex_lock(&look_up->mutex);
	look_up->error = error;
	look_up->found = error == 0 ? found : NULL;
	look_up->done = 1;
	(void)pthread_cond_signal(&look_up->changed);
	leave(look_up);
	return NULL;
}

/* Detached, and no signal's handler runs in it. */
static int start(struct look_up *look_up)
{
	pthread_t thread;
	pthread_attr_t detached;
	sigset_t all, before;

	if (pthread_attr_init(&detached) != 0)
		return -ENOMEM;
	(void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = -pthread_create(&thread, &detached, run, look_up);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&detached);
	return r;
}

static struct look_up *look_up_new(const struct ferry_address *address)
{
	struct look_up *look_up = calloc(1, sizeof(*look_up));

	if (!look_up)
		return NULL;
	(void)pthread_mutex_init(&look_up->mutex, NULL);
	(void)pthread_cond_init(&look_up->changed, NULL);
	look_up->users = 2;
	look_up->address = *address;
	return look_up;
}

/* With the mutex held. 0 or -ETIMEDOUT. */
static int await(struct look_up *look_up, ferry_deadline deadline)
{
	struct timespec until = { deadline / FY_S, deadline % FY_S };
	int r = 0;

	while (!look_up->done && r == 0)
		r = deadline == FERRY_FOREVER
			? pthread_cond_wait(&look_up->changed, &look_up->mutex)
			: pthread_cond_clockwait(&look_up->changed, &look_up->mutex,
						 CLOCK_MONOTONIC, &until);
	return look_up->done ? 0 : -ETIMEDOUT;
}

static int failure(int error, const char *host, struct ferry_why *why)
{
	switch (error) {
	case EAI_MEMORY:
		return fy_why(why, -ENOMEM, "no memory to look up \"%s\"", host);
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
	case EAI_FAMILY:
		return fy_why(why, -FERRY_EHOST, "there is no host \"%s\": %s", host,
			      gai_strerror(error));
	default:
		return fy_why(why, -FERRY_ERESOLVER, "cannot look up \"%s\": %s", host,
			      gai_strerror(error));
	}
}

static void take(struct fy_endpoints *endpoints, const struct look_up *look_up)
{
	endpoints->n = 0;
	for (const struct addrinfo *a = look_up->found; a && endpoints->n < FY_ENDPOINTS;
	     a = a->ai_next) {
		struct ferry_endpoint *endpoint = &endpoints->list[endpoints->n];
		if (a->ai_addrlen > sizeof(endpoint->bytes))
			continue;
		memset(endpoint, 0, sizeof(*endpoint));
		endpoint->transport = (uint32_t)look_up->address.transport;
		endpoint->size = a->ai_addrlen;
		memcpy(endpoint->bytes, a->ai_addr, a->ai_addrlen);
		endpoints->n++;
	}
}

static int finish(struct look_up *look_up, struct fy_endpoints *ret_endpoints,
		  ferry_deadline deadline, struct ferry_why *why)
{
	const char *host = look_up->address.host;

	(void)pthread_mutex_lock(&look_up->mutex);
	int r = await(look_up, deadline);
	if (r < 0)
		r = fy_why(why, r, "no answer about the host \"%s\" in time", host);
	else if (look_up->error != 0)
		r = failure(look_up->error, host, why);
	else
		take(ret_endpoints, look_up);
	leave(look_up);
	return r;
}

int fy_resolve(struct fy_endpoints *ret_endpoints, const struct ferry_address *address,
	       ferry_deadline deadline, struct ferry_why *why)
{
	if (deadline == FERRY_NOW)
		return fy_why(why, -EAGAIN, "to look up the host \"%s\" takes time", address->host);
	int r = fy_fork_init();
	struct look_up *look_up = r == 0 ? look_up_new(address) : NULL;
	if (!look_up)
		return fy_why(why, r < 0 ? r : -ENOMEM, "no memory to look up \"%s\"",
			      address->host);
	r = count(1);
	if (r < 0)
		(void)fy_why(why, r, "%d look-ups of host names hang already", LOOK_UPS);
	else if ((r = start(look_up)) < 0)
		(void)count(-1);
	if (r == 0)
		return finish(look_up, ret_endpoints, deadline, why);
	look_up->users = 1;
	(void)pthread_mutex_lock(&look_up->mutex);
	leave(look_up);
	return r;
}
