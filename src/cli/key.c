/*
 * key.c - `volley add:key`: an API key of 192 random bits and a secret of as many, printed
 * once.
 *
 * The entry is appended to keys.yaml as text, so that a person's comments stay, and the
 * result is parsed before it replaces the file.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/units.h"
#include "base/uuid.h"
#include "catalog/key.h"
#include "cli/cli.h"
#include "conf/yaml.h"
#include "value/json.h"

enum { RANDOM_BYTES = 24 };

static const char *hex(struct arena *arena, const unsigned char *bytes, size_t len)
{
	char *out = arena_alloc(arena, len * 2 + 1);

	for (size_t i = 0; i < len; i++)
		snprintf(out + i * 2, 3, "%02x", bytes[i]);
	return out;
}

static const char *random_token(
	struct arena *arena, const char *prefix, const char *environment)
{
	unsigned char bytes[RANDOM_BYTES];

	uuid_random(bytes, sizeof(bytes));
	return arena_printf(
		arena, "%s_%s_%s", prefix, environment, hex(arena, bytes, sizeof(bytes)));
}

/* Ids as the spec has them: [A-Za-z0-9_][A-Za-z0-9_.-]{0,99}. */
static bool is_id(const char *name)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	size_t len = strlen(name);

	return len >= 1 && len <= 100 && name[0] != '.' && name[0] != '-' &&
	       strspn(name, letters) == len;
}

/* The entries of a keys.yaml; NULL: it is no YAML or no list of keys, which was said. */
static const struct node *parse_keys(
	struct cli *cli, const char *path, struct text text, const struct node **list)
{
	struct diag *diag = diag_new(cli->arena);
	struct source *source = arena_alloc(cli->arena, sizeof(*source));
	const struct node *root;

	*source = (struct source){ path, text };
	root = yaml_parse(source, cli->arena, diag);
	*list = node_get(root, "keys");
	if (!root || diag_errors(diag)) {
		diag_print(diag, stderr);
		return NULL;
	}
	if (node_is_null(root) || (node_is_null(*list) && root->kind == NODE_MAP) ||
		(*list && (*list)->kind == NODE_LIST))
		return root;
	cli_fail(CLI_REFUSED, "%s has no list of keys", path);
	return NULL;
}

static bool has_key(const struct node *list, const char *name)
{
	for (size_t i = 0; list && list->kind == NODE_LIST && i < list->count; i++) {
		const struct node *other = node_get(list->items[i], "name");

		if (other && text_is(other->text, name))
			return true;
	}
	return false;
}

/* The keys that a text would hold; 0 when it is no YAML. */
static size_t count_keys(struct cli *cli, const char *path, struct text text)
{
	struct diag *diag = diag_new(cli->arena);
	struct source source = { path, text };
	const struct node *root = yaml_parse(&source, cli->arena, diag);
	const struct node *list = diag_errors(diag) ? NULL : node_get(root, "keys");

	return list && list->kind == NODE_LIST ? list->count : 0;
}

/* The list of `--events a,b` as YAML flow, or "". False: one is no id, which was said. */
static bool format_events(struct cli *cli, struct strbuf *out)
{
	const char *given = cli->option[CLI_EVENTS];
	char *rest, *word;
	bool first = true;

	if (!given)
		return true;
	rest = arena_printf(cli->arena, "%s", given);
	strbuf_string(out, ", events: [");
	while ((word = strsep(&rest, ","))) {
		if (!is_id(word)) {
			cli_fail(CLI_USAGE, "--events: '%s' is no event id", word);
			return false;
		}
		strbuf_printf(out, "%s%s", first ? "" : ", ", word);
		first = false;
	}
	strbuf_string(out, "]");
	return true;
}

/* How far the list's dashes are indented. */
static unsigned indentation(const struct node *list)
{
	unsigned line, column;

	if (!list || list->kind != NODE_LIST || list->count == 0)
		return 2;
	place_line_column(list->items[0]->place, &line, &column);
	return column > 3 ? column - 3 : 0;
}

/*
 * The text that the entry is appended to: without an empty flow list (`keys: []`), behind which
 * nothing could stand. Only when it is the file's last word.
 */
static struct text without_empty_list(
	struct text old, const struct node *root, const struct node **list)
{
	if (!*list || (*list)->kind != NODE_LIST || (*list)->count > 0 || root->count != 1)
		return old;
	*list = NULL;
	return (struct text){ old.at, root->entries[0].key_place.offset };
}

struct new_key {
	const char *name, *environment, *client_key, *secret;
	const char *rate; /* NULL: unlimited */
};

/* keys.yaml's text with the entry behind it; false: it could not be put there. */
static bool append_entry(struct cli *cli, const char *path, struct text old,
	const struct new_key *key, struct strbuf *out)
{
	unsigned char hash[KEY_HASH_SIZE];
	const struct node *list, *root = parse_keys(cli, path, old, &list);
	size_t before;

	if (!root)
		return false;
	if (has_key(list, key->name)) {
		cli_fail(CLI_REFUSED, "%s has a key named %s already", path, key->name);
		return false;
	}
	before = list && list->kind == NODE_LIST ? list->count : 0;
	old = without_empty_list(old, root, &list);
	strbuf_text(out, old);
	if (old.len && old.at[old.len - 1] != '\n')
		strbuf_char(out, '\n');
	if (!list)
		strbuf_string(out, "keys:\n");
	key_hash(text_of(key->secret), hash);
	strbuf_printf(out,
		"%*s- { name: %s, environment: %s, clientKey: %s, secretHash: "
		"\"sha256:%s\"",
		(int)indentation(list), "", key->name, key->environment, key->client_key,
		hex(cli->arena, hash, sizeof(hash)));
	if (!format_events(cli, out))
		return false;
	if (key->rate)
		strbuf_printf(out, ", rate: %s", key->rate);
	strbuf_string(out, " }\n");
	if (count_keys(cli, path, strbuf_get(out)) == before + 1)
		return true;
	cli_fail(CLI_REFUSED,
		"%s is laid out so that nothing can be appended to its list; "
		"write `keys:` as a block list, one entry a line",
		path);
	return false;
}

static void print_key(struct cli *cli, const char *path, const struct new_key *key)
{
	struct strbuf out;
	yajl_gen gen;

	if (!cli->option[CLI_JSON]) {
		fprintf(stderr,
			"Key %s (%s) added to %s; a running volleyd knows it after a "
			"restart.\n"
			"The secret is shown this once:\n",
			key->name, key->environment, path);
		printf("client_key: %s\nclient_secret: %s\n", key->client_key, key->secret);
		return;
	}
	strbuf_init_arena(&out, cli->arena, SIZE_MAX);
	gen = json_begin(&out);
	yajl_gen_map_open(gen);
	json_string(gen, "clientKey", text_of(key->client_key));
	json_string(gen, "clientSecret", text_of(key->secret));
	yajl_gen_map_close(gen);
	json_end(gen);
	printf("%.*s\n", TEXT_ARG(strbuf_get(&out)));
}

static enum cli_exit add_key(struct cli *cli, const char *path, const struct new_key *key)
{
	struct text old = { "", 0 };
	struct errbuf errbuf;
	struct strbuf out;
	enum cli_exit code = CLI_REFUSED;

	if (access(path, F_OK) == 0 &&
		!file_read(cli->arena, path, YAML_MAX_BYTES, &old, &errbuf))
		return cli_fail(CLI_REFUSED, "%s", errbuf.text);
	strbuf_init(&out, 2 * (size_t)YAML_MAX_BYTES);
	if (append_entry(cli, path, old, key, &out)) {
		if (file_write_atomic(path, strbuf_get(&out), 0600, &errbuf)) {
			print_key(cli, path, key);
			code = CLI_DONE;
		} else {
			cli_fail(CLI_REFUSED, "%s", errbuf.text);
		}
	}
	strbuf_free(&out);
	return code;
}

enum cli_exit verb_add_key(struct cli *cli)
{
	const char *path = cli_project_file(cli, "keys.yaml");
	struct new_key key;
	double per_second;

	if (!path)
		return CLI_REFUSED;
	key.name = cli_argument(cli, 0, "NAME");
	if (!key.name)
		return CLI_USAGE;
	if (!is_id(key.name))
		return cli_fail(CLI_USAGE,
			"'%s' is no name: letters, digits and _.- with a letter, digit or "
			"_ first",
			key.name);
	key.environment = cli_required(cli, CLI_ENVIRONMENT, "environment (live or test)");
	if (!key.environment)
		return CLI_USAGE;
	if (strcmp(key.environment, "live") != 0 && strcmp(key.environment, "test") != 0)
		return cli_fail(CLI_USAGE, "--environment is live or test, not '%s'",
			key.environment);
	key.rate = cli->option[CLI_RATE];
	if (key.rate && !units_rate(text_of(key.rate), &per_second))
		return cli_fail(CLI_USAGE, "--rate is like 100/s, not '%s'", key.rate);
	key.client_key = random_token(cli->arena, "vk", key.environment);
	key.secret = random_token(cli->arena, "vs", key.environment);
	return add_key(cli, path, &key);
}
