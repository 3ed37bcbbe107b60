/*
 * event.h - an event definition, compiled: model, filters, actions with their plans.
 * (`struct event` is libevent's, hence event_def.)
 */
#ifndef VOLLEY_CATALOG_EVENT_H
#define VOLLEY_CATALOG_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/text.h"
#include "catalog/account.h"
#include "service/service.h"
#include "value/condition.h"
#include "value/model.h"

enum delivery { DELIVERY_DEFAULT, DELIVERY_AT_LEAST_ONCE, DELIVERY_AT_MOST_ONCE };

struct action {
	struct text id, name;
	struct text account_id;                /* empty: none (LOG) */
	const struct service_ops *service;     /* NULL: not served by this version */
	const struct action_kind *kind;        /* NULL: not served */
	struct plan *plan;                     /* NULL: not served */
	const struct service_account *account; /* NULL: none needed, or not served */
	struct text service_action;            /* the mapped name, as in replies */
	bool async;
	uint64_t timeout[ENV_COUNT]; /* ns: the action's, else its account half's */
	enum delivery delivery;
	size_t index; /* among the snapshot's enabled actions */
	/* Compiled at load: the reply's `action` object, one JSON value
	 * {"id","name","serviceAccountId","serviceAction"}. */
	struct text reply_fragment;
};

struct filter {
	struct text id, name;
	struct text condition_text;        /* at NULL: the condition is null */
	const struct condition *condition; /* NULL: always */
	struct action *actions;            /* only enabled ones */
	size_t action_count;
};

struct event_def {
	struct text id, name, group, version;
	const struct model *model;
	bool strict; /* modelPolicy */
	struct filter *filters;
	size_t filter_count;
	size_t action_count; /* of all filters: the most tasks a run can have */
	uint64_t digest;     /* of its file's text */
	size_t index;        /* in the snapshot's list */
	struct place place;
	UT_hash_handle hh;
};

#endif
