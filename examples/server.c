/* SPDX-License-Identifier: MIT */
/* server.c - an endpoint at an address, to which clients call: they say their name and are greeted.
 * Try it with client.c, or from a shell: ferry connect --messages ADDRESS */
#include <ferry/ferry.h>
#include <stdio.h>

/* One channel, until the client has said all it will. */
static void greet(ferry_socket *client)
{
	char name[64], text[128], who[FERRY_ADDRESS_MAX] = "";
	ssize_t n;

	(void)ferry_socket_peer(client, who, sizeof(who));
	printf("connection from %s\n", who);
	while ((n = ferry_socket_receive(client, name, sizeof(name), ferry_in_ms(5000))) >= 0) {
		int length = snprintf(text, sizeof(text), "Hello, %.*s!", (int)n, name);
		if (ferry_socket_send(client, text, (size_t)length, ferry_in_ms(5000)) < 0)
			break;
	}
	ferry_socket_close(client);
}

int main(int n_arguments, char **arguments)
{
	const char *wanted = n_arguments > 1 ? arguments[1] : "tcp://127.0.0.1:7000";
	char address[FERRY_ADDRESS_MAX];
	struct ferry_why why = { 0 };
	ferry_listener *listener;
	ferry_socket *client;

	if (ferry_listen(&listener, wanted, FERRY_SOCKET_OPTIONS(.why = &why), FERRY_NOW) < 0)
		return fprintf(stderr, "%s\n", why.text), 1;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (ferry_listener_address(listener, address, sizeof(address)) > 0)
		printf("listening at %s\n", address); /* with the real port, if 0 was asked for */
	while (ferry_accept(&client, listener, FERRY_FOREVER) == 0)
		greet(client);
	ferry_listener_close(listener);
	return 1;
}
