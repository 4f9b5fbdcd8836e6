/* SPDX-License-Identifier: MIT */
/*
 * demo_text.c - the text that `ferry demo` sends: read whole and cut into lines.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "demo.h"

#define LICENCES "/usr/share/common-licenses"
#define TEXT_MAX (UINT64_C(256) << 20)

/* Append a regular file to the text. 0; -errno; -EINVAL if it is none; -EFBIG. */
static int append(struct demo_text *text, int directory, const char *name, int flags)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
	struct stat st;
	int e = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		e = -errno;
	else if (!S_ISREG(st.st_mode))
		e = -EINVAL;
	else if ((uint64_t)st.st_size + text->size > TEXT_MAX)
		e = -EFBIG;
	char *bytes = e ? NULL : realloc(text->bytes, text->size + (size_t)st.st_size + 1);
	if (!e && !bytes)
		e = -ENOMEM;
	if (bytes) {
		text->bytes = bytes;
		ssize_t n = read(fd, bytes + text->size, (size_t)st.st_size);
		if (n < 0)
			e = -errno;
		else
			text->size += (size_t)n;
	}
	close(fd);
	return e;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* All regular files of the folder; links lead to files that are there anyway. */
static int append_licences(struct demo_text *text)
{
	struct dirent **names;
	int directory = open(LICENCES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int n = directory < 0 ? -1 : scandirat(directory, ".", &names, NULL, by_name);
	int e = n < 0 ? -errno : 0;

	for (int i = 0; i < n; i++) {
		int r = append(text, directory, names[i]->d_name, O_NOFOLLOW);

		if (r < 0 && r != -ELOOP && r != -EINVAL)
			e = r;
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	if (directory >= 0)
		close(directory);
	return e;
}

/* Cut the text into lines; counts only where lines is NULL. */
static size_t cut(struct demo_text *text, struct demo_line *lines)
{
	const char *at = text->bytes, *end = text->bytes + text->size;
	size_t n = 0;

	while (at < end) {
		size_t left = (size_t)(end - at);
		const char *newline = memchr(at, '\n', left);
		size_t size = newline ? (size_t)(newline - at) : left;

		if (size > DEMO_LINE_MAX)
			size = DEMO_LINE_MAX;
		if (lines)
			lines[n] = (struct demo_line){ at, size };
		if (size > text->longest)
			text->longest = size;
		n++;
		at += size + (newline == at + size);
	}
	return n;
}

int demo_text_read(struct demo_text *text, const char *file)
{
	int e = file ? append(text, AT_FDCWD, file, 0) : append_licences(text);

	if (!e && !text->size)
		e = -ENODATA;
	if (e == -EINVAL || e == -ENODATA)
		cli_complain("demo: %s is %s", file ? file : LICENCES,
			     e == -EINVAL ? "not a regular file" : "empty");
	else if (e < 0)
		cli_complain("demo: cannot read %s: %s%s", file ? file : LICENCES, strerror(-e),
			     file ? "" : "; name another text with --input FILE");
	if (e < 0)
		return STATUS_FAILED;
	text->n_lines = cut(text, NULL);
	text->lines = calloc(text->n_lines, sizeof *text->lines);
	if (!text->lines)
		cli_die(STATUS_FAILED, "demo: out of memory");
	cut(text, text->lines);
	return STATUS_DONE;
}

void demo_text_free(struct demo_text *text)
{
	free(text->lines);
	free(text->bytes);
}

const struct demo_line *demo_line(const struct demo_text *text, uint32_t streams, uint32_t stream,
				  uint64_t turn)
{
	return &text->lines[(turn * streams + stream) % text->n_lines];
}
