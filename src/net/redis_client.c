/*
 * redis_client.c - commands to a Redis server over pooled streams, replies in order.
 *
 * hiredis formats the commands and parses the replies; the socket is ours, because the
 * async API of hiredis 0.14 keeps it to itself and knows neither TLS nor one write per
 * pass. Each command in flight has a slot in its connection's list; a reply belongs to the
 * first slot. A deadline takes the attempt out of its slot and leaves the slot, so that the
 * connection and the others on it live on; it is closed when no reply is completed for the
 * timeout. Mere bytes do not count: a reply that never ends would swallow all that follow.
 *
 * Refused: a fresh connection after each timeout; one slow command would then fail all that
 * share the pipeline.
 */
#include "net/redis_client.h"

#include <event2/buffer.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/stream.h"
#include "net/dial.h"
#include "net/pool.h"
#include "net/redis_reply.h"

/* A connection whose peer does not read takes no more than this. */
enum { UNSENT_MAX = 256 * 1024 };

struct redis_client {
	struct loop *loop;
	struct pool *pool;
	const struct redis_endpoint *endpoint;
	struct tls_peer *tls; /* NULL: no TLS */
	const struct pool_settings *settings;
	struct list spare; /* slots that are not in use */
	struct loop_item reap;
};

enum slot_kind { SLOT_COMMAND, SLOT_AUTH, SLOT_SELECT };

/* One command on the wire. */
struct slot {
	struct link link;
	enum slot_kind kind;
	struct redis_conn *conn;
	struct attempt *attempt; /* NULL: cancelled, or the client's own command */
	const struct redis_command *command; /* while attempt is there */
};

struct redis_conn {
	struct pool_conn base;
	struct redis_client *client;
	struct dial *dial;     /* NULL: it got through, or failed */
	struct stream *stream; /* NULL: it did not get through yet */
	struct redis_reader *reader;
	bool answered;             /* a reply has come */
	struct list flight;        /* slots in the order sent */
	struct loop_timer silence; /* runs while something is in flight */
	uint64_t heard; /* monotonic ns: when a reply was complete, or flight empty, last */
	struct loop_item reap;
};

static const struct stream_events events;

static struct redis_conn *conn_of(struct pool_conn *base)
{
	return container_of(base, struct redis_conn, base);
}

static bool is_closed(const struct redis_conn *conn)
{
	return conn->base.state == CONN_CLOSED;
}

/* ---- slots ---- */

static struct slot *slot_add(struct redis_conn *conn, enum slot_kind kind)
{
	struct link *link = list_take(&conn->client->spare);
	struct slot *slot = link ? container_of(link, struct slot, link)
				 : mem_zalloc(1, sizeof *slot);

	if (list_empty(&conn->flight)) {
		conn->heard = loop_now(conn->client->loop);
		if (!loop_timer_running(&conn->silence))
			loop_timer_start(&conn->silence, conn->client->settings->timeout);
	}
	slot->kind = kind;
	slot->conn = conn;
	list_append(&conn->flight, &slot->link);
	return slot;
}

static void slot_release(struct slot *slot)
{
	struct redis_conn *conn = slot->conn;

	list_remove(&conn->flight, &slot->link);
	slot->attempt = NULL;
	slot->command = NULL;
	list_append(&conn->client->spare, &slot->link);
}

/* The slot's attempt, which is out of the client from now on; NULL for an orphan. */
static struct attempt *slot_detach(struct slot *slot)
{
	struct attempt *attempt = slot->attempt;

	if (attempt)
		attempt->slot = NULL;
	slot_release(slot);
	return attempt;
}

static struct slot *slot_first(const struct redis_conn *conn)
{
	struct link *link = list_first(&conn->flight);

	return link ? container_of(link, struct slot, link) : NULL;
}

/* ---- closing ---- */

static void conn_reap(struct loop_item *item)
{
	struct redis_conn *conn = container_of(item, struct redis_conn, reap);

	redis_reader_free(conn->reader);
	loop_dispose(conn, sizeof *conn);
}

/* Gives back all that the connection holds; no attempt is in it any more. */
static void conn_close(struct redis_conn *conn)
{
	struct slot *slot;

	while ((slot = slot_first(conn)))
		slot_release(slot);
	loop_timer_stop(&conn->silence);
	if (conn->dial)
		dial_cancel(conn->dial);
	conn->dial = NULL;
	if (conn->stream)
		stream_close(conn->stream);
	conn->stream = NULL;
	loop_reap(conn->client->loop, &conn->reap);
}

static void on_pool_close(struct pool_conn *base)
{
	conn_close(conn_of(base));
}

/* Ends a connection that did not come to stand. */
static void conn_fail(
	struct redis_conn *conn, enum err err, const char *detail, const char *message)
{
	pool_conn_failed(&conn->base, err, detail, message);
	conn_close(conn);
}

/* Ends a connection that stood. Only the first in flight may have another fate than to be
 * lost: it is the one whose reply was bad. */
static void conn_lose(struct redis_conn *conn, enum err first, const char *reason)
{
	const char *account = pool_name(conn->client->pool);
	enum err err = first;
	struct slot *slot;

	while ((slot = slot_first(conn))) {
		struct attempt *attempt = slot_detach(slot);

		if (attempt && err != ERR_LOST_SENT)
			attempt_fail(attempt, err, NULL, "%s: %s", account, reason);
		else if (attempt)
			attempt_fail(attempt, err, NULL,
				"%s: the connection to %s was lost after the command was "
				"sent: %s",
				account, conn->base.target, reason);
		err = ERR_LOST_SENT;
	}
	pool_conn_lost(&conn->base);
	conn_close(conn);
}

static void conn_end(struct redis_conn *conn, enum err first, const char *reason)
{
	struct errbuf message;

	if (conn->base.state != CONN_CONNECTING) {
		conn_lose(conn, first, reason);
		return;
	}
	errbuf_set(&message, "could not connect to %s: %s", conn->base.target, reason);
	conn_fail(conn, ERR_CONNECT, NULL, message.text);
}

/* ---- connecting ---- */

static void on_silence(struct loop_timer *timer)
{
	struct redis_conn *conn = container_of(timer, struct redis_conn, silence);
	uint64_t limit = conn->client->settings->timeout;
	uint64_t silent = loop_now(conn->client->loop) - conn->heard;
	struct errbuf reason;

	if (list_empty(&conn->flight))
		return;
	if (silent + NS_PER_MS < limit) {
		loop_timer_start(timer, limit - silent);
		return;
	}
	errbuf_set(&reason, "it completed no answer for %llu ms",
		(unsigned long long)(limit / NS_PER_MS));
	conn_end(conn, ERR_LOST_SENT, reason.text);
}

static void write_command(struct redis_conn *conn, int count, const char *const *arguments,
	const size_t *lengths)
{
	sds bytes;
	/*
	 * The sds form: the other one prints each length with sprintf(), three times the
	 * work.
	 */
	int len = redisFormatSdsCommandArgv(
		&bytes, count, (const char **)arguments, lengths);

	if (len < 0 || evbuffer_add(stream_output(conn->stream), bytes, (size_t)len) != 0)
		mem_exhausted();
	redisFreeSdsCommand(bytes);
}

static void log_in(struct redis_conn *conn)
{
	const struct redis_endpoint *endpoint = conn->client->endpoint;
	const char *auth[3] = { "AUTH" }, *select[2] = { "SELECT" };
	char database[24];
	size_t lengths[3] = { 4 };
	int count = 1;

	if (endpoint->password.len > 0) {
		if (endpoint->username.len > 0) {
			auth[count] = endpoint->username.at;
			lengths[count++] = endpoint->username.len;
		}
		auth[count] = endpoint->password.at;
		lengths[count++] = endpoint->password.len;
		write_command(conn, count, auth, lengths);
		slot_add(conn, SLOT_AUTH);
	}
	if (endpoint->database > 0) {
		snprintf(database, sizeof database, "%lu", endpoint->database);
		select[1] = database;
		lengths[0] = strlen("SELECT");
		lengths[1] = strlen(database);
		write_command(conn, 2, select, lengths);
		slot_add(conn, SLOT_SELECT);
	}
	if (list_empty(&conn->flight))
		pool_conn_ready(&conn->base);
	else
		stream_touch(conn->stream);
}

static void on_through(void *owner, struct stream *stream)
{
	struct redis_conn *conn = owner;

	conn->dial = NULL;
	conn->stream = stream;
	stream_set_owner(stream, &events, conn);
	log_in(conn);
}

static void on_failed(void *owner, const char *reason)
{
	struct redis_conn *conn = owner;

	conn->dial = NULL;
	conn_end(conn, ERR_LOST_SENT, reason);
}

static struct pool_conn *on_pool_connect(
	struct pool *pool, void *owner, struct errbuf *errbuf)
{
	static const struct dial_events dial_events = { on_through, on_failed };
	struct redis_client *client = owner;
	struct redis_conn *conn = mem_zalloc(1, sizeof *conn);

	conn->client = client;
	pool_conn_init(&conn->base, pool);
	conn->base.target = client->endpoint->name;
	conn->reader = redis_reader_new(client->settings->response_limit);
	list_init(&conn->flight);
	loop_timer_init(client->loop, &conn->silence, on_silence);
	conn->reap.run = conn_reap;
	conn->dial = dial_start(client->loop, &client->endpoint->target, client->tls,
		client->settings->connect_timeout, &dial_events, conn);
	return &conn->base;
}

static const char *on_pool_stage(const struct pool_conn *base)
{
	const struct redis_conn *conn = container_of(base, const struct redis_conn, base);

	return conn->dial ? dial_stage(conn->dial) : "the login was not answered";
}

/* The login's errors are told without the server's text, which may repeat arguments. */
static void handshake_refused(
	struct redis_conn *conn, enum slot_kind kind, struct text error)
{
	const struct redis_endpoint *endpoint = conn->client->endpoint;
	enum err err = redis_error_kind(error);
	struct text word = redis_error_word(error);
	struct errbuf message;
	char detail[32];

	snprintf(detail, sizeof detail, "%.*s", TEXT_ARG(word));
	if (err == ERR_REDIS_DENIED || (kind == SLOT_AUTH && err == ERR_REDIS_OTHER))
		err = ERR_LOGIN;
	else if (err == ERR_REDIS_OTHER)
		err = ERR_CONNECT;
	if (kind == SLOT_AUTH || err == ERR_LOGIN)
		errbuf_set(&message, "%s refused the login (%s)", endpoint->name,
			*detail ? detail : "no reason given");
	else
		errbuf_set(&message, "%s refused database %lu: %.*s", endpoint->name,
			endpoint->database, TEXT_ARG(error));
	conn_fail(conn, err, *detail ? detail : NULL, message.text);
}

/* ---- replies ---- */

static void answer(struct redis_conn *conn, struct attempt *attempt,
	const struct redis_command *command, const struct redis_reply *reply)
{
	char detail[32];

	if (!reply->is_error) {
		attempt->outcome = (struct outcome){
			.code = command->code(reply->value),
			.payload = reply->value,
			.base64 = reply->base64,
		};
		attempt_finish(attempt);
		return;
	}
	snprintf(detail, sizeof detail, "%.*s", TEXT_ARG(redis_error_word(reply->error)));
	attempt_fail(attempt, redis_error_kind(reply->error), *detail ? detail : NULL,
		"%s: %.*s", pool_name(conn->client->pool), TEXT_ARG(reply->error));
}

static void on_reply(
	struct redis_conn *conn, struct slot *slot, const struct redis_reply *reply)
{
	const struct redis_command *command = slot->command;
	enum slot_kind kind = slot->kind;
	struct attempt *attempt = slot_detach(slot);

	if (attempt) {
		answer(conn, attempt, command, reply);
		return;
	}
	if (kind == SLOT_COMMAND)
		return;
	if (reply->is_error)
		handshake_refused(conn, kind, reply->error);
	else if (list_empty(&conn->flight))
		pool_conn_ready(&conn->base);
}

/* Bytes that no command asked for: the server says why it is about to hang up, or it is no
 * Redis. */
static void unasked(struct redis_conn *conn, const struct redis_reply *reply)
{
	struct errbuf reason;

	errbuf_set(&reason, "it sent something unasked: %.*s",
		TEXT_ARG(reply->is_error ? reply->error : TEXT("no error reply")));
	log_line(LOG_WARN, "connection closed", "account", pool_name(conn->client->pool),
		"reason", reason.text, NULL);
	conn_end(conn, ERR_LOST_SENT, reason.text);
}

static void bad_reply(struct redis_conn *conn, enum redis_got got)
{
	struct errbuf reason;

	if (got == REDIS_GOT_TOO_LARGE)
		errbuf_set(&reason,
			"the answer is larger than the responseLimit of %zu bytes",
			conn->client->settings->response_limit);
	else if (got == REDIS_GOT_TOO_DEEP)
		errbuf_set(&reason, "the answer is nested deeper than %d levels",
			REDIS_MAX_DEPTH);
	else
		errbuf_set(&reason, "the answer is no Redis protocol: %s",
			redis_reader_error(conn->reader));
	conn_end(conn, got == REDIS_GOT_GARBAGE ? ERR_GARBAGE : ERR_RESPONSE_LIMIT,
		reason.text);
}

/* Whether another command may be sent: neither what the peer has not taken nor what it has
 * not answered grows without bound. */
static bool has_room(const struct redis_conn *conn)
{
	return stream_pending(conn->stream) < UNSENT_MAX &&
	       conn->flight.count < conn->client->settings->queue;
}

/* Something was answered, or has left: the connection may be free for more. */
static void rest(struct redis_conn *conn)
{
	enum pool_conn_state state = conn->base.state;

	if (state == CONN_OPEN && list_empty(&conn->flight))
		pool_conn_move(&conn->base, CONN_IDLE);
	else if (state == CONN_BUSY && has_room(conn))
		pool_conn_move(
			&conn->base, list_empty(&conn->flight) ? CONN_IDLE : CONN_OPEN);
}

static void on_readable(void *owner)
{
	struct redis_conn *conn = owner;
	struct evbuffer *input = stream_input(conn->stream);
	struct redis_reply reply;
	enum redis_got got;
	struct slot *slot;

	for (;;) {
		slot = slot_first(conn);
		got = redis_reader_next(conn->reader, input,
			slot && slot->attempt ? slot->attempt->arena : NULL, &reply);
		if (got != REDIS_GOT_REPLY)
			break;
		conn->heard = loop_now(conn->client->loop);
		conn->answered = true;
		if (slot)
			on_reply(conn, slot, &reply);
		else
			unasked(conn, &reply);
		if (is_closed(conn))
			return;
	}
	if (got != REDIS_GOT_NOTHING)
		bad_reply(conn, got);
	else if (conn->base.state != CONN_CONNECTING)
		rest(conn);
}

/* A server that wants TLS hangs up on what is none. */
static void on_ended(void *owner, int error)
{
	struct redis_conn *conn = owner;
	const struct redis_client *client = conn->client;
	bool maybe_tls = !conn->answered && !client->tls && client->endpoint->target.host;
	struct errbuf reason;

	errbuf_set(&reason, "%s%s",
		error ? stream_reason(conn->stream) : "the server closed it",
		maybe_tls ? " before it answered anything (if it speaks TLS, the url must "
			    "begin with rediss://)"
			  : "");
	conn_end(conn, ERR_LOST_SENT, reason.text);
}

/* ---- sending ---- */

static void send_one(struct redis_conn *conn, struct attempt *attempt)
{
	const struct redis_command *command = attempt->slot;
	struct slot *slot = slot_add(conn, SLOT_COMMAND);

	slot->attempt = attempt;
	slot->command = command;
	attempt->slot = slot;
	write_command(conn, command->count, command->arguments, command->lengths);
}

static void on_pool_feed(struct pool_conn *base)
{
	struct redis_conn *conn = conn_of(base);
	struct attempt *attempt;

	while (has_room(conn) && (attempt = pool_take(conn->client->pool)))
		send_one(conn, attempt);
	stream_touch(conn->stream);
	if (!has_room(conn))
		pool_conn_move(base, CONN_BUSY);
	else if (!list_empty(&conn->flight))
		pool_conn_move(base, CONN_OPEN);
}

static void on_drained(void *owner)
{
	struct redis_conn *conn = owner;

	rest(conn);
}

static const struct stream_events events = {
	.readable = on_readable,
	.drained = on_drained,
	.ended = on_ended,
};

/* ---- the client ---- */

static const struct pool_client pool_client = {
	.connect = on_pool_connect,
	.stage = on_pool_stage,
	.feed = on_pool_feed,
	.close = on_pool_close,
};

static void client_reap(struct loop_item *item)
{
	struct redis_client *client = container_of(item, struct redis_client, reap);
	struct link *link;

	while ((link = list_take(&client->spare)))
		free(container_of(link, struct slot, link));
	loop_dispose(client, sizeof *client);
}

struct redis_client *redis_client_new(struct loop *loop,
	const struct redis_endpoint *endpoint, const struct pool_settings *settings,
	const char *account, const char *environment)
{
	struct redis_client *client = mem_zalloc(1, sizeof *client);

	client->loop = loop;
	client->endpoint = endpoint;
	if (endpoint->tls)
		client->tls = tls_peer_new(endpoint->tls, endpoint->target.host);
	client->settings = settings;
	client->pool = pool_new(loop, settings, &pool_client, client, account, environment);
	client->reap.run = client_reap;
	list_init(&client->spare);
	return client;
}

void redis_client_free(struct redis_client *client)
{
	pool_free(client->pool);
	tls_peer_free(client->tls);
	client->tls = NULL;
	loop_reap(client->loop, &client->reap);
}

void redis_client_warm(struct redis_client *client)
{
	pool_warm(client->pool);
}

void redis_client_send(struct redis_client *client, struct attempt *attempt,
	const struct redis_command *command)
{
	attempt->slot = (void *)command;
	pool_submit(client->pool, attempt, command->bytes);
}

enum attempt_stage redis_client_cancel(struct redis_client *client, struct attempt *attempt)
{
	struct slot *slot = attempt->slot;

	if (attempt_recall(attempt))
		return ATTEMPT_SENT;
	attempt->slot = NULL;
	if (link_is_listed(&attempt->link))
		return pool_withdraw(client->pool, attempt);
	slot->attempt = NULL;
	slot->command = NULL;
	return ATTEMPT_SENT;
}

void redis_client_figures(const struct redis_client *client, struct account_figures *out)
{
	pool_figures(client->pool, out);
}
