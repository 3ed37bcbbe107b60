/*
 * test_redis_command.c - what COMMAND takes, and what it says of the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "service/redis_command.h"
#include "yaml_text.h"

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

static void assert_taken(const char *args)
{
	struct diag *diag = diag_new(arena);

	if (!redis_command_check(yaml_text(arena, args), arena, diag))
		fail_msg("%s: %s", args, diag_message(diag, 0)->text);
	assert_int_equal(diag_count(diag), 0);
}

/* The message stands at `at` bytes, and its hint says what to use instead. */
static void assert_refused(const char *args, size_t at, const char *text, const char *hint)
{
	struct diag *diag = diag_new(arena);
	const struct diag_message *message;

	if (redis_command_check(yaml_text(arena, args), arena, diag))
		fail_msg("%s was taken", args);
	assert_int_equal(diag_count(diag), 1);
	message = diag_message(diag, 0);
	assert_true(message->is_error);
	if (!strstr(message->text, text))
		fail_msg("%s: '%s' lacks '%s'", args, message->text, text);
	if (!message->hint || !strstr(message->hint, hint))
		fail_msg("%s: '%s' lacks '%s'", args,
			message->hint ? message->hint : "no hint", hint);
	if (message->place.offset != at)
		fail_msg("%s: at %u", args, message->place.offset);
}

static void test_what_is_taken(void **state)
{
	static const char *const cases[] = {
		"[PING]",
		"[GETEX, \"user:{id}\", EX, 60]",
		"[get, \"{id}\"]",
		"[SCRIPT, KILL]",
		"[script, load, 'return 1']",
		"[EVAL, 'return ARGV[1]', 0, \"{id}\"]",
		"[EVAL, 'return {1, {2}, \"a\"}', 0]",
		"[EVAL, 'return \\{name}', 0]",
		"[EVAL]",
		"[EVALSHA, abc, \"{n}\", \"{id}\"]",
		"[FCALL, f, 1, \"{id}\"]",
		"[FUNCTION, LIST]",
		"[XREAD, COUNT, 2, STREAMS, s, 0]",
		"[XREAD, COUNT, \"{n}\", STREAMS, \"{id}\", \"{id}\"]",
		"[XREAD, STREAMS, BLOCK, \"{id}\"]",
		"[xreadgroup, group, \"{id}\", \"{id}\", count, \"{n}\", noack, streams, "
		"s, '>']",
		"[XREADGROUP, GROUP, BLOCK, c, STREAMS, s, 0]",
		"[XREAD]",
		"[SET, SUBSCRIBE, BLOCK]",
		"[SUBSCRIBER]",
		"[CONFIG, GET, '*']",
		"[OBJECT, ENCODING, \"{id}\"]",
		"[SPUBLISH, c, \"{id}\"]",
		"[LMOVE, a, b, LEFT, RIGHT]",
		"[GET, [not, looked, at]]",
	};

	for (size_t i = 0; i < array_len(cases); i++)
		assert_taken(cases[i]);
}

static void test_what_is_refused_by_name(void **state)
{
	static const char *const names[] = { "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE",
		"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "MONITOR", "MULTI", "EXEC",
		"DISCARD", "WATCH", "UNWATCH", "SELECT", "AUTH", "HELLO", "RESET", "QUIT",
		"CLIENT", "ASKING", "READONLY", "READWRITE", "SYNC", "PSYNC", "REPLCONF",
		"WAIT", "WAITAOF", "SHUTDOWN", "DEBUG", "POST", "HOST:", "BLPOP", "BRPOP",
		"BRPOPLPUSH", "BLMOVE", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP" };
	char args[64], text[64], *letter;

	for (size_t i = 0; i < array_len(names); i++) {
		snprintf(text, sizeof text, "COMMAND refuses %s: it would ", names[i]);
		if (strstr("MULTI EXEC DISCARD WATCH UNWATCH", names[i]))
			snprintf(text, sizeof text, "COMMAND refuses %s: a transaction ",
				names[i]);
		snprintf(args, sizeof args, "[\"%s\"]", names[i]);
		assert_refused(args, 2, text, "");
		/* In any case of letters, with arguments too. */
		snprintf(args, sizeof args, "[\"%s\", a, 1]", names[i]);
		for (letter = args + 3; *letter != '"'; letter++)
			*letter |= 0x20;
		assert_refused(args, 2, text, "");
	}
}

static void test_what_is_refused_otherwise(void **state)
{
	static const struct {
		const char *args;
		size_t at;
		const char *text, *hint;
	} cases[] = {
		{ "[]", 0, "args is empty", "[GET, key]" },
		{ "[\"{id}\", k]", 2, "the command's name takes no wildcard", "condition" },
		{ "[\"GET{id}\", k]", 2, "the command's name takes no wildcard",
			"condition" },
		{ "[\"GET k\"]", 2, "one word", "[GET, key]" },
		{ "[\"\"]", 2, "one word", "[GET, key]" },
		{ "[\"quit\\0\"]", 2, "one word", "[GET, key]" },
		{ "[EVAL, \"return {id}\", 0]", 8, "the script of EVAL takes no wildcard",
			"\\{" },
		{ "[EVAL, 'return \\\\{id}', 0]", 8, "the script of EVAL takes no wildcard",
			"\\{" },
		{ "[eval_ro, \"return {id}\", 0]", 11,
			"the script of EVAL_RO takes no wildcard", "ARGV" },
		{ "[EVALSHA, \"{id}\", 0]", 11,
			"the script's digest of EVALSHA takes no wildcard", "KEYS" },
		{ "[EVALSHA_RO, \"{id}\", 0]", 14,
			"the script's digest of EVALSHA_RO takes no wildcard", "KEYS" },
		{ "[FCALL, \"{id}\", 0]", 9, "the function's name of FCALL takes no",
			"number of keys" },
		{ "[FCALL_RO, \"{id}\", 0]", 12, "the function's name of FCALL_RO takes no",
			"number of keys" },
		{ "[SCRIPT, \"{id}\", YES]", 10, "an argument of SCRIPT takes no", "" },
		{ "[SCRIPT, LOAD, \"return {id}\"]", 16, "an argument of SCRIPT takes no",
			"" },
		{ "[SCRIPT, Debug, YES]", 9, "COMMAND refuses SCRIPT DEBUG", "redis-cli" },
		{ "[FUNCTION, LOAD, REPLACE, \"{id}\"]", 27,
			"an argument of FUNCTION takes no", "" },
		{ "[XREAD, BLOCK, 0, STREAMS, s, $]", 8, "COMMAND refuses BLOCK",
			"without BLOCK" },
		{ "[xread, COUNT, 1, block, 0, STREAMS, s, $]", 18, "COMMAND refuses BLOCK",
			"without BLOCK" },
		{ "[XREADGROUP, GROUP, g, c, BLOCK, 0, STREAMS, s, '>']", 26,
			"COMMAND refuses BLOCK", "without BLOCK" },
		{ "[XREAD, COUNT, COUNT, BLOCK, 0, STREAMS, s, $]", 22,
			"COMMAND refuses BLOCK", "without BLOCK" },
		{ "[XREAD, \"{id}\", 0, STREAMS, s, $]", 9,
			"an option of XREAD takes no wildcard", "STREAMS" },
		{ "[XREAD, \"B{id}\", 0, STREAMS, s, $]", 9,
			"an option of XREAD takes no wildcard", "STREAMS" },
		{ "[XREAD, NOACK, \"{id}\", 0, STREAMS, s, $]", 16,
			"an option of XREAD takes no wildcard", "STREAMS" },
		{ "[XREADGROUP, GROUP, g, c, \"{id}\", 0, STREAMS, s, '>']", 27,
			"an option of XREADGROUP takes no wildcard", "STREAMS" },
	};
	struct diag *diag = diag_new(arena);

	for (size_t i = 0; i < array_len(cases); i++)
		assert_refused(cases[i].args, cases[i].at, cases[i].text, cases[i].hint);
	assert_false(redis_command_check(yaml_text(arena, "[null, k]"), arena, diag));
	assert_false(redis_command_check(yaml_text(arena, "[[GET], k]"), arena, diag));
	assert_string_equal(
		diag_message(diag, 1)->text, "the command's name cannot be a list");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_taken),
		TEST(test_what_is_refused_by_name),
		TEST(test_what_is_refused_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
