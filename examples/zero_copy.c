/* SPDX-License-Identifier: MIT */
/* zero_copy.c - large messages, written and read where they lie: nobody copies them. */
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FRAMES = 3, FRAME_BYTES = 4 << 20 };

static int paint(ferry_mailbox *box)
{
	struct ferry_message frame;

	for (int i = 0; i < FRAMES; i++) {
		int r = ferry_mailbox_loan(box, FRAME_BYTES, &frame, FERRY_FOREVER);
		if (r < 0)
			return r;
		memset(frame.data, 'a' + i, frame.size);
		r = ferry_mailbox_commit(box, &frame, FERRY_FOREVER); /* now it is sent */
		if (r < 0)
			return r;
	}
	return 0;
}

static int look(ferry_mailbox *box)
{
	struct ferry_message frame;

	for (int i = 0; i < FRAMES; i++) {
		int r = ferry_mailbox_take(box, &frame, ferry_in_ms(10000));
		if (r < 0)
			return r;
		const char *dot = frame.data;
		printf("%zu bytes, from %c to %c\n", frame.size, dot[0], dot[frame.size - 1]);
		ferry_mailbox_done(box, &frame); /* now it is received, and its memory free */
	}
	return 0;
}

int main(void)
{
	char name[32];
	ferry_mailbox *box;

	snprintf(name, sizeof(name), "frames-%d", getpid());
	int r = ferry_mailbox_open(&box, name, FERRY_MAILBOX_OPTIONS(.max_size = FRAME_BYTES));
	if (r < 0)
		return fprintf(stderr, "zero_copy: %s\n", ferry_strerror(r)), 1;
	if (fork() == 0)
		_exit(paint(box) < 0);
	r = look(box);
	wait(NULL);
	ferry_mailbox_close(box);
	return ferry_remove(name, NULL) < 0 || r < 0;
}
