/*
 * log.c - lines are built at the end of one buffer, which is written from its front.
 *
 * A line that does not fit whole is taken back and counted. stderr is shared with whoever
 * started us, so O_NONBLOCK on it was refused: it would be set for them too. Instead poll()
 * says that there is room, and no more is written than surely fits: PIPE_BUF bytes into a
 * pipe, less into a terminal; a socket has MSG_DONTWAIT.
 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define BUFFER_SIZE  ((size_t)256 << 10)
#define VALUE_MAX    ((size_t)16 << 10) /* bytes of one value */
#define TERMINAL_MAX 256                /* what a terminal that polls writable takes */
#define DRAIN_MS     1000

enum line { LINE_NONE, LINE_OPEN, LINE_QUIET /* below the level */, LINE_TOO_LONG };

static char buffer[BUFFER_SIZE];
static size_t from, to; /* what stands in the buffer */
static size_t line_at;  /* where the open line begins */
static enum line line;
static uint64_t dropped, missing; /* since the start; since the last line that got in */

static enum log_level least = LOG_INFO;
static enum log_format format = LOG_LOGFMT;

static const char *const levels[] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_WARN] = "warn",
	[LOG_ERROR] = "error",
};

void log_configure(enum log_level level, enum log_format log_format)
{
	least = level;
	format = log_format;
}

bool log_level_parse(struct text t, enum log_level *level)
{
	for (size_t i = 0; i < array_len(levels); i++) {
		if (text_is(t, levels[i])) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

bool log_enabled(enum log_level level)
{
	return level >= least;
}

static void put(const char *bytes, size_t len)
{
	if (line != LINE_OPEN || len == 0)
		return;
	if (len > BUFFER_SIZE - to) {
		line = LINE_TOO_LONG;
		return;
	}
	memcpy(buffer + to, bytes, len);
	to += len;
}

static void put_string(const char *string)
{
	put(string, strlen(string));
}

/* A code point that would move a cursor or end a line: C0, DEL and C1. */
static bool is_control(const char *at, size_t len)
{
	unsigned char first = (unsigned char)at[0];

	if (len == 1)
		return first < 0x20 || first == 0x7F;
	return len == 2 && first == 0xC2 && (unsigned char)at[1] < 0xA0;
}

static void put_escaped(const char *at, size_t len)
{
	char code[8];

	if (len == 0)
		put_string("\\ufffd");
	else if (*at == '\n')
		put_string("\\n");
	else if (*at == '\t')
		put_string("\\t");
	else if (*at == '\r')
		put_string("\\r");
	else if (is_control(at, len)) /* a C1 control is C2 and its own number */
		put(code, (size_t)snprintf(code, sizeof(code), "\\u%04x",
				  (unsigned char)at[len - 1]));
	else {
		put("\\", 1);
		put(at, 1);
	}
}

/* How a character stands between quotes: JSON's escapes, in both formats. */
static bool needs_escape(const char *at, size_t len)
{
	return len == 0 || *at == '"' || *at == '\\' || is_control(at, len);
}

static void put_quoted(struct text t)
{
	size_t cut = t.len > VALUE_MAX ? VALUE_MAX : t.len;
	size_t plain = 0; /* bytes passed over since the last escape */
	size_t i = 0;

	put("\"", 1);
	while (i < cut) {
		size_t len = text_utf8((struct text){ t.at + i, t.len - i });

		if (needs_escape(t.at + i, len)) {
			put(t.at + i - plain, plain);
			put_escaped(t.at + i, len);
			plain = 0;
		} else {
			plain += len;
		}
		i += len ? len : 1;
	}
	put(t.at + i - plain, plain);
	put_string(cut < t.len ? "...\"" : "\"");
}

/* logfmt leaves the quotes out where a blank, '=' or an escape does not ask for them. */
static bool is_bare(struct text t)
{
	if (t.len == 0 || t.len > VALUE_MAX)
		return false;
	for (size_t i = 0; i < t.len;) {
		size_t len = text_utf8((struct text){ t.at + i, t.len - i });

		if (needs_escape(t.at + i, len) || t.at[i] == ' ' || t.at[i] == '=')
			return false;
		i += len;
	}
	return true;
}

static void put_value(struct text t)
{
	if (format == LOG_LOGFMT && is_bare(t))
		put(t.at, t.len);
	else
		put_quoted(t);
}

static void put_key(struct text key)
{
	if (format == LOG_JSON) {
		put(",", 1);
		put_quoted(key);
		put(":", 1);
	} else {
		put(" ", 1);
		put_value(key);
		put("=", 1);
	}
}

/* A second "msg" beside ours would leave it to the reader which one counts. */
static void put_foreign_key(struct text key)
{
	if (text_is(key, "time"))
		key = TEXT("time_");
	else if (text_is(key, "level"))
		key = TEXT("level_");
	else if (text_is(key, "msg"))
		key = TEXT("msg_");
	put_key(key);
}

static void make_room(void)
{
	if (to - from > BUFFER_SIZE / 2)
		log_flush();
	if (from > 0 && to > BUFFER_SIZE / 2) {
		memmove(buffer, buffer + from, to - from);
		to -= from;
		from = 0;
	}
}

void log_begin(enum log_level level, struct text message)
{
	char time[CLOCK_TEXT_SIZE];

	assert(line == LINE_NONE);
	if (!log_enabled(level)) {
		line = LINE_QUIET;
		return;
	}
	make_room();
	line = LINE_OPEN;
	line_at = to;
	clock_format(clock_wall_ms(), time);
	put_string(format == LOG_JSON ? "{\"time\":\"" : "time=");
	put_string(time);
	put_string(format == LOG_JSON ? "\",\"level\":\"" : " level=");
	put_string(levels[level]);
	put_string(format == LOG_JSON ? "\",\"msg\":" : " msg=");
	put_quoted(message);
}

void log_text(const char *key, struct text value)
{
	put_key(text_of(key));
	put_value(value);
}

void log_field(struct text key, struct text value)
{
	put_foreign_key(key);
	put_value(value);
}

void log_raw(struct text key, struct text json)
{
	put_foreign_key(key);
	put(json.at, json.len);
}

void log_number(const char *key, int64_t value)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRId64, value);

	put_key(text_of(key));
	put(digits, (size_t)len);
}

void log_end(void)
{
	assert(line != LINE_NONE);
	if (line == LINE_OPEN && missing)
		log_number("dropped", (int64_t)missing);
	if (format == LOG_JSON)
		put("}", 1);
	put("\n", 1);
	if (line == LINE_OPEN)
		missing = 0;
	if (line == LINE_TOO_LONG) {
		to = line_at;
		missing++;
		dropped++;
	}
	line = LINE_NONE;
}

void log_line(enum log_level level, const char *message, ...)
{
	va_list pairs;
	const char *key;

	if (!log_enabled(level))
		return;
	log_begin(level, text_of(message));
	va_start(pairs, message);
	while ((key = va_arg(pairs, const char *)))
		log_text(key, text_of(va_arg(pairs, const char *)));
	va_end(pairs);
	log_end();
}

uint64_t log_dropped(void)
{
	return dropped;
}

/* Nobody can read stderr any more: its lines are as good as dropped. */
static void give_up(void)
{
	for (size_t i = from; i < to; i++)
		dropped += buffer[i] == '\n';
	from = to = 0;
}

/* One write that does not wait; -1 with EAGAIN when there is no room. */
static ssize_t write_some(void)
{
	struct stat st;
	size_t len = to - from;

	if (fstat(STDERR_FILENO, &st) < 0)
		return -1;
	if (S_ISSOCK(st.st_mode))
		return send(STDERR_FILENO, buffer + from, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (S_ISFIFO(st.st_mode) && len > PIPE_BUF)
		len = PIPE_BUF;
	if (S_ISCHR(st.st_mode) && len > TERMINAL_MAX)
		len = TERMINAL_MAX;
	return write(STDERR_FILENO, buffer + from, len);
}

static void flush_until(uint64_t deadline)
{
	while (from < to) {
		struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
		uint64_t now = deadline ? clock_now() : 0;
		uint64_t wait = now < deadline
					? (deadline - now + NS_PER_MS - 1) / NS_PER_MS
					: 0;
		int ready = poll(&p, 1, (int)wait);
		ssize_t put_len;

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready == 0)
			return;
		put_len = write_some();
		if (put_len >= 0)
			from += (size_t)put_len;
		else if (errno == EAGAIN && wait == 0)
			return;
		else if (errno != EAGAIN && errno != EINTR)
			give_up();
	}
	from = to = 0;
}

/* An open line's bytes stay: it may still be taken back. */
void log_flush(void)
{
	if (line == LINE_NONE)
		flush_until(0);
}

void log_drain(void)
{
	if (line == LINE_NONE)
		flush_until(clock_now() + DRAIN_MS * NS_PER_MS);
}
