/*
 * sql_plans.h - templates of POSTGRESQL's actions to what would be sent, for tests.
 */
#ifndef VOLLEY_TEST_SQL_PLANS_H
#define VOLLEY_TEST_SQL_PLANS_H

#include "service/postgresql.h"
#include "value/model.h"
#include "vectors.h"

#define SQL_MODEL                                                                          \
	"id: String\nname: String\nn: Number\nflag: Boolean\nany: Any\ntags: [String]\n"   \
	"at: Date\ndays: [Date]\nobj: {city: String}\ntab: String\nkey: String!\n"         \
	"items: [{price: Number}]\n"

/* Checks and compiles a template of the action. NULL: diag has an error. */
static inline const struct plan *sql_plan_of(struct arena *arena, const char *action,
	const struct node *model, const struct node *template, struct diag *diag)
{
	const struct action_kind *kind = service_action(
		&service_postgresql, text_of(action));
	struct scope *scope = arena_zalloc(arena, 1, sizeof(*scope));
	size_t errors = diag_errors(diag);

	assert_non_null(kind);
	scope->specials = true;
	scope->model = model_compile(model, arena, diag);
	assert_int_equal(diag_errors(diag), errors);
	if (!service_check_fields(
		    kind->fields, template, template->place, "the template", diag))
		return NULL;
	return service_postgresql.compile(kind, template, scope, arena, diag);
}

/* What would be sent for the payload, as JSON, or the reason why not. */
static inline const char *sql_sent(
	struct arena *arena, const struct plan *plan, const char *payload)
{
	struct values values = { .event_id = TEXT("run-1") };
	const struct request *request;
	struct errbuf errbuf;
	struct strbuf out;
	yajl_gen gen;

	values.payload = vectors_parse(arena, payload);
	request = service_postgresql.render(plan, &values, 4096, arena, &errbuf);
	if (!request)
		return arena_text(arena, text_of(errbuf.text)).at;
	strbuf_init_arena(&out, arena, 1 << 16);
	gen = json_begin(&out);
	service_postgresql.describe(request, gen);
	json_end(gen);
	strbuf_char(&out, '\0');
	return out.data;
}

#endif
