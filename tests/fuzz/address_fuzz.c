/* SPDX-License-Identifier: MIT */
/* Any text is an address or is not; if it is, it means the same when it is written again. */
#include <ferry/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void must(int condition)
{
	if (!condition)
		abort();
}

static void is_none(const char *text, int r, size_t at, const struct ferry_why *why)
{
	must(r == -FERRY_EADDRESS);
	must(at <= strlen(text));
	must(why->error == r && strncmp(why->text, "character ", 10) == 0);
	must(strtoul(why->text + 10, NULL, 10) == at + 1);
}

/* FERRY_NOW: nothing is looked up. */
static void is_one(const struct ferry_address *address, const char *text)
{
	struct ferry_endpoint endpoint, same;
	char written[FERRY_ADDRESS_MAX];

	must(strlen(address->host) <= FERRY_HOST_MAX && strlen(address->path) <= 108);
	if (ferry_endpoint_resolve(&endpoint, text, FERRY_NOW, NULL) < 0)
		return;
	must(ferry_endpoint_text(&endpoint, written, sizeof(written)) > 0);
	if (strpbrk(written, "?"))
		return; /* an abstract name with bytes that are not shown */
	must(ferry_endpoint_resolve(&same, written, FERRY_NOW, NULL) == 0);
	must(same.transport == endpoint.transport);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char text[512];
	struct ferry_address address;
	struct ferry_why why = { 0 };
	size_t at = SIZE_MAX;

	if (size >= sizeof(text))
		size = sizeof(text) - 1;
	memcpy(text, data, size);
	text[size] = '\0';
	int r = ferry_address_parse(&address, text, &at, &why);
	if (r < 0) {
		is_none(text, r, at, &why);
		return 0;
	}
	is_one(&address, text);
	return 0;
}
