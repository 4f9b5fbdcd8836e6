/* SPDX-License-Identifier: MIT */
/*
 * moved.h - a connection whose two ends are ferry's: what its handle has beside the socket.
 *
 * Nothing moves by making one. Each lane goes over to memory when its reader has begun to read by
 * ferry's calls, so a descriptor that is passed on before that is a plain socket's.
 */
#ifndef FY_MOVED_H
#define FY_MOVED_H

#include <ferry/socket.h>
#include <pthread.h>

#include "../os/fork.h"
#include "../wait/nap.h"
#include "../wait/rhythm.h"
#include "lane.h"

struct fy_sides;

/* One direction, as the threads of this process share it. */
struct fy_moved_way {
	pthread_mutex_t mutex; /* around each try */
	int locked;            /* 1: we hold the lock that keeps out other processes, too */
	struct fy_lane lane;
	struct fy_spin spin;
	struct fy_rhythm rhythm;
	_Atomic int64_t due; /* coarse time before which the socket need not be asked again */
};

struct fy_moved {
	struct fy_inherited inherited;
	struct fy_lanes_shm *shm;
	struct fy_sides *sides; /* what forked children share with us, and nobody else */
	struct fy_moved_way in, out;
	int fd;            /* the socket's */
	int reset_by_gone; /* unix: who shuts down its reading refuses what is written */
	int interruptible;
	uint32_t generation;      /* of the process (os/fork.h) */
	_Atomic uint32_t reading; /* 1: we have said that we read here */
	_Atomic uint32_t polled;  /* 1: somebody may be waiting for the descriptor */
};

/* Memory for a connection, made by the side that connects: sealed. /proc shows the text, which says
 * where to. The descriptor, or an error. */
int fy_moved_memory(const char *text);

/* Use such memory for a socket. side: 0: the one that connected; 1: the one that accepted. memory
 * stays the caller's. 0, or an error: the connection stays a plain socket. */
int fy_moved_begin(struct fy_moved **ret_moved, int memory, int side, int fd,
		   enum ferry_transport transport, int interruptible);

/* Before the socket is closed. NULL is allowed. */
void fy_moved_close(struct fy_moved *moved);

/* As fy_socket_message_in() and _out(). */
ssize_t fy_moved_in(struct fy_moved *moved, struct msghdr *message, ferry_deadline deadline);
ssize_t fy_moved_out(struct fy_moved *moved, const struct msghdr *message, ferry_deadline deadline);

/* Before, or after, shutdown(2) of the socket. */
void fy_moved_shutdown(struct fy_moved *moved, uint32_t directions);

/* The descriptor is waited for from here on. */
void fy_moved_poll(struct fy_moved *moved);

/* Which directions go through memory (FERRY_READ, FERRY_WRITE), and what waits there. */
uint32_t fy_moved_directions(const struct fy_moved *moved);
uint64_t fy_moved_readable(const struct fy_moved *moved);
uint64_t fy_moved_unsent(const struct fy_moved *moved);

#endif
