/* SPDX-License-Identifier: MIT */
/* member.c - see member.h and docs/formats/object.md. */
#include "member.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/error.h>
#include <string.h>

#include "../os/cancel.h"
#include "../os/process.h"

#define THOROUGH_EVERY 16u /* looks at a member, of which one looks at its start time too */

static struct flock slot_lock(uint32_t slot)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = FY_LOCK_MEMBER + slot,
		.l_len = 1,
	};
	return lock;
}

uint64_t fy_member_load(const struct fy_object *object, uint32_t slot)
{
	/* SYNC(member.state) acquire: pairs with the compare-and-swaps in move(); the identity is
	 * of this incarnation, and what its recovery did is visible once it is FREE. */
	return atomic_load_explicit(&object->members[slot].state, memory_order_seq_cst);
}

static int move(struct fy_object *object, uint32_t slot, uint64_t from, uint64_t to)
{
	/* SYNC(member.state) acq_rel: pairs with fy_member_load() and itself. Sequentially
	 * consistent, since `returned` is set after DEAD and read before it (mailbox.md). */
	return atomic_compare_exchange_strong_explicit(&object->members[slot].state, &from, to,
						       memory_order_seq_cst, memory_order_seq_cst);
}

/* Does anybody but us hold the slot's lock? Never true for our own slot. */
static int lock_is_held(const struct fy_object *object, uint32_t slot)
{
	struct flock lock = slot_lock(slot);

	/* If the kernel will not say, nobody is declared dead. */
	return fcntl(object->fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

static int ask_kernel(struct fy_object *object, uint32_t slot)
{
	const struct fy_member_shm *m = &object->members[slot];

	if (!lock_is_held(object, slot))
		return 0;
	/* A forked child that has not called ferry yet may keep its parent's lock alive. */
	if (object->pid_namespace == 0 || m->pid_namespace != object->pid_namespace)
		return 1;
	/* Reading the start time is dear, and matters only when such a child lives on and the
	 * parent's number has been given to another process: now and then will do. */
	/* RELAXED(any order will do) */
	uint32_t asked = atomic_fetch_add_explicit(&object->asked, 1, memory_order_relaxed);
	int thorough = asked % THOROUGH_EVERY == 0;
	return !fy_process_gone((pid_t)m->pid, thorough ? m->started : 0);
}

static int lives(struct fy_object *object, uint32_t slot)
{
	int cancel = fy_cancel_off();
	int r = ask_kernel(object, slot);

	fy_cancel_restore(cancel);
	return r;
}

int fy_member_looks_dead(struct fy_object *object, uint32_t slot)
{
	uint64_t word = fy_member_load(object, slot);

	if (fy_member_status(word) == FY_MEMBER_DEAD)
		return 1;
	if (fy_member_status(word) != FY_MEMBER_ALIVE || slot == object->slot)
		return 0;
	/* Read again: identity and lock were of this incarnation only if it has not changed. */
	return !lives(object, slot) && fy_member_load(object, slot) == word;
}

int fy_member_dead(struct fy_object *object, uint32_t slot)
{
	uint64_t word = fy_member_load(object, slot);

	if (fy_member_status(word) == FY_MEMBER_DEAD)
		return 1;
	if (fy_member_status(word) != FY_MEMBER_ALIVE || slot == object->slot)
		return 0;
	if (lives(object, slot))
		return 0;
	(void)move(object, slot, word, fy_member_word(fy_member_incarnation(word), FY_MEMBER_DEAD));
	return fy_member_is_marked_dead(object, slot);
}

int fy_member_recover(struct fy_object *object, uint32_t slot)
{
	uint64_t word = fy_member_load(object, slot);

	if (fy_member_status(word) != FY_MEMBER_DEAD)
		return 0;
	int r = object->kind->recover(object, slot, word);
	if (r < 0)
		return r;
	if (move(object, slot, word, fy_member_word(fy_member_incarnation(word), FY_MEMBER_FREE)))
		/* RELAXED(a counter to look at) */
		(void)atomic_fetch_add_explicit(&object->header->recovered, 1,
						memory_order_relaxed);
	return 0;
}

int fy_member_recover_all(struct fy_object *object)
{
	int dead = 0;

	for (uint32_t slot = 0; slot < object->member_slots; slot++) {
		if (!fy_member_dead(object, slot))
			continue;
		int r = fy_member_recover(object, slot);
		if (r < 0)
			return r;
		dead++;
	}
	return dead;
}

static void write_identity(struct fy_object *object, uint32_t slot)
{
	struct fy_member_shm *m = &object->members[slot];
	struct fy_process self;

	fy_process_self(&self);
	m->started = self.started;
	m->pid_namespace = self.pid_namespace;
	m->pid = (uint32_t)self.pid;
	/* RELAXED(published with the state) */
	atomic_store_explicit(&m->waiting_receivers, 0, memory_order_relaxed);
	/* RELAXED(published with the state) */
	atomic_store_explicit(&m->waiting_senders, 0, memory_order_relaxed);
	/* RELAXED(published with the state) */
	atomic_store_explicit(&m->returning, 0, memory_order_relaxed);
	memcpy(m->program, self.program, sizeof(m->program));
}

/* Try to become the member in a slot that looked free. 1 if we are, 0 if not, or -errno. */
static int occupy(struct fy_object *object, uint32_t slot)
{
	struct flock lock = slot_lock(slot);

	if (fcntl(object->fd, F_OFD_SETLK, &lock) != 0)
		return errno == EAGAIN || errno == EACCES ? 0 : -errno;
	uint64_t word = fy_member_load(object, slot);
	if (fy_member_status(word) == FY_MEMBER_FREE) {
		uint64_t incarnation = fy_member_incarnation(word) + 1;
		write_identity(object, slot);
		if (move(object, slot, word, fy_member_word(incarnation, FY_MEMBER_ALIVE))) {
			object->slot = slot;
			object->incarnation = incarnation;
			return 1;
		}
	}
	lock.l_type = F_UNLCK;
	(void)fcntl(object->fd, F_OFD_SETLK, &lock);
	return 0;
}

static int find_slot(struct fy_object *object)
{
	for (uint32_t slot = 0; slot < object->member_slots; slot++) {
		if (fy_member_status(fy_member_load(object, slot)) != FY_MEMBER_FREE)
			continue;
		int r = occupy(object, slot);
		if (r != 0)
			return r;
	}
	return 0;
}

int fy_member_join(struct fy_object *object)
{
	struct fy_process self;

	fy_process_self(&self);
	object->pid_namespace = self.pid_namespace;
	int r = find_slot(object);
	if (r == 0) {
		int dead = fy_member_recover_all(object);
		r = dead > 0 ? find_slot(object) : dead;
	}
	if (r == 0)
		return -FERRY_EMEMBERS;
	return r < 0 ? r : 0;
}

void fy_member_leave(struct fy_object *object)
{
	uint32_t slot = object->slot;
	uint64_t word = fy_member_word(object->incarnation, FY_MEMBER_DEAD);
	struct flock lock = slot_lock(slot);

	if (slot == FY_NO_SLOT)
		return;
	/* Leaving is dying with notice: the same rules give back what we hold. */
	if (move(object, slot, fy_member_word(object->incarnation, FY_MEMBER_ALIVE), word) &&
	    object->kind->recover(object, slot, word) == 0)
		(void)move(object, slot, word, fy_member_word(object->incarnation, FY_MEMBER_FREE));
	lock.l_type = F_UNLCK;
	(void)fcntl(object->fd, F_OFD_SETLK, &lock);
	object->slot = FY_NO_SLOT;
}
