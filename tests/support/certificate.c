/* SPDX-License-Identifier: MIT */
/* certificate.c - see certificate.h. */
#include "certificate.h"

#include <stdio.h>
#include <stdlib.h>

#include <ferry/ferry.h>

#include "check.h"

void certificate_needs_tls(void)
{
	ferry_listener *listener;
	const int r = ferry_listen(&listener, "tls://127.0.0.1:0", NULL, FERRY_NOW);

	if (r == -FERRY_ENOTLS && !getenv("FERRY_TEST_TLS"))
		check_skip("built without TLS");
	check_eq(r, -FERRY_ETLS); /* no certificate */
}

void certificate_make(const char *file, const char *key_file, const char *name)
{
	char command[2048];

	snprintf(command, sizeof command,
		 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
		 "-subj /CN=%s -addext subjectAltName=DNS:%s,IP:127.0.0.1 -keyout %s -out %s "
		 ">/dev/null 2>&1",
		 name, name, key_file, file);
	if (system(command) != 0)
		check_skip("needs the openssl command");
}
