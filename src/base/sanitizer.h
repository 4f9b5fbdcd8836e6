/* SPDX-License-Identifier: MIT */
/* sanitizer.h - which sanitizer this is built with: each compiler says it in its own way. */
#ifndef FY_SANITIZER_H
#define FY_SANITIZER_H

#ifdef __has_feature
#define FY_HAS_FEATURE(name) __has_feature(name)
#else
#define FY_HAS_FEATURE(name) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || FY_HAS_FEATURE(address_sanitizer)
#define FY_ADDRESS_SANITIZER 1
#endif
#if defined(__SANITIZE_THREAD__) || FY_HAS_FEATURE(thread_sanitizer)
#define FY_THREAD_SANITIZER 1
#endif

#endif
