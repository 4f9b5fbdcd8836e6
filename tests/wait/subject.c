/* SPDX-License-Identifier: MIT */
/* The table of what can be waited for. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "scratch.h"

enum { GIVEN = 2, OVER = 3 }; /* points that the test lets a peer pass: give; end */

/* A peer does what it has to before point 1, something more when it may pass GIVEN. */
static void start(struct scene *scene, void (*body)(struct stage *stage, const void *argument))
{
	peer_start(&scene->peer, body, scene);
	peer_await(&scene->peer, 1);
}

static void give_by_peer(struct scene *scene)
{
	peer_allow(&scene->peer, GIVEN);
	peer_await(&scene->peer, GIVEN);
}

static void end_peer(struct scene *scene)
{
	if (!scene->peer.pid)
		return;
	if (scene->removed) { /* it could not do its part any more */
		peer_kill(&scene->peer);
		return;
	}
	peer_allow(&scene->peer, OVER);
	peer_join(&scene->peer);
}

/* ---- mailbox: a message ---- */

static void make_box(struct scene *scene)
{
	scene->box = box_open("thing", FERRY_MAILBOX_OPTIONS(.messages = 1));
}

static void item_box(const struct scene *scene, struct ferry_item *ret_item)
{
	*ret_item = ferry_on_mailbox(scene->box, scene->subject->events);
}

static void end_box(struct scene *scene)
{
	end_peer(scene);
	ferry_mailbox_close(scene->box);
}

static void send_one(struct scene *scene)
{
	box_send(scene->box, 1);
}

static void receive_one(struct scene *scene)
{
	box_expect(scene->box, 1);
}

/* A message that a peer has taken, who gives it back unfinished: alive or dead. */
static void take_and_return(struct stage *stage, const void *unused)
{
	ferry_mailbox *box = box_open("thing", NULL);
	struct ferry_message message = box_take(box, 1);

	(void)unused;
	stage_reach(stage, 1);
	stage_wait(stage, GIVEN);
	check_eq(ferry_mailbox_return(box, &message), 0);
	stage_reach(stage, GIVEN);
	stage_wait(stage, OVER);
	ferry_mailbox_close(box);
}

static void make_taken(struct scene *scene)
{
	make_box(scene);
	box_send(scene->box, 1);
	start(scene, take_and_return);
}

/* ---- mailbox: room ---- */

static void make_full_box(struct scene *scene)
{
	make_box(scene);
	box_send(scene->box, 1);
}

/* ---- pipes ---- */

static void item_pipe(const struct scene *scene, struct ferry_item *ret_item)
{
	*ret_item = ferry_on_pipe(scene->end, scene->subject->events);
}

static void end_pipe(struct scene *scene)
{
	end_peer(scene);
	ferry_pipe_close(scene->end);
}

static void write_later(struct stage *stage, const void *unused)
{
	ferry_pipe *writer = stream_open("thing", FERRY_WRITE, NULL);

	(void)unused;
	stage_reach(stage, 1);
	stage_wait(stage, GIVEN);
	stream_write(writer, "x");
	stage_reach(stage, GIVEN);
	stage_wait(stage, OVER);
	ferry_pipe_close(writer);
}

static void make_reader(struct scene *scene)
{
	scene->end = stream_open("thing", FERRY_READ, NULL);
	start(scene, write_later);
}

static void read_one(struct scene *scene)
{
	stream_expect(scene->end, "x");
}

static void read_later(struct stage *stage, const void *unused)
{
	ferry_pipe *reader = stream_open("thing", FERRY_READ, NULL);

	(void)unused;
	stage_reach(stage, 1);
	stage_wait(stage, GIVEN);
	stream_empty(reader);
	stage_reach(stage, GIVEN);
	stage_wait(stage, OVER);
	ferry_pipe_close(reader);
}

static void fill_pipe(struct scene *scene)
{
	check(stream_brim(scene->end, 0) > 0);
}

static void make_writer(struct scene *scene)
{
	start(scene, read_later); /* before us: a writer waits for a reader */
	scene->end = stream_open("thing", FERRY_WRITE, NULL);
	fill_pipe(scene);
}

/* ---- sockets ---- */

static void make_listener(struct scene *scene)
{
	scene->listener = wire_listen(&wire_kinds[2], scene->address);
}

static void item_listener(const struct scene *scene, struct ferry_item *ret_item)
{
	*ret_item = ferry_on_listener(scene->listener);
}

static void end_listener(struct scene *scene)
{
	ferry_socket_close(scene->socket);
	ferry_socket_close(scene->other);
	ferry_listener_close(scene->listener);
}

static void connect_one(struct scene *scene)
{
	check_eq(ferry_connect(&scene->socket, scene->address, NULL, box_patience()), 0);
}

static void accept_one(struct scene *scene)
{
	check_eq(ferry_accept(&scene->other, scene->listener, box_patience()), 0);
}

static void item_socket(const struct scene *scene, struct ferry_item *ret_item)
{
	*ret_item = ferry_on_socket(scene->socket, scene->subject->events);
}

static void end_socket(struct scene *scene)
{
	end_peer(scene);
	ferry_socket_close(scene->socket);
}

/* The peer alone has the other end. */
static void accept_peer(struct scene *scene,
			void (*body)(struct stage *stage, const void *argument))
{
	ferry_listener *listener = wire_listen(&wire_kinds[2], scene->address);

	peer_start(&scene->peer, body, scene->address);
	check_eq(ferry_accept(&scene->socket, listener, box_patience()), 0);
	ferry_listener_close(listener);
}

static void connect_to_peer(struct scene *scene,
			    void (*body)(struct stage *stage, const void *argument))
{
	accept_peer(scene, body);
	peer_await(&scene->peer, 1);
}

static ferry_socket *connect_back(struct stage *stage, const char *address, uint32_t flags)
{
	ferry_socket *socket;

	check_eq(
	    ferry_connect(&socket, address, FERRY_SOCKET_OPTIONS(.flags = flags), box_patience()),
	    0);
	stage_reach(stage, 1);
	stage_wait(stage, GIVEN);
	return socket;
}

static void say_later(struct stage *stage, const void *address)
{
	ferry_socket *socket = connect_back(stage, address, 0);

	wire_write(socket, "x");
	stage_reach(stage, GIVEN);
	stage_wait(stage, OVER);
	ferry_socket_close(socket);
}

static void make_hearer(struct scene *scene)
{
	connect_to_peer(scene, say_later);
}

static void hear_one(struct scene *scene)
{
	wire_expect(scene->socket, "x");
}

static void hear_all(struct stage *stage, ferry_socket *socket)
{
	char bytes[4096];

	while (ferry_socket_read(socket, bytes, sizeof bytes, FERRY_NOW) > 0)
		;
	stage_reach(stage, GIVEN);
	stage_wait(stage, OVER);
	ferry_socket_close(socket);
}

/* A plain socket: one that moves into memory has room again while it does. */
static void hear_later(struct stage *stage, const void *address)
{
	hear_all(stage, connect_back(stage, address, FERRY_SOCKET_PLAIN));
}

enum { TALKS = 2 }; /* until both directions have moved into memory */

static void move_and_hear_later(struct stage *stage, const void *address)
{
	ferry_socket *socket;

	check_eq(ferry_connect(&socket, address, NULL, box_patience()), 0);
	for (int i = 0; i < TALKS; i++) {
		wire_write(socket, "question");
		wire_expect(socket, "answer");
	}
	stage_reach(stage, 1);
	stage_wait(stage, GIVEN);
	hear_all(stage, socket);
}

static void fill_socket(struct scene *scene)
{
	check(wire_brim(scene->socket) > 0);
}

static void make_speaker(struct scene *scene)
{
	connect_to_peer(scene, hear_later);
	fill_socket(scene);
}

static void make_moved_speaker(struct scene *scene)
{
	accept_peer(scene, move_and_hear_later);
	for (int i = 0; i < TALKS; i++) {
		wire_expect(scene->socket, "question");
		wire_write(scene->socket, "answer");
	}
	peer_await(&scene->peer, 1);
	check_eq(wire_moved(scene->socket), WIRE_BOTH);
	fill_socket(scene);
}

/* ---- signals and processes ---- */

static void make_catcher(struct scene *scene)
{
	(void)scene;
	check_eq(ferry_signal_catch(SIGUSR1, NULL, NULL, NULL), 0);
}

static void item_signals(const struct scene *scene, struct ferry_item *ret_item)
{
	(void)scene;
	*ret_item = ferry_on_signals(FERRY_SIGNAL(SIGUSR1));
}

static void end_catcher(struct scene *scene)
{
	(void)scene;
	check_eq(ferry_signal_restore(SIGUSR1, NULL), 0);
}

static void raise_one(struct scene *scene)
{
	(void)scene;
	check_eq(kill(getpid(), SIGUSR1), 0);
}

static void catch_one(struct scene *scene)
{
	(void)scene;
	check_eq(ferry_signal_wait(NULL, FERRY_SIGNAL(SIGUSR1), FERRY_NOW), SIGUSR1);
}

static void live(struct stage *stage, const void *unused)
{
	(void)unused;
	stage_reach(stage, 1);
	stage_wait(stage, GIVEN);
}

static void make_process(struct scene *scene)
{
	start(scene, live);
	check_eq(ferry_process_open(&scene->process, scene->peer.pid, 0, NULL), 0);
}

static void item_process(const struct scene *scene, struct ferry_item *ret_item)
{
	*ret_item = ferry_on_process(scene->process);
}

static void end_process(struct scene *scene)
{
	end_peer(scene);
	ferry_process_close(scene->process);
}

static void end_of_it(struct scene *scene)
{
	peer_allow(&scene->peer, OVER);
}

/* ---- what lies in a segment ---- */

static void item_lock(const struct scene *scene, struct ferry_item *ret_item)
{
	*ret_item = ferry_on_lock(scene->segment, &section_of(scene->segment)->lock);
}

static void end_section(struct scene *scene)
{
	end_peer(scene);
	ferry_segment_close(scene->segment);
}

static void hold_lock(struct stage *stage, const void *unused)
{
	ferry_segment *segment = section_open();
	struct section *s = section_of(segment);

	(void)unused;
	check_eq(ferry_lock_acquire(segment, &s->lock, FERRY_NOW), 0);
	stage_reach(stage, 1);
	stage_wait(stage, GIVEN);
	check_eq(ferry_lock_release(segment, &s->lock), 0);
	stage_reach(stage, GIVEN);
	stage_wait(stage, OVER);
	ferry_segment_close(segment);
}

static void make_held_lock(struct scene *scene)
{
	scene->segment = section_make(0, 1, 1);
	start(scene, hold_lock);
}

static void take_lock(struct scene *scene)
{
	check_eq(ferry_lock_acquire(scene->segment, &section_of(scene->segment)->lock, FERRY_NOW),
		 0);
}

static void item_semaphore(const struct scene *scene, struct ferry_item *ret_item)
{
	*ret_item = ferry_on_semaphore(scene->segment, &section_of(scene->segment)->semaphore);
}

static void hold_unit(struct stage *stage, const void *unused)
{
	ferry_segment *segment = section_open();
	struct section *s = section_of(segment);

	(void)unused;
	check_eq(ferry_semaphore_wait(segment, &s->semaphore, FERRY_NOW), 0);
	stage_reach(stage, 1);
	stage_wait(stage, GIVEN);
	check_eq(ferry_semaphore_post(segment, &s->semaphore, 1), 0);
	stage_reach(stage, GIVEN);
	stage_wait(stage, OVER);
	ferry_segment_close(segment);
}

static void make_used_semaphore(struct scene *scene)
{
	scene->segment = section_make(1, 1, 1);
	start(scene, hold_unit);
}

static void take_unit(struct scene *scene)
{
	check_eq(
	    ferry_semaphore_wait(scene->segment, &section_of(scene->segment)->semaphore, FERRY_NOW),
	    0);
}

/* As somebody does who looks at the data behind it. */
static void watch_condition(struct scene *scene)
{
	struct section *s = section_of(scene->segment);

	check_eq(ferry_lock_acquire(scene->segment, &s->lock, box_patience()), 0);
	check_eq(ferry_condition_watch(scene->segment, &s->condition, &scene->seen), 0);
	check_eq(ferry_lock_release(scene->segment, &s->lock), 0);
}

static void make_condition(struct scene *scene)
{
	scene->segment = section_make(0, 0, 1);
	watch_condition(scene);
}

static void item_condition(const struct scene *scene, struct ferry_item *ret_item)
{
	*ret_item = ferry_on_condition(scene->segment, &section_of(scene->segment)->condition,
				       &scene->seen);
}

static void signal_it(struct scene *scene)
{
	check_eq(ferry_condition_signal(scene->segment, &section_of(scene->segment)->condition), 0);
}

static void broadcast_by_another(struct scene *scene)
{
	ferry_segment *segment = section_open();

	(void)scene;
	check_eq(ferry_condition_broadcast(segment, &section_of(segment)->condition), 0);
	ferry_segment_close(segment);
}

static void make_growing(struct scene *scene)
{
	check_eq(ferry_segment_open(&scene->segment, "section",
				    FERRY_SEGMENT_OPTIONS(.bytes = 4096, .max_bytes = 1 << 20)),
		 0);
}

static void item_grown(const struct scene *scene, struct ferry_item *ret_item)
{
	*ret_item = ferry_on_segment(scene->segment, 4096);
}

static void grow(struct scene *scene)
{
	ferry_segment *segment = section_open();

	(void)scene;
	check_eq(ferry_segment_grow(segment, ferry_segment_size(segment) + 4096), 0);
	ferry_segment_close(segment);
}

/* ---- foreign descriptors ---- */

static void make_descriptors(struct scene *scene)
{
	check_eq(pipe2(scene->fd, O_CLOEXEC | O_NONBLOCK), 0);
}

static void item_readable(const struct scene *scene, struct ferry_item *ret_item)
{
	*ret_item = ferry_on_fd(scene->fd[0], scene->subject->events);
}

static void item_writable(const struct scene *scene, struct ferry_item *ret_item)
{
	*ret_item = ferry_on_fd(scene->fd[1], scene->subject->events);
}

static void end_descriptors(struct scene *scene)
{
	close(scene->fd[0]);
	close(scene->fd[1]);
}

static void write_byte(struct scene *scene)
{
	check_eq(write(scene->fd[1], "x", 1), 1);
}

static void read_byte(struct scene *scene)
{
	char byte;

	check_eq(read(scene->fd[0], &byte, 1), 1);
}

static void fill_descriptor(struct scene *scene)
{
	static const char zeros[4096];

	while (write(scene->fd[1], zeros, sizeof zeros) > 0)
		;
	check_eq(errno, EAGAIN);
}

static void make_full_descriptors(struct scene *scene)
{
	make_descriptors(scene);
	fill_descriptor(scene);
}

static void empty_descriptor(struct scene *scene)
{
	char bytes[4096];

	while (read(scene->fd[0], bytes, sizeof bytes) > 0)
		;
}

/* ---- the table ---- */

const struct subject subjects[] = {
	{ .name = "a message in a mailbox",
	  .events = FERRY_CAN_READ,
	  .happened = FERRY_CAN_READ,
	  .make = make_box,
	  .item = item_box,
	  .end = end_box,
	  .give = send_one,
	  .take = receive_one,
	  .again = 1,
	  .removed = FERRY_FAILED },
	{ .name = "a message that another has taken",
	  .events = FERRY_CAN_READ,
	  .happened = FERRY_CAN_READ,
	  .make = make_taken,
	  .item = item_box,
	  .end = end_box,
	  .give = give_by_peer,
	  .take = receive_one,
	  .killed = FERRY_CAN_READ },
	{ .name = "room in a mailbox",
	  .events = FERRY_CAN_WRITE,
	  .happened = FERRY_CAN_WRITE,
	  .make = make_full_box,
	  .item = item_box,
	  .end = end_box,
	  .give = receive_one,
	  .take = send_one,
	  .again = 1,
	  .removed = FERRY_FAILED },
	{ .name = "bytes in a pipe",
	  .events = FERRY_CAN_READ,
	  .happened = FERRY_CAN_READ,
	  .make = make_reader,
	  .item = item_pipe,
	  .end = end_pipe,
	  .give = give_by_peer,
	  .take = read_one,
	  .killed = FERRY_CAN_READ | FERRY_AT_END,
	  .removed = FERRY_FAILED },
	{ .name = "room in a pipe",
	  .events = FERRY_CAN_WRITE,
	  .happened = FERRY_CAN_WRITE,
	  .make = make_writer,
	  .item = item_pipe,
	  .end = end_pipe,
	  .give = give_by_peer,
	  .take = fill_pipe,
	  .killed = FERRY_CAN_WRITE | FERRY_AT_END,
	  .removed = FERRY_FAILED },
	{ .name = "a connection",
	  .events = FERRY_CAN_READ,
	  .happened = FERRY_CAN_READ,
	  .make = make_listener,
	  .item = item_listener,
	  .end = end_listener,
	  .give = connect_one,
	  .take = accept_one },
	{ .name = "bytes in a socket",
	  .events = FERRY_CAN_READ,
	  .happened = FERRY_CAN_READ,
	  .make = make_hearer,
	  .item = item_socket,
	  .end = end_socket,
	  .give = give_by_peer,
	  .take = hear_one,
	  .killed = FERRY_CAN_READ | FERRY_AT_END },
	{ .name = "room in a socket",
	  .events = FERRY_CAN_WRITE,
	  .happened = FERRY_CAN_WRITE,
	  .make = make_speaker,
	  .item = item_socket,
	  .end = end_socket,
	  .give = give_by_peer,
	  .take = fill_socket,
	  .killed = FERRY_AT_END,
	  .may_fail = 1 },
	/* It cannot be filled again before the peer has read once more (docs/formats/connection.md,
	 * "A full ring"). */
	{ .name = "room in a moved socket",
	  .events = FERRY_CAN_WRITE,
	  .happened = FERRY_CAN_WRITE,
	  .make = make_moved_speaker,
	  .item = item_socket,
	  .end = end_socket,
	  .give = give_by_peer,
	  .killed = FERRY_AT_END,
	  .may_fail = 1 },
	{ .name = "a signal",
	  .events = FERRY_CAN_READ,
	  .happened = FERRY_CAN_READ,
	  .make = make_catcher,
	  .item = item_signals,
	  .end = end_catcher,
	  .give = raise_one,
	  .take = catch_one,
	  .again = 1 },
	{ .name = "the end of a process",
	  .events = FERRY_CAN_READ,
	  .happened = FERRY_CAN_READ,
	  .make = make_process,
	  .item = item_process,
	  .end = end_process,
	  .give = end_of_it,
	  .killed = FERRY_CAN_READ },
	{ .name = "a lock",
	  .events = FERRY_CAN_READ,
	  .happened = FERRY_CAN_READ,
	  .make = make_held_lock,
	  .item = item_lock,
	  .end = end_section,
	  .give = give_by_peer,
	  .take = take_lock,
	  .killed = FERRY_CAN_READ,
	  .removed = FERRY_FAILED },
	{ .name = "a unit of a semaphore",
	  .events = FERRY_CAN_READ,
	  .happened = FERRY_CAN_READ,
	  .make = make_used_semaphore,
	  .item = item_semaphore,
	  .end = end_section,
	  .give = give_by_peer,
	  .take = take_unit,
	  .killed = FERRY_CAN_READ,
	  .removed = FERRY_FAILED },
	{ .name = "a signal of a condition",
	  .events = FERRY_CAN_READ,
	  .happened = FERRY_CAN_READ,
	  .make = make_condition,
	  .item = item_condition,
	  .end = end_section,
	  .give = signal_it,
	  .take = watch_condition,
	  .again = 1,
	  .removed = FERRY_FAILED },
	{ .name = "a broadcast of a condition",
	  .events = FERRY_CAN_READ,
	  .happened = FERRY_CAN_READ,
	  .make = make_condition,
	  .item = item_condition,
	  .end = end_section,
	  .give = broadcast_by_another,
	  .take = watch_condition,
	  .again = 1 },
	{ .name = "growth of a segment",
	  .events = FERRY_CAN_READ,
	  .happened = FERRY_CAN_READ,
	  .make = make_growing,
	  .item = item_grown,
	  .end = end_section,
	  .give = grow,
	  .removed = FERRY_FAILED },
	{ .name = "bytes in a descriptor",
	  .events = FERRY_CAN_READ,
	  .happened = FERRY_CAN_READ,
	  .make = make_descriptors,
	  .item = item_readable,
	  .end = end_descriptors,
	  .give = write_byte,
	  .take = read_byte,
	  .again = 1,
	  .is_fd = 1 },
	{ .name = "room in a descriptor",
	  .events = FERRY_CAN_WRITE,
	  .happened = FERRY_CAN_WRITE,
	  .make = make_full_descriptors,
	  .item = item_writable,
	  .end = end_descriptors,
	  .give = empty_descriptor,
	  .take = fill_descriptor,
	  .again = 1,
	  .is_fd = 1 },
	{ 0 },
};

void scene_make(struct scene *ret_scene, const struct subject *subject)
{
	memset(ret_scene, 0, sizeof *ret_scene);
	ret_scene->subject = subject;
	subject->make(ret_scene);
}

struct ferry_item scene_item(const struct scene *scene)
{
	struct ferry_item item;

	scene->subject->item(scene, &item);
	return item;
}

void scene_kill(struct scene *scene)
{
	peer_kill(&scene->peer);
}

/* The names of what subjects make. */
static const char *const names[] = { "thing", "section" };

void scene_remove(struct scene *scene)
{
	int removed = 0;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		removed += ferry_remove(names[i], NULL) == 0;
	check_eq(removed, 1);
	scene->removed = 1;
}

void scene_end(struct scene *scene)
{
	scene->subject->end(scene);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int e = ferry_remove(names[i], NULL);

		check(e == 0 || e == -ENOENT);
	}
}
