/* SPDX-License-Identifier: MIT */
/*
 * json.h - how the tool writes JSON: texts of any bytes, messages, and a whole value on standard
 * output. All give up the program with an error sentence when there is no memory.
 */
#ifndef FERRY_CLI_JSON_H
#define FERRY_CLI_JSON_H

#include <jansson.h>

#include <ferry/ferry.h>

/* object[key] = value. Takes over the reference to value. */
void json_put(json_t *object, const char *key, json_t *value);

/* object[key] = number. */
void json_put_number(json_t *object, const char *key, uint64_t number);

/* A name as a string; bytes that are not UTF-8 become '?'. */
json_t *json_text(const char *text);

/* A message on one line, with a newline. Allocated; *ret_size are its bytes. */
char *json_message_line(const struct ferry_message *message, size_t *ret_size);

/* Print a value, indented, and a newline; then drop the reference. */
void json_print(json_t *value);

#endif
