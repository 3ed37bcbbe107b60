/*
 * settings.c - volley.yaml to one struct: the table's rows, and the few keys of another shape.
 *
 * What this version does not do yet is checked all the same and named as idle; where a
 * setting that has no effect would be dangerous (a journal) it is an error. Refused:
 * starting on defaults when the file is wrong.
 */
#include "conf/settings.h"

#include <errno.h>
#include <stdlib.h>

#include "base/strbuf.h"
#include "conf/address.h"
#include "conf/map.h"
#include "conf/secret.h"
#include "conf/substitute.h"
#include "conf/yaml.h"

enum { MAX_LISTENERS = 64, MAX_LIST = 1000, MAX_IDLE = 4096 };

struct reader {
	struct volley_settings *settings;
	struct arena *arena;
	struct diag *diag;
	struct strbuf idle;
	bool has_token; /* the file names one, whether or not it can be read */
};

/* ---- lists ---------------------------------------------------------------------------- */

/* A list, or one value that stands for a list of itself. Returns the number of items. */
static size_t as_list(
	const struct node *node, const struct node *const **items, const struct node **one)
{
	if (node->kind == NODE_LIST) {
		*items = node->items;
		return node->count;
	}
	*one = node;
	*items = one;
	return 1;
}

must_check static bool check_count(struct reader *r, const struct node *node,
	const char *what, size_t count, size_t max)
{
	if (count > 0 && count <= max)
		return true;
	diag_error(r->diag, node->place, "'%s' has %zu entries, at least 1 and at most %zu",
		what, count, max);
	return false;
}

/* ---- listen --------------------------------------------------------------------------- */

/* One listener: an address, or {address, tls}. */
static void read_listener(struct reader *r, const struct node *node)
{
	static const char *const names[] = { "address", "tls", NULL };
	struct volley_settings *s = r->settings;
	struct listener *listener = &s->listen[s->listen_count];
	const struct node *address = node, *tls = node_get(node, "tls");

	listener->tls = s->tls.certificate != NULL;
	if (node->kind == NODE_MAP) {
		address = node_get(node, "address");
		if (!map_check(node, node->place, names, "a listener", r->diag))
			return;
		listener->tls = map_flag(node, "tls", listener->tls, r->diag);
		if (listener->tls && !s->tls.certificate) {
			diag_error(r->diag, tls ? tls->place : node->place,
				"TLS needs a certificate");
			diag_hint(r->diag,
				"write tls: { certificate: FILE, key: FILE } beside "
				"'listen'");
		}
		if (!address) {
			diag_error(r->diag, node->place, "a listener needs 'address'");
			return;
		}
	}
	listener->place = address->place;
	listener->address = address_read(address, "listen", s->folder, r->arena, r->diag);
	if (!listener->address)
		return;
	for (size_t i = 0; i < s->listen_count; i++) {
		const char *colon = strrchr(listener->address, ':');

		if (strcmp(listener->address, s->listen[i].address) == 0 &&
			strcmp(colon, ":0") != 0) {
			diag_error(r->diag, address->place, "this address stands twice");
			diag_note(r->diag, s->listen[i].place, "first here");
			return;
		}
	}
	s->listen_count++;
}

static void read_listen(struct reader *r, const struct node *node)
{
	const struct node *one, *const *items;
	size_t count;

	if (node_is_null(node))
		return;
	count = as_list(node, &items, &one);
	if (!check_count(r, node, "listen", count, MAX_LISTENERS))
		return;
	r->settings->listen_count = 0;
	r->settings->listen = arena_zalloc(r->arena, count, sizeof(*r->settings->listen));
	for (size_t i = 0; i < count; i++)
		read_listener(r, items[i]);
}

/* ---- tls ------------------------------------------------------------------------------ */

/* The file that a key of the block names, from the folder on, and where it is named. */
static void place_file(struct reader *r, const struct node *tls, const char *key,
	const char **path, struct place *place)
{
	*place = map_place(tls, key, tls->place);
	if (*path && **path != '/')
		*path = arena_printf(r->arena, "%s/%s", r->settings->folder, *path);
}

static void read_tls(struct reader *r, const struct node *root)
{
	static const char *const names[] = { "certificate", "key", "clientCa", "minVersion",
		NULL };
	const struct node *node = node_get(root, "tls");
	struct settings_tls *tls = &r->settings->tls;
	const char *missing;
	struct place place;

	if (node_is_null(node) || node->kind != NODE_MAP)
		return;
	place_file(r, node, "certificate", &tls->certificate, &tls->certificate_place);
	place_file(r, node, "key", &tls->key, &tls->key_place);
	place_file(r, node, "clientCa", &tls->client_ca, &tls->client_ca_place);
	if (tls->certificate && tls->key)
		return;
	missing = tls->certificate ? "key" : "certificate";
	place = node->count ? node->place : node_entry(root, TEXT("tls"))->key_place;
	if (!node_is_null(node_get(node, missing)) || map_misspelt(node, missing, names))
		return;
	diag_error(r->diag, place, "'tls' needs '%s'", missing);
	diag_hint(r->diag, "write tls: { certificate: FILE, key: FILE }");
}

/* A block that no listener uses is a mistake in one of the two places. */
static void warn_unused_tls(struct reader *r, const struct node *root)
{
	const struct volley_settings *s = r->settings;
	bool used = false;

	for (size_t i = 0; i < s->listen_count; i++)
		used = used || s->listen[i].tls;
	if (s->tls.certificate && !used)
		diag_warning(r->diag, node_entry(root, TEXT("tls"))->key_place,
			"no listener uses 'tls': each of them says tls: false");
}

/* ---- routes --------------------------------------------------------------------------- */

static bool is_route(const struct node *node)
{
	struct text t = node->text;

	if (node->kind != NODE_STRING || t.len == 0 || t.at[0] != '/' ||
		t.at[t.len - 1] != '/')
		return false;
	for (size_t i = 0; i < t.len; i++) {
		if (t.at[i] <= ' ' || t.at[i] >= 0x7f || strchr("?#%", t.at[i]))
			return false;
	}
	return true;
}

static void read_routes(struct reader *r, const struct node *node)
{
	struct volley_settings *s = r->settings;
	const struct node *one, *const *items;
	size_t count;

	if (node_is_null(node))
		return;
	count = as_list(node, &items, &one);
	if (!check_count(r, node, "routes", count, MAX_LIST))
		return;
	s->route_count = 0;
	s->routes = arena_zalloc(r->arena, count, sizeof(*s->routes));
	for (size_t i = 0; i < count; i++) {
		if (is_route(items[i])) {
			s->routes[s->route_count++] =
				arena_text(r->arena, items[i]->text).at;
			continue;
		}
		diag_error(r->diag, items[i]->place,
			"a route is a path that begins and ends with '/'");
		diag_hint(r->diag, "such as \"/event/\"");
	}
}

/* ---- admin ---------------------------------------------------------------------------- */

static void read_hosts(struct reader *r, const struct node *node)
{
	struct settings_admin *admin = &r->settings->admin;
	const struct node *one, *const *items;
	size_t count = as_list(node, &items, &one);

	if (!check_count(r, node, "admin.hosts", count, MAX_LIST))
		return;
	admin->hosts = arena_zalloc(r->arena, count, sizeof(*admin->hosts));
	for (size_t i = 0; i < count; i++) {
		struct text t = items[i]->text;

		if (items[i]->kind != NODE_STRING || t.len == 0 ||
			memchr(t.at, '\0', t.len) || strpbrk(t.at, "/:@ \t\r\n"))
			diag_error(r->diag, items[i]->place,
				"a host is a name without a port");
		else
			admin->hosts[admin->host_count++] = arena_text(r->arena, t).at;
	}
}

static void read_admin(struct reader *r, const struct node *node)
{
	const struct node *listen = node_get(node, "listen"),
			  *hosts = node_get(node, "hosts");
	struct settings_admin *admin = &r->settings->admin;

	if (node_is_null(node) || node->kind != NODE_MAP)
		return;
	if (!node_is_null(listen)) {
		const char *address = address_read(
			listen, "admin.listen", r->settings->folder, r->arena, r->diag);

		if (address)
			admin->listen = address;
		if (address && !address_is_local(address) && !r->has_token) {
			diag_error(r->diag, listen->place,
				"an admin listener that others can reach needs "
				"'admin.token'");
			diag_hint(r->diag, "token: \"${file:admin-token}\" takes it from a "
					   "file of mode 0600");
		}
	}
	if (!node_is_null(hosts))
		read_hosts(r, hosts);
}

/* ---- retry, journal ------------------------------------------------------------------- */

void settings_read_retry(const struct node *node, struct volley_settings *settings,
	struct arena *arena, struct diag *diag, struct strbuf *idle)
{
	if (node_is_null(node))
		return;
	options_idle(idle, TEXT("retry"));
	settings->retry.enabled = true;
	if (node->kind == NODE_BOOLEAN && !node->boolean) {
		settings->retry.enabled = false;
	} else if (node->kind != NODE_MAP) {
		diag_error(diag, node->place, "'retry' is false or a mapping");
		diag_hint(diag, "leave it out for the defaults");
	} else {
		options_read(settings_table, "retry.", node, settings, arena, diag, idle);
	}
}

/* What would be dangerous to accept without effect. */
static void refuse_unsafe(struct reader *r, const struct node *root)
{
	const struct node *journal = node_get(root, "journal");
	const struct node *engine = node_get(journal, "engine");

	if (engine && r->settings->journal_engine != 0) {
		diag_error(r->diag, engine->place, "this version has no journal yet");
		diag_hint(r->diag,
			"leave 'engine' out, or write none: events in work are lost in "
			"a crash");
	}
}

/* ---- the whole file ------------------------------------------------------------------- */

struct volley_settings *settings_new(const char *folder, struct arena *arena)
{
	struct volley_settings *s = arena_zalloc(arena, 1, sizeof(*s));

	s->folder = arena_text(arena, text_of(folder)).at;
	options_defaults(settings_table, s, arena);
	s->retry.enabled = true;
	s->admin.listen = "127.0.0.1:8081";
	s->listen = arena_zalloc(arena, 1, sizeof(*s->listen));
	s->listen[0].address = "127.0.0.1:8080";
	s->listen_count = 1;
	s->routes = arena_zalloc(arena, 1, sizeof(*s->routes));
	s->routes[0] = "/event/";
	s->route_count = 1;
	return s;
}

static void read_root(struct reader *r, const struct node *root, const char *name)
{
	if (!node_is_null(root) && root->kind != NODE_MAP) {
		diag_error(r->diag, root->place, "%s is a mapping, not %s", name,
			node_kind_name(root->kind));
		if (root->kind == NODE_STRING)
			diag_hint(r->diag, "is a ':' missing?");
		return;
	}
	options_read(settings_table, "", root, r->settings, r->arena, r->diag, &r->idle);
	if (node_is_null(root))
		return;
	read_tls(r, root);
	r->settings->listen[0].tls = r->settings->tls.certificate != NULL;
	read_listen(r, node_get(root, "listen"));
	warn_unused_tls(r, root);
	read_routes(r, node_get(root, "routes"));
	read_admin(r, node_get(root, "admin"));
	settings_read_retry(
		node_get(root, "retry"), r->settings, r->arena, r->diag, &r->idle);
	refuse_unsafe(r, root);
}

/* The absolute folder of a file, in the arena; NULL: it does not exist. */
static const char *folder_of(const char *path, struct arena *arena)
{
	const char *slash = strrchr(path, '/');
	struct text folder = { path, slash ? (size_t)(slash - path) : 0 };
	const char *relative = !slash       ? "."
			       : folder.len ? arena_text(arena, folder).at
					    : "/";
	char *absolute = realpath(relative, NULL);
	const char *copy = absolute ? arena_text(arena, text_of(absolute)).at : NULL;

	free(absolute);
	return copy;
}

static struct volley_settings *read_file(
	struct reader *r, const char *path, const char *folder, const struct source *source)
{
	const struct node *root = yaml_parse(source, r->arena, r->diag);
	const struct node *token;

	if (!root) {
		secret_blank_lines(source);
		return NULL;
	}
	token = node_get(node_get(root, "admin"), "token");
	r->has_token = !node_is_null(token);
	if (secret_literal(token))
		secret_check_file(path, source->name, token->place, false, r->diag);
	r->settings = settings_new(folder, r->arena);
	strbuf_init_arena(&r->idle, r->arena, MAX_IDLE);
	read_root(r, substitute(root, folder, SUBSTITUTE_NULL, r->arena, r->diag),
		source->name);
	if (r->idle.len)
		r->settings->idle = arena_text(r->arena, strbuf_get(&r->idle)).at;
	return r->settings;
}

struct volley_settings *settings_load_with(
	const char *path, struct arena *arena, struct arena *messages, struct diag *diag)
{
	const char *folder = folder_of(path, arena), *slash = strrchr(path, '/');
	struct reader r = { .arena = arena, .diag = diag };
	const struct source *source;

	if (!folder) {
		diag_error(diag, (struct place){ 0 }, "%s: %s", path, strerror(errno));
		return NULL;
	}
	source = yaml_read(
		path, slash ? slash + 1 : path, messages ? messages : arena, diag);
	return source ? read_file(&r, path, folder, source) : NULL;
}

const struct volley_settings *settings_load(
	const char *path, struct arena *arena, struct diag *diag)
{
	return settings_load_with(path, arena, NULL, diag);
}
