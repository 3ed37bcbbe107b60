/*
 * services.c - the list of what is spoken.
 *
 * Existence is a row that can be read here; registration by constructors or linker sections
 * was refused, because nothing in the source would then list what exists.
 */
#include "service/service.h"

#include "service/log.h"
#include "service/postgresql.h"
#include "service/redis.h"

const struct service_ops *const services[] = {
	&service_postgresql,
	&service_redis,
	&service_log,
	NULL,
};

static bool has_alias(const struct service_ops *ops, struct text type)
{
	for (const char *const *alias = ops->aliases; alias && *alias; alias++)
		if (text_is(type, *alias))
			return true;
	return false;
}

const struct service_ops *service_find(struct text type)
{
	for (const struct service_ops *const *row = services; *row; row++)
		if (text_is(type, (*row)->type) || has_alias(*row, type))
			return *row;
	return NULL;
}

const struct action_kind *service_action(const struct service_ops *ops, struct text name)
{
	for (const struct action_kind *kind = ops->actions; kind->name; kind++)
		if (text_is(name, kind->name))
			return kind;
	return NULL;
}
