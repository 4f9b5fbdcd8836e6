/* SPDX-License-Identifier: MIT */
/* ferry pipes as a child's standard streams: every byte, its end, and who may die when. */
#include <dirent.h>
#include <errno.h>
#include <ferry/ferry.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "leftover.h"
#include "peer.h"
#include "stream.h"

/* Run a shell command with streams. */
static ferry_process *start(const char *command, const struct ferry_spawn_stream *streams, size_t n)
{
	char sh[] = "sh", dash_c[] = "-c", copy[256];
	char *const arguments[] = { sh, dash_c, copy, NULL };
	ferry_process *process;
	struct ferry_why why = { 0 };

	snprintf(copy, sizeof copy, "%s", command);
	int r = ferry_spawn(&process,
			    FERRY_SPAWN_OPTIONS(.program = "sh", .arguments = arguments,
						.streams = streams, .n_streams = n, .why = &why));
	if (r != 0)
		check_failed(__FILE__, __LINE__, "%s: %s", command, why.text);
	return process;
}

static struct ferry_process_end finish(ferry_process *process)
{
	struct ferry_process_end end;

	check_eq(ferry_process_wait(process, &end, box_patience()), 0);
	ferry_process_close(process);
	return end;
}

/* All that comes until end of file, into text; how much that was. */
static size_t read_all(ferry_pipe *reader, char *text, size_t room)
{
	size_t used = 0;

	for (;;) {
		ssize_t n = ferry_pipe_read(reader, text + used, room - 1 - used, box_patience());
		check(n >= 0);
		if (n == 0)
			break;
		used += (size_t)n;
		check(used < room - 1);
	}
	text[used] = '\0';
	return used;
}

static void expect_all(ferry_pipe *reader, const char *wanted)
{
	char text[4096];

	(void)read_all(reader, text, sizeof text);
	if (strcmp(text, wanted) != 0)
		check_failed(__FILE__, __LINE__, "got \"%s\", not \"%s\"", text, wanted);
	ferry_pipe_close(reader);
}

static int threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int n = -2; /* . and .. */

	check(tasks != NULL);
	while (readdir(tasks))
		n++;
	closedir(tasks);
	return n;
}

static int threads_before;

/* The threads of ended streams go by themselves, and have closed all when they have gone. */
static void settle(void)
{
	await(threads() <= threads_before);
}

static void what_a_child_writes_comes_out_and_then_its_end(void)
{
	const int before = leftover_descriptors();
	struct stream out = stream_pair(NULL);
	const struct ferry_spawn_stream streams[] = { { out.writer, 1 } };
	ferry_process *process = start("echo hello; exit 3", streams, 1);

	expect_all(out.reader, "hello\n");
	check_eq(finish(process).code, 3);
	settle();
	check_eq(leftover_descriptors(), before);
}

/* More than the two pipes hold, through the smallest there is. */
static void every_byte_of_a_long_output_arrives(void)
{
	struct stream out = stream_pair(FERRY_PIPE_OPTIONS(.capacity = 4096));
	const struct ferry_spawn_stream streams[] = { { out.writer, 1 } };
	static char text[700000];
	ferry_process *process = start("seq 1 100000", streams, 1);
	size_t n = read_all(out.reader, text, sizeof text);
	const char *line = text;

	check_eq(n, 588895);
	for (int i = 1; i <= 100000; i++) {
		check_eq(strtol(line, NULL, 10), i);
		line = strchr(line, '\n') + 1;
	}
	ferry_pipe_close(out.reader);
	check_eq(finish(process).code, 0);
	settle();
}

static void what_was_written_before_the_end_is_there_after_it(void)
{
	struct stream out = stream_pair(NULL);
	const struct ferry_spawn_stream streams[] = { { out.writer, 1 } };

	check_eq(finish(start("printf 'last words'", streams, 1)).code, 0);
	expect_all(out.reader, "last words");
	settle();
}

static void a_killed_child_leaves_what_it_wrote(void)
{
	struct stream out = stream_pair(NULL);
	const struct ferry_spawn_stream streams[] = { { out.writer, 1 } };

	check_eq(finish(start("printf half; kill -KILL $$", streams, 1)).signal, SIGKILL);
	expect_all(out.reader, "half");
	settle();
}

static void output_and_error_into_one_pipe_keep_their_order(void)
{
	struct stream out = stream_pair(NULL);
	const struct ferry_spawn_stream streams[] = { { out.writer, 1 }, { out.writer, 2 } };
	ferry_process *process = start("echo a; echo b >&2; echo c; echo d >&2", streams, 2);

	expect_all(out.reader, "a\nb\nc\nd\n");
	check_eq(finish(process).code, 0);
	settle();
}

static void a_child_reads_what_is_written_to_the_pipe(void)
{
	struct stream in = stream_pair(NULL), out = stream_pair(NULL);
	const struct ferry_spawn_stream streams[] = { { in.reader, 0 }, { out.writer, 1 } };
	ferry_process *process = start("read a; read b; cat; echo $b $a", streams, 2);

	stream_write(in.writer, "one\ntwo\nrest\n");
	ferry_pipe_close(in.writer);
	expect_all(out.reader, "rest\ntwo one\n");
	check_eq(finish(process).code, 0);
	settle();
}

static void *write_much(void *writer)
{
	stream_write_at(writer, 0, 3000000, box_patience());
	ferry_pipe_close(writer);
	return NULL;
}

/* Two children, and a ferry pipe on each side of each. */
static void children_make_a_pipeline(void)
{
	struct stream in = stream_pair(NULL), middle = stream_pair(NULL), out = stream_pair(NULL);
	const struct ferry_spawn_stream first[] = { { in.reader, 0 }, { middle.writer, 1 } };
	const struct ferry_spawn_stream second[] = { { middle.reader, 0 }, { out.writer, 1 } };
	ferry_process *a = start("cat", first, 2), *b = start("cat", second, 2);
	pthread_t thread;

	check_eq(pthread_create(&thread, NULL, write_much, in.writer), 0);
	stream_expect_at(out.reader, 0, 3000000, box_patience());
	expect_all(out.reader, "");
	check_eq(pthread_join(thread, NULL), 0);
	check_eq(finish(a).code, 0);
	check_eq(finish(b).code, 0);
	settle();
}

static void who_reads_no_more_is_told_to_the_writer(void)
{
	struct stream in = stream_pair(NULL);
	const struct ferry_spawn_stream streams[] = { { in.reader, 0 } };

	check_eq(finish(start("true", streams, 1)).code, 0);
	/* Nothing was ever written: it is the end of the child that is noticed. */
	await(ferry_pipe_write(in.writer, "x", 1, FERRY_NOW) == -EPIPE);
	ferry_pipe_close(in.writer);
	settle();
}

static void a_writer_that_waits_for_room_is_told_too(void)
{
	struct stream in = stream_pair(FERRY_PIPE_OPTIONS(.capacity = 4096));
	const struct ferry_spawn_stream streams[] = { { in.reader, 0 } };
	static const char much[400000];
	ferry_process *process = start("read x; kill -KILL $$", streams, 1);

	stream_write(in.writer, "go\n");
	ssize_t n = ferry_pipe_write(in.writer, much, sizeof much, box_patience());
	check(n == -EPIPE || (n > 0 && n < (ssize_t)sizeof much));
	check_eq(finish(process).signal, SIGKILL);
	await(ferry_pipe_write(in.writer, "x", 1, FERRY_NOW) == -EPIPE);
	ferry_pipe_close(in.writer);
	settle();
}

static void a_child_whose_output_nobody_reads_gets_sigpipe(void)
{
	struct stream out = stream_pair(NULL);
	const struct ferry_spawn_stream streams[] = { { out.writer, 1 } };
	ferry_process *process = start("exec yes", streams, 1);
	char some[100];

	check(ferry_pipe_read(out.reader, some, sizeof some, box_patience()) > 0);
	ferry_pipe_close(out.reader);
	check_eq(finish(process).signal, SIGPIPE);
	settle();
}

/* 1 if this process has an end of the kernel pipe that is the standard output of another. */
static int shares_output_with(pid_t pid)
{
	char path[40], theirs[64] = "", ours[64];

	snprintf(path, sizeof path, "/proc/%d/fd/1", (int)pid);
	check(readlink(path, theirs, sizeof theirs - 1) > 0);
	for (int fd = 3; fd < 100; fd++) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, ours, sizeof ours - 1);
		ours[n > 0 ? n : 0] = '\0';
		if (strcmp(ours, theirs) == 0)
			return 1;
	}
	return 0;
}

/* At its first write already, when the end of the readers is older. */
static void so_does_one_that_was_silent(void)
{
	struct stream in = stream_pair(NULL), out = stream_pair(NULL);
	const struct ferry_spawn_stream streams[] = { { in.reader, 0 }, { out.writer, 1 } };
	ferry_process *process = start("read x; echo $x; exit 7", streams, 2);
	const pid_t pid = ferry_process_pid(process);

	check_eq(shares_output_with(pid), 1);
	ferry_pipe_close(out.reader);
	await(!shares_output_with(pid));
	stream_write(in.writer, "go\n");
	check_eq(finish(process).signal, SIGPIPE);
	ferry_pipe_close(in.writer);
	settle();
}

static void a_named_pipe_serves_as_well(void)
{
	const int before = leftover_descriptors();
	struct stream out = stream_meet("spawned", NULL);
	const struct ferry_spawn_stream streams[] = { { out.writer, 2 } };
	ferry_process *process = start("echo oops >&2", streams, 1);

	expect_all(out.reader, "oops\n");
	check_eq(finish(process).code, 0);
	settle();
	check_eq(leftover_descriptors(), before);
	check_eq(ferry_remove("spawned", NULL), 0);
}

static void expect_refused(const struct ferry_spawn_options *options, int error,
			   enum ferry_spawn_step step)
{
	struct ferry_spawn_options all = *options;
	enum ferry_spawn_step failed = (enum ferry_spawn_step)99;
	struct ferry_why why = { 0 };
	ferry_process *process = NULL;

	all.size = sizeof all;
	all.ret_step = &failed;
	all.why = &why;
	check_eq(ferry_spawn(&process, &all), error);
	check_eq(failed, step);
	check(why.text[0] != '\0');
}

static void a_failure_leaves_the_pipes_as_they_were(void)
{
	struct stream in = stream_pair(NULL), out = stream_pair(NULL);
	const struct ferry_spawn_stream streams[] = { { in.reader, 0 }, { out.writer, 1 } };
	const int before = leftover_descriptors();

	stream_write(in.writer, "kept");
	expect_refused(&(const struct ferry_spawn_options){ .program = "/nowhere/to/be/found",
							    .streams = streams,
							    .n_streams = 2 },
		       -ENOENT, FERRY_SPAWN_STEP_EXECUTE);
	check_eq(leftover_descriptors(), before);
	stream_expect(in.reader, "kept");
	stream_write(out.writer, "works");
	stream_expect(out.reader, "works");
	stream_close(&in);
	stream_close(&out);
}

static void wrong_streams_are_refused(void)
{
	struct stream out = stream_meet("watched", NULL);
	ferry_pipe *observer = stream_open("watched", FERRY_OBSERVE, NULL);
	const struct ferry_spawn_descriptor one = { 0, 1 };
	const struct ferry_spawn_stream none = { NULL, 1 }, negative = { out.writer, -1 };
	const struct ferry_spawn_stream looking = { observer, 1 }, good = { out.writer, 1 };
	const struct ferry_spawn_options wrong[] = {
		{ .program = "true", .streams = &none, .n_streams = 1 },
		{ .program = "true", .streams = &negative, .n_streams = 1 },
		{ .program = "true", .n_streams = 1 },
		{ .program = "true",
		  .streams = &good,
		  .n_streams = 1,
		  .descriptors = &one,
		  .n_descriptors = 1 },
	};

	for (int i = 0; i < 4; i++)
		expect_refused(&wrong[i], -EINVAL, FERRY_SPAWN_STEP_OPTIONS);
	expect_refused(&(const struct ferry_spawn_options){ .program = "true",
							    .streams = &looking,
							    .n_streams = 1 },
		       -EBADF, FERRY_SPAWN_STEP_OPTIONS);
	check_eq(ferry_remove("watched", NULL), 0);
	expect_refused(&(const struct ferry_spawn_options){ .program = "true",
							    .streams = &good,
							    .n_streams = 1 },
		       -EIDRM, FERRY_SPAWN_STEP_OPTIONS);
	ferry_pipe_close(observer);
	stream_close(&out);
}

/* ---- who dies, and who forks ---- */

static void spawn_two_and_stay(struct stage *stage, const void *argument)
{
	struct stream in = stream_pair(NULL), out = stream_pair(NULL);
	const struct ferry_spawn_stream reads[] = { { in.reader, 0 } };
	const struct ferry_spawn_stream writes[] = { { out.writer, 1 } };
	char some[100];

	(void)argument;
	ferry_process *reading = start("exec cat", reads, 1);
	ferry_process *writing = start("exec yes", writes, 1);
	check(ferry_pipe_read(out.reader, some, sizeof some, box_patience()) > 0);
	atomic_store(&stage->value[0], ferry_process_pid(reading));
	atomic_store(&stage->value[1], ferry_process_pid(writing));
	stage_meet(stage, 1);
}

/* Nothing tells a child that its parent is gone but its streams. */
static void when_the_parent_is_killed_the_streams_end(void)
{
	struct peer peer;
	ferry_process *children[2];

	peer_start(&peer, spawn_two_and_stay, NULL);
	peer_await(&peer, 1);
	for (int i = 0; i < 2; i++)
		check_eq(ferry_process_open(&children[i], (pid_t)atomic_load(&peer.stage->value[i]),
					    0, NULL),
			 0);
	peer_kill(&peer);
	for (int i = 0; i < 2; i++) {
		check_eq(ferry_process_wait(children[i], NULL, box_patience()), 0);
		ferry_process_close(children[i]);
	}
	await(waitpid(-1, NULL, WNOHANG) == -1);
	settle();
}

static void stay(struct stage *stage, const void *argument)
{
	(void)argument;
	stage_meet(stage, 1);
}

/* The parent cannot close a handle that is the stream's, so fork() must see to it. */
static void a_forked_child_does_not_keep_the_streams_open(void)
{
	struct stream in = stream_pair(NULL), out = stream_pair(NULL);
	const struct ferry_spawn_stream streams[] = { { in.reader, 0 }, { out.writer, 1 } };
	ferry_process *process = start("read x; echo $x", streams, 2);
	struct peer peer;

	peer_start(&peer, stay, NULL);
	peer_await(&peer, 1);
	stream_write(in.writer, "go\n");
	char text[16];
	check_eq(read_all(out.reader, text, sizeof text), 3);
	check_eq(finish(process).code, 0);
	await(ferry_pipe_write(in.writer, "x", 1, FERRY_NOW) == -EPIPE);
	stream_close(&(struct stream){ .reader = out.reader, .writer = in.writer });
	peer_allow(&peer, 1);
	peer_join(&peer);
	settle();
}

static void many_streams_leave_nothing_behind(void)
{
	const int many = check_repeat(100, 3000);
	const int before = leftover_descriptors();

	for (int i = 0; i < many; i++) {
		struct stream in = stream_pair(NULL), out = stream_pair(NULL);
		const struct ferry_spawn_stream streams[] = { { in.reader, 0 }, { out.writer, 1 } };
		ferry_process *process;
		check_eq(
		    ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = "cat", .streams = streams,
							      .n_streams = 2)),
		    0);
		stream_write_at(in.writer, 0, 5000, box_patience());
		ferry_pipe_close(in.writer);
		stream_expect_at(out.reader, 0, 5000, box_patience());
		expect_all(out.reader, "");
		check_eq(finish(process).code, 0);
	}
	settle();
	check_eq(leftover_descriptors(), before);
}

int main(void)
{
	threads_before = threads();
	const struct CMUnitTest claims[] = {
		claim(what_a_child_writes_comes_out_and_then_its_end),
		claim(every_byte_of_a_long_output_arrives),
		claim(what_was_written_before_the_end_is_there_after_it),
		claim(a_killed_child_leaves_what_it_wrote),
		claim(output_and_error_into_one_pipe_keep_their_order),
		claim(a_child_reads_what_is_written_to_the_pipe),
		claim(children_make_a_pipeline),
		claim(who_reads_no_more_is_told_to_the_writer),
		claim(a_writer_that_waits_for_room_is_told_too),
		claim(a_child_whose_output_nobody_reads_gets_sigpipe),
		claim(so_does_one_that_was_silent),
		claim(a_named_pipe_serves_as_well),
		claim(a_failure_leaves_the_pipes_as_they_were),
		claim(wrong_streams_are_refused),
		claim(when_the_parent_is_killed_the_streams_end),
		claim(a_forked_child_does_not_keep_the_streams_open),
		claim(many_streams_leave_nothing_behind),
	};

	return claim_run_all(claims);
}
