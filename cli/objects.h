/* SPDX-License-Identifier: MIT */
/*
 * objects.h - what ls, stat and gc know of objects: which there are, and what is in one.
 */
#ifndef FERRY_CLI_OBJECTS_H
#define FERRY_CLI_OBJECTS_H

#include <jansson.h>
#include <stdbool.h>

#include <ferry/ferry.h>

#include "processes.h"

/* What can be seen of an object without joining it. */
struct description {
	struct ferry_object_stat object;
	struct ferry_mailbox_stat mailbox; /* if object.kind is FERRY_KIND_MAILBOX */
	struct ferry_segment_stat segment; /* if it is FERRY_KIND_SEGMENT */
	struct ferry_pipe_stat pipe;       /* if it is FERRY_KIND_PIPE */
};

/* Describe the object at a location. 0, or a negative result of ferry. */
int describe(const char *location, struct description *ret, struct ferry_why *why);

/* Who has an object open. */
struct members {
	struct ferry_member *member; /* allocated, also after a failure */
	size_t n;
};

/* All members, also if more join meanwhile. 0, or a negative result of ferry. */
int members_of(const char *location, struct members *ret, struct ferry_why *why);

/* Never of a process of another PID namespace, whose number means nothing here. */
bool member_is_stopped(const struct ferry_member *member);

/* What a member runs, if that is known. */
struct process_command member_command(const struct ferry_member *member);

/* All that is known of a member. */
json_t *member_json(const struct ferry_member *member);

/* Messages that fit, all priorities together. */
uint64_t description_capacity(const struct description *description);

/* Is the object of that kind, and can it be looked into? */
bool description_is(const struct description *description, enum ferry_kind kind);

/* "1 receiver, 2 senders", or for a pipe "1 reader, 2 writers"; "-" for none. Gives buffer. */
const char *describe_counts(char buffer[static 64], enum ferry_kind kind, uint32_t receiving,
			    uint32_t sending);

/* The same of those who wait. */
const char *describe_waiting(char buffer[static 64], const struct description *description);

/* The name of a user or group, or its number. Gives buffer. */
const char *user_name(char buffer[static 64], uid_t uid);
const char *group_name(char buffer[static 64], gid_t gid);

/* Put all of it into a JSON object. */
void describe_json(json_t *object, const struct description *description);

/* An entry of a directory. */
struct entry {
	char *name;
	char *location;
};

struct entries {
	struct entry *entry; /* sorted by name */
	size_t n;
	enum ferry_kind kind; /* only those, and what cannot be looked into; 0: all */
};

/* List a directory (NULL: the user's own). STATUS_DONE, or the exit status after the failure was
 * reported. */
int list_entries(struct entries *ret, const char *command, const char *directory,
		 enum ferry_kind kind);
void free_entries(struct entries *entries);

/* Is this result for an entry no reason to say anything: some other file, or gone meanwhile? */
bool is_no_object(int error);

#endif
