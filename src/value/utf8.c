/*
 * utf8.c - the one decoder of UTF-8 in the program.
 *
 * It walks lead bytes and the range that each allows for its second byte (RFC 3629 section
 * 4), so overlong forms and surrogates fall out without computing a code point.
 *
 * Refused: a table-driven automaton. It is faster on dense non-ASCII text, but the callers
 * skip ASCII by themselves and the rest is too rare to pay for a table nobody can read.
 */
#include "value/utf8.h"

#include <stdint.h>

/* How many bytes follow a lead byte, and the second one's range; -1: it leads nothing. */
static int utf8_lead(unsigned char c, unsigned char *low, unsigned char *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (c < 0x80)
		return 0;
	if (c < 0xc2 || c > 0xf4)
		return -1;
	if (c < 0xe0)
		return 1;
	if (c < 0xf0) {
		if (c == 0xe0)
			*low = 0xa0; /* below: overlong */
		if (c == 0xed)
			*high = 0x9f; /* above: surrogates */
		return 2;
	}
	if (c == 0xf0)
		*low = 0x90; /* below: overlong */
	if (c == 0xf4)
		*high = 0x8f; /* above: beyond U+10FFFF */
	return 3;
}

size_t utf8_step(struct text t, bool *valid)
{
	const unsigned char *bytes = (const unsigned char *)t.at;
	unsigned char low, high;
	int following = utf8_lead(bytes[0], &low, &high);
	size_t i;

	*valid = false;
	if (following < 0)
		return 1;
	for (i = 1; i <= (size_t)following; i++) {
		if (i >= t.len || bytes[i] < low || bytes[i] > high)
			return i;
		low = 0x80;
		high = 0xbf;
	}
	*valid = true;
	return i;
}

/* Bytes of the ASCII text at the start of t, rounded down to whole words. */
static size_t ascii_words(struct text t)
{
	uint64_t word;
	size_t i;

	for (i = 0; i + sizeof(word) <= t.len; i += sizeof(word)) {
		memcpy(&word, t.at + i, sizeof(word));
		if (word & UINT64_C(0x8080808080808080))
			break;
	}
	return i;
}

bool utf8_valid(struct text t)
{
	size_t i = ascii_words(t);
	bool valid;

	while (i < t.len) {
		if ((unsigned char)t.at[i] < 0x80) {
			i++;
			continue;
		}
		i += utf8_step((struct text){ t.at + i, t.len - i }, &valid);
		if (!valid)
			return false;
	}
	return true;
}
