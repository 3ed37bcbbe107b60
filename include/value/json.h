/*
 * json.h - JSON text (RFC 8259) to a value tree and back, by yajl, with the strictness it
 * lacks.
 */
#ifndef VOLLEY_VALUE_JSON_H
#define VOLLEY_VALUE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yajl/yajl_gen.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/strbuf.h"
#include "value/value.h"

struct json_error {
	size_t offset;     /* byte of the text where it is wrong */
	char message[160]; /* for people, without the offset */
};

/* Digits that one number may have, and the deepest nesting that any caller may ask for. */
enum { JSON_MAX_DIGITS = 1000, JSON_MAX_DEPTH = 100 };

/*
 * Parses one JSON text of any type. max_depth counts the outermost array or object as 1.
 * Strict: UTF-8 by RFC 3629, escapes of surrogates only in pairs, no duplicate names in an
 * object, no more than JSON_MAX_DIGITS digits in a number, nothing but white space (RFC
 * 8259 section 2) around it.
 *
 * The tree lives in the arena and points into text where a string has no escapes, so text
 * must live as long. NULL: not JSON; error says what and where.
 */
must_check const struct value *json_parse(struct arena *arena, struct text text,
	unsigned max_depth, struct json_error *error);

/*
 * Appends the value as JSON text, compact, numbers as written; the buffer fails stickily.
 */
void json_append(struct strbuf *out, const struct value *v);

/* Appends one JSON string, quoted and escaped; bytes that are no UTF-8 become U+FFFD. */
void json_append_string(struct strbuf *out, struct text t);

/* Appends a whole number. */
void json_append_integer(struct strbuf *out, long long number);

/* Nanoseconds as milliseconds, rounded, with up to three decimals: 15.2, 0, 120.437. */
void json_append_milliseconds(struct strbuf *out, uint64_t ns);

/*
 * Building documents. gen always comes from json_begin(); yajl_gen_map_open() and the like
 * are called on it directly. Strings are written as json_append_string() does.
 */

/* Adds the value to a document under construction; NULL is written as null. */
void json_generate(yajl_gen gen, const struct value *v);

/* The few words that every builder of JSON needs. */
void json_key(yajl_gen gen, const char *key);
void json_string(yajl_gen gen, const char *key, struct text t);
void json_null(yajl_gen gen, const char *key);
void json_boolean(yajl_gen gen, const char *key, bool boolean);
void json_integer(yajl_gen gen, const char *key, long long number);
/* One complete value, as it is. */
void json_fragment(yajl_gen gen, struct text json);

/*
 * A generator that prints into out: one per process is reused, so only one document is
 * built at a time. json_end() gives it back.
 */
yajl_gen json_begin(struct strbuf *out);
void json_end(yajl_gen gen);

/* Frees the kept generator (at the end, so that leak reports are empty). */
void json_drop_cache(void);

#endif
