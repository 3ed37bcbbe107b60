/*
 * http_write.c - replies: their bytes, and their order.
 *
 * A reply is written straight into the output buffer, head and body in one stretch, when
 * its request is the oldest of its connection; else it is held back in a buffer of its own.
 * The only one to say "Connection: close" is the last reply of a connection that takes no
 * further request. Chunked replies were refused: every reply is complete when it is given.
 */
#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http_conn.h"

#define JOINED_BODY ((size_t)8 << 10) /* larger bodies are added by themselves */
#define DROP_MAX    ((size_t)64 << 10)

/* ---- one reply's bytes ---- */

const char *http_reason(int status)
{
	const char *reason = http_status_str((enum http_status)status);

	return reason[0] == '<' ? "Unknown" : reason;
}

/* IMF-fixdate (RFC 9110 5.6.7), made once per second. */
static const char *date(struct http_server *server)
{
	time_t now = (time_t)(loop_wall_ms(server->loop) / 1000);
	struct tm tm;

	if (server->date_second != now && gmtime_r(&now, &tm)) {
		server->date_second = now;
		strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT",
			&tm);
	}
	return server->date;
}

static char *put(char *at, struct text t)
{
	if (t.len > 0)
		memcpy(at, t.at, t.len);
	return at + t.len;
}

static char *put_number(char *at, uint64_t number)
{
	char digits[20];
	size_t n = sizeof(digits);

	do
		digits[--n] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	return put(at, (struct text){ digits + n, sizeof(digits) - n });
}

static char *put_header(char *at, struct text name, struct text value)
{
	at = put(at, name);
	at = put(at, TEXT(": "));
	at = put(at, value);
	return put(at, TEXT("\r\n"));
}

/* A line break in a header would be the end of the head: such a header is left out. */
static bool is_clean(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 && *text != '\t')
			return false;
	}
	return true;
}

/* Statuses whose replies have neither body nor Content-Length (RFC 9110 6.4.1, 8.6). */
static bool is_bodiless(int status)
{
	return status < 200 || status == 204 || status == 304;
}

static size_t head_room(const struct http_reply *reply)
{
	size_t room = 256; /* status line, Date, Content-Length, Connection */

	room += strlen(http_reason(reply->status));
	if (reply->content_type)
		room += strlen(reply->content_type) + sizeof("Content-Type: \r\n");
	for (size_t i = 0; i < reply->header_count; i++)
		room += strlen(reply->headers[i][0]) + strlen(reply->headers[i][1]) + 4;
	return room;
}

static size_t body_length(const struct http_reply *reply)
{
	return reply->pages ? evbuffer_get_length(reply->pages) : reply->body.len;
}

static char *put_head(char *at, struct http_exchange *exchange,
	const struct http_reply *reply, bool closes)
{
	at = put(at, TEXT("HTTP/1.1 "));
	at = put_number(at, (uint64_t)reply->status);
	at = put(at, TEXT(" "));
	at = put(at, text_of(http_reason(reply->status)));
	at = put(at, TEXT("\r\n"));
	at = put_header(at, TEXT("Date"), text_of(date(exchange->conn->server)));
	if (reply->content_type)
		at = put_header(at, TEXT("Content-Type"), text_of(reply->content_type));
	for (size_t i = 0; i < reply->header_count; i++) {
		const char *const *header = reply->headers[i];

		if (is_clean(header[0]) && is_clean(header[1]))
			at = put_header(at, text_of(header[0]), text_of(header[1]));
	}
	if (!is_bodiless(reply->status)) {
		at = put(at, TEXT("Content-Length: "));
		at = put_number(at, body_length(reply));
		at = put(at, TEXT("\r\n"));
	}
	if (closes)
		at = put_header(at, TEXT("Connection"), TEXT("close"));
	else if (exchange->is_old)
		at = put_header(at, TEXT("Connection"), TEXT("keep-alive"));
	return put(at, TEXT("\r\n"));
}

static void write_reply(struct evbuffer *out, struct http_exchange *exchange,
	const struct http_reply *reply, bool closes)
{
	struct text body = reply->body;
	struct evbuffer_iovec space;
	size_t joined;
	char *at;

	if (reply->pages)
		body = (struct text){ NULL, 0 };
	if (exchange->is_head || is_bodiless(reply->status))
		body.len = 0;
	joined = body.len <= JOINED_BODY ? body.len : 0;
	if (evbuffer_reserve_space(
		    out, (ev_ssize_t)(head_room(reply) + joined), &space, 1) != 1)
		mem_exhausted();
	at = put_head(space.iov_base, exchange, reply, closes);
	at = put(at, (struct text){ body.at, joined });
	space.iov_len = (size_t)(at - (char *)space.iov_base);
	if (evbuffer_commit_space(out, &space, 1) != 0)
		mem_exhausted();
	if (joined < body.len && evbuffer_add(out, body.at, body.len) != 0)
		mem_exhausted();
	if (reply->pages && !exchange->is_head &&
		evbuffer_add_buffer(out, reply->pages) != 0)
		mem_exhausted();
}

/* ---- their order ---- */

void http_exchange_free(struct http_exchange *exchange)
{
	if (exchange->held)
		evbuffer_free(exchange->held);
	if (!exchange->request.arena)
		free(exchange->head);
	if (exchange->own_arena)
		arena_free(exchange->request.arena);
	free(exchange);
}

static struct http_exchange *oldest(struct http_conn *conn)
{
	struct link *link = list_first(&conn->exchanges);

	return link ? container_of(link, struct http_exchange, link) : NULL;
}

/* The oldest reply has been written: those that waited behind it follow. */
static void release_held(struct http_conn *conn)
{
	struct http_exchange *exchange;

	while ((exchange = oldest(conn)) != NULL && exchange->held) {
		conn->held -= evbuffer_get_length(exchange->held);
		if (evbuffer_add_buffer(stream_output(conn->stream), exchange->held) != 0)
			mem_exhausted();
		list_remove(&conn->exchanges, &exchange->link);
		http_exchange_free(exchange);
	}
}

void http_conn_count_unsent(struct http_conn *conn)
{
	size_t now = stream_pending(conn->stream) + conn->held;

	conn->server->unsent += now - conn->unsent;
	conn->unsent = now;
}

/* The largest of late, slowly forgotten. */
static void note_size(struct http_conn *conn, size_t size)
{
	if (size < conn->reply_size)
		size = conn->reply_size - (conn->reply_size - size) / 16;
	conn->reply_size = size;
}

static void count_reply(struct http_figures *figures, int status)
{
	const char *values = HTTP_REFUSALS;
	struct text value;
	size_t i = 0;

	figures->replies++;
	if (status < 400)
		return;
	while (i < HTTP_REFUSAL_COUNT - 1 && metric_next_value(&values, &value) &&
		atoi(value.at) != status)
		i++;
	figures->refusals[i]++;
}

static void send_reply(struct http_exchange *exchange, const struct http_reply *reply)
{
	struct http_conn *conn = exchange->conn;
	bool is_last = list_last(&conn->exchanges) == &exchange->link;
	bool closes = is_last && conn->reader == READ_NOTHING;

	exchange->begun = false;
	note_size(conn, body_length(reply));
	count_reply(&conn->server->figures, reply->status);
	if (oldest(conn) == exchange) {
		size_t before = stream_pending(conn->stream);

		write_reply(stream_output(conn->stream), exchange, reply, closes);
		list_remove(&conn->exchanges, &exchange->link);
		http_exchange_free(exchange);
		release_held(conn);
		conn->produced += stream_pending(conn->stream) - before;
		stream_touch(conn->stream);
	} else {
		exchange->held = evbuffer_new();
		if (!exchange->held)
			mem_exhausted();
		write_reply(exchange->held, exchange, reply, closes);
		conn->held += evbuffer_get_length(exchange->held);
	}
	http_conn_count_unsent(conn);
	if (!conn->in_turn)
		loop_deliver(conn->server->loop, &conn->turn);
}

/*
 * What is read after a refusal whose body has not been read: at most DROP_MAX bytes of it.
 * A client that was not told to continue may leave the body out or not, and what comes next
 * could be either: such a connection ends.
 */
static enum http_reader reader_after_refusal(
	struct http_conn *conn, const struct http_exchange *exchange)
{
	if (!exchange->keep_alive || conn->server->draining)
		return READ_NOTHING;
	if (!conn->chunked && conn->body_left == 0)
		return READ_HEAD;
	if (exchange->expects || (!conn->chunked && conn->body_left > DROP_MAX))
		return READ_NOTHING;
	conn->drop_left = DROP_MAX;
	return READ_DROP;
}

void http_reply(struct http_request *request, const struct http_reply *reply)
{
	struct http_exchange *exchange = container_of(
		request, struct http_exchange, request);
	struct http_conn *conn = exchange->conn;

	if (conn->current == exchange) {
		conn->reader = reader_after_refusal(conn, exchange);
		conn->current = NULL;
	}
	send_reply(exchange, reply);
}

void http_conn_refuse(struct http_conn *conn, int status, const char *detail)
{
	struct http_server *server = conn->server;
	struct http_exchange *exchange = conn->current;
	struct http_reply reply = { .status = status };
	struct arena *arena = arena_new();

	if (!link_is_listed(&exchange->link))
		list_append(&conn->exchanges, &exchange->link);
	if (exchange->begun) {
		exchange->begun = false;
		server->handler->gone(server->owner, &exchange->request);
	}
	conn->reader = READ_NOTHING;
	if (status == 413 && !conn->chunked) /* else nobody knows how much is to come */
		conn->reader = reader_after_refusal(conn, exchange);
	conn->current = NULL;
	reply.body = server->handler->error_body(
		server->owner, status, detail, arena, &reply.content_type);
	send_reply(exchange, &reply);
	arena_free(arena);
}

void http_conn_answer_http(struct http_conn *conn)
{
	struct http_server *server = conn->server;
	struct http_exchange exchange = { .conn = conn };
	struct http_reply reply = { .status = 400 };
	struct arena *arena = arena_new();
	struct evbuffer *out = evbuffer_new();

	if (!out)
		mem_exhausted();
	reply.body = server->handler->error_body(server->owner, 400,
		"this port takes TLS only: the address begins with https://", arena,
		&reply.content_type);
	write_reply(out, &exchange, &reply, true);
	stream_say_plainly(
		conn->stream, evbuffer_pullup(out, -1), evbuffer_get_length(out));
	evbuffer_free(out);
	arena_free(arena);
}

void http_conn_continue(struct http_conn *conn)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

	stream_write(conn->stream, line, sizeof(line) - 1);
	conn->produced += sizeof(line) - 1;
}

/* ---- what handlers ask of a request ---- */

const struct text *http_header(const struct http_request *request, const char *name)
{
	return http1_header(request->headers, request->header_count, name);
}

size_t http_header_count(const struct http_request *request, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < request->header_count; i++)
		count += text_is_nocase(request->headers[i].name, name);
	return count;
}

struct arena *http_take_arena(struct http_request *request)
{
	container_of(request, struct http_exchange, request)->own_arena = false;
	return request->arena;
}
