/* SPDX-License-Identifier: MIT */
/* fuzz.h - a fuzz target: one input, which must not end the process. The long form links libFuzzer
 * (scripts/fuzz), the short one driver.c. */
#ifndef FERRY_FUZZ_H
#define FERRY_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#endif
