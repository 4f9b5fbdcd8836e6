/* SPDX-License-Identifier: MIT */
/* What ferry_mailbox_open() makes of its options: defaults, limits, errors, flags. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "leftover.h"
#include "scratch.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS

/* Opening with these options fails so, makes nothing, and leaves the output alone. */
static void refused(const struct ferry_mailbox_options *options, int error)
{
	ferry_mailbox *const untouched = (ferry_mailbox *)-1;
	ferry_mailbox *box = untouched;

	check_eq(ferry_mailbox_open(&box, "refused", options), error);
	check(box == untouched);
	check_eq(scratch_count(), 0);
}

static void accepted(const struct ferry_mailbox_options *options)
{
	box_end(box_open("accepted", options), "accepted");
}

static void defaults_are_those_of_the_header(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	const struct ferry_mailbox_stat stat = box_stat(box);
	const struct ferry_object_stat look = box_look("orders");

	check_eq(stat.max_size, 65536);
	check_eq(stat.capacity, 256);
	check_eq(stat.priorities, 1);
	check(stat.memory >= 8 * 65536);
	check_eq(stat.drop_oldest, 0);
	check_eq(look.kind, FERRY_KIND_MAILBOX);
	check_eq(look.mode, 0600);
	check_eq(look.uid, geteuid());
	check_eq(look.members_alive, 1);
	box_end(box, "orders");
}

static void default_mailbox_reserves_at_most_a_mebibyte(void)
{
	struct stat st;
	ferry_mailbox *box = box_open("orders", NULL);

	check(box_look("orders").file_bytes <= 1 << 20);
	check_eq(stat(scratch_path("orders"), &st), 0);
	check((uint64_t)st.st_size == box_look("orders").file_bytes);
	check(st.st_blocks * 512 >= st.st_size);
	box_end(box, "orders");
}

static void empty_options_are_the_defaults(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS());

	check_eq(box_stat(box).capacity, 256);
	box_end(box, "orders");
}

static void what_was_asked_for_is_what_stat_shows(void)
{
	ferry_mailbox *box =
	    box_open("orders", OPTIONS(.max_size = 1000, .messages = 10, .priorities = 3,
				       .memory = 50000, .flags = FERRY_DROP_OLDEST));
	const struct ferry_mailbox_stat stat = box_stat(box);

	check_eq(stat.max_size, 1000);
	check_eq(stat.capacity, 10);
	check_eq(stat.priorities, 3);
	check(stat.memory >= 50000);
	check_eq(stat.drop_oldest, 1);
	box_end(box, "orders");
}

static void null_arguments_are_einval(void)
{
	ferry_mailbox *box;

	check_eq(ferry_mailbox_open(NULL, "orders", NULL), -EINVAL);
	check_eq(ferry_mailbox_open(&box, NULL, NULL), -FERRY_ELOCATION);
	check_eq(scratch_count(), 0);
	ferry_mailbox_close(NULL);
}

static void unknown_flags_are_einval(void)
{
	for (unsigned bit = 7; bit < 32; bit++)
		if (1u << bit != FERRY_ONE_TO_ONE)
			refused(OPTIONS(.flags = 1u << bit), -EINVAL);
}

static void contradictory_flags_are_einval(void)
{
	refused(OPTIONS(.flags = FERRY_SEND_ONLY | FERRY_RECEIVE_ONLY), -EINVAL);
	refused(OPTIONS(.flags = FERRY_EXCLUSIVE | FERRY_EXISTING), -EINVAL);
	refused(OPTIONS(.flags = FERRY_EXCLUSIVE | FERRY_OBSERVE), -EINVAL);
}

static void limits_of_every_number_are_kept(void)
{
	accepted(OPTIONS(.messages = 1));
	refused(OPTIONS(.messages = 1048577), -EINVAL);
	accepted(OPTIONS(.priorities = 32, .messages = 1));
	refused(OPTIONS(.priorities = 33), -EINVAL);
	accepted(OPTIONS(.members = 1));
	accepted(OPTIONS(.members = 4094));
	refused(OPTIONS(.members = 4095), -EINVAL);
	accepted(OPTIONS(.max_size = 1));
	accepted(OPTIONS(.max_size = 1000, .memory = 1000));
	refused(OPTIONS(.max_size = 1000, .memory = 999), -EINVAL);
	accepted(OPTIONS(.mode = 0777));
	refused(OPTIONS(.mode = 01777), -EINVAL);
	refused(OPTIONS(.mode = 04600), -EINVAL);
	accepted(OPTIONS(.spin = -1));
	accepted(OPTIONS(.spin = 1));
}

static void largest_number_of_messages_works(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 1048576));

	check_eq(box_stat(box).capacity, 1048576);
	box_send(box, 1);
	box_expect(box, 1);
	box_end(box, "orders");
}

static void sizes_that_cannot_be_are_refused(void)
{
	static const uint64_t absurd[] = { UINT64_MAX, UINT64_MAX - 4095, UINT64_MAX / 8 + 1,
					   (uint64_t)INT64_MAX, (uint64_t)1 << 62 };

	for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
		ferry_mailbox *box;
		int r = ferry_mailbox_open(&box, "huge", OPTIONS(.max_size = absurd[i]));

		check(r == -EINVAL || r == -ENOSPC || r == -EFBIG || r == -ENOMEM);
		r = ferry_mailbox_open(&box, "huge", OPTIONS(.memory = absurd[i]));
		check(r == -EINVAL || r == -ENOSPC || r == -EFBIG || r == -ENOMEM);
		check_eq(scratch_count(), 0);
	}
}

/* Options as a newer program would hand them over. */
struct newer_options {
	struct ferry_mailbox_options known;
	unsigned char more[64];
};

static void longer_options_are_fine_while_the_rest_is_zero(void)
{
	struct newer_options options = { .known = { .size = sizeof options, .messages = 3 } };
	ferry_mailbox *box = box_open("orders", &options.known);

	check_eq(box_stat(box).capacity, 3);
	box_end(box, "orders");
}

static void longer_options_with_something_set_are_e2big(void)
{
	for (size_t i = 0; i < 64; i += 21) {
		struct newer_options options = { .known = { .size = sizeof options } };

		options.more[i] = 1;
		refused(&options.known, -E2BIG);
	}
}

static void wrong_option_sizes_are_einval(void)
{
	struct ferry_mailbox_options options = { .size = 0 };

	refused(&options, -EINVAL);
	options.size = 1;
	refused(&options, -EINVAL);
	options.size = sizeof(size_t) - 1;
	refused(&options, -EINVAL);
}

static void wrong_send_options_are_refused(void)
{
	struct {
		struct ferry_send_options known;
		uint64_t more;
	} options = { .known = { .size = sizeof options }, .more = 1 };
	ferry_mailbox *box = box_open("orders", OPTIONS(.priorities = 2));

	check_eq(ferry_mailbox_send_with(box, "", 1, &options.known, FERRY_NOW), -E2BIG);
	options.known.size = 0;
	check_eq(ferry_mailbox_send_with(box, "", 1, &options.known, FERRY_NOW), -EINVAL);
	check_eq(ferry_mailbox_send_with(box, "", 1, FERRY_SEND_OPTIONS(.priority = 2), FERRY_NOW),
		 -EINVAL);
	check_eq(ferry_mailbox_send_with(box, "", 1, FERRY_SEND_OPTIONS(.ttl = -1), FERRY_NOW),
		 -EINVAL);
	check_eq(ferry_mailbox_send(box, NULL, 1, FERRY_NOW), -EINVAL);
	check_eq(ferry_mailbox_send(box, NULL, 0, FERRY_NOW), 0);
	check_eq(ferry_mailbox_receive(box, NULL, 0, FERRY_NOW), 0);
	check_eq(ferry_mailbox_receive(box, NULL, 1, FERRY_NOW), -EINVAL);
	box_expect_empty(box);
	box_end(box, "orders");
}

static void exclusive_refuses_what_exists(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.flags = FERRY_EXCLUSIVE));
	ferry_mailbox *other;

	check_eq(ferry_mailbox_open(&other, "orders", OPTIONS(.flags = FERRY_EXCLUSIVE)), -EEXIST);
	check_eq(box_look("orders").members_alive, 1);
	box_end(box, "orders");
}

static void existing_refuses_to_create(void)
{
	ferry_mailbox *box;

	refused(OPTIONS(.flags = FERRY_EXISTING), -ENOENT);
	refused(OPTIONS(.flags = FERRY_OBSERVE), -ENOENT);
	ferry_mailbox_close(box_open("orders", NULL));
	box = box_open("orders", OPTIONS(.flags = FERRY_EXISTING));
	box_end(box, "orders");
}

static void asking_for_more_than_there_is_is_emismatch(void)
{
	ferry_mailbox *box = box_open(
	    "orders", OPTIONS(.max_size = 1000, .messages = 10, .priorities = 2, .memory = 20000));
	const uint64_t memory = box_stat(box).memory;
	ferry_mailbox *other;

	check_eq(ferry_mailbox_open(&other, "orders", OPTIONS(.max_size = 1001)), -FERRY_EMISMATCH);
	check_eq(ferry_mailbox_open(&other, "orders", OPTIONS(.messages = 11)), -FERRY_EMISMATCH);
	check_eq(ferry_mailbox_open(&other, "orders", OPTIONS(.priorities = 3)), -FERRY_EMISMATCH);
	check_eq(ferry_mailbox_open(&other, "orders", OPTIONS(.memory = memory + 1)),
		 -FERRY_EMISMATCH);
	check_eq(box_look("orders").members_alive, 1);
	other = box_open(
	    "orders", OPTIONS(.max_size = 1000, .messages = 10, .priorities = 2, .memory = 20000));
	ferry_mailbox_close(other);
	box_end(box, "orders");
}

static void asking_for_less_or_nothing_opens_what_is_there(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.max_size = 100, .messages = 5));
	ferry_mailbox *other = box_open("orders", NULL);

	check_eq(box_stat(other).max_size, 100);
	ferry_mailbox_close(other);
	other = box_open("orders", OPTIONS(.max_size = 10, .messages = 1, .mode = 0644));
	check_eq(box_stat(other).capacity, 5);
	check_eq(box_look("orders").mode, 0600);
	ferry_mailbox_close(other);
	box_end(box, "orders");
}

static void one_sided_handles_refuse_the_other_side(void)
{
	ferry_mailbox *sender = box_open("orders", OPTIONS(.flags = FERRY_SEND_ONLY));
	ferry_mailbox *receiver = box_open("orders", OPTIONS(.flags = FERRY_RECEIVE_ONLY));
	struct ferry_message message = { 0 };
	char byte;

	check_eq(ferry_mailbox_receive(sender, &byte, 1, FERRY_NOW), -EBADF);
	check_eq(ferry_mailbox_take(sender, &message, FERRY_NOW), -EBADF);
	check_eq(ferry_mailbox_receive_many(sender, &message, 1, FERRY_NOW), -EBADF);
	check_eq(ferry_mailbox_send(receiver, "", 1, FERRY_NOW), -EBADF);
	check_eq(ferry_mailbox_loan(receiver, 1, &message, FERRY_NOW), -EBADF);
	check_eq(ferry_mailbox_send_many(receiver, &message, 1, FERRY_NOW), -EBADF);
	box_send(sender, 1);
	box_expect(receiver, 1);
	ferry_mailbox_close(sender);
	box_end(receiver, "orders");
}

static void observer_looks_without_being_a_member(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	ferry_mailbox *observer = box_open("orders", OPTIONS(.flags = FERRY_OBSERVE));
	struct ferry_message message;
	uint64_t got = 0;

	box_send(box, 42);
	check_eq(box_look("orders").members_alive, 1);
	check_eq(box_stat(observer).messages, 1);
	check_eq(ferry_mailbox_peek(observer, &got, sizeof got, NULL, FERRY_NOW), sizeof got);
	check_eq(got, 42);
	check_eq(ferry_mailbox_peek(observer, &got, sizeof got, NULL, FERRY_FOREVER), -EINVAL);
	check_eq(ferry_mailbox_send(observer, "", 1, FERRY_NOW), -EBADF);
	check_eq(ferry_mailbox_receive(observer, &got, sizeof got, FERRY_NOW), -EBADF);
	check_eq(ferry_mailbox_take(observer, &message, FERRY_NOW), -EBADF);
	check_eq(ferry_mailbox_loan(observer, 1, &message, FERRY_NOW), -EBADF);
	check_eq(box_stat(box).messages, 1);
	ferry_mailbox_close(observer);
	box_expect(box, 42);
	box_end(box, "orders");
}

static void why_holds_the_code_and_one_line(void)
{
	struct ferry_why why = { .error = 77, .text = "stale" };
	ferry_mailbox *box;
	int r = ferry_mailbox_open(&box, "nowhere", OPTIONS(.flags = FERRY_EXISTING, .why = &why));

	check_eq(r, -ENOENT);
	check_eq(why.error, r);
	check(strstr(why.text, "nowhere"));
	check(!strchr(why.text, '\n'));
	box = box_open("orders", OPTIONS(.why = &why));
	check_eq(why.error, 0);
	box_end(box, "orders");
}

static void open_costs_one_descriptor_and_one_mapping_and_close_returns_them(void)
{
	const int before = leftover_descriptors();
	ferry_mailbox *box = box_open("orders", NULL);

	check_eq(leftover_descriptors(), before + 1);
	check_eq(leftover_mappings(), 1);
	ferry_mailbox_close(box);
	check_eq(leftover_descriptors(), before);
	check_eq(leftover_mappings(), 0);
	box_remove("orders");
}

static void failed_opens_leak_nothing(void)
{
	const int before = leftover_descriptors();
	ferry_mailbox *box = box_open("orders", OPTIONS(.members = 1));
	ferry_mailbox *other;

	for (int i = 0; i < 50; i++) {
		check_eq(ferry_mailbox_open(&other, "orders", NULL), -FERRY_EMEMBERS);
		check_eq(ferry_mailbox_open(&other, "orders", OPTIONS(.messages = 9999)),
			 -FERRY_EMISMATCH);
		check_eq(ferry_mailbox_open(&other, "a/../..", NULL), -FERRY_ELOCATION);
	}
	check_eq(leftover_descriptors(), before + 1);
	check_eq(leftover_mappings(), 1);
	box_end(box, "orders");
}

static void last_member_slot_is_free_again_after_close(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.members = 1));
	ferry_mailbox *other;

	check_eq(ferry_mailbox_open(&other, "orders", NULL), -FERRY_EMEMBERS);
	ferry_mailbox_close(box);
	other = box_open("orders", NULL);
	box_end(other, "orders");
}

static int lowest_free_descriptor(void)
{
	const int fd = dup(STDERR_FILENO);

	check(fd >= 0);
	close(fd);
	return fd;
}

static void descriptor_limit_is_emfile(void)
{
	struct rlimit old;
	struct rlimit limit;
	ferry_mailbox *box;

	check_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	limit = old;
	limit.rlim_cur = (rlim_t)lowest_free_descriptor();
	check_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	check_eq(ferry_mailbox_open(&box, "orders", NULL), -EMFILE);
	check_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	check_eq(scratch_count(), 0);
}

static void spin_variable_is_read_and_nonsense_is_harmless(void)
{
	static const char *const values[] = {
		"0", "1000", "-5", "", "many", "99999999999999999999"
	};

	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		ferry_mailbox *box;

		setenv("FERRY_SPIN_NS", values[i], 1);
		box = box_open("orders", NULL);
		box_send(box, i);
		box_expect(box, i);
		box_end(box, "orders");
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(defaults_are_those_of_the_header),
		claim(default_mailbox_reserves_at_most_a_mebibyte),
		claim(empty_options_are_the_defaults),
		claim(what_was_asked_for_is_what_stat_shows),
		claim(null_arguments_are_einval),
		claim(unknown_flags_are_einval),
		claim(contradictory_flags_are_einval),
		claim(limits_of_every_number_are_kept),
		claim(largest_number_of_messages_works),
		claim(sizes_that_cannot_be_are_refused),
		claim(longer_options_are_fine_while_the_rest_is_zero),
		claim(longer_options_with_something_set_are_e2big),
		claim(wrong_option_sizes_are_einval),
		claim(wrong_send_options_are_refused),
		claim(exclusive_refuses_what_exists),
		claim(existing_refuses_to_create),
		claim(asking_for_more_than_there_is_is_emismatch),
		claim(asking_for_less_or_nothing_opens_what_is_there),
		claim(one_sided_handles_refuse_the_other_side),
		claim(observer_looks_without_being_a_member),
		claim(why_holds_the_code_and_one_line),
		claim(open_costs_one_descriptor_and_one_mapping_and_close_returns_them),
		claim(failed_opens_leak_nothing),
		claim(last_member_slot_is_free_again_after_close),
		claim(descriptor_limit_is_emfile),
		claim(spin_variable_is_read_and_nonsense_is_harmless),
	};

	return claim_run_all(claims);
}
