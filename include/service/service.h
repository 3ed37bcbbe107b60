/*
 * service.h - what every kind of service implements and the engine calls.
 *
 * An account is one configured service ("core-redis") in one environment; an attempt is one
 * try of one task on it. Sockets, pools and wire formats stay below this header.
 */
#ifndef VOLLEY_SERVICE_SERVICE_H
#define VOLLEY_SERVICE_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <yajl/yajl_gen.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/macros.h"
#include "base/text.h"
#include "net/attempt.h"
#include "value/node.h"
#include "value/scope.h"
#include "value/value.h"

/* What a template field or an account field holds. */
enum field_kind {
	FIELD_TEXT,       /* a scalar, wildcards allowed, rendered as text */
	FIELD_VALUE,      /* any tree, wildcards allowed, rendered as a value */
	FIELD_IDENTIFIER, /* a name; each wildcard's value is one identifier */
	FIELD_LIST,       /* a list of values */
	FIELD_MAP,        /* literal keys to values */
	FIELD_FLAG,       /* true or false, literal */
	FIELD_CHOICE,     /* one of the words in `choices`, literal */
	FIELD_LITERAL,    /* text without wildcards */
	FIELD_DURATION    /* "10s"; through a wildcard also a number of seconds */
};

enum {
	FIELD_REQUIRED = 1,
	FIELD_SECRET =
		2, /* masked in every view; in an account: the file must be private */
	FIELD_ADDRESS = 4 /* a url or connection string: secret where a password is in it */
};

/* One field of an action's template or of an account's half: drives loader, CLI, console
 * and manual. */
struct field {
	const char *name; /* NULL ends a table */
	enum field_kind kind;
	unsigned flags;       /* FIELD_REQUIRED, FIELD_SECRET */
	const char *choices;  /* FIELD_CHOICE: "nothing|update" */
	const char *fallback; /* default as it would be written in YAML; NULL: none */
	const char *help;     /* one line, shown to people */
};

enum { ACTION_IDEMPOTENT = 1 /* may be sent again when unanswered */ };

/* One thing a service can do: "SET". */
struct action_kind {
	const char *name;           /* NULL ends a table */
	const char *mapped;         /* serviceAction in replies; NULL: the name */
	const struct field *fields; /* of its template */
	unsigned flags;
	const char *help;
};

struct settings; /* a checked account half: the connector's own */
struct plan;     /* a compiled template: the connector's own */
struct account;  /* an open account half with its pool: the connector's own */

/* What account_check() needs to know beside the node. */
struct account_context {
	const char *account;       /* id */
	const char *environment;   /* "live" or "test" */
	const char *folder;        /* the project folder: relative paths start here */
	struct pool_settings pool; /* already resolved */
	uint64_t *files; /* account_check() fills in what changes with files beside the
			    project's own: which they are, and what is in them; may be NULL */
};

/* One const row per native service, listed in services.c. */
struct service_ops {
	const char *type;           /* its name in the YAML files: "REDIS" */
	const char *const *aliases; /* other names, NULL-terminated; may be NULL */
	const struct field
		*account; /* fields of an account's half; NULL: needs no account */
	const struct action_kind *actions;
	unsigned connections; /* default of pool.connections */
	const char *help;

	/*
	 * At load. Every mistake goes to diag; the result lives in the arena, as do `half`
	 * and the texts of the context, and may point to them. `half` has only known keys,
	 * required ones present, pool etc. already handled by the caller. NULL: diag has an
	 * error.
	 */
	struct settings *(*account_check)(const struct node *half,
		const struct account_context *context, struct arena *arena,
		struct diag *diag);
	/*
	 * At load, after account_check(): an enabled action with this timeout (ns) uses
	 * the half. For limits that the service itself keeps for a whole connection; may
	 * be NULL.
	 */
	void (*allow)(struct settings *settings, uint64_t timeout, struct arena *arena);
	/*
	 * At load. `template` has only known fields of the right shape and all required
	 * ones (checked by service_check_fields). NULL: diag has an error.
	 */
	struct plan *(*compile)(const struct action_kind *kind, const struct node *template,
		const struct scope *scope, struct arena *arena, struct diag *diag);

	/*
	 * At load: the action's `group` option, in place of the action's own habit. False:
	 * it cannot be grouped. NULL: nothing is ever grouped.
	 */
	bool (*group)(struct plan *plan, bool group);

	/* Pure. The same for a run, a dry run and a contract test. NULL: the reason is in
	 * errbuf. */
	const struct request *(*render)(const struct plan *plan,
		const struct values *values, size_t max, struct arena *arena,
		struct errbuf *errbuf);
	/* What would be sent, as one JSON value; secrets masked. */
	void (*describe)(const struct request *request, yajl_gen gen);

	/*
	 * On the loop. settings (and the names in its context) outlive the account. open()
	 * connects nothing; warm() opens one connection in the background. LOG has neither:
	 * account is NULL.
	 */
	struct account *(*open)(const struct settings *settings, struct loop *loop);
	void (*warm)(struct account *account);
	void (*start)(struct account *account, const struct request *request,
		struct attempt *attempt);
	/*
	 * The attempt's timeout is over: how much longer (ns) to wait because the service is
	 * about to end it in a better-known way; 0: cancel it. NULL: never.
	 */
	uint64_t (*patience)(struct account *account, const struct attempt *attempt);
	enum attempt_stage (*cancel)(struct account *account, struct attempt *attempt);
	void (*figures)(const struct account *account, struct account_figures *out);
	/* No attempt is in it any more, or those that are will be cancelled first. */
	void (*close)(struct account *account);
};

/*
 * All native services, NULL-terminated: read top to bottom as the list of what is spoken.
 */
extern const struct service_ops *const services[];

/* The service of that type or alias, or NULL. */
const struct service_ops *service_find(struct text type);

/* The action of that name, or NULL. */
const struct action_kind *service_action(const struct service_ops *ops, struct text name);

/*
 * Checks a map against a table of fields: unknown names (x- ones are allowed) with a
 * suggestion, required ones, shapes, choices, literal ones without wildcards, `{name}`
 * without quotes. `what` names it in messages ("the template of SET"). NULL or null nodes
 * count as an empty map. False: diag has errors.
 */
must_check bool service_check_fields(const struct field *fields, const struct node *map,
	struct place where, const char *what, struct diag *diag);

#endif
