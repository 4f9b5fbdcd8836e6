/* SPDX-License-Identifier: MIT */
/* A crew of threads that start together, and a journal of what they sent and received in which
 * time, from which loss, doubles and wrong order are found. */
#ifndef FERRY_TEST_CREW_H
#define FERRY_TEST_CREW_H

#include <stdint.h>

#include <ferry/ferry.h>

enum { CREW_MOST = 16 };

/** What one thread is given: its number, and what all share. */
struct crew_member {
	int number;
	void *shared;
};

/** Run n threads; they begin at the same time. Returns when all have ended. */
void crew_run(int n, void (*body)(const struct crew_member *member), void *shared);

/** Threads that run two kinds of work: the first n_first do the first. Numbers count from 0 in
 * each. */
void crew_run_two(int n_first, void (*first)(const struct crew_member *member), int n_second,
		  void (*second)(const struct crew_member *member), void *shared);

/** The life of one message, in ticks of the journal's clock; 0 = it did not happen. */
struct journal_entry {
	_Atomic uint64_t send_begin;
	_Atomic uint64_t send_end;
	_Atomic uint64_t receive_begin;
	_Atomic uint64_t receive_end;
	_Atomic uint32_t received;
	uint32_t priority;
};

void journal_begin(uint64_t n_messages);
void journal_free(void);
struct journal_entry *journal_entry(uint64_t number);
uint64_t journal_tick(void);

/** A message arrived, in a call that began at this tick; fails if it was never sent. */
void journal_received(uint64_t number, uint64_t receive_begin);

/** Every message that was sent came, and came once. */
void journal_check_all_came_once(void);

/** None overtook another of its priority: where a send had returned before another began, its
 *  message was not received after the other's receive had ended. */
void journal_check_order(void);

#endif
