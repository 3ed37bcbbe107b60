/*
 * test_dns.c - the resolver against a small name server in the same loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macros.h"
#include "loop/dns.h"
#include "loop/loop.h"

/* ---- the name server ---- */

enum { NOERROR = 0, SERVFAIL = 2, NXDOMAIN = 3, SILENT = 16 };
enum { TYPE_A = 1, TYPE_AAAA = 28 };

struct record {
	const char *name;
	int code;
	const char *ipv4[20]; /* up to a NULL */
	const char *ipv6;     /* NULL: none */
	int asked_a, asked_aaaa;
};

struct server {
	struct event *event;
	int fd;
	struct record *records;
	size_t count;
	char last[256]; /* the name asked last */
};

static size_t read_name(const unsigned char *packet, size_t len, char *name)
{
	size_t at = 12, used = 0;

	while (at < len && packet[at]) {
		memcpy(name + used, packet + at + 1, packet[at]);
		used += packet[at];
		name[used++] = '.';
		at += packet[at] + 1U;
	}
	name[used ? used - 1 : 0] = '\0';
	return at + 1;
}

static size_t put_answer(unsigned char *at, int type, const char *address)
{
	static const unsigned char head[] = { 0xc0, 12, 0, 0, 0, 1, 0, 0, 0, 60, 0, 0 };
	size_t size = type == TYPE_A ? 4 : 16;

	memcpy(at, head, sizeof(head));
	at[3] = (unsigned char)type;
	at[11] = (unsigned char)size;
	assert_int_equal(
		inet_pton(type == TYPE_A ? AF_INET : AF_INET6, address, at + 12), 1);
	return sizeof(head) + size;
}

static size_t answer(struct record *record, unsigned char *packet, size_t end)
{
	int type = packet[end - 3];
	unsigned char count = 0;

	*(type == TYPE_A ? &record->asked_a : &record->asked_aaaa) += 1;
	packet[2] = 0x85;
	packet[3] = (unsigned char)(0x80 | record->code);
	for (size_t i = 0; record->code == NOERROR && type == TYPE_A && record->ipv4[i];
		i++) {
		end += put_answer(packet + end, type, record->ipv4[i]);
		count++;
	}
	if (record->code == NOERROR && type == TYPE_AAAA && record->ipv6) {
		end += put_answer(packet + end, type, record->ipv6);
		count++;
	}
	packet[7] = count;
	return record->code == SILENT ? 0 : end;
}

static void on_packet(evutil_socket_t fd, short what, void *arg)
{
	static struct record unknown = { .code = NXDOMAIN };
	struct server *server = arg;
	unsigned char packet[1024] = { 0 };
	struct sockaddr_in peer;
	socklen_t peer_len = sizeof(peer);
	ssize_t len = recvfrom(fd, packet, 512, 0, (struct sockaddr *)&peer, &peer_len);
	struct record *record = &unknown;
	size_t end;

	assert_true(len > 16);
	end = read_name(packet, (size_t)len, server->last) + 4;
	for (size_t i = 0; i < server->count; i++) {
		if (strcmp(server->records[i].name, server->last) == 0)
			record = &server->records[i];
	}
	end = answer(record, packet, end);
	packet[11] = 0; /* no additional records */
	if (end)
		assert_int_equal(
			sendto(fd, packet, end, 0, (struct sockaddr *)&peer, peer_len),
			end);
}

/* ---- a query of a test ---- */

static struct {
	struct loop *loop;
	struct server server;
	struct loop_timer timer;
	int pending;
} test;

struct ask {
	struct dns_query query;
	char text[512]; /* addresses with blanks between, or "!" and the reason */
	int done;
	const char *again; /* a name to look up inside done() */
};

static bool inside_resolve;

static void on_done(struct dns_query *query)
{
	struct ask *ask = container_of(query, struct ask, query);

	assert_false(inside_resolve);
	ask->done++;
	ask->text[0] = '\0';
	for (size_t i = 0; i < query->count; i++) {
		const struct dns_address *a = &query->addresses[i];
		const struct sockaddr_in *in = (const void *)&a->address;
		const struct sockaddr_in6 *in6 = (const void *)&a->address;
		char text[64];

		inet_ntop(a->address.ss_family,
			a->address.ss_family == AF_INET ? (const void *)&in->sin_addr
							: (const void *)&in6->sin6_addr,
			text, sizeof(text));
		assert_int_equal(in->sin_port, 0);
		if (i)
			strcat(ask->text, " ");
		strcat(ask->text, text);
	}
	if (!query->count)
		snprintf(ask->text, sizeof(ask->text), "!%s", query->reason);
	if (ask->again) {
		const char *name = ask->again;

		ask->again = NULL;
		dns_resolve(test.loop, name, query);
		return;
	}
	if (--test.pending == 0)
		loop_stop(test.loop);
}

static void begin(struct ask *ask, const char *name)
{
	ask->query.done = on_done;
	test.pending++;
	inside_resolve = true;
	dns_resolve(test.loop, name, &ask->query);
	inside_resolve = false;
}

static void on_time(struct loop_timer *timer)
{
	loop_stop(test.loop);
}

/* Runs until all are done, at most so long. */
static void wait_ms(uint64_t ms)
{
	loop_timer_start(&test.timer, ms * NS_PER_MS);
	loop_run(test.loop);
	loop_timer_stop(&test.timer);
}

static const char *look_up(const char *name)
{
	static struct ask ask;

	memset(&ask, 0, sizeof(ask));
	begin(&ask, name);
	wait_ms(15000);
	assert_int_equal(ask.done, 1);
	return ask.text;
}

static int start(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	char text[32];

	memset(&test, 0, sizeof(test));
	test.loop = loop_new();
	loop_timer_init(test.loop, &test.timer, on_time);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	test.server.fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(
		bind(test.server.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	getsockname(test.server.fd, (struct sockaddr *)&address, &len);
	test.server.event = event_new(loop_base(test.loop), test.server.fd,
		EV_READ | EV_PERSIST, on_packet, &test.server);
	event_add(test.server.event, NULL);
	snprintf(text, sizeof(text), "127.0.0.1:%d", ntohs(address.sin_port));
	setenv("VOLLEY_RESOLVER", text, 1);
	return 0;
}

static int stop(void **state)
{
	event_free(test.server.event);
	close(test.server.fd);
	loop_free(test.loop);
	return 0;
}

static void serve(struct record *records, size_t count)
{
	test.server.records = records;
	test.server.count = count;
}

/* ---- tests ---- */

static void numbers_and_localhost_need_no_server(void **state)
{
	struct errbuf errbuf;

	assert_true(dns_prepare(test.loop, &errbuf));
	assert_string_equal(look_up("192.0.2.7"), "192.0.2.7");
	assert_string_equal(look_up("2001:db8::1"), "2001:db8::1");
	assert_string_equal(look_up("::1%lo"), "::1");
	assert_string_equal(look_up("localhost"), "127.0.0.1 ::1");
	assert_string_equal(look_up("LocalHost"), "127.0.0.1 ::1");
	assert_string_equal(test.server.last, "");
}

static void both_families_are_answered_and_kept(void **state)
{
	struct record r[] = {
		{ "db.test", NOERROR, { "192.0.2.1", "192.0.2.2" }, "2001:db8::1", 0, 0 },
		{ "six.test", NOERROR, { NULL }, "2001:db8::2", 0, 0 },
	};

	serve(r, 2);
	assert_string_equal(look_up("db.test"), "192.0.2.1 192.0.2.2 2001:db8::1");
	assert_string_equal(look_up("DB.test"), "192.0.2.1 192.0.2.2 2001:db8::1");
	assert_string_equal(look_up("six.test"), "2001:db8::2");
	assert_int_equal(r[0].asked_a, 1);
	assert_int_equal(r[0].asked_aaaa, 1);
}

static void at_most_16_addresses(void **state)
{
	struct record r = { "many.test", NOERROR, { NULL }, "2001:db8::1", 0, 0 };

	for (int i = 0; i < 17; i++)
		r.ipv4[i] = "192.0.2.1";
	serve(&r, 1);
	look_up("many.test");
	assert_null(strstr(look_up("many.test"), "2001"));
	assert_int_equal(strlen(look_up("many.test")), 16 * 10 - 1);
}

static void failures_say_why_and_last_a_second(void **state)
{
	struct record r[] = {
		{ "none.test", NOERROR, { NULL }, NULL, 0, 0 },
		{ "broken.test", SERVFAIL, { NULL }, NULL, 0, 0 },
		{ "late.test", NXDOMAIN, { "192.0.2.9" }, NULL, 0, 0 },
	};

	serve(r, 3);
	assert_string_equal(
		look_up("no.test"), "!could not resolve 'no.test': no such name");
	assert_string_equal(look_up("none.test"),
		"!could not resolve 'none.test': no name server gave an address of it");
	assert_string_equal(look_up("broken.test"),
		"!could not resolve 'broken.test': no name server gave an address of it");
	look_up("late.test");
	assert_string_equal(
		look_up("late.test"), "!could not resolve 'late.test': no such name");
	assert_int_equal(r[2].asked_a, 1);
	r[2].code = NOERROR;
	wait_ms(1100);
	assert_string_equal(look_up("late.test"), "192.0.2.9");
}

static void bad_names_are_refused(void **state)
{
	static const char *const names[] = { "", ".", "a..b", ".a",
		"a123456789b123456789c123456789d123456789e123456789f123456789g123.test" };
	char longest[300];

	for (size_t i = 0; i < array_len(names); i++)
		assert_int_equal(*look_up(names[i]), '!');
	for (size_t i = 0; i < 254; i++)
		longest[i] = i % 2 ? '.' : 'a';
	longest[254] = '\0';
	assert_int_equal(*look_up(longest), '!');
	assert_string_equal(test.server.last, "");
	longest[253] = '\0';
	assert_non_null(strstr(look_up(longest), "no such name"));
}

static void one_look_up_serves_all_that_wait(void **state)
{
	struct record r = { "db.test", NOERROR, { "192.0.2.1" }, NULL, 0, 0 };
	struct ask asks[20] = { 0 };

	serve(&r, 1);
	for (size_t i = 0; i < 20; i++)
		begin(&asks[i], "db.test");
	asks[19].again = "db.test";
	wait_ms(5000);
	for (size_t i = 0; i < 20; i++) {
		assert_string_equal(asks[i].text, "192.0.2.1");
		assert_int_equal(asks[i].done, i == 19 ? 2 : 1);
	}
	assert_int_equal(r.asked_a, 1);
}

static void what_is_cancelled_is_never_called(void **state)
{
	struct record r = { "db.test", NOERROR, { "192.0.2.1" }, NULL, 0, 0 };
	struct ask cancelled = { 0 }, ready = { 0 }, other = { 0 }, unused = { 0 };

	serve(&r, 1);
	dns_cancel(&unused.query);
	begin(&cancelled, "db.test");
	begin(&ready, "127.0.0.1");
	begin(&other, "db.test");
	dns_cancel(&cancelled.query);
	dns_cancel(&ready.query);
	test.pending = 1;
	wait_ms(5000);
	assert_int_equal(cancelled.done, 0);
	assert_int_equal(ready.done, 0);
	assert_string_equal(other.text, "192.0.2.1");
	dns_cancel(&other.query);
}

static void a_query_can_be_used_for_another_name(void **state)
{
	struct record r[] = {
		{ "a.test", NOERROR, { "192.0.2.1" }, NULL, 0, 0 },
		{ "b.test", NOERROR, { "192.0.2.2" }, NULL, 0, 0 },
	};
	struct ask ask = { 0 };

	serve(r, 2);
	begin(&ask, "a.test");
	begin(&ask, "b.test");
	test.pending = 1;
	wait_ms(5000);
	assert_int_equal(ask.done, 1);
	assert_string_equal(ask.text, "192.0.2.2");
}

static void a_silent_server_fails_in_bounded_time(void **state)
{
	struct record r = { "mute.test", SILENT, { NULL }, NULL, 0, 0 };
	uint64_t begun = clock_now();

	serve(&r, 1);
	assert_string_equal(look_up("mute.test"), "!could not resolve 'mute.test': no "
						  "name server gave an address of it");
	assert_true(clock_now() - begun < 10500 * NS_PER_MS);
	assert_true(r.asked_a > 1);
}

/* All that takes the 10 s of an answer's life. */
static void the_last_good_answer_serves_while_servers_fail(void **state)
{
	struct record r[] = {
		{ "moved.test", NOERROR, { "192.0.2.1" }, NULL, 0, 0 },
		{ "mute.test", NOERROR, { "192.0.2.2" }, NULL, 0, 0 },
		{ "broken.test", NOERROR, { "192.0.2.3" }, NULL, 0, 0 },
		{ "gone.test", NOERROR, { "192.0.2.4" }, NULL, 0, 0 },
	};
	uint64_t begun;

	serve(r, 4);
	for (size_t i = 0; i < 4; i++)
		look_up(r[i].name);
	wait_ms(9000);
	r[0].ipv4[0] = "192.0.2.7";
	assert_string_equal(look_up("moved.test"), "192.0.2.1");
	assert_int_equal(r[0].asked_a, 1);
	wait_ms(1200);
	assert_string_equal(look_up("moved.test"), "192.0.2.7");
	r[1].code = SILENT;
	r[2].code = SERVFAIL;
	r[3].code = NXDOMAIN;
	begun = clock_now();
	assert_string_equal(look_up("mute.test"), "192.0.2.2"); /* waits a second */
	assert_true(clock_now() - begun > 900 * NS_PER_MS);
	assert_true(clock_now() - begun < 1900 * NS_PER_MS);
	begun = clock_now();
	assert_string_equal(look_up("mute.test"), "192.0.2.2"); /* at once */
	assert_true(clock_now() - begun < 100 * NS_PER_MS);
	assert_string_equal(look_up("broken.test"), "192.0.2.3");
	assert_string_equal(
		look_up("gone.test"), "!could not resolve 'gone.test': no such name");
}

static void more_names_than_the_cache_holds(void **state)
{
	struct record r = { "first.test", NOERROR, { "192.0.2.1" }, NULL, 0, 0 };
	char name[32];

	serve(&r, 1);
	look_up("first.test");
	for (int i = 0; i < DNS_NAMES_MAX; i++) {
		snprintf(name, sizeof(name), "192.0.%d.%d", i / 256, i % 256);
		assert_string_equal(look_up(name), name);
	}
	look_up("first.test");
	assert_int_equal(r.asked_a, 2);
}

static void look_ups_in_all_of_the_cache(void **state)
{
	struct ask *asks = calloc(DNS_NAMES_MAX + 1, sizeof(*asks));
	struct record *r = calloc(DNS_NAMES_MAX, sizeof(*r));
	char(*names)[24] = calloc(DNS_NAMES_MAX + 1, sizeof(*names));

	for (int i = 0; i <= DNS_NAMES_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "n%d.test", i);
		if (i < DNS_NAMES_MAX)
			r[i] = (struct record){ .name = names[i], .code = SILENT };
		begin(&asks[i], names[i]);
	}
	serve(r, DNS_NAMES_MAX);
	wait_ms(300);
	assert_int_equal(asks[0].done, 0);
	assert_int_equal(asks[DNS_NAMES_MAX].done, 1);
	assert_non_null(strstr(asks[DNS_NAMES_MAX].text, "too many names"));
	loop_free(
		test.loop); /* in the middle of look-ups: nothing leaks, nobody is called */
	assert_int_equal(asks[0].done, 0);
	test.loop = loop_new();
	free(asks);
	free(r);
	free(names);
}

static int stop_without_event(void **state)
{
	close(test.server.fd);
	loop_free(test.loop);
	return 0;
}

static int start_without_event(void **state)
{
	start(state);
	event_free(test.server.event);
	return 0;
}

static void a_wrong_resolver_is_told(void **state)
{
	struct errbuf errbuf;

	setenv("VOLLEY_RESOLVER", "nonsense", 1);
	assert_false(dns_prepare(test.loop, &errbuf));
	assert_non_null(strstr(errbuf.text, "VOLLEY_RESOLVER='nonsense'"));
	assert_non_null(strstr(look_up("db.test"), "VOLLEY_RESOLVER"));
	assert_string_equal(look_up("127.0.0.1"), "127.0.0.1");
}

static void freed_while_looking_up(void **state)
{
	static struct ask ask; /* lives on when the loop is freed */

	begin(&ask, "never.test");
	assert_int_equal(ask.done, 0);
}

#define ON_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_SERVER(numbers_and_localhost_need_no_server),
		ON_SERVER(both_families_are_answered_and_kept),
		ON_SERVER(at_most_16_addresses),
		ON_SERVER(failures_say_why_and_last_a_second),
		ON_SERVER(bad_names_are_refused),
		ON_SERVER(one_look_up_serves_all_that_wait),
		ON_SERVER(what_is_cancelled_is_never_called),
		ON_SERVER(a_query_can_be_used_for_another_name),
		ON_SERVER(a_silent_server_fails_in_bounded_time),
		ON_SERVER(the_last_good_answer_serves_while_servers_fail),
		ON_SERVER(more_names_than_the_cache_holds),
		cmocka_unit_test_setup_teardown(look_ups_in_all_of_the_cache,
			start_without_event, stop_without_event),
		ON_SERVER(a_wrong_resolver_is_told),
		ON_SERVER(freed_while_looking_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
