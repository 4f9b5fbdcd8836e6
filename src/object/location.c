/* SPDX-License-Identifier: MIT */
/* location.c - see location.h, and "A location is" in ferry/object.h. */
#include "location.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/error.h>
#include <ferry/object.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/why.h"

#define NAME_LIMIT 200 /* bytes; leaves room for what a file system or a tool may add */

/* The directory for bare names, as text. It is the caller's own unless $FERRY_DIR says otherwise.
 */
int fy_own_directory_path(char *path, size_t n)
{
	const char *set = secure_getenv("FERRY_DIR");
	int length = set && *set ? snprintf(path, n, "%s", set)
				 : snprintf(path, n, "/dev/shm/ferry-%u", (unsigned)geteuid());

	return length < 0 || (size_t)length >= n ? -ENAMETOOLONG : 0;
}

/* Nobody but root and the caller may be able to plant names in the directory behind fd. */
static int directory_is_safe(const struct stat *s, const char *path, int is_default,
			     struct ferry_why *why)
{
	if (s->st_uid != geteuid() && (is_default || s->st_uid != 0))
		return fy_why(why, -FERRY_EUNSAFE, "directory %s belongs to uid %u, not to you",
			      path, (unsigned)s->st_uid);
	if (is_default && (s->st_mode & 077))
		return fy_why(why, -FERRY_EUNSAFE,
			      "directory %s has mode %04o; others can get in (chmod 0700 it)", path,
			      (unsigned)s->st_mode & 07777);
	if ((s->st_mode & S_IWOTH) && !(s->st_mode & S_ISVTX))
		return fy_why(why, -FERRY_EUNSAFE,
			      "directory %s is writable by everybody and not sticky", path);
	return 0;
}

/* Open it, made if it is not there. A default directory that is a symlink was planted; $FERRY_DIR
 * may well be one. */
static int open_or_make(const char *path, int is_default, int make, struct ferry_why *why)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (is_default ? O_NOFOLLOW : 0);
	int fd = open(path, flags);

	if (fd < 0 && errno == ENOENT && make) {
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			return fy_why(why, -errno, "cannot make directory %s: %s", path,
				      strerror(errno));
		fd = open(path, flags);
	}
	if (fd < 0 && is_default && (errno == ELOOP || errno == ENOTDIR))
		return fy_why(why, -FERRY_EUNSAFE, "%s is not a directory", path);
	if (fd < 0)
		return fy_why(why, -errno, "cannot open directory %s: %s", path, strerror(errno));
	return fd;
}

static int own_directory(int make, struct stat *ret_status, struct ferry_why *why)
{
	char path[PATH_MAX];
	const char *set = secure_getenv("FERRY_DIR");
	int is_default = !(set && *set);
	int r = fy_own_directory_path(path, sizeof(path));

	if (r < 0)
		return fy_why(why, r, "$FERRY_DIR is too long");
	int fd = open_or_make(path, is_default, make, why);
	if (fd < 0)
		return fd;
	if (fstat(fd, ret_status) != 0)
		r = fy_why(why, -errno, "cannot look at directory %s: %s", path, strerror(errno));
	else
		r = directory_is_safe(ret_status, path, is_default, why);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return fd;
}

int fy_own_directory(int make, struct ferry_why *why)
{
	struct stat status;

	return own_directory(make, &status, why);
}

int fy_name_valid(const char *name)
{
	size_t n = strnlen(name, NAME_LIMIT + 1);

	if (n == 0 || n > NAME_LIMIT || name[0] == '.')
		return 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];
		if (c < 0x20 || c == 0x7f || c == '/' || c == ':')
			return 0;
	}
	return 1;
}

/* The file name of "key:0x1234" or "key:4660": one spelling for each number. */
static int key_name(const char *digits, char *name, size_t n)
{
	char *end;
	int hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
	const char *first = hex ? digits + 2 : digits;

	/* strtoul would also take signs and spaces. */
	if (!(*first >= '0' && *first <= '9') &&
	    !(hex && ((*first | 32) >= 'a' && (*first | 32) <= 'f')))
		return -FERRY_ELOCATION;
	errno = 0;
	unsigned long key = strtoul(first, &end, hex ? 16 : 10);
	if (errno != 0 || *end != '\0' || key > UINT32_MAX)
		return -FERRY_ELOCATION;
	(void)snprintf(name, n, "key:0x%08lx", key);
	return 0;
}

static int bare_name(const char *location, char *name, size_t n, struct ferry_why *why)
{
	if (strncmp(location, "key:", 4) == 0) {
		if (key_name(location + 4, name, n) < 0)
			return fy_why(why, -FERRY_ELOCATION,
				      "key: wants a number from 0 to 0xffffffff, not \"%.100s\"",
				      location + 4);
		return 0;
	}
	if (!fy_name_valid(location))
		return fy_why(why, -FERRY_ELOCATION,
			      "\"%.100s\" is no name: 1 to %d bytes, not beginning with a dot, "
			      "without colons and control characters (a path needs a slash)",
			      location, NAME_LIMIT);
	(void)snprintf(name, n, "%s", location);
	return 0;
}

/* "unix:/x", "amqp://x": kinds of location that others may know. "./unix:/x" is a path. */
static int has_scheme(const char *location)
{
	size_t n =
	    strspn(location, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

	return n > 0 && location[0] != '.' && location[n] == ':';
}

/* Split a path; the part before the last slash must be a directory, the rest a name in it. */
static int split_path(const char *location, char *directory, size_t n, char *name,
		      struct ferry_why *why)
{
	const char *slash = strrchr(location, '/');
	size_t length = (size_t)(slash - location);
	const char *last = slash + 1;

	if (has_scheme(location))
		return fy_why(why, -FERRY_ELOCATION, "\"%.100s\": no such kind of location",
			      location);
	if (length >= n || strlen(last) > NAME_MAX)
		return fy_why(why, -FERRY_ELOCATION, "the path is too long");
	if (*last == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return fy_why(why, -FERRY_ELOCATION, "\"%.100s\" names a directory, not a file",
			      location);
	memcpy(directory, location, length);
	directory[length] = '\0';
	if (length == 0)
		(void)snprintf(directory, n, "/");
	(void)snprintf(name, NAME_MAX + 1, "%s", last);
	return 0;
}

/* A symbolic link in a directory where everybody may make names counts only if it is our own or the
 * directory's owner's: the kernel's rule (proc(5), protected_symlinks), which may be switched off.
 */
static int link_is_planted(int parent, const struct stat *link)
{
	struct stat directory;
	const mode_t anybody = S_IWOTH | S_ISVTX;

	return fstat(parent, &directory) != 0 ||
	       ((directory.st_mode & anybody) == anybody && link->st_uid != geteuid() &&
		link->st_uid != directory.st_uid);
}

/* Go one name down from parent, which is closed. The new descriptor, or an error. */
static int step(int parent, const char *name)
{
	struct stat s;
	int r = 0;

	if (fstatat(parent, name, &s, AT_SYMLINK_NOFOLLOW) != 0)
		r = -errno;
	else if (S_ISLNK(s.st_mode) && link_is_planted(parent, &s))
		r = -FERRY_EUNSAFE;
	if (r == 0) {
		r = openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (r < 0)
			r = -errno;
	}
	(void)close(parent);
	return r;
}

/* Open a directory, name by name. */
static int walk(const char *directory)
{
	char path[PATH_MAX];
	char *rest = NULL;
	int fd = open(directory[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "%s", directory);
	for (char *name = strtok_r(path, "/", &rest); name && fd >= 0;
	     name = strtok_r(NULL, "/", &rest))
		fd = step(fd, name);
	return fd;
}

static int open_path_directory(struct fy_place *place, const char *directory, struct ferry_why *why)
{
	struct stat s;
	int fd = walk(directory);

	if (fd == -FERRY_EUNSAFE)
		return fy_why(why, fd,
			      "%.100s leads through a symbolic link that another user made in a "
			      "directory that everybody can write",
			      directory);
	if (fd < 0)
		return fy_why(why, fd, "cannot open directory %.100s: %s", directory,
			      strerror(-fd));
	if (fstat(fd, &s) != 0 || ((s.st_mode & S_IWOTH) && !(s.st_mode & S_ISVTX))) {
		(void)close(fd);
		return fy_why(why, -FERRY_EUNSAFE,
			      "directory %.100s is writable by everybody and not sticky",
			      directory);
	}
	place->shared = (s.st_mode & S_IWOTH) != 0;
	place->directory = fd;
	return 0;
}

int fy_place_open(struct fy_place *ret_place, const char *location, int make, struct ferry_why *why)
{
	char directory[PATH_MAX];
	struct stat status;
	int r;

	if (!location || *location == '\0')
		return fy_why(why, -FERRY_ELOCATION, "the location is empty");
	if (strchr(location, '/')) {
		r = split_path(location, directory, sizeof(directory), ret_place->name, why);
		if (r == 0)
			r = open_path_directory(ret_place, directory, why);
	} else {
		r = bare_name(location, ret_place->name, sizeof(ret_place->name), why);
		if (r == 0) {
			r = ret_place->directory = own_directory(make, &status, why);
			ret_place->shared = r >= 0 && (status.st_mode & S_IWOTH) != 0;
		}
	}
	if (r < 0)
		return r;
	r = ferry_location_path(location, ret_place->path, sizeof(ret_place->path));
	if (r < 0) {
		fy_place_close(ret_place);
		return fy_why(why, -FERRY_ELOCATION, "the path is too long");
	}
	return 0;
}

void fy_place_close(struct fy_place *place)
{
	(void)close(place->directory);
}

int ferry_location_path(const char *location, char *ret_path, size_t n)
{
	char directory[PATH_MAX];
	char name[NAME_MAX + 1];
	char path[2 * PATH_MAX];
	int length;

	if (!location || *location == '\0')
		return -FERRY_ELOCATION;
	if (strchr(location, '/')) {
		if (split_path(location, directory, sizeof(directory), name, NULL) < 0)
			return -FERRY_ELOCATION;
		length = snprintf(path, sizeof(path), "%s", location);
	} else {
		if (bare_name(location, name, sizeof(name), NULL) < 0)
			return -FERRY_ELOCATION;
		if (fy_own_directory_path(directory, sizeof(directory)) < 0)
			return -ERANGE;
		length = snprintf(path, sizeof(path), "%s/%s", directory, name);
	}
	if (length < 0 || (size_t)length >= sizeof(path) || (size_t)length >= n)
		return -ERANGE;
	memcpy(ret_path, path, (size_t)length + 1);
	return length;
}
