/* SPDX-License-Identifier: MIT */
/* client.c - calls the server of server.c, on this machine or another, and lets itself be greeted.
 */
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>

int main(int n_arguments, char **arguments)
{
	static const char *const names[] = { "Ada", "Grace", "Edsger" };
	const char *address = n_arguments > 1 ? arguments[1] : "tcp://127.0.0.1:7000";
	struct ferry_why why = { 0 };
	ferry_socket *server;
	char text[128];

	if (ferry_connect(&server, address, FERRY_SOCKET_OPTIONS(.why = &why), ferry_in_ms(5000)) <
	    0)
		return fprintf(stderr, "%s\n", why.text), 1;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		int r = ferry_socket_send(server, names[i], strlen(names[i]), ferry_in_ms(5000));
		ssize_t n =
		    r < 0 ? r : ferry_socket_receive(server, text, sizeof(text), ferry_in_ms(5000));
		if (n < 0)
			return fprintf(stderr, "%s\n", ferry_strerror((int)n)), 1;
		printf("%.*s\n", (int)n, text);
	}
	ferry_socket_close(server);
	return 0;
}
