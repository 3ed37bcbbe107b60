/*
 * account.c - accounts/<id>.yaml: a type and two halves.
 *
 * Secrets are looked for before references are replaced, since a reference is none. What
 * belongs to the engine (pool, breaker, rate, concurrency) is taken out of a half before the
 * connector sees it. Refused: letting one half stand in for the other.
 */
#include "catalog/account.h"

#include "base/units.h"
#include "catalog/load.h"
#include "conf/map.h"
#include "conf/secret.h"
#include "conf/substitute.h"

enum {
	QUEUE_BYTES = 64 * 1024 * 1024, /* of requests that wait, an account half */
	MAX_HALF = 4 * 1024 * 1024      /* bytes of a half's text, for its fingerprint */
};

const char *environment_name(enum environment environment)
{
	return environment == ENV_LIVE ? "live" : "test";
}

struct half_settings *half_settings_hold(struct half_settings *settings)
{
	settings->references++;
	return settings;
}

void half_settings_release(struct half_settings *settings)
{
	if (--settings->references == 0)
		arena_free(settings->arena);
}

static void release_settings(void *settings)
{
	half_settings_release(settings);
}

/* ---- secrets -------------------------------------------------------------------------- */

/* Keys whose value is a secret in any service's account. */
static bool is_secret_key(const struct service_ops *ops, struct text key)
{
	static const char *const names[] = { "password", "secret", "secretKey", "token",
		"bearer", "apiKey", "apiSecret", "accessKey", "secretAccessKey",
		"privateKey", "clientSecret", "refreshToken", "authorization", "webhook",
		NULL };

	for (size_t i = 0; names[i]; i++) {
		if (text_is_nocase(key, names[i]))
			return true;
	}
	for (const struct field *f = ops ? ops->account : NULL; f && f->name; f++) {
		if ((f->flags & FIELD_SECRET) && text_is(key, f->name))
			return true;
	}
	return false;
}

/* Blanks all literal secrets below the node; returns the first one's node, or NULL. */
static const struct node *find_secrets(
	const struct service_ops *ops, const struct node *node, bool is_secret)
{
	const struct node *first = NULL;

	if (node->kind != NODE_LIST && node->kind != NODE_MAP)
		return (is_secret ? secret_literal(node) : secret_literal_in_url(node))
			       ? node
			       : NULL;
	for (size_t i = 0; i < node->count; i++) {
		const struct node *below = node->kind == NODE_LIST ? node->items[i]
								   : node->entries[i].value;
		const struct node *found = find_secrets(ops, below,
			is_secret || (node->kind == NODE_MAP &&
					     is_secret_key(ops, node->entries[i].key)));

		first = first ? first : found;
	}
	return first;
}

/* ---- a half --------------------------------------------------------------------------- */

static void append_node(struct strbuf *out, const struct node *node)
{
	strbuf_printf(out, "%d:%zu:", node->kind, node->text.len);
	strbuf_text(out, node->text);
	for (size_t i = 0; node->kind == NODE_LIST && i < node->count; i++)
		append_node(out, node->items[i]);
	for (size_t i = 0; node->kind == NODE_MAP && i < node->count; i++) {
		strbuf_printf(out, "%zu=", node->entries[i].key.len);
		strbuf_text(out, node->entries[i].key);
		append_node(out, node->entries[i].value);
	}
	strbuf_char(out, ';');
}

static uint64_t fingerprint(const struct service_ops *ops, const struct node *half,
	const struct pool_settings *pool, uint64_t files)
{
	struct strbuf out;
	uint64_t hash;

	strbuf_init(&out, MAX_HALF);
	strbuf_printf(&out, "%s:%u:%u:%zu:%llu:%llu:%llu:%zu:", ops->type,
		pool->connections, pool->queue, pool->queue_bytes,
		(unsigned long long)pool->connect_timeout,
		(unsigned long long)pool->timeout, (unsigned long long)pool->idle_timeout,
		pool->response_limit);
	strbuf_printf(&out, "%llu:", (unsigned long long)files);
	append_node(&out, half);
	hash = hash_bytes(out.data, out.len);
	explicit_bzero(out.data, out.len);
	strbuf_free(&out);
	return hash;
}

/* What a half may hold beside the connector's fields. */
static const char *const others[] = { "pool", "breaker", "rate", "concurrency" };

/* Whether the key is the connector's, or one of those misspelt, which the check of its fields
 * reports. Neither that nor ours is an error. */
must_check static bool is_field(
	struct load *load, const struct service_ops *ops, const struct node_entry *entry)
{
	struct suggest suggest;

	if (map_key_is_private(entry->key))
		return false;
	suggest_init(&suggest, entry->key);
	for (size_t i = 0; i < array_len(others); i++) {
		if (text_is(entry->key, others[i]))
			return false;
		suggest_offer(&suggest, text_of(others[i]));
	}
	for (const struct field *f = ops->account; f->name; f++) {
		if (text_is(entry->key, f->name))
			return true;
		suggest_offer(&suggest, text_of(f->name));
	}
	for (const struct field *f = ops->account; suggest_found(&suggest) && f->name;
		f++) {
		if (text_is(suggest.best, f->name))
			return true;
	}
	diag_error(load->diag, entry->key_place,
		"unknown key '%.*s' in an account of type %s", TEXT_ARG(entry->key),
		ops->type);
	diag_suggest(load->diag, &suggest);
	return false;
}

/* The half without what is not the connector's. */
static const struct node *connector_fields(
	struct load *load, const struct service_ops *ops, const struct node *half)
{
	struct node *copy = arena_alloc(load->arena, sizeof(*copy));

	*copy = *half;
	copy->count = 0;
	copy->entries = arena_zalloc(load->arena, half->count + 1, sizeof(*copy->entries));
	for (size_t i = 0; i < half->count; i++) {
		if (is_field(load, ops, &half->entries[i]))
			copy->entries[copy->count++] = half->entries[i];
	}
	return copy;
}

static struct pool_settings read_pool(
	struct load *load, const struct service_ops *ops, const struct node *half)
{
	struct volley_settings s = *load->settings;

	options_read(settings_table, "pool.", node_get(half, "pool"), &s, load->arena,
		load->diag, NULL);
	return (struct pool_settings){
		.connections = s.pool.connections ? s.pool.connections : ops->connections,
		.queue = s.pool.queue,
		.queue_bytes = QUEUE_BYTES,
		.connect_timeout = s.pool.connect_timeout,
		.timeout = s.pool.timeout,
		.idle_timeout = s.pool.idle_timeout,
		.response_limit = s.pool.response_limit,
	};
}

/* Checks what has no effect in this version. */
static void check_others(struct load *load, const struct node *half)
{
	struct volley_settings scratch = *load->settings;
	const struct node *rate = node_get(half, "rate");
	const struct node *concurrency = node_get(half, "concurrency");
	double per_second;

	options_read(settings_table, "breaker.", node_get(half, "breaker"), &scratch,
		load->arena, load->diag, &load->idle);
	if (!node_is_null(rate)) {
		options_idle(&load->idle, TEXT("rate"));
		if (!units_rate(rate->text, &per_second))
			diag_error(
				load->diag, rate->place, "'rate' is a rate, such as 100/s");
	}
	if (!node_is_null(concurrency)) {
		static const struct conf_option table[] = { { .name = "concurrency",
								    .type = OPTION_UNSIGNED,
								    .min = "1",
								    .max = "1000000" },
			{ .name = NULL } };
		struct node_entry entry = *node_entry(half, TEXT("concurrency"));
		struct node map = { .kind = NODE_MAP, .count = 1, .entries = &entry };
		unsigned value;

		options_read(table, "", &map, &value, load->arena, load->diag, &load->idle);
	}
}

/* Has the connector check its fields, in memory that the snapshot shares. */
static void check_half(struct load *load, struct service_account *account,
	enum environment environment, const struct node *fields)
{
	struct account_half *half = &account->half[environment];
	struct arena *arena = arena_new_lasting();
	struct half_settings *settings = arena_zalloc(arena, 1, sizeof(*settings));
	struct account_context *context = arena_alloc(arena, sizeof(*context));
	uint64_t files = 0;

	arena_defer(load->arena, release_settings, settings);
	settings->references = 1;
	settings->arena = arena;
	settings->account = arena_text(arena, account->id);
	*context = (struct account_context){ .account = settings->account.at,
		.environment = environment_name(environment),
		.folder = arena_text(arena, text_of(load->settings->folder)).at,
		.pool = half->pool,
		.files = &files };
	settings->checked = account->service->account_check(
		node_copy(fields, arena), context, arena, load->diag);
	context->files = NULL;
	half->longest = half->pool.timeout;
	half->fingerprint = fingerprint(account->service, fields, &half->pool, files);
	if (settings->checked)
		half->settings = settings;
}

/* resolved: no reference was missing, so the connector can make sense of the values. */
static void read_half(struct load *load, struct service_account *account,
	enum environment environment, const struct node *node, bool resolved)
{
	struct account_half *half = &account->half[environment];
	const struct service_ops *ops = account->service;
	const char *name = environment_name(environment);
	const struct node *fields;

	half->present = !node_is_null(node);
	if (!half->present || !ops || !ops->account)
		return;
	if (node->kind != NODE_MAP) {
		diag_error(load->diag, node->place, "'%s' is a mapping, not %s", name,
			node_kind_name(node->kind));
		return;
	}
	half->pool = read_pool(load, ops, node);
	check_others(load, node);
	fields = connector_fields(load, ops, node);
	if (service_check_fields(ops->account, fields, node->place,
		    arena_printf(load->arena, "the %s half", name), load->diag) &&
		resolved)
		check_half(load, account, environment, fields);
}

void load_account_link(struct load *load, struct service_account *account)
{
	for (int e = 0; e < ENV_COUNT; e++) {
		struct account_half *half = &account->half[e];
		uint64_t both[] = { half->fingerprint, half->longest };

		if (!half->settings || !account->service->allow)
			continue;
		half->fingerprint = hash_bytes(both, sizeof(both));
		if (half->longest > half->pool.timeout)
			account->service->allow(half->settings->checked, half->longest,
				half->settings->arena);
	}
}

/* ---- the file ------------------------------------------------------------------------- */

static void read_type(
	struct load *load, struct service_account *account, const struct node *type)
{
	struct load_type found = load_type(load, account->type);

	account->service = found.ops;
	if (!found.name) {
		load_unknown_type(load, account->type, type->place);
	} else if (!found.ops) {
		diag_warning(load->diag, type->place,
			"accounts of type %.*s are not served by this version, nor checked",
			TEXT_ARG(account->type));
	} else if (!found.ops->account) {
		diag_error(load->diag, type->place, "%s needs no account", found.ops->type);
	}
}

/* Puts the account into the snapshot, unless its id stands in another file. */
must_check static bool add(struct load *load, struct service_account *account)
{
	struct snapshot *snapshot = load->snapshot;
	struct service_account *other;

	HASH_FIND(hh, snapshot->accounts, account->id.at, account->id.len, other);
	if (other) {
		diag_error(load->diag, account->place, "the account '%.*s' stands twice",
			TEXT_ARG(account->id));
		diag_note(load->diag, other->place, "first here");
		return false;
	}
	account->index = snapshot->account_count++;
	HASH_ADD_KEYPTR(hh, snapshot->accounts, account->id.at, account->id.len, account);
	return true;
}

static void warn_of_missing_halves(struct load *load, const struct service_account *account)
{
	for (int e = 0; e < ENV_COUNT; e++) {
		if (account->service && account->service->account &&
			!account->half[e].present)
			diag_warning(load->diag, account->place,
				"the account '%.*s' has no '%s' half: its actions fail "
				"there",
				TEXT_ARG(account->id), environment_name(e));
	}
}

static void read_account(struct load *load, const struct load_file *file,
	const struct node *root, bool resolved)
{
	static const char *const names[] = { "id", "name", "type", "live", "test", NULL };
	struct service_account *account = arena_zalloc(load->arena, 1, sizeof(*account));
	const struct node *type = node_get(root, "type");
	const char *const *checked = names;

	account->digest = file->digest;
	account->place = map_place(root, "id", root->place);
	account->name = map_text(root, "name", load->diag);
	if (map_text_required(root, "type", names, "an account", root->place,
		    &account->type, load->diag))
		read_type(load, account, type);
	/* The file of a type that is not served may hold anything. */
	if (account->service || !load_type(load, account->type).name)
		map_check(root, root->place, names, "an account", load->diag);
	else
		checked = NULL;
	if (!map_text_required(root, "id", checked, "an account", root->place, &account->id,
		    load->diag) ||
		!map_is_id(account->id, account->place, load->diag) || !add(load, account))
		return;
	if (!account->name.len)
		account->name = account->id;
	if (!text_equal(account->id, file->stem)) {
		diag_warning(load->diag, account->place,
			"the file's name is not the account's id '%.*s'",
			TEXT_ARG(account->id));
	}
	read_half(load, account, ENV_LIVE, node_get(root, "live"), resolved);
	read_half(load, account, ENV_TEST, node_get(root, "test"), resolved);
	warn_of_missing_halves(load, account);
}

/* Literal secrets need a private file; what messages quote of them is blanked. */
static void check_secrets(struct load *load, const struct load_file *file)
{
	const struct node *type = node_get(file->root, "type"), *secret;
	struct text name = type ? type->text : (struct text){ "", 0 };

	secret = find_secrets(load_type(load, name).ops, file->root, false);
	if (secret)
		secret_check_file(file->path, file->name, secret->place, false, load->diag);
}

void load_account(struct load *load, struct load_file *file)
{
	const struct node *root;
	size_t errors;

	if (!load_parse(load, file)) {
		if (file->source)
			secret_blank_lines(file->source);
		return;
	}
	check_secrets(load, file);
	errors = diag_errors(load->diag);
	root = substitute(file->root, load->settings->folder, SUBSTITUTE_KEEP, load->arena,
		load->diag);
	read_account(load, file, root, diag_errors(load->diag) == errors);
	load_idle_done(load);
}
