/*
 * pg_conninfo.c - an account's connection string for PostgreSQL, checked and completed at
 * load.
 *
 * libpq fills what a string leaves out from the environment and from files, and looks host
 * names up; each of these can block or surprise a daemon. So the string is taken apart by
 * libpq's own parser and written anew with every such parameter in it; names become
 * addresses when a connection is opened. An empty value
 * counts as given in a connection string (but not in PQconnectStartParams' arrays, which is
 * why there are none here).
 *
 * Refused: clearing the environment instead, since account files may refer to PGPASSWORD
 * and the like at a later reload.
 */
#include "net/pg_conninfo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "loop/tls.h"

enum { CONNINFO_MAX = 64 * 1024, HOSTS_MAX = 32, KEYWORD_MAX = 40, NAME_MAX_LEN = 253 };

/* A file that cannot exist, so that libpq looks for none in somebody's home. */
#define NO_FILE "/dev/null/none"

/* What is sent when the url does not say; "" keeps the environment out. */
static const struct {
	const char *keyword, *value;
} defaults[] = {
	{ "password", "" },
	{ "requirepeer", "" },
	{ "passfile", NO_FILE }, /* ~/.pgpass is not read */
	{ "application_name", "volley" },
	{ "gssencmode", "disable" },
	{ "channel_binding", "prefer" },
	{ "sslcompression", "0" },
	{ "sslsni", "1" },
	{ "sslpassword", "" },
	{ "ssl_min_protocol_version", "TLSv1.2" },
	{ "ssl_max_protocol_version", "" },
	{ "target_session_attrs", "any" },
};

/* What is written in a way of its own, or not passed on. */
static const char *const handled[] = { "host", "hostaddr", "port", "dbname", "user",
	"options", "sslmode", "client_encoding", "connect_timeout", "service",
	"sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir" };

static const char *option_value(const PQconninfoOption *options, const char *keyword)
{
	for (const PQconninfoOption *o = options; o->keyword; o++) {
		if (strcmp(o->keyword, keyword) == 0)
			return o->val && *o->val ? o->val : NULL;
	}
	return NULL;
}

static void append(struct strbuf *out, const char *keyword, const char *value)
{
	strbuf_printf(out, "%s%s='", out->len ? " " : "", keyword);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			strbuf_char(out, '\\');
		strbuf_char(out, *value);
	}
	strbuf_char(out, '\'');
}

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

/* Names of options are no secrets, but what stands at a name's place may be none. */
static bool is_keyword(struct text word)
{
	for (size_t i = 0; i < word.len; i++) {
		if (!strchr("abcdefghijklmnopqrstuvwxyz_", word.at[i]))
			return false;
	}
	return word.len > 0 && word.len <= KEYWORD_MAX;
}

static void append_suggestion(struct errbuf *errbuf, const struct suggest *suggest)
{
	struct errbuf before = *errbuf;

	if (suggest_found(suggest))
		errbuf_set(errbuf, "%s; did you mean '%.*s'?", before.text,
			TEXT_ARG(suggest->best));
}

/* An option that libpq does not know, by its name. False: the reason is another one. */
static bool set_unknown_option(struct errbuf *errbuf, const char *reason)
{
	static const char *const prefixes[] = { "invalid connection option \"",
		"invalid URI query parameter: \"" };
	struct text word = { NULL, 0 };
	PQconninfoOption *known;
	struct suggest suggest;

	for (size_t i = 0; i < array_len(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (strncmp(reason, prefixes[i], len) == 0)
			word = (struct text){ reason + len, strcspn(reason + len, "\"") };
	}
	if (!is_keyword(word))
		return false;
	known = PQconninfoParse("", NULL); /* out of memory: no suggestion */
	suggest_init(&suggest, word);
	for (const PQconninfoOption *o = known; o && o->keyword; o++)
		suggest_offer(&suggest, text_of(o->keyword));
	errbuf_set(errbuf, "libpq has no option '%.*s'", TEXT_ARG(word));
	append_suggestion(errbuf, &suggest);
	PQconninfoFree(known);
	return true;
}

/* libpq's reason, without what it quotes from the string. */
static void set_parse_error(struct errbuf *errbuf, const char *reason)
{
	char safe[200];
	size_t len = 0;
	bool quoted = false;

	if (set_unknown_option(errbuf, reason))
		return;
	for (; *reason && *reason != '\n' && len + 4 < sizeof(safe); reason++) {
		if (*reason == '"') {
			quoted = !quoted;
			safe[len++] = '"';
			if (quoted)
				len += (size_t)sprintf(safe + len, "..");
		} else if (!quoted) {
			safe[len++] = *reason;
		}
	}
	safe[len] = '\0';
	errbuf_set(errbuf, "no connection string of libpq: %s", safe);
}

/* Options that have a few words; libpq looks at them when it connects. */
static const struct choice {
	const char *keyword;
	const char *words[7];
} choices[] = {
	{ "sslmode",
		{ "disable", "allow", "prefer", "require", "verify-ca", "verify-full" } },
	{ "channel_binding", { "disable", "prefer", "require" } },
	{ "gssencmode", { "disable", "prefer", "require" } },
	{ "target_session_attrs", { "any", "read-write", "read-only", "primary", "standby",
					  "prefer-standby" } },
};

static const char *const numbers[] = { "connect_timeout", "keepalives", "keepalives_idle",
	"keepalives_interval", "keepalives_count", "tcp_user_timeout" };

/* What is written is not told: only its place says that it is no secret. */
static bool check_choice(
	const PQconninfoOption *options, const struct choice *choice, struct errbuf *errbuf)
{
	const char *value = option_value(options, choice->keyword);
	struct errbuf words = { "" };
	struct suggest suggest;

	if (!value)
		return true;
	suggest_init(&suggest, text_of(value));
	for (const char *const *word = choice->words; *word; word++) {
		struct errbuf before = words;

		if (strcmp(value, *word) == 0)
			return true;
		errbuf_set(&words, "%s%s%s", before.text, *before.text ? ", " : "", *word);
		suggest_offer(&suggest, text_of(*word));
	}
	errbuf_set(errbuf, "%s is one of %s", choice->keyword, words.text);
	append_suggestion(errbuf, &suggest);
	return false;
}

static bool check_number(
	const PQconninfoOption *options, const char *keyword, struct errbuf *errbuf)
{
	const char *value = option_value(options, keyword);
	char *end;
	long number;

	if (!value)
		return true;
	errno = 0;
	number = strtol(value, &end, 10);
	if (end != value && end[strspn(end, " ")] == '\0' && errno == 0 &&
		number >= INT_MIN && number <= INT_MAX)
		return true;
	errbuf_set(errbuf, "%s is not a whole number", keyword);
	return false;
}

static bool check_values(const PQconninfoOption *options, struct errbuf *errbuf)
{
	for (size_t i = 0; i < array_len(choices); i++) {
		if (!check_choice(options, &choices[i], errbuf))
			return false;
	}
	for (size_t i = 0; i < array_len(numbers); i++) {
		if (!check_number(options, numbers[i], errbuf))
			return false;
	}
	return true;
}

static bool check_refused(const PQconninfoOption *options, struct errbuf *errbuf)
{
	if (option_value(options, "service")) {
		errbuf_set(errbuf,
			"'service' is not served: write its parameters into the url");
		return false;
	}
	if (option_value(options, "passfile")) {
		errbuf_set(errbuf,
			"'passfile' is not served: write the password as ${file:path}");
		return false;
	}
	if (option_value(options, "replication")) {
		errbuf_set(errbuf, "'replication' connections run no statements");
		return false;
	}
	return true;
}

/* The element at index of a comma-separated list, copied; NULL: the list is shorter. */
static const char *list_element(struct arena *arena, const char *list, size_t index)
{
	while (index-- > 0) {
		list = strchr(list, ',');
		if (!list)
			return NULL;
		list++;
	}
	return arena_text(arena, (struct text){ list, strcspn(list, ",") }).at;
}

static bool is_address(const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];
	char bare[64];
	size_t len = strcspn(host, "%"); /* fe80::1%eth0 */

	if (len >= sizeof(bare))
		return false;
	memcpy(bare, host, len);
	bare[len] = '\0';
	return inet_pton(AF_INET, bare, address) == 1 ||
	       inet_pton(AF_INET6, bare, address) == 1;
}

static bool check_port(const char *port, struct errbuf *errbuf)
{
	char *end;
	unsigned long number = strtoul(port, &end, 10);

	if (*port == '\0' || (*end == '\0' && number >= 1 && number <= 65535))
		return true;
	errbuf_set(errbuf, "port '%s' is no number from 1 to 65535", port);
	return false;
}

/* Hosts as they are found, each with one address at most. */
struct hosts {
	struct pg_host items[2 * HOSTS_MAX]; /* localhost is two */
	size_t count;
};

static void add_host(
	struct hosts *hosts, const char *host, const char *address, const char *port)
{
	hosts->items[hosts->count++] = (struct pg_host){ host, address, port };
}

static bool expand_host(
	struct hosts *hosts, const char *host, const char *port, struct errbuf *errbuf)
{
	if (strcasecmp(host, "localhost") == 0) {
		add_host(hosts, host, "127.0.0.1", port);
		add_host(hosts, host, "::1", port);
	} else if (*host == '\0' || *host == '/' || *host == '@') {
		add_host(
			hosts, host, "", port); /* a unix socket's folder; empty: libpq's */
	} else if (is_address(host)) {
		add_host(hosts, host, host, port);
	} else if (strlen(host) > NAME_MAX_LEN || strpbrk(host, " '\\/")) {
		errbuf_set(errbuf, "the host is neither a name nor an address");
		return false;
	} else {
		add_host(hosts, host, NULL, port);
	}
	return true;
}

static bool expand_hosts(struct hosts *hosts, const PQconninfoOption *options,
	struct arena *arena, struct errbuf *errbuf)
{
	const char *names = option_value(options, "host");
	const char *addresses = option_value(options, "hostaddr");
	const char *ports = option_value(options, "port");

	for (size_t i = 0; i < HOSTS_MAX; i++) {
		const char *address = addresses ? list_element(arena, addresses, i) : NULL;
		const char *host = list_element(arena, names ? names : "", i);
		const char *port = list_element(arena, ports ? ports : "", i);

		if (addresses ? !address : !host)
			break;
		if (!port) /* one port serves all */
			port = list_element(arena, ports ? ports : "", 0);
		if (!check_port(port, errbuf))
			return false;
		if (address && *address && is_address(address)) {
			add_host(hosts, host ? host : "", address, port);
		} else if (address && *address) {
			errbuf_set(errbuf, "hostaddr '%s' is no IP address", address);
			return false;
		} else if (!expand_host(hosts, host ? host : "", port, errbuf)) {
			return false;
		}
	}
	return true;
}

static bool find_hosts(struct pg_conninfo *out, const PQconninfoOption *options,
	struct arena *arena, struct errbuf *errbuf)
{
	struct hosts hosts = { .count = 0 };
	const struct pg_host *first = &hosts.items[0];
	const char *name;

	if (!expand_hosts(&hosts, options, arena, errbuf))
		return false;
	out->count = hosts.count;
	out->hosts = arena_zalloc(arena, hosts.count, sizeof(*out->hosts));
	memcpy(out->hosts, hosts.items, hosts.count * sizeof(*out->hosts));
	name = first->host;
	if (!*name)
		name = first->address && *first->address ? first->address
							 : "the local socket";
	out->target = arena_printf(
		arena, "%s port %s", name, *first->port ? first->port : "5432");
	return true;
}

/* ---- TLS ---- */

/* The file in the folder of the project; it must be there and, if private, for us alone. */
static bool find_file(const PQconninfoOption *options, const char *keyword,
	const char *folder, struct arena *arena, const char **out, struct errbuf *errbuf)
{
	const char *value = option_value(options, keyword);
	bool is_private = strcmp(keyword, "sslkey") == 0;
	struct stat st;
	mode_t most;

	*out = NO_FILE;
	if (!value)
		return true;
	if (strcmp(keyword, "sslrootcert") == 0 && strcmp(value, "system") == 0) {
		*out = tls_system_bundle();
		return true;
	}
	*out = *value == '/' ? arena_text(arena, text_of(value)).at
			     : arena_printf(arena, "%s/%s", folder, value);
	if (stat(*out, &st) != 0 || access(*out, R_OK) != 0) {
		errbuf_set(errbuf, "%s '%s': %s", keyword, *out, strerror(errno));
		return false;
	}
	most = st.st_uid == 0 ? 0640 : 0600;
	if (!is_private || !(st.st_mode & 0777 & ~most))
		return true;
	errbuf_set(errbuf,
		"sslkey '%s' can be read by others (mode %04o): libpq wants 0600, or 0640 "
		"when root owns it",
		*out, (unsigned)(st.st_mode & 0777));
	return false;
}

static bool append_tls(struct strbuf *out, const PQconninfoOption *options,
	const char *folder, struct arena *arena, struct errbuf *errbuf)
{
	static const char *const files[] = { "sslrootcert", "sslcert", "sslkey", "sslcrl",
		"sslcrldir" };
	const char *sslmode = option_value(options, "sslmode");
	bool verifies = sslmode && strncmp(sslmode, "verify", 6) == 0;
	const char *file;

	append(out, "sslmode", sslmode ? sslmode : "prefer");
	for (size_t i = 0; i < array_len(files); i++) {
		if (!find_file(options, files[i], folder, arena, &file, errbuf))
			return false;
		if (i == 0 && verifies && !option_value(options, files[i]))
			file = tls_system_bundle();
		if (!file) {
			errbuf_set(errbuf, "the system has no file of certificates: name "
					   "the CA's with sslrootcert");
			return false;
		}
		append(out, files[i], file);
	}
	return true;
}

/* ---- the rest ---- */

/* The url's own options come last: the server lets the last one win. */
static void append_session(struct strbuf *out, const PQconninfoOption *options,
	uint64_t statement_timeout, struct arena *arena)
{
	const char *own = option_value(options, "options");

	if (statement_timeout == 0) {
		append(out, "options", own ? own : "");
		return;
	}
	append(out, "options",
		arena_printf(arena, "-c statement_timeout=%" PRIu64 " -c TimeZone=UTC%s%s",
			statement_timeout, own ? " " : "", own ? own : ""));
}

static const char *user_name(const PQconninfoOption *options, struct arena *arena)
{
	const char *user = option_value(options, "user");
	const struct passwd *self = user ? NULL : getpwuid(geteuid());

	if (!user && !self)
		return NULL;
	return arena_text(arena, text_of(user ? user : self->pw_name)).at;
}

static void append_rest(struct strbuf *out, const PQconninfoOption *options)
{
	append(out, "client_encoding", "UTF8");
	for (size_t i = 0; i < array_len(defaults); i++) {
		if (!option_value(options, defaults[i].keyword))
			append(out, defaults[i].keyword, defaults[i].value);
	}
	for (const PQconninfoOption *o = options; o->keyword; o++) {
		if (o->val && *o->val &&
			!is_one_of(o->keyword, handled, array_len(handled)))
			append(out, o->keyword, o->val);
	}
}

static bool complete(const PQconninfoOption *options, uint64_t statement_timeout,
	const char *folder, struct arena *arena, struct pg_conninfo *out,
	struct errbuf *errbuf)
{
	const char *user = user_name(options, arena);
	const char *database = option_value(options, "dbname");
	struct strbuf text;

	if (!check_values(options, errbuf) || !check_refused(options, errbuf))
		return false;
	if (!user) {
		errbuf_set(errbuf, "the url names no user");
		return false;
	}
	strbuf_init_arena(&text, arena, CONNINFO_MAX);
	if (!find_hosts(out, options, arena, errbuf) ||
		!append_tls(&text, options, folder, arena, errbuf))
		return false;
	append(&text, "user", user);
	append_session(&text, options, statement_timeout, arena);
	append_rest(&text, options);
	strbuf_char(&text, '\0');
	if (text.failed) {
		errbuf_set(errbuf, "the url is too long");
		return false;
	}
	out->text = text.data;
	out->database = database ? arena_text(arena, text_of(database)).at : user;
	return true;
}

bool pg_conninfo_make(const char *url, uint64_t statement_timeout, const char *folder,
	struct arena *arena, struct pg_conninfo *out, struct errbuf *errbuf)
{
	char *reason = NULL;
	PQconninfoOption *options = PQconninfoParse(url, &reason);
	bool made;

	if (!options) {
		if (!reason)
			mem_exhausted();
		set_parse_error(errbuf, reason);
		PQfreemem(reason);
		return false;
	}
	made = complete(options, statement_timeout, folder, arena, out, errbuf);
	PQconninfoFree(options);
	return made;
}

/* ---- the whole string ---- */

void pg_conninfo_begin(struct pg_conninfo_text *text)
{
	strbuf_init(&text->host, CONNINFO_MAX);
	strbuf_init(&text->address, CONNINFO_MAX);
	strbuf_init(&text->port, CONNINFO_MAX);
	text->count = 0;
}

/* libpq reads three parallel lists; a name that has two addresses stands twice. */
void pg_conninfo_add(
	struct pg_conninfo_text *text, const struct pg_host *host, const char *address)
{
	const char *comma = text->count++ ? "," : "";

	strbuf_printf(&text->host, "%s%s", comma, host->host);
	strbuf_printf(&text->address, "%s%s", comma, address);
	strbuf_printf(&text->port, "%s%s", comma, host->port);
}

static void append_list(struct strbuf *out, const char *keyword, struct strbuf *list)
{
	strbuf_char(list, '\0');
	if (list->failed)
		out->failed = true;
	else
		append(out, keyword, list->data);
	strbuf_free(list);
}

void pg_conninfo_end(struct pg_conninfo_text *text, const struct pg_conninfo *conninfo,
	const char *database, struct strbuf *out)
{
	strbuf_init(out, 2 * CONNINFO_MAX);
	strbuf_string(out, conninfo->text);
	append(out, "dbname", database);
	append_list(out, "host", &text->host);
	append_list(out, "hostaddr", &text->address);
	append_list(out, "port", &text->port);
	strbuf_char(out, '\0');
}
