/* SPDX-License-Identifier: MIT */
/* A server under load: guests in numbers, killed, half-open, slow to read. It loses nothing, keeps
 * nothing, and holds up nobody. */
#include <errno.h>
#include <ferry/ferry.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "leftover.h"
#include "peer.h"
#include "stream.h"
#include "wire.h"

enum {
	MOST = 60000,   /* bytes of an answer */
	SLACK = 131072, /* bytes that malloc may keep for later */
};

/* ---- the server: one thread, no call of which ever waits ---- */

/* What the server tells. */
enum { GUESTS, DESCRIPTORS, MEMORY, SERVED };

struct guest {
	ferry_socket *socket;
	uint32_t owed; /* bytes of the answer that had no room at all; 0: none */
	int sends;     /* waits for room, not for requests */
};

struct server {
	ferry_listener *listener;
	struct stage *stage;
	int loop;
};

static void listen_for(const struct server *server, struct guest *guest, int operation)
{
	struct epoll_event event = { .events = guest->sends ? EPOLLOUT : EPOLLIN,
				     .data.ptr = guest };

	check_eq(epoll_ctl(server->loop, operation, ferry_socket_fd(guest->socket), &event), 0);
}

static void part(const struct server *server, struct guest *guest)
{
	ferry_socket_close(guest->socket);
	free(guest);
	atomic_fetch_sub(&server->stage->value[GUESTS], 1);
}

static void greet(const struct server *server)
{
	ferry_socket *socket;

	while (ferry_accept(&socket, server->listener, FERRY_NOW) == 0) {
		struct guest *guest = calloc(1, sizeof *guest);
		check(guest);
		guest->socket = socket;
		listen_for(server, guest, EPOLL_CTL_ADD);
		atomic_fetch_add(&server->stage->value[GUESTS], 1);
		atomic_fetch_add(&server->stage->value[SERVED], 1);
	}
}

/* Send the answer that is owed. 1: all is out; 0: no room; or an error. */
static int pay(struct guest *guest)
{
	static unsigned char answer[MOST];
	const int r = ferry_socket_flush(guest->socket, FERRY_NOW);

	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	if (guest->owed == 0)
		return 1;
	stream_fill(answer, 0, guest->owed);
	const int sent = ferry_socket_send(guest->socket, answer, guest->owed, FERRY_NOW);
	if (sent == 0 || sent == -EINPROGRESS)
		guest->owed = 0;
	return sent == 0 ? 1 : sent == -EAGAIN || sent == -EINPROGRESS ? 0 : sent;
}

/* Everything that can be done for a guest without waiting. 0, or why it is parted with. */
static int serve(struct guest *guest)
{
	for (;;) {
		uint32_t size = 0;
		const int r = pay(guest);
		guest->sends = r == 0;
		if (r <= 0)
			return r;
		const ssize_t n =
		    ferry_socket_receive(guest->socket, &size, sizeof size, FERRY_NOW);
		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		if (n != sizeof size || size == 0 || size > MOST)
			return -EBADMSG;
		guest->owed = size;
	}
}

static void tell(struct stage *stage)
{
	atomic_store(&stage->value[DESCRIPTORS], leftover_descriptors());
	atomic_store(&stage->value[MEMORY], (int64_t)mallinfo2().uordblks);
}

static void run_server(struct stage *stage, const void *argument)
{
	struct server server = { .listener = *(ferry_listener *const *)argument,
				 .stage = stage,
				 .loop = epoll_create1(EPOLL_CLOEXEC) };
	struct epoll_event event = { .events = EPOLLIN }, ready[64];

	check_eq(epoll_ctl(server.loop, EPOLL_CTL_ADD, ferry_listener_fd(server.listener), &event),
		 0);
	stage_reach(stage, 1);
	while (atomic_load(&stage->allowed) < 2) {
		const int n = epoll_wait(server.loop, ready, 64, 10);
		for (int i = 0; i < n; i++) {
			struct guest *guest = ready[i].data.ptr;
			if (!guest) {
				greet(&server);
				continue;
			}
			const int sent_before = guest->sends;
			if (serve(guest) < 0)
				part(&server, guest);
			else if (guest->sends != sent_before)
				listen_for(&server, guest, EPOLL_CTL_MOD);
		}
		if (n == 0)
			tell(stage);
	}
	close(server.loop);
	ferry_listener_close(server.listener);
}

/* ---- guests ---- */

static ferry_socket *enter(const char *address)
{
	ferry_socket *socket;

	check_eq(ferry_connect(&socket, address, NULL, box_patience()), 0);
	return socket;
}

static int ask(ferry_socket *socket, uint32_t size)
{
	return ferry_socket_send(socket, &size, sizeof size, box_patience());
}

static void hear(ferry_socket *socket, uint32_t size)
{
	static unsigned char answer[MOST];

	check_eq(ferry_socket_receive(socket, answer, sizeof answer, box_patience()), size);
	stream_match(answer, 0, size);
}

/* ---- what is measured ---- */

struct load {
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener; /* the server's; ours to remove its file */
	struct peer server;
	int64_t descriptors, memory; /* of the server, before */
};

static void expect_guests(struct load *load, int64_t n)
{
	await(atomic_load(&load->server.stage->value[GUESTS]) == n);
}

/* The server has nothing to do, and has told what it has. */
static void settle(struct load *load, int64_t guests)
{
	expect_guests(load, guests);
	atomic_store(&load->server.stage->value[DESCRIPTORS], 0);
	await(atomic_load(&load->server.stage->value[DESCRIPTORS]) > 0);
}

static void load_begin(struct load *load, const struct wire_kind *kind)
{
	const struct rlimit many = { 4096, 4096 };

	if (setrlimit(RLIMIT_NOFILE, &many) != 0)
		check_skip("needs 2000 descriptors");
	load->listener = wire_listen(kind, load->address);
	peer_start(&load->server, run_server, &load->listener);
	peer_await(&load->server, 1);
	/* What is made once, at the first use, is not counted. */
	for (int i = 0; i < 100; i++) {
		ferry_socket *socket = enter(load->address);
		check_eq(ask(socket, MOST), 0);
		hear(socket, MOST);
		ferry_socket_close(socket);
	}
	settle(load, 0);
	load->descriptors = atomic_load(&load->server.stage->value[DESCRIPTORS]);
	load->memory = atomic_load(&load->server.stage->value[MEMORY]);
}

static void load_end(struct load *load)
{
	settle(load, 0);
	check_eq(atomic_load(&load->server.stage->value[DESCRIPTORS]), load->descriptors);
	check(atomic_load(&load->server.stage->value[MEMORY]) < load->memory + SLACK);
	peer_allow(&load->server, 2);
	peer_join(&load->server);
	ferry_listener_close(load->listener);
}

/* ---- claims ---- */

struct visits {
	const char *address;
	int n;
};

static void visit(struct stage *stage, const void *argument)
{
	const struct visits *visits = argument;

	(void)stage;
	for (int i = 0; i < visits->n; i++) {
		const uint32_t size = 1 + (uint32_t)i * 131 % 5000;
		ferry_socket *socket = enter(visits->address);
		check_eq(ask(socket, size), 0);
		hear(socket, size);
		ferry_socket_close(socket);
	}
}

static void guests_come_and_go_and_leave_nothing(void)
{
	enum { AT_A_TIME = 4 };

	for (size_t k = 0; k < 3; k += 2) {
		struct load load;
		struct peer peers[AT_A_TIME];
		load_begin(&load, &wire_kinds[k]);
		const int64_t before = atomic_load(&load.server.stage->value[SERVED]);
		const struct visits visits = { load.address, check_repeat(500, 2500) };
		for (int i = 0; i < AT_A_TIME; i++)
			peer_start(&peers[i], visit, &visits);
		for (int i = 0; i < AT_A_TIME; i++)
			peer_join(&peers[i]);
		check_eq(atomic_load(&load.server.stage->value[SERVED]) - before,
			 AT_A_TIME * visits.n);
		load_end(&load);
	}
}

static void a_thousand_guests_at_once_are_all_answered(void)
{
	enum { N = 1000 };
	static ferry_socket *sockets[N];

	for (size_t k = 0; k < 3; k += 2) {
		struct load load;
		load_begin(&load, &wire_kinds[k]);
		for (int i = 0; i < N; i++)
			sockets[i] = enter(load.address);
		expect_guests(&load, N);
		for (uint32_t round = 1; round <= 3; round++) {
			for (int i = 0; i < N; i++)
				check_eq(ask(sockets[i], round * 1000), 0);
			for (int i = N - 1; i >= 0; i--)
				hear(sockets[i], round * 1000);
		}
		for (int i = 0; i < N; i++)
			ferry_socket_close(sockets[i]);
		load_end(&load);
	}
}

static void visit_until_killed(struct stage *stage, const void *argument)
{
	for (;;) {
		ferry_socket *socket = enter(argument);
		for (uint32_t i = 1; i < 4; i++) {
			check_eq(ask(socket, i * 9973), 0);
			stage_reach(stage, 1);
			hear(socket, i * 9973);
		}
		ferry_socket_close(socket);
	}
}

static void guests_killed_at_random_leave_nothing(void)
{
	enum { AT_A_TIME = 3 };
	const int rounds = check_repeat(30, 2000);

	for (size_t k = 0; k < 3; k += 2) {
		struct load load;
		load_begin(&load, &wire_kinds[k]);
		for (int i = 0; i < rounds; i++) {
			struct peer peers[AT_A_TIME];
			for (int j = 0; j < AT_A_TIME; j++)
				peer_start(&peers[j], visit_until_killed, load.address);
			for (int j = 0; j < AT_A_TIME; j++) {
				peer_await(&peers[j], 1);
				for (int pause = 0; pause < (i + j) % 5; pause++)
					clock_pause();
				peer_kill(&peers[j]);
			}
			visit(NULL, &(struct visits){ load.address, 1 });
		}
		load_end(&load);
	}
}

static void half_open_guests_and_slow_readers_hold_up_nobody(void)
{
	enum { HALVES = 50, SLOW = 50, OWED = 100 };
	ferry_socket *halves[HALVES], *slow[SLOW];

	for (size_t k = 0; k < 3; k += 2) {
		struct load load;
		load_begin(&load, &wire_kinds[k]);
		for (int i = 0; i < HALVES; i++) {
			/* A part of a header, or of a message. */
			halves[i] = enter(load.address);
			check(ferry_socket_write(halves[i], "\0\0\0\4xyz", (size_t)(i % 7) + 1,
						 box_patience()) > 0);
		}
		for (int i = 0; i < SLOW; i++) {
			slow[i] = enter(load.address);
			for (int j = 0; j < OWED; j++)
				check_eq(ask(slow[i], MOST), 0);
		}
		expect_guests(&load, HALVES + SLOW);
		visit(NULL, &(struct visits){ load.address, 200 });
		for (int i = 0; i < SLOW; i++) {
			/* Every other one reads all after all; the others leave. */
			for (int j = 0; i % 2 == 0 && j < OWED; j++)
				hear(slow[i], MOST);
			ferry_socket_close(slow[i]);
		}
		expect_guests(&load, HALVES);
		visit(NULL, &(struct visits){ load.address, 20 });
		for (int i = 0; i < HALVES; i++)
			ferry_socket_close(halves[i]);
		load_end(&load);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(guests_come_and_go_and_leave_nothing),
		claim(a_thousand_guests_at_once_are_all_answered),
		claim(guests_killed_at_random_leave_nothing),
		claim(half_open_guests_and_slow_readers_hold_up_nobody),
	};

	return claim_run_all(claims);
}
