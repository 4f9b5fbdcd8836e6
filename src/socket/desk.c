/* SPDX-License-Identifier: MIT */
/* desk.c - see desk.h: the listener's part. */
#include "desk.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../os/clock.h"
#include "../os/fork.h"
#include "../os/poll.h"
#include "../os/sockdiag.h"
#include "../os/socket.h"
#include "address.h"
#include "descriptor.h"
#include "desk_name.h"
#include "lane_format.h"

#define KEPT     64         /* offers whose connection has not been accepted */
#define SHARE    16         /* of which one user has at most, who is neither root nor us */
#define KEEP_FOR (5 * FY_S) /* then it never will be */

/* One that was left at the desk. */
struct left {
	int visit;  /* the connection it came over; it ends when the visitor has connected, or died
		     */
	int memory; /* -1: not yet */
	uint64_t inode;
	struct ucred who;
	int64_t since;
};

struct fy_desk {
	struct fy_inherited inherited;
	pthread_mutex_t mutex;
	int fd;
	int listening; /* the listener's, which is open longer */
	int internet;
	int accepting; /* threads that may have a connection whose offer is here */
	int n;
	struct left kept[KEPT];
};

int fy_desk_is_off(const struct ferry_socket_options *options)
{
	const char *set = getenv("FERRY_SOCKET_PLAIN");

	return (options->flags & FERRY_SOCKET_PLAIN) || (set && *set && strcmp(set, "0") != 0);
}

static int open_desk_socket(int listening, enum ferry_transport transport, uint32_t backlog)
{
	struct ferry_endpoint endpoint;
	struct fy_desk_name name = { .size = 0 };
	int saved = errno;
	int r = fy_endpoint_of(&endpoint, listening, transport, 0);

	if (r == 0)
		r = fy_desk_name(&name, &endpoint);
	int fd = r < 0 ? r : fy_socket_new(AF_UNIX, SOCK_SEQPACKET);
	if (fd < 0)
		return fd;
	if (bind(fd, (const struct sockaddr *)&name.address, name.size) != 0 ||
	    listen(fd, (int)backlog) != 0) {
		(void)close(fd);
		fd = -EADDRINUSE;
	}
	errno = saved;
	return fd;
}

/* ---- fork ---- */

static void before_fork(void *handle)
{
	struct fy_desk *desk = handle;

	(void)pthread_mutex_lock(&desk->mutex);
}

static void after_fork(void *handle)
{
	struct fy_desk *desk = handle;

	(void)pthread_mutex_unlock(&desk->mutex);
}

static void drop(struct left *left)
{
	(void)close(left->visit);
	if (left->memory >= 0)
		(void)close(left->memory);
}

/* What the parent has kept is for connections that the parent takes. */
static void after_fork_child(void *handle)
{
	struct fy_desk *desk = handle;

	desk->accepting = 0;
	while (desk->n > 0)
		drop(&desk->kept[--desk->n]);
	after_fork(desk);
}

static const struct fy_inheritance inheritance = { before_fork, after_fork, after_fork_child };

/* ---- opening ---- */

struct fy_desk *fy_desk_open(int listening, enum ferry_transport transport, uint32_t backlog)
{
	if (transport != FERRY_UNIX && transport != FERRY_TCP)
		return NULL;
	struct fy_desk *desk = calloc(1, sizeof(*desk));
	if (!desk)
		return NULL;
	desk->fd = open_desk_socket(listening, transport, backlog);
	if (desk->fd < 0) {
		free(desk);
		return NULL;
	}
	desk->listening = listening;
	desk->internet = transport == FERRY_TCP;
	(void)pthread_mutex_init(&desk->mutex, NULL);
	fy_inherit(&desk->inherited, &inheritance, desk);
	return desk;
}

static void remove_kept(struct fy_desk *desk, int i)
{
	desk->n--;
	memmove(&desk->kept[i], &desk->kept[i + 1], (size_t)(desk->n - i) * sizeof(desk->kept[0]));
}

void fy_desk_close(struct fy_desk *desk)
{
	if (!desk)
		return;
	fy_disinherit(&desk->inherited);
	for (int i = 0; i < desk->n; i++)
		drop(&desk->kept[i]);
	(void)close(desk->fd);
	(void)pthread_mutex_destroy(&desk->mutex);
	free(desk);
}

/* ---- offers ---- */

/* Has what a visitor leaves come? 1; 0: not yet; an error: it is no offer. */
static int receive_offer(struct left *left)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct fy_offer_wire offer = { 0 };
	struct iovec one = { &offer, sizeof(offer) };
	struct msghdr message = { .msg_iov = &one,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = fy_socket_receive_message(left->visit, &message, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return 0;
	if (n < 0 || fy_descriptors_collect(&message, &left->memory, 1) < 1)
		return -EPROTO;
	if (n != sizeof(offer) || offer.magic != FY_LANES_MAGIC ||
	    offer.version != FY_LANES_VERSION)
		return -EPROTO;
	left->inode = offer.inode;
	return 1;
}

/* ---- who may leave some ---- */

/* Root and we come before all others. */
static int is_stranger(uid_t uid)
{
	return uid != 0 && uid != geteuid();
}

/* Can that user connect to the listener at all? Of a socket file that is open to more than its
 * owner we do not ask to whom: whoever is not let in there has a stranger's share here. */
static int may_connect(const struct fy_desk *desk, uid_t uid)
{
	struct ferry_endpoint endpoint;
	struct stat file;

	if (desk->internet)
		return uid == geteuid();
	if (!is_stranger(uid))
		return 1;
	int r = fy_endpoint_of(&endpoint, desk->listening, FERRY_UNIX, 0);
	if (r == 0)
		r = fy_endpoint_file(&file, &endpoint);
	if (r == 0)
		return file.st_uid == uid || (file.st_mode & (S_IWGRP | S_IWOTH));
	return r > 0;
}

static void let_go(struct fy_desk *desk, int i)
{
	drop(&desk->kept[i]);
	remove_kept(desk, i);
}

static int is_old(const struct left *left, int64_t now)
{
	return now - left->since > KEEP_FOR;
}

/* Let go of what is too old, and make room for one of this user. 1; 0: there is none. */
static int make_room(struct fy_desk *desk, uid_t uid, int64_t now)
{
	int same = 0, oldest_same = 0, oldest_stranger = -1;

	while (desk->n > 0 && is_old(&desk->kept[0], now))
		let_go(desk, 0);
	for (int i = desk->n - 1; i >= 0; i--) {
		const uid_t other = desk->kept[i].who.uid;
		if (other == uid) {
			same++;
			oldest_same = i;
		}
		if (is_stranger(other))
			oldest_stranger = i;
	}
	if (is_stranger(uid) && same >= SHARE)
		let_go(desk, oldest_same);
	else if (desk->n == KEPT && oldest_stranger >= 0)
		let_go(desk, oldest_stranger);
	else if (desk->n == KEPT && !is_stranger(uid))
		let_go(desk, 0);
	return desk->n < KEPT;
}

/* Let the next visitor in. 1; 0: there is nobody. */
static int admit(struct fy_desk *desk)
{
	struct left left = { .memory = -1, .since = fy_now_coarse() };

	left.visit = fy_socket_accept_one(desk->fd);
	if (left.visit < 0)
		return 0;
	if (fy_socket_credentials(left.visit, &left.who) == 0 && may_connect(desk, left.who.uid) &&
	    make_room(desk, left.who.uid, left.since))
		desk->kept[desk->n++] = left;
	else
		drop(&left);
	return 1;
}

/* Read what those have left who had not left it yet. */
static void read_offers(struct fy_desk *desk)
{
	for (int i = 0; i < desk->n; i++)
		if (desk->kept[i].memory < 0 && receive_offer(&desk->kept[i]) < 0)
			let_go(desk, i--);
}

/* ---- finding ---- */

/* By the kernel's word: who is at the other end of the connection, and with which socket. */
struct other {
	uint64_t inode;
	struct ucred who; /* unix */
};

static int ask_kernel(const struct fy_desk *desk, int accepted, struct other *ret_other)
{
	struct fy_sockdiag told;
	int r = fy_sockdiag_other_end(&told, accepted);

	if (r < 0)
		return r;
	ret_other->inode = told.inode;
	if (desk->internet)
		return told.uid == geteuid() ? 0 : -EPERM;
	return fy_socket_credentials(accepted, &ret_other->who);
}

static int is_for(const struct fy_desk *desk, const struct left *left, const struct other *other)
{
	return left->memory >= 0 && left->inode == other->inode &&
	       (desk->internet ||
		(left->who.pid == other->who.pid && left->who.uid == other->who.uid));
}

/* The memory of the offer for it; -ENOENT. */
static int pick(struct fy_desk *desk, const struct other *other)
{
	read_offers(desk);
	for (int i = 0; i < desk->n; i++) {
		int memory = desk->kept[i].memory;
		if (is_for(desk, &desk->kept[i], other)) {
			(void)close(desk->kept[i].visit);
			remove_kept(desk, i);
			return memory;
		}
	}
	return -ENOENT;
}

static int find(struct fy_desk *desk, int accepted)
{
	struct other other = { 0 };
	int asked = 0;

	/* The offer was left before the connection was made, mostly in the order of connections.
	 * Anybody may visit the desk, without end: after a while we do without. */
	for (int visitors = 0; visitors <= KEPT; visitors++) {
		if (desk->n > 0) {
			if (!asked && ask_kernel(desk, accepted, &other) < 0)
				return -ENOENT;
			asked = 1;
			int memory = pick(desk, &other);
			if (memory >= 0)
				return memory;
		}
		if (!admit(desk))
			return -ENOENT;
	}
	return -ENOENT;
}

/* Has the visitor connected (and does its connection then not wait to be accepted), or died? */
static int is_over(const struct left *left)
{
	char byte;
	struct iovec one = { &byte, 1 };
	struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1 };

	return left->memory >= 0 &&
	       fy_socket_receive_message(left->visit, &message, MSG_DONTWAIT | MSG_PEEK) != -EAGAIN;
}

void fy_desk_enter(struct fy_desk *desk)
{
	(void)pthread_mutex_lock(&desk->mutex);
	desk->accepting++;
	(void)pthread_mutex_unlock(&desk->mutex);
}

void fy_desk_leave(struct fy_desk *desk)
{
	struct pollfd waiting = { .fd = desk->listening, .events = POLLIN };
	const int64_t now = fy_now_coarse();
	int over[KEPT] = { 0 };

	(void)pthread_mutex_lock(&desk->mutex);
	desk->accepting--;
	if (desk->n > 0 && desk->accepting == 0) {
		read_offers(desk);
		for (int i = 0; i < desk->n; i++)
			over[i] = is_over(&desk->kept[i]) || is_old(&desk->kept[i], now);
		/* Asked after that: whose visit was over by then would be waiting by now. */
		int none = fy_poll(&waiting, 1, FERRY_NOW, 0) <= 0;
		for (int i = desk->n - 1; none && i >= 0; i--)
			if (over[i])
				let_go(desk, i);
	}
	(void)pthread_mutex_unlock(&desk->mutex);
}

int fy_desk_find(struct fy_desk *desk, int accepted)
{
	(void)pthread_mutex_lock(&desk->mutex);
	int memory = find(desk, accepted);
	(void)pthread_mutex_unlock(&desk->mutex);
	return memory;
}
