/*
 * accounts.c - open account halves, shared by deployments and counted by them.
 *
 * A half stays open while a deployment uses it, keyed by what it was opened with (account,
 * environment and the fingerprint of its settings). A pool inside the snapshot was refused:
 * a reload would then close every warm connection.
 */
#include "engine/accounts.h"

#include "base/list.h"
#include "base/mem.h"
#include "engine/figures.h"

/* One open half. */
struct half {
	struct link link; /* accounts->halves */
	unsigned users;   /* deployments */
	struct text account_id;
	enum environment environment;
	uint64_t fingerprint;
	const struct service_ops *service;
	struct account *account;
	struct figures *figures;   /* its account's, [ENV_COUNT] */
	struct snapshot *snapshot; /* whose arena holds its settings and names */
};

struct accounts {
	struct loop *loop;
	struct list halves;
	struct figures_book *book;
};

struct deployment {
	unsigned references;
	struct accounts *accounts;
	struct snapshot *snapshot;
	struct figures_set *figures;
	struct half **halves; /* [account index * ENV_COUNT + environment]; NULL: absent or
				 unused */
};

struct accounts *accounts_new(struct loop *loop)
{
	struct accounts *accounts = mem_zalloc(1, sizeof(*accounts));

	accounts->loop = loop;
	list_init(&accounts->halves);
	accounts->book = figures_book_new();
	return accounts;
}

void accounts_free(struct accounts *accounts)
{
	figures_book_free(accounts->book);
	free(accounts);
}

static struct half *find_half(struct accounts *accounts,
	const struct service_account *account, enum environment environment)
{
	list_for_each (&accounts->halves, link) {
		struct half *half = container_of(link, struct half, link);

		if (half->environment == environment && half->service == account->service &&
			half->fingerprint == account->half[environment].fingerprint &&
			text_equal(half->account_id, account->id))
			return half;
	}
	return NULL;
}

static struct half *open_half(struct deployment *deployment,
	const struct service_account *account, enum environment environment)
{
	struct accounts *accounts = deployment->accounts;
	struct half *half = find_half(accounts, account, environment);

	if (!half) {
		half = mem_zalloc(1, sizeof(*half));
		half->account_id = account->id;
		half->environment = environment;
		half->fingerprint = account->half[environment].fingerprint;
		half->service = account->service;
		half->snapshot = snapshot_hold(deployment->snapshot);
		half->figures = figures_hold_account(accounts->book, account->id);
		half->account = account->service->open(
			account->half[environment].settings, accounts->loop);
		list_append(&accounts->halves, &half->link);
		account->service->warm(half->account);
	}
	half->users++;
	return half;
}

/* What a pool has counted goes on after it, in its account's figures. */
static void keep_connects(struct half *half)
{
	struct figures *figures = &half->figures[half->environment];
	struct account_figures counted;

	half->service->figures(half->account, &counted);
	figures->connects += counted.connects;
	figures->failures += counted.failures;
}

static void release_half(struct accounts *accounts, struct half *half)
{
	if (--half->users)
		return;
	keep_connects(half);
	half->service->close(half->account);
	figures_release(accounts->book, half->figures);
	snapshot_release(half->snapshot);
	list_remove(&accounts->halves, &half->link);
	free(half);
}

struct deployment *accounts_deploy(struct accounts *accounts, struct snapshot *snapshot)
{
	struct deployment *deployment = mem_zalloc(1, sizeof(*deployment));

	deployment->references = 1;
	deployment->accounts = accounts;
	deployment->snapshot = snapshot;
	deployment->figures = figures_set_new(accounts->book, snapshot);
	deployment->halves = mem_zalloc(
		snapshot->account_count * ENV_COUNT + 1, sizeof(struct half *));
	for (struct service_account *account = snapshot->accounts; account;
		account = account->hh.next) {
		if (!account->used || !account->service)
			continue;
		for (int e = 0; e < ENV_COUNT; e++)
			if (account->half[e].settings)
				deployment->halves[account->index * ENV_COUNT + e] =
					open_half(deployment, account, e);
	}
	return deployment;
}

struct deployment *deployment_hold(struct deployment *deployment)
{
	deployment->references++;
	return deployment;
}

void deployment_release(struct deployment *deployment)
{
	size_t count;

	if (--deployment->references)
		return;
	count = deployment->snapshot->account_count * ENV_COUNT;
	for (size_t i = 0; i < count; i++)
		if (deployment->halves[i])
			release_half(deployment->accounts, deployment->halves[i]);
	figures_set_free(deployment->accounts->book, deployment->figures);
	snapshot_release(deployment->snapshot);
	free(deployment->halves);
	free(deployment);
}

const struct snapshot *deployment_snapshot(const struct deployment *deployment)
{
	return deployment->snapshot;
}

struct account *deployment_account(const struct deployment *deployment,
	const struct service_account *account, enum environment environment)
{
	const struct half *half =
		deployment->halves[account->index * ENV_COUNT + environment];

	return half ? half->account : NULL;
}

const struct figures_set *deployment_figures(const struct deployment *deployment)
{
	return deployment->figures;
}

bool deployment_pool(const struct deployment *deployment, size_t index,
	enum environment environment, struct account_figures *out)
{
	const struct half *half = deployment->halves[index * ENV_COUNT + environment];
	const struct figures *closed =
		&deployment->figures->accounts[index].figures[environment];

	if (!half)
		return false;
	half->service->figures(half->account, out);
	out->connects += closed->connects;
	out->failures += closed->failures;
	return true;
}
