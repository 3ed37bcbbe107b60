/*
 * deploy.h - puts what the project folder says now in force, while events are served.
 *
 * The folder is read one step a pass of the loop. What is wrong with it stands in the log,
 * and then the catalog in force stays; else the next one takes its place within one pass.
 */
#ifndef VOLLEY_FRONT_DEPLOY_H
#define VOLLEY_FRONT_DEPLOY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "catalog/snapshot.h"
#include "engine/engine.h"
#include "loop/loop.h"

struct deploy;

struct deploy_hooks {
	/*
	 * The folder is good and about to be put in force: prepares what else follows the
	 * settings, such as listeners. False: it cannot be, the reason is in errbuf, nothing
	 * has changed, and the reload fails. May be NULL.
	 */
	bool (*prepare)(void *owner, const struct snapshot *next, struct errbuf *errbuf);
	/* A reload is over. deploy_request() may be called, deploy_free() not. May be NULL. */
	void (*done)(void *owner, bool succeeded);
};

struct deploy_figures {
	uint64_t succeeded, failed; /* reloads; the start is none */
	uint64_t last_success_ms;   /* wall clock: when a folder was last put in force; the
				       start counts here */
	bool running;
};

/*
 * For reloads of the folder of this volley.yaml; the engine has its first catalog. hooks and
 * owner outlive it.
 */
struct deploy *deploy_new(struct loop *loop, struct engine *engine, const char *volley_yaml,
	const struct deploy_hooks *hooks, void *owner);

/* Abandons a reload that goes on; says nothing. */
void deploy_free(struct deploy *deploy);

/*
 * Begins a reload. While one goes on, exactly one more follows it, however often this is
 * asked for: what has changed since may be in files that were read already.
 */
void deploy_request(struct deploy *deploy);

/*
 * No reload any more, since the daemon is about to end: one that goes on fails, one that is
 * asked for is ignored, both with a line in the log.
 */
void deploy_stop(struct deploy *deploy);

const struct deploy_figures *deploy_figures(const struct deploy *deploy);

#endif
