/*
 * json_write.c - JSON text from values, and the words that builders of documents use.
 *
 * Documents are built with yajl_gen, which knows where a comma belongs; one generator is
 * kept for the whole process, since making one costs more than a small document.
 *
 * Refused: yajl_gen_string() for values too. It calls its print function four times for a
 * string, escapes byte by byte, and lets invalid UTF-8 pass.
 */
#include <assert.h>
#include <stdint.h>

#include "base/mem.h"
#include "value/json.h"
#include "value/utf8.h"

static struct {
	yajl_gen gen;       /* NULL: not made yet */
	struct strbuf *out; /* of the document under construction; NULL: none */
} shared;

/* Whether a byte stands in a JSON string as it is: ASCII without quote, backslash and
 * control characters. */
static bool is_literal(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/*
 * Appends one escape or one sequence of UTF-8; returns the bytes of t that it stands for.
 */
static size_t append_special(struct strbuf *out, struct text t)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char c = (unsigned char)t.at[0];
	char short_escape = c == '"' || c == '\\' ? (char)c : '\0';
	size_t step;
	bool valid;

	if (c >= 0x80) {
		step = utf8_step(t, &valid);
		strbuf_text(
			out, valid ? (struct text){ t.at, step } : TEXT("\xef\xbf\xbd"));
		return step;
	}
	if (c >= '\b' && c <= '\r' && c != '\v')
		short_escape = "btn?fr"[c - '\b'];
	if (short_escape)
		strbuf_bytes(out, (char[]){ '\\', short_escape }, 2);
	else
		strbuf_bytes(
			out, (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
	return 1;
}

/* is_literal() of eight bytes at once. Each sum sets the high bit of the bytes that pass one
 * test; bytes from 0x80 on, which could carry into a neighbour, fail by the last term. */
static bool are_literal(uint64_t word)
{
	const uint64_t each = UINT64_C(0x0101010101010101);
	uint64_t passed = (word + 0x60 * each) & ((word ^ '"' * each) + 0x7f * each) &
			  ((word ^ '\\' * each) + 0x7f * each) & ~word;

	return (passed & 0x80 * each) == 0x80 * each;
}

/* Bytes at the start of t that stand in a JSON string as they are. */
static size_t literal_run(struct text t)
{
	uint64_t word;
	size_t i;

	for (i = 0; i + sizeof(word) <= t.len; i += sizeof(word)) {
		memcpy(&word, t.at + i, sizeof(word));
		if (!are_literal(word))
			break;
	}
	while (i < t.len && is_literal((unsigned char)t.at[i]))
		i++;
	return i;
}

void json_append_string(struct strbuf *out, struct text t)
{
	size_t run = literal_run(t);
	char *at = strbuf_reserve(out, run + 2);

	if (!at)
		return;
	*at++ = '"';
	if (run > 0)
		memcpy(at, t.at, run);
	at[run] = '"';
	if (run == t.len) { /* most strings: done in one piece */
		strbuf_advance(out, run + 2);
		return;
	}
	strbuf_advance(out, run + 1);
	for (size_t i = run; i < t.len; i += run) {
		i += append_special(out, (struct text){ t.at + i, t.len - i });
		run = literal_run((struct text){ t.at + i, t.len - i });
		strbuf_bytes(out, t.at + i, run);
	}
	strbuf_char(out, '"');
}

static void append_array(struct strbuf *out, const struct value *v)
{
	strbuf_char(out, '[');
	for (size_t i = 0; i < v->array.count; i++) {
		if (i > 0)
			strbuf_char(out, ',');
		json_append(out, &v->array.items[i]);
	}
	strbuf_char(out, ']');
}

static void append_object(struct strbuf *out, const struct value *v)
{
	strbuf_char(out, '{');
	for (size_t i = 0; i < v->object.count; i++) {
		if (i > 0)
			strbuf_char(out, ',');
		json_append_string(out, v->object.members[i].name);
		strbuf_char(out, ':');
		json_append(out, &v->object.members[i].value);
	}
	strbuf_char(out, '}');
}

void json_append(struct strbuf *out, const struct value *v)
{
	switch (v->type) {
	case VALUE_NULL:
		strbuf_text(out, TEXT("null"));
		break;
	case VALUE_BOOLEAN:
		strbuf_text(out, v->boolean ? TEXT("true") : TEXT("false"));
		break;
	case VALUE_NUMBER:
		strbuf_text(out, v->text);
		break;
	case VALUE_STRING:
		json_append_string(out, v->text);
		break;
	case VALUE_ARRAY:
		append_array(out, v);
		break;
	case VALUE_OBJECT:
		append_object(out, v);
		break;
	}
}

/*
 * Lets the generator write what belongs before a value (a comma, a colon) and count it as
 * written; the value itself then goes into the buffer in one piece, which takes half the
 * time of yajl's many small ones.
 */
static bool begin_value(yajl_gen gen)
{
	assert(gen == shared.gen && shared.out);
	return yajl_gen_number(gen, "", 0) == yajl_gen_status_ok;
}

void json_generate(yajl_gen gen, const struct value *v)
{
	if (begin_value(gen))
		json_append(shared.out, v ? v : &value_null);
}

void json_key(yajl_gen gen, const char *key)
{
	yajl_gen_string(gen, (const unsigned char *)key, strlen(key));
}

void json_string(yajl_gen gen, const char *key, struct text t)
{
	json_key(gen, key);
	if (begin_value(gen))
		json_append_string(shared.out, t);
}

void json_null(yajl_gen gen, const char *key)
{
	json_key(gen, key);
	yajl_gen_null(gen);
}

void json_boolean(yajl_gen gen, const char *key, bool boolean)
{
	json_key(gen, key);
	yajl_gen_bool(gen, boolean);
}

/* Writes a number's digits before `end`; returns where they begin. */
static char *digits_before(char *end, unsigned long long number)
{
	do {
		*--end = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	return end;
}

/* Room for any number of these: 20 digits, a sign, or a point and three decimals. */
enum { NUMBER_ROOM = 32 };

static char *integer_before(char *end, long long number)
{
	unsigned long long size = (unsigned long long)number;
	char *at = digits_before(end, number < 0 ? 0 - size : size);

	if (number < 0)
		*--at = '-';
	return at;
}

/* Not yajl_gen_integer(): its sprintf() takes longer than all the rest of the member. */
void json_integer(yajl_gen gen, const char *key, long long number)
{
	char text[NUMBER_ROOM], *end = text + sizeof(text),
				*at = integer_before(end, number);

	json_key(gen, key);
	yajl_gen_number(gen, at, (size_t)(end - at));
}

void json_append_integer(struct strbuf *out, long long number)
{
	char text[NUMBER_ROOM], *end = text + sizeof(text),
				*at = integer_before(end, number);

	strbuf_bytes(out, at, (size_t)(end - at));
}

/* Whole microseconds, digit by digit: yajl_gen_double() prints 15.199999... */
void json_append_milliseconds(struct strbuf *out, uint64_t ns)
{
	uint64_t us = ns / 1000 + (ns % 1000 >= 500), part = us % 1000;
	char text[NUMBER_ROOM], *end = text + sizeof(text), *at = end;
	unsigned places = 3;

	for (; places > 0 && part % 10 == 0; places--)
		part /= 10;
	for (unsigned i = 0; i < places; i++, part /= 10)
		*--at = (char)('0' + part % 10);
	if (places > 0)
		*--at = '.';
	at = digits_before(at, us / 1000);
	strbuf_bytes(out, at, (size_t)(end - at));
}

void json_fragment(yajl_gen gen, struct text json)
{
	if (begin_value(gen))
		strbuf_text(shared.out, json);
}

/* yajl prints a string in four pieces, most of one byte: what fits is put there at once. */
static void print_shared(void *context, const char *bytes, size_t len)
{
	struct strbuf *out = shared.out;

	if (out->failed || !out->data || len > out->capacity - out->len) {
		strbuf_bytes(out, bytes, len);
		return;
	}
	if (len == 1)
		out->data[out->len] = *bytes;
	else
		memcpy(out->data + out->len, bytes, len);
	out->len += len;
}

yajl_gen json_begin(struct strbuf *out)
{
	assert(!shared.out);
	if (!shared.gen) {
		shared.gen = yajl_gen_alloc(NULL);
		if (!shared.gen)
			mem_exhausted();
		yajl_gen_config(shared.gen, yajl_gen_print_callback, print_shared, NULL);
	}
	shared.out = out;
	return shared.gen;
}

void json_end(yajl_gen gen)
{
	assert(gen == shared.gen && shared.out);
	yajl_gen_reset(gen, NULL);
	shared.out = NULL;
}

void json_drop_cache(void)
{
	if (shared.gen)
		yajl_gen_free(shared.gen);
	shared.gen = NULL;
}
