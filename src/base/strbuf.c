/*
 * strbuf.c - growing by doubling, on the heap or in an arena, up to the ceiling.
 *
 * The bytes are not NUL-terminated: most go into sockets, and a terminator would have to
 * be kept right by everyone who writes into reserved room. strbuf_printf() therefore
 * formats beside the buffer and appends the text; formatting in place was refused, since
 * vsnprintf() wants a byte for its NUL that the ceiling may not have.
 */
#include "base/strbuf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

#define CAPACITY_FIRST 64

void strbuf_init(struct strbuf *buf, size_t max)
{
	*buf = (struct strbuf){ .max = max };
}

void strbuf_init_arena(struct strbuf *buf, struct arena *arena, size_t max)
{
	*buf = (struct strbuf){ .max = max, .arena = arena };
}

void strbuf_free(struct strbuf *buf)
{
	if (!buf->arena)
		free(buf->data);
	*buf = (struct strbuf){ .max = buf->max, .arena = buf->arena };
}

void strbuf_clear(struct strbuf *buf)
{
	buf->len = 0;
	buf->failed = false;
}

/* Doubling keeps appends cheap; the ceiling is never allocated beyond. */
static void grow(struct strbuf *buf, size_t need)
{
	size_t capacity = buf->capacity ? buf->capacity : CAPACITY_FIRST;

	while (capacity < need && capacity <= buf->max / 2)
		capacity *= 2;
	if (capacity < need || capacity > buf->max)
		capacity = buf->max;
	if (buf->arena)
		buf->data = arena_grow(buf->arena, buf->data, buf->capacity, capacity);
	else
		buf->data = mem_realloc(buf->data, capacity);
	buf->capacity = capacity;
}

char *strbuf_reserve(struct strbuf *buf, size_t len)
{
	if (buf->failed || len > buf->max - buf->len) {
		buf->failed = true;
		return NULL;
	}
	if (!buf->data || len > buf->capacity - buf->len)
		grow(buf, buf->len + len);
	return buf->data + buf->len;
}

void strbuf_advance(struct strbuf *buf, size_t len)
{
	assert(!buf->failed && len <= buf->capacity - buf->len);
	buf->len += len;
}

void strbuf_printf(struct strbuf *buf, const char *format, ...)
{
	char small[256];
	char *text = small;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(small, sizeof(small), format, args);
	va_end(args);
	if (len < 0 || !strbuf_reserve(buf, (size_t)len)) {
		buf->failed = true;
		return;
	}
	if ((size_t)len >= sizeof(small)) {
		text = mem_alloc((size_t)len + 1);
		va_start(args, format);
		(void)vsnprintf(text, (size_t)len + 1, format, args);
		va_end(args);
	}
	strbuf_bytes(buf, text, (size_t)len);
	if (text != small)
		free(text);
}
