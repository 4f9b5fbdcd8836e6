/* SPDX-License-Identifier: MIT */
/*
 * session.c - one TLS connection.
 *
 * OpenSSL gets and gives its records through a BIO of ours, which never waits and never raises
 * SIGPIPE. An SSL is one thread's at a time: a mutex is held for a try, never while waiting.
 */
#include "session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ferry/error.h>
#include <linux/sock_diag.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/why.h"
#include "../os/fork.h"
#include "../os/poll.h"
#include "../os/socket.h"

#define RECORD      ((size_t)16384) /* bytes of the largest */
#define SMALL       (RECORD / 8)
#define PACKET_COST 4            /* times its bytes, at most */
#define UNSENT_MAX  (2 * RECORD) /* kept of a peer who does not read: a record, and answers */
#define READS_MAX   64           /* from the socket in one try; two are a record */

struct fy_tls {
	pthread_mutex_t mutex;
	SSL *openssl;
	int fd;
	int error;     /* of the socket, in the last try */
	int broken;    /* what every later call returns */
	int unwelcome; /* what every later write returns; what has come can still be read */
	int agreed;    /* the handshake is done */
	int said_farewell;
	int reads_no_more;
	int records; /* small ones that may be begun before the kernel is asked for room again */
	int reads;   /* from the socket that are left to this try */
	uint32_t generation; /* of the process whose connection it is */
	size_t out_at;       /* of the records that the kernel had no room for */
	size_t out_size;
	size_t out_room;
	unsigned char *out;
	char name[256];
	struct ferry_why why; /* about the handshake */
};

/* ---- records to and from the socket ---- */

static ssize_t send_some(struct fy_tls *tls, const void *bytes, size_t size)
{
	struct iovec one = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1 };
	ssize_t n;

	do
		n = fy_socket_send_message(tls->fd, &message, MSG_DONTWAIT);
	while (n == -EINTR);
	if (n < 0 && n != -EAGAIN)
		tls->error = (int)n;
	return n;
}

/* 0: nothing is left; or -EAGAIN, or an error. */
static int flush(struct fy_tls *tls)
{
	while (tls->out_at < tls->out_size) {
		ssize_t n = send_some(tls, tls->out + tls->out_at, tls->out_size - tls->out_at);
		if (n < 0)
			return (int)n;
		tls->out_at += (size_t)n;
	}
	tls->out_at = tls->out_size = 0;
	return 0;
}

/* Who asks for new keys, or from the beginning, is answered; who goes on asking and does not read
 * shall not fill our memory with answers. */
static int keep(struct fy_tls *tls, const char *data, size_t size)
{
	const size_t left = tls->out_size - tls->out_at;

	if (tls->agreed && left + size > UNSENT_MAX)
		return -FERRY_ETLS;
	if (left + size > tls->out_room) {
		size_t room = 2 * (left + size);
		unsigned char *out = realloc(tls->out, room);
		if (!out)
			return -ENOMEM;
		tls->out = out;
		tls->out_room = room;
	}
	memmove(tls->out, tls->out + tls->out_at, left);
	memcpy(tls->out + left, data, size);
	tls->out_at = 0;
	tls->out_size = left + size;
	return 0;
}

/* Who reads no more, or has gone, may have written before. So OpenSSL, to which a connection that
 * cannot be written is none, is told that all is sent, an answer of its own or a record of ours,
 * and our caller's writes learn the truth. In the handshake it looks into errno: a server's tickets
 * may find the client gone. */
static int fail_write(struct fy_tls *tls, int error, int size)
{
	if (tls->agreed && error != -FERRY_ETLS) {
		tls->unwelcome = tls->unwelcome ? tls->unwelcome : error;
		tls->error = 0;
		tls->out_at = tls->out_size = 0;
		return size;
	}
	tls->error = error;
	errno = -error;
	return -1;
}

/* OpenSSL wants a record that it could not write to be written again, and nothing else. So every
 * record is taken whole, and no new one is begun while one is left (write below). */
static int bio_write(BIO *bio, const char *data, int size)
{
	struct fy_tls *tls = BIO_get_data(bio);
	int r = flush(tls);
	ssize_t n = r == 0 ? send_some(tls, data, (size_t)size) : r;

	BIO_clear_retry_flags(bio);
	if (n < 0 && n != -EAGAIN)
		return fail_write(tls, (int)n, size);
	size_t sent = n > 0 ? (size_t)n : 0;
	if (sent < (size_t)size && (r = keep(tls, data + sent, (size_t)size - sent)) < 0)
		return fail_write(tls, r, size);
	return size;
}

/* OpenSSL goes on until it has bytes for our caller. A peer whose records have none, and never end,
 * must not keep it: after some, there is nothing more for now. */
static int bio_read(BIO *bio, char *buffer, int size)
{
	struct fy_tls *tls = BIO_get_data(bio);
	struct iovec one = { buffer, (size_t)size };
	struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1 };
	ssize_t n = -EAGAIN;

	BIO_clear_retry_flags(bio);
	if (tls->reads > 0) {
		tls->reads--;
		do
			n = fy_socket_receive_message(tls->fd, &message, MSG_DONTWAIT);
		while (n == -EINTR);
	}
	if (n == -EAGAIN)
		BIO_set_retry_read(bio);
	else if (n < 0)
		tls->error = (int)n;
	return n < 0 ? -1 : (int)n;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ferry");
	if (!method)
		return;
	(void)BIO_meth_set_read(method, bio_read);
	(void)BIO_meth_set_write(method, bio_write);
	(void)BIO_meth_set_ctrl(method, bio_control);
}

static int attach(struct fy_tls *tls)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, make_method);
	BIO *bio = method ? BIO_new(method) : NULL;
	if (!bio)
		return -ENOMEM;
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->openssl, bio, bio);
	return 0;
}

/* Bytes of a record that the kernel, which has room, takes whole: what it does not take would wait
 * here for a call that may never come. It goes on until its buffer is full, and counts with each
 * packet (of 512 bytes or more) what that costs besides. */
static size_t largest_record(const struct fy_tls *tls)
{
	uint32_t memory[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(memory);
	int saved = errno;
	int r = getsockopt(tls->fd, SOL_SOCKET, SO_MEMINFO, memory, &size);

	errno = saved;
	if (r != 0)
		return RECORD;
	const uint32_t all = memory[SK_MEMINFO_SNDBUF], taken = memory[SK_MEMINFO_WMEM_QUEUED];
	const size_t most = all > taken ? (all - taken) / PACKET_COST : 1;
	return most < RECORD ? most + 1 : RECORD;
}

/* How many bytes may the next record have? > 0; -EAGAIN; or an error. The kernel is not asked for
 * each small one: what it had free was enough for several. */
static ssize_t ask_for_room(struct fy_tls *tls, size_t size)
{
	struct pollfd room = { .fd = tls->fd, .events = POLLOUT };

	if (size <= SMALL && tls->records > 0) {
		tls->records--;
		return (ssize_t)size;
	}
	int r = fy_poll(&room, 1, FERRY_NOW, 0);
	const size_t most = r > 0 ? largest_record(tls) : 0;
	tls->records = most == RECORD ? (int)(RECORD / SMALL) - 1 : 0;
	return r > 0 ? (ssize_t)(size < most ? size : most) : r;
}

/* ---- making ---- */

/* The peer must have a certificate for this name or address. */
static int expect_name(struct fy_tls *tls, const char *name)
{
	struct in6_addr address;
	X509_VERIFY_PARAM *rules = SSL_get0_param(tls->openssl);

	(void)snprintf(tls->name, sizeof(tls->name), "%s", name);
	if (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(rules, name) == 1 ? 0 : -EINVAL;
	X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (SSL_set1_host(tls->openssl, name) != 1 ||
	    SSL_set_tlsext_host_name(tls->openssl, tls->name) != 1)
		return -EINVAL;
	return 0;
}

int fy_tls_session_new(struct fy_tls **ret_tls, struct fy_tls_context *context, int fd,
		       const char *name, struct ferry_why *why)
{
	struct fy_tls *tls = calloc(1, sizeof(*tls));
	int r = tls ? fy_fork_init() : -ENOMEM;

	if (r < 0) {
		free(tls);
		return r;
	}
	(void)pthread_mutex_init(&tls->mutex, NULL);
	tls->fd = fd;
	tls->generation = fy_fork_generation();
	tls->openssl = SSL_new(context->openssl);
	r = tls->openssl ? attach(tls) : -ENOMEM;
	if (r == 0 && name && (r = expect_name(tls, name)) < 0)
		(void)fy_why(why, r, "\"%.100s\" cannot be the name of a peer", name);
	if (r < 0) {
		fy_tls_session_free(tls);
		return r;
	}
	context->serves ? SSL_set_accept_state(tls->openssl) : SSL_set_connect_state(tls->openssl);
	*ret_tls = tls;
	return 0;
}

void fy_tls_session_free(struct fy_tls *tls)
{
	SSL_free(tls->openssl);
	free(tls->out);
	(void)pthread_mutex_destroy(&tls->mutex);
	free(tls);
}

/* ---- trying ---- */

/* What failed in the handshake, in words. */
static void explain(struct fy_tls *tls)
{
	long verdict = SSL_get_verify_result(tls->openssl);

	if (verdict != X509_V_OK)
		(void)fy_why(&tls->why, -FERRY_ETLS,
			     "the certificate of %.100s is not accepted: %s",
			     tls->name[0] ? tls->name : "the client",
			     X509_verify_cert_error_string(verdict));
	else
		(void)fy_tls_failed(&tls->why, -FERRY_ETLS, "no agreement about TLS with the peer",
				    NULL);
}

/* The result of a try that did not succeed. */
static int judge(struct fy_tls *tls, int r, short *ret_events)
{
	int error = SSL_get_error(tls->openssl, r);

	switch (error) {
	case SSL_ERROR_WANT_READ:
		*ret_events = tls->out_size > 0 ? POLLIN | POLLOUT : POLLIN;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		*ret_events = POLLOUT;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		break;
	}
	if (!tls->agreed)
		explain(tls);
	/* The end without a farewell: somebody may have cut the stream short. */
	tls->broken = error == SSL_ERROR_SSL ? -FERRY_ETLS : tls->error ? tls->error : -ECONNRESET;
	if (error == SSL_ERROR_SSL &&
	    ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		tls->broken = -ECONNRESET;
	ERR_clear_error();
	return tls->broken;
}

/* Begin a try. 0, or why there is no point. With the mutex on success. */
static int enter(struct fy_tls *tls)
{
	if (fy_fork_is_child(tls->generation))
		return -EBADF;
	(void)pthread_mutex_lock(&tls->mutex);
	ERR_clear_error();
	tls->reads = READS_MAX;
	(void)flush(tls);
	if (!tls->broken)
		return 0;
	(void)pthread_mutex_unlock(&tls->mutex);
	return tls->broken;
}

static int agree(struct fy_tls *tls, short *ret_events)
{
	if (tls->agreed)
		return 0;
	int saved = errno;
	int r = SSL_do_handshake(tls->openssl);
	errno = saved;
	*ret_events = POLLOUT;
	if (r == 1 && flush(tls) == -EAGAIN)
		return -EAGAIN; /* the other end may be waiting for our last words */
	if (r == 1) {
		tls->agreed = 1;
		tls->error = 0; /* of tickets that nobody waits for */
		return 0;
	}
	r = judge(tls, r, ret_events);
	return r == 0 ? -ECONNRESET : r;
}

int fy_tls_session_handshake(struct fy_tls *tls, short *ret_events, struct ferry_why *why)
{
	int r = enter(tls);

	if (r == 0) {
		r = agree(tls, ret_events);
		(void)pthread_mutex_unlock(&tls->mutex);
	}
	if (r < 0 && r != -EAGAIN && why && tls->why.text[0]) {
		*why = tls->why;
		why->error = r;
	}
	return r;
}

ssize_t fy_tls_session_read(struct fy_tls *tls, void *buffer, size_t size, short *ret_events)
{
	size_t n = 0;
	int r = enter(tls);

	if (r < 0)
		return r;
	r = agree(tls, ret_events);
	if (r == 0 && !tls->reads_no_more) {
		r = SSL_read_ex(tls->openssl, buffer, size, &n);
		if (r != 1)
			r = judge(tls, r, ret_events);
	}
	(void)pthread_mutex_unlock(&tls->mutex);
	return n > 0 ? (ssize_t)n : r;
}

/* Bytes of the record that can be begun; or -EAGAIN; or an error, which lasts: what is left would
 * be waited for in vain. */
static ssize_t prepare_write(struct fy_tls *tls, size_t size, short *ret_events)
{
	int r = tls->said_farewell ? -EPIPE : agree(tls, ret_events);

	if (r == 0)
		r = tls->unwelcome;
	if (r < 0)
		return r;
	*ret_events = POLLOUT;
	r = flush(tls);
	return r == 0 ? ask_for_room(tls, size) : r;
}

static ssize_t write_record(struct fy_tls *tls, const void *data, size_t size, short *ret_events)
{
	size_t n = 0;
	int r = SSL_write_ex(tls->openssl, data, size, &n);

	if (r == 1)
		return tls->unwelcome ? tls->unwelcome : (ssize_t)n;
	r = judge(tls, r, ret_events);
	return r == 0 ? -EPIPE : r;
}

ssize_t fy_tls_session_write(struct fy_tls *tls, const void *data, size_t size, short *ret_events)
{
	ssize_t r = enter(tls);

	if (r < 0)
		return r;
	r = prepare_write(tls, size, ret_events);
	if (r > 0)
		r = write_record(tls, data, (size_t)r, ret_events);
	(void)pthread_mutex_unlock(&tls->mutex);
	return r;
}

int fy_tls_session_flush(struct fy_tls *tls, short *ret_events)
{
	int r = enter(tls);

	if (r < 0)
		return r;
	r = flush(tls);
	*ret_events = POLLOUT;
	(void)pthread_mutex_unlock(&tls->mutex);
	return r;
}

int fy_tls_session_farewell(struct fy_tls *tls, int reads_no_more)
{
	if (enter(tls) < 0)
		return 0;
	if (tls->agreed && !tls->said_farewell)
		(void)SSL_shutdown(tls->openssl);
	tls->said_farewell = 1;
	tls->reads_no_more |= reads_no_more;
	ERR_clear_error();
	(void)pthread_mutex_unlock(&tls->mutex);
	return 0;
}

size_t fy_tls_session_pending(struct fy_tls *tls)
{
	size_t n = 0;

	if (enter(tls) == 0) {
		n = (size_t)SSL_pending(tls->openssl);
		(void)pthread_mutex_unlock(&tls->mutex);
	}
	return n;
}

void fy_tls_session_describe(struct fy_tls *tls, char *text, size_t n)
{
	*text = '\0';
	if (enter(tls) < 0)
		return;
	if (tls->agreed)
		(void)snprintf(text, n, "%s %s", SSL_get_version(tls->openssl),
			       SSL_get_cipher_name(tls->openssl));
	(void)pthread_mutex_unlock(&tls->mutex);
}
