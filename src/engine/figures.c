/*
 * figures.c - the book of figures, and the tables that say what they are.
 *
 * An entry holds both environments of one event, action or account and is counted by the
 * sets that refer to it. Refused: figures inside the snapshot, which would begin at zero
 * with every reload.
 */
#include "engine/figures.h"

#include <stddef.h>

#include "base/hash.h"
#include "base/mem.h"

#define AT(member) offsetof(struct figures, member)

const struct metric event_metrics[] = {
	{ "volley_events_total", "replies", METRIC_COUNTER, METRIC_PLAIN, AT(ended),
		"status", "201|202|gone", false,
		"events that were accepted, by the status of their reply; gone: the client "
		"left before it" },
	{ "volley_event_seconds", "latencyMS", METRIC_HISTOGRAM, METRIC_NANOSECONDS,
		AT(time), NULL, NULL, true,
		"time from an event's first byte to its reply" },
	{ .name = NULL },
};

const struct metric action_metrics[] = {
	{ "volley_tasks_total", "tasks", METRIC_COUNTER, METRIC_PLAIN, AT(ended), "outcome",
		"done|failed", false, "tasks that have settled" },
	{ "volley_task_seconds", "latencyMS", METRIC_HISTOGRAM, METRIC_NANOSECONDS,
		AT(time), NULL, NULL, true,
		"time from the start of a task's first attempt to the end of its last" },
	{ .name = NULL },
};

const struct metric account_metrics[] = {
	{ "volley_account_attempts_total", "attempts", METRIC_COUNTER, METRIC_PLAIN,
		AT(ended), "outcome", "done|failed", false,
		"attempts that have ended; those that could not be rendered are not among "
		"them" },
	{ "volley_account_attempt_seconds", "latencyMS", METRIC_HISTOGRAM,
		METRIC_NANOSECONDS, AT(time), NULL, NULL, false,
		"time of an attempt, waiting for a connection included" },
	{ .name = NULL },
};

/* ---- the book ---- */

struct entry {
	UT_hash_handle hh;
	size_t users;
	struct figures figures[ENV_COUNT];
	char key[]; /* ids, a NUL after each: one, two or three of them tell the kinds apart */
};

struct figures_book {
	struct entry *entries;
};

struct figures_book *figures_book_new(void)
{
	return mem_zalloc(1, sizeof(struct figures_book));
}

void figures_book_free(struct figures_book *book)
{
	free(book);
}

/* Ids have at most 100 characters, so three of them fit. */
enum { KEY_MAX = 512 };

struct key_text {
	char bytes[KEY_MAX];
	size_t len;
};

static void add_id(struct key_text *key, struct text id)
{
	size_t room = KEY_MAX - key->len - 1;
	size_t len = id.len < room ? id.len : room;

	if (len > 0)
		memcpy(key->bytes + key->len, id.at, len);
	key->len += len;
	key->bytes[key->len++] = '\0';
}

static struct figures *hold(struct figures_book *book, const struct key_text *key)
{
	struct entry *entry = NULL;

	HASH_FIND(hh, book->entries, key->bytes, key->len, entry);
	if (!entry) {
		entry = mem_zalloc(1, sizeof(*entry) + key->len);
		memcpy(entry->key, key->bytes, key->len);
		for (int e = 0; e < ENV_COUNT; e++)
			histogram_init(&entry->figures[e].time, &histogram_latency);
		HASH_ADD(hh, book->entries, key[0], key->len, entry);
	}
	entry->users++;
	return entry->figures;
}

void figures_release(struct figures_book *book, struct figures *figures)
{
	struct entry *entry = container_of(figures, struct entry, figures[0]);

	if (--entry->users > 0)
		return;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the entry is in the table */
	HASH_DEL(book->entries, entry);
	free(entry);
}

struct figures *figures_hold_account(struct figures_book *book, struct text account_id)
{
	struct key_text key;

	key.len = 0;
	add_id(&key, TEXT("account"));
	add_id(&key, account_id);
	return hold(book, &key);
}

/* An event's, or one of its actions'. */
static struct figures *hold_event(struct figures_book *book, const struct event_def *event,
	const struct filter *filter, const struct action *action)
{
	struct key_text key;

	key.len = 0;
	add_id(&key, event->id);
	if (filter)
		add_id(&key, filter->id);
	if (action)
		add_id(&key, action->id);
	return hold(book, &key);
}

/* ---- sets ---- */

static void add_event(
	struct figures_set *set, struct figures_book *book, const struct event_def *event)
{
	set->events[event->index] = (struct figures_row){ .event = event,
		.figures = hold_event(book, event, NULL, NULL) };
	for (size_t f = 0; f < event->filter_count; f++) {
		const struct filter *filter = &event->filters[f];

		for (size_t a = 0; a < filter->action_count; a++) {
			const struct action *action = &filter->actions[a];

			set->actions[action->index] = (struct figures_row){ .event = event,
				.filter = filter,
				.action = action,
				.figures = hold_event(book, event, filter, action) };
		}
	}
}

struct figures_set *figures_set_new(
	struct figures_book *book, const struct snapshot *snapshot)
{
	struct figures_set *set = mem_zalloc(1, sizeof(*set));

	set->event_count = snapshot->event_count;
	set->action_count = snapshot->action_count;
	set->account_count = snapshot->account_count;
	set->events = mem_zalloc(set->event_count + 1, sizeof(*set->events));
	set->actions = mem_zalloc(set->action_count + 1, sizeof(*set->actions));
	set->accounts = mem_zalloc(set->account_count + 1, sizeof(*set->accounts));
	for (const struct event_def *event = snapshot->events; event;
		event = event->hh.next)
		add_event(set, book, event);
	for (const struct service_account *account = snapshot->accounts; account;
		account = account->hh.next)
		set->accounts[account->index] = (struct figures_row){ .account = account,
			.figures = figures_hold_account(book, account->id) };
	return set;
}

static void release_rows(struct figures_book *book, struct figures_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		figures_release(book, rows[i].figures);
	free(rows);
}

void figures_set_free(struct figures_book *book, struct figures_set *set)
{
	release_rows(book, set->events, set->event_count);
	release_rows(book, set->actions, set->action_count);
	release_rows(book, set->accounts, set->account_count);
	free(set);
}
