/*
 * json_scan.c - the first pass over JSON text: what yajl 2.1 does not look at closely.
 *
 * Grammar is yajl's business; this pass only knows where strings begin and end. Most
 * payloads hold nothing but ASCII without escapes and are through after json_scan_plain(),
 * eight bytes at a time.
 *
 * Refused: yajl's own check of UTF-8, which takes overlong forms and surrogates.
 */
#include "value/json_scan.h"

#include <stdint.h>
#include <stdio.h>

#include "value/utf8.h"

void json_error_set(struct json_error *error, size_t offset, const char *message)
{
	error->offset = offset;
	snprintf(error->message, sizeof(error->message), "%s", message);
}

/* The high bit of each byte of the word that is the byte looked for. */
static uint64_t find_byte(uint64_t word, unsigned char byte)
{
	const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
	uint64_t x = word ^ (UINT64_C(0x0101010101010101) * byte);

	return ~(((x & low) + low) | x | low);
}

bool json_scan_plain(struct text text)
{
	uint64_t word, quotes = 0;

	for (size_t i = 0; i < text.len; i += sizeof(word)) {
		size_t len = text.len - i < sizeof(word) ? text.len - i : sizeof(word);

		word = 0;
		memcpy(&word, text.at + i, len);
		if ((word & UINT64_C(0x8080808080808080)) || find_byte(word, '\\') ||
			find_byte(word, '\v') || find_byte(word, '\f'))
			return false;
		quotes ^= find_byte(word, '"');
	}
	return !__builtin_parityll(quotes); /* odd: one of them closes nothing */
}

/* The four digits of a \u escape at i, or -1. */
static int scan_hex(struct text text, size_t i)
{
	int n = 0;

	if (text.len - i < 4)
		return -1;
	for (size_t end = i + 4; i < end; i++) {
		char c = text.at[i];

		if (c >= '0' && c <= '9')
			n = n * 16 + (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			n = n * 16 + ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return n;
}

/* Bytes of the escape whose backslash stands at i; 0: error is set. */
static size_t scan_escape(struct text text, size_t i, struct json_error *error)
{
	int unit;

	if (i + 1 >= text.len || !memchr("\"\\/bfnrtu", text.at[i + 1], 9)) {
		json_error_set(error, i, "there is no such escape");
		return 0;
	}
	if (text.at[i + 1] != 'u')
		return 2;
	unit = scan_hex(text, i + 2);
	if (unit < 0) {
		json_error_set(error, i, "\\u needs four hexadecimal digits");
		return 0;
	}
	if (unit < 0xd800 || unit > 0xdfff)
		return 6;
	if (unit < 0xdc00 && text.len - i >= 12 && text.at[i + 6] == '\\' &&
		text.at[i + 7] == 'u') {
		unit = scan_hex(text, i + 8);
		if (unit >= 0xdc00 && unit <= 0xdfff)
			return 12;
	}
	json_error_set(error, i, "half of a surrogate pair");
	return 0;
}

/* Bytes of one character of a string, at i; 0: error is set. */
static size_t scan_character(struct text text, size_t i, struct json_error *error)
{
	unsigned char c = (unsigned char)text.at[i];
	size_t step;
	bool valid;

	if (c == '\\')
		return scan_escape(text, i, error);
	if (c < 0x20) {
		json_error_set(error, i, "a control character in a string");
		return 0;
	}
	if (c < 0x80)
		return 1;
	step = utf8_step((struct text){ text.at + i, text.len - i }, &valid);
	if (valid)
		return step;
	json_error_set(error, i, "a string is not valid UTF-8");
	return 0;
}

size_t json_scan_string(struct text text, size_t from, struct json_error *error)
{
	size_t i = from + 1, step;

	while (i < text.len && text.at[i] != '"') {
		step = scan_character(text, i, error);
		if (step == 0)
			return 0;
		i += step;
	}
	if (i < text.len)
		return i + 1 - from;
	json_error_set(error, from, "a string is not closed");
	return 0;
}

bool json_scan(struct text text, struct json_error *error)
{
	size_t i = 0, step;

	if (text.len >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0) {
		json_error_set(error, 0, "a byte order mark stands before the JSON text");
		return false;
	}
	while (i < text.len) {
		unsigned char c = (unsigned char)text.at[i];

		step = 1;
		if (c >= 0x80 || c == '\v' || c == '\f' || c == '\\') {
			json_error_set(
				error, i, "a character that JSON does not have here");
			step = 0;
		} else if (c == '"') {
			step = json_scan_string(text, i, error);
		}
		if (step == 0)
			return false;
		i += step;
	}
	return true;
}
