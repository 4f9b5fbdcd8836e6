/* SPDX-License-Identifier: MIT */
/* tickets.c - a server answers many clients at once; none that is slow keeps the others waiting. */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <unistd.h>

enum { CLIENTS = 30, EACH = 100 };
static long ticket, left = CLIENTS;
static void answer(ferry_loop *loop, const struct ferry_loop_event *event, void *client)
{
	char question[8];
	ssize_t n;
	while ((n = ferry_socket_receive(client, question, sizeof(question), FERRY_NOW)) >= 0)
		if (ferry_socket_send(client, &(long){ ++ticket }, sizeof(ticket), FERRY_NOW) < 0)
			break; /* it does not fetch its answers: not our client any more */
	if (n == -EAGAIN)
		return; /* what it asks later calls us again */
	ferry_loop_forget(loop, event->id);
	ferry_socket_close(client);
	if (--left == 0)
		ferry_loop_stop(loop, 0);
}

static void greet(ferry_loop *loop, const struct ferry_loop_event *event, void *door)
{
	ferry_socket *client;
	while (ferry_accept(&client, door, FERRY_NOW) == 0)
		ferry_loop_watch(loop, ferry_on_socket(client, FERRY_CAN_READ), answer, client);
	(void)event;
}

static void ask(const char *address)
{
	ferry_socket *server;
	long got;
	int n = ferry_connect(&server, address, NULL, FERRY_FOREVER) == 0 ? 0 : EACH;
	while (n < EACH && ferry_socket_send(server, "next", 4, FERRY_FOREVER) == 0)
		n += ferry_socket_receive(server, &got, sizeof(got), FERRY_FOREVER) > 0 ? 1 : EACH;
	_exit(0);
}

int main(void)
{
	char address[FERRY_ADDRESS_MAX] = "unix:@";
	ferry_listener *door;
	ferry_loop *loop;
	if (ferry_listen(&door, address, NULL, FERRY_NOW) < 0 || ferry_loop_open(&loop, NULL) < 0)
		return 1;
	ferry_listener_address(door, address, sizeof(address));
	for (int i = 0; i < CLIENTS; i++)
		if (fork() == 0)
			ask(address);
	ferry_loop_watch(loop, ferry_on_listener(door), greet, door);
	int r = ferry_loop_run(loop, ferry_in_ms(60000));
	ferry_loop_close(loop);
	ferry_listener_close(door);
	printf("%ld tickets\n", ticket);
	return r != 0;
}
