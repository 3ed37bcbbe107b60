/*
 * text.h - a slice of bytes that somebody else owns.
 *
 * A slice is passed by value, need not end with NUL and may hold any byte.
 */
#ifndef VOLLEY_BASE_TEXT_H
#define VOLLEY_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct text {
	const char *at; /* NULL only together with len 0 */
	size_t len;     /* bytes */
};

/* A slice of a string literal. */
#define TEXT(literal) ((struct text){ literal, sizeof(literal) - 1 })

/* For printf's "%.*s". */
#define TEXT_ARG(t) (int)(t).len, (t).at

/* A slice of a C string; NULL gives an empty slice. */
static inline struct text text_of(const char *string)
{
	return (struct text){ string, string ? strlen(string) : 0 };
}

static inline bool text_equal(struct text a, struct text b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* Whether the slice holds exactly the C string's bytes. */
static inline bool text_is(struct text t, const char *string)
{
	return text_equal(t, text_of(string));
}

/* Whether len bytes are the same, ASCII letters without regard to case. */
bool text_same_letters(const char *a, const char *b, size_t len);

/*
 * text_is() without regard to the case of ASCII letters; inline, as most lengths differ
 * already.
 */
static inline bool text_is_nocase(struct text t, const char *string)
{
	return t.len == strlen(string) && text_same_letters(t.at, string, t.len);
}

/* memcmp's order; of two where one begins the other, the shorter is less. */
int text_compare(struct text a, struct text b);

/* The slice without ASCII blanks (space, tab, CR, LF) at both ends. */
struct text text_trim(struct text t);

/* Bytes (1 to 4) of the well-formed UTF-8 sequence that the slice begins with (RFC 3629);
 * 0 when it is empty or begins with anything else. */
size_t text_utf8(struct text t);

#endif
