/* SPDX-License-Identifier: MIT */
/* membarrier(2) refused, as a container's filter may. */
#ifndef FERRY_TEST_BARRIERS_H
#define FERRY_TEST_BARRIERS_H

/** From here on it is not permitted in this process and its children. */
void refuse_membarrier(void);

int may_membarrier(void);

#endif
