/*
 * replies.h - the reply texts of settled runs, for look-ups by id: bounded by number, age
 * and bytes.
 */
#ifndef VOLLEY_STORE_REPLIES_H
#define VOLLEY_STORE_REPLIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

struct replies;

/* All replies together hold at most this many bytes. */
enum { REPLIES_MAX_BYTES = 64 * 1024 * 1024 };

/*
 * One kept reply; the slices live until the next call of replies_put() or replies_free().
 */
struct kept_reply {
	struct text event_id;
	int environment;  /* enum environment of the run */
	uint64_t catalog; /* version of the run's catalog */
	struct text body;
};

/* keep: the most entries (0: none are kept); keep_for: nanoseconds. */
struct replies *replies_new(unsigned keep, uint64_t keep_for);
void replies_free(struct replies *replies);

/* Other bounds from now on; what is beyond them goes. */
void replies_limit(struct replies *replies, unsigned keep, uint64_t keep_for);

/*
 * Keeps a copy under the id, UUID_TEXT_LEN characters that are not kept yet; the oldest go
 * to make room. now: monotonic ns. A body beyond the bytes' bound is not kept.
 */
void replies_put(struct replies *replies, const char *id, const struct kept_reply *reply,
	uint64_t now);

/* Finds the reply of a run; false: none is kept (any more). */
bool replies_find(
	struct replies *replies, struct text id, uint64_t now, struct kept_reply *out);

/* Entries and bytes held. */
size_t replies_count(const struct replies *replies);
size_t replies_bytes(const struct replies *replies);

#endif
