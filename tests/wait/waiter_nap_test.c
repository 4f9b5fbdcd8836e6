/* SPDX-License-Identifier: MIT */
/* What a waiter does at its naps, and when it needs none: somebody who was stopped after he had
 * sent, and before he told those who watch, is found out however many mailboxes there are; and
 * where nobody else is who could be stopped so, nobody looks. */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "limits.h"
#include "peer.h"
#include "scratch.h"

enum { MANY = 900, STOPS = 7, QUIET_MS = 400, NAP_MS = 30 };
/* Naps: one, where the machine has time for it, or two. Taken in turn by fours it would be more
 * than a hundred, on the average. */
enum { FEW = 14 };

static ferry_waiter *waiter;
static ferry_mailbox *box[MANY];

static const char *name_of(int i)
{
	static char name[32];

	snprintf(name, sizeof name, "box-%d", i);
	return name;
}

static ferry_mailbox *open_small(int i)
{
	return box_open(name_of(i),
			FERRY_MAILBOX_OPTIONS(.messages = 1, .max_size = 8, .spin = -1));
}

static void make_waiter(int n)
{
	limits_apply();
	check_eq(ferry_waiter_open(&waiter, NULL), 0);
	for (int i = 0; i < n; i++) {
		box[i] = open_small(i);
		struct ferry_item item = ferry_on_mailbox(box[i], FERRY_CAN_READ);
		check(ferry_waiter_add(waiter, &item, box[i]) >= 0);
	}
}

static void end_waiter(int n)
{
	ferry_waiter_close(waiter);
	for (int i = 0; i < n; i++)
		box_end(box[i], name_of(i));
}

static void expect_nothing(ferry_deadline deadline, int result)
{
	struct ferry_report report;

	check_eq(ferry_waiter_wait(waiter, &report, 1, deadline), result);
}

/* How often this thread has slept. */
static int64_t sleeps(void)
{
	struct rusage usage;

	check_eq(getrusage(RUSAGE_THREAD, &usage), 0);
	return usage.ru_nvcsw;
}

/* How often it wakes while nothing happens. What has just joined or left is dealt with before. */
static int64_t naps_when_quiet(void)
{
	expect_nothing(ferry_in_ms(QUIET_MS / 4), -ETIMEDOUT);
	const int64_t before = sleeps();
	expect_nothing(ferry_in_ms(QUIET_MS), -ETIMEDOUT);
	return sleeps() - before - 1;
}

/* Open so many, and send to the one that is asked for: but whoever watches is not told, as if it
 * had been stopped just before. */
static void send_without_telling(struct stage *stage, const void *n)
{
	static ferry_mailbox *mine[MANY];

	for (int i = 0; i < *(const int *)n; i++)
		mine[i] = open_small(i);
	limits_forbid_touching();
	for (uint32_t point = 1;; point += 2) {
		stage_meet(stage, point);
		box_send(mine[atomic_load(&stage->value[0])], 1);
		stage_reach(stage, point + 1);
	}
}

/* Let the peer send to one, and stop it. How often the waiter slept until it had found that out. */
static int64_t naps_until_found(const struct peer *peer, int which, uint32_t point)
{
	struct ferry_report report;

	peer_await(peer, point);
	expect_nothing(FERRY_NOW, -EAGAIN);
	atomic_store(&peer->stage->value[0], which);
	peer_allow(peer, point);
	peer_await(peer, point + 1);
	peer_stop(peer);
	const int64_t before = sleeps();
	check_eq(ferry_waiter_wait(waiter, &report, 1, box_patience()), 1);
	check(report.user == box[which]);
	box_expect(box[which], 1);
	peer_resume(peer);
	return sleeps() - before;
}

static void c5_in_a_large_set_what_a_stopped_one_has_sent_is_found_out_soon(void)
{
	const int n = MANY;
	struct peer peer;
	int64_t naps = 0;

	make_waiter(n);
	peer_start(&peer, send_without_telling, &n);
	for (int i = 0; i < STOPS; i++)
		naps += naps_until_found(&peer, (i * 257 + 100) % n, 1 + 2 * (uint32_t)i);
	check(naps <= STOPS * FEW);
	peer_kill(&peer);
	end_waiter(n);
}

static void hold_open(struct stage *stage, const void *unused)
{
	(void)unused;
	stage_meet(stage, 1);
	ferry_mailbox *mine = open_small(0);
	stage_meet(stage, 2);
	ferry_mailbox_close(mine);
	stage_meet(stage, 3);
	(void)open_small(0);
	stage_meet(stage, 4);
}

static void c7_who_waits_alone_does_not_wake_until_another_joins(void)
{
	struct peer peer;

	make_waiter(2);
	peer_start(&peer, hold_open, NULL);
	check_eq(naps_when_quiet(), 0);
	peer_await(&peer, 1);
	peer_allow(&peer, 1);
	peer_await(&peer, 2);
	check(naps_when_quiet() > QUIET_MS / NAP_MS / 4);
	peer_allow(&peer, 2);
	peer_await(&peer, 3);
	check_eq(naps_when_quiet(), 0);
	peer_allow(&peer, 3);
	peer_await(&peer, 4);
	peer_kill(&peer);
	end_waiter(2);
}

/* Whoever joins says so: else nobody would look for what it was stopped at. */
static void c5_what_one_who_has_just_joined_was_stopped_at_is_found_out(void)
{
	const int n = 1;
	struct peer peer;

	make_waiter(n);
	check_eq(naps_when_quiet(), 0);
	peer_start(&peer, send_without_telling, &n);
	check(naps_until_found(&peer, 0, 1) <= FEW);
	peer_kill(&peer);
	end_waiter(n);
}

/* The child has the mailbox from its parent, and is no member before its first call. */
static void send_as_a_child(struct stage *stage, const void *unused)
{
	(void)unused;
	stage_meet(stage, 1);
	box_send(box[0], 1);
	stage_reach(stage, 2);
	stage_wait(stage, 3);
}

static void c11_a_forked_child_that_sends_ends_a_wait_without_naps(void)
{
	struct ferry_report report;
	struct peer peer;

	make_waiter(1);
	peer_start(&peer, send_as_a_child, NULL);
	check_eq(naps_when_quiet(), 0);
	peer_await(&peer, 1);
	peer_allow(&peer, 1);
	check_eq(ferry_waiter_wait(waiter, &report, 1, box_patience()), 1);
	box_expect(box[0], 1);
	check(naps_when_quiet() > QUIET_MS / NAP_MS / 4);
	peer_kill(&peer);
	end_waiter(1);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c5_in_a_large_set_what_a_stopped_one_has_sent_is_found_out_soon),
		claim(c7_who_waits_alone_does_not_wake_until_another_joins),
		claim(c5_what_one_who_has_just_joined_was_stopped_at_is_found_out),
		claim(c11_a_forked_child_that_sends_ends_a_wait_without_naps),
	};

	return claim_run_all(claims);
}
