/* SPDX-License-Identifier: MIT */
/*
 * sigbus.c - see sigbus.h.
 *
 * The guarded ranges stand in blocks of entries that are linked once and never freed, so that the
 * handler can walk them without a lock. An entry is in use while its base is not 0; base is written
 * last and cleared first.
 */
#include "sigbus.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK_ENTRIES 128

struct entry {
	_Atomic uintptr_t base;
	_Atomic size_t bytes;
	_Atomic uint32_t *_Atomic broken;
};

struct block {
	struct entry entries[BLOCK_ENTRIES];
	struct block *_Atomic next;
};

static struct block first;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* over adding and removing */
static uintptr_t page_bytes;
static int installed;

/* The action below ours. A handler may be reading the current one while it changes: so a change
 * goes into another entry, and an entry is used again only many changes later. */
#define BELOW_ENTRIES 16
static struct sigaction below[BELOW_ENTRIES];
static _Atomic uint32_t below_now;

static const struct sigaction *action_below(void)
{
	/* SYNC(sigbus.below) acquire: pairs with the release in set_below(). */
	return &below[atomic_load_explicit(&below_now, memory_order_acquire) % BELOW_ENTRIES];
}

/* Called with the mutex held. */
static void set_below(const struct sigaction *action)
{
	/* RELAXED(changes only under the mutex) */
	uint32_t next = atomic_load_explicit(&below_now, memory_order_relaxed) + 1;

	below[next % BELOW_ENTRIES] = *action;
	/* SYNC(sigbus.below) release: pairs with the acquire in action_below(). */
	atomic_store_explicit(&below_now, next, memory_order_release);
}

static struct block *block_after(const struct block *block)
{
	/* SYNC(sigbus.block) acquire: pairs with the release in free_entry(); the block is zeroed.
	 */
	return atomic_load_explicit(&block->next, memory_order_acquire);
}

static struct entry *entry_over(uintptr_t address)
{
	for (struct block *b = &first; b; b = block_after(b)) {
		for (size_t i = 0; i < BLOCK_ENTRIES; i++) {
			struct entry *e = &b->entries[i];
			/* SYNC(sigbus.base) acquire: pairs with the release in fy_sigbus_guard();
			 * bytes and broken are of this base. */
			uintptr_t base = atomic_load_explicit(&e->base, memory_order_acquire);
			/* RELAXED(ordered by base) */
			size_t bytes = atomic_load_explicit(&e->bytes, memory_order_relaxed);
			if (base != 0 && address >= base && address - base < bytes)
				return e;
		}
	}
	return NULL;
}

/* Hand a SIGBUS that is not ours to the action that was there before us. */
static void pass_on(int signo, siginfo_t *info, void *context)
{
	const struct sigaction *before = action_below();

	if (before->sa_flags & SA_SIGINFO) {
		before->sa_sigaction(signo, info, context);
	} else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
		before->sa_handler(signo);
	} else {
		/* Let the default happen: the faulting instruction runs again when we return; one
		 * that was sent by kill() is sent again. An ignored one that was sent is ignored.
		 */
		int sent = info->si_code <= 0;
		if (sent && before->sa_handler == SIG_IGN)
			return;
		(void)signal(SIGBUS, SIG_DFL);
		if (sent)
			(void)raise(SIGBUS);
	}
}

/* Mend what is ours: 1 if it was, and the instruction can run again. */
static int mend(const siginfo_t *info)
{
	uintptr_t address = (uintptr_t)info->si_addr;
	struct entry *e = info->si_code > 0 ? entry_over(address) : NULL;

	if (!e)
		return 0;
	/* RELAXED(ordered by base) */
	_Atomic uint32_t *broken = atomic_load_explicit(&e->broken, memory_order_relaxed);
	void *page = (void *)(address & ~(page_bytes - 1));
	/* RELAXED(read by this process when it next asks; nothing hangs on its order) */
	atomic_store_explicit(broken, 1, memory_order_relaxed);
	return mmap(page, page_bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

static void on_sigbus(int signo, siginfo_t *info, void *context)
{
	int saved = errno;

	if (!mend(info))
		pass_on(signo, info, context);
	errno = saved;
}

/* Install the handler once. Called with the mutex held. */
static int install(void)
{
	struct sigaction action;
	struct sigaction before;

	if (installed)
		return 0;
	page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = on_sigbus;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
	(void)sigemptyset(&action.sa_mask);
	if (sigaction(SIGBUS, NULL, &before) != 0)
		return -errno;
	set_below(&before);
	if (sigaction(SIGBUS, &action, NULL) != 0)
		return -errno;
	installed = 1;
	return 0;
}

int fy_sigbus_action(const struct sigaction *action, struct sigaction *ret_before)
{
	struct sigaction now;

	(void)pthread_mutex_lock(&mutex);
	int r = sigaction(SIGBUS, NULL, &now);
	if (r == 0 && installed && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_sigbus) {
		now = *action_below();
		if (action)
			set_below(action);
	} else if (r == 0 && action) {
		r = sigaction(SIGBUS, action, NULL);
	}
	if (r == 0 && ret_before)
		*ret_before = now;
	(void)pthread_mutex_unlock(&mutex);
	return r;
}

/* An entry that is not in use. Called with the mutex held; NULL if there is no memory. */
static struct entry *free_entry(void)
{
	struct block *b = &first;

	for (;;) {
		for (size_t i = 0; i < BLOCK_ENTRIES; i++)
			/* RELAXED(entries change only under the mutex) */
			if (atomic_load_explicit(&b->entries[i].base, memory_order_relaxed) == 0)
				return &b->entries[i];
		/* RELAXED(blocks are added only under the mutex) */
		struct block *next = atomic_load_explicit(&b->next, memory_order_relaxed);
		if (!next) {
			next = calloc(1, sizeof(*next));
			if (!next)
				return NULL;
			/* SYNC(sigbus.block) release: pairs with the acquire in entry_over(). */
			atomic_store_explicit(&b->next, next, memory_order_release);
		}
		b = next;
	}
}

int fy_sigbus_guard(void *base, size_t bytes, _Atomic uint32_t *broken)
{
	(void)pthread_mutex_lock(&mutex);
	int r = install();
	struct entry *e = r < 0 ? NULL : free_entry();
	if (e) {
		/* RELAXED(published by base) */
		atomic_store_explicit(&e->bytes, bytes, memory_order_relaxed);
		/* RELAXED(published by base) */
		atomic_store_explicit(&e->broken, broken, memory_order_relaxed);
		/* SYNC(sigbus.base) release: pairs with the acquire in entry_over(). */
		atomic_store_explicit(&e->base, (uintptr_t)base, memory_order_release);
	} else if (r == 0) {
		r = -ENOMEM;
	}
	(void)pthread_mutex_unlock(&mutex);
	return r;
}

void fy_sigbus_release(void *base)
{
	(void)pthread_mutex_lock(&mutex);
	struct entry *e = entry_over((uintptr_t)base);
	if (e)
		/* RELAXED(nobody may touch the mapping any more) */
		atomic_store_explicit(&e->base, 0, memory_order_relaxed);
	(void)pthread_mutex_unlock(&mutex);
}

void fy_sigbus_before_fork(void)
{
	(void)pthread_mutex_lock(&mutex);
}

void fy_sigbus_after_fork(void)
{
	(void)pthread_mutex_unlock(&mutex);
}
