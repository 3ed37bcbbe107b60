/*
 * redis_reply.h - bytes of a Redis server to replies as JSON values, bounded in size and
 * depth.
 */
#ifndef VOLLEY_NET_REDIS_REPLY_H
#define VOLLEY_NET_REDIS_REPLY_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/macros.h"
#include "base/text.h"
#include "value/value.h"

/* Arrays inside arrays that one reply may have, the outermost counted as 1. */
enum { REDIS_MAX_DEPTH = 8 };

enum redis_got {
	REDIS_GOT_NOTHING,   /* no complete reply yet */
	REDIS_GOT_REPLY,     /* one reply */
	REDIS_GOT_TOO_LARGE, /* it is larger than the limit; the reader is of no more use */
	REDIS_GOT_TOO_DEEP,  /* it is nested too deep; the same */
	REDIS_GOT_GARBAGE    /* it is no RESP2; the same */
};

struct redis_reply {
	bool is_error;     /* an error reply ("-ERR ...") */
	struct text error; /* its text, cut at 500 bytes; valid until the next call */
	const struct value *value; /* of any other reply, in the arena; strings as text,
			   integers as numbers, nil as null; NULL without arena */
	bool base64;               /* some string is no UTF-8: all strings are base64 */
};

struct redis_reader;

/* A reader that accepts replies of at most `limit` bytes on the wire. */
struct redis_reader *redis_reader_new(size_t limit);
void redis_reader_free(struct redis_reader *reader);

/*
 * Takes bytes from input until one reply is complete, and never more than the limit ahead
 * of it. The reply's value is built in the arena; NULL drops it. A caller that loses its
 * arena in the midst of a reply passes NULL from then on, until that reply is complete.
 */
must_check enum redis_got redis_reader_next(struct redis_reader *reader,
	struct evbuffer *input, struct arena *arena, struct redis_reply *reply);

/* Whether bytes were read that belong to no complete reply. */
bool redis_reader_is_midway(const struct redis_reader *reader);

/* What was wrong, after REDIS_GOT_GARBAGE. */
const char *redis_reader_error(const struct redis_reader *reader);

/* What kind of failure an error reply is, by its first words. */
enum err redis_error_kind(struct text error);

/* The error's first word when it is a code as Redis writes them ("WRONGTYPE", at most 31
 * characters), else empty. */
struct text redis_error_word(struct text error);

#endif
