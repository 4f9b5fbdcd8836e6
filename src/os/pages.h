/* SPDX-License-Identifier: MIT */
/* pages.h - what the kernel can do about the pages of a mapping. */
#ifndef FY_PAGES_H
#define FY_PAGES_H

#include <ferry/base.h>
#include <stdint.h>

/* Touch all pages of [at, at + bytes). 0 or -errno. */
int fy_pages_populate(void *at, uint64_t bytes, int writable);

/* Keep them in memory until they are unmapped. 0, -ENOMEM, -EPERM. */
int fy_pages_lock(void *at, uint64_t bytes);

/* Ask for huge pages. -EOPNOTSUPP with a sentence if the file's file system has none to give. */
int fy_pages_huge(void *at, uint64_t bytes, int fd, struct ferry_why *why);

#endif
