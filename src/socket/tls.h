/* SPDX-License-Identifier: MIT */
/*
 * tls.h - what the core asks of libferry-tls, which it loads when the first tls:// address is used.
 * So nothing of OpenSSL is in the core, nor in a program that does without.
 */
#ifndef FY_TLS_H
#define FY_TLS_H

#include <ferry/socket.h>

struct fy_tls_context; /* certificates and rules, of a listener or of one connection */
struct fy_tls;         /* one connection */

#define FY_TLS_ABI 1

/* What the provider does. A try never waits: -EAGAIN, and *ret_events says what poll(2) should wait
 * for. It never raises SIGPIPE. Every function may be called by several threads at once. */
struct fy_tls_provider {
	uint32_t abi;
	int (*context_new)(struct fy_tls_context **ret_context,
			   const struct ferry_tls_options *options, int serves,
			   struct ferry_why *why);
	void (*context_free)(struct fy_tls_context *context);
	/* name: of the peer, to be checked; a client's only. */
	int (*connection_new)(struct fy_tls **ret_tls, struct fy_tls_context *context, int fd,
			      const char *name, struct ferry_why *why);
	void (*connection_free)(struct fy_tls *tls);
	int (*handshake)(struct fy_tls *tls, short *ret_events, struct ferry_why *why);
	ssize_t (*read)(struct fy_tls *tls, void *buffer, size_t size, short *ret_events);
	ssize_t (*write)(struct fy_tls *tls, const void *data, size_t size, short *ret_events);
	/* What a write has taken and the kernel has not: 0, or -EAGAIN. */
	int (*flush)(struct fy_tls *tls, short *ret_events);
	/* Say that nothing more is sent; reads_no_more: and every later read is the end. */
	int (*farewell)(struct fy_tls *tls, int reads_no_more);
	size_t (*pending)(struct fy_tls *tls);
	void (*describe)(struct fy_tls *tls, char *text, size_t n);
};

#define FY_TLS_SYMBOL "ferry_tls_provider"
typedef const struct fy_tls_provider *fy_tls_entry(void);

/* The provider; the library is loaded if need be. 0 or -FERRY_ENOTLS. Later calls may take
 * *fy_tls_use() for granted. */
int fy_tls_load(struct ferry_why *why);
const struct fy_tls_provider *fy_tls_use(void);

#endif
