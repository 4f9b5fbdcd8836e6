/* SPDX-License-Identifier: MIT */
/* What a handle does across fork, exec, vfork and threads' deaths (C11, C12). */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
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

#define OPTIONS FERRY_MAILBOX_OPTIONS

static ferry_mailbox *inherited; /* the handle that a child finds */

static int alive(pid_t pid)
{
	struct ferry_member members[16];
	const int n = ferry_object_members("orders", members, 16, NULL);

	for (int i = 0; i < n && i < 16; i++)
		if (members[i].pid == pid)
			return members[i].alive;
	return -1;
}

static void use_inherited(struct stage *stage, const void *argument)
{
	(void)argument;
	box_expect(inherited, 1);
	box_send(inherited, 2);
	stage_meet(stage, 1);
	ferry_mailbox_close(inherited);
}

static void c11_child_may_use_the_handle_and_is_a_member_of_its_own(void)
{
	struct peer peer;

	inherited = box_open("orders", NULL);
	box_send(inherited, 1);
	peer_start(&peer, use_inherited, NULL);
	peer_await(&peer, 1);
	check_eq(box_look("orders").members_alive, 2);
	check_eq(alive(peer.pid), 1);
	check_eq(alive(getpid()), 1);
	box_expect(inherited, 2);
	peer_allow(&peer, 1);
	peer_join(&peer);
	check_eq(box_look("orders").members_alive, 1);
	box_end(inherited, "orders");
}

static void close_inherited(struct stage *stage, const void *argument)
{
	(void)stage;
	(void)argument;
	ferry_mailbox_close(inherited);
}

static void c11_child_that_closes_the_handle_leaves_the_parent_a_member(void)
{
	struct peer peer;

	inherited = box_open("orders", NULL);
	peer_start(&peer, close_inherited, NULL);
	peer_join(&peer);
	check_eq(box_look("orders").members_alive, 1);
	check_eq(alive(getpid()), 1);
	box_send(inherited, 1);
	box_expect(inherited, 1);
	box_end(inherited, "orders");
}

static void ignore_inherited(struct stage *stage, const void *argument)
{
	(void)argument;
	stage_meet(stage, 1);
}

static void c11_child_that_never_calls_is_no_member(void)
{
	struct peer peer;

	inherited = box_open("orders", NULL);
	peer_start(&peer, ignore_inherited, NULL);
	peer_await(&peer, 1);
	check_eq(box_look("orders").members_alive, 1);
	peer_allow(&peer, 1);
	peer_join(&peer);
	box_end(inherited, "orders");
}

static struct ferry_message held_message; /* what the parent holds */
static struct ferry_message held_loan;

static void try_parents_things(struct stage *stage, const void *argument)
{
	(void)stage;
	(void)argument;
	check_eq(ferry_mailbox_done(inherited, &held_message), -FERRY_ESTALE);
	check_eq(ferry_mailbox_return(inherited, &held_message), -FERRY_ESTALE);
	check_eq(ferry_mailbox_commit(inherited, &held_loan, FERRY_NOW), -FERRY_ESTALE);
	check_eq(ferry_mailbox_cancel(inherited, &held_loan), -FERRY_ESTALE);
	box_expect(inherited, 2);
	check_eq(ferry_mailbox_done(inherited, &held_message), -FERRY_ESTALE);
	ferry_mailbox_close(inherited);
}

static void c11_what_the_parent_holds_is_estale_in_the_child(void)
{
	struct peer peer;

	inherited = box_open("orders", NULL);
	box_send(inherited, 1);
	box_send(inherited, 2);
	held_message = box_take(inherited, 1);
	check_eq(ferry_mailbox_loan(inherited, 1000, &held_loan, FERRY_NOW), 0);
	peer_start(&peer, try_parents_things, NULL);
	peer_join(&peer);
	check_eq(ferry_mailbox_done(inherited, &held_message), 0);
	held_loan.size = 8;
	check_eq(ferry_mailbox_commit(inherited, &held_loan, FERRY_NOW), 0);
	check_eq(box_stat(inherited).messages, 1);
	box_end(inherited, "orders");
}

static void try_to_receive(struct stage *stage, const void *argument)
{
	char byte;

	(void)stage;
	(void)argument;
	check_eq(ferry_mailbox_receive(inherited, &byte, 1, FERRY_NOW), -EBADF);
	box_send(inherited, 5);
	ferry_mailbox_close(inherited);
}

static void c11_one_sided_handle_stays_so_in_the_child(void)
{
	struct peer peer;
	ferry_mailbox *receiver = box_open("orders", NULL);

	inherited = box_open("orders", OPTIONS(.flags = FERRY_SEND_ONLY));
	peer_start(&peer, try_to_receive, NULL);
	peer_join(&peer);
	box_expect(receiver, 5);
	ferry_mailbox_close(inherited);
	box_end(receiver, "orders");
}

/* Takes a message, makes a child that lives on with the inherited descriptors, and waits. */
static void take_and_fork(struct stage *stage, const void *argument)
{
	const int *child_uses_it = argument;
	pid_t child;

	inherited = box_open("orders", NULL);
	box_take(inherited, 1);
	child = fork();
	if (child == 0) {
		if (*child_uses_it)
			check_eq(ferry_mailbox_send(inherited, "child", 5, FERRY_NOW), 0);
		atomic_store(&stage->value[0], getpid());
		for (;;)
			clock_pause();
	}
	await(atomic_load(&stage->value[0]));
	stage_meet(stage, 1);
}

/* The orphan is ours now, since the claim adopts its descendants. */
static void kill_orphan(pid_t pid)
{
	check_eq(kill(pid, SIGKILL), 0);
	await(waitpid(pid, NULL, WNOHANG) == pid);
}

static void death_of_the_parent_is_noticed(int child_uses_it)
{
	struct peer peer;
	struct ferry_message message;
	pid_t child;
	pid_t parent;
	ferry_mailbox *box = box_open("orders", NULL);

	box_send(box, 1);
	peer_start(&peer, take_and_fork, &child_uses_it);
	peer_await(&peer, 1);
	child = (pid_t)atomic_load(&peer.stage->value[0]);
	parent = peer.pid;
	if (child_uses_it)
		check_eq(ferry_mailbox_receive(box, &(char[8]){ 0 }, 8, FERRY_NOW), 5);
	peer_kill(&peer);
	check(alive(parent) != 1);
	check_eq(ferry_mailbox_take(box, &message, box_patience()), 0);
	check_eq(message.deliveries, 2);
	check_eq(ferry_mailbox_done(box, &message), 0);
	check(process_state(child));
	check_eq(box_look("orders").members_alive, child_uses_it ? 2 : 1);
	kill_orphan(child);
	box_end(box, "orders");
}

static void c12_parent_killed_while_its_silent_child_lives_is_dead(void)
{
	death_of_the_parent_is_noticed(0);
}

static void c12_parent_killed_while_its_child_uses_the_handle_is_dead(void)
{
	death_of_the_parent_is_noticed(1);
}

/* The same from another PID namespace, where no pidfd can tell. */
static void fork_elsewhere(struct stage *stage, const void *argument)
{
	pid_t child;

	if (unshare(CLONE_NEWPID)) {
		atomic_store(&stage->value[0], -1);
		stage_reach(stage, 1);
		return;
	}
	child = fork();
	if (child == 0) { /* process 1 of the namespace, which must outlive the others */
		struct peer inner;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		peer_start(&inner, take_and_fork, argument);
		peer_await(&inner, 1);
		stage_meet(stage, 1);
		peer_kill(&inner);
		stage_meet(stage, 2);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void c12_parent_in_another_pid_namespace_killed_while_its_child_lives_is_dead(void)
{
	const int child_uses_it = 0;
	struct peer peer;
	struct ferry_message message;
	ferry_mailbox *box = box_open("orders", NULL);

	box_send(box, 1);
	peer_start(&peer, fork_elsewhere, &child_uses_it);
	peer_await(&peer, 1);
	if (atomic_load(&peer.stage->value[0]) < 0) {
		peer_join(&peer);
		check_skip("PID namespaces need root");
	}
	peer_allow(&peer, 1);
	peer_await(&peer, 2);
	check_eq(ferry_mailbox_take(box, &message, box_patience()), 0);
	check_eq(message.deliveries, 2);
	check_eq(ferry_mailbox_done(box, &message), 0);
	peer_allow(&peer, 2);
	peer_join(&peer);
	box_end(box, "orders");
}

static void take_and_exec(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", NULL);

	(void)argument;
	box_take(box, 1);
	stage_meet(stage, 1);
	execl("/bin/sleep", "sleep", "1000", (char *)NULL);
}

static void c11_exec_closes_the_handle_and_returns_what_it_held(void)
{
	struct peer peer;
	struct ferry_message message;
	ferry_mailbox *box = box_open("orders", NULL);

	box_send(box, 1);
	peer_start(&peer, take_and_exec, NULL);
	peer_await(&peer, 1);
	check_eq(box_look("orders").members_alive, 2);
	peer_allow(&peer, 1);
	check_eq(ferry_mailbox_take(box, &message, box_patience()), 0);
	check_eq(message.deliveries, 2);
	check_eq(ferry_mailbox_done(box, &message), 0);
	check_eq(box_look("orders").members_alive, 1);
	check(process_state(peer.pid) != 'Z');
	peer_kill(&peer);
	box_end(box, "orders");
}

static void c11_vfork_and_spawn_leave_the_parents_handle_alone(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	char *const arguments[] = { (char[]){ "true" }, NULL };
	struct ferry_message taken;

	box_send(box, 1);
	taken = box_take(box, 1);
	for (uint64_t i = 0; i < 20; i++) {
		int status;
		pid_t pid;

		check_eq(posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, NULL), 0);
		box_send(box, i);
		box_expect(box, i);
		check_eq(waitpid(pid, &status, 0), pid);
		check_eq(status, 0);
	}
	check_eq(system("true"), 0);
	check_eq(box_look("orders").members_alive, 1);
	check_eq(ferry_mailbox_done(box, &taken), 0);
	box_end(box, "orders");
}

static void c11_many_forks_leak_no_member(void)
{
	inherited = box_open("orders", OPTIONS(.members = 4));
	for (uint64_t i = 0; i < 200; i++) {
		struct peer peer;

		box_send(inherited, 1);
		peer_start(&peer, use_inherited, NULL);
		peer_allow(&peer, 1);
		if (i % 2) {
			peer_await(&peer, 1);
			peer_kill(&peer);
		} else {
			peer_join(&peer);
		}
		box_expect(inherited, 2);
	}
	box_repair("orders");
	check_eq(box_look("orders").members_alive, 1);
	box_end(inherited, "orders");
}

static void grandchild(struct stage *stage, const void *argument)
{
	struct peer peer;

	box_expect(inherited, 1);
	box_send(inherited, 1);
	peer_start(&peer, use_inherited, argument);
	peer_allow(&peer, 1);
	peer_join(&peer);
	stage_reach(stage, 1);
	ferry_mailbox_close(inherited);
}

static void c11_grandchild_may_use_the_handle_too(void)
{
	struct peer peer;

	inherited = box_open("orders", NULL);
	box_send(inherited, 1);
	peer_start(&peer, grandchild, NULL);
	peer_join(&peer);
	box_expect(inherited, 2);
	check_eq(box_look("orders").members_alive, 1);
	box_end(inherited, "orders");
}

static void observe_in_child(struct stage *stage, const void *argument)
{
	(void)stage;
	(void)argument;
	check_eq(box_stat(inherited).messages, 1);
	ferry_mailbox_close(inherited);
}

static void c11_observer_works_in_the_child(void)
{
	struct peer peer;
	ferry_mailbox *box = box_open("orders", NULL);

	box_send(box, 1);
	inherited = box_open("orders", OPTIONS(.flags = FERRY_OBSERVE));
	peer_start(&peer, observe_in_child, NULL);
	peer_join(&peer);
	check_eq(box_look("orders").members_alive, 1);
	ferry_mailbox_close(inherited);
	box_end(box, "orders");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c11_child_may_use_the_handle_and_is_a_member_of_its_own),
		claim(c11_child_that_closes_the_handle_leaves_the_parent_a_member),
		claim(c11_child_that_never_calls_is_no_member),
		claim(c11_what_the_parent_holds_is_estale_in_the_child),
		claim(c11_one_sided_handle_stays_so_in_the_child),
		claim(c12_parent_killed_while_its_silent_child_lives_is_dead),
		claim(c12_parent_killed_while_its_child_uses_the_handle_is_dead),
		claim(c12_parent_in_another_pid_namespace_killed_while_its_child_lives_is_dead),
		claim(c11_exec_closes_the_handle_and_returns_what_it_held),
		claim(c11_vfork_and_spawn_leave_the_parents_handle_alone),
		claim(c11_many_forks_leak_no_member),
		claim(c11_grandchild_may_use_the_handle_too),
		claim(c11_observer_works_in_the_child),
	};

	return claim_run_all(claims);
}
