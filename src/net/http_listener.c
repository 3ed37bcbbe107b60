/*
 * http_listener.c - the server's listeners: opened, exchanged, closed.
 *
 * A list of listeners comes into force as a whole. What is new is opened before anything is
 * closed, so that an address in use changes nothing. Where the new one overlaps with one that
 * goes (0.0.0.0:80 after 127.0.0.1:80) both share the port for that moment. Refused: closing
 * first; for a while nobody would listen, and for good if the new address cannot be opened.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http_conn.h"
#include "net/inherited.h"

#define LISTEN_QUEUE 4096

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
	socklen_t len;
};

static bool listen_failed(struct errbuf *errbuf, const char *address, const char *reason)
{
	errbuf_set(errbuf, "cannot listen on %s: %s", address, reason);
	return false;
}

/* ---- addresses ---- */

static bool parse_unix(const char *path, struct address *out)
{
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(out->un.sun_path))
		return false;
	out->un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(out->un.sun_path, path, len + 1);
	out->len = sizeof(out->un);
	return true;
}

/* "1.2.3.4:80", "[::1]:80" */
static bool parse_inet(const char *text, struct address *out)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2] = "", extra;
	size_t len = colon ? (size_t)(colon - text) : 0;
	unsigned port;

	if (len == 0 || len >= sizeof(host) || strspn(colon + 1, "0123456789") == 0 ||
		sscanf(colon + 1, "%5u%c", &port, &extra) != 1 || port > 65535)
		return false;
	memcpy(host, text, len);
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		out->in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
			.sin6_port = htons((uint16_t)port) };
		out->len = sizeof(out->in6);
		return inet_pton(AF_INET6, host + 1, &out->in6.sin6_addr) == 1;
	}
	out->in = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port) };
	out->len = sizeof(out->in);
	return inet_pton(AF_INET, host, &out->in.sin_addr) == 1;
}

static bool parse_address(const char *text, struct address *out, struct errbuf *errbuf)
{
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, out) ||
		       listen_failed(errbuf, text, "the path is empty or too long");
	return parse_inet(text, out) ||
	       listen_failed(errbuf, text,
		       "an address is an IP address (IPv6 in brackets), a colon and a "
		       "port; or unix: and a path");
}

/* ---- unix sockets ---- */

/* A socket file that nobody listens on was left behind by a process that died. */
static bool remove_stale(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, refused;

	if (lstat(address->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
		  errno == ECONNREFUSED;
	close(fd);
	return refused && unlink(address->sun_path) == 0;
}

/* The last folder of the path, "run" in most: a fresh project has none yet. */
static bool make_folder(const char *path)
{
	char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return false;
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	return mkdir(folder, 0755) == 0;
}

/* 0 or an errno value, as the two below. */
static int listen_on(int fd, const struct address *address)
{
	if (bind(fd, &address->any, address->len) != 0 || listen(fd, LISTEN_QUEUE) != 0)
		return errno;
	return 0;
}

/* Linux makes the file with the socket's own mode, less the umask: nobody can come between. */
static int listen_unix(int fd, const struct address *address, mode_t mode)
{
	int error;

	if (mode && fchmod(fd, mode) != 0)
		return errno;
	error = listen_on(fd, address);
	if (error == ENOENT && make_folder(address->un.sun_path))
		return listen_on(fd, address);
	if (error == EADDRINUSE && remove_stale(&address->un))
		return listen_on(fd, address);
	return error;
}

/* ---- TCP ---- */

/* A listener that goes, and whose port the new one is to have; NULL: there is none. */
static struct http_listener *predecessor(struct http_server *server, const char *address)
{
	const char *port = strrchr(address, ':');

	list_for_each (&server->listeners, link) {
		struct http_listener *old = container_of(link, struct http_listener, link);

		if (!old->wanted && strncmp(old->address, "unix:", 5) != 0 &&
			strcmp(strrchr(old->address, ':'), port) == 0)
			return old;
	}
	return NULL;
}

static void share_port(int fd, int on)
{
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

static int listen_inet(
	struct http_server *server, int fd, const struct address *address, const char *text)
{
	struct http_listener *old;
	int error, on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* So that 0.0.0.0 can be listened on beside [::]. */
	if (address->any.sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	error = listen_on(fd, address);
	old = error == EADDRINUSE ? predecessor(server, text) : NULL;
	if (!old)
		return error;
	share_port(old->fd, 1);
	share_port(fd, 1);
	error = listen_on(fd, address);
	share_port(fd, 0);
	share_port(old->fd, 0);
	return error;
}

/* ---- one listener ---- */

/* The socket; -1: the reason is in errbuf. */
static int open_socket(struct http_server *server, const struct http_listen *wanted,
	const struct address *address, struct errbuf *errbuf)
{
	int fd = socket(
		address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0) {
		listen_failed(errbuf, wanted->address, strerror(errno));
		return -1;
	}
	if (address->any.sa_family == AF_UNIX)
		error = listen_unix(fd, address, wanted->mode);
	else
		error = listen_inet(server, fd, address, wanted->address);
	if (!error)
		return fd;
	close(fd);
	listen_failed(errbuf, wanted->address, strerror(error));
	return -1;
}

/* NULL: the reason is in errbuf. It does not accept yet. */
static struct http_listener *listener_open(
	struct http_server *server, const struct http_listen *wanted, struct errbuf *errbuf)
{
	struct http_listener *listener;
	struct address address;
	int fd, passed;

	if (!parse_address(wanted->address, &address, errbuf))
		return NULL;
	passed = inherited_find(&address.any);
	fd = passed >= 0 ? passed : open_socket(server, wanted, &address, errbuf);
	if (fd < 0)
		return NULL;
	listener = mem_zalloc(1, sizeof(*listener));
	listener->server = server;
	listener->fd = fd;
	listener->inherited = passed >= 0;
	listener->address = mem_strdup(wanted->address);
	listener->message = wanted->message ? wanted->message : "listening";
	listener->event = event_new(loop_base(server->loop), fd, EV_READ | EV_PERSIST,
		http_server_accept, listener);
	if (!listener->event)
		mem_exhausted();
	return listener;
}

static void listener_close(struct http_listener *listener)
{
	event_free(listener->event);
	if (!listener->inherited)
		close(listener->fd);
	if (!listener->inherited && strncmp(listener->address, "unix:", 5) == 0)
		unlink(listener->address + 5);
	if (listener->tls)
		tls_context_release(listener->tls);
	free(listener->address);
	free(listener);
}

static void close_all(struct list *listeners)
{
	struct link *link;

	while ((link = list_take(listeners)) != NULL)
		listener_close(container_of(link, struct http_listener, link));
}

void http_listeners_close(struct http_server *server)
{
	close_all(&server->listeners);
}

static void set_tls(struct http_listener *listener, struct tls_context *tls)
{
	if (tls)
		tls_context_hold(tls);
	if (listener->tls)
		tls_context_release(listener->tls);
	listener->tls = tls;
}

static void log_listener(const struct http_listener *listener, const char *what)
{
	struct address address = { 0 };
	socklen_t len = sizeof(address);

	log_begin(LOG_INFO, text_of(what));
	log_text("address", text_of(listener->address));
	if (getsockname(listener->fd, &address.any, &len) == 0) {
		if (address.any.sa_family == AF_INET)
			log_number("port", ntohs(address.in.sin_port));
		else if (address.any.sa_family == AF_INET6)
			log_number("port", ntohs(address.in6.sin6_port));
	}
	if (listener->tls)
		log_text("tls", TEXT("yes"));
	if (listener->inherited)
		log_text("socket", TEXT("passed"));
	log_end();
}

/* ---- all of them ---- */

/* An open listener of that address that nobody has asked for yet; NULL: none. */
static struct http_listener *find_open(struct http_server *server, const char *address)
{
	list_for_each (&server->listeners, link) {
		struct http_listener *open = container_of(link, struct http_listener, link);

		if (!open->wanted && strcmp(open->address, address) == 0)
			return open;
	}
	return NULL;
}

/* found[i]: the listener that stays for list[i], or NULL. */
static void find_all(struct http_server *server, const struct http_listen *list,
	size_t count, struct http_listener **found)
{
	list_for_each (&server->listeners, link)
		container_of(link, struct http_listener, link)->wanted = false;
	for (size_t i = 0; i < count; i++) {
		found[i] = find_open(server, list[i].address);
		if (found[i])
			found[i]->wanted = true;
	}
}

static void close_unwanted(struct http_server *server)
{
	struct link *next;

	for (struct link *link = list_first(&server->listeners); link; link = next) {
		struct http_listener *old = container_of(link, struct http_listener, link);

		next = list_next(&server->listeners, link);
		if (old->wanted)
			continue;
		list_remove(&server->listeners, link);
		log_listener(old, "no longer listening");
		listener_close(old);
	}
}

static void add_opened(struct http_server *server, struct list *opened)
{
	struct link *link;

	while ((link = list_take(opened)) != NULL) {
		struct http_listener *listener = container_of(
			link, struct http_listener, link);

		list_append(&server->listeners, link);
		if (server->accepting && event_add(listener->event, NULL) != 0)
			mem_exhausted();
		log_listener(listener, listener->message);
	}
}

/* Opens those that are not there. False: errbuf says why, and none is open. */
static bool open_missing(struct http_server *server, const struct http_listen *list,
	size_t count, struct http_listener **found, struct list *opened,
	struct errbuf *errbuf)
{
	for (size_t i = 0; i < count; i++) {
		if (found[i])
			continue;
		found[i] = listener_open(server, &list[i], errbuf);
		if (!found[i]) {
			close_all(opened);
			return false;
		}
		list_append(opened, &found[i]->link);
	}
	return true;
}

bool http_server_listeners(struct http_server *server, const struct http_listen *list,
	size_t count, struct errbuf *errbuf)
{
	struct http_listener **found = mem_zalloc(count, sizeof(*found));
	struct list opened;
	bool good;

	list_init(&opened);
	find_all(server, list, count, found);
	good = open_missing(server, list, count, found, &opened, errbuf);
	for (size_t i = 0; good && i < count; i++)
		set_tls(found[i], list[i].tls);
	free(found);
	if (!good)
		return false;
	close_unwanted(server);
	add_opened(server, &opened);
	return true;
}
