/*
 * loader.c - the order in which a project folder is read, as a table of stages.
 *
 * A stage does one piece at each call until it says that it is through; a piece is what
 * cannot be divided without knowing about its inside. Everything is read even after an error,
 * so that all of them are shown at once. Trees and what is compiled from them live in the
 * snapshot's arena, sources in the caller's, where messages quote them after the snapshot is
 * gone. Refused: a thread that loads, since the rest of the program has none.
 */
#include "catalog/loader.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "catalog/load.h"
#include "loop/tls_store.h"

enum {
	MAX_IDLE = 4096,
	KEYS_STEP = 100,             /* keys checked in a step */
	FREE_STEP = 2 * 1024 * 1024, /* bytes freed in a step */
	CERTIFICATES_STEP = 4        /* certificates parsed in a step; one takes 0.2 ms */
};

struct loader {
	struct load load;
	const char *volley_yaml;
	size_t errors; /* that stood in diag before */
	size_t stage;  /* in the table */
	size_t next;   /* the piece of the stage that comes next */
	struct load_files accounts, events;
	struct load_pending *pending; /* of events */
	size_t pending_count;
	const struct node *keys;         /* NULL: none */
	struct service_account *account; /* the next to link */
};

static uint64_t newest_version;

/* ---- stages: true when there is nothing left of it -------------------------------------- */

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

static bool read_settings(struct loader *loader)
{
	struct load *load = &loader->load;

	load->settings = load_settings(loader->volley_yaml, load);
	load->snapshot->settings = load->settings;
	if (load->settings && load->settings->idle) {
		strbuf_string(&load->idle, load->settings->idle);
		load_idle_done(load);
	}
	return true;
}

static bool list_files(struct loader *loader)
{
	struct load *load = &loader->load;

	load_rhubrc(load);
	load->services = load_list(load, "services");
	loader->accounts = load_list(load, "accounts");
	loader->events = load_list(load, load_folder(load, "events"));
	loader->pending = arena_zalloc(
		load->messages, loader->events.count + 1, sizeof(*loader->pending));
	return true;
}

static bool read_account(struct loader *loader)
{
	if (loader->next == loader->accounts.count)
		return true;
	load_account(&loader->load, &loader->accounts.items[loader->next++]);
	return false;
}

static bool read_event(struct loader *loader)
{
	if (loader->next == loader->events.count)
		return true;
	loader->pending_count += load_event(&loader->load,
		&loader->events.items[loader->next++],
		&loader->pending[loader->pending_count]);
	return false;
}

static bool compile_event(struct loader *loader)
{
	if (loader->next == loader->pending_count)
		return true;
	load_event_compile(&loader->load, &loader->pending[loader->next++]);
	return false;
}

static bool parse_keys(struct loader *loader)
{
	loader->keys = load_keys(&loader->load);
	return true;
}

static bool read_keys(struct loader *loader)
{
	for (unsigned i = 0; i < KEYS_STEP; i++) {
		if (!loader->keys || loader->next == loader->keys->count)
			return true;
		load_key(&loader->load, loader->keys->items[loader->next++]);
	}
	return false;
}

static bool link_account(struct loader *loader)
{
	if (loader->next++ == 0)
		loader->account = loader->load.snapshot->accounts;
	if (!loader->account)
		return true;
	load_account_link(&loader->load, loader->account);
	loader->account = loader->account->hh.next;
	return false;
}

/* Names what stands in the folder and is not served, a line each. */
static bool warn_of_others(struct loader *loader)
{
	static const char *const parts[] = { "listeners", "queries" };
	struct load *load = &loader->load;
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
	return true;
}

/* The system's certificates, where an account trusts them and they are not in memory. */
static bool fill_store(struct loader *loader)
{
	struct errbuf reason;

	if (tls_store_fill(CERTIFICATES_STEP, &reason))
		return false;
	if (*reason.text) {
		diag_error(loader->load.diag, (struct place){ 0 }, "%s", reason.text);
		diag_hint(loader->load.diag,
			"name the file of the CA in the account: tls: {ca: FILE}");
	}
	return true;
}

/* A folder with errors leaves nothing but its messages. */
static bool free_failed(struct loader *loader)
{
	if (diag_errors(loader->load.diag) == loader->errors)
		return true;
	if (snapshot_release_some(loader->load.snapshot, FREE_STEP))
		return false;
	loader->load.snapshot = NULL;
	return true;
}

static bool (*const stages[])(struct loader *loader) = {
	read_settings,
	list_files,
	read_account,
	read_event,
	compile_event,
	parse_keys,
	read_keys,
	link_account,
	warn_of_others,
	fill_store,
	free_failed,
};

/* ---- a loader --------------------------------------------------------------------------- */

struct loader *loader_new(
	const char *volley_yaml, struct arena *messages, struct diag *diag)
{
	struct loader *loader = mem_zalloc(1, sizeof(*loader));
	struct arena *arena = arena_new_lasting();
	struct snapshot *snapshot = arena_zalloc(arena, 1, sizeof(*snapshot));

	snapshot->arena = arena;
	snapshot->references = 1;
	loader->load = (struct load){
		.snapshot = snapshot, .arena = arena, .messages = messages, .diag = diag
	};
	strbuf_init_arena(&loader->load.idle, messages, MAX_IDLE);
	loader->volley_yaml = arena_text(messages, text_of(volley_yaml)).at;
	loader->errors = diag_errors(diag);
	return loader;
}

bool loader_step(struct loader *loader)
{
	if (loader->stage == array_len(stages))
		return false;
	if (stages[loader->stage](loader)) {
		loader->stage++;
		loader->next = 0;
	}
	/* Without a folder there is nothing more to read. */
	if (!loader->load.settings)
		loader->stage = array_len(stages);
	return loader->stage < array_len(stages);
}

struct snapshot *loader_finish(struct loader *loader)
{
	struct snapshot *snapshot = loader->load.snapshot;

	if (loader->stage < array_len(stages) || !snapshot ||
		diag_errors(loader->load.diag) != loader->errors) {
		loader_cancel(loader);
		return NULL;
	}
	snapshot->idle = load_idle_text(&loader->load);
	snapshot_begin(snapshot, ++newest_version);
	free(loader);
	return snapshot;
}

void loader_cancel(struct loader *loader)
{
	struct snapshot *snapshot = loader->load.snapshot;

	/* free_failed() may have begun with it. */
	while (snapshot && snapshot_release_some(snapshot, SIZE_MAX))
		;
	tls_store_abandon();
	free(loader);
}

struct snapshot *snapshot_load(
	const char *volley_yaml, struct arena *messages, struct diag *diag)
{
	struct loader *loader = loader_new(volley_yaml, messages, diag);

	while (loader_step(loader))
		;
	return loader_finish(loader);
}
