/* SPDX-License-Identifier: MIT */
/* Connections in shared memory (C9): nobody else gets in between, bad offers are refused, and what
 * the other end scribbles harms nobody. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "enemy.h"
#include "leftover.h"
#include "peer.h"
#include "plain.h"
#include "scratch.h"
#include "stream.h"
#include "visitor.h"
#include "wire.h"

/* ---- strangers ---- */

static void connect_as_nobody(struct stage *stage, const void *argument)
{
	ferry_socket *socket;

	(void)stage;
	peer_become_nobody();
	check_eq(ferry_connect(&socket, argument, NULL, box_patience()), 0);
	for (int i = 0; i < 2; i++) {
		wire_write(socket, "question");
		wire_expect(socket, "answer");
	}
	ferry_socket_close(socket);
}

static void over_tcp_another_user_stays_outside(void)
{
	const struct wire_kind *kinds[] = { &wire_kinds[0], &wire_kinds[3] };

	if (geteuid() != 0)
		check_skip("becoming another user needs root");
	for (int k = 0; k < 2; k++) {
		char address[FERRY_ADDRESS_MAX];
		ferry_listener *listener = wire_listen(kinds[k], address);
		struct peer peer;
		ferry_socket *server;
		peer_start(&peer, connect_as_nobody, address);
		check_eq(ferry_accept(&server, listener, box_patience()), 0);
		for (int i = 0; i < 2; i++) {
			wire_expect(server, "question");
			wire_write(server, "answer");
		}
		/* Over unix, who is at the other end is known, whoever it is. */
		check_eq(wire_moved(server), k == 0 ? 0 : WIRE_BOTH);
		wire_expect_end(server);
		peer_join(&peer);
		ferry_socket_close(server);
		ferry_listener_close(listener);
	}
}

/* Keep the desk of somebody else's address. */
struct squat {
	char name[FERRY_ADDRESS_MAX];
	int nobody;
};

static void keep_a_desk(struct stage *stage, const void *argument)
{
	const struct squat *squat = argument;
	struct sockaddr_un name;
	const socklen_t size = visitor_name(&name, squat->name);
	char packet[64];

	if (squat->nobody)
		peer_become_nobody();
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	check_eq(bind(fd, (struct sockaddr *)&name, size), 0);
	check_eq(listen(fd, 10), 0);
	stage_reach(stage, 1);
	const int visitor = accept(fd, NULL, NULL);
	check(visitor >= 0);
	const ssize_t n = recv(visitor, packet, sizeof packet, 0);
	/* Another user is offered nothing; one of this user's other programs gets nothing that is
	 * used. */
	check_eq(n, squat->nobody ? 0 : 16);
	stage_reach(stage, 2);
	pause();
}

/* Somebody connects there meanwhile, and has a plain connection. */
static void connects_plainly_beside(const struct squat *squat, const char *address, int listening)
{
	ferry_socket *client;
	struct peer peer;
	char byte;

	peer_start(&peer, keep_a_desk, squat);
	peer_await(&peer, 1);
	check_eq(ferry_connect(&client, address, NULL, box_patience()), 0);
	const int server = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	check(server >= 0);
	peer_await(&peer, 2);
	check_eq(ferry_socket_read(client, &byte, 1, FERRY_NOW), -EAGAIN);
	wire_write(client, "question");
	plain_expect(server, "question");
	check_eq(wire_moved(client), 0);
	ferry_socket_close(client);
	close(server);
	close(listening);
	peer_kill(&peer);
}

static void whoever_keeps_the_desk_of_another_gets_nothing(void)
{
	const int users = geteuid() == 0 ? 2 : 1;

	for (int nobody = 0; nobody < users; nobody++) {
		struct squat squat = { .nobody = nobody };
		char address[FERRY_ADDRESS_MAX];
		const int listening = plain_listen(AF_INET, address);
		memcpy(squat.name, address, sizeof address);
		connects_plainly_beside(&squat, address, listening);
	}
}

/* Of a unix connection the kernel says who is at its other end: not the desk's owner. */
static void a_desk_must_be_the_listener_s(void)
{
	char address[FERRY_ADDRESS_MAX];
	struct squat squat = { 0 };
	const int listening = plain_listen(AF_UNIX, address);

	snprintf(squat.name, sizeof squat.name, "%s", address);
	connects_plainly_beside(&squat, address, listening);
	(void)unlink(scratch_path("plain"));
}

/* ---- bad offers ---- */

static void visit(const char *address, const void *packet, size_t size, const int *fds, int n)
{
	const int visit = visitor_come(address);

	if (size > 0)
		visitor_leave(visit, packet, size, fds, n);
	close(visit);
}

static void offer(const char *address, int client, int memory)
{
	const int visit = visitor_come(address);

	visitor_offer(visit, client, memory);
	close(visit);
}

static void bad_offers_leave_the_connection_plain(void)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	const off_t all = 4096 + 2 * 131072;
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener = wire_listen(&wire_kinds[0], address);
	const int bad[] = {
		visitor_memory_of(all, F_SEAL_SHRINK, 1),
		visitor_memory_of(all, F_SEAL_SHRINK | F_SEAL_GROW, 1),
		visitor_memory_of(all - 4096, seals, 1),
		visitor_memory_of(all + 4096, seals, 1),
		visitor_memory_of(4096, seals, 1),
		visitor_memory_of(all, seals, 2),
		visitor_memory_of(all, seals | F_SEAL_FUTURE_WRITE, 1),
		open("/dev/zero", O_RDWR | O_CLOEXEC),
	};
	const int n = (int)(sizeof bad / sizeof bad[0]);
	const int before = leftover_descriptors();

	for (int i = 0; i < n; i++) {
		ferry_socket *server;
		const int client = plain_connect(address);
		visit(address, "", 0, NULL, 0);
		visit(address, "nonsense", 8, bad, 8);
		visit(address, "0123456789abcdef", 16, bad, 3);
		offer(address, client, bad[i]);
		check_eq(ferry_accept(&server, listener, box_patience()), 0);
		check_eq(send(client, "question", 8, 0), 8);
		wire_expect(server, "question");
		wire_write(server, "answer");
		plain_expect(client, "answer");
		check_eq(wire_moved(server), 0);
		ferry_socket_close(server);
		close(client);
		check_eq(ferry_accept(&server, listener, FERRY_NOW), -EAGAIN);
		check_eq(leftover_descriptors(), before);
	}
	for (int i = 0; i < n; i++)
		close(bad[i]);
	ferry_listener_close(listener);
}

/* ---- a hostile other end ---- */

static unsigned char *find_memory(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned char *at = NULL;

	check(maps);
	while (!at && fgets(line, sizeof line, maps))
		if (strstr(line, "ferry-connection"))
			at = (unsigned char *)(uintptr_t)strtoull(line, NULL, 16);
	fclose(maps);
	return at;
}

static void use_at_random(ferry_socket *socket)
{
	static unsigned char data[40000 + 128];
	struct ferry_socket_stat stat;
	const size_t size = 1 + enemy_any() % (enemy_any() % 3 ? 300 : 40000);
	ssize_t r;

	switch (enemy_any() % 6) {
	case 0:
	case 1:
		r = ferry_socket_write(socket, data, size, enemy_deadline());
		enemy_known(r);
		check(r <= (ssize_t)size);
		break;
	case 2:
	case 3:
		memset(data + size, 0x5a, 128);
		r = ferry_socket_read(socket, data, size, enemy_deadline());
		enemy_known(r);
		check(r <= (ssize_t)size);
		for (int i = 0; i < 128; i++)
			check(data[size + (size_t)i] == 0x5a);
		break;
	case 4:
		enemy_known(ferry_socket_stat(socket, &stat));
		break;
	default:
		(void)ferry_socket_fd(socket);
		enemy_known(ferry_socket_receive(socket, data, 300, enemy_deadline()));
	}
}

static void be_the_victim(struct stage *stage, const void *argument)
{
	ferry_socket *server = (ferry_socket *)(uintptr_t)argument;

	alarm(60);
	enemy_seed((uint64_t)atomic_load(&stage->value[0]));
	wire_expect(server, "question");
	wire_write(server, "answer");
	stage_reach(stage, 1);
	for (int i = 0; i < 3000; i++)
		use_at_random(server);
	ferry_socket_close(server);
}

static void scribbling_in_the_memory_harms_nobody_else(void)
{
	const int rounds = check_repeat(12, 1000);

	for (int i = 0; i < rounds; i++) {
		const struct wire_kind *kind = &wire_kinds[i % 2 ? 0 : 2];
		struct wire wire = wire_make(kind, NULL);
		struct peer victim;
		char buffer[300];
		peer_start(&victim, be_the_victim, wire.server);
		ferry_socket_close(wire.server);
		unsigned char *memory = find_memory();
		check(memory != NULL);
		atomic_store(&victim.stage->value[0], i);
		wire_write(wire.client, "question");
		wire_expect(wire.client, "answer");
		enemy_seed((uint64_t)i);
		for (int k = 0; k < 20000 && kill(victim.pid, 0) == 0; k++) {
			if (k % 7 == 0)
				enemy_change_words(memory, 64, 1728, 1 + k % 3);
			if (k % 5 == 0)
				(void)ferry_socket_write(wire.client, buffer, sizeof buffer,
							 FERRY_NOW);
			if (k % 5 == 1)
				(void)ferry_socket_read(wire.client, buffer, sizeof buffer,
							FERRY_NOW);
			if (k % 50 == 0 && victim.stage->reached > 1)
				break;
		}
		ferry_socket_close(wire.client);
		enemy_victim_ends(&victim, (uint64_t)i);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(over_tcp_another_user_stays_outside),
		claim(whoever_keeps_the_desk_of_another_gets_nothing),
		claim(a_desk_must_be_the_listener_s),
		claim(bad_offers_leave_the_connection_plain),
		claim(scribbling_in_the_memory_harms_nobody_else),
	};

	return claim_run_all(claims);
}
