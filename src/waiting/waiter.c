/* SPDX-License-Identifier: MIT */
/*
 * waiter.c - waiting for what is in a set.
 *
 * A wait looks at the hot entries, arms those that are not ready, and sleeps in epoll_wait(2), over
 * the items' descriptors and one that says which watched files were touched. Protocol:
 * docs/formats/wait.md; model: models/wait.pml.
 */
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/why.h"
#include "../os/cancel.h"
#include "../os/fork.h"
#include "../os/poll.h"
#include "../os/touch.h"
#include "../wait/nap.h"
#include "set.h"

#define EVENTS 64 /* that are fetched at once */
/* Each nap looks at those who nap: at all of them, as far as it gets in this time, which is a
 * hundredth of what passes between two naps; then they take turns. So each second with those who
 * sleep soundly. */
#define SWEEP_NS    (300 * INT64_C(1000))
#define SWEEP_LEAST 4u
/* And after the members of some, which is dearer: of so many, or in a larger set of fewer. */
#define CARE_FEW   64u
#define CARE_LEAST 4u
/* So long after a close it is certain that a dead one's lock is free. */
#define CLOSED_NS FY_MS

/* ---- eventfds; AS-Safe ---- */

static void raise_fd(int fd)
{
	const uint64_t one = 1;
	int saved = errno;

	/* It is full only if it is readable already. */
	(void)syscall(SYS_write, fd, &one, sizeof(one));
	errno = saved;
}

/* 1 if it was readable. */
static int lower_fd(int fd)
{
	uint64_t count;
	int saved = errno;
	int was = syscall(SYS_read, fd, &count, sizeof(count)) > 0;

	errno = saved;
	return was;
}

static int is_cancelled(const struct ferry_waiter *waiter)
{
	/* SYNC(waiter.cancelled) acquire: pairs with the release in set_cancelled(). */
	return atomic_load_explicit(&waiter->cancelled, memory_order_acquire);
}

/* Of two who cancel and resume at once one has the last word, and the other perhaps the last to do
 * with the descriptor. So whoever finds it readable comes here, too. */
static void show_cancelled(const struct ferry_waiter *waiter)
{
	if (!is_cancelled(waiter))
		(void)lower_fd(waiter->cancel);
	if (is_cancelled(waiter))
		raise_fd(waiter->cancel);
}

void fy_set_tell(struct ferry_waiter *waiter)
{
	if (waiter->sleepers > 0 || waiter->shown)
		raise_fd(waiter->again);
}

/* ---- reports ---- */

struct round {
	struct ferry_waiter *waiter;
	uint64_t number;
	struct ferry_report *reports;
	int n;
	int room;
	int woken; /* ferry_wake() may have been called */
};

static int is_reported(const struct round *round, const struct fy_entry *entry)
{
	return entry->round == round->number;
}

/* Of what a look knows one thing and the kernel another there is one report. */
static void report(struct round *round, struct fy_entry *entry)
{
	if (!is_reported(round, entry)) {
		entry->round = round->number;
		entry->at = round->n++;
		round->reports[entry->at] =
		    (struct ferry_report){ .user = entry->user, .key = entry->key };
	}
	round->reports[entry->at].happened |= entry->item.happened;
	if (entry->item.error < 0)
		round->reports[entry->at].error = entry->item.error;
	round->reports[entry->at].signo = entry->item.signo;
	if (entry->place.object)
		round->waiter->last_told = entry;
	if (entry->item.events & FERRY_ONE_SHOT)
		fy_set_cool(round->waiter, entry, FY_SILENT);
	else if (entry->place.fd < 0 || entry->item.kind == FERRY_ITEM_SOCKET)
		fy_set_heat(round->waiter, entry);
}

/* ---- the hot ---- */

/* Prepare the bells, then look once more. 1 if it is ready. */
static int arm_and_look(struct fy_entry *entry)
{
	fy_set_arm(entry);
	return fy_item_look(&entry->item, 1);
}

/* Not ready. What told of a signal that somebody else has taken is to tell again. */
static void leave_to_kernel(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	fy_set_cool(waiter, entry, FY_KERNEL);
	if (entry->place.signals != 0 && entry->item.events & FERRY_ONE_SHOT)
		(void)fy_set_poll(waiter, entry);
}

/* Not with the mutex, which their handlers may need: run_handlers(), in the next round. */
static void leave_handlers(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	if (fy_item_signals_wait(&entry->item))
		fy_set_heat(waiter, entry);
	else
		leave_to_kernel(waiter, entry);
}

static void look_at(struct round *round, struct fy_entry *entry)
{
	if (entry->item.kind == FERRY_ITEM_HANDLERS)
		leave_handlers(round->waiter, entry);
	else if (fy_item_look(&entry->item, 0) || (entry->place.object && arm_and_look(entry)))
		report(round, entry);
	else if (entry->place.object)
		fy_set_cool(round->waiter, entry, FY_ARMED);
	else
		leave_to_kernel(round->waiter, entry);
}

/* Each at most once: what is still ready goes to the end. */
static void look_at_the_hot(struct round *round)
{
	struct ferry_waiter *waiter = round->waiter;
	const struct fy_entry *last = waiter->hot_last;
	const struct fy_entry *entry = NULL;

	while (waiter->hot_first && entry != last && round->n < round->room) {
		entry = waiter->hot_first;
		look_at(round, waiter->hot_first);
	}
}

/* Else every entry is told of by the kernel, or sleeps soundly. */
static int needs_naps(const struct ferry_waiter *waiter)
{
	return waiter->napping.n > 0 || waiter->closed;
}

/* This thread does something else from here on: the others look for themselves at what is still
 * ready; and one of those who sleep must nap. */
static void leave_to_others(struct ferry_waiter *waiter)
{
	if (waiter->hot_first ||
	    (waiter->sleepers > 0 && waiter->nappers == 0 && needs_naps(waiter)))
		fy_set_tell(waiter);
}

static void unlock_and_hurry(struct ferry_waiter *waiter)
{
	int hurry = waiter->shown && needs_naps(waiter);

	(void)pthread_mutex_unlock(&waiter->mutex);
	if (hurry)
		fy_keeper_hurry();
}

static struct fy_entry *hot_handlers(const struct ferry_waiter *waiter)
{
	struct fy_entry *e = waiter->signals;

	while (e && (e->state != FY_HOT || e->item.kind != FERRY_ITEM_HANDLERS))
		e = e->next_signals;
	return e;
}

/* Handlers may call anything, this waiter included: so they run without the mutex. If there are any
 * left then, the entry is hot. */
static void run_handlers(struct round *round)
{
	struct ferry_waiter *waiter = round->waiter;
	struct fy_entry *entry = hot_handlers(waiter);

	if (!entry)
		return;
	int key = entry->key;
	struct ferry_item item = entry->item;
	fy_set_cool(waiter, entry, FY_KERNEL);
	leave_to_others(waiter);
	unlock_and_hurry(waiter);
	int happened = fy_item_look(&item, 0);
	(void)pthread_mutex_lock(&waiter->mutex);
	entry = happened ? fy_set_find(waiter, key) : NULL;
	if (!entry)
		return;
	entry->item.happened = item.happened;
	entry->item.error = item.error;
	entry->item.signo = item.signo;
	report(round, entry);
}

/* ---- what the kernel says ---- */

static void take_touches(struct ferry_waiter *waiter)
{
	int numbers[EVENTS];
	int n = fy_touch_read(waiter->touch, numbers, EVENTS);

	waiter->touches_left = 0;
	if (n == -EOVERFLOW)
		fy_set_heat_all(waiter);
	/* What was left in it makes it readable again. */
	for (int i = 0; i < n; i++)
		if (numbers[i] > 0)
			fy_set_heat_watched(waiter, numbers[i]);
		else
			fy_set_note_closing(waiter, -numbers[i], fy_now());
}

/* Something was touched: often what was touched last time. If a look finds that so, reading what it
 * was may wait until the next wait, which makes this one shorter. But not once more after that: the
 * others are to be heard of, too. */
static int is_as_last_time(struct round *round)
{
	struct ferry_waiter *waiter = round->waiter;
	struct fy_entry *entry = waiter->last_told;

	if (waiter->touches_left || !entry || entry->state != FY_ARMED ||
	    !fy_item_look(&entry->item, 0))
		return 0;
	waiter->touches_left = 1;
	report(round, entry);
	return 1;
}

static void take_own(struct round *round, enum fy_own own)
{
	struct ferry_waiter *waiter = round->waiter;

	switch (own) {
	case FY_OWN_WAKE:
		round->woken = 1;
		break;
	case FY_OWN_AGAIN:
		(void)lower_fd(waiter->again);
		break;
	case FY_OWN_TOUCH:
		if (!is_as_last_time(round))
			take_touches(waiter);
		break;
	case FY_OWN_HAIL:
		if (waiter->hail)
			fy_hail_clear(waiter->hail);
		fy_set_heat_signals(waiter);
		break;
	case FY_OWN_CANCEL:
		show_cancelled(waiter);
		break;
	default:
		break;
	}
}

static void take_event(struct round *round, const struct epoll_event *event)
{
	struct ferry_waiter *waiter = round->waiter;

	if (event->data.u64 & FY_IS_OWN) {
		take_own(round, (enum fy_own)(event->data.u64 & ~FY_IS_OWN));
		return;
	}
	/* It may have been taken out meanwhile. */
	struct fy_entry *entry = fy_set_find(waiter, (int)(event->data.u64 & ~FY_IS_EDGE));
	if (!entry || (entry->state == FY_SILENT && !is_reported(round, entry)))
		return;
	if (event->data.u64 & FY_IS_EDGE) {
		if (entry->state == FY_KERNEL)
			fy_set_heat(waiter, entry);
	} else if (entry->place.signals != 0)
		fy_set_heat(waiter, entry);
	else if ((round->n < round->room || is_reported(round, entry)) &&
		 fy_item_polled(&entry->item, (short)event->events))
		report(round, entry);
}

/* How many events came. No more are fetched than fit: one that was fetched and not reported would
 * be behind all others, and that of a FERRY_ONE_SHOT item lost. */
static int fetch(struct round *round, int64_t until)
{
	struct ferry_waiter *waiter = round->waiter;
	struct epoll_event events[EVENTS];
	int left = round->room - round->n;
	int naps = needs_naps(waiter);

	waiter->sleepers++;
	waiter->nappers += naps;
	(void)pthread_mutex_unlock(&waiter->mutex);
	int n = fy_epoll_wait(waiter->epoll, events, left < EVENTS ? left : EVENTS, until);
	(void)pthread_mutex_lock(&waiter->mutex);
	waiter->sleepers--;
	waiter->nappers -= naps;
	for (int i = 0; i < n; i++)
		take_event(round, &events[i]);
	return n;
}

/* Our own descriptors may have taken the places of items: then there may be more. */
static void ask_kernel(struct round *round, int64_t until)
{
	int before = round->n;

	for (int i = 0; i < FY_OWN_LAST; i++, until = FERRY_NOW)
		if (fetch(round, until) < round->room - before || round->n > before)
			return;
}

/* ---- naps ---- */

static int bells_have_changed(const struct fy_entry *entry)
{
	int changed = 0;

	for (int b = 0; b < entry->place.n_bells; b++)
		/* RELAXED(who changed them has touched the file, or was stopped before it did) */
		changed |=
		    atomic_load_explicit(entry->place.bells[b], memory_order_relaxed) !=
			entry->seen[b] ||
		    /* RELAXED(as above) */
		    atomic_load_explicit(entry->place.bells[b] + 1, memory_order_relaxed) == 0;
	return changed;
}

static void look_at_sleeping(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	if (entry->state == FY_ARMED &&
	    (bells_have_changed(entry) || fy_item_look(&entry->item, 1)))
		fy_set_heat(waiter, entry);
}

/* Whoever had one of these files open and is gone may have left something. */
static void look_after_closed(struct ferry_waiter *waiter, int64_t now)
{
	struct fy_entry **at = &waiter->closed;

	while (*at) {
		struct fy_entry *entry = *at;
		fy_item_care(&entry->item);
		look_at_sleeping(waiter, entry);
		if (now - entry->closed_at < CLOSED_NS) {
			at = &entry->next_closed; /* and once more at the next nap */
			continue;
		}
		entry->closed_at = 0;
		*at = entry->next_closed;
	}
}

/* Whose death nobody heard of: a child that does not use the file keeps it open. */
static void care_for_members(struct ferry_waiter *waiter)
{
	const struct fy_asleep *napping = &waiter->napping;
	const uint32_t n = napping->n <= CARE_FEW ? napping->n : CARE_LEAST;

	for (uint32_t k = 0; k < n; k++)
		fy_item_care(&napping->all[waiter->care_at++ % napping->n]->item);
}

/* It may fall sound asleep, when it has napped for long; then look once more. */
static void try_sound(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	int rung = entry->rung;

	entry->rung = 0;
	if (fy_item_sound(&entry->item, rung) == 0)
		return;
	fy_set_sound(waiter, entry);
	look_at_sleeping(waiter, entry);
}

static void look_at_asleep(struct ferry_waiter *waiter, struct fy_asleep *asleep, int64_t now)
{
	const uint32_t n = asleep->n;
	const int64_t end = now + SWEEP_NS;

	asleep->swept_at = now;
	for (uint32_t k = 0; k < n && asleep->n > 0; k++) {
		if (k % SWEEP_LEAST == SWEEP_LEAST - 1 && fy_now() >= end)
			return;
		struct fy_entry *entry = asleep->all[asleep->sweep_at % asleep->n];
		look_at_sleeping(waiter, entry);
		if (entry->state == FY_ARMED && asleep == &waiter->napping)
			try_sound(waiter, entry);
		/* Else another is in its place. */
		asleep->sweep_at += entry->state == FY_ARMED && entry->asleep == asleep;
	}
}

void fy_set_sweep(struct ferry_waiter *waiter, int64_t now)
{
	if (waiter->sound.n > 0 && now - waiter->sound.swept_at >= FY_SOUND)
		look_at_asleep(waiter, &waiter->sound, now);
	if (now - waiter->napping.swept_at < FY_NAP / 2 || !needs_naps(waiter))
		return;
	look_after_closed(waiter, now);
	care_for_members(waiter);
	look_at_asleep(waiter, &waiter->napping, fy_now());
}

/* When the next sweep is due. */
static int64_t next_sweep(const struct ferry_waiter *waiter, int64_t now)
{
	if (needs_naps(waiter))
		return fy_nap_end(now, 0, 1);
	return waiter->sound.n > 0 ? waiter->sound.swept_at + FY_SOUND : FERRY_FOREVER;
}

/* By the keeper, for those who sleep in a loop that is not ours. */
static int64_t sweep_kept(struct fy_kept *kept, int64_t now)
{
	struct ferry_waiter *waiter =
	    (struct ferry_waiter *)(void *)((char *)kept - offsetof(struct ferry_waiter, kept));

	(void)pthread_mutex_lock(&waiter->mutex);
	fy_set_sweep(waiter, now);
	if (waiter->hot_first)
		fy_set_tell(waiter);
	int64_t next = next_sweep(waiter, now);
	(void)pthread_mutex_unlock(&waiter->mutex);
	return next;
}

/* ---- waiting ---- */

static int64_t sleep_until(const struct ferry_waiter *waiter, int64_t now, ferry_deadline deadline)
{
	int64_t nap = next_sweep(waiter, now);

	/* Hot after all have been looked at: handlers that are to run. */
	if (now >= deadline || waiter->hot_first)
		return FERRY_NOW;
	return nap < deadline ? nap : deadline;
}

static void look_at_all_the_hot(struct round *round)
{
	run_handlers(round);
	look_at_the_hot(round);
}

/* Sleep, unless there is something already or no time for it. -EAGAIN: go on; else how it ends if
 * nothing was found. */
static int ask_or_sleep(struct round *round, ferry_deadline deadline)
{
	struct ferry_waiter *waiter = round->waiter;
	int r = -EAGAIN;

	if (round->n > 0 || deadline == FERRY_NOW) {
		ask_kernel(round, FERRY_NOW);
	} else {
		int64_t now = fy_now();
		r = now >= deadline ? -ETIMEDOUT : -EAGAIN;
		ask_kernel(round, sleep_until(waiter, now, deadline));
		fy_set_sweep(waiter, fy_now());
	}
	/* Touched just now. */
	if (round->n == 0)
		look_at_all_the_hot(round);
	return r;
}

/* Reports may go before a wake, but only once: what is always ready must not hide it. */
static int is_owed_wake(struct ferry_waiter *waiter)
{
	int owes = waiter->owes_wake;

	waiter->owes_wake = 0;
	return owes && lower_fd(waiter->wake);
}

/* One round. > 0, 0 or a negative result; -EAGAIN: nothing yet. */
static int wait_once(struct round *round, ferry_deadline deadline)
{
	struct ferry_waiter *waiter = round->waiter;
	int r = -EAGAIN;

	if (is_cancelled(waiter))
		return -ECANCELED;
	if (is_owed_wake(waiter))
		return 0;
	if (waiter->touches_left)
		take_touches(waiter);
	round->woken = 0;
	look_at_all_the_hot(round);
	if (round->n < round->room)
		r = ask_or_sleep(round, deadline);
	if (round->n > 0) {
		/* Without room left the kernel was not asked, or did not get to it. */
		waiter->owes_wake |= round->woken || round->n == round->room;
		return round->n;
	}
	/* One of those that were woken by it has it. */
	if (round->woken && lower_fd(waiter->wake))
		return 0;
	return is_cancelled(waiter) ? -ECANCELED : r;
}

static int wait(struct ferry_waiter *waiter, struct ferry_report *reports, int room,
		ferry_deadline deadline)
{
	struct round round = {
		.waiter = waiter, .number = ++waiter->rounds, .reports = reports, .room = room
	};
	int r;

	do {
		r = wait_once(&round, deadline);
	} while (r == -EAGAIN && deadline != FERRY_NOW);
	leave_to_others(waiter);
	return r;
}

int ferry_waiter_wait(ferry_waiter *waiter, struct ferry_report *ret_reports, int room,
		      ferry_deadline deadline)
{
	if (!waiter || !ret_reports || room < 1)
		return -EINVAL;
	if (fy_fork_is_child(waiter->generation))
		return -EXDEV;
	int cancel = fy_cancel_off();
	(void)pthread_mutex_lock(&waiter->mutex);
	int r = wait(waiter, ret_reports, room, deadline);
	unlock_and_hurry(waiter);
	fy_cancel_restore(cancel);
	return r;
}

/* ---- from outside ---- */

int ferry_wake(ferry_waiter *waiter)
{
	if (!waiter)
		return -EINVAL;
	raise_fd(waiter->wake);
	return 0;
}

int ferry_waiter_wake_fd(const ferry_waiter *waiter)
{
	return waiter ? waiter->wake : -EINVAL;
}

static int set_cancelled(ferry_waiter *waiter, int cancelled)
{
	if (!waiter)
		return -EINVAL;
	if (fy_fork_is_child(waiter->generation))
		return -EXDEV;
	/* SYNC(waiter.cancelled) release: pairs with the acquire in is_cancelled(). */
	atomic_store_explicit(&waiter->cancelled, cancelled, memory_order_release);
	show_cancelled(waiter);
	return 0;
}

int ferry_waiter_cancel(ferry_waiter *waiter)
{
	return set_cancelled(waiter, 1);
}

int ferry_waiter_resume(ferry_waiter *waiter)
{
	return set_cancelled(waiter, 0);
}

int fy_waiter_is_cancelled(const ferry_waiter *waiter)
{
	return is_cancelled(waiter);
}

static int show(ferry_waiter *waiter)
{
	(void)pthread_mutex_lock(&waiter->mutex);
	int was = waiter->shown;
	waiter->shown = 1;
	(void)pthread_mutex_unlock(&waiter->mutex);
	int r = was ? 0 : fy_keeper_add(&waiter->kept);
	if (r < 0) {
		waiter->shown = 0;
		return r;
	}
	(void)pthread_mutex_lock(&waiter->mutex);
	if (waiter->hot_first)
		fy_set_tell(waiter);
	(void)pthread_mutex_unlock(&waiter->mutex);
	return waiter->epoll;
}

int ferry_waiter_fd(ferry_waiter *waiter)
{
	if (!waiter)
		return -EINVAL;
	if (fy_fork_is_child(waiter->generation))
		return -EXDEV;
	int cancel = fy_cancel_off();
	int r = show(waiter);
	fy_cancel_restore(cancel);
	return r;
}

/* ---- opening and closing ---- */

static int add_own(const struct ferry_waiter *waiter, int *ret_fd, enum fy_own own)
{
	struct epoll_event event = { .events = EPOLLIN,
				     .data = { .u64 = FY_IS_OWN | (uint64_t)own } };

	*ret_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*ret_fd < 0 || epoll_ctl(waiter->epoll, EPOLL_CTL_ADD, *ret_fd, &event) != 0)
		return -errno;
	return 0;
}

static int open_descriptors(struct ferry_waiter *waiter)
{
	waiter->epoll = epoll_create1(EPOLL_CLOEXEC);
	int r = waiter->epoll < 0 ? -errno : 0;
	if (r == 0)
		r = add_own(waiter, &waiter->wake, FY_OWN_WAKE);
	if (r == 0)
		r = add_own(waiter, &waiter->again, FY_OWN_AGAIN);
	if (r == 0)
		r = add_own(waiter, &waiter->cancel, FY_OWN_CANCEL);
	return r;
}

static void close_descriptors(const struct ferry_waiter *waiter)
{
	const int fds[] = { waiter->epoll, waiter->wake, waiter->again, waiter->cancel,
			    waiter->touch };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

static int open_waiter(ferry_waiter **ret_waiter, struct ferry_why *why)
{
	int r = fy_fork_init();
	struct ferry_waiter *waiter = r == 0 ? calloc(1, sizeof(*waiter)) : NULL;

	if (!waiter)
		return fy_why(why, r < 0 ? r : -ENOMEM, "no memory for a waiter");
	waiter->generation = fy_fork_generation();
	waiter->wake = waiter->again = waiter->cancel = waiter->touch = -1;
	waiter->kept.sweep = sweep_kept;
	(void)pthread_mutex_init(&waiter->mutex, NULL);
	r = open_descriptors(waiter);
	if (r < 0) {
		close_descriptors(waiter);
		free(waiter);
		return fy_why(why, r, "no descriptor for a waiter: %s", ferry_strerror(r));
	}
	*ret_waiter = waiter;
	return 0;
}

int ferry_waiter_open(ferry_waiter **ret_waiter, struct ferry_why *why)
{
	if (!ret_waiter)
		return fy_why(why, -EINVAL, "no place for the waiter was given");
	int cancel = fy_cancel_off();
	int r = open_waiter(ret_waiter, why);
	fy_cancel_restore(cancel);
	return r;
}

void ferry_waiter_close(ferry_waiter *waiter)
{
	if (!waiter)
		return;
	int cancel = fy_cancel_off();
	/* A child must not touch what its parent waits with: epoll(7) is shared. */
	if (!fy_fork_is_child(waiter->generation)) {
		if (waiter->shown)
			fy_keeper_remove(&waiter->kept);
		fy_set_free(waiter);
	}
	close_descriptors(waiter);
	(void)pthread_mutex_destroy(&waiter->mutex);
	free(waiter);
	fy_cancel_restore(cancel);
}
