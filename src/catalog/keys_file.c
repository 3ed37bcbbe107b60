/*
 * keys_file.c - keys.yaml: the API keys, only ever as hashes.
 *
 * The file holds no secret, so who else may read it is only worth a warning. Refused:
 * references to the environment in it, since what `add:key` writes has none.
 */
#include <sys/stat.h>

#include "base/units.h"
#include "catalog/load.h"
#include "conf/map.h"
#include "conf/secret.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

must_check static bool parse_hash(struct text t, unsigned char out[KEY_HASH_SIZE])
{
	static const char prefix[] = "sha256:";
	size_t skip = sizeof(prefix) - 1;

	if (t.len != skip + (size_t)2 * KEY_HASH_SIZE || memcmp(t.at, prefix, skip) != 0)
		return false;
	for (size_t i = 0; i < KEY_HASH_SIZE; i++) {
		int high = hex_digit(t.at[skip + 2 * i]),
		    low = hex_digit(t.at[skip + 2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

static void suggest_event(struct load *load, struct text id)
{
	struct suggest suggest;
	const struct event_def *event, *next;

	suggest_init(&suggest, id);
	HASH_ITER(hh, load->snapshot->events, event, next)
	suggest_offer(&suggest, event->id);
	diag_suggest(load->diag, &suggest);
}

/* An event that is not there allows nothing: worth a warning, as it may still be to come. */
static void read_events(struct load *load, const struct node *list, struct key *key)
{
	if (node_is_null(list))
		return;
	if (list->kind != NODE_LIST) {
		diag_error(load->diag, list->place,
			"'events' is a list of event ids, not %s",
			node_kind_name(list->kind));
		return;
	}
	key->events = arena_zalloc(load->arena, list->count + 1, sizeof(*key->events));
	for (size_t i = 0; i < list->count; i++) {
		struct text id = list->items[i]->text;

		if (!map_is_id(id, list->items[i]->place, load->diag))
			continue;
		key->events[key->event_count++] = id;
		if (snapshot_event(load->snapshot, id))
			continue;
		diag_warning(
			load->diag, list->items[i]->place, "no event '%.*s'", TEXT_ARG(id));
		suggest_event(load, id);
	}
}

/* Header values and Basic credentials can carry it. */
static bool is_client_key(struct text t)
{
	for (size_t i = 0; i < t.len; i++) {
		if (t.at[i] <= ' ' || t.at[i] >= 0x7f || t.at[i] == ':')
			return false;
	}
	return t.len > 0 && t.len <= 255;
}

must_check static bool read_rate(
	struct load *load, const struct node *node, struct key *key)
{
	const struct node *rate = node_get(node, "rate");

	if (node_is_null(rate) || units_rate(rate->text, &key->rate))
		return true;
	diag_error(
		load->diag, rate->place, "'rate' is a rate, such as 100/s, 30/m or 500/h");
	diag_hint(load->diag, "leave 'rate' out: the key is then unlimited");
	return false;
}

static const char *const key_keys[] = { "name", "environment", "clientKey", "secretHash",
	"events", "rate", NULL };

must_check static bool needs(
	struct load *load, const struct node *node, const char *key, struct text *out)
{
	return map_text_required(
		node, key, key_keys, "a key", node->place, out, load->diag);
}

/* All parts are looked at, so that one run shows all that is wrong. */
must_check static bool read_fields(
	struct load *load, const struct node *node, struct key *key)
{
	struct text environment, hash;
	struct diag *diag = load->diag;
	bool fine = needs(load, node, "name", &key->name);
	int index = 0;

	if (!needs(load, node, "environment", &environment) ||
		!map_choice(node, "environment", "live|test", 0, &index, diag))
		fine = false;
	key->environment = (enum environment)index;
	if (!needs(load, node, "clientKey", &key->client_key)) {
		fine = false;
	} else if (!is_client_key(key->client_key)) {
		diag_error(diag, node_get(node, "clientKey")->place,
			"'clientKey' has 1 to 255 visible ASCII characters without ':'");
		fine = false;
	}
	if (!needs(load, node, "secretHash", &hash)) {
		fine = false;
	} else if (!parse_hash(hash, key->secret_hash)) {
		diag_error(diag, node_get(node, "secretHash")->place,
			"'secretHash' is sha256: and 64 hexadecimal digits");
		fine = false;
	}
	return fine;
}

void load_key(struct load *load, const struct node *node)
{
	struct key *key = arena_zalloc(load->arena, 1, sizeof(*key)), *other;
	bool fine;

	if (node->kind != NODE_MAP) {
		diag_error(load->diag, node->place, "a key is a mapping, not %s",
			node_kind_name(node->kind));
		return;
	}
	fine = map_check(node, node->place, key_keys, "a key", load->diag);
	fine = read_rate(load, node, key) && fine;
	fine = read_fields(load, node, key) && fine;
	read_events(load, node_get(node, "events"), key);
	if (!fine)
		return;
	key->place = node_get(node, "clientKey")->place;
	HASH_FIND(hh, load->snapshot->keys, key->client_key.at, key->client_key.len, other);
	if (other) {
		diag_error(load->diag, key->place, "this client key stands twice");
		diag_note(load->diag, other->place, "first here");
		return;
	}
	HASH_ADD_KEYPTR(
		hh, load->snapshot->keys, key->client_key.at, key->client_key.len, key);
}

const struct node *load_keys(struct load *load)
{
	static const char *const names[] = { "keys", NULL };
	struct load_file file = { .name = "keys.yaml",
		.path = arena_printf(
			load->messages, "%s/keys.yaml", load->settings->folder) };
	const struct node *list;
	struct stat st;

	if (stat(file.path, &st) != 0)
		return NULL;
	secret_check_file(file.path, file.name, (struct place){ 0 }, true, load->diag);
	file.source = NULL;
	if (st.st_size == 0 || !load_parse(load, &file))
		return NULL;
	map_check(file.root, file.root->place, names, "keys.yaml", load->diag);
	list = node_get(file.root, "keys");
	if (node_is_null(list))
		return NULL;
	if (list->kind == NODE_LIST)
		return list;
	diag_error(load->diag, list->place, "'keys' is a list, not %s",
		node_kind_name(list->kind));
	return NULL;
}
