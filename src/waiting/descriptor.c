/* SPDX-License-Identifier: MIT */
/*
 * descriptor.c - ferry_fd(): a descriptor that is readable while one item is ready.
 *
 * What has bells gets one that watches the file; what signals hail gets an eventfd; anything else,
 * which has a descriptor already, goes through a waiter of its own.
 */
#include <stdlib.h>
#include <unistd.h>

#include "../os/cancel.h"
#include "../os/clock.h"
#include "../os/fork.h"
#include "../os/touch.h"
#include "../wait/nap.h"
#include "set.h"

struct shown {
	struct ferry_item item;
	struct fy_item_place place;
	struct fy_kept kept;
	uint32_t generation; /* of the process that made it (os/fork.h) */
	int fd;
	int number; /* of the file that it watches */
	int told;   /* the keeper has made it readable, and nobody has cleared it since */
	int rung;   /* it was armed since the keeper's last sweep */
	struct fy_hail *hail;
	ferry_waiter *waiter;
	struct shown *next;
};

#define BUCKETS   64u
#define CLEARINGS 16 /* reads of what has been touched, in one call ... */
#define AT_ONCE   16 /* ... and touches in each */

/* Under the keeper's lock, and so is what they say. */
static struct shown *all[BUCKETS]; /* by descriptor */

static struct shown **bucket_of(int fd)
{
	return &all[(uint32_t)fd % BUCKETS];
}

/* With the lock. */
static struct shown *find(int fd)
{
	struct shown *s = *bucket_of(fd);

	while (s && (s->fd != fd || fy_fork_is_child(s->generation)))
		s = s->next;
	return s;
}

static void enlist(struct shown *shown)
{
	struct shown **at = bucket_of(shown->fd);

	fy_keeper_lock();
	shown->next = *at;
	*at = shown;
	fy_keeper_unlock();
}

/* ---- those with bells ---- */

/* A touch of our own makes the descriptor readable: that of others who watch the file too, and they
 * look for nothing. Of a file that was cut short, which is told for ever, the end of a watch does.
 */
static void make_readable(struct shown *shown)
{
	int fd = shown->place.object->fd;

	if (fy_touch(fd))
		return;
	fy_touch_unwatch(shown->fd, shown->number);
	shown->number = fy_touch_watch(shown->fd, fd);
}

/* Prepare the bells and look. If it is ready, the descriptor shall be readable. */
static int arm(struct shown *shown)
{
	for (int b = 0; b < shown->place.n_bells; b++)
		(void)fy_bell_word_prepare_watched(shown->place.bells[b]);
	fy_item_prepared(&shown->item);
	if (!fy_item_look(&shown->item, 1))
		return 0;
	make_readable(shown);
	return (int)shown->item.happened;
}

static int clear_bells(struct shown *shown)
{
	int numbers[AT_ONCE];

	/* Fewer than asked for were the last. Who reads the file for ever shall not keep us: what
	 * is left makes it readable again. */
	for (int i = 0; i < CLEARINGS && fy_touch_read(shown->fd, numbers, AT_ONCE) == AT_ONCE; i++)
		;
	shown->told = 0;
	shown->rung = 1;
	int happened = arm(shown);
	fy_keeper_hurry();
	return happened;
}

/* Nothing is to be done until it is cleared, or after a nap, or when it has slept soundly. */
static int64_t sweep(struct fy_kept *kept, int64_t now)
{
	struct shown *shown = (struct shown *)(void *)((char *)kept - offsetof(struct shown, kept));

	if (shown->told)
		return INT64_MAX;
	fy_item_care(&shown->item);
	int64_t may = fy_item_sound(&shown->item, shown->rung);
	shown->rung = 0;
	shown->told = fy_item_look(&shown->item, 1);
	if (shown->told)
		make_readable(shown);
	return now + (may > 0 ? may : FY_NAP);
}

static int show_bells(struct shown *shown)
{
	shown->fd = fy_touch_open();
	if (shown->fd < 0)
		return shown->fd;
	int r = fy_touch_watch(shown->fd, shown->place.object->fd);
	shown->number = r;
	if (r >= 0) {
		(void)arm(shown);
		shown->kept.sweep = sweep;
		r = fy_keeper_add(&shown->kept); /* from here on the keeper looks at it, too */
	}
	if (r < 0)
		(void)close(shown->fd);
	return r < 0 ? r : 0;
}

/* ---- signals ---- */

static int clear_signals(struct shown *shown)
{
	fy_hail_clear(shown->hail);
	int happened = fy_item_signals_wait(&shown->item);
	if (happened)
		fy_hail_raise(shown->hail);
	return happened;
}

static int show_signals(struct shown *shown)
{
	shown->hail = fy_hail_begin(shown->place.signals, 1);
	if (!shown->hail)
		return -EMFILE;
	shown->fd = fy_hail_fd(shown->hail);
	(void)clear_signals(shown);
	return 0;
}

/* ---- the others ---- */

static int clear_waiter(const struct shown *shown)
{
	struct ferry_report report;
	int r = ferry_waiter_wait(shown->waiter, &report, 1, FERRY_NOW);

	return r > 0 ? (int)report.happened : 0;
}

static int show_waiter(struct shown *shown)
{
	int r = ferry_waiter_open(&shown->waiter, NULL);

	if (r < 0)
		return r;
	r = ferry_waiter_add(shown->waiter, &shown->item, NULL);
	if (r >= 0)
		r = ferry_waiter_fd(shown->waiter);
	if (r < 0)
		ferry_waiter_close(shown->waiter);
	shown->fd = r;
	return r < 0 ? r : 0;
}

/* ---- the calls ---- */

static int show(struct shown *shown)
{
	if (shown->place.object)
		return show_bells(shown);
	return shown->place.signals != 0 ? show_signals(shown) : show_waiter(shown);
}

static int open_shown(const struct ferry_item *item)
{
	int r = fy_fork_init();
	struct shown *shown = r == 0 ? calloc(1, sizeof(*shown)) : NULL;

	if (!shown)
		return r < 0 ? r : -ENOMEM;
	shown->item = *item;
	shown->generation = fy_fork_generation();
	fy_item_place(&shown->item, &shown->place);
	r = show(shown);
	if (r < 0) {
		free(shown);
		return r;
	}
	enlist(shown);
	return shown->fd;
}

int ferry_fd(const struct ferry_item *item)
{
	if (!item || item->kind == FERRY_ITEM_NONE || item->kind == FERRY_ITEM_FD)
		return -EINVAL;
	int cancel = fy_cancel_off();
	int r = fy_item_check(item);
	if (r == 0)
		r = open_shown(item);
	fy_cancel_restore(cancel);
	return r;
}

static int clear(struct shown *shown)
{
	if (shown->place.object)
		return clear_bells(shown);
	return shown->hail ? clear_signals(shown) : clear_waiter(shown);
}

int ferry_fd_clear(int fd)
{
	int cancel = fy_cancel_off();
	int r = -EBADF;

	fy_keeper_lock();
	struct shown *shown = find(fd);
	if (shown)
		r = clear(shown);
	fy_keeper_unlock();
	fy_cancel_restore(cancel);
	return r;
}

static struct shown *delist(int fd)
{
	fy_keeper_lock();
	struct shown *shown = find(fd);
	struct shown **at = bucket_of(fd);
	while (shown && *at != shown)
		at = &(*at)->next;
	if (shown)
		*at = shown->next;
	fy_keeper_unlock();
	return shown;
}

static void end(struct shown *shown)
{
	if (shown->place.object) {
		fy_keeper_remove(&shown->kept);
		(void)close(shown->fd);
	}
	fy_hail_end(shown->hail);
	ferry_waiter_close(shown->waiter);
	free(shown);
}

int ferry_fd_close(int fd)
{
	int cancel = fy_cancel_off();
	struct shown *shown = delist(fd);

	if (shown)
		end(shown);
	fy_cancel_restore(cancel);
	return shown ? 0 : -EBADF;
}
