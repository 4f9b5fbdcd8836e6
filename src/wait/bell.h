/* SPDX-License-Identifier: MIT */
/*
 * bell.h - sleeping until another process rings.
 *
 * One word: bit 0 = somebody may be asleep, the rest counts. Protocol: docs/formats/mailbox.md,
 * "Waiting"; model: models/bell.pml. A ringer that finds bit 0 clear makes no system call.
 *
 * A bell that can be watched has a second word behind the first, the mark: 1 = somebody sleeps who
 * watches the file (os/touch.h) that the bell lies in. Who rings then reads a byte of that file, so
 * it gives a descriptor of it; -1: this bell is one word, and cannot be watched. Protocol:
 * docs/formats/wait.md; model: models/wait.pml.
 *
 * A third word is for those who sleep soundly, that is without naps (nap.h): bit 0 = somebody may,
 * the rest counts. Whoever is about to publish rouses them first, while it can still be seen that
 * something is under way. Protocol: docs/formats/wait.md, "Sound sleep"; model: models/sound.pml.
 */
#ifndef FY_BELL_H
#define FY_BELL_H

#include <limits.h>

#include "../base/format.h"

#define FY_BELL_ONE 1
#define FY_BELL_ALL INT_MAX

#define FY_BELL_UNWATCHED (-1) /* instead of a descriptor */

struct fy_bell_shm {
	alignas(FY_LINE) _Atomic uint32_t word;
	_Atomic uint32_t mark;
	_Atomic uint32_t sound;
};

FY_AT(fy_bell_shm, word, 0, 4);
FY_AT(fy_bell_shm, mark, 4, 4);
FY_AT(fy_bell_shm, sound, 8, 4);
static_assert(sizeof(struct fy_bell_shm) == FY_LINE, "a bell is one line");

/* A bell may also be a word among others: the functions below that say "word". */

/* Ring although bit 0 was seen: clear it, count on, wake at most n, and all who watch. */
__attribute__((cold, noinline)) void fy_bell_word_ring_slow(_Atomic uint32_t *word, int n, int fd);

static inline void fy_bell_ring_slow(struct fy_bell_shm *bell, int n, int fd)
{
	fy_bell_word_ring_slow(&bell->word, n, fd);
}

/* Wake sleepers, if there are any. The news must have been published before by a sequentially
 * consistent read-modify-write. */
static inline void fy_bell_word_ring(_Atomic uint32_t *word, int n, int fd)
{
	/* SYNC(bell.word) acquire: pairs with the release side in fy_bell_word_prepare().
	 * Sequentially consistent: we publish news and then look for sleepers; a sleeper sets bit 0
	 * and then looks for news; one of the two must see the other. */
	if (__builtin_expect(atomic_load_explicit(word, memory_order_seq_cst) & 1, 0))
		fy_bell_word_ring_slow(word, n, fd);
}

static inline void fy_bell_ring(struct fy_bell_shm *bell, int n, int fd)
{
	fy_bell_word_ring(&bell->word, n, fd);
}

/*
 * The same after news that a plain store published. It may still be on its way when we look for
 * sleepers: so either we fence here, or every sleeper makes a barrier in all processes
 * (os/barrier.h) after its fy_bell_prepare() and before it looks for news.
 */
static inline void fy_bell_ring_after_store(struct fy_bell_shm *bell, int n, int fd, int fence)
{
	if (__builtin_expect(fence, 0)) {
		/* SYNC(bell.word) acq_rel: news first, then the look at the bell; pairs with
		 * fy_bell_prepare(). */
		atomic_thread_fence(memory_order_seq_cst);
	} else {
		/* SYNC(bell.word) acq_rel: in that order for the compiler; the sleeper's barrier
		 * makes it so for the processor. */
		atomic_signal_fence(memory_order_seq_cst);
	}
	/* SYNC(bell.word) acquire: pairs with the release side in fy_bell_prepare(). */
	if (__builtin_expect(atomic_load_explicit(&bell->word, memory_order_acquire) & 1, 0))
		fy_bell_ring_slow(bell, n, fd);
}

/* Announce a sleeper; the result goes to fy_bell_sleep(). Look for news between the two. */
uint32_t fy_bell_word_prepare(_Atomic uint32_t *word);

static inline uint32_t fy_bell_prepare(struct fy_bell_shm *bell)
{
	return fy_bell_word_prepare(&bell->word);
}

/* The same for one that will sleep at a descriptor which watches the file. */
uint32_t fy_bell_word_prepare_watched(_Atomic uint32_t *word);

/* Say that somebody prepared may sleep without naps from now on. Then look whether anything is
 * under way, and then for news; nap if there is either. */
void fy_bell_sleep_soundly(struct fy_bell_shm *bell);

/* Wake all who sleep at the bell, and all who watch its file, if somebody may sleep soundly. */
__attribute__((cold, noinline)) void fy_bell_rouse_slow(struct fy_bell_shm *bell, int fd);

/* Something is under way, as everybody can see by now: those who sleep soundly shall nap. That must
 * have been said by a sequentially consistent store; or by a plain one, with a fence behind it or a
 * barrier in all processes that each sleeper makes after its fy_bell_sleep_soundly(). */
static inline void fy_bell_rouse(struct fy_bell_shm *bell, int fd)
{
	/* SYNC(bell.sound) acquire: pairs with fy_bell_sleep_soundly(). Sequentially consistent: a
	 * sleeper sets bit 0 and then looks what is under way; one of the two must see the other.
	 */
	if (__builtin_expect(atomic_load_explicit(&bell->sound, memory_order_seq_cst) & 1, 0))
		fy_bell_rouse_slow(bell, fd);
}

/* Sleep until rung (after the fy_bell_prepare() that gave seen) or until the absolute time. 0,
 * -ETIMEDOUT, -EINTR. May return 0 for nothing. */
int fy_bell_word_sleep(_Atomic uint32_t *word, uint32_t seen, int64_t until);

static inline int fy_bell_sleep(struct fy_bell_shm *bell, uint32_t seen, int64_t until)
{
	return fy_bell_word_sleep(&bell->word, seen, until);
}

#endif
