/* SPDX-License-Identifier: MIT */
/*
 * socket.h - listeners and sockets as their handles know them.
 *
 * Reading and writing is: try without waiting, wait until the descriptor is ready, try again. Where
 * a call may wait for ever it lets the kernel wait in the try itself, which costs one system call
 * instead of three. Over TLS the try is the provider's (tls.h), and it says what to wait for.
 */
#ifndef FY_SOCKET_H
#define FY_SOCKET_H

#include <ferry/socket.h>
#include <pthread.h>

#include "../os/fork.h"
#include "address.h"
#include "decoded.h"
#include "desk.h"
#include "moved.h"
#include "tls.h"

#define FY_MESSAGE_MAX    (UINT32_C(1) << 20) /* default of the option */
#define FY_MESSAGE_HEADER 4                   /* bytes; docs/formats/frame.md */

/* What an option struct says, checked, with the defaults put in. */
struct fy_settings {
	struct ferry_socket_options options;
	int interruptible;
};

/* A socket file that we made, to be removed by the process that made it. */
struct fy_bound;

/* The message that is on its way in. Under mutex. */
struct fy_incoming {
	pthread_mutex_t mutex;
	unsigned char header[FY_MESSAGE_HEADER];
	uint32_t n_header;   /* bytes of it that are here */
	uint32_t size;       /* of the message, once the header is here */
	uint32_t n_kept;     /* bytes of it that an earlier call has read */
	unsigned char *kept; /* those bytes */
	int broken;          /* what every later call returns; 0: sound */
};

/* The rest of a message whose sending was cut short by a deadline. Under mutex. */
struct fy_outgoing {
	pthread_mutex_t mutex;
	unsigned char *rest;
	size_t at;
	size_t size;
	int broken;
};

struct ferry_socket {
	struct fy_inherited inherited;
	int fd;
	enum ferry_transport transport;
	int interruptible;
	uint32_t message_max;
	struct fy_bound *bound; /* NULL: no file */
	struct fy_tls *tls;     /* NULL: plain */
	struct fy_decoded decoded;
	struct fy_moved *moved; /* NULL: the other end is not known to be ferry's */
	struct fy_incoming in;
	struct fy_outgoing out;
};

struct ferry_listener {
	int fd;
	enum ferry_transport transport;
	struct fy_settings settings;
	struct fy_bound *bound;
	struct fy_tls_context *tls;
	struct fy_desk *desk; /* NULL: connections stay plain */
};

/* ---- options.c ---- */

int fy_settings_read(struct fy_settings *ret_settings, const struct ferry_socket_options *options);

/* What has to be set before the address is known, and on a connection. 0 or -errno, with a sentence
 * in the options' why. */
int fy_settings_before(const struct fy_settings *settings, int fd, enum ferry_transport transport,
		       int family, int listens);
int fy_settings_connected(const struct fy_settings *settings, int fd,
			  enum ferry_transport transport);

/* Make a socket or a listener at an address: ret is where its handle goes. */
typedef int fy_opener(void *ret, const char *address, const struct fy_settings *settings,
		      ferry_deadline deadline);

/* Let it be made as a caller's options say, who cannot be cancelled meanwhile. What the opener
 * returns, or why the options are no good. */
int fy_open_at(fy_opener *opener, void *ret, const char *address,
	       const struct ferry_socket_options *options, ferry_deadline deadline);

/* ---- bind.c ---- */

/* Bind fd to one of the endpoints' forms of an address; with a path, as ferry_listen() says. *ret:
 * the file, or NULL. listening: nobody can get in before listen(2). */
int fy_bind(struct fy_bound **ret_bound, int fd, const struct ferry_endpoint *endpoint,
	    const struct ferry_address *address, const struct fy_settings *settings, int listening,
	    ferry_deadline deadline);

/* Remove the file, if it is still this one and we made it; forget it. NULL is allowed. The socket
 * is still open. */
void fy_bound_remove(struct fy_bound *bound);

/* ---- handle.c ---- */

/* A handle on fd, which becomes its own; -1: it gets one later. NULL: no memory; fd is left alone.
 */
struct ferry_socket *fy_socket_handle(int fd, enum ferry_transport transport,
				      const struct fy_settings *settings);

/* Let the connection move into memory, if that can be: what this end does with it is said in
 * moved.h. side as there; memory stays the caller's. */
void fy_socket_move(struct ferry_socket *socket, int memory, int side);

/* ---- message.c ---- */

/* In a forked child: what the parent's other threads were about with messages stays theirs. */
void fy_messages_in_child(void *handle);

/* ---- stream.c ---- */

/* One call, of whatever there is or fits. ferry_socket_readv() and _writev() without the checks.
 * all: the caller wants to get rid of all; so one that may wait for ever may wait for that. */
ssize_t fy_socket_move_in(ferry_socket *socket, const struct iovec *buffers, int n,
			  ferry_deadline deadline);
ssize_t fy_socket_move_out(ferry_socket *socket, const struct iovec *buffers, int n, int all,
			   ferry_deadline deadline);

/* With a header of the caller's (names, descriptors); plain sockets. What recvmsg(2) and sendmsg(2)
 * return, or a result of ferry. */
ssize_t fy_socket_message_in(ferry_socket *socket, struct msghdr *message, int flags,
			     ferry_deadline deadline);
ssize_t fy_socket_message_out(ferry_socket *socket, const struct msghdr *message, int all,
			      ferry_deadline deadline);

/* The sum of the sizes, or -EINVAL. */
ssize_t fy_buffers_size(const struct iovec *buffers, int n);

/* Take a mutex by the deadline. 0, -EAGAIN or -ETIMEDOUT. */
int fy_mutex_take(pthread_mutex_t *mutex, ferry_deadline deadline);

#endif
