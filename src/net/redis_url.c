/*
 * redis_url.c - the url of a Redis account, taken apart strictly.
 *
 * What is not understood is an error, never ignored: an option that silently has no effect
 * is found in production. Messages quote only what follows the userinfo.
 *
 * Refused: a general URL library; libevent's parser neither decodes nor takes unix sockets
 * apart.
 */
#include "net/redis_url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "loop/dns.h"

enum { DEFAULT_PORT = 6379 };

static struct text head(struct text t, size_t len)
{
	return (struct text){ t.at, len };
}

static struct text tail(struct text t, size_t from)
{
	return (struct text){ t.at + from, t.len - from };
}

static bool starts_with(struct text t, const char *prefix)
{
	return t.len >= strlen(prefix) && memcmp(t.at, prefix, strlen(prefix)) == 0;
}

/* The first of any of the characters, or the length. */
static size_t find(struct text t, const char *characters)
{
	size_t at = 0;

	while (at < t.len && (t.at[at] == '\0' || !strchr(characters, t.at[at])))
		at++;
	return at;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(struct text t, struct arena *arena, struct text *out)
{
	char *bytes = arena_alloc(arena, t.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < t.len; i++) {
		int high, low;

		bytes[len++] = t.at[i];
		if (t.at[i] != '%')
			continue;
		if (t.len - i <= 2)
			return false;
		high = hex(t.at[i + 1]);
		low = hex(t.at[i + 2]);
		if (high < 0 || low < 0)
			return false;
		bytes[len - 1] = (char)(high << 4 | low);
		i += 2;
	}
	bytes[len] = '\0';
	*out = (struct text){ bytes, len };
	return true;
}

/* A decimal number of at most max; nothing else in it. */
static bool parse_number(struct text t, unsigned long max, unsigned long *out)
{
	*out = 0;
	if (t.len == 0 || t.len > 10)
		return false;
	for (size_t i = 0; i < t.len; i++) {
		if (t.at[i] < '0' || t.at[i] > '9')
			return false;
		*out = *out * 10 + (unsigned long)(t.at[i] - '0');
	}
	return *out <= max;
}

static bool parse_database(struct text t, struct redis_endpoint *out, struct errbuf *errbuf)
{
	if (parse_number(t, 0x7fffffff, &out->database))
		return true;
	errbuf_set(errbuf, "the database must be a number");
	return false;
}

static bool parse_query(struct text t, struct redis_endpoint *out, struct errbuf *errbuf)
{
	if (t.len == 0)
		return true;
	if (starts_with(t, "?db="))
		return parse_database(tail(t, 4), out, errbuf);
	errbuf_set(errbuf, "only ?db=N may follow the address");
	return false;
}

/* Takes "user:password@" off the front of the authority. */
static bool parse_userinfo(struct text *authority, struct arena *arena,
	struct redis_endpoint *out, struct errbuf *errbuf)
{
	size_t at = authority->len, colon;
	struct text userinfo;

	while (at > 0 && authority->at[at - 1] != '@')
		at--;
	if (at == 0)
		return true;
	userinfo = head(*authority, at - 1);
	*authority = tail(*authority, at);
	colon = find(userinfo, ":");
	if (!decode(head(userinfo, colon), arena, &out->username) ||
		!decode(colon < userinfo.len ? tail(userinfo, colon + 1) : TEXT(""), arena,
			&out->password)) {
		errbuf_set(errbuf, "a %% in the user or password must be followed by two "
				   "hexadecimal digits");
		return false;
	}
	return true;
}

/* What may stand in a name of the DNS; whether it is one, the DNS will say. */
static bool is_name(struct text host)
{
	for (size_t i = 0; i < host.len; i++) {
		if (!isalnum((unsigned char)host.at[i]) && !strchr(".-_", host.at[i]))
			return false;
	}
	return host.at[0] != '.';
}

/* Only digits and dots: an address, and then a whole one. */
static bool looks_like_ipv4(struct text host)
{
	return find(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") ==
	       host.len;
}

static bool check_host(struct text host, bool bracket, struct arena *arena,
	struct redis_endpoint *out, struct errbuf *errbuf)
{
	unsigned char address[sizeof(struct in6_addr)];
	const char *name = arena_text(arena, host).at;
	const char *wrong = NULL;

	if (host.len == 0)
		errbuf_set(errbuf, "the url names no host");
	else if (host.len > DNS_NAME_MAX)
		errbuf_set(errbuf, "the host's name is longer than %d bytes", DNS_NAME_MAX);
	else if (memchr(host.at, '\0', host.len))
		wrong = "no name";
	else if (bracket)
		wrong = inet_pton(AF_INET6, name, address) == 1 ? NULL : "no IPv6 address";
	else if (!is_name(host))
		wrong = "no name of a host";
	else if (looks_like_ipv4(host) && inet_pton(AF_INET, name, address) != 1)
		wrong = "no IP address";
	if (wrong)
		errbuf_set(errbuf, "the host '%.*s' is %s", TEXT_ARG(host), wrong);
	out->target.host = name;
	return host.len > 0 && host.len <= DNS_NAME_MAX && !wrong;
}

/* "host", "host:port", "[ipv6]:port" */
static bool parse_host(struct text t, struct arena *arena, struct redis_endpoint *out,
	struct errbuf *errbuf)
{
	bool bracket = t.len > 0 && t.at[0] == '[';
	size_t end = bracket ? find(t, "]") : find(t, ":");
	struct text host = head(t, end), port;
	unsigned long number = DEFAULT_PORT;

	if (bracket && end == t.len) {
		errbuf_set(errbuf, "the address has a [ without ]");
		return false;
	}
	if (bracket)
		host = tail(host, 1);
	port = tail(t, bracket ? end + 1 : end);
	if (port.len > 0 &&
		(port.at[0] != ':' || !parse_number(tail(port, 1), 65535, &number) ||
			number == 0)) {
		errbuf_set(errbuf, "the port must be a number from 1 to 65535%s",
			bracket ? "" : " (an IPv6 address stands in [brackets])");
		return false;
	}
	if (!check_host(host, bracket, arena, out, errbuf))
		return false;
	out->target.port = (unsigned)number;
	out->name = arena_printf(
		arena, bracket ? "[%.*s]:%lu" : "%.*s:%lu", TEXT_ARG(host), number);
	return true;
}

/* What follows "redis://" or "rediss://". */
static bool parse_tcp(struct text t, struct arena *arena, struct redis_endpoint *out,
	struct errbuf *errbuf)
{
	size_t end = find(t, "/?#");
	struct text authority = head(t, end), rest = tail(t, end);

	if (find(rest, "@") < rest.len) {
		errbuf_set(errbuf, "a /, ? or # in the user or password must be written as "
				   "%%2F, %%3F or %%23");
		return false;
	}
	if (!parse_userinfo(&authority, arena, out, errbuf) ||
		!parse_host(authority, arena, out, errbuf))
		return false;
	if (rest.len > 0 && rest.at[0] == '/') {
		end = find(rest, "?#");
		if (end > 1 && !parse_database(tail(head(rest, end), 1), out, errbuf))
			return false;
		rest = tail(rest, end);
	}
	return parse_query(rest, out, errbuf);
}

/* What follows "unix:". */
static bool parse_unix(struct text t, const char *folder, struct arena *arena,
	struct redis_endpoint *out, struct errbuf *errbuf)
{
	const size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
	size_t end = find(t, "?");
	struct text path = head(t, end), query = tail(t, end), authority;
	const char *full;

	if (starts_with(path, "//")) {
		path = tail(path, 2);
		end = find(path, "/");
		authority = head(path, end);
		path = tail(path, end);
		if (!parse_userinfo(&authority, arena, out, errbuf))
			return false;
		if (authority.len > 0) {
			errbuf_set(errbuf, "after unix:// an absolute path must follow");
			return false;
		}
	}
	if (!decode(path, arena, &path) || path.len == 0 ||
		memchr(path.at, '\0', path.len)) {
		errbuf_set(errbuf, "the url names no socket's path");
		return false;
	}
	full = path.at[0] == '/' ? path.at : arena_printf(arena, "%s/%s", folder, path.at);
	if (strlen(full) > max) {
		errbuf_set(errbuf, "the socket's path is longer than %zu bytes", max);
		return false;
	}
	out->target.path = full;
	out->name = arena_printf(arena, "unix:%s", full);
	return parse_query(query, out, errbuf);
}

bool redis_url_parse(struct text url, const char *folder, struct arena *arena,
	struct redis_endpoint *out, struct errbuf *errbuf)
{
	*out = (struct redis_endpoint){ .name = "" };
	if (starts_with(url, "redis://"))
		return parse_tcp(tail(url, 8), arena, out, errbuf);
	if (starts_with(url, "unix:"))
		return parse_unix(tail(url, 5), folder, arena, out, errbuf);
	if (starts_with(url, "rediss://")) {
		out->is_tls = true;
		return parse_tcp(tail(url, 9), arena, out, errbuf);
	}
	errbuf_set(errbuf, "the url must begin with redis://, rediss:// or unix:");
	return false;
}
