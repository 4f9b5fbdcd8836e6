/* SPDX-License-Identifier: MIT */
/* Files of the tests: a private directory in memory, and small things to do with files in it. */
#include "scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static char directory[] = "/dev/shm/ferry-test-XXXXXX";

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path), 0;
}

void scratch_make(void)
{
	strcpy(directory, "/dev/shm/ferry-test-XXXXXX");
	check(mkdtemp(directory));
	setenv("FERRY_DIR", directory, 1);
}

void scratch_remove(void)
{
	if (!strstr(directory, "XXXXXX"))
		nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

const char *scratch_directory(void)
{
	return directory;
}

const char *scratch_path(const char *name)
{
	static char paths[8][512];
	static unsigned turn;
	char *path = paths[turn++ % 8];

	check(snprintf(path, sizeof *paths, "%s/%s", directory, name) < (int)sizeof *paths);
	return path;
}

int scratch_count_in(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	check(dir);
	for (const struct dirent *entry; (entry = readdir(dir));)
		n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(dir);
	return n;
}

int scratch_count(void)
{
	return scratch_count_in(directory);
}

void scratch_write(const char *path, const void *bytes, size_t size, mode_t mode)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	check(fd >= 0);
	check_eq(write(fd, bytes, size), size);
	check_eq(fchmod(fd, mode), 0);
	close(fd);
}

void scratch_patch(const char *path, off_t at, const void *bytes, size_t size)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);

	check(fd >= 0);
	check_eq(pwrite(fd, bytes, size, at), size);
	close(fd);
}

void scratch_read(const char *path, off_t at, void *bytes, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	check(fd >= 0);
	check_eq(pread(fd, bytes, size, at), size);
	close(fd);
}

void scratch_mount(const char *path, unsigned kib)
{
	char options[64];

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		check_skip("mount namespaces need root");
	snprintf(options, sizeof options, "size=%uk", kib);
	check_eq(mount("tmpfs", path, "tmpfs", 0, options), 0);
}
