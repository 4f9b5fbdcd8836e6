/* SPDX-License-Identifier: MIT */
/* child_reads.c - the parent writes, the child reads, as with pipe(2). */
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	static const char *const words[] = { "one ", "stream ", "of ", "bytes\n" };
	ferry_pipe *reader, *writer;
	char buffer[64];
	ssize_t n;

	if (ferry_pipe_pair(&reader, &writer, NULL) < 0)
		return 1;
	if (fork() == 0) {
		ferry_pipe_close(writer); /* or the end would never come */
		while ((n = ferry_pipe_read(reader, buffer, sizeof(buffer), FERRY_FOREVER)) > 0)
			fwrite(buffer, 1, (size_t)n, stdout);
		puts(n == 0 ? "end of file" : ferry_strerror((int)n));
		fflush(stdout);
		_exit(n != 0);
	}
	ferry_pipe_close(reader);
	for (int i = 0; i < 4; i++)
		if (ferry_pipe_write(writer, words[i], strlen(words[i]), FERRY_FOREVER) < 0)
			return 1;
	ferry_pipe_close(writer);
	return wait(NULL) < 0;
}
