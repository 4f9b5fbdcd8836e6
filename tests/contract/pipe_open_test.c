/* SPDX-License-Identifier: MIT */
/* Opening pipes: options, what is refused, removal, who may, what a full file system does (C8, C10,
 * C13). Meeting at a name as FIFOs do is tested in tests/conformance. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "leftover.h"
#include "peer.h"
#include "scratch.h"
#include "stream.h"

#define OPTIONS FERRY_PIPE_OPTIONS

static struct stream stream;

static int open_as(const char *location, uint32_t end, const struct ferry_pipe_options *options,
		   ferry_deadline deadline)
{
	ferry_pipe *const untouched = (ferry_pipe *)&stream;
	ferry_pipe *pipe = untouched;
	const int r = ferry_pipe_open(&pipe, location, end, options, deadline);

	if (r == 0)
		ferry_pipe_close(pipe);
	else
		check(pipe == untouched);
	return r;
}

static void options_out_of_range_are_einval(void)
{
	const struct ferry_pipe_options *bad[] = {
		OPTIONS(.capacity = 1),
		OPTIONS(.capacity = 4095),
		OPTIONS(.capacity = ((uint64_t)1 << 40) + 1),
		OPTIONS(.capacity = UINT64_MAX),
		OPTIONS(.members = 1),
		OPTIONS(.members = 4095),
		OPTIONS(.flags = 1u << 31),
		OPTIONS(.flags = FERRY_DROP_OLDEST),
		OPTIONS(.flags = FERRY_SEND_ONLY),
		OPTIONS(.mode = 010000),
		&(const struct ferry_pipe_options){ .size = 1 },
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		check_eq(open_as("p", FERRY_READ, bad[i], FERRY_NOW), -EINVAL);
		check_eq(ferry_pipe_pair(&stream.reader, &stream.writer, bad[i]), -EINVAL);
		check_eq(scratch_count(), 0);
	}
	check_eq(ferry_pipe_pair(&stream.reader, &stream.writer, OPTIONS(.flags = FERRY_EXCLUSIVE)),
		 -EINVAL);
	check_eq(ferry_pipe_pair(&stream.reader, &stream.writer, OPTIONS(.flags = FERRY_EXISTING)),
		 -EINVAL);
	check_eq(open_as("p", 0, NULL, FERRY_NOW), -EINVAL);
	check_eq(open_as("p", FERRY_READ | FERRY_WRITE, NULL, FERRY_NOW), -EINVAL);
	check_eq(open_as("p", FERRY_READ | FERRY_OBSERVE, NULL, FERRY_NOW), -EINVAL);
	check_eq(open_as("p", FERRY_SEND_ONLY, NULL, FERRY_NOW), -EINVAL);
	check_eq(scratch_count(), 0);
}

static void options_of_a_later_library_are_e2big(void)
{
	struct {
		struct ferry_pipe_options known;
		uint64_t later[4];
	} options = { .known.size = sizeof options };

	check_eq(ferry_pipe_pair(&stream.reader, &stream.writer, &options.known), 0);
	stream_close(&stream);
	options.later[3] = 1;
	check_eq(ferry_pipe_pair(&stream.reader, &stream.writer, &options.known), -E2BIG);
	check_eq(open_as("p", FERRY_READ, &options.known, FERRY_NOW), -E2BIG);
}

static void exclusive_and_existing_say_what_must_be(void)
{
	check_eq(open_as("p", FERRY_READ, OPTIONS(.flags = FERRY_EXISTING), FERRY_NOW), -ENOENT);
	check_eq(open_as("p", FERRY_WRITE, OPTIONS(.flags = FERRY_EXISTING), FERRY_NOW), -ENOENT);
	check_eq(open_as("p", FERRY_OBSERVE, NULL, FERRY_NOW), -ENOENT);
	check_eq(open_as("p", FERRY_READ, OPTIONS(.flags = FERRY_EXCLUSIVE), FERRY_NOW), 0);
	check_eq(open_as("p", FERRY_READ, OPTIONS(.flags = FERRY_EXCLUSIVE), FERRY_NOW), -EEXIST);
	check_eq(open_as("p", FERRY_READ, OPTIONS(.flags = FERRY_EXISTING), FERRY_NOW), 0);
	check_eq(open_as("p", FERRY_OBSERVE, NULL, FERRY_NOW), 0);
	check_eq(ferry_remove("p", NULL), 0);
}

static void enxio_has_made_the_pipe(void)
{
	check_eq(open_as("p", FERRY_WRITE, NULL, FERRY_NOW), -ENXIO);
	check_eq(box_look("p").kind, FERRY_KIND_PIPE);
	check_eq(box_look("p").members_alive, 0);
	check_eq(ferry_remove("p", NULL), 0);
}

static void what_exists_is_opened_as_it_is_unless_it_is_too_small(void)
{
	struct ferry_why why = { 0 };

	stream = stream_meet("p", OPTIONS(.capacity = 8192));
	check_eq(open_as("p", FERRY_READ, OPTIONS(.capacity = 4096), FERRY_NOW), 0);
	check_eq(open_as("p", FERRY_READ, OPTIONS(.capacity = 8193, .why = &why), FERRY_NOW),
		 -FERRY_EMISMATCH);
	check_eq(why.error, -FERRY_EMISMATCH);
	check(strlen(why.text) > 10);
	check_eq(stream_stat(stream.writer).capacity, 8192);
	stream_end(&stream, "p");
}

static void mailbox_is_no_pipe_and_pipe_no_mailbox(void)
{
	ferry_mailbox *box = box_open("box", NULL);
	ferry_mailbox *wrong;

	check_eq(open_as("box", FERRY_READ, NULL, FERRY_NOW), -FERRY_EKIND);
	check_eq(open_as("box", FERRY_OBSERVE, NULL, FERRY_NOW), -FERRY_EKIND);
	stream = stream_meet("p", NULL);
	check_eq(ferry_mailbox_open(&wrong, "p", NULL), -FERRY_EKIND);
	stream_write(stream.writer, "x");
	stream_expect(stream.reader, "x");
	stream_end(&stream, "p");
	box_end(box, "box");
}

static void foreign_files_are_refused_and_stay(void)
{
	scratch_write(scratch_path("p"), "hello", 5, 0600);
	check_eq(open_as("p", FERRY_READ, NULL, FERRY_NOW), -FERRY_EFOREIGN);
	unlink(scratch_path("p"));
	check_eq(mkfifo(scratch_path("p"), 0600), 0);
	check_eq(open_as("p", FERRY_WRITE, NULL, FERRY_FOREVER), -FERRY_EFOREIGN);
	unlink(scratch_path("p"));
	check_eq(open_as(".bad", FERRY_READ, NULL, FERRY_NOW), -FERRY_ELOCATION);
	check_eq(open_as("", FERRY_READ, NULL, FERRY_NOW), -FERRY_ELOCATION);
}

static void c13_unknown_layout_is_refused_with_both_numbers(void)
{
	const uint32_t layout = 4711;
	struct ferry_why why = { 0 };
	struct ferry_object_stat look;
	uint32_t ours;
	char number[16];

	check_eq(open_as("p", FERRY_READ, NULL, FERRY_NOW), 0);
	ours = box_look("p").layout;
	scratch_patch(scratch_path("p"), 12, &layout, sizeof layout);
	check_eq(open_as("p", FERRY_READ, OPTIONS(.why = &why), FERRY_NOW), -FERRY_EVERSION);
	snprintf(number, sizeof number, "%u", ours);
	check(strstr(why.text, "4711") && strstr(why.text, number));
	check_eq(open_as("p", FERRY_OBSERVE, NULL, FERRY_NOW), -FERRY_EVERSION);
	check_eq(ferry_object_stat("p", &look, NULL), -FERRY_EVERSION);
	unlink(scratch_path("p"));
}

static void c13_cut_file_is_etruncated(void)
{
	check_eq(open_as("p", FERRY_READ, NULL, FERRY_NOW), 0);
	check_eq(truncate(scratch_path("p"), 8192), 0);
	check_eq(open_as("p", FERRY_READ, NULL, FERRY_NOW), -FERRY_ETRUNCATED);
	check_eq(open_as("p", FERRY_OBSERVE, NULL, FERRY_NOW), -FERRY_ETRUNCATED);
	unlink(scratch_path("p"));
}

static void no_room_for_one_more_member_is_emembers(void)
{
	stream = stream_meet("p", OPTIONS(.members = 2));
	check_eq(open_as("p", FERRY_READ, NULL, FERRY_NOW), -FERRY_EMEMBERS);
	check_eq(open_as("p", FERRY_OBSERVE, NULL, FERRY_NOW), 0);
	ferry_pipe_close(stream.writer);
	stream.writer = stream_open("p", FERRY_WRITE, NULL);
	stream_end(&stream, "p");
}

/* Wait for ever in one call; the pipe is removed meanwhile. */
static void wait_for_removal(struct stage *stage, const void *argument)
{
	const int what = *(const int *)argument;
	ferry_pipe *pipe = NULL;
	struct ferry_span span;

	if (what < 3)
		pipe = stream_open("p", what == 1 ? FERRY_WRITE : FERRY_READ, NULL);
	stage_reach(stage, 1);
	if (what == 0)
		check_eq(ferry_pipe_read(pipe, &(char){ 0 }, 1, FERRY_FOREVER), -EIDRM);
	else if (what == 1)
		check_eq(ferry_pipe_write(pipe, "x", 1, FERRY_FOREVER), -EIDRM);
	else if (what == 2)
		check_eq(ferry_pipe_peek(pipe, &span, FERRY_FOREVER), -EIDRM);
	else
		check_eq(open_as("p", what == 3 ? FERRY_READ : FERRY_WRITE, NULL, FERRY_FOREVER),
			 -EIDRM);
	ferry_pipe_close(pipe);
}

/* Until somebody waits at the door of a pipe that nobody else has open. */
static void await_end(uint32_t end)
{
	struct ferry_pipe_stat stat = { 0 };
	ferry_pipe *pipe;

	check_eq(ferry_pipe_open(&pipe, "p", FERRY_OBSERVE, NULL, FERRY_NOW), 0);
	await(ferry_pipe_stat(pipe, &stat) == 0 &&
	      (end == FERRY_READ ? stat.has_reader : stat.has_writer));
	ferry_pipe_close(pipe);
}

static void c6_removal_wakes_all_who_wait(void)
{
	for (int what = 0; what < 5; what++) {
		struct peer peer;

		if (what < 3) {
			stream = stream_meet("p", OPTIONS(.capacity = 4096));
			if (what == 1)
				stream_brim(stream.writer, 0);
		} else {
			ferry_pipe_close(stream_open("p", FERRY_READ, NULL));
		}
		peer_start(&peer, wait_for_removal, &what);
		peer_await(&peer, 1);
		/* Asleep before it has opened would not do. */
		if (what >= 3)
			await_end(what == 3 ? FERRY_READ : FERRY_WRITE);
		await(process_asleep(peer.pid));
		check_eq(ferry_remove("p", NULL), 0);
		peer_join(&peer);
		if (what < 3) {
			check_eq(ferry_pipe_read(stream.reader, &(char){ 0 }, 1, FERRY_NOW),
				 -EIDRM);
			check_eq(ferry_pipe_write(stream.writer, "x", 1, FERRY_NOW), -EIDRM);
			check_eq(stream_stat(stream.reader).removed, 1);
		}
		stream_close(&stream);
	}
}

static void opening_waits_no_longer_than_its_deadline(void)
{
	ferry_deadline deadline = ferry_in_ms(50);

	check_eq(open_as("p", FERRY_READ, NULL, deadline), -ETIMEDOUT);
	check(clock_ns() >= deadline);
	deadline = ferry_in_ms(50);
	check_eq(open_as("p", FERRY_WRITE, NULL, deadline), -ETIMEDOUT);
	check(clock_ns() >= deadline);
	check_eq(open_as("p", FERRY_WRITE, NULL, 1), -ETIMEDOUT);
	check_eq(box_look("p").members_alive, 0);
	check_eq(ferry_remove("p", NULL), 0);
}

/* Wait for a reader, and be gone as soon as it could have been seen. */
static void write_and_leave(struct stage *stage, const void *argument)
{
	ferry_pipe *writer;

	(void)argument;
	stage_reach(stage, 1);
	check_eq(ferry_pipe_open(&writer, "p", FERRY_WRITE, NULL, box_patience()), 0);
	check_eq(ferry_pipe_write(writer, "hello", 5, FERRY_NOW), 5);
	ferry_pipe_close(writer);
}

static void writer_that_waited_and_has_left_was_there(void)
{
	const int rounds = check_repeat(200, 20000);

	for (int i = 0; i < rounds; i++) {
		struct peer writer;
		ferry_pipe *reader;
		struct ferry_pipe_stat stat = { 0 };

		check_eq(open_as("p", FERRY_READ, NULL, FERRY_NOW), 0);
		check_eq(ferry_pipe_open(&reader, "p", FERRY_OBSERVE, NULL, FERRY_NOW), 0);
		peer_start(&writer, write_and_leave, NULL);
		await(ferry_pipe_stat(reader, &stat) == 0 && stat.has_writer);
		ferry_pipe_close(reader);
		check_eq(ferry_pipe_open(&reader, "p", FERRY_READ, NULL, box_patience()), 0);
		peer_join(&writer);
		stream_expect(reader, "hello");
		stream_expect_end(reader);
		ferry_pipe_close(reader);
		check_eq(ferry_remove("p", NULL), 0);
	}
}

static void c8_full_file_system_is_enospc_and_nothing_is_left(void)
{
	const int descriptors = leftover_descriptors();
	struct statvfs before;
	struct statvfs after;
	char path[512];

	strcpy(path, scratch_path("small"));
	check_eq(mkdir(path, 0700), 0);
	scratch_mount(path, 1024);
	check_eq(statvfs(path, &before), 0);
	for (int i = 0; i < 20; i++) {
		struct ferry_why why = { 0 };

		check_eq(open_as(scratch_path("small/p"), FERRY_READ,
				 OPTIONS(.capacity = 2 << 20, .why = &why), FERRY_NOW),
			 -ENOSPC);
		check_eq(why.error, -ENOSPC);
		check_eq(scratch_count_in(path), 0);
		check_eq(statvfs(path, &after), 0);
		check_eq(after.f_bfree, before.f_bfree);
	}
	check_eq(leftover_descriptors(), descriptors);
	check_eq(umount2(path, MNT_DETACH), 0);
	check_eq(rmdir(path), 0);
}

static void c8_every_page_is_reserved(void)
{
	struct stat st;

	stream = stream_meet("p", OPTIONS(.capacity = 8 << 20));
	check_eq(stat(scratch_path("p"), &st), 0);
	check(st.st_blocks * 512 >= st.st_size);
	check(st.st_size >= 8 << 20);
	stream_end(&stream, "p");
}

static void make_for_ever(struct stage *stage, const void *argument)
{
	(void)argument;
	for (uint32_t i = 1;; i++) {
		ferry_pipe_close(stream_open("p", FERRY_READ, OPTIONS(.capacity = 1 << 20)));
		check_eq(ferry_remove("p", NULL), 0);
		stage_reach(stage, i);
	}
}

static void c8_creator_killed_leaves_nothing_half_made(void)
{
	for (int i = 0; i < check_repeat(60, 3000); i++) {
		const int64_t until = clock_ns() + i % 20 * 50000;
		struct peer peer;

		peer_start(&peer, make_for_ever, NULL);
		peer_await(&peer, 2);
		while (clock_ns() < until)
			;
		peer_kill(&peer);
		stream = stream_meet("p", NULL); /* whatever is there opens, or is replaced */
		stream_write(stream.writer, "x");
		stream_expect(stream.reader, "x");
		stream_end(&stream, "p");
	}
	check_eq(ferry_remove("nothing", NULL), -ENOENT); /* sweeps up what killed removers left */
}

static void observe_as_nobody(struct stage *stage, const void *argument)
{
	const int *want = argument;

	(void)stage;
	peer_become_nobody();
	check_eq(
	    open_as(scratch_path("p"), FERRY_READ, OPTIONS(.flags = FERRY_EXISTING), FERRY_NOW),
	    want[0]);
	check_eq(open_as(scratch_path("p"), FERRY_OBSERVE, NULL, FERRY_NOW), want[1]);
}

static void c10_mode_decides_who_may_join_and_who_may_look(void)
{
	static const struct {
		mode_t mode;
		int want[2];
	} cases[] = { { 0600, { -EACCES, -EACCES } },
		      { 0644, { -EACCES, 0 } },
		      { 0622, { -EACCES, -EACCES } },
		      { 0666, { 0, 0 } } };

	if (geteuid())
		check_skip("becoming another user needs root");
	check_eq(chmod(scratch_directory(), 0755), 0);
	umask(0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct peer peer;

		stream = stream_meet("p", OPTIONS(.mode = cases[i].mode));
		peer_start(&peer, observe_as_nobody, cases[i].want);
		peer_join(&peer);
		stream_end(&stream, "p");
	}
}

static void close_of_null_is_nothing(void)
{
	ferry_pipe_close(NULL);
}

static void stat_counts_ends_and_sleepers(void)
{
	struct ferry_pipe_stat stat;

	stream = stream_meet("p", NULL);
	stat = stream_stat(stream.reader);
	check_eq(stat.readers, 1);
	check_eq(stat.writers, 1);
	check(stat.has_reader && stat.has_writer && !stat.removed);
	check_eq(stat.waiting_readers + stat.waiting_writers, 0);
	check_eq(stat.quarantined + stat.passed_over, 0);
	stream_write(stream.writer, "hello");
	stream_expect(stream.reader, "he");
	stat = stream_stat(stream.writer);
	check_eq(stat.written, 5);
	check_eq(stat.read, 2);
	check_eq(stat.bytes, 3);
	ferry_pipe_close(stream.writer);
	stream.writer = NULL;
	stat = stream_stat(stream.reader);
	check_eq(stat.writers, 0);
	check(!stat.has_writer && stat.has_reader);
	stream_end(&stream, "p");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(options_out_of_range_are_einval),
		claim(options_of_a_later_library_are_e2big),
		claim(exclusive_and_existing_say_what_must_be),
		claim(enxio_has_made_the_pipe),
		claim(what_exists_is_opened_as_it_is_unless_it_is_too_small),
		claim(mailbox_is_no_pipe_and_pipe_no_mailbox),
		claim(foreign_files_are_refused_and_stay),
		claim(c13_unknown_layout_is_refused_with_both_numbers),
		claim(c13_cut_file_is_etruncated),
		claim(no_room_for_one_more_member_is_emembers),
		claim(c6_removal_wakes_all_who_wait),
		claim(opening_waits_no_longer_than_its_deadline),
		claim(writer_that_waited_and_has_left_was_there),
		claim(c8_full_file_system_is_enospc_and_nothing_is_left),
		claim(c8_every_page_is_reserved),
		claim(c8_creator_killed_leaves_nothing_half_made),
		claim(c10_mode_decides_who_may_join_and_who_may_look),
		claim(close_of_null_is_nothing),
		claim(stat_counts_ends_and_sleepers),
	};

	return claim_run_all(claims);
}
