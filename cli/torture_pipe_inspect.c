/* SPDX-License-Identifier: MIT */
/* torture_pipe_inspect.c - what must be true of a pipe when all who used it have gone. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "torture_pipe.h"

#define PATIENCE_MS 2000         /* until what the dead were at must be out of the way */
#define SPARE       (128u << 10) /* memory that a pipe has beside capacity and reservations, at most */

static void wrong(struct torture *t, const char *call, int error)
{
	faults_report(t->faults, FAULT_BROKEN, "%s at the end: %s", call, ferry_error_name(error));
}

/* All that is left, up to the end of file: nobody can write any more. */
static void drain(struct torture *t, ferry_pipe *reader)
{
	static struct pipe_account_view view;
	char *buffer = malloc(TORTURE_ROOM);
	ssize_t n = buffer ? 1 : -ENOMEM;

	while (n > 0) {
		pipe_account_look(crew_pipe_account(&t->crew), &view);
		n = ferry_pipe_read(reader, buffer, TORTURE_ROOM, FERRY_NOW);
		if (n > 0)
			pipe_account_read(crew_pipe_account(&t->crew), &view, buffer, (size_t)n);
	}
	if (n < 0)
		wrong(t, "read", (int)n);
	free(buffer);
}

/* Without cleaning by hand, there must be room for all that fits, in one piece after the other. */
static bool fill(struct torture *t, ferry_pipe *reader, ferry_pipe *writer, char *bytes)
{
	size_t size = (size_t)((const struct pipe_torture *)t)->capacity;
	ssize_t n = ferry_pipe_write(writer, bytes, size, ferry_in_ms(PATIENCE_MS));

	if (n != (ssize_t)size) {
		faults_report(t->faults, FAULT_BROKEN, "%zd of %zu bytes fit at the end", n, size);
		return false;
	}
	for (size_t left = size; left > 0; left -= (size_t)n) {
		n = ferry_pipe_read(reader, bytes, left, FERRY_NOW);
		if (n <= 0) {
			wrong(t, "read", (int)n);
			return false;
		}
	}
	return true;
}

/* ... and for the largest reservation. */
static void reserve(struct torture *t, ferry_pipe *writer)
{
	const struct pipe_torture *pt = (const struct pipe_torture *)t;
	struct ferry_span span;
	int r = ferry_pipe_reserve(writer, pt->reserve_max, &span, ferry_in_ms(PATIENCE_MS));

	if (r == 0)
		r = ferry_pipe_commit(writer, &span, 0, FERRY_NOW);
	if (r < 0)
		wrong(t, "a reservation", r);
}

/* So often that all of the pipe's memory comes to its turn. */
static void use_all(struct torture *t, ferry_pipe *reader, ferry_pipe *writer)
{
	const struct pipe_torture *pt = (const struct pipe_torture *)t;
	uint64_t memory = 2 * (pt->capacity + 4 * pt->reserve_max + SPARE);
	char *bytes = calloc(1, (size_t)pt->capacity);
	bool works = bytes != NULL;

	for (uint64_t done = 0; works && done < memory; done += pt->capacity)
		works = fill(t, reader, writer, bytes);
	if (!bytes)
		wrong(t, "memory", -ENOMEM);
	free(bytes);
}

static void see_what_is_left(struct torture *t, ferry_pipe *reader)
{
	struct pipe_torture *pt = (struct pipe_torture *)t;
	struct ferry_repair repair = { 0 };
	struct ferry_why why = { 0 };
	int r = ferry_object_repair(t->location, 0, &repair, &why);

	if (r < 0)
		faults_report(t->faults, FAULT_BROKEN, "repair: %s %s", ferry_error_name(r),
			      why.text);
	t->recovered = repair.members;
	r = ferry_pipe_stat(reader, &pt->stat);
	if (r < 0)
		wrong(t, "stat", r);
	else if (pt->stat.bytes || pt->stat.quarantined || pt->stat.readers != 1 ||
		 pt->stat.writers != 1)
		faults_report(t->faults, FAULT_BROKEN,
			      "left behind: %" PRIu64 " bytes, %" PRIu64
			      " out of use, %u readers, %u writers",
			      pt->stat.bytes, pt->stat.quarantined, pt->stat.readers - 1,
			      pt->stat.writers - 1);
}

void torture_pipe_inspect(struct torture *t)
{
	struct pipe_torture *pt = (struct pipe_torture *)t;
	const struct ferry_pipe_options *options = FERRY_PIPE_OPTIONS(.flags = FERRY_EXISTING);
	ferry_pipe *reader = NULL, *writer = NULL;
	int r = ferry_pipe_open(&reader, t->location, FERRY_READ, options, FERRY_NOW);

	if (r == 0) {
		drain(t, reader);
		r = ferry_pipe_open(&writer, t->location, FERRY_WRITE, options, FERRY_NOW);
	}
	if (r == 0) {
		reserve(t, writer);
		use_all(t, reader, writer);
		see_what_is_left(t, reader);
	} else {
		wrong(t, "open", r);
	}
	ferry_pipe_close(writer);
	ferry_pipe_close(reader);
	pipe_account_close(crew_pipe_account(&t->crew), &pt->sum);
}
