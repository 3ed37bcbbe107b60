/*
 * redis_reply.c - hiredis' reader with object functions that build our values in an arena.
 *
 * The reader is fed at most one byte over the limit beyond the last complete reply, so what
 * it holds is bounded whatever a length on the wire claims. A string's announced length is
 * checked before its bytes come, and an array's against what its elements need at least.
 * hiredis 0.14 itself refuses the ninth level of arrays.
 *
 * Refused: redisReply trees that are converted afterwards; each reply would then cost
 * several calls of malloc.
 */
#include "net/redis_reply.h"

#include <hiredis/read.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "value/utf8.h"

/* The shortest element of an array on the wire is "+\r\n". */
enum { ELEMENT_MIN = 3, FEED_MAX = 16 * 1024, ERROR_MAX = 500 };

struct redis_reader {
	struct redisReader *hiredis;
	size_t limit;
	size_t partial;      /* bytes fed since the last complete reply ended */
	size_t elements;     /* of all arrays of this reply, as they were announced */
	struct arena *arena; /* of this reply; NULL: drop it */
	bool too_large, unframed, binary, is_error;
	char error[ERROR_MAX];
	size_t error_len;
};

static const struct value value_ok = { .type = VALUE_STRING, .text = { "OK", 2 } };

/* What stands for a reply that nobody wants; hiredis needs something that is not NULL. */
static struct value *dropped(void)
{
	static struct value nothing;

	return &nothing;
}

/* Where the value that this task reads belongs. */
static struct value *place_of(const redisReadTask *task, struct arena *arena)
{
	const struct value *array;

	if (!task->parent)
		return arena_alloc(arena, sizeof(struct value));
	array = task->parent->obj;
	/* The array was allocated by create_array(); only readers see it as const. */
	return (struct value *)&array->array.items[task->idx];
}

static void *create_string(const redisReadTask *task, char *bytes, size_t len)
{
	struct redis_reader *reader = task->privdata;
	struct value *v;

	/* hiredis skips two bytes behind a string, whatever they are. */
	if (memcmp(bytes + len, "\r\n", 2) != 0) {
		reader->unframed = true;
		return NULL;
	}
	if (task->type == REDIS_REPLY_ERROR && !task->parent) {
		reader->is_error = true;
		reader->error_len = len < ERROR_MAX ? len : ERROR_MAX;
		memcpy(reader->error, bytes, reader->error_len);
		return dropped();
	}
	if (!reader->arena)
		return dropped();
	if (!task->parent && task->type == REDIS_REPLY_STATUS && len == 2 &&
		memcmp(bytes, "OK", 2) == 0)
		return (void *)&value_ok;
	v = place_of(task, reader->arena);
	v->type = VALUE_STRING;
	v->text = arena_text(reader->arena, (struct text){ bytes, len });
	if (!utf8_valid(v->text))
		reader->binary = true;
	return v;
}

static void *create_array(const redisReadTask *task, int elements)
{
	struct redis_reader *reader = task->privdata;
	struct value *v;

	/* Also for dropped replies: the announced sum tells before the bytes come. */
	reader->elements += (size_t)elements;
	if (reader->elements > reader->limit / ELEMENT_MIN) {
		reader->too_large = true;
		return NULL;
	}
	if (!reader->arena)
		return dropped();
	v = place_of(task, reader->arena);
	v->type = VALUE_ARRAY;
	v->array.count = (size_t)elements;
	v->array.items = arena_zalloc(
		reader->arena, (size_t)elements, sizeof(struct value));
	return v;
}

static void *create_integer(const redisReadTask *task, long long number)
{
	struct redis_reader *reader = task->privdata;
	char digits[24];
	struct value *v;
	int len;

	if (!reader->arena)
		return dropped();
	v = place_of(task, reader->arena);
	len = snprintf(digits, sizeof digits, "%lld", number);
	v->type = VALUE_NUMBER;
	v->text = arena_text(reader->arena, (struct text){ digits, (size_t)len });
	return v;
}

static void *create_nil(const redisReadTask *task)
{
	struct redis_reader *reader = task->privdata;

	if (!reader->arena)
		return dropped();
	if (task->parent)
		*place_of(task, reader->arena) = value_null;
	return (void *)&value_null;
}

/* Values belong to their arenas. */
static void free_object(void *object)
{
}

static redisReplyObjectFunctions functions = { create_string, create_array, create_integer,
	create_nil, free_object };

struct redis_reader *redis_reader_new(size_t limit)
{
	struct redis_reader *reader = mem_zalloc(1, sizeof *reader);

	reader->hiredis = redisReaderCreateWithFunctions(&functions);
	if (!reader->hiredis)
		mem_exhausted();
	redisReaderSetPrivdata(reader->hiredis, reader);
	reader->limit = limit;
	return reader;
}

void redis_reader_free(struct redis_reader *reader)
{
	if (!reader)
		return;
	redisReaderFree(reader->hiredis);
	free(reader);
}

/* A reply with strings that JSON cannot hold: all its strings become base64, so that the
 * one mark beside the payload is true of each. */
static void encode_strings(struct value *v, struct arena *arena)
{
	unsigned char *out;

	if (v->type == VALUE_ARRAY)
		for (size_t i = 0; i < v->array.count; i++)
			encode_strings((struct value *)&v->array.items[i], arena);
	if (v->type != VALUE_STRING)
		return;
	out = arena_alloc(arena, (v->text.len + 2) / 3 * 4 + 1);
	v->text.len = (size_t)EVP_EncodeBlock(
		out, (const unsigned char *)v->text.at, (int)v->text.len);
	v->text.at = (const char *)out;
}

static enum redis_got failed(const struct redis_reader *reader)
{
	if (reader->too_large)
		return REDIS_GOT_TOO_LARGE;
	if (reader->unframed)
		return REDIS_GOT_GARBAGE;
	if (reader->hiredis->err == REDIS_ERR_OOM)
		mem_exhausted();
	/* hiredis has one number for everything; its text is fixed in 0.14. */
	if (strncmp(reader->hiredis->errstr, "No support for nested", 21) == 0)
		return REDIS_GOT_TOO_DEEP;
	return REDIS_GOT_GARBAGE;
}

/* Feeds what stands in one piece; 0: there is nothing. */
static size_t feed(struct redis_reader *reader, struct evbuffer *input)
{
	size_t most = reader->limit + 1 - reader->partial;
	struct evbuffer_iovec piece;

	if (evbuffer_peek(input, -1, NULL, &piece, 1) < 1)
		return 0;
	if (most > FEED_MAX)
		most = FEED_MAX;
	if (most > piece.iov_len)
		most = piece.iov_len;
	if (redisReaderFeed(reader->hiredis, piece.iov_base, most) != REDIS_OK)
		mem_exhausted();
	evbuffer_drain(input, most);
	reader->partial += most;
	return most;
}

static enum redis_got complete(
	struct redis_reader *reader, void *object, struct redis_reply *reply)
{
	size_t rest = reader->hiredis->len - reader->hiredis->pos;
	size_t size = reader->partial - rest;

	if (size > reader->limit)
		return REDIS_GOT_TOO_LARGE;
	reader->partial = rest;
	*reply = (struct redis_reply){ .is_error = reader->is_error };
	if (reader->is_error) {
		reply->error = (struct text){ reader->error, reader->error_len };
	} else if (reader->arena) {
		if (reader->binary)
			encode_strings(object, reader->arena);
		reply->value = object;
		reply->base64 = reader->binary;
	}
	reader->is_error = reader->binary = false;
	reader->elements = 0;
	return REDIS_GOT_REPLY;
}

/* Whether the string that is being read was announced to be longer than what may still come.
 * hiredis stands before its length until all of it is there. */
static bool announces_too_much(const struct redis_reader *reader)
{
	const struct redisReader *hiredis = reader->hiredis;
	size_t read = reader->partial - (hiredis->len - hiredis->pos);
	long long len;

	if (hiredis->ridx < 0 ||
		hiredis->rstack[hiredis->ridx].type != REDIS_REPLY_STRING ||
		hiredis->pos == hiredis->len)
		return false;
	len = strtoll(hiredis->buf + hiredis->pos, NULL, 10); /* sds ends in a NUL */
	return len > 0 && (unsigned long long)len > reader->limit - read;
}

enum redis_got redis_reader_next(struct redis_reader *reader, struct evbuffer *input,
	struct arena *arena, struct redis_reply *reply)
{
	void *object;

	reader->arena = arena;
	for (;;) {
		if (redisReaderGetReply(reader->hiredis, &object) != REDIS_OK)
			return failed(reader);
		if (object)
			return complete(reader, object, reply);
		if (reader->partial > reader->limit || announces_too_much(reader))
			return REDIS_GOT_TOO_LARGE;
		if (feed(reader, input) == 0)
			return REDIS_GOT_NOTHING;
	}
}

bool redis_reader_is_midway(const struct redis_reader *reader)
{
	return reader->partial > 0;
}

const char *redis_reader_error(const struct redis_reader *reader)
{
	return reader->unframed ? "a string is longer than announced"
				: reader->hiredis->errstr;
}

/* ---- what error replies mean ---- */

/* Read from the top: longer beginnings of the same word stand first. */
static const struct {
	const char *prefix;
	enum err err;
} error_kinds[] = {
	{ "ERR max number of clients", ERR_CONNECT },
	{ "ERR invalid password", ERR_LOGIN },
	{ "WRONGPASS ", ERR_LOGIN },
	{ "NOAUTH ", ERR_LOGIN },
	{ "DENIED ", ERR_LOGIN },
	{ "LOADING ", ERR_REDIS_BUSY },
	{ "READONLY ", ERR_REDIS_BUSY },
	{ "MASTERDOWN ", ERR_REDIS_BUSY },
	{ "CLUSTERDOWN ", ERR_REDIS_BUSY },
	{ "TRYAGAIN ", ERR_REDIS_BUSY },
	{ "BUSY ", ERR_REDIS_BUSY },
	{ "OOM ", ERR_REDIS_BUSY },
	{ "MISCONF ", ERR_REDIS_BUSY },
	{ "NOREPLICAS ", ERR_REDIS_BUSY },
	{ "NOPERM ", ERR_REDIS_DENIED },
};

/* Whether the text begins with the prefix, or is the prefix without its last blank. */
static bool has_prefix(struct text t, const char *prefix)
{
	size_t len = strlen(prefix);

	if (prefix[len - 1] == ' ' && t.len == len - 1)
		len--;
	return t.len >= len && memcmp(t.at, prefix, len) == 0;
}

enum err redis_error_kind(struct text error)
{
	for (size_t i = 0; i < array_len(error_kinds); i++)
		if (has_prefix(error, error_kinds[i].prefix))
			return error_kinds[i].err;
	return ERR_REDIS_OTHER;
}

struct text redis_error_word(struct text error)
{
	size_t len = 0;

	while (len < error.len &&
		((error.at[len] >= 'A' && error.at[len] <= 'Z') || error.at[len] == '_'))
		len++;
	if (len < error.len && error.at[len] != ' ')
		len = 0;
	return (struct text){ error.at, len < 32 ? len : 0 };
}
