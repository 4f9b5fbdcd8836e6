/* SPDX-License-Identifier: MIT */
/* Two machines, as two network namespaces with a cable between them; and what a cut cable does. */
#include <errno.h>
#include <ferry/ferry.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "stream.h"
#include "wire.h"

#define THERE "10.7.0.2"

enum { LARGE = 1 << 18 };

static void shell(const char *command)
{
	if (system(command) != 0)
		check_failed(__FILE__, __LINE__, "%s", command);
}

/* ---- the other machine ---- */

/* Answer each message with its size, until the end. */
static void answer(ferry_socket *socket)
{
	static char buffer[LARGE];
	uint64_t size;
	ssize_t n;

	while ((n = ferry_socket_receive(socket, buffer, sizeof buffer, FERRY_FOREVER)) >= 0) {
		stream_match(buffer, 0, (size_t)n);
		size = (uint64_t)n;
		if (ferry_socket_send(socket, &size, sizeof size, FERRY_FOREVER) < 0)
			break;
	}
	ferry_socket_close(socket);
}

/* 1: in a network of its own; then it gets its end of the cable. 2: it listens. */
static void be_the_other_machine(struct stage *stage, const void *argument)
{
	ferry_listener *listener;
	ferry_socket *socket;

	(void)argument;
	check_eq(unshare(CLONE_NEWNET), 0);
	stage_meet(stage, 1);
	shell("ip addr add " THERE "/24 dev far && ip link set far up");
	check_eq(ferry_listen(&listener, "tcp://" THERE ":7000", NULL, FERRY_NOW), 0);
	stage_reach(stage, 2);
	while (ferry_accept(&socket, listener, FERRY_FOREVER) == 0)
		answer(socket);
}

static void connect_cable(void)
{
	shell("ip neigh replace " THERE " lladdr 02:00:00:00:00:02 dev near nud permanent");
}

/* What is sent arrives at nobody's door, and nothing says so. */
static void cut_cable(void)
{
	shell("ip neigh replace " THERE " lladdr 02:00:00:00:00:99 dev near nud permanent");
}

static struct peer other_machine(void)
{
	char command[256];
	struct peer peer;

	wire_own_network();
	if (system("ip link show lo >/dev/null 2>&1") != 0)
		check_skip("needs ip(8)");
	peer_start(&peer, be_the_other_machine, NULL);
	peer_await(&peer, 1);
	snprintf(command, sizeof command,
		 "ip link add near type veth peer name far address 02:00:00:00:00:02 netns %d",
		 (int)peer.pid);
	if (system(command) != 0)
		check_skip("cannot make a veth pair");
	shell("ip addr add 10.7.0.1/24 dev near && ip link set near up");
	connect_cable();
	peer_allow(&peer, 1);
	peer_await(&peer, 2);
	return peer;
}

static ferry_socket *call(const struct ferry_socket_options *options)
{
	ferry_socket *socket;

	check_eq(ferry_connect(&socket, "tcp://" THERE ":7000", options, box_patience()), 0);
	return socket;
}

/* ---- this one ---- */

static int send_large(ferry_socket *socket, ferry_deadline deadline)
{
	static char buffer[LARGE];

	stream_fill(buffer, 0, sizeof buffer);
	return ferry_socket_send(socket, buffer, sizeof buffer, deadline);
}

static void expect_answer(ferry_socket *socket)
{
	uint64_t size = 0;

	check_eq(ferry_socket_receive(socket, &size, sizeof size, box_patience()), sizeof size);
	check_eq(size, LARGE);
}

static void two_machines_talk(void)
{
	struct peer peer = other_machine();
	ferry_socket *socket = call(NULL);
	char text[FERRY_ADDRESS_MAX];

	check(ferry_socket_local(socket, text, sizeof text) > 0);
	check(strncmp(text, "tcp://10.7.0.1:", 15) == 0);
	check(ferry_socket_peer(socket, text, sizeof text) > 0);
	check(strcmp(text, "tcp://" THERE ":7000") == 0);
	for (int i = 0; i < 20; i++) {
		check_eq(send_large(socket, box_patience()), 0);
		expect_answer(socket);
	}
	peer_kill(&peer);
	check_eq(ferry_socket_receive(socket, text, sizeof text, box_patience()), -ENODATA);
	ferry_socket_close(socket);
}

static void connecting_into_a_black_hole_ends_by_the_deadline(void)
{
	struct peer peer = other_machine();
	ferry_socket *socket;

	cut_cable();
	const int64_t begin = clock_ns();
	check_eq(ferry_connect(&socket, "tcp://" THERE ":7000", NULL, ferry_in_ms(200)),
		 -ETIMEDOUT);
	check(clock_ns() - begin >= 200000000);
	peer_kill(&peer);
}

static void every_call_on_a_cut_connection_ends_by_the_deadline(void)
{
	struct peer peer = other_machine();
	ferry_socket *socket = call(NULL);
	char byte;
	int r;

	cut_cable();
	check_eq(ferry_socket_read(socket, &byte, 1, ferry_in_ms(20)), -ETIMEDOUT);
	check_eq(ferry_socket_receive(socket, &byte, 1, ferry_in_ms(20)), -ETIMEDOUT);
	int n = 0;
	while ((r = send_large(socket, ferry_in_ms(50))) == 0)
		check(++n < 1000);
	check(r == -ETIMEDOUT || r == -EINPROGRESS);
	check_eq(ferry_socket_flush(socket, ferry_in_ms(20)), r == -EINPROGRESS ? -ETIMEDOUT : 0);
	check_eq(ferry_socket_write(socket, "x", 1, ferry_in_ms(20)), -ETIMEDOUT);
	const int64_t begin = clock_ns();
	ferry_socket_close(socket); /* waits for nobody */
	check(clock_ns() - begin < 5000000000);
	peer_kill(&peer);
}

static void what_was_held_up_arrives_when_the_cable_is_whole_again(void)
{
	struct peer peer = other_machine();
	ferry_socket *socket = call(NULL);
	int r, n = 0;

	cut_cable();
	while ((r = send_large(socket, ferry_in_ms(50))) == 0)
		check(++n < 1000);
	n += r == -EINPROGRESS;
	check(n > 0);
	connect_cable();
	check_eq(ferry_socket_flush(socket, box_patience()), 0);
	while (n-- > 0)
		expect_answer(socket);
	ferry_socket_close(socket);
	peer_kill(&peer);
}

static void keepalive_notices_who_is_gone_in_silence(void)
{
	struct peer peer = other_machine();
	ferry_socket *socket = call(FERRY_SOCKET_OPTIONS(.keepalive = 1000000000));
	char byte;

	cut_cable();
	check_eq(ferry_socket_read(socket, &byte, 1, box_patience()), -ETIMEDOUT);
	/* It was not our deadline: nothing comes any more. */
	check_eq(ferry_socket_read(socket, &byte, 1, FERRY_NOW), 0);
	check_eq(ferry_socket_write(socket, "x", 1, FERRY_NOW), -EPIPE);
	ferry_socket_close(socket);
	peer_kill(&peer);
}

static void user_timeout_bounds_what_stays_unacknowledged(void)
{
	struct peer peer = other_machine();
	ferry_socket *socket = call(FERRY_SOCKET_OPTIONS(.user_timeout = 500000000));
	char byte;

	cut_cable();
	wire_write(socket, "into the void");
	check_eq(ferry_socket_read(socket, &byte, 1, box_patience()), -ETIMEDOUT);
	check_eq(ferry_socket_write(socket, "x", 1, FERRY_NOW), -EPIPE);
	ferry_socket_close(socket);
	peer_kill(&peer);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(two_machines_talk),
		claim(connecting_into_a_black_hole_ends_by_the_deadline),
		claim(every_call_on_a_cut_connection_ends_by_the_deadline),
		claim(what_was_held_up_arrives_when_the_cable_is_whole_again),
		claim(keepalive_notices_who_is_gone_in_silence),
		claim(user_timeout_bounds_what_stays_unacknowledged),
	};

	return claim_run_all(claims);
}
