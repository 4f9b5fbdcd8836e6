/* SPDX-License-Identifier: MIT */
/*
 * objects.c - what ls, stat and gc know of objects. Nothing here joins an object or waits for
 * anybody.
 */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "json.h"
#include "objects.h"

static int look_into_mailbox(const char *location, struct ferry_mailbox_stat *ret,
			     struct ferry_why *why)
{
	ferry_mailbox *box;
	int r = ferry_mailbox_open(&box, location,
				   FERRY_MAILBOX_OPTIONS(.flags = FERRY_OBSERVE, .why = why));

	if (r < 0)
		return r;
	r = ferry_mailbox_stat(box, ret);
	ferry_mailbox_close(box);
	return r;
}

static int look_into_segment(const char *location, struct ferry_segment_stat *ret,
			     struct ferry_why *why)
{
	ferry_segment *segment;
	int r = ferry_segment_open(&segment, location,
				   FERRY_SEGMENT_OPTIONS(.flags = FERRY_READ_ONLY, .why = why));

	if (r < 0)
		return r;
	r = ferry_segment_stat(segment, ret);
	ferry_segment_close(segment);
	return r;
}

static int look_into_pipe(const char *location, struct ferry_pipe_stat *ret, struct ferry_why *why)
{
	ferry_pipe *pipe;
	int r = ferry_pipe_open(&pipe, location, FERRY_OBSERVE, FERRY_PIPE_OPTIONS(.why = why),
				FERRY_NOW);

	if (r < 0)
		return r;
	r = ferry_pipe_stat(pipe, ret);
	ferry_pipe_close(pipe);
	return r;
}

int describe(const char *location, struct description *ret, struct ferry_why *why)
{
	*ret = (struct description){ 0 };
	int r = ferry_object_stat(location, &ret->object, why);

	if (r < 0)
		return r;
	if (description_is(ret, FERRY_KIND_MAILBOX))
		return look_into_mailbox(location, &ret->mailbox, why);
	if (description_is(ret, FERRY_KIND_SEGMENT))
		return look_into_segment(location, &ret->segment, why);
	if (description_is(ret, FERRY_KIND_PIPE))
		return look_into_pipe(location, &ret->pipe, why);
	return 0;
}

int members_of(const char *location, struct members *ret, struct ferry_why *why)
{
	int n = ferry_object_members(location, NULL, 0, why);

	*ret = (struct members){ 0 };
	for (;;) {
		if (n < 0)
			return n;
		size_t room = (size_t)n;
		struct ferry_member *grown = reallocarray(ret->member, room + 1, sizeof *grown);
		if (!grown)
			return -ENOMEM;
		ret->member = grown;
		n = ferry_object_members(location, grown, room, why);
		if (n >= 0 && (size_t)n <= room) {
			ret->n = (size_t)n;
			return 0;
		}
	}
}

bool member_is_stopped(const struct ferry_member *member)
{
	struct process_look look;

	return member->alive && member->same_namespace && process_look(member->pid, 0, &look) &&
	       (look.state == 'T' || look.state == 't');
}

struct process_command member_command(const struct ferry_member *member)
{
	if (member->alive && member->same_namespace)
		return process_command(member->pid, member->started);
	return (struct process_command){ 0 };
}

json_t *member_json(const struct ferry_member *member)
{
	struct process_command command = member_command(member);
	json_t *object = json_object();

	json_put_number(object, "number", member->number);
	json_put(object, "pid", json_integer(member->pid));
	json_put(object, "same_namespace", json_boolean(member->same_namespace));
	json_put_number(object, "started", member->started);
	json_put(object, "program", json_text(member->program));
	json_put(object, "command", process_command_json(&command));
	json_put(object, "alive", json_boolean(member->alive));
	json_put(object, "stopped", json_boolean(member_is_stopped(member)));
	json_put_number(object, "waiting_receivers", member->waiting_receivers);
	json_put_number(object, "waiting_senders", member->waiting_senders);
	process_command_free(&command);
	return object;
}

bool description_is(const struct description *description, enum ferry_kind kind)
{
	return description->object.kind == kind && !description->object.removed;
}

uint64_t description_capacity(const struct description *description)
{
	return (uint64_t)description->mailbox.capacity * description->mailbox.priorities;
}

const char *describe_counts(char buffer[static 64], enum ferry_kind kind, uint32_t receiving,
			    uint32_t sending)
{
	const char *receiver = kind == FERRY_KIND_PIPE ? "reader" : "receiver";
	const char *sender = kind == FERRY_KIND_PIPE ? "writer" : "sender";
	int n = 0;

	snprintf(buffer, 64, "-");
	if (receiving)
		n = snprintf(buffer, 64, "%" PRIu32 " %s%s%s", receiving, receiver,
			     CLI_PLURAL(receiving), sending ? ", " : "");
	if (sending)
		snprintf(buffer + n, 64 - (size_t)n, "%" PRIu32 " %s%s", sending, sender,
			 CLI_PLURAL(sending));
	return buffer;
}

const char *describe_waiting(char buffer[static 64], const struct description *description)
{
	const struct ferry_mailbox_stat *box = &description->mailbox;
	const struct ferry_pipe_stat *pipe = &description->pipe;
	enum ferry_kind kind = description->object.kind;

	if (kind == FERRY_KIND_PIPE)
		return describe_counts(buffer, kind, pipe->waiting_readers, pipe->waiting_writers);
	if (kind == FERRY_KIND_SEGMENT) {
		snprintf(buffer, 64, description->segment.lock_waiters ? "%u for a lock" : "-",
			 description->segment.lock_waiters);
		return buffer;
	}
	return describe_counts(buffer, kind, box->waiting_receivers, box->waiting_senders);
}

const char *user_name(char buffer[static 64], uid_t uid)
{
	const struct passwd *user = getpwuid(uid);

	snprintf(buffer, 64, user ? "%s" : "%.0s%u", user ? user->pw_name : "", (unsigned)uid);
	return buffer;
}

const char *group_name(char buffer[static 64], gid_t gid)
{
	const struct group *group = getgrgid(gid);

	snprintf(buffer, 64, group ? "%s" : "%.0s%u", group ? group->gr_name : "", (unsigned)gid);
	return buffer;
}

static void mailbox_json(json_t *object, const struct ferry_mailbox_stat *stat)
{
#define PUT(field) json_put_number(object, #field, stat->field)
	PUT(max_size);
	PUT(capacity);
	PUT(priorities);
	PUT(memory);
	PUT(memory_free);
	json_put(object, "drop_oldest", json_boolean(stat->drop_oldest));
	json_put(object, "one_to_one", json_boolean(stat->one_to_one));
	json_put_number(object, "sender", stat->sender);
	json_put_number(object, "receiver", stat->receiver);
	PUT(messages);
	PUT(bytes);
	PUT(taken);
	PUT(sent);
	PUT(received);
	PUT(dropped);
	PUT(expired);
	PUT(redelivered);
	PUT(recovered);
	PUT(waiting_senders);
	PUT(waiting_receivers);
#undef PUT
	json_put(object, "oldest_age_ns",
		 stat->oldest_age < 0 ? json_null() : json_integer(stat->oldest_age));
}

static void segment_json(json_t *object, const struct ferry_segment_stat *stat)
{
#define PUT(field) json_put_number(object, #field, stat->field)
	PUT(bytes);
	PUT(max_bytes);
	json_put(object, "arena", json_boolean(stat->arena));
	PUT(locks);
	PUT(lock_holders);
	PUT(lock_waiters);
	PUT(recovered);
	if (stat->arena) {
		PUT(blocks);
		PUT(block_bytes);
		PUT(unpublished);
		PUT(unpublished_bytes);
		PUT(free_bytes);
		PUT(free_pages_bytes);
		PUT(largest_free);
	}
#undef PUT
}

static void pipe_json(json_t *object, const struct ferry_pipe_stat *stat)
{
#define PUT(field) json_put_number(object, #field, stat->field)
	PUT(capacity);
	PUT(bytes);
	PUT(written);
	PUT(read);
	PUT(reserve_max);
	PUT(passed_over);
	PUT(quarantined);
	PUT(readers);
	PUT(writers);
	PUT(waiting_readers);
	PUT(waiting_writers);
#undef PUT
	json_put(object, "has_reader", json_boolean(stat->has_reader));
	json_put(object, "has_writer", json_boolean(stat->has_writer));
}

void describe_json(json_t *object, const struct description *description)
{
	const struct ferry_object_stat *stat = &description->object;
	char mode[16], name[64];

	snprintf(mode, sizeof mode, "%04" PRIo32, stat->mode);
	json_put(object, "kind", json_string(ferry_kind_name(stat->kind)));
	json_put_number(object, "layout", stat->layout);
	json_put(object, "mode", json_string(mode));
	json_put(object, "owner", json_text(user_name(name, stat->uid)));
	json_put(object, "group", json_text(group_name(name, stat->gid)));
	json_put_number(object, "uid", stat->uid);
	json_put_number(object, "gid", stat->gid);
	json_put_number(object, "file_bytes", stat->file_bytes);
	json_put(object, "removed", json_boolean(stat->removed));
	json_put_number(object, "members_alive", stat->members_alive);
	json_put_number(object, "members_dead", stat->members_dead);
	if (description_is(description, FERRY_KIND_MAILBOX))
		mailbox_json(object, &description->mailbox);
	if (description_is(description, FERRY_KIND_SEGMENT))
		segment_json(object, &description->segment);
	if (description_is(description, FERRY_KIND_PIPE))
		pipe_json(object, &description->pipe);
}

static bool is_wanted(const struct entries *entries, const char *location)
{
	struct ferry_object_stat stat;

	return !entries->kind || ferry_object_stat(location, &stat, NULL) < 0 ||
	       stat.kind == entries->kind;
}

static int add_entry(const char *name, const char *location, void *context)
{
	struct entries *entries = context;

	if (!is_wanted(entries, location))
		return 0;
	struct entry *grown = reallocarray(entries->entry, entries->n + 1, sizeof *entries->entry);

	if (!grown)
		return -ENOMEM;
	entries->entry = grown;
	grown[entries->n] = (struct entry){ .name = strdup(name), .location = strdup(location) };
	if (!grown[entries->n].name || !grown[entries->n].location)
		return -ENOMEM;
	entries->n++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* The default one need not be there before the first object; one that was named may be mistyped. */
static bool own_directory_is_missing(const char *command)
{
	const char *named = secure_getenv("FERRY_DIR");

	if (!named || !*named || access(named, F_OK) == 0 || errno != ENOENT)
		return false;
	cli_complain("%s: FERRY_DIR is '%s', and there is no such directory", command, named);
	return true;
}

int list_entries(struct entries *ret, const char *command, const char *directory,
		 enum ferry_kind kind)
{
	struct ferry_why why = { 0 };
	const char *where = directory ? directory : "your own objects";

	*ret = (struct entries){ .kind = kind };
	if (!directory && own_directory_is_missing(command))
		return STATUS_ABSENT;
	int r = ferry_list(directory, add_entry, ret, &why);
	if (r == -ENOENT) {
		cli_complain("%s %s: there is no such directory", command, where);
		return STATUS_ABSENT;
	}
	if (r < 0)
		return cli_fail(command, where, r, &why);
	if (ret->n)
		qsort(ret->entry, ret->n, sizeof *ret->entry, by_name);
	return STATUS_DONE;
}

void free_entries(struct entries *entries)
{
	for (size_t i = 0; i < entries->n; i++) {
		free(entries->entry[i].name);
		free(entries->entry[i].location);
	}
	free(entries->entry);
}

bool is_no_object(int error)
{
	switch (-error) {
	case ENOENT:
	case EIDRM:
	case ELOOP: /* a symbolic link */
	case FERRY_EFOREIGN:
	case FERRY_ELOCATION: /* no object could have that name */
		return true;
	default:
		return false;
	}
}
