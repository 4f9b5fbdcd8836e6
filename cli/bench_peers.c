/* SPDX-License-Identifier: MIT */
/* bench_peers.c - the table of all transports, in the order in which they are measured and shown.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "bench_transports.h"

const struct bench_peer *const bench_peers[] = {
	&bench_line,
	&bench_line_pause,
	&bench_buffers,
	&bench_ferry_spin,
	&bench_ferry,
	&bench_futex,
	&bench_ferry_sleep,
	&bench_ferry_many,
	&bench_ferry_take,
	&bench_ferry_in_place,
	&bench_ferry_pair,
	&bench_ferry_pair_spin,
	&bench_ferry_pair_sleep,
	&bench_ferry_produce,
	&bench_ferry_loan,
	&bench_mq,
	&bench_sysv,
	&bench_pipe,
	&bench_socket,
	&bench_mq_poll,
	&bench_sysv_poll,
	&bench_pipe_poll,
	&bench_socket_poll,
	NULL,
};

const struct bench_peer *bench_peer(const char *name)
{
	for (const struct bench_peer *const *p = bench_peers; *p; p++)
		if (!strcmp((*p)->name, name))
			return *p;
	return NULL;
}

int bench_share(struct bench_channel *c, size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	c->shared = memory;
	c->shared_bytes = bytes;
	return 0;
}

void bench_unshare(struct bench_channel *c)
{
	if (c->shared)
		munmap(c->shared, c->shared_bytes);
	c->shared = NULL;
}
