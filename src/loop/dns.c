/*
 * dns.c - the cache over libevent's evdns, which asks /etc/hosts and the name servers.
 *
 * An entry per name holds the last good addresses, how the last look-up ended and until
 * when that serves, and the queries that wait. Whatever settles an entry only queues its
 * queries; the deliver point hands them what the entry holds then. So it does not matter
 * that evdns calls back inside the call for names of /etc/hosts.
 *
 * evdns gives a request no deadline of its own while it tries one search domain after the
 * other, so each look-up has a timer here; what comes later is still taken into the cache.
 * It keeps callbacks for its next turns when it is freed, hence the turns in close_dns().
 *
 * Refused: evdns_getaddrinfo_cancel(), since a look-up that nobody waits for any more
 * warms the cache; threads with getaddrinfo(), which cannot be cancelled either and cost
 * locks.
 */
#include "loop/dns.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#define ANSWER_NS  (10 * NS_PER_SEC)
#define FAILURE_NS (1 * NS_PER_SEC)

/* A look-up that takes longer has failed: with a last good answer, and without one. */
#define STALE_NS   (1 * NS_PER_SEC)
#define LOOK_UP_NS (10 * NS_PER_SEC)

enum { CLOSE_TURNS_MAX = 1000, LABEL_MAX = 63 };

struct dns {
	struct loop_part part;
	struct loop *loop;
	struct evdns_base *base; /* NULL: could not be made */
	struct dns_entry *names; /* hash; the one used longest ago comes first */
	size_t asking;           /* entries whose look-up runs */
	uint64_t look_ups, failures;
	bool without_server;   /* /etc/resolv.conf names none */
	struct errbuf trouble; /* why there is no base, or empty */
};

struct dns_entry {
	struct dns *dns;
	UT_hash_handle hh;
	struct list waiting;           /* queries whose done() is due */
	struct dns_address *addresses; /* the last good answer */
	size_t count;
	uint64_t fresh_until; /* by loop_now(); 0: never settled */
	struct loop_timer timer;
	bool fixed;   /* needs no look-up */
	bool asking;  /* a look-up runs */
	bool late;    /* it has been running for too long */
	bool failing; /* the last look-up failed, or this one is late */
	bool in_use;  /* its addresses are being handed out */
	char reason[DNS_NAME_MAX + 160];
	char name[]; /* lower case */
};

/* ---- handing out ---- */

static void deliver(struct loop_item *item)
{
	struct dns_query *query = container_of(item, struct dns_query, item);
	struct dns_entry *entry = query->entry;

	query->entry = NULL;
	if (!entry) { /* refused; the reason stands already */
		query->done(query);
		return;
	}
	list_remove(&entry->waiting, &query->waiting);
	query->addresses = entry->addresses;
	query->count = entry->count;
	query->reason = entry->count ? NULL : entry->reason;
	entry->in_use = true;
	query->done(query);
	entry->in_use = false;
}

static void settle(struct dns_entry *entry)
{
	list_for_each (&entry->waiting, link)
		loop_deliver(entry->dns->loop,
			&container_of(link, struct dns_query, waiting)->item);
}

/* ---- entries ---- */

static void store(struct dns_entry *entry, const struct sockaddr *address, socklen_t len)
{
	struct dns_address *slot = &entry->addresses[entry->count++];

	*slot = (struct dns_address){ .len = len };
	memcpy(&slot->address, address, len);
}

static void make_room(struct dns_entry *entry, size_t count)
{
	free(entry->addresses);
	entry->addresses = mem_zalloc(count, sizeof(*entry->addresses));
	entry->count = 0;
}

static void store_ipv4(struct dns_entry *entry, struct in_addr in)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = in };

	store(entry, (const struct sockaddr *)&address, sizeof(address));
}

static void store_ipv6(struct dns_entry *entry, struct in6_addr in6, uint32_t scope)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = in6 };

	address.sin6_scope_id = scope;
	store(entry, (const struct sockaddr *)&address, sizeof(address));
}

/* "fe80::1%eth0"; a zone is an interface's name or number. */
static bool parse_ipv6(const char *name, struct in6_addr *in6, uint32_t *scope)
{
	char bare[INET6_ADDRSTRLEN];
	size_t len = strcspn(name, "%");

	*scope = 0;
	if (len >= sizeof(bare))
		return false;
	memcpy(bare, name, len);
	bare[len] = '\0';
	if (inet_pton(AF_INET6, bare, in6) != 1)
		return false;
	if (name[len] != '%')
		return true;
	*scope = if_nametoindex(name + len + 1);
	if (*scope == 0)
		*scope = (uint32_t)strtoul(name + len + 1, NULL, 10);
	return *scope != 0;
}

/* Fills in what needs no look-up. */
static void fix(struct dns_entry *entry)
{
	struct in_addr in = { htonl(INADDR_LOOPBACK) };
	struct in6_addr in6 = IN6ADDR_LOOPBACK_INIT;
	bool is_localhost = strcmp(entry->name, "localhost") == 0;
	uint32_t scope = 0;
	bool is_ipv4 = is_localhost || inet_pton(AF_INET, entry->name, &in) == 1;
	bool is_ipv6 = is_localhost || parse_ipv6(entry->name, &in6, &scope);

	entry->fixed = is_ipv4 || is_ipv6;
	if (!entry->fixed)
		return;
	make_room(entry, 2);
	if (is_ipv4)
		store_ipv4(entry, in);
	if (is_ipv6)
		store_ipv6(entry, in6, scope);
}

static void free_entry(struct dns_entry *entry)
{
	HASH_DEL(entry->dns->names, entry);
	loop_timer_stop(&entry->timer);
	free(entry->addresses);
	free(entry);
}

/* False: all names are being looked up. */
static bool evict(struct dns *dns)
{
	struct dns_entry *entry, *next;

	HASH_ITER(hh, dns->names, entry, next)
	{
		if (entry->asking || entry->in_use || !list_empty(&entry->waiting))
			continue;
		free_entry(entry);
		return true;
	}
	return false;
}

static void on_timer(struct loop_timer *timer);

static struct dns_entry *add_entry(struct dns *dns, const char *name, size_t len)
{
	struct dns_entry *entry = mem_zalloc(1, sizeof(*entry) + len + 1);

	entry->dns = dns;
	memcpy(entry->name, name, len);
	list_init(&entry->waiting);
	loop_timer_init(dns->loop, &entry->timer, on_timer);
	fix(entry);
	HASH_ADD_KEYPTR(hh, dns->names, entry->name, len, entry);
	return entry;
}

/* The name's entry, as the one used last; NULL: the cache is full of running look-ups. */
static struct dns_entry *find_entry(struct dns *dns, const char *name, size_t len)
{
	struct dns_entry *entry;

	HASH_FIND(hh, dns->names, name, len, entry);
	if (entry) {
		HASH_DEL(dns->names, entry);
		HASH_ADD_KEYPTR(hh, dns->names, entry->name, len, entry);
		return entry;
	}
	if (HASH_COUNT(dns->names) >= DNS_NAMES_MAX && !evict(dns))
		return NULL;
	return add_entry(dns, name, len);
}

/* ---- look-ups ---- */

static void note_failure(struct dns_entry *entry, const char *cause)
{
	snprintf(entry->reason, sizeof(entry->reason), "could not resolve '%s': %s",
		entry->name, cause);
	log_line(LOG_WARN, "name look-up failed", "name", entry->name, "reason", cause,
		"last_answer_serves", entry->count ? "true" : "false", NULL);
}

static const char *silence(const struct dns *dns)
{
	return dns->without_server ? "/etc/resolv.conf names no name server and none "
				     "answers at 127.0.0.1"
				   : "no name server gave an address of it";
}

static size_t count_of(const struct evutil_addrinfo *answer)
{
	size_t count = 0;

	for (; answer && count < DNS_ADDRESSES_MAX; answer = answer->ai_next)
		count++;
	return count;
}

static void take_family(
	struct dns_entry *entry, const struct evutil_addrinfo *answer, int family)
{
	for (; answer && entry->count < DNS_ADDRESSES_MAX; answer = answer->ai_next) {
		if (answer->ai_family == family &&
			answer->ai_addrlen <= sizeof(struct sockaddr_storage))
			store(entry, answer->ai_addr, (socklen_t)answer->ai_addrlen);
	}
}

static void take_answer(struct dns_entry *entry, const struct evutil_addrinfo *answer)
{
	make_room(entry, count_of(answer));
	take_family(entry, answer, AF_INET);
	take_family(entry, answer, AF_INET6);
	entry->failing = false;
	entry->fresh_until = loop_now(entry->dns->loop) + ANSWER_NS;
}

/*
 * That there is no such name is an answer: the last good one serves no more. evdns does not
 * tell a name without addresses from name servers that fail.
 */
static void take_failure(struct dns_entry *entry, int error)
{
	bool is_answer = error == EVUTIL_EAI_NONAME;

	if (is_answer)
		entry->count = 0;
	entry->failing = true;
	entry->dns->failures++;
	entry->fresh_until = loop_now(entry->dns->loop) + FAILURE_NS;
	note_failure(entry, is_answer ? "no such name" : silence(entry->dns));
}

/* evdns calls back: once for each look-up, maybe inside evdns_getaddrinfo(). */
static void on_answer(int error, struct evutil_addrinfo *answer, void *arg)
{
	struct dns_entry *entry = arg;

	loop_woke(entry->dns->loop);
	entry->asking = entry->late = false;
	entry->dns->asking--;
	loop_timer_stop(&entry->timer);
	if (error == 0 && answer)
		take_answer(entry, answer);
	else if (entry->dns->base)
		take_failure(entry, error);
	if (answer)
		evutil_freeaddrinfo(answer);
	settle(entry);
}

static void on_timer(struct loop_timer *timer)
{
	struct dns_entry *entry = container_of(timer, struct dns_entry, timer);

	entry->late = entry->failing = true;
	note_failure(entry, silence(entry->dns));
	settle(entry);
}

static void ask(struct dns_entry *entry)
{
	static const struct evutil_addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_protocol = IPPROTO_TCP };

	entry->asking = true;
	entry->dns->asking++;
	entry->dns->look_ups++;
	loop_timer_start(&entry->timer, entry->count ? STALE_NS : LOOK_UP_NS);
	evdns_getaddrinfo(entry->dns->base, entry->name, NULL, &hints, on_answer, entry);
}

/* Whether what the entry holds serves a query now; begins a look-up when one is due. */
static bool is_settled(struct dns_entry *entry)
{
	if (entry->fixed || entry->in_use ||
		loop_now(entry->dns->loop) < entry->fresh_until)
		return true;
	if (!entry->asking)
		ask(entry);
	return entry->late || (entry->failing && entry->count);
}

/* ---- the resolver ---- */

/* evdns tells of all that it does; a failed look-up is logged by note_failure(). */
static void on_message(int is_warning, const char *message)
{
	log_line(is_warning ? LOG_WARN : LOG_DEBUG, "resolver", "text", message, NULL);
}

static void forget_queries(struct dns_entry *entry)
{
	struct link *link;

	while ((link = list_first(&entry->waiting)) != NULL)
		dns_cancel(container_of(link, struct dns_query, waiting));
}

static void close_dns(struct loop_part *part)
{
	struct dns *dns = container_of(part, struct dns, part);
	struct evdns_base *base = dns->base;
	struct dns_entry *entry, *next;

	HASH_ITER(hh, dns->names, entry, next)
	forget_queries(entry);
	dns->base = NULL;
	if (base)
		evdns_base_free(base, 1);
	for (int turn = 0; dns->asking && turn < CLOSE_TURNS_MAX; turn++)
		event_base_loop(loop_base(dns->loop), EVLOOP_NONBLOCK);
	HASH_ITER(hh, dns->names, entry, next)
	free_entry(entry);
	free(dns);
}

/* Both A and AAAA of every name may be on their way at once: evdns' own queue, in which
 * nothing times out, is never used. */
static void set_options(struct evdns_base *base)
{
	static const char *const options[][2] = {
		{ "randomize-case:", "0" },
		{ "timeout:", "2" },
		{ "attempts:", "3" },
		{ "getaddrinfo-allow-skew:", "1" },
		{ "max-inflight:", "4096" },
	};

	for (size_t i = 0; i < array_len(options); i++)
		evdns_base_set_option(base, options[i][0], options[i][1]);
}

static void configure(struct dns *dns)
{
	const char *server = getenv("VOLLEY_RESOLVER");

	set_options(dns->base);
	if (!server || !*server) {
		dns->without_server = evdns_base_resolv_conf_parse(dns->base,
					      DNS_OPTIONS_ALL, "/etc/resolv.conf") != 0;
		return;
	}
	evdns_base_load_hosts(dns->base, "/etc/hosts");
	if (evdns_base_nameserver_ip_add(dns->base, server) == 0)
		return;
	errbuf_set(&dns->trouble,
		"VOLLEY_RESOLVER='%s' is no address of a name server, such as 127.0.0.1:53",
		server);
	evdns_base_free(dns->base, 0);
	dns->base = NULL;
}

static struct dns *dns_of(struct loop *loop)
{
	struct loop_part *part = loop_resolver(loop);
	struct dns *dns;

	if (part)
		return container_of(part, struct dns, part);
	dns = mem_zalloc(1, sizeof(*dns));
	dns->part.close = close_dns;
	dns->loop = loop;
	evdns_set_log_fn(on_message);
	dns->base = evdns_base_new(loop_base(loop), EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (dns->base)
		configure(dns);
	else
		errbuf_set(&dns->trouble, "the resolver could not be made");
	loop_set_resolver(loop, &dns->part);
	return dns;
}

bool dns_prepare(struct loop *loop, struct errbuf *errbuf)
{
	const struct dns *dns = dns_of(loop);

	*errbuf = dns->trouble;
	return dns->base != NULL;
}

/* ---- queries ---- */

/* Copies a name in lower case; 0: it is none (RFC 1035, 2.3.4). */
static size_t copy_name(char copy[DNS_NAME_MAX + 1], const char *name)
{
	size_t len = strlen(name), label = 0;

	if (len > DNS_NAME_MAX)
		return 0;
	for (size_t i = 0; i < len; i++) {
		label = name[i] == '.' ? 0 : label + 1;
		if (label > LABEL_MAX || (label == 0 && (i == 0 || name[i - 1] == '.')))
			return 0;
		copy[i] = (char)tolower((unsigned char)name[i]);
	}
	copy[len] = '\0';
	return len;
}

static void refuse(struct dns_query *query, const char *reason)
{
	query->addresses = NULL;
	query->count = 0;
	query->reason = reason;
	loop_deliver(query->loop, &query->item);
}

void dns_resolve(struct loop *loop, const char *name, struct dns_query *query)
{
	struct dns *dns = dns_of(loop);
	char copy[DNS_NAME_MAX + 1];
	size_t len = copy_name(copy, name);

	dns_cancel(query);
	query->loop = loop;
	query->item.run = deliver;
	if (!len) {
		refuse(query, "could not resolve a name that has no, an empty or an "
			      "over-long part");
		return;
	}
	query->entry = find_entry(dns, copy, len);
	if (!query->entry) {
		refuse(query, "could not resolve: too many names are being looked up");
		return;
	}
	list_append(&query->entry->waiting, &query->waiting);
	if (!dns->base && !query->entry->fixed) {
		note_failure(query->entry, dns->trouble.text);
		loop_deliver(loop, &query->item);
	} else if (is_settled(query->entry)) {
		loop_deliver(loop, &query->item);
	}
}

void dns_cancel(struct dns_query *query)
{
	if (query->loop)
		loop_cancel(query->loop, &query->item);
	if (query->entry)
		list_remove(&query->entry->waiting, &query->waiting);
	query->entry = NULL;
}

/* ---- figures ---- */

#define AT(member) offsetof(struct dns_figures, member)

const struct metric dns_metrics[] = {
	{ "volley_dns_names", "names", METRIC_GAUGE, METRIC_PLAIN, AT(names), NULL, NULL,
		false, "host names in the cache" },
	{ "volley_dns_lookups_running", "running", METRIC_GAUGE, METRIC_PLAIN, AT(asking),
		NULL, NULL, false, "look-ups of host names under way" },
	{ "volley_dns_lookups_total", "lookUps", METRIC_COUNTER, METRIC_PLAIN, AT(look_ups),
		NULL, NULL, false, "look-ups of host names that were begun" },
	{ "volley_dns_failures_total", "failures", METRIC_COUNTER, METRIC_PLAIN,
		AT(failures), NULL, NULL, false, "look-ups of host names that failed" },
	{ .name = NULL },
};

void dns_figures(const struct loop *loop, struct dns_figures *out)
{
	const struct loop_part *part = loop_resolver(loop);
	const struct dns *dns = part ? container_of(part, struct dns, part) : NULL;

	*out = (struct dns_figures){ 0 };
	if (!dns)
		return;
	out->names = HASH_COUNT(dns->names);
	out->asking = dns->asking;
	out->look_ups = dns->look_ups;
	out->failures = dns->failures;
}
