/* SPDX-License-Identifier: MIT */
/* presence.c - see presence.h. */
#include "presence.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../os/cancel.h"
#include "../os/process.h"

/* One process of the other end. */
struct fy_watched {
	struct fy_watched *next;
	struct fy_watch *watch;
	uint64_t member; /* its state word */
	uint32_t slot;
	int pidfd;
};

static struct flock role_lock(enum fy_pipe_role role, short type)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = FY_LOCK_ROLE + (off_t)role,
		.l_len = 1,
	};
	return lock;
}

int fy_presence_begin(struct ferry_pipe *pipe)
{
	struct flock lock = role_lock(fy_pipe_role(pipe), F_RDLCK);
	int fd = fy_object_describe(&pipe->object);

	if (fd < 0)
		return fd;
	if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
		int r = -errno;
		(void)close(fd);
		return r;
	}
	pipe->presence.fd = fd;
	return 0;
}

/* ---- asking ---- */

static int somebody_locks(const struct ferry_pipe *pipe, enum fy_pipe_role role)
{
	struct flock lock = role_lock(role, F_WRLCK);

	/* If the kernel will not say, nobody is declared gone. */
	return fcntl(pipe->object.fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

static int is_hung_up(const struct ferry_pipe *pipe)
{
	struct pollfd end = { .fd = pipe->presence.fd };

	return poll(&end, 1, 0) > 0 && (end.revents & (POLLHUP | POLLERR)) != 0;
}

int fy_presence_of(const struct ferry_pipe *pipe, enum fy_pipe_role role)
{
	int cancel = fy_cancel_off();
	int r;

	if (!pipe->anonymous)
		r = somebody_locks(pipe, role);
	else
		r = role == fy_pipe_role(pipe) || !is_hung_up(pipe);
	fy_cancel_restore(cancel);
	return r;
}

int fy_presence_ask(const struct ferry_pipe *pipe)
{
	return fy_presence_of(pipe, fy_pipe_other(pipe));
}

int fy_presence_ask_again(struct ferry_pipe *pipe, int64_t now)
{
	struct fy_presence *presence = &pipe->presence;
	/* SYNC(pipe.departures) acquire: read before we ask, so a reader that closes later is
	 * noticed. */
	uint32_t departures = atomic_load_explicit(&pipe->shm->departures, memory_order_acquire);

	if (!fy_presence_ask(pipe)) {
		/* RELAXED(a private timer) */
		atomic_store_explicit(&presence->due, 0, memory_order_relaxed);
		return 0;
	}
	/* RELAXED(goes with the timer) */
	atomic_store_explicit(&presence->departures, departures, memory_order_relaxed);
	/* RELAXED(a private timer) */
	atomic_store_explicit(&presence->due, now + FY_PRESENCE_EVERY, memory_order_relaxed);
	return 1;
}

/* ---- being told ---- */

/* In the watching thread. */
static void ring(void *context)
{
	struct ferry_pipe *pipe = context;

	fy_object_ring_all(&pipe->object);
}

static void end_watched(struct fy_watched *w)
{
	fy_watch_end(w->watch);
	(void)close(w->pidfd);
	free(w);
}

/* Watch the process of one member. It may be gone, or its number another's, by the time we have
 * the descriptor; then its member is not ALIVE with that word any more, or whoever asks the kernel
 * next finds out. */
static void watch_member(struct ferry_pipe *pipe, uint32_t slot, uint64_t word)
{
	struct fy_watched *w = calloc(1, sizeof(*w));

	if (!w)
		return;
	w->member = word;
	w->slot = slot;
	w->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pipe->object.members[slot].pid, 0);
	if (w->pidfd >= 0 && fy_watch_begin(&w->watch, w->pidfd, EPOLLIN, ring, pipe) == 0) {
		w->next = pipe->presence.peers;
		pipe->presence.peers = w;
		return;
	}
	if (w->pidfd >= 0)
		(void)close(w->pidfd);
	free(w);
}

static int is_watched(const struct ferry_pipe *pipe, uint32_t slot, uint64_t word)
{
	for (const struct fy_watched *w = pipe->presence.peers; w; w = w->next)
		if (w->slot == slot && w->member == word)
			return 1;
	return 0;
}

static int is_peer(const struct ferry_pipe *pipe, uint32_t slot, uint64_t word)
{
	/* RELAXED(ordered by the member's state) */
	uint32_t role = atomic_load_explicit(&pipe->shm->members[slot].role, memory_order_relaxed);

	return fy_member_status(word) == FY_MEMBER_ALIVE && role == fy_pipe_other(pipe) &&
	       pipe->object.pid_namespace != 0 &&
	       pipe->object.members[slot].pid_namespace == pipe->object.pid_namespace;
}

static void drop_the_gone(struct ferry_pipe *pipe)
{
	struct fy_watched **at = &pipe->presence.peers;

	while (*at) {
		struct fy_watched *w = *at;
		if (fy_member_load(&pipe->object, w->slot) == w->member) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		end_watched(w);
	}
}

static void watch_peers(struct ferry_pipe *pipe)
{
	drop_the_gone(pipe);
	for (uint32_t slot = 0; slot < pipe->object.member_slots; slot++) {
		uint64_t word = fy_member_load(&pipe->object, slot);
		if (is_peer(pipe, slot, word) && !is_watched(pipe, slot, word))
			watch_member(pipe, slot, word);
	}
}

/* Anonymous: the kernel pipe hangs up when the last of the other end is gone, once and for all. */
static void watch_hangup(struct ferry_pipe *pipe)
{
	if (!pipe->presence.hangup)
		(void)fy_watch_begin(&pipe->presence.hangup, pipe->presence.fd, 0, ring, pipe);
}

void fy_presence_watch(struct ferry_pipe *pipe)
{
	struct fy_presence *presence = &pipe->presence;
	/* SYNC(pipe.opened) acquire: pairs with the release in fy_pipe_arrive(): members that came
	 * before are in the table. */
	uint64_t upto =
	    atomic_load_explicit(&pipe->shm->opened[fy_pipe_other(pipe)], memory_order_seq_cst) + 1;

	/* RELAXED(private) */
	if (FY_LIKELY(atomic_load_explicit(&presence->watched_upto, memory_order_relaxed) == upto))
		return;
	/* SYNC(pipe.watching) acquire: pairs with the release below: the list is ours. Who finds
	 * another thread at it leaves it to that one: a nap covers the difference. */
	if (atomic_exchange_explicit(&presence->watching, 1, memory_order_acquire) != 0)
		return;
	int cancel = fy_cancel_off();
	if (pipe->anonymous)
		watch_hangup(pipe);
	else
		watch_peers(pipe);
	fy_cancel_restore(cancel);
	/* RELAXED(as above) */
	atomic_store_explicit(&presence->watched_upto, upto, memory_order_relaxed);
	/* SYNC(pipe.watching) release: pairs with the acquire above. */
	atomic_store_explicit(&presence->watching, 0, memory_order_release);
}

static void end_watches(struct ferry_pipe *pipe)
{
	struct fy_watched *next;

	fy_watch_end(pipe->presence.hangup);
	pipe->presence.hangup = NULL;
	for (struct fy_watched *w = pipe->presence.peers; w; w = next) {
		next = w->next;
		end_watched(w);
	}
	pipe->presence.peers = NULL;
	/* RELAXED(private) */
	atomic_store_explicit(&pipe->presence.watched_upto, 0, memory_order_relaxed);
}

void fy_presence_forget(struct ferry_pipe *pipe)
{
	end_watches(pipe);
	/* RELAXED(the thread that was at it stayed with the parent) */
	atomic_store_explicit(&pipe->presence.watching, 0, memory_order_relaxed);
}

void fy_presence_end(struct ferry_pipe *pipe)
{
	end_watches(pipe);
	if (pipe->presence.fd >= 0)
		(void)close(pipe->presence.fd);
	pipe->presence.fd = -1;
}
