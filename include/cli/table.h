/*
 * table.h - columns of text that are as wide as what stands in them.
 */
#ifndef VOLLEY_CLI_TABLE_H
#define VOLLEY_CLI_TABLE_H

#include <stdio.h>

#include "base/arena.h"
#include "base/macros.h"

enum { TABLE_COLUMNS = 12 };

struct table {
	struct arena *arena; /* of its cells */
	const char *const
		*columns; /* titles, NULL-terminated; one that begins with '>' stands
				       on the right */
	const char *(*cells)[TABLE_COLUMNS];
	size_t rows, capacity;
};

void table_init(struct table *table, struct arena *arena, const char *const *columns);

/* Begins a row; its cells are empty. */
void table_row(struct table *table);

/* A cell of the newest row. */
void table_cell(struct table *table, size_t column, const char *format, ...)
	printf_like(3, 4);

/* Nothing at all when there is no row. */
void table_print(const struct table *table, FILE *out);

#endif
