/*
 * redis_plan.h - a template of the connector for Redis to a command.
 */
#ifndef VOLLEY_SERVICE_REDIS_PLAN_H
#define VOLLEY_SERVICE_REDIS_PLAN_H

#include "base/macros.h"
#include "net/redis_client.h"
#include "service/service.h"

/* These three are the connector's compile, render and describe, as service.h says. */
must_check struct plan *redis_compile(const struct action_kind *kind,
	const struct node *template, const struct scope *scope, struct arena *arena,
	struct diag *diag);
must_check const struct request *redis_render(const struct plan *plan,
	const struct values *values, size_t max, struct arena *arena,
	struct errbuf *errbuf);
void redis_describe(const struct request *request, yajl_gen gen);

/* The command that the request is; lives as long. */
const struct redis_command *redis_request_command(const struct request *request);

#endif
