/* SPDX-License-Identifier: MIT */
/* A claim is one test. Each runs in a process of its own, in a private ferry directory, against a
 * time limit; it fails if it leaves a descriptor, a mapping, a process or a file behind. */
#ifndef FERRY_TEST_CLAIM_H
#define FERRY_TEST_CLAIM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#define CLAIM_FAILED  1
#define CLAIM_SKIPPED 77

/** One test: what runs, under the name of the function. */
struct claim {
	void (*body)(void);
};

/** An entry of the array for claim_run_all(). */
#define claim(function)                                                                            \
	{                                                                                          \
#function, claim_run, NULL, NULL, &(struct claim)                                  \
		{                                                                                  \
			function                                                                   \
		}                                                                                  \
	}

/** Run an array of claims as a test program; for main to return. FERRY_CLAIM in the environment is
 * a pattern (* and ?) of the names to run. */
#define claim_run_all(claims) (claim_begin(), cmocka_run_group_tests(claims, NULL, NULL))

void claim_run(void **state);
void claim_begin(void);

#endif
