/*
 * rate.h - how fast each API key may send: one bucket for each key that has a `rate`.
 */
#ifndef VOLLEY_FRONT_RATE_H
#define VOLLEY_FRONT_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "catalog/snapshot.h"

struct rates;

struct rates *rates_new(void);
void rates_free(struct rates *rates);

/*
 * Makes the buckets those of this catalog's keys: a key that stays keeps what its bucket
 * holds (never more than the new rate allows), a new one has a full bucket, and buckets of
 * keys that are gone go too. Nothing is done when the catalog is the one already followed.
 */
void rates_follow(struct rates *rates, const struct snapshot *snapshot);

/*
 * Takes one request out of the key's bucket; now is monotonic ns. 0: there was one, or the
 * key has no rate. Else nothing is taken, and there will be one in that many seconds (at
 * least 1). The key is of the catalog that was last followed.
 */
must_check uint64_t rates_take(struct rates *rates, const struct key *key, uint64_t now);

/* Buckets there are. */
size_t rates_count(const struct rates *rates);

#endif
