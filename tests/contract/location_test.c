/* SPDX-License-Identifier: MIT */
/* Locations: what names a file, which file, and what is no location at all; and listing them. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "scratch.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS

static int exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* The location makes a mailbox in that file, and every function finds it there. */
static void stands_for(const char *location, const char *path)
{
	char got[512];
	int length;
	ferry_mailbox *box = box_open(location, NULL);

	check(exists(path));
	length = ferry_location_path(location, got, sizeof got);
	check_eq(length, strlen(got));
	check_eq(access(got, F_OK), 0);
	box_send(box, 1);
	ferry_mailbox_close(box);
	box = box_open(path, OPTIONS(.flags = FERRY_EXISTING));
	box_expect(box, 1);
	ferry_mailbox_close(box);
	check_eq(box_look(location).kind, FERRY_KIND_MAILBOX);
	box_remove(location);
	check(!exists(path));
}

static void bare_name_is_a_file_in_the_ferry_directory(void)
{
	stands_for("orders", scratch_path("orders"));
	stands_for("or-ders_2.x", scratch_path("or-ders_2.x"));
}

static void path_is_that_file(void)
{
	char inside[512];

	snprintf(inside, sizeof inside, "%s/orders", scratch_path("folder"));
	check_eq(mkdir(scratch_path("folder"), 0700), 0);
	stands_for(inside, inside);
	check_eq(rmdir(scratch_path("folder")), 0);
}

static void path_with_dot_slash_is_relative_to_the_working_directory(void)
{
	check_eq(mkdir(scratch_path("here"), 0700), 0);
	check_eq(chdir(scratch_path("here")), 0);
	setenv("FERRY_DIR", "/nonexistent", 1);
	stands_for("./orders", scratch_path("here/orders"));
	check_eq(chdir("/"), 0);
	check_eq(rmdir(scratch_path("here")), 0);
}

static void key_is_a_file_whichever_way_the_number_is_written(void)
{
	ferry_mailbox *box = box_open("key:0x1234", NULL);
	ferry_mailbox *same = box_open("key:4660", OPTIONS(.flags = FERRY_EXISTING));

	check_eq(scratch_count(), 1);
	box_send(box, 1);
	box_expect(same, 1);
	ferry_mailbox_close(same);
	box_end(box, "key:0x1234");
}

static void different_keys_are_different_mailboxes(void)
{
	ferry_mailbox *one = box_open("key:1", NULL);
	ferry_mailbox *two = box_open("key:2", NULL);

	box_send(one, 1);
	box_expect_empty(two);
	ferry_mailbox_close(one);
	box_remove("key:1");
	box_end(two, "key:2");
}

static void one_line(const char *text)
{
	check(text[0]);
	for (const char *c = text; *c; c++)
		check((unsigned char)*c >= ' ' && *c != 127);
}

/* Every function refuses the location, in the same way, and nothing is made. */
static void no_location(const char *location)
{
	struct ferry_object_stat stat;
	struct ferry_repair repair;
	struct ferry_why why = { 0 };
	char path[512];
	ferry_mailbox *box;
	int r = ferry_mailbox_open(&box, location, OPTIONS(.why = &why));

	if (r != -FERRY_ELOCATION)
		check_failed(__FILE__, __LINE__, "\"%s\" gave %d", location, r);
	check_eq(why.error, r);
	one_line(why.text);
	check_eq(ferry_object_stat(location, &stat, NULL), -FERRY_ELOCATION);
	check_eq(ferry_object_members(location, NULL, 0, NULL), -FERRY_ELOCATION);
	check_eq(ferry_object_repair(location, 1, &repair, NULL), -FERRY_ELOCATION);
	check_eq(ferry_remove(location, NULL), -FERRY_ELOCATION);
	check_eq(ferry_location_path(location, path, sizeof path), -FERRY_ELOCATION);
	check_eq(scratch_count(), 0);
}

static void empty_and_slashes_are_no_location(void)
{
	no_location("");
	no_location("/");
	no_location("//");
	no_location("/dev/shm/");
	no_location("orders/");
}

static void dot_names_are_no_location(void)
{
	no_location(".");
	no_location("..");
	no_location(".hidden");
	no_location("./");
	no_location("../");
	no_location("/dev/shm/.");
	no_location("/dev/shm/..");
}

static void path_with_dots_between_is_that_file(void)
{
	char path[512];

	snprintf(path, sizeof path, "%s/folder/../orders", scratch_directory());
	check_eq(mkdir(scratch_path("folder"), 0700), 0);
	stands_for(path, scratch_path("orders"));
	check_eq(rmdir(scratch_path("folder")), 0);
}

static void control_characters_are_no_location(void)
{
	for (char c = 1; c < ' '; c++)
		no_location((char[]){ 'a', c, 'b', 0 });
	no_location("a\177b");
}

static void why_is_one_line_whatever_the_location_holds(void)
{
	struct ferry_why why = { 0 };
	ferry_mailbox *box;

	check_eq(ferry_mailbox_open(&box, "/nonexistent\n\033[31m/orders", OPTIONS(.why = &why)),
		 -ENOENT);
	one_line(why.text);
}

static void scheme_like_names_are_no_location(void)
{
	no_location("tcp://host:1");
	no_location("amqp://host/orders");
	no_location("unix:/run/x");
	no_location("udp:orders");
	no_location("mailbox:orders");
}

static void keys_that_are_no_number_are_no_location(void)
{
	no_location("key:");
	no_location("key:0x");
	no_location("key:twelve");
	no_location("key:-1");
	no_location("key: 1");
	no_location("key:1x");
	no_location("key:0x1ffffffff");
	no_location("key:99999999999999999999999");
}

static void too_long_is_no_location(void)
{
	char name[5000];

	memset(name, 'a', sizeof name);
	name[256] = 0;
	no_location(name);
	memset(name, 'a', sizeof name);
	memcpy(name, "/dev/shm/", 9);
	name[sizeof name - 1] = 0;
	no_location(name);
}

static void name_of_200_bytes_works(void)
{
	char name[201];

	memset(name, 'a', 200);
	name[200] = 0;
	stands_for(name, scratch_path(name));
}

static void location_path_tells_the_file(void)
{
	char path[512];
	int n = ferry_location_path("orders", path, sizeof path);

	check_eq(n, strlen(scratch_path("orders")));
	check(!strcmp(path, scratch_path("orders")));
	check_eq(ferry_location_path("/run/app/orders", path, sizeof path), 15);
	check(!strcmp(path, "/run/app/orders"));
	check_eq(scratch_count(), 0);
}

static void location_path_that_does_not_fit_is_erange(void)
{
	char path[512] = "untouched";
	const size_t n = strlen(scratch_path("orders"));

	check_eq(ferry_location_path("orders", path, n), -ERANGE);
	check(!strcmp(path, "untouched"));
	check_eq(ferry_location_path("orders", NULL, 0), -ERANGE);
	check_eq(ferry_location_path("orders", path, n + 1), n);
}

static void missing_directory_is_enoent(void)
{
	ferry_mailbox *box;

	check_eq(ferry_mailbox_open(&box, scratch_path("missing/orders"), NULL), -ENOENT);
	check_eq(scratch_count(), 0);
}

static void path_through_a_file_is_enotdir(void)
{
	ferry_mailbox *box;

	scratch_write(scratch_path("file"), "x", 1, 0600);
	check_eq(ferry_mailbox_open(&box, scratch_path("file/orders"), NULL), -ENOTDIR);
	check_eq(unlink(scratch_path("file")), 0);
}

/* What a walk over a directory saw. */
struct seen {
	int n;
	int stop_at;
	char names[64];
};

static int note(const char *name, const char *location, void *context)
{
	struct seen *seen = context;
	struct ferry_object_stat stat;

	if (seen->n + 1 == seen->stop_at)
		return 77;
	if (ferry_object_stat(location, &stat, NULL) == 0) {
		strncat(seen->names, name, sizeof seen->names - strlen(seen->names) - 1);
		seen->n++;
	}
	return 0;
}

static void list_shows_every_object_with_a_location_that_opens_it(void)
{
	struct seen own = { 0 };
	struct seen other = { 0 };

	ferry_mailbox_close(box_open("a", NULL));
	ferry_mailbox_close(box_open("b", NULL));
	check_eq(ferry_list(NULL, note, &own, NULL), 0);
	check_eq(own.n, 2);
	check(strchr(own.names, 'a') && strchr(own.names, 'b'));
	setenv("FERRY_DIR", "/nonexistent", 1);
	check_eq(ferry_list(scratch_directory(), note, &other, NULL), 0);
	check_eq(other.n, 2);
	setenv("FERRY_DIR", scratch_directory(), 1);
	box_remove("a");
	box_remove("b");
}

static void list_shows_a_key_by_a_location_that_opens_it(void)
{
	struct seen seen = { 0 };

	ferry_mailbox_close(box_open("key:0x77", NULL));
	check_eq(ferry_list(NULL, note, &seen, NULL), 0);
	check_eq(seen.n, 1);
	box_remove("key:0x77");
}

static void list_ends_with_what_the_visitor_returns(void)
{
	struct seen seen = { .stop_at = 1 };

	ferry_mailbox_close(box_open("a", NULL));
	check_eq(ferry_list(NULL, note, &seen, NULL), 77);
	box_remove("a");
}

static void list_of_a_directory_that_is_not_there(void)
{
	struct seen seen = { 0 };
	struct ferry_why why = { 0 };

	check_eq(ferry_list("/nonexistent/there", note, &seen, &why), -ENOENT);
	check(why.text[0]);
	setenv("FERRY_DIR", scratch_path("none"), 1);
	check_eq(ferry_list(NULL, note, &seen, NULL), 0);
	check_eq(seen.n, 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(bare_name_is_a_file_in_the_ferry_directory),
		claim(path_is_that_file),
		claim(path_with_dot_slash_is_relative_to_the_working_directory),
		claim(key_is_a_file_whichever_way_the_number_is_written),
		claim(different_keys_are_different_mailboxes),
		claim(empty_and_slashes_are_no_location),
		claim(dot_names_are_no_location),
		claim(path_with_dots_between_is_that_file),
		claim(control_characters_are_no_location),
		claim(why_is_one_line_whatever_the_location_holds),
		claim(scheme_like_names_are_no_location),
		claim(keys_that_are_no_number_are_no_location),
		claim(too_long_is_no_location),
		claim(name_of_200_bytes_works),
		claim(location_path_tells_the_file),
		claim(location_path_that_does_not_fit_is_erange),
		claim(missing_directory_is_enoent),
		claim(path_through_a_file_is_enotdir),
		claim(list_shows_every_object_with_a_location_that_opens_it),
		claim(list_shows_a_key_by_a_location_that_opens_it),
		claim(list_ends_with_what_the_visitor_returns),
		claim(list_of_a_directory_that_is_not_there),
	};

	return claim_run_all(claims);
}
