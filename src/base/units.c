/*
 * units.c - a whole number and a unit from a table, both ways.
 *
 * Fractions ("1.5s") are refused: every quantity has a smaller unit to say it exactly, and
 * so what is printed can be read again. Units are case-sensitive, as in the manual.
 */
#include "base/units.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/clock.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first: the first that divides gives the shortest notation. */
static const struct unit durations[] = {
	{ "d", 86400 * NS_PER_SEC },
	{ "h", 3600 * NS_PER_SEC },
	{ "m", 60 * NS_PER_SEC },
	{ "s", NS_PER_SEC },
	{ "ms", NS_PER_MS },
};

static const struct unit sizes[] = {
	{ "GiB", UINT64_C(1) << 30 },
	{ "MiB", UINT64_C(1) << 20 },
	{ "KiB", UINT64_C(1) << 10 },
	{ "B", 1 },
};

/* Seconds in one. */
static const struct unit rates[] = {
	{ "/s", 1 },
	{ "/m", 60 },
	{ "/h", 3600 },
};

/* Takes the digits that t begins with; what follows them stays in t. */
static bool take_number(struct text *t, uint64_t *number)
{
	size_t i = 0;

	*number = 0;
	for (; i < t->len && t->at[i] >= '0' && t->at[i] <= '9'; i++) {
		if (__builtin_mul_overflow(*number, 10, number) ||
			__builtin_add_overflow(*number, (unsigned)(t->at[i] - '0'), number))
			return false;
	}
	t->at += i;
	t->len -= i;
	return i > 0;
}

static const struct unit *find(const struct unit *units, size_t count, struct text name)
{
	for (size_t i = 0; i < count; i++) {
		if (text_is(name, units[i].name))
			return &units[i];
	}
	return NULL;
}

bool units_duration(struct text t, uint64_t *ns)
{
	const struct unit *unit;
	uint64_t number;

	if (!take_number(&t, &number))
		return false;
	unit = find(durations, array_len(durations), t);
	return unit && !__builtin_mul_overflow(number, unit->factor, ns);
}

bool units_size(struct text t, uint64_t *bytes)
{
	const struct unit *unit;
	uint64_t number;

	if (!take_number(&t, &number))
		return false;
	unit = find(sizes, array_len(sizes), t.len ? t : TEXT("B"));
	return unit && !__builtin_mul_overflow(number, unit->factor, bytes);
}

bool units_rate(struct text t, double *per_second)
{
	const struct unit *unit;
	uint64_t number;

	if (!take_number(&t, &number) || number == 0)
		return false;
	unit = find(rates, array_len(rates), t);
	if (!unit)
		return false;
	*per_second = (double)number / (double)unit->factor;
	return true;
}

/* false when none of the units divides the value. */
static bool format(
	struct strbuf *out, uint64_t value, const struct unit *units, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (value % units[i].factor)
			continue;
		strbuf_printf(out, "%" PRIu64 "%s", value / units[i].factor, units[i].name);
		return true;
	}
	return false;
}

void units_format_duration(struct strbuf *out, uint64_t ns)
{
	unsigned fraction = (unsigned)(ns % NS_PER_MS), width = 6;

	if (ns == 0) {
		strbuf_string(out, "0s");
		return;
	}
	if (format(out, ns, durations, array_len(durations)))
		return;
	for (; fraction % 10 == 0; width--)
		fraction /= 10;
	strbuf_printf(out, "%" PRIu64 ".%0*ums", ns / NS_PER_MS, (int)width, fraction);
}

void units_format_size(struct strbuf *out, uint64_t bytes)
{
	if (bytes == 0)
		strbuf_string(out, "0B");
	else
		(void)format(out, bytes, sizes, array_len(sizes));
}
