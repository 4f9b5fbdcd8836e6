/* SPDX-License-Identifier: MIT */
/* lane.c - see lane.h. */
#include "lane.h"

#include <errno.h>
#include <ferry/error.h>

#include "../base/cursor.h"
#include "../os/pause.h"
#include "../os/poll.h"
#include "../os/prefetch.h"
#include "../os/socket.h"

#define CHUNK  UINT64_C(16384)    /* of a long write: the reader begins with it meanwhile */
#define HANDY  UINT64_C(16384)    /* room that a sleeping writer is worth waking for */
#define BELLS  64                 /* taken at once */
#define MOST   (8 * FY_LANE_RING) /* in one try, which others may be waiting for */
#define WINDOW 16                 /* buffers of one such try */
#define TRIES  8                  /* to find where the next byte is */

static uint8_t *at(const struct fy_lane *lane, uint64_t position)
{
	return lane->ring + position % FY_LANE_RING;
}

/* What comes at a position is told here. */
static _Atomic uint64_t *news_of(const struct fy_lane *lane, uint64_t position)
{
	return &lane->shm->news[fy_lane_news_of(position)].tail;
}

static uint64_t until_wrap(uint64_t position)
{
	return FY_LANE_RING - position % FY_LANE_RING;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static struct fy_lane_stretch *stretch_of(const struct fy_lane *lane, uint32_t number)
{
	return &lane->shm->stretch[number % FY_LANE_STRETCHES];
}

/* ---- bells ---- */

/* Be heard by a poll(2) on the other end's descriptor. 1; 0: the kernel would not take it. */
static int send_bell(struct fy_lane *lane)
{
	char bell = 0;
	struct iovec one = { &bell, 1 };
	const struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1 };

	if (fy_socket_send_message(lane->fd, &message, MSG_DONTWAIT) != 1)
		return 0;
	lane->side->count++;
	return 1;
}

FY_COLD static void ring_wanted(struct fy_lane *lane)
{
	/* SYNC(lane.wanted) acq_rel: pairs with fy_lane_arm(): one byte for each wish. */
	if (atomic_exchange_explicit(&lane->shm->wanted, 0, memory_order_seq_cst) != 0 &&
	    !send_bell(lane))
		/* The socket is full, and readable; the next news try again.
		 * SYNC(lane.wanted) release: pairs with tell_reader(). */
		atomic_store_explicit(&lane->shm->wanted, 1, memory_order_release);
}

/* After news for the reader. */
static void tell_reader(struct fy_lane *lane)
{
	fy_bell_ring_after_store(&lane->shm->bytes, FY_BELL_ALL, FY_BELL_UNWATCHED, 1);
	/* SYNC(lane.wanted) acquire: after the fence of the line before: we publish and look, the
	 * reader arms and looks. */
	if (FY_UNLIKELY(atomic_load_explicit(&lane->shm->wanted, memory_order_acquire) != 0))
		ring_wanted(lane);
}

/* ---- writing ---- */

/* See how far the reader is. 0 or -FERRY_ECORRUPT. */
static int look_at_head(struct fy_lane *lane)
{
	struct fy_lane_side *side = lane->side;
	/* SYNC(lane.head) acquire: pairs with take(): what was read may be written over. */
	uint64_t head = atomic_load_explicit(&lane->shm->head, memory_order_acquire);

	if (side->position - head > FY_LANE_RING)
		return -FERRY_ECORRUPT;
	side->seen = head;
	return 0;
}

static void copy_in(struct fy_lane *lane, struct fy_cursor *cursor, uint64_t n)
{
	const uint64_t position = lane->side->position;
	const uint64_t first = least(n, until_wrap(position));

	fy_cursor_get(cursor, at(lane, position), first);
	if (FY_UNLIKELY(n > first))
		fy_cursor_get(cursor, lane->ring, n - first);
}

/* The reader has had the lines of the next write, a while ago. Have them back before it comes. */
static void fetch_next(const struct fy_lane *lane)
{
	const uint64_t position = lane->side->position;

	fy_prefetch_write(news_of(lane, position));
	fy_prefetch_write(at(lane, position));
	fy_prefetch_write(at(lane, position + FY_LINE));
}

static ssize_t put(struct fy_lane *lane, const struct msghdr *message, size_t size)
{
	struct fy_lane_side *side = lane->side;
	struct fy_cursor cursor = { .next = message->msg_iov, .n = (int)message->msg_iovlen };
	size_t done = 0;

	while (done < size) {
		const uint64_t want = least(size - done, CHUNK);
		uint64_t room = FY_LANE_RING - (side->position - side->seen);
		if (room < want && look_at_head(lane) < 0)
			return -FERRY_ECORRUPT;
		room = FY_LANE_RING - (side->position - side->seen);
		const uint64_t n = least(room, want);
		if (n == 0)
			break;
		copy_in(lane, &cursor, n);
		_Atomic uint64_t *tail = news_of(lane, side->position);
		side->position += n;
		/* SYNC(lane.tail) release: pairs with look_at_tail(): the bytes are there. */
		atomic_store_explicit(tail, side->position, memory_order_release);
		fetch_next(lane);
		tell_reader(lane);
		done += n;
	}
	return done > 0 ? (ssize_t)done : -EAGAIN;
}

/* Go on over the socket. */
static void leave_ring(struct fy_lane *lane)
{
	struct fy_lane_side *side = lane->side;
	/* Its last user is a stretch that the reader has left (may_enter()). */
	struct fy_lane_stretch *stretch = stretch_of(lane, ++side->stretches);

	side->from = side->count;
	/* RELAXED(published below) */
	atomic_store_explicit(&stretch->leave, side->position, memory_order_relaxed);
	/* RELAXED(published below) */
	atomic_store_explicit(&stretch->from, side->from, memory_order_relaxed);
	/* RELAXED(published below) */
	atomic_store_explicit(&stretch->to, FY_STILL_OPEN, memory_order_relaxed);
	/* SYNC(lane.stretches) release: pairs with stretch_began(). */
	atomic_store_explicit(&lane->shm->stretches, side->stretches, memory_order_release);
	side->in_ring = 0;
	/* Whoever sleeps at the ring goes to the socket. A bell over the socket, now, would be
	 * taken for data; and who waits for the descriptor is woken by what comes next. */
	fy_bell_ring_after_store(&lane->shm->bytes, FY_BELL_ALL, FY_BELL_UNWATCHED, 1);
}

/* Would a bell fit? */
static int has_room(const struct fy_lane *lane)
{
	struct pollfd room = { .fd = lane->fd, .events = POLLOUT };

	return fy_poll(&room, 1, FERRY_NOW, 0) > 0;
}

static void enter_ring(struct fy_lane *lane)
{
	/* SYNC(lane.to) release: pairs with stretch_end(): stored before anything else is sent. */
	atomic_store_explicit(&stretch_of(lane, lane->side->stretches)->to, lane->side->count,
			      memory_order_release);
	lane->side->in_ring = 1;
	/* Whoever waits for the socket goes to the ring. */
	(void)send_bell(lane);
}

/* May the stretch over the socket end? The first: as soon as the reader looks at the ring. A later
 * one: when all of it has been read, and there was something to read: then the reader is in it, and
 * the words of the one before are free for the next. So the ring can always be left. */
static int may_enter(const struct fy_lane *lane)
{
	const struct fy_lane_side *side = lane->side;

	if (!fy_lane_has_reader(lane))
		return 0;
	if (side->stretches == 1)
		return 1;
	/* SYNC(lane.got) acquire: pairs with count_got(). */
	return side->count != side->from &&
	       atomic_load_explicit(&lane->shm->got, memory_order_acquire) == side->count;
}

static ssize_t send_plain(struct fy_lane *lane, const struct msghdr *message)
{
	ssize_t r = fy_socket_send_message(lane->fd, message, MSG_DONTWAIT);

	if (r > 0)
		lane->side->count += (uint64_t)r;
	return r;
}

ssize_t fy_lane_write(struct fy_lane *lane, const struct msghdr *message, size_t size,
		      enum fy_lane_full full)
{
	const int passes_descriptors = message->msg_controllen > 0;

	if (!lane->side->in_ring && !passes_descriptors && may_enter(lane) && has_room(lane))
		enter_ring(lane);
	if (lane->side->in_ring && !passes_descriptors) {
		ssize_t r = put(lane, message, least(size, MOST));
		if (r != -EAGAIN || full == FY_LANE_WAITS)
			return r;
	}
	if (lane->side->in_ring)
		leave_ring(lane);
	return send_plain(lane, message);
}

/* ---- reading ---- */

/* Is that further than the position? Else it is news of an earlier write. */
static int is_ahead(uint64_t tail, uint64_t position)
{
	return (int64_t)(tail - position) > 0;
}

/* Having read all that was seen, see whether there is more. 0 or -FERRY_ECORRUPT. */
static int look_at_tail(struct fy_lane *lane)
{
	struct fy_lane_side *side = lane->side;

	if (side->seen != side->position)
		return 0;
	/* The bytes come with the same wait as the news of them. */
	fy_prefetch(at(lane, side->position));
	/* SYNC(lane.tail) acquire: pairs with put(): the bytes before it are there. */
	uint64_t tail = atomic_load_explicit(news_of(lane, side->position), memory_order_acquire);
	if (!is_ahead(tail, side->position))
		return 0;
	if (tail - side->position > FY_LANE_RING)
		return -FERRY_ECORRUPT;
	side->seen = tail;
	return 0;
}

/* Whoever sleeps for room has made a barrier here before (moved.c), if that is possible. */
static int must_fence(const struct fy_lane *lane)
{
	/* SYNC(lane.fenced) acquire: pairs with fy_lane_ask_for_fences(). */
	return lane->fences || atomic_load_explicit(&lane->shm->fenced, memory_order_acquire) != 0;
}

/* Bytes have been read: hand their room back. A sleeping writer is woken for a handy piece. */
static void give_room(struct fy_lane *lane)
{
	const struct fy_lane_side *side = lane->side;
	const uint64_t waiting = side->seen - side->position;

	/* SYNC(lane.head) release: pairs with look_at_head(): our reads of it are over. */
	atomic_store_explicit(&lane->shm->head, side->position, memory_order_release);
	if (waiting == 0 || FY_LANE_RING - waiting >= HANDY)
		fy_bell_ring_after_store(&lane->shm->room, FY_BELL_ALL, FY_BELL_UNWATCHED,
					 must_fence(lane));
}

static void copy_out(const struct fy_lane *lane, struct fy_cursor *cursor, uint64_t n)
{
	const uint64_t position = lane->side->position;
	const uint64_t first = least(n, until_wrap(position));

	fy_cursor_put(cursor, at(lane, position), first);
	if (FY_UNLIKELY(n > first))
		fy_cursor_put(cursor, lane->ring, n - first);
}

static ssize_t take(struct fy_lane *lane, const struct msghdr *message, size_t size, unsigned look)
{
	struct fy_lane_side *side = lane->side;
	struct fy_cursor cursor = { .next = message->msg_iov, .n = (int)message->msg_iovlen };
	size_t done = 0;

	while (done < size) {
		if (done > 0 && look & FY_LANE_ONCE && side->seen == side->position)
			break;
		if (look_at_tail(lane) < 0)
			return -FERRY_ECORRUPT;
		const uint64_t n = least(least(side->seen - side->position, size - done), CHUNK);
		if (n == 0)
			break;
		copy_out(lane, &cursor, n);
		side->position += n;
		give_room(lane);
		done += n;
	}
	return done > 0 ? (ssize_t)done : -EAGAIN;
}

static uint32_t stretches_begun(const struct fy_lane *lane)
{
	/* SYNC(lane.stretches) acquire: pairs with leave_ring(): the last one's words are there,
	 * and the tail where it began. */
	return atomic_load_explicit(&lane->shm->stretches, memory_order_acquire);
}

/* Has the writer left the ring where we are? 1; 0; -FERRY_ECORRUPT. */
static int stretch_began(struct fy_lane *lane)
{
	struct fy_lane_side *side = lane->side;
	const uint32_t begun = stretches_begun(lane);

	if (begun == side->stretches)
		return 0;
	if (look_at_tail(lane) < 0 || begun != side->stretches + 1)
		return -FERRY_ECORRUPT;
	if (side->seen != side->position)
		return 0; /* bytes of the ring come before it */
	const struct fy_lane_stretch *stretch = stretch_of(lane, begun);
	/* RELAXED(published with stretches) */
	uint64_t leave = atomic_load_explicit(&stretch->leave, memory_order_relaxed);
	/* RELAXED(published with stretches) */
	uint64_t from = atomic_load_explicit(&stretch->from, memory_order_relaxed);
	if (leave != side->position || from < side->count)
		return -FERRY_ECORRUPT;
	side->from = from;
	side->in_ring = 0;
	return 1;
}

/* Bytes over the socket at which a stretch ends, or FY_STILL_OPEN. */
static uint64_t end_of(const struct fy_lane *lane, uint32_t number)
{
	/* SYNC(lane.to) acquire: pairs with enter_ring(). */
	return atomic_load_explicit(&stretch_of(lane, number)->to, memory_order_acquire);
}

/* The one that is being read. */
static uint64_t stretch_end(const struct fy_lane *lane)
{
	return end_of(lane, lane->side->stretches + 1);
}

static void count_got(struct fy_lane *lane, uint64_t n)
{
	lane->side->count += n;
	/* SYNC(lane.got) release: pairs with may_enter(). */
	atomic_store_explicit(&lane->shm->got, lane->side->count, memory_order_release);
}

/* Receive at most n bells. How many; 0: the socket has ended; or an error. */
static ssize_t receive_bells(struct fy_lane *lane, uint64_t n, int flags)
{
	char bells[BELLS];
	struct iovec one = { bells, least(n, BELLS) };
	struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1 };
	ssize_t r = fy_socket_receive_message(lane->fd, &message, MSG_DONTWAIT | flags);

	if (r > 0 && !(flags & MSG_PEEK))
		count_got(lane, (uint64_t)r);
	return r;
}

static ssize_t socket_is_over(struct fy_lane *lane, ssize_t r)
{
	lane->side->over = 1;
	lane->side->broken = r < 0;
	return FY_LANE_AT_END;
}

/* At the ring: take the bells that have come, and see whether the other end lives. 0: nothing new;
 * 1: look again; -FERRY_ECORRUPT. */
static int ask_socket(struct fy_lane *lane)
{
	if (lane->side->over)
		return 0;
	for (int tries = 0; tries < TRIES; tries++) {
		ssize_t n = receive_bells(lane, BELLS, MSG_PEEK);
		if (n == -EAGAIN)
			return 0;
		if (n <= 0) {
			(void)socket_is_over(lane, n);
			return 1;
		}
		/* What was sent before a stretch began is bells: if none has begun by now, those
		 * that we have just seen are. */
		int began = stretch_began(lane);
		if (began != 0)
			return began;
		if (lane->side->seen != lane->side->position)
			return 1;
		n = receive_bells(lane, (uint64_t)n, 0);
		if (n <= 0)
			return n == -EAGAIN ? 0 : 1;
	}
	return 0;
}

/* At the ring, for somebody who waits for the descriptor: it is to be readable as long as there is
 * something to read, and when there will be. Then bells are taken nowhere but here. As
 * ask_socket(). */
static int arm(struct fy_lane *lane)
{
	const struct fy_lane_side *side = lane->side;
	ssize_t bells = side->over ? -EAGAIN : receive_bells(lane, BELLS, MSG_PEEK);

	/* One keeps the descriptor readable; more would fill the socket by and by. */
	if (bells > 1 && stretches_begun(lane) == side->stretches) {
		(void)receive_bells(lane, (uint64_t)bells - 1, 0);
		bells = 1;
	}
	/* SYNC(lane.wanted) acq_rel: pairs with tell_reader(): we arm and look, the writer
	 * publishes and looks. */
	(void)atomic_exchange_explicit(&lane->shm->wanted, 1, memory_order_seq_cst);
	int news = look_at_tail(lane) < 0 ? -FERRY_ECORRUPT : stretch_began(lane);
	if (news == 0 && side->seen != side->position)
		news = 1;
	if (news != 0)
		return news; /* the bell stays, and with it the descriptor readable */
	if (bells > 0)
		(void)receive_bells(lane, (uint64_t)bells, 0);
	if (bells > 0 || bells == -EAGAIN)
		return 0;
	(void)socket_is_over(lane, bells);
	return 1;
}

int fy_lane_arm(struct fy_lane *lane)
{
	if (!lane->side->in_ring)
		return 0;
	int r = look_at_tail(lane);
	if (r == 0 && lane->side->seen == lane->side->position)
		r = arm(lane);
	return r < 0 ? r : 0;
}

static ssize_t read_ring(struct fy_lane *lane, const struct msghdr *message, size_t size,
			 unsigned look)
{
	for (int again = (look & FY_LANE_ASKS) != 0;; again = 0) {
		ssize_t r = take(lane, message, size, look);
		if (r != -EAGAIN)
			return r;
		/* The order matters: what was written before the end is seen after it. */
		const int ended = fy_lane_ended(lane) != FY_LANE_OPEN || lane->side->over;
		r = stretch_began(lane);
		if (r != 0)
			return r < 0 ? r : 0;
		if (lane->side->seen != lane->side->position)
			continue;
		if (ended) {
			r = look_at_tail(lane);
			if (r < 0)
				return r;
			if (lane->side->seen == lane->side->position)
				return FY_LANE_AT_END;
			continue;
		}
		if (!again)
			return -EAGAIN;
		r = look & FY_LANE_POLLED ? arm(lane) : ask_socket(lane);
		if (r == 0)
			return -EAGAIN;
		if (r < 0)
			return r;
		if (!lane->side->in_ring)
			return 0;
	}
}

/* The first of n buffers, of which there are size bytes at most. How many buffers. */
static size_t cut(struct iovec to[WINDOW], const struct iovec *from, size_t n, uint64_t size)
{
	size_t i = 0;

	for (; i < n && i < WINDOW && size > 0; i++) {
		to[i] = from[i];
		to[i].iov_len = least(to[i].iov_len, size);
		size -= to[i].iov_len;
	}
	return i;
}

/* Receive bytes of the stretch. Not as many as come: behind its end there may be bells, and bytes
 * of the next one. What is there while it is seen to be open is of it. */
static ssize_t receive_data(struct fy_lane *lane, struct msghdr *message)
{
	struct iovec some[WINDOW];
	int there = fy_socket_readable(lane->fd);

	if (there <= 0) {
		/* Ended, perhaps. If something has come since, the next look finds it. */
		ssize_t r = receive_bells(lane, 1, MSG_PEEK);
		return r > 0 ? -EAGAIN : r;
	}
	const uint64_t to = stretch_end(lane);
	if (to <= lane->side->count)
		return -EAGAIN; /* it has ended just now */
	while (message->msg_iov->iov_len == 0) {
		message->msg_iov++;
		message->msg_iovlen--;
	}
	message->msg_iovlen = cut(some, message->msg_iov, message->msg_iovlen,
				  least((uint64_t)there, to - lane->side->count));
	message->msg_iov = some;
	ssize_t n = fy_socket_receive_message(lane->fd, message, MSG_DONTWAIT);
	if (n > 0)
		count_got(lane, (uint64_t)n);
	return n;
}

/* 0: go on at the ring. */
static ssize_t read_socket(struct fy_lane *lane, struct msghdr *message)
{
	struct fy_lane_side *side = lane->side;
	const struct msghdr asked = *message;

	for (int tries = 0; tries < TRIES; tries++) {
		const uint64_t to = stretch_end(lane);
		const int bells = side->count < side->from;
		*message = asked; /* a try before has written into it */
		if (to < side->from)
			return -FERRY_ECORRUPT;
		if (side->count >= to) {
			side->stretches++;
			side->in_ring = 1;
			return 0;
		}
		ssize_t r = bells ? receive_bells(lane, side->from - side->count, 0)
				  : receive_data(lane, message);
		if (r > 0 && !bells)
			return r;
		if (r > 0 || stretch_end(lane) != to)
			continue; /* bells only; or the stretch has ended meanwhile */
		return r == 0 || r == -ECONNRESET ? socket_is_over(lane, r) : r;
	}
	return -EAGAIN;
}

ssize_t fy_lane_read(struct fy_lane *lane, struct msghdr *message, size_t size, unsigned look)
{
	/* A sound writer makes us change over once or twice; a hostile one shall not keep us. */
	for (int tries = 0; tries < TRIES; tries++) {
		ssize_t r = lane->side->in_ring ? 0 : read_socket(lane, message);
		if (r != 0)
			return r;
		r = read_ring(lane, message, least(size, MOST), look);
		if (r != 0) {
			message->msg_controllen = 0;
			return r;
		}
	}
	return -EAGAIN;
}

uint32_t fy_lane_watch(const struct fy_lane *lane, uint32_t looks)
{
	/* RELAXED(a guess) */
	const uint64_t head = atomic_load_explicit(&lane->shm->head, memory_order_relaxed);
	const _Atomic uint64_t *tail = news_of(lane, head);

	for (uint32_t i = 0; i < looks; i++) {
		fy_prefetch(at(lane, head)); /* as in look_at_tail() */
		/* RELAXED(a guess) */
		if (is_ahead(atomic_load_explicit(tail, memory_order_relaxed), head))
			return i;
		fy_pause();
	}
	return looks;
}

void fy_lane_ask_for_fences(struct fy_lane *lane)
{
	/* SYNC(lane.fenced) release: pairs with must_fence(). A reader that has just looked may
	 * miss us once; the nap's end mends that. */
	atomic_store_explicit(&lane->shm->fenced, 1, memory_order_release);
}

void fy_lane_probe(struct fy_lane *lane)
{
	(void)send_bell(lane);
}

int fy_lane_is_plain(const struct fy_lane *lane)
{
	return end_of(lane, stretches_begun(lane)) == FY_STILL_OPEN;
}

uint64_t fy_lane_waiting(const struct fy_lane *lane)
{
	/* RELAXED(to look at) */
	uint64_t head = atomic_load_explicit(&lane->shm->head, memory_order_relaxed);
	uint64_t most = 0;

	for (int i = 0; i < FY_LANE_NEWS; i++) {
		/* RELAXED(to look at) */
		uint64_t tail =
		    atomic_load_explicit(&lane->shm->news[i].tail, memory_order_relaxed);
		if (is_ahead(tail, head + most))
			most = tail - head;
	}
	return least(most, FY_LANE_RING);
}

/* ---- ending ---- */

void fy_lane_end(struct fy_lane *lane, enum fy_lane_end how)
{
	uint32_t open = FY_LANE_OPEN;

	/* SYNC(lane.end) release: pairs with fy_lane_ended(): after all that was written. */
	(void)atomic_compare_exchange_strong_explicit(&lane->shm->ended, &open, (uint32_t)how,
						      memory_order_seq_cst, memory_order_relaxed);
	fy_bell_ring_after_store(&lane->shm->bytes, FY_BELL_ALL, FY_BELL_UNWATCHED, 1);
}

void fy_lane_leave(struct fy_lane *lane, enum fy_lane_end how)
{
	/* SYNC(lane.end) release: pairs with fy_lane_gone(): after all that was read. */
	atomic_store_explicit(&lane->shm->gone, (uint32_t)how, memory_order_seq_cst);
	fy_bell_ring_after_store(&lane->shm->room, FY_BELL_ALL, FY_BELL_UNWATCHED, 1);
}
