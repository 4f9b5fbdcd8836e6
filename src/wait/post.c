/* SPDX-License-Identifier: MIT */
/*
 * post.c - see post.h.
 *
 * The idle ones lie in a few places, taken and filled by single exchanges: so there is no mutex
 * that a forked child could inherit locked.
 */
#include "post.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "../os/fork.h"
#include "../os/touch.h"

#define IDLE_MAX  4
#define POSTS_MAX 256 /* watches of one; when there are more, it is made anew */

struct fy_posted {
	const void *tag;
	int number;
};

static struct fy_post *_Atomic idle[IDLE_MAX];

static void end(struct fy_post *post)
{
	if (!post)
		return;
	(void)close(post->fd);
	free(post->posted);
	free(post);
}

static struct fy_post *take_from(int place)
{
	/* SYNC(post.idle) acquire: pairs with the release in put_into(). */
	return atomic_exchange_explicit(&idle[place], NULL, memory_order_acquire);
}

static int put_into(int place, struct fy_post *post)
{
	struct fy_post *none = NULL;

	/* SYNC(post.idle) release: pairs with the acquire in take_from(). */
	return atomic_compare_exchange_strong_explicit(&idle[place], &none, post,
						       memory_order_release, memory_order_relaxed);
}

static struct fy_post *make(void)
{
	struct fy_post *post = calloc(1, sizeof(*post));

	if (!post)
		return NULL;
	post->generation = fy_fork_generation();
	post->fd = fy_touch_open();
	if (post->fd >= 0)
		return post;
	free(post);
	return NULL;
}

struct fy_post *fy_post_take(void)
{
	for (int i = 0; i < IDLE_MAX; i++) {
		struct fy_post *post = take_from(i);
		/* A parent's is shared with it: what we read there it would not hear of. */
		if (post && post->generation == fy_fork_generation() && post->n < POSTS_MAX)
			return post;
		end(post);
	}
	return make();
}

void fy_post_give_back(struct fy_post *post)
{
	for (int i = 0; post && i < IDLE_MAX; i++)
		if (put_into(i, post))
			return;
	end(post);
}

static int more_room(struct fy_post *post)
{
	unsigned room = post->room > 0 ? 2 * post->room : 8;
	struct fy_posted *posted = realloc(post->posted, room * sizeof(*posted));

	if (!posted)
		return -ENOMEM;
	post->posted = posted;
	post->room = room;
	return 0;
}

int fy_post_watch(struct fy_post *post, const void *tag, int fd)
{
	for (unsigned i = 0; i < post->n; i++)
		if (post->posted[i].tag == tag)
			return 0;
	int r = post->n == post->room ? more_room(post) : 0;
	int number = r == 0 ? fy_touch_watch(post->fd, fd) : r;
	if (number < 0)
		return number;
	post->posted[post->n++] = (struct fy_posted){ .tag = tag, .number = number };
	return 0;
}

void fy_post_clear(struct fy_post *post)
{
	int numbers[64];

	/* Once is enough: what is left makes it readable again. */
	(void)fy_touch_read(post->fd, numbers, 64);
}

/* Two handles on one file have one watch between them. */
static int is_alone(const struct fy_post *post, unsigned i)
{
	for (unsigned j = 0; j < post->n; j++)
		if (j != i && post->posted[j].number == post->posted[i].number)
			return 0;
	return 1;
}

static void forget(struct fy_post *post, const void *tag)
{
	for (unsigned i = 0; i < post->n; i++) {
		if (post->posted[i].tag != tag)
			continue;
		if (is_alone(post, i))
			fy_touch_unwatch(post->fd, post->posted[i].number);
		post->posted[i] = post->posted[--post->n];
		return;
	}
}

void fy_post_forget(const void *tag, int last)
{
	for (int i = 0; i < IDLE_MAX; i++) {
		struct fy_post *post = take_from(i);
		if (!post)
			continue;
		if (post->generation == fy_fork_generation())
			forget(post, tag);
		if (last || !put_into(i, post))
			end(post);
	}
}
