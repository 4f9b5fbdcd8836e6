/* SPDX-License-Identifier: MIT */
/*
 * cmd_listen.c - ferry listen: wait for a connection and talk with it over standard input and
 * output; or run a command for each.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bridge.h"
#include "cli.h"
#include "guest.h"
#include "interrupt.h"

#define MOST_CHILDREN 1024

enum { OPTION_MODE = 512, OPTION_MOST, OPTION_KEEP };

struct listening {
	struct bridge bridge; /* first: its argp gets it */
	bool keep;
	bool input_taken; /* standard input has gone to a connection */
	char **command;   /* NULL: standard input and output */
	size_t most;      /* children at once */
	ferry_listener *listener;
	ferry_process *children[MOST_CHILDREN];
	size_t n;
};

static const struct argp_option options[] = {
	{ "exec", 'e', NULL, 0,
	  "Run COMMAND for each connection, with the connection as its standard input and output; "
	  "FERRY_PEER tells it who that is",
	  0 },
	{ "keep", 'k', NULL, 0, "Without --exec: go on with the next connection", 0 },
	{ "most", OPTION_MOST, "COUNT", 0, "With --exec: so many at once, others wait (64)", 0 },
	{ "mode", OPTION_MODE, "MODE", 0, "Mode of a socket file, in octal (0600)", 0 },
	{ 0 },
};

static error_t take_argument(struct listening *listening, char *argument, struct argp_state *state)
{
	if (!listening->bridge.address) {
		listening->bridge.address = argument;
		return 0;
	}
	if (!listening->command)
		argp_error(state, "only one address at a time; a command needs --exec");
	listening->command = state->argv + state->next - 1;
	state->next = state->argc;
	return 0;
}

/* With --exec nothing comes to standard output: what concerns that has no meaning. */
static void check_command(const struct listening *listening, struct argp_state *state)
{
	const struct bridge *bridge = &listening->bridge;
	const char *other = bridge->messages       ? "--messages"
			    : listening->keep      ? "--keep"
			    : bridge->quit         ? "--quit"
			    : bridge->timeout >= 0 ? "--timeout"
			    : bridge->idle >= 0    ? "--idle"
						   : NULL;

	if (!listening->command[0])
		argp_error(state, "--exec: say which command to run");
	if (other)
		argp_error(state, "--exec and %s exclude each other", other);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	static char *none[] = { NULL };
	struct listening *listening = state->input;

	switch (key) {
	case 'e':
		listening->command = none;
		return 0;
	case 'k':
		listening->keep = true;
		return 0;
	case OPTION_MOST:
		listening->most =
		    (size_t)cli_count_option(state, "--most", argument, 1, MOST_CHILDREN);
		return 0;
	case OPTION_MODE:
		listening->bridge.options.mode = cli_mode_option(state, argument);
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &listening->bridge;
		return 0;
	case ARGP_KEY_ARG:
		return take_argument(listening, argument, state);
	case ARGP_KEY_END:
		if (!listening->bridge.address)
			argp_error(state, "say which address to listen at");
		if (listening->command)
			check_command(listening, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "ADDRESS [COMMAND [ARGUMENT...]]",
	.children = bridge_children,
	.doc =
	    "Wait for a connection. What comes goes to standard output, and standard input goes "
	    "there; or, with --exec, a command is run for each connection. At a udp or unix-dgram "
	    "address every datagram that comes goes to standard output; with --exec a command gets "
	    "it as "
	    "its standard input, and what that writes goes back to the sender."
	    "\v"
	    "ADDRESS is as for `ferry connect`; port 0, and unix:@, are any that is free, which "
	    "--verbose tells. Options behind ADDRESS and COMMAND are the command's. "
	    "TIME is seconds, or takes a unit (250ms, 2m).\n"
	    "\nExamples:\n"
	    "  ferry listen tcp://*:7000 > backup.tar\n"
	    "  ferry listen --exec unix:/run/app/control ./answer\n"
	    "  ferry listen --messages --keep tcp://127.0.0.1:7000",
};

/* ---- a command for each ---- */

/* No more at once than there are descriptors for: a connection, a command's end and its process,
 * besides a few for ourselves. Others wait, as they do for --most. */
static void keep_within_limit(struct listening *listening)
{
	const rlim_t own = 24, each = 3;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return;
	rlim_t most = limit.rlim_cur > own + each ? (limit.rlim_cur - own) / each : 1;
	if (listening->most > most)
		listening->most = most;
}

/* Forget those that have ended. */
static void reap(struct listening *listening)
{
	for (size_t i = 0; i < listening->n; i++) {
		if (ferry_process_wait(listening->children[i], NULL, FERRY_NOW) != 0)
			continue;
		ferry_process_close(listening->children[i]);
		listening->children[i--] = listening->children[--listening->n];
	}
}

/* Wait until somebody comes, if there is room, or until one has ended. */
static void await_event(const struct listening *listening)
{
	static struct pollfd fds[MOST_CHILDREN + 1];
	bool room = listening->n < listening->most;

	for (size_t i = 0; i < listening->n; i++)
		fds[i] = (struct pollfd){ .fd = ferry_process_fd(listening->children[i]),
					  .events = POLLIN };
	fds[listening->n] =
	    (struct pollfd){ .fd = room ? ferry_listener_fd(listening->listener) : -1,
			     .events = POLLIN };
	(void)poll(fds, listening->n + 1, -1);
}

static void serve(struct listening *listening, ferry_socket *socket)
{
	struct ferry_why why = { 0 };
	char peer[FERRY_ADDRESS_MAX] = "";
	const struct ferry_spawn_descriptor descriptors[] = { { ferry_socket_fd(socket), 0 },
							      { ferry_socket_fd(socket), 1 } };

	(void)ferry_socket_peer(socket, peer, sizeof(peer));
	bridge_tell(&listening->bridge, "connection from", peer);
	(void)setenv("FERRY_PEER", peer, 1);
	int r = ferry_spawn(
	    &listening->children[listening->n],
	    FERRY_SPAWN_OPTIONS(.program = listening->command[0], .arguments = listening->command,
				.descriptors = descriptors, .n_descriptors = 2, .why = &why));
	if (r == 0)
		listening->n++;
	else
		cli_complain("listen: cannot start '%s': %s", listening->command[0],
			     why.text[0] ? why.text : ferry_strerror(r));
	ferry_socket_close(socket);
}

static int serve_all(struct listening *listening)
{
	ferry_socket *socket;

	while (!interrupt_seen()) {
		reap(listening);
		await_event(listening);
		if (interrupt_seen() || listening->n >= listening->most)
			continue;
		int r = ferry_accept(&socket, listening->listener, FERRY_NOW);
		if (r == 0)
			serve(listening, socket);
		else if (r != -EAGAIN && r != -EINTR)
			return bridge_failed(&listening->bridge, r);
	}
	return STATUS_FAILED;
}

/* ---- a command that cannot have the socket itself ---- */

/* Wait until there is room, and then until something comes. False: interrupted, or nothing yet. */
static bool await_guest(const struct listening *listening, struct guests *guests, int fd)
{
	bool room = atomic_load(&guests->n) < listening->most;
	struct pollfd fds[] = { { .fd = room ? fd : -1, .events = POLLIN },
				{ .fd = guests->left, .events = POLLIN } };
	uint64_t n;

	(void)poll(fds, 2, -1);
	(void)!read(guests->left, &n, sizeof(n));
	return !interrupt_seen() && fds[0].revents != 0;
}

static int serve_securely(struct listening *listening)
{
	struct guests guests = { .bridge = &listening->bridge, .command = listening->command };
	ferry_socket *socket;
	int r = guests_init(&guests);

	while (!interrupt_seen() && (r == 0 || r == -EAGAIN || r == -EINTR)) {
		if (!await_guest(listening, &guests, ferry_listener_fd(listening->listener)))
			continue;
		r = ferry_accept(&socket, listening->listener, FERRY_NOW);
		if (r == 0)
			r = guest_connect(&guests, socket);
	}
	return interrupt_seen() ? STATUS_FAILED : bridge_failed(&listening->bridge, r);
}

static int serve_datagrams(struct listening *listening, ferry_socket *socket)
{
	static char datagram[1 << 20];
	struct guests guests = { .bridge = &listening->bridge,
				 .command = listening->command,
				 .bound = socket };
	struct ferry_endpoint from;
	ssize_t n = guests_init(&guests);

	while (!interrupt_seen() && (n >= 0 || n == -EAGAIN || n == -EINTR)) {
		if (!await_guest(listening, &guests, ferry_socket_fd(socket)))
			continue;
		n = ferry_socket_receive_from(socket, datagram, sizeof(datagram), &from, FERRY_NOW);
		if (n > (ssize_t)sizeof(datagram))
			cli_complain("listen: a datagram of %zd bytes is too long", n);
		else if (n >= 0)
			n = guest_datagram(&guests, datagram, (size_t)n, &from);
	}
	return interrupt_seen() ? STATUS_FAILED : bridge_failed(&listening->bridge, (int)n);
}

/* ---- one after another ---- */

/* Wait for a connection. STATUS_DONE, or the exit status after it was said why there is none. */
static int await_connection(struct listening *listening, ferry_socket **ret_socket)
{
	const struct bridge *bridge = &listening->bridge;
	const ferry_deadline until = bridge_deadline(bridge->timeout);
	char time[CLI_HUMAN_BYTES];
	int r;

	do
		r = ferry_accept(ret_socket, listening->listener, until);
	while (r == -EINTR && !interrupt_seen());
	if (r == -ETIMEDOUT) {
		cli_complain("listen %s: nobody came within %s", bridge->address,
			     cli_human_duration(time, bridge->timeout));
		return STATUS_NOTHING;
	}
	return r < 0 ? bridge_failed(bridge, r) : STATUS_DONE;
}

static int talk_once(struct listening *listening, ferry_socket *socket)
{
	char peer[FERRY_ADDRESS_MAX] = "";
	int r = ferry_socket_handshake(socket, ferry_in_ms(BRIDGE_HANDSHAKE_MS),
				       &listening->bridge.why);

	if (r < 0) {
		ferry_socket_close(socket);
		return bridge_failed(&listening->bridge, r);
	}
	(void)ferry_socket_peer(socket, peer, sizeof(peer));
	bridge_tell(&listening->bridge, "connection from", peer);
	/* Only the first gets standard input, which cannot be read twice. It is not closed: the
	 * thread that reads may still have it. */
	if (!listening->input_taken) {
		listening->input_taken = true;
		return bridge_run(&listening->bridge, socket);
	}
	int status = bridge_hear(&listening->bridge, socket);
	ferry_socket_close(socket);
	return status;
}

/* What happens to one connection does not keep the next from being served. */
static int talk(struct listening *listening)
{
	ferry_socket *socket;
	int status;

	do {
		status = await_connection(listening, &socket);
		if (status != STATUS_DONE)
			return status;
		status = talk_once(listening, socket);
	} while (listening->keep && !interrupt_seen());
	return status;
}

static int listen_to_datagrams(struct listening *listening)
{
	struct bridge *bridge = &listening->bridge;
	char address[FERRY_ADDRESS_MAX] = "";
	ferry_socket *socket;

	if (bridge->timeout >= 0) {
		cli_complain("listen %s: --timeout is for connections; with --idle it ends when no "
			     "datagram has come for so long",
			     bridge->address);
		return STATUS_USAGE;
	}
	int r = ferry_socket_bind(&socket, bridge->address, &bridge->options, FERRY_FOREVER);
	if (r < 0)
		return bridge_failed(bridge, r);
	cli_restore_umask();
	(void)ferry_socket_local(socket, address, sizeof(address));
	bridge_tell(bridge, "listening at", address);
	int status = listening->command ? serve_datagrams(listening, socket)
					: bridge_datagrams(bridge, socket);
	ferry_socket_close(socket);
	return status;
}

static int listen_to_connections(struct listening *listening, bool secure)
{
	struct bridge *bridge = &listening->bridge;
	char address[FERRY_ADDRESS_MAX] = "";
	int r = ferry_listen(&listening->listener, bridge->address, &bridge->options,
			     bridge_deadline(bridge->timeout));

	if (r < 0)
		return bridge_failed(bridge, r);
	cli_restore_umask();
	(void)ferry_listener_address(listening->listener, address, sizeof(address));
	bridge_tell(bridge, "listening at", address);
	int status = !listening->command ? talk(listening)
		     : secure            ? serve_securely(listening)
					 : serve_all(listening);
	ferry_listener_close(listening->listener);
	return status;
}

int cmd_listen(int argc, char **argv)
{
	static struct listening listening = {
		.bridge = { .command = "listen", .timeout = -1, .idle = -1 }, .most = 64
	};
	struct ferry_address address = { 0 };

	cli_parse_in_order(&argp, argc, argv, &listening);
	interrupt_catch();
	keep_within_limit(&listening);
	(void)ferry_address_parse(&address, listening.bridge.address, NULL, NULL);
	const bool datagrams =
	    address.transport == FERRY_UDP || address.transport == FERRY_UNIX_DGRAM;
	return interrupt_end(
	    datagrams ? listen_to_datagrams(&listening)
		      : listen_to_connections(&listening, address.transport == FERRY_TLS));
}
