/*
 * test_redis.c - error replies to kinds, urls to endpoints, bytes to replies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

#include "base/strbuf.h"
#include "net/redis_reply.h"
#include "net/redis_url.h"
#include "value/json.h"

static struct arena *arena;

static int setup(void **state)
{
	arena = arena_new();
	return 0;
}

static int teardown(void **state)
{
	arena_free(arena);
	arena_drop_cache();
	return 0;
}

/* ---- errors ---- */

static void test_error_kinds(void **state)
{
	static const struct {
		const char *text;
		enum err err;
	} cases[] = {
		{ "LOADING Redis is loading the dataset in memory", ERR_REDIS_BUSY },
		{ "READONLY You can't write against a read only replica.", ERR_REDIS_BUSY },
		{ "OOM command not allowed", ERR_REDIS_BUSY },
		{ "MISCONF Redis is configured", ERR_REDIS_BUSY },
		{ "BUSY Redis is busy running a script", ERR_REDIS_BUSY },
		{ "BUSYKEY Target key name already exists.", ERR_REDIS_OTHER },
		{ "NOPERM this user has no permissions", ERR_REDIS_DENIED },
		{ "NOAUTH Authentication required.", ERR_LOGIN },
		{ "WRONGPASS invalid username-password pair", ERR_LOGIN },
		{ "ERR invalid password", ERR_LOGIN },
		{ "ERR max number of clients reached", ERR_CONNECT },
		{ "ERR syntax error", ERR_REDIS_OTHER },
		{ "WRONGTYPE Operation against a key", ERR_REDIS_OTHER },
		{ "LOADING", ERR_REDIS_BUSY },
		{ "", ERR_REDIS_OTHER },
	};

	for (size_t i = 0; i < array_len(cases); i++)
		assert_int_equal(redis_error_kind(text_of(cases[i].text)), cases[i].err);
}

/* ---- urls ---- */

static void test_urls(void **state)
{
	static const struct {
		const char *url, *name, *username, *password;
		unsigned long database;
		const char *host; /* NULL: a unix socket */
		unsigned port;
		bool tls;
	} cases[] = {
		{ "redis://127.0.0.1", "127.0.0.1:6379", "", "", 0, "127.0.0.1", 6379,
			false },
		{ "redis://127.0.0.1:1/", "127.0.0.1:1", "", "", 0, "127.0.0.1", 1, false },
		{ "redis://127.0.0.1:7000/3", "127.0.0.1:7000", "", "", 3, "127.0.0.1",
			7000, false },
		{ "redis://localhost?db=4", "localhost:6379", "", "", 4, "localhost", 6379,
			false },
		{ "redis://[::1]:6380/1", "[::1]:6380", "", "", 1, "::1", 6380, false },
		{ "redis://:pa%40ss@127.0.0.1", "127.0.0.1:6379", "", "pa@ss", 0,
			"127.0.0.1", 6379, false },
		{ "redis://us%3Aer:p@ss@127.0.0.1/2", "127.0.0.1:6379", "us:er", "p@ss", 2,
			"127.0.0.1", 6379, false },
		{ "redis://u:p:q@127.0.0.1", "127.0.0.1:6379", "u", "p:q", 0, "127.0.0.1",
			6379, false },
		{ "redis://Redis-1.example.com", "Redis-1.example.com:6379", "", "", 0,
			"Redis-1.example.com", 6379, false },
		{ "redis://redis_1:6380", "redis_1:6380", "", "", 0, "redis_1", 6380,
			false },
		{ "rediss://u:p@redis.example.com:6380/2", "redis.example.com:6380", "u",
			"p", 2, "redis.example.com", 6380, true },
		{ "rediss://10.0.0.1", "10.0.0.1:6379", "", "", 0, "10.0.0.1", 6379, true },
		{ "rediss://[::1]", "[::1]:6379", "", "", 0, "::1", 6379, true },
		{ "unix:/run/r.sock?db=5", "unix:/run/r.sock", "", "", 5, NULL, 0, false },
		{ "unix:///run/r.sock", "unix:/run/r.sock", "", "", 0, NULL, 0, false },
		{ "unix://u:p@/run/a%20b.sock", "unix:/run/a b.sock", "u", "p", 0, NULL, 0,
			false },
		{ "unix:r.sock", "unix:/project/r.sock", "", "", 0, NULL, 0, false },
	};
	struct redis_endpoint endpoint;
	struct errbuf errbuf;

	for (size_t i = 0; i < array_len(cases); i++) {
		if (!redis_url_parse(
			    text_of(cases[i].url), "/project", arena, &endpoint, &errbuf))
			fail_msg("%s: %s", cases[i].url, errbuf.text);
		assert_string_equal(endpoint.name, cases[i].name);
		assert_true(text_is(endpoint.username, cases[i].username));
		assert_true(text_is(endpoint.password, cases[i].password));
		assert_int_equal(endpoint.database, cases[i].database);
		assert_int_equal(endpoint.target.port, cases[i].port);
		assert_int_equal(endpoint.is_tls, cases[i].tls);
		assert_null(endpoint.tls);
		if (cases[i].host)
			assert_string_equal(endpoint.target.host, cases[i].host);
		else
			assert_string_equal(endpoint.target.path, cases[i].name + 5);
	}
}

static void test_bad_urls(void **state)
{
	static const struct {
		const char *url, *reason;
	} cases[] = {
		{ "redis://127.0.0.1.5", "'127.0.0.1.5' is no IP address" },
		{ "rediss://10.1", "'10.1' is no IP address" },
		{ "rediss://", "names no host" },
		{ "rediss:/127.0.0.1", "must begin with" },
		{ "redis://.example.com", "no name of a host" },
		{ "redis://a b.example.com", "no name of a host" },
		{ "redis://a%20b.example.com", "no name of a host" },
		{ "redis://a,b", "no name of a host" },
		{ "redis://[redis.example.com]", "no IPv6 address" },
		{ "redis://[127.0.0.1]", "no IPv6 address" },
		{ "redis://"
		  "a123456789a123456789a123456789a123456789a123456789a123456789a123456789a"
		  "123456789a123456789a123456789a123456789a123456789a123456789a123456789a1"
		  "23456789a123456789a123456789a123456789a123456789a123456789a123456789a12"
		  "3456789a123456789a123456789a123456789abcd",
			"longer than 253" },
		{ "http://127.0.0.1", "must begin with" },
		{ "127.0.0.1:6379", "must begin with" },
		{ "redis://", "names no host" },
		{ "redis://:6379", "names no host" },
		{ "redis://127.0.0.1:0", "port" },
		{ "redis://127.0.0.1:65536", "port" },
		{ "redis://127.0.0.1:", "port" },
		{ "redis://::1", "[brackets]" },
		{ "redis://[::1", "without ]" },
		{ "redis://127.0.0.1/x", "database" },
		{ "redis://127.0.0.1/1/2", "database" },
		{ "redis://127.0.0.1?timeout=3", "only ?db=N" },
		{ "redis://127.0.0.1/#1", "only ?db=N" },
		{ "redis://:secret%4@127.0.0.1", "hexadecimal" },
		{ "redis://:secret%4g@127.0.0.1", "hexadecimal" },
		{ "redis://:secret%g4@127.0.0.1", "hexadecimal" },
		{ "redis://:secret%@127.0.0.1", "hexadecimal" },
		{ "redis://:sec/ret@127.0.0.1", "%2F" },
		{ "unix:", "names no socket" },
		{ "unix://host/path", "absolute path" },
		{ "unix:/a%00b", "names no socket" },
		{ "unix:/"
		  "01234567890123456789012345678901234567890123456789012345678901234567890"
		  "1234567890123456789012345678901234567",
			"longer than 107" },
	};
	struct redis_endpoint endpoint;
	struct errbuf errbuf;

	for (size_t i = 0; i < array_len(cases); i++) {
		assert_false(redis_url_parse(
			text_of(cases[i].url), "/", arena, &endpoint, &errbuf));
		if (!strstr(errbuf.text, cases[i].reason))
			fail_msg("%s: %s", cases[i].url, errbuf.text);
		assert_null(strstr(errbuf.text, "sec"));
	}
}

/* ---- replies ---- */

struct expected {
	const char *bytes;
	size_t len; /* 0: up to the NUL */
	enum redis_got got;
	const char *json; /* of the value; an error's text behind "-" */
	bool base64;
};

static void check_reply(const struct expected *e, size_t step)
{
	struct redis_reader *reader = redis_reader_new(64);
	struct evbuffer *input = evbuffer_new();
	size_t len = e->len ? e->len : strlen(e->bytes);
	enum redis_got got = REDIS_GOT_NOTHING;
	struct redis_reply reply;
	struct strbuf json;

	for (size_t at = 0; at < len && got == REDIS_GOT_NOTHING; at += step) {
		evbuffer_add(input, e->bytes + at, len - at < step ? len - at : step);
		got = redis_reader_next(reader, input, arena, &reply);
	}
	if (got != e->got)
		fail_msg("'%s' in steps of %zu: %d", e->bytes, step, (int)got);
	strbuf_init(&json, 1000);
	if (got == REDIS_GOT_REPLY && reply.is_error) {
		strbuf_char(&json, '-');
		strbuf_text(&json, reply.error);
	} else if (got == REDIS_GOT_REPLY) {
		json_append(&json, reply.value);
		assert_int_equal(reply.base64, e->base64);
	}
	if (e->json && !text_is(strbuf_get(&json), e->json))
		fail_msg("'%s' gave %.*s", e->bytes, TEXT_ARG(strbuf_get(&json)));
	strbuf_free(&json);
	evbuffer_free(input);
	redis_reader_free(reader);
}

static void test_replies(void **state)
{
	static const struct expected cases[] = {
		{ "+OK\r\n", 0, REDIS_GOT_REPLY, "\"OK\"", false },
		{ "+QUEUED\r\n", 0, REDIS_GOT_REPLY, "\"QUEUED\"", false },
		{ ":-9223372036854775808\r\n", 0, REDIS_GOT_REPLY, "-9223372036854775808",
			false },
		{ "$-1\r\n", 0, REDIS_GOT_REPLY, "null", false },
		{ "*-1\r\n", 0, REDIS_GOT_REPLY, "null", false },
		{ "$0\r\n\r\n", 0, REDIS_GOT_REPLY, "\"\"", false },
		{ "*0\r\n", 0, REDIS_GOT_REPLY, "[]", false },
		{ "$4\r\na\0\"b\r\n", 10, REDIS_GOT_REPLY, "\"a\\u0000\\\"b\"", false },
		{ "-ERR no\r\n", 0, REDIS_GOT_REPLY, "-ERR no", false },
		{ "*4\r\n:1\r\n$-1\r\n*2\r\n+a\r\n-ERR b\r\n$2\r\ncd\r\n", 0,
			REDIS_GOT_REPLY, "[1,null,[\"a\",\"ERR b\"],\"cd\"]", false },
		{ "$2\r\n\xff\xfe\r\n", 0, REDIS_GOT_REPLY, "\"//4=\"", true },
		{ "*2\r\n$1\r\na\r\n$1\r\n\xff\r\n", 0, REDIS_GOT_REPLY,
			"[\"YQ==\",\"/w==\"]", true },
		{ "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", 0,
			REDIS_GOT_REPLY, "[[[[[[[[1]]]]]]]]", false },
		{ "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", 0,
			REDIS_GOT_TOO_DEEP, NULL, false },
		/* 64 bytes on the wire are the limit here. */
		{ "$57\r\n012345678901234567890123456789012345678901234567890123456\r\n", 0,
			REDIS_GOT_REPLY, NULL, false },
		{ "$58\r\n0123456789012345678901234567890123456789012345678901234567\r\n",
			0, REDIS_GOT_TOO_LARGE, NULL, false },
		{ "+0123456789012345678901234567890123456789012345678901234567890123456789",
			0, REDIS_GOT_TOO_LARGE, NULL, false },
		{ "*2147483647\r\n", 0, REDIS_GOT_TOO_LARGE, NULL, false },
		{ "*20\r\n*20\r\n", 0, REDIS_GOT_TOO_LARGE, NULL, false },
		{ "$1000000000000\r\n", 0, REDIS_GOT_TOO_LARGE, NULL, false },
		{ "$65\r\n", 0, REDIS_GOT_TOO_LARGE, NULL, false },
		{ "*2\r\n$20\r\n01234567890123456789\r\n$40\r\n", 0, REDIS_GOT_TOO_LARGE,
			NULL, false },
		{ "*2\r\n$20\r\n01234567890123456789\r\n$20\r\n", 0, REDIS_GOT_NOTHING,
			NULL, false },
		{ "$5\r\nab\r\n", 0, REDIS_GOT_NOTHING, NULL, false },
		{ "$5\r\nab\r\n+OK\r\n", 0, REDIS_GOT_GARBAGE, NULL, false },
		{ "*1\r\n$1\r\nabc", 0, REDIS_GOT_GARBAGE, NULL, false },
		{ "HTTP/1.1 400 Bad Request\r\n", 0, REDIS_GOT_GARBAGE, NULL, false },
		{ "$x\r\n", 0, REDIS_GOT_GARBAGE, NULL, false },
		{ ":1x\r\n", 0, REDIS_GOT_GARBAGE, NULL, false },
		{ "*-2\r\n", 0, REDIS_GOT_GARBAGE, NULL, false },
		{ "$-2\r\n", 0, REDIS_GOT_GARBAGE, NULL, false },
		{ "*3\r\n:1\r\n:2\r\n", 0, REDIS_GOT_NOTHING, NULL, false },
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		check_reply(&cases[i], 1);
		check_reply(&cases[i], 7);
		check_reply(&cases[i], 1000);
	}
}

static void test_pipelined_replies(void **state)
{
	struct redis_reader *reader = redis_reader_new(20);
	struct evbuffer *input = evbuffer_new();
	struct redis_reply reply;

	/* Far more than the limit together, each far less; every other one is dropped. */
	for (int i = 0; i < 5000; i++)
		evbuffer_add_printf(input, "*2\r\n:%d\r\n+x\r\n", i % 1000);
	for (int i = 0; i < 5000; i++) {
		assert_int_equal(
			redis_reader_next(reader, input, i % 2 ? NULL : arena, &reply),
			REDIS_GOT_REPLY);
		if (i % 2)
			assert_null(reply.value);
		else
			assert_int_equal(reply.value->array.count, 2);
	}
	assert_int_equal(redis_reader_next(reader, input, NULL, &reply), REDIS_GOT_NOTHING);
	assert_false(redis_reader_is_midway(reader));
	evbuffer_free(input);
	redis_reader_free(reader);
}

static void test_arena_lost_midway(void **state)
{
	struct redis_reader *reader = redis_reader_new(1000);
	struct evbuffer *input = evbuffer_new();
	struct arena *own = arena_new();
	struct redis_reply reply;

	evbuffer_add_printf(input, "*3\r\n:1\r\n*2\r\n:2\r\n");
	assert_int_equal(redis_reader_next(reader, input, own, &reply), REDIS_GOT_NOTHING);
	assert_true(redis_reader_is_midway(reader));
	arena_free(own);
	arena_drop_cache();
	evbuffer_add_printf(input, "$1\r\na\r\n*1\r\n$-1\r\n+OK\r\n");
	assert_int_equal(redis_reader_next(reader, input, NULL, &reply), REDIS_GOT_REPLY);
	assert_null(reply.value);
	assert_int_equal(redis_reader_next(reader, input, arena, &reply), REDIS_GOT_REPLY);
	assert_true(text_is(reply.value->text, "OK"));
	evbuffer_free(input);
	redis_reader_free(reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_error_kinds),
		TEST(test_urls),
		TEST(test_bad_urls),
		TEST(test_replies),
		TEST(test_pipelined_replies),
		TEST(test_arena_lost_midway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
