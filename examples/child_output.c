/* SPDX-License-Identifier: MIT */
/* child_output.c - a program's output comes through a ferry pipe, and its input goes through one.
 */
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	static char sort[] = "sort", reverse[] = "-r";
	static char *const arguments[] = { sort, reverse, NULL };
	static const char words[] = "ant\nbee\ncat\n";
	ferry_pipe *to_child, *childs_input, *from_child, *childs_output;
	ferry_process *process;
	struct ferry_process_end end;
	struct ferry_why why = { 0 };
	char buffer[256];
	ssize_t n;

	if (ferry_pipe_pair(&childs_input, &to_child, NULL) < 0 ||
	    ferry_pipe_pair(&from_child, &childs_output, NULL) < 0)
		return 1;
	const struct ferry_spawn_stream streams[] = { { childs_input, 0 }, { childs_output, 1 } };
	if (ferry_spawn(&process,
			FERRY_SPAWN_OPTIONS(.program = "sort", .arguments = arguments,
					    .streams = streams, .n_streams = 2, .why = &why)) < 0) {
		fprintf(stderr, "%s\n", why.text);
		return 1;
	}
	/* Its two ends are the child's now. Ours is closed when all is written: its input ends. */
	if (ferry_pipe_write(to_child, words, strlen(words), FERRY_FOREVER) < 0)
		return 1;
	ferry_pipe_close(to_child);
	while ((n = ferry_pipe_read(from_child, buffer, sizeof(buffer), FERRY_FOREVER)) > 0)
		fwrite(buffer, 1, (size_t)n, stdout);
	ferry_pipe_close(from_child);
	if (ferry_process_wait(process, &end, FERRY_FOREVER) < 0)
		return 1;
	ferry_process_close(process);
	printf("sort ended with %d\n", end.code);
	return end.code;
}
