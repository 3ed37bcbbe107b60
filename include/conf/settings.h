/*
 * settings.h - volley.yaml: what the daemon is told.
 */
#ifndef VOLLEY_CONF_SETTINGS_H
#define VOLLEY_CONF_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/log.h"
#include "base/macros.h"
#include "conf/options.h"

struct tls_context;

struct listener {
	const char *address; /* "127.0.0.1:8080", "[::]:80", "unix:/absolute/path" */
	bool tls;
	struct place place;
};

/* TLS of the listeners; paths are absolute. Without a certificate none of it is there. */
struct settings_tls {
	const char *certificate, *key;
	const char *client_ca; /* NULL: clients need no certificate */
	int min_version;       /* 0: 1.2, 1: 1.3 */
	struct place certificate_place, key_place, client_ca_place;
	struct tls_context *context; /* made of it by those who serve; NULL: not (yet) */
};

struct settings_limits {
	unsigned connections, inflight, headers, depth, pipeline, trigger_depth;
	size_t memory, body, head, request;
	uint64_t head_timeout, body_timeout, reply_timeout, idle_timeout;
};

/* An account half's pool, as a group of options; connections 0: the service's default. */
struct settings_pool {
	unsigned connections, queue;
	uint64_t connect_timeout, timeout, idle_timeout;
	size_t response_limit;
};

struct settings_breaker {
	unsigned failures;
	uint64_t open;
};

struct settings_retry {
	bool enabled;
	uint64_t within, delay, max_delay;
	double factor;
	unsigned attempts, waiting;
};

/* Read and checked; nothing of these is in force in this version. */
struct settings_store {
	const char *path;
	int sync; /* 0: always, 1: interval, 2: none */
	uint64_t interval;
	size_t max_size;
};

struct settings_idempotency {
	uint64_t window;
	unsigned max_entries;
	size_t max_size;
};

struct settings_keep {
	unsigned keep;
	uint64_t keep_for;
};

struct settings_admin {
	const char *listen; /* as listener.address */
	const char *token;  /* NULL: none */
	const char **hosts;
	size_t host_count;
};

struct volley_settings {
	const char *folder; /* the project folder, absolute */
	struct listener *listen;
	size_t listen_count;
	struct settings_tls tls;
	const char **routes; /* each begins and ends with a slash */
	size_t route_count;
	const char *namespace;
	uint64_t respond_timeout, shutdown_timeout;
	int journal_engine; /* 0: none, 1: file (an error in this version) */
	struct settings_store journal;
	struct settings_idempotency idempotency;
	struct settings_keep dead_letters;
	struct settings_keep runs;
	struct settings_admin admin;
	int reply_detail; /* 0: message, 1: full */
	struct settings_limits limits;
	struct settings_pool pool;
	struct settings_breaker breaker;
	struct settings_retry retry;
	int log_level;    /* enum log_level */
	int log_format;   /* enum log_format */
	const char *idle; /* "breaker, retry": keys given that are not in force in this
	                     version; NULL: none */
};

/* The whole table, for the manual and `volley help`. */
extern const struct conf_option settings_table[];

/*
 * Reads DIR/volley.yaml (or another file, whose folder is the project folder). Everything
 * is checked; errors go to diag. NULL: the file cannot be read or is no YAML. The settings
 * live in the arena; the source that messages quote lives in messages (NULL: in the arena).
 */
must_check const struct volley_settings *settings_load(
	const char *path, struct arena *arena, struct diag *diag);
must_check struct volley_settings *settings_load_with(
	const char *path, struct arena *arena, struct arena *messages, struct diag *diag);

/*
 * Reads a `retry` (false, or a group of options) over what settings->retry holds; also an
 * action's own. "retry" is appended to idle.
 */
void settings_read_retry(const struct node *node, struct volley_settings *settings,
	struct arena *arena, struct diag *diag, struct strbuf *idle);

/* Only the defaults, for a folder that is no path's yet. */
struct volley_settings *settings_new(const char *folder, struct arena *arena);

#endif
