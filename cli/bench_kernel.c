/* SPDX-License-Identifier: MIT */
/*
 * bench_kernel.c - the kernel's ways to pass a message, as a careful program would use them: POSIX
 * and System V message queues, pipe, Unix stream socket. Each once blocking and once asking again
 * and again without blocking.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench_cut.h"
#include "bench_time.h"
#include "bench_transports.h"

#define DEPTH         256   /* as ferry's default mailbox */
#define SYSV_BYTES    16384 /* a System V queue's room, as Linux comes */
#define SYSV_MESSAGES 16    /* room for at least so many */

/* POSIX message queue. It loses its name at once, so nothing can be left behind. */
static mqd_t mq_make(const char *name, unsigned depth, size_t bytes, int flags)
{
	struct mq_attr attributes = { .mq_maxmsg = (long)depth, .mq_msgsize = (long)bytes };

	return mq_open(name, O_RDWR | O_CREAT | O_EXCL | flags, 0600, &attributes);
}

static int queue_create(struct bench_channel *c, const struct bench_channel *there)
{
	int flags = c->peer->spin ? O_NONBLOCK : 0;
	char name[64];
	mqd_t queue;

	(void)there;
	snprintf(name, sizeof(name), "/ferry-bench-%d", getpid());
	c->depth = DEPTH;
	queue = mq_make(name, c->depth, c->bytes, flags);
	while (queue < 0 && (errno == EINVAL || errno == EMFILE) && c->depth > 1) {
		c->depth /= 2; /* more than this system or user may have */
		queue = mq_make(name, c->depth, c->bytes, flags);
	}
	if (queue < 0)
		return errno == EINVAL || errno == EMFILE ? -ENOTSUP : -errno;
	mq_unlink(name);
	c->fd[0] = c->fd[1] = queue;
	return 0;
}

static void queue_remove(struct bench_channel *c)
{
	mq_close(c->fd[0]);
}

static int queue_send(struct bench_channel *c, const void *data)
{
	while (mq_send(c->fd[1], data, c->bytes, 0) < 0)
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	return 0;
}

static int queue_receive(struct bench_channel *c, void **ret_data)
{
	while (mq_receive(c->fd[0], c->room, c->bytes, NULL) < 0)
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	*ret_data = c->room;
	return 0;
}

/* With the attributes that the system gives. */
static int queue_life(uint64_t ticks[BENCH_STEPS_OF_LIFE], uint64_t *ret_reserved)
{
	mqd_t made, opened;
	char name[64];
	uint64_t t;
	int e = 0;

	snprintf(name, sizeof(name), "/ferry-bench-%d", getpid());
	t = bench_ticks();
	made = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
	ticks[BENCH_CREATING] = bench_ticks() - t;
	if (made < 0)
		return -errno;
	t = bench_ticks();
	opened = mq_open(name, O_RDWR);
	ticks[BENCH_OPENING_IT] = bench_ticks() - t;
	if (opened < 0) {
		e = -errno;
	} else {
		t = bench_ticks();
		mq_close(opened);
		ticks[BENCH_CLOSING] = bench_ticks() - t;
	}
	mq_close(made);
	mq_unlink(name);
	*ret_reserved = 0; /* the kernel allocates message by message */
	return e;
}

/* System V message queue. The type goes in front of the bytes. */
static int sysv_create(struct bench_channel *c, const struct bench_channel *there)
{
	struct msqid_ds attributes;

	(void)there;
	c->queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	if (c->queue < 0)
		return -errno;
	if (msgctl(c->queue, IPC_STAT, &attributes) < 0)
		return -errno;
	attributes.msg_qbytes = SYSV_BYTES;
	if (attributes.msg_qbytes < c->bytes * SYSV_MESSAGES)
		attributes.msg_qbytes = c->bytes * SYSV_MESSAGES;
	msgctl(c->queue, IPC_SET, &attributes); /* refused: then it is as the system has it */
	msgctl(c->queue, IPC_STAT, &attributes);
	c->depth = (unsigned)(attributes.msg_qbytes / c->bytes);
	return c->depth ? 0 : -ENOTSUP;
}

static void sysv_remove(struct bench_channel *c)
{
	if (c->queue >= 0)
		msgctl(c->queue, IPC_RMID, NULL);
}

static int sysv_send(struct bench_channel *c, const void *data)
{
	const char *message = (const char *)data - sizeof(long);

	while (msgsnd(c->queue, message, c->bytes, c->peer->spin ? IPC_NOWAIT : 0) < 0) {
		if (errno == EINVAL)
			return -ENOTSUP; /* larger than the system allows */
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return 0;
}

static int sysv_receive(struct bench_channel *c, void **ret_data)
{
	char *message = (char *)c->room - sizeof(long);
	int flags = c->peer->spin ? IPC_NOWAIT : 0;

	while (msgrcv(c->queue, message, c->bytes, 0, flags) < 0)
		if (errno != ENOMSG && errno != EINTR)
			return -errno;
	*ret_data = c->room;
	return 0;
}

/* Pipe and socket: a message is so many bytes of the stream. */
static int write_all(struct bench_channel *c, const void *data)
{
	return bench_write_all(c->fd[1], data, c->bytes);
}

static int read_all(struct bench_channel *c, void **ret_data)
{
	char *to = c->room, *end = to + c->bytes;

	while (to < end) {
		ssize_t n = bench_read_some(c->fd[0], to, (size_t)(end - to));

		if (n <= 0)
			return n < 0 ? (int)n : -EPIPE;
		to += n;
	}
	*ret_data = c->room;
	return 0;
}

static int pipe_create(struct bench_channel *c, const struct bench_channel *there)
{
	(void)there;
	return pipe2(c->fd, O_CLOEXEC | (c->peer->spin ? O_NONBLOCK : 0)) < 0 ? -errno : 0;
}

static int socket_create(struct bench_channel *c, const struct bench_channel *there)
{
	int type = SOCK_STREAM | SOCK_CLOEXEC | (c->peer->spin ? SOCK_NONBLOCK : 0);

	(void)there;
	return socketpair(AF_UNIX, type, 0, c->fd) < 0 ? -errno : 0;
}

#define BLOCKS .waits = "sleeps"
#define POLLS  .waits = "asks again and again", .spin = 1, .abilities = BENCH_ROUNDTRIP | BENCH_SPINS
#define STREAM BENCH_ROUNDTRIP | BENCH_STREAM
#define MANY   BENCH_ROUNDTRIP | BENCH_STREAM | BENCH_MANY

#define QUEUE                                                                                      \
	.create = queue_create, .remove = queue_remove, .send = queue_send, .receive = queue_receive
#define SYSV                                                                                       \
	.create = sysv_create, .remove = sysv_remove, .send = sysv_send, .receive = sysv_receive
#define PIPE                                                                                       \
	.create = pipe_create, .remove = bench_close_both, .send = write_all, .receive = read_all
#define SOCKET                                                                                     \
	.create = socket_create, .remove = bench_close_both, .send = write_all, .receive = read_all

const struct bench_peer bench_mq = {
	.name = "POSIX mq", BLOCKS, .abilities = MANY, .life = queue_life, QUEUE
};
const struct bench_peer bench_mq_poll = { .name = "POSIX mq poll", POLLS, QUEUE };
const struct bench_peer bench_sysv = { .name = "System V msg", BLOCKS, .abilities = MANY, SYSV };
const struct bench_peer bench_sysv_poll = { .name = "System V msg poll", POLLS, SYSV };
const struct bench_peer bench_pipe = { .name = "pipe", BLOCKS, .abilities = MANY, PIPE };
const struct bench_peer bench_pipe_poll = { .name = "pipe poll", POLLS, PIPE };
const struct bench_peer bench_socket = {
	.name = "Unix socket", BLOCKS, .abilities = STREAM, SOCKET
};
const struct bench_peer bench_socket_poll = { .name = "Unix socket poll", POLLS, SOCKET };
