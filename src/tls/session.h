/* SPDX-License-Identifier: MIT */
/* session.h - one TLS connection, and what several of them share. */
#ifndef FY_TLS_SESSION_H
#define FY_TLS_SESSION_H

#include <openssl/ssl.h>

#include "../socket/tls.h"

struct fy_tls_context {
	SSL_CTX *openssl;
	int serves;
	int verifies;
};

int fy_tls_session_new(struct fy_tls **ret_tls, struct fy_tls_context *context, int fd,
		       const char *name, struct ferry_why *why);
void fy_tls_session_free(struct fy_tls *tls);
int fy_tls_session_handshake(struct fy_tls *tls, short *ret_events, struct ferry_why *why);
ssize_t fy_tls_session_read(struct fy_tls *tls, void *buffer, size_t size, short *ret_events);
ssize_t fy_tls_session_write(struct fy_tls *tls, const void *data, size_t size, short *ret_events);
int fy_tls_session_flush(struct fy_tls *tls, short *ret_events);
int fy_tls_session_farewell(struct fy_tls *tls, int reads_no_more);
size_t fy_tls_session_pending(struct fy_tls *tls);
void fy_tls_session_describe(struct fy_tls *tls, char *text, size_t n);

/* The last error of OpenSSL in this thread, in why; the queue is empty afterwards. Gives error. */
int fy_tls_failed(struct ferry_why *why, int error, const char *what, const char *name);

#endif
