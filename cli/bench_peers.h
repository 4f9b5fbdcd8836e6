/* SPDX-License-Identifier: MIT */
/*
 * bench_peers.h - the transports that `ferry bench` and `ferry demo` compare, and how to measure
 *one.
 *
 * Measuring one pair of figures takes three calls:
 *
 *	struct bench_result r;
 *	if (bench_begin(NULL) == 0) {
 *		if (bench_roundtrip(bench_peer("pipe"), 64, 0.2, &r) == 0)
 *			printf("%.2f us\n", r.p50 / 1e3);
 *		if (bench_stream(bench_peer("ferry"), 64, 1, 1, 0.2, &r) == 0)
 *			printf("%.1f M messages/s\n", r.rate / 1e6);
 *	}
 *	bench_end();
 *
 * Each measurement forks its own processes, pins them, and is over when the call returns. The
 *calling process sleeps meanwhile. How the figures are made: bench/METHOD.md.
 */
#ifndef FERRY_CLI_BENCH_PEERS_H
#define FERRY_CLI_BENCH_PEERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_PROCESSES 16 /* most senders and receivers together */

/* What a transport is good for, and what it needs. */
enum bench_ability {
	BENCH_ROUNDTRIP = 1 << 0, /* there and back between two processes */
	BENCH_STREAM = 1 << 1,    /* one sender, one receiver */
	BENCH_MANY = 1 << 2,      /* several senders and receivers on one channel */
	BENCH_SPINS = 1 << 3,     /* burns its core while it waits: senseless on one core */
	BENCH_FLOOR = 1 << 4,     /* not a transport but the bare mechanism under all of them */
	BENCH_LARGE = 1 << 5,     /* only worth measuring from 64 KiB on */
	BENCH_PRODUCES = 1 << 6,  /* the sender writes every word of every message anew */
	BENCH_CREATES = 1 << 7,   /* creating and opening by name can be measured */
};

struct bench_peer;

/* One direction. The parent fills it in create(), every process has its own copy after fork(). */
struct bench_channel {
	const struct bench_peer *peer;
	size_t bytes;   /* of each message, at least 8 */
	unsigned depth; /* how many messages it holds, 0 = not counted in messages */
	int fd[2];      /* receiving end, sending end; or a queue's one descriptor in both */
	int queue;      /* System V identifier */
	char name[128]; /* location */
	void *shared;   /* memory mapped before fork() */
	size_t shared_bytes;
	void *handle;      /* of this process, from attach() */
	void *source;      /* room for what is sent */
	void *room;        /* room for what is received */
	uint64_t position; /* of the transport's own */
	uint64_t other;
};

/* All functions return 0 or a negative error; NULL means there is nothing to do. */
struct bench_peer {
	const char *name;   /* unique */
	const char *waits;  /* "spins", "sleeps", ... for people */
	unsigned abilities; /* enum bench_ability */
	int64_t spin;       /* ferry: the option; others: non-zero = do not block, ask again */

	int (*create)(struct bench_channel *c); /* in the parent, once */
	void (*remove)(struct bench_channel *c);
	int (*attach)(struct bench_channel *c); /* in each process */
	void (*detach)(struct bench_channel *c);

	int (*place)(struct bench_channel *c,
		     void **ret_data); /* where to write the next message */
	int (*send)(struct bench_channel *c, const void *data);
	int (*flush)(struct bench_channel *c);
	int (*receive)(struct bench_channel *c,
		       void **ret_data); /* good until done() or the next */
	int (*done)(struct bench_channel *c);
};

extern const struct bench_peer bench_peers[]; /* the last one's name is NULL */

/* The peer of that name, or NULL: "ferry", "ferry spin", "ferry sleep", "POSIX mq", "System V msg",
 * "pipe", "Unix socket", and those with " poll" behind (asking again and again instead of
 * blocking), "cache line", "futex", "two buffers", ... */
const struct bench_peer *bench_peer(const char *name);

/* What one measurement gave. Times are ns. */
struct bench_result {
	double p50, p99, p999; /* round trips; with bench_stream_timed() the sends */
	double rate;           /* messages (or round trips) a second */
	double bytes_rate;     /* payload bytes a second, one way */
	uint64_t count;        /* messages or round trips measured */
	unsigned depth;        /* messages that the channel holds, 0 = not counted so */
	uint64_t preempted;    /* how often a measuring process lost its core to another */
	char why[160];         /* after a failure: what failed */
};

/* The two cores to use; one and the same if there is only one. */
struct bench_cpus {
	int cpu[2];
};

/* Prepare: pick cores (cpus NULL: by itself), raise queue limits as far as allowed (in an IPC
 * namespace of our own if we may), make a directory for ferry's objects. */
int bench_begin(const struct bench_cpus *cpus);
void bench_end(void);

struct bench_cpus bench_cpus(void);
/* "two cores", "two threads of one core", "one core". */
const char *bench_cpus_relation(void);

/* All four fork, measure for about that many seconds and return 0 or a negative error: -ENOTSUP if
 * the transport cannot do that, -EINTR if SIGINT, SIGTERM or SIGHUP came (it is raised again then).
 */
int bench_roundtrip(const struct bench_peer *peer, size_t bytes, double seconds,
		    struct bench_result *ret_result);
int bench_stream(const struct bench_peer *peer, size_t bytes, unsigned senders, unsigned receivers,
		 double seconds, struct bench_result *ret_result);
int bench_stream_timed(const struct bench_peer *peer, size_t bytes, unsigned senders,
		       unsigned receivers, double seconds, struct bench_result *ret_result);

#endif
