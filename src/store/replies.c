/*
 * replies.c - kept replies as one heap block each, in a list by age and a table by id.
 *
 * A block holds the entry, the event's id and the body, so that keeping one costs one
 * allocation and forgetting one a free. A ring of fixed slots was refused: bodies differ by
 * orders of magnitude, and the bound that matters is bytes.
 */
#include "store/replies.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/uuid.h"

/* Blocks are multiples of this, so that replies that differ by some digits are of one size. */
enum { BLOCK_STEP = 128 };

struct entry {
	UT_hash_handle hh;
	struct link link; /* replies->entries, oldest first */
	uint64_t kept_at; /* monotonic ns */
	size_t size;      /* of the whole block */
	struct kept_reply reply;
	char id[UUID_TEXT_LEN];
	char bytes[]; /* the event's id, then the body */
};

struct replies {
	struct entry *by_id;
	struct list entries;
	size_t bytes;
	unsigned keep;
	uint64_t keep_for;
};

struct replies *replies_new(unsigned keep, uint64_t keep_for)
{
	struct replies *replies = mem_zalloc(1, sizeof(*replies));

	list_init(&replies->entries);
	replies->keep = keep;
	replies->keep_for = keep_for;
	return replies;
}

/* Takes an entry out of everything; its block is the caller's. */
static void remove_entry(struct replies *replies, struct entry *entry)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the entry is in the table */
	HASH_DEL(replies->by_id, entry);
	list_remove(&replies->entries, &entry->link);
	replies->bytes -= entry->size;
}

static void forget(struct replies *replies, struct entry *entry)
{
	remove_entry(replies, entry);
	free(entry);
}

static struct entry *oldest(struct replies *replies)
{
	struct link *link = list_first(&replies->entries);

	return link ? container_of(link, struct entry, link) : NULL;
}

void replies_free(struct replies *replies)
{
	struct entry *entry;

	if (!replies)
		return;
	while ((entry = oldest(replies)))
		forget(replies, entry);
	free(replies);
}

/* Forgets the oldest until `more` bytes and one entry more (or none) fit. */
static void make_room(struct replies *replies, size_t more, size_t entries)
{
	struct entry *entry;

	while ((entry = oldest(replies)) &&
		(replies->entries.count + entries > replies->keep ||
			replies->bytes + more > REPLIES_MAX_BYTES))
		forget(replies, entry);
}

static void expire(struct replies *replies, uint64_t now)
{
	struct entry *entry;

	while ((entry = oldest(replies)) && now - entry->kept_at > replies->keep_for)
		forget(replies, entry);
}

void replies_limit(struct replies *replies, unsigned keep, uint64_t keep_for)
{
	replies->keep = keep;
	replies->keep_for = keep_for;
	make_room(replies, 0, 0);
}

static struct text append(char **at, struct text t)
{
	struct text copy = { *at, t.len };

	if (t.len)
		memcpy(*at, t.at, t.len);
	*at += t.len;
	return copy;
}

/*
 * A block of that size. When the number is at its bound the oldest reply's block serves
 * again, if it is of the same size: most replies of an event are, and so a full store
 * costs no allocation.
 */
static struct entry *take_block(struct replies *replies, size_t size)
{
	struct entry *entry = oldest(replies);

	if (entry && replies->entries.count >= replies->keep && entry->size == size) {
		remove_entry(replies, entry);
		return entry;
	}
	make_room(replies, size, 1);
	return mem_alloc(size);
}

void replies_put(struct replies *replies, const char *id, const struct kept_reply *reply,
	uint64_t now)
{
	size_t size = sizeof(struct entry) + reply->event_id.len + reply->body.len;
	struct entry *entry;
	char *at;

	size = (size + BLOCK_STEP - 1) / BLOCK_STEP * BLOCK_STEP;
	if (replies->keep == 0 || size > REPLIES_MAX_BYTES)
		return;
	expire(replies, now);
	entry = take_block(replies, size);
	memset(entry, 0, sizeof(*entry));
	at = entry->bytes;
	memcpy(entry->id, id, UUID_TEXT_LEN);
	entry->reply.event_id = append(&at, reply->event_id);
	entry->reply.body = append(&at, reply->body);
	entry->reply.environment = reply->environment;
	entry->reply.catalog = reply->catalog;
	entry->kept_at = now;
	entry->size = size;
	HASH_ADD(hh, replies->by_id, id, UUID_TEXT_LEN, entry);
	list_append(&replies->entries, &entry->link);
	replies->bytes += size;
}

bool replies_find(
	struct replies *replies, struct text id, uint64_t now, struct kept_reply *out)
{
	struct entry *entry = NULL;

	expire(replies, now);
	if (id.len == UUID_TEXT_LEN)
		HASH_FIND(hh, replies->by_id, id.at, id.len, entry);
	if (!entry)
		return false;
	*out = entry->reply;
	return true;
}

size_t replies_count(const struct replies *replies)
{
	return replies->entries.count;
}

size_t replies_bytes(const struct replies *replies)
{
	return replies->bytes;
}
