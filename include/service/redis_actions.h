/*
 * redis_actions.h - what the connector for Redis can do: a row for each action.
 */
#ifndef VOLLEY_SERVICE_REDIS_ACTIONS_H
#define VOLLEY_SERVICE_REDIS_ACTIONS_H

#include "service/service.h"
#include "value/value.h"

/*
 * The actions with their fields. A command's arguments stand in the order of its fields:
 * text and values are one argument each, a list's items too, a duration is PX and
 * milliseconds, a map (the entry of a stream) is `*` and each name and value.
 */
extern const struct action_kind redis_actions[];

/* The responseCode of the action's reply, which is no error. */
typedef int redis_code(const struct value *reply);

redis_code *redis_action_code(const char *action);

/* What a text that is a number must be, for the server to take it. */
enum redis_number {
	REDIS_NO_NUMBER,
	REDIS_WHOLE, /* fits 64 bits with a sign */
	REDIS_FLOAT, /* finite */
	REDIS_SCORE, /* inf and -inf too */
	REDIS_COUNT  /* whole and above 0 */
};

/* What the action's field must be; REDIS_NO_NUMBER: any text. */
enum redis_number redis_action_number(const char *action, const char *field);

#endif
