/*
 * http_conn.c - one connection: its bytes to requests, and the state that follows from
 * them.
 *
 * take_turn() takes as many steps as the input allows, then settle() derives the state
 * from what is being read, worked on and written. It runs on input, on room in the output
 * and after replies, never inside a handler's call. Setting the state step by step was
 * refused: with pipelining several things are under way at once, and the state is the one
 * whose deadline counts.
 */
#include "net/http_conn.h"

#include <stdio.h>

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define UNSENT_MAX    ((size_t)1 << 20)  /* beyond it no further request is taken */
#define BODY_FIRST    ((size_t)64 << 10) /* room for a body before more of it has come */
#define HEAD_FIRST    ((size_t)1 << 10)  /* the same for a head that comes in pieces */
#define TURN_REQUESTS 16                 /* in one turn; others want one, too */
#define PASS_REQUESTS 64                 /* beyond the first of each turn, in one pass */
#define TAKEN_LEAST   ((size_t)32 << 10) /* of its replies in each reply_timeout */

/* ---- the input ---- */

/* The first stretch of the input; empty when there is none. */
static struct text peek(struct http_conn *conn)
{
	struct evbuffer_iovec first = { .iov_len = 0 };

	if (evbuffer_peek(stream_input(conn->stream), -1, NULL, &first, 1) < 1)
		return (struct text){ NULL, 0 };
	return (struct text){ first.iov_base, first.iov_len };
}

static void drain(struct http_conn *conn, size_t len)
{
	evbuffer_drain(stream_input(conn->stream), len);
}

static bool input_is_empty(struct http_conn *conn)
{
	return evbuffer_get_length(stream_input(conn->stream)) == 0;
}

/* The room that a buffer needs next: at least twice what it had. */
static size_t next_room(size_t room, size_t needed, size_t wanted)
{
	size_t next = 2 * room > wanted ? 2 * room : wanted;

	return next < needed ? needed : next;
}

/* ---- heads ---- */

/*
 * Whether one more request may be taken. What the replies to those at work will need is
 * told by those before. Where all clients together owe too much reading, one that owes
 * nothing still has one request at a time.
 */
static bool may_begin(const struct http_conn *conn)
{
	const struct http_limits *limits = &conn->server->limits;
	size_t working = conn->exchanges.count;

	if (working >= limits->pipeline ||
		conn->unsent + working * conn->reply_size >= UNSENT_MAX)
		return false;
	return conn->server->unsent < limits->unsent || conn->unsent + working == 0;
}

static struct http_exchange *exchange_begin(struct http_conn *conn)
{
	struct http_exchange *exchange = mem_zalloc(1, sizeof(*exchange));

	exchange->conn = conn;
	exchange->request.started = clock_now();
	exchange->request.peer = stream_peer(conn->stream);
	http1_scan_init(&exchange->scan, conn->server->limits.head);
	exchange->scan.skipped = conn->skipped_line;
	conn->skipped_line = false;
	conn->requests++;
	return exchange;
}

/*
 * The empty line that some old clients send behind a body must not look like the beginning
 * of the next head, whose deadline is short.
 */
static bool skip_empty_line(struct http_conn *conn, struct text input)
{
	if (conn->skipped_line || input.len < 2 || memcmp(input.at, "\r\n", 2) != 0)
		return false;
	conn->skipped_line = true;
	drain(conn, 2);
	return true;
}

static void body_is_complete(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->current;
	struct http_server *server = conn->server;

	exchange->request.body = (struct text){ exchange->body, exchange->body_len };
	conn->current = NULL;
	conn->reader = exchange->keep_alive && !server->draining ? READ_HEAD : READ_NOTHING;
	server->handler->on_request(server->owner, &exchange->request);
}

static void refuse_body(struct http_conn *conn)
{
	char detail[96];

	snprintf(detail, sizeof(detail), "the body is longer than %zu bytes (limits.body)",
		conn->server->limits.body);
	http_conn_refuse(conn, 413, detail);
}

static void begin_body(struct http_conn *conn)
{
	if (conn->body_left > conn->server->limits.body)
		refuse_body(conn);
	else if (!conn->chunked && conn->body_left == 0)
		body_is_complete(conn);
	else if (conn->current->expects && input_is_empty(conn))
		conn->reader = READ_CONTINUE;
	else
		conn->reader = READ_BODY;
}

static void take_head(struct http_exchange *exchange, const struct http1_head *head)
{
	struct http_conn *conn = exchange->conn;
	struct http_request *request = &exchange->request;

	request->method = head->method;
	request->path = head->path;
	request->headers = head->headers;
	request->header_count = head->header_count;
	request->has_length = head->has_length;
	request->body_length = head->body_length;
	exchange->is_head = text_is(head->method, "HEAD");
	exchange->keep_alive = head->keep_alive;
	exchange->is_old = head->minor == 0;
	exchange->expects = head->expects;
	conn->chunked = head->chunked;
	conn->body_left = head->body_length;
	http1_chunks_init(&conn->chunks);
}

static void head_is_complete(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->current;
	struct http_server *server = conn->server;
	struct text bytes = { exchange->head, exchange->head_len };
	struct http1_head head;
	struct http1_error error;

	if (!http1_parse_request(exchange->request.arena, bytes, server->limits.headers,
		    &head, &error)) {
		exchange->is_head = text_is(head.method, "HEAD");
		http_conn_refuse(conn, error.status, error.text);
		return;
	}
	take_head(exchange, &head);
	list_append(&conn->exchanges, &exchange->link);
	exchange->begun = true;
	server->handler->on_head(server->owner, &exchange->request);
	if (conn->current == exchange)
		begin_body(conn);
}

/*
 * The arena comes with a complete head: strangers who never complete one would otherwise
 * use up the memory that is there for events.
 */
static void keep_head(struct http_exchange *exchange, struct text bytes, bool complete)
{
	size_t len = exchange->head_len + bytes.len;
	char *head;

	if (complete) {
		exchange->request.arena = arena_new();
		exchange->own_arena = true;
		head = arena_alloc(exchange->request.arena, len);
		if (exchange->head_len)
			memcpy(head, exchange->head, exchange->head_len);
		free(exchange->head);
		exchange->head = head;
	} else if (len > exchange->head_room) {
		exchange->head_room = next_room(exchange->head_room, len, HEAD_FIRST);
		exchange->head = mem_realloc(exchange->head, exchange->head_room);
	}
	memcpy(exchange->head + exchange->head_len, bytes.at, bytes.len);
	exchange->head_len = len;
}

static bool read_head(struct http_conn *conn)
{
	struct http_exchange *exchange = conn->current;
	struct text input = peek(conn);
	struct http1_error error = { 0 };
	size_t used = 0;
	bool complete;

	if (input.len == 0 || (!exchange && !may_begin(conn)))
		return false;
	if (!exchange && skip_empty_line(conn, input))
		return true;
	if (!exchange)
		exchange = conn->current = exchange_begin(conn);
	complete = http1_scan_head(&exchange->scan, input.at, input.len, &used, &error);
	if (error.status) {
		http_conn_refuse(conn, error.status, error.text);
		return true;
	}
	keep_head(exchange, (struct text){ input.at, used }, complete);
	drain(conn, used);
	if (complete)
		head_is_complete(conn);
	return true;
}

/* ---- bodies ---- */

/* False: the handler has refused the request. */
static bool grow_body(struct http_conn *conn, size_t needed)
{
	struct http_exchange *exchange = conn->current;
	struct http_server *server = conn->server;
	size_t wanted = needed + conn->body_left;

	if (!server->handler->may_grow(server->owner, &exchange->request))
		return false;
	exchange->body_room = next_room(
		exchange->body_room, needed, wanted > BODY_FIRST ? BODY_FIRST : wanted);
	exchange->body = arena_grow(exchange->request.arena, exchange->body,
		exchange->body_len, exchange->body_room);
	return true;
}

/* False: the request has been refused. */
static bool keep_body(struct http_conn *conn, struct text bytes)
{
	struct http_exchange *exchange = conn->current;
	size_t len = exchange->body_len + bytes.len;

	if (len > conn->server->limits.body) {
		refuse_body(conn);
		return false;
	}
	if (len > exchange->body_room && !grow_body(conn, len))
		return false;
	memcpy(exchange->body + exchange->body_len, bytes.at, bytes.len);
	exchange->body_len = len;
	return true;
}

/* Reads a stretch of a chunked body into current, or drops it. True: the body has ended. */
static bool read_chunks(struct http_conn *conn, struct text input)
{
	struct http1_error error = { 0 };
	struct text rest = input, data = { NULL, 0 };
	enum http1_chunk found;

	do
		found = http1_chunks_next(&conn->chunks, &rest, &data, &error);
	while (found == HTTP1_CHUNK_DATA && (!conn->current || keep_body(conn, data)));
	drain(conn, input.len - rest.len);
	if (found != HTTP1_CHUNK_BAD)
		return found == HTTP1_CHUNK_DONE;
	if (conn->current)
		http_conn_refuse(conn, error.status, error.text);
	conn->reader = READ_NOTHING;
	return false;
}

/* The same for a body of known length. */
static bool read_counted(struct http_conn *conn, struct text input)
{
	bool kept;

	if (input.len > conn->body_left)
		input.len = (size_t)conn->body_left;
	conn->body_left -= input.len;
	kept = !conn->current || keep_body(conn, input);
	drain(conn, input.len); /* after keep_body(), which reads it */
	return kept && conn->body_left == 0;
}

static bool read_body(struct http_conn *conn)
{
	struct text input = peek(conn);
	bool ended;

	if (input.len == 0)
		return false;
	ended = conn->chunked ? read_chunks(conn, input) : read_counted(conn, input);
	if (ended)
		body_is_complete(conn);
	return true;
}

static bool drop_body(struct http_conn *conn)
{
	struct text input = peek(conn);

	if (input.len == 0)
		return false;
	if (input.len > conn->drop_left) {
		input.len = conn->drop_left;
		conn->reader = READ_NOTHING; /* unless the body ends in time */
	}
	conn->drop_left -= input.len;
	if (conn->chunked ? read_chunks(conn, input) : read_counted(conn, input))
		conn->reader = conn->server->draining ? READ_NOTHING : READ_HEAD;
	return true;
}

/* ---- the turn ---- */

/* The state whose deadline counts. */
static enum http_conn_state state_of(const struct http_conn *conn)
{
	if (conn->reader == READ_BODY || conn->reader == READ_DROP)
		return HTTP_CONN_BODY;
	if (conn->reader == READ_HEAD && conn->current)
		return HTTP_CONN_HEAD;
	if (!list_empty(&conn->exchanges))
		return HTTP_CONN_WORK;
	if (stream_pending(conn->stream) > 0)
		return HTTP_CONN_WRITE;
	return conn->reader == READ_NOTHING ? HTTP_CONN_LINGER : HTTP_CONN_IDLE;
}

/* Input that cannot be used yet stays in the kernel, where it slows the client down. */
static bool wants_input(const struct http_conn *conn)
{
	if (conn->reader == READ_HEAD && !conn->current)
		return may_begin(conn);
	return conn->reader != READ_CONTINUE;
}

/*
 * Whether the client has taken too little of what it is owed: some in each reply_timeout,
 * not a byte now and then. Further requests do not count as taking.
 */
static bool takes_too_little(struct http_conn *conn)
{
	uint64_t now = loop_now(conn->server->loop);
	size_t owed = stream_pending(conn->stream);
	uint64_t taken = conn->produced - owed;
	bool due = conn->owed_since &&
		   now - conn->owed_since >= conn->server->limits.reply_timeout;
	uint64_t least = conn->owed < TAKEN_LEAST ? conn->owed : TAKEN_LEAST;
	bool too_little = due && owed > 0 && taken - conn->taken < least;

	if (owed == 0) {
		conn->owed_since = 0;
	} else if (due || !conn->owed_since) {
		conn->owed_since = now;
		conn->owed = owed;
		conn->taken = taken;
	}
	return too_little;
}

static void close_late(struct http_conn *conn, enum http_conn_state state)
{
	conn->server->figures.timed_out[state]++;
	http_conn_close(conn);
}

/* What follows from a turn; rests: there is input left for the next one. */
static void settle(struct http_conn *conn, bool rests)
{
	enum http_conn_state state = state_of(conn);

	if (conn->reader == READ_NOTHING && list_empty(&conn->exchanges))
		stream_shutdown_write(conn->stream);
	if (state == HTTP_CONN_LINGER && conn->client_ended) {
		http_conn_close(conn);
		return;
	}
	if (takes_too_little(conn)) {
		close_late(conn, HTTP_CONN_WRITE);
		return;
	}
	http_conn_count_unsent(conn);
	if (state != conn->state || conn->requests != conn->moved_for)
		http_conn_move(conn, state);
	stream_read_enable(conn->stream, !rests && wants_input(conn));
}

/* What is cut short gets its answer: the client may have ended its own side only. */
static void client_has_ended(struct http_conn *conn)
{
	if (conn->reader == READ_DROP ||
		(conn->reader == READ_HEAD && !conn->current && input_is_empty(conn)))
		conn->reader = READ_NOTHING;
	else if (conn->current && conn->reader == READ_HEAD)
		http_conn_refuse(conn, 400, "the head is cut short");
	else if (conn->current && conn->reader == READ_BODY)
		http_conn_refuse(conn, 400, "the body is cut short");
}

/* One step forward; false: it takes more input, room in the output or a reply to go on. */
static bool step(struct http_conn *conn)
{
	switch (conn->reader) {
	case READ_HEAD:
		return read_head(conn);
	case READ_CONTINUE:
		if (list_first(&conn->exchanges) != &conn->current->link)
			return false;
		http_conn_continue(conn);
		conn->reader = READ_BODY;
		return true;
	case READ_BODY:
		return read_body(conn);
	case READ_DROP:
		return drop_body(conn);
	case READ_NOTHING:
		break;
	}
	drain(conn, evbuffer_get_length(stream_input(conn->stream)));
	return false;
}

/* How many requests a turn may begin now: one, and some of what the pass can spare. */
static unsigned share(struct http_server *server)
{
	uint64_t now = loop_now(server->loop);

	if (server->spare_in != now) {
		server->spare_in = now;
		server->spare = PASS_REQUESTS;
	}
	return server->spare < TURN_REQUESTS ? 1 + server->spare : TURN_REQUESTS;
}

/*
 * A turn ends after some requests, also where the client sent hundreds at once: those that
 * are left have the next turn, and other connections theirs before it.
 */
static void take_turn(struct http_conn *conn)
{
	uint64_t first = conn->requests, last = first + share(conn->server);
	bool rests;

	conn->in_turn = true;
	while ((rests = step(conn)) && conn->requests < last)
		;
	if (conn->requests > first)
		conn->server->spare -= (unsigned)(conn->requests - first - 1);
	if (rests)
		loop_upkeep(conn->server->loop, &conn->turn);
	else if (conn->client_ended)
		client_has_ended(conn);
	conn->in_turn = false;
	settle(conn, rests);
}

static void run_turn(struct loop_item *item)
{
	take_turn(container_of(item, struct http_conn, turn));
}

/* ---- the handshake ---- */

static void handshake_failed(struct http_conn *conn, const char *reason)
{
	conn->server->figures.handshakes_failed++;
	log_line(LOG_DEBUG, "TLS handshake failed", "peer", stream_peer(conn->stream),
		"reason", reason, NULL);
	if (stream_met_http(conn->stream))
		http_conn_answer_http(conn);
}

static void on_connected(void *owner)
{
	http_conn_move(owner, HTTP_CONN_IDLE);
}

/* ---- what the stream tells ---- */

static void on_readable(void *owner)
{
	take_turn(owner);
}

static void on_drained(void *owner)
{
	struct http_conn *conn = owner;

	if (link_is_listed(&conn->turn.link))
		settle(conn, true);
	else
		take_turn(conn);
}

static void on_ended(void *owner, int error)
{
	struct http_conn *conn = owner;

	if (conn->state == HTTP_CONN_HANDSHAKE && stream_has_begun(conn->stream))
		handshake_failed(conn, stream_reason(conn->stream));
	if (error) {
		http_conn_close(conn);
		return;
	}
	conn->client_ended = true;
	take_turn(conn);
}

static const struct stream_events events = {
	.connected = on_connected,
	.readable = on_readable,
	.drained = on_drained,
	.ended = on_ended,
};

/* ---- life ---- */

static void reap(struct loop_item *item)
{
	loop_dispose(container_of(item, struct http_conn, reap), sizeof(struct http_conn));
}

void http_conn_open(struct http_server *server, int fd, struct tls_context *tls)
{
	struct http_conn *conn = mem_zalloc(1, sizeof(*conn));

	conn->server = server;
	conn->stream = stream_accept(server->loop, fd, tls, &events, conn);
	conn->state = HTTP_CONN_CLOSED;
	conn->turn.run = run_turn;
	conn->reap.run = reap;
	list_init(&conn->exchanges);
	server->connections++;
	http_conn_move(conn, tls ? HTTP_CONN_HANDSHAKE : HTTP_CONN_IDLE);
}

static void abandon_exchanges(struct http_conn *conn)
{
	struct http_server *server = conn->server;
	struct link *link;

	if (conn->current && !link_is_listed(&conn->current->link))
		http_exchange_free(conn->current);
	conn->current = NULL;
	while ((link = list_take(&conn->exchanges)) != NULL) {
		struct http_exchange *exchange = container_of(
			link, struct http_exchange, link);

		if (exchange->begun)
			server->handler->gone(server->owner, &exchange->request);
		http_exchange_free(exchange);
	}
}

void http_conn_close(struct http_conn *conn)
{
	stream_close(conn->stream);
	loop_cancel(conn->server->loop, &conn->turn);
	abandon_exchanges(conn);
	conn->server->connections--;
	conn->server->unsent -= conn->unsent;
	conn->unsent = 0;
	http_conn_move(conn, HTTP_CONN_CLOSED);
	loop_reap(conn->server->loop, &conn->reap);
}

void http_conn_expired(struct http_conn *conn)
{
	uint64_t *timed_out = conn->server->figures.timed_out;

	switch (conn->state) {
	case HTTP_CONN_HANDSHAKE:
		handshake_failed(conn, "it took too long");
		http_conn_close(conn);
		return;
	case HTTP_CONN_HEAD:
		timed_out[HTTP_CONN_HEAD]++;
		http_conn_refuse(conn, 408, "the head took too long");
		break;
	case HTTP_CONN_BODY:
		timed_out[HTTP_CONN_BODY]++;
		if (conn->current)
			http_conn_refuse(conn, 408, "the body took too long");
		conn->reader = READ_NOTHING;
		break;
	case HTTP_CONN_WRITE:
		if (takes_too_little(conn))
			close_late(conn, HTTP_CONN_WRITE);
		else
			http_conn_move(conn, HTTP_CONN_WRITE);
		return;
	default:
		close_late(conn, conn->state);
		return;
	}
	take_turn(conn);
}

void http_conn_drain(struct http_conn *conn)
{
	if (conn->reader == READ_HEAD && !conn->current)
		conn->reader = READ_NOTHING;
	if (conn->in_turn)
		return;
	if (conn->state == HTTP_CONN_IDLE || conn->state == HTTP_CONN_HANDSHAKE)
		http_conn_close(conn);
	else
		take_turn(conn);
}
