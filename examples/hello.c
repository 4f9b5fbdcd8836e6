/* SPDX-License-Identifier: MIT */
#include <ferry/ferry.h>
#include <stdio.h>

int main(void)
{
	char text[100];
	ferry_mailbox *box;
	int r = ferry_mailbox_open(&box, "hello", NULL); /* makes it if need be */

	if (r == 0)
		r = ferry_mailbox_send(box, "good morning", 13, FERRY_FOREVER);
	if (r == 0)
		r = (int)ferry_mailbox_receive(box, text, sizeof(text), ferry_in_ms(1000));
	if (r < 0)
		return fprintf(stderr, "hello: %s\n", ferry_strerror(r)), 1;
	printf("%d bytes: %s\n", r, text);
	ferry_mailbox_close(box);
	return ferry_remove("hello", NULL) < 0;
}
