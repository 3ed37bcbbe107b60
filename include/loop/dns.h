/*
 * dns.h - host names to addresses, without blocking.
 *
 * /etc/hosts and /etc/resolv.conf are honoured (VOLLEY_RESOLVER=ADDRESS[:PORT] stands in for
 * the latter's name servers). Answers are kept for 10 s and failures for 1 s; while the
 * resolver fails, the last good answer serves. One question per name is on its way at a time.
 */
#ifndef VOLLEY_LOOP_DNS_H
#define VOLLEY_LOOP_DNS_H

#include <stddef.h>
#include <sys/socket.h>

#include "base/err.h"
#include "loop/loop.h"

enum { DNS_ADDRESSES_MAX = 16 };

struct dns_address {
	struct sockaddr_storage address; /* with port 0 */
	socklen_t len;
};

/* One look-up, embedded in its owner. */
struct dns_query {
	/* Set by the owner. Called by the loop at its deliver point, once; never inside
	 * dns_resolve() nor after dns_cancel(). */
	void (*done)(struct dns_query *query);

	/* For done(): valid inside it. IPv4 and IPv6 as the resolver gave them. */
	const struct dns_address *addresses;
	size_t count;         /* 0: it failed */
	struct errbuf reason; /* of the failure: "could not resolve 'x': ..." */

	/* dns.c's own */
	struct loop_item item;
	struct loop *loop;
	struct dns_name *name;
	struct link wait;
	struct dns_address own[2];
};

/*
 * Begins a look-up of a name (copied) or of an address in text. localhost is 127.0.0.1 and
 * ::1 without any question.
 */
void dns_resolve(struct loop *loop, const char *name, struct dns_query *query);

/* Ends it; harmless after done(). Only for queries that were begun. */
void dns_cancel(struct dns_query *query);

/* Reads the resolver's files; else the first look-up does. */
void dns_prepare(struct loop *loop);

/* For loop_free(): every query was cancelled or is done. */
struct dns;
void dns_free(struct dns *dns);

#endif
