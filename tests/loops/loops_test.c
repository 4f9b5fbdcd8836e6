/* SPDX-License-Identifier: MIT */
/* Real event loops serve a mailbox through ferry_fd(), beside timers and sockets of their own: none
 * of 100,000 messages is lost, nobody else in the loop starves, and nothing runs when there is
 * nothing to do. The servers are programs of their own, one for each loop. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "enemy.h"
#include "peer.h"
#include "served.h"

enum {
	MESSAGES = 100000,
	IDLE_MS = 600,
	IDLE_TIMES = 5,
	WORDS_LEAST = 20, /* exchanged over the socket while the mailbox is served */
};

/* A server that runs, and our end of its socket. */
struct server {
	pid_t pid;
	int socket;
};

/* The variable has a program, or a program and an argument with a space between. */
static _Noreturn void run_server(const char *command, int socket, int with_mailbox)
{
	char line[4096];
	char *arguments[4] = { 0 };
	int n = 0;

	snprintf(line, sizeof line, "%s", command);
	for (char *word = strtok(line, " "); word && n < 2; word = strtok(NULL, " "))
		arguments[n++] = word;
	if (with_mailbox)
		arguments[n] = line;
	if (dup2(socket, SERVED_SOCKET) < 0)
		_exit(126);
	(void)execv(arguments[0], arguments);
	_exit(127);
}

static struct server start(const char *command, int with_mailbox)
{
	struct server server;
	int ends[2];

	check_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	server.pid = fork();
	check(server.pid >= 0);
	if (server.pid == 0) {
		close(ends[1]);
		run_server(command, ends[0], with_mailbox);
	}
	close(ends[0]);
	server.socket = ends[1];
	return server;
}

static void ask(const struct server *server, char word, void *answer, size_t size)
{
	size_t got = 0;

	check_eq(write(server->socket, &word, 1), 1);
	while (got < size) {
		ssize_t n = read(server->socket, (char *)answer + got, size - got);

		check(n > 0);
		got += (size_t)n;
	}
}

static void exchange_word(const struct server *server)
{
	char answer = 0;

	ask(server, 'e', &answer, 1);
	check_eq(answer, 'e');
}

static struct served_report ask_report(const struct server *server)
{
	struct served_report report;

	ask(server, 'r', &report, sizeof report);
	return report;
}

static void end(struct server *server)
{
	int status;

	check_eq(write(server->socket, "q", 1), 1);
	check_eq(waitpid(server->pid, &status, 0), server->pid);
	check_eq(status, 0);
	close(server->socket);
}

/* CPU time in us that a server took since then, when it had nothing but its timer. */
static int64_t idle_us(const struct server *server, const struct served_report *before)
{
	struct served_report after = ask_report(server);

	check_eq(after.messages, before->messages);
	check(after.ticks > before->ticks);
	check(after.calls <= before->calls + 2); /* a wake or two from what was before */
	return (int64_t)(after.cpu_us - before->cpu_us);
}

/* In bursts, so that the server is now asleep, now behind. */
static void send_all(struct stage *stage, const void *unused)
{
	ferry_mailbox *box = box_open("orders", NULL);
	uint64_t number = 0;

	(void)unused;
	enemy_seed(7);
	while (number < MESSAGES) {
		uint64_t burst = 1 + enemy_any() % 500;

		for (; burst > 0 && number < MESSAGES; burst--) {
			number++;
			check_eq(ferry_mailbox_send(box, &number, sizeof number, box_patience()),
				 0);
		}
		if (enemy_any() % 4 == 0)
			await(box_stat(box).messages == 0);
		atomic_store(&stage->value[0], (int64_t)number);
	}
	ferry_mailbox_close(box);
}

static void serve_traffic(const struct server *server)
{
	const int64_t give_up = clock_ns() + check_repeat(120, 1200) * 1000000000LL;
	struct served_report before = ask_report(server);
	struct served_report report = before;
	struct peer sender;
	int words = 0;

	check_eq(before.messages, 0);
	peer_start(&sender, send_all, NULL);
	for (; report.messages < MESSAGES; words++) {
		check(clock_ns() < give_up);
		exchange_word(server);
		report = ask_report(server);
	}
	peer_join(&sender);
	check_eq(report.messages, MESSAGES);
	check_eq(report.wrong, 0);
	check(report.ticks > before.ticks);
	check(words >= WORDS_LEAST);
	check(report.calls <= MESSAGES + MESSAGES / 10);
	check(report.empty <= MESSAGES / 10);
}

static void pass_idle_time(void)
{
	const int64_t over = clock_ns() + IDLE_MS * 1000000LL;

	while (clock_ns() < over)
		clock_pause();
}

/* A hundredth of a core more than the same loop without ferry in the same time is allowed, both
 * with noise. This is a time that is measured, not one that something is hoped to happen in; if it
 * was too short to be sure of it (usage_is_doubtful()), it becomes a longer one. */
static void check_quiet(const char *when, const struct server *server, const struct server *without)
{
	const struct served_report before = ask_report(server);
	const struct served_report before_without = ask_report(without);

	for (int i = 1;; i++) {
		pass_idle_time();
		const int64_t us = idle_us(server, &before);
		const int64_t without_us = idle_us(without, &before_without);
		if (us <= without_us * 2 + i * IDLE_MS * 1000 / 100)
			return;
		if (i == IDLE_TIMES)
			check_failed(__FILE__, __LINE__,
				     "%s: %jd us of CPU time in %d ms, without ferry %jd", when,
				     (intmax_t)us, i * IDLE_MS, (intmax_t)without_us);
	}
}

static void serves(const char *variable)
{
	const char *command = getenv(variable);
	ferry_mailbox *box;
	struct server server, without;

	if (!command || !*command)
		check_skip("the loop is not to be had here");
	without = start(command, 0);
	box = box_open("orders", FERRY_MAILBOX_OPTIONS(.messages = 256));
	server = start(command, 1);
	check_quiet("before the first message", &server, &without);
	serve_traffic(&server);
	check_quiet("after the last message", &server, &without);
	end(&server);
	end(&without);
	box_end(box, "orders");
}

static void c7_epoll_serves_a_mailbox_beside_timer_and_socket(void)
{
	serves("FERRY_TEST_LOOP_EPOLL");
}

static void c7_libuv_serves_a_mailbox_beside_timer_and_socket(void)
{
	serves("FERRY_TEST_LOOP_LIBUV");
}

static void c7_asyncio_serves_a_mailbox_beside_timer_and_socket(void)
{
	serves("FERRY_TEST_LOOP_ASYNCIO");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c7_epoll_serves_a_mailbox_beside_timer_and_socket),
		claim(c7_libuv_serves_a_mailbox_beside_timer_and_socket),
		claim(c7_asyncio_serves_a_mailbox_beside_timer_and_socket),
	};

	return claim_run_all(claims);
}
