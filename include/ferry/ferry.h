/* SPDX-License-Identifier: MIT */
/** @file ferry/ferry.h  All of ferry. */
#ifndef FERRY_FERRY_H
#define FERRY_FERRY_H

#include <ferry/base.h>
#include <ferry/crash.h>
#include <ferry/error.h>
#include <ferry/mailbox.h>
#include <ferry/object.h>
#include <ferry/pipe.h>
#include <ferry/process.h>
#include <ferry/segment.h>
#include <ferry/signal.h>

#endif
