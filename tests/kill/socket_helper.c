/* SPDX-License-Identifier: MIT */
/* A thread of the survivor's that is asleep at the connection when the victim acts; see sockets.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "sockets.h"

static void *hear(void *it)
{
	struct socket_actor *survivor = it;
	const bool once = survivor->setup->helper == HEARS_ONCE;
	ssize_t r;

	do {
		r = socket_next(survivor, ferry_in_ms(SCENE_ALARM * 2000));
		atomic_store(&survivor->ledger->heard, survivor->got);
	} while (r > 0 && !once);
	survivor->helper_result = (int)r;
	atomic_store(&survivor->helper_ended, true);
	return NULL;
}

static void *tell(void *it)
{
	struct socket_actor *survivor = it;
	struct socket_ledger *ledger = survivor->ledger;
	const uint32_t size = survivor->setup->size;
	int r;

	do
		r = ferry_socket_send(survivor->socket, socket_message(++ledger->told, size), size,
				      ferry_in_ms(SCENE_ALARM * 2000));
	while (r == 0);
	survivor->helper_result = r;
	atomic_store(&survivor->helper_ended, true);
	return NULL;
}

static void *begin(void *it)
{
	struct socket_actor *survivor = it;

	atomic_store(&survivor->ledger->helper, gettid());
	return survivor->setup->helper == TELLS ? tell(it) : hear(it);
}

void socket_helper_start(struct socket_actor *survivor)
{
	if (pthread_create(&survivor->helper, NULL, begin, survivor) != 0)
		abort();
	survivor->helped = true;
}

static bool has_done(struct scene *scene, const struct socket_actor *survivor)
{
	if (atomic_load(&survivor->helper_ended))
		return true;
	if (scene_victim_is_over(scene))
		return false;
	return survivor->setup->helper == TELLS ||
	       atomic_load(&survivor->ledger->heard) >= survivor->ledger->sent;
}

/* What ended it, since it goes on as long as the victim lives. */
static void judge(const struct socket_actor *survivor)
{
	const int r = survivor->helper_result;

	if (survivor->setup->helper == TELLS)
		socket_expect(survivor->ledger, "a sleeping send", r,
			      r == -EPIPE || r == -ECONNRESET);
}

int socket_helper_await(struct scene *scene)
{
	struct socket_actor *survivor = scene->survivor;
	int64_t since = now_ns();

	scene_phase(scene, "waiting for the sleeping thread");
	while (survivor->helped && !has_done(scene, survivor) && !scene_out_of_patience(since))
		scene_pause();
	scene_took(scene, since);
	if (survivor->helped && !has_done(scene, survivor))
		fault(scene->faults, "C6: a thread sleeps on that should have been woken");
	if (!survivor->helped || !atomic_load(&survivor->helper_ended))
		return -EAGAIN;
	(void)pthread_join(survivor->helper, NULL);
	survivor->helped = false;
	judge(survivor);
	return survivor->helper_result;
}
