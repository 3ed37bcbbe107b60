/*
 * snapshot.h - the catalog: everything that a project folder says, as one immutable whole.
 *
 * A run keeps a reference to the snapshot under which it began; the last one to let go
 * frees it.
 */
#ifndef VOLLEY_CATALOG_SNAPSHOT_H
#define VOLLEY_CATALOG_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/macros.h"
#include "catalog/account.h"
#include "catalog/event.h"
#include "catalog/key.h"
#include "conf/settings.h"

struct snapshot {
	struct arena *arena; /* everything below */
	unsigned references;
	uint64_t version; /* 1 for the first that the process loads, then 2, ...; 0: it is
	                     not whole yet */
	const struct volley_settings *settings;
	struct key *keys;                 /* uthash by client_key */
	struct service_account *accounts; /* uthash by id */
	size_t account_count;
	struct event_def *events; /* uthash by id */
	size_t event_count;
	size_t action_count; /* enabled ones, of all events */
	const char *idle; /* keys given that are not in force, "retry (3 files), ..."; NULL:
	                     none */
};

/*
 * Reads and checks the folder of this volley.yaml, everything, all errors in one go (in steps:
 * loader.h). NULL when there was an error (diag says which; it lives in an arena of the
 * caller's, as do the sources it quotes). With one reference. Places in the snapshot point to
 * those sources too: look at them only while `messages` lives.
 */
must_check struct snapshot *snapshot_load(
	const char *volley_yaml, struct arena *messages, struct diag *diag);

struct snapshot *snapshot_hold(struct snapshot *snapshot);
void snapshot_release(struct snapshot *snapshot);

/*
 * Gives a reference back in steps: frees about that many bytes when it was the last one.
 * True: there is more to free; call it again, until it is false.
 */
must_check bool snapshot_release_some(struct snapshot *snapshot, size_t bytes);

/* How two snapshots differ, by ids and what their files said. */
struct snapshot_difference {
	size_t added, changed, removed;
};
struct snapshot_change {
	struct snapshot_difference events, accounts;
};
struct snapshot_change snapshot_compare(
	const struct snapshot *old, const struct snapshot *next);

/* Whole snapshots that somebody still refers to. */
size_t snapshot_alive(void);

const struct event_def *snapshot_event(const struct snapshot *snapshot, struct text id);
const struct key *snapshot_key(const struct snapshot *snapshot, struct text client_key);

#endif
