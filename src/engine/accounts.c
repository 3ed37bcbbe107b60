/*
 * accounts.c - open account halves, shared by deployments and counted by them.
 *
 * A half stays open while a deployment uses it, keyed by what it was opened with (account,
 * environment and the fingerprint of its settings). It keeps those settings, which have
 * memory of their own, and nothing else of the catalog that brought them. A pool inside the
 * snapshot was refused: a reload would then close every warm connection.
 *
 * A reload may bring or end hundreds of halves. So they are opened, when no task does it
 * before, and closed some in a pass; a catalog that is over is freed over several passes, too.
 */
#include "engine/accounts.h"

#include <limits.h>

#include "base/list.h"
#include "base/mem.h"
#include "engine/figures.h"

enum {
	CLOSE_STEP = 2, /* halves closed in a pass, each with all its connections */
	BURY_STEP = 2 * 1024 * 1024 /* bytes of a catalog that are freed in a pass */
};

/* One open half. */
struct half {
	struct link link;                /* accounts->halves */
	struct link work_link;           /* accounts->cold or accounts->unused, or none */
	unsigned users;                  /* deployments */
	const struct deployment *newest; /* of them; to be compared, never looked into */
	enum environment environment;
	uint64_t fingerprint;
	const struct service_ops *service;
	struct account *account;        /* NULL: not open yet */
	struct half_settings *settings; /* what account points to */
	struct figures *figures;        /* its account's, [ENV_COUNT] */
	uint64_t connects, failures;    /* of its pool: what figures have of them */
	struct loop_item reap;
};

struct accounts {
	struct loop *loop;
	struct list halves;
	struct list cold;   /* of them, those whose first connection is not begun */
	struct list unused; /* of them, those without users, to be closed */
	struct loop_item warm, close;
	struct list gone; /* deployments whose snapshot is being freed */
	struct loop_item bury;
	struct accounts_change change;
	struct figures_book *book;
};

struct deployment {
	struct link link; /* accounts->gone, once there are no references */
	unsigned references;
	struct accounts *accounts;
	struct snapshot *snapshot;
	struct figures_set *figures;
	struct half **halves; /* [account index * ENV_COUNT + environment]; NULL: absent or
				 unused */
};

/* The half at the front of a list of work, taken off; NULL: none. */
static struct half *take_half(struct list *list)
{
	struct link *link = list_take(list);

	return link ? container_of(link, struct half, work_link) : NULL;
}

static struct account *open_account(struct half *half, struct loop *loop)
{
	if (!half->account)
		half->account = half->service->open(half->settings->checked, loop);
	return half->account;
}

/* One a pass: a connect may cost milliseconds. */
static void warm_one(struct loop_item *item)
{
	struct accounts *accounts = container_of(item, struct accounts, warm);
	struct half *half = take_half(&accounts->cold);

	if (half)
		half->service->warm(open_account(half, accounts->loop));
	if (!list_empty(&accounts->cold))
		loop_upkeep(accounts->loop, &accounts->warm);
}

/* After everything of the pool that was closed before. */
static void reap_half(struct loop_item *item)
{
	struct half *half = container_of(item, struct half, reap);

	half_settings_release(half->settings);
	loop_dispose(half, sizeof(*half));
}

/*
 * What a pool has counted goes on after it, in its account's figures. They take over what has
 * come since the last time, so that they never fall, whichever pools there are meanwhile.
 */
static void take_connects(struct half *half, const struct account_figures *pool)
{
	struct figures *figures = &half->figures[half->environment];

	figures->connects += pool->connects - half->connects;
	figures->failures += pool->failures - half->failures;
	half->connects = pool->connects;
	half->failures = pool->failures;
}

/* Zeros while it is not open yet. */
static struct account_figures read_figures(struct half *half)
{
	struct account_figures pool = { 0 };

	if (half->account)
		half->service->figures(half->account, &pool);
	take_connects(half, &pool);
	return pool;
}

static void close_some(struct accounts *accounts, unsigned most)
{
	struct half *half;

	while (most-- > 0 && (half = take_half(&accounts->unused))) {
		list_remove(&accounts->halves, &half->link);
		(void)read_figures(half);
		figures_release(accounts->book, half->figures);
		if (half->account)
			half->service->close(half->account);
		loop_reap(accounts->loop, &half->reap);
	}
}

static void on_close(struct loop_item *item)
{
	struct accounts *accounts = container_of(item, struct accounts, close);

	close_some(accounts, CLOSE_STEP);
	if (!list_empty(&accounts->unused))
		loop_upkeep(accounts->loop, &accounts->close);
}

/* False: nothing is left to free. */
static bool bury_some(struct accounts *accounts, size_t bytes)
{
	struct link *link = list_first(&accounts->gone);
	struct deployment *deployment;

	if (!link)
		return false;
	deployment = container_of(link, struct deployment, link);
	if (!snapshot_release_some(deployment->snapshot, bytes)) {
		list_remove(&accounts->gone, link);
		free(deployment);
	}
	return true;
}

static void bury(struct loop_item *item)
{
	struct accounts *accounts = container_of(item, struct accounts, bury);

	if (bury_some(accounts, BURY_STEP))
		loop_upkeep(accounts->loop, &accounts->bury);
}

struct accounts *accounts_new(struct loop *loop)
{
	struct accounts *accounts = mem_zalloc(1, sizeof(*accounts));

	accounts->loop = loop;
	list_init(&accounts->halves);
	list_init(&accounts->cold);
	list_init(&accounts->unused);
	list_init(&accounts->gone);
	accounts->warm.run = warm_one;
	accounts->bury.run = bury;
	accounts->close.run = on_close;
	accounts->book = figures_book_new();
	return accounts;
}

void accounts_free(struct accounts *accounts)
{
	loop_cancel(accounts->loop, &accounts->warm);
	loop_cancel(accounts->loop, &accounts->bury);
	loop_cancel(accounts->loop, &accounts->close);
	close_some(accounts, UINT_MAX);
	while (bury_some(accounts, SIZE_MAX))
		;
	figures_book_free(accounts->book);
	free(accounts);
}

static struct half *find_half(struct accounts *accounts,
	const struct service_account *account, enum environment environment)
{
	list_for_each (&accounts->halves, link) {
		struct half *half = container_of(link, struct half, link);

		if (half->fingerprint == account->half[environment].fingerprint &&
			half->environment == environment &&
			half->service == account->service &&
			text_equal(half->settings->account, account->id))
			return half;
	}
	return NULL;
}

static void warm_soon(struct accounts *accounts, struct half *half)
{
	list_append(&accounts->cold, &half->work_link);
	loop_upkeep(accounts->loop, &accounts->warm);
}

static struct half *new_half(struct accounts *accounts,
	const struct service_account *account, enum environment environment)
{
	struct half *half = mem_zalloc(1, sizeof(*half));

	half->environment = environment;
	half->fingerprint = account->half[environment].fingerprint;
	half->service = account->service;
	half->settings = half_settings_hold(account->half[environment].settings);
	half->figures = figures_hold_account(accounts->book, account->id);
	half->reap.run = reap_half;
	list_append(&accounts->halves, &half->link);
	warm_soon(accounts, half);
	accounts->change.opened++;
	return half;
}

/* One that stands; when it was about to be closed, it is not any more. */
static void keep_half(struct accounts *accounts, struct half *half)
{
	accounts->change.kept++;
	if (half->users)
		return;
	list_remove(&accounts->unused, &half->work_link);
	if (!half->account)
		warm_soon(accounts, half);
}

static struct half *use_half(struct deployment *deployment,
	const struct service_account *account, enum environment environment)
{
	struct accounts *accounts = deployment->accounts;
	struct half *half = find_half(accounts, account, environment);

	if (half)
		keep_half(accounts, half);
	else
		half = new_half(accounts, account, environment);
	half->users++;
	half->newest = deployment;
	return half;
}

static void release_half(struct accounts *accounts, struct half *half)
{
	if (--half->users)
		return;
	if (link_is_listed(&half->work_link))
		list_remove(&accounts->cold, &half->work_link);
	list_append(&accounts->unused, &half->work_link);
	loop_upkeep(accounts->loop, &accounts->close);
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
	accounts->change = (struct accounts_change){ 0 };
	for (struct service_account *account = snapshot->accounts; account;
		account = account->hh.next) {
		if (!account->used || !account->service)
			continue;
		for (int e = 0; e < ENV_COUNT; e++)
			if (account->half[e].settings)
				deployment->halves[account->index * ENV_COUNT + e] =
					use_half(deployment, account, e);
	}
	list_for_each (&accounts->halves, link)
		if (container_of(link, struct half, link)->newest != deployment)
			accounts->change.closing++;
	return deployment;
}

const struct accounts_change *accounts_change(const struct accounts *accounts)
{
	return &accounts->change;
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
	free(deployment->halves);
	list_append(&deployment->accounts->gone, &deployment->link);
	loop_upkeep(deployment->accounts->loop, &deployment->accounts->bury);
}

const struct snapshot *deployment_snapshot(const struct deployment *deployment)
{
	return deployment->snapshot;
}

struct account *deployment_account(const struct deployment *deployment,
	const struct service_account *account, enum environment environment)
{
	struct half *half = deployment->halves[account->index * ENV_COUNT + environment];

	return half ? open_account(half, deployment->accounts->loop) : NULL;
}

const struct figures_set *deployment_figures(const struct deployment *deployment)
{
	return deployment->figures;
}

bool deployment_pool(const struct deployment *deployment, size_t index,
	enum environment environment, struct account_figures *out)
{
	struct half *half = deployment->halves[index * ENV_COUNT + environment];

	if (!half)
		return false;
	*out = read_figures(half);
	out->connects = half->figures[environment].connects;
	out->failures = half->figures[environment].failures;
	return true;
}
