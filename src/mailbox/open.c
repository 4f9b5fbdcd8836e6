/* SPDX-License-Identifier: MIT */
/*
 * open.c - making, opening and closing a mailbox.
 *
 * Four numbers decide where everything lies. They are read from the mapping once, checked, and the
 * layout is computed from them again: no offset is ever believed.
 */
#include <stdlib.h>
#include <string.h>

#include "../base/options.h"
#include "../os/cancel.h"
#include "layout.h"
#include "mailbox.h"
#include "recover.h"
#include "role.h"
#include "wait.h"

#define DEFAULT_MAX_SIZE 65536u
#define DEFAULT_MESSAGES 256u
#define DEFAULT_MEMBERS  1024u

const struct fy_kind fy_mailbox_kind = {
	.kind = FERRY_KIND_MAILBOX,
	.recover = fy_mailbox_recover,
};

static uint64_t default_memory(uint64_t max_size)
{
	if (max_size <= UINT64_C(1) << 20)
		return max_size * 8 > 4096 ? max_size * 8 : 4096;
	return max_size > UINT64_C(4) << 20 ? max_size * 2 : UINT64_C(8) << 20;
}

static int check_flags(const struct ferry_mailbox_options *o)
{
	const uint32_t known = FERRY_EXCLUSIVE | FERRY_EXISTING | FERRY_SEND_ONLY |
			       FERRY_RECEIVE_ONLY | FERRY_OBSERVE | FERRY_INTERRUPTIBLE |
			       FERRY_DROP_OLDEST | FERRY_ONE_TO_ONE;
	const uint32_t directions = FERRY_SEND_ONLY | FERRY_RECEIVE_ONLY;

	if (o->flags & ~known)
		return fy_why(o->why, -EINVAL, "unknown flags 0x%x", o->flags & ~known);
	if ((o->flags & FERRY_EXCLUSIVE) && (o->flags & (FERRY_EXISTING | FERRY_OBSERVE)))
		return fy_why(o->why, -EINVAL, "it cannot both exist and not exist yet");
	if ((o->flags & directions) == directions)
		return fy_why(o->why, -EINVAL, "a handle is send-only or receive-only, not both");
	if ((o->flags & FERRY_ONE_TO_ONE) && (o->flags & FERRY_DROP_OLDEST))
		return fy_why(
		    o->why, -EINVAL,
		    "in a one to one mailbox the sender cannot drop the oldest message: it "
		    "is the receiver's");
	if ((o->flags & FERRY_ONE_TO_ONE) && o->priorities > 1)
		return fy_why(o->why, -EINVAL, "a one to one mailbox has one priority, not %u",
			      o->priorities);
	if (o->mode & ~0777u)
		return fy_why(o->why, -EINVAL, "mode 0%o is not permission bits", o->mode);
	if (o->members > FY_MEMBERS_MAX)
		return fy_why(o->why, -EINVAL, "members must be from 1 to %u, not %u",
			      FY_MEMBERS_MAX, o->members);
	return 0;
}

/* What a mailbox would be like that is made with these options. */
static int plan(const struct ferry_mailbox_options *o, struct fy_layout *ret_layout)
{
	uint64_t max_size = o->max_size ? o->max_size : DEFAULT_MAX_SIZE;
	/* Who asks for less memory than the default largest message wants smaller messages. */
	if (!o->max_size && o->memory && o->memory < max_size)
		max_size = o->memory;
	uint64_t memory = o->memory ? o->memory : default_memory(max_size);

	return fy_layout_compute(ret_layout, max_size, memory,
				 o->messages ? o->messages : DEFAULT_MESSAGES,
				 o->priorities ? o->priorities : 1, o->why);
}

struct filling {
	const struct fy_layout *layout;
	uint32_t flags;
};

static void fill(void *body, void *context)
{
	const struct filling *filling = context;
	const struct fy_layout *l = filling->layout;
	struct fy_mailbox_shm *shm = body;

	shm->max_size = l->max_size;
	shm->memory = l->memory;
	shm->capacity = l->capacity;
	shm->levels = l->levels;
	shm->cells_log2 = l->cells_log2;
	shm->n_tiers = l->n_tiers;
	shm->origin = l->origin;
	shm->cells = l->cells;
	shm->drop_oldest = (filling->flags & FERRY_DROP_OLDEST) != 0;
	shm->one_to_one = (filling->flags & FERRY_ONE_TO_ONE) != 0;
	for (uint32_t i = 0; i < l->n_tiers; i++) {
		shm->tiers[i].words = l->tiers[i].words;
		shm->tiers[i].units = l->tiers[i].units;
		shm->tiers[i].unit_bytes = l->tiers[i].unit_bytes;
		shm->tiers[i].n = l->tiers[i].n;
	}
}

/* ---- opening ---- */

static void attach_ring(struct ferry_mailbox *box, const struct fy_layout *l, uint32_t level)
{
	uint8_t *body = box->object.base + box->object.body;
	uint64_t first = (uint64_t)level << l->cells_log2;
	struct fy_ring *ring = &box->rings[level];

	ring->shm = &box->shm->rings[level];
	ring->cells = (struct fy_cell_shm *)(void *)(body + l->cells) + first;
	ring->origin = (_Atomic uint64_t *)(void *)(body + l->origin) + first;
	ring->room = &box->object.bells[FY_BELL_ROOM + level];
	/* RELAXED(nobody else has the handle yet) */
	atomic_init(&ring->full_at, UINT64_MAX);
	/* RELAXED(nobody else has the handle yet) */
	atomic_init(&ring->cared_held, 1);
}

static void attach_tier(struct ferry_mailbox *box, const struct fy_layout *l, uint32_t i)
{
	struct fy_tier *tier = &box->tiers[i];

	tier->shm = &box->shm->tiers[i];
	tier->words =
	    (_Atomic uint64_t *)(void *)(box->object.base + box->object.body + l->tiers[i].words);
	tier->units = box->object.body + l->tiers[i].units;
	tier->unit_bytes = l->tiers[i].unit_bytes;
	tier->n = l->tiers[i].n;
}

static void attach(struct ferry_mailbox *box, const struct fy_layout *l)
{
	box->arrival = &box->object.bells[FY_BELL_ARRIVAL];
	box->memory_freed = &box->object.bells[FY_BELL_MEMORY];
	box->max_size = l->max_size;
	box->memory = l->memory;
	box->capacity = l->capacity;
	box->levels = l->levels;
	box->cells_log2 = l->cells_log2;
	box->n_tiers = l->n_tiers;
	for (uint32_t level = 0; level < l->levels; level++)
		attach_ring(box, l, level);
	for (uint32_t i = 0; i < l->n_tiers; i++)
		attach_tier(box, l, i);
	fy_mailbox_sound_init(box);
}

/* Check the body of what was found, and set up the handle from it. */
static int inspect(struct ferry_mailbox *box, struct ferry_why *why)
{
	struct fy_layout layout;
	const struct fy_object *o = &box->object;
	struct fy_mailbox_shm seen;

	if (o->bytes - o->body < sizeof(seen))
		return fy_why(why, -FERRY_ECORRUPT, "the file is too small for a mailbox");
	box->shm = (struct fy_mailbox_shm *)(void *)(o->base + o->body);
	memcpy(&seen, box->shm, offsetof(struct fy_mailbox_shm, returned));
	if (fy_layout_compute(&layout, seen.max_size, seen.memory, seen.capacity, seen.levels,
			      NULL) < 0 ||
	    layout.bytes > o->bytes - o->body || o->n_bells != FY_BELL_ROOM + layout.levels)
		return fy_why(why, -FERRY_ECORRUPT,
			      "the sizes in the mailbox's header make no sense");
	box->drop_oldest = seen.drop_oldest != 0;
	box->one_to_one = seen.one_to_one != 0;
	/* What cannot be together, and whose code relies on that. */
	if (box->one_to_one && (box->drop_oldest || layout.levels > 1))
		return fy_why(why, -FERRY_ECORRUPT,
			      "the flags in the mailbox's header make no sense");
	attach(box, &layout);
	return 0;
}

static int too_small(struct ferry_why *why, const char *what, uint64_t asked, uint64_t has)
{
	return fy_why(why, -FERRY_EMISMATCH,
		      "the mailbox exists with %s %llu, but %llu was asked for", what,
		      (unsigned long long)has, (unsigned long long)asked);
}

/* Who asks for a size needs at least that. */
static int check_wishes(const struct ferry_mailbox *box, const struct ferry_mailbox_options *o)
{
	if (o->max_size > box->max_size)
		return too_small(o->why, "max_size", o->max_size, box->max_size);
	if (o->messages > box->capacity)
		return too_small(o->why, "messages", o->messages, box->capacity);
	if (o->priorities > box->levels)
		return too_small(o->why, "priorities", o->priorities, box->levels);
	if ((o->flags & FERRY_ONE_TO_ONE) && !box->one_to_one)
		return fy_why(o->why, -FERRY_EMISMATCH,
			      "the mailbox exists and is not one to one, as was asked for");
	if (o->memory > box->memory)
		return too_small(o->why, "memory", o->memory, box->memory);
	return 0;
}

static int open_object(struct ferry_mailbox *box, const char *location,
		       const struct ferry_mailbox_options *o)
{
	struct fy_layout layout;
	struct filling filling = { &layout, o->flags };
	int r = plan(o, &layout);

	if (r < 0)
		return r;
	struct fy_creation creation = {
		.member_slots = o->members ? o->members : DEFAULT_MEMBERS,
		.n_bells = FY_BELL_ROOM + layout.levels,
		.mode = o->mode ? o->mode : 0600,
		.body_bytes = layout.bytes,
		.fill = fill,
		.context = &filling,
	};
	return fy_object_open(&box->object, location, &fy_mailbox_kind, o->flags, &creation,
			      o->why);
}

static void want_roles(struct ferry_mailbox *box)
{
	/* RELAXED(a thread that misses it takes what we have already) */
	atomic_store_explicit(&box->lacks, box->one_to_one ? (1u << FY_MAILBOX_ROLES) - 1 : 0,
			      memory_order_relaxed);
}

/* Who opens for one direction only will act in that role. */
static int take_role(struct ferry_mailbox *box, const struct ferry_mailbox_options *o)
{
	const uint32_t directions = FERRY_SEND_ONLY | FERRY_RECEIVE_ONLY;
	enum fy_mailbox_role role = o->flags & FERRY_SEND_ONLY ? FY_SENDER : FY_RECEIVER;

	if (!box->one_to_one || !(o->flags & directions))
		return 0;
	int r = fy_role_take(box, role);
	if (r == -EBUSY)
		return fy_why(o->why, r, "the mailbox is one to one, and process %u is its %s",
			      fy_role_pid(box, role), role == FY_SENDER ? "sender" : "receiver");
	return r;
}

static int set_up(struct ferry_mailbox *box, const struct ferry_mailbox_options *o)
{
	int r = inspect(box, o->why);

	if (r == 0)
		r = check_wishes(box, o);
	if (r == 0 && !(o->flags & FERRY_OBSERVE))
		r = fy_object_join(&box->object, o->why);
	if (r < 0)
		return r;
	box->flags = o->flags;
	want_roles(box);
	fy_spin_init(&box->receive_spin, fy_spin_wish(o->spin));
	fy_spin_init(&box->send_spin, box->receive_spin.limit);
	return o->flags & FERRY_OBSERVE ? 0 : take_role(box, o);
}

static int open_checked(ferry_mailbox **ret_box, const char *location,
			const struct ferry_mailbox_options *o)
{
	int r = check_flags(o);

	if (r < 0)
		return r;
	struct ferry_mailbox *box = calloc(1, sizeof(*box));
	if (!box)
		return -ENOMEM;
	r = open_object(box, location, o);
	if (r < 0) {
		free(box);
		return r;
	}
	r = set_up(box, o);
	if (r < 0) {
		ferry_mailbox_close(box);
		return r;
	}
	*ret_box = box;
	return 0;
}

static int open_mailbox(ferry_mailbox **ret_box, const char *location,
			const struct ferry_mailbox_options *options)
{
	struct ferry_mailbox_options o = { 0 };
	int r = fy_options_copy(&o, sizeof(o), options);

	if (!ret_box || r < 0)
		return r < 0 ? r : -EINVAL;
	/* Some of what can fail below has no sentence of its own. */
	if (o.why)
		*o.why = (struct ferry_why){ 0 };
	r = open_checked(ret_box, location, &o);
	if (r < 0 && o.why && o.why->error != r)
		(void)fy_why(o.why, r, "cannot open the mailbox: %s", ferry_strerror(r));
	return r;
}

int ferry_mailbox_open(ferry_mailbox **ret_box, const char *location,
		       const struct ferry_mailbox_options *options)
{
	int cancel = fy_cancel_off();
	int r = open_mailbox(ret_box, location, options);

	fy_cancel_restore(cancel);
	return r;
}

static int open_unjoined(ferry_mailbox **ret_box, const char *location, int only_look,
			 struct ferry_why *why)
{
	struct ferry_mailbox *box = calloc(1, sizeof(*box));

	if (!box)
		return -ENOMEM;
	box->flags = only_look ? FERRY_OBSERVE : FERRY_EXISTING;
	int r = fy_object_open(&box->object, location, &fy_mailbox_kind, box->flags, NULL, why);
	if (r < 0) {
		free(box);
		return r;
	}
	r = inspect(box, why);
	if (r < 0) {
		ferry_mailbox_close(box);
		return r;
	}
	*ret_box = box;
	return 0;
}

int fy_mailbox_open_unjoined(ferry_mailbox **ret_box, const char *location, int only_look,
			     struct ferry_why *why)
{
	int cancel = fy_cancel_off();
	int r = open_unjoined(ret_box, location, only_look, why);

	fy_cancel_restore(cancel);
	return r;
}

void ferry_mailbox_close(ferry_mailbox *box)
{
	if (!box)
		return;
	int cancel = fy_cancel_off();
	fy_object_close(&box->object);
	free(box);
	fy_cancel_restore(cancel);
}

int fy_mailbox_rejoin(struct ferry_mailbox *box)
{
	/* The roles stay with the parent. Before the rejoining, after which another thread may take
	 * one. */
	want_roles(box);
	return fy_object_rejoin(&box->object);
}
