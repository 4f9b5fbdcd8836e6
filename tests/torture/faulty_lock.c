/* SPDX-License-Identifier: MIT */
/* faulty_lock.c - locks and the like that break their promises; see faulty.c. */
#include <errno.h>

#include "faulty.h"

static bool is_no(int result)
{
	return result == -EAGAIN || result == -ETIMEDOUT;
}

/* Two have it; or somebody is said to have died. */
int ferry_lock_acquire(ferry_segment *segment, ferry_lock *lock, ferry_deadline deadline)
{
	static int (*real)(ferry_segment *, ferry_lock *, ferry_deadline);

	FAULTY_REAL(real, "ferry_lock_acquire");
	if (is_time_for("barge", 2000)) {
		(void)real(segment, lock, FERRY_NOW);
		return 0;
	}
	int r = real(segment, lock, deadline);
	return r == 0 && is_time_for("alarm", 2000) ? FERRY_OWNER_DIED : r;
}

int ferry_lock_repaired(ferry_segment *segment, ferry_lock *lock)
{
	static int (*real)(ferry_segment *, ferry_lock *);

	FAULTY_REAL(real, "ferry_lock_repaired");
	int r = real(segment, lock);
	return r == -EINVAL ? 0 : r;
}

/* A reader comes in to the writer. */
int ferry_rwlock_read(ferry_segment *segment, ferry_rwlock *lock, ferry_deadline deadline)
{
	static int (*real)(ferry_segment *, ferry_rwlock *, ferry_deadline);

	FAULTY_REAL(real, "ferry_rwlock_read");
	int r = real(segment, lock, deadline);
	return is_no(r) && is_time_for("peep", 1) ? 0 : r;
}

/* A unit goes astray. */
int ferry_semaphore_post(ferry_segment *segment, ferry_semaphore *semaphore, uint32_t n)
{
	static int (*real)(ferry_segment *, ferry_semaphore *, uint32_t);

	FAULTY_REAL(real, "ferry_semaphore_post");
	return is_time_for("forget", 20) ? 0 : real(segment, semaphore, n);
}

/* Nobody is woken. */
int ferry_condition_signal(ferry_segment *segment, ferry_condition *condition)
{
	static int (*real)(ferry_segment *, ferry_condition *);

	FAULTY_REAL(real, "ferry_condition_signal");
	return is_time_for("deaf", 1) ? 0 : real(segment, condition);
}

int ferry_condition_broadcast(ferry_segment *segment, ferry_condition *condition)
{
	static int (*real)(ferry_segment *, ferry_condition *);

	FAULTY_REAL(real, "ferry_condition_broadcast");
	return is_time_for("deaf", 1) ? 0 : real(segment, condition);
}
