/*
 * http_server.c - accepting, the limit of connections, and the deadlines of their states.
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

#define ACCEPT_BATCH 16 /* in one pass: those who are here already want to be served */
#define EXPIRE_BATCH 16 /* of one state in one pass */
#define ACCEPT_PAUSE (100 * NS_PER_MS)
#define LINGER_TIME  NS_PER_SEC
#define FRESH        (100 * NS_PER_MS) /* idle for less is kept: its request is on its way */

/* ---- accepting on and off ---- */

static void set_accepting(struct http_server *server, bool on)
{
	server->figures.accept_pauses += !on && server->accepting;
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

static void room_ended(struct loop_timer *timer)
{
	struct http_server *server = container_of(timer, struct http_server, room);

	if (!server->draining && !loop_timer_running(&server->pause))
		set_accepting(server, true);
}

static bool is_full(const struct http_server *server)
{
	return server->connections >= server->limits.connections;
}

static struct http_conn *first_in(
	const struct http_server *server, enum http_conn_state state)
{
	struct link *link = list_first(&server->states[state].conns);

	return link ? container_of(link, struct http_conn, link) : NULL;
}

/* The first that could be asked to leave when its time has come; NULL: all are at work. */
static struct http_conn *longest_waiting(const struct http_server *server)
{
	struct http_conn *conn = first_in(server, HTTP_CONN_IDLE);

	return conn ? conn : first_in(server, HTTP_CONN_HANDSHAKE);
}

/*
 * The connection that could make room, longest there first; NULL: none. One that was opened
 * this moment, or whose request is here and not read yet, is not idle.
 */
static struct http_conn *dispensable(const struct http_server *server)
{
	struct http_conn *conn = first_in(server, HTTP_CONN_LINGER);

	if (conn)
		return conn;
	conn = longest_waiting(server);
	if (!conn || loop_now(server->loop) - conn->since < FRESH ||
		stream_has_unread(conn->stream))
		return NULL;
	return conn;
}

/* Nobody can be closed: whoever leaves, or has been idle for long enough, makes room. */
static void wait_for_room(struct http_server *server)
{
	const struct http_conn *conn = longest_waiting(server);
	uint64_t age = conn ? loop_now(server->loop) - conn->since : 0;

	set_accepting(server, false);
	if (conn)
		loop_timer_start(&server->room, age < FRESH ? FRESH - age : NS_PER_MS);
}

/* A connection has moved: accepting goes on if that made room, now or soon. */
static void look_for_room(struct http_server *server)
{
	if (server->accepting || server->draining || loop_timer_running(&server->pause))
		return;
	if (!is_full(server) || first_in(server, HTTP_CONN_LINGER))
		set_accepting(server, true);
	else if (longest_waiting(server) && !loop_timer_running(&server->room))
		loop_timer_start(&server->room, FRESH);
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

		list_append(&entered->conns, &conn->link);
		if (entered->limit && !loop_timer_running(&entered->timer))
			loop_timer_start(&entered->timer, entered->limit);
	}
	look_for_room(server);
}

/*
 * Timers are some milliseconds off, so an early one waits for the rest and a little more.
 * Thousands that came at once expire at once: a pass ends some of them, the next one more.
 */
static void expire(struct http_state *state)
{
	struct http_server *server = state->server;
	uint64_t now = loop_now(server->loop);
	enum http_conn_state which = (enum http_conn_state)(state - server->states);
	struct http_conn *conn;

	for (int i = 0; i < EXPIRE_BATCH; i++) {
		conn = first_in(server, which);
		if (!conn)
			return;
		if (now - conn->since < state->limit) {
			loop_timer_start(&state->timer,
				conn->since + state->limit - now + NS_PER_MS);
			return;
		}
		http_conn_expired(conn);
	}
	loop_upkeep(server->loop, &state->more);
}

static void deadline_passed(struct loop_timer *timer)
{
	expire(container_of(timer, struct http_state, timer));
}

static void expire_more(struct loop_item *item)
{
	expire(container_of(item, struct http_state, more));
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

	loop_woke(server->loop);
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct http_conn *leaving = is_full(server) ? dispensable(server) : NULL;
		int fd;

		if (is_full(server) && !leaving) {
			wait_for_room(server);
			return;
		}
		/* cppcheck's table of functions is wrong here: accept4(2) takes NULL. */
		// cppcheck-suppress nullPointer
		fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && !accept_failed(server, errno))
			return;
		if (fd < 0)
			continue;
		if (leaving) {
			server->figures.evicted++;
			http_conn_close(leaving);
		}
		server->figures.accepted++;
		http_conn_open(server, fd, listener->tls);
	}
}

/* ---- life ---- */

/* Thousands may be idle: each pass closes some of them. */
static void close_idle(struct loop_item *item)
{
	struct http_server *server = container_of(item, struct http_server, drain);
	struct http_conn *conn = NULL;

	for (int i = 0; i < EXPIRE_BATCH && (conn = first_in(server, HTTP_CONN_IDLE)); i++)
		http_conn_close(conn);
	if (conn)
		loop_upkeep(server->loop, item);
}

/* The connections of a state stand in order of deadline under any limit. */
static void set_limit(
	struct http_server *server, enum http_conn_state which, uint64_t limit)
{
	struct http_state *state = &server->states[which];
	bool changed = state->limit != limit;

	state->limit = limit;
	if (changed && !list_empty(&state->conns))
		expire(state);
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
	look_for_room(server);
}

struct http_server *http_server_new(struct loop *loop, const struct http_limits *limits,
	const struct http_handler *handler, void *owner)
{
	struct http_server *server = mem_zalloc(1, sizeof(*server));

	server->loop = loop;
	server->handler = handler;
	server->owner = owner;
	server->accepting = true;
	server->drain.run = close_idle;
	list_init(&server->listeners);
	loop_timer_init(loop, &server->pause, pause_ended);
	loop_timer_init(loop, &server->room, room_ended);
	for (int i = 0; i < HTTP_CONN_STATES; i++) {
		server->states[i].server = server;
		list_init(&server->states[i].conns);
		server->states[i].more.run = expire_more;
		loop_timer_init(loop, &server->states[i].timer, deadline_passed);
	}
	http_server_limits(server, limits);
	return server;
}

/* One that moves to a list still to be walked is met again, which does no harm. */
static void for_all(struct http_server *server, enum http_conn_state from,
	void (*act)(struct http_conn *conn))
{
	for (int i = from; i < HTTP_CONN_STATES; i++) {
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
	for_all(server, HTTP_CONN_IDLE + 1, http_conn_drain);
	close_idle(&server->drain);
}

size_t http_server_connections(const struct http_server *server)
{
	return server->connections;
}

static void state_stop(struct http_server *server, struct http_state *state)
{
	loop_timer_stop(&state->timer);
	loop_cancel(server->loop, &state->more);
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	server->draining = true;
	http_listeners_close(server);
	loop_cancel(server->loop, &server->drain);
	for_all(server, HTTP_CONN_IDLE, http_conn_close);
	for (int i = 0; i < HTTP_CONN_STATES; i++)
		state_stop(server, &server->states[i]);
	loop_timer_stop(&server->pause);
	loop_timer_stop(&server->room);
	free(server);
}
