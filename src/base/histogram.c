/*
 * histogram.c - counters between fixed bounds.
 *
 * Bounds are few and most values are small, so a bucket is found by walking up. Buckets that
 * adapt themselves were refused: figures of two processes could not be added up.
 */
#include "base/histogram.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/macros.h"

#define US UINT64_C(1000)
#define MS NS_PER_MS
#define S  NS_PER_SEC

static const uint64_t latency_bounds[] = { 500 * US, 1 * MS, 2500 * US, 5 * MS, 10 * MS,
	25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, 1 * S, 2500 * MS, 5 * S, 10 * S,
	30 * S, 60 * S };

static const uint64_t cpu_bounds[] = { 10 * US, 25 * US, 50 * US, 100 * US, 250 * US,
	500 * US, 1 * MS, 2500 * US, 5 * MS, 10 * MS, 20 * MS, 50 * MS, 100 * MS };

const struct histogram_scale histogram_latency = { latency_bounds,
	array_len(latency_bounds) };
const struct histogram_scale histogram_cpu = { cpu_bounds, array_len(cpu_bounds) };

void histogram_init(struct histogram *histogram, const struct histogram_scale *scale)
{
	assert(scale->count <= HISTOGRAM_MAX);
	memset(histogram, 0, sizeof(*histogram));
	histogram->scale = scale;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
	const struct histogram_scale *scale = histogram->scale;
	size_t i = 0;

	while (i < scale->count && value > scale->bounds[i])
		i++;
	histogram->counts[i]++;
	histogram->count++;
	histogram->sum += value;
	if (value > histogram->max)
		histogram->max = value;
}

uint64_t histogram_quantile(const struct histogram *histogram, double q)
{
	const struct histogram_scale *scale = histogram->scale;
	double wanted = q * (double)histogram->count;
	uint64_t seen = 0;

	for (size_t i = 0; i < scale->count; i++) {
		seen += histogram->counts[i];
		if (seen > 0 && (double)seen >= wanted)
			return scale->bounds[i] < histogram->max ? scale->bounds[i]
								 : histogram->max;
	}
	return histogram->max;
}

uint64_t histogram_above(const struct histogram *histogram, uint64_t bound)
{
	const struct histogram_scale *scale = histogram->scale;
	uint64_t above = histogram->counts[scale->count];

	for (size_t i = scale->count; i > 0 && scale->bounds[i - 1] > bound; i--)
		above += histogram->counts[i - 1];
	return above;
}
