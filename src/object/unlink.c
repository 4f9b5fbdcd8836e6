/* SPDX-License-Identifier: MIT */
/*
 * unlink.c - taking an object's name away.
 *
 * Several may want to take the same name away, and a new object may have it a moment later. No lock
 * here: its holder could be stopped, and then nobody could use the name. Instead the name is moved
 * aside, and what was not meant is put back: that takes a remover that was stopped between its look
 * and its rename while another removed the file and a third made a new one; the new one then misses
 * its name for two system calls. If somebody used just those to make yet another, the one that was
 * caught counts as removed: its members are told so, and open again.
 */
#include "unlink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/why.h"
#include "look.h"

static int is_named(const struct fy_place *place, const char *name, const struct stat *file)
{
	struct stat named;

	return fstatat(place->directory, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       named.st_dev == file->st_dev && named.st_ino == file->st_ino;
}

/* Gone already is as good: another remover swept it away. */
static int unlink_aside(int directory, const char *aside)
{
	return unlinkat(directory, aside, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

/* What was caught by mistake has lost its name to a newer object. */
static int retire(const struct fy_place *place, const char *aside)
{
	struct fy_object object;
	struct fy_found found;
	struct fy_place there = *place;

	(void)snprintf(there.name, sizeof(there.name), "%s", aside);
	if (fy_look(&object, &found, &there, 1, NULL) == 0) {
		fy_look_mark_removed(&object);
		fy_look_away(&object);
	}
	return unlink_aside(place->directory, aside);
}

static int catch_and_unlink(const struct fy_place *place, const struct stat *file)
{
	char aside[40];
	uint64_t chance;

	if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
		return -EIO;
	(void)snprintf(aside, sizeof(aside), FY_ASIDE_PREFIX "%016llx", (unsigned long long)chance);
	if (renameat2(place->directory, place->name, place->directory, aside, RENAME_NOREPLACE) !=
	    0)
		return errno == ENOENT ? 0 : -errno;
	if (is_named(place, aside, file))
		return unlink_aside(place->directory, aside);
	if (renameat2(place->directory, aside, place->directory, place->name, RENAME_NOREPLACE) ==
	    0)
		return 0;
	return errno == EEXIST ? retire(place, aside) : -errno;
}

/* Is this the leftover of a remover that died? Never one that is not marked: that may be on its way
 * back to its name. */
static int is_leftover(int directory, const char *name)
{
	struct fy_header_shm header;
	const size_t enough = offsetof(struct fy_header_shm, state) + sizeof(header.state);

	memset(&header, 0, sizeof(header));
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = pread(fd, &header, enough, 0);
	(void)close(fd);
	/* RELAXED(our own copy) */
	uint32_t state = atomic_load_explicit(&header.state, memory_order_relaxed);
	return n == (ssize_t)enough && header.magic == FY_MAGIC && state == FY_STATE_REMOVED;
}

/* Whoever removes something sweeps up what removers that were killed left in the same directory. */
static void sweep(const struct fy_place *place)
{
	struct dirent *entry;
	int fd = openat(place->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, FY_ASIDE_PREFIX, strlen(FY_ASIDE_PREFIX)) == 0 &&
		    is_leftover(place->directory, entry->d_name))
			(void)unlink_aside(place->directory, entry->d_name);
	(void)closedir(dir);
}

int fy_unlink(const struct fy_place *place, int fd, struct ferry_why *why)
{
	struct stat file;
	int r = 0;

	if (fstat(fd, &file) != 0)
		return -errno;
	if (is_named(place, place->name, &file))
		r = catch_and_unlink(place, &file);
	sweep(place);
	return r < 0 ? fy_why(why, r, "cannot remove %.150s: %s", place->path, strerror(-r)) : 0;
}
