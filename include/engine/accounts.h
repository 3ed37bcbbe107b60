/*
 * accounts.h - the registry of open account halves, and which of them a catalog uses.
 *
 * A deployment is a catalog in force: its snapshot, and for each account half the open
 * pool. Pools whose settings did not change serve the next deployment too; one that nobody
 * refers to is closed.
 */
#ifndef VOLLEY_ENGINE_ACCOUNTS_H
#define VOLLEY_ENGINE_ACCOUNTS_H

#include "catalog/snapshot.h"
#include "engine/figures.h"
#include "loop/loop.h"
#include "service/service.h"

struct accounts;
struct deployment;

struct accounts *accounts_new(struct loop *loop);

/* Closes what is open; every deployment was released before. */
void accounts_free(struct accounts *accounts);

/*
 * Puts a snapshot in force: takes over the halves that enabled actions use, and opens the new
 * ones over the next passes with one connection each, or when a task needs one. With one
 * reference; takes over the caller's reference to the snapshot.
 */
struct deployment *accounts_deploy(struct accounts *accounts, struct snapshot *snapshot);

/* What the last accounts_deploy() meant for the open halves. */
struct accounts_change {
	size_t kept, opened;
	size_t closing; /* used by older deployments only: closed once their runs are over */
};
const struct accounts_change *accounts_change(const struct accounts *accounts);

struct deployment *deployment_hold(struct deployment *deployment);

/*
 * The last release ends what no other deployment uses: halves are closed, and the snapshot's
 * memory is given back, over the next passes.
 */
void deployment_release(struct deployment *deployment);

const struct snapshot *deployment_snapshot(const struct deployment *deployment);

/* The open half; NULL: this half is absent. */
struct account *deployment_account(const struct deployment *deployment,
	const struct service_account *account, enum environment environment);

/* What was counted for its events, actions and accounts; as long as the deployment. */
const struct figures_set *deployment_figures(const struct deployment *deployment);

/*
 * The figures of an open half's pool; connects and failures are those of all pools that this
 * half of the account has had, and never fall. The account is told by its index. False: this
 * half is absent or unused.
 */
bool deployment_pool(const struct deployment *deployment, size_t index,
	enum environment environment, struct account_figures *out);

#endif
