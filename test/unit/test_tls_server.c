/*
 * test_tls_server.c - contexts for listeners, and accepted streams that meet clients of all
 * manners.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <event2/buffer.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "certificates.h"
#include "loop/stream.h"
#include "loop/tls_server.h"

#define DAY (24 * 3600L)

static struct {
	struct loop *loop;
	struct loop_timer stop;
	char folder[64], certificate[96], key[96];
	struct identity authority, server;
} world;

/* One end of a pair of sockets; the other one is the test's. */
struct server {
	struct stream *stream;
	struct tls_context *context;
	int client;
	bool connected;
	size_t got;
	int ended; /* -1: not yet */
};

static void on_connected(void *owner)
{
	((struct server *)owner)->connected = true;
}

static void on_readable(void *owner)
{
	struct server *server = owner;
	struct evbuffer *input = stream_input(server->stream);

	server->got += evbuffer_get_length(input);
	evbuffer_drain(input, evbuffer_get_length(input));
}

static void on_ended(void *owner, int error)
{
	((struct server *)owner)->ended = error;
}

static const struct stream_events events = {
	.connected = on_connected,
	.readable = on_readable,
	.ended = on_ended,
};

static void stop(struct loop_timer *timer)
{
	loop_stop(world.loop);
}

static void run(uint64_t ms)
{
	loop_timer_start(&world.stop, ms * NS_PER_MS);
	loop_run(world.loop);
}

static struct tls_server_settings files(void)
{
	return (struct tls_server_settings){ .certificate = world.certificate,
		.key = world.key };
}

static struct tls_context *make(const struct tls_server_settings *settings)
{
	struct errbuf reason = { "" };
	enum tls_part part;
	struct tls_context *made = tls_server_context(settings, &part, &reason);

	if (!made)
		fail_msg("%s", reason.text);
	return made;
}

static void accept_one(struct server *server)
{
	struct tls_server_settings settings = files();
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	*server = (struct server){
		.context = make(&settings), .client = fds[1], .ended = -1
	};
	server->stream = stream_accept(
		world.loop, fds[0], server->context, &events, server);
	assert_true(stream_is_in_handshake(server->stream));
}

/* The stream has a reference of its own as long as it needs one. */
static void close_one(struct server *server)
{
	stream_close(server->stream);
	run(5);
	close(server->client);
}

/* ---- streams ---- */

static SSL *client_of(int fd)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(context);

	SSL_CTX_free(context);
	assert_int_equal(SSL_set_fd(ssl, fd), 1);
	SSL_set_connect_state(ssl);
	return ssl;
}

static void shake(SSL *ssl)
{
	for (int i = 0; i < 10 && SSL_do_handshake(ssl) != 1; i++)
		run(5);
	assert_true(SSL_is_init_finished(ssl));
	run(5); /* the server's last step */
}

static void test_both_ways(void **state)
{
	struct server server;
	char bytes[100];
	SSL *ssl;

	accept_one(&server);
	tls_context_release(server.context); /* the stream goes on without ours */
	ssl = client_of(server.client);
	shake(ssl);
	assert_int_equal(SSL_write(ssl, "hello", 5), 5);
	run(20);
	assert_true(server.connected);
	assert_false(stream_is_in_handshake(server.stream));
	assert_int_equal(server.got, 5);
	stream_write(server.stream, "good day", 8);
	run(20);
	assert_int_equal(SSL_read(ssl, bytes, sizeof(bytes)), 8);
	assert_memory_equal(bytes, "good day", 8);
	assert_int_equal(stream_pending(server.stream), 0);
	stream_shutdown_write(server.stream);
	run(20);
	assert_int_equal(SSL_read(ssl, bytes, sizeof(bytes)), 0);
	assert_int_equal(SSL_get_shutdown(ssl), SSL_RECEIVED_SHUTDOWN);
	SSL_free(ssl);
	close_one(&server);
}

/* What waits to be written when the client ends its side still goes to it. */
static void test_an_end_before_all_has_left(void **state)
{
	enum { SIZE = 300000 };
	struct server server;
	static char bytes[SIZE];
	size_t got = 0;
	SSL *ssl;

	accept_one(&server);
	tls_context_release(server.context);
	ssl = client_of(server.client);
	shake(ssl);
	stream_write(server.stream, bytes, SIZE);
	run(20);
	assert_true(stream_pending(server.stream) > 0); /* the socket holds a part of it */
	shutdown(server.client, SHUT_WR);
	run(20);
	assert_int_equal(server.ended, 0);
	assert_true(stream_pending(server.stream) > 0);
	for (int i = 0; i < 1000 && got < SIZE; i++) {
		int count = SSL_read(ssl, bytes, SIZE);

		if (count > 0)
			got += (size_t)count;
		else
			run(1);
	}
	assert_int_equal(got, SIZE);
	assert_int_equal(stream_pending(server.stream), 0);
	SSL_free(ssl);
	close_one(&server);
}

static void test_closing_at_any_time(void **state)
{
	struct server server;
	SSL *ssl;

	for (int steps = 0; steps < 5; steps++) {
		accept_one(&server);
		tls_context_release(server.context);
		ssl = client_of(server.client);
		for (int i = 0; i < steps; i++) {
			(void)SSL_do_handshake(ssl);
			run(2);
		}
		stream_close(server.stream);
		server.connected = false;
		run(5);
		assert_false(server.connected);
		assert_int_equal(server.ended, -1);
		SSL_free(ssl);
		close(server.client);
	}
}

static void test_nobody_speaks(void **state)
{
	struct server server;

	accept_one(&server);
	tls_context_release(server.context);
	run(20);
	assert_int_equal(server.ended, -1);
	shutdown(server.client, SHUT_WR);
	run(20);
	assert_int_equal(server.ended, ECONNRESET);
	assert_false(stream_has_begun(server.stream));
	close_one(&server);
}

static void test_something_else_than_tls(void **state)
{
	static const struct {
		const char *words;
		bool is_http;
	} cases[] = { { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", true },
		{ "POST /event/a.b HTTP/1.1\r\n", true }, { "SSH-2.0-OpenSSH\r\n", false },
		{ "\x16\x03\x01\x01\x04 and no hello", false } };
	struct server server;
	char byte;

	for (size_t i = 0; i < array_len(cases); i++) {
		accept_one(&server);
		tls_context_release(server.context);
		assert_true(
			write(server.client, cases[i].words, strlen(cases[i].words)) > 0);
		shutdown(server.client, SHUT_WR);
		run(20);
		assert_true(server.ended == EPROTO || server.ended == ECONNRESET);
		assert_true(stream_has_begun(server.stream));
		assert_int_equal(stream_met_http(server.stream), cases[i].is_http);
		stream_say_plainly(server.stream, "!", 1);
		assert_true(read(server.client, &byte, 1) == 1);
		close_one(&server);
	}
}

/* ---- contexts ---- */

static void test_contexts_are_shared(void **state)
{
	struct tls_server_settings settings = files(), newer = files();
	struct tls_context *a = make(&settings), *b = make(&settings), *c, *d;
	struct identity renewed = identity_new("DNS:localhost", DAY, &world.authority);

	newer.only_1_3 = true;
	c = make(&newer);
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	unlink(world.certificate);
	unlink(world.key);
	write_certificate(world.certificate, renewed.certificate);
	write_key(world.key, renewed.key, NULL);
	d = make(&settings);
	assert_ptr_not_equal(a, d);
	tls_context_release(a);
	tls_context_release(b);
	tls_context_release(c);
	tls_context_release(d);
	identity_free(&renewed);
}

static void assert_refused(
	const struct tls_server_settings *settings, enum tls_part part, const char *message)
{
	struct errbuf reason = { "" };
	enum tls_part told = TLS_CA;

	assert_null(tls_server_context(settings, &told, &reason));
	assert_int_equal(told, part);
	if (!strstr(reason.text, message))
		fail_msg("'%s' lacks '%s'", reason.text, message);
}

static void test_bad_files(void **state)
{
	struct tls_server_settings settings = files();

	settings.certificate = "/nowhere/c.pem";
	assert_refused(&settings, TLS_CERTIFICATE, "/nowhere/c.pem: No such file");
	settings = files();
	settings.key = world.certificate;
	assert_refused(&settings, TLS_KEY, "no private key in PEM format");
	settings = files();
	settings.client_ca = "/nowhere/ca.pem";
	assert_refused(&settings, TLS_CA, "/nowhere/ca.pem: No such file");
	settings.client_ca = world.key;
	assert_refused(&settings, TLS_CA, "no certificate in PEM format");
	unlink(world.key);
	write_key(world.key, world.authority.key, NULL);
	settings = files();
	assert_refused(&settings, TLS_KEY, "does not belong to the certificate");
	unlink(world.key);
	write_key(world.key, world.server.key, "passphrase");
	assert_refused(&settings, TLS_KEY, "the key is encrypted");
}

static void test_out_of_date(void **state)
{
	struct tls_server_settings settings = files();
	struct tls_context *context = make(&settings);
	struct identity old = identity_new("DNS:localhost", -60, &world.authority);

	assert_null(tls_server_out_of_date(context));
	tls_context_release(context);
	unlink(world.certificate);
	unlink(world.key);
	write_certificate(world.certificate, old.certificate);
	write_key(world.key, old.key, NULL);
	context = make(&settings);
	assert_string_equal(tls_server_out_of_date(context), "has expired");
	tls_context_release(context);
	identity_free(&old);
}

/* ---- the world ---- */

static int setup(void **state)
{
	strcpy(world.folder, "/tmp/volley-tls-server-XXXXXX");
	if (!mkdtemp(world.folder))
		return -1;
	snprintf(world.certificate, sizeof(world.certificate), "%s/c.pem", world.folder);
	snprintf(world.key, sizeof(world.key), "%s/k.pem", world.folder);
	world.loop = loop_new();
	loop_timer_init(world.loop, &world.stop, stop);
	world.authority = identity_new(NULL, DAY, NULL);
	world.server = identity_new("DNS:localhost", DAY, &world.authority);
	write_certificate(world.certificate, world.server.certificate);
	write_key(world.key, world.server.key, NULL);
	return 0;
}

static int teardown(void **state)
{
	loop_free(world.loop);
	identity_free(&world.server);
	identity_free(&world.authority);
	unlink(world.certificate);
	unlink(world.key);
	return rmdir(world.folder);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_both_ways),
		TEST(test_an_end_before_all_has_left),
		TEST(test_closing_at_any_time),
		TEST(test_nobody_speaks),
		TEST(test_something_else_than_tls),
		TEST(test_contexts_are_shared),
		TEST(test_bad_files),
		TEST(test_out_of_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
