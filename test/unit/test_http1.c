/*
 * test_http1.c - heads and chunked bodies, whole and in pieces.
 *
 * What a server answers to malformed requests stands in test/vectors/http.json; here are the
 * parser's results and what depends on how the bytes arrive.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "net/http1.h"

/* ---- where a head ends ---- */

/* Feeds the bytes in pieces. The status of the refusal, 0: not complete, 1: complete. */
static int scan(const char *bytes, size_t len, size_t max, size_t piece, size_t *used)
{
	struct http1_scan scan;
	struct http1_error error = { 0 };

	http1_scan_init(&scan, max);
	*used = 0;
	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece, part = 0;
		bool complete = http1_scan_head(&scan, bytes + at, n, &part, &error);

		if (error.status)
			return error.status;
		*used += part;
		if (complete)
			return 1;
		assert_int_equal(part, n);
	}
	return 0;
}

static void heads_end_at_the_empty_line(void **state)
{
	static const struct {
		const char *bytes;
		int result;
		size_t used;
	} cases[] = {
		{ "GET / HTTP/1.1\r\nA: b\r\n\r\nBODY", 1, 24 },
		{ "GET / HTTP/1.1\r\n\r\n", 1, 18 },
		{ "\r\nGET / HTTP/1.1\r\n\r\nGET", 1, 20 },
		{ "GET / HTTP/1.1\r\nA: b\r\n", 0, 22 },
		{ "GET / HTTP/1.1\r\nA: b\r\n\r", 0, 23 },
		{ "\r\n\r\nGET / HTTP/1.1\r\n\r\n", 400, 0 },
		{ "\nGET / HTTP/1.1\r\n\r\n", 400, 0 },
		{ "GET / HTTP/1.1\nA: b\r\n\r\n", 400, 0 },
		{ "GET / HTTP/1.1\r\nA: b\r\n\n", 400, 0 },
		{ "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400, 0 },
		{ "GET / HTTP/1.1\r\n\tc\r\n\r\n", 400, 0 },
		{ " GET / HTTP/1.1\r\n\r\n", 400, 0 },
		{ "", 0, 0 },
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		size_t len = strlen(cases[i].bytes), used;

		for (size_t piece = 1; piece <= len + 1; piece++) {
			int result = scan(cases[i].bytes, len, 1000, piece, &used);

			assert_int_equal(result, cases[i].result);
			if (result <= 1)
				assert_int_equal(used, cases[i].used);
		}
	}
}

static void long_heads_are_refused(void **state)
{
	enum { SIZE = 20000 };
	char *bytes = malloc(SIZE);
	size_t used;

	memset(bytes, 'a', SIZE);
	assert_int_equal(scan(bytes, SIZE, 16384, SIZE, &used), 414);
	assert_int_equal(scan(bytes, SIZE, 16384, 100, &used), 414);
	assert_int_equal(scan(bytes, SIZE, 4096, 100, &used), 431);
	assert_int_equal(scan(bytes, HTTP1_LINE_MAX, 16384, 100, &used), 0);
	memcpy(bytes + 100, "\r\n", 2);
	assert_int_equal(scan(bytes, SIZE, 16384, 100, &used), 431);
	assert_int_equal(scan(bytes, SIZE, 16384, SIZE, &used), 431);
	memcpy(bytes + 1000, "\r\n\r\n", 4);
	assert_int_equal(scan(bytes, SIZE, 1004, SIZE, &used), 1);
	assert_int_equal(used, 1004);
	assert_int_equal(scan(bytes, SIZE, 1003, SIZE, &used), 431);
	memcpy(bytes + HTTP1_LINE_MAX, "\r\n\r\n", 4);
	memset(bytes, 'a', HTTP1_LINE_MAX);
	assert_int_equal(scan(bytes, SIZE, 16384, SIZE, &used), 1);
	free(bytes);
}

/* ---- request heads ---- */

static int request_status(const char *bytes)
{
	struct arena *arena = arena_new();
	struct http1_head head;
	struct http1_error error;
	bool parsed = http1_parse_request(arena, text_of(bytes), 10, &head, &error);

	assert_int_equal(parsed, error.status == 0);
	assert_int_equal(parsed, error.text == NULL);
	arena_free(arena);
	return error.status;
}

static void a_head_is_taken_apart(void **state)
{
	static const char bytes[] = "POST /a%20b/%C3%a4?q=%zz HTTP/1.1\r\n"
				    "Host: example.com:80\r\n"
				    "X-One: \t two words \t\r\n"
				    "X-Empty:\r\n"
				    "x-one: again\r\n"
				    "Content-Length: 42\r\n"
				    "Expect: 100-Continue\r\n\r\n";
	struct arena *arena = arena_new();
	struct http1_head head;
	struct http1_error error;

	assert_true(http1_parse_request(arena, TEXT(bytes), 10, &head, &error));
	assert_true(text_is(head.method, "POST"));
	assert_true(text_is(head.target, "/a%20b/%C3%a4?q=%zz"));
	assert_true(text_is(head.path, "/a b/\xC3\xA4"));
	assert_int_equal(head.header_count, 6);
	assert_true(text_is(head.headers[1].name, "X-One"));
	assert_true(text_is(head.headers[1].value, "two words"));
	assert_int_equal(head.headers[2].value.len, 0);
	assert_true(text_is(*http1_header(head.headers, 6, "X-ONE"), "two words"));
	assert_null(http1_header(head.headers, 6, "X-Two"));
	assert_null(http1_header(head.headers, 6, "X-On"));
	assert_int_equal(head.minor, 1);
	assert_true(head.keep_alive && head.has_length && head.expects);
	assert_false(head.chunked);
	assert_int_equal(head.body_length, 42);
	arena_free(arena);
}

static void paths_come_from_all_forms_of_target(void **state)
{
	static const char *const cases[][2] = {
		{ "GET /", "/" },
		{ "GET /a?b?c", "/a" },
		{ "GET /?", "/" },
		{ "GET //a", "//a" },
		{ "GET http://h/a/b?c", "/a/b" },
		{ "GET http://h:80", "/" },
		{ "GET http://h?q", "/" },
		{ "GET HTTPS://[::1]:80/x", "/x" },
		{ "OPTIONS *", "*" },
		{ "GET /%2F%25", "//%" },
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct arena *arena = arena_new();
		struct http1_head head;
		struct http1_error error;
		const char *bytes = arena_printf(
			arena, "%s HTTP/1.1\r\nHost: h\r\n\r\n", cases[i][0]);

		assert_true(http1_parse_request(arena, text_of(bytes), 10, &head, &error));
		assert_true(text_is(head.path, cases[i][1]));
		arena_free(arena);
	}
}

static void connections_are_kept_or_not(void **state)
{
	static const struct {
		const char *version, *headers;
		bool kept;
	} cases[] = {
		{ "1.1", "", true },
		{ "1.1", "Connection: close\r\n", false },
		{ "1.1", "Connection: x, CLOSE\r\n", false },
		{ "1.1", "Connection: closed\r\n", true },
		{ "1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\n", true },
		{ "1.0", "", false },
		{ "1.0", "Connection: keep-alive\r\n", true },
		{ "1.0", "Connection: Keep-Alive, close\r\n", true },
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		struct arena *arena = arena_new();
		struct http1_head head;
		struct http1_error error;
		const char *bytes = arena_printf(arena,
			"GET / HTTP/%s\r\nHost: h\r\n%s\r\n", cases[i].version,
			cases[i].headers);

		assert_true(http1_parse_request(arena, text_of(bytes), 10, &head, &error));
		assert_int_equal(head.keep_alive, cases[i].kept);
		arena_free(arena);
	}
}

static void malformed_heads_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		int status;
	} cases[] = {
		{ "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 0 },
		{ "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 0 },
		{ "GET / HTTP/1.0\r\n\r\n", 0 },
		{ "GET / HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400 },
		{ "GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505 },
		{ "GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505 },
		{ "GET / HTTP/1.x\r\nHost: h\r\n\r\n", 400 },
		{ "GET /\r\nHost: h\r\n\r\n", 400 },
		{ "get / HTTP/1.1\r\nHost: h\r\n\r\n", 501 },
		{ "G@T / HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /a%0 HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /a%00 HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nA: \x01\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1,1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: x\r\n\r\n", 501 },
		{ "GET / HTTP/1.0\r\nTransfer-Encoding: x\r\n\r\n", 400 },
		{ "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n", 417 },
		{ "GET / HTTP/1.0\r\nExpect: x\r\n\r\n", 0 },
		{ "GET / HTTP/1.1\r\nHost: h\r\n1: \r\n2: \r\n3: \r\n4: \r\n5: \r\n6: \r\n"
		  "7: \r\n8: \r\n9: \r\n\r\n",
			0 },
		{ "GET / HTTP/1.1\r\nHost: h\r\n1: \r\n2: \r\n3: \r\n4: \r\n5: \r\n6: \r\n"
		  "7: \r\n8: \r\n9: \r\n10: \r\n\r\n",
			431 },
	};

	for (size_t i = 0; i < array_len(cases); i++)
		assert_int_equal(request_status(cases[i].bytes), cases[i].status);
}

/* Each single byte of a head replaced by each other one: never a crash, never an overrun. */
static void any_byte_may_be_anything(void **state)
{
	static const char good[] =
		"POST /a%20b?c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
		"chunked\r\nExpect: 100-continue\r\n\r\n";
	char bytes[sizeof(good)];
	unsigned refused = 0;

	for (size_t at = 0; at < sizeof(good) - 1; at++) {
		for (int c = 1; c < 256; c++) {
			memcpy(bytes, good, sizeof(good));
			bytes[at] = (char)c;
			refused += request_status(bytes) != 0;
		}
	}
	assert_true(refused > 5000);
}

/* ---- response heads ---- */

static void responses_are_parsed(void **state)
{
	static const char bytes[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n"
				    "Connection: close\r\nRetry-After: 2\r\n\r\n";
	struct arena *arena = arena_new();
	struct http1_head head;
	struct http1_error error;

	assert_true(http1_parse_response(arena, TEXT(bytes), 10, &head, &error));
	assert_int_equal(head.status, 404);
	assert_int_equal(head.body_length, 3);
	assert_true(head.has_length);
	assert_false(head.keep_alive);
	assert_true(text_is(*http1_header(head.headers, 3, "retry-after"), "2"));
	assert_true(http1_parse_response(arena,
		TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), 10, &head,
		&error));
	assert_true(head.chunked && head.keep_alive);
	assert_true(http1_parse_response(
		arena, TEXT("HTTP/1.1 204 \r\n\r\n"), 10, &head, &error));
	assert_false(http1_parse_response(
		arena, TEXT("HTTP/2 200 OK\r\n\r\n"), 10, &head, &error));
	assert_false(http1_parse_response(arena, TEXT("+PONG\r\n\r\n"), 10, &head, &error));
	assert_false(http1_parse_response(arena,
		TEXT("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
		10, &head, &error));
	assert_true(error.status != 0 && error.text);
	arena_free(arena);
}

/* ---- chunked bodies ---- */

/* Decodes in pieces into out. The status of the refusal, 0: not complete, 1: complete. */
static int decode(const char *bytes, size_t piece, char *out, size_t *used)
{
	struct http1_chunks chunks;
	struct http1_error error = { 0 };
	size_t len = strlen(bytes), n = 0;

	http1_chunks_init(&chunks);
	for (size_t at = 0; at < len; at += piece) {
		struct text input = { bytes + at, len - at < piece ? len - at : piece };
		struct text data = { NULL, 0 };
		enum http1_chunk found;

		while ((found = http1_chunks_next(&chunks, &input, &data, &error)) ==
			HTTP1_CHUNK_DATA) {
			memcpy(out + n, data.at, data.len);
			n += data.len;
			out[n] = 0;
		}
		*used = (size_t)(input.at - bytes);
		if (found == HTTP1_CHUNK_BAD)
			return error.status;
		if (found == HTTP1_CHUNK_DONE)
			return 1;
		assert_int_equal(input.len, 0);
	}
	return 0;
}

static void chunks_are_decoded(void **state)
{
	static const struct {
		const char *bytes;
		int result;
		const char *body;
		size_t left; /* bytes behind the body, when complete */
	} cases[] = {
		{ "5\r\nhello\r\n0\r\n\r\n", 1, "hello", 0 },
		{ "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET", 1, "hello world", 3 },
		{ "0\r\n\r\n", 1, "", 0 },
		{ "00000000000000000000A;x=\"y z\"\r\n0123456789\r\n0;e\r\n\r\n", 1,
			"0123456789", 0 },
		{ "1 ;a\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", 1, "x", 0 },
		{ "5\r\nhello\r\n", 0, "hello", 0 },
		{ "5\r\nhel", 0, "hel", 0 },
		{ "0\r\nA: b\r\n", 0, "", 0 },
		{ "5\r\nhelloXX0\r\n\r\n", 400, "hello", 0 },
		{ "5\r\nhello\r0", 400, "hello", 0 },
		{ "5\rXhello\r\n", 400, "", 0 },
		{ "5\nhello\r\n", 400, "", 0 },
		{ "g\r\n", 400, "", 0 },
		{ "\r\n", 400, "", 0 },
		{ ";a\r\n", 400, "", 0 },
		{ "-1\r\n", 400, "", 0 },
		{ "1 \r\nx", 400, "", 0 },
		{ "1000000000000000\r\n", 400, "", 0 },
		{ "fffffffffffffff\r\nabc", 0, "abc", 0 },
		{ "0\r\nA: \x01\r\n\r\n", 400, "", 0 },
		{ "0\r\nA: b\n\r\n", 400, "", 0 },
	};

	for (size_t i = 0; i < array_len(cases); i++) {
		size_t len = strlen(cases[i].bytes);

		for (size_t piece = 1; piece <= len; piece++) {
			char out[128] = "";
			size_t used;

			assert_int_equal(
				decode(cases[i].bytes, piece, out, &used), cases[i].result);
			assert_string_equal(out, cases[i].body);
			if (cases[i].result == 1)
				assert_int_equal(len - used, cases[i].left);
		}
	}
}

static void trailers_are_bounded(void **state)
{
	char *bytes = malloc(HTTP1_TRAILER_MAX + 100), out[8];
	size_t used;

	memset(bytes, 'a', HTTP1_TRAILER_MAX + 99);
	bytes[HTTP1_TRAILER_MAX + 99] = 0;
	memcpy(bytes, "0\r\n", 3);
	assert_int_equal(decode(bytes, 50, out, &used), 431);
	memcpy(bytes + HTTP1_TRAILER_MAX - 10, "\r\n\r\n", 5);
	assert_int_equal(decode(bytes, 50, out, &used), 1);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_end_at_the_empty_line),
		cmocka_unit_test(long_heads_are_refused),
		cmocka_unit_test(a_head_is_taken_apart),
		cmocka_unit_test(paths_come_from_all_forms_of_target),
		cmocka_unit_test(connections_are_kept_or_not),
		cmocka_unit_test(malformed_heads_are_refused),
		cmocka_unit_test(any_byte_may_be_anything),
		cmocka_unit_test(responses_are_parsed),
		cmocka_unit_test(chunks_are_decoded),
		cmocka_unit_test(trailers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
