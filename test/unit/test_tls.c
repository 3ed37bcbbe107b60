/*
 * test_tls.c - contexts from files, and streams with TLS against servers of all manners.
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
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "certificates.h"
#include "loop/stream.h"
#include "loop/tls.h"
#include "loop/tls_store.h"

#define DAY (24 * 3600L)

/* How the server meets a client. */
enum manner {
	ECHO,       /* TLS; sends back what it gets */
	GREET,      /* TLS; says something and ends properly at once */
	GREET_CUT,  /* the same without the goodbye */
	DEMAND,     /* ECHO, and wants a certificate of our CA */
	SILENT,     /* accepts and says nothing */
	HANG_UP,    /* closes at the first byte */
	OTHER_WORDS /* is no TLS */
};

static struct {
	struct loop *loop;
	char folder[64];
	struct identity ca, server, other_ca;
	char ca_file[96], other_ca_file[96], certificate_file[96], key_file[96];
	enum manner manner;
	struct identity *shown; /* the server's */
	SSL_CTX *ssl;
	struct evconnlistener *listener;
	struct sockaddr_in address;
	struct bufferevent *served;
	unsigned accepted, reused;
	char server_name[64]; /* that the client asked for; "": none */
	struct loop_timer stop;
} world;

/* ---- the server ---- */

static void drop_served(void)
{
	if (world.served)
		bufferevent_free(world.served);
	world.served = NULL;
}

static void served_read(struct bufferevent *bev, void *arg)
{
	if (world.manner == HANG_UP)
		drop_served();
	else if (world.manner == OTHER_WORDS)
		bufferevent_write(bev, "-ERR what?\r\n", 12);
	else if (world.manner != SILENT)
		bufferevent_write_buffer(bev, bufferevent_get_input(bev));
}

static void served_written(struct bufferevent *bev, void *arg)
{
	if (world.manner != GREET && world.manner != GREET_CUT)
		return;
	if (world.manner == GREET)
		SSL_shutdown(bufferevent_openssl_get_ssl(bev));
	drop_served();
}

static void served_event(struct bufferevent *bev, short what, void *arg)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	const char *name;

	if (!(what & BEV_EVENT_CONNECTED)) {
		drop_served();
		return;
	}
	name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	snprintf(world.server_name, sizeof world.server_name, "%s", name ? name : "");
	world.reused += SSL_session_reused(ssl);
	if (world.manner == GREET || world.manner == GREET_CUT)
		bufferevent_write(bev, "hello", 5);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
	struct sockaddr *address, int len, void *arg)
{
	struct event_base *base = loop_base(world.loop);
	SSL *ssl;

	world.accepted++;
	drop_served();
	if (world.manner >= SILENT) {
		world.served = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
		bufferevent_setcb(world.served, served_read, NULL, NULL, NULL);
	} else {
		ssl = SSL_new(world.ssl);
		SSL_use_certificate(ssl, world.shown->certificate);
		SSL_use_PrivateKey(ssl, world.shown->key);
		if (world.manner == DEMAND)
			SSL_set_verify(ssl,
				SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		world.served = bufferevent_openssl_socket_new(base, fd, ssl,
			BUFFEREVENT_SSL_ACCEPTING,
			BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
		bufferevent_setcb(
			world.served, served_read, served_written, served_event, NULL);
	}
	bufferevent_enable(world.served, EV_READ | EV_WRITE);
}

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

static void path_in(char *out, size_t size, const char *name)
{
	snprintf(out, size, "%s/%s", world.folder, name);
}

static int setup(void **state)
{
	socklen_t len = sizeof world.address;

	memset(&world, 0, sizeof world);
	snprintf(world.folder, sizeof world.folder, "/tmp/volley-test-XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	path_in(world.ca_file, sizeof world.ca_file, "ca.pem");
	path_in(world.other_ca_file, sizeof world.other_ca_file, "other.pem");
	path_in(world.certificate_file, sizeof world.certificate_file, "cert.pem");
	path_in(world.key_file, sizeof world.key_file, "key.pem");
	world.ca = identity_new(NULL, DAY, NULL);
	world.other_ca = identity_new(NULL, DAY, NULL);
	world.server = identity_new("DNS:server.test,IP:127.0.0.1", DAY, &world.ca);
	world.shown = &world.server;
	write_certificate(world.ca_file, world.ca.certificate);
	write_certificate(world.other_ca_file, world.other_ca.certificate);
	world.loop = loop_new();
	loop_timer_init(world.loop, &world.stop, stop_fires);
	world.ssl = SSL_CTX_new(TLS_server_method());
	X509_STORE_add_cert(SSL_CTX_get_cert_store(world.ssl), world.ca.certificate);
	SSL_CTX_set_session_id_context(world.ssl, (const unsigned char *)"test", 4);
	world.address = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	world.listener = evconnlistener_new_bind(loop_base(world.loop), on_accept, NULL,
		LEV_OPT_CLOSE_ON_FREE, 16, (struct sockaddr *)&world.address,
		sizeof world.address);
	assert_non_null(world.listener);
	getsockname(evconnlistener_get_fd(world.listener),
		(struct sockaddr *)&world.address, &len);
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = { "ca.pem", "other.pem", "cert.pem", "key.pem" };
	char path[128];

	drop_served();
	evconnlistener_free(world.listener);
	loop_timer_stop(&world.stop);
	loop_free(world.loop);
	SSL_CTX_free(world.ssl);
	identity_free(&world.ca);
	identity_free(&world.other_ca);
	identity_free(&world.server);
	for (size_t i = 0; i < array_len(files); i++) {
		path_in(path, sizeof path, files[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(world.folder), 0);
	tls_drop_cache();
	return 0;
}

/* ---- the client ---- */

struct client {
	struct tls_context *context;
	struct tls_peer *peer;
	struct stream *stream;
	bool connected, keep; /* keep: what is read stays in the input */
	unsigned reads, drained, told_after_end;
	size_t got, stop_at;
	int ended; /* -1: not yet */
};

static void client_connected(void *owner)
{
	struct client *client = owner;

	assert_false(client->connected);
	client->connected = true;
	if (client->stop_at == 0)
		loop_stop(world.loop);
}

static void client_readable(void *owner)
{
	struct client *client = owner;
	struct evbuffer *input = stream_input(client->stream);

	client->told_after_end += client->ended >= 0;
	client->reads++;
	if (client->keep)
		return;
	client->got += evbuffer_get_length(input);
	evbuffer_drain(input, evbuffer_get_length(input));
	if (client->stop_at && client->got >= client->stop_at)
		loop_stop(world.loop);
}

static void client_drained(void *owner)
{
	((struct client *)owner)->drained++;
}

static void client_ended(void *owner, int error)
{
	((struct client *)owner)->ended = error;
	loop_stop(world.loop);
}

static const struct stream_events client_events = {
	.connected = client_connected,
	.readable = client_readable,
	.drained = client_drained,
	.ended = client_ended,
};

static void connect_again(struct client *client)
{
	client->connected = false;
	client->ended = -1;
	client->stream = stream_connect(world.loop, (struct sockaddr *)&world.address,
		sizeof world.address, client->peer, &client_events, client);
	assert_non_null(client->stream);
}

static void connect_with(
	struct client *client, const struct tls_settings *settings, const char *host)
{
	struct errbuf reason = { "" };
	enum tls_part part;

	client->context = tls_client_context(settings, &part, &reason);
	if (!client->context)
		fail_msg("%s", reason.text);
	client->peer = tls_peer_new(client->context, host);
	connect_again(client);
}

static void connect_to(struct client *client, const char *host)
{
	struct tls_settings settings = { .ca = world.ca_file, .verify = true };

	*client = (struct client){ .ended = -1 };
	connect_with(client, &settings, host);
}

static void disconnect(struct client *client)
{
	stream_close(client->stream);
	tls_peer_free(client->peer);
	tls_context_release(client->context);
}

static void assert_fails(struct client *client, const char *reason)
{
	run(2000);
	assert_int_equal(client->ended, EPROTO);
	if (!strstr(stream_reason(client->stream), reason))
		fail_msg("'%s' lacks '%s'", stream_reason(client->stream), reason);
	disconnect(client);
}

/* ---- what works ---- */

static void test_both_ways(void **state)
{
	enum { SIZE = 3 << 20 };
	struct client client;
	char *bytes = mem_zalloc(1, SIZE);

	connect_to(&client, "server.test");
	stream_write(client.stream, "early ", 6); /* before TCP stands */
	client.stop_at = 6;
	run(2000);
	assert_true(client.connected);
	assert_string_equal(world.server_name, "server.test");
	assert_int_equal(client.got, 6);
	assert_int_equal(client.drained, 1);
	stream_write(client.stream, bytes, SIZE);
	assert_int_equal(stream_pending(client.stream), SIZE);
	client.stop_at += SIZE;
	run(5000);
	assert_int_equal(client.got, 6 + SIZE);
	assert_int_equal(stream_pending(client.stream), 0);
	assert_int_equal(client.drained, 2);
	assert_int_equal(client.ended, -1);
	disconnect(&client);
	free(bytes);
}

static void test_an_address_is_verified_and_not_sent(void **state)
{
	struct client client;

	connect_to(&client, "127.0.0.1");
	run(2000);
	assert_true(client.connected);
	run(50);
	assert_string_equal(world.server_name, "");
	disconnect(&client);
}

static void test_a_dot_at_the_end_of_a_name(void **state)
{
	struct client client;

	connect_to(&client, "server.test.");
	run(2000);
	assert_true(client.connected);
	disconnect(&client);
}

static void test_the_end_comes_after_the_words(void **state)
{
	struct client client;

	world.manner = GREET;
	connect_to(&client, "server.test");
	client.stop_at = 100;
	run(2000);
	assert_int_equal(client.got, 5);
	assert_int_equal(client.ended, 0);
	assert_int_equal(client.told_after_end, 0);
	disconnect(&client);
}

static void test_a_cut_is_no_end(void **state)
{
	struct client client;

	world.manner = GREET_CUT;
	connect_to(&client, "server.test");
	client.stop_at = 100;
	run(2000);
	assert_int_equal(client.got, 5);
	assert_int_equal(client.ended, EPROTO);
	assert_non_null(strstr(stream_reason(client.stream), "without saying goodbye"));
	disconnect(&client);
}

static void test_reading_switched_off(void **state)
{
	struct client client;

	world.manner = GREET;
	connect_to(&client, "server.test");
	stream_read_enable(client.stream, false);
	client.stop_at = 5;
	run(100);
	assert_true(client.connected);
	assert_int_equal(client.reads, 0);
	assert_int_equal(client.ended, -1);
	stream_read_enable(client.stream, true);
	assert_int_equal(client.reads, 0);
	run(2000);
	assert_int_equal(client.got, 5);
	disconnect(&client);
}

static void test_shutdown_is_a_goodbye(void **state)
{
	struct client client;

	connect_to(&client, "server.test");
	stream_write(client.stream, "last", 4);
	stream_shutdown_write(client.stream);
	client.stop_at = 100;
	run(200);
	/* The server read "last" and the end, and hung up itself. */
	assert_null(world.served);
	assert_true(client.ended >= 0);
	disconnect(&client);
}

static void test_sessions_are_used_again(void **state)
{
	struct client client;

	connect_to(&client, "server.test");
	for (int i = 0; i < 3; i++) {
		stream_write(client.stream, "x", 1);
		client.stop_at = ++client.got;
		client.got--;
		run(2000);
		stream_close(client.stream);
		run(20);
		assert_int_equal(world.reused, i);
		connect_again(&client);
	}
	disconnect(&client);
}

/* ---- what does not ---- */

static void test_names(void **state)
{
	struct client client;

	connect_to(&client, "other.test");
	assert_fails(&client, "hostname mismatch");
	connect_to(&client, "other.test");
	assert_fails(&client, "the server's certificate is not for other.test");
	connect_to(&client, "127.0.0.2");
	assert_fails(&client, "IP address mismatch");
}

static void test_certificates(void **state)
{
	struct identity expired = identity_new("DNS:server.test", -60, &world.ca);
	struct identity alone = identity_new("DNS:server.test", DAY, NULL);
	struct identity foreign = identity_new("DNS:server.test", DAY, &world.other_ca);
	struct identity between = identity_new(NULL, DAY, &world.ca);
	struct identity unknown = identity_new("DNS:server.test", DAY, &between);
	struct tls_settings unverified = { .verify = false };
	struct client client;

	world.shown = &expired;
	connect_to(&client, "server.test");
	assert_fails(&client, "TLS: certificate has expired");
	world.shown = &alone;
	connect_to(&client, "server.test");
	assert_fails(&client, "self-signed certificate");
	world.shown = &foreign;
	connect_to(&client, "server.test");
	assert_fails(&client, "certificate signature failure"); /* a CA of the same name */
	world.shown = &unknown;
	connect_to(&client, "server.test");
	assert_fails(&client, "unable to get local issuer certificate");
	client = (struct client){ .ended = -1 };
	connect_with(&client, &unverified, "who.ever");
	run(2000);
	assert_true(client.connected);
	disconnect(&client);
	identity_free(&expired);
	identity_free(&alone);
	identity_free(&foreign);
	identity_free(&between);
	identity_free(&unknown);
}

static void test_a_named_certificate_is_trusted(void **state)
{
	struct identity between = identity_new(NULL, DAY, &world.other_ca);
	struct identity server = identity_new("DNS:server.test", DAY, &between);
	struct tls_settings settings = { .ca = world.certificate_file, .verify = true };
	struct client client = { .ended = -1 };

	write_certificate(world.certificate_file, between.certificate);
	world.shown = &server;
	connect_with(&client, &settings, "server.test");
	run(2000);
	assert_true(client.connected);
	disconnect(&client);
	identity_free(&between);
	identity_free(&server);
}

static void test_who_we_are(void **state)
{
	struct identity us = identity_new("DNS:us", DAY, &world.ca);
	struct tls_settings settings = { .ca = world.ca_file,
		.certificate = world.certificate_file,
		.key = world.key_file,
		.verify = true };
	struct client client;

	world.manner = DEMAND;
	connect_to(&client, "server.test");
	client.stop_at = 1;
	assert_fails(&client, "certificate required");
	write_certificate(world.certificate_file, us.certificate);
	write_key(world.key_file, us.key, NULL);
	client = (struct client){ .ended = -1, .stop_at = 1 };
	connect_with(&client, &settings, "server.test");
	stream_write(client.stream, "x", 1);
	run(2000);
	assert_int_equal(client.got, 1);
	disconnect(&client);
	identity_free(&us);
}

static void test_servers_that_are_none(void **state)
{
	struct client client;

	world.manner = OTHER_WORDS;
	connect_to(&client, "server.test");
	assert_fails(&client, "the answer is no TLS");
	world.manner = HANG_UP;
	connect_to(&client, "server.test");
	run(2000);
	assert_true(client.ended > 0);
	assert_true(strstr(stream_reason(client.stream), "hung up") ||
		    client.ended == ECONNRESET);
	disconnect(&client);
	evconnlistener_disable(world.listener);
	close(evconnlistener_get_fd(world.listener));
	connect_to(&client, "server.test");
	run(2000);
	assert_int_equal(client.ended, ECONNREFUSED);
	assert_string_equal(stream_reason(client.stream), strerror(ECONNREFUSED));
	disconnect(&client);
}

/* Closed after each number of milliseconds, or in the same pass as anything that happened. */
static void test_closing_at_any_time(void **state)
{
	static const enum manner manners[] = { ECHO, GREET, GREET_CUT, SILENT, HANG_UP,
		OTHER_WORDS };
	struct client client;

	for (size_t i = 0; i < array_len(manners); i++) {
		world.manner = manners[i];
		for (unsigned ms = 0; ms < 6; ms++) {
			struct client seen;

			connect_to(&client, "server.test");
			client.stop_at = 1000;
			stream_write(client.stream, "abc", 3);
			if (ms > 0)
				run(ms);
			disconnect(&client);
			seen = client;
			run(5);
			assert_memory_equal(&seen, &client, sizeof client);
		}
	}
}

static void test_the_handshake_is_a_stage(void **state)
{
	struct client client;

	world.manner = SILENT;
	connect_to(&client, "server.test");
	assert_false(stream_is_in_handshake(client.stream));
	run(50);
	assert_true(stream_is_in_handshake(client.stream));
	assert_int_equal(client.ended, -1);
	disconnect(&client);
}

/* ---- contexts ---- */

static void test_contexts_are_shared(void **state)
{
	struct tls_settings settings = { .ca = world.ca_file, .verify = true };
	struct tls_settings other = { .ca = world.other_ca_file, .verify = true };
	struct errbuf reason = { "" };
	enum tls_part part;
	struct tls_context *a = tls_client_context(&settings, &part, &reason);
	struct tls_context *b = tls_client_context(&settings, &part, &reason);
	struct tls_context *c = tls_client_context(&other, &part, &reason);
	uint64_t stamp = tls_context_stamp(a);

	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_int_not_equal(stamp, tls_context_stamp(c));
	tls_context_release(b);
	tls_context_release(c);
	write_certificate(world.ca_file, world.other_ca.certificate);
	b = tls_client_context(&settings, &part, &reason);
	assert_ptr_not_equal(a, b);
	assert_int_not_equal(stamp, tls_context_stamp(b));
	tls_context_release(a);
	tls_context_release(b);
}

static void assert_refused(
	const struct tls_settings *settings, enum tls_part part, const char *message)
{
	struct errbuf reason = { "" };
	enum tls_part told = TLS_CA;

	assert_null(tls_client_context(settings, &told, &reason));
	assert_int_equal(told, part);
	if (!strstr(reason.text, message))
		fail_msg("'%s' lacks '%s'", reason.text, message);
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_bad_files(void **state)
{
	struct tls_settings settings = { .ca = "/nowhere/ca.pem", .verify = true };

	assert_refused(&settings, TLS_CA, "/nowhere/ca.pem: No such file");
	settings.ca = world.folder;
	assert_refused(&settings, TLS_CA, "not a regular file");
	settings.ca = world.key_file;
	write_key(world.key_file, world.server.key, NULL);
	assert_refused(&settings, TLS_CA, "no certificate in PEM format");
	write_text(world.key_file, "-----BEGIN CERTIFICATE-----\nAAAA\n"
				   "-----END CERTIFICATE-----\n");
	assert_refused(&settings, TLS_CA, "certificate 1 is broken");
	settings = (struct tls_settings){ .ca = world.ca_file,
		.certificate = world.certificate_file,
		.key = world.key_file,
		.verify = true };
	assert_refused(&settings, TLS_CERTIFICATE, "cert.pem: No such file");
	write_certificate(world.certificate_file, world.server.certificate);
	write_certificate(world.certificate_file, world.ca.certificate);
	assert_refused(&settings, TLS_KEY, "no private key in PEM format");
	write_key(world.key_file, world.ca.key, NULL);
	assert_refused(&settings, TLS_KEY, "does not belong to the certificate");
	write_key(world.key_file, world.server.key, "passphrase");
	assert_refused(&settings, TLS_KEY, "the key is encrypted");
}

static void fill_system_store(void)
{
	struct errbuf reason;

	while (tls_store_fill(1, &reason))
		;
	assert_string_equal(reason.text, "");
}

static void test_the_systems_certificates(void **state)
{
	struct tls_settings settings = { .verify = true };
	struct client client = { .ended = -1 };

	setenv(X509_get_default_cert_file_env(), world.ca_file, 1);
	connect_with(&client, &settings, "server.test");
	unsetenv(X509_get_default_cert_file_env());
	fill_system_store();
	run(2000);
	assert_true(client.connected);
	disconnect(&client);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_both_ways),
		TEST(test_an_address_is_verified_and_not_sent),
		TEST(test_a_dot_at_the_end_of_a_name),
		TEST(test_the_end_comes_after_the_words),
		TEST(test_a_cut_is_no_end),
		TEST(test_reading_switched_off),
		TEST(test_shutdown_is_a_goodbye),
		TEST(test_sessions_are_used_again),
		TEST(test_names),
		TEST(test_certificates),
		TEST(test_a_named_certificate_is_trusted),
		TEST(test_who_we_are),
		TEST(test_servers_that_are_none),
		TEST(test_closing_at_any_time),
		TEST(test_the_handshake_is_a_stage),
		TEST(test_contexts_are_shared),
		TEST(test_bad_files),
		TEST(test_the_systems_certificates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
