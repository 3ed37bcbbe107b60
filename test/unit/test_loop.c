/*
 * test_loop.c - the order of a pass, its queues and timers, and streams over real sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macros.h"
#include "loop/loop.h"
#include "loop/stream.h"

/* ---- items: each notes its letter when it runs ---- */

struct note {
	struct loop_item item;
	struct loop *loop;
	char letter;
	struct note *then; /* queued by this one, or NULL */
	void (*queue)(struct loop *loop, struct loop_item *item); /* how */
};

static char trace[64];

static void note_run(struct loop_item *item)
{
	struct note *note = container_of(item, struct note, item);
	size_t len = strlen(trace);

	trace[len] = note->letter;
	trace[len + 1] = 0;
	if (note->then)
		note->queue(note->loop, &note->then->item);
	if (note->letter == '.')
		loop_stop(note->loop);
}

static struct note note_of(struct loop *loop, char letter)
{
	trace[0] = 0;
	return (struct note){ { { 0 }, note_run }, loop, letter, NULL, NULL };
}

static void points_run_in_order(void **state)
{
	struct loop *loop = loop_new();
	struct note d = note_of(loop, 'd'), f = note_of(loop, 'f'), u = note_of(loop, 'u');
	struct note r = note_of(loop, '.');

	loop_reap(loop, &r.item);
	loop_upkeep(loop, &u.item);
	loop_flush(loop, &f.item);
	loop_deliver(loop, &d.item);
	loop_deliver(loop, &d.item); /* queued already */
	loop_run(loop);
	assert_string_equal(trace, "dfu.");
	loop_free(loop);
}

static void delivery_goes_on_until_empty(void **state)
{
	struct loop *loop = loop_new();
	struct note a = note_of(loop, 'a'), b = note_of(loop, 'b'), c = note_of(loop, 'c');
	struct note f = note_of(loop, '.');

	a.then = &b;
	a.queue = loop_deliver;
	b.then = &c;
	b.queue = loop_deliver;
	loop_deliver(loop, &a.item);
	loop_flush(loop, &f.item);
	loop_run(loop);
	assert_string_equal(trace, "abc.");
	loop_free(loop);
}

/* What flush and upkeep queue must run soon although no event comes: the wait must not block. */
static void late_items_do_not_wait(void **state)
{
	struct loop *loop = loop_new();
	struct note f = note_of(loop, 'f'), g = note_of(loop, 'g'), u = note_of(loop, 'u');
	struct note d = note_of(loop, '.');

	f.then = &g;
	f.queue = loop_flush;
	g.then = &u;
	g.queue = loop_upkeep;
	u.then = &d;
	u.queue = loop_deliver;
	loop_flush(loop, &f.item);
	loop_run(loop);
	assert_string_equal(trace, "fgu.");
	assert_int_equal(loop_stats(loop)->cpu.count, 3);
	loop_free(loop);
}

static void cancelled_items_do_not_run(void **state)
{
	struct loop *loop = loop_new();
	struct note a = note_of(loop, 'a'), b = note_of(loop, 'b'), c = note_of(loop, 'c');
	struct note f = note_of(loop, '.');

	loop_deliver(loop, &a.item);
	loop_deliver(loop, &b.item);
	loop_upkeep(loop, &c.item);
	loop_flush(loop, &f.item);
	loop_cancel(loop, &a.item);
	loop_cancel(loop, &a.item);
	loop_cancel(loop, &c.item);
	loop_run(loop);
	assert_string_equal(trace, "b.");
	loop_free(loop);
}

/* ---- timers ---- */

struct alarm {
	struct loop_timer timer;
	char letter;
};

static void alarm_rings(struct loop_timer *timer)
{
	struct alarm *rung = container_of(timer, struct alarm, timer);
	size_t len = strlen(trace);

	trace[len] = rung->letter;
	trace[len + 1] = 0;
	if (rung->letter == '.')
		loop_stop(timer->loop);
}

static void alarm_init(struct loop *loop, struct alarm *alarm, char letter)
{
	trace[0] = 0;
	alarm->letter = letter;
	loop_timer_init(loop, &alarm->timer, alarm_rings);
}

static void timers_ring_in_time(void **state)
{
	struct loop *loop = loop_new();
	struct alarm late, early, stopped, moved;
	uint64_t began = clock_now(), took;

	alarm_init(loop, &late, '.');
	alarm_init(loop, &early, 'e');
	alarm_init(loop, &stopped, 's');
	alarm_init(loop, &moved, 'm');
	loop_timer_start(&late.timer, 120 * NS_PER_MS);
	loop_timer_start(&early.timer, 30 * NS_PER_MS);
	loop_timer_start(&stopped.timer, 30 * NS_PER_MS);
	loop_timer_start(&moved.timer, 10 * NS_PER_MS);
	loop_timer_start(&moved.timer, 60 * NS_PER_MS);
	assert_true(loop_timer_running(&stopped.timer));
	loop_timer_stop(&stopped.timer);
	assert_false(loop_timer_running(&stopped.timer));
	loop_run(loop);
	took = clock_now() - began;
	assert_string_equal(trace, "em.");
	assert_in_range(took, 120 * NS_PER_MS, 1000 * NS_PER_MS);
	assert_false(loop_timer_running(&late.timer));
	loop_free(loop);
}

/* More distinct durations than libevent has queues for, each used often enough to want one. */
static void many_durations_work(void **state)
{
	enum { COUNT = 600 };
	struct loop *loop = loop_new();
	struct alarm *alarms = calloc(COUNT, sizeof(*alarms));
	struct alarm last;

	alarm_init(loop, &last, '.');
	loop_timer_start(&last.timer, 150 * NS_PER_MS);
	for (size_t i = 0; i < COUNT; i++) {
		alarm_init(loop, &alarms[i], i == 7 || i == COUNT - 1 ? 'x' : 0);
		for (int again = 0; again < 3; again++)
			loop_timer_start(
				&alarms[i].timer, (10 + i / 10) * NS_PER_MS + i * 1000);
	}
	loop_run(loop);
	assert_string_equal(trace, "xx.");
	for (size_t i = 0; i < COUNT; i++)
		assert_false(loop_timer_running(&alarms[i].timer));
	free(alarms);
	loop_free(loop);
}

static void passes_are_counted(void **state)
{
	struct loop *loop = loop_new();
	struct alarm alarm;
	uint64_t wall = clock_wall_ms();

	alarm_init(loop, &alarm, '.');
	loop_timer_start(&alarm.timer, 20 * NS_PER_MS);
	loop_run(loop);
	assert_true(loop_stats(loop)->cpu.count > 0);
	assert_int_equal(loop_stats(loop)->waits, 0);
	assert_true(loop_stats(loop)->cpu.sum >= loop_stats(loop)->cpu.max);
	assert_true(loop_stats(loop)->cpu.sum < 20 * NS_PER_MS);
	assert_true(loop_now(loop) <= clock_now());
	assert_in_range(loop_wall_ms(loop), wall, wall + 10000);
	loop_free(loop);
}

static void sleep_and_stop(struct loop_timer *timer)
{
	usleep(60000);
	loop_stop(timer->loop);
}

/* Whatever the machine does meanwhile: a sleeping thread waits, and uses no CPU time. */
static void a_call_that_blocks_is_seen(void **state)
{
	struct loop *loop = loop_new();
	struct loop_timer timer;

	loop_timer_init(loop, &timer, sleep_and_stop);
	loop_timer_start(&timer, NS_PER_MS);
	loop_run(loop);
	assert_int_equal(loop_stats(loop)->waits, 1);
	assert_int_equal(loop_stats(loop)->slow, 1);
	assert_true(loop_stats(loop)->cpu.max < 50 * NS_PER_MS);
	loop_free(loop);
}

/* ---- streams ---- */

/* One end of a connection, and what happened to it. */
struct end {
	struct loop *loop;
	struct stream *stream;
	size_t got, drained, reads;
	bool connected;
	int ended; /* -1: not yet; else the error */
	bool stop_at_end, stop_at_drained;
	size_t stop_at; /* bytes; 0: never */
};

static void end_connected(void *owner)
{
	((struct end *)owner)->connected = true;
}

static void end_readable(void *owner)
{
	struct end *end = owner;
	struct evbuffer *input = stream_input(end->stream);

	end->reads++;
	end->got += evbuffer_get_length(input);
	evbuffer_drain(input, evbuffer_get_length(input));
	if (end->stop_at && end->got >= end->stop_at)
		loop_stop(end->loop);
}

static void end_drained(void *owner)
{
	struct end *end = owner;

	end->drained++;
	if (end->stop_at_drained)
		loop_stop(end->loop);
}

static void end_ended(void *owner, int error)
{
	struct end *end = owner;

	end->ended = error;
	if (end->stop_at_end)
		loop_stop(end->loop);
}

static const struct stream_events end_events = {
	.connected = end_connected,
	.readable = end_readable,
	.drained = end_drained,
	.ended = end_ended,
};

static struct end end_of(struct loop *loop)
{
	return (struct end){ .loop = loop, .ended = -1 };
}

static void make_pair(struct loop *loop, struct end *a, struct end *b)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	*a = end_of(loop);
	*b = end_of(loop);
	a->stream = stream_accept(loop, fds[0], NULL, &end_events, a);
	b->stream = stream_accept(loop, fds[1], NULL, &end_events, b);
	assert_string_equal(stream_peer(a->stream), "unix");
}

static void writes_of_a_pass_leave_together(void **state)
{
	struct loop *loop = loop_new();
	struct end a, b;

	make_pair(loop, &a, &b);
	for (int i = 0; i < 100; i++)
		stream_write(a.stream, "0123456789", 10);
	assert_int_equal(stream_pending(a.stream), 1000);
	b.stop_at = 1000;
	loop_run(loop);
	assert_int_equal(b.reads, 1);
	assert_int_equal(a.drained, 1);
	assert_int_equal(stream_pending(a.stream), 0);
	stream_close(a.stream);
	stream_close(b.stream);
	loop_free(loop);
}

static void large_writes_leave_in_the_end(void **state)
{
	enum { SIZE = 8 << 20 };
	struct loop *loop = loop_new();
	struct end a, b;
	char *bytes = calloc(1, SIZE);

	make_pair(loop, &a, &b);
	stream_read_enable(b.stream, false);
	stream_write(a.stream, bytes, SIZE);
	stream_shutdown_write(a.stream);
	stream_read_enable(b.stream, true);
	b.stop_at_end = true;
	loop_run(loop);
	assert_int_equal(b.got, SIZE);
	assert_int_equal(b.ended, 0);
	assert_int_equal(a.drained, 1);
	assert_int_equal(a.ended, -1);
	stream_close(a.stream);
	stream_close(b.stream);
	free(bytes);
	loop_free(loop);
}

static void after_its_end_a_peer_can_still_be_answered(void **state)
{
	struct loop *loop = loop_new();
	struct end a, b;

	make_pair(loop, &a, &b);
	stream_shutdown_write(a.stream);
	b.stop_at_end = true;
	loop_run(loop);
	assert_int_equal(b.ended, 0);
	stream_read_enable(b.stream, true); /* nothing more comes */
	stream_write(b.stream, "answer", 6);
	a.stop_at = 6;
	loop_run(loop);
	assert_int_equal(a.got, 6);
	stream_close(a.stream);
	stream_close(b.stream);
	loop_free(loop);
}

static void a_write_to_nobody_ends_with_an_error(void **state)
{
	struct loop *loop = loop_new();
	struct end a, b;

	make_pair(loop, &a, &b);
	stream_read_enable(a.stream, false);
	stream_close(b.stream);
	stream_write(a.stream, "x", 1);
	a.stop_at_end = true;
	loop_run(loop);
	assert_int_equal(a.ended, EPIPE);
	stream_close(a.stream);
	stream_close(a.stream); /* closed already */
	loop_free(loop);
}

static int listening(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(*address);

	*address = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	assert_int_equal(bind(fd, (struct sockaddr *)address, len), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
	return fd;
}

static void connecting_sends_what_was_written_before(void **state)
{
	struct loop *loop = loop_new();
	struct end a = end_of(loop), b = end_of(loop);
	struct sockaddr_in address;
	int fd = listening(&address);
	char peer[32];

	a.stream = stream_connect(
		loop, (struct sockaddr *)&address, sizeof(address), NULL, &end_events, &a);
	assert_non_null(a.stream);
	assert_false(a.connected);
	stream_write(a.stream, "hello", 5);
	a.stop_at_drained = true;
	loop_run(loop);
	assert_true(a.connected);
	snprintf(peer, sizeof(peer), "127.0.0.1:%u", ntohs(address.sin_port));
	assert_string_equal(stream_peer(a.stream), peer);
	b.stream = stream_accept(
		loop, accept4(fd, NULL, NULL, SOCK_NONBLOCK), NULL, &end_events, &b);
	b.stop_at = 5;
	loop_run(loop);
	assert_int_equal(b.got, 5);
	stream_close(a.stream);
	stream_close(b.stream);
	close(fd);
	loop_free(loop);
}

static void a_refused_connection_ends(void **state)
{
	struct loop *loop = loop_new();
	struct end a = end_of(loop);
	struct sockaddr_in address;

	close(listening(&address));
	a.stop_at_end = true;
	a.stream = stream_connect(
		loop, (struct sockaddr *)&address, sizeof(address), NULL, &end_events, &a);
	assert_non_null(a.stream);
	assert_int_equal(a.ended, -1);
	loop_run(loop);
	assert_int_equal(a.ended, ECONNREFUSED);
	assert_false(a.connected);
	stream_close(a.stream);
	loop_free(loop);
}

static void closing_while_connecting_is_silent(void **state)
{
	struct loop *loop = loop_new();
	struct end a = end_of(loop);
	struct sockaddr_in address;
	int fd = listening(&address);
	struct alarm alarm;

	a.stream = stream_connect(
		loop, (struct sockaddr *)&address, sizeof(address), NULL, &end_events, &a);
	assert_non_null(a.stream);
	stream_close(a.stream);
	alarm_init(loop, &alarm, '.');
	loop_timer_start(&alarm.timer, 10 * NS_PER_MS);
	loop_run(loop);
	assert_false(a.connected);
	assert_int_equal(a.ended, -1);
	close(fd);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points_run_in_order),
		cmocka_unit_test(delivery_goes_on_until_empty),
		cmocka_unit_test(late_items_do_not_wait),
		cmocka_unit_test(cancelled_items_do_not_run),
		cmocka_unit_test(timers_ring_in_time),
		cmocka_unit_test(many_durations_work),
		cmocka_unit_test(passes_are_counted),
		cmocka_unit_test(a_call_that_blocks_is_seen),
		cmocka_unit_test(writes_of_a_pass_leave_together),
		cmocka_unit_test(large_writes_leave_in_the_end),
		cmocka_unit_test(after_its_end_a_peer_can_still_be_answered),
		cmocka_unit_test(a_write_to_nobody_ends_with_an_error),
		cmocka_unit_test(connecting_sends_what_was_written_before),
		cmocka_unit_test(a_refused_connection_ends),
		cmocka_unit_test(closing_while_connecting_is_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
