/*
 * decimal.c - exact comparison of numbers in JSON's notation.
 *
 * A number is read as its sign, its digits from the first that is not zero, and the power
 * of ten of that digit; two of one sign differ in that power or in the first digit that
 * differs.
 *
 * Refused: double and strtod(), which call 12345678901234567890.10 and ...890.11 equal, and
 * a big-number library, which would allocate for every comparison of a condition.
 */
#include "value/decimal.h"

#include <stdint.h>

/* A power of ten whose size says that the exponent did not fit 64 bits. */
#define POWER_INFINITE ((__int128)1 << 100)

struct decimal {
	int sign;           /* -1, 0 (the number is zero) or 1 */
	__int128 power;     /* of ten, of the first digit that is not zero */
	struct text digits; /* from there on, with the point inside perhaps */
	bool infinite;      /* larger than any number that can be written */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Bytes of digits from i on. */
static size_t digit_run(struct text t, size_t i)
{
	size_t from = i;

	while (i < t.len && is_digit(t.at[i]))
		i++;
	return i - from;
}

bool decimal_valid(struct text t)
{
	size_t i = t.len > 0 && t.at[0] == '-', run = digit_run(t, i);

	if (run == 0 || (run > 1 && t.at[i] == '0'))
		return false;
	i += run;
	if (i < t.len && t.at[i] == '.') {
		run = digit_run(t, ++i);
		if (run == 0)
			return false;
		i += run;
	}
	if (i < t.len && (t.at[i] == 'e' || t.at[i] == 'E')) {
		i++;
		i += i < t.len && (t.at[i] == '+' || t.at[i] == '-');
		run = digit_run(t, i);
		if (run == 0)
			return false;
		i += run;
	}
	return i == t.len;
}

/* The exponent's digits with their sign; POWER_INFINITE when they do not fit 64 bits. */
static __int128 read_exponent(struct text t)
{
	bool negative = t.len > 0 && t.at[0] == '-';
	__int128 n = 0;

	for (size_t i = t.len > 0 && !is_digit(t.at[0]); i < t.len; i++) {
		n = n * 10 + (t.at[i] - '0');
		if (n > INT64_MAX) {
			n = POWER_INFINITE;
			break;
		}
	}
	return negative ? -n : n;
}

/*
 * The mantissa: its sign, digits and the power of the first, as if there were no exponent.
 */
static void read_mantissa(struct decimal *d, struct text t)
{
	bool negative = t.len > 0 && t.at[0] == '-';
	size_t i = negative, whole = digit_run(t, i);

	d->power = (__int128)whole - 1;
	while (i < t.len && (t.at[i] == '0' || t.at[i] == '.')) {
		d->power -= t.at[i] == '0';
		i++;
	}
	d->digits = (struct text){ t.at + i, t.len - i };
	if (d->digits.len > 0)
		d->sign = negative ? -1 : 1;
}

static struct decimal decimal_read(struct text t)
{
	struct decimal d = { 0 };
	__int128 exponent = 0;
	size_t i;

	for (i = 0; i < t.len && t.at[i] != 'e' && t.at[i] != 'E'; i++)
		;
	if (i < t.len)
		exponent = read_exponent((struct text){ t.at + i + 1, t.len - i - 1 });
	read_mantissa(&d, (struct text){ t.at, i });
	if (exponent == -POWER_INFINITE)
		d.sign = 0;
	d.infinite = exponent == POWER_INFINITE;
	d.power += exponent;
	return d;
}

/* The digit at *i, stepping over the point; '0' behind the end. */
static char next_digit(struct text digits, size_t *i)
{
	if (*i < digits.len && digits.at[*i] == '.')
		(*i)++;
	return *i < digits.len ? digits.at[(*i)++] : '0';
}

static int compare_digits(struct text a, struct text b)
{
	size_t i = 0, j = 0;

	while (i < a.len || j < b.len) {
		int difference = next_digit(a, &i) - next_digit(b, &j);

		if (difference != 0)
			return difference;
	}
	return 0;
}

static int compare_magnitude(const struct decimal *a, const struct decimal *b)
{
	if (a->infinite || b->infinite)
		return (int)a->infinite - (int)b->infinite;
	if (a->power != b->power)
		return a->power < b->power ? -1 : 1;
	return compare_digits(a->digits, b->digits);
}

int decimal_compare(struct text a, struct text b)
{
	struct decimal x = decimal_read(a), y = decimal_read(b);

	if (x.sign != y.sign)
		return x.sign - y.sign;
	if (x.sign == 0)
		return 0;
	return x.sign * compare_magnitude(&x, &y);
}
