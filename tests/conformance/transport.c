/* SPDX-License-Identifier: MIT */
/* The transports, and short words for what most tests do with a connection. */
#include "transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "scratch.h"
#include "transports.h"

#define TCP "tcp://127.0.0.1:0"
#define TLS "tls://127.0.0.1:0"

static const struct transport transports[] = {
	{ "kernel_tcp", &transport_kernel, TCP, FERRY_TCP, false },
	{ "kernel_unix", &transport_kernel, "unix:", FERRY_UNIX, false },
	{ "ferry_tcp", &transport_ferry, TCP, FERRY_TCP, false },
	{ "ferry_unix", &transport_ferry, "unix:", FERRY_UNIX, false },
	{ "ferry_tls", &transport_ferry, TLS, FERRY_TLS, false },
	{ "moved_tcp", &transport_ferry, TCP, FERRY_TCP, true },
	{ "moved_unix", &transport_ferry, "unix:", FERRY_UNIX, true },
};

const struct transport *transport;
const struct driver *driver;

void transport_choose(int n_arguments, char **arguments)
{
	for (size_t i = 0; i < sizeof transports / sizeof *transports; i++)
		if (n_arguments == 2 && !strcmp(arguments[1], transports[i].name))
			transport = &transports[i];
	if (!transport)
		exit((fprintf(stderr, "usage: %s TRANSPORT, as ferry_tcp\n", arguments[0]), 2));
	driver = transport->driver;
	if (!transport->moves)
		check_eq(setenv("FERRY_SOCKET_PLAIN", "1", 1), 0);
}

bool transport_is_kernel(void)
{
	return driver == &transport_kernel;
}

bool transport_is_unix(void)
{
	return transport->kind == FERRY_UNIX;
}

bool transport_is_tls(void)
{
	return transport->kind == FERRY_TLS;
}

static bool is_about(enum transport_scope scope)
{
	switch (scope) {
	case UNIX_ONLY:
		return transport_is_unix();
	case TCP_ONLY:
		return !transport_is_unix();
	case NOT_TLS:
		return !transport_is_tls();
	case ALL:
	default:
		return true;
	}
}

int transport_run(const struct transport_claim *claims, size_t n)
{
	struct CMUnitTest *chosen = calloc(n, sizeof *chosen);
	size_t n_chosen = 0;

	check(chosen);
	for (size_t i = 0; i < n; i++)
		if (is_about(claims[i].scope))
			chosen[n_chosen++] = claims[i].test;
	claim_begin();
	const int failed = _cmocka_run_group_tests(transport->name, chosen, n_chosen, NULL, NULL);
	free(chosen);
	return failed;
}

/* ---- doors ---- */

struct door door_open(void)
{
	char address[FERRY_ADDRESS_MAX];
	struct door door;

	if (transport_is_tls())
		transport_make_certificate();
	snprintf(address, sizeof address, "%s%s", transport->address,
		 transport_is_unix() ? scratch_path("socket") : "");
	check_eq(driver->listen(&door, address), 0);
	return door;
}

void door_close(struct door *door)
{
	driver->close_door(door);
	if (transport_is_tls()) {
		check_eq(remove(scratch_path("certificate")), 0);
		check_eq(remove(scratch_path("key")), 0);
	}
}

struct end door_accept(struct door *door)
{
	struct end end;

	check_eq(driver->accept(door, &end), 0);
	check_eq(driver->agree(&end), 0);
	return end;
}

/* ---- both ends ---- */

static void *call(void *argument)
{
	struct caller *caller = argument;

	caller->result = driver->connect(caller->at, false, &caller->end);
	return NULL;
}

void caller_start(struct caller *caller, const struct door *door)
{
	*caller = (struct caller){ .at = door->at };
	check_eq(pthread_create(&caller->thread, NULL, call, caller), 0);
}

struct end caller_join(struct caller *caller)
{
	check_eq(pthread_join(caller->thread, NULL), 0);
	check_eq(caller->result, 0);
	return caller->end;
}

struct ends ends_make(void)
{
	struct door door = door_open();
	struct caller caller;
	struct ends ends;

	caller_start(&caller, &door);
	ends.server = door_accept(&door);
	ends.client = caller_join(&caller);
	door_close(&door);
	return ends;
}

void ends_close(struct ends *ends)
{
	driver->close(&ends->client);
	driver->close(&ends->server);
}

struct end end_connect(const char *address)
{
	struct end end;

	check_eq(driver->connect(address, false, &end), 0);
	return end;
}

int end_fd(const struct end *end)
{
	return end->socket ? ferry_socket_fd(end->socket) : end->fd;
}

/* ---- bytes ---- */

void end_put(struct end *end, const char *text)
{
	check_eq(driver->write(end, text, strlen(text)), strlen(text));
}

void end_get(struct end *end, const char *text)
{
	char got[256];

	check(strlen(text) <= sizeof got);
	check_eq(driver->read_all(end, got, strlen(text)), strlen(text));
	check(!memcmp(got, text, strlen(text)));
}

void end_expect_end(struct end *end)
{
	check_eq(driver->read(end, &(char){ 0 }, 1), 0);
}

size_t end_fill(struct end *end)
{
	static const char zeros[4096];
	const bool before = end->nonblocking;
	size_t total = 0;

	driver->set_nonblocking(end, true);
	/* TCP moves what was written on to the peer by and by. */
	for (int full = 0; full < 3;) {
		const ssize_t n = driver->write(end, zeros, sizeof zeros);
		check(n > 0 || n == -EAGAIN);
		full = n > 0 ? 0 : full + 1;
		total += n > 0 ? (size_t)n : 0;
		if (n < 0)
			clock_pause();
	}
	driver->set_nonblocking(end, before);
	return total;
}

void pattern_fill(unsigned char *bytes, size_t at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)((at + i) % 251);
}

void end_get_pattern(struct end *end, size_t at, size_t size)
{
	static unsigned char got[65536], want[65536];

	while (size > 0) {
		const ssize_t n = driver->read(end, got, size < sizeof got ? size : sizeof got);
		check(n > 0);
		pattern_fill(want, at, (size_t)n);
		check(!memcmp(got, want, (size_t)n));
		at += (size_t)n;
		size -= (size_t)n;
	}
}

int end_write_until_it_fails(struct end *end)
{
	for (;;) {
		const ssize_t n = driver->write(end, "x", 1);
		if (n < 0)
			return (int)n;
		clock_pause();
	}
}

void end_await_arrival(struct end *end, int64_t bytes)
{
	if (!transport_is_tls())
		await(driver->unread(end) >= bytes);
}
