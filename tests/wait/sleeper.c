/* SPDX-License-Identifier: MIT */
/* See sleeper.h. */
#include "sleeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "scratch.h"

/* Who naps wakes once in 30 ms; who sleeps soundly about once a second, of which the keeper of a
 * descriptor makes two. Looked at for a while, the first has slept at least once in NAPPING_MS, the
 * other at most once in SOUND_MS. A busy machine makes naps fewer: then again. */
enum { WINDOW_MS = 600, NAPPING_MS = 100, SOUND_MS = 150 };

/* ---- the ways ---- */

static ferry_waiter *waiter;
static int shown = -1;
static int silent[2] = { -1, -1 };

/* Whoever waits for several things receives after that; somebody else may be faster. */
static int64_t receive_now(ferry_mailbox *box)
{
	uint64_t number = 0;
	const ssize_t n = ferry_mailbox_receive(box, &number, sizeof number, FERRY_NOW);

	return n < 0 ? n : (int64_t)number;
}

static int64_t by_receive(ferry_mailbox *box, ferry_deadline deadline)
{
	uint64_t number = 0;
	const ssize_t n = ferry_mailbox_receive(box, &number, sizeof number, deadline);

	return n < 0 ? n : (int64_t)number;
}

static int64_t by_take(ferry_mailbox *box, ferry_deadline deadline)
{
	struct ferry_message message;
	const int r = ferry_mailbox_take(box, &message, deadline);
	uint64_t number;

	if (r < 0)
		return r;
	check_eq(message.size, sizeof number);
	memcpy(&number, message.data, sizeof number);
	check_eq(ferry_mailbox_done(box, &message), 0);
	return (int64_t)number;
}

static int64_t by_peek(ferry_mailbox *box, ferry_deadline deadline)
{
	uint64_t number;
	const ssize_t n = ferry_mailbox_peek(box, &number, sizeof number, NULL, deadline);

	return n < 0 ? n : receive_now(box);
}

static int64_t by_wait(ferry_mailbox *box, ferry_deadline deadline)
{
	struct ferry_item item = ferry_on_mailbox(box, FERRY_CAN_READ);
	const int n = ferry_wait(&item, 1, deadline);

	return n < 0 ? n : receive_now(box);
}

static int64_t by_wait_with_descriptor(ferry_mailbox *box, ferry_deadline deadline)
{
	if (silent[0] < 0)
		check_eq(pipe2(silent, O_CLOEXEC), 0);
	struct ferry_item items[] = {
		ferry_on_fd(silent[0], FERRY_CAN_READ),
		ferry_on_mailbox(box, FERRY_CAN_READ),
	};
	const int n = ferry_wait(items, 2, deadline);

	return n < 0 ? n : receive_now(box);
}

static int64_t by_wait_twice(ferry_mailbox *box, ferry_deadline deadline)
{
	struct ferry_item items[] = {
		ferry_on_mailbox(box, FERRY_CAN_READ),
		ferry_on_mailbox(box, FERRY_CAN_READ),
	};
	const int n = ferry_wait(items, 2, deadline);

	return n < 0 ? n : receive_now(box);
}

static int64_t by_waiter(ferry_mailbox *box, ferry_deadline deadline)
{
	const struct ferry_item item = ferry_on_mailbox(box, FERRY_CAN_READ);
	struct ferry_report report;

	if (!waiter) {
		check_eq(ferry_waiter_open(&waiter, NULL), 0);
		check(ferry_waiter_add(waiter, &item, NULL) >= 0);
	}
	const int n = ferry_waiter_wait(waiter, &report, 1, deadline);
	return n < 0 ? n : receive_now(box);
}

static int poll_ms(ferry_deadline deadline)
{
	const int64_t left = deadline - ferry_in_ns(0);

	if (deadline == FERRY_FOREVER)
		return -1;
	return left > 0 ? (int)((left + 999999) / 1000000) : 0;
}

static int64_t by_descriptor(ferry_mailbox *box, ferry_deadline deadline)
{
	const struct ferry_item item = ferry_on_mailbox(box, FERRY_CAN_READ);

	if (shown < 0)
		shown = ferry_fd(&item);
	check(shown >= 0);
	struct pollfd entry = { .fd = shown, .events = POLLIN };
	const int n = poll(&entry, 1, poll_ms(deadline));
	if (n == 0)
		return -ETIMEDOUT;
	check_eq(n, 1);
	check(ferry_fd_clear(shown) >= 0);
	return receive_now(box);
}

const struct sleep_way sleep_ways[SLEEP_WAYS] = {
	{ "receive", by_receive },
	{ "take", by_take },
	{ "peek", by_peek },
	{ "ferry_wait", by_wait },
	{ "ferry_wait with a descriptor", by_wait_with_descriptor },
	{ "ferry_wait with one handle twice", by_wait_twice },
	{ "ferry_waiter", by_waiter },
	{ "ferry_fd in poll", by_descriptor },
};

void sleep_ways_end(void)
{
	ferry_waiter_close(waiter);
	waiter = NULL;
	if (shown >= 0)
		check_eq(ferry_fd_close(shown), 0);
	shown = -1;
	for (int i = 0; i < 2 && silent[i] >= 0; i++) {
		close(silent[i]);
		silent[i] = -1;
	}
}

/* ---- sleepers ---- */

void sound_ms(const char *value)
{
	check_eq(value ? setenv("FERRY_SOUND_MS", value, 1) : unsetenv("FERRY_SOUND_MS"), 0);
}

struct bell *bell_of(const struct prey *prey)
{
	const size_t at_bells = 40; /* docs/formats/object.md; the arrival bell is the first */
	uint64_t bells;

	memcpy(&bells, prey->bytes + at_bells, sizeof bells);
	check(bells + sizeof(struct bell) <= prey->size);
	return (struct bell *)(void *)(prey->bytes + bells);
}

int64_t sleeper_says(const struct sleeper *sleeper, int what)
{
	return atomic_load(&sleeper->peer.stage->value[what]);
}

static void tell(struct stage *stage, int64_t number)
{
	atomic_store(&stage->value[SLEEPER_AT], clock_ns());
	atomic_fetch_add(&stage->value[SLEEPER_SUM], number);
	atomic_fetch_add(&stage->value[SLEEPER_COUNT], 1);
}

/* The next number, or the error that ends it. Somebody else may be faster. */
static int64_t next_of(const struct sleeper *sleeper, ferry_mailbox *box)
{
	int64_t n;

	do
		n = sleeper->way->next(box, FERRY_FOREVER);
	while (n == -EAGAIN);
	return n;
}

static void sleep_again_and_again(struct stage *stage, const void *argument)
{
	const struct sleeper *sleeper = argument;
	struct ferry_message first;
	int64_t n;

	sound_ms(sleeper->sound_ms);
	ferry_mailbox *box = box_open(sleeper->location, sleeper->options);
	stage_reach(stage, 1);
	if (sleeper->takes_first) {
		check_eq(ferry_mailbox_take(box, &first, FERRY_FOREVER), 0);
		tell(stage, 1);
	}
	while ((n = next_of(sleeper, box)) >= 0) {
		if (n == 2 && sleeper->takes_first)
			check_eq(ferry_mailbox_done(box, &first), 0);
		tell(stage, n);
	}
	atomic_store(&stage->value[SLEEPER_AT], clock_ns());
	atomic_store(&stage->value[SLEEPER_ERROR], n);
	stage_wait(stage, 1);
}

void sleeper_start(struct sleeper *sleeper)
{
	sleeper->box = box_open(sleeper->location, sleeper->options);
	sleeper->prey = prey_map(scratch_path(sleeper->location));
	sleeper->bell = bell_of(&sleeper->prey);
	peer_start(&sleeper->peer, sleep_again_and_again, sleeper);
	peer_await(&sleeper->peer, 1);
}

void sleeper_end(struct sleeper *sleeper)
{
	peer_kill(&sleeper->peer);
	prey_unmap(&sleeper->prey);
	ferry_mailbox_close(sleeper->box);
	const int r = ferry_remove(sleeper->location, NULL);
	check(r == 0 || r == -ENOENT);
}

void sleepers_start(struct sleeper *sleepers, const struct ferry_mailbox_options *options,
		    const char *sound)
{
	for (int i = 0; i < SLEEP_WAYS; i++) {
		sleepers[i].way = &sleep_ways[i];
		sleepers[i].options = options;
		sleepers[i].sound_ms = sound;
		snprintf(sleepers[i].location, sizeof sleepers[i].location, "box-%d", i);
		sleeper_start(&sleepers[i]);
	}
}

void sleepers_end(struct sleeper *sleepers)
{
	for (int i = 0; i < SLEEP_WAYS; i++)
		sleeper_end(&sleepers[i]);
}

/* ---- whether they nap ---- */

static int64_t sleeps_in(const char *path)
{
	static const char field[] = "\nvoluntary_ctxt_switches:";
	char text[4096];
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0; /* the thread has ended */
	const ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *at = strstr(text, field);
	return at ? strtoll(at + sizeof field - 1, NULL, 10) : 0;
}

int64_t sleeps_of(pid_t pid)
{
	char path[300];
	int64_t sum = 0;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *tasks = opendir(path);
	check(tasks);
	for (const struct dirent *task; (task = readdir(tasks));) {
		snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int)pid, task->d_name);
		sum += task->d_name[0] == '.' ? 0 : sleeps_in(path);
	}
	closedir(tasks);
	return sum;
}

bool is_sound_asleep(const struct sleeper *sleeper)
{
	return (atomic_load(&sleeper->bell->sound) & 1) && process_asleep(sleeper->peer.pid);
}

/* Does each of them nap, or none? If not, a failure that comes of it says who. */
static bool all_are(bool napping, const struct sleeper *sleepers, int n)
{
	const int64_t start = clock_ns();
	int64_t since[SLEEP_WAYS];

	for (int i = 0; i < n; i++)
		since[i] = sleeps_of(sleepers[i].peer.pid);
	await(clock_ns() - start >= WINDOW_MS * 1000000LL);
	for (int i = 0; i < n; i++) {
		const int64_t sleeps = sleeps_of(sleepers[i].peer.pid) - since[i];
		const int64_t ms = (clock_ns() - start) / 1000000;

		check_about("%s slept %jd times in %jd ms", sleepers[i].way->name, (intmax_t)sleeps,
			    (intmax_t)ms);
		if (napping ? sleeps * NAPPING_MS < ms : sleeps * SOUND_MS > ms)
			return false;
	}
	check_about("%s", "");
	return true;
}

void await_sound_sleep(const struct sleeper *sleepers, int n)
{
	await(all_are(false, sleepers, n));
}

void await_naps(const struct sleeper *sleepers, int n)
{
	await(all_are(true, sleepers, n));
}

int64_t wake_sleeper(struct sleeper *sleeper, uint64_t number)
{
	const int64_t count = sleeper_says(sleeper, SLEEPER_COUNT);

	check_about("%s, message %ju", sleeper->way->name, (uintmax_t)number);
	await(is_sound_asleep(sleeper));
	const int64_t start = clock_ns();
	box_send(sleeper->box, number);
	await(sleeper_says(sleeper, SLEEPER_COUNT) > count);
	check_about("%s", "");
	return sleeper_says(sleeper, SLEEPER_AT) - start;
}

void wait_for_any(struct stage *stage, ferry_mailbox *const *boxes, int n)
{
	struct ferry_report report;
	ferry_waiter *all;

	check_eq(ferry_waiter_open(&all, NULL), 0);
	for (int i = 0; i < n; i++) {
		const struct ferry_item item = ferry_on_mailbox(boxes[i], FERRY_CAN_READ);
		check(ferry_waiter_add(all, &item, boxes[i]) >= 0);
	}
	stage_reach(stage, 1);
	for (;;) {
		check_eq(ferry_waiter_wait(all, &report, 1, FERRY_FOREVER), 1);
		box_expect(report.user, 1);
		atomic_fetch_add(&stage->value[SLEEPER_COUNT], 1);
	}
}
