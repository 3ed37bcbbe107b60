/*
 * messages.c - errors and warnings of a folder in the form of every other line of the log.
 *
 * The quoted line with its caret is for a terminal and stays away: who reads a log has the
 * file, the line and the column.
 */
#include "front/messages.h"

#include "base/log.h"

/* Where it is, under these keys. */
static void log_place(
	struct place place, const char *file, const char *line, const char *column)
{
	unsigned line_number = 0, column_number = 0;

	if (!place.source)
		return;
	place_line_column(place, &line_number, &column_number);
	log_text(file, text_of(place.source->name));
	log_number(line, line_number);
	log_number(column, column_number);
}

static void log_message(const struct diag_message *message)
{
	log_begin(message->is_error ? LOG_ERROR : LOG_WARN, text_of(message->text));
	log_place(message->place, "file", "line", "column");
	if (message->hint)
		log_text("hint", text_of(message->hint));
	if (message->note) {
		log_text("note", text_of(message->note));
		log_place(message->note_place, "note_file", "note_line", "note_column");
	}
	log_end();
}

size_t messages_log(const struct diag *diag, size_t from, size_t most)
{
	while (most-- > 0 && from < diag_count(diag))
		log_message(diag_message(diag, from++));
	return from;
}
