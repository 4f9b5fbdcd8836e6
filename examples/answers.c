/* SPDX-License-Identifier: MIT */
/* answers.c - a server with many clients: each sends questions and gets the answers back. */
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS = 4, QUESTIONS = 25 };

/* One connection: a number comes, its square goes back, until the client has finished. */
static void answer(ferry_socket *client)
{
	char text[32] = "";

	while (ferry_socket_receive(client, text, sizeof(text) - 1, ferry_in_ms(5000)) > 0) {
		int n = snprintf(text, sizeof(text), "%ld", atol(text) * atol(text));
		if (ferry_socket_send(client, text, (size_t)n + 1, ferry_in_ms(5000)) < 0)
			break;
	}
	ferry_socket_close(client);
}

static int ask(const char *address)
{
	char text[32];
	ferry_socket *server;
	int right = 0;
	if (ferry_connect(&server, address, NULL, ferry_in_ms(5000)) < 0)
		return 0;
	for (int i = 0; i < QUESTIONS; i++) {
		int n = snprintf(text, sizeof(text), "%d", i);
		if (ferry_socket_send(server, text, (size_t)n + 1, ferry_in_ms(5000)) == 0 &&
		    ferry_socket_receive(server, text, sizeof(text), ferry_in_ms(5000)) > 0)
			right += atol(text) == i * i;
	}
	ferry_socket_close(server);
	return right;
}

int main(void)
{
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener;
	ferry_socket *client;
	int status, right = 0;

	if (ferry_listen(&listener, "unix:@", NULL, FERRY_NOW) < 0 ||
	    ferry_listener_address(listener, address, sizeof(address)) < 0)
		return 1;
	for (int i = 0; i < CLIENTS; i++)
		if (fork() == 0)
			_exit(ask(address));
	for (int i = 0; i < CLIENTS && ferry_accept(&client, listener, ferry_in_ms(5000)) == 0; i++)
		answer(client); /* one after another; a process or thread for each would do too */
	while (wait(&status) > 0)
		right += WEXITSTATUS(status);
	ferry_listener_close(listener);
	return printf("%d right answers\n", right) < 0;
}
