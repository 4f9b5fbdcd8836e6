/* SPDX-License-Identifier: MIT */
/* The ledger of `ferry torture` and `ferry demo` finds each kind of violation in doctored records,
 * and accuses nobody of what is right. */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "claim.h"
#include "ledger.h"
#include "torture_message.h"

enum { STREAMS = 2, SEATS = 3, PRIORITIES = 2, WINDOW = 64, MS = 1000000 };

static struct faults *faults;
static struct ledger *l;
static struct ledger_view views[SEATS];
static struct ledger_sum sum;

static void begin(void)
{
	faults = faults_make();
	check(faults);
	l = ledger_make(&(struct ledger_plan){ faults, STREAMS, SEATS, PRIORITIES, WINDOW });
	check(l);
	for (uint32_t i = 0; i < SEATS; i++)
		ledger_seat(l, i);
}

/* Close the account; exactly n faults of one kind, and none of any other. */
static void end(enum fault fault, uint64_t n)
{
	ledger_close(l, &sum);
	for (int i = 0; i < FAULTS; i++)
		check_eq(faults_of(faults, (enum fault)i), i == (int)fault ? n : 0);
	check((faults_sentence(faults, 0) != NULL) == (n > 0));
	ledger_unmake(l);
	faults_unmake(faults);
}

static void end_clean(void)
{
	end(FAULT_LOST, 0);
}

static uint64_t start_at(uint32_t stream, uint32_t priority)
{
	int64_t n = ledger_begin(l, stream, &(struct ledger_message){ .priority = priority });

	check(n >= 0);
	return (uint64_t)n;
}

static uint64_t send_at(uint32_t stream, uint32_t priority)
{
	uint64_t n = start_at(stream, priority);

	ledger_sent(l, stream, n);
	return n;
}

static struct ledger_delivery come(uint32_t stream, uint64_t number, uint32_t deliveries)
{
	return (
	    struct ledger_delivery){ .stream = stream, .number = number, .deliveries = deliveries };
}

/* A receive that begins now, returns now, and is over. */
static void receive(uint32_t seat, struct ledger_delivery d)
{
	ledger_look(l, &views[seat]);
	ledger_seen(l, seat, &views[seat], &d, false);
}

static void take(uint32_t seat, struct ledger_delivery d)
{
	ledger_look(l, &views[seat]);
	ledger_seen(l, seat, &views[seat], &d, true);
}

static void done(uint32_t seat, struct ledger_delivery d)
{
	ledger_finishing(l, seat, &d);
	ledger_finished(l, seat, &d);
}

static void die(uint32_t seat)
{
	ledger_condemn(l, seat);
	ledger_seat(l, seat);
}

/* ---- what is right ---- */

static void an_honest_run_is_clean(void)
{
	begin();
	for (int i = 0; i < 10 * WINDOW; i++) {
		uint64_t a = send_at(0, 0), b = send_at(1, 0);

		take(0, come(0, a, 1));
		receive(1, come(1, b, 1));
		done(0, come(0, a, 1));
	}
	end_clean();
	check_eq(sum.begun, 20 * WINDOW);
	check_eq(sum.arrived, 20 * WINDOW);
}

static void redelivery_after_death_with_a_raised_count_is_clean(void)
{
	begin();
	uint64_t n = send_at(0, 0);
	take(0, come(0, n, 1));
	die(0);
	take(1, come(0, n, 2));
	die(1);
	receive(2, come(0, n, 4)); /* one who died between 2 and 4 could not report it */
	end_clean();
	check_eq(sum.redelivered, 2);
	check_eq(sum.arrived, 1);
}

static void redelivery_after_return_with_a_raised_count_is_clean(void)
{
	begin();
	uint64_t n = send_at(0, 0);
	take(0, come(0, n, 1));
	ledger_returning(l, 0, &(struct ledger_delivery){ .number = n, .deliveries = 1 });
	take(0, come(0, n, 2));
	done(0, come(0, n, 2));
	end_clean();
}

static void a_send_cut_short_may_arrive_or_not(void)
{
	begin();
	uint64_t a = start_at(0, 0), b = start_at(1, 0);
	check_eq(ledger_bury_sender(l, 0), 1);
	check_eq(ledger_bury_sender(l, 1), 1);
	check_eq(ledger_bury_sender(l, 1), 0);
	receive(0, come(1, b, 1));
	end_clean();
	(void)a;
	check_eq(sum.absent, 1);
	check_eq(sum.doubtful, 1);
}

static void a_receiver_may_die_before_it_reports(void)
{
	begin();
	uint64_t a = send_at(0, 0), b = send_at(0, 0), c = send_at(0, 0);
	ledger_condemn(l, 0);
	ledger_found(l, 0, a, true);
	ledger_found(l, 0, b, true);
	receive(1, come(0, b, 2));
	take(1, come(0, c, 1));
	ledger_finishing(l, 1, &(struct ledger_delivery){ .number = c, .deliveries = 1 });
	die(1); /* in done: it may have worked or not */
	end_clean();
	check_eq(sum.arrived, 3);
}

static void a_small_message_in_a_dead_buffer_may_come_as_it_was(void)
{
	begin();
	uint64_t n = send_at(0, 0);
	ledger_condemn(l, 0);
	ledger_found(l, 0, n, false);
	receive(1, come(0, n, 1));
	end_clean();
	check_eq(sum.arrived, 1);
}

static void a_taken_message_in_a_dead_buffer_comes_again_raised(void)
{
	begin();
	uint64_t n = send_at(0, 0);
	ledger_condemn(l, 0);
	ledger_found(l, 0, n, true);
	receive(1, come(0, n, 1));
	ledger_found(l, 0, n, true);
	end(FAULT_DUPLICATE, 1);
}

static void expired_messages_may_be_absent(void)
{
	begin();
	int64_t n = ledger_begin(l, 0, &(struct ledger_message){ .ttl = 1 });
	ledger_sent(l, 0, (uint64_t)n);
	end_clean();
	check_eq(sum.gone, 1);
}

static void a_full_window_holds_back(void)
{
	begin();
	for (int i = 0; i < WINDOW; i++)
		send_at(0, 0);
	check_eq(ledger_begin(l, 0, &(struct ledger_message){ 0 }), -EAGAIN);
	receive(0, come(0, 0, 1));
	check_eq(ledger_begin(l, 0, &(struct ledger_message){ 0 }), WINDOW);
	end(FAULT_LOST, WINDOW);
}

static void a_successor_learns_where_to_go_on(void)
{
	uint64_t tag;
	bool sent;

	begin();
	check(!ledger_last(l, 0, &tag, &sent));
	int64_t n = ledger_begin(l, 0, &(struct ledger_message){ .tag = 7 });
	check(ledger_last(l, 0, &tag, &sent));
	check_eq(tag, 7);
	check(!sent);
	ledger_sent(l, 0, (uint64_t)n);
	check(ledger_last(l, 0, &tag, &sent) && sent);
	ledger_unsent(l, 0, (uint64_t)ledger_begin(l, 0, &(struct ledger_message){ .tag = 8 }));
	check(ledger_last(l, 0, &tag, &sent) && tag == 7);
	end(FAULT_LOST, 1);
}

/* ---- lost ---- */

static void a_message_that_never_comes_is_lost(void)
{
	begin();
	send_at(0, 0);
	end(FAULT_LOST, 1);
}

static void a_message_that_dies_with_its_receiver_is_lost(void)
{
	begin();
	uint64_t n = send_at(0, 0);
	take(0, come(0, n, 1));
	die(0);
	end(FAULT_LOST, 1);
}

static void a_message_given_back_that_never_comes_again_is_lost(void)
{
	begin();
	uint64_t n = send_at(0, 0);
	take(0, come(0, n, 1));
	ledger_returning(l, 0, &(struct ledger_delivery){ .number = n, .deliveries = 1 });
	end(FAULT_LOST, 1);
}

static void a_message_absent_long_before_it_expires_is_lost(void)
{
	begin();
	int64_t n = ledger_begin(l, 0, &(struct ledger_message){ .ttl = UINT64_C(1) << 60 });
	ledger_sent(l, 0, (uint64_t)n);
	end(FAULT_LOST, 1);
}

/* ---- duplicate ---- */

static void a_finished_message_that_comes_again_is_a_duplicate(void)
{
	begin();
	uint64_t n = send_at(0, 0);
	receive(0, come(0, n, 1));
	die(0);
	receive(1, come(0, n, 2));
	end(FAULT_DUPLICATE, 1);
}

static void a_message_of_a_live_receiver_is_a_duplicate(void)
{
	begin();
	uint64_t n = send_at(0, 0);
	take(0, come(0, n, 1));
	die(2);
	take(1, come(0, n, 2));
	done(0, come(0, n, 1));
	end(FAULT_DUPLICATE, 1);
}

static void redelivery_after_death_without_a_raised_count_is_a_duplicate(void)
{
	begin();
	uint64_t n = send_at(0, 0);
	take(0, come(0, n, 1));
	die(0);
	take(1, come(0, n, 1));
	done(1, come(0, n, 1));
	ledger_found(l, 0, n, true); /* else it would be lost besides */
	end(FAULT_DUPLICATE, 1);
}

static void redelivery_after_return_without_a_raised_count_is_a_duplicate(void)
{
	begin();
	uint64_t n = send_at(0, 0);
	take(0, come(0, n, 1));
	ledger_returning(l, 0, &(struct ledger_delivery){ .number = n, .deliveries = 1 });
	receive(1, come(0, n, 1));
	ledger_found(l, 0, n, true);
	end(FAULT_DUPLICATE, 1);
}

static void a_message_of_long_ago_is_a_duplicate(void)
{
	begin();
	for (int i = 0; i <= WINDOW; i++)
		receive(0, come(0, send_at(0, 0), 1));
	receive(0, come(0, 0, 2));
	end(FAULT_DUPLICATE, 1);
}

/* ---- stray ---- */

static void a_message_that_was_never_sent_is_stray(void)
{
	begin();
	receive(0, come(0, 5, 1));
	receive(0, come(STREAMS, 0, 1));
	end(FAULT_STRAY, 2);
}

static void a_raised_count_without_a_death_is_stray(void)
{
	begin();
	uint64_t n = send_at(0, 0);
	receive(0, come(0, n, 2));
	receive(0, come(0, n, 1));
	end(FAULT_STRAY, 1);
}

static void a_failed_send_that_arrives_is_stray(void)
{
	begin();
	uint64_t a = start_at(0, 0), b = start_at(0, 0);
	ledger_unsent(l, 0, a);
	receive(0, come(0, a, 1));
	receive(0, come(0, b, 1));
	ledger_unsent(l, 0, b);
	end(FAULT_STRAY, 2);
}

static void a_message_that_comes_after_it_expired_is_stray(void)
{
	begin();
	int64_t n = ledger_begin(l, 0, &(struct ledger_message){ .ttl = 1 });
	ledger_sent(l, 0, (uint64_t)n);
	ledger_look(l, &views[0]);
	views[0].called += 1000 * UINT64_C(1000000);
	ledger_seen(l, 0, &views[0], &(struct ledger_delivery){ .deliveries = 1 }, false);
	end(FAULT_STRAY, 1);
}

/* ---- torn ---- */

static void every_changed_byte_is_torn(void)
{
	enum { SIZE = 61 };
	char message[SIZE + 1], other[SIZE];
	uint32_t stream;
	uint64_t number;

	for (size_t size = sizeof(struct torture_head); size <= SIZE; size++) {
		torture_write(message, 3, 12345, size);
		check(torture_read(message, size, &stream, &number));
		check(stream == 3 && number == 12345);
		check(!torture_read(message, size - 1, &stream, &number));
		check(!torture_read(message, size + 1, &stream, &number));
		for (size_t i = 0; i < size; i++) {
			message[i] ^= 4;
			check(!torture_read(message, size, &stream, &number));
			message[i] ^= 4;
		}
	}
	/* The front of one message and the back of another, cut anywhere. */
	for (size_t cut = 1; cut < SIZE; cut++) {
		torture_write(message, 3, 12345, SIZE);
		torture_write(other, 3, 12346, SIZE);
		memcpy(message + cut, other + cut, SIZE - cut);
		check(!torture_read(message, SIZE, &stream, &number));
	}
}

static void another_priority_or_tag_is_torn(void)
{
	begin();
	int64_t n = ledger_begin(l, 0, &(struct ledger_message){ .tag = 9 });
	ledger_sent(l, 0, (uint64_t)n);
	receive(0, (struct ledger_delivery){ .deliveries = 1, .tag = 8, .priority = 1 });
	end(FAULT_TORN, 2);
}

/* ---- reordered ---- */

static void a_stream_out_of_order_is_reordered(void)
{
	begin();
	/* Both in one call that sends many: only the numbers tell. */
	uint64_t a = start_at(0, 0), b = start_at(0, 0);
	ledger_sent(l, 0, a);
	ledger_sent(l, 0, b);
	receive(0, come(0, b, 1));
	receive(1, come(0, a, 1));
	end(FAULT_REORDERED, 1);
}

static void streams_out_of_order_are_reordered(void)
{
	begin();
	uint64_t a = send_at(0, 0), b = send_at(1, 0);
	receive(0, come(1, b, 1));
	receive(1, come(0, a, 1));
	end(FAULT_REORDERED, 1);
}

static void a_batch_out_of_order_is_reordered(void)
{
	begin();
	uint64_t a = send_at(0, 0), b = send_at(1, 0);
	ledger_look(l, &views[0]);
	ledger_seen(l, 0, &views[0], &(struct ledger_delivery){ 1, b, 0, 1, 0 }, false);
	ledger_seen(l, 0, &views[0], &(struct ledger_delivery){ 0, a, 0, 1, 0 }, false);
	end(FAULT_REORDERED, 1);
}

static void a_higher_priority_passed_over_is_reordered(void)
{
	begin();
	uint64_t low = send_at(0, 0), high = send_at(1, 1);
	receive(0, come(0, low, 1));
	receive(0, (struct ledger_delivery){ 1, high, 1, 1, 0 });
	end(FAULT_REORDERED, 1);
}

static void receives_that_overlap_have_no_order(void)
{
	begin();
	uint64_t a = send_at(0, 0), b = send_at(1, 0);
	ledger_look(l, &views[0]);
	receive(1, come(1, b, 1));
	ledger_seen(l, 0, &views[0], &(struct ledger_delivery){ 0, a, 0, 1, 0 }, false);
	uint64_t low = send_at(0, 0), high = send_at(1, 1);
	ledger_look(l, &views[0]);
	receive(1, come(0, low, 1));
	ledger_seen(l, 0, &views[0], &(struct ledger_delivery){ 1, high, 1, 1, 0 }, false);
	end_clean();
}

static void sends_that_overlap_have_no_order(void)
{
	begin();
	uint64_t a = start_at(0, 0), b = send_at(1, 0);
	ledger_sent(l, 0, a);
	receive(0, come(1, b, 1));
	receive(1, come(0, a, 1));
	end_clean();
}

static void a_redelivered_message_may_come_late(void)
{
	begin();
	uint64_t a = send_at(0, 0), b = send_at(0, 0);
	take(0, come(0, a, 1));
	receive(1, come(0, b, 1));
	die(0);
	receive(1, come(0, a, 2));
	end_clean();
}

/* ---- jammed ---- */

/* Look every 10 ms for so long. */
static void watch(struct watch *w, uint64_t progress, bool able, int ms)
{
	for (int i = 0; i < ms; i += 10)
		watch_look(w, faults, progress, able, w->looked + 10 * MS);
}

static void stillness_is_a_jam(void)
{
	struct watch w = { 0 };

	begin();
	watch(&w, 1, true, 1000);
	watch(&w, 2, true, 1900);
	check_eq(faults_all(faults), 0);
	check(w.longest > UINT64_C(1800) * MS && w.longest < UINT64_C(1900) * MS);
	watch(&w, 2, true, 10000);
	end(FAULT_JAMMED, 1); /* told once */
}

static void stillness_with_nobody_able_is_no_jam(void)
{
	struct watch w = { 0 };

	begin();
	watch(&w, 1, false, 10000);
	watch(&w, 1, true, 1900);
	watch(&w, 1, false, 10);
	watch(&w, 1, true, 1900);
	end_clean();
}

static void who_looks_late_accuses_nobody(void)
{
	struct watch w = { 0 };

	begin();
	watch_look(&w, faults, 1, true, 1000);
	watch_look(&w, faults, 1, true, UINT64_C(60000) * MS);
	end_clean();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(an_honest_run_is_clean),
		claim(redelivery_after_death_with_a_raised_count_is_clean),
		claim(redelivery_after_return_with_a_raised_count_is_clean),
		claim(a_send_cut_short_may_arrive_or_not),
		claim(a_receiver_may_die_before_it_reports),
		claim(a_small_message_in_a_dead_buffer_may_come_as_it_was),
		claim(a_taken_message_in_a_dead_buffer_comes_again_raised),
		claim(expired_messages_may_be_absent),
		claim(a_full_window_holds_back),
		claim(a_successor_learns_where_to_go_on),
		claim(a_message_that_never_comes_is_lost),
		claim(a_message_that_dies_with_its_receiver_is_lost),
		claim(a_message_given_back_that_never_comes_again_is_lost),
		claim(a_message_absent_long_before_it_expires_is_lost),
		claim(a_finished_message_that_comes_again_is_a_duplicate),
		claim(a_message_of_a_live_receiver_is_a_duplicate),
		claim(redelivery_after_death_without_a_raised_count_is_a_duplicate),
		claim(redelivery_after_return_without_a_raised_count_is_a_duplicate),
		claim(a_message_of_long_ago_is_a_duplicate),
		claim(a_message_that_was_never_sent_is_stray),
		claim(a_raised_count_without_a_death_is_stray),
		claim(a_failed_send_that_arrives_is_stray),
		claim(a_message_that_comes_after_it_expired_is_stray),
		claim(every_changed_byte_is_torn),
		claim(another_priority_or_tag_is_torn),
		claim(a_stream_out_of_order_is_reordered),
		claim(streams_out_of_order_are_reordered),
		claim(a_batch_out_of_order_is_reordered),
		claim(a_higher_priority_passed_over_is_reordered),
		claim(receives_that_overlap_have_no_order),
		claim(sends_that_overlap_have_no_order),
		claim(a_redelivered_message_may_come_late),
		claim(stillness_is_a_jam),
		claim(stillness_with_nobody_able_is_no_jam),
		claim(who_looks_late_accuses_nobody),
	};

	return claim_run_all(claims);
}
