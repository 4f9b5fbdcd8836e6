/* SPDX-License-Identifier: MIT */
/*
 * object.h - one object as one process has it open: file, mapping, membership.
 *
 * Made atomically and reserved whole; every size is read and checked once, at open. What a kind
 * (mailbox, ...) adds is a description (struct fy_kind) and the bytes of its body.
 */
#ifndef FY_OBJECT_H
#define FY_OBJECT_H

#include <errno.h>
#include <ferry/base.h>
#include <ferry/error.h>
#include <ferry/object.h>
#include <sys/types.h>

#include "../base/why.h"
#include "../os/fork.h"
#include "../wait/bell.h"
#include "object_format.h"

#define FY_NO_SLOT UINT32_MAX

struct fy_object;

/* What the common part needs to know of a kind. */
struct fy_kind {
	uint32_t kind;
	/* Give back what the dead member in slot held. dead is its state word, status DEAD: once it
	 * is another, that incarnation is no more and nothing may be done for it. May be run by
	 * several at once, killed and stopped anywhere. 0, or an error: try again later. */
	int (*recover)(struct fy_object *object, uint32_t slot, uint64_t dead);
	/* In a forked child that has just got a slot of its own: forget what the parent was at.
	 * Only one thread is here. May be NULL. */
	void (*rejoined)(struct fy_object *object);
};

struct fy_object {
	uint8_t *base;
	size_t bytes; /* mapped; a file that can grow may be shorter */
	struct fy_header_shm *header;
	struct fy_member_shm *members;
	struct fy_bell_shm *bells; /* every bell of the object, so that removal can ring them all */
	uint32_t n_bells;
	uint32_t member_slots;
	uint32_t slot;               /* ours, or FY_NO_SLOT */
	uint64_t incarnation;        /* of our slot */
	_Atomic uint32_t generation; /* of the process that slot belongs to (os/fork.h) */
	int fd;
	int writable; /* 0: an observer's */
	uint64_t body;
	uint64_t pid_namespace;  /* ours */
	_Atomic uint32_t asked;  /* how often we asked whether a member lives */
	_Atomic uint32_t broken; /* 1: the file was cut short under us */
	const struct fy_kind *kind;
	const void *tag;        /* of the kind, for fy_object_visit() */
	struct fy_object *next; /* all objects of this process, for fork */
	struct fy_object *previous;
};

/* What to make when nothing is there. */
struct fy_creation {
	uint32_t member_slots;
	uint32_t n_bells;
	uint32_t mode;
	uint64_t body_bytes;
	uint64_t may_grow;                       /* by how many bytes the file may grow later */
	void (*fill)(void *body, void *context); /* the body is zero before */
	void *context;
};

/* Open what is at location, or make it (creation not NULL). flags: FERRY_EXCLUSIVE, _EXISTING,
 * _OBSERVE. The object is mapped, but not joined: the caller checks the body first. */
int fy_object_open(struct fy_object *object, const char *location, const struct fy_kind *kind,
		   uint32_t flags, const struct fy_creation *creation, struct ferry_why *why);

/* The same with an object behind a descriptor, which is the object's from now on, or closed. Its
 * open file description must be nobody else's. */
int fy_object_open_descriptor(struct fy_object *object, int fd, const struct fy_kind *kind,
			      struct ferry_why *why);

/* A descriptor for the same file with an open file description of its own: what is locked through
 * it is nobody else's. Of a forked child, too. -errno. */
int fy_object_describe(const struct fy_object *object);

/* Map bytes of the file from offset on, page multiples both, twice in a row; writable or not. NULL:
 * no memory. Guarded against truncation; ended with fy_object_unmap_twice(). */
void *fy_object_map_twice(struct fy_object *object, uint64_t offset, uint64_t bytes, int writable);
void fy_object_unmap_twice(void *base, uint64_t bytes);

/* Become a member. -FERRY_EMEMBERS, -FERRY_ECORRUPT, or -errno of the lock. */
int fy_object_join(struct fy_object *object, struct ferry_why *why);

/* In a forked child: leave the parent's membership behind and become a member ourselves. Several
 * threads may come here at once. */
int fy_object_rejoin(struct fy_object *object);

/* Call visit for the object that has this tag (not NULL), if this process has it open; it stays so
 * meanwhile. */
void fy_object_visit(const void *tag, void (*visit)(void *context), void *context);

/* Leave (what we hold is given back) and unmap. */
void fy_object_close(struct fy_object *object);

/* Offsets of the bells and of the kind's body. */
uint64_t fy_object_bells(uint32_t member_slots);
uint64_t fy_object_body(uint32_t member_slots, uint32_t n_bells);

/* Wake everybody who sleeps in the object. */
void fy_object_ring_all(struct fy_object *object);

/* 0 in a forked child that has not joined yet. */
static inline int fy_object_is_ours(const struct fy_object *object)
{
	/* SYNC(object.generation) acquire: pairs with the release in rejoin(): slot is ours. */
	return !fy_fork_is_child(atomic_load_explicit(&object->generation, memory_order_acquire));
}

static inline int fy_object_is_broken(const struct fy_object *object)
{
	/* RELAXED(set by our own signal handler; nothing is ordered by it) */
	return (int)atomic_load_explicit(&object->broken, memory_order_relaxed);
}

/* Why the object cannot be used: -EIDRM, -FERRY_ECORRUPT, or 0. For the door of every call. */
static inline int fy_object_state(const struct fy_object *object)
{
	if (FY_UNLIKELY(fy_object_is_broken(object)))
		return -FERRY_ECORRUPT;
	/* SYNC(header.state) acquire: pairs with the release in ferry_remove(). */
	uint32_t state = atomic_load_explicit(&object->header->state, memory_order_acquire);
	if (FY_UNLIKELY(state != FY_STATE_READY))
		return state == FY_STATE_REMOVED ? -EIDRM : -FERRY_ECORRUPT;
	return 0;
}

/* Has somebody begun to remove it? For those who are about to sleep soundly (wait/bell.h). */
static inline int fy_object_is_being_removed(const struct fy_object *object)
{
	/* SYNC(header.removing) acquire: pairs with the release in announce_removal() of look.c. */
	return atomic_load_explicit(&object->header->removing, memory_order_acquire) != 0;
}

#endif
