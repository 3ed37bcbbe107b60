/*
 * test_redis_client.c - the client against a server that answers as the test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <event2/listener.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/stream.h"
#include "net/redis_client.h"
#include "net/redis_reply.h"

enum { REPLIES = 16 };

/* What the server does on a command in place of answering; behind CLOSE stands what it sends
 * before it hangs up. */
#define HANG  "hang"
#define CLOSE "close:"

struct world {
	struct loop *loop;
	struct arena *arena;
	char folder[64], path[96];
	struct evconnlistener *listener;
	const char *replies[REPLIES]; /* to the commands, in order; then always +OK */
	size_t commands;              /* that the server has read */
	size_t accepted;
	struct text last_argument; /* of the last command read */
	bool deaf;                 /* the server does not read */
	struct list peers;
	struct pool_settings settings;
	struct redis_endpoint endpoint;
	struct redis_client *client;
	struct loop_timer stop;
	struct probe *awaited;
};

struct peer {
	struct link link;
	struct world *world;
	struct stream *stream;
	struct redis_reader *reader;
};

struct probe {
	struct attempt attempt;
	struct world *world;
	struct redis_command command;
	const char *arguments[3];
	size_t lengths[3];
	bool done;
};

/* ---- the server ---- */

static void drop_peer(struct peer *peer)
{
	list_remove(&peer->world->peers, &peer->link);
	stream_close(peer->stream);
	redis_reader_free(peer->reader);
	free(peer);
}

/* Returns false when it has hung up. */
static bool serve(struct peer *peer, const struct value *command)
{
	struct world *world = peer->world;
	size_t index = world->commands++;
	const char *reply = index < REPLIES ? world->replies[index] : NULL;

	world->last_argument = value_at(command, command->array.count - 1)->text;
	if (!reply)
		reply = "+OK\r\n";
	if (strcmp(reply, HANG) == 0)
		return true;
	if (strncmp(reply, CLOSE, strlen(CLOSE)) != 0) {
		stream_write(peer->stream, reply, strlen(reply));
		return true;
	}
	reply += strlen(CLOSE);
	stream_write(peer->stream, reply, strlen(reply));
	stream_shutdown_write(peer->stream);
	return false;
}

static void peer_readable(void *owner)
{
	struct peer *peer = owner;
	struct redis_reply command;

	while (redis_reader_next(peer->reader, stream_input(peer->stream),
		       peer->world->arena, &command) == REDIS_GOT_REPLY)
		if (!serve(peer, command.value))
			return;
}

static void peer_ended(void *owner, int error)
{
	drop_peer(owner);
}

static const struct stream_events peer_events = { .readable = peer_readable,
	.ended = peer_ended };

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
	struct sockaddr *address, int len, void *arg)
{
	struct world *world = arg;
	struct peer *peer = mem_zalloc(1, sizeof *peer);

	world->accepted++;
	peer->world = world;
	peer->reader = redis_reader_new(1 << 24);
	peer->stream = stream_accept(world->loop, fd, NULL, &peer_events, peer);
	if (world->deaf)
		stream_read_enable(peer->stream, false);
	list_append(&world->peers, &peer->link);
}

static void listen_now(struct world *world)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, world->path);
	world->listener = evconnlistener_new_bind(loop_base(world->loop), on_accept, world,
		LEV_OPT_CLOSE_ON_FREE, 16, (struct sockaddr *)&address, sizeof address);
	assert_non_null(world->listener);
}

/* Sends to the one client without being asked; NULL hangs up. */
static void send_unasked(struct world *world, const char *bytes)
{
	struct peer *peer = container_of(list_first(&world->peers), struct peer, link);

	if (bytes)
		stream_write(peer->stream, bytes, strlen(bytes));
	else
		drop_peer(peer);
}

/* ---- the test's side ---- */

static void stop_fires(struct loop_timer *timer)
{
	loop_stop(container_of(timer, struct world, stop)->loop);
}

static void run(struct world *world, unsigned ms)
{
	loop_timer_start(&world->stop, ms * NS_PER_MS);
	loop_run(world->loop);
}

static void open_client(struct world *world)
{
	world->client = redis_client_new(
		world->loop, &world->endpoint, &world->settings, "acc", "test");
}

static int setup(void **state)
{
	struct world *world = mem_zalloc(1, sizeof *world);
	char url[128];
	struct errbuf errbuf;

	world->loop = loop_new();
	world->arena = arena_new();
	list_init(&world->peers);
	snprintf(world->folder, sizeof world->folder, "/tmp/volley-test-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	snprintf(world->path, sizeof world->path, "%s/redis.sock", world->folder);
	snprintf(url, sizeof url, "unix:%s", world->path);
	assert_true(redis_url_parse(
		text_of(url), "/", world->arena, &world->endpoint, &errbuf));
	world->endpoint.name = "here";
	world->settings = (struct pool_settings){
		.connections = 1,
		.queue = 10000,
		.queue_bytes = 64 << 20,
		.connect_timeout = 60 * NS_PER_MS,
		.timeout = 300 * NS_PER_MS,
		.idle_timeout = NS_PER_SEC,
		.response_limit = 1000,
	};
	open_client(world);
	loop_timer_init(world->loop, &world->stop, stop_fires);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	redis_client_free(world->client);
	if (world->listener)
		evconnlistener_free(world->listener);
	while (!list_empty(&world->peers))
		send_unasked(world, NULL);
	loop_timer_stop(&world->stop);
	loop_free(world->loop);
	arena_free(world->arena);
	arena_drop_cache();
	unlink(world->path);
	rmdir(world->folder);
	free(world);
	return 0;
}

static int code(const struct value *reply)
{
	return 201;
}

static void on_done(struct attempt *attempt)
{
	struct probe *probe = container_of(attempt, struct probe, attempt);

	assert_false(probe->done);
	probe->done = true;
	if (probe->world->awaited == probe)
		loop_stop(probe->world->loop);
}

/* Runs until the attempt is done. */
static void await(struct world *world, struct probe *probe)
{
	world->awaited = probe;
	if (!probe->done)
		run(world, 5000);
	world->awaited = NULL;
	loop_timer_stop(&world->stop);
	assert_true(probe->done);
}

static struct probe *send_value(struct world *world, const char *value, size_t len)
{
	struct probe *probe = arena_zalloc(world->arena, 1, sizeof *probe);

	probe->world = world;
	probe->arguments[0] = "SET";
	probe->lengths[0] = 3;
	probe->arguments[1] = "k";
	probe->lengths[1] = 1;
	probe->arguments[2] = value;
	probe->lengths[2] = len;
	probe->command = (struct redis_command){ probe->arguments, probe->lengths, 3, len,
		code };
	probe->attempt.loop = world->loop;
	probe->attempt.arena = world->arena;
	probe->attempt.done = on_done;
	redis_client_send(world->client, &probe->attempt, &probe->command);
	assert_false(probe->done);
	return probe;
}

static struct probe *send_one(struct world *world)
{
	return send_value(world, "v", 1);
}

static void assert_ok(const struct probe *probe)
{
	assert_true(probe->done);
	if (probe->attempt.outcome.err)
		fail_msg("%s", probe->attempt.outcome.message.at);
	assert_int_equal(probe->attempt.outcome.code, 201);
}

static void assert_failed(const struct probe *probe, enum err err, const char *message)
{
	assert_true(probe->done);
	if (probe->attempt.outcome.err != err)
		fail_msg("%d: %s", probe->attempt.outcome.err,
			probe->attempt.outcome.message.at);
	if (!strstr(probe->attempt.outcome.message.at, message))
		fail_msg("'%s' lacks '%s'", probe->attempt.outcome.message.at, message);
}

static struct account_figures figures(struct world *world)
{
	struct account_figures f;

	redis_client_figures(world->client, &f);
	return f;
}

/* ---- tests ---- */

static void test_set(void **state)
{
	struct world *world = *state;
	struct probe *probe;

	listen_now(world);
	probe = send_value(world, "a\0b\r\n", 5);
	await(world, probe);
	assert_ok(probe);
	assert_true(text_is(probe->attempt.outcome.payload->text, "OK"));
	assert_int_equal(world->last_argument.len, 5);
	assert_memory_equal(world->last_argument.at, "a\0b\r\n", 5);
	assert_int_equal(figures(world).idle, 1);
}

static void test_many_in_one_pass(void **state)
{
	struct world *world = *state;
	struct probe *probes[500];

	listen_now(world);
	world->replies[0] = ":0\r\n";
	world->replies[1] = ":1\r\n";
	world->replies[2] = ":2\r\n";
	for (int i = 0; i < 500; i++)
		probes[i] = send_one(world);
	await(world, probes[499]);
	for (int i = 0; i < 500; i++)
		assert_ok(probes[i]);
	assert_true(text_is(probes[1]->attempt.outcome.payload->text, "1"));
	assert_true(text_is(probes[2]->attempt.outcome.payload->text, "2"));
	assert_int_equal(world->accepted, 1);
}

static void test_refused(void **state)
{
	struct world *world = *state;
	struct probe *probe = send_one(world);

	await(world, probe);
	assert_failed(probe, ERR_CONNECT,
		"acc (test): could not connect to here: No such file or directory");
	/* It comes back by itself once somebody asked meanwhile. */
	listen_now(world);
	probe = send_one(world);
	await(world, probe);
	assert_failed(probe, ERR_CONNECT, "the next try is in");
	run(world, 60);
	assert_int_equal(world->accepted, 1);
	probe = send_one(world);
	await(world, probe);
	assert_ok(probe);
}

static void test_login(void **state)
{
	struct world *world = *state;
	struct probe *probe;

	world->endpoint.username = TEXT("me");
	world->endpoint.password = TEXT("se cret");
	world->endpoint.database = 7;
	listen_now(world);
	redis_client_warm(world->client);
	run(world, 10);
	assert_int_equal(world->commands, 2);
	assert_true(text_is(world->last_argument, "7"));
	assert_int_equal(figures(world).idle, 1);
	probe = send_one(world);
	await(world, probe);
	assert_ok(probe);
}

static void test_login_refused(void **state)
{
	static const struct {
		const char *reply, *message, *detail;
		enum err err;
	} cases[] = {
		{ "-WRONGPASS invalid username-password pair\r\n",
			"refused the login (WRONGPASS)", "WRONGPASS", ERR_LOGIN },
		{ "-ERR unknown command `AUTH`, with args beginning with: `secret`\r\n",
			"refused the login (ERR)", "ERR", ERR_LOGIN },
		{ "-ERR invalid password\r\n", "refused the login (ERR)", "ERR",
			ERR_LOGIN },
		{ "-ERR max number of clients reached\r\n", "refused the login (ERR)",
			"ERR", ERR_CONNECT },
		{ "-LOADING Redis is loading\r\n", "(LOADING)", "LOADING", ERR_REDIS_BUSY },
		{ HANG,
			"could not connect to here within 60 ms: the login was not "
			"answered",
			"", ERR_CONNECT },
		{ CLOSE "", "could not connect to here: the server closed it", "",
			ERR_CONNECT },
		{ "HTTP/1.1 400\r\n", "no Redis protocol", "", ERR_CONNECT },
	};
	struct world *world = *state;
	struct probe *probe;

	world->endpoint.password = TEXT("secret");
	listen_now(world);
	for (size_t i = 0; i < array_len(cases); i++) {
		world->commands = 0;
		world->replies[0] = cases[i].reply;
		probe = send_one(world);
		await(world, probe);
		assert_failed(probe, cases[i].err, cases[i].message);
		assert_true(text_is(probe->attempt.outcome.detail, cases[i].detail));
		assert_null(strstr(probe->attempt.outcome.message.at, "secret"));
		assert_int_equal(figures(world).connecting, 0);
		redis_client_free(world->client);
		open_client(world); /* without backoff */
	}
}

static void test_database_refused(void **state)
{
	struct world *world = *state;
	struct probe *probe;

	world->endpoint.database = 99;
	listen_now(world);
	world->replies[0] = "-ERR DB index is out of range\r\n";
	probe = send_one(world);
	await(world, probe);
	assert_failed(probe, ERR_CONNECT,
		"acc (test): here refused database 99: ERR DB index is out of range");
	world->commands = 0;
	world->replies[0] = "-NOAUTH Authentication required.\r\n";
	run(world, 100);
	probe = send_one(world);
	await(world, probe);
	assert_failed(probe, ERR_LOGIN, "refused the login (NOAUTH)");
}

static void test_error_replies(void **state)
{
	struct world *world = *state;
	struct probe *busy, *denied, *other, *good;

	listen_now(world);
	world->replies[0] = "-LOADING Redis is loading the dataset in memory\r\n";
	world->replies[1] = "-NOPERM this user has no permissions\r\n";
	world->replies[2] = "-WRONGTYPE Operation against a key\r\n";
	busy = send_one(world);
	denied = send_one(world);
	other = send_one(world);
	good = send_one(world);
	await(world, good);
	assert_failed(busy, ERR_REDIS_BUSY, "acc (test): LOADING Redis is loading");
	assert_int_equal(busy->attempt.outcome.code, 503);
	assert_true(text_is(busy->attempt.outcome.detail, "LOADING"));
	assert_failed(denied, ERR_REDIS_DENIED, "NOPERM");
	assert_failed(other, ERR_REDIS_OTHER, "WRONGTYPE Operation against a key");
	assert_true(text_is(other->attempt.outcome.detail, "WRONGTYPE"));
	assert_ok(good);
	assert_int_equal(world->accepted, 1);
}

/* The first fails as told, one behind it is lost, the next one gets a new connection. */
static void check_bad_reply(
	struct world *world, const char *reply, enum err err, const char *message)
{
	struct probe *first, *second, *third;

	listen_now(world);
	world->replies[0] = reply;
	world->replies[1] = HANG;
	first = send_one(world);
	second = send_one(world);
	await(world, second);
	assert_failed(first, err, message);
	assert_failed(second, ERR_LOST_SENT, "acc (test): the connection to here was lost");
	world->commands = 2;
	third = send_one(world);
	await(world, third);
	assert_ok(third);
	assert_int_equal(world->accepted, 2);
}

static void test_garbage(void **state)
{
	check_bad_reply(*state, "HTTP/1.1 400 Bad Request\r\n", ERR_GARBAGE,
		"acc (test): the answer is no Redis protocol: Protocol error, got \"H\"");
}

static void test_short_string(void **state)
{
	check_bad_reply(*state, "$5\r\nab\r\n+OK\r\n", ERR_GARBAGE,
		"no Redis protocol: a string is longer than announced");
}

static void test_deep_reply(void **state)
{
	check_bad_reply(*state,
		"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
		ERR_RESPONSE_LIMIT,
		"acc (test): the answer is nested deeper than 8 levels");
}

static void test_large_reply(void **state)
{
	char reply[1200] = "$1100\r\n";

	memset(reply + 7, 'x', 1100);
	check_bad_reply(*state, reply, ERR_RESPONSE_LIMIT,
		"acc (test): the answer is larger than the responseLimit of 1000 bytes");
}

static void test_cut_midway(void **state)
{
	check_bad_reply(*state, CLOSE "$10\r\nabc", ERR_LOST_SENT,
		"was lost after the command was sent: the server closed it");
}

static void test_orphan(void **state)
{
	struct world *world = *state;
	struct probe *slow, *next;

	listen_now(world);
	world->replies[0] = "*2\r\n:1\r\n";
	slow = send_one(world);
	run(world, 10);
	assert_false(slow->done);
	assert_int_equal(redis_client_cancel(world->client, &slow->attempt), ATTEMPT_SENT);
	world->replies[1] = ":2\r\n:3\r\n";
	next = send_one(world);
	await(world, next);
	assert_ok(next);
	assert_true(text_is(next->attempt.outcome.payload->text, "3"));
	assert_false(slow->done);
	assert_int_equal(world->accepted, 1);
}

static void test_silence(void **state)
{
	struct world *world = *state;
	struct probe *first, *second, *third;

	listen_now(world);
	world->replies[0] = HANG;
	world->replies[1] = HANG;
	first = send_one(world);
	run(world, 150);
	second = send_one(world);
	run(world, 50);
	assert_false(first->done);
	await(world, second);
	assert_failed(first, ERR_LOST_SENT, "it completed no answer for 300 ms");
	assert_failed(second, ERR_LOST_SENT, "it completed no answer for 300 ms");
	third = send_one(world);
	await(world, third);
	assert_ok(third);
	assert_int_equal(world->accepted, 2);
}

static void test_slow_is_not_silent(void **state)
{
	struct world *world = *state;
	struct probe *slow;

	listen_now(world);
	world->replies[0] = HANG;
	slow = send_one(world);
	for (int i = 0; i < 4; i++) {
		run(world, 50);
		assert_false(slow->done);
		send_unasked(world, i == 0 ? "*4\r\n:1\r\n" : ":1\r\n");
	}
	await(world, slow);
	assert_ok(slow);
	assert_int_equal(world->accepted, 1);
}

/* Each answer gives the next one the whole time, however many there are. */
static void test_answers_are_progress(void **state)
{
	struct world *world = *state;
	struct probe *probes[4];

	listen_now(world);
	for (int i = 0; i < 4; i++) {
		world->replies[i] = HANG;
		probes[i] = send_one(world);
	}
	for (int i = 0; i < 4; i++) {
		run(world, 150);
		send_unasked(world, "+OK\r\n");
	}
	await(world, probes[3]);
	for (int i = 0; i < 4; i++)
		assert_ok(probes[i]);
	assert_int_equal(world->accepted, 1);
}

/* What others are answered only feeds a string that never ends. */
static void test_endless_reply(void **state)
{
	struct world *world = *state;
	struct probe *first, *next;

	listen_now(world);
	world->replies[0] = "$900\r\nab";
	first = send_one(world);
	for (int i = 0; i < 5 && !first->done; i++) {
		next = send_one(world);
		run(world, 80);
	}
	assert_failed(first, ERR_LOST_SENT, "it completed no answer for 300 ms");
	next = send_one(world);
	await(world, next);
	assert_ok(next);
	assert_int_equal(world->accepted, 2);
}

static void test_announced_too_large(void **state)
{
	check_bad_reply(*state, "$99999999999\r\n", ERR_RESPONSE_LIMIT,
		"acc (test): the answer is larger than the responseLimit of 1000 bytes");
}

static void test_closed_while_idle(void **state)
{
	struct world *world = *state;
	struct probe *probe;

	listen_now(world);
	redis_client_warm(world->client);
	run(world, 10);
	assert_int_equal(figures(world).idle, 1);
	send_unasked(world, NULL);
	run(world, 10);
	assert_int_equal(figures(world).idle, 0);
	probe = send_one(world);
	await(world, probe);
	assert_ok(probe);
	send_unasked(world, "+hello\r\n");
	run(world, 10);
	assert_int_equal(figures(world).idle, 0);
	probe = send_one(world);
	await(world, probe);
	assert_ok(probe);
	assert_int_equal(world->accepted, 3);
}

static void test_deaf_server(void **state)
{
	struct world *world = *state;
	static char value[100000];
	struct probe *probes[20];
	size_t sent;

	world->settings.timeout = NS_PER_SEC;
	world->deaf = true;
	listen_now(world);
	for (int i = 0; i < 20; i++)
		probes[i] = send_value(world, value, sizeof value);
	run(world, 20);
	/* What does not fit stays in the queue, where it can be withdrawn unsent. */
	sent = 20 - figures(world).waiting;
	assert_in_range(sent, 1, 12);
	assert_int_equal(
		redis_client_cancel(world->client, &probes[19]->attempt), ATTEMPT_QUEUED);
	assert_int_equal(
		redis_client_cancel(world->client, &probes[0]->attempt), ATTEMPT_SENT);
	world->deaf = false;
	list_for_each (&world->peers, link)
		stream_read_enable(container_of(link, struct peer, link)->stream, true);
	await(world, probes[18]);
	for (int i = 1; i < 19; i++)
		assert_ok(probes[i]);
	assert_int_equal(world->commands, 19);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_set),
		TEST(test_many_in_one_pass),
		TEST(test_refused),
		TEST(test_login),
		TEST(test_login_refused),
		TEST(test_database_refused),
		TEST(test_error_replies),
		TEST(test_garbage),
		TEST(test_short_string),
		TEST(test_deep_reply),
		TEST(test_large_reply),
		TEST(test_cut_midway),
		TEST(test_orphan),
		TEST(test_silence),
		TEST(test_slow_is_not_silent),
		TEST(test_answers_are_progress),
		TEST(test_endless_reply),
		TEST(test_announced_too_large),
		TEST(test_closed_while_idle),
		TEST(test_deaf_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
