/* SPDX-License-Identifier: MIT */
/* object.c - opening, joining, forking and closing an object. */
#include "object.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/error.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../base/why.h"
#include "../os/cancel.h"
#include "../os/sigbus.h"
#include "../wait/post.h"
#include "create.h"
#include "location.h"
#include "member.h"
#include "open.h"
#include "unlink.h"

uint64_t fy_object_bells(uint32_t member_slots)
{
	return FY_HEADER_BYTES + (uint64_t)member_slots * sizeof(struct fy_member_shm);
}

uint64_t fy_object_body(uint32_t member_slots, uint32_t n_bells)
{
	uint64_t end = fy_object_bells(member_slots) + n_bells * sizeof(struct fy_bell_shm);

	return (end + FY_HEADER_BYTES - 1) / FY_HEADER_BYTES * FY_HEADER_BYTES;
}

void fy_object_ring_all(struct fy_object *object)
{
	for (uint32_t i = 0; i < object->n_bells; i++)
		fy_bell_ring_slow(&object->bells[i], FY_BELL_ALL, object->fd);
}

const char *ferry_kind_name(enum ferry_kind kind)
{
	switch (kind) {
	case FERRY_KIND_MAILBOX:
		return "mailbox";
	case FERRY_KIND_PIPE:
		return "pipe";
	case FERRY_KIND_SEGMENT:
		return "segment";
	default:
		return "unknown";
	}
}

/* ---- all objects of this process, for fork ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct fy_object *all;

/* The same file through a new open file description, with locks of its own. */
static int describe_anew(int fd, int writable)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
}

/*
 * A child shares its parent's file descriptions, and with them the lock that says that the parent
 * lives. So every object gets a description of its own, at once in fork(), else at the first call.
 */
static void refresh_descriptor(struct fy_object *object)
{
	int fd = describe_anew(object->fd, object->writable);

	if (fd >= 0) {
		(void)dup3(fd, object->fd, O_CLOEXEC);
		(void)close(fd);
	} else {
		(void)close(object->fd);
		object->fd = -1;
	}
}

static void before_fork(void)
{
	(void)pthread_mutex_lock(&mutex);
	fy_sigbus_before_fork();
}

static void after_fork_parent(void)
{
	fy_sigbus_after_fork();
	(void)pthread_mutex_unlock(&mutex);
}

static void after_fork_child(void)
{
	fy_sigbus_after_fork();
	for (struct fy_object *o = all; o; o = o->next) {
		refresh_descriptor(o);
		o->slot = FY_NO_SLOT;
	}
	(void)pthread_mutex_unlock(&mutex);
}

static void watch_forks(void)
{
	(void)pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

static void enlist(struct fy_object *object)
{
	(void)pthread_mutex_lock(&mutex);
	object->previous = NULL;
	object->next = all;
	if (all)
		all->previous = object;
	all = object;
	(void)pthread_mutex_unlock(&mutex);
}

/* 1 if it was the last one. */
static int delist(struct fy_object *object)
{
	(void)pthread_mutex_lock(&mutex);
	if (object->previous)
		object->previous->next = object->next;
	else
		all = object->next;
	if (object->next)
		object->next->previous = object->previous;
	int last = !all;
	(void)pthread_mutex_unlock(&mutex);
	return last;
}

void fy_object_visit(const void *tag, void (*visit)(void *context), void *context)
{
	(void)pthread_mutex_lock(&mutex);
	const struct fy_object *o = all;
	while (o && o->tag != tag)
		o = o->next;
	if (o)
		visit(context);
	(void)pthread_mutex_unlock(&mutex);
}

/* ---- opening ---- */

/* Take over a mapping of what was found; it is unmapped on failure. */
static int adopt(struct fy_object *object, const struct fy_found *found, void *base, int writable)
{
	int r = fy_sigbus_guard(base, found->map_bytes, &object->broken);

	if (r < 0) {
		(void)munmap(base, found->map_bytes);
		return r;
	}
	object->base = base;
	object->bytes = found->map_bytes;
	object->header = base;
	object->members = (struct fy_member_shm *)(void *)(object->base + FY_HEADER_BYTES);
	object->bells = (struct fy_bell_shm *)(void *)(object->base + found->bells);
	object->n_bells = found->n_bells;
	object->member_slots = found->member_slots;
	object->body = found->body;
	object->fd = found->fd;
	object->writable = writable;
	object->slot = FY_NO_SLOT;
	/* RELAXED(nobody else has the handle yet) */
	atomic_init(&object->generation, fy_fork_generation());
	return 0;
}

static int map(struct fy_object *object, const struct fy_found *found, int writable,
	       struct ferry_why *why)
{
	/* A mapping keeps its description, and with it the lock, alive in every child: so map
	 * through one that holds no lock. Without /proc the pid must decide whether a parent lives.
	 */
	int fd = describe_anew(found->fd, writable);
	void *base = fy_open_map(fd < 0 ? found->fd : fd, found->map_bytes, writable);
	int error = errno;

	if (fd >= 0)
		(void)close(fd);
	if (base == MAP_FAILED)
		return fy_why(why, -error, "cannot map %llu bytes: %s",
			      (unsigned long long)found->map_bytes, strerror(error));
	return adopt(object, found, base, writable);
}

static int check_kind(const struct fy_found *found, const struct fy_kind *kind,
		      const struct fy_place *place, struct ferry_why *why)
{
	if (found->kind != kind->kind)
		return fy_why(why, -FERRY_EKIND, "%.150s is a %s, not a %s", place->path,
			      ferry_kind_name((enum ferry_kind)found->kind),
			      ferry_kind_name((enum ferry_kind)kind->kind));
	return 0;
}

static int is_removed(const struct fy_object *object)
{
	/* SYNC(header.state) acquire: pairs with the release of ferry_remove(). */
	return atomic_load_explicit(&object->header->state, memory_order_acquire) ==
	       FY_STATE_REMOVED;
}

static void unmap(struct fy_object *object)
{
	fy_sigbus_release(object->base);
	(void)munmap(object->base, object->bytes);
}

/* -EAGAIN: it was the leftover of a removal, which is gone now; try again. */
static int open_existing(struct fy_object *object, const struct fy_place *place, int writable,
			 struct ferry_why *why)
{
	struct fy_found found;
	int r = fy_open_found(&found, place, writable, why);

	if (r < 0)
		return r;
	r = check_kind(&found, object->kind, place, why);
	if (r == 0)
		r = map(object, &found, writable, why);
	if (r < 0) {
		(void)close(found.fd);
		return r;
	}
	if (!is_removed(object))
		return 0;
	r = writable ? fy_unlink(place, found.fd, why) : -ENOENT;
	unmap(object);
	(void)close(found.fd);
	return r < 0 ? r : -EAGAIN;
}

static int is_same_file(int one, int other)
{
	struct stat a, b;

	return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* As in map(): the mapping in which it was filled keeps the description that it was made with, so
 * the locks get another. By the name: a file that was made without one is, for the kernel, open
 * under another, and with the last that is open under this one it ends all watches (os/touch.h). */
static int separate(struct fy_found *found, const struct fy_place *place, struct ferry_why *why)
{
	int fd =
	    openat(place->directory, place->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && !is_same_file(fd, found->fd)) {
		(void)close(fd);
		fd = -1;
	}
	/* Somebody has removed it meanwhile. */
	if (fd < 0)
		fd = describe_anew(found->fd, 1);
	if (fd < 0)
		return errno == ENOENT ? 0
				       : fy_why(why, -errno, "cannot open %.150s: %s", place->path,
						strerror(errno));
	(void)close(found->fd);
	found->fd = fd;
	return 0;
}

static int create_new(struct fy_object *object, const struct fy_place *place,
		      const struct fy_creation *creation, struct ferry_why *why)
{
	struct fy_found found;
	void *base;
	int r = fy_create(&found, &base, place, object->kind, creation, why);

	if (r < 0)
		return r;
	r = separate(&found, place, why);
	if (r < 0)
		(void)munmap(base, found.map_bytes);
	else
		r = adopt(object, &found, base, 1);
	if (r < 0)
		(void)close(found.fd);
	return r;
}

static int open_or_create(struct fy_object *object, const struct fy_place *place, uint32_t flags,
			  const struct fy_creation *creation, struct ferry_why *why)
{
	int writable = !(flags & FERRY_OBSERVE);
	int may_create = creation && !(flags & (FERRY_EXISTING | FERRY_OBSERVE));
	int r = -EAGAIN;

	/* Each round is lost only to another process that just made or removed the name. */
	for (int i = 0; i < 1000 && r == -EAGAIN; i++) {
		r = open_existing(object, place, writable, why);
		if (r == 0 && (flags & FERRY_EXCLUSIVE)) {
			unmap(object);
			(void)close(object->fd);
			return fy_why(why, -EEXIST, "%.150s exists already", place->path);
		}
		if (r == -ENOENT && may_create)
			r = create_new(object, place, creation, why);
		if (r == -EEXIST)
			r = -EAGAIN;
	}
	return r;
}

static int open_and_map(struct fy_object *object, int fd, struct ferry_why *why)
{
	const struct fy_place nowhere = { .path = "the descriptor" };
	struct fy_found found;
	int r = fy_open_descriptor(&found, fd, why);

	if (r < 0)
		return r;
	r = check_kind(&found, object->kind, &nowhere, why);
	if (r == 0)
		r = map(object, &found, 1, why);
	if (r < 0)
		(void)close(fd);
	return r;
}

/* Before the first object of this process: what notices forks. */
static int begin(struct fy_object *object, const struct fy_kind *kind)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int r = fy_fork_init();

	if (r < 0)
		return r;
	(void)pthread_once(&once, watch_forks);
	memset(object, 0, sizeof(*object));
	object->kind = kind;
	object->slot = FY_NO_SLOT;
	return 0;
}

int fy_object_open_descriptor(struct fy_object *object, int fd, const struct fy_kind *kind,
			      struct ferry_why *why)
{
	int r = begin(object, kind);

	if (r < 0)
		(void)close(fd);
	else
		r = open_and_map(object, fd, why);
	if (r == 0)
		enlist(object);
	return r;
}

int fy_object_describe(const struct fy_object *object)
{
	int fd = describe_anew(object->fd, object->writable);

	return fd < 0 ? -errno : fd;
}

static int map_half(uint8_t *at, uint64_t bytes, int protection, int fd, uint64_t offset)
{
	return mmap(at, bytes, protection, MAP_SHARED | MAP_FIXED, fd, (off_t)offset) == MAP_FAILED
		   ? -errno
		   : 0;
}

void *fy_object_map_twice(struct fy_object *object, uint64_t offset, uint64_t bytes, int writable)
{
	int protection = PROT_READ | (writable ? PROT_WRITE : 0);
	/* As in map(): not through the description that holds our lock. */
	int fd = describe_anew(object->fd, object->writable);
	int from = fd < 0 ? object->fd : fd;
	uint8_t *base =
	    mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base != MAP_FAILED && (map_half(base, bytes, protection, from, offset) < 0 ||
				   map_half(base + bytes, bytes, protection, from, offset) < 0 ||
				   fy_sigbus_guard(base, 2 * bytes, &object->broken) < 0)) {
		(void)munmap(base, 2 * bytes);
		base = MAP_FAILED;
	}
	if (fd >= 0)
		(void)close(fd);
	return base == MAP_FAILED ? NULL : base;
}

void fy_object_unmap_twice(void *base, uint64_t bytes)
{
	fy_sigbus_release(base);
	(void)munmap(base, 2 * bytes);
}

int fy_object_open(struct fy_object *object, const char *location, const struct fy_kind *kind,
		   uint32_t flags, const struct fy_creation *creation, struct ferry_why *why)
{
	struct fy_place place;
	int r = begin(object, kind);

	if (r < 0)
		return r;
	int make = creation && !(flags & (FERRY_EXISTING | FERRY_OBSERVE));
	r = fy_place_open(&place, location, make, why);
	if (r < 0)
		return r;
	r = open_or_create(object, &place, flags, creation, why);
	fy_place_close(&place);
	if (r < 0)
		return r;
	/* What was tried on the way (nothing there yet, say) is no failure. */
	if (why)
		*why = (struct ferry_why){ 0 };
	enlist(object);
	return 0;
}

int fy_object_join(struct fy_object *object, struct ferry_why *why)
{
	int r = fy_member_join(object);

	if (r == -FERRY_EMEMBERS)
		return fy_why(why, r, "all %u places for members are taken by live processes",
			      object->member_slots);
	if (r < 0)
		return fy_why(why, r, "cannot become a member: %s", ferry_strerror(r));
	return 0;
}

static int rejoin(struct fy_object *object)
{
	if (fy_object_is_ours(object))
		return 0; /* another thread was faster */
	/* After fork() the descriptor is fresh already; after _Fork() or clone() it is not. */
	if (object->slot != FY_NO_SLOT)
		refresh_descriptor(object);
	object->slot = FY_NO_SLOT;
	if (object->fd < 0)
		return -EBADF;
	int r = object->writable ? fy_member_join(object) : 0;
	if (r == 0 && object->kind->rejoined)
		object->kind->rejoined(object);
	if (r == 0)
		/* SYNC(object.generation) release: pairs with fy_object_is_ours(). */
		atomic_store_explicit(&object->generation, fy_fork_generation(),
				      memory_order_release);
	return r;
}

int fy_object_rejoin(struct fy_object *object)
{
	int cancel = fy_cancel_off();

	(void)pthread_mutex_lock(&mutex);
	int r = rejoin(object);
	(void)pthread_mutex_unlock(&mutex);
	fy_cancel_restore(cancel);
	return r;
}

void fy_object_close(struct fy_object *object)
{
	fy_post_forget(object, delist(object));
	/* In a child that never used it, the membership is still its parent's. */
	if (!fy_object_is_ours(object))
		object->slot = FY_NO_SLOT;
	fy_member_leave(object);
	unmap(object);
	(void)close(object->fd);
}
