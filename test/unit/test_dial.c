/*
 * test_dial.c - from a target to a stream, over addresses that answer, refuse or are silent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/dial.h"

#define TIMEOUT (400 * NS_PER_MS)

static struct {
	struct loop *loop;
	struct loop_timer stop;
	struct dial *dial;
	struct stream *stream;
	char reason[256];
	unsigned told, heard;
} world;

static void stop_fires(struct loop_timer *timer)
{
	loop_stop(world.loop);
}

static void run(unsigned ms)
{
	loop_timer_start(&world.stop, ms * NS_PER_MS);
	loop_run(world.loop);
	loop_timer_stop(&world.stop);
}

static int setup(void **state)
{
	memset(&world, 0, sizeof world);
	world.loop = loop_new();
	loop_timer_init(world.loop, &world.stop, stop_fires);
	return 0;
}

static int teardown(void **state)
{
	if (world.stream)
		stream_close(world.stream);
	loop_free(world.loop);
	return 0;
}

static void on_readable(void *owner)
{
	world.heard++;
	loop_stop(world.loop);
}

static void on_ended(void *owner, int error)
{
}

static const struct stream_events stream_events = { .readable = on_readable,
	.ended = on_ended };

static void on_through(void *owner, struct stream *stream)
{
	assert_ptr_equal(owner, &world);
	world.told++;
	world.stream = stream;
	stream_set_owner(stream, &stream_events, NULL);
	loop_stop(world.loop);
}

static void on_failed(void *owner, const char *reason)
{
	world.told++;
	snprintf(world.reason, sizeof world.reason, "%s", reason);
	loop_stop(world.loop);
}

static const struct dial_events events = { on_through, on_failed };

static void start(const struct dial_target *target, struct tls_peer *tls)
{
	world.dial = dial_start(world.loop, target, tls, TIMEOUT, &events, &world);
	assert_int_equal(world.told, 0);
}

static void assert_failed(const char *reason)
{
	assert_int_equal(world.told, 1);
	assert_null(world.stream);
	if (!strstr(world.reason, reason))
		fail_msg("'%s' lacks '%s'", world.reason, reason);
}

/* A listening socket on a loopback address; *port 0: any, and it is told. */
static int listen_on(int family, unsigned *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)*port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)*port),
		.sin6_addr = in6addr_loopback };
	bool is_ipv4 = family == AF_INET;
	struct sockaddr *address = is_ipv4 ? (struct sockaddr *)&in
					   : (struct sockaddr *)&in6;
	socklen_t len = is_ipv4 ? sizeof in : sizeof in6;
	int fd = socket(family, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, address, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, address, &len), 0);
	*port = ntohs(is_ipv4 ? in.sin_port : in6.sin6_port);
	return fd;
}

static void test_the_next_address_is_tried(void **state)
{
	struct dial_target target = { .host = "localhost" };
	int fd = listen_on(AF_INET6, &target.port), accepted;

	start(&target, NULL);
	run(2000);
	assert_int_equal(world.told, 1);
	assert_non_null(world.stream);
	assert_non_null(strstr(stream_peer(world.stream), "[::1]:"));
	accepted = accept(fd, NULL, NULL);
	assert_int_equal(write(accepted, "x", 1), 1);
	run(2000);
	assert_int_equal(world.heard, 1);
	close(accepted);
	close(fd);
}

static void test_nobody_is_there(void **state)
{
	struct dial_target target = { .host = "localhost" };

	close(listen_on(AF_INET, &target.port));
	start(&target, NULL);
	run(2000);
	assert_failed("Connection refused");
}

static void test_addresses_as_numbers(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "::1" };

	for (int i = 0; i < 2; i++) {
		struct dial_target target = { .host = hosts[i] };
		int fd = listen_on(i == 0 ? AF_INET : AF_INET6, &target.port);

		world.told = 0;
		start(&target, NULL);
		run(2000);
		assert_int_equal(world.told, 1);
		assert_non_null(strstr(stream_peer(world.stream), hosts[i]));
		stream_close(world.stream);
		world.stream = NULL;
		close(fd);
	}
}

static void test_a_socket_that_is_not_there(void **state)
{
	struct dial_target target = { .path = "/nowhere/redis.sock" };

	start(&target, NULL);
	run(2000);
	assert_failed("No such file or directory");
}

static void test_a_name_that_is_none(void **state)
{
	struct dial_target target = { .host = "x..test", .port = 1 };

	start(&target, NULL);
	assert_string_equal(dial_stage(world.dial), "its name was not resolved");
	run(2000);
	assert_failed("could not resolve a name that has");
}

/* The silent address gets half of the time, then the other one's turn comes. */
static void test_a_silent_address_is_left_in_time(void **state)
{
	struct tls_settings settings = { .verify = false };
	struct dial_target target = { .host = "localhost" };
	struct errbuf errbuf;
	enum tls_part part;
	struct tls_context *context = tls_client_context(&settings, &part, &errbuf);
	struct tls_peer *peer = tls_peer_new(context, "localhost");
	int fd = listen_on(AF_INET, &target.port);
	uint64_t begin = clock_now();

	start(&target, peer);
	run(100);
	assert_int_equal(world.told, 0);
	assert_non_null(
		strstr(dial_stage(world.dial), "the TLS handshake was not answered"));
	run(2000);
	assert_failed("the TLS handshake was not answered");
	assert_true(clock_now() - begin >= TIMEOUT / 2);
	assert_true(clock_now() - begin < 2 * TIMEOUT);
	tls_peer_free(peer);
	tls_context_release(context);
	close(fd);
}

static void test_cancelled_it_is_silent(void **state)
{
	struct dial_target target = { .host = "localhost" };
	int fd = listen_on(AF_INET, &target.port);

	start(&target, NULL);
	dial_cancel(world.dial);
	run(20);
	target.host = "127.0.0.1";
	start(&target, NULL);
	dial_cancel(world.dial);
	target = (struct dial_target){ .path = "/nowhere/redis.sock" };
	start(&target, NULL);
	dial_cancel(world.dial);
	run(20);
	assert_int_equal(world.told, 0);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_next_address_is_tried),
		TEST(test_nobody_is_there),
		TEST(test_addresses_as_numbers),
		TEST(test_a_socket_that_is_not_there),
		TEST(test_a_name_that_is_none),
		TEST(test_a_silent_address_is_left_in_time),
		TEST(test_cancelled_it_is_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
