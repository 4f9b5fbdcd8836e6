/* SPDX-License-Identifier: MIT */
/* Creation is atomic and reserves everything (C8). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "leftover.h"
#include "peer.h"
#include "scratch.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS

static fsblkcnt_t blocks_free(const char *path)
{
	struct statvfs st;

	check_eq(statvfs(path, &st), 0);
	return st.f_bfree;
}

static void c8_full_file_system_is_enospc_and_nothing_is_left(void)
{
	char path[512];
	const int descriptors = leftover_descriptors();
	struct ferry_why why = { 0 };
	fsblkcnt_t before;
	ferry_mailbox *box;

	strcpy(path, scratch_path("small"));
	check_eq(mkdir(path, 0700), 0);
	scratch_mount(path, 256);
	before = blocks_free(path);
	for (int i = 0; i < 20; i++) {
		check_eq(
		    ferry_mailbox_open(&box, scratch_path("small/orders"), OPTIONS(.why = &why)),
		    -ENOSPC);
		check_eq(why.error, -ENOSPC);
		check(why.text[0]);
		check_eq(scratch_count_in(path), 0);
		check_eq(blocks_free(path), before);
	}
	check_eq(leftover_descriptors(), descriptors);
	check_eq(umount2(path, MNT_DETACH), 0);
	check_eq(rmdir(path), 0);
}

/* Fill the file system after creation: the mailbox must not notice. */
static void c8_full_file_system_does_not_touch_a_mailbox_that_exists(void)
{
	char path[512];
	const size_t size = 20000;
	static char zeros[65536];
	ferry_mailbox *box;
	unsigned char *data = malloc(size);
	FILE *rest;

	strcpy(path, scratch_path("small"));
	check_eq(mkdir(path, 0700), 0);
	scratch_mount(path, 2048);
	box = box_open(scratch_path("small/orders"), OPTIONS(.max_size = size, .messages = 20));
	rest = fopen(scratch_path("small/rest"), "we");
	check(rest && data);
	setvbuf(rest, NULL, _IONBF, 0);
	while (fwrite(zeros, 1, 4096, rest) == 4096)
		;
	fclose(rest);
	check_eq(blocks_free(path), 0);
	for (uint64_t i = 0; i < 200; i++) {
		check_eq(box_send_pattern(box, i, i % size, FERRY_NOW), 0);
		if (i % 4)
			check_eq(box_send_pattern(box, i, size, FERRY_NOW), 0);
		check_eq(ferry_mailbox_receive(box, data, size, FERRY_NOW), i % size);
		if (i % 4)
			check_eq(ferry_mailbox_receive(box, data, size, FERRY_NOW), size);
	}
	free(data);
	ferry_mailbox_close(box);
	check_eq(umount2(path, MNT_DETACH), 0);
	check_eq(rmdir(path), 0);
}

/* The kernel's signal for it would end the process, without a word. */
static void c8_a_limit_to_the_size_of_files_is_an_error(void)
{
	const struct rlimit limit = { 10000, RLIM_INFINITY };
	struct ferry_why why = { 0 };
	ferry_mailbox *box;
	ferry_pipe *reader, *writer;
	ferry_segment *segment;

	check_eq(ferry_segment_open(&segment, "shared",
				    FERRY_SEGMENT_OPTIONS(.bytes = 4096, .max_bytes = 1 << 24)),
		 0);
	check_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	check_eq(ferry_mailbox_open(&box, "orders", OPTIONS(.why = &why)), -EFBIG);
	check(why.text[0]);
	check_eq(ferry_pipe_pair(&reader, &writer, NULL), -EFBIG);
	check_eq(ferry_segment_grow(segment, 1 << 20), -EFBIG);
	ferry_segment_close(segment);
	check_eq(ferry_remove("shared", NULL), 0);
	check_eq(scratch_count(), 0);
}

static void c8_every_page_is_reserved(void)
{
	struct stat st;
	ferry_mailbox *box = box_open("orders", OPTIONS(.max_size = 3 << 20, .messages = 1000));

	check_eq(stat(scratch_path("orders"), &st), 0);
	check(st.st_blocks * 512 >= st.st_size);
	check(st.st_size >= 3 << 20);
	box_end(box, "orders");
}

enum { RACERS = 8 };

/* Wait for the shot, open, send one's number, tell what came of it. */
static void race(struct stage *stage, const void *argument)
{
	const uint32_t *flags = argument;
	ferry_mailbox *box = NULL;
	int r;

	stage_reach(stage, 1);
	while (!atomic_load(&stage->allowed))
		;
	r = ferry_mailbox_open(&box, "orders", OPTIONS(.flags = *flags));
	atomic_store(&stage->value[0], r);
	if (r == 0)
		box_send(box, (uint64_t)getpid());
	stage_meet(stage, 2);
	ferry_mailbox_close(box);
}

/* Let eight open at once; how many succeeded. */
static int race_once(uint32_t flags)
{
	struct peer peers[RACERS];
	int opened = 0;

	for (int i = 0; i < RACERS; i++)
		peer_start(&peers[i], race, &flags);
	for (int i = 0; i < RACERS; i++)
		peer_await(&peers[i], 1);
	for (int i = 0; i < RACERS; i++)
		peer_allow(&peers[i], 1);
	for (int i = 0; i < RACERS; i++) {
		int64_t r;

		peer_await(&peers[i], 2);
		r = atomic_load(&peers[i].stage->value[0]);
		check(r == 0 || (r == -EEXIST && flags));
		opened += r == 0;
	}
	check_eq(box_look("orders").members_alive, opened);
	for (int i = 0; i < RACERS; i++) {
		peer_allow(&peers[i], 2);
		peer_join(&peers[i]);
	}
	return opened;
}

static void c8_eight_that_create_or_open_at_once_are_in_one_mailbox(void)
{
	for (int i = 0; i < check_repeat(40, 2000); i++) {
		ferry_mailbox *box;

		check_eq(race_once(0), RACERS);
		check_eq(scratch_count(), 1);
		box = box_open("orders", NULL);
		check_eq(box_stat(box).messages, RACERS);
		box_end(box, "orders");
	}
}

static void c8_of_eight_that_create_exclusively_one_succeeds(void)
{
	for (int i = 0; i < check_repeat(40, 2000); i++) {
		check_eq(race_once(FERRY_EXCLUSIVE), 1);
		check_eq(scratch_count(), 1);
		box_remove("orders");
	}
}

/* Small mailboxes, each under a new name. */
static void create_many(struct stage *stage, const void *argument)
{
	char name[16];

	(void)argument;
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "m%d", i);
		ferry_mailbox_close(
		    box_open(name, OPTIONS(.max_size = 16, .messages = 1, .members = 1)));
		stage_reach(stage, (uint32_t)i + 1);
	}
}

static void spin_for(int64_t ns)
{
	const int64_t until = clock_ns() + ns;

	while (clock_ns() < until)
		;
}

/* Every file that is there opens and works; at most one that its maker had not yet seen finished.
 */
static int all_are_whole(void)
{
	char name[16];
	int n = scratch_count();

	for (int i = 0; i < n; i++) {
		ferry_mailbox *box;

		snprintf(name, sizeof name, "m%d", i);
		box = box_open(name, OPTIONS(.flags = FERRY_EXISTING));
		box_send(box, 1);
		box_expect(box, 1);
		box_end(box, name);
	}
	return n;
}

static void c8_creator_killed_leaves_nothing_half_made(void)
{
	srand(8);
	for (int i = 0; i < check_repeat(100, 5000); i++) {
		struct peer peer;
		uint32_t made;
		int n;

		peer_start(&peer, create_many, NULL);
		peer_await(&peer, 1);
		spin_for(rand() % 300000);
		check_eq(kill(peer.pid, SIGKILL), 0);
		await(process_state(peer.pid) == 'Z');
		made = atomic_load(&peer.stage->reached);
		peer_kill(&peer);
		n = all_are_whole();
		check(n == (int)made || n == (int)made + 1);
		check_eq(scratch_count(), 0);
	}
}

static void create_and_remove(struct stage *stage, const void *argument)
{
	(void)argument;
	for (;;) {
		box_end(box_open("orders", OPTIONS(.messages = 16, .members = 16)), "orders");
		stage_reach(stage, 1);
	}
}

static int repair_it(const char *name, const char *location, void *context)
{
	struct ferry_repair repair;

	(void)name;
	(void)context;
	check_eq(ferry_object_repair(location, 0, &repair, NULL), 0);
	check_eq(repair.unlinked, 1);
	return 0;
}

/* The name is usable at once; a leftover of the removal itself is found by listing. */
static void c5_what_a_killed_remover_leaves_is_listed_and_repaired(void)
{
	srand(5);
	for (int i = 0; i < check_repeat(100, 5000); i++) {
		struct peer peer;
		ferry_mailbox *box;

		peer_start(&peer, create_and_remove, NULL);
		peer_await(&peer, 1);
		spin_for(rand() % 300000);
		peer_kill(&peer);
		box = box_open("orders", NULL);
		box_send(box, 1);
		box_expect(box, 1);
		box_end(box, "orders");
		check_eq(ferry_list(NULL, repair_it, NULL, NULL), 0);
		check_eq(scratch_count(), 0);
	}
}

static void open_and_close(struct stage *stage, const void *argument)
{
	(void)argument;
	for (;;) {
		ferry_mailbox *box = NULL;
		const int r = ferry_mailbox_open(&box, "orders", NULL);

		check_eq(r, 0);
		if (ferry_mailbox_send(box, "x", 1, FERRY_NOW) == 0)
			ferry_mailbox_receive(box, &(char){ 0 }, 1, FERRY_NOW);
		ferry_mailbox_close(box);
		stage_reach(stage, 1);
	}
}

/* Openers never see half an object, whatever creators and removers do meanwhile. */
static void c8_opening_while_others_create_and_remove_always_succeeds(void)
{
	struct peer openers[2];
	const int64_t until = clock_ns() + check_repeat(1, 30) * 1000000000LL;

	for (int i = 0; i < 2; i++) {
		peer_start(&openers[i], open_and_close, NULL);
		peer_await(&openers[i], 1);
	}
	while (clock_ns() < until) {
		const int r = ferry_remove("orders", NULL);

		if (r != -ENOENT)
			check_eq(r, 0);
		check(process_state(openers[0].pid) != 'Z');
		check(process_state(openers[1].pid) != 'Z');
	}
	for (int i = 0; i < 2; i++)
		peer_kill(&openers[i]);
	check(ferry_remove("orders", NULL) <= 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c8_full_file_system_is_enospc_and_nothing_is_left),
		claim(c8_full_file_system_does_not_touch_a_mailbox_that_exists),
		claim(c8_a_limit_to_the_size_of_files_is_an_error),
		claim(c8_every_page_is_reserved),
		claim(c8_eight_that_create_or_open_at_once_are_in_one_mailbox),
		claim(c8_of_eight_that_create_exclusively_one_succeeds),
		claim(c8_creator_killed_leaves_nothing_half_made),
		claim(c5_what_a_killed_remover_leaves_is_listed_and_repaired),
		claim(c8_opening_while_others_create_and_remove_always_succeeds),
	};

	return claim_run_all(claims);
}
