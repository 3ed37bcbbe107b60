/*
 * log.h - structured lines on stderr, in logfmt or JSON, control characters escaped.
 *
 * Lines collect in a bounded buffer that log_flush() writes once per pass of the loop. A
 * reader that does not read never blocks the daemon: what does not fit is dropped and
 * counted, and the next line that gets through says how many are missing (`dropped=3`).
 *
 * Nothing appears before log_flush() or log_drain(): before the loop runs and at the end of
 * the process, the one who starts and stops calls log_drain(). A value is cut after 16 KiB.
 */
#ifndef VOLLEY_BASE_LOG_H
#define VOLLEY_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/text.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* Before anything is logged the level is info and the format logfmt. */
void log_configure(enum log_level level, enum log_format format);

/* "debug", "info", "warn", "error" to a level; false when it is none. */
must_check bool log_level_parse(struct text t, enum log_level *level);

/* Whether a line of this level would be written. */
bool log_enabled(enum log_level level);

/* One line: time, level, the message and pairs of const char *key, const char *value, ended
 * by NULL. A NULL value is "". */
void log_line(enum log_level level, const char *message, ...) __attribute__((sentinel));

/* The same in pieces, for fields that are not known before. Nothing else is logged in
 * between. */
void log_begin(enum log_level level, struct text message);
void log_text(const char *key, struct text value);
/*
 * A key that is data: quoted where needed; "time", "level" and "msg" get a `_` behind them.
 */
void log_field(struct text key, struct text value);
/* As log_field(); the value is a JSON number, true, false or null and written as it is. */
void log_raw(struct text key, struct text json);
void log_number(const char *key, int64_t value);
void log_end(void);

/* Writes what has collected as far as stderr takes it without waiting. */
void log_flush(void);

/* The same, waiting at most one second: at the end of the process. */
void log_drain(void);

/* Lines dropped since the start. */
uint64_t log_dropped(void);

#endif
