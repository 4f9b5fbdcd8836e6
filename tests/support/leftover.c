/* SPDX-License-Identifier: MIT */
/* Looks through /proc/self for what a test forgot, or the library lost. */
#include "leftover.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "scratch.h"

int leftover_descriptors(void)
{
	return scratch_count_in("/proc/self/fd") - 1; /* its own look is one */
}

int leftover_mappings(void)
{
	char line[1024];
	FILE *maps = fopen("/proc/self/maps", "re");
	int n = 0;

	check(maps);
	while (fgets(line, sizeof line, maps))
		n += strstr(line, scratch_directory()) != NULL;
	fclose(maps);
	return n;
}

static void show_descriptors(void)
{
	char path[64];
	char target[256];

	for (int fd = 0; fd < 1024; fd++) {
		ssize_t n;

		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof target - 1);
		if (n > 0)
			dprintf(STDERR_FILENO, "descriptor %d: %.*s\n", fd, (int)n, target);
	}
}

void leftover_note(struct leftover *ret_before)
{
	ret_before->descriptors = leftover_descriptors();
}

void leftover_check(const struct leftover *before)
{
	DIR *dir;

	if (leftover_descriptors() != before->descriptors)
		show_descriptors();
	check_eq(leftover_descriptors(), before->descriptors);
	check_eq(leftover_mappings(), 0);
	check(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	dir = opendir(scratch_directory());
	check(dir);
	for (const struct dirent *entry; (entry = readdir(dir));)
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			check_failed(__FILE__, __LINE__, "a file is left: %s", entry->d_name);
	closedir(dir);
}
