/*
 * clock.c - clock_gettime(), and a timestamp's text without the C library's time zones.
 *
 * gmtime_r() was refused for the text: it takes the time zone lock and reads the zone file
 * the first time, which nothing on the loop may do.
 */
#include "base/clock.h"

#include <time.h>

/* 9999-12-31T23:59:59.999Z, the last instant that four digits of year can tell. */
#define WALL_MS_MAX UINT64_C(253402300799999)

uint64_t clock_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail on Linux */
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

uint64_t clock_wall_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / NS_PER_MS;
}

static char *digits(char *at, unsigned value, unsigned count)
{
	for (unsigned i = count; i-- > 0; value /= 10)
		at[i] = (char)('0' + value % 10);
	return at + count;
}

/*
 * Days since 1970-01-01 to a Gregorian date. Years are counted from 1 March, so that the
 * leap day is a year's last, and in cycles of 400 years (146,097 days).
 */
static char *date(char *at, unsigned days)
{
	unsigned since = days + 719468; /* days since 0000-03-01 */
	unsigned cycle = since / 146097, day = since % 146097;
	unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	unsigned of_year = day - (365 * year + year / 4 - year / 100);
	unsigned march = (5 * of_year + 2) / 153; /* months since March */
	unsigned of_month = of_year - (153 * march + 2) / 5 + 1;
	unsigned month = march < 10 ? march + 3 : march - 9;

	at = digits(at, cycle * 400 + year + (month <= 2), 4);
	*at++ = '-';
	at = digits(at, month, 2);
	*at++ = '-';
	return digits(at, of_month, 2);
}

void clock_format(uint64_t wall_ms, char out[CLOCK_TEXT_SIZE])
{
	uint64_t ms = wall_ms < WALL_MS_MAX ? wall_ms : WALL_MS_MAX;
	unsigned of_day = (unsigned)(ms % 86400000);
	char *at = date(out, (unsigned)(ms / 86400000));

	*at++ = 'T';
	at = digits(at, of_day / 3600000, 2);
	*at++ = ':';
	at = digits(at, of_day / 60000 % 60, 2);
	*at++ = ':';
	at = digits(at, of_day / 1000 % 60, 2);
	*at++ = '.';
	at = digits(at, of_day % 1000, 3);
	*at++ = 'Z';
	*at = '\0';
}
