/*
 * table.c - widths are known once all cells are, so rows are kept until they are printed.
 * Fixed widths were refused: ids have up to a hundred characters and mostly ten.
 */
#include "cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_MAX = 256 };

void table_init(struct table *table, struct arena *arena, const char *const *columns)
{
	*table = (struct table){ .arena = arena, .columns = columns };
}

void table_row(struct table *table)
{
	if (table->rows == table->capacity) {
		size_t more = table->capacity ? 2 * table->capacity : 16;

		table->cells = arena_grow(table->arena, table->cells,
			table->capacity * sizeof(*table->cells),
			more * sizeof(*table->cells));
		table->capacity = more;
	}
	for (size_t i = 0; i < TABLE_COLUMNS; i++)
		table->cells[table->rows][i] = "";
	table->rows++;
}

void table_cell(struct table *table, size_t column, const char *format, ...)
{
	char text[CELL_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	table->cells[table->rows - 1][column] = arena_text(table->arena, text_of(text)).at;
}

static const char *title(const struct table *table, size_t column)
{
	const char *text = table->columns[column];

	return text + (text[0] == '>');
}

static int width(const struct table *table, size_t column)
{
	size_t most = strlen(title(table, column));

	for (size_t row = 0; row < table->rows; row++) {
		size_t len = strlen(table->cells[row][column]);

		if (len > most)
			most = len;
	}
	return (int)most;
}

static void print_cell(
	const struct table *table, size_t column, const char *text, FILE *out)
{
	bool is_right = table->columns[column][0] == '>';
	bool is_last = !table->columns[column + 1];
	int wide = width(table, column);

	if (is_right)
		fprintf(out, "%*s", wide, text);
	else
		fprintf(out, "%-*s", is_last ? 0 : wide, text);
	fputs(is_last ? "\n" : "  ", out);
}

void table_print(const struct table *table, FILE *out)
{
	if (table->rows == 0)
		return;
	for (size_t i = 0; table->columns[i]; i++)
		print_cell(table, i, title(table, i), out);
	for (size_t row = 0; row < table->rows; row++)
		for (size_t i = 0; table->columns[i]; i++)
			print_cell(table, i, table->cells[row][i], out);
}
