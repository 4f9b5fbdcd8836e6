/* SPDX-License-Identifier: MIT */
/* pages.c - see pages.h. */
#include "pages.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../base/why.h"

#define SHMEM_ENABLED "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

int fy_pages_populate(void *at, uint64_t bytes, int writable)
{
	int r;

	do
		r = madvise(at, bytes, writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
	while (r != 0 && errno == EINTR);
	return r == 0 ? 0 : -errno;
}

int fy_pages_lock(void *at, uint64_t bytes)
{
	return mlock(at, bytes) == 0 ? 0 : -errno;
}

/* The word in brackets: "always within_size advise [never] deny force". */
static void chosen_word(const char *path, char *word, size_t n)
{
	char line[128] = "";
	FILE *file = fopen(path, "re");

	word[0] = '\0';
	if (!file)
		return;
	if (fgets(line, sizeof(line), file)) {
		const char *from = strchr(line, '[');
		const char *to = from ? strchr(from, ']') : NULL;
		if (to)
			(void)snprintf(word, n, "%.*s", (int)(to - from - 1), from + 1);
	}
	(void)fclose(file);
}

/* What the mount of a device says about huge pages: "always", "advise", ...; empty if nothing. */
static void mount_option(dev_t device, char *option, size_t n)
{
	char line[4096];
	char key[32];
	FILE *file = fopen("/proc/self/mountinfo", "re");

	option[0] = '\0';
	if (!file)
		return;
	(void)snprintf(key, sizeof(key), " %u:%u ", major(device), minor(device));
	while (fgets(line, sizeof(line), file)) {
		const char *huge = strstr(line, key) ? strstr(line, ",huge=") : NULL;
		if (!huge)
			continue;
		huge += strlen(",huge=");
		(void)snprintf(option, n, "%.*s", (int)strcspn(huge, ", \n"), huge);
		break;
	}
	(void)fclose(file);
}

/* A mount of tmpfs gives huge pages if it was told to when it was mounted, unless the whole system
 * says otherwise. */
static int gives_huge_pages(dev_t device, char *mounted, size_t n)
{
	char system[32];

	mount_option(device, mounted, n);
	chosen_word(SHMEM_ENABLED, system, sizeof(system));
	if (strcmp(system, "force") == 0)
		return 1;
	return strcmp(system, "deny") != 0 && mounted[0] != '\0' && strcmp(mounted, "never") != 0;
}

int fy_pages_huge(void *at, uint64_t bytes, int fd, struct ferry_why *why)
{
	char mounted[32];
	struct stat file;

	if (fstat(fd, &file) != 0)
		return -errno;
	if (!gives_huge_pages(file.st_dev, mounted, sizeof(mounted)))
		return fy_why(
		    why, -EOPNOTSUPP,
		    "no huge pages there: the file system must be a tmpfs that was mounted "
		    "with huge=always, within_size or advise");
	if (madvise(at, bytes, MADV_HUGEPAGE) != 0)
		return fy_why(why, errno == EINVAL ? -EOPNOTSUPP : -errno,
			      "the kernel does not give huge pages: %s", strerror(errno));
	return 0;
}
