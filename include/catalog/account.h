/*
 * account.h - a service account as its file says: two halves, live and test.
 */
#ifndef VOLLEY_CATALOG_ACCOUNT_H
#define VOLLEY_CATALOG_ACCOUNT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/text.h"
#include "service/service.h"

enum environment { ENV_LIVE, ENV_TEST, ENV_COUNT };

/* "live" or "test". */
const char *environment_name(enum environment environment);

/*
 * What a half was checked to be, in memory of its own: a pool that is opened with it outlives
 * the catalog when the next one has the same half. Counted: the catalog has one reference,
 * whoever keeps the half open another.
 */
struct half_settings {
	unsigned references;
	struct arena *arena;      /* everything below */
	struct text account;      /* id */
	struct settings *checked; /* the connector's */
};

struct half_settings *half_settings_hold(struct half_settings *settings);
void half_settings_release(struct half_settings *settings);

struct account_half {
	bool present;
	struct half_settings *settings; /* NULL: absent or of a type not served */
	struct pool_settings pool;
	uint64_t longest; /* ns: of the pool's timeout and those of its enabled actions */
	uint64_t fingerprint; /* keyed hash of everything resolved, files and `longest`
	                         included: equal = the same pool may serve */
};

struct service_account {
	struct text id, name;
	const struct service_ops
		*service; /* NULL: a type that this version does not serve */
	struct text type; /* as written */
	struct account_half half[ENV_COUNT];
	bool used;       /* by an enabled action */
	size_t index;    /* in the snapshot's list */
	uint64_t digest; /* of its file's text */
	struct place place;
	UT_hash_handle hh;
};

#endif
