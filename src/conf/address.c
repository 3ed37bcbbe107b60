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

/* ADDRESS:PORT with brackets around an IPv6 address. */
static bool is_inet(struct text t)
{
	const char *colon = t.len ? memrchr(t.at, ':', t.len) : NULL;
	struct text host, port;

	if (!colon)
		return false;
	host = (struct text){ t.at, (size_t)(colon - t.at) };
	port = (struct text){ colon + 1, t.len - host.len - 1 };
	if (!is_port(port))
		return false;
	if (host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']')
		return is_ip(AF_INET6, (struct text){ host.at + 1, host.len - 2 });
	return is_ip(AF_INET, host);
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
	diag_error(diag, node->place, "'%s' takes an address with a port", what);
	diag_hint(diag,
		"such as \"127.0.0.1:8080\", \"[::1]:8080\" or \"unix:run/volley.sock\"");
	return NULL;
}

bool address_is_local(const char *address)
{
	return strncmp(address, "unix:", 5) == 0 || strncmp(address, "127.", 4) == 0 ||
	       strncmp(address, "[::1]:", 6) == 0;
}
