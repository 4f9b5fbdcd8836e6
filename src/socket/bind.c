/* SPDX-License-Identifier: MIT */
/*
 * bind.c - binding to an address, and socket files.
 *
 * A socket file outlives its socket. Whether a socket is behind one is asked with a datagram
 * socket's connect(2): ECONNREFUSED if there is none, EPROTOTYPE if it is one for connections,
 * which notices nothing. One of ours that nobody is behind is removed under a lock on the
 * directory, so that of two who find it only one removes it, and never what the other has made
 * since.
 */
#include <errno.h>
#include <fcntl.h>
#include <ferry/error.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/why.h"
#include "../object/location.h"
#include "../os/clock.h"
#include "../os/fork.h"
#include "../os/socket.h"
#include "socket.h"

struct fy_bound {
	struct fy_place place;
	dev_t device;
	ino_t inode;
	uint32_t generation; /* of the process that made it */
};

static int bind_once(int fd, const struct ferry_endpoint *endpoint)
{
	int saved = errno;
	int r = bind(fd, fy_endpoint_kernel(endpoint), endpoint->size) == 0 ? 0 : -errno;

	errno = saved;
	return r;
}

/* ---- the file ---- */

/* Is there a socket behind the file? Also 1 if that cannot be told. */
static int is_alive(const struct ferry_endpoint *endpoint)
{
	int fd = fy_socket_new(AF_UNIX, SOCK_DGRAM);

	if (fd < 0)
		return 1;
	int r = fy_socket_connect_once(fd, fy_endpoint_kernel(endpoint), endpoint->size);
	(void)close(fd);
	return r != -ECONNREFUSED && r != -ENOENT;
}

static int look(const struct fy_place *place, struct stat *ret_stat)
{
	return fstatat(place->directory, place->name, ret_stat, AT_SYMLINK_NOFOLLOW) == 0 ? 0
											  : -errno;
}

/* Was a socket bound to the file at some time, and by us? */
static int is_ours(const struct stat *s, const struct fy_settings *settings)
{
	const struct ferry_socket_options *o = &settings->options;

	return s->st_uid == geteuid() ||
	       ((o->flags & FERRY_SOCKET_SET_OWNER) && s->st_uid == o->owner);
}

static int same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Wait for the directory's lock, which dies with its holder. The descriptor, or an error. There is
 * no call that waits for it until a time, so it is tried in steps. */
static int lock_directory(const struct fy_place *place, ferry_deadline deadline)
{
	struct timespec step = { 0, FY_MS };
	int fd = openat(place->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int r = errno == EWOULDBLOCK || errno == EINTR ? 0 : -errno;
		if (r == 0 && deadline == FERRY_NOW)
			r = -EAGAIN;
		if (r == 0 && fy_now() >= deadline)
			r = -ETIMEDOUT;
		if (r < 0) {
			(void)close(fd);
			return r;
		}
		(void)nanosleep(&step, NULL);
	}
	return fd;
}

/* With the lock. 0: it is removed, or gone. */
static int remove_stale(const struct fy_place *place, const struct ferry_endpoint *endpoint,
			const struct fy_settings *settings)
{
	struct ferry_why *why = settings->options.why;
	struct stat before, now;

	if (look(place, &before) < 0)
		return 0;
	if (!S_ISSOCK(before.st_mode))
		return fy_why(why, -EADDRINUSE, "%s exists and is no socket", place->path);
	if (is_alive(endpoint))
		return fy_why(why, -EADDRINUSE, "%s is in use", place->path);
	if (!is_ours(&before, settings))
		return fy_why(
		    why, -EADDRINUSE,
		    "%s was left over by uid %u; only that user's programs, or rm, remove it",
		    place->path, (unsigned)before.st_uid);
	/* bind(2) makes the file a moment before the socket can be found behind it, both under the
	 * kernel's lock of the directory. Making a name that exists takes that lock and does
	 * nothing else: after it, a socket that is being bound can be found. */
	(void)mkdirat(place->directory, place->name, 0);
	if (is_alive(endpoint) || look(place, &now) < 0 || !same_file(&before, &now))
		return fy_why(why, -EADDRINUSE, "%s is in use", place->path);
	if (unlinkat(place->directory, place->name, 0) == 0 || errno == ENOENT)
		return 0;
	return fy_why(why, errno == EPERM || errno == EACCES ? -EADDRINUSE : -errno,
		      "%s is left over and cannot be removed: %s", place->path,
		      ferry_strerror(errno));
}

static int take_over(const struct fy_place *place, const struct ferry_endpoint *endpoint,
		     const struct fy_settings *settings, ferry_deadline deadline)
{
	int lock = lock_directory(place, deadline);

	if (lock == -EACCES)
		return fy_why(settings->options.why, -EADDRINUSE,
			      "%s exists, and its directory cannot be read to see to it",
			      place->path);
	if (lock < 0)
		return fy_why(settings->options.why, lock,
			      "others hold the lock of the directory of %s", place->path);
	int r = remove_stale(place, endpoint, settings);
	(void)close(lock);
	return r;
}

/* Owner and group, and with them the mode, which was the owner's part only until now. */
static int give_away(const struct fy_place *place, const struct fy_settings *settings,
		     int listening)
{
	const struct ferry_socket_options *o = &settings->options;
	uid_t owner = o->flags & FERRY_SOCKET_SET_OWNER ? o->owner : (uid_t)-1;
	gid_t group = o->flags & FERRY_SOCKET_SET_GROUP ? o->group : (gid_t)-1;

	if (owner == (uid_t)-1 && group == (gid_t)-1)
		return 0;
	if (fchownat(place->directory, place->name, owner, group, AT_SYMLINK_NOFOLLOW) != 0 ||
	    (!listening && fchmodat(place->directory, place->name, o->mode, 0) != 0))
		return fy_why(o->why, -errno, "cannot give %s its owner: %s", place->path,
			      ferry_strerror(errno));
	return 0;
}

/* What the file's mode is at first. Nobody gets into what is to listen before it listens; into one
 * for datagrams nobody but the owner before it has its group. */
static mode_t first_mode(const struct fy_settings *settings, int listening)
{
	const struct ferry_socket_options *o = &settings->options;
	int given = (o->flags & (FERRY_SOCKET_SET_OWNER | FERRY_SOCKET_SET_GROUP)) != 0;

	return given && !listening ? o->mode & 0700 : o->mode;
}

static int bind_file(struct fy_bound *bound, int fd, const struct ferry_endpoint *endpoint,
		     const struct fy_settings *settings, int listening, ferry_deadline deadline)
{
	struct ferry_why *why = settings->options.why;
	struct stat s;
	int r;

	/* The kernel gives the file the socket's mode, less the umask. */
	if (fchmod(fd, first_mode(settings, listening)) != 0)
		return fy_why(why, -errno, "cannot set the mode of a socket");
	while ((r = bind_once(fd, endpoint)) == -EADDRINUSE)
		if ((r = take_over(&bound->place, endpoint, settings, deadline)) < 0)
			return r;
	if (r < 0)
		return fy_why(why, r, "cannot bind to %s: %s", bound->place.path,
			      ferry_strerror(r));
	r = look(&bound->place, &s);
	if (r < 0)
		return fy_why(why, r, "%s was removed at once", bound->place.path);
	bound->device = s.st_dev;
	bound->inode = s.st_ino;
	r = give_away(&bound->place, settings, listening);
	if (r < 0)
		(void)unlinkat(bound->place.directory, bound->place.name, 0);
	return r;
}

static int bind_path(struct fy_bound **ret_bound, int fd, const struct ferry_endpoint *endpoint,
		     const char *path, const struct fy_settings *settings, int listening,
		     ferry_deadline deadline)
{
	struct ferry_why *why = settings->options.why;
	struct fy_bound *bound = calloc(1, sizeof(*bound));
	int r = bound ? fy_fork_init() : -ENOMEM;

	if (r == 0)
		r = fy_place_open(&bound->place, path, 0, why);
	if (r == 0) {
		bound->generation = fy_fork_generation();
		r = bind_file(bound, fd, endpoint, settings, listening, deadline);
		if (r < 0)
			fy_place_close(&bound->place);
	}
	if (r < 0)
		free(bound);
	else
		*ret_bound = bound;
	return r;
}

int fy_bind(struct fy_bound **ret_bound, int fd, const struct ferry_endpoint *endpoint,
	    const struct ferry_address *address, const struct fy_settings *settings, int listening,
	    ferry_deadline deadline)
{
	char text[FERRY_ADDRESS_MAX] = "?";

	*ret_bound = NULL;
	if (fy_transport_is_unix(address->transport) && address->path[0] != '@')
		return bind_path(ret_bound, fd, endpoint, address->path, settings, listening,
				 deadline);
	int r = bind_once(fd, endpoint);
	if (r < 0) {
		(void)ferry_endpoint_text(endpoint, text, sizeof(text));
		(void)fy_why(settings->options.why, r, "cannot bind to %s: %s", text,
			     ferry_strerror(r));
	}
	return r;
}

void fy_bound_remove(struct fy_bound *bound)
{
	struct stat s;

	if (!bound)
		return;
	if (!fy_fork_is_child(bound->generation) && look(&bound->place, &s) == 0 &&
	    s.st_dev == bound->device && s.st_ino == bound->inode)
		(void)unlinkat(bound->place.directory, bound->place.name, 0);
	fy_place_close(&bound->place);
	free(bound);
}
