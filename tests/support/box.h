/* SPDX-License-Identifier: MIT */
/* Short words for what most tests do with a mailbox. Each fails the test if it does not succeed. */
#ifndef FERRY_TEST_BOX_H
#define FERRY_TEST_BOX_H

#include <ferry/ferry.h>

ferry_mailbox *box_open(const char *location, const struct ferry_mailbox_options *options);
void box_remove(const char *location);

/** Close and remove. */
void box_end(ferry_mailbox *box, const char *location);

struct ferry_mailbox_stat box_stat(ferry_mailbox *box);
struct ferry_object_stat box_look(const char *location);

/** Clean up after the dead, of whom there are none then. */
struct ferry_repair box_repair(const char *location);

/** Send and receive a number, without waiting. */
void box_send(ferry_mailbox *box, uint64_t number);
void box_expect(ferry_mailbox *box, uint64_t number);

/** Receive a number, waiting as long as a test may. */
uint64_t box_receive(ferry_mailbox *box);

/** Nothing is waiting. */
void box_expect_empty(ferry_mailbox *box);

/** Take a message, and see that it is this number. */
struct ferry_message box_take(ferry_mailbox *box, uint64_t number);

/** Send a message of size bytes that box_whole() knows as the one with this number. */
int box_send_pattern(ferry_mailbox *box, uint64_t number, size_t size, ferry_deadline deadline);

/** Write the bytes of message number, size bytes. */
void box_fill(void *data, uint64_t number, size_t size);

/** The number of a message of at least 8 bytes; fails if one byte is another's. */
uint64_t box_whole(const void *data, size_t size);

/** The claim needs several senders or receivers: skip it when the tests run over one to one
 *  mailboxes. */
void box_needs_many(void);

/** A deadline that a sound library never reaches. */
ferry_deadline box_patience(void);

#endif
