/*
 * units.h - durations, sizes and rates as people write them in YAML files.
 */
#ifndef VOLLEY_BASE_UNITS_H
#define VOLLEY_BASE_UNITS_H

#include <stdint.h>

#include "base/macros.h"
#include "base/strbuf.h"
#include "base/text.h"

/*
 * "500ms", "10s", "5m", "24h", "7d" to nanoseconds; false when it is none or does not fit.
 */
must_check bool units_duration(struct text t, uint64_t *ns);

/* "64KiB", "1MiB", "2GiB", "512B" or a bare number of bytes; false when it is none. */
must_check bool units_size(struct text t, uint64_t *bytes);

/* "100/s", "5/m", "10/h" to events per second; false when it is none or zero. */
must_check bool units_rate(struct text t, double *per_second);

/* The shortest exact notation of each ("1500ms", "64KiB"). */
void units_format_duration(struct strbuf *out, uint64_t ns);
void units_format_size(struct strbuf *out, uint64_t bytes);

#endif
