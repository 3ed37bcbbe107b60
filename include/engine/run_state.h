/*
 * run_state.h - the inside of runs and tasks, for the engine's own files only.
 */
#ifndef VOLLEY_ENGINE_RUN_STATE_H
#define VOLLEY_ENGINE_RUN_STATE_H

#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/uuid.h"
#include "engine/run.h"
#include "service/service.h"

struct engine {
	struct loop *loop;
	struct accounts *accounts;
	struct deployment *deployment;
	struct replies *replies;
	struct run *living; /* uthash by id */
	size_t inflight;    /* living runs whose reply has not gone */
};

/* A task's state is written by task_move() only. */
enum task_state {
	TASK_PENDING, /* an attempt is under way */
	TASK_DONE,    /* settled: success */
	TASK_FAILED   /* settled: failed for good */
};

/* One action of a run. */
struct task {
	struct attempt attempt;
	struct run *run;
	const struct filter *filter;
	const struct action *action;
	struct account *account; /* NULL: LOG, or nothing to send to */
	bool began;              /* its account has had an attempt of it */
	enum task_state state;
	unsigned attempts;       /* begun */
	uint64_t started, ended; /* monotonic ns: of the first attempt, of the last one */
	struct loop_timer timer; /* of the attempt under way */
	char id[UUID_TEXT_LEN + 1];
};

struct run {
	UT_hash_handle hh; /* engine->living */
	struct engine *engine;
	struct deployment *deployment;
	const struct event_def *event;
	enum environment environment;
	uint64_t catalog;        /* the deployment's version */
	struct figures *figures; /* of its event, [ENV_COUNT] */
	struct arena *arena;     /* holds this struct too */
	struct values values;
	uint64_t received, began, replied; /* monotonic ns; replied 0: not yet */
	uint64_t settled; /* when the last waited-for task settled; 0: not yet */

	const struct filter **matches; /* in the order of the event */
	size_t match_count;
	struct task *tasks; /* those of the first match, then of the second, ... */
	size_t task_count;
	size_t open;   /* tasks that have not settled */
	size_t waited; /* of them, those that the reply waits for */

	void (*reply)(struct run *run, void *owner); /* NULL: gone or abandoned */
	void *owner;
	struct loop_timer reply_timer;
	struct loop_item reply_item, reap_item;
	struct text body; /* the reply's text once everything has settled */
	char id[UUID_TEXT_LEN + 1];
	char received_at[CLOCK_TEXT_SIZE];
};

/* Starts a task's first attempt. Its outcome is never delivered within this call. */
void task_start(struct task *task);

/* Ends a task's attempt without an outcome (the engine is going down). */
void task_cut(struct task *task);

/* A task has settled; called by task.c once per task. */
void run_task_settled(struct run *run, struct task *task);

/* Tells the engine that a run is no more (its place in the table of the living). */
void engine_run_ended(struct engine *engine, struct run *run);

#endif
