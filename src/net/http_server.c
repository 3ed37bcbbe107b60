/*
 * http_server.c - listeners, the limit of connections, and the deadlines of their states.
 *
 * All connections of one state have the same time limit, so each state's list is in order
 * of deadline and one timer per list watches its head; a timer per connection was refused,
 * since it would be moved several times per request. Listeners are plain events: accepting
 * pauses when there is no room, and libevent's listener would hide why accept() failed.
 */
#include "net/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http_conn.h"

#define ACCEPT_BATCH 64
#define ACCEPT_PAUSE (100 * NS_PER_MS)
#define LINGER_TIME  NS_PER_SEC
#define LISTEN_QUEUE 4096

struct http_listener {
	struct http_server *server;
	struct link link;
	struct event *event;
	int fd;
	char *path; /* of a unix socket, to be removed at the end; NULL: none */
};

/* ---- accepting on and off ---- */

static void set_accepting(struct http_server *server, bool on)
{
	server->accepting = on;
	list_for_each (&server->listeners, link) {
		struct http_listener *listener = container_of(
			link, struct http_listener, link);

		if (on && event_add(listener->event, NULL) != 0)
			mem_exhausted();
		if (!on)
			event_del(listener->event);
	}
}

static void pause_ended(struct loop_timer *timer)
{
	struct http_server *server = container_of(timer, struct http_server, pause);

	if (!server->draining)
		set_accepting(server, true);
}

/* A connection that could make room, longest there first; NULL: none. */
static struct http_conn *dispensable(struct http_server *server)
{
	struct link *link = list_first(&server->states[HTTP_CONN_LINGER].conns);

	if (!link)
		link = list_first(&server->states[HTTP_CONN_IDLE].conns);
	return link ? container_of(link, struct http_conn, link) : NULL;
}

static bool has_room(struct http_server *server)
{
	return server->connections < server->limits->connections || dispensable(server);
}

/* ---- states ---- */

void http_conn_move(struct http_conn *conn, enum http_conn_state state)
{
	struct http_server *server = conn->server;

	if (link_is_listed(&conn->link))
		list_remove(&server->states[conn->state].conns, &conn->link);
	conn->state = state;
	conn->since = loop_now(server->loop);
	conn->moved_for = conn->requests;
	if (state != HTTP_CONN_CLOSED) {
		struct http_state *entered = &server->states[state];

		conn->unsent = stream_pending(conn->stream);
		list_append(&entered->conns, &conn->link);
		if (entered->limit && !loop_timer_running(&entered->timer))
			loop_timer_start(&entered->timer, entered->limit);
	}
	if (!server->accepting && !server->draining &&
		!loop_timer_running(&server->pause) && has_room(server))
		set_accepting(server, true);
}

/*
 * Timers are some milliseconds off, so an early one waits for the rest and a little more.
 */
static void deadline_passed(struct loop_timer *timer)
{
	struct http_state *state = container_of(timer, struct http_state, timer);
	uint64_t now = loop_now(state->server->loop);
	struct link *link;

	while ((link = list_first(&state->conns)) != NULL) {
		struct http_conn *conn = container_of(link, struct http_conn, link);

		if (now - conn->since < state->limit) {
			loop_timer_start(
				timer, conn->since + state->limit - now + NS_PER_MS);
			return;
		}
		http_conn_expired(conn);
	}
}

/* ---- accepting ---- */

/* False: nothing more is to be accepted in this pass. */
static bool accept_failed(struct http_server *server, int error)
{
	switch (error) {
	case EAGAIN:
		return false;
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case EPERM:
		return true;
	default:
		if (clock_now() - server->complained > 10 * NS_PER_SEC) {
			server->complained = clock_now();
			log_line(LOG_WARN, "cannot accept connections", "reason",
				strerror(error), NULL);
		}
		set_accepting(server, false);
		loop_timer_start(&server->pause, ACCEPT_PAUSE);
		server->figures.accept_pauses++;
		return false;
	}
}

static void evict(struct http_conn *conn)
{
	conn->server->figures.evicted++;
	http_conn_close(conn);
}

static void on_accept(evutil_socket_t listening, short what, void *arg)
{
	struct http_listener *listener = arg;
	struct http_server *server = listener->server;

	loop_woke(server->loop);
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd;

		if (!has_room(server)) {
			set_accepting(server, false);
			return;
		}
		/* cppcheck's table of functions is wrong here: accept4(2) takes NULL. */
		// cppcheck-suppress nullPointer
		fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && !accept_failed(server, errno))
			return;
		if (fd < 0)
			continue;
		if (server->connections >= server->limits->connections)
			evict(dispensable(server));
		server->figures.accepted++;
		http_conn_open(server, fd);
	}
}

/* ---- listeners ---- */

static bool listen_failed(struct errbuf *errbuf, const char *address, const char *reason)
{
	errbuf_set(errbuf, "cannot listen on %s: %s", address, reason);
	return false;
}

static void listener_add(struct http_server *server, int fd, const char *path)
{
	struct http_listener *listener = mem_zalloc(1, sizeof(*listener));

	listener->server = server;
	listener->fd = fd;
	listener->path = path ? mem_strdup(path) : NULL;
	listener->event = event_new(
		loop_base(server->loop), fd, EV_READ | EV_PERSIST, on_accept, listener);
	if (!listener->event || event_add(listener->event, NULL) != 0)
		mem_exhausted();
	list_append(&server->listeners, &listener->link);
}

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

static int bind_unix(int fd, const struct sockaddr_un *address)
{
	const struct sockaddr *generic = (const struct sockaddr *)address;

	if (bind(fd, generic, sizeof(*address)) == 0)
		return 0;
	if (errno == ENOENT && make_folder(address->sun_path))
		return bind(fd, generic, sizeof(*address)) == 0 ? 0 : errno;
	if (errno != EADDRINUSE)
		return errno;
	if (!remove_stale(address))
		return EADDRINUSE;
	return bind(fd, generic, sizeof(*address)) == 0 ? 0 : errno;
}

static bool listen_unix(struct http_server *server, const char *text, struct errbuf *errbuf)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = text + strlen("unix:");
	size_t len = strlen(path);
	int fd, error;

	if (len == 0 || len >= sizeof(address.sun_path))
		return listen_failed(errbuf, text, "the path is empty or too long");
	memcpy(address.sun_path, path, len + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return listen_failed(errbuf, text, strerror(errno));
	error = bind_unix(fd, &address);
	if (!error && listen(fd, LISTEN_QUEUE) != 0)
		error = errno;
	if (error) {
		close(fd);
		return listen_failed(errbuf, text, strerror(error));
	}
	listener_add(server, fd, path);
	return true;
}

/* "1.2.3.4:80", "[::1]:80" or "localhost:80". The length of the address, 0: it is none. */
static socklen_t parse_address(const char *text, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	const char *colon = strrchr(text, ':'), *numeric;
	char host[INET6_ADDRSTRLEN + 2] = "", extra;
	size_t len = colon ? (size_t)(colon - text) : 0;
	unsigned port;

	if (len == 0 || len >= sizeof(host) || strspn(colon + 1, "0123456789") == 0 ||
		sscanf(colon + 1, "%5u%c", &port, &extra) != 1 || port > 65535)
		return 0;
	memcpy(host, text, len);
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = 0;
		*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
			.sin6_port = htons((uint16_t)port) };
		return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1 ? sizeof(*in6)
									   : 0;
	}
	*in = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port) };
	numeric = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
	return inet_pton(AF_INET, numeric, &in->sin_addr) == 1 ? sizeof(*in) : 0;
}

static void note_port(struct http_server *server, int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} address = { 0 };
	socklen_t len = sizeof(address);

	if (server->port || getsockname(fd, &address.any, &len) != 0)
		return;
	if (address.any.sa_family == AF_INET6)
		server->port = ntohs(address.in6.sin6_port);
	else
		server->port = ntohs(address.in.sin_port);
}

bool http_server_listen(struct http_server *server, const char *text, struct errbuf *errbuf)
{
	struct sockaddr_storage address;
	socklen_t len;
	int fd, on = 1;

	if (strncmp(text, "unix:", 5) == 0)
		return listen_unix(server, text, errbuf);
	len = parse_address(text, &address);
	if (len == 0)
		return listen_failed(errbuf, text,
			"an address is an IP address (IPv6 in brackets) or localhost, a "
			"colon "
			"and a port; or unix: and a path");
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return listen_failed(errbuf, text, strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address.ss_family ==
		AF_INET6) /* so that 0.0.0.0 can be listened on beside [::] */
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, len) != 0 ||
		listen(fd, LISTEN_QUEUE) != 0) {
		listen_failed(errbuf, text, strerror(errno));
		close(fd);
		return false;
	}
	note_port(server, fd);
	listener_add(server, fd, NULL);
	return true;
}

int http_server_port(const struct http_server *server)
{
	return server->port;
}

static void listeners_close(struct http_server *server)
{
	struct link *link;

	while ((link = list_take(&server->listeners)) != NULL) {
		struct http_listener *listener = container_of(
			link, struct http_listener, link);

		event_free(listener->event);
		close(listener->fd);
		if (listener->path)
			unlink(listener->path);
		free(listener->path);
		free(listener);
	}
}

/* ---- life ---- */

struct http_server *http_server_new(struct loop *loop, const struct http_limits *limits,
	const struct http_handler *handler, void *owner)
{
	struct http_server *server = mem_zalloc(1, sizeof(*server));

	server->loop = loop;
	server->limits = limits;
	server->handler = handler;
	server->owner = owner;
	server->accepting = true;
	list_init(&server->listeners);
	loop_timer_init(loop, &server->pause, pause_ended);
	for (int i = 0; i < HTTP_CONN_STATES; i++) {
		server->states[i].server = server;
		list_init(&server->states[i].conns);
		loop_timer_init(loop, &server->states[i].timer, deadline_passed);
	}
	server->states[HTTP_CONN_IDLE].limit = limits->idle_timeout;
	server->states[HTTP_CONN_HEAD].limit = limits->head_timeout;
	server->states[HTTP_CONN_BODY].limit = limits->body_timeout;
	server->states[HTTP_CONN_WRITE].limit = limits->reply_timeout;
	server->states[HTTP_CONN_LINGER].limit = LINGER_TIME;
	return server;
}

/* One that moves to a list still to be walked is met again, which does no harm. */
static void for_all(struct http_server *server, void (*act)(struct http_conn *conn))
{
	for (int i = 0; i < HTTP_CONN_STATES; i++) {
		struct list *conns = &server->states[i].conns;
		struct link *next;

		for (struct link *link = list_first(conns); link; link = next) {
			next = list_next(conns, link);
			act(container_of(link, struct http_conn, link));
		}
	}
}

void http_server_drain(struct http_server *server)
{
	if (server->draining)
		return;
	server->draining = true;
	listeners_close(server);
	for_all(server, http_conn_drain);
}

size_t http_server_connections(const struct http_server *server)
{
	return server->connections;
}

size_t http_server_unsent(const struct http_server *server)
{
	size_t sum = 0;

	for (int i = 0; i < HTTP_CONN_STATES; i++)
		list_for_each (&server->states[i].conns, link) {
			const struct http_conn *conn = container_of(
				link, struct http_conn, link);

			sum += conn->held + stream_pending(conn->stream);
		}
	return sum;
}

/* ---- figures ---- */

#define AT(member) offsetof(struct http_figures, member)

/* enum http_conn_state; a connection in work has no deadline. */
_Static_assert(HTTP_CONN_STATES == 6, "as many as STATES and the figures' arrays");
#define STATES "idle|head|body|work|reply|linger"

const struct metric http_metrics[] = {
	{ "volley_http_connections", "connections", METRIC_GAUGE, METRIC_PLAIN,
		AT(connections), "state", STATES, false,
		"clients' connections by state: between requests, reading a head or a "
		"body, "
		"at work, writing, or closing" },
	{ "volley_http_connections_limit", "limit", METRIC_GAUGE, METRIC_PLAIN, AT(limit),
		NULL, NULL, false, "clients' connections at most" },
	{ "volley_http_accepted_total", "accepted", METRIC_COUNTER, METRIC_PLAIN,
		AT(accepted), NULL, NULL, false, "connections accepted" },
	{ "volley_http_evicted_total", "evicted", METRIC_COUNTER, METRIC_PLAIN, AT(evicted),
		NULL, NULL, false, "idle connections closed to make room for others" },
	{ "volley_http_accept_pauses_total", "acceptPauses", METRIC_COUNTER, METRIC_PLAIN,
		AT(accept_pauses), NULL, NULL, false,
		"times that accepting paused since the system had no descriptor or memory "
		"left" },
	{ "volley_http_timeouts_total", "timeouts", METRIC_COUNTER, METRIC_PLAIN,
		AT(timed_out), "kind", STATES, false,
		"deadlines of connections that passed, by the state they were in" },
	{ "volley_http_replies_total", "replies", METRIC_COUNTER, METRIC_PLAIN, AT(replies),
		NULL, NULL, false, "replies, refusals included" },
	{ .name = NULL },
};

const struct metric http_refusal_metrics[] = {
	{ "volley_requests_refused_total", "refused", METRIC_COUNTER, METRIC_PLAIN,
		AT(refusals), "status", HTTP_REFUSALS, false,
		"requests to the Event API that were refused, by status" },
	{ .name = NULL },
};

const struct http_figures *http_server_figures(struct http_server *server)
{
	for (int i = 0; i < HTTP_CONN_STATES; i++)
		server->figures.connections[i] = server->states[i].conns.count;
	server->figures.limit = server->limits->connections;
	return &server->figures;
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	server->draining = true;
	listeners_close(server);
	for_all(server, http_conn_close);
	for (int i = 0; i < HTTP_CONN_STATES; i++)
		loop_timer_stop(&server->states[i].timer);
	loop_timer_stop(&server->pause);
	free(server);
}
