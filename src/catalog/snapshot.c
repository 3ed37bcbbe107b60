/*
 * snapshot.c - a project folder as one immutable whole, counted by those who use it.
 *
 * Everything is read even after an error, so that all of them are shown at once. Trees and
 * what is compiled from them live in the snapshot's arena, sources in the caller's, where
 * messages quote them after the snapshot is gone. Refused: reloading single files into a
 * snapshot in use, under which runs have begun.
 */
#include "catalog/snapshot.h"

#include <assert.h>
#include <unistd.h>

#include "catalog/load.h"

enum { MAX_IDLE = 4096 };

static uint64_t newest_version;

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

/* Names what stands in the folder and is not served, a line each. */
static void warn_of_others(struct load *load)
{
	static const char *const parts[] = { "listeners", "queries" };
	const struct load_files *own = &load->services;

	for (size_t i = 0; i < array_len(parts); i++) {
		const char *folder = load_folder(load, parts[i]);
		size_t count = load_count(load, folder);

		if (count)
			diag_warning(load->diag, (struct place){ 0 },
				"%s/: %zu file%s: %s are not served by this version",
				folder, count, count == 1 ? "" : "s", parts[i]);
	}
	for (size_t i = 0; i < own->count; i++)
		diag_warning(load->diag, (struct place){ 0 },
			"%s: services of your own are not served by this version",
			own->items[i].name);
}

static void load_all(struct load *load)
{
	if (load->settings->idle) {
		strbuf_string(&load->idle, load->settings->idle);
		load_idle_done(load);
	}
	load_rhubrc(load);
	load->services = load_list(load, "services");
	load_accounts(load);
	load_events(load);
	load_keys(load);
	warn_of_others(load);
	load->snapshot->idle = load_idle_text(load);
}

/* The folder's settings; where their file is no YAML, the defaults serve to check the rest. */
static const struct volley_settings *load_settings(
	const char *volley_yaml, struct load *load)
{
	const char *slash = strrchr(volley_yaml, '/');
	struct volley_settings *settings = settings_load_with(
		volley_yaml, load->arena, load->messages, load->diag);

	if (settings)
		load_listener_tls(load, &settings->tls);
	if (settings || access(volley_yaml, R_OK) != 0)
		return settings;
	return settings_new(slash ? arena_printf(load->messages, "%.*s",
					    (int)(slash - volley_yaml), volley_yaml)
				  : ".",
		load->arena);
}

struct snapshot *snapshot_load(
	const char *volley_yaml, struct arena *messages, struct diag *diag)
{
	struct arena *arena = arena_new();
	struct snapshot *snapshot = arena_zalloc(arena, 1, sizeof(*snapshot));
	struct load load = {
		.snapshot = snapshot, .arena = arena, .messages = messages, .diag = diag
	};
	size_t errors = diag_errors(diag);

	snapshot->arena = arena;
	snapshot->references = 1;
	strbuf_init_arena(&load.idle, messages, MAX_IDLE);
	load.settings = load_settings(volley_yaml, &load);
	snapshot->settings = load.settings;
	if (load.settings)
		load_all(&load);
	if (diag_errors(diag) != errors) {
		snapshot_release(snapshot);
		return NULL;
	}
	snapshot->version = ++newest_version;
	return snapshot;
}
