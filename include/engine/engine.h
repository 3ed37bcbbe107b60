/*
 * engine.h - what runs: the deployment in force, the living runs, and the replies of
 * settled ones.
 */
#ifndef VOLLEY_ENGINE_ENGINE_H
#define VOLLEY_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "catalog/snapshot.h"
#include "engine/accounts.h"
#include "loop/loop.h"
#include "store/replies.h"

struct engine;
struct run;

struct engine *engine_new(struct loop *loop);

/*
 * Cuts off every living run (attempts are cancelled, replies lost) and closes all accounts.
 */
void engine_free(struct engine *engine);

/* Puts a catalog in force for the runs that begin from now on; takes over the caller's
 * reference. */
void engine_deploy(struct engine *engine, struct snapshot *snapshot);

/* What the last engine_deploy() meant for the pools. */
const struct accounts_change *engine_accounts_change(const struct engine *engine);

/* The deployment in force; NULL before the first one. */
struct deployment *engine_deployment(const struct engine *engine);

/* Runs that have not settled or whose reply has not gone. */
size_t engine_living(const struct engine *engine);

/* Living runs whose reply has not gone: what `limits.inflight` bounds. */
size_t engine_inflight(const struct engine *engine);

/* Runs as they are. */
struct engine_figures {
	uint64_t inflight, living;
	uint64_t kept, kept_bytes; /* replies of settled runs */
};
extern const struct metric engine_metrics[];
void engine_figures(const struct engine *engine, struct engine_figures *out);

/* The living run of that id, or NULL. */
struct run *engine_find(const struct engine *engine, struct text id);

/* Replies of settled runs. */
struct replies *engine_replies(const struct engine *engine);

#endif
