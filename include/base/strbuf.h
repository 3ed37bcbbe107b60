/*
 * strbuf.h - a growing byte buffer with a ceiling, which fails stickily.
 *
 * Appends return nothing. One that would pass the ceiling sets `failed` and appends
 * nothing, as do all after it; the buffer's user looks at `failed` once, where the bytes
 * are used.
 */
#ifndef VOLLEY_BASE_STRBUF_H
#define VOLLEY_BASE_STRBUF_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"

struct strbuf {
	char *data;          /* not NUL-terminated; NULL while nothing was appended */
	size_t len;          /* bytes appended */
	size_t capacity;     /* bytes allocated */
	size_t max;          /* ceiling of len */
	struct arena *arena; /* where data lives; NULL: the heap */
	bool failed;         /* the ceiling was met; len is as it was before */
};

/* An empty buffer on the heap, at most max bytes; strbuf_free() when done. */
void strbuf_init(struct strbuf *buf, size_t max);

/* An empty buffer whose bytes live in the arena; needs no strbuf_free(). */
void strbuf_init_arena(struct strbuf *buf, struct arena *arena, size_t max);

/* Frees a heap buffer's bytes and empties it. */
void strbuf_free(struct strbuf *buf);

/* Empties the buffer and forgets a failure; keeps the memory. */
void strbuf_clear(struct strbuf *buf);

/* Room for len more bytes, or NULL after a failure; the caller writes them and calls
 * strbuf_advance(). */
char *strbuf_reserve(struct strbuf *buf, size_t len);

/* Counts len bytes, at most what was reserved, as appended. */
void strbuf_advance(struct strbuf *buf, size_t len);

/* Inline, since replies and requests are built of many short pieces. */
static inline void strbuf_bytes(struct strbuf *buf, const void *bytes, size_t len)
{
	char *at;

	if (len == 0)
		return;
	if (buf->failed || len > buf->capacity - buf->len)
		at = strbuf_reserve(buf, len);
	else
		at = buf->data + buf->len;
	if (!at)
		return;
	memcpy(at, bytes, len);
	buf->len += len;
}

static inline void strbuf_text(struct strbuf *buf, struct text t)
{
	strbuf_bytes(buf, t.at, t.len);
}

static inline void strbuf_string(struct strbuf *buf, const char *string)
{
	strbuf_bytes(buf, string, strlen(string));
}

static inline void strbuf_char(struct strbuf *buf, char c)
{
	strbuf_bytes(buf, &c, 1);
}

void strbuf_printf(struct strbuf *buf, const char *format, ...) printf_like(2, 3);

/* What was appended so far; valid until the next append. */
static inline struct text strbuf_get(const struct strbuf *buf)
{
	return (struct text){ buf->data, buf->len };
}

#endif
