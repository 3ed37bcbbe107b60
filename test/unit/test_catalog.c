/*
 * test_catalog.c - whole project folders: what loads, and what each mistake says and where.
 *
 * The table test/vectors/catalog.json holds folders as text; each is written to a temporary
 * folder, loaded, and its messages compared with place, text and hint.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "catalog/snapshot.h"
#include "certificates.h"
#include "folder.h"
#include "value/json.h"

/* ---- the table ------------------------------------------------------------------------ */

static struct text lines_text(const struct value *lines, struct arena *arena)
{
	struct strbuf out;

	strbuf_init_arena(&out, arena, 1 << 20);
	for (size_t i = 0; i < lines->array.count; i++) {
		strbuf_text(&out, lines->array.items[i].text);
		if (i + 1 < lines->array.count)
			strbuf_char(&out, '\n');
	}
	return strbuf_get(&out);
}

static void write_files(
	const struct value *files, const struct value *modes, struct arena *arena)
{
	for (size_t i = 0; i < files->object.count; i++) {
		const struct member *file = &files->object.members[i];
		const struct value *mode = value_get(modes, file->name);

		write_file(arena_text(arena, file->name).at,
			lines_text(&file->value, arena),
			mode ? (mode_t)strtoul(arena_text(arena, mode->text).at, NULL, 8)
			     : 0600);
	}
}

static struct text member_text(const struct value *v, const char *name)
{
	const struct value *member = value_get(v, text_of(name));

	return member ? member->text : (struct text){ "", 0 };
}

static const char *place_text(struct place place, struct arena *arena)
{
	unsigned line, column;

	if (!place.source)
		return "";
	place_line_column(place, &line, &column);
	return arena_printf(arena, "%s:%u:%u", place.source->name, line, column);
}

static bool holds(const char *text, struct text part)
{
	return part.len == 0 || (text && memmem(text, strlen(text), part.at, part.len));
}

/* An expected place may leave its end open ("a.yaml:3:"). */
static bool place_fits(const char *place, struct text expected)
{
	if (expected.len && expected.at[expected.len - 1] == ':')
		return strncmp(place, expected.at, expected.len) == 0;
	return text_is(expected, place);
}

static bool fits(
	const struct diag_message *m, const struct value *expected, struct arena *arena)
{
	bool warning = value_get(expected, TEXT("warning")) != NULL;
	struct text note = member_text(expected, "note");

	return m->is_error != warning &&
	       place_fits(place_text(m->place, arena), member_text(expected, "at")) &&
	       holds(m->text, member_text(expected, "message")) &&
	       holds(m->hint, member_text(expected, "hint")) &&
	       (!note.len || text_is(note, place_text(m->note_place, arena)));
}

/* Each expected message is there, and no other error. Returns what is wrong, or NULL. */
static const char *compare(
	const struct diag *diag, const struct value *expect, struct arena *arena)
{
	size_t errors = 0, warnings = 0;

	for (size_t i = 0; i < expect->array.count; i++) {
		const struct value *expected = &expect->array.items[i];
		bool found = false;

		errors += value_get(expected, TEXT("warning")) == NULL;
		warnings += value_get(expected, TEXT("warning")) != NULL;
		for (size_t j = 0; j < diag_count(diag); j++)
			found = found || fits(diag_message(diag, j), expected, arena);
		if (!found)
			return arena_printf(arena, "not found: %.*s %.*s",
				TEXT_ARG(member_text(expected, "at")),
				TEXT_ARG(member_text(expected, "message")));
	}
	if (diag_errors(diag) != errors)
		return arena_printf(
			arena, "%zu errors, not %zu", diag_errors(diag), errors);
	if (diag_warnings(diag) != warnings)
		return arena_printf(
			arena, "%zu warnings, not %zu", diag_warnings(diag), warnings);
	return NULL;
}

static bool run_case(const struct value *base, const struct value *test)
{
	struct arena *arena = arena_new();
	struct diag *diag = diag_new(arena);
	struct snapshot *snapshot;
	const char *wrong;

	new_folder();
	write_files(base, NULL, arena);
	write_files(value_get(test, TEXT("files")), value_get(test, TEXT("modes")), arena);
	snapshot = snapshot_load(settings_path(), arena, diag);
	wrong = compare(diag, value_get(test, TEXT("expect")), arena);
	if (!wrong && (snapshot == NULL) != (diag_errors(diag) > 0))
		wrong = "loaded in spite of errors, or not without one";
	if (wrong) {
		fprintf(stderr, "--- %.*s: %s\n", TEXT_ARG(member_text(test, "name")),
			wrong);
		diag_print(diag, stderr);
	}
	snapshot_release(snapshot);
	remove_folder();
	arena_free(arena);
	return wrong == NULL;
}

static void test_table(void **state)
{
	struct arena *arena = arena_new();
	struct json_error error = { 0, "" };
	struct errbuf reason = { "" };
	const struct value *table, *cases;
	size_t wrong = 0, broken = 0;
	struct text text;

	if (!file_read(arena, "test/vectors/catalog.json", 1 << 20, &text, &reason))
		fail_msg("%s", reason.text);
	table = json_parse(arena, text, JSON_MAX_DEPTH, &error);
	if (!table)
		fail_msg("catalog.json: byte %zu: %s", error.offset, error.message);
	cases = value_get(table, TEXT("cases"));
	for (size_t i = 0; i < cases->array.count; i++) {
		const struct value *test = value_at(cases, i);

		broken += value_get(test, TEXT("expect"))->array.count > 0;
		wrong += !run_case(value_get(table, TEXT("base")), test);
	}
	assert_true(broken >= 60);
	assert_int_equal(wrong, 0);
	arena_free(arena);
}

/* ---- what a snapshot holds ------------------------------------------------------------ */

static const char example[] =
	"id: customer.new-customer\n"
	"eventGroup: customer\n"
	"modelPolicy: strict\n"
	"model: { id: String!, n: Number }\n"
	"filters:\n"
	"  - id: first\n"
	"    condition: n > 1\n"
	"    actions:\n"
	"      - { id: s, type: REDIS, action: SET, serviceAccountId: core-redis,\n"
	"          template: { key: \"k:{id}\", value: v }, timeout: 3s, async: true }\n"
	"      - { id: off, type: LOG, action: WRITE, enabled: false, template: { message: "
	"m } }\n"
	"      - { id: m, name: \"a \\\"b\\\"\", type: SLACK, action: WEBHOOK,\n"
	"          serviceAccountId: slack, template: { url: \"https://x\", text: \"{id}\" "
	"} }\n"
	"  - id: second\n"
	"    condition: \"\"\n"
	"    actions:\n"
	"      - { id: t, type: REDIS, action: SET, serviceAccountId: core-redis,\n"
	"          template: { key: k, value: v } }\n";

static const char account[] = "id: core-redis\n"
			      "type: REDIS\n"
			      "live: { url: \"redis://:${VOLLEY_TEST_PW}@127.0.0.1\", "
			      "pool: { timeout: 7s, queue: 3 } }\n"
			      "test: { url: \"redis://127.0.0.1:6379/1\" }\n";

static const char keys[] =
	"keys:\n"
	"  - name: all\n"
	"    environment: live\n"
	"    clientKey: vk_live_1\n"
	"    secretHash: sha256:"
	"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"
	"  - name: some\n"
	"    environment: test\n"
	"    clientKey: vk_test_1\n"
	"    secretHash: sha256:"
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
	"    events: [customer.new-customer]\n";

static struct snapshot *load(struct arena *arena)
{
	struct diag *diag = diag_new(arena);
	struct snapshot *snapshot = snapshot_load(settings_path(), arena, diag);

	if (!snapshot)
		diag_print(diag, stderr);
	assert_non_null(snapshot);
	return snapshot;
}

static void write_example(void)
{
	new_folder();
	write_file("volley.yaml", TEXT("pool: { timeout: 9s }\n"), 0644);
	write_file("events/customer.new-customer.yaml", text_of(example), 0644);
	write_file("accounts/core-redis.yaml", text_of(account), 0644);
	write_file("keys.yaml", text_of(keys), 0600);
	setenv("VOLLEY_TEST_PW", "a:b@c", 1);
}

static void test_example(void **state)
{
	struct arena *arena = arena_new();
	const struct event_def *event;
	const struct action *action;
	struct snapshot *snapshot;

	write_example();
	snapshot = load(arena);
	event = snapshot_event(snapshot, TEXT("customer.new-customer"));
	assert_non_null(event);
	assert_null(snapshot_event(snapshot, TEXT("customer")));
	assert_null(snapshot_event(snapshot, (struct text){ NULL, 0 }));
	assert_true(event->strict);
	assert_int_equal(event->filter_count, 2);
	assert_int_equal(event->action_count, 3);
	assert_non_null(event->filters[0].condition);
	assert_true(text_is(event->filters[0].condition_text, "n > 1"));
	assert_null(event->filters[1].condition);
	assert_non_null(event->filters[1].condition_text.at);
	action = &event->filters[0].actions[0];
	assert_true(action->async);
	assert_non_null(action->plan);
	assert_int_equal(action->timeout[ENV_LIVE], 3 * NS_PER_SEC);
	assert_true(text_is(action->reply_fragment,
		"{\"id\":\"s\",\"name\":\"s\",\"serviceAccountId\":\"core-redis\","
		"\"serviceAction\":\"SET\"}"));
	action = &event->filters[0].actions[1];
	assert_null(action->plan);
	assert_null(action->account);
	assert_true(text_is(action->reply_fragment,
		"{\"id\":\"m\",\"name\":\"a \\\"b\\\"\",\"serviceAccountId\":\"slack\","
		"\"serviceAction\":\"INCOMING_WEBHOOK\"}"));
	action = &event->filters[1].actions[0];
	assert_int_equal(action->timeout[ENV_LIVE], 7 * NS_PER_SEC);
	assert_int_equal(action->timeout[ENV_TEST], 9 * NS_PER_SEC);
	assert_true(action->account->used);
	assert_int_equal(action->account->half[ENV_LIVE].pool.queue, 3);
	snapshot_release(snapshot);
	remove_folder();
	arena_free(arena);
}

static void test_references(void **state)
{
	struct arena *arena = arena_new();
	struct snapshot *one, *two;

	write_example();
	one = load(arena);
	two = load(arena);
	assert_int_equal(two->version, one->version + 1);
	assert_true(one->accounts->half[ENV_LIVE].fingerprint ==
		    two->accounts->half[ENV_LIVE].fingerprint);
	snapshot_release(two);
	setenv("VOLLEY_TEST_PW", "other", 1);
	two = load(arena);
	assert_true(one->accounts->half[ENV_LIVE].fingerprint !=
		    two->accounts->half[ENV_LIVE].fingerprint);
	assert_true(one->accounts->half[ENV_TEST].fingerprint ==
		    two->accounts->half[ENV_TEST].fingerprint);
	assert_ptr_equal(snapshot_hold(one), one);
	snapshot_release(one);
	assert_non_null(snapshot_event(one, TEXT("customer.new-customer")));
	snapshot_release(one);
	snapshot_release(two);
	snapshot_release(NULL);
	remove_folder();
	arena_free(arena);
}

static const struct account_half *half_of(
	const struct snapshot *snapshot, enum environment environment)
{
	const struct service_account *found;

	HASH_FIND(hh, snapshot->accounts, "tls", 3, found);
	assert_non_null(found);
	return &found->half[environment];
}

/* A certificate that was replaced needs new connections, though no YAML has changed. */
static void test_files_of_an_account(void **state)
{
	struct arena *arena = arena_new();
	struct identity ca = identity_new(NULL, 3600, NULL);
	struct snapshot *one, *two;
	char path[256];

	write_example();
	write_file("accounts/tls.yaml",
		TEXT("id: tls\ntype: REDIS\n"
		     "live: {url: \"rediss://redis.local\", tls: {ca: ca.pem}}\n"
		     "test: {url: \"redis://redis.local\"}\n"),
		0644);
	snprintf(path, sizeof(path), "%s/ca.pem", folder);
	write_certificate(path, ca.certificate);
	one = load(arena);
	two = load(arena);
	assert_true(
		half_of(one, ENV_LIVE)->fingerprint == half_of(two, ENV_LIVE)->fingerprint);
	snapshot_release(two);
	write_certificate(path, ca.certificate);
	two = load(arena);
	assert_true(
		half_of(one, ENV_LIVE)->fingerprint != half_of(two, ENV_LIVE)->fingerprint);
	assert_true(
		half_of(one, ENV_TEST)->fingerprint == half_of(two, ENV_TEST)->fingerprint);
	snapshot_release(one);
	snapshot_release(two);
	identity_free(&ca);
	remove_folder();
	arena_free(arena);
}

static void test_keys(void **state)
{
	struct arena *arena = arena_new();
	const struct key *all, *some;
	struct snapshot *snapshot;

	write_example();
	snapshot = load(arena);
	all = snapshot_key(snapshot, TEXT("vk_live_1"));
	some = snapshot_key(snapshot, TEXT("vk_test_1"));
	assert_non_null(all);
	assert_non_null(some);
	assert_null(snapshot_key(snapshot, TEXT("vk_test_2")));
	assert_int_equal(all->environment, ENV_LIVE);
	assert_int_equal(some->environment, ENV_TEST);
	assert_true(key_matches(all, TEXT("abc")));
	assert_false(key_matches(all, TEXT("abd")));
	assert_false(key_matches(NULL, TEXT("abc")));
	assert_true(key_matches(some, (struct text){ NULL, 0 }));
	assert_true(key_allows(all, TEXT("any")));
	assert_true(key_allows(some, TEXT("customer.new-customer")));
	assert_false(key_allows(some, TEXT("customer")));
	snapshot_release(snapshot);
	remove_folder();
	arena_free(arena);
}

/* The message about an account never shows its password. */
static void test_secrets_are_blanked(void **state)
{
	struct arena *arena = arena_new();
	struct diag *diag = diag_new(arena);
	char *printed = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size);

	new_folder();
	write_file("volley.yaml", TEXT("{}"), 0644);
	write_file("accounts/a.yaml",
		TEXT("id: a\ntype: REDIS\nlive: { url: \"redis://:geheim@127.0.0.1\", x: 1 "
		     "}\n"
		     "test: { url: \"redis://127.0.0.1\", password: \"geh\\u0065im\", y: 1 "
		     "}\n"),
		0644);
	write_file(
		"accounts/b.yaml", TEXT("id: b\nlive: { password: geheim, x: [ }\n"), 0600);
	assert_null(snapshot_load(settings_path(), arena, diag));
	diag_print(diag, out);
	fclose(out);
	assert_true(diag_errors(diag) >= 4);
	assert_null(strstr(printed, "geh"));
	free(printed);
	remove_folder();
	arena_free(arena);
}

static void test_idle(void **state)
{
	struct arena *arena = arena_new();
	struct snapshot *snapshot;

	new_folder();
	write_file("volley.yaml",
		TEXT("retry: { within: 2h }\nlimits: { triggerDepth: 2 }\n"), 0644);
	write_file("events/a.yaml",
		TEXT("id: a\nfilters: [{ id: f, actions: [{ id: x, type: LOG, action: "
		     "WRITE,\n"
		     "  template: { message: m }, retry: false, onFailure: [{ eventId: a "
		     "}] }] }]\n"),
		0644);
	snapshot = load(arena);
	assert_string_equal(
		snapshot->idle, "limits.triggerDepth, retry (2 files), onFailure");
	snapshot_release(snapshot);
	remove_folder();
	arena_free(arena);
}

static void test_no_folder(void **state)
{
	struct arena *arena = arena_new();
	struct diag *diag = diag_new(arena);

	assert_null(snapshot_load("/nowhere/volley.yaml", arena, diag));
	assert_int_equal(diag_errors(diag), 1);
	arena_free(arena);
}

static int teardown(void **state)
{
	key_cleanup();
	arena_drop_cache();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_files_of_an_account),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_secrets_are_blanked),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_no_folder),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
