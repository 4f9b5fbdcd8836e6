/* SPDX-License-Identifier: MIT */
/* The private ferry directory of a claim: made before it, set as $FERRY_DIR, removed after it. */
#ifndef FERRY_TEST_SCRATCH_H
#define FERRY_TEST_SCRATCH_H

#include <stddef.h>
#include <sys/types.h>

void scratch_make(void);

/** Removes the directory with all that is in it. Never leaves its file system. */
void scratch_remove(void);

const char *scratch_directory(void);

/** The path of a name in the directory. Good for the next seven calls. */
const char *scratch_path(const char *name);

/** How many entries the directory, or the directory at a path, has. */
int scratch_count(void);
int scratch_count_in(const char *path);

/** Make a file with these bytes. */
void scratch_write(const char *path, const void *bytes, size_t size, mode_t mode);

/** Overwrite bytes of a file in place. */
void scratch_patch(const char *path, off_t at, const void *bytes, size_t size);

/** Read bytes of a file. */
void scratch_read(const char *path, off_t at, void *bytes, size_t size);

/** Give this process its own mounts, with a fresh tmpfs of that many KiB at path. Skips the claim
 *  where that is not allowed. */
void scratch_mount(const char *path, unsigned kib);

#endif
