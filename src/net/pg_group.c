/*
 * pg_group.c - which waiting statements go out together, and what becomes of such a group.
 *
 * A connection that becomes free takes the statement that waits longest and, if that may
 * share a transaction, those right behind it that may too. They go out with one sync behind
 * them: one implicit transaction, one flush of the server's log. When anything in a group
 * fails the server has rolled all of it back, so each statement returns to the front of the
 * queue to go alone, on whatever connection is free: only the failing one fails, and nobody
 * sees the repetition.
 *
 * Refused: taking statements from the middle of the queue. Groups would be larger, and what
 * may not share one would be overtaken again and again.
 */
#include <string.h>

#include "net/pg_session.h"

/* ---- taking ---- */

static struct pg_entry *waiting(const struct pool *pool)
{
	struct attempt *attempt = pool_peek(pool);

	return attempt ? attempt->slot : NULL;
}

static bool may_share(const struct pg_session *session, const struct pg_entry *entry)
{
	return entry->trait && !entry->alone &&
	       pg_grouping_allows(entry->trait, session, loop_now(session->loop));
}

static void take(struct pg_session *session)
{
	struct attempt *attempt = pool_take(session->pooled.pool);
	struct pg_entry *entry = attempt->slot;

	entry->session = session;
	list_append(&session->taken, &entry->link);
}

static void hold_all(struct pg_session *session)
{
	list_for_each (&session->taken, link)
		pg_grouping_hold(pg_entry_of(link)->trait, session);
}

void pg_session_take(struct pg_session *session)
{
	const struct pool *pool = session->pooled.pool;
	struct pg_entry *entry = waiting(pool);
	size_t bytes = 0, most = PG_GROUP_ROWS;

	if (!entry)
		return;
	if (!may_share(session, entry)) {
		take(session);
		return;
	}
	while (entry && may_share(session, entry)) {
		if (entry->trait->rows < most)
			most = entry->trait->rows;
		bytes += entry->query->bytes;
		if (session->taken.count > 0 &&
			(session->taken.count >= most || bytes > PG_GROUP_BYTES))
			break;
		take(session);
		entry = waiting(pool);
	}
	if (session->taken.count > 1)
		hold_all(session);
}

/* ---- answers ---- */

struct pg_entry *pg_unit_refused(const struct pg_unit *unit)
{
	list_for_each (&unit->entries, link) {
		struct pg_entry *entry = pg_entry_of(link);

		if (entry->result && pg_result_is_error(entry->result))
			return entry;
	}
	return NULL;
}

static bool is_complete(const struct pg_unit *unit)
{
	list_for_each (&unit->entries, link) {
		if (!pg_entry_of(link)->result)
			return false;
	}
	return true;
}

static bool has_sqlstate(const struct pg_entry *entry, const char *sqlstate)
{
	return strcmp(pg_result_sqlstate(entry->result), sqlstate) == 0;
}

/* One that has used up the server's timeout has had its turn: again it would take as long. */
static void judge_culprit(struct pg_unit *unit, struct pg_entry *culprit, uint64_t now)
{
	if (has_sqlstate(culprit, "40P01"))
		pg_grouping_deadlocked(culprit->trait, now);
	(void)pg_entry_outdate(culprit);
	if (!has_sqlstate(culprit, "57014"))
		return;
	list_remove(&unit->entries, &culprit->link);
	pg_entry_settle(culprit);
}

/* Back to the front of the queue, in the order in which they were sent. */
static void take_apart(struct pg_unit *unit, struct pg_entry *culprit, uint64_t now)
{
	struct link *last;

	list_for_each (&unit->entries, link)
		pg_grouping_taken_apart(pg_entry_of(link)->trait, now);
	if (culprit)
		judge_culprit(unit, culprit, now);
	while ((last = list_take_last(&unit->entries))) {
		struct pg_entry *entry = pg_entry_of(last);

		entry->alone = true;
		pg_entry_return(entry);
	}
}

static void learn_from_group(
	struct pg_session *session, const struct pg_unit *unit, uint64_t now)
{
	size_t rows = unit->entries.count;
	bool slow = pg_grouping_judge(session->grouping, rows, unit->sent, now);

	list_for_each (&unit->entries, link)
		pg_grouping_note(pg_entry_of(link)->trait, slow, rows, unit->sent, now);
}

static void learn_from_one(
	struct pg_session *session, const struct pg_unit *unit, uint64_t now)
{
	struct pg_entry *entry = pg_entry_of(list_first(&unit->entries));

	if (entry->trait)
		pg_grouping_alone(session->grouping, entry->trait, unit->sent, now);
}

void pg_group_answered(struct pg_session *session, struct pg_unit *unit)
{
	uint64_t now = loop_now(session->loop);
	struct pg_entry *culprit = pg_unit_refused(unit);
	bool failed = culprit || !is_complete(unit) ||
		      (unit->description && pg_result_is_error(unit->description));

	/* None: its parameters could not be bound after all. */
	if (unit->entries.count > 1 && failed)
		take_apart(unit, culprit, now);
	else if (unit->entries.count > 1)
		learn_from_group(session, unit, now);
	else if (unit->entries.count == 1 && !failed)
		learn_from_one(session, unit, now);
}
