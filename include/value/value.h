/*
 * value.h - a JSON value in an arena, immutable once built.
 *
 * Numbers keep their digits as they were written, so that they arrive digit for digit.
 * Strings are UTF-8 without any escape, and may hold NUL. Slices point into the arena or
 * the bytes parsed.
 */
#ifndef VOLLEY_VALUE_VALUE_H
#define VOLLEY_VALUE_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/text.h"

enum value_type {
	VALUE_NULL,
	VALUE_BOOLEAN,
	VALUE_NUMBER,
	VALUE_STRING,
	VALUE_ARRAY,
	VALUE_OBJECT
};

struct value;
struct member;

struct value {
	enum value_type type;
	union {
		bool boolean;
		struct text text; /* VALUE_NUMBER: as written; VALUE_STRING */
		struct {
			const struct value *items;
			size_t count;
		} array;
		struct {
			const struct member
				*members; /* in the order written, names unique */
			size_t count;
		} object;
	};
};

struct member {
	struct text name;
	struct value value;
};

extern const struct value value_null;

/* The member's value, or NULL when v is NULL, no object, or has no such member. */
const struct value *value_get(const struct value *v, struct text name);

/* The element's value, or NULL when v is NULL, no array, or shorter. */
const struct value *value_at(const struct value *v, size_t index);

/* Constructors in the arena; text is not copied. */
struct value *value_string(struct arena *arena, struct text text);
struct value *value_number(struct arena *arena, struct text digits);
struct value *value_integer(struct arena *arena, long long number);
struct value *value_boolean(struct arena *arena, bool boolean);

/* "null", "Boolean", "Number", "String", "Array", "Object": for messages. */
const char *value_type_name(enum value_type type);

#endif
