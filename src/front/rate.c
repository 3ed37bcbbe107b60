/*
 * rate.c - token buckets by client key.
 *
 * A bucket holds one second's amount, at least one request, and fills by the clock when it
 * is asked, so no timer runs. The buckets are made when a catalog comes into force: a
 * request only looks one up. Buckets inside the catalog's keys were refused: each reload
 * would fill them, and whoever may reload could send without a limit.
 */
#include "front/rate.h"

#include "base/clock.h"
#include "base/mem.h"

/* What sums of fractions may lack: a client that waits as long as it was told is served. */
#define ROUNDING 1e-6

struct bucket {
	char *client_key; /* its own: catalogs come and go */
	double per_second;
	double held;        /* requests, as of filled */
	uint64_t filled;    /* monotonic ns; 0: never yet, and full */
	uint64_t wanted_by; /* version of the newest catalog with this key */
	UT_hash_handle hh;
};

struct rates {
	struct bucket *buckets; /* uthash by client_key */
	uint64_t version;       /* of the catalog followed; 0: none */
};

struct rates *rates_new(void)
{
	return mem_zalloc(1, sizeof(struct rates));
}

static void remove_bucket(struct rates *rates, struct bucket *bucket)
{
	HASH_DEL(rates->buckets, bucket);
	free(bucket->client_key);
	free(bucket);
}

void rates_free(struct rates *rates)
{
	struct bucket *bucket, *next;

	HASH_ITER(hh, rates->buckets, bucket, next)
	remove_bucket(rates, bucket);
	free(rates);
}

static struct bucket *find(const struct rates *rates, const struct key *key)
{
	struct bucket *bucket;

	HASH_FIND(hh, rates->buckets, key->client_key.at, key->client_key.len, bucket);
	return bucket;
}

static double capacity(double per_second)
{
	return per_second > 1 ? per_second : 1;
}

static struct bucket *add_bucket(struct rates *rates, const struct key *key)
{
	struct bucket *bucket = mem_zalloc(1, sizeof(*bucket));

	bucket->client_key = mem_copy(key->client_key.at, key->client_key.len);
	bucket->held = capacity(key->rate);
	HASH_ADD_KEYPTR(
		hh, rates->buckets, bucket->client_key, key->client_key.len, bucket);
	return bucket;
}

void rates_follow(struct rates *rates, const struct snapshot *snapshot)
{
	struct bucket *bucket, *next;

	if (rates->version == snapshot->version)
		return;
	rates->version = snapshot->version;
	for (const struct key *key = snapshot->keys; key; key = key->hh.next) {
		if (key->rate == 0)
			continue;
		bucket = find(rates, key);
		if (!bucket)
			bucket = add_bucket(rates, key);
		bucket->per_second = key->rate;
		bucket->wanted_by = snapshot->version;
	}
	HASH_ITER(hh, rates->buckets, bucket, next)
	{
		if (bucket->wanted_by != snapshot->version)
			remove_bucket(rates, bucket);
	}
}

static void fill(struct bucket *bucket, uint64_t now)
{
	double full = capacity(bucket->per_second);

	if (now <= bucket->filled)
		return;
	if (bucket->filled)
		bucket->held += (double)(now - bucket->filled) / (double)NS_PER_SEC *
				bucket->per_second;
	if (bucket->held > full)
		bucket->held = full;
	bucket->filled = now;
}

uint64_t rates_take(struct rates *rates, const struct key *key, uint64_t now)
{
	struct bucket *bucket = key->rate > 0 ? find(rates, key) : NULL;
	double seconds;
	uint64_t whole;

	if (!bucket)
		return 0;
	fill(bucket, now);
	if (bucket->held >= 1 - ROUNDING) {
		bucket->held -= 1;
		return 0;
	}
	seconds = (1 - bucket->held) / bucket->per_second;
	whole = (uint64_t)seconds;
	return (double)whole < seconds ? whole + 1 : whole;
}

size_t rates_count(const struct rates *rates)
{
	return HASH_COUNT(rates->buckets);
}
