/*
 * settings_table.c - every setting of volley.yaml in one table.
 *
 * The file's reader, the defaults, the sample file and the manual all follow these rows.
 * Custom rows are read in settings.c; their default stands here for people. Refused: one
 * table per module, which nobody could read from top to bottom as the list of what exists.
 */
#include "conf/settings.h"

#define AT(member) offsetof(struct volley_settings, member)

/* in force, and checked only */
#define YES .in_force = true
#define NO  .in_force = false

#define UNSIGNED(n, m, dflt, lo, hi, force, text)                                          \
	{                                                                                  \
		.name = n, .type = OPTION_UNSIGNED, .offset = AT(m), .fallback = dflt,     \
		.min = lo, .max = hi, force, .help = text                                  \
	}
#define SIZE(n, m, dflt, lo, hi, force, text)                                              \
	{                                                                                  \
		.name = n, .type = OPTION_SIZE, .offset = AT(m), .fallback = dflt,         \
		.min = lo, .max = hi, force, .help = text                                  \
	}
#define DURATION(n, m, dflt, lo, hi, force, text)                                          \
	{                                                                                  \
		.name = n, .type = OPTION_DURATION, .offset = AT(m), .fallback = dflt,     \
		.min = lo, .max = hi, force, .help = text                                  \
	}
#define FACTOR(n, m, dflt, lo, hi, force, text)                                            \
	{                                                                                  \
		.name = n, .type = OPTION_FACTOR, .offset = AT(m), .fallback = dflt,       \
		.min = lo, .max = hi, force, .help = text                                  \
	}
#define CHOICE(n, m, dflt, words, force, text)                                             \
	{                                                                                  \
		.name = n, .type = OPTION_CHOICE, .offset = AT(m), .fallback = dflt,       \
		.choices = words, force, .help = text                                      \
	}
#define TEXT_OPTION(n, m, dflt, force, text)                                               \
	{                                                                                  \
		.name = n, .type = OPTION_TEXT, .offset = AT(m), .fallback = dflt, force,  \
		.help = text                                                               \
	}
#define CUSTOM(n, dflt, force, text)                                                       \
	{                                                                                  \
		.name = n, .type = OPTION_CUSTOM, .fallback = dflt, force, .help = text    \
	}

/* clang-format off */
const struct conf_option settings_table[] = {
	CUSTOM("listen", "127.0.0.1:8080", YES,
		"addresses of the Event API: ADDRESS:PORT or unix:PATH, one or a list"),
	TEXT_OPTION("tls.certificate", tls.certificate, NULL, YES,
		"file of the listeners' certificate and its chain, PEM"),
	TEXT_OPTION("tls.key", tls.key, NULL, YES, "file of the certificate's key; private"),
	TEXT_OPTION("tls.clientCa", tls.client_ca, NULL, YES,
		"file of CAs; clients then need a certificate of one of them"),
	CHOICE("tls.minVersion", tls.min_version, "1.2", "1.2|1.3", YES,
		"oldest version of TLS that is spoken"),
	CUSTOM("routes", "[\"/event/\"]", YES, "path prefixes of the Event API"),
	CUSTOM("admin.listen", "127.0.0.1:8081", YES, "address of the admin listener"),
	TEXT_OPTION("admin.token", admin.token, NULL, YES, "bearer token of the admin listener"),
	CUSTOM("admin.hosts", NULL, YES, "further host names of the admin listener"),
	TEXT_OPTION("namespace", namespace, "default", YES, "name of this installation"),
	DURATION("respondTimeout", respond_timeout, "15s", "1ms", "1h", YES,
		"the reply goes at the latest after this time"),
	DURATION("shutdownTimeout", shutdown_timeout, "30s", "0s", "24h", YES,
		"runs may finish for this long after SIGTERM"),

	CHOICE("journal.engine", journal_engine, "none", "none|file", YES,
		"where accepted events are kept until they are settled"),
	TEXT_OPTION("journal.path", journal.path, "data/journal", NO, "folder of the journal"),
	CHOICE("journal.sync", journal.sync, "always", "always|interval|none", NO,
		"when the journal is synced to the disk"),
	DURATION("journal.interval", journal.interval, "100ms", "1ms", "1m", NO,
		"time between two syncs with sync: interval"),
	SIZE("journal.maxSize", journal.max_size, "1GiB", "1MiB", NULL, NO,
		"new events are refused beyond this size"),

	DURATION("idempotency.window", idempotency.window, "24h", "1s", "365d", NO,
		"replies are kept for repeats for this long"),
	UNSIGNED("idempotency.maxEntries", idempotency.max_entries, "1000000", "1", NULL, NO,
		"replies kept at most"),
	SIZE("idempotency.maxSize", idempotency.max_size, "256MiB", "1MiB", NULL, NO,
		"bytes of replies kept at most"),

	UNSIGNED("deadLetters.keep", dead_letters.keep, "100000", "0", NULL, NO,
		"dead letters kept at most"),
	DURATION("deadLetters.for", dead_letters.keep_for, "30d", "1s", "3650d", NO,
		"dead letters are kept for this long"),

	UNSIGNED("runs.keep", runs.keep, "10000", "0", "10000000", YES,
		"settled runs kept for GET /run/ID at most"),
	DURATION("runs.for", runs.keep_for, "24h", "1s", "3650d", YES,
		"settled runs are kept for this long"),

	CHOICE("replies.detail", reply_detail, "message", "message|full", YES,
		"full: replies also hold PostgreSQL's DETAIL, HINT and CONTEXT"),

	UNSIGNED("limits.connections", limits.connections, "10000", "1", "1000000", YES,
		"connections of clients"),
	UNSIGNED("limits.inflight", limits.inflight, "10000", "1", "1000000", YES,
		"runs whose reply has not gone"),
	SIZE("limits.memory", limits.memory, "256MiB", "1MiB", NULL, YES,
		"memory of all living runs"),
	SIZE("limits.body", limits.body, "1MiB", "1B", "1GiB", YES, "a request's body"),
	SIZE("limits.head", limits.head, "16KiB", "256B", "1MiB", YES,
		"a request's line and headers"),
	UNSIGNED("limits.headers", limits.headers, "100", "1", "10000", YES,
		"headers of a request"),
	UNSIGNED("limits.depth", limits.depth, "64", "1", "100", YES,
		"nesting of a payload, itself included"),
	UNSIGNED("limits.pipeline", limits.pipeline, "100", "1", "10000", YES,
		"requests of one connection that wait for their reply"),
	SIZE("limits.request", limits.request, "4MiB", "1KiB", "1GiB", YES,
		"one rendered request to a service"),
	DURATION("limits.headTimeout", limits.head_timeout, "10s", "1ms", "1h", YES,
		"time for a request's head"),
	DURATION("limits.bodyTimeout", limits.body_timeout, "30s", "1ms", "1h", YES,
		"time for a request's body"),
	DURATION("limits.replyTimeout", limits.reply_timeout, "30s", "1ms", "1h", YES,
		"time for a client to take its reply"),
	DURATION("limits.idleTimeout", limits.idle_timeout, "75s", "1ms", "24h", YES,
		"time between two requests of a connection"),
	UNSIGNED("limits.triggerDepth", limits.trigger_depth, "8", "0", "100", NO,
		"levels of events that trigger events"),

	UNSIGNED("pool.connections", pool.connections, NULL, "1", "1000", YES,
		"connections of an account half; POSTGRESQL 8, REDIS 1, HTTP and REST 32"),
	UNSIGNED("pool.queue", pool.queue, "10000", "0", "10000000", YES,
		"tasks that wait for a connection"),
	DURATION("pool.connectTimeout", pool.connect_timeout, "5s", "1ms", "1h", YES,
		"time to open a connection"),
	DURATION("pool.timeout", pool.timeout, "10s", "1ms", "24h", YES,
		"time of an attempt, where its action names none"),
	DURATION("pool.idleTimeout", pool.idle_timeout, "5m", "1ms", "30d", YES,
		"a connection without work is closed after this time"),
	SIZE("pool.responseLimit", pool.response_limit, "1MiB", "1B", "1GiB", YES,
		"bytes of one answer"),

	UNSIGNED("breaker.failures", breaker.failures, "5", "1", "1000000", NO,
		"failures in a row after which an account half is left alone"),
	DURATION("breaker.open", breaker.open, "10s", "1ms", "24h", NO,
		"for how long it is left alone"),

	CUSTOM("retry", NULL, NO, "false: one attempt; or the group below"),
	DURATION("retry.within", retry.within, "1h", "1ms", "365d", NO,
		"time from the first attempt to the last"),
	DURATION("retry.delay", retry.delay, "500ms", "1ms", "24h", NO,
		"longest wait before the second attempt"),
	FACTOR("retry.factor", retry.factor, "2", "1", "100", NO, "by which it grows"),
	DURATION("retry.maxDelay", retry.max_delay, "1m", "1ms", "24h", NO,
		"longest wait between two attempts"),
	UNSIGNED("retry.attempts", retry.attempts, "100", "1", "1000000", NO,
		"attempts of a task"),
	UNSIGNED("retry.waiting", retry.waiting, "10000", "0", "10000000", NO,
		"tasks of an account half that wait for a retry"),

	CHOICE("log.level", log_level, "info", "debug|info|warn|error", YES, "least level"),
	CHOICE("log.format", log_format, "logfmt", "logfmt|json", YES, "form of a line"),
	{ .name = NULL }
};
/* clang-format on */
