/* SPDX-License-Identifier: MIT */
/* Other processes of a test: forked, led past numbered points, killed, stopped, waited for. */
#ifndef FERRY_TEST_PEER_H
#define FERRY_TEST_PEER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

/** Memory that a test and a peer share: the points that the peer has reached, those it may pass,
 *  and what it wants to tell. */
struct stage {
	_Atomic uint32_t reached;
	_Atomic uint32_t allowed;
	_Atomic int64_t value[8];
};

/** A process of the test. */
struct peer {
	pid_t pid;
	struct stage *stage;
};

/** Fork one. It ends when body returns, and dies with its parent. */
void peer_start(struct peer *ret_peer, void (*body)(struct stage *stage, const void *argument),
		const void *argument);

/** In the peer: say that a point is reached; wait until the test lets it pass; both. */
void stage_reach(struct stage *stage, uint32_t point);
void stage_wait(struct stage *stage, uint32_t point);
void stage_meet(struct stage *stage, uint32_t point);

/** In the test: wait until the peer has reached a point (fails if it ends before); let it pass. */
void peer_await(const struct peer *peer, uint32_t point);
void peer_allow(const struct peer *peer, uint32_t point);

/** In the peer: SIGUSR1 is caught from here on, by a handler that does nothing; flags of
 *  sigaction(2). In the test: send it when the peer sleeps, and again until it has reached a
 *  point. */
void peer_catch(int flags);
void peer_interrupt(const struct peer *peer, uint32_t point);

/** In the peer: be another user from here on, who has no groups. Needs root. */
void peer_become_nobody(void);

/** SIGKILL, and collect it. */
void peer_kill(struct peer *peer);

/** SIGKILL without collecting: a zombie until peer_kill(). */
void peer_kill_to_zombie(const struct peer *peer);

/** SIGSTOP, and wait until it has stopped; SIGCONT. */
void peer_stop(const struct peer *peer);
void peer_resume(const struct peer *peer);

/** Wait for its end; it must be a success. */
void peer_join(struct peer *peer);

/** Wait for its end; what waitpid() says. A hang fails the test. */
int peer_join_status(struct peer *peer);

/** Give up a peer whose process somebody else collected. */
void peer_forget(struct peer *peer);

/** 1 when the main thread of a process sleeps in the kernel. */
int process_asleep(pid_t pid);

/** The letter of proc(5) for the state of a process; 0 when there is none. */
char process_state(pid_t pid);

/** Make a page that is shared with all processes forked from here on; unshare it. */
struct stage *stage_new(void);
void stage_free(struct stage *stage);

#endif
