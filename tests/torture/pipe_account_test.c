/* SPDX-License-Identifier: MIT */
/* The account of `ferry torture pipe` finds each kind of violation in doctored streams, and accuses
 * nobody of what is right. */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "claim.h"
#include "torture_pipe_account.h"

enum { STREAMS = 2, SEATS = 4, WINDOW = 16, LONG = 300, UNIT = sizeof(struct pipe_account_unit) };

static struct faults *faults;
static struct pipe_account *a;
static struct pipe_account_view view;
static struct pipe_account_sum sum;
static char bytes[4 * LONG * UNIT];

static void begin(void)
{
	faults = faults_make();
	check(faults);
	a = pipe_account_make(&(struct pipe_account_plan){ faults, STREAMS, SEATS, WINDOW });
	check(a);
}

/* Close the account; at least one fault of one kind, and none of any other. */
static void end(enum fault fault)
{
	pipe_account_close(a, &sum);
	for (int i = 0; i < FAULTS; i++)
		check_eq(faults_of(faults, (enum fault)i) > 0, i == (int)fault);
	pipe_account_unmake(a);
	faults_unmake(faults);
}

static void end_clean(void)
{
	end(FAULTS);
}

/* Begin a record and put its units at a place in bytes. */
static uint64_t start(uint32_t stream, uint32_t units, uint32_t place)
{
	int64_t number = pipe_account_begin(a, stream, units);

	check(number >= 0);
	pipe_account_compose(bytes + place * UNIT, stream, (uint64_t)number, units);
	return (uint64_t)number;
}

static uint64_t put(uint32_t stream, uint32_t units, uint32_t place)
{
	uint64_t number = start(stream, units, place);

	pipe_account_wrote(a, stream, number, units);
	return number;
}

/* A reader takes units of bytes. */
static void get(uint32_t from, uint32_t to)
{
	pipe_account_look(a, &view);
	pipe_account_read(a, &view, bytes + from * UNIT, (to - from) * UNIT);
}

static void right_streams_are_accused_of_nothing(void)
{
	begin();
	for (int i = 0; i < 5 * WINDOW; i++) {
		put(0, 3, 0);
		put(1, LONG, 3);
		get(0, 2);
		get(2, 100);
		get(100, 3 + LONG);
	}
	end_clean();
	check_eq(sum.records, 10 * WINDOW);
	check_eq(sum.units, 5 * WINDOW * (3 + LONG));
}

static void lost_unit_is_found(void)
{
	begin();
	put(0, 3, 0);
	get(0, 2);
	end(FAULT_LOST);
}

static void unit_that_comes_twice_is_found(void)
{
	begin();
	put(0, 3, 0);
	pipe_account_look(a, &view);
	pipe_account_read(a, &view, bytes, 3 * UNIT);
	memset(&view, 0, sizeof view);
	pipe_account_read(a, &view, bytes + 2 * UNIT, UNIT);
	end(FAULT_DUPLICATE);
}

static void one_twice_and_another_never_is_found(void)
{
	begin();
	put(0, 3, 0);
	get(0, 2);
	memset(&view, 0, sizeof view);
	pipe_account_read(a, &view, bytes + UNIT, UNIT);
	end(FAULT_DUPLICATE);
}

static void changed_byte_is_found(void)
{
	begin();
	put(0, 3, 0);
	get(0, 3);
	bytes[UNIT + 1] ^= 1;
	pipe_account_saw(a, &(struct pipe_account_view){ 0 }, bytes, 3 * UNIT);
	end(FAULT_TORN);
}

static void part_of_a_unit_is_found(void)
{
	begin();
	put(0, 3, 0);
	get(0, 3);
	pipe_account_saw(a, &(struct pipe_account_view){ 0 }, bytes, 2 * UNIT + 5);
	end(FAULT_TORN);
}

static void atomic_records_that_are_mixed_are_found(void)
{
	char one[UNIT];

	begin();
	uint64_t first = start(0, 2, 0), second = start(1, 2, 2);
	memcpy(one, bytes + UNIT, UNIT);
	memcpy(bytes + UNIT, bytes + 2 * UNIT, UNIT);
	memcpy(bytes + 2 * UNIT, one, UNIT);
	get(0, 4);
	pipe_account_wrote(a, 0, first, 2);
	pipe_account_wrote(a, 1, second, 2);
	end(FAULT_TORN);
}

static void long_records_may_be_mixed(void)
{
	begin();
	put(0, LONG, 0);
	put(1, 1, LONG);
	get(0, 10);
	pipe_account_look(a, &view);
	pipe_account_read(a, &view, bytes + LONG * UNIT, UNIT);
	get(10, LONG);
	end(FAULT_REORDERED); /* the short one was begun when the long one was over */

	begin();
	uint64_t number = start(0, LONG, 0);
	put(1, 1, LONG);
	get(0, 10);
	get(LONG, LONG + 1);
	get(10, LONG);
	pipe_account_wrote(a, 0, number, LONG);
	end_clean();
}

static void later_record_before_an_earlier_one_is_found(void)
{
	begin();
	put(0, 1, 0);
	put(0, 1, 1);
	get(1, 2);
	get(0, 1);
	end(FAULT_REORDERED);
}

static void what_comes_between_two_readers_is_in_no_order(void)
{
	struct pipe_account_view first, second;

	begin();
	put(0, 1, 0);
	put(0, 1, 1);
	pipe_account_look(a, &first);
	pipe_account_look(a, &second);
	pipe_account_read(a, &second, bytes + UNIT, UNIT);
	pipe_account_read(a, &first, bytes, UNIT);
	end_clean();
}

static void unit_of_a_write_that_failed_is_found(void)
{
	begin();
	pipe_account_wrote(a, 0, start(0, 3, 0), 0);
	get(0, 3);
	end(FAULT_STRAY);
}

static void killed_atomic_write_comes_whole_or_not_at_all(void)
{
	begin();
	start(0, 3, 0);
	pipe_account_bury_writer(a, 0);
	put(0, 1, 3);
	get(3, 4);
	end_clean();
	check_eq(sum.absent, 1);

	begin();
	start(0, 3, 0);
	pipe_account_bury_writer(a, 0);
	get(0, 3);
	end_clean();
	check_eq(sum.doubtful, 1);

	begin();
	start(0, 3, 0);
	pipe_account_bury_writer(a, 0);
	get(0, 2);
	end(FAULT_TORN);
}

static void killed_long_write_leaves_a_beginning(void)
{
	begin();
	start(0, LONG, 0);
	pipe_account_bury_writer(a, 0);
	get(0, 100);
	end_clean();

	begin();
	start(0, LONG, 0);
	pipe_account_bury_writer(a, 0);
	get(50, 100);
	end(FAULT_TORN);
}

static void what_a_dead_reader_had_may_be_missing_and_may_come(void)
{
	for (int comes = 0; comes < 2; comes++) {
		begin();
		put(0, 3, 0);
		get(0, 1);
		pipe_account_found(a, bytes + UNIT, 2 * UNIT);
		if (comes)
			get(1, 3);
		end_clean();
		check_eq(sum.taken, comes ? 0 : 2);
	}
	begin();
	put(0, 3, 0);
	get(0, 1);
	pipe_account_found(a, bytes + UNIT, UNIT);
	end(FAULT_LOST);
}

static void writer_waits_for_its_account(void)
{
	begin();
	for (int i = 0; i < WINDOW; i++)
		put(0, 1, (uint32_t)i);
	check_eq(pipe_account_begin(a, 0, 1), -EAGAIN);
	get(0, 1);
	put(0, 1, WINDOW);
	get(1, WINDOW + 1);
	end_clean();
}

static bool everybody(const void *context, uint32_t seat)
{
	(void)context;
	(void)seat;
	return true;
}

static int64_t open_since(const struct pipe_account_doors *doors)
{
	return pipe_account_open_since(a, doors, everybody, NULL);
}

static void doors_tell_who_was_there_all_the_time(void)
{
	static struct pipe_account_doors doors;

	begin();
	pipe_account_seat(a, 2);
	pipe_account_opened(a, 2);
	pipe_account_look_at_doors(a, &doors);
	check_eq(open_since(&doors), 2);
	pipe_account_closing(a, 2);
	check_eq(open_since(&doors), -1);
	pipe_account_opened(a, 2);
	check_eq(open_since(&doors), -1);
	pipe_account_look_at_doors(a, &doors);
	pipe_account_condemn(a, 2);
	pipe_account_opened(a, 2); /* before the signal arrives */
	check_eq(open_since(&doors), -1);
	pipe_account_look_at_doors(a, &doors);
	check_eq(open_since(&doors), -1);
	end_clean();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(right_streams_are_accused_of_nothing),
		claim(lost_unit_is_found),
		claim(unit_that_comes_twice_is_found),
		claim(one_twice_and_another_never_is_found),
		claim(changed_byte_is_found),
		claim(part_of_a_unit_is_found),
		claim(atomic_records_that_are_mixed_are_found),
		claim(long_records_may_be_mixed),
		claim(later_record_before_an_earlier_one_is_found),
		claim(what_comes_between_two_readers_is_in_no_order),
		claim(unit_of_a_write_that_failed_is_found),
		claim(killed_atomic_write_comes_whole_or_not_at_all),
		claim(killed_long_write_leaves_a_beginning),
		claim(what_a_dead_reader_had_may_be_missing_and_may_come),
		claim(writer_waits_for_its_account),
		claim(doors_tell_who_was_there_all_the_time),
	};

	return claim_run_all(claims);
}
