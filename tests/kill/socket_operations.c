/* SPDX-License-Identifier: MIT */
/* What is attacked of sockets; see sockets.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sockets.h"

typedef const struct operation op;

#define UNUSED __attribute__((unused))

static ferry_deadline patience(op *o)
{
	return o->wait_ms ? ferry_in_ms(o->wait_ms) : FERRY_NOW;
}

static void returned(struct socket_actor *actor, int64_t r)
{
	actor->ledger->result = (int)r;
	actor->ledger->returned = true;
}

/* ---- before the strike ---- */

/* The strike is made when the survivor's thread has heard the first message, and sleeps. */
static void await_hearing(const struct socket_actor *actor)
{
	const enum helper helper = actor->setup->helper;

	while ((helper == HEARS || helper == HEARS_ONCE) && atomic_load(&actor->ledger->heard) < 1)
		scene_pause();
}

static void await_sleep(const struct socket_actor *actor)
{
	const enum helper helper = actor->setup->helper;
	const struct socket_ledger *ledger = actor->ledger;
	pid_t thread = 0;

	while ((helper == HEARS || helper == TELLS) && (!thread || !process_sleeps(thread))) {
		scene_pause();
		thread = atomic_load(&ledger->helper);
	}
}

static void send_ahead(struct socket_actor *actor)
{
	const struct socket_setup *setup = actor->setup;
	struct socket_ledger *ledger = actor->ledger;

	for (uint32_t i = 0; i < setup->ahead; i++) {
		const unsigned char *bytes = socket_message(++ledger->begun, setup->size);
		int r = ferry_socket_send(actor->socket, bytes, setup->size, FERRY_NOW);
		socket_expect(ledger, "sending ahead", r, r == 0);
		ledger->sent += r == 0;
		if (i == 0)
			await_hearing(actor);
	}
}

static void settle(struct socket_actor *actor)
{
	const struct socket_setup *setup = actor->setup;
	struct socket_ledger *ledger = actor->ledger;
	struct ferry_socket_stat stat = { 0 };

	if (setup->greeted) {
		ssize_t r = socket_next(actor, ferry_in_ms(SCENE_PATIENCE));
		socket_expect(ledger, "being greeted", r, r > 0);
	}
	send_ahead(actor);
	if (setup->settled && (ferry_socket_stat(actor->socket, &stat) != 0 ||
			       stat.shared_memory != (FERRY_READ | FERRY_WRITE)))
		fault(ledger->faults, "harness: the connection has not moved");
	await_sleep(actor);
}

/* ---- what is attacked ---- */

static void do_connect(void *a, op *o)
{
	struct socket_actor *actor = a;
	int r;

	ATTACKED(r = ferry_connect(&actor->socket, actor->ledger->address, NULL, patience(o)));
	returned(actor, r);
}

static void do_accept(void *a, op *o)
{
	struct socket_actor *actor = a;
	int r;

	ATTACKED(r = ferry_accept(&actor->socket, actor->listener, patience(o)));
	returned(actor, r);
}

static void do_listen(void *a, op *o)
{
	struct socket_actor *actor = a;
	int r;

	ATTACKED(r = ferry_listen(&actor->listener, actor->ledger->address, NULL, patience(o)));
	returned(actor, r);
}

static void do_send(void *a, op *o)
{
	struct socket_actor *actor = a;
	struct socket_ledger *ledger = actor->ledger;
	const uint32_t size = actor->setup->size;
	int r = 0;

	settle(actor);
	for (int i = 0; i < 2 && r == 0; i++) {
		const unsigned char *bytes = socket_message(++ledger->begun, size);
		ATTACKED(r = ferry_socket_send(actor->socket, bytes, size, patience(o)));
		ledger->sent += r == 0;
	}
	returned(actor, r);
}

static void do_send_one(void *a, op *o)
{
	struct socket_actor *actor = a;
	struct socket_ledger *ledger = actor->ledger;
	const uint32_t size = actor->setup->size;
	int r;

	settle(actor);
	const unsigned char *bytes = socket_message(++ledger->begun, size);
	ATTACKED(r = ferry_socket_send(actor->socket, bytes, size, patience(o)));
	ledger->sent += r == 0;
	returned(actor, r);
}

static ssize_t receive(struct socket_actor *actor, ferry_deadline deadline)
{
	ssize_t r;

	ATTACKED(r = socket_receive(actor, deadline));
	return socket_check(actor, r);
}

static void do_receive(void *a, op *o)
{
	settle(a);
	returned(a, receive(a, patience(o)));
}

/* It may be said for nothing: then wait once more. */
static void do_await(void *a, op *o)
{
	struct socket_actor *actor = a;
	struct ferry_item item = ferry_on_socket(actor->socket, FERRY_CAN_READ);
	ssize_t r;

	do {
		r = await_item(actor->setup->way, &item, patience(o));
		if (r > 0)
			r = receive(actor, FERRY_NOW);
	} while (r == -EAGAIN);
	returned(actor, r);
}

static void do_shutdown(void *a, op *o UNUSED)
{
	struct socket_actor *actor = a;
	int r;

	settle(actor);
	ATTACKED(r = ferry_socket_shutdown(actor->socket, FERRY_WRITE));
	returned(actor, r);
}

static void do_close(void *a, op *o UNUSED)
{
	struct socket_actor *actor = a;

	settle(actor);
	ATTACKED(ferry_socket_close(actor->socket));
	actor->socket = NULL;
	returned(actor, 0);
}

static void do_close_listener(void *a, op *o UNUSED)
{
	struct socket_actor *actor = a;

	ATTACKED(ferry_listener_close(actor->listener));
	actor->listener = NULL;
	returned(actor, 0);
}

/* Once is enough. */
static void rouse_with_message(void *survivor, op *o UNUSED)
{
	struct socket_actor *actor = survivor;

	if (actor->ledger->told == (uint32_t)actor->setup->greeted)
		socket_tell_victim(actor);
}

static void rouse_with_room(void *survivor, op *o UNUSED)
{
	struct socket_actor *actor = survivor;

	if (actor->got == 0)
		(void)socket_next(actor, ferry_in_ms(SCENE_PATIENCE));
}

#define WITH(...) (&(const struct socket_setup){ __VA_ARGS__ })

const struct operation socket_operations[] = {
	{ .name = "socket-connect-unix",
	  .what = "connect to a path",
	  .with = WITH(.part = CONNECTS, .size = SOCKET_SMALL),
	  .act = do_connect,
	  .wait_ms = 2000,
	  .unopened = true,
	  .rarely = 4 },
	{ .name = "socket-connect-tcp",
	  .what = "connect to a port",
	  .with = WITH(.part = CONNECTS, .tcp = true, .size = SOCKET_SMALL),
	  .act = do_connect,
	  .wait_ms = 2000,
	  .unopened = true,
	  .rarely = 4 },
	{ .name = "socket-accept-unix",
	  .what = "accept at a path",
	  .with = WITH(.part = ACCEPTS, .size = SOCKET_SMALL),
	  .act = do_accept,
	  .rarely = 2 },
	{ .name = "socket-accept-tcp",
	  .what = "accept at a port",
	  .with = WITH(.part = ACCEPTS, .tcp = true, .size = SOCKET_SMALL),
	  .act = do_accept,
	  .rarely = 2 },
	{ .name = "socket-listen",
	  .what = "listen at a path",
	  .with = WITH(.part = LISTENS, .size = SOCKET_SMALL),
	  .act = do_listen,
	  .wait_ms = 2000,
	  .unopened = true,
	  .rarely = 4 },
	{ .name = "socket-listen-stale",
	  .what = "listen at a path that a dead listener has left",
	  .with = WITH(.part = LISTENS, .stale = true, .size = SOCKET_SMALL),
	  .act = do_listen,
	  .wait_ms = 2000,
	  .unopened = true,
	  .rarely = 4 },
	{ .name = "socket-listen-close",
	  .what = "stop listening, with a connection waiting",
	  .with = WITH(.part = ACCEPTS, .size = SOCKET_SMALL),
	  .act = do_close_listener,
	  .rarely = 2 },
	{ .name = "socket-send-unix",
	  .what = "two messages of 64 bytes over a unix socket",
	  .with = WITH(.part = TALKS, .size = SOCKET_SMALL),
	  .act = do_send },
	{ .name = "socket-send-tcp",
	  .what = "two messages of 64 bytes over tcp",
	  .with = WITH(.part = TALKS, .tcp = true, .size = SOCKET_SMALL),
	  .act = do_send },
	{ .name = "socket-send-plain",
	  .what = "the same over a unix socket that stays plain",
	  .with = WITH(.part = TALKS, .plain = true, .size = SOCKET_SMALL),
	  .act = do_send },
	{ .name = "socket-send-large",
	  .what = "two messages of 60000 bytes over a unix socket",
	  .with = WITH(.part = TALKS, .size = SOCKET_LARGE),
	  .act = do_send,
	  .wait_ms = 2000,
	  .rarely = 2 },
	{ .name = "socket-receive-unix",
	  .what = "a message of 64 bytes over a unix socket",
	  .with = WITH(.part = TALKS, .is_told = true, .size = SOCKET_SMALL),
	  .act = do_receive },
	{ .name = "socket-receive-tcp",
	  .what = "a message of 64 bytes over tcp",
	  .with = WITH(.part = TALKS, .tcp = true, .is_told = true, .size = SOCKET_SMALL),
	  .act = do_receive,
	  .wait_ms = 2000 },
	{ .name = "socket-receive-plain",
	  .what = "the same over a unix socket that stays plain",
	  .with = WITH(.part = TALKS, .plain = true, .is_told = true, .size = SOCKET_SMALL),
	  .act = do_receive },
	{ .name = "socket-receive-sleeps",
	  .what = "a message that comes later",
	  .with = WITH(.part = TALKS, .is_told = true, .size = SOCKET_SMALL),
	  .act = do_receive,
	  .wait_ms = 2000,
	  .rouse = rouse_with_message },
	{ .name = "socket-awaited",
	  .what = "the same in ferry_wait",
	  .with = WITH(.part = TALKS, .is_told = true, .size = SOCKET_SMALL, .way = AWAIT_WAIT),
	  .act = do_await,
	  .wait_ms = 2000,
	  .rouse = rouse_with_message },
	{ .name = "socket-awaited-kept",
	  .what = "the same by a waiter",
	  .with = WITH(.part = TALKS, .is_told = true, .size = SOCKET_SMALL, .way = AWAIT_WAITER),
	  .act = do_await,
	  .wait_ms = 2000,
	  .rouse = rouse_with_message,
	  .rarely = 4 },
	{ .name = "socket-awaited-shown",
	  .what = "the same by ferry_fd",
	  .with = WITH(.part = TALKS, .is_told = true, .size = SOCKET_SMALL, .way = AWAIT_FD),
	  .act = do_await,
	  .wait_ms = 2000,
	  .rouse = rouse_with_message,
	  .rarely = 4 },
	{ .name = "socket-send-shows",
	  .what = "two messages of 64 bytes to one who has a descriptor of ferry_fd",
	  .with = WITH(.part = TALKS, .size = SOCKET_SMALL, .shown = true),
	  .act = do_send },
	{ .name = "socket-close-shows",
	  .what = "close a connection, the other end of which has one",
	  .with = WITH(.part = TALKS, .size = SOCKET_SMALL, .shown = true),
	  .act = do_close },
	{ .name = "socket-shutdown",
	  .what = "end the sending",
	  .with = WITH(.part = TALKS, .size = SOCKET_SMALL),
	  .act = do_shutdown },
	{ .name = "socket-close",
	  .what = "close a connection",
	  .with = WITH(.part = TALKS, .size = SOCKET_SMALL),
	  .act = do_close },
	{ .name = "lane-send",
	  .what = "two messages of 64 bytes through shared memory",
	  .with = WITH(.part = TALKS, .greeted = true, .settled = true, .ahead = 1,
		       .size = SOCKET_SMALL),
	  .act = do_send },
	{ .name = "lane-send-tcp",
	  .what = "the same of a tcp connection",
	  .with = WITH(.part = TALKS, .tcp = true, .greeted = true, .settled = true, .ahead = 1,
		       .size = SOCKET_SMALL),
	  .act = do_send },
	{ .name = "lane-send-wakes",
	  .what = "two messages that somebody sleeps for",
	  .with = WITH(.part = TALKS, .greeted = true, .settled = true, .ahead = 1,
		       .size = SOCKET_SMALL, .helper = HEARS),
	  .act = do_send },
	{ .name = "lane-send-sleeps",
	  .what = "a message that there is no room for in memory",
	  .with = WITH(.part = TALKS, .greeted = true, .settled = true, .ahead = 2,
		       .size = SOCKET_LARGE),
	  .act = do_send_one,
	  .wait_ms = 2000,
	  .rouse = rouse_with_room },
	{ .name = "lane-send-leaves",
	  .what = "a message that goes on over the socket, since there is no room in memory",
	  .with = WITH(.part = TALKS, .greeted = true, .settled = true, .ahead = 3,
		       .size = SOCKET_LARGE, .helper = HEARS_ONCE),
	  .act = do_send_one },
	{ .name = "lane-send-moves",
	  .what = "the message with which a direction moves, while somebody sleeps for it",
	  .with = WITH(.part = TALKS, .size = SOCKET_SMALL, .helper = HEARS),
	  .act = do_send_one,
	  .wait_ms = 2000 },
	{ .name = "lane-receive",
	  .what = "a message of 64 bytes through shared memory",
	  .with = WITH(.part = TALKS, .greeted = true, .settled = true, .ahead = 1, .is_told = true,
		       .size = SOCKET_SMALL),
	  .act = do_receive },
	{ .name = "lane-receive-tcp",
	  .what = "the same of a tcp connection",
	  .with = WITH(.part = TALKS, .tcp = true, .greeted = true, .settled = true, .ahead = 1,
		       .is_told = true, .size = SOCKET_SMALL),
	  .act = do_receive },
	{ .name = "lane-receive-wakes",
	  .what = "a message of 60000 bytes, while somebody sleeps for room",
	  .with = WITH(.part = TALKS, .greeted = true, .settled = true, .ahead = 1,
		       .size = SOCKET_LARGE, .helper = TELLS),
	  .act = do_receive },
	{ .name = "lane-receive-sleeps",
	  .what = "a message that comes through shared memory later",
	  .with = WITH(.part = TALKS, .greeted = true, .settled = true, .ahead = 1, .is_told = true,
		       .size = SOCKET_SMALL),
	  .act = do_receive,
	  .wait_ms = 2000,
	  .rouse = rouse_with_message },
	{ .name = "lane-receive-first",
	  .what = "the first read of a connection, after which its direction moves",
	  .with = WITH(.part = TALKS, .fresh = true, .is_told = true, .size = SOCKET_SMALL),
	  .act = do_receive },
	{ .name = "lane-receive-moves",
	  .what = "a message with which a direction moves, while the victim sleeps",
	  .with = WITH(.part = TALKS, .fresh = true, .greeted = true, .is_told = true,
		       .size = SOCKET_SMALL),
	  .act = do_receive,
	  .wait_ms = 2000,
	  .rouse = rouse_with_message },
	{ .name = "lane-shutdown",
	  .what = "end the sending through shared memory",
	  .with = WITH(.part = TALKS, .greeted = true, .settled = true, .ahead = 1,
		       .size = SOCKET_SMALL),
	  .act = do_shutdown },
	{ .name = "lane-shutdown-wakes",
	  .what = "the same, while somebody sleeps for a message",
	  .with = WITH(.part = TALKS, .greeted = true, .settled = true, .ahead = 1,
		       .size = SOCKET_SMALL, .helper = HEARS),
	  .act = do_shutdown },
	{ .name = "lane-close",
	  .what = "close a connection in shared memory",
	  .with = WITH(.part = TALKS, .greeted = true, .settled = true, .ahead = 1,
		       .size = SOCKET_SMALL),
	  .act = do_close },
	{ .name = "lane-close-tcp",
	  .what = "the same of a tcp connection",
	  .with = WITH(.part = TALKS, .tcp = true, .greeted = true, .settled = true, .ahead = 1,
		       .size = SOCKET_SMALL),
	  .act = do_close },
	{ .name = "lane-close-unread",
	  .what = "close one with a message unread, while somebody sleeps for room",
	  .with = WITH(.part = TALKS, .greeted = true, .settled = true, .ahead = 1,
		       .size = SOCKET_LARGE, .helper = TELLS),
	  .act = do_close },
	{ .name = NULL },
};
