/*
 * address.c - addresses to listen on, checked without opening anything.
 *
 * Only literal addresses: a name can stand for several, or for other ones tomorrow, and to
 * look it up would block. Refused: getaddrinfo() with AI_NUMERICHOST, which also takes 127.1
 * and 0x7f000001.
 */
#include "conf/address.h"

#include <arpa/inet.h>
#include <sys/un.h>

static bool is_port(struct text t)
{
	unsigned port = 0;

	for (size_t i = 0; i < t.len; i++) {
		if (t.at[i] < '0' || t.at[i] > '9')
			return false;
		port = port * 10 + (unsigned)(t.at[i] - '0');
	}
	return t.len > 0 && t.len <= 5 && port <= 65535;
}

static bool is_ip(int family, struct text t)
{
	unsigned char address[sizeof(struct in6_addr)];
	char copy[64];

	if (t.len >= sizeof(copy))
		return false;
	memcpy(copy, t.at, t.len);
	copy[t.len] = '\0';
	return inet_pton(family, copy, address) == 1;
}

/* Cuts ADDRESS:PORT at its last colon; false: there is none. */
static bool split(struct text t, struct text *host, struct text *port)
{
	const char *colon = t.len ? memrchr(t.at, ':', t.len) : NULL;

	if (!colon)
		return false;
	*host = (struct text){ t.at, (size_t)(colon - t.at) };
	*port = (struct text){ colon + 1, t.len - host->len - 1 };
	return true;
}

/* With brackets around an IPv6 address. */
static bool is_host(struct text host)
{
	if (host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']')
		return is_ip(AF_INET6, (struct text){ host.at + 1, host.len - 2 });
	return is_ip(AF_INET, host);
}

static bool is_inet(struct text t)
{
	struct text host, port;

	return split(t, &host, &port) && is_host(host) && is_port(port);
}

/* What is wrong with an address, with what was meant where that is plain. A port is repeated
 * only where it stands in the file. */
static void refuse(const struct node *node, const char *what, struct diag *diag)
{
	static const struct {
		const char *written, *meant;
	} hosts[] = { { "localhost", "127.0.0.1" }, { "*", "0.0.0.0" }, { "", "0.0.0.0" } };
	const char *shape = "takes an address with a port";
	struct text host, port;

	if (node->kind != NODE_STRING || !split(node->text, &host, &port)) {
		diag_error(diag, node->place, "'%s' %s", what, shape);
	} else if (is_host(host)) {
		diag_error(diag, node->place, "'%s' %s: a port is a number from 0 to 65535",
			what, shape);
		return;
	} else {
		diag_error(diag, node->place,
			"'%s' %s: no IP address stands before the port", what, shape);
	}
	diag_hint(diag,
		"such as \"127.0.0.1:8080\", \"[::1]:8080\" or \"unix:run/volley.sock\"");
	if (node->kind != NODE_STRING || !split(node->text, &host, &port))
		return;
	if (is_ip(AF_INET6, host))
		diag_hint(diag, "an IPv6 address stands in brackets: \"[::1]:8080\"");
	for (size_t i = 0; node->place.exact && is_port(port) && i < array_len(hosts);
		i++) {
		if (text_is(host, hosts[i].written))
			diag_hint(
				diag, "write \"%s:%.*s\"", hosts[i].meant, TEXT_ARG(port));
	}
}

static const char *unix_path(struct text path, const struct node *node, const char *what,
	const char *folder, struct arena *arena, struct diag *diag)
{
	const char *full = path.len && path.at[0] == '/'
				   ? arena_printf(arena, "unix:%.*s", TEXT_ARG(path))
				   : arena_printf(
					     arena, "unix:%s/%.*s", folder, TEXT_ARG(path));

	if (path.len == 0 || memchr(path.at, '\0', path.len)) {
		diag_error(diag, node->place, "'%s' names no path after unix:", what);
		return NULL;
	}
	if (strlen(full) - 5 < sizeof(((struct sockaddr_un *)0)->sun_path))
		return full;
	diag_error(diag, node->place,
		"the path of this socket is too long: %zu bytes, at most %zu",
		strlen(full) - 5, sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	return NULL;
}

const char *address_read(const struct node *node, const char *what, const char *folder,
	struct arena *arena, struct diag *diag)
{
	struct text t = node->text;

	if (node->kind == NODE_STRING && t.len >= 5 && memcmp(t.at, "unix:", 5) == 0)
		return unix_path((struct text){ t.at + 5, t.len - 5 }, node, what, folder,
			arena, diag);
	if (node->kind == NODE_STRING && is_inet(t))
		return arena_text(arena, t).at;
	refuse(node, what, diag);
	return NULL;
}

bool address_is_local(const char *address)
{
	return strncmp(address, "unix:", 5) == 0 || strncmp(address, "127.", 4) == 0 ||
	       strncmp(address, "[::1]:", 6) == 0;
}
