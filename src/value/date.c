/*
 * date.c - RFC 3339 dates by hand.
 *
 * The fraction stays text, so that two instants compare exactly, whatever their precision.
 *
 * Refused: strptime() and timegm(), which take blanks, signs and days that do not exist,
 * follow the locale, and read no fraction.
 */
#include "value/date.h"

enum { SECONDS_PER_DAY = 86400, DAYS_BEFORE_1970 = 719528 /* from 0000-01-01 */ };

struct reader {
	struct text rest; /* what has not been read */
	bool failed;
};

/* The next byte is one of the two: reads it. */
static bool read_char(struct reader *in, char c, char other)
{
	if (in->rest.len == 0 || (in->rest.at[0] != c && in->rest.at[0] != other))
		return false;
	in->rest.at++;
	in->rest.len--;
	return true;
}

static void need_char(struct reader *in, char c, char other)
{
	if (!read_char(in, c, other))
		in->failed = true;
}

/* Exactly so many digits, a number from low to high. */
static int need_number(struct reader *in, size_t digits, int low, int high)
{
	int n = 0;

	if (in->rest.len < digits) {
		in->failed = true;
		return low;
	}
	for (size_t i = 0; i < digits; i++) {
		char c = in->rest.at[i];

		if (c < '0' || c > '9')
			in->failed = true;
		else
			n = n * 10 + (c - '0');
	}
	in->rest.at += digits;
	in->rest.len -= digits;
	if (n < low || n > high)
		in->failed = true;
	return in->failed ? low : n;
}

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970-01-01 to the first of the month; *length is the month's. */
static int64_t days_to_month(int year, int month, int *length)
{
	static const short before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304,
		334, 365 };
	int64_t leaps = (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;

	*length = before[month] - before[month - 1] + (month == 2 && is_leap(year));
	return 365 * (int64_t)year + leaps + before[month - 1] +
	       (month > 2 && is_leap(year)) - DAYS_BEFORE_1970;
}

static int64_t need_date(struct reader *in)
{
	int year, month, length;
	int64_t days;

	year = need_number(in, 4, 0, 9999);
	need_char(in, '-', '-');
	month = need_number(in, 2, 1, 12);
	need_char(in, '-', '-');
	days = days_to_month(year, month, &length);
	return days + need_number(in, 2, 1, length) - 1;
}

/* The digits behind the point, without their last zeros. */
static struct text need_fraction(struct reader *in)
{
	struct text fraction = { in->rest.at, 0 };

	while (in->rest.len > 0 && in->rest.at[0] >= '0' && in->rest.at[0] <= '9') {
		in->rest.at++;
		in->rest.len--;
		fraction.len++;
	}
	if (fraction.len == 0)
		in->failed = true;
	while (fraction.len > 0 && fraction.at[fraction.len - 1] == '0')
		fraction.len--;
	return fraction;
}

static int need_time(struct reader *in, struct text *fraction)
{
	int hour, minute, second;

	hour = need_number(in, 2, 0, 23);
	need_char(in, ':', ':');
	minute = need_number(in, 2, 0, 59);
	need_char(in, ':', ':');
	second = need_number(in, 2, 0, 59);
	if (read_char(in, '.', '.'))
		*fraction = need_fraction(in);
	return hour * 3600 + minute * 60 + second;
}

/* Seconds by which the zone is ahead of UTC; none is UTC. */
static int read_zone(struct reader *in, bool *has_zone)
{
	int sign, hours, minutes;

	*has_zone = true;
	if (read_char(in, 'Z', 'z'))
		return 0;
	if (read_char(in, '+', '+')) {
		sign = 1;
	} else if (read_char(in, '-', '-')) {
		sign = -1;
	} else {
		*has_zone = false;
		return 0;
	}
	hours = need_number(in, 2, 0, 23);
	need_char(in, ':', ':');
	minutes = need_number(in, 2, 0, 59);
	return sign * (hours * 3600 + minutes * 60);
}

bool date_parse(struct text t, struct instant *out)
{
	struct reader in = { .rest = t };

	*out = (struct instant){ .fraction = { t.at, 0 } };
	out->seconds = need_date(&in) * SECONDS_PER_DAY;
	if (!in.failed && in.rest.len > 0) {
		out->has_time = true;
		need_char(&in, 'T', 't');
		out->seconds += need_time(&in, &out->fraction);
		out->seconds -= read_zone(&in, &out->has_zone);
	}
	return !in.failed && in.rest.len == 0;
}

int date_compare(const struct instant *a, const struct instant *b)
{
	if (a->seconds != b->seconds)
		return a->seconds < b->seconds ? -1 : 1;
	return text_compare(a->fraction, b->fraction);
}
