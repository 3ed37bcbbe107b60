/*
 * dns.c - host names to addresses, without blocking: evdns and a small cache.
 *
 * libevent's resolver asks and retries; what it lacks is a memory, one question per name at
 * a time, and answers that never come inside the call. All three stand here: a name has a
 * list of queries that wait, and answers go out at the loop's deliver point. Time to live is
 * not to be had from evdns_getaddrinfo(), so every answer is kept equally long.
 *
 * Refused: a thread with getaddrinfo(). It would honour nsswitch.conf, and bring threads.
 */
#include "loop/dns.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

enum { NAMES_MAX = 1024, NAME_LEN_MAX = 253 };

#define KEEP_ANSWER  (10 * NS_PER_SEC)
#define KEEP_FAILURE (1 * NS_PER_SEC)

/* What is known of a name. */
struct dns_name {
	UT_hash_handle hh;
	struct link recent;  /* on dns.recent */
	struct list waiting; /* queries, by their `wait` */
	unsigned users;      /* queries that wait or are being delivered */
	struct loop *loop;
	struct evdns_getaddrinfo_request *request;
	bool asking;      /* a question is on its way */
	uint64_t expires; /* monotonic ns; 0: nothing is known */
	int error;        /* of the last question: EVUTIL_EAI_..., 0: none */
	struct dns_address addresses[DNS_ADDRESSES_MAX];
	size_t count;
	size_t len;
	char text[NAME_LEN_MAX + 1]; /* in small letters */
};

struct dns {
	struct event_base *events;
	struct evdns_base *base; /* NULL: libevent could make none */
	struct dns_name *names;
	struct list recent; /* the least recently asked first */
};

/* ---- delivery ---- */

static void deliver(struct loop_item *item)
{
	struct dns_query *query = container_of(item, struct dns_query, item);
	struct dns_name *name = query->name;

	if (name) {
		query->addresses = name->addresses;
		query->count = name->count;
		if (name->count == 0)
			errbuf_set(&query->reason, "could not resolve '%s': %s", name->text,
				evutil_gai_strerror(name->error));
	}
	query->name = NULL;
	query->done(query);
	if (name)
		name->users--;
}

static void answer(struct dns_query *query)
{
	loop_deliver(query->loop, &query->item);
}

static void fail(struct dns_query *query, const char *name, const char *why)
{
	errbuf_set(&query->reason, "could not resolve '%.100s': %s", name, why);
	answer(query);
}

/* ---- questions ---- */

static void keep_addresses(struct dns_name *name, const struct evutil_addrinfo *found)
{
	name->count = 0;
	for (; found && name->count < DNS_ADDRESSES_MAX; found = found->ai_next) {
		struct dns_address *address = &name->addresses[name->count];

		if (found->ai_addrlen > sizeof(address->address))
			continue;
		memset(address, 0, sizeof(*address));
		memcpy(&address->address, found->ai_addr, found->ai_addrlen);
		address->len = (socklen_t)found->ai_addrlen;
		name->count++;
	}
}

/* That there is no such name is an answer; anything else is the resolver's failure. */
static bool is_an_answer(int error)
{
	return error == EVUTIL_EAI_NONAME || error == EVUTIL_EAI_NODATA;
}

static void on_answer(int error, struct evutil_addrinfo *found, void *arg)
{
	struct dns_name *name = arg;
	uint64_t now;
	struct link *link;

	name->asking = false;
	name->request = NULL;
	if (error == EVUTIL_EAI_CANCEL)
		return;
	now = loop_now(name->loop);
	name->error = error;
	name->expires = now + (error ? KEEP_FAILURE : KEEP_ANSWER);
	if (!error || is_an_answer(error))
		keep_addresses(name, found);
	else if (name->count > 0)
		log_line(LOG_WARN, "the resolver fails, its last answer serves", "name",
			name->text, "reason", evutil_gai_strerror(error), NULL);
	if (found)
		evutil_freeaddrinfo(found);
	if (!error && name->count == 0)
		name->error = EVUTIL_EAI_NONAME;
	while ((link = list_take(&name->waiting)))
		answer(container_of(link, struct dns_query, wait));
}

/* evdns calls back inside the call where it needs not ask (a name of /etc/hosts). */
static void ask(struct dns *dns, struct dns_name *name)
{
	struct evutil_addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_protocol = IPPROTO_TCP };
	struct evdns_getaddrinfo_request *request;

	name->asking = true;
	request = evdns_getaddrinfo(dns->base, name->text, NULL, &hints, on_answer, name);
	if (name->asking)
		name->request = request;
}

/* ---- names ---- */

static void drop(struct dns *dns, struct dns_name *name)
{
	HASH_DELETE(hh, dns->names, name);
	list_remove(&dns->recent, &name->recent);
	free(name);
}

/* False: all names that there is room for are being asked for. */
static bool make_room(struct dns *dns)
{
	struct link *link = list_first(&dns->recent);

	while (link && dns->recent.count >= NAMES_MAX) {
		struct dns_name *name = container_of(link, struct dns_name, recent);

		link = list_next(&dns->recent, link);
		if (name->users == 0 && !name->asking)
			drop(dns, name);
	}
	return dns->recent.count < NAMES_MAX;
}

/* The name's entry, now the most recent; NULL: there is no room. */
static struct dns_name *find_name(struct loop *loop, struct dns *dns, const char *text)
{
	char small[NAME_LEN_MAX + 1];
	size_t len = strlen(text);
	struct dns_name *name;

	for (size_t i = 0; i <= len; i++)
		small[i] = (char)tolower((unsigned char)text[i]);
	HASH_FIND(hh, dns->names, small, len, name);
	if (name) {
		list_remove(&dns->recent, &name->recent);
	} else {
		if (!make_room(dns))
			return NULL;
		name = mem_zalloc(1, sizeof(*name));
		memcpy(name->text, small, len + 1);
		name->len = len;
		name->loop = loop;
		list_init(&name->waiting);
		HASH_ADD_KEYPTR(hh, dns->names, name->text, name->len, name);
	}
	list_append(&dns->recent, &name->recent);
	return name;
}

/* ---- what needs no question ---- */

static void own_ipv4(struct dns_query *query, struct in_addr address)
{
	struct dns_address *own = &query->own[query->count++];
	struct sockaddr_in *in = (struct sockaddr_in *)&own->address;

	*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = address };
	own->len = sizeof(*in);
}

static void own_ipv6(struct dns_query *query, struct in6_addr address)
{
	struct dns_address *own = &query->own[query->count++];
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&own->address;

	*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = address };
	own->len = sizeof(*in6);
}

static bool is_known(struct dns_query *query, const char *name)
{
	struct in_addr ipv4 = { .s_addr = htonl(INADDR_LOOPBACK) };
	struct in6_addr ipv6 = in6addr_loopback;

	query->addresses = query->own;
	if (text_is_nocase(text_of(name), "localhost")) {
		own_ipv4(query, ipv4);
		own_ipv6(query, ipv6);
	} else if (inet_pton(AF_INET, name, &ipv4) == 1) {
		own_ipv4(query, ipv4);
	} else if (inet_pton(AF_INET6, name, &ipv6) == 1) {
		own_ipv6(query, ipv6);
	}
	return query->count > 0;
}

/* ---- the resolver ---- */

static void on_log(int is_warning, const char *text)
{
	log_line(is_warning ? LOG_WARN : LOG_DEBUG, "resolver", "text", text, NULL);
}

static void set_options(struct evdns_base *base)
{
	/* Mixed case in questions breaks some servers' answers. */
	evdns_base_set_option(base, "randomize-case:", "0");
	/* A pool's connectTimeout is 5 s: two tries fit into it. */
	evdns_base_set_option(base, "timeout:", "2");
	evdns_base_set_option(base, "attempts:", "2");
	evdns_base_set_option(base, "getaddrinfo-allow-skew:", "1");
	evdns_base_set_option(base, "initial-probe-timeout:", "1");
}

static struct evdns_base *make_base(struct loop *loop)
{
	struct evdns_base *base = evdns_base_new(loop_base(loop), 0);
	const char *resolver = getenv("VOLLEY_RESOLVER");

	if (!base)
		return NULL;
	evdns_set_log_fn(on_log);
	set_options(base);
	if (resolver && *resolver) {
		evdns_base_load_hosts(base, "/etc/hosts");
		if (evdns_base_nameserver_ip_add(base, resolver) != 0)
			log_line(LOG_ERROR, "VOLLEY_RESOLVER is no address", "value",
				resolver, "remedy", "ADDRESS or ADDRESS:PORT", NULL);
	} else if (evdns_base_resolv_conf_parse(
			   base, DNS_OPTIONS_ALL, "/etc/resolv.conf") != 0) {
		log_line(LOG_WARN, "/etc/resolv.conf names no resolver, 127.0.0.1 is asked",
			NULL);
	}
	return base;
}

static struct dns *use_dns(struct loop *loop)
{
	struct dns **slot = loop_dns(loop);

	if (!*slot) {
		*slot = mem_zalloc(1, sizeof(**slot));
		list_init(&(*slot)->recent);
		(*slot)->events = loop_base(loop);
		(*slot)->base = make_base(loop);
	}
	return *slot;
}

void dns_prepare(struct loop *loop)
{
	(void)use_dns(loop);
}

static void cancel_all(struct dns *dns)
{
	list_for_each (&dns->recent, link) {
		struct dns_name *name = container_of(link, struct dns_name, recent);

		if (name->request)
			evdns_getaddrinfo_cancel(name->request);
	}
}

void dns_free(struct dns *dns)
{
	struct link *first;

	if (!dns)
		return;
	cancel_all(dns);
	if (dns->base) {
		/* What was cancelled is told, and freed, in a turn of its own. */
		event_base_loop(dns->events, EVLOOP_NONBLOCK);
		evdns_base_free(dns->base, 1);
		event_base_loop(dns->events, EVLOOP_NONBLOCK);
	}
	while ((first = list_first(&dns->recent)))
		drop(dns, container_of(first, struct dns_name, recent));
	free(dns);
}

void dns_resolve(struct loop *loop, const char *name, struct dns_query *query)
{
	struct dns *dns;

	query->loop = loop;
	query->item.run = deliver;
	query->count = 0;
	query->name = NULL;
	query->wait.next = query->wait.prev = NULL;
	query->item.link.next = query->item.link.prev = NULL;
	if (is_known(query, name)) {
		answer(query);
		return;
	}
	if (*name == '\0' || strlen(name) > NAME_LEN_MAX) {
		fail(query, name, "a name has 1 to 253 characters");
		return;
	}
	dns = use_dns(loop);
	query->name = dns->base ? find_name(loop, dns, name) : NULL;
	if (!query->name) {
		fail(query, name, "too many names are being looked up");
		return;
	}
	query->name->users++;
	if (query->name->expires > loop_now(loop)) {
		answer(query);
		return;
	}
	list_append(&query->name->waiting, &query->wait);
	if (!query->name->asking)
		ask(dns, query->name);
}

void dns_cancel(struct dns_query *query)
{
	struct dns_name *name = query->name;

	loop_cancel(query->loop, &query->item);
	if (!name)
		return;
	if (link_is_listed(&query->wait))
		list_remove(&name->waiting, &query->wait);
	name->users--;
	query->name = NULL;
}
