/* SPDX-License-Identifier: MIT */
/* The ends of a pipe across fork, _Fork, posix_spawn and exec, closed in any order (C11), and
 * across PID namespaces (C12). */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"
#include "stream.h"

#define OPTIONS FERRY_PIPE_OPTIONS

static struct stream stream;

/* Child keeps one end, parent the other; who closes what first differs with every bit. */
static void close_in_some_order(struct stage *stage, const void *argument)
{
	const unsigned order = *(const unsigned *)argument;

	if (order & 1)
		stage_wait(stage, 1);
	if (order & 2) { /* the child writes */
		ferry_pipe_close(stream.reader);
		stream_write_at(stream.writer, 0, 1000, FERRY_FOREVER);
		if (order & 4)
			_exit(0); /* its end is closed by its death */
		ferry_pipe_close(stream.writer);
	} else {
		ferry_pipe_close(stream.writer);
		stream_expect_at(stream.reader, 0, 1000, FERRY_FOREVER);
		stream_expect_end(stream.reader);
		if (order & 4)
			_exit(0);
		ferry_pipe_close(stream.reader);
	}
}

static void c11_parent_and_child_close_in_any_order(void)
{
	const int n = check_repeat(80, 4000);

	for (unsigned order = 0; order < (unsigned)n; order++) {
		struct peer peer;

		stream = stream_pair(NULL);
		peer_start(&peer, close_in_some_order, &order);
		if (order & 8)
			peer_allow(&peer, 1);
		if (order & 2) {
			ferry_pipe_close(stream.writer);
			stream.writer = NULL;
			peer_allow(&peer, 1);
			stream_expect_at(stream.reader, 0, 1000, FERRY_FOREVER);
			stream_expect_end(stream.reader);
		} else {
			ferry_pipe_close(stream.reader);
			stream.reader = NULL;
			peer_allow(&peer, 1);
			stream_write_at(stream.writer, 0, 1000, FERRY_FOREVER);
			ferry_pipe_close(stream.writer);
			stream.writer = NULL;
		}
		peer_join(&peer);
		stream_close(&stream);
	}
}

/* Both ends open, and no call of ferry: as a child between fork and its first line. */
static void idle(struct stage *stage, const void *argument)
{
	(void)argument;
	stage_meet(stage, 1);
}

static void c11_silent_child_holds_both_ends_until_it_is_gone(void)
{
	for (int i = 0; i < 20; i++) {
		struct peer peer;

		stream = stream_pair(NULL);
		peer_start(&peer, idle, NULL);
		peer_await(&peer, 1);
		ferry_pipe_close(stream.writer);
		stream.writer = NULL;
		for (int j = 0; j < 5; j++)
			stream_expect_empty(stream.reader);
		check_eq(stream_stat(stream.reader).has_writer, 1);
		if (i % 2)
			peer_stop(&peer);
		stream_expect_empty(stream.reader);
		peer_kill(&peer);
		stream_expect_end(stream.reader);
		check_eq(stream_stat(stream.reader).has_writer, 0);
		stream_close(&stream);
	}
}

static void c11_silent_child_is_a_reader_too(void)
{
	struct peer peer;
	ssize_t n;

	stream = stream_pair(OPTIONS(.capacity = 1 << 20));
	peer_start(&peer, idle, NULL);
	peer_await(&peer, 1);
	ferry_pipe_close(stream.reader);
	stream.reader = NULL;
	check_eq(ferry_pipe_write(stream.writer, "x", 1, FERRY_NOW), 1);
	peer_kill(&peer);
	await((n = ferry_pipe_write(stream.writer, "x", 1, FERRY_NOW)) != 1);
	check_eq(n, -EPIPE);
	stream_close(&stream);
}

static void keep_silent_child(struct stage *stage, const void *argument)
{
	const pid_t child = argument ? _Fork() : fork();

	if (child == 0)
		for (;;)
			pause();
	atomic_store(&stage->value[0], child);
	stage_meet(stage, 1);
}

/* A killed writer leaves a child behind that never called ferry: it has the end open still. */
static void orphan_keeps_the_end(const void *how)
{
	struct peer peer;
	pid_t orphan;

	stream = stream_pair(NULL);
	peer_start(&peer, keep_silent_child, how);
	peer_await(&peer, 1);
	orphan = (pid_t)atomic_load(&peer.stage->value[0]);
	ferry_pipe_close(stream.writer);
	stream.writer = NULL;
	peer_kill(&peer);
	for (int i = 0; i < 10; i++)
		stream_expect_empty(stream.reader);
	check_eq(kill(orphan, SIGKILL), 0);
	await(waitpid(orphan, NULL, WNOHANG) == orphan);
	stream_expect_end(stream.reader);
	stream_close(&stream);
}

static void c11_grandchild_of_fork_keeps_the_end_when_its_parent_is_killed(void)
{
	orphan_keeps_the_end(NULL);
}

static void c11_grandchild_of__fork_keeps_the_end_when_its_parent_is_killed(void)
{
	orphan_keeps_the_end("_Fork");
}

static void write_after__fork(void)
{
	stream_write(stream.writer, "child");
	_exit(0);
}

static void c11_child_of__fork_may_write(void)
{
	pid_t child;
	int status;

	stream = stream_pair(NULL);
	child = _Fork();
	if (child == 0)
		write_after__fork();
	check_eq(waitpid(child, &status, 0), child);
	check_eq(status, 0);
	stream_write(stream.writer, "parent");
	stream_expect(stream.reader, "childparent");
	stream_close(&stream);
}

static void c11_spawned_programs_have_no_end(void)
{
	char *const arguments[] = { (char[]){ "sleep" }, (char[]){ "1000" }, NULL };
	pid_t pid;

	stream = stream_pair(NULL);
	check_eq(posix_spawn(&pid, "/bin/sleep", NULL, NULL, arguments, NULL), 0);
	stream_write(stream.writer, "x");
	ferry_pipe_close(stream.writer);
	stream.writer = NULL;
	stream_expect(stream.reader, "x");
	stream_expect_end(stream.reader);
	check_eq(system("true"), 0);
	check(process_state(pid) != 'Z');
	kill(pid, SIGKILL);
	check_eq(waitpid(pid, NULL, 0), pid);
	stream_close(&stream);
}

/* Start this program again, with the text of an end; main() does the rest. */
static pid_t spawn_with(const char *what, char *text)
{
	char program[512];
	char *const arguments[] = { program, (char *)(uintptr_t)what, text, NULL };
	const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
	pid_t pid;

	check(n > 0);
	program[n] = 0;
	check_eq(posix_spawn(&pid, program, NULL, NULL, arguments, environ), 0);
	return pid;
}

/* In the program that was started. */
static int run_with_end(const char *what, const char *text)
{
	ferry_pipe *pipe = NULL;

	check_eq(ferry_pipe_import(&pipe, text, NULL), 0);
	if (!strcmp(what, "write")) {
		stream_write_at(pipe, 0, 100000, FERRY_FOREVER);
	} else {
		stream_expect_at(pipe, 0, 100000, FERRY_FOREVER);
		stream_expect_end(pipe);
	}
	if (strcmp(what, "write"))
		ferry_pipe_close(pipe); /* a writer ends without */
	return 0;
}

static void c11_exported_writer_works_in_another_program(void)
{
	char text[FERRY_PIPE_EXPORT_BYTES];
	int status;
	int n;
	pid_t pid;

	stream = stream_pair(NULL);
	n = ferry_pipe_export(stream.writer, text, sizeof text);
	check_eq(n, strlen(text));
	check(!strncmp(text, "ferry-pipe:w:", 13));
	pid = spawn_with("write", text);
	ferry_pipe_close(stream.writer);
	stream.writer = NULL;
	stream_expect_at(stream.reader, 0, 100000, FERRY_FOREVER);
	stream_expect_end(stream.reader);
	check_eq(waitpid(pid, &status, 0), pid);
	check_eq(status, 0);
	stream_close(&stream);
}

static void c11_exported_reader_works_in_another_program(void)
{
	char text[FERRY_PIPE_EXPORT_BYTES];
	int status;
	pid_t pid;

	stream = stream_meet("p", NULL);
	check(ferry_pipe_export(stream.reader, text, sizeof text) > 0);
	check(!strncmp(text, "ferry-pipe:r:", 13));
	pid = spawn_with("read", text);
	ferry_pipe_close(stream.reader);
	stream.reader = NULL;
	stream_write_at(stream.writer, 0, 100000, FERRY_FOREVER);
	ferry_pipe_close(stream.writer);
	stream.writer = NULL;
	check_eq(waitpid(pid, &status, 0), pid);
	check_eq(status, 0);
	stream_end(&stream, "p");
}

static void export_that_does_not_fit_is_erange_and_changes_nothing(void)
{
	char text[FERRY_PIPE_EXPORT_BYTES];
	char *const arguments[] = { (char[]){ "sleep" }, (char[]){ "1000" }, NULL };
	pid_t pid;

	stream = stream_pair(NULL);
	for (size_t n = 0; n < 10; n++)
		check_eq(ferry_pipe_export(stream.writer, text, n), -ERANGE);
	check_eq(posix_spawn(&pid, "/bin/sleep", NULL, NULL, arguments, NULL), 0);
	ferry_pipe_close(stream.writer);
	stream.writer = NULL;
	stream_expect_end(stream.reader);
	kill(pid, SIGKILL);
	check_eq(waitpid(pid, NULL, 0), pid);
	stream_close(&stream);
}

static void import_of_anything_else_is_refused(void)
{
	static const char *const nonsense[] = { "",
						"ferry-pipe",
						"ferry-pipe:r:",
						"ferry-pipe:x:3,4",
						"ferry-pipe:r:3",
						"ferry-pipe:r:-1,4",
						"ferry-pipe:r:3,4,5",
						"ferry-pipe:r:3,4 ",
						"ferry-pipe:r:99999999999999999999,4",
						"ferry-pipe:r: 3,4" };
	ferry_pipe *pipe;
	char text[64];
	int fds[2];

	for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++)
		check_eq(ferry_pipe_import(&pipe, nonsense[i], NULL), -EINVAL);
	check_eq(ferry_pipe_import(&pipe, "ferry-pipe:r:1000,1001", NULL), -EBADF);
	check_eq(pipe2(fds, O_CLOEXEC), 0);
	snprintf(text, sizeof text, "ferry-pipe:w:%d,%d", fds[0], fds[1]);
	check_eq(ferry_pipe_import(&pipe, text, NULL), -FERRY_EFOREIGN);
	check(fcntl(fds[0], F_GETFD) >= 0 && fcntl(fds[1], F_GETFD) >= 0);
	close(fds[0]);
	close(fds[1]);
}

static void c11_many_forks_leak_no_member(void)
{
	stream = stream_pair(OPTIONS(.members = 8));
	for (unsigned i = 0; i < 200; i++) {
		struct peer peer;

		peer_start(&peer, close_in_some_order, &(unsigned){ 2 + (i & 4) });
		stream_expect_at(stream.reader, 0, 1000, FERRY_FOREVER);
		if (i % 3)
			peer_join(&peer);
		else
			peer_kill(&peer);
	}
	await(stream_stat(stream.reader).writers == 1);
	stream_close(&stream);
}

/* A writer in a PID namespace of its own, where it is process 1. */
static void write_elsewhere(struct stage *stage, const void *argument)
{
	pid_t child;

	(void)argument;
	if (unshare(CLONE_NEWPID)) {
		atomic_store(&stage->value[0], -1);
		stage_reach(stage, 1);
		return;
	}
	child = fork();
	if (child == 0) {
		ferry_pipe *writer;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		writer = stream_open("p", FERRY_WRITE, NULL);
		stream_write(writer, "x");
		stage_meet(stage, 1);
		_exit(0);
	}
	atomic_store(&stage->value[0], child);
	waitpid(child, NULL, 0);
}

static void c12_writer_in_another_pid_namespace_lives_and_dies(void)
{
	struct peer peer;

	stream.reader = stream_open("p", FERRY_READ, NULL);
	peer_start(&peer, write_elsewhere, NULL);
	peer_await(&peer, 1);
	if (atomic_load(&peer.stage->value[0]) < 0) {
		peer_join(&peer);
		check_skip("PID namespaces need root");
	}
	stream_expect(stream.reader, "x");
	for (int i = 0; i < 10; i++)
		stream_expect_empty(stream.reader);
	check_eq(stream_stat(stream.reader).writers, 1);
	await(atomic_load(&peer.stage->value[0]));
	check_eq(kill((pid_t)atomic_load(&peer.stage->value[0]), SIGKILL), 0);
	stream_expect_end(stream.reader);
	peer_join(&peer);
	stream_end(&stream, "p");
}

static void open_writer(struct stage *stage, const void *argument)
{
	ferry_pipe *writer = stream_open("p", FERRY_WRITE, NULL);

	(void)argument;
	stream_write(writer, "x");
	stage_meet(stage, 1);
}

static void c12_zombie_writer_is_gone_and_stopped_writer_is_not(void)
{
	struct peer peer;

	stream.reader = stream_open("p", FERRY_READ, NULL);
	peer_start(&peer, open_writer, NULL);
	peer_await(&peer, 1);
	stream_expect(stream.reader, "x");
	peer_stop(&peer);
	check_eq(ferry_pipe_read(stream.reader, &(char){ 0 }, 1, ferry_in_ms(100)), -ETIMEDOUT);
	peer_kill_to_zombie(&peer);
	stream_expect_end(stream.reader);
	peer_kill(&peer);
	stream_end(&stream, "p");
}

int main(int n_arguments, char **arguments)
{
	const struct CMUnitTest claims[] = {
		claim(c11_parent_and_child_close_in_any_order),
		claim(c11_silent_child_holds_both_ends_until_it_is_gone),
		claim(c11_silent_child_is_a_reader_too),
		claim(c11_grandchild_of_fork_keeps_the_end_when_its_parent_is_killed),
		claim(c11_grandchild_of__fork_keeps_the_end_when_its_parent_is_killed),
		claim(c11_child_of__fork_may_write),
		claim(c11_spawned_programs_have_no_end),
		claim(c11_exported_writer_works_in_another_program),
		claim(c11_exported_reader_works_in_another_program),
		claim(export_that_does_not_fit_is_erange_and_changes_nothing),
		claim(import_of_anything_else_is_refused),
		claim(c11_many_forks_leak_no_member),
		claim(c12_writer_in_another_pid_namespace_lives_and_dies),
		claim(c12_zombie_writer_is_gone_and_stopped_writer_is_not),
	};

	if (n_arguments == 3)
		return run_with_end(arguments[1], arguments[2]);
	return claim_run_all(claims);
}
