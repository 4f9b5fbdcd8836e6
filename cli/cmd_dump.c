/* SPDX-License-Identifier: MIT */
/*
 * cmd_dump.c - ferry dump: the bytes of a segment, as numbers or raw.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

enum { OPTION_RAW = 256, ROW = 16 };

struct dump {
	const char *location;
	uint64_t offset;
	uint64_t length; /* 0: up to the end */
	bool raw;
};

static const struct argp_option options[] = {
	{ "offset", 'o', "SIZE", 0, "Begin so many bytes into the memory (0)", 0 },
	{ "length", 'n', "SIZE", 0, "So many bytes (up to the end)", 0 },
	{ "raw", OPTION_RAW, NULL, 0, "Write the bytes as they are", 0 },
	{ 0 },
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct dump *dump = state->input;

	switch (key) {
	case 'o':
		dump->offset = cli_size_option(state, "--offset", argument);
		return 0;
	case 'n':
		dump->length = cli_size_option(state, "--length", argument);
		if (!dump->length)
			argp_error(state, "--length: must be more than 0");
		return 0;
	case OPTION_RAW:
		dump->raw = true;
		return 0;
	default:
		return cli_one_location(key, argument, state, &dump->location, "segment",
					"to show");
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "LOCATION",
	.doc =
	    "Show the bytes of a segment's memory, sixteen to a line: offset, bytes in "
	    "hexadecimal, "
	    "characters. Nobody is disturbed, and what others write meanwhile shows or does not. "
	    "Read permission is enough."
	    "\v"
	    "\nExamples:\n"
	    "  ferry dump table | less\n"
	    "  ferry dump table --offset 4K --length 256\n"
	    "  ferry dump table --raw > table.bytes",
};

/* "00001000: 6865 6c6c 6f00 ...  hello." */
static void print_row(uint64_t offset, const unsigned char *bytes, size_t n)
{
	printf("%08" PRIx64 ":", offset);
	for (size_t i = 0; i < ROW; i++) {
		if (i % 2 == 0)
			putchar(' ');
		if (i < n)
			printf("%02x", bytes[i]);
		else
			fputs("  ", stdout);
	}
	fputs("  ", stdout);
	for (size_t i = 0; i < n; i++)
		putchar(bytes[i] >= 0x20 && bytes[i] < 0x7f ? bytes[i] : '.');
	putchar('\n');
}

static void print_bytes(const struct dump *dump, const unsigned char *memory, uint64_t end)
{
	for (uint64_t at = dump->offset; at < end && !ferror(stdout); at += ROW)
		print_row(at, memory + at, end - at < ROW ? (size_t)(end - at) : ROW);
}

static int show(const struct dump *dump, ferry_segment *segment)
{
	const unsigned char *memory = ferry_segment_address(segment);
	uint64_t size = ferry_segment_size(segment);
	struct ferry_segment_stat stat;

	if (dump->offset >= size) {
		cli_complain("dump %s: it has %" PRIu64 " bytes, offset %" PRIu64
			     " is behind its end",
			     dump->location, size, dump->offset);
		return STATUS_FAILED;
	}
	uint64_t end = !dump->length || dump->length > size - dump->offset
			   ? size
			   : dump->offset + dump->length;
	if (dump->raw)
		fwrite(memory + dump->offset, 1, (size_t)(end - dump->offset), stdout);
	else
		print_bytes(dump, memory, end);
	/* Did the file shrink under us? */
	int r = ferry_segment_stat(segment, &stat);
	return r < 0 ? cli_fail("dump", dump->location, r, NULL) : STATUS_DONE;
}

int cmd_dump(int argc, char **argv)
{
	struct dump dump = { 0 };
	struct ferry_why why = { 0 };
	ferry_segment *segment;

	cli_parse(&argp, argc, argv, &dump);
	int r = ferry_segment_open(&segment, dump.location,
				   FERRY_SEGMENT_OPTIONS(.flags = FERRY_READ_ONLY, .why = &why));
	if (r < 0)
		return cli_fail("dump", dump.location, r, &why);
	int status = show(&dump, segment);
	ferry_segment_close(segment);
	return status;
}
