/* SPDX-License-Identifier: MIT */
/* moved.c - see moved.h. */
#include "moved.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/error.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../os/barrier.h"
#include "../os/clock.h"
#include "../os/cpu.h"
#include "../os/pages.h"
#include "../os/poll.h"
#include "../os/reserve.h"
#include "../os/socket.h"
#include "../wait/pace.h"
#include "../wait/waiter.h"
#include "socket.h"

#define SEALS        (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define ASK_EVERY    (4 * FY_MS)
#define END_PATIENCE (30 * FY_MS)
#define NAME_ROOM    250 /* of memfd_create(2) */
#define WATCH        64u /* looks at the ring between two tries */

/* What the processes of one side have in common: this one and its forked children. */
struct fy_sides {
	struct fy_lane_side in, out;
	_Atomic uint32_t sharers; /* processes; too many when one was killed, or fork() failed */
};

/* ---- fork() ---- */

/* No thread is within a try while the process is doubled; and from here on there is one sharer
 * more. */
static void before_fork(void *handle)
{
	struct fy_moved *moved = handle;

	(void)pthread_mutex_lock(&moved->in.mutex);
	(void)pthread_mutex_lock(&moved->out.mutex);
	/* SYNC(moved.sharers) acq_rel: pairs with is_shared(). */
	(void)atomic_fetch_add_explicit(&moved->sides->sharers, 1, memory_order_acq_rel);
}

static void after_fork(void *handle)
{
	struct fy_moved *moved = handle;

	(void)pthread_mutex_unlock(&moved->out.mutex);
	(void)pthread_mutex_unlock(&moved->in.mutex);
}

/* Barriers reach who has asked for it. */
static void let_barriers_in(struct fy_moved *moved)
{
	moved->in.lane.fences = fy_barrier_register() < 0;
}

static void after_fork_child(void *handle)
{
	struct fy_moved *moved = handle;

	let_barriers_in(moved);
	moved->generation = fy_fork_generation();
	after_fork(moved);
}

static const struct fy_inheritance inheritance = { before_fork, after_fork, after_fork_child };

/* ---- making ---- */

int fy_moved_memory(const char *text)
{
	const struct fy_lane_shm lane = { .stretch[1] = { .to = FY_STILL_OPEN }, .stretches = 1 };
	const struct fy_lanes_shm header = { .magic = FY_LANES_MAGIC,
					     .version = FY_LANES_VERSION,
					     .ring = FY_LANE_RING,
					     .lane = { lane, lane } };
	char name[NAME_ROOM];
	int saved = errno;

	(void)snprintf(name, sizeof(name), "ferry-connection:%s", text);
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	/* Its last page is reserved, so it has that size, and a limit to that is no signal. */
	if (fd < 0 || fy_reserve(fd, FY_LANES_ALL - 1, 1) < 0 ||
	    pwrite(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
		if (fd >= 0)
			(void)close(fd);
		errno = saved;
		return -ENOMEM;
	}
	return fd;
}

/* Is it memory that nobody can take away from under us, and as large as we take it to be? */
static int is_sound(int memory)
{
	struct stat file;
	struct statfs system;
	int seals = fcntl(memory, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS && fstat(memory, &file) == 0 &&
	       S_ISREG(file.st_mode) && file.st_size == (off_t)FY_LANES_ALL &&
	       fstatfs(memory, &system) == 0 && system.f_type == TMPFS_MAGIC;
}

static int map(struct fy_moved *moved, int memory)
{
	void *shm = mmap(NULL, FY_LANES_ALL, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);

	if (shm == MAP_FAILED)
		return -errno;
	moved->shm = shm;
	/* The first line is nobody's to change, but a peer may; it is looked at once. */
	if (moved->shm->magic != FY_LANES_MAGIC || moved->shm->version != FY_LANES_VERSION ||
	    moved->shm->ring != FY_LANE_RING)
		return -FERRY_EVERSION;
	void *sides = mmap(NULL, sizeof(*moved->sides), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sides == MAP_FAILED)
		return -errno;
	moved->sides = sides;
	return 0;
}

static void unmap(struct fy_moved *moved)
{
	if (moved->shm)
		(void)munmap(moved->shm, FY_LANES_ALL);
	if (moved->sides)
		(void)munmap(moved->sides, sizeof(*moved->sides));
	free(moved);
}

static void begin_way(struct fy_moved *moved, struct fy_moved_way *way, int which,
		      struct fy_lane_side *side)
{
	(void)pthread_mutex_init(&way->mutex, NULL);
	fy_spin_init(&way->spin, fy_spin_wish(0));
	way->lane = (struct fy_lane){ .shm = &moved->shm->lane[which],
				      .ring = (uint8_t *)moved->shm + FY_LANES_AT +
					      (uint64_t)which * FY_LANE_RING,
				      .side = side,
				      .fd = moved->fd };
}

int fy_moved_begin(struct fy_moved **ret_moved, int memory, int side, int fd,
		   enum ferry_transport transport, int interruptible)
{
	int saved = errno;
	int r = is_sound(memory) ? fy_fork_init() : -EPERM;

	errno = saved;
	if (r < 0)
		return r;
	struct fy_moved *moved = calloc(1, sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	r = map(moved, memory);
	errno = saved;
	if (r < 0) {
		unmap(moved);
		return r;
	}
	moved->fd = fd;
	moved->reset_by_gone = fy_transport_is_unix(transport);
	moved->interruptible = interruptible;
	moved->generation = fy_fork_generation();
	begin_way(moved, &moved->in, !side, &moved->sides->in);
	begin_way(moved, &moved->out, side, &moved->sides->out);
	let_barriers_in(moved);
	moved->sides->out.stretches = 1; /* both lanes begin over the socket */
	/* RELAXED(nobody else has it yet) */
	atomic_init(&moved->sides->sharers, 1);
	fy_inherit(&moved->inherited, &inheritance, moved);
	*ret_moved = moved;
	return 0;
}

/* ---- one at a time ---- */

/* Other processes than this one have the handle too. */
static int is_shared(const struct fy_moved *moved)
{
	/* SYNC(moved.sharers) acquire: pairs with leave(): what the one that left did is seen. */
	return atomic_load_explicit(&moved->sides->sharers, memory_order_acquire) > 1;
}

static int lock(struct fy_moved *moved, struct fy_moved_way *way, ferry_deadline deadline)
{
	struct fy_pace pace = { 0 };
	int r = 0;

	(void)pthread_mutex_lock(&way->mutex);
	if (!is_shared(moved))
		return 0;
	/* A lock of the process, which dies with it. */
	while ((r = fy_socket_lock(moved->fd, way == &moved->out, 1)) == -EAGAIN) {
		(void)pthread_mutex_unlock(&way->mutex);
		r = fy_pace_wait(&pace, deadline);
		if (r < 0 && (r != -EINTR || moved->interruptible))
			return r;
		(void)pthread_mutex_lock(&way->mutex);
	}
	way->locked = r == 0;
	if (r < 0)
		(void)pthread_mutex_unlock(&way->mutex);
	return r;
}

static void unlock(struct fy_moved *moved, struct fy_moved_way *way)
{
	if (FY_UNLIKELY(way->locked))
		(void)fy_socket_lock(moved->fd, way == &moved->out, 0);
	way->locked = 0;
	(void)pthread_mutex_unlock(&way->mutex);
}

/* ---- waiting ---- */

/* A wait at one way, wherever its next byte is. */
struct wait {
	struct fy_waiter waiter;
	struct fy_moved *moved;
	struct fy_moved_way *way;
	int in_ring; /* at the last try */
	int late;    /* the deadline has passed: one more try */
};

static int can_wait(void *object)
{
	(void)object;
	return 0;
}

/* Readers do not fence between giving room and looking for sleepers (give_room() in lane.c). */
static void make_barrier(struct fy_waiter *waiter)
{
	struct fy_moved *moved = waiter->object;

	if (waiter->bell == &moved->out.lane.shm->room.word && fy_barrier_all() < 0)
		fy_lane_ask_for_fences(&moved->out.lane);
}

/* Whoever naps are for is found dead by the next try, which asks the socket. */
static const struct fy_waiter_host host = { .state = can_wait, .prepared = make_barrier };

static void begin_wait(struct wait *wait, struct fy_moved *moved, struct fy_moved_way *way,
		       ferry_deadline deadline, int in_ring)
{
	struct fy_lane_shm *shm = way->lane.shm;

	*wait = (struct wait){
		.waiter = { .host = &host,
			    .object = moved,
			    .deadline = deadline,
			    .bell = way == &moved->in ? &shm->bytes.word : &shm->room.word,
			    .fd = FY_BELL_UNWATCHED,
			    .spin = &way->spin,
			    .interruptible = moved->interruptible,
			    .eager = FY_WAITER_EAGER },
		.moved = moved,
		.way = way,
		.in_ring = in_ring,
	};
}

/* The other end reads this line all the time: it is left alone if nothing is new. */
static void tell_core(_Atomic uint32_t *hint, uint32_t core)
{
	/* RELAXED(a hint) */
	if (atomic_load_explicit(hint, memory_order_relaxed) != core)
		/* RELAXED(a hint) */
		atomic_store_explicit(hint, core, memory_order_relaxed);
}

/* Both sides say where they last waited: on one core, spinning keeps the other from answering. */
static void compare_cores(struct wait *wait)
{
	const uint32_t us = fy_cpu() + 1;
	struct fy_moved *m = wait->moved;

	tell_core(&m->in.lane.shm->reader_cpu, us);
	tell_core(&m->out.lane.shm->writer_cpu, us);
	/* RELAXED(a hint) */
	uint32_t writer = atomic_load_explicit(&m->in.lane.shm->writer_cpu, memory_order_relaxed);
	wait->waiter.same_core = writer == us;
}

/* As wait_again(), at the socket. A hostile end can have it ready for ever with nothing there for
 * us; that is not to outlast the deadline. */
static int wait_at_socket(struct wait *wait, int reading)
{
	struct pollfd ready = { .fd = wait->moved->fd, .events = reading ? POLLIN : POLLOUT };
	const ferry_deadline deadline = wait->waiter.deadline;
	int r = fy_poll(&ready, 1, deadline, wait->moved->interruptible);

	if (r <= 0)
		return r;
	if (wait->late)
		return -ETIMEDOUT;
	wait->late = deadline != FERRY_FOREVER && fy_now() >= deadline;
	return 0;
}

/* Nothing was possible. 0: try again; or why not. */
static int wait_again(struct wait *wait)
{
	const int reading = wait->way == &wait->moved->in;

	/* What it was not possible for may stay ready: another process may be at the handle. */
	if (wait->waiter.deadline == FERRY_NOW)
		return -EAGAIN;
	if (!wait->in_ring)
		return wait_at_socket(wait, reading);
	if (wait->waiter.phase == FY_WAITER_NEW)
		compare_cores(wait);
	int r = fy_waiter_again(&wait->waiter);
	if (r == 0 && wait->waiter.phase == FY_WAITER_SPINNING && reading)
		(void)fy_lane_watch(&wait->way->lane, WATCH);
	return r;
}

/* Who does not wait asks the kernel from time to time only, unless it may have been woken by the
 * descriptor. */
static int is_time_to_ask(struct fy_moved_way *way, int always)
{
	const int64_t now = fy_now_coarse();

	/* RELAXED(a private timer) */
	if (!always && now < atomic_load_explicit(&way->due, memory_order_relaxed))
		return 0;
	/* RELAXED(a private timer) */
	atomic_store_explicit(&way->due, now + ASK_EVERY, memory_order_relaxed);
	return 1;
}

/* ---- reading ---- */

static int is_polled(const struct fy_moved *moved)
{
	/* RELAXED(set before anybody waits for the descriptor) */
	return atomic_load_explicit(&moved->polled, memory_order_relaxed) != 0;
}

/* The first read by these calls: from now on the other end may write into the ring, whose memory is
 * there from now on. */
FY_COLD static void begin_reading(struct fy_moved *moved)
{
	struct fy_lane *lane = &moved->in.lane;

	/* RELAXED(twice does no harm) */
	atomic_store_explicit(&moved->reading, 1, memory_order_relaxed);
	if (fy_pages_populate(lane->ring, FY_LANE_RING, 1) == 0)
		fy_lane_is_ready(lane);
}

/* The end has come. It is told as the kernel tells it: that the other end has thrown away what we
 * had written is an error, once. */
static ssize_t end_of(struct fy_moved *moved)
{
	struct fy_lane_side *side = moved->in.lane.side;
	const int closed = fy_lane_gone(&moved->out.lane) == FY_LANE_CLOSED ||
			   (side->over && fy_lane_ended(&moved->in.lane) == FY_LANE_OPEN);
	const int lost = fy_lane_is_plain(&moved->out.lane) ? side->broken
							    : fy_lane_waiting(&moved->out.lane) > 0;

	if (!closed || !lost || side->told)
		return 0;
	side->told = 1;
	return -ECONNRESET;
}

/* With the lock. look: FY_LANE_ASKS: we are about to sleep, or to give up. */
static ssize_t read_once(struct fy_moved *moved, struct msghdr *message, size_t size, unsigned look)
{
	struct fy_lane *lane = &moved->in.lane;
	const int polled = is_polled(moved);
	ssize_t r = fy_lane_read(lane, message, size, look | (polled ? FY_LANE_POLLED : 0u));

	/* If that fails the next call says so. */
	if (polled && r > 0)
		(void)fy_lane_arm(lane);
	/* RELAXED(a flag of ours) */
	if (r == -EAGAIN && atomic_load_explicit(&lane->side->shut, memory_order_relaxed))
		r = 0;
	return r == FY_LANE_AT_END ? end_of(moved) : r;
}

static ssize_t try_in(struct fy_moved *moved, struct msghdr *message, size_t size,
		      ferry_deadline deadline, unsigned look, int *ret_in_ring)
{
	const struct msghdr asked = *message;
	int r = lock(moved, &moved->in, deadline);

	if (r < 0)
		return r;
	ssize_t n = read_once(moved, message, size, look);
	*ret_in_ring = moved->in.lane.side->in_ring;
	unlock(moved, &moved->in);
	if (n < 0)
		*message = asked;
	else if (n == 0)
		message->msg_controllen = 0;
	return n;
}

/* The answer may be on its way already: look out for it when it is due, before reading clocks. */
static ssize_t try_in_when_due(struct fy_moved *moved, struct msghdr *message, size_t size,
			       ferry_deadline deadline, int *ret_in_ring)
{
	struct fy_moved_way *way = &moved->in;

	const unsigned look = fy_rhythm_get(&way->rhythm.rest) > 0 ? FY_LANE_ONCE : 0u;

	fy_rhythm_rest(&way->rhythm);
	ssize_t r = try_in(moved, message, size, deadline, look, ret_in_ring);
	if (r != -EAGAIN) {
		fy_rhythm_found(&way->rhythm);
		return r;
	}
	if (!*ret_in_ring)
		return r;
	uint32_t looks = fy_lane_watch(&way->lane, FY_RHYTHM_LOOKS);
	fy_rhythm_missed(&way->rhythm, looks);
	if (looks == FY_RHYTHM_LOOKS)
		return r;
	return try_in(moved, message, size, deadline, FY_LANE_ONCE, ret_in_ring);
}

/* The time is up. Whoever never has enough of it to sleep has not asked the kernel yet, and shall
 * find out, too, that the other end is dead. */
static ssize_t try_in_at_last(struct wait *wait, struct msghdr *message, size_t size)
{
	if (!wait->in_ring || !is_time_to_ask(wait->way, 0))
		return -ETIMEDOUT;
	ssize_t r =
	    try_in(wait->moved, message, size, wait->waiter.deadline, FY_LANE_ASKS, &wait->in_ring);
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

ssize_t fy_moved_in(struct fy_moved *moved, struct msghdr *message, ferry_deadline deadline)
{
	const ssize_t size = fy_buffers_size(message->msg_iov, (int)message->msg_iovlen);
	struct wait wait;

	if (fy_fork_is_child(moved->generation))
		return -EBADF;
	/* RELAXED(twice does no harm) */
	if (FY_UNLIKELY(atomic_load_explicit(&moved->reading, memory_order_relaxed) == 0))
		begin_reading(moved);
	int in_ring = 0;
	ssize_t r;
	if (deadline == FERRY_NOW)
		r = try_in(moved, message, (size_t)size, deadline,
			   is_time_to_ask(&moved->in, is_polled(moved)) ? FY_LANE_ASKS : 0,
			   &in_ring);
	else if (moved->in.spin.limit > 0)
		r = try_in_when_due(moved, message, (size_t)size, deadline, &in_ring);
	else
		r = try_in(moved, message, (size_t)size, deadline, 0, &in_ring);
	if (r != -EAGAIN)
		return r;
	begin_wait(&wait, moved, &moved->in, deadline, in_ring);
	while (r == -EAGAIN && (r = wait_again(&wait)) == 0)
		r = try_in(moved, message, (size_t)size, deadline,
			   fy_waiter_is_about_to_sleep(&wait.waiter) ? FY_LANE_ASKS : 0,
			   &wait.in_ring);
	if (r == -ETIMEDOUT)
		r = try_in_at_last(&wait, message, (size_t)size);
	fy_waiter_over(&wait.waiter, r >= 0, 0);
	return r;
}

/* ---- writing ---- */

/* Ask the kernel whether anybody is there. */
static int is_hung_up(const struct fy_moved *moved)
{
	struct pollfd end = { .fd = moved->fd, .events = POLLRDHUP };
	const struct fy_lane *in = &moved->in.lane;

	if (fy_poll(&end, 1, FERRY_NOW, 0) <= 0)
		return 0;
	if (end.revents & (POLLHUP | POLLERR))
		return 1;
	/* TCP does not tell a half from the whole; but who ends only its sending has said so. */
	/* RELAXED(a flag of ours) */
	return !moved->reset_by_gone && fy_lane_ended(in) == FY_LANE_OPEN &&
	       !atomic_load_explicit(&in->side->shut, memory_order_relaxed);
}

/* Will nobody read what we write? */
static int is_refused(struct fy_moved *moved, int look)
{
	const uint32_t gone = fy_lane_gone(&moved->out.lane);

	/* RELAXED(a flag of ours) */
	if (atomic_load_explicit(&moved->out.lane.side->shut, memory_order_relaxed) ||
	    gone == FY_LANE_CLOSED || (gone != FY_LANE_OPEN && moved->reset_by_gone))
		return 1;
	/* Of a plain socket the kernel says it itself. */
	return moved->out.lane.side->in_ring && is_time_to_ask(&moved->out, look) &&
	       is_hung_up(moved);
}

/* slept: this wait has. */
static ssize_t try_out(struct fy_moved *moved, const struct msghdr *message, size_t size,
		       ferry_deadline deadline, int look, int slept, int *ret_in_ring)
{
	struct fy_lane *lane = &moved->out.lane;
	int r = lock(moved, &moved->out, deadline);
	ssize_t n = r;

	if (r < 0)
		return r;
	if (is_refused(moved, look))
		n = -EPIPE;
	if (n == 0)
		n = fy_lane_write(lane, message, size,
				  deadline == FERRY_NOW ? FY_LANE_OVERFLOWS : FY_LANE_WAITS);
	*ret_in_ring = lane->side->in_ring;
	/* Over TCP nobody tells that the other end is dead when it had ended its sending before.
	 * Not if another thread has left the ring: then such a byte would be data. */
	if (n == -EAGAIN && lane->side->in_ring && look && slept && !moved->reset_by_gone)
		fy_lane_probe(lane);
	unlock(moved, &moved->out);
	return n;
}

ssize_t fy_moved_out(struct fy_moved *moved, const struct msghdr *message, ferry_deadline deadline)
{
	const ssize_t size = fy_buffers_size(message->msg_iov, (int)message->msg_iovlen);
	struct wait wait;

	if (fy_fork_is_child(moved->generation))
		return -EBADF;
	int in_ring = 0;
	ssize_t r = try_out(moved, message, (size_t)size, deadline, 0, 0, &in_ring);
	if (r != -EAGAIN)
		return r;
	begin_wait(&wait, moved, &moved->out, deadline, in_ring);
	while (r == -EAGAIN && (r = wait_again(&wait)) == 0)
		r = try_out(moved, message, (size_t)size, deadline,
			    fy_waiter_is_about_to_sleep(&wait.waiter), wait.waiter.slept,
			    &wait.in_ring);
	fy_waiter_over(&wait.waiter, r >= 0, 0);
	return r;
}

/* ---- ending ---- */

/* Between two tries to write: what was written comes before the end. Only another process that
 * stands still within a try is not waited for. */
static void end_writing(struct fy_moved *moved)
{
	int r;

	while ((r = lock(moved, &moved->out, fy_now() + END_PATIENCE)) == -EINTR)
		;
	/* RELAXED(a flag of ours; the lane's end is what others see) */
	atomic_store_explicit(&moved->out.lane.side->shut, 1, memory_order_relaxed);
	fy_lane_end(&moved->out.lane, FY_LANE_SHUT_DOWN);
	if (r == 0)
		unlock(moved, &moved->out);
	fy_bell_ring_after_store(&moved->out.lane.shm->room, FY_BELL_ALL, FY_BELL_UNWATCHED, 1);
}

void fy_moved_shutdown(struct fy_moved *moved, uint32_t directions)
{
	/* Of _Fork(): a thread that stayed behind may have the mutex. The kernel tells of the end.
	 */
	if (fy_fork_is_child(moved->generation))
		return;
	if (directions & FERRY_WRITE)
		end_writing(moved);
	if (directions & FERRY_READ) {
		/* RELAXED(a flag of ours) */
		atomic_store_explicit(&moved->in.lane.side->shut, 1, memory_order_relaxed);
		fy_lane_leave(&moved->in.lane, FY_LANE_SHUT_DOWN);
		fy_bell_ring_after_store(&moved->in.lane.shm->bytes, FY_BELL_ALL, FY_BELL_UNWATCHED,
					 1);
	}
}

/* One sharer less. 1: it was the last. */
static int is_last(struct fy_moved *moved)
{
	/* SYNC(moved.sharers) acq_rel: pairs with is_shared(). */
	return !fy_fork_is_child(moved->generation) &&
	       atomic_fetch_sub_explicit(&moved->sides->sharers, 1, memory_order_acq_rel) == 1;
}

void fy_moved_close(struct fy_moved *moved)
{
	if (!moved)
		return;
	fy_disinherit(&moved->inherited);
	if (is_last(moved)) {
		/* Bells that were not taken would look to the kernel like bytes that were not. */
		(void)fy_lane_arm(&moved->in.lane);
		/* A lane that never left the socket may go on through a descriptor elsewhere. */
		if (!fy_lane_is_plain(&moved->out.lane))
			fy_lane_end(&moved->out.lane, FY_LANE_CLOSED);
		if (fy_lane_has_reader(&moved->in.lane))
			fy_lane_leave(&moved->in.lane, FY_LANE_CLOSED);
	}
	(void)pthread_mutex_destroy(&moved->in.mutex);
	(void)pthread_mutex_destroy(&moved->out.mutex);
	unmap(moved);
}

/* ---- from outside ---- */

void fy_moved_poll(struct fy_moved *moved)
{
	/* RELAXED(the caller waits for the descriptor after this) */
	atomic_store_explicit(&moved->polled, 1, memory_order_relaxed);
	/* SYNC(lane.wanted) acq_rel: pairs with tell_reader() in lane.c. */
	(void)atomic_exchange_explicit(&moved->in.lane.shm->wanted, 1, memory_order_seq_cst);
}

uint32_t fy_moved_directions(const struct fy_moved *moved)
{
	return (fy_lane_is_plain(&moved->in.lane) ? 0u : FERRY_READ) |
	       (fy_lane_is_plain(&moved->out.lane) ? 0u : FERRY_WRITE);
}

uint64_t fy_moved_readable(const struct fy_moved *moved)
{
	return fy_lane_waiting(&moved->in.lane);
}

uint64_t fy_moved_unsent(const struct fy_moved *moved)
{
	return fy_lane_waiting(&moved->out.lane);
}
