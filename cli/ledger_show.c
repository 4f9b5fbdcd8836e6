/* SPDX-License-Identifier: MIT */
/*
 * ledger_show.c - progress lines, numbers, faults; and the private directory.
 */
#include "ledger_show.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SECOND     UINT64_C(1000000000)
#define LINE_BYTES 256

void show_init(struct show *show, bool quiet)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	bool terminal = isatty(STDOUT_FILENO);
	bool colour = terminal && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));

	*show = (struct show){
		.terminal = terminal,
		.quiet = quiet,
		.shown = now_ns(),
		.bold = colour ? "\033[1m" : "",
		.good = colour ? "\033[1;32m" : "",
		.bad = colour ? "\033[1;31m" : "",
		.dim = colour ? "\033[2m" : "",
		.plain = colour ? "\033[0m" : "",
	};
}

static size_t columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
		return 80;
	return size.ws_col;
}

void show_progress(struct show *show, uint64_t now, const char *format, ...)
{
	char text[LINE_BYTES];
	va_list arguments;

	if (show->quiet || (!show->terminal && now - show->shown < SECOND))
		return;
	show->shown = now;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (!show->terminal)
		printf("%s\n", text);
	else /* cut, so that it never wraps; \033[K clears what a longer line left */
		printf("\r%.*s\033[K", (int)(columns() - 1), text);
	fflush(stdout);
}

void show_progress_end(struct show *show)
{
	if (show->terminal && !show->quiet)
		fputs("\r\033[K", stdout);
	fflush(stdout);
}

const char *show_number(char buffer[static SHOW_NUMBER], uint64_t number)
{
	char digits[SHOW_NUMBER];
	int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
	char *to = buffer;

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return buffer;
}

const char *show_short(char buffer[static SHOW_NUMBER], double number)
{
	static const char *const units[] = { "", " k", " M", " G" };
	size_t unit = 0;

	for (; number >= 999.5 && unit < 3; unit++)
		number /= 1000;
	snprintf(buffer, SHOW_NUMBER, unit && number < 9.95 ? "%.1f%s" : "%.0f%s", number,
		 units[unit]);
	return buffer;
}

void show_faults(const struct faults *faults)
{
	const char *sentence;
	uint64_t shown = 0;

	for (uint32_t i = 0; (sentence = faults_sentence(faults, i)); i++, shown++)
		fprintf(stderr, "  %s\n", sentence);
	if (faults_all(faults) > shown)
		fprintf(stderr, "  and %llu more\n",
			(unsigned long long)(faults_all(faults) - shown));
}

void show_kills(const struct crew *crew, char *text, size_t width)
{
	uint64_t left[CREW_CALLS];
	size_t used = 0;

	memcpy(left, crew->figures.kills_in, sizeof left);
	text[0] = '\0';
	for (;;) {
		int most = 0;

		for (int i = 1; i < CREW_CALLS; i++)
			if (left[i] > left[most])
				most = i;
		if (!left[most])
			return;
		int n =
		    snprintf(text + used, width - used, "%s%llu %s", used ? ", " : "",
			     (unsigned long long)left[most], crew_call_name(crew, (uint32_t)most));
		left[most] = 0;
		if (n < 0 || (size_t)n >= width - used) {
			text[used] = '\0';
			return;
		}
		used += (size_t)n;
	}
}

int show_place_make(char path[static 32])
{
	snprintf(path, 32, "/dev/shm/ferry-ledger-XXXXXX");
	if (!mkdtemp(path)) {
		int e = -errno;

		path[0] = '\0';
		return e;
	}
	return setenv("FERRY_DIR", path, 1) < 0 ? -errno : 0;
}

void show_place_remove(const char *path)
{
	DIR *directory = path[0] ? opendir(path) : NULL;
	struct dirent *entry;

	if (!directory)
		return;
	while ((entry = readdir(directory)))
		unlinkat(dirfd(directory), entry->d_name, 0); /* refuses "." and ".." */
	closedir(directory);
	rmdir(path);
}
