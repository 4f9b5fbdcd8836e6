/* SPDX-License-Identifier: MIT */
/* Segments: what open makes and refuses, sizes, growth, read-only handles, references. The arena is
 * in arena_test.c. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/base/sanitizer.h"
#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"

#define OPTIONS FERRY_SEGMENT_OPTIONS
#define PAGE    4096u

/* Sanitizers make mlock(2) do nothing, and touch memory of their own. */
#if defined(FY_ADDRESS_SANITIZER) || defined(FY_THREAD_SANITIZER)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static ferry_segment *open_segment(const char *location,
				   const struct ferry_segment_options *options)
{
	ferry_segment *segment = NULL;

	check_eq(ferry_segment_open(&segment, location, options), 0);
	return segment;
}

static void end_segment(ferry_segment *segment, const char *location)
{
	ferry_segment_close(segment);
	box_remove(location);
}

static void refused(const struct ferry_segment_options *options, int error)
{
	ferry_segment *const untouched = (ferry_segment *)-1;
	ferry_segment *segment = untouched;

	check_eq(ferry_segment_open(&segment, "refused", options), error);
	check(segment == untouched);
	check_eq(scratch_count(), 0);
}

static void new_memory_is_zero_and_the_same_for_all(void)
{
	ferry_segment *a = open_segment("s", OPTIONS(.bytes = 10000));
	ferry_segment *b = open_segment("s", NULL);
	char *in_a = ferry_segment_address(a);
	char *in_b = ferry_segment_address(b);

	check_eq(ferry_segment_size(a), 3 * PAGE);
	check_eq((uintptr_t)in_a % PAGE, 0);
	for (size_t i = 0; i < ferry_segment_size(a); i++)
		check(in_a[i] == 0);
	check(in_a != in_b);
	memset(in_a, 'x', ferry_segment_size(a));
	check(in_b[0] == 'x' && in_b[3 * PAGE - 1] == 'x');
	ferry_segment_close(b);
	end_segment(a, "s");
}

static void it_outlives_its_processes_until_it_is_removed(void)
{
	ferry_segment *segment = open_segment("s", OPTIONS(.bytes = 1));

	strcpy(ferry_segment_address(segment), "still here");
	ferry_segment_close(segment);
	segment = open_segment("s", OPTIONS(.flags = FERRY_EXISTING));
	check(!strcmp(ferry_segment_address(segment), "still here"));
	check_eq(box_look("s").kind, FERRY_KIND_SEGMENT);
	box_remove("s");
	struct ferry_segment_stat stat;
	check_eq(ferry_segment_stat(segment, &stat), -EIDRM);
	check_eq(ferry_segment_grow(segment, 1), -EIDRM);
	check(!strcmp(ferry_segment_address(segment), "still here"));
	ferry_segment_close(segment);
	check_eq(ferry_segment_open(&segment, "s", OPTIONS(.flags = FERRY_EXISTING)), -ENOENT);
}

static void keys_are_locations_too(void)
{
	ferry_segment *a = open_segment("key:0x1234", OPTIONS(.bytes = 1));
	ferry_segment *b = open_segment("key:4660", NULL);

	*(int *)ferry_segment_address(a) = 7;
	check_eq(*(int *)ferry_segment_address(b), 7);
	ferry_segment_close(b);
	end_segment(a, "key:0x1234");
}

/* shmget(2), ERRORS and DESCRIPTION; what it calls EINVAL for a larger size is FERRY_EMISMATCH. */
static void sizes_of_what_exists_follow_shmget(void)
{
	struct ferry_why why;
	ferry_segment *segment = open_segment("s", OPTIONS(.bytes = 2 * PAGE));
	ferry_segment *other;

	for (uint64_t bytes = 0; bytes <= 2 * PAGE; bytes += PAGE / 2) {
		other = open_segment("s", OPTIONS(.bytes = bytes));
		check_eq(ferry_segment_size(other), 2 * PAGE);
		ferry_segment_close(other);
	}
	check_eq(ferry_segment_open(&other, "s", OPTIONS(.bytes = 2 * PAGE + 1, .why = &why)),
		 -FERRY_EMISMATCH);
	check_eq(why.error, -FERRY_EMISMATCH);
	check(strstr(why.text, "8192") && strstr(why.text, "8193"));
	check_eq(
	    ferry_segment_open(&other, "s",
			       OPTIONS(.bytes = 1, .flags = FERRY_EXISTING, .max_bytes = 3 * PAGE)),
	    -FERRY_EMISMATCH);
	check_eq(ferry_segment_open(&other, "s", OPTIONS(.bytes = 1, .arena = 1)),
		 -FERRY_EMISMATCH);
	check_eq(ferry_segment_open(&other, "s", OPTIONS(.bytes = 1, .flags = FERRY_EXCLUSIVE)),
		 -EEXIST);
	check_eq(ferry_segment_open(&other, "s", OPTIONS(.flags = FERRY_EXCLUSIVE)), -EEXIST);
	check_eq(ferry_segment_open(&other, "none", OPTIONS(.flags = FERRY_EXISTING)), -ENOENT);
	check_eq(ferry_segment_open(&other, "none", OPTIONS(.flags = FERRY_READ_ONLY)), -ENOENT);
	check_eq(ferry_segment_open(&other, "none", NULL), -EINVAL);
	end_segment(segment, "s");
}

static void a_larger_one_fits_once_it_has_grown(void)
{
	ferry_segment *segment = open_segment("s", OPTIONS(.bytes = PAGE, .max_bytes = 4 * PAGE));
	ferry_segment *other;

	check_eq(ferry_segment_open(&other, "s", OPTIONS(.bytes = 2 * PAGE)), -FERRY_EMISMATCH);
	check_eq(ferry_segment_grow(segment, 2 * PAGE), 0);
	other = open_segment("s", OPTIONS(.bytes = 2 * PAGE, .max_bytes = 4 * PAGE));
	ferry_segment_close(other);
	end_segment(segment, "s");
}

static void other_kinds_are_refused_by_name(void)
{
	struct ferry_why why;
	ferry_mailbox *box = box_open("b", NULL);
	ferry_segment *segment;

	check_eq(ferry_segment_open(&segment, "b", OPTIONS(.why = &why)), -FERRY_EKIND);
	check(strstr(why.text, "is a mailbox, not a segment"));
	box_end(box, "b");
	segment = open_segment("s", OPTIONS(.bytes = 1));
	check_eq(ferry_mailbox_open(&box, "s", NULL), -FERRY_EKIND);
	end_segment(segment, "s");
}

static void options_out_of_range_are_einval(void)
{
	for (unsigned bit = 10; bit < 32; bit++)
		refused(OPTIONS(.bytes = 1, .flags = 1u << bit), -EINVAL);
	refused(OPTIONS(.bytes = 1, .flags = FERRY_SEND_ONLY), -EINVAL);
	refused(OPTIONS(.bytes = 1, .flags = FERRY_EXCLUSIVE | FERRY_EXISTING), -EINVAL);
	refused(OPTIONS(.bytes = 1, .flags = FERRY_EXCLUSIVE | FERRY_READ_ONLY), -EINVAL);
	refused(OPTIONS(.bytes = 2, .max_bytes = 1), -EINVAL);
	refused(OPTIONS(.bytes = UINT64_MAX), -EINVAL);
	refused(OPTIONS(.bytes = 1, .max_bytes = UINT64_MAX), -EINVAL);
	refused(OPTIONS(.bytes = 1, .members = 4095), -EINVAL);
	refused(OPTIONS(.bytes = 1, .mode = 04600), -EINVAL);
	refused(&(const struct ferry_segment_options){ .size = 3 }, -EINVAL);
	check_eq(ferry_segment_open(NULL, "s", OPTIONS(.bytes = 1)), -EINVAL);
	ferry_segment_close(NULL);
}

static void c8_everything_is_reserved_when_it_is_made(void)
{
	struct stat st;
	ferry_segment *segment =
	    open_segment("s", OPTIONS(.bytes = 100 * PAGE, .max_bytes = 1000 * PAGE));

	check_eq(stat(scratch_path("s"), &st), 0);
	check(st.st_size >= 100 * (off_t)PAGE && st.st_size < 1000 * (off_t)PAGE);
	check(st.st_blocks * 512 >= st.st_size);
	check_eq(ferry_segment_grow(segment, 500 * PAGE), 0);
	check_eq(stat(scratch_path("s"), &st), 0);
	check(st.st_size >= 500 * (off_t)PAGE && st.st_blocks * 512 >= st.st_size);
	check_eq(box_look("s").file_bytes, st.st_size);
	end_segment(segment, "s");
}

static void c8_no_room_is_enospc_and_changes_nothing(void)
{
	char directory[256];
	char location[300];
	ferry_segment *segment;

	snprintf(directory, sizeof directory, "%s/small", scratch_directory());
	check_eq(mkdir(directory, 0700), 0);
	scratch_mount(directory, 256);
	snprintf(location, sizeof location, "%s/s", directory);
	check_eq(ferry_segment_open(&segment, location, OPTIONS(.bytes = 1 << 20)), -ENOSPC);
	check_eq(scratch_count_in(directory), 0);
	segment = open_segment(location, OPTIONS(.bytes = 100000, .max_bytes = 1 << 20));
	check_eq(ferry_segment_grow(segment, 1 << 20), -ENOSPC);
	check_eq(ferry_segment_size(segment), 25 * PAGE);
	check_eq(ferry_segment_grow(segment, 26 * PAGE), 0);
	memset(ferry_segment_address(segment), 1, ferry_segment_size(segment));
	end_segment(segment, location);
	check_eq(umount(directory), 0);
	check_eq(rmdir(directory), 0);
}

static void growing_moves_nothing_and_is_seen_by_all(void)
{
	ferry_segment *a = open_segment("s", OPTIONS(.bytes = PAGE, .max_bytes = 64 * PAGE));
	ferry_segment *b = open_segment("s", NULL);
	ferry_segment *look = open_segment("s", OPTIONS(.flags = FERRY_READ_ONLY));
	char *in_a = ferry_segment_address(a);
	const char *in_b = ferry_segment_address(b);
	const char *seen = ferry_segment_address(look);

	in_a[0] = 'x';
	for (uint64_t pages = 2; pages <= 64; pages *= 2) {
		check_eq(ferry_segment_grow(pages % 3 ? a : b, pages * PAGE - 5), 0);
		check_eq(ferry_segment_size(a), pages * PAGE);
		check_eq(ferry_segment_size(b), pages * PAGE);
		check_eq(ferry_segment_size(look), pages * PAGE);
		check(ferry_segment_address(a) == in_a && in_b[0] == 'x');
		check(in_a[pages * PAGE - 1] == 0);
		in_a[pages * PAGE - 1] = 'y';
		check(in_b[pages * PAGE - 1] == 'y' && seen[pages * PAGE - 1] == 'y');
	}
	check_eq(ferry_segment_grow(a, 64 * PAGE + 1), -ERANGE);
	check_eq(ferry_segment_grow(a, UINT64_MAX), -ERANGE);
	check_eq(ferry_segment_grow(a, PAGE), 0);
	check_eq(ferry_segment_size(a), 64 * PAGE);
	check_eq(ferry_segment_grow(look, PAGE), -EBADF);
	ferry_segment_close(look);
	ferry_segment_close(b);
	end_segment(a, "s");
}

static void grow_many(struct stage *stage, const void *argument)
{
	ferry_segment *segment = open_segment("s", NULL);
	const unsigned step = *(const unsigned *)argument;

	stage_meet(stage, 1);
	for (unsigned pages = step; pages <= 300; pages += step) {
		check_eq(ferry_segment_grow(segment, (uint64_t)pages * PAGE), 0);
		check(ferry_segment_size(segment) >= (uint64_t)pages * PAGE);
		((char *)ferry_segment_address(segment))[(uint64_t)pages * PAGE - 1] = 1;
	}
	ferry_segment_close(segment);
}

static void several_may_grow_it_at_once(void)
{
	static const unsigned steps[] = { 1, 2, 3 };
	ferry_segment *segment = open_segment("s", OPTIONS(.bytes = 1, .max_bytes = 300 * PAGE));
	struct peer peers[3];

	for (int i = 0; i < 3; i++)
		peer_start(&peers[i], grow_many, &steps[i]);
	for (int i = 0; i < 3; i++) {
		peer_await(&peers[i], 1);
		peer_allow(&peers[i], 1);
	}
	for (int i = 0; i < 3; i++)
		peer_join(&peers[i]);
	check_eq(ferry_segment_size(segment), 300 * PAGE);
	end_segment(segment, "s");
}

static void write_into(struct stage *stage, const void *argument)
{
	(void)stage;
	*(volatile char *)ferry_segment_address((ferry_segment *)(uintptr_t)argument) = 1;
}

static void c10_a_read_only_handle_cannot_write(void)
{
	ferry_segment *segment = open_segment("s", OPTIONS(.bytes = PAGE));
	strcpy(ferry_segment_address(segment), "look");
	check_eq(chmod(scratch_path("s"), 0400), 0);
	ferry_segment *look = open_segment("s", OPTIONS(.flags = FERRY_READ_ONLY));
	struct ferry_segment_stat stat;
	struct peer peer;

	check(!strcmp(ferry_segment_address(look), "look"));
	check_eq(ferry_segment_stat(look, &stat), 0);
	check_eq(stat.members_alive, 1);
	peer_start(&peer, write_into, look);
	const int status = peer_join_status(&peer);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	ferry_segment_close(look);
	end_segment(segment, "s");
}

static void references_and_addresses_are_checked_both_ways(void)
{
	ferry_segment *a = open_segment("s", OPTIONS(.bytes = PAGE, .max_bytes = 2 * PAGE));
	ferry_segment *b = open_segment("s", NULL);
	char *at = ferry_segment_address(a);
	ferry_reference reference = 77;
	int elsewhere;

	check_eq(ferry_segment_reference(a, &elsewhere, 1, &reference), -EFAULT);
	check_eq(ferry_segment_reference(a, NULL, 1, &reference), -EFAULT);
	check_eq(ferry_segment_reference(a, at - 1, 1, &reference), -EFAULT);
	check_eq(ferry_segment_reference(a, at + PAGE, 1, &reference), -EFAULT);
	check_eq(ferry_segment_reference(a, at + PAGE - 1, 2, &reference), -EFAULT);
	check_eq(ferry_segment_reference(a, at, SIZE_MAX, &reference), -EFAULT);
	check_eq(reference, 77);
	check_eq(ferry_segment_reference(a, at + 128, 8, &reference), 0);
	check(reference != 0);
	check(ferry_segment_pointer(b, reference, 8, 8) == (char *)ferry_segment_address(b) + 128);
	check(!ferry_segment_pointer(b, reference, 8, 4096));
	check(!ferry_segment_pointer(b, reference, 8, 3));
	check(!ferry_segment_pointer(b, reference, 8, 0));
	check(!ferry_segment_pointer(b, reference + 1, 8, 8));
	check(ferry_segment_pointer(b, reference, PAGE - 128, 8));
	check(!ferry_segment_pointer(b, reference, PAGE - 127, 8));
	check(!ferry_segment_pointer(b, 0, 1, 1) && !ferry_segment_pointer(b, 0, 0, 1));
	for (int bit = 0; bit < 64; bit++)
		(void)ferry_segment_pointer(b, reference ^ UINT64_C(1) << bit, 8, 1);
	check(!ferry_segment_pointer(b, UINT64_MAX, 8, 1));
	check_eq(ferry_segment_grow(a, 2 * PAGE), 0);
	check(ferry_segment_pointer(b, reference, PAGE, 8));
	ferry_segment_close(b);
	end_segment(a, "s");
}

static void huge_pages_are_there_or_the_error_says_why_not(void)
{
	struct ferry_why why;
	char directory[256];
	char location[300];
	ferry_segment *segment;

	snprintf(directory, sizeof directory, "%s/huge", scratch_directory());
	check_eq(mkdir(directory, 0700), 0);
	snprintf(location, sizeof location, "%s/s", directory);
	scratch_mount(directory, 8192);
	int r = ferry_segment_open(
	    &segment, location, OPTIONS(.bytes = 1 << 21, .flags = FERRY_HUGE_PAGES, .why = &why));
	check_eq(r, -EOPNOTSUPP);
	check(strstr(why.text, "huge"));
	check_eq(mount("none", directory, NULL, MS_REMOUNT, "huge=advise"), 0);
	segment = open_segment(location, OPTIONS(.flags = FERRY_HUGE_PAGES));
	memset(ferry_segment_address(segment), 1, ferry_segment_size(segment));
	end_segment(segment, location);
	check_eq(umount(directory), 0);
	check_eq(rmdir(directory), 0);
}

/* Kilobytes of a field of /proc/self/status. */
static long status_kib(const char *field)
{
	char line[256];
	long kib = -1;
	FILE *file = fopen("/proc/self/status", "r");

	while (file && fgets(line, sizeof line, file))
		if (!strncmp(line, field, strlen(field)))
			sscanf(line + strlen(field), ": %ld", &kib);
	fclose(file);
	return kib;
}

static void locked_memory_stays_and_grows_locked(void)
{
	if (SANITIZED)
		check_skip("a sanitizer is in the way");
	ferry_segment *segment = open_segment(
	    "s", OPTIONS(.bytes = 64 << 10, .max_bytes = 128 << 10, .flags = FERRY_LOCK_MEMORY));

	check(status_kib("VmLck") >= 64);
	check_eq(ferry_segment_grow(segment, 128 << 10), 0);
	check(status_kib("VmLck") >= 128);
	end_segment(segment, "s");
	check_eq(status_kib("VmLck"), 0);
}

static void lock_too_much(struct stage *stage, const void *argument)
{
	const struct rlimit none = { 0, 0 };
	struct ferry_why why;
	ferry_segment *segment;

	(void)stage;
	(void)argument;
	if (geteuid() == 0)
		check_eq(setuid(65534), 0);
	check_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
	char location[64];
	snprintf(location, sizeof location, "/dev/shm/ferry-test-%d", (int)getpid());
	int r = ferry_segment_open(&segment, location,
				   OPTIONS(.bytes = 1, .flags = FERRY_LOCK_MEMORY, .why = &why));
	check(r == -EPERM || r == -ENOMEM);
	check(strstr(why.text, "RLIMIT_MEMLOCK"));
	box_remove(location);
}

static void too_much_to_lock_is_an_error_that_names_the_limit(void)
{
	if (SANITIZED)
		check_skip("a sanitizer is in the way");
	struct peer peer;

	peer_start(&peer, lock_too_much, NULL);
	peer_join(&peer);
}

static void prefaulted_memory_causes_no_fault(void)
{
	if (SANITIZED)
		check_skip("a sanitizer is in the way");
	struct rusage before;
	struct rusage after;
	const size_t bytes = 4 << 20;
	ferry_segment *segment =
	    open_segment("s", OPTIONS(.bytes = bytes, .flags = FERRY_PREFAULT));
	volatile char *at = ferry_segment_address(segment);

	check_eq(getrusage(RUSAGE_SELF, &before), 0);
	for (size_t i = 0; i < bytes; i += PAGE)
		at[i] = 1;
	check_eq(getrusage(RUSAGE_SELF, &after), 0);
	check(after.ru_minflt - before.ru_minflt < 20);
	end_segment(segment, "s");
}

static void in_child(struct stage *stage, const void *argument)
{
	ferry_segment *segment = (ferry_segment *)(uintptr_t)argument;
	struct ferry_segment_stat stat;

	*(int *)ferry_segment_address(segment) = 5;
	check_eq(ferry_segment_stat(segment, &stat), 0);
	check_eq(stat.members_alive, 2);
	stage_meet(stage, 1);
	check_eq(ferry_segment_grow(segment, 2 * PAGE), 0);
	ferry_segment_close(segment);
}

static void c11_a_forked_child_is_a_member_of_its_own(void)
{
	ferry_segment *segment = open_segment("s", OPTIONS(.bytes = PAGE, .max_bytes = 2 * PAGE));
	struct peer peer;

	peer_start(&peer, in_child, segment);
	peer_await(&peer, 1);
	check_eq(box_look("s").members_alive, 2);
	check_eq(*(int *)ferry_segment_address(segment), 5);
	peer_allow(&peer, 1);
	peer_join(&peer);
	check_eq(ferry_segment_size(segment), 2 * PAGE);
	check_eq(box_look("s").members_alive, 1);
	end_segment(segment, "s");
}

static void touch_after_cut(struct stage *stage, const void *argument)
{
	ferry_segment *segment = open_segment("s", NULL);
	struct ferry_segment_stat stat;

	(void)argument;
	stage_meet(stage, 1);
	memset(ferry_segment_address(segment), 1, 16 * PAGE);
	check_eq(ferry_segment_stat(segment, &stat), -FERRY_ECORRUPT);
	check_eq(ferry_segment_grow(segment, 1), -FERRY_ECORRUPT);
	ferry_segment_close(segment);
}

static void c9_a_file_cut_short_is_an_error_and_no_crash(void)
{
	ferry_segment *segment = open_segment("s", OPTIONS(.bytes = 16 * PAGE));
	struct peer peer;

	ferry_segment_close(segment);
	peer_start(&peer, touch_after_cut, NULL);
	peer_await(&peer, 1);
	check_eq(truncate(scratch_path("s"), 3 * PAGE), 0);
	peer_allow(&peer, 1);
	peer_join(&peer);
	check_eq(ferry_segment_open(&segment, "s", NULL), -FERRY_ETRUNCATED);
	check_eq(unlink(scratch_path("s")), 0);
}

/* The size field of the body, at 64 bytes into it; the body's offset is in the header. */
static off_t size_field(void)
{
	uint64_t body;

	scratch_read(scratch_path("s"), 24, &body, sizeof body);
	return (off_t)body + 64;
}

static void c9_a_size_that_the_file_has_not_got_is_not_believed(void)
{
	ferry_segment *segment = open_segment("s", OPTIONS(.bytes = PAGE, .max_bytes = 64 * PAGE));
	const uint64_t lie = 64 * PAGE;
	ferry_segment *other;

	scratch_patch(scratch_path("s"), size_field(), &lie, sizeof lie);
	check_eq(ferry_segment_size(segment), PAGE);
	check_eq(ferry_segment_grow(segment, 2 * PAGE), -FERRY_ECORRUPT);
	check(ferry_segment_open(&other, "s", NULL) < 0);
	end_segment(segment, "s");
}

static void c9_nonsense_in_the_header_is_refused(void)
{
	static const uint64_t nonsense[] = { 0, 1, 4095, UINT64_MAX, (uint64_t)1 << 62 };
	ferry_segment *segment =
	    open_segment("s", OPTIONS(.bytes = 1 << 20, .max_bytes = 1 << 21, .arena = 1));
	const off_t body = size_field() - 64;
	unsigned char before[64];
	unsigned char head[64];

	ferry_segment_close(segment);
	scratch_read(scratch_path("s"), body, before, sizeof before);
	scratch_read(scratch_path("s"), 0, head, sizeof head);
	for (size_t i = 0; i < 5; i++)
		for (off_t field = 0; field < 88; field += 8) {
			const off_t at = field < 24 ? body + field : field - 24;
			scratch_patch(scratch_path("s"), at, &nonsense[i], 8);
			int r = ferry_segment_open(&segment, "s", NULL);
			if (r == 0)
				ferry_segment_close(segment);
			else
				check(strcmp(ferry_error_name(r), "E?") != 0);
			scratch_patch(scratch_path("s"), body, before, sizeof before);
			scratch_patch(scratch_path("s"), 0, head, sizeof head);
		}
	segment = open_segment("s", OPTIONS(.arena = 1));
	end_segment(segment, "s");
}

static void grow_until_killed(struct stage *stage, const void *argument)
{
	ferry_segment *segment = open_segment("s", NULL);

	(void)argument;
	stage_reach(stage, 1);
	for (uint64_t pages = 2; pages <= 4096; pages++)
		check_eq(ferry_segment_grow(segment, pages * PAGE), 0);
	stage_meet(stage, 2);
}

static void c5_who_dies_growing_leaves_it_usable(void)
{
	ferry_segment *segment =
	    open_segment("s", OPTIONS(.bytes = PAGE, .max_bytes = 4096 * PAGE));

	for (int i = 0; i < check_repeat(20, 400); i++) {
		struct peer peer;
		peer_start(&peer, grow_until_killed, NULL);
		peer_await(&peer, 1);
		const size_t at_least = ferry_segment_size(segment);
		peer_kill(&peer);
		check(ferry_segment_size(segment) >= at_least);
		memset(ferry_segment_address(segment), i, ferry_segment_size(segment));
		struct ferry_segment_stat stat;
		check_eq(ferry_segment_stat(segment, &stat), 0);
		if (ferry_segment_size(segment) < 4096 * PAGE)
			check_eq(ferry_segment_grow(segment, ferry_segment_size(segment) + 1), 0);
	}
	check_eq(ferry_segment_grow(segment, 4096 * PAGE), 0);
	end_segment(segment, "s");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(new_memory_is_zero_and_the_same_for_all),
		claim(it_outlives_its_processes_until_it_is_removed),
		claim(keys_are_locations_too),
		claim(sizes_of_what_exists_follow_shmget),
		claim(a_larger_one_fits_once_it_has_grown),
		claim(other_kinds_are_refused_by_name),
		claim(options_out_of_range_are_einval),
		claim(c8_everything_is_reserved_when_it_is_made),
		claim(c8_no_room_is_enospc_and_changes_nothing),
		claim(growing_moves_nothing_and_is_seen_by_all),
		claim(several_may_grow_it_at_once),
		claim(c10_a_read_only_handle_cannot_write),
		claim(references_and_addresses_are_checked_both_ways),
		claim(huge_pages_are_there_or_the_error_says_why_not),
		claim(locked_memory_stays_and_grows_locked),
		claim(too_much_to_lock_is_an_error_that_names_the_limit),
		claim(prefaulted_memory_causes_no_fault),
		claim(c11_a_forked_child_is_a_member_of_its_own),
		claim(c9_a_file_cut_short_is_an_error_and_no_crash),
		claim(c9_a_size_that_the_file_has_not_got_is_not_believed),
		claim(c9_nonsense_in_the_header_is_refused),
		claim(c5_who_dies_growing_leaves_it_usable),
	};

	return claim_run_all(claims);
}
