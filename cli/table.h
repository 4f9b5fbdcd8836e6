/* SPDX-License-Identifier: MIT */
/*
 * table.h - rows of text in aligned columns. Collect the cells, then print them.
 */
#ifndef FERRY_CLI_TABLE_H
#define FERRY_CLI_TABLE_H

#include <stddef.h>

struct table {
	size_t columns;
	const char *right; /* one letter a column: 'r' aligns it to the right */

	/* What follows is of table.c. Zero at first. */
	char **cells;
	size_t used, room;
};

/* The next cell, row by row. Control bytes are replaced. */
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print all rows on standard output, each behind indent spaces, and empty the table. */
void table_print(struct table *table, int indent);

#endif
