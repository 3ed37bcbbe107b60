/*
 * dial.c - one address after the other, until one answers.
 *
 * Any failure before the stream stands, of TLS as well, goes on to the next address: of a
 * name's servers one may be broken. What is told is the first failure, since that is the
 * server people think of. Refused: several addresses at once (RFC 8305); a pool connects
 * rarely, and a service sees every attempt.
 */
#include "net/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/dns.h"

struct dial {
	struct loop *loop;
	const struct dial_target *target;
	struct tls_peer *tls;
	const struct dial_events *events;
	void *owner;
	uint64_t end; /* monotonic ns */
	struct dns_query query;
	struct dns_address addresses[DNS_ADDRESSES_MAX];
	size_t count, next;    /* how many there are, and which comes next */
	struct stream *stream; /* to the one before; NULL: none */
	struct errbuf reason;  /* of the first failure */
	struct loop_timer share;
	struct loop_item tell, reap;
};

static void reap(struct loop_item *item)
{
	struct dial *dial = container_of(item, struct dial, reap);

	loop_dispose(dial, sizeof *dial);
}

/* Lets go of everything but the stream. */
static void finish(struct dial *dial)
{
	dns_cancel(&dial->query);
	loop_timer_stop(&dial->share);
	loop_cancel(dial->loop, &dial->tell);
	loop_reap(dial->loop, &dial->reap);
}

static void tell_failed(struct loop_item *item)
{
	struct dial *dial = container_of(item, struct dial, tell);

	finish(dial);
	dial->events->failed(dial->owner, dial->reason.text);
}

static void note(struct dial *dial, const char *reason)
{
	if (!*dial->reason.text)
		errbuf_set(&dial->reason, "%s", reason);
}

/* ---- one address ---- */

static const struct stream_events stream_events;

/* All but the last get an even part of the time that is left. */
static void share_time(struct dial *dial)
{
	uint64_t now = loop_now(dial->loop);
	uint64_t left = dial->end > now ? dial->end - now : 0;

	if (dial->next < dial->count)
		loop_timer_start(&dial->share, left / (dial->count - dial->next + 1));
	else
		loop_timer_stop(&dial->share);
}

/* Begins with the next address that does not fail at once. */
static void try_next(struct dial *dial)
{
	while (dial->next < dial->count) {
		const struct dns_address *to = &dial->addresses[dial->next++];

		dial->stream = stream_connect(dial->loop, (struct sockaddr *)&to->address,
			to->len, dial->tls, &stream_events, dial);
		if (dial->stream) {
			share_time(dial);
			return;
		}
		note(dial, strerror(errno));
	}
	loop_deliver(dial->loop, &dial->tell);
}

static void give_up(struct dial *dial, const char *reason)
{
	note(dial, reason);
	stream_close(dial->stream);
	dial->stream = NULL;
	try_next(dial);
}

static void on_share(struct loop_timer *timer)
{
	struct dial *dial = container_of(timer, struct dial, share);

	give_up(dial, dial_stage(dial));
}

static void on_connected(void *owner)
{
	struct dial *dial = owner;

	finish(dial);
	dial->events->through(dial->owner, dial->stream);
}

static void on_ended(void *owner, int error)
{
	struct dial *dial = owner;

	give_up(dial, stream_reason(dial->stream));
}

/* Only after connected(), when the stream has another owner. */
static void on_readable(void *owner)
{
}

static const struct stream_events stream_events = {
	.connected = on_connected,
	.readable = on_readable,
	.ended = on_ended,
};

/* ---- which addresses ---- */

static void use_path(struct dial *dial, const char *path)
{
	struct dns_address *to = &dial->addresses[0];
	struct sockaddr_un *un = (struct sockaddr_un *)&to->address;

	un->sun_family = AF_UNIX;
	strncpy(un->sun_path, path, sizeof un->sun_path - 1);
	to->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
			      strlen(un->sun_path) + 1);
	dial->count = 1;
}

static void on_resolved(struct dns_query *query)
{
	struct dial *dial = container_of(query, struct dial, query);
	in_port_t port = htons((uint16_t)dial->target->port);

	if (query->count == 0)
		note(dial, query->reason);
	for (size_t i = 0; i < query->count && i < array_len(dial->addresses); i++) {
		struct dns_address *to = &dial->addresses[dial->count++];

		*to = query->addresses[i];
		if (to->address.ss_family == AF_INET6)
			((struct sockaddr_in6 *)&to->address)->sin6_port = port;
		else
			((struct sockaddr_in *)&to->address)->sin_port = port;
	}
	try_next(dial);
}

/* ---- life ---- */

struct dial *dial_start(struct loop *loop, const struct dial_target *target,
	struct tls_peer *tls, uint64_t timeout, const struct dial_events *events,
	void *owner)
{
	struct dial *dial = mem_zalloc(1, sizeof *dial);

	dial->loop = loop;
	dial->target = target;
	dial->tls = tls;
	dial->events = events;
	dial->owner = owner;
	dial->end = loop_now(loop) + timeout;
	dial->tell.run = tell_failed;
	dial->reap.run = reap;
	loop_timer_init(loop, &dial->share, on_share);
	dial->query.done = on_resolved;
	if (target->host) {
		dns_resolve(loop, target->host, &dial->query);
	} else {
		use_path(dial, target->path);
		try_next(dial);
	}
	return dial;
}

void dial_cancel(struct dial *dial)
{
	if (dial->stream)
		stream_close(dial->stream);
	finish(dial);
}

const char *dial_stage(const struct dial *dial)
{
	if (dial->count == 0)
		return "its name was not resolved";
	if (dial->stream && stream_is_in_handshake(dial->stream))
		return "the TLS handshake was not answered (does the server speak TLS?)";
	return "no connection came about";
}
