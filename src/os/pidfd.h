/* SPDX-License-Identifier: MIT */
/* pidfd.h - descriptors of processes (pidfd_open(2)). Nothing here is a cancellation point, and
 * errno stays as it was. */
#ifndef FY_PIDFD_H
#define FY_PIDFD_H

#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>

/* The descriptor, close-on-exec; or -errno. */
int fy_pidfd_open(pid_t pid);

/* Send a signal; info NULL: as kill(2). 0 or -errno. AS-Safe. */
int fy_pidfd_send(int fd, int signo, siginfo_t *info);

/* 1 if the process has ended (a zombie too), 0 if it lives. */
int fy_pidfd_ended(int fd);

/* Wait until it has ended or until the absolute time: FERRY_NOW, FERRY_FOREVER as ever. 0; -EAGAIN
 * (NOW), -ETIMEDOUT. */
int fy_pidfd_wait(int fd, int64_t deadline);

/* The wait status (wait(2)) of a process that has been reaped: Linux 6.15 and later. 0; -ENODATA:
 * not known. */
int fy_pidfd_status(int fd, int *ret_status);

/* waitid(2) with the resources used. which, id, flags as there. 1: info and usage are filled; 0:
 * nothing (WNOHANG); or -errno. */
int fy_waitid(idtype_t which, id_t id, int flags, siginfo_t *ret_info, struct rusage *ret_usage);

#endif
