/* SPDX-License-Identifier: MIT */
/* backtrace.h - the calls that led to a fault, and names for addresses; for the crash report. */
#ifndef FY_SIGNAL_BACKTRACE_H
#define FY_SIGNAL_BACKTRACE_H

#include "text.h"

#define FY_FRAMES 64

/* Once, in ordinary code: what must not happen for the first time in a handler. */
void fy_backtrace_prepare(void);

/* Addresses of the interrupted code, innermost first; the number of them. May fault where the stack
 * is broken: *ret_n counts what is there already. */
void fy_backtrace(const void *context, void *ret_frames[FY_FRAMES], volatile int *ret_n);

/* The same with no more than frame pointers, where there are any; never faults. */
void fy_backtrace_by_frame_pointers(const void *context, void *ret_frames[FY_FRAMES],
				    volatile int *ret_n);

/* Put "function+0x12 (/path/object+0x1234)". May fault in a broken process. */
void fy_backtrace_name(struct fy_text *text, const void *address, int is_return);

/* Put the registers, a few a line. */
void fy_backtrace_registers(struct fy_text *text, const void *context);

/* The interrupted code's program counter and stack pointer; 0 where not known. */
uintptr_t fy_backtrace_pc(const void *context);
uintptr_t fy_backtrace_sp(const void *context);

#endif
