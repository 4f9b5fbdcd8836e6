/* SPDX-License-Identifier: MIT */
/*
 * json.c - how the tool writes JSON. JSON knows no bytes, so a message that is not valid UTF-8 is
 * written in base64 and says so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json.h"

static _Noreturn void out_of_memory(void)
{
	cli_die(STATUS_FAILED, "out of memory");
}

void json_put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) < 0)
		out_of_memory();
}

void json_put_number(json_t *object, const char *key, uint64_t number)
{
	json_put(object, key, json_integer((json_int_t)number));
}

json_t *json_text(const char *text)
{
	json_t *string = json_string(text);

	if (string)
		return string;
	char *copy = strdup(text);
	if (!copy)
		out_of_memory();
	for (char *c = copy; *c; c++)
		if (*c & 0x80)
			*c = '?';
	string = json_string(copy);
	free(copy);
	return string;
}

/* Base64 of RFC 4648, terminated. Allocated. */
static char *base64(const unsigned char *data, size_t size, size_t *ret_size)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t length = (size + 2) / 3 * 4;
	char *text = malloc(length + 1), *out = text;

	if (!text)
		out_of_memory();
	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		uint32_t bits = (uint32_t)data[i] << 16;
		if (left > 1)
			bits |= (uint32_t)data[i + 1] << 8;
		if (left > 2)
			bits |= data[i + 2];
		*out++ = digits[bits >> 18];
		*out++ = digits[bits >> 12 & 63];
		*out++ = left > 1 ? digits[bits >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[bits & 63] : '=';
	}
	*out = '\0';
	*ret_size = length;
	return text;
}

/* The encoding and the data: as they are if they are UTF-8, otherwise in base64. */
static void put_data(json_t *object, const struct ferry_message *message)
{
	json_t *string = json_stringn(message->size ? message->data : "", message->size);
	const char *encoding = "utf-8";

	if (!string) {
		size_t length;
		char *text = base64(message->data, message->size, &length);
		string = json_stringn_nocheck(text, length);
		encoding = "base64";
		free(text);
	}
	json_put(object, "encoding", json_string(encoding));
	json_put(object, "data", string);
}

char *json_message_line(const struct ferry_message *message, size_t *ret_size)
{
	json_t *object = json_object();

	json_put_number(object, "size", message->size);
	json_put_number(object, "priority", message->priority);
	json_put_number(object, "deliveries", message->deliveries);
	if (message->ttl)
		json_put_number(object, "ttl_ns", (uint64_t)message->ttl);
	put_data(object, message);
	char *line = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (!line)
		out_of_memory();
	/* The terminator's place takes the newline. */
	*ret_size = strlen(line) + 1;
	line[*ret_size - 1] = '\n';
	return line;
}

void json_print(json_t *value)
{
	if (json_dumpf(value, stdout, JSON_INDENT(2)) < 0 && !ferror(stdout))
		out_of_memory();
	putchar('\n');
	json_decref(value);
}
