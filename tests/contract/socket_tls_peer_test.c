/* SPDX-License-Identifier: MIT */
/* A peer that speaks TLS by its own rules, with OpenSSL itself. */
#include <errno.h>
#include <ferry/ferry.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "certificate.h"
#include "check.h"
#include "claim.h"
#include "scratch.h"

static char certificate[512], key[512];

static ferry_listener *begin(char *ret_address)
{
	struct ferry_why why = { 0 };
	ferry_listener *listener;

	(void)signal(SIGPIPE, SIG_IGN); /* OpenSSL's own sockets raise it */
	snprintf(certificate, sizeof certificate, "%s", scratch_path("certificate"));
	snprintf(key, sizeof key, "%s", scratch_path("key"));
	certificate_needs_tls();
	certificate_make(certificate, key, "localhost");
	const struct ferry_tls_options tls = { .certificate = certificate, .key = key };
	if (ferry_listen(&listener, "tls://127.0.0.1:0",
			 FERRY_SOCKET_OPTIONS(.tls = tls, .send_buffer = 1, .why = &why),
			 FERRY_NOW) < 0)
		check_failed(__FILE__, __LINE__, "%s", why.text);
	check(ferry_listener_address(listener, ret_address, FERRY_ADDRESS_MAX) > 0);
	return listener;
}

static void end(ferry_listener *listener)
{
	ferry_listener_close(listener);
	unlink(certificate);
	unlink(key);
}

/* It sends records without a byte for the other end, and reads nothing. */
struct nag {
	const char *address;
	int times; /* that it does, before it says "hello" and goes */
	int kind;  /* of what it sends: new keys, or the wish for them */
	_Atomic uint64_t sent;
	_Atomic int enough; /* then it says "x" */
	ferry_socket *below;
	SSL_CTX *context;
	SSL *ssl;
};

static void say_hello(struct nag *nag)
{
	char plain[FERRY_ADDRESS_MAX + 4];

	snprintf(plain, sizeof plain, "tcp%s", nag->address + 3);
	check_eq(ferry_connect(&nag->below, plain, FERRY_SOCKET_OPTIONS(.receive_buffer = 1),
			       box_patience()),
		 0);
	nag->context = SSL_CTX_new(TLS_client_method());
	check(nag->context);
	nag->ssl = SSL_new(nag->context);
	check(nag->ssl);
	check_eq(SSL_set_fd(nag->ssl, ferry_socket_fd(nag->below)), 1);
	check_eq(SSL_connect(nag->ssl), 1);
}

static int ask_for_keys(struct nag *nag)
{
	return SSL_key_update(nag->ssl, nag->kind) == 1 && SSL_do_handshake(nag->ssl) == 1;
}

static void *go_on_and_on(void *argument)
{
	struct nag *nag = argument;

	say_hello(nag);
	while (!atomic_load(&nag->enough) && ask_for_keys(nag))
		atomic_fetch_add(&nag->sent, 1);
	if (atomic_load(&nag->enough))
		check_eq(SSL_write(nag->ssl, "x", 1), 1);
	return NULL;
}

/* What the server says after the handshake lies unread when it goes: that makes it a reset. */
static void *ask_and_go(void *argument)
{
	struct nag *nag = argument;

	say_hello(nag);
	struct pollfd tickets = { .fd = ferry_socket_fd(nag->below), .events = POLLIN };
	check_eq(poll(&tickets, 1, -1), 1);
	for (int i = 0; i < nag->times; i++)
		check(ask_for_keys(nag));
	check_eq(SSL_write(nag->ssl, "hello", 5), 5);
	check_eq(SSL_shutdown(nag->ssl), 0);
	SSL_free(nag->ssl);
	SSL_CTX_free(nag->context);
	ferry_socket_close(nag->below);
	return NULL;
}

static ferry_socket *meet(ferry_listener *listener, struct nag *nag, void *(*run)(void *nag),
			  pthread_t *ret_thread)
{
	ferry_socket *server;

	check_eq(pthread_create(ret_thread, NULL, run, nag), 0);
	check_eq(ferry_accept(&server, listener, box_patience()), 0);
	check_eq(ferry_socket_handshake(server, box_patience(), NULL), 0);
	return server;
}

static ferry_socket *meet_one_who_goes_on(ferry_listener *listener, struct nag *nag,
					  pthread_t *ret_thread)
{
	ferry_socket *server = meet(listener, nag, go_on_and_on, ret_thread);

	await(atomic_load(&nag->sent) > 50);
	return server;
}

static void part(struct nag *nag, pthread_t thread)
{
	check_eq(pthread_join(thread, NULL), 0);
	SSL_free(nag->ssl);
	SSL_CTX_free(nag->context);
	ferry_socket_close(nag->below);
}

static void c9_who_sends_nothing_but_records_without_bytes_keeps_nobody_past_a_deadline(void)
{
	char address[FERRY_ADDRESS_MAX], byte;
	ferry_listener *listener = begin(address);
	struct nag nag = { .address = address, .kind = SSL_KEY_UPDATE_NOT_REQUESTED };
	pthread_t thread;
	ferry_socket *server = meet_one_who_goes_on(listener, &nag, &thread);

	for (int i = 0; i < 20; i++) {
		check_eq(ferry_socket_read(server, &byte, 1, FERRY_NOW), -EAGAIN);
		check_eq(ferry_socket_read(server, &byte, 1, ferry_in_ms(10)), -ETIMEDOUT);
	}
	atomic_store(&nag.enough, 1);
	check_eq(ferry_socket_read(server, &byte, 1, box_patience()), 1);
	ferry_socket_close(server);
	part(&nag, thread);
	end(listener);
}

static void c9_who_asks_and_asks_and_does_not_read_is_not_kept_answers_for(void)
{
	char address[FERRY_ADDRESS_MAX], byte;
	ferry_listener *listener = begin(address);
	struct nag nag = { .address = address, .kind = SSL_KEY_UPDATE_REQUESTED };
	pthread_t thread;
	ferry_socket *server = meet_one_who_goes_on(listener, &nag, &thread);

	check_eq(ferry_socket_read(server, &byte, 1, box_patience()), -FERRY_ETLS);
	check_eq(ferry_socket_write(server, "x", 1, box_patience()), -FERRY_ETLS);
	check_eq(ferry_socket_read(server, &byte, 1, FERRY_NOW), -FERRY_ETLS);
	ferry_socket_close(server);
	part(&nag, thread);
	end(listener);
}

static void what_came_before_a_reset_is_read_though_it_cannot_be_answered(void)
{
	char address[FERRY_ADDRESS_MAX], bytes[16];
	ferry_listener *listener = begin(address);

	for (int times = 0; times < 6; times++) {
		struct nag nag = { .address = address,
				   .times = times,
				   .kind = SSL_KEY_UPDATE_REQUESTED };
		pthread_t thread;
		ferry_socket *server = meet(listener, &nag, ask_and_go, &thread);

		check_eq(pthread_join(thread, NULL), 0);
		check_eq(ferry_socket_read(server, bytes, sizeof bytes, box_patience()), 5);
		check_eq(memcmp(bytes, "hello", 5), 0);
		check_eq(ferry_socket_read(server, bytes, sizeof bytes, box_patience()), 0);
		const ssize_t r = ferry_socket_write(server, "x", 1, box_patience());
		check(r == -ECONNRESET || r == -EPIPE);
		check_eq(ferry_socket_write(server, "x", 1, FERRY_NOW), r);
		check_eq(ferry_socket_read(server, bytes, sizeof bytes, FERRY_NOW), 0);
		ferry_socket_close(server);
	}
	end(listener);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c9_who_sends_nothing_but_records_without_bytes_keeps_nobody_past_a_deadline),
		claim(c9_who_asks_and_asks_and_does_not_read_is_not_kept_answers_for),
		claim(what_came_before_a_reset_is_read_though_it_cannot_be_answered),
	};

	return claim_run_all(claims);
}
