/* SPDX-License-Identifier: MIT */
/* Every result has a name and a sentence. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <ferry/ferry.h>

#include "check.h"
#include "claim.h"

static void every_error_of_the_table_has_its_name_and_sentence(void)
{
	static const struct {
		int number;
		const char *name;
		const char *text;
	} table[] = {
#define ROW(name, number, text) { number, #name, text },
		FERRY_ERROR_TABLE(ROW)
#undef ROW
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		check(!strcmp(ferry_error_name(-table[i].number), table[i].name));
		check(!strcmp(ferry_error_name(table[i].number), table[i].name));
		check(!strcmp(ferry_strerror(-table[i].number), table[i].text));
		check(!strcmp(ferry_strerror(table[i].number), table[i].text));
	}
}

static void errno_numbers_have_their_symbol_and_a_sentence(void)
{
	static const int numbers[] = { EPERM,  ENOENT, EINTR,  EBADF,   EAGAIN,   ENOMEM,
				       EACCES, EEXIST, EINVAL, ENFILE,  EMFILE,   ENOSPC,
				       E2BIG,  EIDRM,  ERANGE, ENOBUFS, EMSGSIZE, ETIMEDOUT };
	static const char *const names[] = { "EPERM",   "ENOENT",   "EINTR",    "EBADF",  "EAGAIN",
					     "ENOMEM",  "EACCES",   "EEXIST",   "EINVAL", "ENFILE",
					     "EMFILE",  "ENOSPC",   "E2BIG",    "EIDRM",  "ERANGE",
					     "ENOBUFS", "EMSGSIZE", "ETIMEDOUT" };

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		check(!strcmp(ferry_error_name(-numbers[i]), names[i]));
		check(!strcmp(ferry_error_name(numbers[i]), names[i]));
		check(strlen(ferry_strerror(-numbers[i])) > 3);
		check(!strcmp(ferry_strerror(-numbers[i]), ferry_strerror(numbers[i])));
	}
}

static void success_is_zero(void)
{
	check(!strcmp(ferry_strerror(0), "success"));
	check(ferry_error_name(0));
}

static void numbers_that_mean_nothing_are_answered_all_the_same(void)
{
	static const int numbers[] = { INT_MIN, INT_MAX, -INT_MAX, 4095, 4106, 5000, -100000, 999 };

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		check(!strcmp(ferry_error_name(numbers[i]), "E?"));
		check(strlen(ferry_strerror(numbers[i])) > 3);
	}
}

static void every_small_number_is_answered(void)
{
	for (int i = -5000; i <= 5000; i++)
		check(ferry_error_name(i) && ferry_strerror(i));
}

static void version_is_three_numbers(void)
{
	int major = -1;
	int minor = -1;
	int patch = -1;
	char rest;

	check_eq(sscanf(ferry_version(), "%d.%d.%d%c", &major, &minor, &patch, &rest), 3);
	check(!strcmp(ferry_version(), FERRY_VERSION));
}

static void kinds_have_names(void)
{
	check(!strcmp(ferry_kind_name(FERRY_KIND_MAILBOX), "mailbox"));
	check(!strcmp(ferry_kind_name((enum ferry_kind)0), "unknown"));
	check(!strcmp(ferry_kind_name((enum ferry_kind) - 1), "unknown"));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(every_error_of_the_table_has_its_name_and_sentence),
		claim(errno_numbers_have_their_symbol_and_a_sentence),
		claim(success_is_zero),
		claim(numbers_that_mean_nothing_are_answered_all_the_same),
		claim(every_small_number_is_answered),
		claim(version_is_three_numbers),
		claim(kinds_have_names),
	};

	return claim_run_all(claims);
}
