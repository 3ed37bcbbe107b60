/*
 * test_loader.c - a project folder read in steps: their order, their end at any point, and what
 * of a half decides whether its pool may go on.
 */
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

#include "base/mem.h"
#include "catalog/loader.h"
#include "certificates.h"
#include "folder.h"
#include "loop/tls_store.h"

#define SET(account) "type: REDIS, action: SET, serviceAccountId: " account ", "

/* Both events use the account; the timeouts are the first one's and the second one's. */
static void write_project(const char *first, const char *second)
{
	char text[1000];

	write_file("volley.yaml", TEXT("{}\n"), 0644);
	write_file("accounts/r.yaml",
		TEXT("id: r\ntype: REDIS\nlive: {url: \"redis://127.0.0.1\"}\n"
		     "test: {url: \"redis://127.0.0.1/1\"}\n"),
		0644);
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text),
			"id: event%d\nmodel: {id: String!}\nfilters:\n"
			"- {id: f, actions: [{id: x, " SET(
				"r") "timeout: %s, template: {key: \"{id}\", value: "
				     "v}}]}\n",
			i, i ? second : first);
		write_file(i ? "events/event1.yaml" : "events/event0.yaml", text_of(text),
			0644);
	}
	write_file("keys.yaml", TEXT("keys: []\n"), 0600);
}

static int setup(void **state)
{
	new_folder();
	write_project("20s", "30s");
	return 0;
}

static int teardown(void **state)
{
	unsetenv(X509_get_default_cert_file_env());
	remove_folder();
	tls_drop_cache();
	arena_drop_cache();
	return 0;
}

/* Loads the folder; how many steps that took is in *steps. NULL: there was an error. */
static struct snapshot *load(struct arena *arena, size_t *steps)
{
	struct diag *diag = diag_new(arena);
	struct loader *loader = loader_new(settings_path(), arena, diag);

	*steps = 1;
	while (loader_step(loader))
		++*steps;
	return loader_finish(loader);
}

static void test_steps(void **state)
{
	struct arena *arena = arena_new();
	struct snapshot *snapshot, *next;
	size_t steps, more, alive = snapshot_alive(), memory = arena_total_lasting();

	snapshot = load(arena, &steps);
	assert_non_null(snapshot);
	assert_int_equal(snapshot->event_count, 2);
	assert_int_equal(snapshot_alive(), alive + 1);
	write_file("events/more.yaml", TEXT("id: more\n"), 0644);
	next = load(arena, &more);
	assert_non_null(next);
	assert_int_equal(more, steps + 2); /* read, compiled */
	assert_int_equal(next->version, snapshot->version + 1);
	assert_int_equal(snapshot_alive(), alive + 2);
	snapshot_release(snapshot);
	snapshot_release(next);
	assert_int_equal(snapshot_alive(), alive);
	assert_int_equal(arena_total_lasting(), memory);
	arena_free(arena);
}

/* Whatever was read is freed, and the next one is not disturbed. */
static void test_cancelled_anywhere(void **state)
{
	size_t steps, memory;
	struct arena *arena = arena_new();

	snapshot_release(load(arena, &steps));
	memory = arena_total_lasting();
	for (size_t stop = 0; stop < steps; stop++) {
		struct loader *loader = loader_new(settings_path(), arena, diag_new(arena));

		for (size_t i = 0; i < stop; i++)
			assert_true(loader_step(loader));
		if (stop % 2)
			loader_cancel(loader);
		else
			assert_null(loader_finish(loader)); /* there was more to do */
		assert_int_equal(arena_total_lasting(), memory);
	}
	arena_free(arena);
}

/* Too much for one step of freeing: cancelled in the middle of it, too. */
static void test_cancelled_while_it_is_freed(void **state)
{
	enum { FILES = 80, SIZE = 60000 };
	struct arena *arena = arena_new();
	size_t steps, memory = arena_total_lasting();
	char name[64], *text = mem_alloc(SIZE);
	int len = snprintf(text, SIZE, "broken: 1\nname: \"%0*d\"\n", SIZE - 100, 0);

	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "events/broken%d.yaml", i);
		write_file(name, (struct text){ text, (size_t)len }, 0644);
	}
	assert_null(load(arena, &steps));
	for (size_t stop = steps - 5; stop < steps; stop++) {
		struct loader *loader = loader_new(settings_path(), arena, diag_new(arena));

		for (size_t i = 0; i < stop; i++)
			assert_true(loader_step(loader));
		loader_cancel(loader);
		assert_int_equal(arena_total_lasting(), memory);
	}
	free(text);
	arena_free(arena);
}

static void test_errors_leave_nothing(void **state)
{
	struct arena *arena = arena_new();
	size_t steps, memory = arena_total_lasting(), alive = snapshot_alive();

	write_file("events/broken.yaml", TEXT("id: broken\nfiltres: []\n"), 0644);
	assert_null(load(arena, &steps));
	assert_true(unlink(settings_path()) == 0);
	assert_null(load(arena, &steps));
	assert_int_equal(steps, 1);
	assert_int_equal(arena_total_lasting(), memory);
	assert_int_equal(snapshot_alive(), alive);
	arena_free(arena);
}

static void test_compare(void **state)
{
	struct arena *arena = arena_new();
	struct snapshot *old, *next;
	struct snapshot_change change;
	size_t steps;

	old = load(arena, &steps);
	write_file("events/event1.yaml", TEXT("id: event1\n"), 0644);
	write_file("events/event2.yaml", TEXT("id: event2\n"), 0644);
	write_file("events/event3.yaml", TEXT("id: event3\n"), 0644);
	write_file("accounts/new.yaml",
		TEXT("id: new\ntype: REDIS\nlive: {url: \"redis://127.0.0.1\"}\n"), 0644);
	next = load(arena, &steps);
	change = snapshot_compare(old, next);
	assert_int_equal(change.events.added, 2);
	assert_int_equal(change.events.changed, 1);
	assert_int_equal(change.events.removed, 0);
	assert_int_equal(change.accounts.added, 1);
	assert_int_equal(change.accounts.changed, 1); /* the timeout of event1 is gone */
	change = snapshot_compare(next, old);
	assert_int_equal(change.events.removed, 2);
	assert_int_equal(change.accounts.removed, 1);
	change = snapshot_compare(next, next);
	assert_int_equal(change.events.changed + change.accounts.changed, 0);
	snapshot_release(old);
	snapshot_release(next);
	arena_free(arena);
}

static uint64_t fingerprint(struct arena *arena)
{
	size_t steps;
	struct snapshot *snapshot = load(arena, &steps);
	uint64_t found;

	assert_non_null(snapshot);
	found = snapshot->accounts->half[ENV_LIVE].fingerprint;
	snapshot_release(snapshot);
	return found;
}

/* The longest counts, wherever it stands. */
static void test_timeouts(void **state)
{
	struct arena *arena = arena_new();
	uint64_t before = fingerprint(arena);

	assert_true(fingerprint(arena) == before);
	write_project("30s", "20s");
	assert_true(fingerprint(arena) == before);
	write_project("30s", "25s");
	assert_true(fingerprint(arena) == before);
	write_project("30s", "31s");
	assert_true(fingerprint(arena) != before);
	arena_free(arena);
}

/* A half's settings live on without the snapshot that brought them. */
static void test_half_settings(void **state)
{
	struct arena *arena = arena_new();
	size_t steps, memory = arena_total_lasting();
	struct snapshot *snapshot = load(arena, &steps);
	struct half_settings *settings = half_settings_hold(
		snapshot->accounts->half[ENV_LIVE].settings);

	snapshot_release(snapshot);
	assert_true(text_is(settings->account, "r"));
	half_settings_release(settings);
	assert_int_equal(arena_total_lasting(), memory);
	arena_free(arena);
}

/* ---- the system's certificates ---------------------------------------------------------- */

static char bundle[300];

/* An account that trusts the system, whose bundle has so many certificates. */
static void trust_system(int certificates)
{
	FILE *all;

	write_file("accounts/r.yaml",
		TEXT("id: r\ntype: REDIS\nlive: {url: \"rediss://redis.test\"}\n"), 0644);
	snprintf(bundle, sizeof(bundle), "%s/bundle.pem", folder);
	all = fopen(bundle, "w");
	assert_non_null(all);
	for (int i = 0; i < certificates; i++) {
		struct identity ca = identity_new(NULL, 3600, NULL);

		assert_int_equal(PEM_write_X509(all, ca.certificate), 1);
		identity_free(&ca);
	}
	fclose(all);
	setenv(X509_get_default_cert_file_env(), bundle, 1);
}

static void test_the_store_is_filled_in_steps(void **state)
{
	struct arena *arena = arena_new();
	size_t before, first, again;
	struct snapshot *one, *two;

	snapshot_release(load(arena, &before));
	trust_system(17);
	one = load(arena, &first);
	assert_non_null(one);
	assert_true(first >= before + 4); /* some certificates in each */
	two = load(arena, &again);
	assert_int_equal(again, before); /* it is there */
	assert_true(one->accounts->half[ENV_LIVE].fingerprint ==
		    two->accounts->half[ENV_LIVE].fingerprint);
	snapshot_release(two);
	trust_system(9);
	two = load(arena, &again);
	assert_true(again > before && again < first);
	assert_true(one->accounts->half[ENV_LIVE].fingerprint !=
		    two->accounts->half[ENV_LIVE].fingerprint);
	snapshot_release(one);
	snapshot_release(two);
	arena_free(arena);
}

static void test_a_store_that_was_not_filled(void **state)
{
	struct arena *arena = arena_new();
	struct loader *loader;
	size_t steps, again;

	trust_system(17);
	snapshot_release(load(arena, &steps));
	tls_drop_cache();
	loader = loader_new(settings_path(), arena, diag_new(arena));
	for (size_t i = 0; i < steps - 2; i++)
		assert_true(loader_step(loader));
	loader_cancel(loader);
	snapshot_release(load(arena, &again));
	assert_int_equal(again, steps);
	arena_free(arena);
}

static void test_a_broken_bundle(void **state)
{
	struct arena *arena = arena_new();
	struct diag *diag = diag_new(arena);
	FILE *all;

	trust_system(5);
	all = fopen(bundle, "a");
	fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", all);
	fclose(all);
	for (int i = 0; i < 2; i++) /* also when it is asked again */
		assert_null(snapshot_load(settings_path(), arena, diag));
	assert_int_equal(diag_errors(diag), 2);
	assert_non_null(strstr(diag_message(diag, 0)->text, "certificate 6 is broken"));
	assert_non_null(strstr(diag_message(diag, 0)->hint, "tls: {ca: FILE}"));
	arena_free(arena);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_steps),
		CASE(test_cancelled_anywhere),
		CASE(test_cancelled_while_it_is_freed),
		CASE(test_errors_leave_nothing),
		CASE(test_compare),
		CASE(test_timeouts),
		CASE(test_half_settings),
		CASE(test_the_store_is_filled_in_steps),
		CASE(test_a_store_that_was_not_filled),
		CASE(test_a_broken_bundle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
