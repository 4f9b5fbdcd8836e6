/* SPDX-License-Identifier: MIT */
/** @file ferry/ferry.h  All of ferry. */
#ifndef FERRY_FERRY_H
#define FERRY_FERRY_H

#include <ferry/barrier.h>
#include <ferry/base.h>
#include <ferry/condition.h>
#include <ferry/crash.h>
#include <ferry/error.h>
#include <ferry/lock.h>
#include <ferry/loop.h>
#include <ferry/mailbox.h>
#include <ferry/object.h>
#include <ferry/once.h>
#include <ferry/pipe.h>
#include <ferry/process.h>
#include <ferry/rwlock.h>
#include <ferry/segment.h>
#include <ferry/semaphore.h>
#include <ferry/signal.h>
#include <ferry/socket.h>
#include <ferry/sync.h>
#include <ferry/wait.h>

#endif
