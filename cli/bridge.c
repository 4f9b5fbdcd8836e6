/* SPDX-License-Identifier: MIT */
/*
 * bridge.c - between a socket and standard input and output.
 *
 * Standard input is read by a thread of its own, so that a peer that does not read keeps nobody
 * from reading it. At the end of the command that thread is left where it is.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge.h"
#include "cli.h"
#include "input.h"
#include "interrupt.h"
#include "output.h"

#define BLOCK   ((size_t)65536)
#define LARGEST ((size_t)16 << 20) /* bytes of a message, without --max-size */
#define STEP_MS 100

enum {
	OPTION_IDLE = 256,
	OPTION_MAX_SIZE,
	OPTION_CA,
	OPTION_CERTIFICATE,
	OPTION_KEY,
	OPTION_NAME,
	OPTION_INSECURE,
};

static const struct argp_option options[] = {
	{ "messages", 'm', NULL, 0,
	  "Send each line as a message, and write each message that comes as a line", 0 },
	{ "max-size", OPTION_MAX_SIZE, "SIZE", 0, "Largest message in bytes (16M)", 0 },
	{ "quit", 'q', NULL, 0, "End as soon as the peer has ended", 0 },
	{ "timeout", 't', "TIME", 0, "Wait so long at most for the connection", 0 },
	{ "idle", OPTION_IDLE, "TIME", 0, "End when nothing has come for so long", 0 },
	{ "verbose", 'v', NULL, 0, "Tell addresses on standard error", 0 },
	{ "tls-ca", OPTION_CA, "FILE", 0, "Certificates to trust instead of the system's", 1 },
	{ "tls-certificate", OPTION_CERTIFICATE, "FILE", 0, "Our certificate and its chain", 1 },
	{ "tls-key", OPTION_KEY, "FILE", 0, "Its private key", 1 },
	{ "tls-name", OPTION_NAME, "NAME", 0, "Name that the peer's certificate must have", 1 },
	{ "tls-insecure", OPTION_INSECURE, NULL, 0, "Believe any certificate", 1 },
	{ 0 },
};

static error_t parse_tls(int key, char *argument, struct ferry_tls_options *tls)
{
	switch (key) {
	case OPTION_CA:
		tls->authorities = argument;
		return 0;
	case OPTION_CERTIFICATE:
		tls->certificate = argument;
		return 0;
	case OPTION_KEY:
		tls->key = argument;
		return 0;
	case OPTION_NAME:
		tls->name = argument;
		return 0;
	case OPTION_INSECURE:
		tls->verify = FERRY_TLS_UNVERIFIED;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void take_max_size(struct bridge *bridge, struct argp_state *state, const char *text)
{
	uint64_t size = cli_size_option(state, "--max-size", text);

	if (size < 1 || size > INT32_MAX)
		argp_error(state, "--max-size: must be from 1 to 2147483647");
	bridge->options.message_max = (uint32_t)size;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct bridge *bridge = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		bridge->options.size = sizeof(bridge->options);
		bridge->options.flags = FERRY_INTERRUPTIBLE;
		bridge->options.message_max = LARGEST;
		bridge->options.why = &bridge->why;
		return 0;
	case 'm':
		bridge->messages = true;
		return 0;
	case 'q':
		bridge->quit = true;
		return 0;
	case 'v':
		bridge->verbose = true;
		return 0;
	case 't':
		bridge->timeout = cli_duration_option(state, "--timeout", argument);
		return 0;
	case OPTION_IDLE:
		bridge->idle = cli_duration_option(state, "--idle", argument);
		return 0;
	case OPTION_MAX_SIZE:
		take_max_size(bridge, state, argument);
		return 0;
	default:
		return parse_tls(key, argument, &bridge->options.tls);
	}
}

static const struct argp argp = { .options = options, .parser = parse };

const struct argp_child bridge_children[] = { { &argp, 0, NULL, 0 }, { 0 } };

int bridge_failed(const struct bridge *bridge, int error)
{
	const char *text = bridge->why.text[0] && bridge->why.error == error
			       ? bridge->why.text
			       : ferry_strerror(error);

	if (error == -EINTR && interrupt_seen())
		return STATUS_FAILED;
	cli_complain("%s %s: %s", bridge->command, bridge->address, text);
	return cli_status(error);
}

void bridge_tell(const struct bridge *bridge, const char *what, const char *address)
{
	if (bridge->verbose)
		cli_complain("%s %s", what, address);
}

ferry_deadline bridge_deadline(int64_t ns)
{
	return ns < 0 ? FERRY_FOREVER : ferry_in_ns(ns);
}

/* ---- from standard input ---- */

struct feeder {
	struct bridge *bridge;
	ferry_socket *socket;
	_Atomic int ended;  /* standard input has ended, or cannot be sent any more */
	_Atomic int result; /* why not */
};

static int send_lines(struct feeder *feeder)
{
	struct input input = { .fd = STDIN_FILENO, .limit = feeder->bridge->options.message_max };
	const void *data;
	size_t size;
	int r;

	while ((r = input_next(&input, &data, &size)) == 1) {
		r = ferry_socket_send(feeder->socket, data, size, FERRY_FOREVER);
		if (r < 0)
			break;
	}
	input_free(&input);
	return r;
}

static ssize_t send_block(ferry_socket *socket, const char *block, size_t size)
{
	ssize_t r = ferry_socket_write_all(socket, block, size, FERRY_FOREVER);

	/* What was read at once goes as one packet or datagram. */
	return r == -EOPNOTSUPP ? ferry_socket_write(socket, block, size, FERRY_FOREVER) : r;
}

static int send_bytes(struct feeder *feeder)
{
	char *block = malloc(BLOCK);
	ssize_t r = block ? 1 : -ENOMEM;

	while (r > 0) {
		ssize_t n = read(STDIN_FILENO, block, BLOCK);
		if (n == 0)
			break;
		r = n < 0 ? -errno : send_block(feeder->socket, block, (size_t)n);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			struct pollfd ready = { .fd = STDIN_FILENO, .events = POLLIN };
			(void)poll(&ready, 1, -1);
			r = 1;
		}
	}
	free(block);
	return r < 0 ? (int)r : 0;
}

static void *feed(void *argument)
{
	struct feeder *feeder = argument;
	int r = feeder->bridge->messages ? send_lines(feeder) : send_bytes(feeder);

	(void)ferry_socket_shutdown(feeder->socket, FERRY_WRITE);
	atomic_store(&feeder->result, r);
	atomic_store(&feeder->ended, 1);
	return NULL;
}

/* Signals are for the thread that looks for them. */
static int start_feeding(struct feeder *feeder, pthread_t *ret_thread)
{
	sigset_t all, before;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = -pthread_create(ret_thread, NULL, feed, feeder);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* ---- to standard output ---- */

struct drain {
	struct bridge *bridge;
	ferry_socket *socket;
	char *buffer;
	size_t room;
	bool datagrams; /* bound: from anybody */
};

/* What comes next. Its size; 0: the end; or an error. *ret_whole: an empty message is none. */
static ssize_t next_piece(struct drain *drain, ferry_deadline until)
{
	if (drain->datagrams)
		return ferry_socket_receive_from(drain->socket, drain->buffer, drain->room, NULL,
						 until);
	if (!drain->bridge->messages)
		return ferry_socket_read(drain->socket, drain->buffer, drain->room, until);
	return ferry_socket_receive(drain->socket, drain->buffer, drain->room, until);
}

static int put(const struct drain *drain, size_t size)
{
	struct ferry_message message = { .data = drain->buffer, .size = size };

	return drain->bridge->messages ? output_message(OUTPUT_LINES, &message)
				       : output_bytes(drain->buffer, size);
}

/* One step of waiting; longer ones would not notice what the other thread does. */
static ferry_deadline step(int64_t until)
{
	ferry_deadline next = ferry_in_ms(STEP_MS);

	return next < until ? next : until;
}

static bool is_end(const struct drain *drain, ssize_t n)
{
	return drain->bridge->messages ? n == -ENODATA : n == 0 && !drain->datagrams;
}

/* Move until the peer's end: 0; or an error of the socket; *ret_output: of standard output.
 * -ETIMEDOUT: idle. stop: looked at now and then. */
static int drain_all(struct drain *drain, const struct feeder *feeder, int *ret_output)
{
	const struct bridge *bridge = drain->bridge;
	ferry_deadline until = bridge_deadline(bridge->idle);

	for (;;) {
		ssize_t n = next_piece(drain, step(until));
		if (interrupt_seen())
			return -EINTR;
		if (is_end(drain, n))
			return 0;
		if (n == -ETIMEDOUT && ferry_in_ns(0) < until) {
			if (feeder && atomic_load(&feeder->ended) &&
			    atomic_load(&feeder->result) < 0)
				return 0; /* what it says is more than what we could */
			continue;
		}
		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		int r = put(drain, (size_t)n < drain->room ? (size_t)n : drain->room);
		if (r < 0) {
			*ret_output = r;
			return 0;
		}
		until = bridge_deadline(bridge->idle);
	}
}

static int drain_new(struct drain *drain, struct bridge *bridge, ferry_socket *socket)
{
	drain->bridge = bridge;
	drain->socket = socket;
	drain->room = bridge->messages ? bridge->options.message_max : BLOCK;
	drain->buffer = malloc(drain->room);
	return drain->buffer ? 0 : -ENOMEM;
}

/* The peer has sent all it will. It may still read: wait for standard input to end, unless nobody
 * can be reading. */
static void await_feeder(const struct bridge *bridge, const struct feeder *feeder)
{
	struct pollfd gone = { .fd = ferry_socket_fd(feeder->socket), .events = 0 };

	while (!bridge->quit && !atomic_load(&feeder->ended) && !interrupt_seen())
		if (poll(&gone, 1, STEP_MS) > 0 && (gone.revents & (POLLHUP | POLLERR)))
			return;
}

static bool is_datagram(const struct bridge *bridge)
{
	struct ferry_address address;

	return ferry_address_parse(&address, bridge->address, NULL, NULL) == 0 &&
	       (address.transport == FERRY_UDP || address.transport == FERRY_UNIX_DGRAM);
}

/* Datagrams have no end: what standard input says is sent, and answers come until --idle. */
static int run_datagrams(struct bridge *bridge, struct feeder *feeder, struct drain *drain,
			 pthread_t thread, int *ret_output)
{
	if (bridge->idle >= 0)
		return drain_all(drain, feeder, ret_output);
	(void)pthread_join(thread, NULL);
	return 0;
}

static int result_of(struct bridge *bridge, const struct feeder *feeder, int r, int output)
{
	int fed = atomic_load(&feeder->ended) ? atomic_load(&feeder->result) : 0;

	if (interrupt_seen())
		return STATUS_FAILED;
	if (output < 0)
		return output_failed(bridge->command, bridge->address, output);
	if (r == -ETIMEDOUT)
		return STATUS_DONE; /* --idle */
	if (r < 0)
		return bridge_failed(bridge, r);
	/* A peer that has enough is no failure; it may well close first. */
	if (fed < 0 && fed != -EPIPE && fed != -ECONNRESET && fed != -ENOTCONN)
		return bridge_failed(bridge, fed);
	return STATUS_DONE;
}

int bridge_run(struct bridge *bridge, ferry_socket *socket)
{
	/* Static: the thread that reads standard input may outlive this call. */
	static struct feeder feeder;
	struct drain drain = { 0 };
	pthread_t thread;
	int output = 0;

	feeder = (struct feeder){ .bridge = bridge, .socket = socket };
	int r = drain_new(&drain, bridge, socket);
	if (r == 0)
		r = start_feeding(&feeder, &thread);
	if (r < 0) {
		free(drain.buffer);
		return bridge_failed(bridge, r);
	}
	if (is_datagram(bridge))
		r = run_datagrams(bridge, &feeder, &drain, thread, &output);
	else if ((r = drain_all(&drain, &feeder, &output)) == 0 && output == 0)
		await_feeder(bridge, &feeder);
	free(drain.buffer);
	return result_of(bridge, &feeder, r, output);
}

int bridge_hear(struct bridge *bridge, ferry_socket *socket)
{
	const struct feeder nobody = { .ended = 1 };
	struct drain drain = { 0 };
	int output = 0;
	int r = drain_new(&drain, bridge, socket);

	(void)ferry_socket_shutdown(socket, FERRY_WRITE);
	if (r == 0)
		r = drain_all(&drain, NULL, &output);
	free(drain.buffer);
	return result_of(bridge, &nobody, r, output);
}

int bridge_datagrams(struct bridge *bridge, ferry_socket *socket)
{
	struct drain drain = { .datagrams = true };
	int output = 0;
	int r = drain_new(&drain, bridge, socket);

	if (r == 0)
		r = drain_all(&drain, NULL, &output);
	free(drain.buffer);
	if (output < 0)
		return output_failed(bridge->command, bridge->address, output);
	if (r == -ETIMEDOUT)
		return STATUS_DONE;
	return r < 0 ? bridge_failed(bridge, r) : STATUS_DONE;
}
