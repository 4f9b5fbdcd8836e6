/* SPDX-License-Identifier: MIT */
/* Any bytes on a stream are whole messages up to a first error, and the same messages however the
 * bytes are cut. The first byte of the input says how. */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { MOST = 200 };

static void must(int condition)
{
	if (!condition)
		abort();
}

/* What the next call must give, from the bytes alone; *at goes on behind the message. */
static ssize_t expected(const unsigned char *data, size_t size, size_t *at)
{
	const size_t left = size - *at;

	if (left == 0)
		return -ENODATA;
	if (left < 4)
		return -ECONNRESET;
	const unsigned char *h = data + *at;
	const size_t n = (size_t)h[0] << 24 | (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3];
	if (n > MOST)
		return -EBADMSG;
	if (left - 4 < n)
		return -ECONNRESET;
	*at += 4 + n;
	return (ssize_t)n;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	ferry_socket *one, *other;
	unsigned char buffer[MOST];
	size_t at = 0, sent = 0;
	ssize_t r = 0;

	if (size < 1 || size > 4096)
		return 0;
	const size_t step = 1 + (size_t)(data[0] % 16) * 7;
	data++;
	size--;
	must(ferry_socket_pair(&one, &other, FERRY_UNIX,
			       FERRY_SOCKET_OPTIONS(.message_max = MOST)) == 0);
	while (r >= 0 || r == -EAGAIN) {
		const size_t n = size - sent < step ? size - sent : step;
		if (one && ferry_socket_write(one, data + sent, n, FERRY_NOW) != (ssize_t)n)
			break; /* the other end has refused the rest */
		sent += n;
		if (one && sent == size) {
			ferry_socket_close(one);
			one = NULL;
		}
		r = ferry_socket_receive(other, buffer, sizeof(buffer), FERRY_NOW);
		if (r == -EAGAIN)
			continue;
		const size_t begin = at;
		must(r == expected(data, size, &at));
		must(r <= 0 || memcmp(buffer, data + begin + 4, (size_t)r) == 0);
	}
	must(ferry_socket_receive(other, buffer, sizeof(buffer), FERRY_NOW) == r);
	ferry_socket_close(one);
	ferry_socket_close(other);
	return 0;
}
