/* SPDX-License-Identifier: MIT */
/*
 * table.c - rows of text in aligned columns.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#include "cli.h"
#include "table.h"

void table_add(struct table *table, const char *format, ...)
{
	va_list arguments;
	char *cell;

	if (table->used == table->room) {
		table->room = table->room ? 2 * table->room : 64;
		table->cells = realloc(table->cells, table->room * sizeof *table->cells);
	}
	va_start(arguments, format);
	if (!table->cells || vasprintf(&cell, format, arguments) < 0)
		cli_die(STATUS_FAILED, "out of memory");
	va_end(arguments);
	table->cells[table->used++] = cli_printable(cell);
}

/* How many columns of a terminal a text takes: UTF-8's continuation bytes take none. */
static int width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static int column_width(const struct table *table, size_t column)
{
	int widest = 0;

	for (size_t i = column; i < table->used; i += table->columns)
		if (width(table->cells[i]) > widest)
			widest = width(table->cells[i]);
	return widest;
}

static void print_cell(const struct table *table, size_t i, int column_width)
{
	int pad = column_width - width(table->cells[i]);
	bool last = i % table->columns == table->columns - 1;

	if (table->right[i % table->columns] == 'r')
		printf("%*s%s", pad, "", table->cells[i]);
	else
		printf("%s%*s", table->cells[i], last ? 0 : pad, "");
	fputs(last ? "\n" : "  ", stdout);
}

void table_print(struct table *table, int indent)
{
	int *widths = calloc(table->columns, sizeof *widths);

	if (!widths)
		cli_die(STATUS_FAILED, "out of memory");
	for (size_t c = 0; c < table->columns; c++)
		widths[c] = column_width(table, c);
	for (size_t i = 0; i < table->used; i++) {
		if (i % table->columns == 0)
			printf("%*s", indent, "");
		print_cell(table, i, widths[i % table->columns]);
		free(table->cells[i]);
	}
	free(widths);
	free(table->cells);
	table->cells = NULL;
	table->used = table->room = 0;
}
