/*
 * test_http_listener.c - listeners that are exchanged while the server runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "certificates.h"
#include "loop/stream.h"
#include "loop/tls_server.h"
#include "net/http_server.h"

#define DAY (24 * 3600L)

static struct {
	struct loop *loop;
	struct loop_timer stop;
	struct http_server *server;
	struct http_limits limits;
	char folder[64];
} world;

/* ---- a server that answers everything with 204 ---- */

static void on_head(void *owner, struct http_request *request)
{
	http_reply(request, &(struct http_reply){ .status = 204 });
}

static void on_request(void *owner, struct http_request *request)
{
}

static void gone(void *owner, struct http_request *request)
{
}

static struct text error_body(void *owner, int status, const char *detail,
	struct arena *arena, const char **content_type)
{
	return (struct text){ NULL, 0 };
}

static const struct http_handler handler = {
	.on_head = on_head,
	.on_request = on_request,
	.gone = gone,
	.error_body = error_body,
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

static int setup(void **state)
{
	strcpy(world.folder, "/tmp/volley-listen-XXXXXX");
	if (!mkdtemp(world.folder))
		return -1;
	log_configure(LOG_ERROR, LOG_LOGFMT);
	world.limits = (struct http_limits){ .connections = 10,
		.body = 1000,
		.head = 1000,
		.headers = 10,
		.pipeline = 10,
		.head_timeout = 60 * NS_PER_SEC,
		.body_timeout = 60 * NS_PER_SEC,
		.reply_timeout = 60 * NS_PER_SEC,
		.idle_timeout = 60 * NS_PER_SEC };
	world.loop = loop_new();
	loop_timer_init(world.loop, &world.stop, stop);
	world.server = http_server_new(world.loop, &world.limits, &handler, NULL);
	return 0;
}

static int teardown(void **state)
{
	http_server_free(world.server);
	loop_free(world.loop);
	return rmdir(world.folder);
}

/* ---- addresses ---- */

/* A port that nobody listens on. */
static unsigned free_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	close(fd);
	return ntohs(in.sin_port);
}

static int connect_to(unsigned port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Whether an address can be connected to; nothing need be accepted for that. */
static bool is_open(unsigned port)
{
	int fd = connect_to(port);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Whether a request on this connection is answered within the time. */
static bool is_served(int fd)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	char reply[100] = "";

	assert_true(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0);
	run(20);
	return recv(fd, reply, sizeof(reply) - 1, MSG_DONTWAIT) > 0 &&
	       strstr(reply, "204") != NULL;
}

static const char *address(char *out, const char *host, unsigned port)
{
	sprintf(out, "%s:%u", host, port);
	return out;
}

static void apply(const struct http_listen *list, size_t count)
{
	struct errbuf reason = { "" };

	if (!http_server_listeners(world.server, list, count, &reason))
		fail_msg("%s", reason.text);
}

/* ---- tests ---- */

static void test_a_list_comes_into_force(void **state)
{
	unsigned first = free_port(), second = free_port();
	char a[32], b[32];
	struct http_listen list[] = { { .address = address(a, "127.0.0.1", first) },
		{ .address = address(b, "127.0.0.1", second) } };
	int waiting;

	apply(list, 1);
	assert_true(is_open(first));
	assert_false(is_open(second));
	waiting = connect_to(first); /* not accepted yet */
	apply(list, 2);
	assert_true(is_open(first) && is_open(second));
	assert_true(is_served(waiting)); /* what stays is not opened anew */
	apply(list + 1, 1);
	assert_false(is_open(first));
	assert_true(is_open(second));
	assert_true(is_served(waiting)); /* connections stay */
	apply(list, 0);
	assert_false(is_open(second));
	close(waiting);
}

static void test_what_cannot_be_opened_changes_nothing(void **state)
{
	unsigned first = free_port(), second = free_port(), taken = free_port();
	char a[32], b[32], c[32];
	struct http_listen list[] = { { .address = address(a, "127.0.0.1", first) },
		{ .address = address(b, "127.0.0.1", second) },
		{ .address = address(c, "127.0.0.1", taken) },
		{ .address = "unix:/nowhere/at/all" }, { .address = "127.0.0.1" },
		{ .address = "unix:" } };
	struct errbuf reason = { "" };
	struct http_server *other = http_server_new(
		world.loop, &world.limits, &handler, NULL);

	assert_true(http_server_listeners(other, list + 2, 1, &reason));
	apply(list, 1);
	for (size_t count = 3; count <= 6; count++) {
		assert_false(
			http_server_listeners(world.server, list + 1, count - 1, &reason));
		assert_non_null(strstr(reason.text, c));
		assert_true(is_open(first));
		assert_false(is_open(second));
	}
	for (size_t i = 3; i < array_len(list); i++) {
		assert_false(http_server_listeners(world.server, list + i, 1, &reason));
		assert_non_null(strstr(reason.text, list[i].address));
	}
	assert_true(is_open(first));
	http_server_free(other);
	apply(list, 3);
	assert_true(is_open(taken));
}

static void test_an_address_that_overlaps(void **state)
{
	unsigned port = free_port();
	char a[32], b[32];
	struct http_listen one = { .address = address(a, "127.0.0.1", port) },
			   all = { .address = address(b, "0.0.0.0", port) };
	struct errbuf reason = { "" };
	struct http_server *other = http_server_new(
		world.loop, &world.limits, &handler, NULL);
	int fd;

	apply(&one, 1);
	apply(&all, 1);
	assert_true(is_open(port));
	apply(&one, 1);
	fd = connect_to(port);
	assert_true(is_served(fd));
	close(fd);
	/* That the port was shared for a moment is over: nobody else gets it. */
	assert_false(http_server_listeners(other, &all, 1, &reason));
	assert_false(http_server_listeners(other, &one, 1, &reason));
	http_server_free(other);
}

static void test_unix_sockets(void **state)
{
	char a[96], b[96];
	struct http_listen list[] = { { .address = a, .mode = 0600 }, { .address = b } };
	struct stat st;

	snprintf(a, sizeof(a), "unix:%s/admin.sock", world.folder);
	snprintf(b, sizeof(b), "unix:%s/run", world.folder);
	umask(022);
	apply(list, 2);
	assert_int_equal(stat(a + 5, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(b + 5, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	apply(list + 1, 1);
	assert_int_equal(stat(a + 5, &st), -1);
	assert_int_equal(stat(b + 5, &st), 0);
	apply(list, 0);
	assert_int_equal(stat(b + 5, &st), -1);
}

static void test_new_limits(void **state)
{
	unsigned port = free_port();
	char a[32];
	struct http_listen list = { .address = address(a, "127.0.0.1", port) };
	struct http_limits limits = world.limits;
	int fds[3];

	limits.connections = 2;
	http_server_limits(world.server, &limits);
	apply(&list, 1);
	for (int i = 0; i < 3; i++) {
		fds[i] = connect_to(port);
		run(150); /* one that has just come is not closed to make room */
	}
	assert_int_equal(http_server_connections(world.server), 2);
	assert_false(is_served(fds[0]));
	assert_true(is_served(fds[1]) && is_served(fds[2]));
	limits.connections = 10;
	limits.idle_timeout = 20 * NS_PER_MS; /* of those that are open, too */
	http_server_limits(world.server, &limits);
	run(100);
	assert_int_equal(http_server_connections(world.server), 0);
	limits.idle_timeout = 60 * NS_PER_SEC;
	http_server_limits(world.server, &limits);
	for (int i = 0; i < 3; i++) {
		close(fds[i]);
		fds[i] = connect_to(port);
	}
	run(50);
	assert_int_equal(http_server_connections(world.server), 3);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

/* ---- TLS ---- */

struct client {
	struct stream *stream;
	bool connected;
	int ended;
};

static void client_connected(void *owner)
{
	((struct client *)owner)->connected = true;
	loop_stop(world.loop);
}

static void client_readable(void *owner)
{
}

static void client_ended(void *owner, int error)
{
	((struct client *)owner)->ended = error;
	loop_stop(world.loop);
}

static const struct stream_events client_events = {
	.connected = client_connected,
	.readable = client_readable,
	.ended = client_ended,
};

/* Whether a client that trusts this CA gets through the handshake. */
static bool is_trusted(unsigned port, const char *ca)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct tls_settings settings = { .ca = ca, .verify = true };
	struct client client = { 0 };
	struct errbuf reason;
	enum tls_part part;
	struct tls_context *context = tls_client_context(&settings, &part, &reason);
	struct tls_peer *peer = tls_peer_new(context, "127.0.0.1");

	client.stream = stream_connect(world.loop, (struct sockaddr *)&in, sizeof(in), peer,
		&client_events, &client);
	run(2000);
	stream_close(client.stream);
	run(5);
	tls_peer_free(peer);
	tls_context_release(context);
	return client.connected;
}

static struct tls_context *issue(const char *ca, const char *certificate, const char *key)
{
	struct identity authority = identity_new(NULL, DAY, NULL);
	struct identity server = identity_new("IP:127.0.0.1", DAY, &authority);
	struct tls_server_settings settings = { .certificate = certificate, .key = key };
	struct errbuf reason = { "" };
	struct tls_context *made;
	enum tls_part part;

	unlink(certificate);
	unlink(key);
	write_certificate(ca, authority.certificate);
	write_certificate(certificate, server.certificate);
	write_key(key, server.key, NULL);
	made = tls_server_context(&settings, &part, &reason);
	if (!made)
		fail_msg("%s", reason.text);
	identity_free(&server);
	identity_free(&authority);
	return made;
}

static void test_contexts_are_exchanged(void **state)
{
	unsigned port = free_port();
	char a[32], old_ca[96], new_ca[96], certificate[96], key[96];
	struct http_listen list = { .address = address(a, "127.0.0.1", port) };
	int plain;

	snprintf(old_ca, sizeof(old_ca), "%s/old.pem", world.folder);
	snprintf(new_ca, sizeof(new_ca), "%s/new.pem", world.folder);
	snprintf(certificate, sizeof(certificate), "%s/c.pem", world.folder);
	snprintf(key, sizeof(key), "%s/k.pem", world.folder);
	list.tls = issue(old_ca, certificate, key);
	apply(&list, 1);
	tls_context_release(list.tls);
	assert_true(is_trusted(port, old_ca));
	list.tls = issue(new_ca, certificate, key);
	apply(&list, 1);
	tls_context_release(list.tls);
	assert_false(is_trusted(port, old_ca));
	assert_int_equal(http_server_figures(world.server)->handshakes_failed, 1);
	assert_true(is_trusted(port, new_ca));
	list.tls = NULL;
	apply(&list, 1);
	plain = connect_to(port);
	assert_true(is_served(plain));
	close(plain);
	unlink(old_ca);
	unlink(new_ca);
	unlink(certificate);
	unlink(key);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_list_comes_into_force),
		TEST(test_what_cannot_be_opened_changes_nothing),
		TEST(test_an_address_that_overlaps),
		TEST(test_unix_sockets),
		TEST(test_new_limits),
		TEST(test_contexts_are_exchanged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
