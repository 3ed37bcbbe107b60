/*
 * loop.h - the one event loop, and the pass that is the whole program.
 *
 *   wait for events -> costly work -> deliver finished things -> flush what was written -> upkeep -> reap
 * the dead
 *
 * A completion is never called inside the call that started it: finishing queues, the pass
 * delivers. Nothing is freed inside its own callback: the dead are reaped at one point.
 */
#ifndef VOLLEY_LOOP_LOOP_H
#define VOLLEY_LOOP_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/list.h"
#include "base/metric.h"

struct loop;

/* NULL: no event base could be made. Ignores SIGPIPE. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* For libraries that want it. */
struct event_base *loop_base(struct loop *loop);

/* Runs passes until loop_stop(). */
void loop_run(struct loop *loop);

/* Ends loop_run() after this pass. */
void loop_stop(struct loop *loop);

/*
 * The wait for events is over. libevent has no hook for that, so every function that it calls
 * back says it first thing; only the first one of a pass counts. After many of them the pass
 * goes on to its other points, and what else is ready waits for the next one: thousands of
 * connections that have something to say at once would hold up every reply.
 */
void loop_woke(struct loop *loop);

/* Monotonic nanoseconds, read once after each wait (when first asked for); clock_now()
 * where microseconds matter. */
uint64_t loop_now(const struct loop *loop);

/* Wall-clock milliseconds, read once after each wait. */
uint64_t loop_wall_ms(const struct loop *loop);

/*
 * Something to be done at one of the pass's points; embedded in its object. An item stands
 * in at most one queue, and queueing a queued item again does nothing.
 */
struct loop_item {
	struct link link;
	void (*run)(struct loop_item *item);
};

/*
 * Has run() called once, for work of a millisecond or more of CPU time: in this pass, or in one
 * of the next, since a pass begins no more of it after 2 ms. In the order of the calls.
 */
void loop_costly(struct loop *loop, struct loop_item *item);

/* Has run() called at the deliver point of this pass; delivery goes on until the queue is
 * empty. */
void loop_deliver(struct loop *loop, struct loop_item *item);

/*
 * Has run() called once at the flush point of this pass: one write per connection and pass.
 */
void loop_flush(struct loop *loop, struct loop_item *item);

/* Has run() called once in the upkeep point of this pass (a pool that should look at
 * itself). */
void loop_upkeep(struct loop *loop, struct loop_item *item);

/* Has run() free the object at the end of this pass; the object is on no other list by
 * then. */
void loop_reap(struct loop *loop, struct loop_item *item);

/* free() of a dead object of that many bytes, poisoned first in debug builds. For run() of
 * what is reaped. */
void loop_dispose(void *object, size_t size);

/* Takes an item out of whatever queue it stands in. */
void loop_cancel(struct loop *loop, struct loop_item *item);

/* A one-shot timer, embedded in its object. Timers of equal durations cost O(1). */
struct loop_timer {
	struct event event;
	void (*fire)(struct loop_timer *timer);
	struct loop *loop;
	uint64_t due; /* monotonic ns: never fires before */
};

/* Prepares the timer; call once before the others. */
void loop_timer_init(struct loop *loop, struct loop_timer *timer,
	void (*fire)(struct loop_timer *timer));

/* (Re)starts the timer to fire ns nanoseconds from now, give or take a few milliseconds. */
void loop_timer_start(struct loop_timer *timer, uint64_t ns);

/* Stops it; nothing happens when it does not run. Call before the object dies. */
void loop_timer_stop(struct loop_timer *timer);

bool loop_timer_running(const struct loop_timer *timer);

/* Something that loop_free() closes first, while the loop still runs its events. */
struct loop_part {
	void (*close)(struct loop_part *part);
};

/* The resolver (dns.h); NULL: none was needed so far. */
struct loop_part *loop_resolver(const struct loop *loop);
void loop_set_resolver(struct loop *loop, struct loop_part *resolver);

/* The pass's own figures since the start. */
struct loop_stats {
	struct histogram
		cpu; /* the thread's CPU time of each pass; its count is that of passes */
	uint64_t waits; /* passes in which the thread waited elsewhere than for events */
	uint64_t slow;  /* passes over 50 ms of wall time */
};
const struct loop_stats *loop_stats(const struct loop *loop);
extern const struct metric loop_metrics[];

/*
 * For tests of these figures: with VOLLEY_TEST_BLOCK=DURATION in the environment a later pass
 * does what no code may do, and sleeps for so long.
 */
void loop_test_block(struct loop *loop);

#endif
