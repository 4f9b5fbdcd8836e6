/* SPDX-License-Identifier: MIT */
/* cpu.h - the processor that we run on, for a guess: it may be another one a moment later. */
#ifndef FY_CPU_H
#define FY_CPU_H

#include <sched.h>
#include <stdint.h>
#include <sys/rseq.h>

/* The kernel keeps the number in memory for us (rseq, glibc 2.35); a fraction of a nanosecond. */
static inline uint32_t fy_cpu(void)
{
	if (__builtin_expect(__rseq_size == 0, 0))
		return (uint32_t)sched_getcpu();
	const volatile void *at = (const char *)__builtin_thread_pointer() + __rseq_offset;
	const volatile struct rseq *rseq = at;

	return rseq->cpu_id;
}

#endif
