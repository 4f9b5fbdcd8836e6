/* SPDX-License-Identifier: MIT */
/*
 * Sockets under attack: who connects, accepts, listens, sends, receives or closes is killed or
 * stopped; the other end must get what the table of ferry-socket(7) says, and everybody else goes
 * on. See family.h.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sockets.h"

static_assert(sizeof(struct socket_ledger) <= SCENE_RECORD, "the ledger does not fit");

static const struct socket_setup *setup_of(const struct scene *scene)
{
	return scene->operation->with;
}

void socket_expect(struct socket_ledger *ledger, const char *what, int64_t r, bool is_right)
{
	if (!is_right)
		fault(ledger->faults, "C5: %s returned %s", what,
		      r < 0 ? ferry_error_name((int)r) : "success");
}

/* ---- messages ---- */

const unsigned char *socket_message(uint32_t number, uint32_t size)
{
	static _Thread_local unsigned char bytes[SOCKET_LARGE];

	for (uint32_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(number * 31 + i % 251);
	return bytes;
}

static _Thread_local unsigned char incoming[SOCKET_LARGE];

ssize_t socket_receive(struct socket_actor *actor, ferry_deadline deadline)
{
	return ferry_socket_receive(actor->socket, incoming, sizeof(incoming), deadline);
}

ssize_t socket_check(struct socket_actor *actor, ssize_t n)
{
	const uint32_t size = actor->setup->size;

	if (n < 0)
		return n;
	if ((uint32_t)n != size ||
	    memcmp(incoming, socket_message(++actor->got, size), size) != 0) {
		fault(actor->ledger->faults, "C1: message %u is another one, or torn", actor->got);
		return 0;
	}
	return n;
}

ssize_t socket_next(struct socket_actor *actor, ferry_deadline deadline)
{
	return socket_check(actor, socket_receive(actor, deadline));
}

void socket_tell_victim(struct socket_actor *survivor)
{
	struct socket_ledger *ledger = survivor->ledger;
	const uint32_t size = survivor->setup->size;
	int r = ferry_socket_send(survivor->socket, socket_message(ledger->told + 1, size), size,
				  ferry_in_ms(SCENE_PATIENCE));

	socket_expect(ledger, "telling the victim", r, r == 0);
	ledger->told += r == 0;
}

/* ---- actors ---- */

static void *hire(struct scene *scene, uint32_t index)
{
	struct socket_actor *actor = calloc(1, sizeof(*actor));

	if (!actor)
		abort();
	/* The victim's clock stands still: it would spin for ever. */
	if (index != ACTOR_SURVIVOR)
		setenv("FERRY_SPIN_NS", "0", 1);
	actor->ledger = scene->record;
	actor->setup = setup_of(scene);
	actor->fd = -1;
	return actor;
}

static void listen_at(struct socket_actor *actor, const char *address)
{
	int r = ferry_listen(&actor->listener, address, NULL, ferry_in_ms(SCENE_PATIENCE));

	socket_expect(actor->ledger, "listening", r, r == 0);
	if (r < 0 || ferry_listener_address(actor->listener, actor->ledger->address,
					    sizeof(actor->ledger->address)) < 0)
		_exit(1);
}

static const struct ferry_socket_options *options_of(const struct socket_actor *actor)
{
	static const struct ferry_socket_options plain = { .size = sizeof(plain),
							   .flags = FERRY_SOCKET_PLAIN };

	return actor->setup->plain ? &plain : NULL;
}

/* Before the victim acts. */
static void enter(void *it)
{
	struct socket_actor *actor = it;
	int r = 0;

	if (actor->setup->part == ACCEPTS)
		listen_at(actor, actor->ledger->address);
	if (actor->setup->part != TALKS)
		return;
	r = ferry_connect(&actor->socket, actor->ledger->address, options_of(actor),
			  ferry_in_ms(SCENE_PATIENCE));
	socket_expect(actor->ledger, "the victim's connect", r, r == 0);
	if (r < 0)
		_exit(1);
	/* It has read once, as it would have in the life before: nothing is there. */
	if (!actor->setup->fresh)
		(void)socket_next(actor, FERRY_NOW);
}

static void leave(void *it)
{
	struct socket_actor *actor = it;

	if (actor->fd >= 0)
		(void)ferry_fd_close(actor->fd);
	actor->fd = -1;
	ferry_socket_close(actor->socket);
	ferry_listener_close(actor->listener);
	actor->socket = NULL;
	actor->listener = NULL;
}

/* ---- the scene's own ---- */

static void leave_stale_file(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(name.sun_path))
		_exit(1);
	strcpy(name.sun_path, path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0)
		_exit(1);
	(void)close(fd);
}

static void set_stage(struct scene *scene)
{
	struct socket_actor *survivor = scene->survivor;
	struct socket_ledger *ledger = scene->record;
	const struct socket_setup *setup = setup_of(scene);

	ledger->faults = scene->faults;
	if (setup->tcp)
		strcpy(ledger->address, "tcp://127.0.0.1:0");
	else
		(void)snprintf(ledger->address, sizeof(ledger->address), "unix:%s/socket",
			       scene->run->directory);
	if (setup->stale)
		leave_stale_file(ledger->address + strlen("unix:"));
	if (setup->part == TALKS || setup->part == CONNECTS)
		listen_at(survivor, ledger->address);
}

/* Before the victim acts: so what it does must show there. */
static void show(struct socket_actor *survivor)
{
	struct ferry_item item = ferry_on_socket(survivor->socket, FERRY_CAN_READ);

	survivor->fd = ferry_fd(&item);
	socket_expect(survivor->ledger, "ferry_fd", survivor->fd, survivor->fd >= 0);
	if (survivor->fd < 0)
		_exit(1);
	(void)ferry_fd_clear(survivor->fd);
}

/* The victim is prepared: be at the other end. */
static void complete_stage(struct scene *scene)
{
	struct socket_actor *survivor = scene->survivor;
	const struct socket_setup *setup = setup_of(scene);
	int r = 0;

	if (setup->part == TALKS)
		r = ferry_accept(&survivor->socket, survivor->listener,
				 ferry_in_ms(SCENE_PATIENCE));
	if (setup->part == ACCEPTS)
		r = ferry_connect(&survivor->socket, survivor->ledger->address, NULL,
				  ferry_in_ms(SCENE_PATIENCE));
	socket_expect(survivor->ledger, "meeting the victim", r, r == 0);
	if (r < 0)
		_exit(1);
	if (setup->part == TALKS)
		(void)socket_next(survivor, FERRY_NOW);
	if (setup->shown)
		show(survivor);
	if (setup->greeted && setup->helper != TELLS)
		socket_tell_victim(survivor);
	if (setup->is_told && !scene->operation->rouse)
		socket_tell_victim(survivor);
	if (setup->helper != NO_HELPER)
		socket_helper_start(survivor);
}

/* ---- after the strike ---- */

static bool was_killed(const struct scene *scene)
{
	return scene->run->strike == STRIKE_KILL && scene->outcome->struck;
}

/* There is a message, or the end: the descriptor must say so by itself, and go on saying it. */
static void see_shown(struct scene *scene)
{
	const struct socket_actor *survivor = scene->survivor;
	const struct socket_ledger *ledger = scene->record;
	struct pollfd entry = { .fd = survivor->fd, .events = POLLIN };
	int64_t since = now_ns();
	int happened = 0;

	if (survivor->fd < 0 || (!scene_victim_is_over(scene) && ledger->sent <= survivor->got))
		return;
	scene_phase(scene, "looking at the descriptor");
	while (happened == 0 && poll(&entry, 1, SCENE_PATIENCE) == 1)
		happened = ferry_fd_clear(survivor->fd);
	scene_took(scene, since);
	if (!(happened & FERRY_CAN_READ))
		fault(scene->faults, "C6: the descriptor tells %#x", (unsigned)happened);
}

static ssize_t hear_all(struct scene *scene, bool over)
{
	struct socket_actor *survivor = scene->survivor;
	ssize_t r = socket_helper_await(scene);

	if (setup_of(scene)->helper == HEARS)
		return atomic_load(&survivor->helper_ended) ? survivor->helper_result : -EAGAIN;
	scene_phase(scene, "hearing the victim");
	do {
		int64_t since = now_ns();
		r = socket_next(survivor, over ? ferry_in_ms(SCENE_PATIENCE) : FERRY_NOW);
		scene_took(scene, since);
	} while (r > 0);
	return r;
}

/* What the victim sent comes whole and in order, and then, if it is over, the end; at once. */
static void hear(struct scene *scene)
{
	struct socket_actor *survivor = scene->survivor;
	struct socket_ledger *ledger = scene->record;
	const bool over = scene_victim_is_over(scene);
	ssize_t r = 0;

	if (!survivor->socket)
		return;
	see_shown(scene);
	r = hear_all(scene, over);
	if (over || r != -EAGAIN)
		socket_expect(ledger, "receiving from the victim", r,
			      r == -ENODATA || r == -ECONNRESET);
	if (survivor->got > ledger->begun || (over && survivor->got < ledger->sent))
		fault(scene->faults, "C2: %u messages came, of %u sent and %u begun", survivor->got,
		      ledger->sent, ledger->begun);
}

/* Nobody is there any more, which who sends learns, at the latest by the answer to what went out
 * first. */
static void send_to_nobody(struct scene *scene)
{
	struct socket_actor *survivor = scene->survivor;
	int64_t since = now_ns();
	int r = 0;

	scene_phase(scene, "sending to nobody");
	if (!survivor->socket)
		return;
	while (r == 0 && !scene_out_of_patience(since)) {
		r = ferry_socket_send(survivor->socket, socket_message(1, SOCKET_SMALL),
				      SOCKET_SMALL, ferry_in_ms(SCENE_PATIENCE));
		scene_pause();
	}
	socket_expect(scene->record, "sending to nobody", r, r == -EPIPE || r == -ECONNRESET);
	scene_took(scene, since);
	if (survivor->fd >= 0)
		(void)ferry_fd_close(survivor->fd);
	survivor->fd = -1;
	ferry_socket_close(survivor->socket);
	survivor->socket = NULL;
}

/* Accept until it is this client's connection. Another one is the victim's. */
static int accept_this(struct socket_actor *survivor, ferry_socket *client, ferry_socket **ret)
{
	char mine[FERRY_ADDRESS_MAX], theirs[FERRY_ADDRESS_MAX];
	struct ferry_socket_credentials who = { 0 };

	for (;;) {
		int r = ferry_accept(ret, survivor->listener, ferry_in_ms(SCENE_PATIENCE));
		if (r < 0)
			return r;
		if (ferry_socket_credentials(*ret, &who) == 0) {
			if (who.pid == getpid())
				return 0;
		} else if (ferry_socket_local(client, mine, sizeof(mine)) > 0 &&
			   ferry_socket_peer(*ret, theirs, sizeof(theirs)) > 0 &&
			   strcmp(mine, theirs) == 0) {
			return 0;
		}
		if (survivor->socket)
			fault(survivor->ledger->faults, "C3: the victim's connection came twice");
		survivor->socket = *ret;
	}
}

/* Somebody else connects, is accepted and talks. */
static void serve_others(struct scene *scene)
{
	struct socket_actor *survivor = scene->survivor;
	struct socket_ledger *ledger = scene->record;
	ferry_socket *client = NULL, *server = NULL;
	int64_t since = now_ns();
	char byte = 0;

	scene_phase(scene, "serving others");
	int r = ferry_connect(&client, ledger->address, NULL, ferry_in_ms(SCENE_PATIENCE));
	if (r == 0)
		r = accept_this(survivor, client, &server);
	if (r == 0)
		r = ferry_socket_send(client, "?", 1, ferry_in_ms(SCENE_PATIENCE));
	if (r == 0)
		r = (int)ferry_socket_receive(server, &byte, 1, ferry_in_ms(SCENE_PATIENCE));
	socket_expect(ledger, "serving another client", r < 0 ? r : 0, r == 1 && byte == '?');
	scene_took(scene, since);
	ferry_socket_close(client);
	ferry_socket_close(server);
}

/* The call that was not struck, or went on, must have done what it should. */
static void judge_result(const struct scene *scene)
{
	struct socket_ledger *ledger = scene->record;

	if (was_killed(scene) || !scene_victim_is_over(scene))
		return;
	if (!ledger->returned)
		fault(scene->faults, "C5: the victim's call did not return");
	else
		socket_expect(ledger, "the victim's call", ledger->result, ledger->result >= 0);
}

/* The listener went with the victim: its address is free, its file is taken over. */
static void take_over(struct scene *scene)
{
	struct socket_actor *survivor = scene->survivor;
	int64_t since = now_ns();

	scene_phase(scene, "taking the address over");
	if (!survivor->listener)
		listen_at(survivor, survivor->ledger->address);
	scene_took(scene, since);
}

static void survive(struct scene *scene)
{
	const enum part part = setup_of(scene)->part;

	judge_result(scene);
	if (scene_victim_is_over(scene) && (part == ACCEPTS || part == LISTENS))
		take_over(scene);
	if (((struct socket_actor *)scene->survivor)->listener)
		serve_others(scene);
	hear(scene);
	if (scene_victim_is_over(scene))
		send_to_nobody(scene);
}

static void end(struct scene *scene)
{
	leave(scene->survivor);
	scene_expect_no_litter(scene);
}

const struct family family_socket = {
	.name = "socket",
	.operations = socket_operations,
	.hire = hire,
	.enter = enter,
	.leave = leave,
	.set_stage = set_stage,
	.complete_stage = complete_stage,
	.survive = survive,
	.end = end,
};
