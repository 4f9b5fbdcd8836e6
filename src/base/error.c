/* SPDX-License-Identifier: MIT */
/* error.c - names and sentences of results; the table is in ferry/error.h. */
#include <ferry/error.h>

#include <string.h>

const char *ferry_version(void)
{
	return FERRY_VERSION;
}

struct entry {
	int number;
	const char *name;
	const char *text;
};

static const struct entry table[] = {
#define FERRY_ERROR_ENTRY(name, number, text) { number, #name, text },
	FERRY_ERROR_TABLE(FERRY_ERROR_ENTRY)
#undef FERRY_ERROR_ENTRY
};

static const struct entry *find(int error)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].number == error)
			return &table[i];
	return NULL;
}

/* INT_MIN has no positive counterpart; it is no error of anybody's. */
static int magnitude(int error)
{
	return error < 0 ? -(error + 1) + 1 : error;
}

const char *ferry_strerror(int error)
{
	if (error == 0)
		return "success";
	if (error == -__INT_MAX__ - 1)
		return "unknown error";
	const struct entry *own = find(magnitude(error));
	if (own)
		return own->text;
	const char *text = strerrordesc_np(magnitude(error));
	return text ? text : "unknown error";
}

const char *ferry_error_name(int error)
{
	if (error == -__INT_MAX__ - 1)
		return "E?";
	const struct entry *own = find(magnitude(error));
	if (own)
		return own->name;
	const char *name = strerrorname_np(magnitude(error));
	return name ? name : "E?";
}
