/* SPDX-License-Identifier: MIT */
/* Waiting when things go wrong, or happen at once: no descriptor is left, two threads cancel and
 * resume, handlers change the set that runs them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "limits.h"
#include "peer.h"
#include "plain.h"
#include "scratch.h"
#include "wire.h"

enum { ROOM = 8 };

static ferry_waiter *waiter;

static void make_waiter(void)
{
	limits_apply();
	check_eq(ferry_waiter_open(&waiter, NULL), 0);
}

static int add(struct ferry_item item)
{
	int key = ferry_waiter_add(waiter, &item, NULL);

	check(key >= 0);
	return key;
}

/* ---- no descriptor is left ---- */

/* The process may have no more descriptors than it has. */
static void take_all_descriptors(void)
{
	struct rlimit limit;
	int next = dup(0);

	check(next >= 0);
	close(next);
	check_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t)next;
	check_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void give_descriptors_back(void)
{
	struct rlimit limit;

	check_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	check_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* The second item on a descriptor needs another one of it. That it cannot be had is nothing to the
 * first. */
static void an_item_that_cannot_be_added_takes_no_other_out(void)
{
	struct ferry_report report[ROOM];
	struct ferry_item item;
	int ends[2];

	make_waiter();
	check_eq(pipe2(ends, O_CLOEXEC), 0);
	item = ferry_on_fd(ends[0], FERRY_CAN_READ);
	const int key = add(item);
	take_all_descriptors();
	check_eq(ferry_waiter_add(waiter, &item, NULL), -EMFILE);
	give_descriptors_back();
	check_eq(write(ends[1], "x", 1), 1);
	check_eq(ferry_waiter_wait(waiter, report, ROOM, box_patience()), 1);
	check_eq(report[0].key, key);
	ferry_waiter_close(waiter);
	close(ends[0]);
	close(ends[1]);
}

/* ---- asked for nothing ---- */

/* Waiting for nothing takes no time of a processor. */
static void check_idle(void)
{
	struct ferry_report report[ROOM];
	const struct usage before = usage_now();

	check_eq(ferry_waiter_wait(waiter, report, ROOM, ferry_in_ms(300)), -ETIMEDOUT);
	const struct usage after = usage_now();
	check(after.cpu_ns - before.cpu_ns < (after.at - before.at) / 4);
}

static void c7_a_listener_that_is_not_to_be_told_of_costs_nothing(void)
{
	struct ferry_report report[ROOM];
	char address[FERRY_ADDRESS_MAX];

	make_waiter();
	ferry_listener *listener = wire_listen(&wire_kinds[0], address);
	const int key = add(ferry_on_listener(listener));
	const int client = plain_connect(address);
	check_eq(ferry_waiter_wait(waiter, report, ROOM, box_patience()), 1);
	check_eq(ferry_waiter_change(waiter, key, 0), 0);
	check_idle();
	check_eq(ferry_waiter_change(waiter, key, FERRY_CAN_READ), 0);
	check_eq(ferry_waiter_wait(waiter, report, ROOM, box_patience()), 1);
	ferry_waiter_close(waiter);
	ferry_listener_close(listener);
	close(client);
}

static void c7_a_process_that_is_not_to_be_told_of_costs_nothing(void)
{
	struct ferry_report report[ROOM];
	ferry_process *process;

	make_waiter();
	check_eq(ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = "true")), 0);
	const int key = add(ferry_on_process(process));
	check_eq(ferry_waiter_wait(waiter, report, ROOM, box_patience()), 1);
	check_eq(ferry_waiter_change(waiter, key, 0), 0);
	check_idle();
	ferry_waiter_close(waiter);
	check_eq(ferry_process_wait(process, NULL, box_patience()), 0);
	ferry_process_close(process);
}

/* ---- what only a look knows, and what only the kernel does ---- */

/* Of a connection in shared memory: that there are bytes is seen in memory, that more fit is said
 * by the kernel. Who asks for both is told both, and once. */
static void c6_a_moved_connection_is_told_of_once_and_in_full(void)
{
	for (int k = 0; k < 2; k++) {
		struct wire wire = wire_make_moved(&wire_kinds[k == 0 ? 0 : 2]);
		const uint32_t both = FERRY_CAN_READ | FERRY_CAN_WRITE;
		struct ferry_item item = ferry_on_socket(wire.server, both);
		struct ferry_report report[ROOM];

		make_waiter();
		const int key = add(item);
		wire_write(wire.client, "question");
		for (int i = 0; i < 3; i++) {
			check_eq(ferry_wait(&item, 1, box_patience()), 1);
			check_eq(item.happened, both);
			check_eq(ferry_waiter_wait(waiter, report, ROOM, box_patience()), 1);
			check_eq(report[0].key, key);
			check_eq(report[0].happened, both);
		}
		wire_expect(wire.server, "question");
		ferry_waiter_close(waiter);
		wire_close(&wire);
	}
}

/* ---- at once ---- */

static _Atomic int turn; /* the round that both threads may play */
static _Atomic int played;

static void *resume(void *rounds)
{
	for (int i = 1; i <= *(int *)rounds; i++) {
		while (atomic_load(&turn) < i)
			(void)sched_yield();
		check_eq(ferry_waiter_resume(waiter), 0);
		atomic_store(&played, i);
	}
	return NULL;
}

/* Whichever of the two was the last: waits end because of it, or they sleep. */
static void cancelling_and_resuming_at_once_leaves_one_of_the_two(void)
{
	int rounds = check_repeat(5000, 200000);
	struct ferry_report report[ROOM];
	pthread_t thread;

	make_waiter();
	struct pollfd shown = { .fd = ferry_waiter_fd(waiter), .events = POLLIN };
	check_eq(pthread_create(&thread, NULL, resume, &rounds), 0);
	for (int i = 1; i <= rounds; i++) {
		atomic_store(&turn, i);
		check_eq(ferry_waiter_cancel(waiter), 0);
		while (atomic_load(&played) < i)
			(void)sched_yield();
		const int r = ferry_waiter_wait(waiter, report, ROOM, FERRY_NOW);
		check(r == -ECANCELED || r == -EAGAIN);
		check_eq(poll(&shown, 1, 0), r == -ECANCELED);
		check_eq(ferry_waiter_resume(waiter), 0);
	}
	check_eq(pthread_join(thread, NULL), 0);
	ferry_waiter_close(waiter);
}

/* ---- waking while there is always something ---- */

/* Whether the reports fill the room or leave some, one wait may go before the wake. */
static void a_wake_is_heard_of_although_an_item_is_always_ready(void)
{
	struct ferry_report report[ROOM];
	int ends[2];

	make_waiter();
	ferry_mailbox *box = box_open("orders", NULL);
	check_eq(pipe2(ends, O_CLOEXEC), 0);
	(void)add(ferry_on_mailbox(box, FERRY_CAN_WRITE));
	(void)add(ferry_on_fd(ends[1], FERRY_CAN_WRITE));
	for (int room = 1; room <= ROOM; room++) {
		int waits = 0;
		check_eq(ferry_wake(waiter), 0);
		while (ferry_waiter_wait(waiter, report, room, box_patience()) > 0)
			check(++waits <= 1);
		/* Once: from here on there are reports only. */
		for (int i = 0; i < 3; i++)
			check(ferry_waiter_wait(waiter, report, room, box_patience()) > 0);
	}
	ferry_waiter_close(waiter);
	box_end(box, "orders");
	close(ends[0]);
	close(ends[1]);
}

/* ---- what was told last is looked at first ---- */

static ferry_mailbox *told, *beside;

static void *send_to_both(void *unused)
{
	(void)unused;
	await(process_asleep(getpid()));
	box_send(beside, 1);
	box_send(told, 1);
	return NULL;
}

/* The first stays ready: that must not keep the other from being heard of. */
static void c6_what_comes_beside_what_was_told_last_is_told_next(void)
{
	struct ferry_report report[ROOM];

	make_waiter();
	told = box_open("told", NULL);
	beside = box_open("beside", NULL);
	const int keys[] = { add(ferry_on_mailbox(told, FERRY_CAN_READ)),
			     add(ferry_on_mailbox(beside, FERRY_CAN_READ)) };
	for (int i = 0; i < check_repeat(30, 1000); i++) {
		pthread_t thread;
		int seen = 0;

		box_send(told, 1);
		check_eq(ferry_waiter_wait(waiter, report, ROOM, box_patience()), 1);
		box_expect(told, 1);
		check_eq(ferry_waiter_wait(waiter, report, ROOM, FERRY_NOW), -EAGAIN);
		check_eq(pthread_create(&thread, NULL, send_to_both, NULL), 0);
		for (int waits = 0; waits < 3; waits++) {
			int n = ferry_waiter_wait(waiter, report, ROOM, box_patience());
			check(n > 0);
			for (int j = 0; j < n; j++)
				seen |= report[j].key == keys[0] ? 1 : 2;
			if (waits == 0)
				check_eq(pthread_join(thread, NULL), 0);
		}
		check_eq(seen, 3);
		box_expect(told, 1);
		box_expect(beside, 1);
		check_eq(ferry_waiter_wait(waiter, report, ROOM, FERRY_NOW), -EAGAIN);
	}
	ferry_waiter_close(waiter);
	box_end(told, "told");
	box_end(beside, "beside");
}

/* ---- handlers ---- */

static int n_handled;

static int add_and_remove(const struct ferry_signal_info *info, void *fd)
{
	(void)info;
	const int key = add(ferry_on_fd(*(int *)fd, FERRY_CAN_READ));
	check_eq(ferry_waiter_remove(waiter, key), 0);
	n_handled++;
	return 0;
}

/* Each runs while the set is nobody's, the second of two as well as the first. */
static void handlers_may_change_the_set_that_runs_them(void)
{
	struct ferry_report report[ROOM];
	int ends[2];

	make_waiter();
	check_eq(pipe2(ends, O_CLOEXEC), 0);
	check_eq(ferry_signal_catch(SIGUSR1, add_and_remove, &ends[0], NULL), 0);
	check_eq(ferry_signal_catch(SIGUSR2, add_and_remove, &ends[0], NULL), 0);
	const int key = add(ferry_on_handlers());
	for (int i = 1; i <= 3; i++) {
		check_eq(raise(SIGUSR1), 0);
		check_eq(raise(SIGUSR2), 0);
		while (n_handled < 2 * i) {
			check_eq(ferry_waiter_wait(waiter, report, ROOM, box_patience()), 1);
			check_eq(report[0].key, key);
			check_eq(report[0].happened, FERRY_CAN_READ);
		}
		check_eq(ferry_waiter_wait(waiter, report, ROOM, FERRY_NOW), -EAGAIN);
	}
	ferry_waiter_close(waiter);
	check_eq(ferry_signal_uncatch(SIGUSR1, add_and_remove, &ends[0], NULL), 0);
	check_eq(ferry_signal_uncatch(SIGUSR2, add_and_remove, &ends[0], NULL), 0);
	close(ends[0]);
	close(ends[1]);
}

static int count(const struct ferry_signal_info *info, void *unused)
{
	(void)info;
	(void)unused;
	n_handled++;
	return 0;
}

static void handlers_that_are_not_asked_for_do_not_run(void)
{
	struct ferry_item item = ferry_on_handlers();
	struct ferry_report report[ROOM];

	make_waiter();
	item.events = 0;
	check_eq(ferry_signal_catch(SIGUSR1, count, NULL, NULL), 0);
	const int key = add(item);
	check_eq(raise(SIGUSR1), 0);
	check_eq(ferry_wait(&item, 1, FERRY_NOW), -EAGAIN);
	check_eq(ferry_waiter_wait(waiter, report, ROOM, FERRY_NOW), -EAGAIN);
	check_idle();
	check_eq(n_handled, 0);
	check_eq(ferry_waiter_change(waiter, key, FERRY_CAN_READ), 0);
	check_eq(ferry_waiter_wait(waiter, report, ROOM, box_patience()), 1);
	check_eq(report[0].key, key);
	check_eq(n_handled, 1);
	check_eq(raise(SIGUSR1), 0);
	item.events = FERRY_CAN_READ;
	check_eq(ferry_wait(&item, 1, box_patience()), 1);
	check_eq(n_handled, 2);
	ferry_waiter_close(waiter);
	check_eq(ferry_signal_uncatch(SIGUSR1, count, NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(an_item_that_cannot_be_added_takes_no_other_out),
		claim(c7_a_listener_that_is_not_to_be_told_of_costs_nothing),
		claim(c7_a_process_that_is_not_to_be_told_of_costs_nothing),
		claim(c6_a_moved_connection_is_told_of_once_and_in_full),
		claim(cancelling_and_resuming_at_once_leaves_one_of_the_two),
		claim(a_wake_is_heard_of_although_an_item_is_always_ready),
		claim(c6_what_comes_beside_what_was_told_last_is_told_next),
		claim(handlers_may_change_the_set_that_runs_them),
		claim(handlers_that_are_not_asked_for_do_not_run),
	};

	return claim_run_all(claims);
}
