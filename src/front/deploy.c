/*
 * deploy.c - a reload as a line of states, one step of it in each pass of the loop.
 *
 * Steps run at the pass's upkeep point and ask for the next pass at once, which polls for
 * events before it comes to the next step: clients wait for one step at most. Messages are
 * logged in portions and the old catalog is freed in a pass of its own, since either can take
 * milliseconds for a large folder. Refused: a process that checks the folder first; what it
 * has read need not be what is read afterwards.
 */
#include "front/deploy.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "catalog/loader.h"
#include "front/messages.h"

enum {
	MESSAGES_STEP = 10, /* logged in a pass; each looks for its line in its file */
	FREE_STEP = 2 * 1024 * 1024 /* bytes freed in a pass */
};

enum state {
	DEPLOY_IDLE,
	DEPLOY_READING, /* the loader has more to do */
	DEPLOY_TELLING, /* messages are being logged */
	DEPLOY_SWAP,    /* the next catalog, if there is one, is about to be in force */
	DEPLOY_TIDYING, /* the old one goes, if nobody uses it; or the next one, refused */
	DEPLOY_FREEING, /* what was read goes piece by piece */
	DEPLOY_END
};

struct deploy {
	struct loop *loop;
	struct engine *engine;
	char *volley_yaml;
	const struct deploy_hooks *hooks;
	void *owner;

	enum state state;
	struct loop_item step;
	struct loader *loader; /* READING */
	struct arena *messages;
	struct diag *diag;
	size_t logged;          /* messages */
	struct snapshot *next;  /* TELLING and SWAP; NULL: there were errors */
	struct deployment *old; /* TIDYING */
	uint64_t began;         /* monotonic ns */
	unsigned steps;
	bool succeeded, again, stopped;
	struct deploy_figures figures;
};

static const struct snapshot *in_force(const struct deploy *deploy)
{
	return deployment_snapshot(engine_deployment(deploy->engine));
}

static void log_duration(const struct deploy *deploy)
{
	log_number("duration_ms", (int64_t)((clock_now() - deploy->began) / NS_PER_MS));
	log_number("steps", deploy->steps);
}

static void log_failure(const struct deploy *deploy, const char *reason)
{
	struct errbuf line;
	size_t errors = diag_errors(deploy->diag);
	unsigned long long version = in_force(deploy)->version;

	if (reason)
		errbuf_set(&line, "reload failed, catalog %llu stays in force", version);
	else
		errbuf_set(&line, "reload failed: %zu error%s, catalog %llu stays in force",
			errors, errors == 1 ? "" : "s", version);
	log_begin(LOG_ERROR, text_of(line.text));
	log_number("catalog", (int64_t)version);
	log_number("errors", (int64_t)errors);
	if (reason)
		log_text("error", text_of(reason));
	log_duration(deploy);
	log_end();
}

static void log_success(const struct deploy *deploy, const struct snapshot_change *change)
{
	const struct snapshot *snapshot = in_force(deploy);
	const struct accounts_change *pools = engine_accounts_change(deploy->engine);
	struct errbuf line;

	errbuf_set(&line, "catalog %llu in force", (unsigned long long)snapshot->version);
	log_begin(LOG_INFO, text_of(line.text));
	log_number("catalog", (int64_t)snapshot->version);
	log_number("events", (int64_t)snapshot->event_count);
	log_number("events_added", (int64_t)change->events.added);
	log_number("events_changed", (int64_t)change->events.changed);
	log_number("events_removed", (int64_t)change->events.removed);
	log_number("accounts", (int64_t)snapshot->account_count);
	log_number("accounts_added", (int64_t)change->accounts.added);
	log_number("accounts_changed", (int64_t)change->accounts.changed);
	log_number("accounts_removed", (int64_t)change->accounts.removed);
	log_number("pools_kept", (int64_t)pools->kept);
	log_number("pools_opened", (int64_t)pools->opened);
	log_number("pools_closing", (int64_t)pools->closing);
	log_duration(deploy);
	log_end();
	if (snapshot->idle)
		log_line(LOG_WARN, "some keys are not in force in this version", "keys",
			snapshot->idle, NULL);
}

/* ---- states ----------------------------------------------------------------------------- */

static void run_step(struct loop_item *item);

static void schedule(struct deploy *deploy)
{
	loop_upkeep(deploy->loop, &deploy->step);
}

static void begin(struct deploy *deploy)
{
	deploy->state = DEPLOY_READING;
	deploy->figures.running = true;
	deploy->messages = arena_new_lasting();
	deploy->diag = diag_new(deploy->messages);
	deploy->loader = loader_new(deploy->volley_yaml, deploy->messages, deploy->diag);
	deploy->began = clock_now();
	deploy->logged = 0;
	deploy->steps = 0;
	deploy->succeeded = deploy->again = false;
	log_line(LOG_INFO, "reload begins", NULL);
	schedule(deploy);
}

static void read_on(struct deploy *deploy)
{
	struct loader *loader = deploy->loader;

	if (loader_step(loader))
		return;
	deploy->loader = NULL;
	deploy->next = loader_finish(loader);
	deploy->state = DEPLOY_TELLING;
}

static void tell(struct deploy *deploy)
{
	deploy->logged = messages_log(deploy->diag, deploy->logged, MESSAGES_STEP);
	if (deploy->logged == diag_count(deploy->diag))
		deploy->state = DEPLOY_SWAP;
}

/* Within one call, hence one pass: every event is served by the old or the next one whole. */
static void put_in_force(struct deploy *deploy)
{
	const struct volley_settings *settings = deploy->next->settings;
	struct snapshot_change change = snapshot_compare(in_force(deploy), deploy->next);

	deploy->old = deployment_hold(engine_deployment(deploy->engine));
	engine_deploy(deploy->engine, deploy->next);
	deploy->next = NULL;
	log_configure(settings->log_level, settings->log_format);
	log_success(deploy, &change);
	deploy->succeeded = true;
}

static void swap(struct deploy *deploy)
{
	struct errbuf reason = { "" };

	deploy->state = DEPLOY_TIDYING;
	if (!deploy->next) {
		log_failure(deploy, NULL);
	} else if (deploy->hooks->prepare &&
		   !deploy->hooks->prepare(deploy->owner, deploy->next, &reason)) {
		log_failure(deploy, reason.text);
	} else {
		put_in_force(deploy);
	}
}

/* Lets go of what the reload has held, about that many bytes; false: all of it is gone. */
static bool tidy_some(struct deploy *deploy, size_t bytes)
{
	if (deploy->old)
		deployment_release(deploy->old);
	deploy->old = NULL;
	if (deploy->next && snapshot_release_some(deploy->next, bytes))
		return true;
	deploy->next = NULL;
	return false;
}

static void tidy(struct deploy *deploy)
{
	if (!tidy_some(deploy, FREE_STEP))
		deploy->state = DEPLOY_FREEING;
}

static void free_messages(struct deploy *deploy)
{
	if (arena_free_some(deploy->messages, FREE_STEP))
		return;
	deploy->messages = NULL;
	deploy->state = DEPLOY_END;
}

/* Whatever is left of a reload, at any point of it. */
static void drop(struct deploy *deploy)
{
	if (deploy->loader)
		loader_cancel(deploy->loader);
	deploy->loader = NULL;
	while (tidy_some(deploy, SIZE_MAX))
		;
	arena_free(deploy->messages);
	deploy->messages = NULL;
}

static void end(struct deploy *deploy)
{
	deploy->state = DEPLOY_IDLE;
	deploy->figures.running = false;
	if (deploy->succeeded) {
		deploy->figures.succeeded++;
		deploy->figures.last_success_ms = clock_wall_ms();
	} else {
		deploy->figures.failed++;
	}
	if (deploy->hooks->done)
		deploy->hooks->done(deploy->owner, deploy->succeeded);
	if (deploy->again && deploy->state == DEPLOY_IDLE)
		begin(deploy);
}

static void run_step(struct loop_item *item)
{
	static void (*const steps[])(struct deploy *) = {
		[DEPLOY_READING] = read_on,
		[DEPLOY_TELLING] = tell,
		[DEPLOY_SWAP] = swap,
		[DEPLOY_TIDYING] = tidy,
		[DEPLOY_FREEING] = free_messages,
		[DEPLOY_END] = end,
	};
	struct deploy *deploy = container_of(item, struct deploy, step);

	deploy->steps++;
	steps[deploy->state](deploy);
	if (deploy->state != DEPLOY_IDLE)
		schedule(deploy);
}

/* ---- for the daemon --------------------------------------------------------------------- */

struct deploy *deploy_new(struct loop *loop, struct engine *engine, const char *volley_yaml,
	const struct deploy_hooks *hooks, void *owner)
{
	struct deploy *deploy = mem_zalloc(1, sizeof(*deploy));

	deploy->loop = loop;
	deploy->engine = engine;
	deploy->volley_yaml = mem_strdup(volley_yaml);
	deploy->hooks = hooks;
	deploy->owner = owner;
	deploy->step.run = run_step;
	deploy->figures.last_success_ms = clock_wall_ms();
	return deploy;
}

void deploy_free(struct deploy *deploy)
{
	if (!deploy)
		return;
	loop_cancel(deploy->loop, &deploy->step);
	if (deploy->state != DEPLOY_IDLE)
		drop(deploy);
	free(deploy->volley_yaml);
	free(deploy);
}

void deploy_request(struct deploy *deploy)
{
	if (deploy->stopped)
		log_line(LOG_WARN, "reload ignored: volleyd is about to end", NULL);
	else if (deploy->state != DEPLOY_IDLE)
		deploy->again = true;
	else
		begin(deploy);
}

void deploy_stop(struct deploy *deploy)
{
	deploy->stopped = true;
	if (deploy->state == DEPLOY_IDLE)
		return;
	loop_cancel(deploy->loop, &deploy->step);
	deploy->again = false;
	if (deploy->state < DEPLOY_TIDYING)
		log_failure(deploy, "volleyd is about to end");
	drop(deploy);
	end(deploy);
}

const struct deploy_figures *deploy_figures(const struct deploy *deploy)
{
	return &deploy->figures;
}
