/*
 * task.c - one action of a run: render, attempt, settle.
 *
 * An attempt ends in exactly one of two ways: the service delivers its outcome, or its
 * timeout cancels it; what the timeout means follows from where the attempt was. Deadlines
 * inside the services were refused: they would each need to know an action's timeout, and
 * each get the race wrong once.
 */
#include "base/log.h"
#include "base/units.h"
#include "engine/run_state.h"

/* The one place where a task changes its state: counts, traces, tells the run. */
static void task_move(struct task *task, enum task_state state)
{
	task->state = state;
	if (state != TASK_PENDING)
		run_task_settled(task->run, task);
}

static void log_failure(const struct task *task)
{
	const struct outcome *outcome = &task->attempt.outcome;
	const struct run *run = task->run;

	if (!log_enabled(LOG_WARN))
		return;
	log_begin(LOG_WARN, TEXT("task failed"));
	log_text("run", text_of(run->id));
	log_text("event", run->event->id);
	log_text("filter", task->filter->id);
	log_text("action", task->action->id);
	log_text("account", task->action->account_id);
	log_text("environment", run->values.environment);
	log_number("catalog", (int64_t)run->catalog);
	log_number("code", outcome->code);
	if (outcome->detail.len)
		log_text("detail", outcome->detail);
	log_text("error", outcome->message);
	log_end();
}

/* One attempt a task: both end at once. */
static void count_end(const struct task *task, bool failed)
{
	const struct figures_set *set = deployment_figures(task->run->deployment);
	const struct action *action = task->action;
	enum environment environment = task->run->environment;
	enum task_end end = failed ? TASK_END_FAILED : TASK_END_DONE;
	uint64_t time = task->ended - task->started;

	figures_count(&set->actions[action->index].figures[environment], end, time);
	if (task->began)
		figures_count(&set->accounts[action->account->index].figures[environment],
			end, time);
}

static void settle(struct task *task)
{
	bool failed = task->attempt.outcome.err != ERR_NONE;

	loop_timer_stop(&task->timer);
	task->ended = task->attempt.ended;
	count_end(task, failed);
	if (failed)
		log_failure(task);
	task_move(task, failed ? TASK_FAILED : TASK_DONE);
}

static void attempt_done(struct attempt *attempt)
{
	settle(container_of(attempt, struct task, attempt));
}

/* What a timeout means, by where the attempt was, and how it is said. */
static const struct {
	enum err err;
	const char *text;
} timeouts[] = {
	[ATTEMPT_QUEUED] = { ERR_TIMEOUT_QUEUED, "no connection was free within" },
	[ATTEMPT_CONNECTING] = { ERR_TIMEOUT_CONNECTING, "no connection stood within" },
	[ATTEMPT_SENT] = { ERR_TIMEOUT_SENT, "sent, and no answer within" },
};

static void on_timeout(struct loop_timer *timer)
{
	struct task *task = container_of(timer, struct task, timer);
	const struct action *action = task->action;
	enum attempt_stage stage;
	struct strbuf limit;
	uint64_t more = 0;

	if (link_is_listed(&task->attempt.item.link))
		return; /* its outcome came in this very turn and is being delivered */
	if (action->service->patience)
		more = action->service->patience(task->account, &task->attempt);
	if (more > 0) {
		loop_timer_start(timer, more);
		return;
	}
	stage = action->service->cancel(task->account, &task->attempt);
	strbuf_init_arena(&limit, task->run->arena, 64);
	units_format_duration(&limit, action->timeout[task->run->environment]);
	attempt_fail(&task->attempt, timeouts[stage].err, NULL, "%.*s (%.*s): %s %.*s",
		TEXT_ARG(action->account_id), TEXT_ARG(task->run->values.environment),
		timeouts[stage].text, TEXT_ARG(strbuf_get(&limit)));
}

/* Why the task cannot even be rendered; NULL: it can. Finds the account on the way. */
static bool find_account(struct task *task)
{
	const struct action *action = task->action;
	const struct run *run = task->run;

	if (!action->account)
		return true;
	task->account = deployment_account(
		run->deployment, action->account, run->environment);
	if (task->account)
		return true;
	attempt_fail(&task->attempt, ERR_RENDER, NULL,
		"account %.*s has no %.*s half; it is never replaced by the other one",
		TEXT_ARG(action->account_id), TEXT_ARG(run->values.environment));
	return false;
}

void task_start(struct task *task)
{
	const struct action *action = task->action;
	struct run *run = task->run;
	const struct request *request;
	struct errbuf errbuf;

	task->attempt.loop = run->engine->loop;
	task->attempt.arena = run->arena;
	task->attempt.done = attempt_done;
	task->attempt.timeout = action->timeout[run->environment];
	task->attempts = 1;
	task->started = clock_now();
	loop_timer_init(run->engine->loop, &task->timer, on_timeout);

	if (!action->plan) {
		attempt_fail(&task->attempt, ERR_NOT_SERVED, NULL,
			"action %.*s is not served by this version",
			TEXT_ARG(action->service_action));
		return;
	}
	if (!find_account(task))
		return;
	request = action->service->render(action->plan, &run->values,
		deployment_snapshot(run->deployment)->settings->limits.request, run->arena,
		&errbuf);
	if (!request) {
		attempt_fail(&task->attempt, ERR_RENDER, NULL, "%s", errbuf.text);
		return;
	}
	task->began = task->account != NULL;
	if (task->began)
		loop_timer_start(&task->timer, action->timeout[run->environment]);
	action->service->start(task->account, request, &task->attempt);
}

void task_cut(struct task *task)
{
	loop_timer_stop(&task->timer);
	if (task->state != TASK_PENDING)
		return;
	if (link_is_listed(&task->attempt.item.link))
		loop_cancel(task->run->engine->loop, &task->attempt.item);
	else
		task->action->service->cancel(task->account, &task->attempt);
}
