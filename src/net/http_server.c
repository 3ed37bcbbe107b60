/*
 * http_server.c - listeners, the limit of connections, and the deadlines of their states.
 *
 * All connections of one state have the same time limit, so each state's list is in order
 * of deadline and one timer per list watches its head; a timer per connection was refused,
 * since it would be moved several times per request. Listeners are plain events: accepting
 * pauses when there is no room, and libevent's listener would hide why accept() failed.
 */
#include "net/http_server.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http_conn.h"

#define ACCEPT_BATCH 64
#define ACCEPT_PAUSE (100 * NS_PER_MS)
#define LINGER_TIME  NS_PER_SEC

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
	static const enum http_conn_state order[] = { HTTP_CONN_LINGER, HTTP_CONN_IDLE,
		HTTP_CONN_HANDSHAKE };
	struct link *link = NULL;

	for (size_t i = 0; i < array_len(order) && !link; i++)
		link = list_first(&server->states[order[i]].conns);
	return link ? container_of(link, struct http_conn, link) : NULL;
}

static bool has_room(struct http_server *server)
{
	return server->connections < server->limits.connections || dispensable(server);
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
		return false;
	}
}

void http_server_accept(evutil_socket_t listening, short what, void *arg)
{
	struct http_listener *listener = arg;
	struct http_server *server = listener->server;

	loop_now(server->loop);
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
		if (server->connections >= server->limits.connections)
			http_conn_close(dispensable(server));
		http_conn_open(server, fd, listener->tls);
	}
}

/* ---- life ---- */

/* The connections of a state stand in order of deadline under any limit. */
static void set_limit(
	struct http_server *server, enum http_conn_state which, uint64_t limit)
{
	struct http_state *state = &server->states[which];
	bool changed = state->limit != limit;

	state->limit = limit;
	if (changed && !list_empty(&state->conns))
		deadline_passed(&state->timer);
}

void http_server_limits(struct http_server *server, const struct http_limits *limits)
{
	server->limits = *limits;
	set_limit(server, HTTP_CONN_HANDSHAKE, limits->head_timeout);
	set_limit(server, HTTP_CONN_IDLE, limits->idle_timeout);
	set_limit(server, HTTP_CONN_HEAD, limits->head_timeout);
	set_limit(server, HTTP_CONN_BODY, limits->body_timeout);
	set_limit(server, HTTP_CONN_WRITE, limits->reply_timeout);
	set_limit(server, HTTP_CONN_LINGER, LINGER_TIME);
	if (!server->accepting && !server->draining && !loop_timer_running(&server->pause))
		set_accepting(server, has_room(server));
}

uint64_t http_server_handshakes_failed(const struct http_server *server)
{
	return server->handshakes_failed;
}

struct http_server *http_server_new(struct loop *loop, const struct http_limits *limits,
	const struct http_handler *handler, void *owner)
{
	struct http_server *server = mem_zalloc(1, sizeof(*server));

	server->loop = loop;
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
	http_server_limits(server, limits);
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
	http_listeners_close(server);
	for_all(server, http_conn_drain);
}

size_t http_server_connections(const struct http_server *server)
{
	return server->connections;
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	server->draining = true;
	http_listeners_close(server);
	for_all(server, http_conn_close);
	for (int i = 0; i < HTTP_CONN_STATES; i++)
		loop_timer_stop(&server->states[i].timer);
	loop_timer_stop(&server->pause);
	free(server);
}
