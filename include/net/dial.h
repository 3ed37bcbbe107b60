/*
 * dial.h - from a server's name to an open stream: look-up, each address in turn, TLS.
 */
#ifndef VOLLEY_NET_DIAL_H
#define VOLLEY_NET_DIAL_H

#include <stdint.h>

#include "loop/loop.h"
#include "loop/stream.h"
#include "loop/tls.h"

struct dial;

/* Where to; lives as long as the dialling. */
struct dial_target {
	const char *host; /* a name or an IP address (no brackets); NULL: path is meant */
	unsigned port;
	const char *path; /* of a unix socket */
};

/* What the owner is told: one of them, once, from the loop, never inside dial_start(). */
struct dial_events {
	/* The stream is the owner's now: stream_set_owner() first thing. */
	void (*through)(void *owner, struct stream *stream);
	/* What became of the first address, or why there was none. */
	void (*failed)(void *owner, const char *reason);
};

/*
 * Begins; with TLS unless tls is NULL. The addresses share `timeout` (ns): when there is
 * another to try, one that does not answer is left in time; the last is left to the owner's
 * own deadline. The dial is gone once the owner was told.
 */
struct dial *dial_start(struct loop *loop, const struct dial_target *target,
	struct tls_peer *tls, uint64_t timeout, const struct dial_events *events,
	void *owner);

/* Ends it; nothing is told any more. */
void dial_cancel(struct dial *dial);

/* What has not happened yet, for messages: "the TLS handshake was not answered". */
const char *dial_stage(const struct dial *dial);

#endif
