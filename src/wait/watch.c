/* SPDX-License-Identifier: MIT */
/*
 * watch.c - see watch.h.
 *
 * Everything is under one mutex, callbacks included, so that a watch that was ended is not called
 * any more. The thread waits without it.
 */
#include "watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../os/fork.h"
#include "../os/thread.h"

#define AT_A_TIME 16

struct fy_watch {
	struct fy_watch *next;
	struct fy_watch *previous;
	void (*fired)(void *context);
	void *context;
	uint32_t generation; /* of the process that began it (os/fork.h) */
	int fd;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Of the running thread, if there is one. */
static struct {
	struct fy_watch *all;
	pthread_t thread;
	uint32_t generation;
	int epoll;
	int stop; /* eventfd: end the thread */
	int running;
} watcher;

static struct fy_watch *find(const void *wanted)
{
	struct fy_watch *w = watcher.all;

	while (w && w != wanted)
		w = w->next;
	return w;
}

/* Call back for each event whose watch still is one. 0: stop was asked for. */
static int dispatch(const struct epoll_event *events, int n)
{
	int go_on = 1;

	(void)pthread_mutex_lock(&mutex);
	for (int i = 0; i < n; i++) {
		struct fy_watch *w = find(events[i].data.ptr);
		if (w)
			w->fired(w->context);
		if (!events[i].data.ptr)
			go_on = 0;
	}
	(void)pthread_mutex_unlock(&mutex);
	return go_on;
}

static void *run(void *argument)
{
	struct epoll_event events[AT_A_TIME];
	int epoll = (int)(intptr_t)argument;
	int go_on = 1;

	while (go_on) {
		int n = epoll_wait(epoll, events, AT_A_TIME, -1);
		if (n < 0 && errno != EINTR)
			break;
		go_on = dispatch(events, n);
	}
	return NULL;
}

static void close_descriptors(void)
{
	if (watcher.epoll >= 0)
		(void)close(watcher.epoll);
	if (watcher.stop >= 0)
		(void)close(watcher.stop);
	watcher.running = 0;
}

/* In a child: the thread stayed with the parent, and its epoll is the parent's too. */
static void forget_parent(void)
{
	if (!watcher.running || watcher.generation == fy_fork_generation())
		return;
	close_descriptors();
	watcher.all = NULL;
}

static int start(void)
{
	struct epoll_event stop = { .events = EPOLLIN, .data = { .ptr = NULL } };

	if (watcher.running)
		return 0;
	watcher.epoll = epoll_create1(EPOLL_CLOEXEC);
	watcher.stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = watcher.epoll < 0 || watcher.stop < 0 ||
			epoll_ctl(watcher.epoll, EPOLL_CTL_ADD, watcher.stop, &stop) != 0
		    ? -errno
		    : fy_thread_start(&watcher.thread, run, (void *)(intptr_t)watcher.epoll);
	if (r < 0) {
		close_descriptors();
		return r;
	}
	watcher.generation = fy_fork_generation();
	watcher.running = 1;
	return 0;
}

static void enlist(struct fy_watch *w)
{
	w->previous = NULL;
	w->next = watcher.all;
	if (w->next)
		w->next->previous = w;
	watcher.all = w;
}

static void delist(struct fy_watch *w)
{
	if (w->previous)
		w->previous->next = w->next;
	else
		watcher.all = w->next;
	if (w->next)
		w->next->previous = w->previous;
}

/* ---- fork: the child must not inherit the mutex locked ---- */

static void before_fork(void)
{
	(void)pthread_mutex_lock(&mutex);
}

static void after_fork_parent(void)
{
	(void)pthread_mutex_unlock(&mutex);
}

static void after_fork_child(void)
{
	forget_parent();
	(void)pthread_mutex_unlock(&mutex);
}

static void watch_forks(void)
{
	(void)pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

void fy_watch_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, watch_forks);
}

/* ---- the interface ---- */

static int begin(struct fy_watch *w, uint32_t events)
{
	struct epoll_event event = { .events = events | EPOLLONESHOT, .data = { .ptr = w } };

	forget_parent();
	int r = start();
	if (r < 0)
		return r;
	if (epoll_ctl(watcher.epoll, EPOLL_CTL_ADD, w->fd, &event) != 0)
		return -errno;
	enlist(w);
	return 0;
}

/* Without watches no thread is wanted. Called with the mutex held, which is let go of: the thread
 * may need it for its last round. */
static void stop_if_idle(void)
{
	const uint64_t one = 1;
	pthread_t thread = watcher.thread;

	if (watcher.all || !watcher.running) {
		(void)pthread_mutex_unlock(&mutex);
		return;
	}
	int epoll = watcher.epoll;
	int stop = watcher.stop;
	watcher.running = 0;
	(void)pthread_mutex_unlock(&mutex);
	(void)!write(stop, &one, sizeof(one));
	(void)pthread_join(thread, NULL);
	(void)close(epoll);
	(void)close(stop);
}

int fy_watch_begin(struct fy_watch **ret_watch, int fd, uint32_t events,
		   void (*fired)(void *context), void *context)
{
	struct fy_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	fy_watch_init();
	w->fired = fired;
	w->context = context;
	w->fd = fd;
	w->generation = fy_fork_generation();
	(void)pthread_mutex_lock(&mutex);
	int r = begin(w, events);
	(void)pthread_mutex_unlock(&mutex);
	if (r < 0)
		free(w);
	else
		*ret_watch = w;
	return r;
}

void fy_watch_end(struct fy_watch *watch)
{
	if (!watch)
		return;
	(void)pthread_mutex_lock(&mutex);
	forget_parent();
	if (watch->generation == fy_fork_generation() && find(watch)) {
		(void)epoll_ctl(watcher.epoll, EPOLL_CTL_DEL, watch->fd, NULL);
		delist(watch);
	}
	stop_if_idle();
	free(watch);
}
