/* SPDX-License-Identifier: MIT */
/* Certificates of the tests. */
#ifndef FERRY_TEST_CERTIFICATE_H
#define FERRY_TEST_CERTIFICATE_H

/** Skips the claim in a build without TLS (FERRY_TEST_TLS in the environment: there must be one).
 */
void certificate_needs_tls(void);

/** Make one for this name and 127.0.0.1 that signs itself, and its key. Skips the claim where there
 *  is no openssl command. */
void certificate_make(const char *file, const char *key_file, const char *name);

#endif
