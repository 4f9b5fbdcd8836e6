/* SPDX-License-Identifier: MIT */
/* Calls of pipes that move bytes between a pipe and a descriptor, look on, or pass an end on; see
 * pipe.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pipe.h"

static struct unit units[PIPE_UNITS];

int pipe_new_file(void)
{
	int file = memfd_create("kill", MFD_CLOEXEC);

	if (file < 0)
		abort();
	return file;
}

/* ---- drain and fill ---- */

/* The file is there before: what it holds is not lost with the victim. */
void pipe_actor_drain(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline)
{
	uint64_t moved = 0;
	int result;

	actor->ledger->draining = true;
	ATTACKED(result = ferry_pipe_drain(actor->reader, actor->file, size, &moved, deadline));
	if (moved > sizeof(units) || pread(actor->file, units, moved, 0) != (ssize_t)moved)
		fault(actor->ledger->faults, "C2: drain says that it moved %u bytes",
		      (unsigned)moved);
	else
		pipe_all_came_out(actor, units, (ssize_t)moved);
	actor->ledger->draining = false;
	(void)pipe_checked(actor, "drain", result);
}

void pipe_ledger_look_aside(struct pipe_ledger *ledger, int file)
{
	ssize_t n = pread(file, units, sizeof(units), 0);

	if (!ledger->draining)
		return;
	for (ssize_t i = 0; i < n / (ssize_t)sizeof(struct unit); i++) {
		if (pipe_unit_is_sound(ledger, &units[i]))
			ledger->records[units[i].record].aside++;
		else
			fault(ledger->faults, "C1: drain wrote a unit that is none");
	}
}

void pipe_actor_prepare_fill(struct pipe_actor *actor, uint32_t size)
{
	actor->file = pipe_new_file();
	actor->record = pipe_compose(actor->ledger, units, size);
	if (pwrite(actor->file, units, size, 0) != (ssize_t)size)
		abort();
}

/* What was read from the file is in the pipe, whoever has gone. */
void pipe_actor_fill(struct pipe_actor *actor, ferry_deadline deadline)
{
	uint64_t moved = 0;
	int result;

	ATTACKED(result =
		     ferry_pipe_fill(actor->writer, actor->file, UINT64_MAX, &moved, deadline));
	if (lseek(actor->file, 0, SEEK_CUR) != (off_t)moved)
		fault(actor->ledger->faults, "C2: fill read %d bytes and moved %u",
		      (int)lseek(actor->file, 0, SEEK_CUR), (unsigned)moved);
	pipe_wrote(actor, actor->record, (ssize_t)moved);
	(void)pipe_checked(actor, "fill", result);
}

/* ---- taps ---- */

static void observe(struct pipe_actor *actor)
{
	int result = ferry_pipe_open(&actor->observer, PIPE_NAME, FERRY_OBSERVE, NULL, FERRY_NOW);

	(void)pipe_checked(actor, "open", result);
}

void pipe_actor_tap_open(struct pipe_actor *actor)
{
	int result;

	observe(actor);
	ATTACKED(result = ferry_pipe_tap_open(&actor->tap, actor->observer));
	(void)pipe_checked(actor, "tap_open", result);
}

/* Something for it to see. */
void pipe_actor_prepare_tap(struct pipe_actor *actor)
{
	observe(actor);
	(void)pipe_checked(actor, "tap_open", ferry_pipe_tap_open(&actor->tap, actor->observer));
	for (int i = 0; i < 4; i++)
		(void)pipe_actor_write(actor, SMALL, FERRY_NOW);
}

/* Whatever it shows was written, and nothing of it is out of order. */
void pipe_actor_tap_read(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline)
{
	uint64_t missed = 0;
	ssize_t n;

	ATTACKED(n = ferry_pipe_tap_read(actor->tap, units, size, &missed, deadline));
	for (ssize_t i = 0; i < n / (ssize_t)sizeof(struct unit); i++)
		if (!pipe_unit_is_sound(actor->ledger, &units[i]) ||
		    (i > 0 && units[i].record == units[i - 1].record &&
		     units[i].index != units[i - 1].index + 1))
			fault(actor->ledger->faults, "C9: a tap showed what nobody wrote");
	(void)pipe_checked(actor, "tap_read", n);
}

/* ---- an end that is passed on ---- */

void pipe_actor_export(struct pipe_actor *actor)
{
	int result;

	ATTACKED(result = ferry_pipe_export(actor->writer, actor->text, sizeof(actor->text)));
	(void)pipe_checked(actor, "export", result);
}

/* In a child of whoever exported it: the descriptors are the new handle's from now on, so the old
 * handle is left alone. */
void pipe_actor_import(struct pipe_actor *actor)
{
	int result;

	actor->writer = NULL;
	ATTACKED(result = ferry_pipe_import(&actor->writer, actor->text, NULL));
	if (pipe_checked(actor, "import", result) == 0)
		(void)pipe_actor_write(actor, SMALL, FERRY_NOW);
}

void pipe_actor_pair(struct pipe_actor *actor)
{
	ferry_pipe *reader = NULL, *writer = NULL;
	char byte = 'x';
	int result;

	ATTACKED(result = ferry_pipe_pair(
		     &reader, &writer,
		     FERRY_PIPE_OPTIONS(.capacity = PIPE_CAPACITY, .members = PIPE_MEMBERS)));
	if (pipe_checked(actor, "pair", result) < 0)
		return;
	if (ferry_pipe_write(writer, &byte, 1, FERRY_NOW) != 1 ||
	    ferry_pipe_read(reader, &byte, 1, FERRY_NOW) != 1)
		fault(actor->ledger->faults, "C5: a new pair does not work");
	ATTACKED(ferry_pipe_close(writer));
	ATTACKED(ferry_pipe_close(reader));
}
