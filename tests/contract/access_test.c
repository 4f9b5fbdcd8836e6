/* SPDX-License-Identifier: MIT */
/* Who may open what (C10): modes, the umask, other users. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS

/* A mailbox asked for with mode under a umask gets these permission bits. */
static void gets_mode(mode_t asked, mode_t mask, mode_t want)
{
	const mode_t old = umask(mask);
	ferry_mailbox *box = box_open("orders", OPTIONS(.mode = asked));
	struct stat st;

	check_eq(stat(scratch_path("orders"), &st), 0);
	check_eq(st.st_mode & 07777, want);
	check_eq(box_look("orders").mode, want);
	check_eq(umask(old), mask);
	box_end(box, "orders");
}

static void c10_default_mode_is_for_the_owner_alone(void)
{
	gets_mode(0, 0, 0600);
	gets_mode(0, 022, 0600);
}

static void c10_mode_is_what_was_asked_for(void)
{
	gets_mode(0660, 0, 0660);
	gets_mode(0666, 0, 0666);
	gets_mode(0644, 022, 0644);
}

static void c10_umask_takes_bits_away(void)
{
	gets_mode(0666, 022, 0644);
	gets_mode(0666, 077, 0600);
	gets_mode(0660, 027, 0640);
}

/* Nobody's eye on a mailbox: what the test wants to see from there. */
struct view {
	const char *path;
	int member;  /* result of opening it as a member */
	int observe; /* and as an observer */
	int look;    /* and of ferry_object_stat() */
};

static void view_as_nobody(struct stage *stage, const void *argument)
{
	const struct view *want = argument;
	struct ferry_object_stat look;
	ferry_mailbox *box = NULL;

	(void)stage;
	peer_become_nobody();
	check_eq(ferry_mailbox_open(&box, want->path, OPTIONS(.flags = FERRY_EXISTING)),
		 want->member);
	if (want->member == 0) {
		box_send(box, 1);
		ferry_mailbox_close(box);
	}
	check_eq(ferry_mailbox_open(&box, want->path, OPTIONS(.flags = FERRY_OBSERVE)),
		 want->observe);
	if (want->observe == 0) {
		check(box_stat(box).capacity);
		ferry_mailbox_close(box);
	}
	check_eq(ferry_object_stat(want->path, &look, NULL), want->look);
}

/* Another user meets a mailbox of this mode. */
static void nobody_meets(mode_t mode, int member, int observe, int look)
{
	const struct view view = { scratch_path("orders"), member, observe, look };
	struct peer peer;
	ferry_mailbox *box;

	if (geteuid())
		check_skip("becoming another user needs root");
	check_eq(chmod(scratch_directory(), 0755), 0);
	umask(0);
	box = box_open("orders", OPTIONS(.mode = mode));
	peer_start(&peer, view_as_nobody, &view);
	peer_join(&peer);
	box_end(box, "orders");
}

static void c10_private_mailbox_is_eacces_for_another_user(void)
{
	nobody_meets(0600, -EACCES, -EACCES, -EACCES);
	nobody_meets(0660, -EACCES, -EACCES, -EACCES);
}

static void c10_readable_mailbox_can_be_looked_at_but_not_joined(void)
{
	nobody_meets(0644, -EACCES, 0, 0);
}

static void c10_mailbox_for_all_can_be_joined_by_all(void)
{
	nobody_meets(0666, 0, 0, 0);
}

static void c10_write_only_mailbox_is_eacces(void)
{
	nobody_meets(0622, -EACCES, -EACCES, -EACCES);
}

static void create_as_nobody(struct stage *stage, const void *argument)
{
	ferry_mailbox *box;

	(void)stage;
	peer_become_nobody();
	check_eq(ferry_mailbox_open(&box, argument, NULL), -EACCES);
	check_eq(ferry_remove(scratch_path("orders"), NULL), -EACCES);
}

static void c10_directory_that_may_not_be_written_is_eacces(void)
{
	struct peer peer;
	ferry_mailbox *box;

	if (geteuid())
		check_skip("becoming another user needs root");
	check_eq(chmod(scratch_directory(), 0755), 0);
	umask(0);
	box = box_open("orders", OPTIONS(.mode = 0666));
	peer_start(&peer, create_as_nobody, scratch_path("new"));
	peer_join(&peer);
	box_send(box, 1);
	check_eq(scratch_count(), 1);
	box_end(box, "orders");
}

static void c10_owner_may_change_the_mode_of_the_file_as_of_any(void)
{
	ferry_mailbox *box = box_open("orders", NULL);

	check_eq(chmod(scratch_path("orders"), 0640), 0);
	check_eq(box_look("orders").mode, 0640);
	box_end(box, "orders");
}

static void c11_descriptor_is_close_on_exec(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	int objects = 0;

	for (int fd = 3; fd < 256; fd++) {
		struct stat st;
		struct stat object;

		check_eq(stat(scratch_path("orders"), &object), 0);
		if (fstat(fd, &st) || st.st_ino != object.st_ino || st.st_dev != object.st_dev)
			continue;
		objects++;
		check(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
	check_eq(objects, 1);
	box_end(box, "orders");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c10_default_mode_is_for_the_owner_alone),
		claim(c10_mode_is_what_was_asked_for),
		claim(c10_umask_takes_bits_away),
		claim(c10_private_mailbox_is_eacces_for_another_user),
		claim(c10_readable_mailbox_can_be_looked_at_but_not_joined),
		claim(c10_mailbox_for_all_can_be_joined_by_all),
		claim(c10_write_only_mailbox_is_eacces),
		claim(c10_directory_that_may_not_be_written_is_eacces),
		claim(c10_owner_may_change_the_mode_of_the_file_as_of_any),
		claim(c11_descriptor_is_close_on_exec),
	};

	return claim_run_all(claims);
}
