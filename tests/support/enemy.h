/* SPDX-License-Identifier: MIT */
/* Hostile peers: chance that a seed gives again, bytes of an object that are scribbled over, and
 * the end that a victim must come to (C9). */
#ifndef FERRY_TEST_ENEMY_H
#define FERRY_TEST_ENEMY_H

#include <stddef.h>
#include <stdint.h>

#include <ferry/ferry.h>

#include "peer.h"

/** A generator per process. */
void enemy_seed(uint64_t seed);
uint64_t enemy_any(void);

/** The seeds of an attack, few or many (check_is_long()): from FERRY_SEED of the environment on, to
 *  see a failure again or to try others than the last time; else from 1. */
uint64_t enemy_first_seed(void);
uint64_t enemy_last_seed(int few, int many);

/** FERRY_NOW, or now and then two milliseconds. */
ferry_deadline enemy_deadline(void);

/** A result is success or an error that has a name. */
void enemy_known(int64_t result);

/** The bytes of an object, as an enemy has them. */
struct prey {
	unsigned char *bytes;
	size_t size;
};

struct prey prey_map(const char *path);
/** The same of an open descriptor. */
struct prey prey_map_descriptor(int fd);
void prey_unmap(const struct prey *prey);

/** Change n words between two offsets; or words, or a range of bytes, as chance has it. */
void enemy_change_words(unsigned char *bytes, size_t from, size_t to, int n);
void enemy_scribble(const struct prey *prey, size_t from, size_t to);

/** The victim, which has set an alarm(2), ends well. */
void enemy_victim_ends(struct peer *victim, uint64_t seed);

#endif
