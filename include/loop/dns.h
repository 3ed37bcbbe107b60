/*
 * dns.h - host names without blocking, with a cache; the resolver belongs to the loop.
 *
 * Answers serve for 10 s and failures for 1 s. While the name servers fail, the last good
 * answer serves on. One look-up runs per name, however many wait for it.
 */
#ifndef VOLLEY_LOOP_DNS_H
#define VOLLEY_LOOP_DNS_H

#include <stddef.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/macros.h"
#include "loop/loop.h"

enum {
	DNS_ADDRESSES_MAX = 16, /* of one name; further ones are left out */
	DNS_NAME_MAX = 253,     /* bytes */
	DNS_NAMES_MAX = 1024    /* names in the cache */
};

/* An IPv4 or IPv6 address with port 0. */
struct dns_address {
	struct sockaddr_storage address;
	socklen_t len;
};

struct dns_entry;

/* Embedded in its owner; zeroed except for done() before its first use. */
struct dns_query {
	/* Called at the loop's deliver point exactly once for each dns_resolve(), never inside
	 * it, never after dns_cancel(). The query may be used again or freed inside. */
	void (*done)(struct dns_query *query);

	/* Valid inside done() only. */
	const struct dns_address
		*addresses; /* IPv4 before IPv6, else as the answer had them */
	size_t count;       /* 0: failed */
	const char *reason; /* of a failure: "could not resolve 'x': no such name" */

	/* private */
	struct loop_item item;
	struct loop *loop;
	struct link waiting;
	struct dns_entry *entry; /* NULL: no done() is due */
};

/*
 * Looks a name up; numeric addresses and localhost (127.0.0.1 and ::1) need no look-up. The
 * name is copied. A query that still waits is cancelled first.
 */
void dns_resolve(struct loop *loop, const char *name, struct dns_query *query);

/* No done() comes any more. Does nothing to a query that does not wait. */
void dns_cancel(struct dns_query *query);

/*
 * Makes the resolver now and reads /etc/hosts and /etc/resolv.conf, so that no file is read
 * while serving; else the first look-up does so. The environment's VOLLEY_RESOLVER, an
 * address with an optional port, stands for what /etc/resolv.conf says. False: that is
 * none; each look-up will fail with the same reason.
 */
must_check bool dns_prepare(struct loop *loop, struct errbuf *errbuf);

/* The cache and what was looked up since the start; zeros without a resolver. */
struct dns_figures {
	uint64_t names;    /* in the cache */
	uint64_t asking;   /* look-ups under way */
	uint64_t look_ups; /* begun */
	uint64_t failures; /* look-ups that failed or took too long */
};
extern const struct metric dns_metrics[];
void dns_figures(const struct loop *loop, struct dns_figures *out);

#endif
