/* SPDX-License-Identifier: MIT */
/* Sockets when somebody else does the worst that is allowed: stands still, floods, steals, or is
 * killed and never waited for long enough. */
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "leftover.h"
#include "peer.h"
#include "plain.h"
#include "scratch.h"
#include "visitor.h"
#include "wire.h"

/* ---- a handle that two processes have ---- */

/* As one that was stopped inside a try. */
static void stand_still(struct stage *stage, const void *argument)
{
	ferry_socket *socket = (ferry_socket *)(uintptr_t)argument;
	struct flock both = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 2 };

	check_eq(fcntl(ferry_socket_fd(socket), F_SETLK, &both), 0);
	stage_reach(stage, 1);
	pause();
}

static void who_does_not_wait_is_not_held_up_by_a_process_that_stands_still(void)
{
	for (int k = 0; k < 2; k++) {
		struct wire wire = wire_make(&wire_kinds[k == 0 ? 0 : 2], NULL);
		struct peer peer;
		char text[16];

		wire_write(wire.server, "answer");
		peer_start(&peer, stand_still, wire.client);
		peer_await(&peer, 1);
		check_eq(ferry_socket_read(wire.client, text, sizeof text, FERRY_NOW), -EAGAIN);
		check_eq(ferry_socket_write(wire.client, "question", 8, FERRY_NOW), -EAGAIN);
		check_eq(ferry_socket_write(wire.client, "question", 8, ferry_in_ms(1)),
			 -ETIMEDOUT);
		peer_kill(&peer);
		wire_expect(wire.client, "answer");
		wire_write(wire.client, "question");
		wire_expect(wire.server, "question");
		wire_close(&wire);
	}
}

/* ---- a peer that was killed ---- */

static void talk_and_wait(struct stage *stage, const void *address)
{
	ferry_socket *client;
	char byte;

	check_eq(ferry_connect(&client, address, NULL, box_patience()), 0);
	for (int i = 0; i < 2; i++) {
		wire_write(client, "question");
		check_eq(ferry_socket_read(client, &byte, 1, FERRY_NOW), -EAGAIN);
		stage_meet(stage, (uint32_t)i + 1);
		wire_expect(client, "answer");
	}
	stage_meet(stage, 3);
}

/* Who waits for a moment, again and again, never sleeps; the kernel is asked all the same. */
static void c6_the_end_is_found_by_who_never_waits_long(void)
{
	for (int k = 0; k < 2; k++) {
		char address[FERRY_ADDRESS_MAX], byte;
		ferry_listener *listener = wire_listen(&wire_kinds[k == 0 ? 0 : 2], address);
		ferry_socket *server;
		struct peer peer;
		ssize_t r;

		peer_start(&peer, talk_and_wait, address);
		check_eq(ferry_accept(&server, listener, box_patience()), 0);
		for (uint32_t i = 1; i <= 2; i++) {
			wire_expect(server, "question");
			peer_await(&peer, i);
			wire_write(server, "answer");
			peer_allow(&peer, i);
		}
		peer_await(&peer, 3);
		check_eq(wire_moved(server), WIRE_BOTH);
		check_eq(ferry_socket_read(server, &byte, 1, 1), -ETIMEDOUT);
		peer_kill(&peer);
		await((r = ferry_socket_read(server, &byte, 1, 1)) != -ETIMEDOUT);
		check_eq(r, 0);
		ferry_socket_close(server);
		ferry_listener_close(listener);
	}
}

/* ---- two threads ---- */

static _Atomic uint64_t written;

static void *write_to_the_end(void *socket)
{
	char some[24] = "";
	ssize_t r;

	while ((r = ferry_socket_write(socket, some, sizeof some, box_patience())) > 0)
		atomic_fetch_add(&written, (uint64_t)r);
	check_eq(r, -EPIPE);
	return NULL;
}

/* Whatever a write took comes before the end, also if another thread ends the sending meanwhile. */
static void c2_what_was_written_comes_before_an_end_made_at_once(void)
{
	const int rounds = check_repeat(300, 2000);

	for (int i = 0; i < rounds; i++) {
		struct wire wire = wire_make_moved(&wire_kinds[2]);
		uint64_t got = 0;
		char some[4096];
		pthread_t writer;
		ssize_t r;

		atomic_store(&written, 0);
		check_eq(pthread_create(&writer, NULL, write_to_the_end, wire.client), 0);
		while (atomic_load(&written) < (uint64_t)i % 64 * 24)
			;
		check_eq(ferry_socket_shutdown(wire.client, FERRY_WRITE), 0);
		while ((r = ferry_socket_read(wire.server, some, sizeof some, box_patience())) > 0)
			got += (uint64_t)r;
		check_eq(r, 0);
		check_eq(pthread_join(writer, NULL), 0);
		check_eq(got, atomic_load(&written));
		wire_close(&wire);
	}
}

/* ---- a limit ---- */

/* Memory for the connection would be a file of more bytes than the process may make: it stays a
 * plain socket, and nobody is ended by a signal. */
static void where_files_must_be_small_connections_are_plain(void)
{
	const struct rlimit limit = { 1000, 1000 };

	check_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	wire_each_stream(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		wire_talk(&wire);
		check_eq(wire_moved(wire.client), 0);
		wire_close(&wire);
	}
}

/* ---- packets ---- */

enum { SMALL = 5, LARGE = 100 };

static void *steal(void *argument)
{
	char packet[LARGE];

	ssize_t r;

	do
		r = ferry_socket_read(argument, packet, sizeof packet, FERRY_NOW);
	while (r != 0);
	return NULL;
}

static void send_packets(struct stage *stage, const void *argument)
{
	ferry_socket *socket = (ferry_socket *)(uintptr_t)argument;
	const int rounds = check_repeat(20000, 1000000);
	const char packet[LARGE] = "";

	(void)stage;
	for (int i = 0; i < rounds; i++)
		check_eq(ferry_socket_send(socket, packet, i % 2 ? LARGE : SMALL, box_patience()),
			 0);
	check_eq(ferry_socket_shutdown(socket, FERRY_WRITE), 0);
}

/* Somebody else may take the packet that was looked at; what comes then is looked at, too. */
static void a_packet_is_never_said_to_be_larger_than_the_room(void)
{
	ferry_socket *near, *far;
	struct peer peer;
	pthread_t thief;
	ssize_t r;

	check_eq(ferry_socket_pair(&near, &far, FERRY_UNIX_SEQPACKET, NULL), 0);
	peer_start(&peer, send_packets, far);
	ferry_socket_close(far);
	check_eq(pthread_create(&thief, NULL, steal, near), 0);
	do {
		char packet[2 * SMALL];
		r = ferry_socket_receive(near, packet, sizeof packet, box_patience());
		check(r == SMALL || r == -EMSGSIZE || r == -ENODATA);
	} while (r != -ENODATA);
	check_eq(pthread_join(thief, NULL), 0);
	peer_join(&peer);
	ferry_socket_close(near);
}

/* Of a program that sends such. */
static void an_empty_packet_is_not_the_end_while_others_are_behind_it(void)
{
	ferry_socket *socket;
	int ends[2];
	char text[8];

	check_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	check_eq(ferry_socket_adopt(&socket, ends[0], NULL), 0);
	check_eq(send(ends[1], "", 0, 0), 0);
	check_eq(send(ends[1], "text", 4, 0), 4);
	close(ends[1]);
	check_eq(ferry_socket_receive(socket, text, sizeof text, box_patience()), 0);
	check_eq(ferry_socket_receive(socket, text, sizeof text, box_patience()), 4);
	check_eq(ferry_socket_receive(socket, text, sizeof text, box_patience()), -ENODATA);
	ferry_socket_close(socket);
}

/* The kernel calls a socket writable whose datagram has no room at the other end. */
static void c7_who_sends_to_a_full_socket_waits_idle(void)
{
	struct ferry_endpoint endpoint;
	ferry_socket *sender, *receiver;
	char address[FERRY_ADDRESS_MAX], text[8];
	int r;

	snprintf(address, sizeof address, "unix-dgram:%s", scratch_path("socket"));
	check_eq(ferry_socket_bind(&receiver, address, NULL, box_patience()), 0);
	check_eq(ferry_socket_bind(&sender, "unix-dgram:@", NULL, box_patience()), 0);
	check_eq(ferry_endpoint_resolve(&endpoint, address, FERRY_NOW, NULL), 0);
	do
		r = ferry_socket_send_to(sender, &endpoint, "text", 4, FERRY_NOW);
	while (r == 0);
	check_eq(r, -EAGAIN);
	const struct usage before = usage_now();
	check_eq(ferry_socket_send_to(sender, &endpoint, "text", 4, ferry_in_ms(300)), -ETIMEDOUT);
	const struct usage after = usage_now();
	check(after.cpu_ns - before.cpu_ns < (after.at - before.at) / 4);
	check_eq(ferry_socket_receive(receiver, text, sizeof text, FERRY_NOW), 4);
	check_eq(ferry_socket_send_to(sender, &endpoint, "text", 4, box_patience()), 0);
	ferry_socket_close(sender);
	ferry_socket_close(receiver);
}

/* ---- a crowd at the desk ---- */

static void flood(struct stage *stage, const void *address)
{
	struct sockaddr_un name;
	const socklen_t size = visitor_name(&name, address);

	for (uint32_t i = 1;; i++) {
		const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		check(fd >= 0);
		(void)connect(fd, (struct sockaddr *)&name, size);
		close(fd);
		if (i == 5000)
			stage_reach(stage, 1);
	}
}

/* Anybody of the machine can visit the desk, again and again; connections are accepted all the
 * same. */
static void c9_visitors_of_the_desk_do_not_keep_from_accepting(void)
{
	enum { CROWD = 3 };
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener = wire_listen(&wire_kinds[0], address);
	struct peer peer[CROWD];

	for (int i = 0; i < CROWD; i++) {
		peer_start(&peer[i], flood, address);
		peer_await(&peer[i], 1);
	}
	for (int i = 0; i < 20; i++) {
		const int client = plain_connect(address);
		ferry_socket *server;

		check_eq(ferry_accept(&server, listener, box_patience()), 0);
		ferry_socket_close(server);
		close(client);
	}
	for (int i = 0; i < CROWD; i++)
		peer_kill(&peer[i]);
	ferry_listener_close(listener);
}

/* Another user stays at the desk with offers for connections that he never makes. */
static void stay(struct stage *stage, const void *address)
{
	struct sockaddr_un name;
	const socklen_t size = visitor_name(&name, address);
	const int memory = visitor_memory();

	peer_become_nobody();
	for (int i = 0; i < 70; i++) {
		const int visit = visitor_knock(&name, size);
		visitor_offer(visit, visit, memory);
	}
	stage_reach(stage, 1);
	pause();
}

/* He costs what his share is; the offers of this user count all the same; and it ends. */
static void visited_by_another_user(uint32_t mode, int share)
{
	char address[FERRY_ADDRESS_MAX], place[FERRY_ADDRESS_MAX];
	ferry_listener *listener;
	ferry_socket *server[2];
	struct wire moved;
	struct peer peer;

	snprintf(place, sizeof place, "unix:%s", scratch_path("socket"));
	check_eq(ferry_listen(&listener, place, FERRY_SOCKET_OPTIONS(.mode = mode), FERRY_NOW), 0);
	check(ferry_listener_address(listener, address, sizeof address) > 0);
	const int before = leftover_descriptors();
	const int plain = plain_connect(address);
	check_eq(ferry_connect(&moved.client, address, NULL, box_patience()), 0);
	peer_start(&peer, stay, address);
	peer_await(&peer, 1);
	for (int i = 0; i < 2; i++)
		check_eq(ferry_accept(&server[i], listener, box_patience()), 0);
	moved.server = server[1];
	wire_talk(&moved);
	check_eq(wire_moved(moved.client), WIRE_BOTH);
	wire_close(&moved);
	ferry_socket_close(server[0]);
	close(plain);
	/* A visit and a memory each. */
	check_eq(leftover_descriptors() - before, 2 * share);
	await(ferry_accept(&server[0], listener, FERRY_NOW) == -EAGAIN &&
	      leftover_descriptors() == before);
	peer_kill(&peer);
	ferry_listener_close(listener);
}

static void c9_other_users_have_a_small_share_of_the_desk(void)
{
	if (geteuid() != 0)
		check_skip("becoming another user needs root");
	const mode_t before = umask(0);
	visited_by_another_user(0666, 16);
	visited_by_another_user(0660, 16);
	umask(before);
}

static void c9_who_may_not_connect_leaves_nothing_at_the_desk(void)
{
	if (geteuid() != 0)
		check_skip("becoming another user needs root");
	visited_by_another_user(0600, 0);
}

/* ---- accepting is refused ---- */

static void accept_without_permission(struct stage *stage, const void *listener)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_accept4, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof code / sizeof code[0], code };
	ferry_socket *socket;

	(void)stage;
	check_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	check_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
	check_eq(ferry_accept(&socket, (ferry_listener *)(uintptr_t)listener, FERRY_FOREVER),
		 -EPERM);
}

/* Somebody waits, but a filter lets nobody accept: it is said, not tried for ever. */
static void who_may_not_accept_is_told(void)
{
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener = wire_listen(&wire_kinds[0], address);
	const int client = plain_connect(address);
	ferry_socket *server;
	struct peer peer;

	peer_start(&peer, accept_without_permission, listener);
	peer_join(&peer);
	check_eq(ferry_accept(&server, listener, FERRY_NOW), 0);
	ferry_socket_close(server);
	close(client);
	ferry_listener_close(listener);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
/* Memory that is taken piece by piece, smaller and smaller, until there is no more. */
struct piece {
	struct piece *next;
};

static void accept_without_memory(struct stage *stage, const void *argument)
{
	ferry_listener *listener = (ferry_listener *)(uintptr_t)argument;
	const struct rlimit none = { 0, RLIM_INFINITY }, all = { RLIM_INFINITY, RLIM_INFINITY };
	struct piece *pieces = NULL;
	ferry_socket *server = NULL;

	(void)stage;
	check_eq(setrlimit(RLIMIT_AS, &none), 0);
	for (size_t size = 1 << 20; size >= sizeof(struct piece);) {
		struct piece *piece = malloc(size);
		if (piece) {
			piece->next = pieces;
			pieces = piece;
		} else {
			size /= 2;
		}
	}
	const int r = ferry_accept(&server, listener, FERRY_NOW);
	while (pieces) {
		struct piece *piece = pieces;
		pieces = piece->next;
		free(piece);
	}
	check_eq(setrlimit(RLIMIT_AS, &all), 0);
	check_eq(r, -ENOMEM);
	check_eq(ferry_accept(&server, listener, FERRY_NOW), 0);
	wire_expect(server, "question");
	ferry_socket_close(server);
}

/* Whoever has no memory for a connection has not taken it. */
static void without_memory_the_connection_still_waits(void)
{
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener = wire_listen(&wire_kinds[0], address);
	const int client = plain_connect(address);
	struct peer peer;

	check_eq(send(client, "question", 8, 0), 8);
	peer_start(&peer, accept_without_memory, listener);
	peer_join(&peer);
	close(client);
	ferry_listener_close(listener);
}
#define WITHOUT_MEMORY claim(without_memory_the_connection_still_waits),
#else
#define WITHOUT_MEMORY /* a sanitizer's allocator has other limits */
#endif

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(who_does_not_wait_is_not_held_up_by_a_process_that_stands_still),
		claim(c6_the_end_is_found_by_who_never_waits_long),
		claim(c2_what_was_written_comes_before_an_end_made_at_once),
		claim(where_files_must_be_small_connections_are_plain),
		claim(a_packet_is_never_said_to_be_larger_than_the_room),
		claim(an_empty_packet_is_not_the_end_while_others_are_behind_it),
		claim(c9_visitors_of_the_desk_do_not_keep_from_accepting),
		claim(c9_other_users_have_a_small_share_of_the_desk),
		claim(c9_who_may_not_connect_leaves_nothing_at_the_desk),
		claim(c7_who_sends_to_a_full_socket_waits_idle),
		claim(who_may_not_accept_is_told),
		WITHOUT_MEMORY
	};

	return claim_run_all(claims);
}
