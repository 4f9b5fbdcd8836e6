/* SPDX-License-Identifier: MIT */
/*
 * wait.h - waiting inside a mailbox: try, spin a little, then sleep in naps.
 *
 * Use: while ((r = try()) == -EAGAIN && (r = fy_wait_again(box, &wait)) == 0) ; fy_wait_over().
 */
#ifndef FY_WAIT_H
#define FY_WAIT_H

#include "mailbox.h"

enum fy_wait_phase { FY_WAIT_NEW, FY_WAIT_SPINNING, FY_WAIT_PREPARED };

struct fy_wait {
	ferry_deadline deadline;
	struct fy_bell_shm *bell;
	struct fy_spin *spin;
	_Atomic uint32_t *count; /* our member's count of sleepers of this sort */
	enum fy_wait_phase phase;
	uint32_t spins;
	uint32_t seen;     /* bell's word, when prepared */
	uint32_t sleepers; /* about how many sleep as we do ... */
	uint32_t turn;     /* ... and how many of them before us */
	int counted;
	int slept;
	int cared;
	int64_t spin_until;
};

void fy_wait_for_message(struct ferry_mailbox *box, struct fy_wait *wait, ferry_deadline deadline);
void fy_wait_for_room(struct ferry_mailbox *box, struct fy_wait *wait, uint32_t level,
		      ferry_deadline deadline);
void fy_wait_for_memory(struct ferry_mailbox *box, struct fy_wait *wait, ferry_deadline deadline);

/* The attempt failed. 0: wait is over for now, try again; else why there is no point: -EAGAIN,
 * -ETIMEDOUT, -EINTR, -EIDRM, -FERRY_ECORRUPT. */
int fy_wait_again(struct ferry_mailbox *box, struct fy_wait *wait);

/* Whatever happened, the waiting is over. more: we were woken, succeeded, and left work for one
 * more sleeper. */
void fy_wait_over(struct ferry_mailbox *box, struct fy_wait *wait, int succeeded, int more);

#endif
