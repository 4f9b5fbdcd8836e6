/* SPDX-License-Identifier: MIT */
/* bank.c - accounts in a segment; some clerks die half-way, and the next one repairs. */
#include <ferry/ferry.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ACCOUNTS = 10, EACH = 1000, CLERKS = 6, TRANSFERS = 2000 };
struct bank {
	ferry_lock lock;
	volatile int balance[ACCOUNTS];
	volatile int from, to, had_from, had_to, busy; /* the transfer under way */
};

static void transfer(ferry_segment *segment, struct bank *b, int is_doomed)
{
	if (ferry_lock_acquire(segment, &b->lock, FERRY_FOREVER) == FERRY_OWNER_DIED) {
		if (b->busy)
			b->balance[b->from] = b->had_from, b->balance[b->to] = b->had_to;
		b->busy = 0;
		ferry_lock_repaired(segment, &b->lock);
	}
	b->from = rand() % ACCOUNTS, b->to = (b->from + 1 + rand() % (ACCOUNTS - 1)) % ACCOUNTS;
	b->had_from = b->balance[b->from], b->had_to = b->balance[b->to];
	b->busy = 1;
	b->balance[b->from] = b->had_from - 10;
	if (is_doomed)
		raise(SIGKILL); /* the money is nowhere */
	b->balance[b->to] = b->had_to + 10;
	b->busy = 0;
	ferry_lock_release(segment, &b->lock);
}

int main(void)
{
	ferry_segment *segment;
	int sum = 0, status, dead = 0;
	if (ferry_segment_open(&segment, "bank", FERRY_SEGMENT_OPTIONS(.bytes = 4096)) < 0)
		return fputs("bank: cannot open it\n", stderr), 1;
	struct bank *bank = ferry_segment_address(segment);
	ferry_lock_init(segment, &bank->lock);
	for (int i = 0; i < ACCOUNTS; i++)
		bank->balance[i] = EACH;
	for (int clerk = 0; clerk < CLERKS; clerk++)
		if (fork() == 0) {
			for (int i = 0; i < TRANSFERS; i++)
				transfer(segment, bank, clerk % 2 && i == TRANSFERS / 2);
			return 0;
		}
	while (wait(&status) > 0)
		dead += WIFSIGNALED(status);
	transfer(segment, bank, 0);
	for (int i = 0; i < ACCOUNTS; i++)
		sum += bank->balance[i];
	printf("%d clerks died, %d of %d are there\n", dead, sum, ACCOUNTS * EACH);
	ferry_segment_close(segment);
	return ferry_remove("bank", NULL) < 0 || sum != ACCOUNTS * EACH || dead != CLERKS / 2;
}
