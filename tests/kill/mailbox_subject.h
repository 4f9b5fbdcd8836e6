/* SPDX-License-Identifier: MIT */
/*
 * What is attacked: ferry's mailbox, or one of the deliberately unsafe queues with which the
 * harness shows that it would notice. The calls are those of ferry/mailbox.h with the handle
 * untyped.
 */
#ifndef KILL_MAILBOX_SUBJECT_H
#define KILL_MAILBOX_SUBJECT_H

#include <ferry/ferry.h>
#include <stdbool.h>

struct subject {
	int (*open)(void **ret_box, const char *name, const struct ferry_mailbox_options *options);
	void (*close)(void *box);
	int (*send)(void *box, const void *data, size_t size,
		    const struct ferry_send_options *options, ferry_deadline deadline);
	ssize_t (*receive)(void *box, void *buffer, size_t room, struct ferry_message *ret_info,
			   ferry_deadline deadline);
	int (*stat)(void *box, struct ferry_mailbox_stat *ret_stat);
	int (*repair)(const char *name);
	int (*remove)(const char *name);
};

extern const struct subject subject_ferry;

/* A spin lock that its owner takes along into death. */
extern const struct subject subject_lock;
/* Publishes a message before it is written, and receives by copying first and marking later. */
extern const struct subject subject_racy;
/* Publishes and then wakes, with nobody to make up for a wake that never came. */
extern const struct subject subject_forgetful;

/* Is this an instruction of one of the unsafe ones? */
bool unsafe_instruction(uintptr_t address);

#endif
