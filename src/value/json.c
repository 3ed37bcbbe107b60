/*
 * json.c - JSON text to a value tree: one pass over the bytes, then yajl.
 *
 * yajl 2.1 takes lone surrogates, overlong UTF-8, VT and FF, any depth, equal names, and an
 * open quote behind the value. json_scan refuses what is wrong in the bytes; the callbacks
 * count depth, find equal names and build the tree: children collect on a stack and move
 * into the arena together. yajl's memory and the stack live in a second arena, which goes
 * at the end.
 *
 * Refused: yajl_tree_parse(), which allocates every node and takes all of the above.
 */
#include "value/json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <yajl/yajl_parse.h>

#include "base/macros.h"
#include "value/json_scan.h"

enum { STACK_START = 64, PAIRWISE_MAX = 16, TO_TOKEN = -1, TO_NEXT = -2 };

struct frame {
	size_t start; /* of its children on the stack */
	bool is_object;
};

struct parser {
	struct arena *arena;   /* of the tree */
	struct arena *scratch; /* of this parse */
	struct text text;
	struct json_error *error;
	yajl_handle yajl;
	struct member *stack; /* children of the open arrays and objects, outermost first */
	size_t count, capacity;
	unsigned depth, max_depth;
	struct frame frames[JSON_MAX_DEPTH];
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Building the tree. */

/* Whether the slice lies in the text that is parsed, so that it need not be copied. */
static bool in_text(const struct parser *p, const void *at)
{
	return (uintptr_t)at - (uintptr_t)p->text.at < p->text.len;
}

/* Says what is wrong and stops yajl. */
static int refuse(struct parser *p, size_t offset, const char *message)
{
	json_error_set(p->error, offset, message);
	return 0;
}

static struct member *push(struct parser *p)
{
	if (p->count == p->capacity) {
		size_t size = p->capacity * sizeof(*p->stack);

		p->stack = arena_grow(p->scratch, p->stack, size, 2 * size);
		p->capacity *= 2;
	}
	return &p->stack[p->count++];
}

/* Where the next value goes: behind its name, which on_key() has pushed, or a new child. */
static struct value *place_value(struct parser *p)
{
	if (p->depth > 0 && p->frames[p->depth - 1].is_object)
		return &p->stack[p->count - 1].value;
	return &push(p)->value;
}

static int on_null(void *context)
{
	place_value(context)->type = VALUE_NULL;
	return 1;
}

static int on_boolean(void *context, int boolean)
{
	struct value *v = place_value(context);

	v->type = VALUE_BOOLEAN;
	v->boolean = boolean;
	return 1;
}

static int on_number(void *context, const char *at, size_t len)
{
	struct parser *p = context;
	struct text number = { at, len };
	struct value *v = place_value(p);
	size_t digits = 0;

	if (!in_text(p, at)) /* the text ends with it, and yajl has made a copy */
		number.at = p->text.at + p->text.len - len;
	if (len > JSON_MAX_DIGITS) {
		for (size_t i = 0; i < len; i++)
			digits += is_digit(at[i]);
		if (digits > JSON_MAX_DIGITS)
			return refuse(p, (size_t)(number.at - p->text.at),
				"a number has more than 1,000 digits");
	}
	v->type = VALUE_NUMBER;
	v->text = number;
	return 1;
}

static int on_string(void *context, const unsigned char *at, size_t len)
{
	struct parser *p = context;
	struct value *v = place_value(p);

	v->type = VALUE_STRING;
	v->text = (struct text){ (const char *)at, len };
	if (!in_text(p, at))
		v->text = arena_text(p->arena, v->text);
	return 1;
}

/* A decoded name is kept with the offset of its end before it, for name_offset(). */
static int on_key(void *context, const unsigned char *at, size_t len)
{
	struct parser *p = context;
	struct member *member = push(p);
	size_t end;
	char *copy;

	member->name = (struct text){ (const char *)at, len };
	if (!in_text(p, at)) {
		end = yajl_get_bytes_consumed(p->yajl);
		copy = arena_alloc(p->arena, sizeof(end) + len);
		memcpy(copy, &end, sizeof(end));
		memcpy(copy + sizeof(end), at, len);
		member->name.at = copy + sizeof(end);
	}
	return 1;
}

static int open_frame(struct parser *p, bool is_object)
{
	if (p->depth == p->max_depth)
		return refuse(p, yajl_get_bytes_consumed(p->yajl) - 1, "nested too deeply");
	p->frames[p->depth].start = p->count;
	p->frames[p->depth].is_object = is_object;
	p->depth++;
	return 1;
}

static int on_array(void *context)
{
	return open_frame(context, false);
}

static int on_object(void *context)
{
	return open_frame(context, true);
}

static int on_array_end(void *context)
{
	struct parser *p = context;
	size_t start = p->frames[--p->depth].start, count = p->count - start;
	struct value *items = arena_alloc(p->arena, count * sizeof(*items)), *v;

	for (size_t i = 0; i < count; i++)
		items[i] = p->stack[start + i].value;
	p->count = start;
	v = place_value(p);
	v->type = VALUE_ARRAY;
	v->array.items = items;
	v->array.count = count;
	return 1;
}

/* Equal names. */

static int compare_names(const void *a, const void *b)
{
	const struct member *x = *(const struct member *const *)a,
			    *y = *(const struct member *const *)b;
	int difference = text_compare(x->name, y->name);

	return difference != 0 ? difference : (x > y) - (x < y);
}

/* The first member whose name stood before, in many: sorted, so that a stranger's choice
 * of names costs n log n at most. */
static const struct member *find_repeated_sorted(
	const struct parser *p, const struct member *members, size_t count)
{
	const struct member **sorted = arena_alloc(p->scratch, count * sizeof(*sorted));
	const struct member *found = NULL;

	for (size_t i = 0; i < count; i++)
		sorted[i] = &members[i];
	qsort(sorted, count, sizeof(*sorted), compare_names);
	for (size_t i = 1; i < count; i++)
		if (text_equal(sorted[i - 1]->name, sorted[i]->name) &&
			(!found || sorted[i] < found))
			found = sorted[i];
	return found;
}

static const struct member *find_repeated(
	const struct parser *p, const struct member *members, size_t count)
{
	if (count > PAIRWISE_MAX)
		return find_repeated_sorted(p, members, count);
	for (size_t i = 1; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (text_equal(members[i].name, members[j].name))
				return &members[i];
	return NULL;
}

/* Where the string ends with its quote before `end`: of its opening quote. */
static size_t string_start(struct text text, size_t end)
{
	size_t i = end - 1, backslashes;

	do {
		backslashes = 0;
		while (text.at[--i] != '"')
			;
		while (i > backslashes && text.at[i - backslashes - 1] == '\\')
			backslashes++;
	} while (backslashes % 2 != 0);
	return i;
}

static size_t name_offset(const struct parser *p, const struct member *member)
{
	size_t end;

	if (in_text(p, member->name.at))
		return (size_t)(member->name.at - p->text.at) - 1;
	memcpy(&end, member->name.at - sizeof(end), sizeof(end));
	return string_start(p->text, end);
}

static int refuse_repeated(struct parser *p, const struct member *member)
{
	char message[sizeof(p->error->message)];

	if (member->name.len > 60)
		return refuse(
			p, name_offset(p, member), "a property stands twice in an object");
	snprintf(message, sizeof(message), "the property '%.*s' stands twice in an object",
		TEXT_ARG(member->name));
	return refuse(p, name_offset(p, member), message);
}

static int on_object_end(void *context)
{
	struct parser *p = context;
	size_t start = p->frames[--p->depth].start, count = p->count - start;
	struct member *members = arena_alloc(p->arena, count * sizeof(*members));
	const struct member *repeated;
	struct value *v;

	if (count > 0)
		memcpy(members, &p->stack[start], count * sizeof(*members));
	repeated = find_repeated(p, members, count);
	if (repeated)
		return refuse_repeated(p, repeated);
	p->count = start;
	v = place_value(p);
	v->type = VALUE_OBJECT;
	v->object.members = members;
	v->object.count = count;
	return 1;
}

/* Running yajl. */

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_object_end,
	.yajl_start_array = on_array,
	.yajl_end_array = on_array_end,
};

/* yajl's memory: blocks of the scratch arena with their size before them. */
enum { BLOCK_HEAD = 16 };

static void *block_alloc(void *arena, size_t size)
{
	char *block = arena_alloc(arena, BLOCK_HEAD + size);

	memcpy(block, &size, sizeof(size));
	return block + BLOCK_HEAD;
}

static void *block_realloc(void *arena, void *old, size_t size)
{
	char *block = old;
	size_t old_size;

	if (!old)
		return block_alloc(arena, size);
	block -= BLOCK_HEAD;
	memcpy(&old_size, block, sizeof(old_size));
	block = arena_grow(arena, block, BLOCK_HEAD + old_size, BLOCK_HEAD + size);
	memcpy(block, &size, sizeof(size));
	return block + BLOCK_HEAD;
}

static void block_free(void *arena, void *block)
{
}

/* Bytes of the literal or number at i, as yajl cuts them: 01 is a 0 and a 1. */
static size_t word_length(struct text text, size_t i)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t from = i;

	for (size_t w = 0; w < array_len(words); w++) {
		size_t len = strlen(words[w]);

		if (text.len - i >= len && memcmp(text.at + i, words[w], len) == 0)
			return len;
	}
	if (text.at[i] == '-')
		i++;
	if (i + 1 < text.len && text.at[i] == '0' && is_digit(text.at[i + 1]))
		return i + 1 - from;
	while (i < text.len && (is_digit(text.at[i]) || memchr(".eE+-", text.at[i], 5)))
		i++;
	return i > from ? i - from : 1;
}

/* Where the token begins that ends at or behind `end`: yajl stops behind what it refuses.
 * The strings before it are known to be good. */
static size_t token_start(struct text text, size_t end)
{
	struct json_error ignored;
	size_t i = 0, length;

	for (;;) {
		while (i < text.len && memchr(" \t\r\n", text.at[i], 4))
			i++;
		if (i >= text.len)
			return text.len;
		if (text.at[i] == '"')
			length = json_scan_string(text, i, &ignored);
		else if (memchr("{}[],:", text.at[i], 6))
			length = 1;
		else
			length = word_length(text, i);
		if (length == 0 || i + length >= end)
			return i;
		i += length;
	}
}

/* yajl's reasons by their beginnings, in words that fit beside an offset. */
static const struct {
	const char *theirs, *ours;
	int back; /* bytes from where yajl stopped, or: to the start of the token that
		     ends (TO_TOKEN) or begins (TO_NEXT: yajl goes back itself) there */
} reasons[] = {
	{ "parse error: unallowed token", "this is not allowed here", TO_TOKEN },
	{ "parse error: object key and value", "a ':' is missing here", TO_TOKEN },
	{ "parse error: invalid object key",
		"a property's name must be a string in double quotes", TO_TOKEN },
	{ "parse error: after key and value", "a ',' or '}' is missing here", TO_NEXT },
	{ "parse error: after array element", "a ',' or ']' is missing here", TO_TOKEN },
	{ "parse error: trailing garbage", "something stands behind the JSON value",
		TO_TOKEN },
	{ "lexical error: invalid char in", "a character that JSON does not have here", 1 },
	{ "lexical error: invalid string", "no such word; JSON has true, false and null",
		0 },
	{ "lexical error: invalid character inside", "a control character in a string", 0 },
	{ "lexical error: malformed number", "a number needs a digit here", 0 },
	{ "lexical error: probable comment", "JSON has no comments", 0 },
};

/* Why yajl stopped behind `end` bytes. */
static void explain(struct parser *p, size_t end)
{
	const char *theirs = (const char *)yajl_get_error(p->yajl, 0, NULL, 0);
	const char *ours = theirs;
	int back = TO_TOKEN;

	for (size_t i = 0; i < array_len(reasons); i++) {
		if (strncmp(theirs, reasons[i].theirs, strlen(reasons[i].theirs)) == 0) {
			ours = reasons[i].ours;
			back = reasons[i].back;
			break;
		}
	}
	if (back >= 0)
		end -= (size_t)back;
	else
		end = token_start(p->text, back == TO_NEXT ? end + 1 : end);
	json_error_set(p->error, end, ours);
}

/* The text ended inside something, or its last word should not be there. */
static void explain_end(struct parser *p)
{
	const char *theirs = (const char *)yajl_get_error(p->yajl, 0, NULL, 0);

	if (text_trim(p->text).len == 0)
		json_error_set(p->error, p->text.len, "there is no JSON value");
	else if (strstr(theirs, "trailing garbage"))
		explain(p, p->text.len);
	else
		json_error_set(p->error, p->text.len, "the text ends too early");
}

/* The first `len` bytes of the text, which yajl finds good; false: error is set. */
static bool run(struct parser *p, size_t len)
{
	yajl_status status = yajl_parse(p->yajl, (const unsigned char *)p->text.at, len);

	if (status == yajl_status_error)
		explain(p, yajl_get_bytes_consumed(p->yajl));
	return status == yajl_status_ok;
}

/* What stands before the bytes that the first pass refused may be wrong too; the first
 * mistake is the one to show. */
static bool run_all(struct parser *p)
{
	struct json_error in_bytes;

	if (!json_scan_plain(p->text) && !json_scan(p->text, &in_bytes)) {
		if (run(p, in_bytes.offset))
			*p->error = in_bytes;
		return false;
	}
	if (!run(p, p->text.len))
		return false;
	switch (yajl_complete_parse(p->yajl)) {
	case yajl_status_ok:
		return true;
	case yajl_status_client_canceled:
		return false;
	default:
		explain_end(p);
		return false;
	}
}

const struct value *json_parse(
	struct arena *arena, struct text text, unsigned max_depth, struct json_error *error)
{
	struct arena *scratch = arena_new();
	yajl_alloc_funcs functions = { block_alloc, block_realloc, block_free, scratch };
	struct value *root = NULL;
	struct parser p;

	p.arena = arena;
	p.scratch = scratch;
	p.text = text.at ? text : TEXT("");
	p.error = error;
	p.stack = arena_alloc(scratch, STACK_START * sizeof(*p.stack));
	p.count = 0;
	p.capacity = STACK_START;
	p.depth = 0;
	p.max_depth = max_depth < JSON_MAX_DEPTH ? max_depth : JSON_MAX_DEPTH;
	p.yajl = yajl_alloc(&callbacks, &functions, &p);
	yajl_config(p.yajl, yajl_dont_validate_strings, 1); /* json_scan() did */
	if (run_all(&p)) {
		root = arena_alloc(arena, sizeof(*root));
		*root = p.stack[0].value;
	}
	arena_free(scratch); /* with all of yajl's memory: nothing for yajl_free() to do */
	return root;
}
