/*
 * test_dns.c - names against a small name server of the test's own, in the same loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/dns.h"

/* The server and what it does next. */
struct world {
	struct loop *loop;
	struct evdns_server_port *port;
	int fd;
	unsigned questions; /* for IPv4 */
	int error;          /* 0: answers; -1: is silent; else a DNS error */
	const char *address;
	struct loop_timer stop;
};

struct probe {
	struct dns_query query;
	struct loop *loop;
	unsigned done;
	size_t count;
	char first[64], reason[200];
};

static void serve(struct evdns_server_request *request, void *arg)
{
	struct world *world = arg;
	const struct evdns_server_question *question = request->questions[0];
	struct in_addr address;

	if (question->type == EVDNS_TYPE_A)
		world->questions++;
	if (world->error < 0) {
		evdns_server_request_drop(request);
		return;
	}
	if (world->error == 0 && question->type == EVDNS_TYPE_A) {
		assert_int_equal(inet_pton(AF_INET, world->address, &address), 1);
		evdns_server_request_add_a_reply(request, question->name, 1, &address, 60);
	}
	evdns_server_request_respond(request, world->error);
}

static void on_stop(struct loop_timer *timer)
{
	loop_stop(container_of(timer, struct world, stop)->loop);
}

static struct world *begin(void)
{
	struct world *world = mem_zalloc(1, sizeof(*world));
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	char resolver[32];

	world->loop = loop_new();
	world->address = "192.0.2.7";
	world->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(world->fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(getsockname(world->fd, (struct sockaddr *)&in, &len), 0);
	world->port = evdns_add_server_port_with_base(
		loop_base(world->loop), world->fd, 0, serve, world);
	snprintf(resolver, sizeof(resolver), "127.0.0.1:%u", ntohs(in.sin_port));
	setenv("VOLLEY_RESOLVER", resolver, 1);
	loop_timer_init(world->loop, &world->stop, on_stop);
	return world;
}

static void end(struct world *world)
{
	loop_timer_stop(&world->stop);
	evdns_close_server_port(world->port);
	loop_free(world->loop);
	close(world->fd);
	free(world);
}

static void run_for(struct world *world, uint64_t ms)
{
	loop_timer_start(&world->stop, ms * NS_PER_MS);
	loop_run(world->loop);
}

static void on_done(struct dns_query *query)
{
	struct probe *probe = container_of(query, struct probe, query);
	const struct sockaddr_in *in;

	probe->done++;
	probe->count = query->count;
	snprintf(probe->reason, sizeof(probe->reason), "%.190s", query->reason.text);
	if (query->count > 0) {
		in = (const struct sockaddr_in *)&query->addresses[0].address;
		inet_ntop(
			in->sin_family, &in->sin_addr, probe->first, sizeof(probe->first));
	}
}

static void resolve(struct world *world, struct probe *probe, const char *name)
{
	memset(probe, 0, sizeof(*probe));
	probe->query.done = on_done;
	dns_resolve(world->loop, name, &probe->query);
	assert_int_equal(probe->done, 0); /* never inside the call */
}

static void a_name_has_an_address_and_is_kept(void **state)
{
	struct world *world = begin();
	struct probe one, two, three;

	resolve(world, &one, "db.example.test");
	resolve(world, &two, "DB.example.test"); /* joins the question on its way */
	run_for(world, 300);
	assert_int_equal(one.done, 1);
	assert_int_equal(two.done, 1);
	assert_int_equal(one.count, 1);
	assert_string_equal(one.first, "192.0.2.7");
	assert_int_equal(world->questions, 1);
	resolve(world, &three, "db.example.test");
	run_for(world, 20);
	assert_int_equal(three.count, 1);
	assert_int_equal(world->questions, 1);
	end(world);
}

static void addresses_and_localhost_need_no_question(void **state)
{
	struct world *world = begin();
	struct probe probes[4];

	resolve(world, &probes[0], "127.0.0.9");
	resolve(world, &probes[1], "::1");
	resolve(world, &probes[2], "LocalHost");
	resolve(world, &probes[3], "");
	run_for(world, 20);
	assert_string_equal(probes[0].first, "127.0.0.9");
	assert_int_equal(probes[1].count, 1);
	assert_int_equal(probes[2].count, 2);
	assert_string_equal(probes[2].first, "127.0.0.1");
	assert_int_equal(probes[3].count, 0);
	assert_non_null(strstr(probes[3].reason, "1 to 253 characters"));
	assert_int_equal(world->questions, 0);
	end(world);
}

static void a_failure_names_name_and_cause_and_is_kept_for_a_second(void **state)
{
	struct world *world = begin();
	struct probe probe;

	world->error = DNS_ERR_NOTEXIST;
	resolve(world, &probe, "nobody.example.test");
	run_for(world, 300);
	assert_int_equal(probe.done, 1);
	assert_int_equal(probe.count, 0);
	assert_non_null(strstr(probe.reason, "could not resolve 'nobody.example.test': "));
	assert_int_equal(world->questions, 1);
	world->error = 0;
	resolve(world, &probe, "nobody.example.test");
	run_for(world, 20);
	assert_int_equal(probe.count, 0);
	assert_int_equal(world->questions, 1);
	run_for(world, 1100);
	resolve(world, &probe, "nobody.example.test");
	run_for(world, 300);
	assert_int_equal(probe.count, 1);
	end(world);
}

/* A kept answer is 10 s old at most; the clock is not ours to set, so this test takes them. */
static void the_last_good_answer_serves_while_the_resolver_fails(void **state)
{
	struct world *world = begin();
	struct probe probe;

	resolve(world, &probe, "db.example.test");
	run_for(world, 300);
	assert_int_equal(probe.count, 1);
	world->error = DNS_ERR_SERVERFAILED;
	run_for(world, 10050);
	resolve(world, &probe, "db.example.test");
	run_for(world, 4500);
	assert_int_equal(probe.done, 1);
	assert_int_equal(probe.count, 1);
	assert_true(world->questions > 1);
	world->error = DNS_ERR_NOTEXIST; /* an answer: the name is gone */
	run_for(world, 1100);
	resolve(world, &probe, "db.example.test");
	run_for(world, 300);
	assert_int_equal(probe.count, 0);
	end(world);
}

static void a_cancelled_look_up_tells_nothing(void **state)
{
	struct world *world = begin();
	struct probe early, late;

	resolve(world, &early, "db.example.test");
	dns_cancel(&early.query);
	run_for(world, 300);
	assert_int_equal(early.done, 0);
	resolve(world, &late, "127.0.0.1");
	dns_cancel(&late.query);
	run_for(world, 20);
	assert_int_equal(late.done, 0);
	world->error = -1;
	resolve(world, &early, "silent.example.test"); /* still asked for at the end */
	run_for(world, 20);
	dns_cancel(&early.query);
	end(world);
}

static void a_silent_server_ends_in_a_failure(void **state)
{
	struct world *world = begin();
	struct probe probe;

	world->error = -1;
	resolve(world, &probe, "silent.example.test");
	run_for(world, 200);
	assert_int_equal(probe.done, 0);
	run_for(world, 6000);
	assert_int_equal(probe.done, 1);
	assert_int_equal(probe.count, 0);
	end(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_an_address_and_is_kept),
		cmocka_unit_test(addresses_and_localhost_need_no_question),
		cmocka_unit_test(a_failure_names_name_and_cause_and_is_kept_for_a_second),
		cmocka_unit_test(the_last_good_answer_serves_while_the_resolver_fails),
		cmocka_unit_test(a_cancelled_look_up_tells_nothing),
		cmocka_unit_test(a_silent_server_ends_in_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
