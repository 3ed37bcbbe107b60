/*
 * test_rate.c - front/rate: what a key's bucket gives, and what it keeps over catalogs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "front/rate.h"

#define START (1000 * NS_PER_SEC)

/* A catalog of keys "a", "b", ... with these rates, in force as that version. */
struct catalog {
	struct snapshot snapshot;
	struct key keys[3];
};

static void follow(struct rates *rates, struct catalog *catalog, uint64_t version,
	const double *per_second, size_t count)
{
	static const char *const names[] = { "a", "b", "c" };

	*catalog = (struct catalog){ .snapshot = { .version = version } };
	for (size_t i = 0; i < count; i++) {
		struct key *key = &catalog->keys[i];

		key->client_key = text_of(names[i]);
		key->rate = per_second[i];
		HASH_ADD_KEYPTR(hh, catalog->snapshot.keys, key->client_key.at, 1, key);
	}
	rates_follow(rates, &catalog->snapshot);
	HASH_CLEAR(hh, catalog->snapshot.keys);
}

/* How many of that many requests at one time are let through. */
static unsigned through(
	struct rates *rates, const struct key *key, unsigned count, uint64_t now)
{
	unsigned passed = 0;

	while (count--)
		passed += rates_take(rates, key, now) == 0;
	return passed;
}

static void a_bucket_holds_one_second(void **state)
{
	struct rates *rates = rates_new();
	struct catalog catalog;
	const struct key *key = &catalog.keys[0];

	follow(rates, &catalog, 1, (double[]){ 10 }, 1);
	assert_int_equal(through(rates, key, 50, START), 10);
	assert_int_equal(through(rates, key, 50, START + NS_PER_SEC / 2), 5);
	assert_int_equal(through(rates, key, 50, START + NS_PER_SEC), 5);
	assert_int_equal(through(rates, key, 50, START + 3600 * NS_PER_SEC), 10);
	/* An earlier time than the last one fills nothing, neither now nor later. */
	assert_int_equal(through(rates, key, 50, START), 0);
	assert_int_equal(through(rates, key, 50, START + 3600 * NS_PER_SEC), 0);
	rates_free(rates);
}

static void a_slow_rate_gives_one_at_a_time(void **state)
{
	struct rates *rates = rates_new();
	struct catalog catalog;
	const struct key *key = &catalog.keys[0];
	uint64_t now = START;

	follow(rates, &catalog, 1, (double[]){ 30.0 / 60 }, 1);
	assert_int_equal(rates_take(rates, key, now), 0);
	assert_int_equal(rates_take(rates, key, now), 2);
	assert_int_equal(rates_take(rates, key, now + NS_PER_SEC / 2), 2);
	assert_int_equal(rates_take(rates, key, now + NS_PER_SEC), 1);
	assert_int_equal(rates_take(rates, key, now + NS_PER_SEC * 19 / 10), 1);
	assert_int_equal(rates_take(rates, key, now + 2 * NS_PER_SEC), 0);
	rates_free(rates);
}

/* Over a long time, as many as the rate says, however often one asks in between. */
static void the_promised_time_is_enough(void **state)
{
	static const double rates_tried[] = { 3, 7, 100, 1.0 / 3, 90.0 / 60, 5.0 / 3600 };

	for (size_t i = 0; i < array_len(rates_tried); i++) {
		struct rates *rates = rates_new();
		struct catalog catalog;
		uint64_t now = START;

		follow(rates, &catalog, 1, &rates_tried[i], 1);
		(void)through(rates, &catalog.keys[0], 200, now);
		for (int round = 0; round < 200; round++) {
			uint64_t wait = rates_take(rates, &catalog.keys[0], now);

			while (wait == 0)
				wait = rates_take(rates, &catalog.keys[0], now);
			assert_true(wait >= 1 && wait <= 720);
			for (uint64_t tenth = 1; tenth < 10; tenth++)
				assert_int_equal(
					through(rates, &catalog.keys[0], 1,
						now + (wait - 1) * NS_PER_SEC * tenth / 10),
					0);
			now += wait * NS_PER_SEC;
			assert_int_equal(rates_take(rates, &catalog.keys[0], now), 0);
		}
		rates_free(rates);
	}
}

static void keys_have_buckets_of_their_own(void **state)
{
	struct rates *rates = rates_new();
	struct catalog catalog;

	follow(rates, &catalog, 1, (double[]){ 5, 0, 8 }, 3);
	assert_int_equal(rates_count(rates), 2);
	assert_int_equal(through(rates, &catalog.keys[0], 100, START), 5);
	assert_int_equal(through(rates, &catalog.keys[1], 100, START), 100);
	assert_int_equal(through(rates, &catalog.keys[2], 100, START), 8);
	rates_free(rates);
}

static void a_bucket_outlives_its_catalog(void **state)
{
	struct rates *rates = rates_new();
	struct catalog catalog;
	const struct key *key = &catalog.keys[0];

	follow(rates, &catalog, 1, (double[]){ 10, 10 }, 2);
	assert_int_equal(through(rates, key, 100, START), 10);
	follow(rates, &catalog, 2, (double[]){ 10 }, 1);
	assert_int_equal(rates_count(rates), 1);
	assert_int_equal(through(rates, key, 100, START), 0);
	/* Another rate: what the bucket holds stays, and what it can hold is the new one's. */
	follow(rates, &catalog, 3, (double[]){ 100 }, 1);
	assert_int_equal(through(rates, key, 100, START + NS_PER_SEC / 10), 10);
	assert_int_equal(through(rates, key, 1, START + 100 * NS_PER_SEC), 1);
	follow(rates, &catalog, 4, (double[]){ 2 }, 1);
	assert_int_equal(through(rates, key, 100, START + 101 * NS_PER_SEC), 2);
	/* Gone for one catalog is gone: it begins full. */
	follow(rates, &catalog, 5, (double[]){ 0 }, 1);
	assert_int_equal(rates_count(rates), 0);
	assert_int_equal(through(rates, key, 100, START + 101 * NS_PER_SEC), 100);
	follow(rates, &catalog, 6, (double[]){ 3 }, 1);
	assert_int_equal(through(rates, key, 100, START + 101 * NS_PER_SEC), 3);
	rates_free(rates);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_holds_one_second),
		cmocka_unit_test(a_slow_rate_gives_one_at_a_time),
		cmocka_unit_test(the_promised_time_is_enough),
		cmocka_unit_test(keys_have_buckets_of_their_own),
		cmocka_unit_test(a_bucket_outlives_its_catalog),
	};

	return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
