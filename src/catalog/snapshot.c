/*
 * snapshot.c - a project folder as one immutable whole, counted by those who use it.
 *
 * Refused: reloading single files into a snapshot in use, under which runs have begun.
 */
#include "catalog/snapshot.h"

#include <assert.h>

#include "catalog/load.h"

static size_t alive;

void snapshot_begin(struct snapshot *snapshot, uint64_t version)
{
	snapshot->version = version;
	alive++;
}

size_t snapshot_alive(void)
{
	return alive;
}

struct snapshot *snapshot_hold(struct snapshot *snapshot)
{
	assert(snapshot->references > 0);
	snapshot->references++;
	return snapshot;
}

/* Nobody refers to it any more. */
static void bury(struct snapshot *snapshot)
{
	alive -= snapshot->version != 0;
	HASH_CLEAR(hh, snapshot->keys);
	HASH_CLEAR(hh, snapshot->accounts);
	HASH_CLEAR(hh, snapshot->events);
}

bool snapshot_release_some(struct snapshot *snapshot, size_t bytes)
{
	if (snapshot->references > 1) {
		snapshot->references--;
		return false;
	}
	if (snapshot->references == 1)
		bury(snapshot);
	snapshot->references = 0;
	return arena_free_some(snapshot->arena, bytes);
}

void snapshot_release(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	assert(snapshot->references > 0);
	while (snapshot_release_some(snapshot, SIZE_MAX))
		;
}

const struct event_def *snapshot_event(const struct snapshot *snapshot, struct text id)
{
	struct event_def *event = NULL;

	if (id.len)
		HASH_FIND(hh, snapshot->events, id.at, id.len, event);
	return event;
}

const struct key *snapshot_key(const struct snapshot *snapshot, struct text client_key)
{
	struct key *key = NULL;

	if (client_key.len)
		HASH_FIND(hh, snapshot->keys, client_key.at, client_key.len, key);
	return key;
}

/* ---- two of them ------------------------------------------------------------------------ */

static bool account_changed(
	const struct service_account *old, const struct service_account *next)
{
	if (old->digest != next->digest)
		return true;
	for (int e = 0; e < ENV_COUNT; e++)
		if (old->half[e].fingerprint != next->half[e].fingerprint)
			return true; /* what its file refers to is another */
	return false;
}

static struct snapshot_difference compare_events(
	const struct snapshot *old, const struct snapshot *next)
{
	struct snapshot_difference difference = { .removed = old->event_count };

	for (const struct event_def *event = next->events; event; event = event->hh.next) {
		const struct event_def *before = snapshot_event(old, event->id);

		difference.added += before == NULL;
		difference.removed -= before != NULL;
		difference.changed += before && before->digest != event->digest;
	}
	return difference;
}

static struct snapshot_difference compare_accounts(
	const struct snapshot *old, const struct snapshot *next)
{
	struct snapshot_difference difference = { .removed = old->account_count };

	for (const struct service_account *account = next->accounts; account;
		account = account->hh.next) {
		const struct service_account *before;

		HASH_FIND(hh, old->accounts, account->id.at, account->id.len, before);
		difference.added += before == NULL;
		difference.removed -= before != NULL;
		difference.changed += before && account_changed(before, account);
	}
	return difference;
}

struct snapshot_change snapshot_compare(
	const struct snapshot *old, const struct snapshot *next)
{
	return (struct snapshot_change){ .events = compare_events(old, next),
		.accounts = compare_accounts(old, next) };
}
