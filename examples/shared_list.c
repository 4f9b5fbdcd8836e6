/* SPDX-License-Identifier: MIT */
/* shared_list.c - a list in shared memory that many processes push on, without a lock. Whoever is
 * killed meanwhile leaves it whole, and what he had not pushed yet is free again. */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

struct entry {
	ferry_reference next;
	int number;
};

static int push(ferry_segment *segment, ferry_reference *head, int number)
{
	ferry_reference block;
	int r = ferry_segment_allocate(segment, sizeof(struct entry), &block);

	if (r < 0)
		return r;
	struct entry *entry = ferry_segment_pointer(segment, block, sizeof(*entry), 8);
	entry->number = number;
	do {
		entry->next = ferry_reference_load(head);
		r = ferry_segment_publish(segment, block, head, entry->next);
	} while (r == -EAGAIN);
	return r;
}

int main(void)
{
	ferry_segment *segment;
	ferry_reference *head;
	int entries = 0, sum = 0;

	if (ferry_segment_open(&segment, "example-list",
			       FERRY_SEGMENT_OPTIONS(.bytes = 1 << 20, .arena = 1)) < 0 ||
	    ferry_segment_root(segment, "list", &head) < 0)
		return 1;
	for (int child = 0; child < 4; child++)
		if (fork() == 0) {
			for (int i = 1; i <= 100; i++)
				push(segment, head, i);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	for (ferry_reference r = ferry_reference_load(head); r != 0; entries++) {
		const struct entry *entry = ferry_segment_pointer(segment, r, sizeof(*entry), 8);
		sum += entry->number;
		r = entry->next;
	}
	printf("%d entries, sum %d\n", entries, sum);
	ferry_segment_close(segment);
	return ferry_remove("example-list", NULL) < 0 || sum != 4 * 5050;
}
