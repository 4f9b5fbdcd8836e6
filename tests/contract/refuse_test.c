/* SPDX-License-Identifier: MIT */
/* Files that are no mailbox, or not one to be trusted: each is refused by its own error, and left
 * as it was (C10, C13). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "scratch.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS

/* Where docs/formats/object.md puts them. */
enum {
	AT_MAGIC = 0,
	AT_KIND = 8,
	AT_LAYOUT = 12,
	AT_FILE_BYTES = 16,
	AT_BODY = 24,
	AT_SLOTS = 32,
	AT_BELLS = 40
};

#define NOBODY 65534

/* Every way to open gives this error, with a sentence. */
static void refused_as(const char *location, int error)
{
	static const uint32_t ways[] = { 0, FERRY_EXISTING, FERRY_OBSERVE };
	struct ferry_why why;
	ferry_mailbox *box;

	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		memset(&why, 0, sizeof why);
		check_eq(ferry_mailbox_open(&box, location, OPTIONS(.flags = ways[i], .why = &why)),
			 error);
		check_eq(why.error, error);
		check(strlen(why.text) > 10);
	}
}

/* Neither opened, looked at, repaired nor removed. */
static void untouchable(const char *location, int error)
{
	struct ferry_object_stat stat;
	struct ferry_repair repair;

	refused_as(location, error);
	check_eq(ferry_object_stat(location, &stat, NULL), error);
	check_eq(ferry_object_members(location, NULL, 0, NULL), error);
	check_eq(ferry_object_repair(location, 0, &repair, NULL), error);
	check_eq(ferry_remove(location, NULL), error);
	check_eq(access(scratch_path(location), F_OK), 0);
}

static void foreign_file_is_eforeign_and_stays(void)
{
	char text[8192];

	memset(text, 'x', sizeof text);
	scratch_write(scratch_path("small"), "hello", 5, 0600);
	untouchable("small", -FERRY_EFOREIGN);
	scratch_write(scratch_path("large"), text, sizeof text, 0600);
	untouchable("large", -FERRY_EFOREIGN);
	unlink(scratch_path("small"));
	unlink(scratch_path("large"));
}

static void empty_file_is_eforeign_and_stays(void)
{
	scratch_write(scratch_path("empty"), "", 0, 0600);
	untouchable("empty", -FERRY_EFOREIGN);
	unlink(scratch_path("empty"));
}

static void directory_is_eforeign(void)
{
	check_eq(mkdir(scratch_path("directory"), 0700), 0);
	untouchable("directory", -FERRY_EFOREIGN);
	rmdir(scratch_path("directory"));
}

static void fifo_is_eforeign_and_blocks_nobody(void)
{
	check_eq(mkfifo(scratch_path("fifo"), 0600), 0);
	untouchable("fifo", -FERRY_EFOREIGN);
	unlink(scratch_path("fifo"));
}

static void socket_is_eforeign(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, scratch_path("socket"));
	check_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
	untouchable("socket", -FERRY_EFOREIGN);
	close(fd);
	unlink(scratch_path("socket"));
}

static void device_is_eforeign(void)
{
	if (mknod(scratch_path("device"), S_IFCHR | 0600, makedev(1, 5)))
		check_skip("device nodes need root");
	untouchable("device", -FERRY_EFOREIGN);
	unlink(scratch_path("device"));
}

static void c10_symlink_as_the_name_is_eloop(void)
{
	ferry_mailbox *box = box_open("real", NULL);

	check_eq(symlink(scratch_path("real"), scratch_path("link")), 0);
	check_eq(symlink(scratch_path("nothing"), scratch_path("dangling")), 0);
	refused_as("link", -ELOOP);
	refused_as("dangling", -ELOOP);
	check_eq(ferry_remove("link", NULL), -ELOOP);
	check_eq(box_look("real").members_alive, 1);
	check_eq(scratch_count(), 3);
	unlink(scratch_path("link"));
	unlink(scratch_path("dangling"));
	box_end(box, "real");
}

static void need_root(void)
{
	if (geteuid())
		check_skip("files of other users need root");
}

/* A directory as /tmp is one, which another user has a link in. */
static void c10_symlink_planted_in_a_shared_directory_is_not_followed(void)
{
	ferry_mailbox *box;
	int r;

	need_root();
	check_eq(mkdir(scratch_path("target"), 0700), 0);
	check_eq(mkdir(scratch_path("shared"), 0700), 0);
	check_eq(chmod(scratch_path("shared"), 01777), 0);
	check_eq(symlink(scratch_path("target"), scratch_path("shared/link")), 0);
	check_eq(lchown(scratch_path("shared/link"), NOBODY, NOBODY), 0);
	r = ferry_mailbox_open(&box, scratch_path("shared/link/orders"), NULL);
	check(r == -FERRY_EUNSAFE || r == -EACCES);
	check_eq(scratch_count_in(scratch_path("target")), 0);
	unlink(scratch_path("shared/link"));
	rmdir(scratch_path("shared"));
	rmdir(scratch_path("target"));
}

static void c10_object_planted_by_another_user_is_eunsafe(void)
{
	need_root();
	check_eq(mkdir(scratch_path("shared"), 0700), 0);
	check_eq(chmod(scratch_path("shared"), 01777), 0);
	ferry_mailbox_close(box_open(scratch_path("shared/orders"), OPTIONS(.mode = 0666)));
	check_eq(chown(scratch_path("shared/orders"), NOBODY, NOBODY), 0);
	refused_as(scratch_path("shared/orders"), -FERRY_EUNSAFE);
	unlink(scratch_path("shared/orders"));
	rmdir(scratch_path("shared"));
}

static void c10_own_object_in_a_shared_directory_works(void)
{
	ferry_mailbox *box;

	check_eq(mkdir(scratch_path("shared"), 0700), 0);
	check_eq(chmod(scratch_path("shared"), 01777), 0);
	box = box_open(scratch_path("shared/orders"), NULL);
	box_end(box, scratch_path("shared/orders"));
	rmdir(scratch_path("shared"));
}

/* The default directory lies in /dev/shm; the claim gets a /dev/shm of its own. */
static const char *fresh_default_directory(void)
{
	static char path[64];

	check_eq(mkdir(scratch_path("shm"), 0700), 0);
	scratch_mount(scratch_path("shm"), 8192);
	check_eq(chmod(scratch_path("shm"), 01777), 0);
	check_eq(mount(scratch_path("shm"), "/dev/shm", NULL, MS_BIND, NULL), 0);
	unsetenv("FERRY_DIR");
	snprintf(path, sizeof path, "/dev/shm/ferry-%u", geteuid());
	return path;
}

static void drop_default_directory(void)
{
	check_eq(umount2("/dev/shm", MNT_DETACH), 0);
	check_eq(umount2(scratch_path("shm"), MNT_DETACH), 0);
	check_eq(rmdir(scratch_path("shm")), 0);
}

static void c10_default_directory_is_made_for_its_user_alone(void)
{
	struct stat st;
	const char *path = fresh_default_directory();

	umask(0);
	ferry_mailbox_close(box_open("orders", NULL));
	check_eq(stat(path, &st), 0);
	check_eq(st.st_mode & 07777, 0700);
	check_eq(st.st_uid, geteuid());
	check_eq(scratch_count_in(path), 1);
	box_remove("orders");
	drop_default_directory();
}

static void c10_looking_makes_no_default_directory(void)
{
	struct ferry_object_stat stat;
	ferry_mailbox *box;
	const char *path = fresh_default_directory();

	check_eq(ferry_object_stat("orders", &stat, NULL), -ENOENT);
	check_eq(ferry_mailbox_open(&box, "orders", OPTIONS(.flags = FERRY_EXISTING)), -ENOENT);
	check(access(path, F_OK));
	drop_default_directory();
}

static void c10_default_directory_of_somebody_else_is_eunsafe(void)
{
	const char *path = fresh_default_directory();

	check_eq(mkdir(path, 0700), 0);
	check_eq(chown(path, NOBODY, NOBODY), 0);
	refused_as("orders", -FERRY_EUNSAFE);
	check_eq(scratch_count_in(path), 0);
	drop_default_directory();
}

static void c10_default_directory_that_others_may_write_is_eunsafe(void)
{
	const char *path = fresh_default_directory();

	check_eq(mkdir(path, 0700), 0);
	check_eq(chmod(path, 0777), 0);
	refused_as("orders", -FERRY_EUNSAFE);
	check_eq(chmod(path, 0720), 0);
	refused_as("orders", -FERRY_EUNSAFE);
	check_eq(scratch_count_in(path), 0);
	drop_default_directory();
}

static void c10_default_directory_that_is_a_symlink_is_eunsafe(void)
{
	const char *path = fresh_default_directory();

	check_eq(mkdir("/dev/shm/target", 0700), 0);
	check_eq(symlink("/dev/shm/target", path), 0);
	check_eq(lchown(path, NOBODY, NOBODY), 0);
	refused_as("orders", -FERRY_EUNSAFE);
	check_eq(scratch_count_in("/dev/shm/target"), 0);
	drop_default_directory();
}

static void c13_unknown_layout_is_refused_with_both_numbers(void)
{
	struct ferry_why why = { 0 };
	uint32_t known;
	uint32_t unknown = 4711;
	char text[16];
	ferry_mailbox *box;

	ferry_mailbox_close(box_open("orders", NULL));
	scratch_read(scratch_path("orders"), AT_LAYOUT, &known, sizeof known);
	scratch_patch(scratch_path("orders"), AT_LAYOUT, &unknown, sizeof unknown);
	check_eq(ferry_mailbox_open(&box, "orders", OPTIONS(.why = &why)), -FERRY_EVERSION);
	check(strstr(why.text, "4711"));
	snprintf(text, sizeof text, " %u", known);
	check(strstr(why.text, text));
	check_eq(ferry_remove("orders", &why), -FERRY_EVERSION);
	check(strstr(why.text, "4711"));
	untouchable("orders", -FERRY_EVERSION);
	unlink(scratch_path("orders"));
}

static void c13_layout_zero_is_refused(void)
{
	const uint32_t zero = 0;

	ferry_mailbox_close(box_open("orders", NULL));
	scratch_patch(scratch_path("orders"), AT_LAYOUT, &zero, sizeof zero);
	untouchable("orders", -FERRY_EVERSION);
	unlink(scratch_path("orders"));
}

static void c13_layout_number_is_shown_by_stat(void)
{
	uint32_t layout;

	ferry_mailbox_close(box_open("orders", NULL));
	scratch_read(scratch_path("orders"), AT_LAYOUT, &layout, sizeof layout);
	check_eq(layout, 1);
	check_eq(box_look("orders").layout, layout);
	box_remove("orders");
}

static void another_kind_is_ekind(void)
{
	const uint32_t kind = 77;

	ferry_mailbox_close(box_open("orders", NULL));
	scratch_patch(scratch_path("orders"), AT_KIND, &kind, sizeof kind);
	refused_as("orders", -FERRY_EKIND);
	check(!strcmp(ferry_kind_name((enum ferry_kind)77), "unknown"));
	check(!strcmp(ferry_kind_name(FERRY_KIND_MAILBOX), "mailbox"));
	unlink(scratch_path("orders"));
}

static void byte_swapped_magic_is_eforeign(void)
{
	uint64_t magic;

	ferry_mailbox_close(box_open("orders", NULL));
	scratch_read(scratch_path("orders"), AT_MAGIC, &magic, sizeof magic);
	check(magic != __builtin_bswap64(magic));
	magic = __builtin_bswap64(magic);
	scratch_patch(scratch_path("orders"), AT_MAGIC, &magic, sizeof magic);
	untouchable("orders", -FERRY_EFOREIGN);
	unlink(scratch_path("orders"));
}

static void truncated_file_is_etruncated(void)
{
	static const off_t keep[] = { 64, 4096, 8192, -4096, -1 };

	for (size_t i = 0; i < sizeof keep / sizeof *keep; i++) {
		off_t size;

		ferry_mailbox_close(box_open("orders", NULL));
		size = (off_t)box_look("orders").file_bytes;
		size = keep[i] > 0 ? keep[i] : size + keep[i];
		check_eq(truncate(scratch_path("orders"), size), 0);
		refused_as("orders", -FERRY_ETRUNCATED);
		check_eq(unlink(scratch_path("orders")), 0);
	}
}

/* A header whose numbers do not fit together: an error of some kind, and no crash. */
static void lying_header_is_refused(off_t at, uint64_t lie, size_t bytes)
{
	ferry_mailbox *box = NULL;
	int r;

	ferry_mailbox_close(box_open("orders", NULL));
	scratch_patch(scratch_path("orders"), at, &lie, bytes);
	r = ferry_mailbox_open(&box, "orders", NULL);
	check(r == -FERRY_ECORRUPT || r == -FERRY_ETRUNCATED || r == -FERRY_EFOREIGN);
	check_eq(unlink(scratch_path("orders")), 0);
}

static void c9_sizes_in_the_header_that_lie_are_refused(void)
{
	static const uint64_t lies[] = { 0, 1, 63, 4097, UINT32_MAX, UINT64_MAX, UINT64_MAX - 63 };

	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		lying_header_is_refused(AT_FILE_BYTES, lies[i], 8);
		lying_header_is_refused(AT_BODY, lies[i], 8);
		lying_header_is_refused(AT_BELLS, lies[i], 8);
		if (lies[i] != 1 && lies[i] != 63)
			lying_header_is_refused(AT_SLOTS, lies[i], 4);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(foreign_file_is_eforeign_and_stays),
		claim(empty_file_is_eforeign_and_stays),
		claim(directory_is_eforeign),
		claim(fifo_is_eforeign_and_blocks_nobody),
		claim(socket_is_eforeign),
		claim(device_is_eforeign),
		claim(c10_symlink_as_the_name_is_eloop),
		claim(c10_symlink_planted_in_a_shared_directory_is_not_followed),
		claim(c10_object_planted_by_another_user_is_eunsafe),
		claim(c10_own_object_in_a_shared_directory_works),
		claim(c10_default_directory_is_made_for_its_user_alone),
		claim(c10_looking_makes_no_default_directory),
		claim(c10_default_directory_of_somebody_else_is_eunsafe),
		claim(c10_default_directory_that_others_may_write_is_eunsafe),
		claim(c10_default_directory_that_is_a_symlink_is_eunsafe),
		claim(c13_unknown_layout_is_refused_with_both_numbers),
		claim(c13_layout_zero_is_refused),
		claim(c13_layout_number_is_shown_by_stat),
		claim(another_kind_is_ekind),
		claim(byte_swapped_magic_is_eforeign),
		claim(truncated_file_is_etruncated),
		claim(c9_sizes_in_the_header_that_lie_are_refused),
	};

	return claim_run_all(claims);
}
