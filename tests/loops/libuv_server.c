/* SPDX-License-Identifier: MIT */
/* A server around libuv's loop: a mailbox through ferry_fd(), a timer, a socket. */
#include <stdlib.h>
#include <uv.h>

#include "served.h"

struct server {
	struct served served;
	uv_loop_t loop;
	uv_timer_t timer;
	uv_poll_t box, socket;
};

static void must(int result)
{
	if (result < 0) {
		fprintf(stderr, "server: %s\n", uv_strerror(result));
		exit(1);
	}
}

static void tick(uv_timer_t *timer)
{
	struct server *server = timer->data;

	server->served.ticks++;
}

static void messages(uv_poll_t *poll, int status, int events)
{
	struct server *server = poll->data;

	(void)events;
	must(status);
	served_messages(&server->served);
}

static void words(uv_poll_t *poll, int status, int events)
{
	struct server *server = poll->data;

	(void)events;
	must(status);
	served_socket(&server->served);
	if (server->served.over)
		uv_stop(&server->loop);
}

static void watch(struct server *server, uv_poll_t *poll, int fd, uv_poll_cb call)
{
	must(uv_poll_init(&server->loop, poll, fd));
	poll->data = server;
	must(uv_poll_start(poll, UV_READABLE, call));
}

static void close_it(uv_handle_t *handle, void *unused)
{
	(void)unused;
	uv_close(handle, NULL);
}

int main(int argc, char **argv)
{
	struct server server = { 0 };

	(void)argv;
	must(uv_loop_init(&server.loop));
	served_begin(&server.served, argc);
	must(uv_timer_init(&server.loop, &server.timer));
	server.timer.data = &server;
	must(uv_timer_start(&server.timer, tick, SERVED_TICK_MS, SERVED_TICK_MS));
	watch(&server, &server.socket, SERVED_SOCKET, words);
	if (server.served.box)
		watch(&server, &server.box, server.served.fd, messages);
	uv_run(&server.loop, UV_RUN_DEFAULT);
	uv_walk(&server.loop, close_it, NULL);
	uv_run(&server.loop, UV_RUN_DEFAULT);
	must(uv_loop_close(&server.loop));
	served_end(&server.served);
	return 0;
}
