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

void snapshot_release(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	assert(snapshot->references > 0);
	if (--snapshot->references)
		return;
	alive -= snapshot->version != 0;
	HASH_CLEAR(hh, snapshot->keys);
	HASH_CLEAR(hh, snapshot->accounts);
	HASH_CLEAR(hh, snapshot->events);
	arena_free(snapshot->arena);
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
