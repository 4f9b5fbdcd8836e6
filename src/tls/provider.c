/* SPDX-License-Identifier: MIT */
/* provider.c - certificates, keys and rules; and the table of functions that libferry loads. */
#include <errno.h>
#include <ferry/error.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "../base/why.h"
#include "session.h"

/* Exported for libferry alone; FY_TLS_SYMBOL. */
FERRY_API const struct fy_tls_provider *ferry_tls_provider(void);

int fy_tls_failed(struct ferry_why *why, int error, const char *what, const char *name)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	(void)fy_why(why, error, "%s%s%.100s: %s", what, name ? " " : "", name ? name : "",
		     reason ? reason : "unknown");
	ERR_clear_error();
	return error;
}

static int load_own(SSL_CTX *openssl, const struct ferry_tls_options *options,
		    struct ferry_why *why)
{
	const char *key = options->key ? options->key : options->certificate;

	if (!options->certificate)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(openssl, options->certificate) != 1)
		return fy_tls_failed(why, -FERRY_ETLS, "cannot use the certificate",
				     options->certificate);
	if (SSL_CTX_use_PrivateKey_file(openssl, key, SSL_FILETYPE_PEM) != 1)
		return fy_tls_failed(why, -FERRY_ETLS, "cannot use the private key", key);
	if (SSL_CTX_check_private_key(openssl) != 1)
		return fy_tls_failed(why, -FERRY_ETLS,
				     "key and certificate do not belong together:", key);
	return 0;
}

static int load_authorities(SSL_CTX *openssl, const struct ferry_tls_options *options, int serves,
			    struct ferry_why *why)
{
	const char *file = options->authorities;

	if (!file && SSL_CTX_set_default_verify_paths(openssl) != 1)
		return fy_tls_failed(why, -FERRY_ETLS, "cannot use the system's certificates",
				     NULL);
	if (file && SSL_CTX_load_verify_file(openssl, file) != 1)
		return fy_tls_failed(why, -FERRY_ETLS, "cannot use the authorities in", file);
	if (file && serves) /* tell clients whose certificates we take */
		SSL_CTX_set_client_CA_list(openssl, SSL_load_client_CA_file(file));
	ERR_clear_error();
	return 0;
}

/* A server verifies clients if it is asked to, or was told whom to trust. */
static int verifies(const struct ferry_tls_options *options, int serves)
{
	if (options->verify == FERRY_TLS_UNVERIFIED)
		return 0;
	return !serves || options->verify == 1 || options->authorities != NULL;
}

static int set_up(struct fy_tls_context *context, const struct ferry_tls_options *options,
		  struct ferry_why *why)
{
	static const unsigned char id[] = "ferry";
	SSL_CTX *openssl = context->openssl;
	const int mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;

	if (context->serves && !options->certificate)
		return fy_why(why, -FERRY_ETLS, "who listens with TLS needs a certificate");
	(void)SSL_CTX_set_min_proto_version(openssl, options->version_min == 13 ? TLS1_3_VERSION
										: TLS1_2_VERSION);
	(void)SSL_CTX_set_mode(openssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
					    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					    SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_set_options(openssl, SSL_OP_NO_RENEGOTIATION);
	(void)SSL_CTX_set_session_id_context(openssl, id, sizeof(id) - 1);
	SSL_CTX_set_verify(openssl, context->verifies ? mode : SSL_VERIFY_NONE, NULL);
	int r = load_own(openssl, options, why);
	if (r == 0 && context->verifies)
		r = load_authorities(openssl, options, context->serves, why);
	return r;
}

static void context_free(struct fy_tls_context *context)
{
	SSL_CTX_free(context->openssl);
	free(context);
}

static int context_new(struct fy_tls_context **ret_context, const struct ferry_tls_options *options,
		       int serves, struct ferry_why *why)
{
	struct fy_tls_context *context = calloc(1, sizeof(*context));

	if (!context)
		return -ENOMEM;
	context->serves = serves;
	context->verifies = verifies(options, serves);
	context->openssl = SSL_CTX_new(serves ? TLS_server_method() : TLS_client_method());
	int r = context->openssl ? set_up(context, options, why) : -ENOMEM;
	if (r < 0)
		context_free(context);
	else
		*ret_context = context;
	return r;
}

const struct fy_tls_provider *ferry_tls_provider(void)
{
	static const struct fy_tls_provider provider = {
		.abi = FY_TLS_ABI,
		.context_new = context_new,
		.context_free = context_free,
		.connection_new = fy_tls_session_new,
		.connection_free = fy_tls_session_free,
		.handshake = fy_tls_session_handshake,
		.read = fy_tls_session_read,
		.write = fy_tls_session_write,
		.flush = fy_tls_session_flush,
		.farewell = fy_tls_session_farewell,
		.pending = fy_tls_session_pending,
		.describe = fy_tls_session_describe,
	};

	return &provider;
}
