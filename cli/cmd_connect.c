/* SPDX-License-Identifier: MIT */
/*
 * cmd_connect.c - ferry connect: standard input to a socket, and what comes to standard output.
 */
#include <errno.h>
#include <stdio.h>

#include "bridge.h"
#include "cli.h"
#include "interrupt.h"

#define OPTION_LOCAL 512

static const struct argp_option options[] = {
	{ "local", OPTION_LOCAL, "ADDRESS", 0, "Connect from this address", 0 },
	{ 0 },
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct bridge *bridge = state->input;

	switch (key) {
	case OPTION_LOCAL:
		bridge->options.local = argument;
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = bridge;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "only one address at a time");
		bridge->address = argument;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "say which address to connect to");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "ADDRESS",
	.children = bridge_children,
	.doc = "Connect to a socket: standard input goes there, and what comes goes to standard "
	       "output. At the end of standard input the sending is shut down; the command ends "
	       "when the peer has ended too."
	       "\v"
	       "ADDRESS is tcp://HOST:PORT, tls://HOST:PORT, udp://HOST:PORT, unix:PATH, "
	       "unix-dgram:PATH or unix-seqpacket:PATH; @NAME for PATH is an abstract name. "
	       "TIME is seconds, or takes a unit (250ms, 2m).\n"
	       "\nExamples:\n"
	       "  tar c . | ferry connect tcp://backup:7000\n"
	       "  echo status | ferry connect unix:/run/app/control --messages\n"
	       "  ferry connect tls://example.org:443",
};

int cmd_connect(int argc, char **argv)
{
	struct bridge bridge = { .command = "connect", .timeout = -1, .idle = -1 };
	char peer[FERRY_ADDRESS_MAX] = "";
	ferry_socket *socket;
	int r;

	cli_parse(&argp, argc, argv, &bridge);
	interrupt_catch();
	const ferry_deadline until = bridge_deadline(bridge.timeout);
	do
		r = ferry_connect(&socket, bridge.address, &bridge.options, until);
	while (r == -EINTR && !interrupt_seen());
	if (r < 0)
		return interrupt_end(bridge_failed(&bridge, r));
	(void)ferry_socket_peer(socket, peer, sizeof(peer));
	bridge_tell(&bridge, "connected to", peer);
	/* Not closed: the thread that reads standard input may still have it. */
	return interrupt_end(bridge_run(&bridge, socket));
}
