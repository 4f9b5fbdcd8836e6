/* SPDX-License-Identifier: MIT */
/* A process number is given out again: the new owner is not the dead member (C12). Runs in a PID
 * namespace of its own, where the next number can be chosen. */
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"

static _Noreturn void be_process_one(void (*body)(void))
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	check_eq(mount("proc", "/proc", "proc", 0, NULL), 0);
	body();
	_exit(0);
}

/* Keep what is mounted from here on to ourselves. In a chroot "/" is no mount point, /proc is. */
static bool mounts_are_private(void)
{
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 ||
	       mount(NULL, "/proc", NULL, MS_PRIVATE, NULL) == 0;
}

static void enter_namespace(struct stage *stage, const void *argument)
{
	void (*const *body)(void) = argument;
	int status = 0;
	pid_t pid;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS) || !mounts_are_private()) {
		atomic_store(&stage->value[0], 1);
		return;
	}
	pid = fork();
	if (pid == 0)
		be_process_one(*body);
	check_eq(waitpid(pid, &status, 0), pid);
	check_eq(status, 0);
}

/* Run it as process 1 of a PID namespace that has its own /proc. */
static void in_own_namespace(void (*body)(void))
{
	struct peer peer;
	struct stage *stage;

	if (geteuid())
		check_skip("PID namespaces need root");
	peer_start(&peer, enter_namespace, &body);
	stage = peer.stage;
	await(process_state(peer.pid) == 'Z');
	if (atomic_load(&stage->value[0]))
		check_skip("PID namespaces with a /proc of their own are not allowed");
	peer_join(&peer);
}

/* The next process gets this number. */
static void next_number_is(pid_t pid)
{
	FILE *file = fopen("/proc/sys/kernel/ns_last_pid", "we");

	check(file);
	fprintf(file, "%d", (int)pid - 1);
	check_eq(fclose(file), 0);
}

static void idle(struct stage *stage, const void *argument)
{
	(void)argument;
	stage_meet(stage, 1);
}

static void take(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", NULL);

	(void)argument;
	box_take(box, 1);
	stage_meet(stage, 1);
}

/* Takes, and leaves behind a child of which no fork handler knows: it keeps all descriptors. */
static void take_and_clone(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", NULL);
	long child;

	(void)argument;
	box_take(box, 1);
	child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (child == 0)
		for (;;)
			syscall(SYS_pause);
	atomic_store(&stage->value[0], child);
	stage_meet(stage, 1);
}

/* Start times count in hundredths of a second. */
static void let_the_start_time_differ(void)
{
	const int64_t until = clock_ns() + 30000000;

	await(clock_ns() > until);
}

static void comes_again(ferry_mailbox *box)
{
	struct ferry_message message;

	check_eq(ferry_mailbox_take(box, &message, box_patience()), 0);
	check_eq(message.deliveries, 2);
	check_eq(ferry_mailbox_done(box, &message), 0);
}

/* One takes and dies; another process gets its number and lives. */
static void holder_is_replaced(void (*holder)(struct stage *stage, const void *argument))
{
	struct peer first;
	struct peer second;
	pid_t number;
	pid_t child;
	ferry_mailbox *box = box_open("orders", NULL);

	box_send(box, 1);
	peer_start(&first, holder, NULL);
	peer_await(&first, 1);
	number = first.pid;
	child = (pid_t)atomic_load(&first.stage->value[0]);
	let_the_start_time_differ();
	peer_kill(&first);
	next_number_is(number);
	peer_start(&second, idle, NULL);
	check_eq(second.pid, number);
	comes_again(box);
	peer_kill(&second);
	if (child) {
		check_eq(kill(child, SIGKILL), 0);
		check_eq(waitpid(child, NULL, 0), child);
	}
	box_end(box, "orders");
}

static void replace_holder(void)
{
	holder_is_replaced(take);
}

static void replace_holder_with_child(void)
{
	holder_is_replaced(take_and_clone);
}

static void c12_process_with_a_reused_number_is_not_the_dead_member(void)
{
	in_own_namespace(replace_holder);
}

static void c12_nor_is_it_while_a_child_holds_the_dead_members_descriptors(void)
{
	in_own_namespace(replace_holder_with_child);
}

static void c12_parent_killed_while_a_child_made_by_clone_lives_is_dead(void)
{
	struct peer peer;
	pid_t child;
	ferry_mailbox *box = box_open("orders", NULL);

	box_send(box, 1);
	peer_start(&peer, take_and_clone, NULL);
	peer_await(&peer, 1);
	child = (pid_t)atomic_load(&peer.stage->value[0]);
	peer_kill(&peer);
	comes_again(box);
	check_eq(kill(child, SIGKILL), 0);
	await(waitpid(child, NULL, WNOHANG) == child);
	box_end(box, "orders");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c12_process_with_a_reused_number_is_not_the_dead_member),
		claim(c12_nor_is_it_while_a_child_holds_the_dead_members_descriptors),
		claim(c12_parent_killed_while_a_child_made_by_clone_lives_is_dead),
	};

	return claim_run_all(claims);
}
