/* SPDX-License-Identifier: MIT */
/* set.c - see set.h: what is in a waiter, and the calls that change it. */
#include "set.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../os/cancel.h"
#include "../os/signal.h"
#include "../os/touch.h"

/* A key is the entry's slot and a serial number above it, so that an old key is nobody's. */
#define SLOT_BITS   20
#define SLOTS_MAX   (1u << SLOT_BITS)
#define SERIAL_MASK 0x7ffu
#define BUCKETS_MIN 16u

#define BOTH ((uint32_t)(FERRY_CAN_READ | FERRY_CAN_WRITE))

/* ---- the table ---- */

struct fy_entry *fy_set_find(const struct ferry_waiter *waiter, int key)
{
	uint32_t slot = (uint32_t)key & (SLOTS_MAX - 1);
	struct fy_entry *entry = key >= 0 && slot < waiter->table_room ? waiter->table[slot] : NULL;

	return entry && entry->key == key ? entry : NULL;
}

static int grow(void *array, uint32_t *room, size_t bytes)
{
	uint32_t more = *room > 0 ? 2 * *room : 16;
	void **at = array;
	void *bigger = realloc(*at, more * bytes);

	if (!bigger)
		return -ENOMEM;
	*at = bigger;
	*room = more;
	return 0;
}

static int enter_table(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	uint32_t room = waiter->table_room;

	if (waiter->n == SLOTS_MAX)
		return -ENOSPC;
	if (waiter->n == room) {
		int r = grow(&waiter->table, &waiter->table_room, sizeof(struct fy_entry *));
		if (r < 0)
			return r;
		for (uint32_t i = room; i < waiter->table_room; i++)
			waiter->table[i] = NULL;
		waiter->slot_hint = room;
	}
	while (waiter->table[waiter->slot_hint % waiter->table_room])
		waiter->slot_hint++;
	uint32_t slot = waiter->slot_hint++ % waiter->table_room;
	waiter->serial = (waiter->serial + 1) & SERIAL_MASK;
	entry->key = (int)(waiter->serial << SLOT_BITS | slot);
	waiter->table[slot] = entry;
	waiter->n++;
	return 0;
}

static void leave_table(struct ferry_waiter *waiter, const struct fy_entry *entry)
{
	waiter->table[(uint32_t)entry->key & (SLOTS_MAX - 1)] = NULL;
	waiter->n--;
}

/* ---- hot, armed, silent ---- */

static void leave_hot(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	if (entry->previous)
		entry->previous->next = entry->next;
	else
		waiter->hot_first = entry->next;
	if (entry->next)
		entry->next->previous = entry->previous;
	else
		waiter->hot_last = entry->previous;
}

static void fall_asleep(struct fy_asleep *asleep, struct fy_entry *entry)
{
	entry->asleep = asleep;
	entry->asleep_at = asleep->n;
	asleep->all[asleep->n++] = entry;
}

static void wake_up(struct fy_entry *entry)
{
	struct fy_asleep *asleep = entry->asleep;
	struct fy_entry *last = asleep->all[--asleep->n];

	asleep->all[entry->asleep_at] = last;
	last->asleep_at = entry->asleep_at;
}

static void leave_state(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	if (entry->state == FY_HOT)
		leave_hot(waiter, entry);
	else if (entry->state == FY_ARMED)
		wake_up(entry);
}

/* Also for one that is hot already: then it is the last again. */
void fy_set_heat(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	leave_state(waiter, entry);
	entry->state = FY_HOT;
	entry->next = NULL;
	entry->previous = waiter->hot_last;
	if (waiter->hot_last)
		waiter->hot_last->next = entry;
	else
		waiter->hot_first = entry;
	waiter->hot_last = entry;
}

void fy_set_cool(struct ferry_waiter *waiter, struct fy_entry *entry, enum fy_entry_state state)
{
	leave_state(waiter, entry);
	entry->state = state;
	if (state != FY_ARMED)
		return;
	entry->rung = 1;
	fall_asleep(&waiter->napping, entry);
}

void fy_set_sound(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	wake_up(entry);
	fall_asleep(&waiter->sound, entry);
}

void fy_set_arm(struct fy_entry *entry)
{
	for (int b = 0; b < entry->place.n_bells; b++)
		entry->seen[b] = fy_bell_word_prepare_watched(entry->place.bells[b]);
	fy_item_prepared(&entry->item);
}

void fy_set_heat_all(struct ferry_waiter *waiter)
{
	for (uint32_t i = 0; i < waiter->table_room; i++) {
		struct fy_entry *entry = waiter->table[i];
		if (entry && entry->state == FY_ARMED)
			fy_set_heat(waiter, entry);
	}
}

void fy_set_heat_signals(struct ferry_waiter *waiter)
{
	for (struct fy_entry *e = waiter->signals; e; e = e->next_signals)
		if (e->state == FY_KERNEL)
			fy_set_heat(waiter, e);
}

/* ---- watched files ---- */

static struct fy_entry **bucket_of(const struct ferry_waiter *waiter, int number)
{
	return &waiter->watched[(uint32_t)number & (waiter->buckets - 1)];
}

void fy_set_heat_watched(struct ferry_waiter *waiter, int number)
{
	for (struct fy_entry *e = *bucket_of(waiter, number); e; e = e->next_watched)
		if (e->number == number && e->state == FY_ARMED)
			fy_set_heat(waiter, e);
}

void fy_set_note_closing(struct ferry_waiter *waiter, int number, int64_t now)
{
	for (struct fy_entry *e = *bucket_of(waiter, number); e; e = e->next_watched) {
		if (e->number != number)
			continue;
		if (e->closed_at == 0) {
			e->next_closed = waiter->closed;
			waiter->closed = e;
		}
		e->closed_at = now;
		if (e->state == FY_ARMED)
			fy_set_heat(waiter, e);
	}
}

static void leave_closed(struct ferry_waiter *waiter, const struct fy_entry *entry)
{
	struct fy_entry **at = &waiter->closed;

	while (*at && *at != entry)
		at = &(*at)->next_closed;
	if (*at)
		*at = entry->next_closed;
}

static int more_buckets(struct ferry_waiter *waiter)
{
	uint32_t buckets = waiter->buckets > 0 ? 2 * waiter->buckets : BUCKETS_MIN;
	struct fy_entry **bigger = calloc(buckets, sizeof(struct fy_entry *));
	struct fy_entry **before = waiter->watched;
	uint32_t n = waiter->buckets;

	if (!bigger)
		return -ENOMEM;
	waiter->watched = bigger;
	waiter->buckets = buckets;
	for (uint32_t i = 0; i < n; i++) {
		struct fy_entry *next;
		for (struct fy_entry *e = before[i]; e; e = next) {
			struct fy_entry **at = bucket_of(waiter, e->number);
			next = e->next_watched;
			e->next_watched = *at;
			*at = e;
		}
	}
	free(before);
	return 0;
}

static int add_own(struct ferry_waiter *waiter, int fd, enum fy_own own)
{
	struct epoll_event event = { .events = EPOLLIN,
				     .data = { .u64 = FY_IS_OWN | (uint64_t)own } };

	return epoll_ctl(waiter->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static int begin_to_touch(struct ferry_waiter *waiter)
{
	if (waiter->touch >= 0)
		return 0;
	int fd = fy_touch_open();
	int r = fd < 0 ? fd : add_own(waiter, fd, FY_OWN_TOUCH);
	if (r == 0)
		waiter->touch = fd;
	else if (fd >= 0)
		(void)close(fd);
	return r;
}

static int watch(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	int r = begin_to_touch(waiter);

	if (r == 0 && waiter->n_watched >= waiter->buckets)
		r = more_buckets(waiter);
	if (r == 0)
		r = fy_touch_watch_closing(waiter->touch, entry->place.object->fd);
	if (r < 0)
		return r;
	entry->number = r;
	struct fy_entry **at = bucket_of(waiter, r);
	entry->next_watched = *at;
	*at = entry;
	waiter->n_watched++;
	return 0;
}

static void unwatch(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	struct fy_entry **at = bucket_of(waiter, entry->number);
	int others = 0;

	while (*at) {
		others += *at != entry && (*at)->number == entry->number;
		if (*at == entry)
			*at = entry->next_watched;
		else
			at = &(*at)->next_watched;
	}
	waiter->n_watched--;
	if (!others)
		fy_touch_unwatch(waiter->touch, entry->number);
}

/* ---- signals ---- */

static int begin_to_hail(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	entry->hailed = 1;
	entry->next_signals = waiter->signals;
	waiter->signals = entry;
	if (waiter->n_signals++ > 0)
		return 0;
	/* All of them: the sets of later entries, and what is caught later, are among them. */
	waiter->hail = fy_hail_begin(FERRY_SIGNAL_CAUGHT, 1);
	return waiter->hail ? add_own(waiter, fy_hail_fd(waiter->hail), FY_OWN_HAIL) : -EMFILE;
}

static void end_hailing(struct ferry_waiter *waiter, const struct fy_entry *entry)
{
	struct fy_entry **at = &waiter->signals;

	while (*at != entry)
		at = &(*at)->next_signals;
	*at = entry->next_signals;
	if (--waiter->n_signals > 0)
		return;
	fy_hail_end(waiter->hail);
	waiter->hail = NULL;
}

/* ---- descriptors ---- */

static uint32_t epoll_events(const struct fy_entry *entry)
{
	uint32_t events = (entry->place.poll & POLLIN ? EPOLLIN : 0u) |
			  (entry->place.poll & POLLOUT ? EPOLLOUT : 0u) |
			  (entry->place.poll & POLLRDHUP ? EPOLLRDHUP : 0u);

	return events | (entry->item.events & FERRY_ONE_SHOT ? EPOLLONESHOT : 0u);
}

/* The descriptor that tells of what the entry asks for; -1: there is none. */
static int descriptor_of(const struct fy_entry *entry)
{
	if (entry->place.signals != 0)
		return entry->item.events & FERRY_CAN_READ ? entry->own_fd : -1;
	return entry->place.fd >= 0 && entry->own_fd >= 0 ? entry->own_fd : entry->place.fd;
}

static int control(struct ferry_waiter *waiter, struct fy_entry *entry, int operation, int fd)
{
	struct epoll_event event = { .events = epoll_events(entry),
				     .data = { .u64 = (uint64_t)entry->key } };

	if (epoll_ctl(waiter->epoll, operation, fd, &event) != 0)
		return -errno;
	entry->polled = fd;
	return 0;
}

/* epoll(7) has each descriptor once; a second entry gets a duplicate. */
static int begin_polling(struct ferry_waiter *waiter, struct fy_entry *entry, int fd)
{
	int r = control(waiter, entry, EPOLL_CTL_ADD, fd);

	if (r != -EEXIST)
		return r;
	entry->own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return entry->own_fd < 0 ? -errno : control(waiter, entry, EPOLL_CTL_ADD, entry->own_fd);
}

static void end_polling(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	if (entry->polled >= 0)
		(void)epoll_ctl(waiter->epoll, EPOLL_CTL_DEL, entry->polled, NULL);
	entry->polled = -1;
	if (entry->own_fd < 0 || entry->place.signals != 0)
		return;
	(void)close(entry->own_fd);
	entry->own_fd = -1;
}

int fy_set_poll(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	const int fd = descriptor_of(entry);

	if (fd < 0)
		end_polling(waiter, entry);
	else if (entry->polled < 0)
		return begin_polling(waiter, entry, fd);
	else /* fails for one that was closed too soon; of that one nothing is told any more */
		(void)control(waiter, entry, EPOLL_CTL_MOD, fd);
	return 0;
}

/* A duplicate, since epoll(7) has each descriptor once, and other entries may be told by it. */
static int wait_for_edges(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET,
				     .data = { .u64 = FY_IS_EDGE | (uint64_t)entry->key } };
	int fd = fy_item_look_again_fd(&entry->item);

	if (fd < 0)
		return fd == FY_NO_FD ? 0 : fd;
	entry->edge_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (entry->edge_fd < 0 ||
	    epoll_ctl(waiter->epoll, EPOLL_CTL_ADD, entry->edge_fd, &event) != 0)
		return -errno;
	return 0;
}

static void end_edges(const struct ferry_waiter *waiter, const struct fy_entry *entry)
{
	if (entry->edge_fd < 0)
		return;
	(void)epoll_ctl(waiter->epoll, EPOLL_CTL_DEL, entry->edge_fd, NULL);
	(void)close(entry->edge_fd);
}

/* Signals that the thread has blocked are told of by a descriptor. */
static int show_blocked(struct fy_entry *entry)
{
	uint64_t blocked = entry->place.blocked & fy_mask_now() & FY_EVERY_SIGNAL;
	sigset_t set;

	if (blocked == 0)
		return 0;
	(void)sigemptyset(&set);
	for (uint64_t left = blocked; left != 0; left &= left - 1)
		(void)sigaddset(&set, fy_signal_lowest(left));
	entry->own_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	entry->place.poll = POLLIN;
	return entry->own_fd < 0 ? -errno : 0;
}

/* ---- entering and leaving ---- */

static int place(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	int r = 0;

	if (entry->place.object)
		r = watch(waiter, entry);
	if (r == 0 && entry->place.signals != 0)
		r = show_blocked(entry);
	if (r == 0 && entry->place.signals != 0)
		r = begin_to_hail(waiter, entry);
	if (r == 0)
		r = wait_for_edges(waiter, entry);
	return r == 0 ? fy_set_poll(waiter, entry) : r;
}

static void displace(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	end_polling(waiter, entry);
	end_edges(waiter, entry);
	if (entry->own_fd >= 0)
		(void)close(entry->own_fd);
	if (entry->number > 0)
		unwatch(waiter, entry);
	if (entry->hailed)
		end_hailing(waiter, entry);
}

static void remove_entry(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	leave_state(waiter, entry);
	leave_closed(waiter, entry);
	if (waiter->last_told == entry)
		waiter->last_told = NULL;
	displace(waiter, entry);
	leave_table(waiter, entry);
	free(entry);
}

/* Each of the two has room for all entries, since which are where changes where nothing can fail.
 */
static int make_beds(struct ferry_waiter *waiter)
{
	while (waiter->asleep_room <= waiter->n) {
		uint32_t room = waiter->asleep_room;
		int r = grow(&waiter->napping.all, &room, sizeof(struct fy_entry *));
		if (r < 0)
			return r;
		room = waiter->asleep_room;
		r = grow(&waiter->sound.all, &room, sizeof(struct fy_entry *));
		if (r < 0)
			return r;
		waiter->asleep_room = room;
	}
	return 0;
}

static int add_entry(struct ferry_waiter *waiter, struct fy_entry *entry)
{
	int r = make_beds(waiter);
	if (r == 0)
		r = enter_table(waiter, entry);
	if (r < 0)
		return r;
	r = place(waiter, entry);
	if (r < 0) {
		displace(waiter, entry);
		leave_table(waiter, entry);
		return r;
	}
	fy_set_heat(waiter, entry);
	fy_set_tell(waiter);
	return entry->key;
}

void fy_set_free(struct ferry_waiter *waiter)
{
	for (uint32_t i = 0; i < waiter->table_room; i++)
		if (waiter->table[i])
			remove_entry(waiter, waiter->table[i]);
	free(waiter->table);
	free(waiter->napping.all);
	free(waiter->sound.all);
	free(waiter->watched);
}

/* ---- the calls ---- */

/* The mutex, if this process may use the waiter. */
static int enter(ferry_waiter *waiter)
{
	if (!waiter)
		return -EINVAL;
	if (fy_fork_is_child(waiter->generation))
		return -EXDEV;
	(void)pthread_mutex_lock(&waiter->mutex);
	return 0;
}

static struct fy_entry *make(const struct ferry_item *item, void *user)
{
	struct fy_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->item = *item;
	entry->user = user;
	entry->own_fd = entry->polled = entry->edge_fd = -1;
	entry->state = FY_SILENT;
	fy_item_place(&entry->item, &entry->place);
	return entry;
}

static int add(ferry_waiter *waiter, const struct ferry_item *item, void *user)
{
	struct fy_entry *entry = make(item, user);
	int r = entry ? enter(waiter) : -ENOMEM;

	if (r == 0) {
		r = add_entry(waiter, entry);
		(void)pthread_mutex_unlock(&waiter->mutex);
	}
	if (r < 0)
		free(entry);
	return r;
}

int ferry_waiter_add(ferry_waiter *waiter, const struct ferry_item *item, void *user)
{
	if (!waiter || !item)
		return -EINVAL;
	int r = fy_item_check(item);
	if (r < 0)
		return r;
	int cancel = fy_cancel_off();
	r = add(waiter, item, user);
	fy_cancel_restore(cancel);
	return r;
}

/* Other events are other bells. */
static int change(struct ferry_waiter *waiter, struct fy_entry *entry, uint32_t events)
{
	struct ferry_item item = entry->item;

	item.events = events;
	int r = fy_item_check(&item);
	if (r < 0)
		return r;
	const struct fy_item_place before = entry->place;
	entry->item.events = events;
	fy_item_place(&entry->item, &entry->place);
	if (entry->place.signals != 0)
		entry->place.poll = before.poll;
	if (entry->place.fd != before.fd)
		end_polling(waiter, entry);
	r = fy_set_poll(waiter, entry);
	fy_set_heat(waiter, entry);
	fy_set_tell(waiter);
	return r;
}

int ferry_waiter_change(ferry_waiter *waiter, int key, uint32_t events)
{
	int cancel = fy_cancel_off();
	int r = enter(waiter);

	if (r == 0) {
		struct fy_entry *entry = fy_set_find(waiter, key);
		r = entry ? change(waiter, entry, events) : -ENOENT;
		(void)pthread_mutex_unlock(&waiter->mutex);
	}
	fy_cancel_restore(cancel);
	return r;
}

int ferry_waiter_remove(ferry_waiter *waiter, int key)
{
	int cancel = fy_cancel_off();
	int r = enter(waiter);

	if (r == 0) {
		struct fy_entry *entry = fy_set_find(waiter, key);
		r = entry ? 0 : -ENOENT;
		if (entry)
			remove_entry(waiter, entry);
		(void)pthread_mutex_unlock(&waiter->mutex);
	}
	fy_cancel_restore(cancel);
	return r;
}
