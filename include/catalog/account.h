/*
 * account.h - a service account as its file says: two halves, live and test.
 */
#ifndef VOLLEY_CATALOG_ACCOUNT_H
#define VOLLEY_CATALOG_ACCOUNT_H

#include <stdbool.h>

#include "base/hash.h"
#include "base/text.h"
#include "service/service.h"

enum environment { ENV_LIVE, ENV_TEST, ENV_COUNT };

/* "live" or "test". */
const char *environment_name(enum environment environment);

struct account_half {
	bool present;
	struct settings *settings; /* the connector's, checked; NULL: absent or of a type
	                              not served */
	struct pool_settings pool;
	uint64_t longest; /* ns: of the pool's timeout and those of its enabled actions */
	uint64_t fingerprint; /* keyed hash of everything resolved: equal = the same pool
	                         may serve */
};

struct service_account {
	struct text id, name;
	const struct service_ops
		*service; /* NULL: a type that this version does not serve */
	struct text type; /* as written */
	struct account_half half[ENV_COUNT];
	bool used;    /* by an enabled action */
	size_t index; /* in the snapshot's list */
	struct place place;
	UT_hash_handle hh;
};

#endif
