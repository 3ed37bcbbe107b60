/*
 * pg_conninfo.c - an account's connection string for PostgreSQL, checked and completed at
 * load.
 *
 * libpq fills what a string leaves out from the environment and from files, and looks host
 * names up; each of these can block or surprise a daemon. So the string is taken apart by
 * libpq's own parser and written anew with every such parameter in it. Only the hosts are
 * written when a connection is opened: names have other addresses then than at load. An empty value
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
#include <unistd.h>

#include "base/diag.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "loop/dns.h"
#include "net/pg_option.h"
#include "net/pg_tls.h"

enum { HOSTS_MAX = 32 };
enum {
	CONNINFO_MAX = 64 * 1024,
	LIST_MAX = 2 * HOSTS_MAX * DNS_ADDRESSES_MAX * (DNS_NAME_MAX + 1),
	KEYWORD_MAX = 40
};

/* What is sent when the url does not say; "" keeps the environment out. */
static const struct {
	const char *keyword, *value;
} defaults[] = {
	{ "password", "" },
	{ "requirepeer", "" },
	{ "passfile", "/dev/null/none" }, /* cannot exist: ~/.pgpass is not read */
	{ "application_name", "volley" },
	{ "gssencmode", "disable" },
	{ "channel_binding", "prefer" },
	{ "target_session_attrs", "any" },
};

/* What is written in a way of its own, or not passed on. */
static const char *const handled[] = { "host", "hostaddr", "port", "dbname", "user",
	"options", "client_encoding", "connect_timeout", "service" };

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
	pg_option_suggest(errbuf, &suggest);
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

static bool check_refused(const PQconninfoOption *options, struct errbuf *errbuf)
{
	if (pg_option_value(options, "service")) {
		errbuf_set(errbuf,
			"'service' is not served: write its parameters into the url");
		return false;
	}
	if (pg_option_value(options, "passfile")) {
		errbuf_set(errbuf,
			"'passfile' is not served: write the password as ${file:path}");
		return false;
	}
	if (pg_option_value(options, "replication")) {
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

/* Letters, digits, '-', '.' and '_': catches a port or a user at the wrong place. */
static bool is_name(const char *host)
{
	size_t len = strlen(host);

	return len <= DNS_NAME_MAX &&
	       strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "-._") == len;
}

/* The hosts of a string while they are collected. */
struct hosts {
	struct pg_host *at;
	size_t count, names;
};

static void add_host(
	struct hosts *hosts, const char *host, const char *address, const char *port)
{
	hosts->at[hosts->count++] = (struct pg_host){ host, address, port, false };
}

static bool expand_host(
	struct hosts *hosts, const char *host, const char *port, struct errbuf *errbuf)
{
	if (strcmp(host, "localhost") == 0) {
		add_host(hosts, host, "127.0.0.1", port);
		add_host(hosts, host, "::1", port);
	} else if (*host == '\0' || *host == '/' || *host == '@') {
		add_host(
			hosts, host, "", port); /* a unix socket's folder; empty: libpq's */
	} else if (is_address(host)) {
		add_host(hosts, host, host, port);
	} else if (is_name(host)) {
		hosts->at[hosts->count++] = (struct pg_host){ host, "", port, true };
		hosts->names++;
	} else {
		errbuf_set(errbuf,
			"host '%s' is no host name, IP address or absolute path of a unix "
			"socket's folder",
			host);
		return false;
	}
	return true;
}

static bool expand_hosts(struct hosts *list, const PQconninfoOption *options,
	struct arena *arena, struct errbuf *errbuf)
{
	const char *hosts = pg_option_value(options, "host");
	const char *addresses = pg_option_value(options, "hostaddr");
	const char *ports = pg_option_value(options, "port");
	const char *names = hosts ? hosts : "";

	for (size_t i = 0; i < HOSTS_MAX; i++) {
		const char *address = addresses ? list_element(arena, addresses, i) : NULL;
		const char *host = list_element(arena, names, i);
		const char *port = list_element(arena, ports ? ports : "", i);

		if (addresses ? !address : !host)
			break;
		if (!port) /* one port serves all */
			port = list_element(arena, ports ? ports : "", 0);
		if (!check_port(port, errbuf))
			return false;
		if (address && *address && is_address(address)) {
			add_host(list, host ? host : "", address, port);
		} else if (address && *address) {
			errbuf_set(errbuf, "hostaddr '%s' is no IP address", address);
			return false;
		} else if (!expand_host(list, host ? host : "", port, errbuf)) {
			return false;
		}
	}
	return true;
}

static const char *first_target(const struct pg_host *first, struct arena *arena)
{
	const char *host = first->host;

	if (!*host)
		host = *first->address ? first->address : "the local socket";
	return arena_printf(arena, "%s port %s", host, *first->port ? first->port : "5432");
}

static bool find_hosts(const PQconninfoOption *options, struct arena *arena,
	struct pg_conninfo *out, struct errbuf *errbuf)
{
	struct hosts hosts = { .count = 0 };

	/* localhost stands for two */
	hosts.at = arena_zalloc(arena, (size_t)2 * HOSTS_MAX, sizeof(*hosts.at));
	if (!expand_hosts(&hosts, options, arena, errbuf))
		return false;
	out->target = first_target(hosts.at, arena);
	out->hosts = hosts.at;
	out->host_count = hosts.count;
	out->name_count = hosts.names;
	return true;
}

/* The url's own options come last: the server lets the last one win. */
static void append_session(struct strbuf *out, const PQconninfoOption *options,
	uint64_t statement_timeout, struct arena *arena)
{
	const char *own = pg_option_value(options, "options");

	if (statement_timeout == 0) {
		pg_option_append(out, "options", own ? own : "");
		return;
	}
	pg_option_append(out, "options",
		arena_printf(arena, "-c statement_timeout=%" PRIu64 " -c TimeZone=UTC%s%s",
			statement_timeout, own ? " " : "", own ? own : ""));
}

static const char *user_name(const PQconninfoOption *options, struct arena *arena)
{
	const char *user = pg_option_value(options, "user");
	const struct passwd *self = user ? NULL : getpwuid(geteuid());

	if (!user && !self)
		return NULL;
	return arena_text(arena, text_of(user ? user : self->pw_name)).at;
}

static void append_rest(struct strbuf *out, const PQconninfoOption *options)
{
	pg_option_append(out, "client_encoding", "UTF8");
	for (size_t i = 0; i < array_len(defaults); i++) {
		if (!pg_option_value(options, defaults[i].keyword))
			pg_option_append(out, defaults[i].keyword, defaults[i].value);
	}
	for (const PQconninfoOption *o = options; o->keyword; o++) {
		if (o->val && *o->val &&
			!is_one_of(o->keyword, handled, array_len(handled)) &&
			!pg_tls_has(o->keyword))
			pg_option_append(out, o->keyword, o->val);
	}
}

static bool complete(const PQconninfoOption *options, const char *folder,
	uint64_t statement_timeout, struct arena *arena, struct pg_conninfo *out,
	struct errbuf *errbuf)
{
	const char *user = user_name(options, arena);
	const char *database = pg_option_value(options, "dbname");
	struct strbuf text;

	if (!pg_option_check(options, errbuf) || !check_refused(options, errbuf) ||
		!find_hosts(options, arena, out, errbuf))
		return false;
	if (!user) {
		errbuf_set(errbuf, "the url names no user");
		return false;
	}
	strbuf_init_arena(&text, arena, CONNINFO_MAX);
	pg_option_append(&text, "user", user);
	append_session(&text, options, statement_timeout, arena);
	if (!pg_tls_append(options, folder, arena, &text, &out->files, errbuf))
		return false;
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

bool pg_conninfo_make(const char *url, const char *folder, uint64_t statement_timeout,
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
	made = complete(options, folder, statement_timeout, arena, out, errbuf);
	PQconninfoFree(options);
	return made;
}

const struct pg_conninfo *pg_conninfo_for(
	const struct pg_conninfo *conninfo, const char *database, struct arena *arena)
{
	struct pg_conninfo *made = arena_zalloc(arena, 1, sizeof(*made));

	*made = *conninfo;
	made->database = arena_text(arena, text_of(database)).at;
	return made;
}

/* ---- the string for libpq ---- */

/* The three parallel lists that libpq reads; a name that has two addresses stands twice. */
struct host_lists {
	struct strbuf host, hostaddr, port;
	size_t count;
};

static void list_host(
	struct host_lists *lists, const struct pg_host *host, const char *address)
{
	const char *comma = lists->count++ ? "," : "";

	strbuf_printf(&lists->host, "%s%s", comma, host->host);
	strbuf_printf(&lists->hostaddr, "%s%s", comma, address);
	strbuf_printf(&lists->port, "%s%s", comma, host->port);
}

static void fill_lists(struct host_lists *lists, const struct pg_conninfo *conninfo,
	const struct pg_addresses *found)
{
	for (size_t i = 0; i < conninfo->host_count; i++) {
		const struct pg_host *host = &conninfo->hosts[i];

		if (!host->is_name)
			list_host(lists, host, host->address);
		for (size_t j = 0; host->is_name && j < found[i].count; j++)
			list_host(lists, host, found[i].texts[j]);
	}
	strbuf_char(&lists->host, '\0');
	strbuf_char(&lists->hostaddr, '\0');
	strbuf_char(&lists->port, '\0');
}

bool pg_conninfo_write(const struct pg_conninfo *conninfo, const struct pg_addresses *found,
	struct strbuf *out)
{
	struct host_lists lists = { .count = 0 };
	bool made;

	strbuf_init(&lists.host, LIST_MAX);
	strbuf_init(&lists.hostaddr, LIST_MAX);
	strbuf_init(&lists.port, LIST_MAX);
	fill_lists(&lists, conninfo, found);
	made = lists.count > 0 && !lists.host.failed && !lists.hostaddr.failed &&
	       !lists.port.failed;
	if (made) {
		strbuf_string(out, conninfo->text);
		pg_option_append(out, "host", lists.host.data);
		pg_option_append(out, "hostaddr", lists.hostaddr.data);
		pg_option_append(out, "port", lists.port.data);
		pg_option_append(out, "dbname", conninfo->database);
		strbuf_char(out, '\0');
	}
	strbuf_free(&lists.host);
	strbuf_free(&lists.hostaddr);
	strbuf_free(&lists.port);
	return made && !out->failed;
}
