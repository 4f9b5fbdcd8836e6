/* SPDX-License-Identifier: MIT */
/* look.c - what can be done with any object from outside: look, list members, list a directory,
 * remove (what a kind adds to that: kinds/remove.c). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/error.h>
#include <ferry/object.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../base/why.h"
#include "../os/cancel.h"
#include "../os/process.h"
#include "../os/sigbus.h"
#include "look.h"
#include "member.h"
#include "open.h"
#include "unlink.h"

int fy_look(struct fy_object *object, struct fy_found *found, const struct fy_place *place,
	    int writable, struct ferry_why *why)
{
	struct fy_process self;
	int r = fy_open_found(found, place, writable, why);

	if (r < 0)
		return r;
	fy_process_self(&self);
	memset(object, 0, sizeof(*object));
	uint64_t bytes = writable ? found->bytes : found->body;
	object->base =
	    mmap(NULL, bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, found->fd, 0);
	r = object->base == MAP_FAILED ? -errno
				       : fy_sigbus_guard(object->base, bytes, &object->broken);
	if (r < 0) {
		if (object->base != MAP_FAILED)
			(void)munmap(object->base, bytes);
		(void)close(found->fd);
		return fy_why(why, r, "cannot map %.150s: %s", place->path, strerror(-r));
	}
	object->bytes = bytes;
	object->header = (struct fy_header_shm *)(void *)object->base;
	object->members = (struct fy_member_shm *)(void *)(object->base + FY_HEADER_BYTES);
	object->bells = (struct fy_bell_shm *)(void *)(object->base + found->bells);
	object->n_bells = found->n_bells;
	object->member_slots = found->member_slots;
	object->slot = FY_NO_SLOT;
	object->fd = found->fd;
	object->writable = writable;
	object->pid_namespace = self.pid_namespace;
	return 0;
}

void fy_look_away(struct fy_object *object)
{
	fy_sigbus_release(object->base);
	(void)munmap(object->base, object->bytes);
	(void)close(object->fd);
}

static int look_at(struct fy_object *object, struct fy_found *found, const char *location,
		   struct ferry_why *why)
{
	struct fy_place place;
	int r = fy_place_open(&place, location, 0, why);

	if (r < 0)
		return r;
	r = fy_look(object, found, &place, 0, why);
	fy_place_close(&place);
	return r;
}

static int stat_object(const char *location, struct ferry_object_stat *ret_stat,
		       struct ferry_why *why)
{
	struct fy_object object;
	struct fy_found found;
	int r = look_at(&object, &found, location, why);

	if (r < 0)
		return r;
	struct ferry_object_stat stat = {
		.kind = (enum ferry_kind)found.kind,
		.layout = found.layout,
		.mode = found.status.st_mode & 07777,
		.uid = found.status.st_uid,
		.gid = found.status.st_gid,
		/* One that can grow may have done so. */
		.file_bytes =
		    found.map_bytes > found.bytes ? (uint64_t)found.status.st_size : found.bytes,
		/* RELAXED(to look at) */
		.removed = atomic_load_explicit(&object.header->state, memory_order_relaxed) ==
			   FY_STATE_REMOVED,
	};
	for (uint32_t slot = 0; slot < object.member_slots; slot++) {
		if (fy_member_status(fy_member_load(&object, slot)) == FY_MEMBER_FREE)
			continue;
		if (fy_member_looks_dead(&object, slot))
			stat.members_dead++;
		else
			stat.members_alive++;
	}
	fy_look_away(&object);
	*ret_stat = stat;
	return 0;
}

int ferry_object_stat(const char *location, struct ferry_object_stat *ret_stat,
		      struct ferry_why *why)
{
	int cancel = fy_cancel_off();
	int r = stat_object(location, ret_stat, why);

	fy_cancel_restore(cancel);
	return r;
}

static void describe_member(struct fy_object *object, uint32_t slot, struct ferry_member *member)
{
	const struct fy_member_shm *m = &object->members[slot];

	memset(member, 0, sizeof(*member));
	member->number = slot;
	member->pid = (pid_t)m->pid;
	member->started = m->started;
	member->alive = !fy_member_looks_dead(object, slot);
	member->same_namespace =
	    object->pid_namespace != 0 && m->pid_namespace == object->pid_namespace;
	/* RELAXED(to look at) */
	member->waiting_receivers =
	    atomic_load_explicit(&m->waiting_receivers, memory_order_relaxed);
	/* RELAXED(to look at) */
	member->waiting_senders = atomic_load_explicit(&m->waiting_senders, memory_order_relaxed);
	for (size_t i = 0; i < sizeof(m->program) && m->program[i] != '\0'; i++) {
		unsigned char c = (unsigned char)m->program[i];
		member->program[i] = c < 0x20 || c == 0x7f ? '?' : m->program[i];
	}
}

static int list_members(const char *location, struct ferry_member *ret_members, size_t n,
			struct ferry_why *why)
{
	struct fy_object object;
	struct fy_found found;
	int members = 0;
	int r = look_at(&object, &found, location, why);

	if (r < 0)
		return r;
	for (uint32_t slot = 0; slot < object.member_slots; slot++) {
		if (fy_member_status(fy_member_load(&object, slot)) == FY_MEMBER_FREE)
			continue;
		if ((size_t)members < n)
			describe_member(&object, slot, &ret_members[members]);
		members++;
	}
	fy_look_away(&object);
	return members;
}

int ferry_object_members(const char *location, struct ferry_member *ret_members, size_t n,
			 struct ferry_why *why)
{
	int cancel = fy_cancel_off();
	int r = list_members(location, ret_members, n, why);

	fy_cancel_restore(cancel);
	return r;
}

/* Could the name be taken away? Asked before the object is marked, so that an error means that
 * nothing has changed. */
static int may_unlink(const struct fy_place *place, const struct fy_found *found,
		      struct ferry_why *why)
{
	struct stat directory;
	uid_t we = geteuid();

	if (faccessat(place->directory, ".", W_OK | X_OK, AT_EACCESS) != 0 ||
	    fstat(place->directory, &directory) != 0)
		return fy_why(why, -errno, "cannot remove %.150s: %s", place->path,
			      strerror(errno));
	if ((directory.st_mode & S_ISVTX) && we != 0 && we != directory.st_uid &&
	    we != found->status.st_uid)
		return fy_why(why, -EPERM, "cannot remove %.150s: it belongs to uid %u",
			      place->path, (unsigned)found->status.st_uid);
	return 0;
}

/* From now on nobody begins to sleep soundly, and who does is awake. */
static void announce_removal(struct fy_object *object)
{
	/* SYNC(header.removing) release: pairs with fy_object_is_being_removed(). */
	atomic_store_explicit(&object->header->removing, 1, memory_order_seq_cst);
	for (uint32_t i = 0; i < object->n_bells; i++)
		fy_bell_rouse(&object->bells[i], object->fd);
}

void fy_look_mark_removed(struct fy_object *object)
{
	announce_removal(object);
	/* SYNC(header.state) release: pairs with the acquire in is_removed() and in
	 * fy_object_state(). First the mark, then the name: killed between the two we leave a name
	 * that the next opener clears away. */
	atomic_store_explicit(&object->header->state, FY_STATE_REMOVED, memory_order_seq_cst);
	fy_object_ring_all(object);
}

int fy_look_remove(const char *location,
		   void (*wake)(const struct fy_object *object, const struct fy_found *found),
		   struct ferry_why *why)
{
	struct fy_place place;
	struct fy_object object;
	struct fy_found found;
	int r = fy_place_open(&place, location, 0, why);

	if (r < 0)
		return r;
	r = fy_look(&object, &found, &place, 1, why);
	if (r == 0) {
		r = may_unlink(&place, &found, why);
		if (r == 0) {
			fy_look_mark_removed(&object);
			wake(&object, &found);
			r = fy_unlink(&place, object.fd, why);
		}
		fy_look_away(&object);
	}
	fy_place_close(&place);
	return r;
}

/* The location of a directory's entry; 0 if the entry is none of ours. A hidden one is the leftover
 * of a remover that died, and no bare name. */
static int entry_location(const char *directory, const char *name, char *location, size_t n)
{
	char own[PATH_MAX];
	int length;

	if (name[0] == '.' && strncmp(name, FY_ASIDE_PREFIX, strlen(FY_ASIDE_PREFIX)) != 0)
		return 0;
	if (!directory && name[0] == '.' && fy_own_directory_path(own, sizeof(own)) == 0)
		directory = own;
	if (directory)
		length = snprintf(location, n, "%s/%s", directory, name);
	else
		length = snprintf(location, n, "%s", name);
	return length > 0 && (size_t)length < n;
}

static int open_listed(const char *directory, struct ferry_why *why)
{
	if (!directory)
		return fy_own_directory(0, why);
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd
		       : fy_why(why, -errno, "cannot open directory %.150s: %s", directory,
				strerror(errno));
}

static int walk_directory(const char *directory,
			  int (*visit)(const char *name, const char *location, void *context),
			  void *context, struct ferry_why *why)
{
	char location[PATH_MAX];
	struct dirent *entry;
	int r = 0;
	int fd = open_listed(directory, why);

	if (fd < 0)
		return fd == -ENOENT && !directory ? 0 : fd;
	DIR *dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (entry = readdir(dir)) != NULL)
		if (entry_location(directory, entry->d_name, location, sizeof(location)))
			r = visit(entry->d_name, location, context);
	(void)closedir(dir);
	return r;
}

int ferry_list(const char *directory,
	       int (*visit)(const char *name, const char *location, void *context), void *context,
	       struct ferry_why *why)
{
	int cancel = fy_cancel_off();
	int r = walk_directory(directory, visit, context, why);

	fy_cancel_restore(cancel);
	return r;
}
