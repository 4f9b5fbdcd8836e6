/* SPDX-License-Identifier: MIT */
/* editor.c - a small text editor: what is typed is added to the text. Ctrl-C asks whether to save,
 * and the handler that asks is ordinary code, which may print, read and allocate. */
#include <ferry/ferry.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct editor {
	const char *file;
	size_t size;
	char text[65536];
};

static int save(const struct editor *e)
{
	FILE *out = fopen(e->file, "w");

	return out && fwrite(e->text, 1, e->size, out) == e->size && fclose(out) == 0;
}

/* Ctrl-C. The program ends as one that SIGINT has ended, so that a shell or make sees it. */
static int ask(const struct ferry_signal_info *info, void *arg)
{
	char answer[16] = "";

	printf("\nSave your changes before exiting? [y]es, [n]o, [c]ancel: ");
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin) || answer[0] == 'c')
		return puts("going on"), 0;
	puts(answer[0] != 'y' ? "not saved" : save(arg) ? "saved" : "could not be saved");
	fflush(stdout);
	ferry_signal_default(info->signo, NULL);
	return raise(info->signo);
}

int main(int argc, char **argv)
{
	static struct editor e;
	struct pollfd fds[] = { { .fd = 0, .events = POLLIN },
				{ .fd = ferry_signal_fd(), .events = POLLIN } };

	e.file = argc > 1 ? argv[1] : "untitled.txt";
	setvbuf(stdin, NULL, _IONBF, 0); /* poll() must know of all that waits */
	if (ferry_signal_catch(SIGINT, ask, &e, NULL) < 0)
		return 1;
	printf("editing %s\n", e.file);
	for (;;) {
		fflush(stdout);
		poll(fds, 2, -1);
		if (ferry_signal_dispatch(FERRY_NOW) > 0 || !fds[0].revents)
			continue;
		if (!fgets(e.text + e.size, (int)(sizeof(e.text) - e.size), stdin))
			return !save(&e);
		e.size += strlen(e.text + e.size);
		printf("%zu bytes\n", e.size);
	}
}
