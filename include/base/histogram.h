/*
 * histogram.h - how often values fell between which bounds.
 */
#ifndef VOLLEY_BASE_HISTOGRAM_H
#define VOLLEY_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_MAX = 24 };

/* Upper bounds of the buckets, ascending, inclusive; a last bucket without bound follows. */
struct histogram_scale {
	const uint64_t *bounds;
	size_t count; /* at most HISTOGRAM_MAX */
};

/* Values are nanoseconds, or whatever the scale's bounds are in. */
struct histogram {
	const struct histogram_scale *scale;
	uint64_t counts[HISTOGRAM_MAX + 1]; /* of each bucket alone */
	uint64_t count, sum, max;
};

/* Times of events, actions and attempts: 0.5 ms to 60 s. */
extern const struct histogram_scale histogram_latency;

/* CPU times of passes of the loop: 10 us to 100 ms. */
extern const struct histogram_scale histogram_cpu;

/* Empty; the scale lives as long. */
void histogram_init(struct histogram *histogram, const struct histogram_scale *scale);

void histogram_add(struct histogram *histogram, uint64_t value);

/*
 * A value that the share q (0 to 1) of all values does not exceed: the upper bound of the
 * bucket in which it lies, but never more than the largest value. 0 when there is none.
 */
uint64_t histogram_quantile(const struct histogram *histogram, double q);

/* How many values exceeded `bound`, which is one of the scale's. */
uint64_t histogram_above(const struct histogram *histogram, uint64_t bound);

#endif
