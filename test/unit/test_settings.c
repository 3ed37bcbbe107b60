/*
 * test_settings.c - volley.yaml: the documented defaults, listeners, references, secrets, and
 * what is refused because ignoring it would be unsafe.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

#include "base/clock.h"
#include "conf/secret.h"
#include "conf/settings.h"
#include "conf/substitute.h"

static char folder[] = "/tmp/volley-settings-XXXXXX";

struct fixture {
	struct arena *arena;
	struct diag *diag;
	const struct volley_settings *s;
};

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	FILE *file = fopen(path_of(name), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path_of(name), mode), 0);
}

static struct fixture load(const char *text)
{
	struct fixture f = { .arena = arena_new() };

	write_file("volley.yaml", text, 0600);
	f.diag = diag_new(f.arena);
	f.s = settings_load(path_of("volley.yaml"), f.arena, f.diag);
	return f;
}

static struct fixture load_good(const char *text)
{
	struct fixture f = load(text);

	if (diag_errors(f.diag))
		diag_print(f.diag, stderr);
	assert_int_equal(diag_errors(f.diag), 0);
	assert_non_null(f.s);
	return f;
}

/* ---- defaults ------------------------------------------------------------------------- */

static void test_defaults(void **state)
{
	struct fixture f = load_good("{}\n");

	assert_string_equal(f.s->folder, folder);
	assert_int_equal(f.s->listen_count, 1);
	assert_string_equal(f.s->listen[0].address, "127.0.0.1:8080");
	assert_int_equal(f.s->route_count, 1);
	assert_string_equal(f.s->routes[0], "/event/");
	assert_string_equal(f.s->namespace, "default");
	assert_int_equal(f.s->respond_timeout, 15 * NS_PER_SEC);
	assert_int_equal(f.s->shutdown_timeout, 30 * NS_PER_SEC);
	assert_int_equal(f.s->journal_engine, 0);
	assert_int_equal(f.s->runs.keep, 10000);
	assert_int_equal(f.s->runs.keep_for, 86400 * NS_PER_SEC);
	assert_int_equal(f.s->reply_detail, 0);
	assert_int_equal(f.s->log_level, LOG_INFO);
	assert_int_equal(f.s->log_format, LOG_LOGFMT);
	assert_null(f.s->idle);
	arena_free(f.arena);
}

static void test_default_groups(void **state)
{
	struct fixture f = load_good("");
	const struct settings_limits *l = &f.s->limits;

	assert_int_equal(l->connections, 10000);
	assert_int_equal(l->inflight, 10000);
	assert_int_equal(l->memory, 256 << 20);
	assert_int_equal(l->body, 1 << 20);
	assert_int_equal(l->head, 16 << 10);
	assert_int_equal(l->headers, 100);
	assert_int_equal(l->depth, 64);
	assert_int_equal(l->pipeline, 100);
	assert_int_equal(l->request, 4 << 20);
	assert_int_equal(l->head_timeout, 10 * NS_PER_SEC);
	assert_int_equal(l->body_timeout, 30 * NS_PER_SEC);
	assert_int_equal(l->reply_timeout, 30 * NS_PER_SEC);
	assert_int_equal(l->idle_timeout, 75 * NS_PER_SEC);
	assert_int_equal(l->trigger_depth, 8);
	assert_int_equal(f.s->pool.connections, 0);
	assert_int_equal(f.s->pool.queue, 10000);
	assert_int_equal(f.s->pool.connect_timeout, 5 * NS_PER_SEC);
	assert_int_equal(f.s->pool.timeout, 10 * NS_PER_SEC);
	assert_int_equal(f.s->pool.idle_timeout, 300 * NS_PER_SEC);
	assert_int_equal(f.s->pool.response_limit, 1 << 20);
	assert_int_equal(f.s->breaker.failures, 5);
	assert_int_equal(f.s->breaker.open, 10 * NS_PER_SEC);
	assert_true(f.s->retry.enabled);
	assert_int_equal(f.s->retry.within, 3600 * NS_PER_SEC);
	assert_int_equal(f.s->retry.attempts, 100);
	arena_free(f.arena);
}

/* ---- values --------------------------------------------------------------------------- */

static void test_listen(void **state)
{
	struct fixture f = load_good("listen:\n  - 0.0.0.0:80\n  - \"[::]:8080\"\n"
				     "  - unix:run/volley.sock\n  - unix:/run/v.sock\n"
				     "  - { address: \"127.0.0.1:0\", tls: false }\n"
				     "  - 127.0.0.1:0\n");
	char expected[256];

	snprintf(expected, sizeof(expected), "unix:%s/run/volley.sock", folder);
	assert_int_equal(f.s->listen_count, 6);
	assert_string_equal(f.s->listen[0].address, "0.0.0.0:80");
	assert_string_equal(f.s->listen[1].address, "[::]:8080");
	assert_string_equal(f.s->listen[2].address, expected);
	assert_string_equal(f.s->listen[3].address, "unix:/run/v.sock");
	assert_string_equal(f.s->listen[4].address, "127.0.0.1:0");
	arena_free(f.arena);
	f = load_good("listen: unix:a\nroutes: /in/\n");
	assert_int_equal(f.s->listen_count, 1);
	assert_string_equal(f.s->routes[0], "/in/");
	arena_free(f.arena);
}

static void test_listener_tls(void **state)
{
	struct fixture f = load_good(
		"tls: { certificate: c.pem, key: /k.pem, minVersion: 1.3 }\n"
		"listen:\n  - 0.0.0.0:443\n"
		"  - { address: \"0.0.0.0:80\", tls: false }\n"
		"  - { address: \"[::]:443\", tls: true }\n");
	char expected[256];

	snprintf(expected, sizeof(expected), "%s/c.pem", folder);
	assert_string_equal(f.s->tls.certificate, expected);
	assert_string_equal(f.s->tls.key, "/k.pem");
	assert_null(f.s->tls.client_ca);
	assert_int_equal(f.s->tls.min_version, 1);
	assert_true(f.s->listen[0].tls);
	assert_false(f.s->listen[1].tls);
	assert_true(f.s->listen[2].tls);
	arena_free(f.arena);
	f = load_good("tls: { certificate: c.pem, key: k.pem, clientCa: ca/ca.pem }\n");
	snprintf(expected, sizeof(expected), "%s/ca/ca.pem", folder);
	assert_string_equal(f.s->tls.client_ca, expected);
	assert_int_equal(f.s->tls.min_version, 0);
	assert_true(f.s->listen[0].tls); /* of the default listener, too */
	arena_free(f.arena);
	f = load_good("listen: 0.0.0.0:80\n");
	assert_false(f.s->listen[0].tls);
	arena_free(f.arena);
}

static void test_values(void **state)
{
	struct fixture f = load_good(
		"routes: [\"/event/\", \"/reactibehub.io/\"]\n"
		"respondTimeout: 2s\nlimits: { body: 2MiB, depth: 100 }\n"
		"replies: { detail: full }\nlog: { level: debug, format: json }\n"
		"journal: { engine: none }\npool: { connections: 20 }\n");

	assert_int_equal(f.s->route_count, 2);
	assert_string_equal(f.s->routes[1], "/reactibehub.io/");
	assert_int_equal(f.s->respond_timeout, 2 * NS_PER_SEC);
	assert_int_equal(f.s->limits.body, 2 << 20);
	assert_int_equal(f.s->reply_detail, 1);
	assert_int_equal(f.s->log_level, LOG_DEBUG);
	assert_int_equal(f.s->log_format, LOG_JSON);
	assert_int_equal(f.s->pool.connections, 20);
	assert_null(f.s->idle);
	arena_free(f.arena);
}

static void test_idle(void **state)
{
	struct fixture f = load_good(
		"retry: false\nbreaker: { open: 1s }\njournal: { sync: none }\n"
		"admin: { listen: \"unix:run/admin.sock\", hosts: [a.b] }\n"
		"idempotency: { window: 1h }\nlimits: { triggerDepth: 3 }\n");

	assert_string_equal(f.s->idle,
		"breaker, journal.sync, idempotency, limits.triggerDepth, retry");
	assert_false(f.s->retry.enabled);
	assert_int_equal(f.s->admin.host_count, 1);
	arena_free(f.arena);
}

/* ---- references ----------------------------------------------------------------------- */

static void test_references(void **state)
{
	struct fixture f;

	setenv("VOLLEY_TEST_PORT", "8181", 1);
	setenv("VOLLEY_TEST_COUNT", "12", 1);
	write_file("name", "from a file\n\n", 0600);
	f = load_good(
		"listen: 127.0.0.1:${VOLLEY_TEST_PORT}\nnamespace: $${${file:name}}\n"
		"limits: { pipeline: \"${VOLLEY_TEST_COUNT}\" }\nx-mine: ${NOT_THERE}\n");
	assert_string_equal(f.s->listen[0].address, "127.0.0.1:8181");
	assert_string_equal(f.s->namespace, "${from a file\n}");
	assert_int_equal(f.s->limits.pipeline, 12);
	arena_free(f.arena);
}

static void test_reference_lengths(void **state)
{
	assert_int_equal(substitute_reference(TEXT("${A}")), 4);
	assert_int_equal(substitute_reference(TEXT("${A}b}")), 4);
	assert_int_equal(substitute_reference(TEXT("${}")), 3);
	assert_int_equal(substitute_reference(TEXT("${A")), 0);
	assert_int_equal(substitute_reference(TEXT("$A}")), 0);
	assert_int_equal(substitute_reference(TEXT("$")), 0);
}

/* ---- secrets -------------------------------------------------------------------------- */

static bool url_is_literal(const char *url)
{
	struct node scalar = { .kind = NODE_STRING, .text = text_of(url) };

	return secret_literal_in_url(&scalar);
}

static void test_secrets_in_urls(void **state)
{
	assert_true(url_is_literal("redis://:geheim@h:1/0"));
	assert_true(url_is_literal("postgres://u:p@h/db"));
	assert_true(url_is_literal("postgres://u:a${B}@h/db"));
	assert_true(url_is_literal("postgres://u:$${B}@h/db"));
	assert_true(url_is_literal("postgres://h/db?sslmode=x&password=p"));
	assert_true(url_is_literal("host=h password=p"));
	assert_true(url_is_literal("host=h password = 'a b'"));
	assert_true(url_is_literal("password=${A} sslpassword=b"));
	assert_false(url_is_literal("redis://h:1/0"));
	assert_false(url_is_literal("redis://u@h:1/0"));
	assert_false(url_is_literal("redis://u:@h:1/0"));
	assert_false(url_is_literal("redis://:${A}@h:1/0"));
	assert_false(url_is_literal("redis://:${A}${file:b/c@d}@h:1/0"));
	assert_false(url_is_literal("redis://h/a:b@c"));
	assert_false(url_is_literal("host=h password=${A} user=u"));
	assert_false(url_is_literal("host=h password='${A}'"));
	assert_false(url_is_literal("host=h user=password"));
	assert_false(url_is_literal(""));
}

static void test_literal_token(void **state)
{
	struct fixture f;

	write_file("open.yaml", "admin: { token: geheim }\n", 0644);
	f = (struct fixture){ .arena = arena_new() };
	f.diag = diag_new(f.arena);
	f.s = settings_load(path_of("open.yaml"), f.arena, f.diag);
	assert_int_equal(diag_errors(f.diag), 1);
	assert_null(strstr(diag_message(f.diag, 0)->place.source->text.at, "geheim"));
	arena_free(f.arena);
	f = load_good("admin: { token: geheim, listen: \"0.0.0.0:81\" }\n");
	assert_string_equal(f.s->admin.token, "geheim");
	arena_free(f.arena);
}

/* ---- what is refused ------------------------------------------------------------------ */

static void refused(const char *text, const char *message)
{
	struct fixture f = load(text);

	if (diag_errors(f.diag) != 1 || !strstr(diag_message(f.diag, 0)->text, message)) {
		diag_print(f.diag, stderr);
		fail_msg("%s: not '%s'", text, message);
	}
	arena_free(f.arena);
}

/* The file is refused with this message and this hint; NULL: with none. */
static void hinted(const char *text, const char *message, const char *hint)
{
	struct fixture f = load(text);
	const struct diag_message *m;

	assert_int_equal(diag_errors(f.diag), 1);
	m = diag_message(f.diag, 0);
	if (!strstr(m->text, message) || !hint != !m->hint ||
		(hint && !strstr(m->hint, hint))) {
		diag_print(f.diag, stderr);
		fail_msg("%s: not '%s' with '%s'", text, message, hint ? hint : "");
	}
	arena_free(f.arena);
}

static void test_hints(void **state)
{
	setenv("VOLLEY_TEST_ADDRESS", "localhost:81", 1);
	setenv("VOLLEY_TEST_NUMBER", "5", 1);
	hinted("- a", "volley.yaml is a mapping, not a list", NULL);
	hinted("listen 127.0.0.1:80", "volley.yaml is a mapping, not text",
		"is a ':' missing?");
	hinted("12", "volley.yaml is a mapping, not a number", NULL);
	hinted("listen: localhost:8080", "no IP address", "write \"127.0.0.1:8080\"");
	hinted("listen: ':8080'", "no IP address", "write \"0.0.0.0:8080\"");
	hinted("listen: '*:80'", "no IP address", "write \"0.0.0.0:80\"");
	hinted("listen: '::1:80'", "no IP address", "in brackets");
	hinted("listen: a.b:80", "no IP address", "such as");
	hinted("listen: localhost:80a", "no IP address", "such as");
	hinted("listen: 127.0.0.1:65536", "from 0 to 65535", NULL);
	hinted("listen: '[::1]:http'", "from 0 to 65535", NULL);
	hinted("respondTimeout: 5", "a duration", "has a unit: 5s");
	hinted("limits: { body: 1MB }", "a size", "write 1MiB");
	/* What came from the environment is not repeated. */
	hinted("listen: ${VOLLEY_TEST_ADDRESS}", "no IP address", "such as");
	hinted("respondTimeout: ${VOLLEY_TEST_NUMBER}", "a duration", NULL);
}

static void test_refused(void **state)
{
	refused("listen: 8080", "an address with a port");
	refused("listen: localhost:80", "an address with a port");
	refused("listen: 127.1:80", "an address with a port");
	refused("listen: 0x7f000001:80", "an address with a port");
	refused("listen: '::1:80'", "an address with a port");
	refused("listen: '[127.0.0.1]:80'", "an address with a port");
	refused("listen: '127.0.0.1:'", "an address with a port");
	refused("listen: '127.0.0.1:080000'", "an address with a port");
	refused("listen: 127.0.0.1:65536", "an address with a port");
	refused("listen: 'unix:'", "no path");
	refused("listen: "
		"unix:/"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"too long");
	refused("listen: []", "at least 1");
	refused("listen: [unix:a, unix:a]", "stands twice");
	refused("listen: [{ tls: false }]", "needs 'address'");
	refused("listen: [{ adress: a }]", "unknown key 'adress'");
	hinted("listen: [{ address: \"0.0.0.0:443\", tls: true }]",
		"TLS needs a certificate", "beside 'listen'");
	refused("listen: { address: \"0.0.0.0:443\", tls: yes }", "true or false");
	refused("tls: {}", "'tls' needs 'certificate'");
	refused("tls: { certificate: a }", "'tls' needs 'key'");
	refused("tls: { certificate: a, kye: b }", "unknown key 'tls.kye'");
	refused("tls: { certificate: a, key: b, minVersion: 1.1 }", "1.2|1.3");
	refused("tls: { certificate: [a], key: b }", "text, not a list");
	refused("tls: a.pem", "is a mapping");
	refused("journal: { engine: file }", "no journal");
	refused("routes: []", "at least 1");
	refused("routes: [/event]", "begins and ends");
	refused("routes: ['/a b/']", "begins and ends");
	refused("retry: true", "false or a mapping");
	refused("admin: { listen: \"0.0.0.0:1\" }", "admin.token");
	refused("admin: { listen: \"0.0.0.0:1\", token: null }", "needs 'admin.token'");
	refused("admin: { listen: \"0.0.0.0:1\", token: \"${VOLLEY_NOT_THERE}\" }",
		"VOLLEY_NOT_THERE");
	refused("admin: { hosts: [\"a:1\"] }", "a host is a name");
	refused("namespace: ${VOLLEY_NOT_THERE}", "VOLLEY_NOT_THERE");
	refused("namespace: ${a", "begins no reference");
	refused("namespace: ${file:}", "begins no reference");
	refused("namespace: ${file:nowhere}", "nowhere");
	refused("namespace: ${file:../volley-no-such}", "volley-no-such");
	refused("- a", "is a mapping");
	refused("limits: { depth: 0 }", "at least 1");
}

static void test_no_file(void **state)
{
	struct fixture f = { .arena = arena_new() };

	f.diag = diag_new(f.arena);
	assert_null(settings_load(path_of("nowhere.yaml"), f.arena, f.diag));
	assert_null(settings_load("/nowhere/volley.yaml", f.arena, f.diag));
	assert_int_equal(diag_errors(f.diag), 2);
	arena_free(f.arena);
}

static int setup(void **state)
{
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = { "volley.yaml", "open.yaml", "name" };

	for (size_t i = 0; i < array_len(names); i++)
		unlink(path_of(names[i]));
	arena_drop_cache();
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_default_groups),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_listener_tls),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_reference_lengths),
		cmocka_unit_test(test_secrets_in_urls),
		cmocka_unit_test(test_literal_token),
		cmocka_unit_test(test_hints),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
