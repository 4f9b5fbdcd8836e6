/* SPDX-License-Identifier: MIT */
/*
 * cli.c - what the commands share: arguments, error sentences, sizes and durations as people write
 * and read them.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

#define SECOND INT64_C(1000000000)

/* What the umask was before --mode put it aside; -1 if it did not. */
static int umask_before = -1;

static void parse_arguments(const struct argp *argp, int argc, char **argv, unsigned flags,
			    void *input)
{
	error_t e = argp_parse(argp, argc, argv, flags, NULL, input);

	if (e)
		cli_die(STATUS_USAGE, "cannot read the arguments: %s", strerror(e));
}

void cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	parse_arguments(argp, argc, argv, 0, input);
}

void cli_parse_in_order(const struct argp *argp, int argc, char **argv, void *input)
{
	parse_arguments(argp, argc, argv, ARGP_IN_ORDER, input);
}

error_t cli_one_location(int key, char *argument, struct argp_state *state,
			 const char **ret_location, const char *kind, const char *to_verb)
{
	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "only one %s at a time", kind);
		*ret_location = argument;
		return 0;
	case ARGP_KEY_END:
		if (!*ret_location)
			argp_error(state, "say which %s %s", kind, to_verb);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

char *cli_printable(char *text)
{
	for (char *c = text; *c; c++) {
		/* U+0080 to U+009F are control characters too: c2 80 to c2 9f in UTF-8. */
		bool c1 = (unsigned char)c[0] == 0xc2 && ((unsigned char)c[1] & 0xe0) == 0x80;

		if (c1)
			c[1] = '?';
		if (c1 || iscntrl((unsigned char)*c))
			*c = '?';
	}
	return text;
}

__attribute__((format(printf, 1, 0))) static void complain(const char *format, va_list arguments)
{
	char *sentence;

	if (vasprintf(&sentence, format, arguments) < 0) {
		fputs("ferry: out of memory\n", stderr);
		return;
	}
	fprintf(stderr, "ferry: %s\n", cli_printable(sentence));
	free(sentence);
}

void cli_complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
}

void cli_die(int status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
	exit(status);
}

int cli_status(int error)
{
	switch (-error) {
	case EAGAIN:
	case ETIMEDOUT:
		return STATUS_NOTHING;
	case ENOENT:
	case EIDRM:
		return STATUS_ABSENT;
	case EINVAL:
	case FERRY_ELOCATION:
	case FERRY_EADDRESS:
		return STATUS_USAGE;
	default:
		return STATUS_FAILED;
	}
}

static bool is_one_of(const char *command, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(command, *list) == 0)
			return true;
	return false;
}

/* What depends on the command: whether it makes objects, and what would be the use of a new one.
 * NULL: the common advice. */
static const char *special_advice(const char *command, int error)
{
	static const char *const old_ones[] = { "dump", "gc",  "peek", "rm", "signal",
						"stat", "tap", "why",  NULL };
	bool creates = strncmp(command, "create", strlen("create")) == 0;

	if (error == -ENOENT && creates)
		return "make the directory first"; /* that is what is not there */
	if (error == -ENOENT && is_one_of(command, old_ones))
		return "`ferry ls` shows what there is";
	if (error == -ENOSPC && creates)
		return "ask for less with --messages, --memory, --max-size, --bytes or --capacity, "
		       "or make room there";
	return NULL;
}

/* What the reader can do about an error, or NULL. */
static const char *advice(const char *command, int error)
{
	static const struct {
		int error;
		const char *text;
	} table[] = {
		{ ENOENT, "`ferry ls` shows what there is, `ferry create` makes one" },
		{ EIDRM, "make it again with `ferry create`" },
		{ EEXIST,
		  "leave out --exclusive to use it as it is, or remove it with `ferry rm`" },
		{ EACCES, "ask its owner, or change its mode with chmod" },
		{ EPERM, "ask its owner" },
		{ ENOSPC, "make room there, or make a smaller one first with `ferry create`" },
		{ EMSGSIZE, "create one with a larger --max-size" },
		{ ENOTDIR, "check the location" },
		{ ENOBUFS, "let its receivers finish, or create one with more --memory" },
		{ FERRY_ECORRUPT, "remove it with `ferry rm` and create it again" },
		{ FERRY_EFOREIGN, "check the location; ferry leaves other files alone" },
		{ FERRY_EVERSION, "use the version of ferry that made it, or delete the file" },
		{ FERRY_ETRUNCATED, "delete the file and create it again" },
		{ FERRY_ELOCATION, "give a name, a path, or key:NUMBER" },
		{ FERRY_EUNSAFE, "use a directory that only its users can write to" },
		{ FERRY_EMISMATCH, "remove it with `ferry rm` first, or ask for less" },
		{ FERRY_EMEMBERS, "close some, or create one with more --members" },
	};

	const char *special = special_advice(command, error);
	for (size_t i = 0; i < sizeof table / sizeof *table && !special; i++)
		if (table[i].error == -error)
			return table[i].text;
	return special;
}

int cli_fail(const char *command, const char *location, int error, const struct ferry_why *why)
{
	const char *cause = why && why->text[0] ? why->text : ferry_strerror(error);
	const char *todo = advice(command, error);

	cli_complain("%s %s: %s%s%s", command, location, cause, todo ? "; " : "", todo ? todo : "");
	return cli_status(error);
}

int cli_open(ferry_mailbox **ret_box, const char *command, const char *location, uint32_t flags)
{
	struct ferry_why why = { 0 };
	int r = ferry_mailbox_open(ret_box, location,
				   FERRY_MAILBOX_OPTIONS(.flags = flags, .why = &why));

	return r < 0 ? cli_fail(command, location, r, &why) : STATUS_DONE;
}

/* The number at the start of text (digits, perhaps a fraction: no sign, exponent or space). */
static bool parse_decimal(const char *text, long double *ret_value, const char **ret_rest)
{
	size_t digits = strspn(text, "0123456789");
	size_t length = digits;

	if (text[length] == '.')
		length += 1 + strspn(text + length + 1, "0123456789");
	if (!digits || text[length - 1] == '.')
		return false;
	*ret_value = strtold(text, NULL);
	*ret_rest = text + length;
	return true;
}

bool cli_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char letters[] = "KMGTPE";
	long double value;
	const char *rest;

	if (!parse_decimal(text, &value, &rest))
		return false;
	const char *letter = *rest ? strchr(letters, toupper((unsigned char)*rest)) : NULL;
	if (letter) {
		value = ldexpl(value, 10 * (int)(letter - letters + 1));
		rest++;
		if (*rest == 'i' && rest[1] == 'B')
			rest++;
	}
	if (*rest == 'B')
		rest++;
	if (*rest || value >= 0x1p64L || value != floorl(value))
		return false;
	*ret_bytes = (uint64_t)value;
	return true;
}

bool cli_parse_duration(const char *text, int64_t *ret_ns)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		{ "", SECOND },
		{ "s", SECOND },
		{ "ms", SECOND / 1000 },
		{ "us", 1000 },
		{ "ns", 1 },
		{ "m", 60 * SECOND },
		{ "min", 60 * SECOND },
		{ "h", 3600 * SECOND },
		{ "d", 86400 * SECOND },
	};
	long double value;
	const char *rest;

	if (!parse_decimal(text, &value, &rest))
		return false;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (strcmp(rest, units[i].name) != 0)
			continue;
		value = roundl(value * (long double)units[i].ns);
		if (value >= 0x1p63L)
			return false;
		*ret_ns = (int64_t)value;
		return true;
	}
	return false;
}

bool cli_parse_count(const char *text, uint64_t min, uint64_t max, uint64_t *ret_count)
{
	bool hexadecimal = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	uintmax_t value = strtoumax(text, &end, hexadecimal ? 16 : 10);
	if (errno || *end || value < min || value > max)
		return false;
	*ret_count = value;
	return true;
}

uint64_t cli_size_option(struct argp_state *state, const char *option, const char *text)
{
	uint64_t bytes = 0;

	if (!cli_parse_size(text, &bytes))
		argp_error(state, "%s: '%s' is not a size; write bytes, or 64K, 1M, 2G", option,
			   text);
	return bytes;
}

int64_t cli_duration_option(struct argp_state *state, const char *option, const char *text)
{
	int64_t ns = 0;

	if (!cli_parse_duration(text, &ns))
		argp_error(state, "%s: '%s' is not a time; write seconds, or 250ms, 2m, 1h", option,
			   text);
	return ns;
}

uint64_t cli_count_option(struct argp_state *state, const char *option, const char *text,
			  uint64_t min, uint64_t max)
{
	uint64_t count = min;

	if (!cli_parse_count(text, min, max, &count))
		argp_error(state, "%s: '%s' is not a whole number from %" PRIu64 " to %" PRIu64,
			   option, text, min, max);
	return count;
}

uint32_t cli_mode_option(struct argp_state *state, const char *text)
{
	uint64_t mode = 0;

	if (strspn(text, "01234567") != strlen(text) || strlen(text) > 4)
		argp_error(state, "--mode: '%s' is not a mode; write it in octal, such as 0660",
			   text);
	for (; *text; text++)
		mode = 8 * mode + (uint64_t)(*text - '0');
	if (mode < 1 || mode > 0777)
		argp_error(state, "--mode: only 0001 to 0777 make sense");
	mode_t before = umask(0);
	if (umask_before < 0)
		umask_before = (int)before;
	return (uint32_t)mode;
}

void cli_restore_umask(void)
{
	if (umask_before >= 0)
		umask((mode_t)umask_before);
	umask_before = -1;
}

const char *cli_human_size(char buffer[static CLI_HUMAN_BYTES], uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 1023.95; unit++)
		value /= 1024;
	snprintf(buffer, CLI_HUMAN_BYTES,
		 value < 99.95 && value != floor(value) ? "%.1f %s" : "%.0f %s", value,
		 units[unit]);
	return buffer;
}

const char *cli_human_duration(char buffer[static CLI_HUMAN_BYTES], int64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double value = (double)ns;
	size_t unit = 0;
	int64_t minutes = ns / (60 * SECOND);

	if (minutes >= 60) {
		snprintf(buffer, CLI_HUMAN_BYTES, "%" PRId64 " h %" PRId64 " min", minutes / 60,
			 minutes % 60);
		return buffer;
	}
	if (minutes) {
		snprintf(buffer, CLI_HUMAN_BYTES, "%" PRId64 " min %" PRId64 " s", minutes,
			 ns / SECOND % 60);
		return buffer;
	}
	for (; value >= 999.5 && unit < 3; unit++)
		value /= 1000;
	snprintf(buffer, CLI_HUMAN_BYTES,
		 value < 9.95 && value != floor(value) ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return buffer;
}
