/* SPDX-License-Identifier: MIT */
/* The tests of waiting run three times: with everything, where io_uring is forbidden (as most
 * containers do), and with the system calls of the oldest kernel that ferry supports. */
#ifndef FERRY_TEST_LIMITS_H
#define FERRY_TEST_LIMITS_H

/** Forbid this process, and those that it forks, what FERRY_TEST_LIMITS in the environment says:
 *  nothing if it is unset; "no-io-uring"; "oldest". */
void limits_apply(void);

#endif
