/* SPDX-License-Identifier: MIT */
/*
 * wait.c - ferry_wait().
 *
 * Look at every item; prepare every bell; look again; sleep. It sleeps on the bells themselves
 * where no item has a descriptor, else in poll(2), with a post (wait/post.h) for the bells.
 * Protocol: docs/formats/wait.md; model: models/wait.pml.
 */
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../os/cancel.h"
#include "../os/futex.h"
#include "../os/poll.h"
#include "../os/signal.h"
#include "../wait/hail.h"
#include "../wait/nap.h"
#include "../wait/post.h"
#include "item.h"

#define WORDS_MAX 64      /* bells; with more, poll(2) is cheaper */
#define BLIND_NAP (FY_MS) /* nobody can wake us: all descriptors are taken */
#define OWN_FDS   3       /* of poll(2): signals hailed, signals blocked, the post */
#define SMALL     16      /* items, for which no memory is asked for */

struct spot {
	struct fy_item_place place;
	uint32_t seen[FY_ITEM_BELLS]; /* the bells' words, when prepared */
	int rung;                     /* one bit a bell: it was rung since */
};

enum how { NOT_YET, ON_WORDS, AT_DESCRIPTORS };

struct wait {
	struct ferry_item *items;
	struct spot *spots;
	struct pollfd *fds; /* our own, then one for each item */
	int n;
	int n_bells;
	int n_objects;            /* items that are in one ... */
	int n_sound;              /* ... and of those the ones that allow sleep without naps */
	int n_fds;                /* items with a descriptor */
	uint64_t signals;         /* that items wait for ... */
	uint64_t blocked_signals; /* ... and of those the ones to be told of if they are blocked */
	enum how how;
	int blind; /* there is something that cannot wake us */
	int rung;  /* something woke us just now */
	struct fy_hail *hail;
	struct fy_post *post;
	uint32_t hailed;
	int blocked; /* signalfd(2) for those that are blocked, or -1 */
};

/* ---- looking ---- */

static int look(struct wait *w, int last)
{
	int found = 0;

	for (int i = 0; i < w->n; i++)
		found += fy_item_look(&w->items[i], last);
	return found;
}

/* What poll(2) said, besides what a look has found. How many items had nothing before. */
static int look_at_polled(struct wait *w)
{
	int found = 0;

	for (int i = 0; i < w->n; i++) {
		struct ferry_item *item = &w->items[i];
		const uint32_t before = item->happened;
		if (w->spots[i].place.fd < 0 || before & FERRY_FAILED)
			continue;
		found += fy_item_polled(item, w->fds[OWN_FDS + i].revents) && !before;
		item->happened |= before;
	}
	return found;
}

/* After the look has found so many: the descriptors, too. */
static int add_descriptors(struct wait *w, int found)
{
	if (w->n_fds > 0 && fy_poll(w->fds, (unsigned)(OWN_FDS + w->n), FERRY_NOW, 1) > 0)
		found += look_at_polled(w);
	return found;
}

/* And after descriptors were found: the rest. */
static int add_others(struct wait *w, int found)
{
	for (int i = 0; i < w->n; i++)
		if (w->spots[i].place.fd < 0)
			found += fy_item_look(&w->items[i], 1);
	return found;
}

/* ---- beginning and ending ---- */

static void begin_signals(struct wait *w)
{
	if (w->signals == 0)
		return;
	uint64_t blocked = w->blocked_signals & fy_mask_now() & FY_EVERY_SIGNAL;
	if (blocked != 0) {
		sigset_t set;
		(void)sigemptyset(&set);
		for (uint64_t left = blocked; left != 0; left &= left - 1)
			(void)sigaddset(&set, fy_signal_lowest(left));
		w->blocked = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
		w->blind |= w->blocked < 0;
		w->how = AT_DESCRIPTORS;
	}
	w->hail = fy_hail_begin(w->signals, w->how == AT_DESCRIPTORS);
	w->blind |= !w->hail;
}

static void begin_post(struct wait *w)
{
	w->post = fy_post_take();
	w->blind |= !w->post;
	for (int i = 0; w->post && i < w->n; i++) {
		struct fy_object *object = w->spots[i].place.object;
		if (object && fy_post_watch(w->post, object, object->fd) < 0)
			w->blind = 1;
	}
}

/* Descriptors may not be had: then there is poll(2) with short naps. */
static void begin_at_descriptors(struct wait *w)
{
	if (w->n_bells > 0)
		begin_post(w);
	w->fds[0].fd = w->hail ? fy_hail_fd(w->hail) : -1;
	w->fds[1].fd = w->blocked;
	w->fds[2].fd = w->post ? w->post->fd : -1;
	for (int i = 0; i < OWN_FDS; i++)
		w->fds[i].events = POLLIN;
}

static void begin_to_sleep(struct wait *w)
{
	int words = w->n_fds == 0 && w->n_bells < WORDS_MAX;

	w->how = words ? ON_WORDS : AT_DESCRIPTORS;
	begin_signals(w);
	if (w->how == AT_DESCRIPTORS)
		begin_at_descriptors(w);
}

static void pass_on(struct wait *w)
{
	for (int i = 0; i < w->n; i++) {
		struct spot *spot = &w->spots[i];
		for (int b = 0; b < spot->place.n_bells && !spot->place.rings_all; b++) {
			_Atomic uint32_t *bell = spot->place.bells[b];
			/* RELAXED(we prepared it, and look whether it was rung) */
			uint32_t now = atomic_load_explicit(bell, memory_order_relaxed);
			/* A ring that woke us may have been meant for somebody who takes what came.
			 */
			if (spot->rung & 1 << b || now != spot->seen[b])
				fy_bell_word_ring(bell, FY_BELL_ONE, spot->place.object->fd);
		}
	}
}

static void end_sleeping(struct wait *w)
{
	if (w->how == ON_WORDS)
		pass_on(w);
	fy_hail_end(w->hail);
	fy_post_give_back(w->post);
	if (w->blocked >= 0)
		(void)close(w->blocked);
}

/* ---- sleeping ---- */

static int needs_preparing(const struct wait *w, const struct spot *spot, int b)
{
	_Atomic uint32_t *bell = spot->place.bells[b];

	/* RELAXED(we wrote them; whoever changed them has woken us, or will) */
	return atomic_load_explicit(bell, memory_order_relaxed) != spot->seen[b] ||
	       /* RELAXED(as above) */
	       (w->how == AT_DESCRIPTORS &&
		atomic_load_explicit(bell + 1, memory_order_relaxed) == 0);
}

/* Say that we may sleep, wherever it has not been said since the last ring. */
static void prepare(struct wait *w, int first)
{
	for (int i = 0; i < w->n; i++) {
		struct spot *spot = &w->spots[i];
		int anew = 0;
		for (int b = 0; b < spot->place.n_bells; b++) {
			if (!first && !needs_preparing(w, spot, b))
				continue;
			spot->rung |= !first << b;
			spot->seen[b] = w->how == ON_WORDS
					    ? fy_bell_word_prepare(spot->place.bells[b])
					    : fy_bell_word_prepare_watched(spot->place.bells[b]);
			anew = 1;
		}
		if (anew)
			fy_item_prepared(&w->items[i]);
	}
}

static int sleep_on_words(struct wait *w, int64_t until)
{
	_Atomic uint32_t *words[WORDS_MAX + 1];
	uint32_t seen[WORDS_MAX + 1];
	static _Atomic uint32_t never;
	unsigned n = 0;

	for (int i = 0; i < w->n; i++)
		for (int b = 0; b < w->spots[i].place.n_bells; b++) {
			words[n] = w->spots[i].place.bells[b];
			seen[n++] = w->spots[i].seen[b];
		}
	words[n] = w->hail ? &w->hail->word : &never;
	seen[n++] = w->hail ? w->hailed : 0;
	/* With one word the older call does. */
	return n == 1 || (n == 2 && !w->hail) ? fy_futex_wait(words[0], seen[0], until)
					      : fy_futex_wait_many(words, seen, n, until);
}

static void clear(struct wait *w)
{
	if (w->hail && w->fds[0].revents)
		fy_hail_clear(w->hail);
	if (w->post && w->fds[2].revents)
		fy_post_clear(w->post);
}

/* Forbidden, or Linux older than 5.16: from now on at descriptors. */
static void go_to_descriptors(struct wait *w)
{
	end_sleeping(w);
	w->hail = NULL;
	w->blocked = -1;
	w->how = AT_DESCRIPTORS;
	begin_signals(w);
	begin_at_descriptors(w);
	prepare(w, 1);
}

/* So many descriptors are ready; 0: something else may be; -ETIMEDOUT. */
static int sleep_once(struct wait *w, int64_t until)
{
	int r;

	if (w->how == ON_WORDS) {
		r = sleep_on_words(w, until);
		if (r < 0 && r != -EAGAIN && r != -EINTR && r != -ETIMEDOUT)
			go_to_descriptors(w);
		return r == -ETIMEDOUT ? r : 0;
	}
	r = fy_poll(w->fds, (unsigned)(OWN_FDS + w->n), until, 1);
	if (r <= 0)
		return r == -ETIMEDOUT ? r : 0;
	clear(w);
	return look_at_polled(w);
}

static void care(struct wait *w)
{
	for (int i = 0; i < w->n; i++)
		fy_item_care(&w->items[i]);
}

/* How long all of them let us sleep without naps, if the look that follows finds nothing; 0: not at
 * all. */
static int64_t sound_sleep(const struct wait *w)
{
	int64_t least = FERRY_FOREVER;

	if (w->n_sound < w->n_objects || w->blind)
		return 0;
	for (int i = 0; i < w->n && least > 0; i++) {
		int64_t may =
		    w->spots[i].place.object ? fy_item_sound(&w->items[i], w->rung) : FERRY_FOREVER;
		least = may < least ? may : least;
	}
	return least;
}

/* Where only bells can be lost, and nobody is blind, there is no need for naps. */
static int64_t nap_end(const struct wait *w, int64_t now, int64_t sound)
{
	if (w->blind)
		return now + BLIND_NAP;
	if (w->n_objects == 0)
		return FERRY_FOREVER;
	return sound > 0 ? now + sound : fy_nap_end(now, 0, 1);
}

static int wait_until(struct wait *w, ferry_deadline deadline)
{
	int64_t until = 0;

	for (int first = 1;; first = 0) {
		prepare(w, first);
		w->hailed = w->hail ? fy_hail_word(w->hail) : 0;
		int64_t may = until < deadline ? sound_sleep(w) : 0;
		int found = look(w, 1);
		int64_t now = fy_now();
		if (found > 0 || now >= deadline) {
			found = add_descriptors(w, found);
			return found > 0 ? found : -ETIMEDOUT;
		}
		int64_t nap = nap_end(w, now, may);
		until = nap < deadline ? nap : deadline;
		found = sleep_once(w, until);
		if (found > 0)
			return add_others(w, found);
		w->rung = found == 0;
		if (found < 0)
			care(w);
	}
}

static int run(struct wait *w, ferry_deadline deadline)
{
	int found = look(w, deadline == FERRY_NOW);

	if (found > 0 || deadline == FERRY_NOW) {
		found = add_descriptors(w, found);
		return found > 0 ? found : -EAGAIN;
	}
	begin_to_sleep(w);
	int r = wait_until(w, deadline);
	end_sleeping(w);
	return r;
}

/* ---- the call ---- */

static int check(struct wait *w)
{
	for (int i = 0; i < w->n; i++) {
		int r = fy_item_check(&w->items[i]);
		if (r < 0)
			return r;
		struct fy_item_place *place = &w->spots[i].place;
		fy_item_place(&w->items[i], place);
		w->spots[i].rung = 0;
		w->items[i].happened = 0;
		w->items[i].error = 0;
		w->n_bells += place->n_bells;
		w->n_objects += place->object != NULL;
		w->n_sound += place->sound;
		w->n_fds += place->fd >= 0;
		if (w->items[i].events & FERRY_CAN_READ) {
			w->signals |= place->signals;
			w->blocked_signals |= place->blocked;
		}
		w->fds[OWN_FDS + i] = (struct pollfd){ .fd = place->fd, .events = place->poll };
	}
	return 0;
}

static int wait_for_all(struct wait *w, ferry_deadline deadline)
{
	for (int i = 0; i < OWN_FDS; i++)
		w->fds[i] = (struct pollfd){ .fd = -1 };
	int r = fy_fork_init();
	if (r == 0)
		r = check(w);
	return r < 0 ? r : run(w, deadline);
}

static int wait_with_memory(struct wait *w, ferry_deadline deadline)
{
	size_t n = (size_t)w->n;

	w->spots = malloc(n * sizeof(*w->spots));
	w->fds = malloc((OWN_FDS + n) * sizeof(*w->fds));
	int r = w->spots && w->fds ? wait_for_all(w, deadline) : -ENOMEM;
	free(w->spots);
	free(w->fds);
	return r;
}

int ferry_wait(struct ferry_item *items, int n, ferry_deadline deadline)
{
	struct spot spots[SMALL];
	struct pollfd fds[OWN_FDS + SMALL];
	struct wait w = { .items = items, .spots = spots, .fds = fds, .n = n, .blocked = -1 };

	if (n < 0 || n > FERRY_ITEMS_MAX || (!items && n > 0))
		return -EINVAL;
	int cancel = fy_cancel_off();
	int r = n <= SMALL ? wait_for_all(&w, deadline) : wait_with_memory(&w, deadline);
	fy_cancel_restore(cancel);
	return r;
}
