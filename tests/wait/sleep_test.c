/* SPDX-License-Identifier: MIT */
/* Sound sleep: who waits for messages in vain for long takes no more naps, unless something is
 * under way in the mailbox; and what ends a wait ends it at once all the same. Who is stopped
 * meanwhile, and who is hostile: sleep_trouble_test.c. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "limits.h"
#include "own.h"
#include "scratch.h"
#include "sleeper.h"
#include "stream.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS

/* A wake that is lost costs a second; so half of many must take much less. */
enum { ROUNDS = 7, WOKEN_NS = 500000000 };

static struct sleeper sleepers[SLEEP_WAYS];

/* ---- who naps, and who does not ---- */

static void send_to_all(uint64_t number)
{
	int64_t count[SLEEP_WAYS];

	for (int i = 0; i < SLEEP_WAYS; i++) {
		count[i] = sleeper_says(&sleepers[i], SLEEPER_COUNT);
		box_send(sleepers[i].box, number);
	}
	for (int i = 0; i < SLEEP_WAYS; i++) {
		check_about("%s, message %ju", sleepers[i].way->name, (uintmax_t)number);
		await(sleeper_says(&sleepers[i], SLEEPER_COUNT) > count[i]);
	}
	check_about("%s", "");
}

/* The test has the mailboxes open, too, and sends: before and in between. */
static void sleeps_soundly(const struct ferry_mailbox_options *options)
{
	limits_apply();
	sleepers_start(sleepers, options, "0");
	await_sound_sleep(sleepers, SLEEP_WAYS);
	send_to_all(1);
	await_sound_sleep(sleepers, SLEEP_WAYS);
	send_to_all(2);
	send_to_all(3);
	await_sound_sleep(sleepers, SLEEP_WAYS);
	sleepers_end(sleepers);
}

static void c7_who_waits_for_messages_sleeps_soundly(void)
{
	sleeps_soundly(NULL);
}

static void c7_who_waits_for_messages_one_to_one_sleeps_soundly(void)
{
	sleeps_soundly(OPTIONS(.flags = FERRY_ONE_TO_ONE));
}

static void c7_who_waits_for_messages_with_priorities_sleeps_soundly(void)
{
	sleeps_soundly(OPTIONS(.priorities = 3));
}

/* They take one, wait for the next, and are done with the first when that has come. */
static void naps_with_one_taken(const struct ferry_mailbox_options *options)
{
	limits_apply();
	for (int i = 0; i < SLEEP_WAYS; i++)
		sleepers[i].takes_first = true;
	sleepers_start(sleepers, options, "0");
	send_to_all(1);
	await_naps(sleepers, SLEEP_WAYS);
	send_to_all(2);
	await_sound_sleep(sleepers, SLEEP_WAYS);
	sleepers_end(sleepers);
}

static void c5_who_has_a_message_naps_until_it_is_done(void)
{
	naps_with_one_taken(NULL);
}

static void c5_who_has_a_message_one_to_one_naps_until_it_is_done(void)
{
	naps_with_one_taken(OPTIONS(.flags = FERRY_ONE_TO_ONE));
}

/* Also who fell sound asleep before: it is stopped, so that the test can take what it sends. */
static void take_before(const struct sleeper *sleeper, struct ferry_message *ret_message)
{
	peer_stop(&sleeper->peer);
	box_send(sleeper->box, 1);
	*ret_message = box_take(sleeper->box, 1);
	peer_resume(&sleeper->peer);
}

static void c5_all_nap_while_another_has_a_message(void)
{
	struct ferry_message message[SLEEP_WAYS];

	limits_apply();
	sleepers_start(sleepers, NULL, "0");
	await_sound_sleep(sleepers, SLEEP_WAYS);
	for (int i = 0; i < SLEEP_WAYS; i++)
		take_before(&sleepers[i], &message[i]);
	await_naps(sleepers, SLEEP_WAYS);
	for (int i = 0; i < SLEEP_WAYS; i++)
		check_eq(ferry_mailbox_done(sleepers[i].box, &message[i]), 0);
	await_sound_sleep(sleepers, SLEEP_WAYS);
	for (int i = 0; i < SLEEP_WAYS; i++)
		check_eq(sleeper_says(&sleepers[i], SLEEPER_COUNT), 0);
	for (int i = 0; i < SLEEP_WAYS; i++)
		take_before(&sleepers[i], &message[i]);
	await_naps(sleepers, SLEEP_WAYS);
	for (int i = 0; i < SLEEP_WAYS; i++)
		check_eq(ferry_mailbox_return(sleepers[i].box, &message[i]), 0);
	for (int i = 0; i < SLEEP_WAYS; i++)
		await(sleeper_says(&sleepers[i], SLEEPER_COUNT) == 1);
	await_sound_sleep(sleepers, SLEEP_WAYS);
	sleepers_end(sleepers);
}

/* ---- when ---- */

static void goes_on_napping(const struct ferry_mailbox_options *options, const char *sound)
{
	limits_apply();
	sleepers_start(sleepers, options, sound);
	await_naps(sleepers, SLEEP_WAYS);
	send_to_all(1);
	await_naps(sleepers, SLEEP_WAYS);
	sleepers_end(sleepers);
}

static void who_shall_never_sleep_soundly_goes_on_napping(void)
{
	goes_on_napping(NULL, "-1");
}

static void who_shall_not_sleep_soundly_yet_goes_on_napping(void)
{
	goes_on_napping(NULL, "600000");
}

/* 32,000 messages are 32,768 cells, and one more priority makes them twice as many. */
static void who_would_have_too_many_cells_to_look_at_goes_on_napping(void)
{
	goes_on_napping(OPTIONS(.messages = 32000, .max_size = 8, .priorities = 2), "0");
	sleepers_start(sleepers, OPTIONS(.messages = 32000, .max_size = 8), "0");
	await_sound_sleep(sleepers, SLEEP_WAYS);
	sleepers_end(sleepers);
}

/* How many sleep soundly or have done so; each of them since a second after it opened the mailbox,
 * or later. The clock of the second is a coarse one. */
static int count_sound(const int64_t *opened_at, bool *seen)
{
	const int64_t least = 980000000;
	int n = 0;

	for (int i = 0; i < SLEEP_WAYS; i++) {
		check_about("FERRY_SOUND_MS=%s",
			    sleepers[i].sound_ms ? sleepers[i].sound_ms : "(unset)");
		if (!seen[i] && is_sound_asleep(&sleepers[i])) {
			check(clock_ns() - opened_at[i] >= least);
			seen[i] = true;
		}
		n += seen[i];
	}
	check_about("%s", "");
	return n;
}

static void c7_a_second_in_vain_is_enough_and_nonsense_is_ignored(void)
{
	static const char *const values[SLEEP_WAYS] = { NULL,   "",    "0ms",
							"-1s",  "0x0", "99999999999999999999",
							"soon", "1s" };
	int64_t opened_at[SLEEP_WAYS];
	bool seen[SLEEP_WAYS] = { false };

	limits_apply();
	for (int i = 0; i < SLEEP_WAYS; i++) {
		struct sleeper *sleeper = &sleepers[i];

		sleeper->way = &sleep_ways[i];
		sleeper->sound_ms = values[i];
		snprintf(sleeper->location, sizeof sleeper->location, "box-%d", i);
		opened_at[i] = clock_ns();
		sleeper_start(sleeper);
	}
	await(count_sound(opened_at, seen) == SLEEP_WAYS);
	await_sound_sleep(sleepers, SLEEP_WAYS);
	sleepers_end(sleepers);
}

/* ---- what ends it ---- */

static void is_woken(const struct ferry_mailbox_options *options)
{
	limits_apply();
	sleepers_start(sleepers, options, "0");
	for (int i = 0; i < SLEEP_WAYS; i++) {
		int64_t took[ROUNDS];

		for (int k = 0; k < ROUNDS; k++)
			took[k] = wake_sleeper(&sleepers[i], 1 + (uint64_t)k);
		check_about("%s", sleepers[i].way->name);
		check_median(took, ROUNDS, WOKEN_NS);
		check_eq(sleeper_says(&sleepers[i], SLEEPER_COUNT), ROUNDS);
		check_eq(sleeper_says(&sleepers[i], SLEEPER_SUM), ROUNDS * (ROUNDS + 1) / 2);
	}
	check_about("%s", "");
	sleepers_end(sleepers);
}

static void c6_a_message_wakes_a_sound_sleeper(void)
{
	is_woken(NULL);
}

static void c6_a_message_one_to_one_wakes_a_sound_sleeper(void)
{
	is_woken(OPTIONS(.flags = FERRY_ONE_TO_ONE));
}

static void c6_a_message_of_any_priority_wakes_a_sound_sleeper(void)
{
	static uint64_t number = 1;

	limits_apply();
	sleepers_start(sleepers, OPTIONS(.priorities = 3), "0");
	for (int i = 0; i < SLEEP_WAYS; i++) {
		int64_t took[ROUNDS];

		for (int k = 0; k < ROUNDS; k++) {
			await(is_sound_asleep(&sleepers[i]));
			const int64_t start = clock_ns();
			check_eq(ferry_mailbox_send_with(
				     sleepers[i].box, &number, sizeof number,
				     FERRY_SEND_OPTIONS(.priority = (uint32_t)k % 3), FERRY_NOW),
				 0);
			await(sleeper_says(&sleepers[i], SLEEPER_COUNT) == k + 1);
			took[k] = sleeper_says(&sleepers[i], SLEEPER_AT) - start;
		}
		check_median(took, ROUNDS, WOKEN_NS);
	}
	sleepers_end(sleepers);
}

/* From here on the test itself sleeps: in box, about which it knows more than the public headers
 * tell. */
static ferry_mailbox *box;
static struct prey prey;
static struct bell *bell;

static void begin_here(const char *sound)
{
	limits_apply();
	sound_ms(sound);
	box = box_open("orders", OPTIONS(.flags = FERRY_INTERRUPTIBLE));
	prey = prey_map(scratch_path("orders"));
	bell = bell_of(&prey);
}

static void end_here(void)
{
	prey_unmap(&prey);
	box_end(box, "orders");
}

static void c6_a_deadline_ends_sound_sleep(void)
{
	begin_here("0");
	for (int i = 0; i < SLEEP_WAYS; i++) {
		int64_t late[ROUNDS];

		check_about("%s", sleep_ways[i].name);
		for (int k = 0; k < ROUNDS; k++) {
			const ferry_deadline deadline = ferry_in_ms(100);

			check_eq(sleep_ways[i].next(box, deadline), -ETIMEDOUT);
			late[k] = ferry_in_ns(0) - deadline;
			check(late[k] >= 0);
		}
		check_eq(atomic_load(&bell->sound) & 1, 1);
		check_median(late, ROUNDS, WOKEN_NS);
	}
	check_about("%s", "");
	sleep_ways_end();
	end_here();
}

static void c6_removal_ends_sound_sleep(void)
{
	for (int one_to_one = 0; one_to_one < 2; one_to_one++) {
		int64_t took[SLEEP_WAYS];

		limits_apply();
		sleepers_start(sleepers, OPTIONS(.flags = one_to_one ? FERRY_ONE_TO_ONE : 0), "0");
		for (int i = 0; i < SLEEP_WAYS; i++) {
			check_about("%s", sleepers[i].way->name);
			await(is_sound_asleep(&sleepers[i]));
			const int64_t start = clock_ns();
			box_remove(sleepers[i].location);
			await(sleeper_says(&sleepers[i], SLEEPER_ERROR));
			check_eq(sleeper_says(&sleepers[i], SLEEPER_ERROR), -EIDRM);
			took[i] = sleeper_says(&sleepers[i], SLEEPER_AT) - start;
		}
		check_about("%s", "");
		check_median(took, SLEEP_WAYS, WOKEN_NS);
		sleepers_end(sleepers);
	}
}

/* Does something to a test that sleeps soundly. */
struct disturbance {
	void (*happens)(void);
	pthread_t sleeper;
	int64_t at;
};

static bool main_sleeps_soundly(void)
{
	return (atomic_load(&bell->sound) & 1) && process_asleep(getpid());
}

static void *disturb(void *argument)
{
	struct disturbance *disturbance = argument;

	await(main_sleeps_soundly());
	disturbance->at = clock_ns();
	disturbance->happens();
	return NULL;
}

static ferry_waiter *waiter;

static void wake(void)
{
	check_eq(ferry_wake(waiter), 0);
}

static void cancel(void)
{
	check_eq(ferry_waiter_cancel(waiter), 0);
}

static int64_t ended_by(void (*happens)(void), int result)
{
	struct disturbance disturbance = { .happens = happens };
	struct ferry_report report;
	pthread_t thread;

	check_eq(pthread_create(&thread, NULL, disturb, &disturbance), 0);
	check_eq(ferry_waiter_wait(waiter, &report, 1, box_patience()), result);
	const int64_t took = clock_ns() - disturbance.at;
	check_eq(pthread_join(thread, NULL), 0);
	return took;
}

static void c6_a_wake_and_a_cancel_end_sound_sleep(void)
{
	int64_t took[2][ROUNDS];

	begin_here("0");
	const struct ferry_item item = ferry_on_mailbox(box, FERRY_CAN_READ);
	check_eq(ferry_waiter_open(&waiter, NULL), 0);
	check(ferry_waiter_add(waiter, &item, NULL) >= 0);
	for (int k = 0; k < ROUNDS; k++) {
		took[0][k] = ended_by(wake, 0);
		took[1][k] = ended_by(cancel, -ECANCELED);
		check_eq(ferry_waiter_resume(waiter), 0);
	}
	check_median(took[0], ROUNDS, WOKEN_NS);
	check_median(took[1], ROUNDS, WOKEN_NS);
	ferry_waiter_close(waiter);
	end_here();
}

static pthread_t main_thread;
static _Atomic int handled;
static _Atomic int ended;

static void handle(int number)
{
	(void)number;
	atomic_fetch_add(&handled, 1);
}

/* One that arrives just before the sleep ends nothing. */
static void interrupt_until_ended(void)
{
	await((check_eq(pthread_kill(main_thread, SIGUSR1), 0), atomic_load(&ended)));
}

static void interrupt_and_send(void)
{
	check_eq(pthread_kill(main_thread, SIGUSR1), 0);
	await(atomic_load(&handled) > 0);
	await(main_sleeps_soundly());
	box_send(box, 1);
}

/* How the wait ends while another thread does that, and a handler runs. */
static int64_t wait_interrupted(const struct sleep_way *way, void (*happens)(void))
{
	const struct sigaction action = { .sa_handler = handle };
	struct disturbance disturbance = { .happens = happens };
	pthread_t thread;

	check_about("%s", way->name);
	check_eq(sigaction(SIGUSR1, &action, NULL), 0);
	atomic_store(&handled, 0);
	atomic_store(&ended, 0);
	main_thread = pthread_self();
	check_eq(pthread_create(&thread, NULL, disturb, &disturbance), 0);
	const int64_t result = way->next(box, box_patience());
	atomic_store(&ended, 1);
	check_eq(pthread_join(thread, NULL), 0);
	check(atomic_load(&handled) > 0);
	check_about("%s", "");
	return result;
}

/* Calls of the mailbox, which was opened so; ferry_wait() and waiters go on. */
static void a_signal_with_a_handler_ends_sound_sleep_where_it_may(void)
{
	begin_here("0");
	for (int i = 0; i < 3; i++)
		check_eq(wait_interrupted(&sleep_ways[i], interrupt_until_ended), -EINTR);
	for (int i = 3; i < 6; i++)
		check_eq(wait_interrupted(&sleep_ways[i], interrupt_and_send), 1);
	sleep_ways_end();
	end_here();
}

/* ---- several sleepers ---- */

enum { BURST = 3 };

static void crew_start(void)
{
	limits_apply();
	for (int i = 0; i < SLEEP_WAYS; i++) {
		sleepers[i].way = &sleep_ways[i];
		sleepers[i].sound_ms = "0";
		snprintf(sleepers[i].location, sizeof sleepers[i].location, "orders");
		sleeper_start(&sleepers[i]);
	}
}

static int64_t crew_has(int what)
{
	int64_t sum = 0;

	for (int i = 0; i < SLEEP_WAYS; i++)
		sum += sleeper_says(&sleepers[i], what);
	return sum;
}

static bool crew_sleeps(void)
{
	for (int i = 0; i < SLEEP_WAYS; i++)
		if (!is_sound_asleep(&sleepers[i]))
			return false;
	return true;
}

/* One at a time, and several at once. Each comes once, and none is left lying. */
static void c6_each_message_wakes_somebody_among_sound_sleepers(void)
{
	int64_t took[ROUNDS];
	int64_t sent = 0;

	crew_start();
	for (int k = 0; k < ROUNDS; k++) {
		await(crew_sleeps());
		const int64_t start = clock_ns();
		for (int i = 0; i < (k % 2 ? BURST : 1); i++)
			box_send(sleepers[0].box, (uint64_t)++sent);
		await(crew_has(SLEEPER_COUNT) == sent);
		took[k] = clock_ns() - start;
	}
	check_eq(crew_has(SLEEPER_SUM), sent * (sent + 1) / 2);
	box_expect_empty(sleepers[0].box);
	check_median(took, ROUNDS, WOKEN_NS);
	await_sound_sleep(sleepers, SLEEP_WAYS);
	check_eq(crew_has(SLEEPER_COUNT), sent);
	for (int i = 0; i < SLEEP_WAYS; i++)
		sleeper_end(&sleepers[i]);
}

/* ---- in a large set, and beside other things ---- */

enum { MANY = 300, WHICH = 123 };

static ferry_mailbox *crowd[MANY];

static const char *crowd_name(int i)
{
	static char name[32];

	snprintf(name, sizeof name, "crowd-%d", i);
	return name;
}

static void wait_for_crowd(struct stage *stage, const void *unused)
{
	(void)unused;
	wait_for_any(stage, crowd, MANY);
}

/* It is no sleeper with a way, but can be looked at as one. */
static void start_other(struct sleeper *other,
			void (*body)(struct stage *stage, const void *argument),
			const void *argument)
{
	static const struct sleep_way way = { "the waiting peer", NULL };

	other->way = &way;
	peer_start(&other->peer, body, argument);
	peer_await(&other->peer, 1);
}

static void c7_in_a_large_set_all_come_to_sound_sleep(void)
{
	struct sleeper other;

	limits_apply();
	sound_ms("0");
	for (int i = 0; i < MANY; i++)
		crowd[i] =
		    box_open(crowd_name(i), OPTIONS(.messages = 1, .max_size = 8, .spin = -1));
	start_other(&other, wait_for_crowd, NULL);
	await_sound_sleep(&other, 1);
	box_send(crowd[WHICH], 1);
	await(sleeper_says(&other, SLEEPER_COUNT) == 1);
	await_sound_sleep(&other, 1);
	peer_kill(&other.peer);
	for (int i = 0; i < MANY; i++)
		box_end(crowd[i], crowd_name(i));
}

/* What somebody may wait for beside messages, and naps for. */
enum kind { BYTES, A_LOCK, ROOM, KINDS };

static struct stream stream;
static ferry_mailbox *full;

static struct ferry_item item_of(enum kind kind)
{
	if (kind == BYTES)
		return ferry_on_pipe(stream_open("pipe", FERRY_READ, NULL), FERRY_CAN_READ);
	if (kind == ROOM)
		return ferry_on_mailbox(box_open("full", NULL), FERRY_CAN_WRITE);
	ferry_segment *its = section_open();
	return ferry_on_lock(its, &section_of(its)->lock);
}

/* Tells how many messages it has received; and that the other has happened, at point 2. */
static void wait_for_both(struct stage *stage, const void *argument)
{
	const enum kind kind = *(const enum kind *)argument;
	ferry_mailbox *own = box_open("orders", NULL);
	struct ferry_item items[] = { ferry_on_mailbox(own, FERRY_CAN_READ), item_of(kind) };

	stage_reach(stage, 1);
	while (check_eq(ferry_wait(items, 2, FERRY_FOREVER), 1), items[0].happened) {
		box_expect(own, 1);
		atomic_fetch_add(&stage->value[SLEEPER_COUNT], 1);
	}
	check(items[1].happened & (FERRY_CAN_READ | FERRY_CAN_WRITE));
	stage_meet(stage, 2);
}

static void begin_kind(enum kind kind)
{
	if (kind == BYTES) {
		stream = stream_meet("pipe", NULL);
	} else if (kind == A_LOCK) {
		begin();
		check_eq(acquire(FERRY_NOW), 0);
	} else {
		full = box_open("full", OPTIONS(.messages = 1));
		box_send(full, 1);
	}
}

static void give_kind(enum kind kind)
{
	if (kind == BYTES)
		stream_write(stream.writer, "x");
	else if (kind == A_LOCK)
		check_eq(release(), 0);
	else
		box_expect(full, 1);
}

static void end_kind(enum kind kind)
{
	if (kind == BYTES)
		stream_end(&stream, "pipe");
	else if (kind == A_LOCK)
		end();
	else
		box_end(full, "full");
}

static void c5_who_waits_for_other_things_too_goes_on_napping(void)
{
	begin_here("0");
	for (enum kind kind = BYTES; kind < KINDS; kind++) {
		struct sleeper other;

		begin_kind(kind);
		start_other(&other, wait_for_both, &kind);
		await_naps(&other, 1);
		box_send(box, 1);
		await(sleeper_says(&other, SLEEPER_COUNT) == 1);
		await_naps(&other, 1);
		give_kind(kind);
		peer_await(&other.peer, 2);
		peer_kill(&other.peer);
		end_kind(kind);
	}
	end_here();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c7_who_waits_for_messages_sleeps_soundly),
		claim(c7_who_waits_for_messages_one_to_one_sleeps_soundly),
		claim(c7_who_waits_for_messages_with_priorities_sleeps_soundly),
		claim(c5_who_has_a_message_naps_until_it_is_done),
		claim(c5_who_has_a_message_one_to_one_naps_until_it_is_done),
		claim(c5_all_nap_while_another_has_a_message),
		claim(who_shall_never_sleep_soundly_goes_on_napping),
		claim(who_shall_not_sleep_soundly_yet_goes_on_napping),
		claim(who_would_have_too_many_cells_to_look_at_goes_on_napping),
		claim(c7_a_second_in_vain_is_enough_and_nonsense_is_ignored),
		claim(c6_a_message_wakes_a_sound_sleeper),
		claim(c6_a_message_one_to_one_wakes_a_sound_sleeper),
		claim(c6_a_message_of_any_priority_wakes_a_sound_sleeper),
		claim(c6_a_deadline_ends_sound_sleep),
		claim(c6_removal_ends_sound_sleep),
		claim(c6_a_wake_and_a_cancel_end_sound_sleep),
		claim(a_signal_with_a_handler_ends_sound_sleep_where_it_may),
		claim(c6_each_message_wakes_somebody_among_sound_sleepers),
		claim(c7_in_a_large_set_all_come_to_sound_sleep),
		claim(c5_who_waits_for_other_things_too_goes_on_napping),
	};

	return claim_run_all(claims);
}
