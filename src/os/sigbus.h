/* SPDX-License-Identifier: MIT */
/*
 * sigbus.h - surviving that somebody cuts a mapped file short.
 *
 * Touching a page beyond the end of a file is SIGBUS. For ferry's own mappings the handler puts a
 * page of zeros there and marks the mapping broken; every other SIGBUS goes to whatever was
 * installed before (as systemd's journal does: sigbus-protect).
 */
#ifndef FY_SIGBUS_H
#define FY_SIGBUS_H

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Guard [base, base + bytes); *broken becomes 1 when a page of it was lost. 0, -ENOMEM, or -errno.
 */
int fy_sigbus_guard(void *base, size_t bytes, _Atomic uint32_t *broken);

/* Around fork(), so that the child does not inherit a lock that another thread held. */
void fy_sigbus_before_fork(void);
void fy_sigbus_after_fork(void);

/* sigaction(2) for the action that everybody else's SIGBUS gets: below the guard, if it is there.
 * 0, or -1 with errno. */
int fy_sigbus_action(const struct sigaction *action, struct sigaction *ret_before);

/* Stop guarding what begins at base; before munmap. */
void fy_sigbus_release(void *base);

#endif
