/* SPDX-License-Identifier: MIT */
/*
 * bench_segment_kernel.c - what the kernel and the C library have: files in /dev/shm that are
 * mapped, System V shared memory, and malloc behind a mutex that processes share.
 *
 * The malloc is the C library's own, each process's in its own memory: only its mutex is shared. An
 * allocator in shared memory would have to fetch its lists from the other processes' cores besides.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench_locks.h"
#include "bench_segments.h"
#include "bench_time.h"
#include "bench_transports.h"

/* ---- a file that is mapped ---- */

static int map(int fd, size_t bytes, char **ret_memory)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*ret_memory = memory;
	return 0;
}

/* As ferry does: all of it reserved. */
static int make_file(const char *name, size_t bytes, char **ret_memory)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), e;

	if (fd < 0)
		return -errno;
	e = -posix_fallocate(fd, 0, (off_t)bytes);
	e = e < 0 ? e : map(fd, bytes, ret_memory);
	close(fd);
	return e;
}

static int open_file(const char *name, char **ret_memory, size_t *ret_bytes)
{
	int fd = open(name, O_RDWR | O_CLOEXEC), e;
	struct stat stat;

	if (fd < 0)
		return -errno;
	e = fstat(fd, &stat) < 0 ? -errno : map(fd, (size_t)stat.st_size, ret_memory);
	*ret_bytes = (size_t)stat.st_size;
	close(fd);
	return e;
}

static int file_life(uint64_t ticks[BENCH_STEPS_OF_LIFE], uint64_t *ret_reserved)
{
	char name[96], *made = NULL, *opened = NULL;
	size_t bytes = 0;
	uint64_t t;
	int e;

	snprintf(name, sizeof name, "%s/file", bench_directory());
	t = bench_ticks();
	e = make_file(name, BENCH_SEGMENT_BYTES, &made);
	ticks[BENCH_CREATING] = bench_ticks() - t;
	if (e < 0)
		return e;
	t = bench_ticks();
	e = open_file(name, &opened, &bytes);
	ticks[BENCH_OPENING_IT] = bench_ticks() - t;
	if (e == 0) {
		t = bench_ticks();
		munmap(opened, bytes);
		ticks[BENCH_CLOSING] = bench_ticks() - t;
	}
	*ret_reserved = bytes;
	munmap(made, BENCH_SEGMENT_BYTES);
	unlink(name);
	return e;
}

/* The file stays for the next round; bench_end() takes it away. */
static int file_use(uint64_t ticks[BENCH_STEPS_OF_LIFE], uint64_t *ret_bytes)
{
	char name[96], *memory = NULL;
	size_t bytes = 0;
	int e;

	snprintf(name, sizeof name, "%s/plain", bench_directory());
	e = make_file(name, BENCH_TOUCH_BYTES, &memory);
	if (e == 0)
		munmap(memory, BENCH_TOUCH_BYTES);
	if (e < 0 && e != -EEXIST)
		return e;
	e = open_file(name, &memory, &bytes);
	if (e < 0)
		return e;
	bench_use_memory(memory, bytes, ticks);
	munmap(memory, bytes);
	*ret_bytes = bytes;
	return 0;
}

/* ---- System V ---- */

static int sysv_life(uint64_t ticks[BENCH_STEPS_OF_LIFE], uint64_t *ret_reserved)
{
	uint64_t t = bench_ticks();
	int id = shmget(IPC_PRIVATE, BENCH_SEGMENT_BYTES, IPC_CREAT | 0600), e = 0;
	void *made = id < 0 ? (void *)-1 : shmat(id, NULL, 0), *opened;

	ticks[BENCH_CREATING] = bench_ticks() - t;
	*ret_reserved = 0;
	t = bench_ticks();
	opened = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
	ticks[BENCH_OPENING_IT] = bench_ticks() - t;
	if (opened == (void *)-1) {
		e = -errno;
	} else {
		t = bench_ticks();
		shmdt(opened);
		ticks[BENCH_CLOSING] = bench_ticks() - t;
	}
	if (made != (void *)-1)
		shmdt(made);
	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
	return e;
}

/* ---- malloc behind a mutex ---- */

static const struct bench_lock *lock_of(const struct bench_channel *c)
{
	const struct bench_peer *section = c->peer->mechanism;

	return section->mechanism;
}

static int create(struct bench_channel *c, const struct bench_channel *there)
{
	const struct bench_lock *lock = lock_of(c);
	int e = bench_share(c, 64 + lock->bytes);

	(void)there;
	if (e == 0)
		e = lock->make(c);
	return e;
}

static void remove_lock(struct bench_channel *c)
{
	bench_unshare(c);
}

static int attach(struct bench_channel *c)
{
	struct bench_hand *hand;

	if (c->direction != 0)
		return 0;
	hand = calloc(1, sizeof(*hand));
	if (!hand)
		return -ENOMEM;
	hand->dice = c->process;
	c->handle = hand;
	return 0;
}

static int allocate(struct bench_channel *c, void **ret_data)
{
	const struct bench_lock *lock = lock_of(c);
	size_t bytes;
	uint64_t *slot = bench_hand_next(c, &bytes), *first;
	int e = lock->acquire(c, 0);

	(void)ret_data;
	if (e < 0)
		return e;
	first = malloc(bytes);
	e = lock->release(c, 0);
	if (!first)
		return -ENOMEM;
	*first = bytes;
	*slot = (uintptr_t)first;
	return e;
}

static int release(struct bench_channel *c, const void *data)
{
	const struct bench_lock *lock = lock_of(c);
	int e = lock->acquire(c, 0);

	(void)data;
	if (e < 0)
		return e;
	free((void *)(uintptr_t)bench_hand_oldest(c));
	return lock->release(c, 0);
}

const struct bench_peer bench_segment_mmap = { .name = "mmap", .life = file_life };
const struct bench_peer bench_segment_sysv = { .name = "System V", .life = sysv_life };
const struct bench_peer bench_touch_mmap = { .name = "mmap", .life = file_use };

#define CHURN                                                                                      \
	.waits = "sleeps", .abilities = BENCH_CHURN, .create = create, .remove = remove_lock,      \
	.attach = attach, .receive = allocate, .send = release

const struct bench_peer bench_churn_mutex = {
	.name = "mutex + malloc",
	.mechanism = &bench_section_mutex,
	CHURN,
};

const struct bench_peer bench_churn_robust = {
	.name = "robust mutex + malloc",
	.mechanism = &bench_section_robust,
	CHURN,
};

/* The same, where malloc has its cache for each thread: named apart. */
const struct bench_peer bench_churn_mutex_cache = {
	.name = "mutex + malloc with cache",
	.mechanism = &bench_section_mutex,
	CHURN,
};

const struct bench_peer bench_churn_robust_cache = {
	.name = "robust mutex + malloc with cache",
	.mechanism = &bench_section_robust,
	CHURN,
};
