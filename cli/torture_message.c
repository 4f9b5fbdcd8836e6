/* SPDX-License-Identifier: MIT */
/*
 * torture_message.c - messages that tell who sent them and betray every byte that is not theirs.
 */
#include <string.h>

#include "torture_message.h"

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return z ^ z >> 32;
}

static struct torture_head head_of(uint64_t id, size_t size)
{
	return (struct torture_head){ id, (uint32_t)size, (uint32_t)mix(id + mix(size + GOLDEN)) };
}

/* The bytes behind the head go on from the id in steps of GOLDEN, eight at a time. */
void torture_write(void *to, uint32_t stream, uint64_t number, size_t size)
{
	const struct torture_head head = head_of((uint64_t)stream << 48 | number, size);
	char *at = (char *)to + sizeof head, *end = (char *)to + size;
	uint64_t word = mix(head.id);

	memcpy(to, &head, sizeof head);
	for (; end - at >= (ptrdiff_t)sizeof word; at += sizeof word) {
		word += GOLDEN;
		memcpy(at, &word, sizeof word);
	}
	word += GOLDEN;
	memcpy(at, &word, (size_t)(end - at));
}

bool torture_read(const void *from, size_t size, uint32_t *ret_stream, uint64_t *ret_number)
{
	const char *at = (const char *)from + sizeof(struct torture_head);
	const char *end = (const char *)from + size;
	struct torture_head head, right;
	uint64_t word, found;

	if (size < sizeof head)
		return false;
	memcpy(&head, from, sizeof head);
	right = head_of(head.id, size);
	if (head.size != right.size || head.check != right.check)
		return false;
	word = mix(head.id);
	for (; end - at >= (ptrdiff_t)sizeof word; at += sizeof word) {
		word += GOLDEN;
		memcpy(&found, at, sizeof found);
		if (found != word)
			return false;
	}
	word += GOLDEN;
	if (memcmp(at, &word, (size_t)(end - at)) != 0)
		return false;
	*ret_stream = (uint32_t)(head.id >> 48);
	*ret_number = head.id & UINT64_C(0xffffffffffff);
	return true;
}
