/*
 * inherited.c - the environment's LISTEN_FDS to a table of sockets and their addresses.
 *
 * A socket belongs to the listener of its address, whatever its place among the others and
 * its name: volley.yaml alone says what is listened on, and how. Refused: libsystemd, which
 * would be linked for these few lines; and listening on what volley.yaml does not list.
 */
#include "net/inherited.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST = 3, MAX_SOCKETS = 64 };

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

static struct {
	unsigned count;
	struct {
		int fd;
		union address address;
		bool used;
	} sockets[MAX_SOCKETS];
} inherited;

/* The number of descriptors that are meant for this process. */
static unsigned long passed(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");

	if (!pid || !fds || strtoul(pid, NULL, 10) != (unsigned long)getpid())
		return 0;
	return strtoul(fds, NULL, 10);
}

static bool take(int fd, struct errbuf *errbuf)
{
	union address *address = &inherited.sockets[inherited.count].address;
	socklen_t len = sizeof(*address) - 1; /* a path's end is a NUL then */
	int listens = 0, type = 0;
	socklen_t size = sizeof(int);

	if (getsockname(fd, &address->any, &len) != 0 ||
		getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 ||
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || !listens ||
		type != SOCK_STREAM) {
		errbuf_set(errbuf,
			"descriptor %d, passed by LISTEN_FDS, is no listening "
			"stream socket",
			fd);
		return false;
	}
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
		errbuf_set(errbuf, "descriptor %d, passed by LISTEN_FDS: %s", fd,
			strerror(errno));
		return false;
	}
	inherited.sockets[inherited.count++].fd = fd;
	return true;
}

bool inherited_take(struct errbuf *errbuf)
{
	unsigned long count = passed();

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (count > MAX_SOCKETS) {
		errbuf_set(errbuf, "LISTEN_FDS passes %lu sockets, at most %d are taken",
			count, MAX_SOCKETS);
		return false;
	}
	for (unsigned long i = 0; i < count; i++) {
		if (!take(FIRST + (int)i, errbuf))
			return false;
	}
	return true;
}

static bool same(const union address *a, const struct sockaddr *other)
{
	const union address *b = (const void *)other;

	if (a->any.sa_family != b->any.sa_family)
		return false;
	switch (a->any.sa_family) {
	case AF_INET:
		return a->in.sin_port == b->in.sin_port &&
		       a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	case AF_INET6:
		return a->in6.sin6_port == b->in6.sin6_port &&
		       memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr,
			       sizeof(a->in6.sin6_addr)) == 0;
	default:
		return strcmp(a->un.sun_path, b->un.sun_path) == 0;
	}
}

int inherited_find(const struct sockaddr *address)
{
	for (unsigned i = 0; i < inherited.count; i++) {
		if (same(&inherited.sockets[i].address, address)) {
			inherited.sockets[i].used = true;
			return inherited.sockets[i].fd;
		}
	}
	return -1;
}

/* As volley.yaml has it. */
static void format(const union address *address, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "";

	if (address->any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof(host));
		snprintf(out, size, "%s:%u", host, ntohs(address->in.sin_port));
	} else if (address->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof(host));
		snprintf(out, size, "[%s]:%u", host, ntohs(address->in6.sin6_port));
	} else {
		snprintf(out, size, "unix:%s", address->un.sun_path);
	}
}

bool inherited_all_used(const char *configured, struct errbuf *errbuf)
{
	char names[256] = "", name[128];
	size_t len = 0;

	for (unsigned i = 0; i < inherited.count && len < sizeof(names); i++) {
		if (inherited.sockets[i].used)
			continue;
		format(&inherited.sockets[i].address, name, sizeof(name));
		len += (size_t)snprintf(
			names + len, sizeof(names) - len, "%s%s", len ? ", " : "", name);
	}
	if (!len)
		return true;
	errbuf_set(errbuf,
		"a socket was passed (LISTEN_FDS) for %s, where volley.yaml does not "
		"listen; it listens on %s",
		names, configured);
	return false;
}
