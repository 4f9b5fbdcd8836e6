/* SPDX-License-Identifier: MIT */
/* torture_pipe.h - the parts of `ferry torture pipe`. */
#ifndef FERRY_CLI_TORTURE_PIPE_H
#define FERRY_CLI_TORTURE_PIPE_H

#include <ferry/ferry.h>

#include "crew.h"
#include "torture.h"
#include "torture_pipe_account.h"

#define TORTURE_ROOM (256u << 10) /* bytes that one read takes, at most */

/* The roles. */
enum { PIPE_WRITERS, PIPE_READERS };

/* Where a process is. */
enum torture_pipe_call {
	PIPE_OPEN = CREW_OWN,
	PIPE_CLOSE,
	PIPE_WRITE,
	PIPE_RESERVE,
	PIPE_HOLD, /* outside, with a reservation */
	PIPE_COMMIT,
	PIPE_READ,
	PIPE_PEEK,
	PIPE_CONSUME,
	PIPE_TAP,
	PIPE_STAT,
};

/* What is asked, and what the processes share; context of the crew. */
struct pipe_torture {
	struct torture base;
	uint64_t writers, readers;
	uint64_t size_min, size_max; /* of a record, in bytes */
	uint64_t capacity, reserve_max;
	uint32_t members;
	char *buffers; /* shared: where each seat's reads put bytes, TORTURE_ROOM each */
	size_t buffers_bytes;
	struct pipe_account_sum sum; /* at the end */
	struct ferry_pipe_stat stat; /* at the end */
	uint64_t passed_over;        /* before we began */
};

static inline struct pipe_account *crew_pipe_account(const struct crew *crew)
{
	return crew->account;
}

static inline bool crew_is_writer(const struct crew *crew, uint32_t seat)
{
	return crew_role(crew, seat) == PIPE_WRITERS;
}

/* The stream of a writer's seat. */
uint32_t torture_pipe_stream(const struct crew *crew, uint32_t seat);

static inline char *torture_pipe_buffer(const struct pipe_torture *t, uint32_t seat)
{
	return t->buffers + (size_t)seat * TORTURE_ROOM;
}

/* The work of one seat, for the crew. */
void torture_pipe_work(struct crew *crew, uint32_t seat, void *inherited);

/* When everybody has gone: read what is left, then see that the pipe is as good as new. */
void torture_pipe_inspect(struct torture *t);

#endif
