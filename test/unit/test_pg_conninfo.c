/*
 * test_pg_conninfo.c - PostgreSQL's connection strings: hosts, names, TLS files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"
#include "net/pg_connection.h"
#include "net/pg_conninfo.h"

static struct arena *arena;
static char folder[] = "/tmp/volley-conninfo.XXXXXX";

static const char *path_of(const char *name)
{
	return arena_printf(arena, "%s/%s", folder, name);
}

static void make_file(const char *name, mode_t mode)
{
	FILE *file = fopen(path_of(name), "w");

	assert_non_null(file);
	fclose(file);
	assert_int_equal(chmod(path_of(name), mode), 0);
}

static int start(void **state)
{
	arena = arena_new();
	assert_non_null(mkdtemp(folder));
	make_file("ca.crt", 0644);
	make_file("me.crt", 0644);
	make_file("me.key", 0600);
	make_file("open.key", 0644);
	make_file("a:b.key", 0600);
	return 0;
}

static int stop(void **state)
{
	static const char *const names[] = { "ca.crt", "me.crt", "me.key", "open.key",
		"a:b.key" };

	for (size_t i = 0; i < array_len(names); i++)
		unlink(path_of(names[i]));
	rmdir(folder);
	arena_free(arena);
	arena_drop_cache();
	return 0;
}

static struct pg_conninfo made;

/* The string for libpq, or the reason why there is none. */
static const char *complete(const char *url, const struct pg_addresses *found)
{
	struct errbuf errbuf;
	struct strbuf text;

	if (!pg_conninfo_make(url, folder, 1000, arena, &made, &errbuf))
		return arena_text(arena, text_of(errbuf.text)).at;
	strbuf_init_arena(&text, arena, 1000000);
	return pg_conninfo_write(&made, found, &text) ? text.data : "none";
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}

static void names_get_their_addresses(void **state)
{
	static const char *const texts[] = { "192.0.2.1", "2001:db8::1" };
	const struct pg_addresses found[] = { { texts, 2 }, { NULL, 0 }, { texts, 1 } };
	const char *text = complete("postgresql://u@db.test:5433/d", found);

	assert_int_equal(made.name_count, 1);
	assert_string_equal(made.target, "db.test port 5433");
	assert_has(text, "host='db.test,db.test' hostaddr='192.0.2.1,2001:db8::1' "
			 "port='5433,5433'");
	text = complete("postgresql://u@a.test:1,b.test:2,c.test:3/d", found);
	assert_int_equal(made.name_count, 3);
	assert_has(text, "host='a.test,a.test,c.test' "
			 "hostaddr='192.0.2.1,2001:db8::1,192.0.2.1' port='1,1,3'");
	assert_string_equal(complete("host=b.test user=u", &found[1]), "none");
	text = complete("host=/run/pg,10.0.0.1,c.test user=u port=5", found);
	assert_int_equal(made.name_count, 1);
	assert_has(text, "host='/run/pg,10.0.0.1,c.test' hostaddr=',10.0.0.1,192.0.2.1' "
			 "port='5,5,5'");
}

static void fixed_addresses_need_no_look_up(void **state)
{
	const char *text = complete("host=db.test hostaddr=10.0.0.1 user=u", NULL);

	assert_int_equal(made.name_count, 0);
	assert_has(text, "host='db.test' hostaddr='10.0.0.1'");
	complete("host=localhost,::1,/run/pg user=u", NULL);
	assert_int_equal(made.name_count, 0);
	assert_int_equal(made.host_count, 4);
	complete("user=u", NULL);
	assert_int_equal(made.name_count, 0);
	assert_string_equal(made.target, "the local socket port 5432");
}

static void another_database(void **state)
{
	struct strbuf text;

	complete("postgresql://u@127.0.0.1/d", NULL);
	strbuf_init_arena(&text, arena, 100000);
	assert_true(pg_conninfo_write(pg_conninfo_for(&made, "it's", arena), NULL, &text));
	assert_has(text.data, "dbname='it\\'s'");
}

static void what_is_not_said_is_kept_from_files(void **state)
{
	const char *text = complete("postgresql://u@127.0.0.1/d", NULL);

	assert_has(text, "sslmode='prefer'");
	assert_has(text, "sslrootcert='/dev/null/none'");
	assert_has(text, "sslcert='/dev/null/none'");
	assert_has(text, "sslkey='/dev/null/none'");
	assert_has(text, "sslcrl='/dev/null/none'");
	assert_has(text, "ssl_min_protocol_version='TLSv1.2'");
	assert_has(complete("host=::1 user=u sslmode=require", NULL),
		"sslrootcert='/dev/null/none'");
}

static void files_start_at_the_folder(void **state)
{
	const char *text = complete(
		"host=::1 user=u sslmode=verify-full sslrootcert=ca.crt "
		"sslcert=me.crt sslkey=me.key channel_binding=require",
		NULL);

	assert_has(text, arena_printf(arena, "sslrootcert='%s/ca.crt'", folder));
	assert_has(text, arena_printf(arena, "sslcert='%s/me.crt'", folder));
	assert_has(text, arena_printf(arena, "sslkey='%s/me.key'", folder));
	assert_has(text, "sslmode='verify-full'");
	assert_has(text, "channel_binding='require'");
	text = complete(
		arena_printf(arena, "host=::1 user=u sslrootcert=%s/ca.crt", folder), NULL);
	assert_has(text, arena_printf(arena, "sslrootcert='%s/ca.crt'", folder));
	assert_null(strstr(text, "sslrootcert='/dev/null"));
}

static void the_system_s_authorities_verify(void **state)
{
	setenv("SSL_CERT_FILE", path_of("ca.crt"), 1);
	assert_has(complete("host=::1 user=u sslmode=verify-ca", NULL),
		arena_printf(arena, "sslrootcert='%s/ca.crt'", folder));
	unsetenv("SSL_CERT_FILE");
}

static void mistakes_are_told_at_load(void **state)
{
	static const char *const refused[][2] = {
		{ "host=::1 user=u sslmode=verify-full sslrootcert=gone.crt",
			"sslrootcert: cannot read '" },
		{ "host=::1 user=u sslcert=gone.crt sslkey=me.key",
			"gone.crt': No such file" },
		{ "host=::1 user=u sslcert=me.crt sslkey=open.key", "chmod 600" },
		{ "host=::1 user=u sslcert=me.crt sslkey=a:b.key", "colon" },
		{ "host=::1 user=u sslcert=me.crt", "sslcert needs sslkey" },
		{ "host=::1 user=u sslkey=me.key", "sslkey needs sslcert" },
		{ "host=::1 user=u sslrootcert=.", "a folder, not a file" },
		{ "host=::1 user=u sslcrldir=ca.crt", "no folder" },
		{ "host=::1 user=u ssl_min_protocol_version=TLSv2",
			"one of TLSv1, TLSv1.1" },
		{ "host=::1 user=u sslmode=disable channel_binding=require", "needs TLS" },
		{ "host=db.test:5432 user=u", "is no host name" },
		{ "host='a b' user=u", "is no host name" },
	};

	for (size_t i = 0; i < array_len(refused); i++)
		assert_has(complete(refused[i][0], NULL), refused[i][1]);
}

static void a_message_is_told_once(void **state)
{
	struct errbuf line;
	char sqlstate[6];

	pg_message_clean(
		"connection to server at \"::1\", port 1 failed: FATAL:  28P01: no\n"
		"connection to server at \"::1\", port 1 failed: FATAL:  28P01: no\n",
		&line, sqlstate);
	assert_string_equal(
		line.text, "connection to server at \"::1\", port 1 failed: no");
	assert_string_equal(sqlstate, "28P01");
	pg_message_clean("b\nab\nab\nb\n", &line, sqlstate);
	assert_string_equal(line.text, "b; ab; b");
	pg_message_clean("cab\nab\n", &line, sqlstate);
	assert_string_equal(line.text, "cab; ab");
	pg_message_clean("", &line, sqlstate);
	assert_string_equal(line.text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_get_their_addresses),
		cmocka_unit_test(fixed_addresses_need_no_look_up),
		cmocka_unit_test(another_database),
		cmocka_unit_test(what_is_not_said_is_kept_from_files),
		cmocka_unit_test(files_start_at_the_folder),
		cmocka_unit_test(the_system_s_authorities_verify),
		cmocka_unit_test(mistakes_are_told_at_load),
		cmocka_unit_test(a_message_is_told_once),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
