/* SPDX-License-Identifier: MIT */
/*
 * bench_peers.h - the transports that `ferry bench` and `ferry demo` compare, and how to measure
 *one.
 *
 * A pair of figures takes a few calls:
 *
 *	struct bench_result r;
 *
 *	if (bench_begin(NULL) == 0) {
 *		if (bench_roundtrip(bench_peer("pipe"), 64, 0.2, &r) == 0)
 *			printf("%.2f us\n", r.p50 / 1e3);
 *		if (bench_stream(bench_peer("ferry"), 64, 1, 1, 0.2, &r) == 0)
 *			printf("%.1f million messages/s\n", r.rate / 1e6);
 *	}
 *	bench_end();
 *
 * Each measurement forks its own processes, pins them, and they are gone when the call returns; the
 * caller sleeps meanwhile. How the figures are made and what they mean: bench/METHOD.md.
 */
#ifndef FERRY_CLI_BENCH_PEERS_H
#define FERRY_CLI_BENCH_PEERS_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_PROCESSES 16 /* senders and receivers together, at most */

/* What a transport can be measured for, and what sort it is. */
enum bench_ability {
	BENCH_ROUNDTRIP = 1 << 0,   /* there and back between two processes */
	BENCH_STREAM = 1 << 1,      /* one sender, one receiver */
	BENCH_MANY = 1 << 2,        /* several senders or receivers on one channel */
	BENCH_SPINS = 1 << 3,       /* burns its core while it waits: senseless on one core */
	BENCH_FLOOR = 1 << 4,       /* not a transport but the bare mechanism under all of them */
	BENCH_PRODUCES = 1 << 5,    /* its sender writes every word of every message anew */
	BENCH_SPINS_FIRST = 1 << 6, /* spins, then sleeps: is held against those who spin */
	BENCH_SECTION = 1 << 7,     /* a lock: receive() takes it, send() gives it back */
	BENCH_CHURN = 1 << 8,       /* an allocator: receive() allocates, send() frees */
	BENCH_CALL = 1 << 9,        /* send() alone is what is measured */
	BENCH_IDLES = 1 << 10,      /* can wait for a time: idle() */
};

/* Of the life of an object: what takes time. */
enum { BENCH_CREATING, BENCH_OPENING_IT, BENCH_CLOSING, BENCH_STEPS_OF_LIFE };
/* Of fresh memory, in the same room: touching each page first, writing all, reading all. */
enum { BENCH_TOUCHING_IT, BENCH_WRITING, BENCH_READING };

struct bench_peer;

/* One direction. create() fills it in; every process has its own copy after fork(). */
struct bench_channel {
	const struct bench_peer *peer;
	size_t bytes;       /* of each message: a multiple of 8 */
	unsigned direction; /* 0, or 1 for the way back of a round trip */
	unsigned process;   /* 0 begins; set before attach() */
	unsigned depth;     /* how many messages it holds; 0 = not counted in messages */
	int fd[2];          /* receiving and sending end */
	int queue;          /* System V identifier */
	char name[64];      /* location */
	void *shared;       /* memory mapped before fork() */
	size_t shared_bytes;
	void *handle;      /* of this process */
	void *source;      /* of this process: the message to send */
	void *room;        /* of this process: where a message goes */
	uint64_t position; /* the transport's own */
};

/* Functions return 0 or a negative error; a NULL one has nothing to do. */
struct bench_peer {
	const char *name;  /* unique */
	const char *waits; /* for people: "spins", "sleeps", ... */
	unsigned abilities;
	size_t least, most;    /* message sizes worth measuring; 0 = no limit */
	uint64_t capacity;     /* pipes: bytes in flight at most; 0 = the default */
	const void *mechanism; /* the transport's own */
	int64_t spin;   /* ferry: the option of that name; others: not 0 = ask again, never block */
	uint32_t flags; /* ferry: at creation */
	unsigned watched; /* wait: how many things a waiter waits for, of which one gets news */

	/* In the parent. The way back of a round trip finds its counterpart in there. */
	int (*create)(struct bench_channel *c, const struct bench_channel *there);
	void (*remove)(struct bench_channel *c);
	/* In each process. */
	int (*attach)(struct bench_channel *c);
	int (*place)(struct bench_channel *c, void **ret_data); /* NULL: in source */
	int (*send)(struct bench_channel *c, const void *data); /* data as from place() */
	int (*flush)(struct bench_channel *c);
	int (*receive)(struct bench_channel *c, void **ret_data); /* good until done() */
	int (*done)(struct bench_channel *c);

	/* Wait at the receiving end of a channel that nobody sends on, for so many ns. */
	int (*idle)(struct bench_channel *c, int64_t ns);

	/* One object's life, apart from any channel: how many ticks creating, opening and closing
	 * took, and how many bytes were reserved. Or, of memory: touching, writing and reading, and
	 * how many bytes. */
	int (*life)(uint64_t ret_ticks[BENCH_STEPS_OF_LIFE], uint64_t *ret_reserved);
};

/*
 * The mailbox's peer of that name, or NULL:
 *  - "ferry" (default waiting), "ferry spin", "ferry sleep", "ferry many" (32 messages a call);
 *  - "ferry one-to-one", "ferry one-to-one spin", "ferry one-to-one sleep": declared at creation;
 *  - "ferry take" (copied in, read in place), "ferry in place" (no copy, only its number is
 * written), "ferry produce" (all of it written, then copied in), "ferry loan" (all of it written in
 * place);
 *  - "POSIX mq", "System V msg", "pipe", "Unix socket", and with " poll" behind, the same asked
 * again and again instead of blocking;
 *  - "cache line", "cache line pause", "futex", "two buffers": the floor.
 */
const struct bench_peer *bench_peer(const char *name);

/* What one measurement gave. Times are ns. */
struct bench_result {
	double p50, p99, p999; /* of a round trip, or of a send if those were timed; else 0 */
	double rate;           /* messages or round trips a second */
	double bytes_rate;     /* payload bytes a second, one way */
	double longest;        /* sections: time that one process was kept from its next one */
	uint64_t count;        /* messages or round trips that were measured */
	uint64_t preempted;    /* how often a measuring process lost its core to somebody else */
	unsigned depth;        /* messages that the channel holds; 0 = not counted in messages */
	char why[160];         /* after a failure: which step, and the error */
};

/*
 * Prepare: pick two cores (from cpus, or by itself if NULL), raise queue limits as far as that is
 * allowed (in an IPC namespace of our own), make a directory for ferry's objects. bench_end() takes
 * all away again and may always be called.
 */
int bench_begin(const unsigned cpus[2]);
void bench_end(void);

/* The two cores in use, the same twice if there is only one; and what they are to each other. */
const unsigned *bench_cpus(void);
const char *bench_cpus_relation(void);
/* The processor's name. Gives text. */
const char *bench_cpu_model(char *text, size_t room);

/*
 * Measure for about that many seconds. 0, or a negative error: -ENOTSUP if the transport cannot do
 * it, -EINTR if SIGINT, SIGTERM or SIGHUP came. The signal is then pending again: it reaches the
 * caller when the call returns, or later if the caller has it blocked (which leaves time for
 * bench_end()).
 */
int bench_roundtrip(const struct bench_peer *peer, size_t bytes, double seconds,
		    struct bench_result *ret_result);
int bench_stream(const struct bench_peer *peer, size_t bytes, unsigned senders, unsigned receivers,
		 double seconds, struct bench_result *ret_result);
/*
 * So many processes (at most BENCH_PROCESSES) enter and leave a section that only one of them may
 * be in, as often as they can. rate: sections a second, of all together; p50: of one alone, the
 * time of entering and leaving. -EBADMSG if two were in it at a time.
 */
int bench_section(const struct bench_peer *peer, unsigned processes, double seconds,
		  struct bench_result *ret_result);
/* The same of processes that allocate and free blocks of up to so many bytes. */
int bench_churn(const struct bench_peer *peer, size_t bytes, unsigned processes, double seconds,
		struct bench_result *ret_result);
/* One process calls send() again and again. p50, p99, p999: of a call; rate: calls a second. */
int bench_calls(const struct bench_peer *peer, double seconds, struct bench_result *ret_result);
/* bench_stream() that also times each send, which costs two readings of the clock a message. */
int bench_stream_timed(const struct bench_peer *peer, size_t bytes, unsigned senders,
		       unsigned receivers, double seconds, struct bench_result *ret_result);

#endif
