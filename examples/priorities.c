/* SPDX-License-Identifier: MIT */
/* priorities.c - what is urgent comes first, what is stale never, and nobody waits too long. */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUTINE, URGENT, PRIORITIES };

static const int64_t millisecond = 1000000; /* ns */

static int put(ferry_mailbox *box, const char *text, uint32_t priority, int64_t ttl)
{
	return ferry_mailbox_send_with(box, text, strlen(text) + 1,
				       FERRY_SEND_OPTIONS(.priority = priority, .ttl = ttl),
				       FERRY_NOW);
}

static int show_all(ferry_mailbox *box)
{
	char text[100];
	struct ferry_message info;
	ssize_t r;

	while ((r = ferry_mailbox_receive_with(box, text, sizeof(text), &info, ferry_in_ms(10))) >=
	       0)
		printf("priority %u: %s\n", info.priority, text);
	printf("then nothing for 10 ms: %s\n", ferry_error_name((int)r));
	return r == -ETIMEDOUT ? 0 : (int)r;
}

int main(void)
{
	char name[32];
	ferry_mailbox *box;
	struct ferry_why why = { 0 };

	snprintf(name, sizeof(name), "kitchen-%d", getpid());
	int r = ferry_mailbox_open(
	    &box, name,
	    FERRY_MAILBOX_OPTIONS(.messages = 2, .priorities = PRIORITIES, .why = &why));
	if (r < 0)
		return fprintf(stderr, "priorities: %s\n", why.text), 1;
	r = put(box, "two teas", ROUTINE, 0);
	if (r == 0)
		r = put(box, "today's offer", ROUTINE, 5 * millisecond); /* soon stale */
	if (r == 0)
		r = put(box, "fire!", URGENT, 0);
	if (r == 0 && (r = put(box, "one coffee", ROUTINE, 0)) < 0) /* two are there already */
		printf("one coffee: %s\n", ferry_error_name(r));
	nanosleep(&(struct timespec){ .tv_nsec = 20 * millisecond }, NULL);
	r = show_all(box);
	ferry_mailbox_close(box);
	(void)ferry_remove(name, NULL);
	return r < 0;
}
