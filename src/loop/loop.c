/*
 * loop.c - the pass: wait, costly work, deliver, flush, upkeep, reap, and the figures about it.
 *
 * libevent waits and calls back what is ready; the queues of the other points are circular
 * lists of embedded items. libevent has no hook between its wait and the callbacks, so the
 * first callback tells that the wait is over. From then to the end of the pass the kernel
 * must not count another voluntary context switch: that would be a call that blocks. Its
 * precise timers were refused: they cost a system call in each pass, and a deadline may be
 * some milliseconds off.
 */
#include "loop/loop.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define CALLBACKS_MAX 128 /* of libevent's in one pass */
#define SLOW_PASS_NS  (50 * NS_PER_MS)
#define COSTLY_NS     (2 * NS_PER_MS) /* CPU time; whoever is at work then comes to its end */

/*
 * Timers of one duration share a queue in libevent, which knows at most 256 such queues and
 * never gives one back. Durations that come once (a retry's jitter) must not use them up:
 * one gets its queue when it is met for the second time in its slot.
 */
#define DURATION_SLOTS 512
#define DURATION_MAX   200

struct duration {
	uint64_t us;                  /* 0: free */
	const struct timeval *common; /* NULL: met once */
};

/* The points of a pass at which items run. */
struct queue {
	struct link head;
};

struct loop {
	struct event_base *base;
	struct queue costly, deliver, flush, upkeep, reap;
	uint64_t now;     /* 0: not read yet in this pass */
	uint64_t wall_ms; /* 0: not read yet in this pass */
	uint64_t cpu;     /* the thread's CPU time when the last pass ended */
	long switches; /* the thread's voluntary ones when the wait of this pass was over */
	unsigned callbacks; /* libevent's in this pass */
	bool stopping;
	struct loop_stats stats;
	struct duration durations[DURATION_SLOTS];
	size_t commons;
	uint64_t lag_us;            /* how far libevent's coarse clock may be behind */
	struct loop_part *resolver; /* NULL: none was needed so far */
};

/* ---- queues ---- */

static void queue_init(struct queue *queue)
{
	queue->head.next = queue->head.prev = &queue->head;
}

static bool queue_is_empty(const struct queue *queue)
{
	return queue->head.next == &queue->head;
}

static void queue_append(struct queue *queue, struct loop_item *item)
{
	struct link *link = &item->link;

	link->next = &queue->head;
	link->prev = queue->head.prev;
	queue->head.prev->next = link;
	queue->head.prev = link;
}

/* Which queue it stands in need not be known: that is why these lists have no count. */
static void item_unlink(struct loop_item *item)
{
	struct link *link = &item->link;

	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->next = link->prev = NULL;
}

static void run_first(struct queue *queue)
{
	struct loop_item *item = container_of(queue->head.next, struct loop_item, link);

	item_unlink(item);
	item->run(item);
}

/* Runs until nothing is left, including what is queued meanwhile. */
static void run_all(struct queue *queue)
{
	while (!queue_is_empty(queue))
		run_first(queue);
}

/* Runs what stands in the queue now; what is queued meanwhile waits for the next pass. */
static void run_once(struct queue *queue)
{
	struct queue batch;

	if (queue_is_empty(queue))
		return;
	batch = *queue;
	batch.head.next->prev = batch.head.prev->next = &batch.head;
	queue_init(queue);
	run_all(&batch);
}

static void enqueue(struct queue *queue, struct loop_item *item)
{
	if (!link_is_listed(&item->link))
		queue_append(queue, item);
}

void loop_costly(struct loop *loop, struct loop_item *item)
{
	enqueue(&loop->costly, item);
}

void loop_deliver(struct loop *loop, struct loop_item *item)
{
	enqueue(&loop->deliver, item);
}

void loop_flush(struct loop *loop, struct loop_item *item)
{
	enqueue(&loop->flush, item);
}

void loop_upkeep(struct loop *loop, struct loop_item *item)
{
	enqueue(&loop->upkeep, item);
}

void loop_reap(struct loop *loop, struct loop_item *item)
{
	loop_cancel(loop, item);
	queue_append(&loop->reap, item);
}

void loop_cancel(struct loop *loop, struct loop_item *item)
{
	if (link_is_listed(&item->link))
		item_unlink(item);
}

void loop_dispose(void *object, size_t size)
{
#ifdef VOLLEY_DEBUG
	memset(object, 0xDB, size);
#endif
	free(object);
}

/* ---- clock ---- */

/* Each wait of the thread is one; a preemption is none. */
static long voluntary_switches(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}

static void wait_ended(struct loop *loop)
{
	if (loop->now)
		return;
	loop->now = clock_now();
	loop->switches = voluntary_switches();
}

void loop_woke(struct loop *loop)
{
	wait_ended(loop);
	if (++loop->callbacks == CALLBACKS_MAX)
		event_base_loopbreak(loop->base);
}

uint64_t loop_now(const struct loop *loop)
{
	wait_ended((struct loop *)loop);
	return loop->now;
}

uint64_t loop_wall_ms(const struct loop *loop)
{
	if (!loop->wall_ms)
		((struct loop *)loop)->wall_ms = clock_wall_ms();
	return loop->wall_ms;
}

static uint64_t thread_cpu(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) != 0)
		return 0;
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* ---- the pass ---- */

static void log_slow_pass(uint64_t wall, uint64_t cpu, long waits)
{
	log_begin(LOG_WARN, TEXT("slow pass of the loop"));
	log_number("wall_ms", (int64_t)(wall / NS_PER_MS));
	log_number("cpu_ms", (int64_t)(cpu / NS_PER_MS));
	log_number("waits", waits);
	log_end();
	log_flush(); /* the pass has written its lines already */
}

/* A thread that waits uses no CPU time, so passes may be measured from end to end. */
static void count_pass(struct loop *loop)
{
	struct loop_stats *stats = &loop->stats;
	uint64_t cpu_now = thread_cpu();
	uint64_t cpu = cpu_now - loop->cpu, wall = clock_now() - loop->now;
	long waits = voluntary_switches() - loop->switches;

	loop->cpu = cpu_now;
	histogram_add(&stats->cpu, cpu);
	if (waits > 0)
		stats->waits++;
	if (wall > SLOW_PASS_NS || cpu > SLOW_PASS_NS) {
		stats->slow++;
		log_slow_pass(wall > cpu ? wall : cpu, cpu, waits);
	}
}

static bool something_is_queued(const struct loop *loop)
{
	return !queue_is_empty(&loop->costly) || !queue_is_empty(&loop->deliver) ||
	       !queue_is_empty(&loop->flush) || !queue_is_empty(&loop->upkeep);
}

static void run_costly(struct loop *loop)
{
	uint64_t end;

	if (queue_is_empty(&loop->costly))
		return;
	end = thread_cpu() + COSTLY_NS;
	do
		run_first(&loop->costly);
	while (!queue_is_empty(&loop->costly) && thread_cpu() < end);
}

static void run_pass(struct loop *loop)
{
	int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;

	if (something_is_queued(loop))
		flags |= EVLOOP_NONBLOCK;
	loop->now = loop->wall_ms = 0;
	loop->callbacks = 0;
	event_base_loop(loop->base, flags);
	wait_ended(loop);
	run_costly(loop);
	run_all(&loop->deliver);
	run_once(&loop->flush);
	run_once(&loop->upkeep);
	run_all(&loop->reap);
	log_flush();
	count_pass(loop);
}

void loop_run(struct loop *loop)
{
	loop->stopping = false;
	loop->cpu = thread_cpu();
	log_flush(); /* what the start had to say does not wait for the first client */
	while (!loop->stopping)
		run_pass(loop);
}

void loop_stop(struct loop *loop)
{
	loop->stopping = true;
}

#define AT(member) offsetof(struct loop_stats, member)

const struct metric loop_metrics[] = {
	{ "volley_loop_passes_total", "passes", METRIC_COUNTER, METRIC_PLAIN, AT(cpu.count),
		NULL, NULL, false, "passes of the event loop" },
	{ "volley_loop_turn_cpu_seconds", "cpuMS", METRIC_HISTOGRAM, METRIC_NANOSECONDS,
		AT(cpu), NULL, NULL, false,
		"the thread's CPU time in each pass of the event loop" },
	{ "volley_loop_unexpected_waits_total", "unexpectedWaits", METRIC_COUNTER,
		METRIC_PLAIN, AT(waits), NULL, NULL, false,
		"passes in which the thread waited elsewhere than for events: something "
		"blocked it" },
	{ "volley_loop_slow_passes_total", "slowPasses", METRIC_COUNTER, METRIC_PLAIN,
		AT(slow), NULL, NULL, false, "passes that took more than 50 ms" },
	{ .name = NULL },
};

const struct loop_stats *loop_stats(const struct loop *loop)
{
	return &loop->stats;
}

/* ---- life ---- */

/*
 * libevent tells the time by the coarse clock, which stands still between two ticks of
 * the kernel. A timer that counts one tick more never fires early.
 */
static uint64_t coarse_lag_us(void)
{
	struct timespec tick = { 0 };

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) != 0)
		return 10000;
	return (uint64_t)tick.tv_sec * 1000000 + (uint64_t)tick.tv_nsec / 1000;
}

struct loop *loop_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;
	struct loop *loop;

	if (config) {
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
		event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
		base = event_base_new_with_config(config);
		event_config_free(config);
	}
	if (!base)
		return NULL;
	signal(SIGPIPE, SIG_IGN);
	loop = mem_zalloc(1, sizeof(*loop));
	loop->base = base;
	loop->lag_us = coarse_lag_us();
	histogram_init(&loop->stats.cpu, &histogram_cpu);
	queue_init(&loop->costly);
	queue_init(&loop->deliver);
	queue_init(&loop->flush);
	queue_init(&loop->upkeep);
	queue_init(&loop->reap);
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	run_all(&loop->reap);
	if (loop->resolver)
		loop->resolver->close(loop->resolver);
	/* Bufferevents that were freed are finalised by the base, in a turn of its own. */
	event_base_loop(loop->base, EVLOOP_NONBLOCK);
	run_all(&loop->reap);
	event_base_free(loop->base);
	free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
	return loop->base;
}

struct loop_part *loop_resolver(const struct loop *loop)
{
	return loop->resolver;
}

void loop_set_resolver(struct loop *loop, struct loop_part *resolver)
{
	loop->resolver = resolver;
}

/* ---- timers ---- */

/* The slot of a duration; a stranger that never got a queue makes room. */
static struct duration *duration_slot(struct loop *loop, uint64_t us)
{
	uint64_t mixed = us * UINT64_C(0x9E3779B97F4A7C15);

	return &loop->durations[mixed >> 55];
}

static const struct timeval *timeout_of(
	struct loop *loop, uint64_t us, struct timeval *plain)
{
	struct duration *slot = duration_slot(loop, us);

	plain->tv_sec = (time_t)(us / 1000000);
	plain->tv_usec = (suseconds_t)(us % 1000000);
	if (slot->us == us && slot->common)
		return slot->common;
	if (slot->common)
		return plain;
	if (slot->us == us && loop->commons < DURATION_MAX) {
		slot->common = event_base_init_common_timeout(loop->base, plain);
		loop->commons++;
		return slot->common ? slot->common : plain;
	}
	slot->us = us;
	return plain;
}

static void timer_add(struct loop_timer *timer, uint64_t ns)
{
	struct timeval plain;
	const struct timeval *timeout = timeout_of(
		timer->loop, ns / 1000 + 1 + timer->loop->lag_us, &plain);

	if (event_add(&timer->event, timeout) != 0)
		mem_exhausted();
}

/*
 * libevent counts from the time at which its pass began: a timer set late in a long pass
 * comes early.
 */
static void timer_fired(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *timer = arg;
	uint64_t now = clock_now();

	loop_woke(timer->loop);
	if (now < timer->due)
		timer_add(timer, timer->due - now);
	else
		timer->fire(timer);
}

void loop_timer_init(
	struct loop *loop, struct loop_timer *timer, void (*fire)(struct loop_timer *timer))
{
	timer->fire = fire;
	timer->loop = loop;
	evtimer_assign(&timer->event, loop->base, timer_fired, timer);
}

void loop_timer_start(struct loop_timer *timer, uint64_t ns)
{
	timer->due = clock_now() + ns;
	timer_add(timer, ns);
}

void loop_timer_stop(struct loop_timer *timer)
{
	event_del(&timer->event);
}

bool loop_timer_running(const struct loop_timer *timer)
{
	return event_pending(&timer->event, EV_TIMEOUT, NULL);
}
