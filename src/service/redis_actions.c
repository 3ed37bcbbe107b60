/*
 * redis_actions.c - the tables of the connector for Redis.
 *
 * An action is a row here and nothing else, except COMMAND, whose first argument may be
 * nearly anything. Refused: a function for each action; twenty of them would differ in a
 * name and a field.
 */
#include "service/redis_actions.h"

#include <string.h>

#include "base/macros.h"

/* clang-format off */
#define KEY       { "key", FIELD_TEXT, FIELD_REQUIRED, NULL, NULL, "name of the key" }
#define FIELD     { "field", FIELD_TEXT, FIELD_REQUIRED, NULL, NULL, "field of the hash" }
#define VALUE     { "value", FIELD_VALUE, FIELD_REQUIRED, NULL, NULL, "what is stored" }
#define STRINGIFY { "stringify", FIELD_FLAG, 0, NULL, "false", \
	"true: the value as JSON text, whatever its type" }
#define AMOUNT    { "value", FIELD_TEXT, FIELD_REQUIRED, NULL, NULL, "what is added" }
#define SCORE     { "score", FIELD_TEXT, FIELD_REQUIRED, NULL, NULL, "a number" }
#define MEMBER    { "member", FIELD_TEXT, FIELD_REQUIRED, NULL, NULL, "member of the set" }
#define END       { .name = NULL }
/* clang-format on */

static const struct field set_fields[] = {
	KEY,
	VALUE,
	STRINGIFY,
	{ "ttl", FIELD_DURATION, 0, NULL, NULL,
		"the key is gone after it; a wildcard's value may be a number of seconds" },
	END,
};
static const struct field key_value_fields[] = { KEY, VALUE, STRINGIFY, END };
static const struct field hash_value_fields[] = { KEY, FIELD, VALUE, STRINGIFY, END };
static const struct field key_fields[] = { KEY, END };
static const struct field hash_fields[] = { KEY, FIELD, END };
static const struct field amount_fields[] = { KEY, AMOUNT, END };
static const struct field hash_amount_fields[] = { KEY, FIELD, AMOUNT, END };
static const struct field score_fields[] = { KEY, SCORE, MEMBER, END };
static const struct field publish_fields[] = {
	{ "channel", FIELD_TEXT, FIELD_REQUIRED, NULL, NULL, "name of the channel" },
	{ "value", FIELD_VALUE, FIELD_REQUIRED, NULL, NULL, "what is sent" },
	STRINGIFY,
	END,
};
static const struct field stream_fields[] = {
	KEY,
	{ "maxLen", FIELD_TEXT, 0, NULL, NULL,
		"the stream keeps exactly so many of its newest entries, at least 1" },
	{ "fields", FIELD_MAP, FIELD_REQUIRED, NULL, NULL,
		"name: value of the new entry, in this order; the server makes its id" },
	END,
};
static const struct field command_fields[] = {
	{ "args", FIELD_LIST, FIELD_REQUIRED, NULL, NULL,
		"the command's name (no wildcard) and its arguments; none that would "
		"change or block a connection that tasks share" },
	END,
};

/* clang-format off */
const struct action_kind redis_actions[] = {
	{ "SET", NULL, set_fields, ACTION_IDEMPOTENT, "sets a key" },
	{ "SETNX", NULL, key_value_fields, ACTION_IDEMPOTENT, "sets a key that does not exist" },
	{ "RPUSH", NULL, key_value_fields, 0, "appends to a list" },
	{ "LPUSH", NULL, key_value_fields, 0, "puts in front of a list" },
	{ "SADD", NULL, key_value_fields, ACTION_IDEMPOTENT, "adds to a set" },
	{ "SREM", NULL, key_value_fields, ACTION_IDEMPOTENT, "removes from a set" },
	{ "HSET", NULL, hash_value_fields, ACTION_IDEMPOTENT, "sets a field of a hash" },
	{ "HSETNX", NULL, hash_value_fields, ACTION_IDEMPOTENT,
		"sets a field of a hash that does not exist" },
	{ "DEL", NULL, key_fields, ACTION_IDEMPOTENT, "deletes a key" },
	{ "INCR", NULL, key_fields, 0, "adds 1 to a number" },
	{ "RPOP", NULL, key_fields, 0, "takes the last element of a list" },
	{ "LPOP", NULL, key_fields, 0, "takes the first element of a list" },
	{ "HDEL", NULL, hash_fields, ACTION_IDEMPOTENT, "deletes a field of a hash" },
	{ "INCRBY", NULL, amount_fields, 0, "adds an integer to a number" },
	{ "INCRBYFLOAT", NULL, amount_fields, 0, "adds to a number" },
	{ "HINCRBY", NULL, hash_amount_fields, 0, "adds an integer to a hash's field" },
	{ "HINCRBYFLOAT", NULL, hash_amount_fields, 0, "adds to a hash's field" },
	{ "ZADD", NULL, score_fields, ACTION_IDEMPOTENT, "sets a member's score" },
	{ "ZINCRBY", NULL, score_fields, 0, "adds to a member's score" },
	{ "PUBLISH", NULL, publish_fields, 0, "sends to the channel's subscribers" },
	{ "XADD", NULL, stream_fields, 0, "appends an entry to a stream" },
	{ "COMMAND", NULL, command_fields, 0,
		"any other command; its responseCode is 200 whatever it changed" },
	{ .name = NULL },
};
/* clang-format on */

/* ---- codes ---- */

static int code_read(const struct value *reply)
{
	return 200;
}

static int code_changed(const struct value *reply)
{
	return 201;
}

/* The reply counts what was new. */
static int code_if_new(const struct value *reply)
{
	return reply->type == VALUE_NUMBER && !text_is(reply->text, "0") ? 201 : 200;
}

/* Actions that are not here set nothing, or nobody knows what: 200. */
static const struct {
	const char *action;
	redis_code *code;
} codes[] = {
	{ "SET", code_changed },
	{ "SETNX", code_if_new },
	{ "RPUSH", code_changed },
	{ "LPUSH", code_changed },
	{ "SADD", code_if_new },
	{ "HSET", code_changed },
	{ "HSETNX", code_if_new },
	{ "INCR", code_changed },
	{ "INCRBY", code_changed },
	{ "INCRBYFLOAT", code_changed },
	{ "HINCRBY", code_changed },
	{ "HINCRBYFLOAT", code_changed },
	{ "ZADD", code_changed },
	{ "ZINCRBY", code_changed },
	{ "XADD", code_changed },
};

redis_code *redis_action_code(const char *action)
{
	for (size_t i = 0; i < array_len(codes); i++) {
		if (strcmp(codes[i].action, action) == 0)
			return codes[i].code;
	}
	return code_read;
}

/* ---- numbers ---- */

static const struct {
	const char *action, *field;
	enum redis_number number;
} numbers[] = {
	{ "INCRBY", "value", REDIS_WHOLE },
	{ "HINCRBY", "value", REDIS_WHOLE },
	{ "INCRBYFLOAT", "value", REDIS_FLOAT },
	{ "HINCRBYFLOAT", "value", REDIS_FLOAT },
	{ "ZADD", "score", REDIS_SCORE },
	{ "ZINCRBY", "score", REDIS_SCORE },
	{ "XADD", "maxLen", REDIS_COUNT },
};

enum redis_number redis_action_number(const char *action, const char *field)
{
	for (size_t i = 0; i < array_len(numbers); i++) {
		if (strcmp(numbers[i].action, action) == 0 &&
			strcmp(numbers[i].field, field) == 0)
			return numbers[i].number;
	}
	return REDIS_NO_NUMBER;
}
