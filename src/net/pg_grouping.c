/*
 * pg_grouping.c - which statements may share a transaction: what experience says of each.
 *
 * Inside a group single times cannot be seen (all results arrive at the sync), so slowness
 * is judged from statements that went alone and from whole groups, against the lowest round
 * trip of the last minute. A disk that stalls for a moment makes any group slow: a statement
 * whose groups were fast is therefore set apart only after several slow ones in a row, each
 * sent after the one before was known; one that never was, after the first. Failing rows
 * halve a statement's groups, and good ones let them grow again by one.
 *
 * Refused: a fixed size of groups where rows fail often. With one failure in ten rows nearly
 * every group of 64 would be work for nothing.
 */
#include "net/pg_grouping.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { TRAITS_MAX = 1024, STRIKES = 3, ROWS_MIN = 2 };

#define SLOW_EXCESS (5 * NS_PER_MS) /* above the lowest round trip */
#define SLOW_ROW    (1 * NS_PER_MS) /* for each row of a group */
#define SET_APART   (60 * NS_PER_SEC)
#define ROTATION    (30 * NS_PER_SEC)

void pg_grouping_init(struct pg_grouping *grouping)
{
	memset(grouping, 0, sizeof(*grouping));
	list_init(&grouping->recent);
}

static void drop(struct pg_grouping *grouping, struct pg_trait *trait)
{
	assert(grouping->table); /* what is on `recent` is in it */
	HASH_DELETE(hh, grouping->table, trait);
	list_remove(&grouping->recent, &trait->link);
	free(trait);
}

void pg_grouping_free(struct pg_grouping *grouping)
{
	struct link *link;

	while ((link = list_first(&grouping->recent)))
		drop(grouping, container_of(link, struct pg_trait, link));
}

/* ---- traits ---- */

/* Makes room; what is in use stays, and is bounded by the queue and the connections. */
static void evict(struct pg_grouping *grouping)
{
	struct link *link = list_first(&grouping->recent);

	while (link && grouping->recent.count >= TRAITS_MAX) {
		struct pg_trait *trait = container_of(link, struct pg_trait, link);

		link = list_next(&grouping->recent, link);
		if (trait->users == 0)
			drop(grouping, trait);
	}
}

struct pg_trait *pg_grouping_use(
	struct pg_grouping *grouping, const struct pg_statement *statement)
{
	struct pg_trait_key key;
	struct pg_trait *trait;

	memset(&key, 0, sizeof(key)); /* its padding is hashed too */
	key.len = statement->sql.len;
	key.hash = statement->hash;
	HASH_FIND(hh, grouping->table, &key, sizeof(key), trait);
	if (trait) {
		list_remove(&grouping->recent, &trait->link);
	} else {
		evict(grouping);
		trait = mem_zalloc(1, sizeof(*trait));
		memcpy(&trait->key, &key, sizeof(key));
		trait->rows = PG_GROUP_ROWS;
		HASH_ADD(hh, grouping->table, key, sizeof(key), trait);
	}
	list_append(&grouping->recent, &trait->link);
	trait->users++;
	return trait;
}

void pg_grouping_unuse(struct pg_trait *trait)
{
	trait->users--;
}

bool pg_grouping_allows(const struct pg_trait *trait, const void *session, uint64_t now)
{
	if (trait->slow || now < trait->apart)
		return false;
	return now >= trait->single || !trait->holder || trait->holder == session;
}

void pg_grouping_hold(struct pg_trait *trait, const void *session)
{
	trait->holder = session;
}

void pg_grouping_release(struct pg_trait *trait, const void *session)
{
	if (trait->holder == session)
		trait->holder = NULL;
}

/* ---- slowness ---- */

static void rotate(struct pg_grouping *grouping, uint64_t now)
{
	if (now - grouping->rotated < ROTATION)
		return;
	grouping->lowest[1] = now - grouping->rotated < 2 * ROTATION ? grouping->lowest[0]
								     : 0;
	grouping->lowest[0] = 0;
	grouping->rotated = now;
}

/* Takes a round trip into account and gives the lowest one. */
static uint64_t lowest(struct pg_grouping *grouping, uint64_t trip, uint64_t now)
{
	rotate(grouping, now);
	if (!grouping->lowest[0] || trip < grouping->lowest[0])
		grouping->lowest[0] = trip;
	if (grouping->lowest[1] && grouping->lowest[1] < grouping->lowest[0])
		return grouping->lowest[1];
	return grouping->lowest[0];
}

void pg_grouping_alone(
	struct pg_grouping *grouping, struct pg_trait *trait, uint64_t sent, uint64_t now)
{
	trait->slow = now - sent > lowest(grouping, now - sent, now) + SLOW_EXCESS;
}

bool pg_grouping_judge(
	struct pg_grouping *grouping, size_t rows, uint64_t sent, uint64_t now)
{
	return now - sent >
	       lowest(grouping, now - sent, now) + SLOW_EXCESS + rows * SLOW_ROW;
}

void pg_grouping_note(
	struct pg_trait *trait, bool was_slow, size_t rows, uint64_t sent, uint64_t now)
{
	if (!was_slow) {
		trait->quick = true;
		trait->strikes = 0;
		if (rows >= trait->rows && trait->rows < PG_GROUP_ROWS)
			trait->rows++;
		return;
	}
	/* Groups that were on their way together tell of one and the same stall. */
	if (sent < trait->struck)
		return;
	trait->struck = now;
	if (++trait->strikes < STRIKES && trait->quick)
		return;
	trait->apart = now + SET_APART;
	trait->strikes = 0;
	trait->quick = false;
}

/* ---- failures ---- */

void pg_grouping_taken_apart(struct pg_trait *trait, uint64_t now)
{
	if (trait->halved == now)
		return;
	trait->halved = now;
	trait->rows /= 2;
	if (trait->rows < ROWS_MIN)
		trait->rows = ROWS_MIN;
}

void pg_grouping_deadlocked(struct pg_trait *trait, uint64_t now)
{
	trait->single = now + SET_APART;
}
