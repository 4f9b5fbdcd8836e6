/* SPDX-License-Identifier: MIT */
/* cause.h - words for why a fault signal came (sigaction(2), si_code). */
#ifndef FY_SIGNAL_CAUSE_H
#define FY_SIGNAL_CAUSE_H

/* A constant; async-signal-safe. */
const char *fy_cause_words(int signo, int code);

#endif
