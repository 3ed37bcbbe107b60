/*
 * scalar.c - plain scalars by the core schema, numbers only in JSON's notation.
 *
 * A number keeps its digits, so what is a number here must be one in a JSON body and in an
 * SQL parameter too. Other notations (0777 is 777, 511 or text, depending on whom one asks)
 * stay text, and the loader warns. Refused: converting them, which would change digits that
 * may be a telephone number or a postal code.
 */
#include "conf/scalar.h"

#include "base/macros.h"
#include "value/decimal.h"

static bool is_one_of(struct text t, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (text_is(t, words[i]))
			return true;
	}
	return false;
}

enum node_kind scalar_kind(struct text t)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	static const char *const booleans[] = { "true", "True", "TRUE", "false", "False",
		"FALSE" };

	if (is_one_of(t, nulls, array_len(nulls)))
		return NODE_NULL;
	if (is_one_of(t, booleans, array_len(booleans)))
		return NODE_BOOLEAN;
	return decimal_valid(t) ? NODE_NUMBER : NODE_STRING;
}

static bool only(struct text t, const char *allowed)
{
	for (size_t i = 0; i < t.len; i++) {
		if (!t.at[i] || !strchr(allowed, t.at[i]))
			return false;
	}
	return t.len > 0;
}

bool scalar_looks_numeric(struct text t)
{
	static const char *const words[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN",
		".NAN" };

	if (t.len && (t.at[0] == '-' || t.at[0] == '+')) {
		t.at++;
		t.len--;
	}
	if (is_one_of(t, words, array_len(words)))
		return true;
	if (t.len > 2 && t.at[0] == '0' && (t.at[1] == 'x' || t.at[1] == 'o')) {
		struct text digits = { t.at + 2, t.len - 2 };

		return only(digits, t.at[1] == 'x' ? "0123456789abcdefABCDEF" : "01234567");
	}
	if (!only(t, "0123456789.,") || t.at[0] == ',')
		return false;
	/* 0.0.1 and 10.0.0.1 are versions and addresses. */
	return !only(t, ".,") && memchr(t.at, '.', t.len) == memrchr(t.at, '.', t.len);
}
