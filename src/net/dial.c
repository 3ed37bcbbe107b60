/*
 * dial.c - one address after the other, until one answers.
 *
 * Any failure before the stream stands, of TLS as well, goes on to the next address: of a
 * name's servers one may be broken. What is told is the first failure, since that is the
 * server people think of. Refused: several addresses at once (RFC 8305); a pool connects
 * rarely, and a service sees every attempt.
 */
#include "net/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

enum { MAX_ADDRESSES = 16 };

struct dial {
	struct loop *loop;
	const struct dial_target *target;
	struct tls_peer *tls;
	const struct dial_events *events;
	void *owner;
	uint64_t end; /* monotonic ns */
	struct sockaddr_storage addresses[MAX_ADDRESSES];
	socklen_t lengths[MAX_ADDRESSES];
	unsigned count, next;  /* how many there are, and which comes next */
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
		unsigned i = dial->next++;

		dial->stream = stream_connect(dial->loop,
			(struct sockaddr *)&dial->addresses[i], dial->lengths[i], dial->tls,
			&stream_events, dial);
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

static void add_unix(struct dial *dial)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&dial->addresses[0];

	un->sun_family = AF_UNIX;
	strncpy(un->sun_path, dial->target->path, sizeof un->sun_path - 1);
	dial->lengths[0] = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				       strlen(un->sun_path) + 1);
	dial->count = 1;
}

static void add_ip(struct dial *dial, const void *address, int family)
{
	struct sockaddr_storage *to = &dial->addresses[dial->count];
	in_port_t port = htons((uint16_t)dial->target->port);

	if (dial->count == MAX_ADDRESSES)
		return;
	if (family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)to;

		*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
		memcpy(&in->sin_addr, address, sizeof in->sin_addr);
		dial->lengths[dial->count++] = sizeof *in;
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;

		*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port };
		memcpy(&in6->sin6_addr, address, sizeof in6->sin6_addr);
		dial->lengths[dial->count++] = sizeof *in6;
	}
}

/* Finds the addresses; false: they will come later. */
static bool find_addresses(struct dial *dial)
{
	const char *host = dial->target->host;
	struct in_addr ipv4;
	struct in6_addr ipv6;

	if (!host) {
		add_unix(dial);
	} else if (inet_pton(AF_INET, host, &ipv4) == 1) {
		add_ip(dial, &ipv4, AF_INET);
	} else if (inet_pton(AF_INET6, host, &ipv6) == 1) {
		add_ip(dial, &ipv6, AF_INET6);
	} else {
		ipv4.s_addr = htonl(INADDR_LOOPBACK);
		add_ip(dial, &ipv4, AF_INET);
		add_ip(dial, &in6addr_loopback, AF_INET6);
	}
	return true;
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
	if (find_addresses(dial))
		try_next(dial);
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
