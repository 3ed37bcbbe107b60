/*
 * pg_connection.c - one libpq connection on the loop: login, readiness, flushing, the end.
 *
 * While the login runs libpq may change the socket between two calls of PQconnectPoll
 * (several addresses, another protocol version), so both events are one-shot then and made
 * anew each time. Afterwards one persistent read event stands, and the write event only
 * while the kernel's buffer is full: a statement costs one send, one recv and no epoll_ctl.
 *
 * Refused: a bufferevent. libpq wants the socket for itself.
 */
#include "net/pg_connection.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/dns.h"

/* A host that is a name. */
struct lookup {
	struct dns_query query;
	struct pg_connection *connection;
	struct dns_address addresses[DNS_ADDRESSES_MAX];
	size_t count;
	struct errbuf reason;
};

struct pg_connection {
	struct loop *loop;
	struct loop_item reap;
	PGconn *pq; /* NULL: closed, or names are still being looked up */
	const struct pg_conninfo *conninfo;
	const char *database;
	struct lookup *lookups; /* one per host of conninfo; NULL: no name among them */
	size_t awaited;
	struct event read, write;
	const struct pg_connection_events *events;
	void *owner;
};

PGconn *pg_connection_handle(const struct pg_connection *connection)
{
	return connection->pq;
}

/* ---- messages ---- */

/* The SQLSTATE of "FATAL:  28P01: text" and where the text begins; NULL: there is none. */
static const char *find_sqlstate(const char *line, size_t len, char sqlstate[6])
{
	const char *at = memmem(line, len, ":  ", 3);
	const char *end = line + len;

	if (!at || end - at < 10 || at[8] != ':' || at[9] != ' ')
		return NULL;
	for (int i = 3; i < 8; i++) {
		if (!isupper((unsigned char)at[i]) && !isdigit((unsigned char)at[i]))
			return NULL;
	}
	memcpy(sqlstate, at + 3, 5);
	sqlstate[5] = '\0';
	return at + 10;
}

static bool starts_with(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len >= n && memcmp(line, word, n) == 0;
}

static bool is_aside(const char *line, size_t len)
{
	return len == 0 || *line == '\t' || starts_with(line, len, "DETAIL:") ||
	       starts_with(line, len, "HINT:") || starts_with(line, len, "LOCATION:") ||
	       starts_with(line, len, "CONTEXT:");
}

/* Where the server's severity begins: behind "failed: " or at the start. */
static size_t severity_at(const char *line, const char *text)
{
	const char *failed = memmem(line, (size_t)(text - line), "failed: ", 8);

	return failed ? (size_t)(failed - line) + 8 : 0;
}

void pg_message_clean(const char *message, struct errbuf *out, char sqlstate[6])
{
	char line_state[6] = "";
	size_t used = 0;

	*sqlstate = '\0';
	out->text[0] = '\0';
	for (const char *line = message; *line;) {
		size_t len = strcspn(line, "\n");
		const char *text = find_sqlstate(line, len, line_state);
		size_t head = text ? severity_at(line, text) : 0;
		const char *rest = text ? text : line;

		/* Of several hosts' answers, a refused login says most. */
		if (text && strncmp(sqlstate, "28", 2) != 0)
			memcpy(sqlstate, line_state, sizeof(line_state));
		if (!is_aside(line, len) && used < sizeof(out->text)) {
			snprintf(out->text + used, sizeof(out->text) - used, "%s%.*s%.*s",
				used ? "; " : "", (int)head, line, (int)(line + len - rest),
				rest);
			used = strlen(out->text);
		}
		line += len + (line[len] == '\n');
	}
}

static void on_notice(void *owner, const char *message)
{
	struct errbuf line;
	char sqlstate[6];

	(void)owner;
	if (!log_enabled(LOG_DEBUG))
		return;
	pg_message_clean(message, &line, sqlstate);
	log_line(LOG_DEBUG, "notice of PostgreSQL", "text", line.text, NULL);
}

/* ---- after the login ---- */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct pg_connection *connection = arg;
	struct errbuf reason;
	char sqlstate[6];

	(void)fd;
	(void)what;
	if (PQconsumeInput(connection->pq)) {
		connection->events->readable(connection->owner);
		return;
	}
	pg_message_clean(PQerrorMessage(connection->pq), &reason, sqlstate);
	connection->events->lost(connection->owner, reason.text);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct pg_connection *connection = arg;
	struct errbuf reason;
	char sqlstate[6];

	(void)fd;
	(void)what;
	if (pg_connection_flush(connection))
		return;
	pg_message_clean(PQerrorMessage(connection->pq), &reason, sqlstate);
	connection->events->lost(connection->owner, reason.text);
}

bool pg_connection_flush(struct pg_connection *connection)
{
	int left = PQflush(connection->pq);

	if (left == 1)
		event_add(&connection->write, NULL);
	return left >= 0;
}

static void begin_work(struct pg_connection *connection)
{
	struct event_base *base = loop_base(connection->loop);
	PGconn *pq = connection->pq;

	if (PQsetnonblocking(pq, 1) != 0 || !PQenterPipelineMode(pq)) {
		connection->events->failed(
			connection->owner, ERR_CONNECT, "", "libpq refused pipeline mode");
		return;
	}
	event_assign(&connection->read, base, PQsocket(pq), EV_READ | EV_PERSIST,
		on_readable, connection);
	event_assign(
		&connection->write, base, PQsocket(pq), EV_WRITE, on_writable, connection);
	event_add(&connection->read, NULL);
	connection->events->ready(connection->owner);
}

/* ---- the login ---- */

static void fail_login(struct pg_connection *connection)
{
	struct errbuf reason;
	char sqlstate[6];
	enum err err = ERR_CONNECT;

	pg_message_clean(PQerrorMessage(connection->pq), &reason, sqlstate);
	if (strncmp(sqlstate, "28", 2) == 0 || PQconnectionNeedsPassword(connection->pq))
		err = ERR_LOGIN;
	connection->events->failed(connection->owner, err, sqlstate, reason.text);
}

static void on_login(evutil_socket_t fd, short what, void *arg);

static void wait_for(struct pg_connection *connection, short what)
{
	event_assign(&connection->read, loop_base(connection->loop),
		PQsocket(connection->pq), what, on_login, connection);
	event_add(&connection->read, NULL);
}

static void on_login(evutil_socket_t fd, short what, void *arg)
{
	struct pg_connection *connection = arg;

	(void)fd;
	(void)what;
	switch (PQconnectPoll(connection->pq)) {
	case PGRES_POLLING_READING:
		wait_for(connection, EV_READ);
		break;
	case PGRES_POLLING_WRITING:
		wait_for(connection, EV_WRITE);
		break;
	case PGRES_POLLING_OK:
		begin_work(connection);
		break;
	default:
		fail_login(connection);
	}
}

/* ---- names ---- */

static void add_addresses(struct pg_conninfo_text *text, const struct pg_host *host,
	const struct lookup *lookup)
{
	char address[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < lookup->count; i++) {
		if (getnameinfo((const struct sockaddr *)&lookup->addresses[i].address,
			    lookup->addresses[i].len, address, sizeof(address), NULL, 0,
			    NI_NUMERICHOST) == 0)
			pg_conninfo_add(text, host, address);
	}
}

/* The string with every address that is known. False: none is, errbuf says why. */
static bool make_string(
	const struct pg_connection *connection, struct strbuf *out, struct errbuf *errbuf)
{
	const struct pg_conninfo *conninfo = connection->conninfo;
	struct pg_conninfo_text text;
	const struct lookup *failed = NULL;

	pg_conninfo_begin(&text);
	for (size_t i = 0; i < conninfo->count; i++) {
		const struct pg_host *host = &conninfo->hosts[i];

		if (host->address)
			pg_conninfo_add(&text, host, host->address);
		else if (connection->lookups[i].count > 0)
			add_addresses(&text, host, &connection->lookups[i]);
		else if (!failed)
			failed = &connection->lookups[i];
	}
	if (text.count == 0 && failed)
		*errbuf = failed->reason;
	pg_conninfo_end(&text, conninfo, connection->database, out);
	if (out->failed)
		errbuf_set(errbuf, "the connection string is too long");
	return text.count > 0 && !out->failed;
}

/* False: failed at once, errbuf says why. */
static bool begin_login(struct pg_connection *connection, struct errbuf *errbuf)
{
	struct strbuf string;
	char sqlstate[6];
	PGconn *pq = NULL;

	if (make_string(connection, &string, errbuf)) {
		pq = PQconnectStart(string.data);
		if (!pq)
			mem_exhausted();
	}
	if (string.data)
		explicit_bzero(string.data, string.len);
	strbuf_free(&string);
	if (!pq)
		return false;
	if (PQstatus(pq) == CONNECTION_BAD) {
		pg_message_clean(PQerrorMessage(pq), errbuf, sqlstate);
		PQfinish(pq);
		return false;
	}
	connection->pq = pq;
	PQsetNoticeProcessor(pq, on_notice, NULL);
	PQsetErrorVerbosity(
		pq, PQERRORS_VERBOSE); /* the only way to a failed login's SQLSTATE */
	wait_for(connection, EV_WRITE);
	return true;
}

static void on_resolved(struct dns_query *query)
{
	struct lookup *lookup = container_of(query, struct lookup, query);
	struct pg_connection *connection = lookup->connection;
	struct errbuf reason = { "" };

	lookup->count = query->count;
	if (query->count > 0)
		memcpy(lookup->addresses, query->addresses,
			query->count * sizeof(lookup->addresses[0]));
	else
		errbuf_set(&lookup->reason, "%s", query->reason);
	if (--connection->awaited > 0)
		return;
	if (!begin_login(connection, &reason))
		connection->events->failed(connection->owner, ERR_CONNECT, "", reason.text);
}

static void begin_lookups(struct pg_connection *connection)
{
	const struct pg_conninfo *conninfo = connection->conninfo;

	connection->lookups = mem_zalloc(conninfo->count, sizeof(*connection->lookups));
	for (size_t i = 0; i < conninfo->count; i++) {
		struct lookup *lookup = &connection->lookups[i];

		if (conninfo->hosts[i].address)
			continue;
		lookup->connection = connection;
		lookup->query.done = on_resolved;
		connection->awaited++;
		dns_resolve(connection->loop, conninfo->hosts[i].host, &lookup->query);
	}
}

static bool has_names(const struct pg_conninfo *conninfo)
{
	for (size_t i = 0; i < conninfo->count; i++) {
		if (!conninfo->hosts[i].address)
			return true;
	}
	return false;
}

/* ---- life ---- */

static void on_reap(struct loop_item *item)
{
	struct pg_connection *connection = container_of(item, struct pg_connection, reap);

	free(connection->lookups);
	free(connection);
}

struct pg_connection *pg_connection_open(struct loop *loop,
	const struct pg_conninfo *conninfo, const char *database,
	const struct pg_connection_events *events, void *owner, struct errbuf *errbuf)
{
	struct pg_connection *connection = mem_zalloc(1, sizeof(*connection));

	connection->loop = loop;
	connection->reap.run = on_reap;
	connection->conninfo = conninfo;
	connection->database = database;
	connection->events = events;
	connection->owner = owner;
	event_assign(&connection->read, loop_base(loop), -1, 0, on_login, connection);
	event_assign(&connection->write, loop_base(loop), -1, 0, on_writable, connection);
	if (has_names(conninfo)) {
		begin_lookups(connection);
	} else if (!begin_login(connection, errbuf)) {
		free(connection);
		return NULL;
	}
	return connection;
}

void pg_connection_close(struct pg_connection *connection)
{
	event_del(&connection->read);
	event_del(&connection->write);
	for (size_t i = 0; connection->lookups && i < connection->conninfo->count; i++)
		dns_cancel(&connection->lookups[i].query);
	PQfinish(connection->pq);
	connection->pq = NULL;
	loop_reap(connection->loop, &connection->reap);
}
