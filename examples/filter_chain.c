/* SPDX-License-Identifier: MIT */
/* filter_chain.c - three processes: one makes numbers, one squares them, one adds them up. */
#include <ferry/ferry.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NUMBERS = 100000 };

static int make(ferry_pipe *out)
{
	for (uint64_t i = 1; i <= NUMBERS; i++)
		if (ferry_pipe_write(out, &i, sizeof(i), FERRY_FOREVER) < 0)
			return 1;
	return 0;
}

/* In place on both sides: what lies in one pipe is squared into the other. */
static int square(ferry_pipe *in, ferry_pipe *out)
{
	struct ferry_span from, to;

	while (ferry_pipe_peek(in, &from, FERRY_FOREVER) == 1) {
		size_t n = from.size < 4096 ? from.size / 8 : 512;
		if (ferry_pipe_reserve(out, n * 8, &to, FERRY_FOREVER) < 0)
			return 1;
		for (size_t i = 0; i < n; i++)
			((uint64_t *)to.data)[i] =
			    ((uint64_t *)from.data)[i] * ((uint64_t *)from.data)[i];
		if (ferry_pipe_commit(out, &to, n * 8, FERRY_FOREVER) < 0 ||
		    ferry_pipe_consume(in, &from, n * 8) < 0)
			return 1;
	}
	return 0;
}

int main(void)
{
	ferry_pipe *r1, *w1, *r2, *w2;
	uint64_t value, sum = 0;

	if (ferry_pipe_pair(&r1, &w1, NULL) < 0 || ferry_pipe_pair(&r2, &w2, NULL) < 0)
		return 1;
	if (fork() == 0)
		_exit(make(w1));
	ferry_pipe_close(w1);
	if (fork() == 0)
		_exit(square(r1, w2));
	ferry_pipe_close(r1);
	ferry_pipe_close(w2);
	while (ferry_pipe_read(r2, &value, sizeof(value), FERRY_FOREVER) == sizeof(value))
		sum += value;
	ferry_pipe_close(r2);
	printf("%llu\n", (unsigned long long)sum);
	while (wait(NULL) > 0)
		;
	return 0;
}
