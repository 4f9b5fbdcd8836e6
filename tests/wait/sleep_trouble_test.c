/* SPDX-License-Identifier: MIT */
/* Sound sleep beside those who are stopped, killed or hostile: whoever sends wakes those who sleep
 * soundly before he begins, so that they look about when he is stopped on the way (C5). */
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "limits.h"
#include "scratch.h"
#include "sleeper.h"
#include "trace.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS

static struct sleeper sleepers[SLEEP_WAYS];

/* ---- stopped at any instruction of a send ---- */

/* Who does not nap finds out after a second, each time; who does may be late by chance. */
enum { FOUND_NS = 500000000, TRIES = 4 };
/* The short form takes about so many steps in all, of which each costs two switches. */
enum { STEPS = 60000 };

struct stopping {
	struct sleeper *sleeper;
	struct peer sender;
	uint32_t point; /* that the sender reaches next */
	int64_t sent;   /* messages that were begun */
};

/* Send again and again, between a mark and a point. */
static void send_in_steps(struct stage *stage, const void *argument)
{
	const struct sleeper *sleeper = argument;
	ferry_mailbox *own = box_open(sleeper->location, sleeper->options);

	stage_meet(stage, 1);
	for (uint32_t point = 2;; point++) {
		trace_mark();
		box_send(own, 1);
		stage_reach(stage, point);
	}
}

/* Have it begin a message, when the sleeper sleeps soundly. */
static void begin_message(struct stopping *stopping)
{
	await(is_sound_asleep(stopping->sleeper));
	stopping->sent++;
}

/* So many instructions. False: it has sent. */
static bool step(const struct stopping *stopping, int n)
{
	return trace_step(&stopping->sender, n, stopping->point);
}

/* To the mark before its next message. */
static void end_message(struct stopping *stopping)
{
	trace_to_mark(&stopping->sender);
	stopping->point++;
	await(sleeper_says(stopping->sleeper, SLEEPER_COUNT) == stopping->sent);
}

/* It is past its first message, for which it has more to do. */
static void start_sender(struct stopping *ret_stopping, struct sleeper *sleeper)
{
	*ret_stopping = (struct stopping){ .sleeper = sleeper, .point = 2 };
	peer_start(&ret_stopping->sender, send_in_steps, sleeper);
	peer_await(&ret_stopping->sender, 1);
	trace_to_first_mark(&ret_stopping->sender);
	begin_message(ret_stopping);
	end_message(ret_stopping);
}

static int count_instructions(struct stopping *stopping)
{
	int n = 1;

	for (begin_message(stopping); step(stopping, 1); n++)
		;
	end_message(stopping);
	return n;
}

/* Stop the sender so far on. How long it took then, in ns, until the sleeper had a message: what
 * the stopped one has sent, if it has come to that; or else what another sends, where that can be.
 */
static int64_t find_out(struct stopping *stopping, int instructions)
{
	struct sleeper *sleeper = stopping->sleeper;
	const int64_t had = stopping->sent;

	begin_message(stopping);
	(void)step(stopping, instructions);
	const int64_t start = clock_ns();
	const struct ferry_mailbox_stat stat = box_stat(sleeper->box);
	const bool there = stat.messages > 0 || sleeper_says(sleeper, SLEEPER_COUNT) > had;
	if (!there && !stat.one_to_one) {
		stopping->sent++;
		box_send(sleeper->box, 1);
	}
	if (there || !stat.one_to_one)
		await(sleeper_says(sleeper, SLEEPER_COUNT) > had);
	const int64_t took = clock_ns() - start;
	end_message(stopping);
	return took;
}

static void is_found_out(struct stopping *stopping, int instructions)
{
	int64_t took = FOUND_NS;

	check_about("%s, stopped after %d instructions", stopping->sleeper->way->name,
		    instructions);
	for (int i = 0; i < TRIES && took >= FOUND_NS; i++)
		took = find_out(stopping, instructions);
	check(took < FOUND_NS);
	check_about("%s", "");
}

/* Of n instructions, for each way: all of them, or those that it takes over in the short form. */
static int stride_over(int n)
{
	const int64_t all = (int64_t)SLEEP_WAYS * n * n / 2; /* steps */

	return check_is_long() ? 1 : 1 + (int)(all / STEPS);
}

static void stop_anywhere(const struct ferry_mailbox_options *options)
{
	int n = 0;

	limits_apply();
	sleepers_start(sleepers, options, "0");
	for (int i = 0; i < SLEEP_WAYS; i++) {
		struct stopping stopping;

		start_sender(&stopping, &sleepers[i]);
		if (n == 0)
			n = count_instructions(&stopping);
		const int64_t stride = stride_over(n);
		for (int64_t at = stride * i / SLEEP_WAYS; at < n; at += stride)
			is_found_out(&stopping, (int)at);
		peer_kill(&stopping.sender);
	}
	sleepers_end(sleepers);
}

static void c5_a_sender_may_be_stopped_anywhere(void)
{
	stop_anywhere(NULL);
}

static void c5_a_sender_one_to_one_may_be_stopped_anywhere(void)
{
	stop_anywhere(OPTIONS(.flags = FERRY_ONE_TO_ONE));
}

/* ---- while a message is under way ---- */

static void stop_under_way(struct stopping *stopping)
{
	bool under_way = false;

	/* If the sleeper looked up just then it may have fallen asleep again in between. */
	while (!under_way) {
		begin_message(stopping);
		while ((under_way = step(stopping, 1)) &&
		       atomic_load(&stopping->sleeper->bell->sound) & 1)
			;
		if (!under_way)
			end_message(stopping);
	}
}

/* They are stopped, go on, are stopped again and killed. */
static void naps_while_under_way(const struct ferry_mailbox_options *options)
{
	static struct stopping stopping[SLEEP_WAYS];

	limits_apply();
	sleepers_start(sleepers, options, "0");
	await_sound_sleep(sleepers, SLEEP_WAYS);
	for (int i = 0; i < SLEEP_WAYS; i++) {
		start_sender(&stopping[i], &sleepers[i]);
		stop_under_way(&stopping[i]);
	}
	await_naps(sleepers, SLEEP_WAYS);
	for (int i = 0; i < SLEEP_WAYS; i++)
		end_message(&stopping[i]);
	await_sound_sleep(sleepers, SLEEP_WAYS);
	for (int i = 0; i < SLEEP_WAYS; i++)
		stop_under_way(&stopping[i]);
	await_naps(sleepers, SLEEP_WAYS);
	for (int i = 0; i < SLEEP_WAYS; i++)
		peer_kill(&stopping[i].sender);
	await_sound_sleep(sleepers, SLEEP_WAYS);
	for (int i = 0; i < SLEEP_WAYS; i++)
		check_eq(sleeper_says(&sleepers[i], SLEEPER_COUNT), stopping[i].sent - 1);
	sleepers_end(sleepers);
}

static void c5_all_nap_while_a_message_is_under_way(void)
{
	naps_while_under_way(NULL);
}

static void c5_all_nap_while_a_message_one_to_one_is_under_way(void)
{
	naps_while_under_way(OPTIONS(.flags = FERRY_ONE_TO_ONE));
}

/* ---- in a large set ---- */

enum { MANY = 900, STOPS = 7 };
/* Naps: one, where the machine has time for it, or two. Taken in turn by fours it would be more
 * than a hundred, on the average. */
enum { FEW = 14 };

static const char *name_of(int i)
{
	static char name[32];

	snprintf(name, sizeof name, "crowd-%d", i);
	return name;
}

static void open_all(ferry_mailbox **ret_boxes, int n)
{
	for (int i = 0; i < n; i++)
		ret_boxes[i] =
		    box_open(name_of(i), OPTIONS(.messages = 1, .max_size = 8, .spin = -1));
}

static ferry_mailbox *crowd[MANY];

static void watch_all(struct stage *stage, const void *number)
{
	const int n = *(const int *)number;

	open_all(crowd, n);
	wait_for_any(stage, crowd, n);
}

/* Send to the one that value 0 says, behind each mark. */
static void send_to_one(struct stage *stage, const void *number)
{
	open_all(crowd, *(const int *)number);
	stage_meet(stage, 1);
	for (;;) {
		trace_mark();
		box_send(crowd[atomic_load(&stage->value[0])], 1);
	}
}

/* Stop it where it would tell those who watch the file, and has sent already. Before, it has told
 * those who sleep soundly that it begins. */
static void stop_before_telling(const struct sleeper *watcher, const struct peer *sender,
				ferry_mailbox *box, int64_t had)
{
	while (trace_to_call(sender, SYS_pread64) && box_stat(box).messages == 0 &&
	       sleeper_says(watcher, SLEEPER_COUNT) == had)
		;
}

/* How often the watcher slept until it had found out what a stopped one has sent. */
static int64_t naps_until_found(struct sleeper *watcher, const struct peer *sender, int which)
{
	const int64_t had = sleeper_says(watcher, SLEEPER_COUNT);

	watcher->prey = prey_map(scratch_path(name_of(which)));
	watcher->bell = bell_of(&watcher->prey);
	if (watcher->sound_ms[0] == '0')
		await(is_sound_asleep(watcher));
	await(process_asleep(watcher->peer.pid));
	atomic_store(&sender->stage->value[0], which);
	stop_before_telling(watcher, sender, crowd[which], had);
	const int64_t before = sleeps_of(watcher->peer.pid);
	await(sleeper_says(watcher, SLEEPER_COUNT) == had + 1);
	const int64_t naps = sleeps_of(watcher->peer.pid) - before;
	prey_unmap(&watcher->prey);
	return naps;
}

static void finds_out_soon(const char *sound)
{
	static const struct sleep_way way = { "the watcher", NULL };
	struct sleeper watcher = { .way = &way, .sound_ms = sound };
	const int n = MANY;
	struct peer sender;
	int64_t naps = 0;

	limits_apply();
	sound_ms(sound);
	open_all(crowd, n);
	peer_start(&watcher.peer, watch_all, &n);
	peer_await(&watcher.peer, 1);
	peer_start(&sender, send_to_one, &n);
	peer_await(&sender, 1);
	trace_to_first_mark(&sender);
	for (int i = 0; i < STOPS; i++) {
		naps += naps_until_found(&watcher, &sender, (i * 257 + 100) % n);
		while (trace_to_call(&sender, SYS_pread64))
			;
	}
	check(naps <= STOPS * FEW);
	peer_kill(&sender);
	peer_kill(&watcher.peer);
	for (int i = 0; i < n; i++)
		box_end(crowd[i], name_of(i));
}

static void c5_in_a_large_set_what_a_stopped_one_has_sent_is_found_out_soon(void)
{
	finds_out_soon("-1");
}

static void c5_in_a_large_set_asleep_what_a_stopped_one_has_sent_is_found_out_soon(void)
{
	finds_out_soon("0");
}

/* ---- children ---- */

/* It has the mailbox from its parent, and is no member before its first call. */
static void send_as_a_child(struct stage *stage, const void *argument)
{
	const struct sleeper *sleeper = argument;

	stage_meet(stage, 1);
	box_send(sleeper->box, 1);
	stage_meet(stage, 2);
}

static void c11_a_forked_child_that_sends_ends_sound_sleep(void)
{
	struct peer child[SLEEP_WAYS];

	limits_apply();
	sleepers_start(sleepers, NULL, "0");
	for (int i = 0; i < SLEEP_WAYS; i++) {
		peer_start(&child[i], send_as_a_child, &sleepers[i]);
		peer_await(&child[i], 1);
	}
	await_sound_sleep(sleepers, SLEEP_WAYS);
	for (int i = 0; i < SLEEP_WAYS; i++) {
		peer_allow(&child[i], 1);
		await(sleeper_says(&sleepers[i], SLEEPER_COUNT) == 1);
	}
	await_sound_sleep(sleepers, SLEEP_WAYS);
	for (int i = 0; i < SLEEP_WAYS; i++)
		peer_kill(&child[i]);
	sleepers_end(sleepers);
}

/* ---- the hostile ---- */

enum { WORD = 1, MARK = 2, SOUND = 4, ALL_OF_IT = 7 };

static void clear(struct bell *bell, int what)
{
	if (what & WORD)
		atomic_store(&bell->word, 0);
	if (what & MARK)
		atomic_store(&bell->mark, 0);
	if (what & SOUND)
		atomic_store(&bell->sound, 0);
}

/* Whatever of the bell somebody clears, the message comes, if later; and the next as well. */
static void c9_a_bell_that_is_cleared_delays_a_message_not_for_ever(void)
{
	limits_apply();
	sleepers_start(sleepers, NULL, "0");
	for (int what = 1; what <= ALL_OF_IT; what++) {
		for (int i = 0; i < SLEEP_WAYS; i++) {
			await(is_sound_asleep(&sleepers[i]));
			clear(sleepers[i].bell, what);
			box_send(sleepers[i].box, 1);
		}
		for (int i = 0; i < SLEEP_WAYS; i++) {
			check_about("%s, cleared %d", sleepers[i].way->name, what);
			await(sleeper_says(&sleepers[i], SLEEPER_COUNT) == what);
		}
	}
	check_about("%s", "");
	await_sound_sleep(sleepers, SLEEP_WAYS);
	sleepers_end(sleepers);
}

/* Its own look tells it; nobody else does, and the file has no byte that could be read to tell. */
static void c9_who_sleeps_soundly_finds_out_that_the_file_was_cut_short(void)
{
	limits_apply();
	sleepers_start(sleepers, NULL, "0");
	for (int i = 0; i < SLEEP_WAYS; i++)
		await(is_sound_asleep(&sleepers[i]));
	for (int i = 0; i < SLEEP_WAYS; i++)
		check_eq(truncate(scratch_path(sleepers[i].location), 0), 0);
	for (int i = 0; i < SLEEP_WAYS; i++) {
		check_about("%s", sleepers[i].way->name);
		await(sleeper_says(&sleepers[i], SLEEPER_ERROR));
		check_eq(sleeper_says(&sleepers[i], SLEEPER_ERROR), -FERRY_ECORRUPT);
		check_eq(unlink(scratch_path(sleepers[i].location)), 0);
	}
	check_about("%s", "");
	sleepers_end(sleepers);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c5_a_sender_may_be_stopped_anywhere),
		claim(c5_a_sender_one_to_one_may_be_stopped_anywhere),
		claim(c5_all_nap_while_a_message_is_under_way),
		claim(c5_all_nap_while_a_message_one_to_one_is_under_way),
		claim(c5_in_a_large_set_what_a_stopped_one_has_sent_is_found_out_soon),
		claim(c5_in_a_large_set_asleep_what_a_stopped_one_has_sent_is_found_out_soon),
		claim(c11_a_forked_child_that_sends_ends_sound_sleep),
		claim(c9_a_bell_that_is_cleared_delays_a_message_not_for_ever),
		claim(c9_who_sleeps_soundly_finds_out_that_the_file_was_cut_short),
	};

	return claim_run_all(claims);
}
