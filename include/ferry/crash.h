/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/crash.h
 * A report of why the process dies: for SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT and SIGSYS.
 *
 * The report tells the signal, its cause in words and the address, the thread, the registers and a
 * backtrace with names where they are known. It is written with async-signal-safe means only, on a
 * stack of its own: a broken heap, a held lock or an overflowed stack do not matter. Then whatever
 * was there before goes on: a handler that somebody else had set is called, else the default action
 * happens, so that exit status and core dump are what they would have been, and the core shows the
 * instruction that failed. A SIGBUS in one of ferry's own mappings is dealt with as ever and not
 * reported.
 */
#ifndef FERRY_CRASH_H
#define FERRY_CRASH_H

#include <ferry/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Report crashes of this process to a descriptor. Again: to that one instead.
 *
 * @param fd   Stays the caller's and open; 2 for the standard error.
 * @param why  NULL, or where a sentence about a failure goes.
 *
 * @retval 0
 * @retval -EBADF   Not open, or not for writing.
 * @retval -ENOMEM
 *
 * Threads: every thread's crash is reported. For a stack overflow the thread needs a stack for the
 * report: the calling thread gets one here, those that ferry makes have one, each other thread by
 * ferry_crash_thread(); without, an overflow ends the process unreported. fork: the child reports
 * too. exec: ends it. Since: 0.1
 */
FERRY_API int ferry_crash_report(int fd, struct ferry_why *why);

/**
 * As ferry_crash_report(), appending to a file that is opened (made with mode 0600) at the moment
 * of the crash, so that there is none as long as nothing happens. A relative path means the
 * directory that is current now. "%p" in it becomes the pid. If the file cannot be opened then, the
 * report goes to the standard error.
 *
 * @retval 0
 * @retval -ENAMETOOLONG, -EINVAL (empty)
 * @retval -ENOENT, -ENOTDIR, -EACCES, -EROFS  The directory is not there or may not be written.
 */
FERRY_API int ferry_crash_report_file(const char *path, struct ferry_why *why);

/** Give the calling thread a stack for the report (64 KiB, given back when the thread ends), unless
 *  it has one. 0, or -ENOMEM. Since: 0.1 */
FERRY_API int ferry_crash_thread(void);

/** End reporting and put the former actions back, where nobody else has set one since. 0, or
 *  -ENOENT: nothing to end. */
FERRY_API int ferry_crash_report_stop(void);

#ifdef __cplusplus
}
#endif
#endif
