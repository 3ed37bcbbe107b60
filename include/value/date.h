/*
 * date.h - RFC 3339 date-times and dates as instants.
 */
#ifndef VOLLEY_VALUE_DATE_H
#define VOLLEY_VALUE_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/text.h"

struct instant {
	int64_t seconds;      /* since 1970-01-01T00:00:00Z, proleptic Gregorian */
	struct text fraction; /* digits after the point without trailing zeros; may be
	                         empty; points into the text parsed */
	bool has_time;        /* false: a date alone, its midnight */
	bool has_zone;        /* false: taken as UTC */
};

/*
 * RFC 3339 section 5.6 date-time, or full-date alone; T and Z in either case, no blank for
 * T, an existing day, second 60 refused; the zone may be absent. False: it is none.
 */
must_check bool date_parse(struct text t, struct instant *out);

/* Negative, zero or positive as a is before, at or after b. */
int date_compare(const struct instant *a, const struct instant *b);

#endif
