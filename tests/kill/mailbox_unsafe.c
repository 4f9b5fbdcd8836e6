/* SPDX-License-Identifier: MIT */
/*
 * Queues that do what ferry must not do, so that the harness can show that it would notice. Each
 * breaks one promise, in a way that is common in real programs. Their code lies in a section of
 * its own, which is what is attacked.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "mailbox_actor.h"

#define UNSAFE __attribute__((section("unsafe_text"), noinline))

extern const char __start_unsafe_text[], __stop_unsafe_text[];

struct queue {
	_Atomic uint32_t lock, head, tail, bell, sleepers;
	struct slot {
		uint32_t size;
		uint8_t data[BOX_MAX_SIZE];
	} slots[BOX_CAPACITY];
};

static uint32_t get_word(const _Atomic uint32_t *word)
{
	return atomic_load_explicit(word, memory_order_seq_cst);
}

static void queue_path(const char *name, char *ret_path, size_t n)
{
	snprintf(ret_path, n, "%s/%s", getenv("FERRY_DIR"), name);
}

static int queue_open(void **ret_box, const char *name, const struct ferry_mailbox_options *options)
{
	char path[256];
	void *memory;
	int fd;

	(void)options;
	queue_path(name, path, sizeof(path));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(struct queue)) < 0)
		return -errno;
	memory = mmap(NULL, sizeof(struct queue), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		return -errno;
	*ret_box = memory;
	return 0;
}

static void queue_close(void *box)
{
	munmap(box, sizeof(struct queue));
}

static int queue_stat(void *box, struct ferry_mailbox_stat *ret_stat)
{
	struct queue *queue = box;

	*ret_stat = (struct ferry_mailbox_stat){
		.messages = get_word(&queue->tail) - get_word(&queue->head),
		.waiting_receivers = get_word(&queue->sleepers),
		.members_alive = 1,
	};
	return 0;
}

static int queue_repair(const char *name)
{
	(void)name;
	return 0;
}

static int queue_remove(const char *name)
{
	char path[256];

	queue_path(name, path, sizeof(path));
	return unlink(path) < 0 ? -errno : 0;
}

bool unsafe_instruction(uintptr_t address)
{
	return address >= (uintptr_t)__start_unsafe_text && address < (uintptr_t)__stop_unsafe_text;
}

static bool full(const struct queue *queue)
{
	return get_word(&queue->tail) - get_word(&queue->head) >= BOX_CAPACITY;
}

static UNSAFE void put(struct queue *queue, uint32_t position, const void *data, size_t size)
{
	struct slot *slot = &queue->slots[position % BOX_CAPACITY];

	slot->size = (uint32_t)size;
	memcpy(slot->data, data, size);
}

static UNSAFE ssize_t get(struct queue *queue, uint32_t position, void *buffer,
			  struct ferry_message *ret_info)
{
	struct slot *slot = &queue->slots[position % BOX_CAPACITY];

	memcpy(buffer, slot->data, slot->size);
	*ret_info = (struct ferry_message){ .size = slot->size, .deliveries = 1 };
	return (ssize_t)slot->size;
}

/* The lock: it gives up after a while, so that a jam does not hold up the harness as well. */
static UNSAFE bool lock(struct queue *queue)
{
	for (int tries = 0; atomic_exchange(&queue->lock, 1); tries++)
		if (tries > 1000000)
			return false;
	return true;
}

static UNSAFE int send_locked(void *box, const void *data, size_t size,
			      const struct ferry_send_options *options, ferry_deadline deadline)
{
	struct queue *queue = box;
	int result = -EAGAIN;

	(void)options;
	(void)deadline;
	if (!lock(queue))
		return -ETIMEDOUT;
	if (!full(queue)) {
		put(queue, get_word(&queue->tail), data, size);
		atomic_fetch_add(&queue->tail, 1);
		result = 0;
	}
	atomic_store(&queue->lock, 0);
	return result;
}

static UNSAFE ssize_t receive_locked(void *box, void *buffer, size_t room,
				     struct ferry_message *ret_info, ferry_deadline deadline)
{
	struct queue *queue = box;
	ssize_t result = -EAGAIN;

	(void)room;
	(void)deadline;
	if (!lock(queue))
		return -ETIMEDOUT;
	if (get_word(&queue->head) != get_word(&queue->tail)) {
		result = get(queue, get_word(&queue->head), buffer, ret_info);
		atomic_fetch_add(&queue->head, 1);
	}
	atomic_store(&queue->lock, 0);
	return result;
}

static UNSAFE int send_racy(void *box, const void *data, size_t size,
			    const struct ferry_send_options *options, ferry_deadline deadline)
{
	struct queue *queue = box;
	uint32_t tail = get_word(&queue->tail);

	(void)options;
	(void)deadline;
	if (full(queue))
		return -EAGAIN;
	atomic_store(&queue->tail, tail + 1);
	put(queue, tail, data, size);
	return 0;
}

static UNSAFE void sleep_on_bell(struct queue *queue, ferry_deadline deadline)
{
	struct timespec until = { .tv_sec = deadline / 1000000000,
				  .tv_nsec = deadline % 1000000000 };
	uint32_t bell = get_word(&queue->bell);

	atomic_fetch_add(&queue->sleepers, 1);
	if (get_word(&queue->head) == get_word(&queue->tail))
		syscall(SYS_futex, &queue->bell, FUTEX_WAIT_BITSET, bell, &until, NULL, -1);
	atomic_fetch_sub(&queue->sleepers, 1);
}

static UNSAFE ssize_t receive_racy(void *box, void *buffer, size_t room,
				   struct ferry_message *ret_info, ferry_deadline deadline)
{
	struct queue *queue = box;
	uint32_t head = get_word(&queue->head);
	ssize_t result;

	(void)room;
	while (head == get_word(&queue->tail)) {
		if (deadline == FERRY_NOW)
			return -EAGAIN;
		if (now_ns() > deadline)
			return -ETIMEDOUT;
		sleep_on_bell(queue, deadline);
	}
	result = get(queue, head, buffer, ret_info);
	atomic_store(&queue->head, head + 1);
	return result;
}

static UNSAFE int send_forgetful(void *box, const void *data, size_t size,
				 const struct ferry_send_options *options, ferry_deadline deadline)
{
	struct queue *queue = box;

	(void)options;
	(void)deadline;
	if (full(queue))
		return -EAGAIN;
	put(queue, get_word(&queue->tail), data, size);
	atomic_fetch_add(&queue->tail, 1);
	atomic_fetch_add(&queue->bell, 1);
	syscall(SYS_futex, &queue->bell, FUTEX_WAKE, 1, NULL, NULL, 0);
	return 0;
}

#define QUEUE(sends, receives)                                                                     \
	{                                                                                          \
		.open = queue_open, .close = queue_close, .send = (sends), .receive = (receives),  \
		.stat = queue_stat, .repair = queue_repair, .remove = queue_remove                 \
	}

const struct subject subject_lock = QUEUE(send_locked, receive_locked);
const struct subject subject_racy = QUEUE(send_racy, receive_racy);
const struct subject subject_forgetful = QUEUE(send_forgetful, receive_racy);
