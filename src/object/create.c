/* SPDX-License-Identifier: MIT */
/*
 * create.c - making an object's file.
 *
 * A file is made without a name (O_TMPFILE), reserved (so that no page can be missing later),
 * filled, and linked to its name in one step: nobody sees half of it, and if we die on the way the
 * kernel throws it away. File systems without O_TMPFILE get a hidden temporary name instead.
 */
#include "create.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/error.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/why.h"
#include "../os/reserve.h"
#include "open.h"

#define TEMPORARY_PREFIX ".ferry-new-"

struct draft {
	int fd;
	char temporary[40]; /* its name, or empty if it has none yet */
};

static int open_draft(struct draft *draft, const struct fy_place *place, mode_t mode)
{
	draft->temporary[0] = '\0';
	draft->fd = openat(place->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
	if (draft->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)
		return -errno;
	for (int i = 0; i < 100; i++) {
		uint64_t chance;
		if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
			return -EIO;
		(void)snprintf(draft->temporary, sizeof(draft->temporary),
			       TEMPORARY_PREFIX "%016llx", (unsigned long long)chance);
		draft->fd = openat(place->directory, draft->temporary,
				   O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, mode);
		if (draft->fd >= 0 || errno != EEXIST)
			break;
	}
	return draft->fd < 0 ? -errno : 0;
}

/* What the header will say. */
static void describe(struct fy_found *found, int fd, const struct fy_kind *kind,
		     const struct fy_creation *creation)
{
	uint64_t body = fy_object_body(creation->member_slots, creation->n_bells);

	*found = (struct fy_found){
		.fd = fd,
		.kind = kind->kind,
		.layout = fy_known_layout(kind->kind),
		.bytes = body + creation->body_bytes,
		.map_bytes = body + creation->body_bytes + creation->may_grow,
		.body = body,
		.bells = fy_object_bells(creation->member_slots),
		.n_bells = creation->n_bells,
		.member_slots = creation->member_slots,
	};
}

static void fill(uint8_t *base, const struct fy_found *found, const struct fy_creation *creation)
{
	struct fy_header_shm *header = (struct fy_header_shm *)(void *)base;

	header->magic = FY_MAGIC;
	header->kind = found->kind;
	header->layout = found->layout;
	header->file_bytes = found->bytes;
	header->bells = found->bells;
	header->n_bells = found->n_bells;
	header->body = found->body;
	header->member_slots = found->member_slots;
	header->line = FY_LINE;
	header->map_bytes = creation->may_grow ? found->map_bytes : 0;
	creation->fill(base + header->body, creation->context);
	/* SYNC(header.state) release: pairs with the acquire loads of it; the link to the name
	 * orders it for openers anyway. */
	atomic_store_explicit(&header->state, FY_STATE_READY, memory_order_release);
}

static int link_name(const struct fy_place *place, const struct draft *draft)
{
	char path[40];

	if (draft->temporary[0]) {
		/* link, not rename: it fails if the name is taken. */
		int r =
		    linkat(place->directory, draft->temporary, place->directory, place->name, 0);
		return r == 0 ? 0 : -errno;
	}
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", draft->fd);
	if (linkat(AT_FDCWD, path, place->directory, place->name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno != ENOENT)
		return -errno;
	/* Without /proc; needs a privilege on older kernels. */
	return linkat(draft->fd, "", place->directory, place->name, AT_EMPTY_PATH) == 0 ? 0
											: -errno;
}

/* The mapping stays, if it succeeds. */
static int build(void **ret_base, const struct fy_found *found, const struct fy_creation *creation,
		 const char *path, struct ferry_why *why)
{
	int r = fy_reserve(found->fd, 0, found->bytes);

	if (r < 0)
		return fy_why(why, r, "cannot reserve %llu bytes for %.120s: %s",
			      (unsigned long long)found->bytes, path, strerror(-r));
	*ret_base = fy_open_map(found->fd, found->map_bytes, 1);
	if (*ret_base == MAP_FAILED)
		return fy_why(why, -errno, "cannot map %.150s: %s", path, strerror(errno));
	fill(*ret_base, found, creation);
	return 0;
}

static int build_and_link(void **ret_base, const struct fy_found *found,
			  const struct fy_creation *creation, const struct fy_place *place,
			  const struct draft *draft, struct ferry_why *why)
{
	int r = build(ret_base, found, creation, place->path, why);

	if (r < 0)
		return r;
	r = link_name(place, draft);
	if (r == 0)
		return 0;
	(void)munmap(*ret_base, found->map_bytes);
	return fy_why(why, r, "cannot give %.150s its name: %s", place->path, strerror(-r));
}

int fy_create(struct fy_found *ret_found, void **ret_base, const struct fy_place *place,
	      const struct fy_kind *kind, const struct fy_creation *creation, struct ferry_why *why)
{
	struct draft draft;
	int r = open_draft(&draft, place, creation->mode);

	if (r < 0)
		return fy_why(why, r, "cannot make a file for %.150s: %s", place->path,
			      strerror(-r));
	describe(ret_found, draft.fd, kind, creation);
	r = build_and_link(ret_base, ret_found, creation, place, &draft, why);
	if (draft.temporary[0])
		(void)unlinkat(place->directory, draft.temporary, 0);
	if (r < 0)
		(void)close(draft.fd);
	return r;
}

static int build_unnamed(int fd, const struct fy_kind *kind, const struct fy_creation *creation)
{
	struct fy_found found;
	void *base = NULL;

	describe(&found, fd, kind, creation);
	int r = build(&base, &found, creation, "it", NULL);
	if (r < 0)
		return r;
	(void)munmap(base, found.map_bytes);
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0 ? 0 : -errno;
}

/* The kernel tells watchers (os/touch.h) nothing of what is read through the descriptor that
 * memfd_create(2) returns. So the file is opened once more, if /proc is there. */
static int open_again(int fd)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = open(path, O_RDWR | O_CLOEXEC);
	if (again < 0)
		return fd;
	(void)close(fd);
	return again;
}

int fy_create_unnamed(const struct fy_kind *kind, const struct fy_creation *creation,
		      struct ferry_why *why)
{
	int fd = memfd_create("ferry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r = fd < 0 ? -errno : build_unnamed(fd, kind, creation);

	if (r == 0)
		return open_again(fd);
	if (fd >= 0)
		(void)close(fd);
	return fy_why(why, r, "cannot make an object in memory: %s", strerror(-r));
}
