/*
 * pg_connection.c - one libpq connection on the loop: names, login, readiness, flushing, the
 * end.
 *
 * Names are looked up first, since libpq itself would block for that. It gets every address
 * in one string and tries them in turn; a name that cannot be looked up is left out as long
 * as another host remains.
 *
 * While the login runs libpq may change the socket between two calls of PQconnectPoll
 * (several addresses, another protocol version), so both events are one-shot then and made
 * anew each time. Afterwards one persistent read event stands, and the write event only
 * while the kernel's buffer is full: a statement costs one send, one recv and no epoll_ctl.
 *
 * Refused: a bufferevent. libpq wants the socket for itself.
 */
#include "net/pg_connection.h"

#include <ctype.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "loop/dns.h"
#include "net/pg_conninfo.h"
#include "net/pg_tls.h"

enum { ADDRESS_SIZE = 64, STRING_MAX = 1024 * 1024 };

/* One host's name on its way. */
struct name {
	struct dns_query query;
	struct pg_connection *connection;
	struct pg_addresses *found; /* where the result goes */
	char texts[DNS_ADDRESSES_MAX][ADDRESS_SIZE];
	const char *pointers[DNS_ADDRESSES_MAX];
};

/* The names of one connection, until all have come. */
struct look_up {
	size_t pending;
	size_t count;
	struct pg_addresses *found; /* for each host */
	struct name names[];
};

struct pg_connection {
	struct loop *loop;
	struct loop_item reap;
	const struct pg_conninfo *conninfo;
	struct look_up *look_up;  /* NULL: done or not needed */
	struct errbuf unresolved; /* of names that were left out */
	PGconn *pq;               /* NULL: not begun, or closed */
	struct event read, write;
	const struct pg_connection_events *events;
	void *owner;
};

PGconn *pg_connection_handle(const struct pg_connection *connection)
{
	return connection->pq;
}

uint64_t pg_connection_received(const struct pg_connection *connection)
{
	struct tcp_info info = { .tcpi_state = 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(PQsocket(connection->pq), IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return 0;
	return info.tcpi_bytes_received;
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

/*
 * Whether the line that begins at `from` only repeats the one before: libpq tries an address
 * with TLS and without.
 */
static bool repeats(const struct errbuf *out, size_t from)
{
	size_t len = strlen(out->text) - from;
	const char *before = out->text + from - len;

	return len > 0 && from >= len + 2 &&
	       memcmp(before - 2, out->text + from, len) == 0 &&
	       (from == len + 2 || (from >= len + 4 && memcmp(before - 4, "; ", 2) == 0));
}

/* Adds a line made of two parts; what does not fit is cut. */
static void add_line(struct errbuf *out, struct text head, struct text rest)
{
	size_t used = strlen(out->text);
	size_t from = used ? used + 2 : 0;

	snprintf(out->text + used, sizeof(out->text) - used, "%s%.*s%.*s", used ? "; " : "",
		TEXT_ARG(head), TEXT_ARG(rest));
	if (used && from < sizeof(out->text) && repeats(out, from))
		out->text[used] = '\0';
}

void pg_message_clean(const char *message, struct errbuf *out, char sqlstate[6])
{
	char line_state[6] = "";

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
		if (!is_aside(line, len))
			add_line(out, (struct text){ line, head },
				(struct text){ rest, (size_t)(line + len - rest) });
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

	loop_woke(connection->loop);
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

	loop_woke(connection->loop);
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

static void add_reason(struct errbuf *reasons, const char *reason)
{
	struct errbuf before = *reasons;

	errbuf_set(reasons, "%s%s%s", before.text, *before.text ? "; " : "", reason);
}

static void fail_login(struct pg_connection *connection)
{
	struct errbuf reason;
	char sqlstate[6];
	enum err err = ERR_CONNECT;

	pg_message_clean(PQerrorMessage(connection->pq), &reason, sqlstate);
	if (*connection->unresolved.text)
		add_reason(&reason, connection->unresolved.text);
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

	loop_woke(connection->loop);
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

/* False: the reason is in errbuf. */
static bool start_libpq(
	struct pg_connection *connection, const char *string, struct errbuf *errbuf)
{
	PGconn *pq = PQconnectStart(string);
	char sqlstate[6];

	if (!pq)
		mem_exhausted();
	connection->pq = pq;
	if (PQstatus(pq) == CONNECTION_BAD) {
		pg_message_clean(PQerrorMessage(pq), errbuf, sqlstate);
		return false;
	}
	PQsetNoticeProcessor(pq, on_notice, NULL);
	PQsetErrorVerbosity(
		pq, PQERRORS_VERBOSE); /* the only way to a failed login's SQLSTATE */
	wait_for(connection, EV_WRITE);
	return true;
}

static bool begin_login(struct pg_connection *connection, const struct pg_addresses *found,
	struct errbuf *errbuf)
{
	struct strbuf string;
	bool begun = false;

	strbuf_init(&string, STRING_MAX);
	if (pg_conninfo_write(connection->conninfo, found, &string))
		begun = start_libpq(connection, string.data, errbuf);
	else if (*connection->unresolved.text)
		*errbuf = connection->unresolved;
	else
		errbuf_set(errbuf, "the url's hosts have too many addresses");
	if (string.data)
		explicit_bzero(string.data, string.len); /* it holds the password */
	strbuf_free(&string);
	return begun;
}

/* ---- names ---- */

static void end_look_up(struct pg_connection *connection)
{
	struct look_up *look_up = connection->look_up;

	if (!look_up)
		return;
	for (size_t i = 0; i < look_up->count; i++)
		dns_cancel(&look_up->names[i].query);
	free(look_up->found);
	free(look_up);
	connection->look_up = NULL;
}

static void take_addresses(struct name *name)
{
	struct pg_addresses *found = name->found;

	for (size_t i = 0; i < name->query.count; i++) {
		const struct dns_address *address = &name->query.addresses[i];
		char *text = name->texts[found->count];

		if (getnameinfo((const struct sockaddr *)&address->address, address->len,
			    text, ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST) == 0)
			name->pointers[found->count++] = text;
	}
	found->texts = name->pointers;
}

static void on_name(struct dns_query *query)
{
	struct name *name = container_of(query, struct name, query);
	struct pg_connection *connection = name->connection;
	struct look_up *look_up = connection->look_up;
	struct errbuf reason;
	bool begun;

	if (query->count)
		take_addresses(name);
	else
		add_reason(&connection->unresolved, query->reason);
	if (--look_up->pending)
		return;
	begun = begin_login(connection, look_up->found, &reason);
	end_look_up(connection);
	if (!begun)
		connection->events->failed(connection->owner, ERR_CONNECT, "", reason.text);
}

static void look_names_up(struct pg_connection *connection)
{
	const struct pg_conninfo *conninfo = connection->conninfo;
	struct look_up *look_up = mem_zalloc(
		1, sizeof(*look_up) + conninfo->name_count * sizeof(look_up->names[0]));

	look_up->found = mem_zalloc(conninfo->host_count, sizeof(*look_up->found));
	look_up->pending = conninfo->name_count;
	connection->look_up = look_up;
	for (size_t i = 0; i < conninfo->host_count; i++) {
		struct name *name = &look_up->names[look_up->count];

		if (!conninfo->hosts[i].is_name)
			continue;
		look_up->count++;
		name->connection = connection;
		name->found = &look_up->found[i];
		name->query.done = on_name;
		dns_resolve(connection->loop, conninfo->hosts[i].host, &name->query);
	}
}

/* ---- life ---- */

static void on_reap(struct loop_item *item)
{
	free(container_of(item, struct pg_connection, reap));
}

struct pg_connection *pg_connection_open(struct loop *loop,
	const struct pg_conninfo *conninfo, const struct pg_connection_events *events,
	void *owner, struct errbuf *errbuf)
{
	struct pg_connection *connection = mem_zalloc(1, sizeof(*connection));

	connection->loop = loop;
	connection->reap.run = on_reap;
	connection->conninfo = conninfo;
	connection->events = events;
	connection->owner = owner;
	event_assign(&connection->read, loop_base(loop), -1, 0, on_login, connection);
	event_assign(&connection->write, loop_base(loop), -1, 0, on_writable, connection);
	if (conninfo->name_count) {
		look_names_up(connection);
	} else if (!begin_login(connection, NULL, errbuf)) {
		PQfinish(connection->pq);
		free(connection);
		return NULL;
	}
	return connection;
}

void pg_connection_close(struct pg_connection *connection)
{
	end_look_up(connection);
	event_del(&connection->read);
	event_del(&connection->write);
	PQfinish(connection->pq);
	connection->pq = NULL;
	loop_reap(connection->loop, &connection->reap);
}
