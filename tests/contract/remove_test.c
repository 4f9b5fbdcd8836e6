/* SPDX-License-Identifier: MIT */
/* Removal wakes and refuses everyone, and frees the name at once (C6); repair cleans what is left.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS

/* A blocking call and what it must return. */
struct waiter {
	const char *what;
	int error;
};

static void wait_in(struct stage *stage, const void *argument)
{
	const struct waiter *waiter = argument;
	struct ferry_message message;
	ferry_mailbox *box = box_open("orders", OPTIONS(.flags = FERRY_EXISTING));
	uint64_t got = 0;
	ssize_t r = 1;

	stage_reach(stage, 1);
	if (!strcmp(waiter->what, "receive"))
		r = ferry_mailbox_receive(box, &got, sizeof got, FERRY_FOREVER);
	if (!strcmp(waiter->what, "take"))
		r = ferry_mailbox_take(box, &message, FERRY_FOREVER);
	if (!strcmp(waiter->what, "peek"))
		r = ferry_mailbox_peek(box, &got, sizeof got, NULL, FERRY_FOREVER);
	if (!strcmp(waiter->what, "send"))
		r = ferry_mailbox_send(box, &got, sizeof got, FERRY_FOREVER);
	if (!strcmp(waiter->what, "loan"))
		r = ferry_mailbox_loan(box, 4096, &message, FERRY_FOREVER);
	check_eq(r, waiter->error);
	ferry_mailbox_close(box);
}

/* Remove the mailbox under three of these waiters. */
static void removal_ends(ferry_mailbox *box, const char *what)
{
	const struct waiter waiter = { what, -EIDRM };
	struct peer peers[3];

	for (int i = 0; i < 3; i++)
		peer_start(&peers[i], wait_in, &waiter);
	for (int i = 0; i < 3; i++)
		peer_await(&peers[i], 1);
	await(process_asleep(peers[0].pid) && process_asleep(peers[1].pid) &&
	      process_asleep(peers[2].pid));
	box_remove("orders");
	for (int i = 0; i < 3; i++)
		peer_join(&peers[i]);
	ferry_mailbox_close(box);
}

static void c6_removal_wakes_receivers(void)
{
	removal_ends(box_open("orders", NULL), "receive");
	removal_ends(box_open("orders", NULL), "take");
	removal_ends(box_open("orders", NULL), "peek");
}

static void c6_removal_wakes_senders(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 1));

	box_send(box, 1);
	removal_ends(box, "send");
}

static void c6_removal_wakes_those_who_wait_for_memory(void)
{
	struct ferry_message loan;
	ferry_mailbox *box = box_open("orders", OPTIONS(.max_size = 4096, .memory = 4096));

	while (ferry_mailbox_loan(box, 4096, &loan, FERRY_NOW) == 0)
		;
	removal_ends(box, "loan");
}

static void removed_mailbox_is_eidrm_for_every_call(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message taken;
	struct ferry_message loan;
	struct ferry_message message = { 0 };
	struct ferry_mailbox_stat stat;
	uint64_t got = 0;

	box_send(box, 1);
	box_send(box, 2);
	taken = box_take(box, 1);
	check_eq(ferry_mailbox_loan(box, 100, &loan, FERRY_NOW), 0);
	box_remove("orders");
	check_eq(ferry_mailbox_send(box, &got, sizeof got, FERRY_NOW), -EIDRM);
	check_eq(ferry_mailbox_receive(box, &got, sizeof got, FERRY_NOW), -EIDRM);
	check_eq(ferry_mailbox_receive(box, &got, sizeof got, FERRY_FOREVER), -EIDRM);
	check_eq(ferry_mailbox_take(box, &message, FERRY_NOW), -EIDRM);
	check_eq(ferry_mailbox_peek(box, &got, sizeof got, NULL, FERRY_NOW), -EIDRM);
	check_eq(ferry_mailbox_send_many(box, &message, 1, FERRY_NOW), -EIDRM);
	check_eq(ferry_mailbox_loan(box, 1, &message, FERRY_NOW), -EIDRM);
	check_eq(ferry_mailbox_commit(box, &loan, FERRY_NOW), -EIDRM);
	check_eq(ferry_mailbox_stat(box, &stat), -EIDRM);
	ferry_mailbox_done(box, &taken);
	ferry_mailbox_close(box);
}

static void name_of_a_removed_mailbox_is_usable_at_once(void)
{
	ferry_mailbox *old = box_open("orders", NULL);
	ferry_mailbox *new;
	uint64_t got;

	box_send(old, 1);
	box_remove("orders");
	check_eq(scratch_count(), 0);
	new = box_open("orders", OPTIONS(.flags = FERRY_EXCLUSIVE));
	box_expect_empty(new);
	box_send(new, 2);
	check_eq(ferry_mailbox_receive(old, &got, sizeof got, FERRY_NOW), -EIDRM);
	box_expect(new, 2);
	ferry_mailbox_close(old);
	box_end(new, "orders");
}

static void removing_what_is_not_there_is_enoent(void)
{
	struct ferry_why why = { 0 };

	check_eq(ferry_remove("orders", &why), -ENOENT);
	check_eq(why.error, -ENOENT);
	check(strstr(why.text, "orders"));
	ferry_mailbox_close(box_open("orders", NULL));
	box_remove("orders");
	check_eq(ferry_remove("orders", NULL), -ENOENT);
}

static void messages_stay_while_nobody_is_attached(void)
{
	ferry_mailbox *box = box_open("orders", NULL);

	box_send(box, 1);
	ferry_mailbox_close(box);
	check_eq(box_look("orders").members_alive, 0);
	box = box_open("orders", NULL);
	box_expect(box, 1);
	box_end(box, "orders");
}

/* A removal that was killed between marking the object and taking its name away. */
static void leave_marked_name(void)
{
	const uint32_t removed = 2;

	ferry_mailbox_close(box_open("orders", NULL));
	scratch_patch(scratch_path("orders"), 64, &removed, sizeof removed);
}

static void leftover_name_of_a_removal_is_cleared_by_the_next_open(void)
{
	struct ferry_object_stat stat;
	ferry_mailbox *box;

	leave_marked_name();
	check_eq(ferry_object_stat("orders", &stat, NULL), 0);
	check_eq(stat.removed, 1);
	box = box_open("orders", NULL);
	box_send(box, 1);
	box_expect(box, 1);
	check_eq(box_look("orders").removed, 0);
	box_end(box, "orders");
	leave_marked_name();
	box_end(box_open("orders", OPTIONS(.flags = FERRY_EXCLUSIVE)), "orders");
}

static void leftover_name_of_a_removal_does_not_exist_for_existing(void)
{
	ferry_mailbox *box;

	leave_marked_name();
	check_eq(ferry_mailbox_open(&box, "orders", OPTIONS(.flags = FERRY_EXISTING)), -ENOENT);
	if (scratch_count())
		ferry_remove("orders", NULL);
	check_eq(scratch_count(), 0);
}

static void leftover_name_of_a_removal_is_cleared_by_the_next_removal(void)
{
	int r;

	leave_marked_name();
	r = ferry_remove("orders", NULL);
	check(r == 0 || r == -ENOENT);
	check_eq(scratch_count(), 0);
}

static void leftover_name_of_a_removal_is_cleared_by_repair(void)
{
	struct ferry_repair repair;

	leave_marked_name();
	check_eq(ferry_object_repair("orders", 1, &repair, NULL), 0);
	check_eq(repair.unlinked, 1);
	check_eq(scratch_count(), 1);
	check_eq(ferry_object_repair("orders", 0, &repair, NULL), 0);
	check_eq(repair.unlinked, 1);
	check_eq(scratch_count(), 0);
}

/* Takes one of two messages, holds a loan, and waits to be killed. */
static void hold_things(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message loan;

	(void)argument;
	box_take(box, 1);
	check_eq(ferry_mailbox_loan(box, 5000, &loan, FERRY_NOW), 0);
	stage_meet(stage, 1);
}

static void repair_frees_what_the_dead_held(void)
{
	struct ferry_repair repair;
	struct peer peer;
	ferry_mailbox *box = box_open("orders", NULL);
	const uint64_t memory_free = box_stat(box).memory_free;

	box_send(box, 1);
	box_send(box, 2);
	ferry_mailbox_close(box);
	peer_start(&peer, hold_things, NULL);
	peer_await(&peer, 1);
	peer_kill(&peer);
	check_eq(box_look("orders").members_dead, 1);
	check_eq(ferry_object_repair("orders", 0, &repair, NULL), 0);
	check_eq(repair.members, 1);
	check_eq(repair.messages, 1);
	check(repair.bytes >= 5000);
	check_eq(repair.unlinked, 0);
	check_eq(box_look("orders").members_dead, 0);
	check_eq(ferry_object_repair("orders", 0, &repair, NULL), 0);
	check_eq(repair.members, 0);
	box = box_open("orders", NULL);
	check_eq(box_stat(box).memory_free, memory_free);
	check_eq(box_stat(box).messages, 2);
	box_expect(box, 1);
	box_expect(box, 2);
	box_end(box, "orders");
}

static void dry_repair_reports_and_changes_nothing(void)
{
	struct ferry_repair repair;
	struct peer peer;
	ferry_mailbox *box = box_open("orders", NULL);

	box_send(box, 1);
	ferry_mailbox_close(box);
	peer_start(&peer, hold_things, NULL);
	peer_await(&peer, 1);
	peer_kill(&peer);
	for (int i = 0; i < 2; i++) {
		check_eq(ferry_object_repair("orders", 1, &repair, NULL), 0);
		check_eq(repair.members, 1);
		check_eq(box_look("orders").members_dead, 1);
	}
	check_eq(ferry_object_repair("orders", 0, &repair, NULL), 0);
	box_remove("orders");
}

static void repair_disturbs_no_live_member(void)
{
	struct ferry_repair repair;
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message taken;

	box_send(box, 1);
	taken = box_take(box, 1);
	check_eq(ferry_object_repair("orders", 0, &repair, NULL), 0);
	check_eq(repair.members, 0);
	check_eq(repair.messages, 0);
	check_eq(ferry_mailbox_done(box, &taken), 0);
	box_end(box, "orders");
}

static void repair_of_what_is_not_there_is_enoent(void)
{
	struct ferry_repair repair;
	struct ferry_object_stat stat;

	check_eq(ferry_object_repair("orders", 0, &repair, NULL), -ENOENT);
	check_eq(ferry_object_stat("orders", &stat, NULL), -ENOENT);
	check_eq(ferry_object_members("orders", NULL, 0, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c6_removal_wakes_receivers),
		claim(c6_removal_wakes_senders),
		claim(c6_removal_wakes_those_who_wait_for_memory),
		claim(removed_mailbox_is_eidrm_for_every_call),
		claim(name_of_a_removed_mailbox_is_usable_at_once),
		claim(removing_what_is_not_there_is_enoent),
		claim(messages_stay_while_nobody_is_attached),
		claim(leftover_name_of_a_removal_is_cleared_by_the_next_open),
		claim(leftover_name_of_a_removal_does_not_exist_for_existing),
		claim(leftover_name_of_a_removal_is_cleared_by_the_next_removal),
		claim(leftover_name_of_a_removal_is_cleared_by_repair),
		claim(repair_frees_what_the_dead_held),
		claim(dry_repair_reports_and_changes_nothing),
		claim(repair_disturbs_no_live_member),
		claim(repair_of_what_is_not_there_is_enoent),
	};

	return claim_run_all(claims);
}
