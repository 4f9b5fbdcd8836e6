/* SPDX-License-Identifier: MIT */
/* guest.c - see guest.h. */
#include "guest.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli.h"

#define BLOCK 65536

struct guest {
	struct guests *guests;
	char peer[FERRY_ADDRESS_MAX];
	ferry_process *process;
	int fd; /* our end of the command's standard input and output */

	ferry_socket *socket;     /* a connection; NULL: a datagram */
	struct ferry_endpoint to; /* of a datagram */
	size_t size;
	char data[];
};

int guests_init(struct guests *guests)
{
	guests->left = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return guests->left < 0 ? -errno : 0;
}

/* ---- the command ---- */

/* Our environment, with FERRY_PEER. Its own memory: NULL if there is none. */
static char **environment_for(const char *assignment)
{
	size_t n = 0, kept = 0;

	while (environ[n])
		n++;
	char **copy = calloc(n + 2, sizeof(*copy));
	if (!copy)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "FERRY_PEER=", 11) != 0)
			copy[kept++] = environ[i];
	copy[kept] = (char *)(uintptr_t)assignment;
	return copy;
}

static int start(struct guest *guest)
{
	char assignment[sizeof(guest->peer) + 16];
	struct ferry_why why = { 0 };
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return -errno;
	(void)snprintf(assignment, sizeof(assignment), "FERRY_PEER=%s", guest->peer);
	char **environment = environment_for(assignment);
	const struct ferry_spawn_descriptor descriptors[] = { { fds[1], 0 }, { fds[1], 1 } };
	char **command = guest->guests->command;
	int r = !environment
		    ? -ENOMEM
		    : ferry_spawn(&guest->process,
				  FERRY_SPAWN_OPTIONS(.program = command[0], .arguments = command,
						      .environment = environment,
						      .descriptors = descriptors,
						      .n_descriptors = 2, .why = &why));
	free(environment);
	(void)close(fds[1]);
	guest->fd = fds[0];
	if (r < 0) {
		(void)close(fds[0]);
		cli_complain("listen: cannot start '%s': %s", command[0],
			     why.text[0] ? why.text : ferry_strerror(r));
	}
	return r;
}

/* False: it reads no more. */
static bool give(const struct guest *guest, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(guest->fd, data, size, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

static ssize_t take(const struct guest *guest, void *buffer, size_t size)
{
	ssize_t n;

	do
		n = read(guest->fd, buffer, size);
	while (n < 0 && errno == EINTR);
	return n;
}

/* ---- a connection ---- */

static void *carry_in(void *argument)
{
	const struct guest *guest = argument;
	char *block = malloc(BLOCK);
	ssize_t n = block ? 1 : 0;

	while (n > 0) {
		n = ferry_socket_read(guest->socket, block, BLOCK, FERRY_FOREVER);
		if (n == -EINTR)
			n = 1;
		else if (n > 0 && !give(guest, block, (size_t)n))
			n = 0;
	}
	(void)shutdown(guest->fd, SHUT_WR);
	free(block);
	return NULL;
}

static void carry_out(const struct guest *guest)
{
	char *block = malloc(BLOCK);
	ssize_t n = block ? 1 : 0;

	while (n > 0) {
		n = take(guest, block, BLOCK);
		if (n > 0 &&
		    ferry_socket_write_all(guest->socket, block, (size_t)n, FERRY_FOREVER) < n)
			n = 0;
	}
	(void)shutdown(guest->fd, SHUT_RD);
	(void)ferry_socket_shutdown(guest->socket, FERRY_WRITE);
	free(block);
}

/* Until the command has ended: then the connection does, too, whatever the peer does. */
static void carry(struct guest *guest)
{
	pthread_t in;

	if (pthread_create(&in, NULL, carry_in, guest) != 0) {
		cli_complain("listen: %s: no thread", guest->peer);
		(void)shutdown(guest->fd, SHUT_RDWR);
		(void)ferry_process_wait(guest->process, NULL, FERRY_FOREVER);
		return;
	}
	carry_out(guest);
	(void)ferry_process_wait(guest->process, NULL, FERRY_FOREVER);
	(void)ferry_socket_shutdown(guest->socket, FERRY_READ | FERRY_WRITE);
	(void)shutdown(guest->fd, SHUT_RDWR);
	(void)pthread_join(in, NULL);
}

static int agree(const struct guest *guest)
{
	struct ferry_why why = { 0 };
	const ferry_deadline until = ferry_in_ms(BRIDGE_HANDSHAKE_MS);
	int r;

	do
		r = ferry_socket_handshake(guest->socket, until, &why);
	while (r == -EINTR);
	if (r < 0)
		cli_complain("listen: %s: %s", guest->peer,
			     why.text[0] ? why.text : ferry_strerror(r));
	return r;
}

/* ---- a datagram ---- */

static void answer(struct guest *guest)
{
	char *text = malloc(BLOCK), more;
	size_t size = 0;
	ssize_t n = text ? 1 : 0;

	(void)give(guest, guest->data, guest->size);
	(void)shutdown(guest->fd, SHUT_WR);
	for (; n > 0 && size < BLOCK; size += (size_t)n) {
		n = take(guest, text + size, BLOCK - size);
		if (n <= 0)
			break;
	}
	if (n > 0 && take(guest, &more, 1) > 0) {
		cli_complain("listen: the answer to %s is too long", guest->peer);
		size = 0;
	}
	if (size > 0 && guest->to.size > 0) {
		int r = ferry_socket_send_to(guest->guests->bound, &guest->to, text, size,
					     FERRY_FOREVER);
		if (r < 0)
			cli_complain("listen: answering %s: %s", guest->peer, ferry_strerror(r));
	}
	(void)shutdown(guest->fd, SHUT_RDWR);
	(void)ferry_process_wait(guest->process, NULL, FERRY_FOREVER);
	free(text);
}

/* ---- its thread ---- */

static void leave(struct guest *guest)
{
	struct guests *guests = guest->guests;
	const uint64_t one = 1;

	ferry_socket_close(guest->socket);
	free(guest);
	atomic_fetch_sub(&guests->n, 1);
	(void)!write(guests->left, &one, sizeof(one));
}

static void *attend(void *argument)
{
	struct guest *guest = argument;

	if ((!guest->socket || agree(guest) == 0) && start(guest) == 0) {
		if (guest->socket)
			carry(guest);
		else
			answer(guest);
		(void)close(guest->fd);
		ferry_process_close(guest->process);
	}
	leave(guest);
	return NULL;
}

/* Signals are for the main thread. */
static int begin(struct guest *guest)
{
	sigset_t all, before;
	pthread_attr_t detached;
	pthread_t thread;

	(void)pthread_attr_init(&detached);
	(void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	atomic_fetch_add(&guest->guests->n, 1);
	int r = -pthread_create(&thread, &detached, attend, guest);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&detached);
	if (r < 0)
		leave(guest);
	return r;
}

static struct guest *guest_new(struct guests *guests, size_t size)
{
	struct guest *guest = calloc(1, sizeof(*guest) + size);

	if (guest) {
		guest->guests = guests;
		guest->size = size;
	}
	return guest;
}

int guest_connect(struct guests *guests, ferry_socket *socket)
{
	struct guest *guest = guest_new(guests, 0);

	if (!guest) {
		ferry_socket_close(socket);
		return -ENOMEM;
	}
	guest->socket = socket;
	(void)ferry_socket_peer(socket, guest->peer, sizeof(guest->peer));
	bridge_tell(guests->bridge, "connection from", guest->peer);
	return begin(guest);
}

int guest_datagram(struct guests *guests, const void *data, size_t size,
		   const struct ferry_endpoint *from)
{
	struct guest *guest = guest_new(guests, size);

	if (!guest)
		return -ENOMEM;
	memcpy(guest->data, data, size);
	guest->to = *from;
	if (from->size > 0)
		(void)ferry_endpoint_text(from, guest->peer, sizeof(guest->peer));
	bridge_tell(guests->bridge, "datagram from", guest->peer);
	return begin(guest);
}
