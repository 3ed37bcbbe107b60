/*
 * load.h - what the files that read a project folder share; of no use outside catalog/.
 */
#ifndef VOLLEY_CATALOG_LOAD_H
#define VOLLEY_CATALOG_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/strbuf.h"
#include "catalog/snapshot.h"
#include "value/node.h"

/* A YAML file of the folder. */
struct load_file {
	const char *path;            /* to open it */
	const char *name;            /* "events/a.b.yaml", as messages call it */
	struct text stem;            /* "a.b" */
	const struct source *source; /* once read */
	uint64_t digest;             /* of its text, once read */
	const struct node *root;     /* once parsed; NULL: it is no YAML */
};

struct load_files {
	struct load_file *items;
	size_t count, capacity;
};

/* A key that is not in force, and how many files use it. */
struct load_idle {
	const char *name;
	size_t files;
};

/* An event's file that was read and whose event is registered, not compiled yet. */
struct load_pending {
	const struct node *root;
	struct event_def *event;
};

struct load {
	struct snapshot *snapshot;
	struct arena *arena;    /* the snapshot's: trees and what is compiled from them */
	struct arena *messages; /* the caller's: sources and names that messages quote */
	struct diag *diag;
	const struct volley_settings *settings;
	const struct node *rhubrc; /* NULL: none */
	struct load_files
		services;   /* services/: their types are known, and not served yet */
	struct strbuf idle; /* of the file at work */
	struct load_idle *idle_keys;
	size_t idle_count;
};

/* The snapshot is whole: it counts as alive until it is freed. */
void snapshot_begin(struct snapshot *snapshot, uint64_t version);

/* Lists and sorts the YAML files of a folder of the project; none when it is not there. */
struct load_files load_list(struct load *load, const char *folder);

/* How many YAML files stand in the folder and the folders in it. */
size_t load_count(struct load *load, const char *folder);

/* Reads and parses the file: fills source and root. False: diag has an error. */
bool load_parse(struct load *load, struct load_file *file);

/* Reads .rhubrc, where the original platform's folder has one. */
void load_rhubrc(struct load *load);

/* The folder of a part ("events"): as .rhubrc says, else the part's own name. */
const char *load_folder(struct load *load, const char *part);

/* Ids of one list, to find what stands twice. */
struct load_id {
	struct text id;
	struct place place;
	UT_hash_handle hh;
};

/* Adds the id of an item, if it has one; an error when it is there already. */
void load_unique(
	struct load *load, struct load_id **ids, const struct node *item, const char *what);

/* Empties the set. */
void load_unique_done(struct load_id **ids);

/* Takes the names that the file at work has left in load->idle into account. */
void load_idle_done(struct load *load);

/* "retry (3 files), breaker", or NULL. */
const char *load_idle_text(struct load *load);

/* Makes the listeners' TLS context; where the block is absent or incomplete: nothing. */
void load_listener_tls(struct load *load, struct settings_tls *tls);

/* One account's file. */
void load_account(struct load *load, struct load_file *file);

/* Once all actions are known: what their timeouts mean for the account's halves. */
void load_account_link(struct load *load, struct service_account *account);

/*
 * One event's file: reads it and registers the event; false: it is no YAML. All are
 * registered before the first is compiled.
 */
must_check bool load_event(
	struct load *load, struct load_file *file, struct load_pending *out);
void load_event_compile(struct load *load, const struct load_pending *pending);

/* The list in keys.yaml, NULL: none (or an error); then each of its keys. */
const struct node *load_keys(struct load *load);
void load_key(struct load *load, const struct node *node);

/* Reads one filter's actions into it. */
struct load_event {
	struct event_def *event;
	struct scope scope;
};
void load_actions(struct load *load, const struct load_event *event, struct filter *filter,
	const struct node *list);

/* Checks a list of triggers; they are not executed in this version. */
void load_triggers(struct load *load, const struct node *list, const char *key,
	const struct scope *scope);

/* A service type by any of its names. */
struct load_type {
	const char *name;              /* canonical; NULL: no such type */
	const struct service_ops *ops; /* NULL: not served by this version */
	bool own;                      /* of services/ */
};
struct load_type load_type(const struct load *load, struct text name);

/* Says that there is no such type, with a suggestion. */
void load_unknown_type(struct load *load, struct text name, struct place place);

#endif
