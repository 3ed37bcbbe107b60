/*
 * figures.h - what was done per event, action and account, each in both environments.
 *
 * Figures are kept by ids, not by catalog: they go on over reloads for as long as some
 * catalog in use has the event, action or account. A deployment looks them up once, so that
 * counting costs no search.
 */
#ifndef VOLLEY_ENGINE_FIGURES_H
#define VOLLEY_ENGINE_FIGURES_H

#include "base/histogram.h"
#include "base/metric.h"
#include "catalog/snapshot.h"
#include "net/attempt.h"

/* How a run's reply went. */
enum event_end {
	EVENT_SETTLED /* 201 */,
	EVENT_ACCEPTED /* 202 */,
	EVENT_GONE,
	EVENT_ENDS
};

/* How a task or an attempt ended. */
enum task_end { TASK_END_DONE, TASK_END_FAILED, TASK_ENDS };

/* Of one event, one action or one account half. */
struct figures {
	uint64_t ended[EVENT_ENDS];  /* by enum event_end, else by enum task_end */
	struct histogram time;       /* ns */
	uint64_t connects, failures; /* an account's: of all its pools, as last looked at */
};

/* One more that ended this way and took this long (ns). */
static inline void figures_count(struct figures *figures, size_t end, uint64_t time)
{
	figures->ended[end]++;
	histogram_add(&figures->time, time);
}

/* The tables of each kind. */
extern const struct metric event_metrics[], action_metrics[], account_metrics[];

/* Everything that is counted, by ids. */
struct figures_book;

struct figures_book *figures_book_new(void);

/* Every set and every hold was given back before. */
void figures_book_free(struct figures_book *book);

/* A catalog's events, actions and accounts in the order of its files, with their figures. */
struct figures_row {
	const struct event_def *event;         /* of an event and an action */
	const struct filter *filter;           /* of an action */
	const struct action *action;           /* of an action */
	const struct service_account *account; /* of an account */
	struct figures *figures;               /* [ENV_COUNT] */
};

struct figures_set {
	struct figures_row *events, *actions, *accounts; /* by their index */
	size_t event_count, action_count, account_count;
};

/*
 * Looks all of them up, and begins those that are new. The snapshot lives longer than the
 * set.
 */
struct figures_set *figures_set_new(
	struct figures_book *book, const struct snapshot *snapshot);
void figures_set_free(struct figures_book *book, struct figures_set *set);

/*
 * An account's figures [ENV_COUNT], beyond a catalog's life: until the same number of
 * figures_release().
 */
struct figures *figures_hold_account(struct figures_book *book, struct text account_id);
void figures_release(struct figures_book *book, struct figures *figures);

#endif
