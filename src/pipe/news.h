/* SPDX-License-Identifier: MIT */
/*
 * news.h - what writers tell readers that wait awake: how far they have come, and the bytes of the
 * last small write. All of it lies in one line, so a small write costs one transfer of a line.
 *
 * Protocol: docs/formats/pipe.md, "News"; model: models/pipe.pml. The news are a hint: they may be
 * missing, or be older than `turn`, which is the truth. They never tell of what is not there.
 */
#ifndef FY_NEWS_H
#define FY_NEWS_H

#include "../base/copy.h"
#include "pipe.h"

/* A writer that was passed over names a position in its hole, which nobody publishes. */
static_assert(FY_BRIEF < 64, "the smallest hole is longer than a brief");

/* The word that says of which write the brief is: it ends at that position, and has n bytes. */
static inline uint64_t fy_brief_tag(uint64_t end, uint64_t n)
{
	return end << 8 | n;
}

/* By the owner of the turn, before it publishes up to end. bytes: what it writes, n of them if they
 * are to be told; there must have been no holes when the turn was taken. n = 0: nothing is. */
static inline void fy_news_prepare(struct ferry_pipe *pipe, const uint8_t *bytes, uint64_t n,
				   uint64_t end)
{
	struct fy_pipe_shm *shm = pipe->shm;
	uint64_t words[FY_BRIEF / 8] = { 0 };

	/* RELAXED(if it is not 0, it is as old as our turn) */
	if (n == 0 && atomic_load_explicit(&shm->brief_tag, memory_order_relaxed) == 0)
		return;
	/* RELAXED(what follows is in order after it) */
	atomic_store_explicit(&shm->brief_tag, 0, memory_order_relaxed);
	if (n == 0)
		return;
	fy_copy(words, bytes, n);
	for (uint32_t i = 0; i < (n + 7) / 8; i++)
		/* SYNC(pipe.brief) release: who sees the word sees that the tag before is gone. */
		atomic_store_explicit(&shm->brief[i], words[i], memory_order_release);
	/* SYNC(pipe.brief) release: pairs with fy_news_brief(): the bytes are there. */
	atomic_store_explicit(&shm->brief_tag, fy_brief_tag(end, n), memory_order_release);
}

/* Everything before position end is published. */
static inline void fy_news_tell(struct ferry_pipe *pipe, uint64_t end)
{
	/* SYNC(pipe.news) release: pairs with fy_news_position(). */
	atomic_store_explicit(&pipe->shm->news, end, memory_order_release);
}

/* Some writer said: everything before this position is published. */
static inline uint64_t fy_news_position(const struct ferry_pipe *pipe)
{
	/* SYNC(pipe.news) acquire: pairs with fy_news_tell(): the bytes are there, and so are the
	 * holes, the mark that there are some, and the brief. */
	return atomic_load_explicit(&pipe->shm->news, memory_order_acquire);
}

/* The n bytes before position end, which was seen to be published. 1, or 0: they are not told. */
static inline int fy_news_brief(const struct ferry_pipe *pipe, uint64_t end, uint64_t n,
				uint64_t words[FY_BRIEF / 8])
{
	const struct fy_pipe_shm *shm = pipe->shm;
	uint64_t tag = fy_brief_tag(end, n);

	/* SYNC(pipe.brief) acquire: pairs with the release in fy_news_prepare(). */
	if (n > FY_BRIEF || atomic_load_explicit(&shm->brief_tag, memory_order_acquire) != tag)
		return 0;
	for (uint32_t i = 0; i < (n + 7) / 8; i++)
		/* SYNC(pipe.brief) acquire: if it is of a later write, the tag is seen to be gone.
		 */
		words[i] = atomic_load_explicit(&shm->brief[i], memory_order_acquire);
	/* RELAXED(in order after the words) */
	return atomic_load_explicit(&shm->brief_tag, memory_order_relaxed) == tag;
}

#endif
