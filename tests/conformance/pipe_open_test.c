/* SPDX-License-Identifier: MIT */
/* POSIX open() and mkfifo() of FIFOs, and fifo(7): sentences O. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "claim.h"
#include "driver.h"
#include "peer.h"
#include "scratch.h"

static const char *path(void)
{
	return scratch_path("p");
}

static void make(void)
{
	check_eq(driver->make(path(), 0600), 0);
}

static void o1_opening_to_read_without_a_writer_succeeds_when_it_may_not_wait(void)
{
	struct end reader;

	make();
	check_eq(driver->open(&reader, path(), TO_READ, true), 0);
	check_eq(driver->read(&reader, &(char){ 0 }, 1), 0);
	driver->close(&reader);
	unlink(path());
}

static void o2_opening_to_write_without_a_reader_is_enxio_when_it_may_not_wait(void)
{
	struct end writer;

	make();
	for (int i = 0; i < 3; i++)
		check_eq(driver->open(&writer, path(), TO_WRITE, true), -ENXIO);
	unlink(path());
}

static void o3_opening_to_write_with_a_reader_succeeds_when_it_may_not_wait(void)
{
	struct ends ends;

	make();
	check_eq(driver->open(&ends.reader, path(), TO_READ, true), 0);
	check_eq(driver->open(&ends.writer, path(), TO_WRITE, true), 0);
	ends_put(&ends, "hello");
	ends_get(&ends, "hello");
	ends_close(&ends);
	unlink(path());
}

/* Opens one end, tells, and goes on when told. */
static void open_one(struct stage *stage, const void *argument)
{
	const enum end_way *way = argument;
	struct end end;

	stage_reach(stage, 1);
	check_eq(driver->open(&end, path(), *way, false), 0);
	stage_meet(stage, 2);
	driver->close(&end);
}

static void opening_waits(enum end_way first, enum end_way second)
{
	struct peer a;
	struct peer b;

	make();
	peer_start(&a, open_one, &first);
	peer_await(&a, 1);
	await(process_asleep(a.pid));
	check_eq(atomic_load(&a.stage->reached), 1);
	peer_start(&b, open_one, &second);
	peer_await(&a, 2);
	peer_await(&b, 2);
	peer_allow(&a, 2);
	peer_allow(&b, 2);
	peer_join(&a);
	peer_join(&b);
	unlink(path());
}

static void o4_opening_to_read_waits_for_a_writer(void)
{
	opening_waits(TO_READ, TO_WRITE);
}

static void o5_opening_to_write_waits_for_a_reader(void)
{
	opening_waits(TO_WRITE, TO_READ);
}

static void two_of_one_end_wait(enum end_way way, enum end_way other)
{
	struct peer a;
	struct peer b;
	struct end end;

	make();
	peer_start(&a, open_one, &way);
	peer_start(&b, open_one, &way);
	peer_await(&a, 1);
	peer_await(&b, 1);
	await(process_asleep(a.pid) && process_asleep(b.pid));
	check_eq(atomic_load(&a.stage->reached), 1);
	check_eq(atomic_load(&b.stage->reached), 1);
	check_eq(driver->open(&end, path(), other, false), 0);
	peer_await(&a, 2);
	peer_await(&b, 2);
	peer_allow(&a, 2);
	peer_allow(&b, 2);
	peer_join(&a);
	peer_join(&b);
	driver->close(&end);
	unlink(path());
}

static void o6_one_that_opens_lets_in_all_who_wait_for_it(void)
{
	two_of_one_end_wait(TO_READ, TO_WRITE);
	two_of_one_end_wait(TO_WRITE, TO_READ);
}

static void o7_one_that_opened_and_left_again_counts(void)
{
	const enum end_way way = TO_READ;
	struct peer peer;
	struct end writer;

	make();
	peer_start(&peer, open_one, &way);
	peer_await(&peer, 1);
	await(process_asleep(peer.pid));
	check_eq(driver->open(&writer, path(), TO_WRITE, true), 0);
	driver->close(&writer);
	peer_await(&peer, 2);
	peer_allow(&peer, 2);
	peer_join(&peer);
	unlink(path());
}

static void o8_several_processes_can_have_it_open(void)
{
	struct ends a;
	struct ends b;

	a = ends_meet("p");
	b = ends_meet("p");
	ends_put(&a, "one");
	ends_put(&b, "two");
	ends_get(&b, "onet");
	ends_get(&a, "wo");
	ends_close_writer(&a);
	driver->set_nonblocking(&a.reader, true);
	check_eq(driver->read(&a.reader, &(char){ 0 }, 1), -EAGAIN);
	ends_close_writer(&b);
	check_eq(driver->read(&a.reader, &(char){ 0 }, 1), 0);
	ends_close(&a);
	ends_close(&b);
	unlink(path());
}

static void o9_end_of_file_ends_when_a_writer_opens_again(void)
{
	struct ends ends = ends_meet("p");

	for (int i = 0; i < 5; i++) {
		ends_put(&ends, "again");
		ends_close_writer(&ends);
		ends_get(&ends, "again");
		check_eq(driver->read(&ends.reader, &(char){ 0 }, 1), 0);
		check_eq(driver->open(&ends.writer, path(), TO_WRITE, true), 0);
		driver->set_nonblocking(&ends.reader, true);
		check_eq(driver->read(&ends.reader, &(char){ 0 }, 1), -EAGAIN);
		driver->set_nonblocking(&ends.reader, false);
	}
	ends_close(&ends);
	unlink(path());
}

static void o10_writing_goes_on_when_a_reader_opens_again(void)
{
	struct ends ends = ends_meet("p");

	signal(SIGPIPE, SIG_IGN);
	ends_close_reader(&ends);
	check_eq(driver->write(&ends.writer, "x", 1), -EPIPE);
	check_eq(driver->open(&ends.reader, path(), TO_READ, true), 0);
	driver->set_nonblocking(&ends.reader, false);
	ends_put(&ends, "hello");
	ends_get(&ends, "hello");
	ends_close(&ends);
	unlink(path());
}

static void o11_name_that_exists_is_eexist(void)
{
	make();
	check_eq(driver->make(path(), 0600), -EEXIST);
	unlink(path());
	check_eq(symlink("nowhere", path()), 0);
	check_eq(driver->make(path(), 0600), differs(-EEXIST, -ELOOP));
	unlink(path());
}

static void o12_name_that_does_not_exist_is_enoent(void)
{
	struct end end;

	check_eq(driver->open(&end, path(), TO_READ, true), -ENOENT);
	check_eq(driver->open(&end, path(), TO_WRITE, false), -ENOENT);
	check_eq(driver->open(&end, scratch_path("no/p"), TO_READ, true), -ENOENT);
	check_eq(driver->make(scratch_path("no/p"), 0600), -ENOENT);
	check_eq(scratch_count(), 0);
}

static void o13_umask_takes_permissions_away(void)
{
	struct stat st;
	const mode_t old = umask(027);

	check_eq(driver->make(path(), 0666), 0);
	umask(old);
	check_eq(stat(path(), &st), 0);
	check_eq(st.st_mode & 0777, 0640);
	check_eq(st.st_uid, geteuid());
	unlink(path());
}

static void open_as_nobody(struct stage *stage, const void *argument)
{
	const int *want = argument;
	struct end end = { .fd = -1 };

	(void)stage;
	peer_become_nobody();
	check_eq(driver->open(&end, path(), TO_READ, true), want[0]);
	if (want[0] == 0)
		driver->close(&end);
	check_eq(driver->open(&end, path(), TO_WRITE, true), want[1]);
	if (want[1] == 0)
		driver->close(&end);
}

/* Another user opens a pipe of this mode, of which a reader is open. */
static void nobody_opens(mode_t mode, int to_read, int to_write)
{
	const int want[] = { to_read, to_write };
	const mode_t old = umask(0);
	struct peer peer;
	struct end reader;

	if (geteuid())
		check_skip("becoming another user needs root");
	check_eq(chmod(scratch_directory(), 0755), 0);
	check_eq(driver->make(path(), mode), 0);
	umask(old);
	check_eq(driver->open(&reader, path(), TO_READ, true), 0);
	peer_start(&peer, open_as_nobody, want);
	peer_join(&peer);
	driver->close(&reader);
	unlink(path());
}

static void o14_mode_decides_who_may_open(void)
{
	nobody_opens(0600, -EACCES, -EACCES);
	nobody_opens(0666, 0, 0);
}

static void o15_each_end_asks_for_its_own_permission(void)
{
	nobody_opens(0604, differs(0, -EACCES), -EACCES);
	nobody_opens(0602, -EACCES, differs(0, -EACCES));
}

static void o16_symbolic_link_to_a_pipe_is_followed(void)
{
	struct end end;
	int r;

	make();
	check_eq(symlink(path(), scratch_path("link")), 0);
	r = driver->open(&end, scratch_path("link"), TO_READ, true);
	check_eq(r, differs(0, -ELOOP));
	if (r == 0)
		driver->close(&end);
	unlink(scratch_path("link"));
	unlink(path());
}

/* Both ends in one handle. */
static void o17_opening_both_ends_at_once(void)
{
	ferry_pipe *pipe;
	int r;

	make();
	if (driver_is_kernel()) {
		r = open(path(), O_RDWR | O_CLOEXEC);
		check(r >= 0);
		close(r);
		r = 0;
	} else {
		r = ferry_pipe_open(&pipe, path(), FERRY_READ | FERRY_WRITE, NULL, FERRY_NOW);
	}
	check_eq(r, differs(0, -EINVAL));
	unlink(path());
}

static void open_interrupted(struct stage *stage, const void *argument)
{
	const enum end_way *way = argument;
	struct end end;

	peer_catch(0);
	stage_reach(stage, 1);
	check_eq(driver->open(&end, path(), *way, false), -EINTR);
	stage_reach(stage, 2);
}

static void o18_caught_signal_while_opening_waits_is_eintr(void)
{
	static const enum end_way ways[] = { TO_READ, TO_WRITE };

	make();
	for (int i = 0; i < 2; i++) {
		struct peer peer;

		peer_start(&peer, open_interrupted, &ways[i]);
		peer_await(&peer, 1);
		peer_interrupt(&peer, 2);
		peer_join(&peer);
	}
	unlink(path());
}

static void o19_name_that_is_unlinked_leaves_the_pipe_to_those_who_have_it(void)
{
	struct ends ends = ends_meet("p");

	check_eq(unlink(path()), 0);
	ends_put(&ends, "hello");
	ends_get(&ends, "hello");
	ends_close_writer(&ends);
	check_eq(driver->read(&ends.reader, &(char){ 0 }, 1), 0);
	ends_close(&ends);
}

static void o20_path_through_a_file_is_enotdir(void)
{
	struct end end;

	make();
	check_eq(driver->open(&end, scratch_path("p/q"), TO_READ, true), -ENOTDIR);
	check_eq(driver->make(scratch_path("p/q"), 0600), -ENOTDIR);
	unlink(path());
}

static void o21_file_in_the_file_system_has_no_contents(void)
{
	struct ends ends = ends_meet("p");
	struct stat st;

	ends_put(&ends, "hello");
	check_eq(stat(path(), &st), 0);
	check_eq(st.st_size > 0, differs(0, 1));
	check_eq((st.st_mode & S_IFMT), differs(S_IFIFO, S_IFREG));
	ends_close(&ends);
	unlink(path());
}

int main(int n_arguments, char **arguments)
{
	const struct CMUnitTest claims[] = {
		claim(o1_opening_to_read_without_a_writer_succeeds_when_it_may_not_wait),
		claim(o2_opening_to_write_without_a_reader_is_enxio_when_it_may_not_wait),
		claim(o3_opening_to_write_with_a_reader_succeeds_when_it_may_not_wait),
		claim(o4_opening_to_read_waits_for_a_writer),
		claim(o5_opening_to_write_waits_for_a_reader),
		claim(o6_one_that_opens_lets_in_all_who_wait_for_it),
		claim(o7_one_that_opened_and_left_again_counts),
		claim(o8_several_processes_can_have_it_open),
		claim(o9_end_of_file_ends_when_a_writer_opens_again),
		claim(o10_writing_goes_on_when_a_reader_opens_again),
		claim(o11_name_that_exists_is_eexist),
		claim(o12_name_that_does_not_exist_is_enoent),
		claim(o13_umask_takes_permissions_away),
		claim(o14_mode_decides_who_may_open),
		claim(o15_each_end_asks_for_its_own_permission),
		claim(o16_symbolic_link_to_a_pipe_is_followed),
		claim(o17_opening_both_ends_at_once),
		claim(o18_caught_signal_while_opening_waits_is_eintr),
		claim(o19_name_that_is_unlinked_leaves_the_pipe_to_those_who_have_it),
		claim(o20_path_through_a_file_is_enotdir),
		claim(o21_file_in_the_file_system_has_no_contents),
	};

	driver_choose(n_arguments, arguments);
	return claim_run_all(claims);
}
