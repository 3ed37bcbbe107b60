/*
 * text.c - comparing and trimming slices, and one step through UTF-8.
 *
 * Letters are ASCII letters: what is compared without case are header names, types and
 * keywords, whose alphabet their formats fix. tolower() and its kin were refused because
 * they follow the process's locale.
 */
#include "base/text.h"

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool text_same_letters(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (a[i] != b[i] && lower(a[i]) != lower(b[i]))
			return false;
	}
	return true;
}

int text_compare(struct text a, struct text b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common ? memcmp(a.at, b.at, common) : 0;

	if (order)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct text text_trim(struct text t)
{
	while (t.len && is_blank(t.at[t.len - 1]))
		t.len--;
	while (t.len && is_blank(t.at[0])) {
		t.at++;
		t.len--;
	}
	return t;
}

/*
 * RFC 3629 section 4: besides the lead byte, only the range of the second byte tells
 * overlong forms (E0, F0), surrogates (ED) and what is above U+10FFFF (F4).
 */
size_t text_utf8(struct text t)
{
	unsigned char lead, low = 0x80, high = 0xBF;
	size_t len;

	if (t.len == 0)
		return 0;
	lead = (unsigned char)t.at[0];
	if (lead < 0x80)
		return 1;
	if (lead < 0xC2 || lead > 0xF4)
		return 0;
	len = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
	if (t.len < len)
		return 0;
	if (lead == 0xE0)
		low = 0xA0;
	else if (lead == 0xED)
		high = 0x9F;
	else if (lead == 0xF0)
		low = 0x90;
	else if (lead == 0xF4)
		high = 0x8F;
	if ((unsigned char)t.at[1] < low || (unsigned char)t.at[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (((unsigned char)t.at[i] & 0xC0) != 0x80)
			return 0;
	}
	return len;
}
