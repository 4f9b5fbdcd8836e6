/* SPDX-License-Identifier: MIT */
/*
 * open.c - making, opening and closing a pipe.
 *
 * The sizes are read from the mapping once and checked; no offset is ever read again.
 */
#include "open.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/options.h"
#include "../os/cancel.h"
#include "presence.h"
#include "turn.h"

#define DEFAULT_CAPACITY 65536u
#define DEFAULT_MEMBERS  256u
#define CHUNK_MAX        (UINT64_C(32) << 10)

static void after_fork(struct fy_object *object);

const struct fy_kind fy_pipe_kind = {
	.kind = FERRY_KIND_PIPE,
	.recover = fy_pipe_recover,
	.rejoined = after_fork,
};

/* ---- options ---- */

static int check_numbers(const struct ferry_pipe_options *o)
{
	if (o->mode & ~0777u)
		return fy_why(o->why, -EINVAL, "mode 0%o is not permission bits", o->mode);
	if (o->capacity != 0 && (o->capacity < FY_PIPE_PAGE || o->capacity > FY_PIPE_CAPACITY_MAX))
		return fy_why(o->why, -EINVAL, "capacity must be from %u to %llu, not %llu",
			      FY_PIPE_PAGE, (unsigned long long)FY_PIPE_CAPACITY_MAX,
			      (unsigned long long)o->capacity);
	if (o->members == 1 || o->members > FY_MEMBERS_MAX)
		return fy_why(o->why, -EINVAL, "members must be from 2 to %u, not %u",
			      FY_MEMBERS_MAX, o->members);
	return 0;
}

int fy_pipe_options(struct ferry_pipe_options *ret_options,
		    const struct ferry_pipe_options *options, uint32_t allowed)
{
	struct ferry_pipe_options o = { 0 };
	int r = fy_options_copy(&o, sizeof(o), options);

	if (r < 0)
		return r;
	if (o.flags & ~allowed)
		return fy_why(o.why, -EINVAL, "flags 0x%x are unknown, or not for this call",
			      o.flags & ~allowed);
	if ((o.flags & FERRY_EXCLUSIVE) && (o.flags & FERRY_EXISTING))
		return fy_why(o.why, -EINVAL, "it cannot both exist and not exist yet");
	r = check_numbers(&o);
	if (r == 0)
		*ret_options = o;
	return r;
}

/* ---- making ---- */

static void fill(void *body, void *context)
{
	const struct fy_pipe_layout *l = context;
	struct fy_pipe_shm *shm = body;

	shm->capacity = l->capacity;
	shm->ring = l->ring;
	shm->ring_bytes = l->ring_bytes;
	shm->reserve_max = l->reserve_max;
	/* RELAXED(nobody else sees it yet) */
	atomic_init(&shm->room_wanted, UINT64_MAX);
}

static void fill_anonymous(void *body, void *context)
{
	struct fy_pipe_shm *shm = body;

	fill(body, context);
	shm->anonymous = 1;
}

void fy_pipe_creation(struct fy_creation *ret_creation, struct fy_pipe_layout *layout,
		      const struct ferry_pipe_options *options, int anonymous)
{
	uint32_t members = options->members ? options->members : DEFAULT_MEMBERS;

	fy_pipe_layout(layout, options->capacity ? options->capacity : DEFAULT_CAPACITY, members);
	*ret_creation = (struct fy_creation){
		.member_slots = members,
		.n_bells = FY_PIPE_BELLS,
		.mode = options->mode ? options->mode : 0600,
		.body_bytes = layout->bytes,
		.fill = anonymous ? fill_anonymous : fill,
		.context = layout,
	};
}

/* ---- setting up ---- */

struct ferry_pipe *fy_pipe_new(uint32_t end)
{
	struct ferry_pipe *pipe =
	    aligned_alloc(FY_LINE, (sizeof(*pipe) + FY_LINE - 1) & ~(size_t)(FY_LINE - 1));

	if (!pipe)
		return NULL;
	memset(pipe, 0, sizeof(*pipe));
	pipe->end = end;
	pipe->presence.fd = -1;
	pipe->export_fd = -1;
	pipe->writing.word = UINT64_MAX;
	return pipe;
}

/* What the body says, checked against the file. */
static int sizes_make_sense(const struct fy_object *o, const struct fy_pipe_shm *seen)
{
	uint64_t page = fy_page_bytes();

	return o->n_bells == FY_PIPE_BELLS && seen->capacity >= FY_PIPE_PAGE &&
	       seen->capacity <= FY_PIPE_CAPACITY_MAX && seen->ring_bytes >= seen->capacity &&
	       seen->ring_bytes <= 4 * FY_PIPE_CAPACITY_MAX && seen->ring_bytes % page == 0 &&
	       seen->ring % page == 0 && seen->ring >= fy_pipe_control_end(o->member_slots) &&
	       seen->ring <= o->bytes && seen->ring_bytes <= o->bytes - seen->ring &&
	       seen->reserve_max >= FERRY_PIPE_BUF && seen->reserve_max <= FY_HOLE_BYTES_MAX / 2 &&
	       seen->reserve_max <= seen->capacity;
}

static int inspect(struct ferry_pipe *pipe, struct ferry_why *why)
{
	struct fy_object *o = &pipe->object;
	struct fy_pipe_shm seen;

	if (o->bytes - o->body < sizeof(seen))
		return fy_why(why, -FERRY_ECORRUPT, "the file is too small for a pipe");
	pipe->shm = (struct fy_pipe_shm *)(void *)(o->base + o->body);
	memcpy(&seen, pipe->shm, offsetof(struct fy_pipe_shm, turn));
	if (!sizes_make_sense(o, &seen))
		return fy_why(why, -FERRY_ECORRUPT, "the sizes in the pipe's header make no sense");
	pipe->capacity = seen.capacity;
	pipe->ring_bytes = seen.ring_bytes;
	pipe->reserve_max = seen.reserve_max;
	pipe->chunk = seen.reserve_max < CHUNK_MAX ? seen.reserve_max : CHUNK_MAX;
	pipe->anonymous = seen.anonymous != 0;
	pipe->ring = fy_object_map_twice(o, seen.ring, seen.ring_bytes, pipe->end == FERRY_WRITE);
	return pipe->ring ? 0 : fy_why(why, -ENOMEM, "cannot map the pipe's memory");
}

static void say_role(struct ferry_pipe *pipe)
{
	/* RELAXED(published by fy_pipe_arrive()) */
	atomic_store_explicit(&pipe->shm->members[pipe->object.slot].role, fy_pipe_role(pipe),
			      memory_order_relaxed);
}

int fy_pipe_set_up(struct ferry_pipe *pipe, const struct ferry_pipe_options *options)
{
	int r = inspect(pipe, options->why);

	if (r == 0 && options->capacity > pipe->capacity)
		r = fy_why(options->why, -FERRY_EMISMATCH,
			   "the pipe exists with capacity %llu, but %llu was asked for",
			   (unsigned long long)pipe->capacity,
			   (unsigned long long)options->capacity);
	if (r == 0 && pipe->end != FERRY_OBSERVE)
		r = fy_object_join(&pipe->object, options->why);
	if (r < 0)
		return r;
	pipe->flags = options->flags;
	fy_spin_init(&pipe->spin, fy_spin_wish(options->spin));
	if (pipe->end != FERRY_OBSERVE)
		say_role(pipe);
	return 0;
}

void fy_pipe_arrive(struct ferry_pipe *pipe)
{
	/* SYNC(pipe.opened) release: pairs with fy_presence_watch() and wait_for_other(): our
	 * place in the member table and our end are there. */
	(void)atomic_fetch_add_explicit(&pipe->shm->opened[fy_pipe_role(pipe)], 1,
					memory_order_seq_cst);
	fy_object_ring_all(&pipe->object);
}

/* ---- fork ---- */

/* In a child, with a place of our own: what the parent was at is none of our business. */
static void after_fork(struct fy_object *object)
{
	struct ferry_pipe *pipe = (void *)object;

	if (pipe->end == FERRY_OBSERVE)
		return;
	fy_presence_forget(pipe);
	free(pipe->writing.bounce);
	free(pipe->writing.claim);
	pipe->writing = (struct fy_writing){ .word = UINT64_MAX };
	/* RELAXED(published by the generation) */
	atomic_store_explicit(&pipe->busy, 0, memory_order_relaxed);
	say_role(pipe);
	fy_pipe_arrive(pipe);
}

int fy_pipe_rejoin(struct ferry_pipe *pipe)
{
	return fy_object_rejoin(&pipe->object);
}

/* ---- opening ---- */

static int wait_state(void *object)
{
	return fy_pipe_state(object);
}

/* As a FIFO: until the other end is open, or was since `before`. */
static int wait_for_other(struct ferry_pipe *pipe, uint64_t before, ferry_deadline deadline)
{
	static const struct fy_waiter_host host = { .state = wait_state };
	_Atomic uint64_t *opened = &pipe->shm->opened[fy_pipe_other(pipe)];
	struct fy_waiter waiter = {
		.host = &host,
		.object = pipe,
		.deadline = deadline,
		.bell = &fy_pipe_bell(pipe, pipe->end == FERRY_READ ? FY_BELL_BYTES : FY_BELL_SPACE)
			     ->word,
		.fd = pipe->object.fd,
		.spin = &pipe->spin,
		.interruptible = (pipe->flags & FERRY_INTERRUPTIBLE) != 0,
		.same_core = 1,
	};
	int r = 0;

	/* SYNC(pipe.opened) acquire: pairs with the release in fy_pipe_arrive(). */
	while (r == 0 && atomic_load_explicit(opened, memory_order_seq_cst) == before &&
	       !fy_presence_ask(pipe))
		r = fy_waiter_again(&waiter);
	fy_waiter_over(&waiter, r == 0, 0);
	return r;
}

static int meet(struct ferry_pipe *pipe, uint64_t before, ferry_deadline deadline)
{
	/* Before we can be seen: one who waited for us may be gone again a moment after that. */
	int was_there = fy_presence_ask(pipe);
	int r = fy_presence_begin(pipe);

	if (r < 0)
		return r;
	fy_pipe_arrive(pipe);
	if (was_there || (deadline == FERRY_NOW && pipe->end == FERRY_READ))
		return 0;
	r = wait_for_other(pipe, before, deadline);
	return r == -EAGAIN ? -ENXIO : r;
}

static int open_pipe(struct ferry_pipe *pipe, const char *location,
		     const struct ferry_pipe_options *o, ferry_deadline deadline)
{
	struct fy_pipe_layout layout;
	struct fy_creation creation;
	int observe = pipe->end == FERRY_OBSERVE;

	fy_pipe_creation(&creation, &layout, o, 0);
	int r =
	    fy_object_open(&pipe->object, location, &fy_pipe_kind,
			   o->flags | (observe ? (uint32_t)FERRY_OBSERVE : 0), &creation, o->why);
	if (r < 0)
		return r;
	r = fy_pipe_set_up(pipe, o);
	if (r < 0 || observe)
		return r;
	/* SYNC(pipe.opened) acquire: read before we look who is there. */
	uint64_t before =
	    atomic_load_explicit(&pipe->shm->opened[fy_pipe_other(pipe)], memory_order_seq_cst);
	if (deadline == FERRY_NOW && pipe->end == FERRY_WRITE && !fy_presence_ask(pipe))
		return fy_why(o->why, -ENXIO, "nobody has %.150s open to read", location);
	return meet(pipe, before, deadline);
}

static int open_checked(ferry_pipe **ret_pipe, const char *location, uint32_t end,
			const struct ferry_pipe_options *o, ferry_deadline deadline)
{
	struct ferry_pipe *pipe = fy_pipe_new(end);

	if (!pipe)
		return -ENOMEM;
	int r = open_pipe(pipe, location, o, deadline);
	if (r < 0)
		fy_pipe_dispose(pipe);
	else
		*ret_pipe = pipe;
	return r;
}

int ferry_pipe_open(ferry_pipe **ret_pipe, const char *location, uint32_t end,
		    const struct ferry_pipe_options *options, ferry_deadline deadline)
{
	const uint32_t allowed =
	    FERRY_EXCLUSIVE | FERRY_EXISTING | FERRY_INTERRUPTIBLE | FERRY_SIGPIPE;
	struct ferry_pipe_options o = { 0 };

	if (!ret_pipe || (end != FERRY_READ && end != FERRY_WRITE && end != FERRY_OBSERVE))
		return -EINVAL;
	int r = fy_pipe_options(&o, options, allowed);
	if (r < 0)
		return r;
	if (end == FERRY_OBSERVE && (o.flags & FERRY_EXCLUSIVE))
		return fy_why(o.why, -EINVAL, "it cannot both exist and not exist yet");
	int cancel = fy_cancel_off();
	r = open_checked(ret_pipe, location, end, &o, deadline);
	fy_cancel_restore(cancel);
	return r;
}

/* ---- closing ---- */

void fy_pipe_dispose(struct ferry_pipe *pipe)
{
	if (pipe->presence.fd >= 0)
		fy_presence_end(pipe);
	if (pipe->export_fd >= 0)
		(void)close(pipe->export_fd);
	if (pipe->ring)
		fy_object_unmap_twice(pipe->ring, pipe->ring_bytes);
	if (pipe->object.base)
		fy_object_close(&pipe->object);
	free(pipe->writing.bounce);
	free(pipe->writing.claim);
	free(pipe);
}

void ferry_pipe_close(ferry_pipe *pipe)
{
	if (!pipe)
		return;
	int cancel = fy_cancel_off();
	if (pipe->end != FERRY_OBSERVE) {
		/* Our end first, then the word of it, then the ring. */
		fy_presence_end(pipe);
		if (pipe->end == FERRY_READ)
			/* SYNC(pipe.departures) release: pairs with fy_presence_readers(). */
			(void)atomic_fetch_add_explicit(&pipe->shm->departures, 1,
							memory_order_seq_cst);
		fy_object_ring_all(&pipe->object);
	}
	fy_pipe_dispose(pipe);
	fy_cancel_restore(cancel);
}
