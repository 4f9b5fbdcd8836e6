/* SPDX-License-Identifier: MIT */
/* bench_peers.c - transports by name, and memory that a channel's two ends share. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "bench_transports.h"

const struct bench_peer *bench_peer(const char *name)
{
	for (const struct bench_peer *const *p = bench_mailbox.peers; *p; p++)
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
