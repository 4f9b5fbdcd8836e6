/* SPDX-License-Identifier: MIT */
/* torture_message.h - messages that tell who sent them and betray every byte that is not theirs. */
#ifndef FERRY_CLI_TORTURE_MESSAGE_H
#define FERRY_CLI_TORTURE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What each message begins with. The bytes behind it follow from the id. */
struct torture_head {
	uint64_t id; /* stream << 48 | number */
	uint32_t size;
	uint32_t check; /* of the two above */
};

/* Write a message of size >= sizeof(struct torture_head) bytes. */
void torture_write(void *to, uint32_t stream, uint64_t number, size_t size);

/* Is this a whole message, as it was written? Gives its stream and number. */
bool torture_read(const void *from, size_t size, uint32_t *ret_stream, uint64_t *ret_number);

#endif
