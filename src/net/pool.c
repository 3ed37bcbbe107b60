/*
 * pool.c - connections by state, one bounded queue, backoff, deadlines of connections.
 *
 * Nothing is fed inside pool_submit(): it schedules the feeding for the deliver point,
 * where all that was submitted in this pass is shared out. So a client never meets itself
 * on the stack, and commands of one pass leave together. Connects are begun one per pass,
 * at the upkeep point, since a connect may cost milliseconds of CPU.
 *
 * Refused: a queue per connection. It saves the sharing, but what waits behind a slow or
 * dying connection would wait or die with it although another is free.
 */
#include "net/pool.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/uuid.h"

#define BACKOFF_FIRST (20 * NS_PER_MS)
#define BACKOFF_MAX   NS_PER_SEC

struct pool {
	struct loop *loop;
	const struct pool_settings *settings;
	const struct pool_client *client;
	void *owner;
	char *name;

	struct list conns[CONN_STATES]; /* by state, the longest in it first */
	struct list queue;              /* attempts, the oldest first */
	size_t queue_bytes;
	size_t share; /* how many more pool_take() gives the connection being fed */
	bool feeding;
	bool wanted; /* a connection is worth a try although nothing waits */

	struct loop_item feed, upkeep, reap;
	struct loop_timer connect_timer, idle_timer, backoff_timer;
	uint64_t backoff; /* the running or last one's length; 0: none since a success */
	uint64_t backoff_end; /* monotonic ns */
	uint64_t connects, failures;

	enum err failure; /* the last failed connect */
	char failure_detail[32];
	struct errbuf failure_message;
};

static struct pool_conn *conn_of(struct link *link)
{
	return link ? container_of(link, struct pool_conn, link) : NULL;
}

static bool backing_off(const struct pool *pool)
{
	return loop_timer_running(&pool->backoff_timer);
}

/* Connections that are through their login. */
static size_t standing(const struct pool *pool)
{
	return pool->conns[CONN_IDLE].count + pool->conns[CONN_OPEN].count +
	       pool->conns[CONN_BUSY].count;
}

static size_t connecting(const struct pool *pool)
{
	return pool->conns[CONN_CONNECTING].count;
}

/* How many connections could be opened now. */
static size_t room(const struct pool *pool)
{
	size_t total = standing(pool) + connecting(pool);

	if (backing_off(pool) || total >= pool->settings->connections)
		return 0;
	return pool->settings->connections - total;
}

static void schedule_feed(struct pool *pool)
{
	if (!list_empty(&pool->queue))
		loop_deliver(pool->loop, &pool->feed);
}

/* Starts a timer that watches a list whose members stay at most `limit` in its state. A
 * running one fires early enough, so this costs nothing on the hot path. */
static void watch(struct pool *pool, struct loop_timer *timer, enum pool_conn_state state,
	uint64_t limit)
{
	struct pool_conn *oldest = conn_of(list_first(&pool->conns[state]));
	uint64_t age;

	if (!oldest || loop_timer_running(timer))
		return;
	age = loop_now(pool->loop) - oldest->since;
	loop_timer_start(timer, age < limit ? limit - age : NS_PER_MS);
}

/* The only place that changes a connection's state. */
static void set_state(struct pool_conn *conn, enum pool_conn_state state)
{
	struct pool *pool = conn->pool;

	if (conn->state != CONN_CLOSED)
		list_remove(&pool->conns[conn->state], &conn->link);
	conn->state = state;
	conn->since = loop_now(pool->loop);
	if (state == CONN_CLOSED)
		return;
	list_append(&pool->conns[state], &conn->link);
	if (state == CONN_CONNECTING)
		watch(pool, &pool->connect_timer, state, pool->settings->connect_timeout);
	else if (state == CONN_IDLE)
		watch(pool, &pool->idle_timer, state, pool->settings->idle_timeout);
}

/* ---- failures and backoff ---- */

static struct attempt *dequeue(struct pool *pool)
{
	struct link *link = list_take(&pool->queue);
	struct attempt *attempt;

	if (!link)
		return NULL;
	attempt = container_of(link, struct attempt, link);
	pool->queue_bytes -= attempt->bytes;
	return attempt;
}

/* Before the pool ends an attempt by itself. */
static void forget(const struct pool *pool, struct attempt *attempt)
{
	if (pool->client->forget)
		pool->client->forget(attempt);
}

static void fail_with_last(struct pool *pool, struct attempt *attempt)
{
	uint64_t now = clock_now();
	uint64_t left = pool->backoff_end > now ? pool->backoff_end - now : 0;

	forget(pool, attempt);
	attempt_fail(attempt, pool->failure,
		*pool->failure_detail ? pool->failure_detail : NULL,
		"%s: %s; the next try is in %u ms", pool->name, pool->failure_message.text,
		(unsigned)((left + NS_PER_MS - 1) / NS_PER_MS));
}

/* Doubles the pause, unless several connects of one burst failed. The jitter (down to half)
 * keeps many daemons from knocking in step. */
static void back_off(struct pool *pool)
{
	uint32_t random;
	uint64_t pause;

	if (backing_off(pool))
		return;
	pool->backoff = pool->backoff ? 2 * pool->backoff : BACKOFF_FIRST;
	if (pool->backoff > BACKOFF_MAX)
		pool->backoff = BACKOFF_MAX;
	uuid_random(&random, sizeof random);
	pause = pool->backoff / 2 + pool->backoff / 2 * (random >> 16) / 65536;
	pool->backoff_end = clock_now() + pause;
	loop_timer_start(&pool->backoff_timer, pause);
	log_line(LOG_WARN, "no connection", "account", pool->name, "reason",
		pool->failure_message.text, NULL);
}

static void connect_failed(
	struct pool *pool, enum err err, const char *detail, const char *message)
{
	struct attempt *attempt;

	pool->failures++;
	pool->failure = err;
	snprintf(pool->failure_detail, sizeof pool->failure_detail, "%s",
		detail ? detail : "");
	errbuf_set(&pool->failure_message, "%s", message);
	back_off(pool);
	if (standing(pool) + connecting(pool) > 0) {
		schedule_feed(pool);
		return;
	}
	while ((attempt = dequeue(pool))) {
		forget(pool, attempt);
		attempt_fail(attempt, err, detail, "%s: %s", pool->name, message);
	}
}

static void on_backoff_end(struct loop_timer *timer)
{
	struct pool *pool = container_of(timer, struct pool, backoff_timer);

	schedule_feed(pool);
	if (pool->wanted)
		loop_upkeep(pool->loop, &pool->upkeep);
}

/* ---- deadlines of connections ---- */

static void say_too_slow(const struct pool_conn *conn, struct errbuf *reason)
{
	const struct pool *pool = conn->pool;
	const char *stage = pool->client->stage ? pool->client->stage(conn) : NULL;

	errbuf_set(reason, "could not connect%s%s within %llu ms%s%s",
		conn->target ? " to " : "", conn->target ? conn->target : "",
		(unsigned long long)(pool->settings->connect_timeout / NS_PER_MS),
		stage ? ": " : "", stage ? stage : "");
}

static void on_connect_timer(struct loop_timer *timer)
{
	struct pool *pool = container_of(timer, struct pool, connect_timer);
	uint64_t limit = pool->settings->connect_timeout;
	uint64_t now = loop_now(pool->loop);
	struct pool_conn *conn;
	struct errbuf reason;

	while ((conn = conn_of(list_first(&pool->conns[CONN_CONNECTING]))) &&
		now - conn->since + NS_PER_MS > limit) {
		say_too_slow(conn, &reason);
		set_state(conn, CONN_CLOSED);
		pool->client->close(conn);
		connect_failed(pool, ERR_CONNECT, NULL, reason.text);
	}
	watch(pool, timer, CONN_CONNECTING, limit);
}

static void on_idle_timer(struct loop_timer *timer)
{
	struct pool *pool = container_of(timer, struct pool, idle_timer);
	uint64_t limit = pool->settings->idle_timeout;
	uint64_t now = loop_now(pool->loop);
	struct pool_conn *conn;

	while ((conn = conn_of(list_first(&pool->conns[CONN_IDLE]))) &&
		now - conn->since + NS_PER_MS > limit) {
		set_state(conn, CONN_CLOSED);
		pool->client->close(conn);
	}
	watch(pool, timer, CONN_IDLE, limit);
}

/* ---- connecting ---- */

static bool needs_connect(const struct pool *pool)
{
	if (room(pool) == 0)
		return false;
	if (pool->wanted && standing(pool) + connecting(pool) == 0)
		return true;
	return pool->queue.count > connecting(pool);
}

static void on_upkeep(struct loop_item *item)
{
	struct pool *pool = container_of(item, struct pool, upkeep);
	struct errbuf reason = { "" };

	if (!needs_connect(pool))
		return;
	pool->wanted = false;
	if (!pool->client->connect(pool, pool->owner, &reason)) {
		connect_failed(pool, ERR_CONNECT, NULL, reason.text);
		return;
	}
	if (needs_connect(pool))
		loop_upkeep(pool->loop, &pool->upkeep);
}

/* ---- feeding ---- */

/* Shares the waiting attempts among the idle connections and those that are or could be
 * opened; the one used last goes first, so that the others can time out. */
static void feed_idle(struct pool *pool)
{
	struct pool_conn *conn;
	size_t waiting, among;

	while ((waiting = pool->queue.count) &&
		(conn = conn_of(list_last(&pool->conns[CONN_IDLE])))) {
		among = pool->conns[CONN_IDLE].count + connecting(pool) + room(pool);
		pool->share = (waiting + among - 1) / among;
		pool->client->feed(conn);
		if (pool->queue.count == waiting)
			break;
	}
}

/* What no idle and no new connection will take goes evenly to those that take more. */
static void feed_open(struct pool *pool)
{
	struct list *open = &pool->conns[CONN_OPEN];
	size_t reserved = connecting(pool) + room(pool);
	size_t waiting, left;

	for (left = open->count; left > 0 && !list_empty(open); left--) {
		waiting = pool->queue.count;
		if (waiting <= reserved)
			break;
		pool->share = (waiting - reserved + left - 1) / left;
		pool->client->feed(conn_of(list_first(open)));
		/* Feeding moved it behind the others, unless it took nothing. */
	}
}

static void feed_all(struct pool *pool)
{
	pool->feeding = true;
	feed_idle(pool);
	feed_open(pool);
	pool->feeding = false;
	pool->share = SIZE_MAX;
	if (needs_connect(pool))
		loop_upkeep(pool->loop, &pool->upkeep);
}

static void on_feed(struct loop_item *item)
{
	feed_all(container_of(item, struct pool, feed));
}

/* ---- the pool ---- */

static void on_reap(struct loop_item *item)
{
	struct pool *pool = container_of(item, struct pool, reap);

	free(pool->name);
	loop_dispose(pool, sizeof *pool);
}

struct pool *pool_new(struct loop *loop, const struct pool_settings *settings,
	const struct pool_client *client, void *owner, const char *account,
	const char *environment)
{
	struct pool *pool = mem_zalloc(1, sizeof *pool);
	size_t size = strlen(account) + strlen(environment) + sizeof " ()";

	pool->loop = loop;
	pool->settings = settings;
	pool->client = client;
	pool->owner = owner;
	pool->share = SIZE_MAX;
	pool->name = mem_alloc(size);
	snprintf(pool->name, size, "%s (%s)", account, environment);
	for (int state = 0; state < CONN_STATES; state++)
		list_init(&pool->conns[state]);
	list_init(&pool->queue);
	pool->feed.run = on_feed;
	pool->upkeep.run = on_upkeep;
	pool->reap.run = on_reap;
	loop_timer_init(loop, &pool->connect_timer, on_connect_timer);
	loop_timer_init(loop, &pool->idle_timer, on_idle_timer);
	loop_timer_init(loop, &pool->backoff_timer, on_backoff_end);
	return pool;
}

void pool_free(struct pool *pool)
{
	struct pool_conn *conn;

	assert(list_empty(&pool->queue) && !pool->feeding);
	for (int state = 0; state < CONN_STATES; state++)
		while ((conn = conn_of(list_first(&pool->conns[state])))) {
			set_state(conn, CONN_CLOSED);
			pool->client->close(conn);
		}
	loop_timer_stop(&pool->connect_timer);
	loop_timer_stop(&pool->idle_timer);
	loop_timer_stop(&pool->backoff_timer);
	loop_cancel(pool->loop, &pool->feed);
	loop_cancel(pool->loop, &pool->upkeep);
	loop_reap(pool->loop, &pool->reap);
}

void pool_warm(struct pool *pool)
{
	if (standing(pool) + connecting(pool) > 0)
		return;
	pool->wanted = true;
	loop_upkeep(pool->loop, &pool->upkeep);
}

/* ---- attempts ---- */

static bool queue_is_full(const struct pool *pool, size_t bytes)
{
	return pool->queue.count >= pool->settings->queue ||
	       pool->queue_bytes > pool->settings->queue_bytes ||
	       bytes > pool->settings->queue_bytes - pool->queue_bytes;
}

void pool_submit(struct pool *pool, struct attempt *attempt, size_t bytes)
{
	assert(!pool->feeding);
	attempt->bytes = bytes;
	if (backing_off(pool) && standing(pool) + connecting(pool) == 0) {
		pool->wanted = true;
		fail_with_last(pool, attempt);
		return;
	}
	/* What only waits for the deliver point must not make the queue full. */
	if (queue_is_full(pool, bytes))
		feed_all(pool);
	if (queue_is_full(pool, bytes)) {
		forget(pool, attempt);
		attempt_fail(attempt, ERR_QUEUE_FULL, NULL,
			"%s: the queue is full (%zu waiting, %zu bytes)", pool->name,
			pool->queue.count, pool->queue_bytes);
		return;
	}
	list_append(&pool->queue, &attempt->link);
	pool->queue_bytes += bytes;
	loop_deliver(pool->loop, &pool->feed);
}

struct attempt *pool_take(struct pool *pool)
{
	if (pool->share == 0)
		return NULL;
	if (pool->share != SIZE_MAX)
		pool->share--;
	return dequeue(pool);
}

struct attempt *pool_peek(const struct pool *pool)
{
	struct link *link = pool->share ? list_first(&pool->queue) : NULL;

	return link ? container_of(link, struct attempt, link) : NULL;
}

void pool_return(struct pool *pool, struct attempt *attempt)
{
	list_prepend(&pool->queue, &attempt->link);
	pool->queue_bytes += attempt->bytes;
	schedule_feed(pool);
}

enum attempt_stage pool_withdraw(struct pool *pool, struct attempt *attempt)
{
	list_remove(&pool->queue, &attempt->link);
	pool->queue_bytes -= attempt->bytes;
	return standing(pool) ? ATTEMPT_QUEUED : ATTEMPT_CONNECTING;
}

/* ---- connections ---- */

void pool_conn_init(struct pool_conn *conn, struct pool *pool)
{
	memset(conn, 0, sizeof *conn);
	conn->pool = pool;
	conn->state = CONN_CLOSED;
	set_state(conn, CONN_CONNECTING);
}

void pool_conn_ready(struct pool_conn *conn)
{
	struct pool *pool = conn->pool;

	assert(conn->state == CONN_CONNECTING);
	if (pool->backoff)
		log_line(LOG_INFO, "connected again", "account", pool->name, NULL);
	pool->connects++;
	pool->backoff = 0;
	pool->wanted = false;
	loop_timer_stop(&pool->backoff_timer);
	set_state(conn, CONN_IDLE);
	schedule_feed(pool);
}

void pool_conn_failed(
	struct pool_conn *conn, enum err err, const char *detail, const char *message)
{
	assert(conn->state == CONN_CONNECTING);
	set_state(conn, CONN_CLOSED);
	connect_failed(conn->pool, err, detail, message);
}

void pool_conn_lost(struct pool_conn *conn)
{
	assert(conn->state != CONN_CONNECTING && conn->state != CONN_CLOSED);
	set_state(conn, CONN_CLOSED);
	schedule_feed(conn->pool);
}

void pool_conn_move(struct pool_conn *conn, enum pool_conn_state state)
{
	assert(conn->state == CONN_IDLE || conn->state == CONN_OPEN ||
		conn->state == CONN_BUSY);
	assert(state == CONN_IDLE || state == CONN_OPEN || state == CONN_BUSY);
	set_state(conn, state);
	if (state != CONN_BUSY && !conn->pool->feeding)
		schedule_feed(conn->pool);
}

void pool_figures(const struct pool *pool, struct account_figures *out)
{
	out->connecting = connecting(pool);
	out->idle = pool->conns[CONN_IDLE].count;
	out->busy = pool->conns[CONN_OPEN].count + pool->conns[CONN_BUSY].count;
	out->limit = pool->settings->connections;
	out->waiting = pool->queue.count;
	out->waiting_bytes = pool->queue_bytes;
	out->waiting_limit = pool->settings->queue;
	out->connects = pool->connects;
	out->failures = pool->failures;
}

#define AT(member) offsetof(struct account_figures, member)

const struct metric pool_metrics[] = {
	{ "volley_pool_connections", "pool.connections", METRIC_GAUGE, METRIC_PLAIN,
		AT(connections), "state", "connecting|idle|busy", false,
		"connections by state; busy are those with something in flight" },
	{ "volley_pool_connections_limit", "pool.limit", METRIC_GAUGE, METRIC_PLAIN,
		AT(limit), NULL, NULL, false, "connections at most" },
	{ "volley_pool_waiting", "pool.waiting", METRIC_GAUGE, METRIC_PLAIN, AT(waiting),
		NULL, NULL, false, "attempts that wait for a connection" },
	{ "volley_pool_waiting_bytes", "pool.waitingBytes", METRIC_GAUGE, METRIC_PLAIN,
		AT(waiting_bytes), NULL, NULL, false, "bytes of the requests that wait" },
	{ "volley_pool_waiting_limit", "pool.waitingLimit", METRIC_GAUGE, METRIC_PLAIN,
		AT(waiting_limit), NULL, NULL, false,
		"attempts that may wait at most (pool.queue)" },
	{ "volley_pool_connects_total", "pool.connects", METRIC_COUNTER, METRIC_PLAIN,
		AT(connected), "outcome", "done|failed", false,
		"connections that were opened, and tries that failed" },
	{ .name = NULL },
};

const struct pool_settings *pool_settings(const struct pool *pool)
{
	return pool->settings;
}

const char *pool_name(const struct pool *pool)
{
	return pool->name;
}
