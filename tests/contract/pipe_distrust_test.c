/* SPDX-License-Identifier: MIT */
/* Hostile peers of a pipe (C9): its bytes scribbled over, its file cut short, while others use it.
 * Errors may come, but no crash and no hang. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "enemy.h"
#include "peer.h"
#include "scratch.h"
#include "stream.h"

#define OPTIONS FERRY_PIPE_OPTIONS

enum { ROOM = 9000, CANARY = 64, HEADER = 4096, SLOTS = 16 };

static volatile unsigned char sink;

static void read_guarded(ferry_pipe *reader)
{
	static unsigned char data[ROOM + 2 * CANARY];
	ssize_t n;

	memset(data, 0x5a, sizeof data);
	n = ferry_pipe_read(reader, data + CANARY, ROOM, enemy_deadline());
	enemy_known(n);
	check(n <= ROOM);
	for (size_t i = 0; i < CANARY; i++)
		check(data[i] == 0x5a && data[CANARY + ROOM + i] == 0x5a);
}

static void peek_and_touch(ferry_pipe *reader)
{
	struct ferry_span span;
	const int r = ferry_pipe_peek(reader, &span, enemy_deadline());

	enemy_known(r);
	if (r != 1)
		return;
	for (size_t i = 0; i < span.size; i += 61)
		sink = ((unsigned char *)span.data)[i];
	if (span.size)
		sink = ((unsigned char *)span.data)[span.size - 1];
	enemy_known(ferry_pipe_consume(reader, &span, enemy_any() % (span.size + 1)));
}

static void reserve_and_touch(ferry_pipe *writer)
{
	struct ferry_span span;
	const size_t size = 1 + enemy_any() % 5000;
	const int r = ferry_pipe_reserve(writer, size, &span, enemy_deadline());

	enemy_known(r);
	if (r)
		return;
	check_eq(span.size, size);
	memset(span.data, 1, size);
	if (ferry_pipe_commit(writer, &span, enemy_any() % (size + 1), enemy_deadline()))
		enemy_known(ferry_pipe_commit(writer, &span, 0, FERRY_NOW));
}

static void any_operation(ferry_pipe *reader, ferry_pipe *writer)
{
	static const unsigned char data[30000];
	struct ferry_pipe_stat stat;
	struct ferry_object_stat object;
	struct ferry_repair repair;

	switch (enemy_any() % 8) {
	case 0:
	case 1:
		enemy_known(ferry_pipe_write(
		    writer, data, enemy_any() % 3 ? enemy_any() % 300 : enemy_any() % sizeof data,
		    enemy_deadline()));
		break;
	case 2:
	case 3:
		read_guarded(reader);
		break;
	case 4:
		peek_and_touch(reader);
		break;
	case 5:
		reserve_and_touch(writer);
		break;
	case 6:
		enemy_known(ferry_pipe_stat(reader, &stat));
		break;
	default:
		enemy_known(ferry_object_stat("p", &object, NULL));
		enemy_known(ferry_object_repair("p", enemy_any() % 2, &repair, NULL));
	}
}

/* Opens both ends, or fails to; then calls at random. Ends well, if at all. */
static void victim(struct stage *stage, const void *argument)
{
	ferry_pipe *reader = NULL;
	ferry_pipe *writer = NULL;

	alarm(25);
	signal(SIGPIPE, SIG_DFL);
	enemy_seed(*(const uint64_t *)argument);
	enemy_known(ferry_pipe_open(&reader, "p", FERRY_READ, NULL, FERRY_NOW));
	enemy_known(ferry_pipe_open(&writer, "p", FERRY_WRITE, NULL, ferry_in_ms(5)));
	stage_reach(stage, 1);
	for (int i = 0; reader && writer && i < 100; i++) {
		any_operation(reader, writer);
		atomic_store(&stage->value[0], i);
	}
	ferry_pipe_close(reader);
	ferry_pipe_close(writer);
}

static struct prey make_prey(void)
{
	struct stream stream = stream_meet("p", OPTIONS(.capacity = 16384, .members = SLOTS));
	struct prey prey;

	stream_write_at(stream.writer, 0, 9000, FERRY_NOW);
	stream_expect_at(stream.reader, 0, 4000, FERRY_NOW);
	stream_close(&stream);
	prey = prey_map(scratch_path("p"));
	return prey;
}

static void forget_prey(const struct prey *prey)
{
	prey_unmap(prey);
	check(unlink(scratch_path("p")) == 0 || errno == ENOENT);
}

/* Scribble before it opens, while it works, or once and then no more. */
static void attack_one(uint64_t seed, size_t from, size_t to, int often)
{
	struct prey prey = make_prey();
	const size_t end = to && to < prey.size ? to : prey.size;
	struct peer peer;

	enemy_seed(seed);
	if (seed % 4 == 0)
		enemy_scribble(&prey, from, end);
	peer_start(&peer, victim, &seed);
	peer_await(&peer, 1);
	for (int i = 0; i < often && process_state(peer.pid) != 'Z'; i++)
		enemy_scribble(&prey, from, end);
	enemy_victim_ends(&peer, seed);
	forget_prey(&prey);
}

static void attack(size_t from, size_t to)
{
	for (uint64_t i = enemy_first_seed(); i <= enemy_last_seed(20, 5000); i++) {
		attack_one(i, from, to, 40);
		attack_one(i, from, to, 1);
	}
}

static void c9_scribbled_header_crashes_nobody(void)
{
	attack(0, HEADER);
}

static void c9_scribbled_start_of_the_header_crashes_nobody(void)
{
	attack(0, 192);
}

static void c9_scribbled_member_table_crashes_nobody(void)
{
	attack(HEADER, HEADER + 64 * SLOTS);
}

static void c9_scribbled_pipe_crashes_nobody(void)
{
	attack(HEADER + 64 * SLOTS, HEADER + 64 * SLOTS + 2048);
	attack(HEADER + 64 * SLOTS, 0);
}

static void c9_scribbled_anywhere_crashes_nobody(void)
{
	attack(0, 0);
}

static void c9_truncated_while_in_use_crashes_nobody(void)
{
	for (uint64_t seed = enemy_first_seed(); seed <= enemy_last_seed(35, 5000); seed++) {
		struct prey prey = make_prey();
		struct peer peer;

		enemy_seed(seed);
		peer_start(&peer, victim, &seed);
		peer_await(&peer, 1);
		await(atomic_load(&peer.stage->value[0]) >= (int64_t)(enemy_any() % 60) ||
		      process_state(peer.pid) == 'Z');
		check_eq(truncate(scratch_path("p"),
				  enemy_any() % 3 ? (off_t)(enemy_any() % prey.size) : 0),
			 0);
		if (enemy_any() % 3 == 0)
			check_eq(truncate(scratch_path("p"), (off_t)prey.size), 0);
		enemy_victim_ends(&peer, seed);
		forget_prey(&prey);
	}
}

static void wait_for_ever(struct stage *stage, const void *argument)
{
	ferry_pipe *pipe = stream_open("p", argument ? FERRY_WRITE : FERRY_READ, NULL);
	static char data[30000];
	ssize_t n = 1;

	alarm(25);
	stage_reach(stage, 1);
	while (n > 0)
		n = argument ? ferry_pipe_write(pipe, data, sizeof data, FERRY_FOREVER)
			     : ferry_pipe_read(pipe, data, sizeof data, FERRY_FOREVER);
	check_eq(n, -FERRY_ECORRUPT);
	ferry_pipe_close(pipe);
}

static void cut_under(const void *writing)
{
	static const off_t sizes[] = { 0, 4096, 8192 };

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct stream stream = stream_meet("p", OPTIONS(.capacity = 8192));
		struct peer peer;

		peer_start(&peer, wait_for_ever, writing);
		peer_await(&peer, 1);
		await(process_asleep(peer.pid));
		check_eq(truncate(scratch_path("p"), sizes[i]), 0);
		peer_join(&peer);
		check_eq(ferry_pipe_write(stream.writer, "x", 1, FERRY_NOW), -FERRY_ECORRUPT);
		stream_close(&stream);
		check_eq(unlink(scratch_path("p")), 0);
	}
}

static void c9_blocked_reader_learns_that_the_file_was_cut(void)
{
	cut_under(NULL);
}

static void c9_blocked_writer_learns_that_the_file_was_cut(void)
{
	cut_under("writing");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c9_scribbled_header_crashes_nobody),
		claim(c9_scribbled_start_of_the_header_crashes_nobody),
		claim(c9_scribbled_member_table_crashes_nobody),
		claim(c9_scribbled_pipe_crashes_nobody),
		claim(c9_scribbled_anywhere_crashes_nobody),
		claim(c9_truncated_while_in_use_crashes_nobody),
		claim(c9_blocked_reader_learns_that_the_file_was_cut),
		claim(c9_blocked_writer_learns_that_the_file_was_cut),
	};

	return claim_run_all(claims);
}
