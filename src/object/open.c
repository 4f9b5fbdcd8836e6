/* SPDX-License-Identifier: MIT */
/* open.c - see open.h. The header is read with pread(2), so nothing here can be SIGBUS. */
#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/error.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../base/why.h"
#include "object.h"

#define FIRST_BYTES (FY_HEADER_BYTES + UINT64_C(4096)) /* the header, and its first members */

static const char *type_word(mode_t mode)
{
	return S_ISDIR(mode)    ? "a directory"
	       : S_ISLNK(mode)  ? "a symbolic link"
	       : S_ISFIFO(mode) ? "a FIFO"
	       : S_ISSOCK(mode) ? "a socket"
				: "a device";
}

/* Only regular files; looked at before opening, since opening a device can do things. */
static int check_type(const struct stat *s, const struct fy_place *place, struct ferry_why *why)
{
	if (S_ISLNK(s->st_mode))
		return fy_why(why, -ELOOP, "%.150s is a symbolic link; give the file itself",
			      place->path);
	if (!S_ISREG(s->st_mode))
		return fy_why(why, -FERRY_EFOREIGN, "%.150s is %s, not a ferry object", place->path,
			      type_word(s->st_mode));
	/* Where anybody may make files, one of another user's could be a trap. */
	if (place->shared && s->st_uid != geteuid() && s->st_uid != 0)
		return fy_why(
		    why, -FERRY_EUNSAFE,
		    "%.150s belongs to uid %u, in a directory where everybody can make files",
		    place->path, (unsigned)s->st_uid);
	return 0;
}

static int open_file(struct fy_found *found, const struct fy_place *place, int writable,
		     struct ferry_why *why)
{
	struct stat before;

	if (fstatat(place->directory, place->name, &before, AT_SYMLINK_NOFOLLOW) != 0)
		return fy_why(why, -errno, "cannot open %.150s: %s", place->path, strerror(errno));
	int r = check_type(&before, place, why);
	if (r < 0)
		return r;
	int flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	int fd = openat(place->directory, place->name, flags);
	if (fd < 0)
		return fy_why(why, -errno, "cannot open %.150s: %s", place->path, strerror(errno));
	if (fstat(fd, &found->status) != 0)
		r = -errno;
	else
		r = check_type(&found->status, place, why);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	found->fd = fd;
	return 0;
}

static int check_magic(const struct fy_header_shm *h, ssize_t n, const struct fy_place *place,
		       struct ferry_why *why)
{
	if (n < (ssize_t)sizeof(h->magic))
		return fy_why(why, -FERRY_EFOREIGN, "%.150s is not a ferry object (%zd bytes)",
			      place->path, n);
	if (h->magic == __builtin_bswap64(FY_MAGIC))
		return fy_why(why, -FERRY_EFOREIGN,
			      "%.120s was made on a machine of the other byte order", place->path);
	if (h->magic != FY_MAGIC)
		return fy_why(why, -FERRY_EFOREIGN, "%.150s is not a ferry object", place->path);
	if (n < (ssize_t)offsetof(struct fy_header_shm, state))
		return fy_why(why, -FERRY_ETRUNCATED, "%.150s was cut short to %zd bytes",
			      place->path, n);
	return 0;
}

uint32_t fy_known_layout(uint32_t kind)
{
	static const uint32_t known[] = {
		[FERRY_KIND_MAILBOX] = FY_LAYOUT_MAILBOX,
		[FERRY_KIND_SEGMENT] = FY_LAYOUT_SEGMENT,
		[FERRY_KIND_PIPE] = FY_LAYOUT_PIPE,
	};

	return kind < sizeof(known) / sizeof(known[0]) ? known[kind] : 0;
}

/* Another layout may have other sizes: leave it to a library that knows it. */
static int check_layout(const struct fy_header_shm *h, const struct fy_place *place,
			struct ferry_why *why)
{
	uint32_t known = fy_known_layout(h->kind);

	if (known == 0)
		return fy_why(why, -FERRY_EKIND,
			      "%.120s is of kind %u, which this library does not know", place->path,
			      h->kind);
	if (h->layout != known)
		return fy_why(why, -FERRY_EVERSION,
			      "%.120s has layout %u of a %s; this library knows layout %u",
			      place->path, h->layout, ferry_kind_name((enum ferry_kind)h->kind),
			      known);
	return 0;
}

/* Every size once, against what the file really has. */
static int check_sizes(const struct fy_header_shm *h, const struct stat *s,
		       const struct fy_place *place, struct ferry_why *why)
{
	if (h->line != FY_LINE || h->member_slots == 0 || h->member_slots > FY_MEMBERS_MAX ||
	    h->n_bells > FY_BELLS_MAX || h->bells != fy_object_bells(h->member_slots) ||
	    h->body != fy_object_body(h->member_slots, h->n_bells) || h->file_bytes < h->body ||
	    h->file_bytes > INT64_MAX ||
	    (h->map_bytes != 0 && (h->map_bytes < h->file_bytes || h->map_bytes > INT64_MAX)))
		return fy_why(why, -FERRY_ECORRUPT, "the header of %.150s makes no sense",
			      place->path);
	if ((uint64_t)s->st_size < h->file_bytes)
		return fy_why(why, -FERRY_ETRUNCATED,
			      "%.120s has %lld bytes, but its header says %llu", place->path,
			      (long long)s->st_size, (unsigned long long)h->file_bytes);
	return 0;
}

/* Read and check the header behind ret_found->fd, which is closed on failure. */
static int read_header(struct fy_found *ret_found, const struct fy_place *place,
		       struct ferry_why *why)
{
	struct fy_header_shm header;
	size_t want = offsetof(struct fy_header_shm, state);

	memset(&header, 0, sizeof(header));
	ssize_t n = pread(ret_found->fd, &header, want, 0);
	int r = n < 0 ? -errno : check_magic(&header, n, place, why);
	ret_found->kind = header.kind;
	ret_found->layout = header.layout;
	if (r == 0)
		r = check_layout(&header, place, why);
	if (r == 0)
		r = check_sizes(&header, &ret_found->status, place, why);
	if (r < 0) {
		(void)close(ret_found->fd);
		return r;
	}
	ret_found->bytes = header.file_bytes;
	ret_found->map_bytes = header.map_bytes ? header.map_bytes : header.file_bytes;
	ret_found->body = header.body;
	ret_found->bells = header.bells;
	ret_found->n_bells = header.n_bells;
	ret_found->member_slots = header.member_slots;
	return 0;
}

int fy_open_found(struct fy_found *ret_found, const struct fy_place *place, int writable,
		  struct ferry_why *why)
{
	int r = open_file(ret_found, place, writable, why);

	return r < 0 ? r : read_header(ret_found, place, why);
}

int fy_open_descriptor(struct fy_found *ret_found, int fd, struct ferry_why *why)
{
	struct fy_place nowhere = { .directory = -1 };

	(void)snprintf(nowhere.path, sizeof(nowhere.path), "descriptor %d", fd);
	ret_found->fd = fd;
	int r = fstat(fd, &ret_found->status) != 0
		    ? fy_why(why, -errno, "%s: %s", nowhere.path, strerror(errno))
		    : check_type(&ret_found->status, &nowhere, why);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return read_header(ret_found, &nowhere, why);
}

void *fy_open_map(int fd, uint64_t bytes, int writable)
{
	void *base = mmap(NULL, bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);

	/* Whoever opens an object to use it looks at its header and writes into the member table:
	 * one system call for both pages costs less than two page faults, above all in a virtual
	 * machine. If it fails, the faults come. */
	if (base != MAP_FAILED && writable)
		(void)madvise(base, FIRST_BYTES, MADV_POPULATE_WRITE);
	return base;
}
