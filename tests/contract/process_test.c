/* SPDX-License-Identifier: MIT */
/* Processes that cannot be mistaken: handles, sending, waiting for the end, reaping. */
#include <errno.h>
#include <ferry/ferry.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"

#define RT (SIGRTMIN + 2)

static ferry_process *open_process(pid_t pid)
{
	ferry_process *process;

	check_eq(ferry_process_open(&process, pid, 0, NULL), 0);
	check_eq(ferry_process_pid(process), pid);
	return process;
}

static void sleep_for_ever(struct stage *stage, const void *argument)
{
	(void)argument;
	stage_reach(stage, 1);
	for (;;)
		pause();
}

static void end_with(struct stage *stage, const void *argument)
{
	stage_meet(stage, 1);
	_exit(*(const int *)argument);
}

/* ---- handles ---- */

static void a_process_is_known_by_its_start_time(void)
{
	struct ferry_why why;
	struct peer peer;
	ferry_process *process;

	peer_start(&peer, sleep_for_ever, NULL);
	process = open_process(peer.pid);
	const uint64_t started = ferry_process_started(process);
	check(started > 0);
	ferry_process_close(process);
	check_eq(ferry_process_open(&process, peer.pid, started, NULL), 0);
	check_eq(ferry_process_started(process), started);
	ferry_process_close(process);
	check_eq(ferry_process_open(&process, peer.pid, started - 1, &why), -ESRCH);
	check(strstr(why.text, "another") != NULL);
	const pid_t pid = peer.pid;
	peer_kill(&peer);
	check_eq(ferry_process_open(&process, pid, started, NULL), -ESRCH);
	check_eq(ferry_process_open(&process, pid, 0, NULL), -ESRCH);
	check_eq(ferry_process_open(&process, 0, 0, NULL), -EINVAL);
	check_eq(ferry_process_open(&process, -1, 0, NULL), -EINVAL);
	check_eq(ferry_process_pid(NULL), -EINVAL);
	check_eq(ferry_process_started(NULL), 0);
	ferry_process_close(NULL);
}

static void a_signal_never_reaches_the_next_owner_of_a_number(void)
{
	struct peer peer;

	peer_start(&peer, sleep_for_ever, NULL);
	ferry_process *process = open_process(peer.pid);
	check_eq(ferry_signal_send(process, 0, 0), 0);
	peer_kill_to_zombie(&peer);
	check_eq(ferry_signal_send(process, 0, 0), -ESRCH);
	check_eq(ferry_signal_send(process, SIGTERM, 0), 0); /* as kill() to a zombie */
	peer_kill(&peer);
	check_eq(ferry_signal_send(process, 0, 0), -ESRCH);
	check_eq(ferry_signal_send(process, SIGTERM, 0), -ESRCH);
	check_eq(ferry_process_started(process), 0);
	ferry_process_close(process);
}

/* ---- sending ---- */

static void receive_payloads(struct stage *stage, const void *argument)
{
	struct ferry_signal_info info;

	check_eq(ferry_signal_catch(RT, NULL, NULL, NULL), 0);
	stage_reach(stage, 1);
	for (int64_t i = 0; i < 100; i++) {
		check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(RT), box_patience()), RT);
		check_eq(info.payload, INT64_MAX - i);
		check_eq(info.pid, *(const pid_t *)argument);
		check_eq(info.uid, getuid());
		check_eq(info.cause, FERRY_SIGNAL_QUEUE);
		check_eq(info.code, SI_QUEUE);
	}
}

static void payloads_arrive_whole_and_in_order(void)
{
	const pid_t self = getpid();
	struct peer peer;

	peer_start(&peer, receive_payloads, &self);
	peer_await(&peer, 1);
	ferry_process *process = open_process(peer.pid);
	check_eq(ferry_signal_send(process, 65, 0), -EINVAL);
	check_eq(ferry_signal_send(process, -1, 0), -EINVAL);
	check_eq(ferry_signal_send(NULL, RT, 0), -EINVAL);
	for (int64_t i = 0; i < 100; i++)
		check_eq(ferry_signal_send(process, RT, INT64_MAX - i), 0);
	peer_join(&peer);
	ferry_process_close(process);
}

static void try_without_rights(struct stage *stage, const void *argument)
{
	ferry_process *process = open_process(*(const pid_t *)argument);

	(void)stage;
	check_eq(setresuid(65534, 65534, 65534), 0);
	check_eq(ferry_signal_send(process, SIGTERM, 0), -EPERM);
	check_eq(ferry_signal_send(process, 0, 0), -EPERM);
	check_eq(ferry_process_wait(process, NULL, FERRY_NOW), -EAGAIN);
	ferry_process_close(process);
}

static void the_kernel_decides_who_may_send(void)
{
	struct peer victim;
	struct peer sender;

	if (getuid() != 0)
		check_skip("only root can become two users");
	peer_start(&victim, sleep_for_ever, NULL);
	peer_await(&victim, 1);
	peer_start(&sender, try_without_rights, &victim.pid);
	peer_join(&sender);
	peer_kill(&victim);
}

static void join_and_wait(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", NULL);
	ferry_mailbox *again = box_open("orders", NULL);

	(void)argument;
	check_eq(ferry_signal_catch(RT, NULL, NULL, NULL), 0);
	stage_meet(stage, 1);
	check_eq(ferry_signal_wait(NULL, FERRY_SIGNAL(RT), box_patience()), RT);
	/* Once, although it has the mailbox open twice. */
	check_eq(ferry_signal_wait(NULL, FERRY_SIGNAL(RT), ferry_in_ms(20)), -ETIMEDOUT);
	ferry_mailbox_close(box);
	ferry_mailbox_close(again);
}

static void every_member_of_an_object_gets_it_once(void)
{
	struct ferry_signal_target targets[8];
	struct peer peers[3];

	for (int i = 0; i < 3; i++) {
		peer_start(&peers[i], join_and_wait, NULL);
		peer_await(&peers[i], 1);
	}
	peer_kill(&peers[2]);
	check_eq(ferry_signal_send_members("orders", 0, 0, NULL, 0, NULL), 2);
	check_eq(ferry_signal_send_members("orders", RT, 5, targets, 1, NULL), 2);
	check_eq(targets[0].result, 0);
	check(targets[0].pid == peers[0].pid || targets[0].pid == peers[1].pid);
	for (int i = 0; i < 2; i++) {
		peer_allow(&peers[i], 1);
		peer_join(&peers[i]);
	}
	check_eq(ferry_signal_send_members("orders", RT, 5, targets, 8, NULL), 0);
	check_eq(ferry_signal_send_members("nothing", RT, 5, targets, 8, NULL), -ENOENT);
	check_eq(ferry_signal_send_members("orders", 99, 5, targets, 8, NULL), -EINVAL);
	box_remove("orders");
}

static void a_member_leads_to_its_process(void)
{
	struct ferry_member members[4];
	ferry_process *process;
	ferry_mailbox *box = box_open("orders", NULL);

	check_eq(ferry_object_members("orders", members, 4, NULL), 1);
	check_eq(ferry_process_open_member(&process, &members[0], NULL), 0);
	check_eq(ferry_process_pid(process), getpid());
	check_eq(ferry_process_started(process), members[0].started);
	ferry_process_close(process);
	members[0].same_namespace = 0;
	check_eq(ferry_process_open_member(&process, &members[0], NULL), -FERRY_ENAMESPACE);
	members[0].same_namespace = 1;
	members[0].alive = 0;
	check_eq(ferry_process_open_member(&process, &members[0], NULL), -ESRCH);
	check_eq(ferry_process_open_member(&process, NULL, NULL), -EINVAL);
	box_end(box, "orders");
}

static void lead_a_group(struct stage *stage, const void *argument)
{
	const int forks = *(const int *)argument;

	check_eq(setpgid(0, 0), 0);
	for (int i = 0; i < forks; i++)
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	stage_reach(stage, 1);
	while (waitpid(-1, NULL, 0) > 0)
		;
	for (;;)
		pause();
}

static void a_group_gets_it_with_a_result_each(void)
{
	struct ferry_signal_target targets[8];
	const int forks = 3;
	struct peer leader;
	int is_leader = 0;

	peer_start(&leader, lead_a_group, &forks);
	peer_await(&leader, 1);
	check_eq(ferry_signal_send_group(leader.pid, 0, 0, NULL, 0, NULL), 4);
	check_eq(ferry_signal_send_group(leader.pid, SIGTERM, 0, targets, 8, NULL), 4);
	for (int i = 0; i < 4; i++) {
		check_eq(targets[i].result, 0);
		is_leader += targets[i].pid == leader.pid;
	}
	check_eq(is_leader, 1);
	const pid_t group = leader.pid;
	check_eq(WTERMSIG(peer_join_status(&leader)), SIGTERM);
	await(ferry_signal_send_group(group, 0, 0, NULL, 0, NULL) == -ESRCH);
	/* The claim's process adopts what its peers leave behind. */
	await(ferry_reap_orphans(NULL, NULL) >= 0 && waitpid(-1, NULL, WNOHANG) == -1);
	check_eq(ferry_signal_send_group(-2, SIGTERM, 0, NULL, 0, NULL), -EINVAL);
	check(ferry_signal_send_group(0, 0, 0, NULL, 0, NULL) >= 1);
}

/* Like the leader, one of its own user and one of another. */
static void join_group(struct stage *stage, const void *argument)
{
	check_eq(setpgid(0, *(const pid_t *)argument), 0);
	sleep_for_ever(stage, NULL);
}

static void join_group_as_nobody(struct stage *stage, const void *argument)
{
	check_eq(setpgid(0, *(const pid_t *)argument), 0);
	peer_become_nobody();
	sleep_for_ever(stage, NULL);
}

static int result_of(const struct ferry_signal_target *targets, int n, pid_t pid)
{
	for (int i = 0; i < n; i++)
		if (targets[i].pid == pid)
			return targets[i].result;
	check_failed(__FILE__, __LINE__, "process %d was not sent to", (int)pid);
}

static void send_to_own_group(struct stage *stage, const void *argument)
{
	struct ferry_signal_target targets[8];

	(void)argument;
	check_eq(setpgid(0, 0), 0);
	stage_meet(stage, 1);
	peer_become_nobody();
	int n = ferry_signal_send_group(0, SIGURG, 0, targets, 8, NULL);
	check_eq(n, 3);
	check_eq(result_of(targets, n, (pid_t)atomic_load(&stage->value[0])), -EPERM);
	check_eq(result_of(targets, n, (pid_t)atomic_load(&stage->value[1])), 0);
	check_eq(result_of(targets, n, getpid()), 0);
}

static void each_target_has_a_result_of_its_own(void)
{
	struct peer sender, roots, nobodys;

	if (getuid() != 0)
		check_skip("only root can become two users");
	peer_start(&sender, send_to_own_group, NULL);
	peer_await(&sender, 1);
	peer_start(&roots, join_group, &sender.pid);
	peer_start(&nobodys, join_group_as_nobody, &sender.pid);
	peer_await(&roots, 1);
	peer_await(&nobodys, 1);
	atomic_store(&sender.stage->value[0], roots.pid);
	atomic_store(&sender.stage->value[1], nobodys.pid);
	peer_allow(&sender, 1);
	peer_join(&sender);
	peer_kill(&roots);
	peer_kill(&nobodys);
}

/* ---- waiting ---- */

static void the_end_of_a_child_is_told_and_left_to_its_maker(void)
{
	const int code = 9;
	struct ferry_process_end end;
	struct peer peer;

	peer_start(&peer, end_with, &code);
	peer_await(&peer, 1);
	ferry_process *process = open_process(peer.pid);
	check_eq(ferry_process_wait(process, &end, FERRY_NOW), -EAGAIN);
	check_eq(ferry_process_wait(process, &end, ferry_in_ms(10)), -ETIMEDOUT);
	peer_allow(&peer, 1);
	check_eq(ferry_process_wait(process, &end, box_patience()), 0);
	check_eq(end.known, 1);
	check_eq(end.exited, 1);
	check_eq(end.code, 9);
	check_eq(end.used, 1);
	check(end.memory > 0);
	const int status = peer_join_status(&peer); /* still there for us */
	check_eq(WEXITSTATUS(status), 9);
	ferry_process_close(process);
}

static void watch_a_stranger(struct stage *stage, const void *argument)
{
	struct ferry_process_end end;
	ferry_process *process = open_process(*(const pid_t *)argument);
	struct pollfd ended = { .fd = ferry_process_fd(process), .events = POLLIN };

	check_eq(poll(&ended, 1, 0), 0);
	stage_reach(stage, 1);
	check_eq(ferry_process_wait(process, &end, box_patience()), 0);
	check_eq(poll(&ended, 1, 0), 1);
	stage_meet(stage, 2);
	check_eq(ferry_process_wait(process, &end, FERRY_NOW), 0);
	if (end.known)
		check_eq(end.signal, SIGKILL);
	check_eq(end.used, 0);
	ferry_process_close(process);
}

static void the_end_of_a_stranger_is_seen(void)
{
	struct peer stranger;
	struct peer watcher;

	peer_start(&stranger, sleep_for_ever, NULL);
	peer_start(&watcher, watch_a_stranger, &stranger.pid);
	peer_await(&watcher, 1);
	peer_stop(&stranger);
	kill(stranger.pid, SIGKILL);
	peer_await(&watcher, 2);
	peer_kill(&stranger);
	peer_allow(&watcher, 2);
	peer_join(&watcher);
}

static ferry_process *shared;

static void *wait_for_shared(void *unused)
{
	struct ferry_process_end end;

	check_eq(ferry_process_wait(shared, &end, box_patience()), 0);
	check_eq(end.known, 1);
	check_eq(end.code, 3);
	return unused;
}

static void many_threads_wait_for_one_child(void)
{
	pthread_t threads[8];

	check_eq(ferry_spawn(
		     &shared,
		     FERRY_SPAWN_OPTIONS(.program = "sh",
					 .arguments =
					     (char *[]){ (char[]){ "sh" }, (char[]){ "-c" },
							 (char[]){ "sleep 0.05; exit 3" }, NULL })),
		 0);
	for (int i = 0; i < 8; i++)
		check_eq(pthread_create(&threads[i], NULL, wait_for_shared, NULL), 0);
	for (int i = 0; i < 8; i++)
		check_eq(pthread_join(threads[i], NULL), 0);
	ferry_process_close(shared);
}

/* ---- reaping ---- */

static _Atomic int orphans;

static int count_orphan(pid_t pid, const struct ferry_process_end *end, void *context)
{
	check(pid > 0);
	check_eq(end->known, 1);
	check_eq(end->code, *(const int *)context);
	atomic_fetch_add(&orphans, 1);
	return 0;
}

static void orphans_are_reaped_and_spawned_children_are_not_lost(void)
{
	int code = 6;
	struct ferry_process_end end;
	ferry_process *process;

	check_eq(ferry_adopt_orphans(1), 0);
	check_eq(ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = "/bin/false")), 0);
	/* A child that leaves three grandchildren behind. */
	const pid_t child = fork();
	if (child == 0) {
		const pid_t parent = getpid();
		for (int i = 0; i < 3; i++)
			if (fork() == 0) {
				while (getppid() == parent)
					clock_pause();
				_exit(code);
			}
		_exit(code);
	}
	await(ferry_reap_orphans(count_orphan, &code) >= 0 && atomic_load(&orphans) == 4);
	await(ferry_process_wait(process, &end, FERRY_NOW) == 0);
	check_eq(end.known, 1);
	check_eq(end.code, 1);
	ferry_process_close(process);
	check_eq(ferry_reap_orphans(NULL, NULL), 0);
	check_eq(ferry_adopt_orphans(0), 0);
}

/* The first process of a PID namespace: every orphan in it becomes its child. */
static void be_the_first_process(void)
{
	int code = 9;
	const ferry_signal_set set = FERRY_SIGNAL(SIGCHLD) | FERRY_SIGNAL(SIGTERM);
	struct ferry_process_end end;
	ferry_process *process;

	check_eq(getpid(), 1);
	check_eq(ferry_signal_catch(SIGCHLD, NULL, NULL, NULL), 0);
	check_eq(ferry_signal_catch(SIGTERM, NULL, NULL, NULL), 0);
	check_eq(ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = "/bin/false")), 0);
	if (fork() == 0) {
		for (int i = 0; i < 3; i++)
			if (fork() == 0) {
				while (getppid() != 1)
					clock_pause();
				if (i == 2)
					kill(1,
					     SIGTERM); /* for which its kernel action is nothing */
				_exit(code);
			}
		_exit(code);
	}
	int told = 0;
	while (atomic_load(&orphans) < 4 || !told) {
		told |= ferry_signal_wait(NULL, set, box_patience()) == SIGTERM;
		check(ferry_reap_orphans(count_orphan, &code) >= 0);
	}
	check_eq(ferry_process_wait(process, &end, box_patience()), 0);
	check_eq(end.known, 1);
	check_eq(end.code, 1);
	ferry_process_close(process);
	check_eq(waitpid(-1, NULL, WNOHANG), -1);
	_exit(0);
}

/* Who makes the namespace: after its first process has ended it can start nothing more, so this is
 * not the claim's own process. */
static void make_a_container(struct stage *stage, const void *argument)
{
	int status;

	(void)argument;
	if (unshare(CLONE_NEWPID) != 0) {
		atomic_store(&stage->value[0], 1);
		return;
	}
	const pid_t first = fork();
	if (first == 0)
		be_the_first_process();
	check_eq(waitpid(first, &status, 0), first);
	check_eq(status, 0);
}

static void the_first_process_of_a_container_reaps_all(void)
{
	struct peer peer;

	peer_start(&peer, make_a_container, NULL);
	await(process_state(peer.pid) == 'Z');
	const int refused = (int)atomic_load(&peer.stage->value[0]);
	peer_join(&peer);
	if (refused)
		check_skip("PID namespaces need root");
}

static int give_up(pid_t pid, const struct ferry_process_end *end, void *context)
{
	(void)pid;
	(void)end;
	(void)context;
	return -5;
}

static void the_callback_can_end_the_reaping(void)
{
	for (int i = 0; i < 2; i++)
		if (fork() == 0)
			_exit(0);
	await(ferry_reap_orphans(give_up, NULL) == -5);
	await(ferry_reap_orphans(give_up, NULL) == -5);
	check_eq(ferry_reap_orphans(give_up, NULL), 0);
}

static void a_child_whose_handle_is_closed_is_reaped_later(void)
{
	ferry_process *process;

	check_eq(
	    ferry_spawn(&process,
			FERRY_SPAWN_OPTIONS(.program = "sleep",
					    .arguments = (char *[]){ (char[]){ "sleep" },
								     (char[]){ "0.1" }, NULL })),
	    0);
	const pid_t pid = ferry_process_pid(process);
	ferry_process_close(process);
	await(process_state(pid) == 'Z');
	check_eq(ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = "true")), 0);
	check_eq(process_state(pid), 0);
	check_eq(ferry_process_wait(process, NULL, box_patience()), 0);
	ferry_process_close(process);
}

static void steal(int signo)
{
	(void)signo;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* A SIGCHLD handler that takes every child is not ours to stop; but it leads no one astray. */
static void a_stolen_child_has_ended(void)
{
	struct ferry_process_end end;
	ferry_process *process;

	check(signal(SIGCHLD, steal) != SIG_ERR);
	for (int i = 0; i < 20; i++) {
		check_eq(ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = "false")), 0);
		check_eq(ferry_process_wait(process, &end, box_patience()), 0);
		if (end.known)
			check_eq(end.code, 1);
		ferry_process_close(process);
	}
}

static void use_in_child(struct stage *stage, const void *argument)
{
	ferry_process *process = *(ferry_process *const *)argument;

	(void)stage;
	check_eq(ferry_process_wait(process, NULL, FERRY_NOW), -EAGAIN);
	check_eq(ferry_signal_send(process, SIGTERM, 0), 0);
	check_eq(ferry_process_wait(process, NULL, box_patience()), 0);
	ferry_process_close(process);
}

static void a_forked_child_leaves_the_reaping_to_its_parent(void)
{
	struct ferry_process_end end;
	ferry_process *process;
	struct peer peer;

	check_eq(ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = "cat")), 0);
	check_eq(ferry_signal_send(process, SIGSTOP, 0), 0);
	peer_start(&peer, use_in_child, &process);
	check_eq(ferry_signal_send(process, SIGCONT, 0), 0);
	peer_join(&peer);
	check_eq(ferry_process_wait(process, &end, box_patience()), 0);
	check_eq(end.known, 1);
	ferry_process_close(process);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(a_process_is_known_by_its_start_time),
		claim(a_signal_never_reaches_the_next_owner_of_a_number),
		claim(payloads_arrive_whole_and_in_order),
		claim(the_kernel_decides_who_may_send),
		claim(every_member_of_an_object_gets_it_once),
		claim(a_member_leads_to_its_process),
		claim(a_group_gets_it_with_a_result_each),
		claim(each_target_has_a_result_of_its_own),
		claim(the_end_of_a_child_is_told_and_left_to_its_maker),
		claim(the_end_of_a_stranger_is_seen),
		claim(many_threads_wait_for_one_child),
		claim(orphans_are_reaped_and_spawned_children_are_not_lost),
		claim(the_first_process_of_a_container_reaps_all),
		claim(the_callback_can_end_the_reaping),
		claim(a_child_whose_handle_is_closed_is_reaped_later),
		claim(a_stolen_child_has_ended),
		claim(a_forked_child_leaves_the_reaping_to_its_parent),
	};

	return claim_run_all(claims);
}
