/* SPDX-License-Identifier: MIT */
/* TLS: bytes and messages as over any stream; who is believed, and what is said when not. */
#include <errno.h>
#include <ferry/ferry.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "certificate.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"
#include "stream.h"
#include "wire.h"

static char certificate[512], key[512], other[512], other_key[512];

static void begin(void)
{
	snprintf(certificate, sizeof certificate, "%s", scratch_path("certificate"));
	snprintf(key, sizeof key, "%s", scratch_path("key"));
	snprintf(other, sizeof other, "%s", scratch_path("other"));
	snprintf(other_key, sizeof other_key, "%s", scratch_path("other_key"));
	certificate_needs_tls();
	certificate_make(certificate, key, "localhost");
	certificate_make(other, other_key, "elsewhere.example");
}

static void end(void)
{
	unlink(certificate);
	unlink(key);
	unlink(other);
	unlink(other_key);
}

static ferry_listener *serve(const struct ferry_tls_options *tls, uint32_t receive_buffer,
			     char *ret_address)
{
	struct ferry_why why = { 0 };
	ferry_listener *listener;

	if (ferry_listen(
		&listener, "tls://127.0.0.1:0",
		FERRY_SOCKET_OPTIONS(.tls = *tls, .receive_buffer = receive_buffer, .why = &why),
		FERRY_NOW) < 0)
		check_failed(__FILE__, __LINE__, "%s", why.text);
	check(ferry_listener_address(listener, ret_address, FERRY_ADDRESS_MAX) > 0);
	return listener;
}

struct greeting {
	ferry_socket *socket;
	struct ferry_why why;
	int result;
};

static void *greet(void *argument)
{
	struct greeting *greeting = argument;

	greeting->result = ferry_socket_handshake(greeting->socket, box_patience(), &greeting->why);
	return NULL;
}

struct client {
	const char *address;
	const struct ferry_tls_options *tls;
	uint32_t send_buffer;
	ferry_socket *socket;
	struct ferry_why why;
	int result;
};

static void *call(void *argument)
{
	struct client *client = argument;

	client->result = ferry_connect(&client->socket, client->address,
				       FERRY_SOCKET_OPTIONS(.tls = *client->tls,
							    .send_buffer = client->send_buffer,
							    .why = &client->why),
				       box_patience());
	return NULL;
}

/* Both ends agree or not; what each says. */
static struct wire meet_at(ferry_listener *listener, const char *address, struct client *client,
			   struct greeting *ret_greeting)
{
	struct wire wire = { 0 };
	pthread_t thread;

	client->address = address;
	check_eq(pthread_create(&thread, NULL, call, client), 0);
	check_eq(ferry_accept(&wire.server, listener, box_patience()), 0);
	*ret_greeting = (struct greeting){ .socket = wire.server };
	(void)greet(ret_greeting);
	if (ret_greeting->result < 0) {
		ferry_socket_close(wire.server);
		wire.server = NULL;
	}
	check_eq(pthread_join(thread, NULL), 0);
	ferry_listener_close(listener);
	wire.client = client->result == 0 ? client->socket : NULL;
	return wire;
}

static struct wire meet(const struct ferry_tls_options *server_tls,
			const struct ferry_tls_options *client_tls, struct client *ret_client,
			struct greeting *ret_greeting)
{
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener = serve(server_tls, 0, address);

	*ret_client = (struct client){ .tls = client_tls };
	return meet_at(listener, address, ret_client, ret_greeting);
}

static struct wire agree(void)
{
	const struct ferry_tls_options server = { .certificate = certificate, .key = key };
	const struct ferry_tls_options client = { .authorities = certificate };
	struct client called;
	struct greeting greeting;
	struct wire wire = meet(&server, &client, &called, &greeting);

	if (called.result < 0 || greeting.result < 0)
		check_failed(__FILE__, __LINE__, "client %s; server %s", called.why.text,
			     greeting.why.text);
	return wire;
}

#define LONG (4u << 20)

static void *write_long(void *argument)
{
	unsigned char *data = malloc(LONG);

	check(data);
	stream_fill(data, 0, LONG);
	check_eq(ferry_socket_write_all(argument, data, LONG, box_patience()), LONG);
	free(data);
	return NULL;
}

static void bytes_go_both_ways_at_once(void)
{
	begin();
	struct wire wire = agree();
	struct ferry_socket_stat stat;
	unsigned char *data = malloc(LONG);
	pthread_t writers[2];
	ferry_socket *ends[2] = { wire.client, wire.server };

	check(data);
	check_eq(ferry_socket_stat(wire.server, &stat), 0);
	check(strncmp(stat.security, "TLSv1.3 ", 8) == 0);
	check_eq(ferry_socket_read(wire.client, data, 1, FERRY_NOW), -EAGAIN);
	check_eq(ferry_socket_read(wire.client, data, 1, ferry_in_ms(5)), -ETIMEDOUT);
	for (int i = 0; i < 2; i++)
		check_eq(pthread_create(&writers[i], NULL, write_long, ends[i]), 0);
	uint64_t at = 0;
	while (at < LONG) { /* neither side may wait for the other */
		const ssize_t n = ferry_socket_read(wire.client, data, LONG - at, box_patience());
		check(n > 0);
		stream_match(data, at, (size_t)n);
		at += (uint64_t)n;
	}
	check_eq(ferry_socket_read_all(wire.server, data, LONG, box_patience()), LONG);
	stream_match(data, 0, LONG);
	for (int i = 0; i < 2; i++)
		check_eq(pthread_join(writers[i], NULL), 0);
	free(data);
	check_eq(ferry_socket_shutdown(wire.client, FERRY_READ), -EOPNOTSUPP);
	check_eq(ferry_socket_shutdown(wire.client, FERRY_WRITE), 0);
	wire_expect_end(wire.server);
	wire_write(wire.server, "still");
	wire_expect(wire.client, "still");
	check_eq(ferry_socket_write(wire.client, "x", 1, FERRY_NOW), -EPIPE);
	wire_close(&wire);
	end();
}

static void a_full_connection_loses_nothing(void)
{
	begin();
	struct wire wire = agree();
	static unsigned char data[50000];
	uint64_t written = 0, got = 0;
	ssize_t r;

	/* Other bytes at each try, and other sizes: what was refused was not taken. */
	do {
		const size_t size = 1 + (size_t)(written % sizeof data);
		stream_fill(data, written, size);
		r = ferry_socket_write(wire.client, data, size, FERRY_NOW);
		if (r == -EAGAIN)
			r = ferry_socket_write(wire.client, data, size, ferry_in_ms(10));
		written += r > 0 ? (uint64_t)r : 0;
	} while (r > 0);
	check_eq(r, -ETIMEDOUT);
	while (got < written) {
		r = ferry_socket_read(wire.server, data, sizeof data, box_patience());
		check(r > 0);
		stream_match(data, got, (size_t)r);
		got += (uint64_t)r;
		char byte;
		check_eq(ferry_socket_read(wire.client, &byte, 1, FERRY_NOW), -EAGAIN);
	}
	check_eq(got, written);
	wire_close(&wire);
	end();
}

/* Fill a connection; then the peer reads all that was taken, and its writer does not lift a finger.
 */
static void a_taken_byte_needs_no_further_call(uint32_t send_buffer, size_t size)
{
	static unsigned char data[50000];
	const struct ferry_tls_options server = { .certificate = certificate, .key = key };
	const struct ferry_tls_options tls = { .authorities = certificate };
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener = serve(&server, 1, address);
	struct client client = { .tls = &tls, .send_buffer = send_buffer };
	struct greeting greeting;
	struct wire wire = meet_at(listener, address, &client, &greeting);
	uint64_t written = 0;
	ssize_t r;

	check_eq(client.result, 0);
	check_eq(greeting.result, 0);
	stream_fill(data, 0, sizeof data);
	while ((r = ferry_socket_write(wire.client, data, size, FERRY_NOW)) > 0)
		written += (uint64_t)r;
	check_eq(r, -EAGAIN);
	check(written > 0);
	for (uint64_t got = 0; got < written; got += (uint64_t)r) {
		r = ferry_socket_read(wire.server, data, sizeof data, box_patience());
		if (r <= 0)
			check_failed(__FILE__, __LINE__,
				     "send_buffer %u, writes of %zu: %llu of %llu came, then %zd",
				     send_buffer, size, (unsigned long long)got,
				     (unsigned long long)written, r);
	}
	wire_close(&wire);
}

static void what_a_write_has_taken_comes_to_who_reads_without_another_call(void)
{
	static const uint32_t send_buffers[] = { 1, 5000, 0 };
	static const size_t sizes[] = { 1, 2048, 50000 };

	begin();
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < 3; k++)
			a_taken_byte_needs_no_further_call(send_buffers[i], sizes[k]);
	end();
}

/* Copies of a certificate, as many as fill a file of 64 KiB. */
static void make_long_chain(const char *file)
{
	char text[4096];
	FILE *one = fopen(certificate, "r");
	FILE *many = fopen(file, "w");
	size_t n;

	check(one && many);
	n = fread(text, 1, sizeof text, one);
	check(n > 0 && n < sizeof text);
	for (size_t sum = 0; sum < 65536; sum += n)
		check_eq(fwrite(text, 1, n, many), n);
	check_eq(fclose(one), 0);
	check_eq(fclose(many), 0);
}

/* The client has the last word, and a lot to say. */
static void a_connection_is_made_when_its_last_words_are_with_the_kernel(void)
{
	begin();
	char chain[512], address[FERRY_ADDRESS_MAX];
	snprintf(chain, sizeof chain, "%s", scratch_path("chain"));
	make_long_chain(chain);
	const struct ferry_tls_options server = { .certificate = certificate,
						  .key = key,
						  .authorities = certificate };
	const struct ferry_tls_options tls = { .authorities = certificate,
					       .certificate = chain,
					       .key = key };
	ferry_listener *listener = serve(&server, 1, address);
	struct client client = { .tls = &tls, .send_buffer = 1 };
	struct greeting greeting;
	struct wire wire = meet_at(listener, address, &client, &greeting);

	if (client.result < 0 || greeting.result < 0)
		check_failed(__FILE__, __LINE__, "client %s; server %s", client.why.text,
			     greeting.why.text);
	wire_write(wire.server, "welcome");
	wire_expect(wire.client, "welcome");
	wire_close(&wire);
	unlink(chain);
	end();
}

static void messages_stay_whole(void)
{
	begin();
	struct wire wire = agree();
	char buffer[16];

	check_eq(ferry_socket_send(wire.client, "message", 7, box_patience()), 0);
	check_eq(ferry_socket_send(wire.client, "", 0, box_patience()), 0);
	check_eq(ferry_socket_next(wire.server, box_patience()), 7);
	check_eq(ferry_socket_receive(wire.server, buffer, 16, box_patience()), 7);
	check_eq(ferry_socket_receive(wire.server, buffer, 16, box_patience()), 0);
	ferry_socket_close(wire.client);
	check_eq(ferry_socket_receive(wire.server, buffer, 16, box_patience()), -ENODATA);
	ferry_socket_close(wire.server);
	end();
}

static void a_client_says_which_check_failed(void)
{
	begin();
	const struct ferry_tls_options mine = { .certificate = certificate, .key = key };
	const struct {
		struct ferry_tls_options client;
		const char *says;
	} rows[] = {
		{ { 0 }, "self" }, /* nobody vouches for it */
		{ { .authorities = other }, "self" },
		{ { .authorities = certificate, .name = "elsewhere.example" }, "ostname" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct client client;
		struct greeting greeting;
		struct wire wire = meet(&mine, &rows[i].client, &client, &greeting);
		check_eq(client.result, -FERRY_ETLS);
		if (!strstr(client.why.text, rows[i].says))
			check_failed(__FILE__, __LINE__, "%s", client.why.text);
		/* With TLS 1.3 the server may have been content before the client refused. */
		ferry_socket_close(wire.server);
	}
	const struct ferry_tls_options anybody = { .verify = FERRY_TLS_UNVERIFIED };
	struct client client;
	struct greeting greeting;
	struct wire wire = meet(&mine, &anybody, &client, &greeting);
	check_eq(client.result, 0);
	wire_close(&wire);
	end();
}

static void a_server_believes_only_certified_clients(void)
{
	begin();
	const struct ferry_tls_options server = { .certificate = certificate,
						  .key = key,
						  .authorities = other };
	const struct ferry_tls_options without = { .authorities = certificate };
	const struct ferry_tls_options with = { .authorities = certificate,
						.certificate = other,
						.key = other_key };
	struct client client;
	struct greeting greeting;
	struct wire wire = meet(&server, &without, &client, &greeting);
	check_eq(greeting.result, -FERRY_ETLS);
	check(strlen(greeting.why.text) > 0);
	ferry_socket_close(wire.client);
	wire = meet(&server, &with, &client, &greeting);
	check_eq(greeting.result, 0);
	check_eq(client.result, 0);
	wire_close(&wire);
	end();
}

static void bad_files_are_named(void)
{
	begin();
	struct ferry_why why = { 0 };
	ferry_listener *listener;
	const struct ferry_tls_options mixed = { .certificate = certificate, .key = other_key };
	const struct ferry_tls_options absent = { .certificate = "/nothing/there" };

	check_eq(ferry_listen(&listener, "tls://127.0.0.1:0",
			      FERRY_SOCKET_OPTIONS(.tls = mixed, .why = &why), FERRY_NOW),
		 -FERRY_ETLS);
	check(strstr(why.text, "key") != NULL);
	check_eq(ferry_listen(&listener, "tls://127.0.0.1:0",
			      FERRY_SOCKET_OPTIONS(.tls = absent, .why = &why), FERRY_NOW),
		 -FERRY_ETLS);
	check(strstr(why.text, "/nothing/there") != NULL);
	end();
}

static void certificates_are_read_before_anything_is_bound(void)
{
	const struct ferry_tls_options good = { .certificate = certificate, .key = key };
	const struct ferry_tls_options bad = { .certificate = certificate, .key = other_key };
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener, *second;

	begin();
	listener = serve(&good, 0, address);
	check_eq(ferry_listen(&second, address, FERRY_SOCKET_OPTIONS(.tls = good), FERRY_NOW),
		 -EADDRINUSE);
	check_eq(ferry_listen(&second, address, FERRY_SOCKET_OPTIONS(.tls = bad), FERRY_NOW),
		 -FERRY_ETLS);
	ferry_listener_close(listener);
	end();
}

static void a_peer_without_tls_is_refused_and_a_silent_one_timed_out(void)
{
	begin();
	const struct ferry_tls_options server = { .certificate = certificate, .key = key };
	char address[FERRY_ADDRESS_MAX], plain[FERRY_ADDRESS_MAX + 4];
	ferry_listener *listener = serve(&server, 0, address);
	struct wire wire;
	char byte;

	snprintf(plain, sizeof plain, "tcp%s", address + 3);
	check_eq(ferry_connect(&wire.client, plain, NULL, box_patience()), 0);
	check_eq(ferry_accept(&wire.server, listener, box_patience()), 0);
	check_eq(ferry_socket_handshake(wire.server, ferry_in_ms(5), NULL), -ETIMEDOUT);
	check_eq(ferry_socket_read(wire.server, &byte, 1, FERRY_NOW), -EAGAIN);
	wire_write(wire.client, "GET / HTTP/1.0\r\n\r\n");
	check_eq(ferry_socket_read(wire.server, &byte, 1, box_patience()), -FERRY_ETLS);
	check_eq(ferry_socket_read(wire.server, &byte, 1, box_patience()), -FERRY_ETLS);
	wire_close(&wire);
	ferry_listener_close(listener);
	end();
}

static void the_end_without_farewell_is_a_reset(void)
{
	begin();
	struct wire wire = agree();
	char byte;

	/* The connection below it ends, as if somebody had cut it. */
	ferry_socket *below;
	check_eq(ferry_socket_adopt(&below, dup(ferry_socket_fd(wire.client)), NULL), 0);
	check_eq(ferry_socket_shutdown(below, FERRY_WRITE), 0);
	check_eq(ferry_socket_read(wire.server, &byte, 1, box_patience()), -ECONNRESET);
	ferry_socket_close(below);
	wire_close(&wire);
	end();
}

/* It closes with bytes unread, which resets a connection over tcp. */
static void what_came_before_a_reset_is_read_after_a_write_has_failed(void)
{
	begin();
	struct wire wire = agree();
	char text[16];
	ssize_t r;

	wire_write(wire.client, "never read");
	wire_write(wire.server, "the answer");
	ferry_socket_close(wire.server);
	wire.server = NULL;
	do
		r = ferry_socket_write(wire.client, "more", 4, box_patience());
	while (r == 4);
	check(r == -ECONNRESET || r == -EPIPE);
	check_eq(ferry_socket_read_all(wire.client, text, 10, box_patience()), 10);
	check(memcmp(text, "the answer", 10) == 0);
	check_eq(ferry_socket_read(wire.client, text, 1, box_patience()), 0);
	ferry_socket_close(wire.client);
	end();
}

static void speak_and_die(struct stage *stage, const void *address)
{
	const struct ferry_tls_options tls = { .authorities = certificate };
	ferry_socket *socket;

	(void)stage;
	check_eq(ferry_connect(&socket, address, FERRY_SOCKET_OPTIONS(.tls = tls), box_patience()),
		 0);
	check_eq(ferry_socket_write_all(socket, "last words", 10, box_patience()), 10);
	raise(SIGKILL);
}

/* The server agrees after the client has died: what it wrote is there, whatever became of the
 * server's own last words. */
static void what_a_client_wrote_outlives_it_though_the_server_agrees_later(void)
{
	begin();
	char address[FERRY_ADDRESS_MAX];
	const struct ferry_tls_options server = { .certificate = certificate, .key = key };
	ferry_listener *listener = serve(&server, 0, address);
	struct peer peer;
	ferry_socket *socket;
	char text[16];

	peer_start(&peer, speak_and_die, address);
	check_eq(ferry_accept(&socket, listener, box_patience()), 0);
	/* The client's greeting comes, and is answered; the rest is the client's. */
	struct pollfd greeted = { .fd = ferry_socket_fd(socket), .events = POLLIN };
	check_eq(poll(&greeted, 1, -1), 1);
	peer_stop(&peer); /* so that it does not come while we are still busy with the answer */
	check_eq(ferry_socket_handshake(socket, FERRY_NOW, NULL), -EAGAIN);
	peer_resume(&peer);
	(void)peer_join_status(&peer);
	check_eq(ferry_socket_handshake(socket, box_patience(), NULL), 0);
	check_eq(ferry_socket_read_all(socket, text, 10, box_patience()), 10);
	check(memcmp(text, "last words", 10) == 0);
	check_eq(ferry_socket_read(socket, text, 1, box_patience()), -ECONNRESET);
	ferry_socket_close(socket);
	ferry_listener_close(listener);
	end();
}

static void a_forked_child_may_not(void)
{
	begin();
	struct wire wire = agree();
	char byte;
	const pid_t pid = fork();

	if (pid == 0) {
		check_eq(ferry_socket_write(wire.client, "x", 1, FERRY_NOW), -EBADF);
		check_eq(ferry_socket_read(wire.client, &byte, 1, FERRY_NOW), -EBADF);
		ferry_socket_close(wire.client);
		ferry_socket_close(wire.server);
		_exit(0);
	}
	int status;
	check_eq(waitpid(pid, &status, 0), pid);
	check_eq(status, 0);
	wire_write(wire.client, "unharmed");
	wire_expect(wire.server, "unharmed");
	wire_close(&wire);
	end();
}

/* Of what is decoded the kernel knows nothing. */
static void c6_a_waiter_is_told_of_what_a_read_has_left_decoded(void)
{
	char bytes[64];
	struct ferry_report report;
	ferry_waiter *waiter;

	begin();
	struct wire wire = agree();
	const struct ferry_item item = ferry_on_socket(wire.server, FERRY_CAN_READ);
	check_eq(ferry_waiter_open(&waiter, NULL), 0);
	const int first = ferry_waiter_add(waiter, &item, NULL);
	check(first >= 0);
	check(ferry_waiter_add(waiter, &item, NULL) >= 0); /* twice, for nothing */
	check_eq(ferry_waiter_remove(waiter, first), 0);
	for (int i = 0; i < 3; i++) {
		check_eq(ferry_waiter_wait(waiter, &report, 1, FERRY_NOW), -EAGAIN);
		check_eq(ferry_socket_write_all(wire.client, "0123456789", 10, box_patience()), 10);
		/* Nothing was reported when a part of it is read. */
		check_eq(ferry_socket_read(wire.server, bytes, 4, box_patience()), 4);
		check_eq(ferry_waiter_wait(waiter, &report, 1, box_patience()), 1);
		check_eq(report.happened, FERRY_CAN_READ);
		check_eq(ferry_socket_read(wire.server, bytes, sizeof bytes, FERRY_NOW), 6);
	}
	ferry_waiter_close(waiter);
	wire_close(&wire);
	end();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(bytes_go_both_ways_at_once),
		claim(a_full_connection_loses_nothing),
		claim(what_a_write_has_taken_comes_to_who_reads_without_another_call),
		claim(a_connection_is_made_when_its_last_words_are_with_the_kernel),
		claim(messages_stay_whole),
		claim(a_client_says_which_check_failed),
		claim(a_server_believes_only_certified_clients),
		claim(bad_files_are_named),
		claim(certificates_are_read_before_anything_is_bound),
		claim(a_peer_without_tls_is_refused_and_a_silent_one_timed_out),
		claim(c6_a_waiter_is_told_of_what_a_read_has_left_decoded),
		claim(the_end_without_farewell_is_a_reset),
		claim(what_came_before_a_reset_is_read_after_a_write_has_failed),
		claim(what_a_client_wrote_outlives_it_though_the_server_agrees_later),
		claim(a_forked_child_may_not),
	};

	return claim_run_all(claims);
}
