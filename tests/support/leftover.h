/* SPDX-License-Identifier: MIT */
/* What a claim may not leave behind: descriptors, mappings of objects, children, files. */
#ifndef FERRY_TEST_LEFTOVER_H
#define FERRY_TEST_LEFTOVER_H

/** What was there before. */
struct leftover {
	int descriptors;
};

void leftover_note(struct leftover *ret_before);

/** Fails the test, naming what was left. */
void leftover_check(const struct leftover *before);

/** Open descriptors of this process. */
int leftover_descriptors(void);

/** Mappings of files in the private directory that this process has. */
int leftover_mappings(void);

#endif
