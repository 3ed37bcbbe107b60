/*
 * run.h - one received event being processed: match, dispatch, settle.
 */
#ifndef VOLLEY_ENGINE_RUN_H
#define VOLLEY_ENGINE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "catalog/event.h"
#include "engine/engine.h"
#include "value/value.h"

/* What is asked for. */
struct run_order {
	struct deployment *deployment; /* a reference that the run takes over */
	const struct event_def *event; /* of that deployment's snapshot */
	enum environment environment;
	struct arena *arena;         /* holds the payload; the run takes it over */
	const struct value *payload; /* fits the event's model */
	uint64_t received;           /* monotonic ns: the request's first byte */
	bool respond_async;    /* the reply goes in the same turn, all tasks pending */
	uint64_t reply_within; /* ns from `received`: the latest time of the reply */
	/*
	 * Called once, by the loop, when the reply is due: run_reply()
	 * tell what it says. The run may be gone after it has returned.
	 */
	void (*reply)(struct run *run, void *owner);
	void *owner;
};

/*
 * Begins a run: evaluates every filter's condition and starts the tasks of all that match,
 * in this turn of the loop. The run frees itself when all of it has settled and its reply
 * is gone.
 */
struct run *run_begin(struct engine *engine, const struct run_order *order);

/* The client has left: reply() is not called any more; the run is carried to its end. */
void run_abandon(struct run *run);

/* The run's id, UUID_TEXT_LEN characters and a NUL. */
const char *run_id(const struct run *run);
const struct event_def *run_event(const struct run *run);
enum environment run_environment(const struct run *run);

/* The version of the catalog that it began with and is carried out by. */
uint64_t run_catalog(const struct run *run);

/* Whether all tasks that the reply waits for have settled (201, else 202). */
bool run_is_complete(const struct run *run);

/* The reply's JSON as things stand; lives as long as both the run and the arena. */
struct text run_reply(const struct run *run, struct arena *arena);

#endif
