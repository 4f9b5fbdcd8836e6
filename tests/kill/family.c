/* SPDX-License-Identifier: MIT */
/* The families under attack; see family.h. */
#include "family.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct family *const families[] = {
	&family_mailbox, &family_pipe,   &family_sync, &family_segment,
	&family_signal,  &family_socket, NULL,
};

/* A name that two operations have could not be asked for. */
static void expect_unique(const struct entry *entries, uint32_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(entries[i].operation->name, name) == 0) {
			fprintf(stderr, "ferry-kill: two operations are named %s\n", name);
			exit(2);
		}
}

uint32_t family_entries(struct entry *ret_entries)
{
	uint32_t n = 0;

	for (uint32_t i = 0; families[i]; i++)
		for (const struct operation *o = families[i]->operations; o->name; o++) {
			if (n == ENTRIES_MAX || i == FAMILIES_MAX) {
				fputs("ferry-kill: too many operations\n", stderr);
				exit(2);
			}
			expect_unique(ret_entries, n, o->name);
			ret_entries[n++] = (struct entry){ families[i], i, o };
		}
	return n;
}
