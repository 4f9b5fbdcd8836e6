/* SPDX-License-Identifier: MIT */
/*
 * bridge.h - what `ferry connect` and `ferry listen` share: their options, and moving what comes
 * between a socket and standard input and output.
 */
#ifndef FERRY_CLI_BRIDGE_H
#define FERRY_CLI_BRIDGE_H

#include <argp.h>
#include <stdbool.h>

#include <ferry/ferry.h>

struct bridge {
	const char *command; /* "connect" */
	const char *address;
	bool messages; /* a line is a message, both ways */
	bool quit;     /* end when the peer has ended, whatever comes from standard input */
	bool verbose;
	int64_t timeout; /* ns, to connect or be connected to; negative: for ever */
	int64_t idle;    /* ns without a byte from the peer; negative: for ever */
	struct ferry_socket_options options;
	struct ferry_why why;
};

/* For argp, with the options; input: struct bridge, zero but for command, timeout and idle (-1). */
extern const struct argp_child bridge_children[];

/* Say why something failed. Gives the exit status. */
int bridge_failed(const struct bridge *bridge, int error);

/* "ferry: connected to tcp://..." on standard error, with --verbose. */
void bridge_tell(const struct bridge *bridge, const char *what, const char *address);

ferry_deadline bridge_deadline(int64_t ns);

#define BRIDGE_HANDSHAKE_MS 30000 /* that a client has to agree about TLS */

/* Move bytes, or messages, until both sides have ended. Gives the exit status. */
int bridge_run(struct bridge *bridge, ferry_socket *socket);

/* The same, with nothing to say: the sending is shut down at once. */
int bridge_hear(struct bridge *bridge, ferry_socket *socket);

/* Datagrams that come to a bound socket, to standard output. Gives the exit status. */
int bridge_datagrams(struct bridge *bridge, ferry_socket *socket);

#endif
