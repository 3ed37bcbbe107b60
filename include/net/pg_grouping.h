/*
 * pg_grouping.h - which statements may share a transaction: what experience says of each.
 *
 * An INSERT costs a server a fraction when it shares its commit with others, but a slow one
 * makes all of its group wait, and one that fails or deadlocks has the whole group sent
 * again. This file only knows and judges; sessions do.
 */
#ifndef VOLLEY_NET_PG_GROUPING_H
#define VOLLEY_NET_PG_GROUPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/list.h"
#include "net/pg_client.h"

enum { PG_GROUP_ROWS = 64, PG_GROUP_BYTES = 256 * 1024 };

/* What is known of one statement. */
struct pg_trait {
	struct pg_trait_key {
		size_t len;
		unsigned hash; /* a collision only mixes two experiences */
	} key;
	unsigned users;     /* entries that refer to it; it is kept while there are some */
	unsigned rows;      /* the most that its groups may have now */
	bool slow;          /* its last run alone was slow */
	bool quick;         /* some group with it was as fast as it should be */
	unsigned strikes;   /* slow groups in a row */
	uint64_t struck;    /* when the last of them was known */
	uint64_t halved;    /* when `rows` was halved last */
	uint64_t apart;     /* not grouped before this time */
	uint64_t single;    /* grouped on one connection only before this time */
	const void *holder; /* the session that has it in a group; NULL: none */
	UT_hash_handle hh;
	struct link link; /* the least recently used first */
};

/* The experience of one client. All times are monotonic ns. */
struct pg_grouping {
	struct pg_trait *table;
	struct list recent;
	uint64_t lowest[2]; /* round trips of this and the last half minute; 0: none */
	uint64_t rotated;
};

void pg_grouping_init(struct pg_grouping *grouping);
void pg_grouping_free(struct pg_grouping *grouping);

/* The statement's trait, with one user more. */
struct pg_trait *pg_grouping_use(
	struct pg_grouping *grouping, const struct pg_statement *statement);
void pg_grouping_unuse(struct pg_trait *trait);

/* Whether the statement may go out in a group on this session now. */
bool pg_grouping_allows(const struct pg_trait *trait, const void *session, uint64_t now);

/* The session has it in a group, or no longer. */
void pg_grouping_hold(struct pg_trait *trait, const void *session);
void pg_grouping_release(struct pg_trait *trait, const void *session);

/* A groupable statement was answered alone, sent at `sent`. */
void pg_grouping_alone(
	struct pg_grouping *grouping, struct pg_trait *trait, uint64_t sent, uint64_t now);

/*
 * The same of a group. Call pg_grouping_judge() once for the group, then note its verdict for
 * each statement in it.
 */
bool pg_grouping_judge(
	struct pg_grouping *grouping, size_t rows, uint64_t sent, uint64_t now);
void pg_grouping_note(
	struct pg_trait *trait, bool was_slow, size_t rows, uint64_t sent, uint64_t now);

/* The group was taken apart: the next ones with this statement are smaller. Call it for each
 * statement of the group; it counts once for a trait and a time. */
void pg_grouping_taken_apart(struct pg_trait *trait, uint64_t now);

/* The statement has met a deadlock in a group. */
void pg_grouping_deadlocked(struct pg_trait *trait, uint64_t now);

#endif
