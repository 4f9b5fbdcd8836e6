/* SPDX-License-Identifier: MIT */
/* member.h - who is attached to an object, and whether they live. Protocol: docs/formats/object.md.
 */
#ifndef FY_MEMBER_H
#define FY_MEMBER_H

#include "object.h"

static inline uint64_t fy_member_word(uint64_t incarnation, enum fy_member_status status)
{
	return incarnation << 2 | (uint64_t)status;
}

static inline enum fy_member_status fy_member_status(uint64_t word)
{
	return (enum fy_member_status)(word & 3);
}

static inline uint64_t fy_member_incarnation(uint64_t word)
{
	return word >> 2;
}

uint64_t fy_member_load(const struct fy_object *object, uint32_t slot);

/* Take a free slot for this process; cleans up after the dead if there is none. */
int fy_member_join(struct fy_object *object);

/* Give our slot back, with all that it holds. */
void fy_member_leave(struct fy_object *object);

/* 1 if the member in slot is dead, and then its status is DEAD for everybody to see; 0 if it lives
 * or nobody is there. Asks the kernel: some microseconds. Never ask about our own slot. */
int fy_member_dead(struct fy_object *object, uint32_t slot);

/* As fy_member_dead(), without marking anything: for those who only look. */
int fy_member_looks_dead(struct fy_object *object, uint32_t slot);

/* Clean up after a member whose status is DEAD, and free its slot. 0 or -FERRY_ECORRUPT. */
int fy_member_recover(struct fy_object *object, uint32_t slot);

/* Clean up after every dead member. Returns how many there were, or -FERRY_ECORRUPT. */
int fy_member_recover_all(struct fy_object *object);

/* 1 if slot is DEAD at this moment: the check of the rule in docs/formats/object.md. */
static inline int fy_member_is_marked_dead(const struct fy_object *object, uint32_t slot)
{
	return fy_member_status(fy_member_load(object, slot)) == FY_MEMBER_DEAD;
}

#endif
