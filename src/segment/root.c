/* SPDX-License-Identifier: MIT */
/*
 * root.c - named places, by which processes find each other's data.
 *
 * A list of blocks of the arena itself, which only grows: a new name is allocated, written, and
 * published as the list's new head; who loses that race looks again.
 */
#include <string.h>

#include "arena.h"

#define NODES_MOST 65536u /* more is a ring that some peer made */

struct node {
	uint64_t next;
	ferry_reference place;
	char name[FERRY_SEGMENT_NAME_BYTES];
};

static_assert(sizeof(struct node) == FY_ROOT_NODE_BYTES, "a root is one line");

static uint64_t first(const struct ferry_segment *segment)
{
	return fy_place_load(segment,
			     segment->object.body + offsetof(struct fy_segment_shm, roots));
}

static struct node *node_at(struct ferry_segment *segment, uint64_t reference)
{
	return ferry_segment_pointer(segment, reference, sizeof(struct node), FY_LINE);
}

/* Find a name from reference on. 1, 0, or -FERRY_ECORRUPT. */
static int find(struct ferry_segment *segment, uint64_t reference, const char *name,
		struct node **ret_node)
{
	for (uint32_t i = 0; reference != 0; i++) {
		struct node *node = node_at(segment, reference);
		if (!node || i == NODES_MOST)
			return fy_segment_judge(segment, -FERRY_ECORRUPT);
		if (strncmp(node->name, name, sizeof(node->name)) == 0) {
			*ret_node = node;
			return 1;
		}
		reference = node->next;
	}
	return 0;
}

/* Put a node of ours in front. 0; -EAGAIN: somebody else has put one there. */
static int put(struct ferry_segment *segment, uint64_t reference, uint64_t head)
{
	uint64_t place = segment->object.body + offsetof(struct fy_segment_shm, roots);
	struct fy_block block;
	int r = fy_block_find(segment, reference, &block);

	if (r < 0)
		return r;
	node_at(segment, reference)->next = head;
	return fy_block_publish(segment, &block, place, head);
}

static int add(struct ferry_segment *segment, const char *name, struct node **ret_node)
{
	uint64_t reference;
	int r = fy_arena_allocate(segment, sizeof(struct node), &reference);

	if (r < 0)
		return r;
	struct node *node = node_at(segment, reference);
	if (!node)
		return fy_segment_judge(segment, -FERRY_ECORRUPT);
	memset(node, 0, sizeof(*node));
	memcpy(node->name, name, strlen(name));
	do {
		uint64_t head = first(segment);
		r = find(segment, head, name, ret_node);
		if (r != 0)
			break;
		*ret_node = node;
		r = put(segment, reference, head);
	} while (r == -EAGAIN);
	if (r != 0)
		(void)fy_arena_free(segment, reference);
	return r < 0 ? r : 0;
}

static int name_is_good(const char *name)
{
	return name && name[0] != '\0' &&
	       strnlen(name, FERRY_SEGMENT_NAME_BYTES) < FERRY_SEGMENT_NAME_BYTES;
}

int ferry_segment_root(ferry_segment *segment, const char *name, ferry_reference **ret_place)
{
	struct node *node;

	if (!segment || !ret_place || !name_is_good(name))
		return -EINVAL;
	int r = fy_segment_enter(segment, 0);
	if (r < 0)
		return r;
	if (!segment->layout.arena)
		return -EOPNOTSUPP;
	r = find(segment, first(segment), name, &node);
	if (r == 0)
		r = segment->flags & FERRY_READ_ONLY ? -ENOENT : add(segment, name, &node);
	if (r < 0)
		return r;
	*ret_place = &node->place;
	return 0;
}
