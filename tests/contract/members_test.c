/* SPDX-License-Identifier: MIT */
/* Who is attached, and who lives (C12); slots of the dead are used again (C5). */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS

/* Open, and wait to be let go. */
static void attend(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", NULL);

	(void)argument;
	stage_meet(stage, 1);
	ferry_mailbox_close(box);
}

static void start_attending(struct peer *peer)
{
	peer_start(peer, attend, NULL);
	peer_await(peer, 1);
}

static void let_go(struct peer *peer)
{
	peer_allow(peer, 1);
	peer_join(peer);
}

/* The entry of a process in the list of members; n is how many there are. */
static struct ferry_member member_of(pid_t pid, int n)
{
	struct ferry_member members[16];

	check_eq(ferry_object_members("orders", members, 16, NULL), n);
	for (int i = 0; i < n; i++)
		if (members[i].pid == pid)
			return members[i];
	check_failed(__FILE__, __LINE__, "process %d is no member", (int)pid);
}

static uint64_t start_time(pid_t pid)
{
	char path[64];
	unsigned long long ticks = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	check(file);
	check_eq(fscanf(file,
			"%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
			"%*d %*d %*d %*d %llu",
			&ticks),
		 1);
	fclose(file);
	return ticks;
}

static void members_are_listed_with_who_they_are(void)
{
	struct peer peer;
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_member member;

	start_attending(&peer);
	member = member_of(peer.pid, 2);
	check_eq(member.alive, 1);
	check_eq(member.same_namespace, 1);
	check_eq(member.started, start_time(peer.pid));
	check_eq(member.waiting_receivers, 0);
	check_eq(member.waiting_senders, 0);
	check(!strncmp(member.program, "contract_member", 15));
	check_eq(member_of(getpid(), 2).alive, 1);
	check(member_of(getpid(), 2).number != member.number);
	check_eq(box_look("orders").members_alive, 2);
	let_go(&peer);
	check_eq(ferry_object_members("orders", NULL, 0, NULL), 1);
	box_end(box, "orders");
}

static void list_that_is_too_long_tells_how_many_there_are(void)
{
	ferry_mailbox *a = box_open("orders", NULL);
	ferry_mailbox *b = box_open("orders", NULL);
	ferry_mailbox *c = box_open("orders", NULL);
	struct ferry_member members[3];

	memset(members, 0x55, sizeof members);
	check_eq(ferry_object_members("orders", members, 2, NULL), 3);
	check_eq(members[1].pid, getpid());
	check_eq(members[2].pid, 0x55555555);
	ferry_mailbox_close(a);
	ferry_mailbox_close(b);
	box_end(c, "orders");
}

static void strange_name(struct stage *stage, const void *argument)
{
	prctl(PR_SET_NAME, "a\nb\033[31m");
	attend(stage, argument);
}

static void program_name_shows_no_control_bytes(void)
{
	struct peer peer;
	struct ferry_member member;

	peer_start(&peer, strange_name, NULL);
	peer_await(&peer, 1);
	member = member_of(peer.pid, 1);
	check(memchr(member.program, 0, sizeof member.program));
	check(member.program[0]);
	for (const char *c = member.program; *c; c++)
		check((unsigned char)*c >= ' ' && *c != 127);
	let_go(&peer);
	box_remove("orders");
}

static void c12_killed_member_is_shown_dead_until_somebody_cleans_up(void)
{
	struct peer peer;
	ferry_mailbox *box;

	start_attending(&peer);
	peer_kill(&peer);
	check_eq(box_look("orders").members_alive, 0);
	check_eq(box_look("orders").members_dead, 1);
	box = box_open("orders", NULL);
	box_repair("orders");
	check_eq(box_look("orders").members_alive, 1);
	check_eq(box_stat(box).recovered, 1);
	box_end(box, "orders");
}

static void c12_zombie_is_dead(void)
{
	struct peer peer;
	pid_t pid;

	start_attending(&peer);
	pid = peer.pid;
	peer_kill_to_zombie(&peer);
	check_eq(kill(pid, 0), 0);
	check_eq(member_of(pid, 1).alive, 0);
	check_eq(box_look("orders").members_alive, 0);
	peer_kill(&peer);
	box_remove("orders");
}

static void c12_stopped_member_is_alive(void)
{
	struct peer peer;
	ferry_mailbox *box = box_open("orders", NULL);

	start_attending(&peer);
	peer_stop(&peer);
	check_eq(member_of(peer.pid, 2).alive, 1);
	check_eq(box_stat(box).members_alive, 2);
	check_eq(box_stat(box).members_dead, 0);
	peer_resume(&peer);
	let_go(&peer);
	box_end(box, "orders");
}

/* Attends from a PID namespace of its own, where it is process 1. */
static void attend_elsewhere(struct stage *stage, const void *argument)
{
	pid_t child;

	if (unshare(CLONE_NEWPID)) {
		atomic_store(&stage->value[0], -1);
		stage_reach(stage, 1);
		return;
	}
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		attend(stage, argument);
		_exit(0);
	}
	atomic_store(&stage->value[0], child);
	waitpid(child, NULL, 0);
}

static void c12_member_in_another_pid_namespace_is_alive_while_it_lives(void)
{
	struct peer peer;
	ferry_mailbox *box;
	struct ferry_member member;

	peer_start(&peer, attend_elsewhere, NULL);
	peer_await(&peer, 1);
	await(atomic_load(&peer.stage->value[0]));
	if (atomic_load(&peer.stage->value[0]) < 0) {
		peer_join(&peer);
		check_skip("PID namespaces need root");
	}
	box = box_open("orders", NULL);
	member = member_of(1, 2);
	check_eq(member.alive, 1);
	check_eq(member.same_namespace, 0);
	check_eq(box_stat(box).members_alive, 2);
	check_eq(kill((pid_t)atomic_load(&peer.stage->value[0]), SIGKILL), 0);
	peer_join(&peer);
	await(box_look("orders").members_alive == 1);
	box_repair("orders");
	box_end(box, "orders");
}

/* The other way round: seen from the inner namespace, the outer member lives and dies. */
static void watch_from_elsewhere(struct stage *stage, const void *argument)
{
	int status;
	pid_t child;

	(void)argument;
	if (unshare(CLONE_NEWPID)) {
		atomic_store(&stage->value[0], -1);
		stage_reach(stage, 1);
		return;
	}
	child = fork();
	if (child == 0) {
		ferry_mailbox *box = box_open("orders", NULL);

		check_eq(box_stat(box).members_alive, 2);
		stage_meet(stage, 1);
		check_eq(box_receive(box), 77);
		await(box_look("orders").members_alive == 1);
		ferry_mailbox_close(box);
		_exit(0);
	}
	check_eq(waitpid(child, &status, 0), child);
	check_eq(status, 0);
}

static void take_and_wait(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", NULL);

	(void)argument;
	box_send(box, 77);
	box_take(box, 77);
	stage_meet(stage, 1);
}

static void c12_death_is_seen_from_another_pid_namespace(void)
{
	struct peer holder;
	struct peer watcher;

	peer_start(&holder, take_and_wait, NULL);
	peer_await(&holder, 1);
	peer_start(&watcher, watch_from_elsewhere, NULL);
	peer_await(&watcher, 1);
	if (atomic_load(&watcher.stage->value[0]) < 0)
		check_skip("PID namespaces need root");
	peer_kill(&holder);
	peer_allow(&watcher, 1);
	peer_join(&watcher);
	box_remove("orders");
}

static void thousand_members_on_one_mailbox(void)
{
	enum { N = 1000 };
	struct rlimit limit;
	ferry_mailbox *boxes[N];
	static struct ferry_member members[N];

	check_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	check_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < N + 64)
		check_skip("a thousand descriptors are not allowed");
	for (int i = 0; i < N; i++)
		boxes[i] = box_open("orders", NULL);
	check_eq(ferry_object_members("orders", members, N, NULL), N);
	for (uint64_t i = 0; i < N; i++) {
		box_send(boxes[i], i);
		box_expect(boxes[N - 1 - i], i);
	}
	check_eq(box_stat(boxes[0]).members_alive, N);
	for (int i = 0; i < N; i++)
		ferry_mailbox_close(boxes[i]);
	check_eq(box_look("orders").members_alive, 0);
	check_eq(box_look("orders").members_dead, 0);
	box_remove("orders");
}

static void receive_one(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.spin = -1));

	(void)argument;
	stage_reach(stage, 1);
	atomic_store(&stage->value[0], (int64_t)box_receive(box));
	ferry_mailbox_close(box);
}

static void hundreds_of_processes_each_receive_one_message(void)
{
	enum { N = 300 };
	static struct peer peers[N];
	int64_t sum = 0;
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = N));

	for (int i = 0; i < N; i++)
		peer_start(&peers[i], receive_one, NULL);
	for (int i = 0; i < N; i++)
		peer_await(&peers[i], 1);
	await(box_stat(box).waiting_receivers == N);
	check_eq(box_stat(box).members_alive, N + 1);
	for (uint64_t i = 1; i <= N; i++)
		box_send(box, i);
	await(box_stat(box).messages == 0);
	for (int i = 0; i < N; i++) {
		await(atomic_load(&peers[i].stage->value[0]));
		sum += atomic_load(&peers[i].stage->value[0]);
		peer_join(&peers[i]);
	}
	check_eq(sum, N * (N + 1) / 2);
	box_repair("orders");
	check_eq(box_look("orders").members_alive, 1);
	box_end(box, "orders");
}

static void c5_hundreds_killed_at_once_are_cleaned_up(void)
{
	enum { N = 200 };
	static struct peer peers[N];
	ferry_mailbox *box = box_open("orders", NULL);

	for (int i = 0; i < N; i++)
		peer_start(&peers[i], receive_one, NULL);
	await(box_stat(box).waiting_receivers == N);
	for (int i = 0; i < N; i++)
		peer_kill(&peers[i]);
	box_repair("orders");
	check_eq(box_look("orders").members_alive, 1);
	check_eq(box_stat(box).recovered, N);
	check_eq(box_stat(box).waiting_receivers, 0);
	box_end(box, "orders");
}

/* One short life: take what is there, borrow memory, die with it. */
static void live_and_die(void)
{
	ferry_mailbox *box = box_open("churn", OPTIONS(.members = 8));
	struct ferry_message message;

	ferry_mailbox_take(box, &message, FERRY_NOW);
	check_eq(ferry_mailbox_loan(box, 3000, &message, FERRY_NOW), 0);
	kill(getpid(), SIGKILL);
}

static void c5_slots_memory_and_messages_of_hundreds_killed_are_used_again(void)
{
	ferry_mailbox *box = box_open("churn", OPTIONS(.members = 8));
	const struct ferry_mailbox_stat before = box_stat(box);
	const int lives = check_repeat(600, 100000);

	box_send(box, 4711);
	for (int i = 0; i < lives; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			live_and_die();
		check_eq(waitpid(pid, &status, 0), pid);
		check(WIFSIGNALED(status));
	}
	check_eq(box_receive(box), 4711);
	box_repair("churn");
	check_eq(box_stat(box).memory_free, before.memory_free);
	check_eq(box_stat(box).members_alive, 1);
	check_eq(box_stat(box).recovered, lives);
	check_eq(box_stat(box).taken, 0);
	box_end(box, "churn");
}

static void c12_slot_of_the_dead_is_not_mistaken_for_its_successor(void)
{
	struct peer first;
	struct peer second;

	ferry_mailbox_close(box_open("orders", OPTIONS(.members = 1)));
	start_attending(&first);
	peer_kill(&first);
	start_attending(&second);
	check_eq(member_of(second.pid, 1).alive, 1);
	let_go(&second);
	box_remove("orders");
}

static void waiting_members_are_shown_as_waiting(void)
{
	struct peer peer;
	ferry_mailbox *box = box_open("orders", NULL);

	peer_start(&peer, receive_one, NULL);
	await(box_stat(box).waiting_receivers == 1);
	check_eq(member_of(peer.pid, 2).waiting_receivers, 1);
	check_eq(member_of(peer.pid, 2).waiting_senders, 0);
	box_send(box, 1);
	peer_join(&peer);
	check_eq(box_stat(box).waiting_receivers, 0);
	box_end(box, "orders");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(members_are_listed_with_who_they_are),
		claim(list_that_is_too_long_tells_how_many_there_are),
		claim(program_name_shows_no_control_bytes),
		claim(c12_killed_member_is_shown_dead_until_somebody_cleans_up),
		claim(c12_zombie_is_dead),
		claim(c12_stopped_member_is_alive),
		claim(c12_member_in_another_pid_namespace_is_alive_while_it_lives),
		claim(c12_death_is_seen_from_another_pid_namespace),
		claim(thousand_members_on_one_mailbox),
		claim(hundreds_of_processes_each_receive_one_message),
		claim(c5_hundreds_killed_at_once_are_cleaned_up),
		claim(c5_slots_memory_and_messages_of_hundreds_killed_are_used_again),
		claim(c12_slot_of_the_dead_is_not_mistaken_for_its_successor),
		claim(waiting_members_are_shown_as_waiting),
	};

	return claim_run_all(claims);
}
