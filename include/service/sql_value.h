/*
 * sql_value.h - values in SQL statements: compiled from templates, rendered to bind parameters.
 *
 * Payload columns, conditions and QUERY all bind their values here, so that a value becomes the
 * same parameter wherever it stands.
 */
#ifndef VOLLEY_SERVICE_SQL_VALUE_H
#define VOLLEY_SERVICE_SQL_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/macros.h"
#include "net/pg_client.h"
#include "value/node.h"
#include "value/scope.h"
#include "value/template.h"
#include "value/value.h"

/* What the protocol can count in one statement. */
enum { SQL_PARAMETERS_MAX = 65535 };

/* What compiling needs everywhere. */
struct sql_compiler {
	const struct scope *scope;
	struct arena *arena;
	struct diag *diag;
};

/* One run, or the making of a statement's text at load. */
struct sql_run {
	const struct values *values; /* NULL: at load, where all names are literal */
	const bool *left_out;        /* by column of the payload; NULL: none */
	size_t max;                  /* bytes of a request; not looked at at load */
	struct arena *arena;
	struct errbuf *errbuf;
};

/* A value of a template. */
struct sql_value {
	const char *field;                /* for messages */
	const struct template *scalar;    /* or */
	const struct template_tree *tree; /* a list or map written out */
	bool any;                         /* its type is known only from the value */
	bool date;                        /* a Date, or a list of them */
	bool described;                   /* its text may depend on the parameter's type */
};

/* Compiles any node. Mistakes go to diag. `field` lives as long as the arena. */
void sql_value_compile(const struct sql_compiler *c, const struct node *node,
	const char *field, struct sql_value *out);

/* The value in one run, Dates with their zone. *left_out: it is `{path?}` and has none. NULL: the
 * reason is in errbuf. */
must_check const struct value *sql_value_render(
	const struct sql_value *source, const struct sql_run *run, bool *left_out);

/* The parameters of one run. */
struct sql_parameters {
	const char **texts;
	const struct value *
		*values; /* those whose text depends on the type; NULL: none can */
	int count;
	bool typed; /* some value is in `values` */
	size_t bytes;
};

/* Room for `slots` of them; `described`: some may depend on their types. */
void sql_parameters_init(struct sql_parameters *parameters, size_t slots, bool described,
	struct arena *arena);

/* Adds the value as the next parameter. False: it cannot be one; the reason is in errbuf. */
must_check bool sql_parameters_add(struct sql_parameters *parameters,
	const struct sql_value *source, const struct value *value,
	const struct sql_run *run);

/* The query of the statement with these parameters. False: it is larger than a request may be;
 * the reason is in errbuf. */
must_check bool sql_parameters_query(const struct sql_parameters *parameters,
	const struct pg_statement *statement, const struct sql_run *run,
	struct pg_query *out);

#endif
