/* SPDX-License-Identifier: MIT */
/* Starting programs: what they inherit, what went wrong and where, and that nothing is left. */
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "leftover.h"
#include "peer.h"
#include "scratch.h"

static char sh[] = "sh", dash_c[] = "-c";

/* Run a shell command with what options say besides; its output goes to text. How it ended. */
static struct ferry_process_end run(const char *command, struct ferry_spawn_options options,
				    char *text, size_t room)
{
	char copy[512];
	char *const arguments[] = { sh, dash_c, copy, NULL };
	struct ferry_process_end end;
	ferry_process *process;
	int ends[2];

	snprintf(copy, sizeof copy, "%s", command);
	check_eq(pipe2(ends, O_CLOEXEC), 0);
	const struct ferry_spawn_descriptor out = { ends[1], 1 };
	options.size = sizeof options;
	if (!options.program) {
		options.program = "sh";
		options.arguments = arguments;
	}
	if (options.n_descriptors == 0) {
		options.descriptors = &out;
		options.n_descriptors = 1;
	}
	check_eq(ferry_spawn(&process, &options), 0);
	close(ends[1]);
	size_t used = 0;
	for (ssize_t n; used < room - 1 && (n = read(ends[0], text + used, room - 1 - used)) > 0;)
		used += (size_t)n;
	text[used] = '\0';
	close(ends[0]);
	check_eq(ferry_process_wait(process, &end, box_patience()), 0);
	check_eq(end.known, 1);
	ferry_process_close(process);
	return end;
}

static void expect_output(const char *command, struct ferry_spawn_options options,
			  const char *wanted)
{
	char text[4096];

	(void)run(command, options, text, sizeof text);
	if (strcmp(text, wanted) != 0)
		check_failed(__FILE__, __LINE__, "%s: got \"%s\", not \"%s\"", command, text,
			     wanted);
}

static void an_end_tells_code_or_signal_and_what_was_used(void)
{
	char text[64];
	const struct ferry_spawn_options none = { 0 };
	const struct ferry_process_end seven = run("exit 7", none, text, sizeof text);
	const struct ferry_process_end term = run("kill -TERM $$", none, text, sizeof text);

	check_eq(seven.exited, 1);
	check_eq(seven.code, 7);
	check_eq(seven.used, 1);
	check(seven.memory > 0 && seven.user + seven.system > 0);
	check_eq(term.exited, 0);
	check_eq(term.signal, SIGTERM);
}

static void environment_and_directory_are_given(void)
{
	char a[] = "A=one two";
	char *environment[] = { a, NULL };

	expect_output("echo $A", (struct ferry_spawn_options){ .environment = environment },
		      "one two\n");
	expect_output("pwd", (struct ferry_spawn_options){ .directory = "/" }, "/\n");
}

static void only_what_is_passed_is_open(void)
{
	const char *count = "cd /proc/self/fd; for f in *; do [ -e $f ] && printf '%s ' $f; done";
	char text[256];
	int ends[2];

	/* Neither close-on-exec nor closed otherwise. */
	check_eq(pipe(ends), 0);
	(void)run(count, (struct ferry_spawn_options){ 0 }, text, sizeof text);
	/* The shell's own look is one more, 3 or 10. */
	check(strncmp(text, "0 1 2 ", 6) == 0);
	check(strlen(text) <= 9);
	close(ends[0]);
	close(ends[1]);
}

/* 5 becomes 6 and 6 becomes 5, and so on. */
static void descriptors_can_change_places(void)
{
	ferry_process *process;
	struct ferry_process_end end;
	char script[] = "read a <&8; read b <&9; [ $a = nine ] && [ $b = eight ]";
	char *const arguments[] = { sh, dash_c, script, NULL };

	scratch_write(scratch_path("eight"), "eight\n", 6, 0600);
	scratch_write(scratch_path("nine"), "nine\n", 5, 0600);
	int eight = open(scratch_path("eight"), O_RDONLY | O_CLOEXEC);
	int nine = open(scratch_path("nine"), O_RDONLY | O_CLOEXEC);
	check_eq(dup3(eight, 8, O_CLOEXEC), 8);
	check_eq(dup3(nine, 9, O_CLOEXEC), 9);
	close(eight);
	close(nine);
	const struct ferry_spawn_descriptor swapped[] = {
		{ 8, 9 }, { 9, 8 }, { FERRY_SPAWN_NULL, 0 }, { FERRY_SPAWN_CLOSED, 40 }
	};
	check_eq(
	    ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = "sh", .arguments = arguments,
						      .descriptors = swapped, .n_descriptors = 4)),
	    0);
	check_eq(ferry_process_wait(process, &end, box_patience()), 0);
	check_eq(end.code, 0);
	ferry_process_close(process);
	close(8);
	close(9);
	unlink(scratch_path("eight"));
	unlink(scratch_path("nine"));
}

static int ignore_it(const struct ferry_signal_info *info, void *arg)
{
	(void)info;
	(void)arg;
	return 0;
}

static void signals_are_reset_but_for_those_asked_for(void)
{
	char grep[] = "grep", e[] = "-E", what[] = "SigBlk|SigIgn", where[] = "/proc/self/status";
	char *const look[] = { grep, e, what, where, NULL }; /* a shell would clear its mask */
	sigset_t set;

	check_eq(ferry_signal_catch(SIGUSR1, ignore_it, NULL, NULL), 0);
	check_eq(ferry_signal_ignore(SIGPIPE, NULL), 0);
	sigfillset(&set);
	check_eq(pthread_sigmask(SIG_SETMASK, &set, NULL), 0);
	expect_output("grep", (struct ferry_spawn_options){ .program = grep, .arguments = look },
		      "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	expect_output("grep",
		      (struct ferry_spawn_options){ .program = grep,
						    .arguments = look,
						    .ignored = FERRY_SIGNAL(SIGHUP),
						    .blocked = FERRY_SIGNAL(SIGUSR2) },
		      "SigBlk:\t0000000000000800\nSigIgn:\t0000000000000001\n");
	sigset_t now;
	check_eq(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
	check_eq(sigismember(&now, SIGUSR1), 1); /* ours is as it was */
}

static void groups_and_sessions_are_made(void)
{
	const char *group = "cut -d' ' -f5 /proc/$$/stat | grep -qx $$ && echo own || echo other";
	const char *session = "cut -d' ' -f6 /proc/$$/stat | grep -qx $$ && echo own || echo other";

	expect_output(group, (struct ferry_spawn_options){ 0 }, "other\n");
	expect_output(group, (struct ferry_spawn_options){ .group = FERRY_SPAWN_OWN_GROUP },
		      "own\n");
	expect_output(session, (struct ferry_spawn_options){ .group = FERRY_SPAWN_OWN_GROUP },
		      "other\n");
	expect_output(session, (struct ferry_spawn_options){ .group = FERRY_SPAWN_OWN_SESSION },
		      "own\n");
}

static void limits_are_set(void)
{
	const struct ferry_spawn_limit limits[] = { { RLIMIT_CORE, 0, 0 },
						    { RLIMIT_NOFILE, 33, 44 } };

	expect_output("ulimit -n; ulimit -Hn; ulimit -c",
		      (struct ferry_spawn_options){ .limits = limits, .n_limits = 2 },
		      "33\n44\n0\n");
}

/* As many descriptors as the child gets are enough for it. */
static void passing_descriptors_needs_no_more_than_there_are_in_the_end(void)
{
	const struct ferry_spawn_limit limits[] = { { RLIMIT_NOFILE, 4, 4 } };
	const struct ferry_spawn_descriptor null[] = { { FERRY_SPAWN_NULL, 0 },
						       { FERRY_SPAWN_NULL, 1 },
						       { FERRY_SPAWN_NULL, 2 } };
	struct ferry_process_end end;
	ferry_process *process;

	check_eq(ferry_spawn(&process,
			     FERRY_SPAWN_OPTIONS(.program = "true", .limits = limits, .n_limits = 1,
						 .descriptors = null, .n_descriptors = 3)),
		 0);
	check_eq(ferry_process_wait(process, &end, box_patience()), 0);
	check_eq(end.exited, 1);
	check_eq(end.code, 0);
	ferry_process_close(process);
}

static void spawn_and_leave(struct stage *stage, const void *argument)
{
	char program[] = "sleep", time[] = "1000";
	char *const arguments[] = { program, time, NULL };
	ferry_process *process;

	(void)argument;
	check_eq(
	    ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = "sleep", .arguments = arguments,
						      .die_with_parent = SIGTERM)),
	    0);
	atomic_store(&stage->value[0], ferry_process_pid(process));
	stage_meet(stage, 1);
}

static void a_child_can_die_with_its_parent(void)
{
	struct peer peer;
	ferry_process *grandchild;

	peer_start(&peer, spawn_and_leave, NULL);
	peer_await(&peer, 1);
	const pid_t pid = (pid_t)atomic_load(&peer.stage->value[0]);
	check_eq(ferry_process_open(&grandchild, pid, 0, NULL), 0);
	peer_kill(&peer);
	check_eq(ferry_process_wait(grandchild, NULL, box_patience()), 0);
	ferry_process_close(grandchild);
	await(waitpid(-1, NULL, WNOHANG) == -1);
}

static void expect_failure(const struct ferry_spawn_options *options, int error,
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
	check(process == NULL);
	check_eq(failed, step);
	check_eq(why.error, error);
	check(why.text[0] != '\0');
	/* No child is left, not even a zombie. */
	check(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void what_fails_is_told_with_its_step(void)
{
	const struct ferry_spawn_descriptor closed = { 999, 5 };
	const struct ferry_spawn_descriptor twice[] = { { 0, 5 }, { 1, 5 } };
	const struct ferry_spawn_descriptor negative = { -3, 5 };
	const struct ferry_spawn_limit limit = { 9999, 1, 1 };
	const struct ferry_spawn_options wrong[] = {
		{ .program = "/nowhere/to/be/found" },
		{ .program = "surely-no-such-program" },
		{ .program = "/etc/passwd" },
		{ .program = "true", .directory = "/nowhere" },
		{ .program = "true", .descriptors = &closed, .n_descriptors = 1 },
		{ .program = "true", .limits = &limit, .n_limits = 1 },
		{ .program = "true", .group = 999999 },
		{ .program = "true", .descriptors = twice, .n_descriptors = 2 },
		{ .program = "true", .descriptors = &negative, .n_descriptors = 1 },
		{ .program = "" },
		{ .program = "true", .die_with_parent = 99 },
		{ .program = "true", .group = -3 },
	};

	expect_failure(&wrong[0], -ENOENT, FERRY_SPAWN_STEP_EXECUTE);
	expect_failure(&wrong[1], -ENOENT, FERRY_SPAWN_STEP_EXECUTE);
	expect_failure(&wrong[2], -EACCES, FERRY_SPAWN_STEP_EXECUTE);
	expect_failure(&wrong[3], -ENOENT, FERRY_SPAWN_STEP_DIRECTORY);
	expect_failure(&wrong[4], -EBADF, FERRY_SPAWN_STEP_DESCRIPTORS);
	expect_failure(&wrong[5], -EINVAL, FERRY_SPAWN_STEP_LIMITS);
	expect_failure(&wrong[6], -EPERM, FERRY_SPAWN_STEP_GROUP);
	for (int i = 7; i < 12; i++)
		expect_failure(&wrong[i], -EINVAL, FERRY_SPAWN_STEP_OPTIONS);
	ferry_process *process;
	check_eq(ferry_spawn(NULL, FERRY_SPAWN_OPTIONS(.program = "true")), -EINVAL);
	check_eq(ferry_spawn(&process, NULL), -EINVAL);
	check(strcmp(ferry_spawn_step_name(FERRY_SPAWN_STEP_EXECUTE), "running the program") == 0);
	check(strcmp(ferry_spawn_step_name((enum ferry_spawn_step)77), "unknown") == 0);
}

static void a_file_that_is_no_program_is_not_given_to_a_shell(void)
{
	scratch_write(scratch_path("script"), "exit 0\n", 7, 0700);
	const struct ferry_spawn_options options = { .program = scratch_path("script") };
	expect_failure(&options, -ENOEXEC, FERRY_SPAWN_STEP_EXECUTE);
	unlink(scratch_path("script"));
}

static void others_children_are_left_alone(void)
{
	ferry_process *process;
	const pid_t other = fork();

	if (other == 0)
		_exit(11);
	await(process_state(other) == 'Z');
	check_eq(ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = "true")), 0);
	check_eq(ferry_process_wait(process, NULL, box_patience()), 0);
	ferry_process_close(process);
	int status;
	check_eq(waitpid(other, &status, 0), other);
	check_eq(WEXITSTATUS(status), 11);
}

static void many_children_leave_nothing_behind(void)
{
	const int many = check_repeat(200, 10000);
	const int descriptors = leftover_descriptors();

	for (int i = 0; i < many; i++) {
		ferry_process *process;
		check_eq(ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = "/bin/true")), 0);
		if (i % 3 != 0)
			check_eq(ferry_process_wait(process, NULL, box_patience()), 0);
		ferry_process_close(process);
	}
	await(ferry_reap_orphans(NULL, NULL) == 0 && waitpid(-1, NULL, WNOHANG) == -1);
	for (int i = 0; i < many; i++)
		check_eq(ferry_reap_orphans(NULL, NULL), 0);
	check_eq(leftover_descriptors(), descriptors);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(an_end_tells_code_or_signal_and_what_was_used),
		claim(environment_and_directory_are_given),
		claim(only_what_is_passed_is_open),
		claim(descriptors_can_change_places),
		claim(signals_are_reset_but_for_those_asked_for),
		claim(groups_and_sessions_are_made),
		claim(limits_are_set),
		claim(passing_descriptors_needs_no_more_than_there_are_in_the_end),
		claim(a_child_can_die_with_its_parent),
		claim(what_fails_is_told_with_its_step),
		claim(a_file_that_is_no_program_is_not_given_to_a_shell),
		claim(others_children_are_left_alone),
		claim(many_children_leave_nothing_behind),
	};

	return claim_run_all(claims);
}
