/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/base.h
 * What every part of ferry shares: deadlines, results, and the words of the other headers.
 *
 * Holds for every function of the library unless its own comment says otherwise:
 *  - sizes are bytes; times are nanoseconds;
 *  - a result >= 0 is success; a negative one is -errno or -FERRY_E* (ferry/error.h). Nothing is
 *    kept in errno or anywhere else;
 *  - outputs (ret_...) are written on success only;
 *  - threads: MT-Safe, one handle may be used by many threads at once (not while it is closed);
 *  - signals: AS-Unsafe, not to be called from a signal handler;
 *  - EINTR: never returned, unless the handle was opened with FERRY_INTERRUPTIBLE;
 *  - cancellation: no function is a cancellation point.
 */
#ifndef FERRY_BASE_H
#define FERRY_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FERRY_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/**
 * When a call stops waiting: an absolute time in nanoseconds on CLOCK_MONOTONIC, or one of the two
 * constants below. A time that has passed already still makes one attempt; the call then returns
 * -ETIMEDOUT where FERRY_NOW would return -EAGAIN.
 */
typedef int64_t ferry_deadline;

#define FERRY_NOW     ((ferry_deadline)0)         /**< do not wait: -EAGAIN instead */
#define FERRY_FOREVER ((ferry_deadline)INT64_MAX) /**< wait without limit */

/** The deadline that lies ms milliseconds from now. Negative: now has passed; huge: saturates
 *  below FERRY_FOREVER. MT-Safe, AS-Safe. */
FERRY_API ferry_deadline ferry_in_ms(int64_t ms);

/** The deadline that lies ns nanoseconds from now; otherwise as ferry_in_ms(). */
FERRY_API ferry_deadline ferry_in_ns(int64_t ns);

/** The version of the library that is running, "MAJOR.MINOR.PATCH". MT-Safe, AS-Safe. */
FERRY_API const char *ferry_version(void);

/** Flags of the open functions. Unknown bits are -EINVAL. */
enum {
	FERRY_EXCLUSIVE = 1 << 0,    /**< must not exist yet: -EEXIST */
	FERRY_EXISTING = 1 << 1,     /**< must exist already: -ENOENT */
	FERRY_SEND_ONLY = 1 << 2,    /**< receiving through this handle is -EBADF */
	FERRY_RECEIVE_ONLY = 1 << 3, /**< sending through this handle is -EBADF */
	FERRY_OBSERVE = 1 << 4, /**< look only: mapped read-only, not a member; send and receive
				     are -EBADF. Implies FERRY_EXISTING. */
	FERRY_INTERRUPTIBLE = 1 << 5, /**< a signal handler that runs while the thread sleeps ends
					   the wait with -EINTR. Best effort: one that runs between
					 two naps does not; use a deadline as well */
	FERRY_DROP_OLDEST = 1 << 6,   /**< at creation: a send into a full mailbox drops the oldest
					   message of that priority instead of waiting */
	FERRY_READ = 1 << 10,         /**< the reading end of a pipe */
	FERRY_WRITE = 1 << 11,        /**< the writing end of a pipe */
	FERRY_SIGPIPE = 1 << 12,      /**< a write that is -EPIPE raises SIGPIPE as well */
	FERRY_READ_ONLY = FERRY_OBSERVE, /**< the same, as one says it of a segment */
	FERRY_HUGE_PAGES = 1 << 7,       /**< segments: the memory is to be in huge pages */
	FERRY_PREFAULT = 1 << 8, /**< segments: touch all memory at once, in this process, so that
				      no later access has to wait for a page */
	FERRY_LOCK_MEMORY = 1 << 9, /**< segments: as FERRY_PREFAULT, and keep it from being swapped
					 out while this handle is open (mlock(2)) */
	FERRY_ONE_TO_ONE =
	    1 << 13, /**< at creation: at most one sender and one receiver at a
			  time, which then need fewer steps; a second one gets -EBUSY */
};

/** Why a cold call (open, remove, list) failed: the code again and a sentence with the names and
 *  numbers in it, such as both layout versions. Give its address in the options, or NULL. */
struct ferry_why {
	int error;      /**< the negative result that was returned; 0 if none */
	char text[256]; /**< one line, no newline, always terminated */
};

#ifdef __cplusplus
}
#endif
#endif
