/*
 * redis_command.c - which commands COMMAND takes.
 *
 * Tasks share a connection, and replies are matched to commands by their order alone. So a
 * command is refused when it would change the connection for those that follow, make it wait,
 * or give none or many replies. What runs is never a payload's choice: names and scripts
 * are literal.
 *
 * Refused: a list of what is allowed. Modules and newer servers bring commands that nobody
 * here has heard of, and almost all of them are harmless.
 */
#include "service/redis_command.h"

#include "value/wildcard.h"

#define SUBSCRIBES "it would make the connection, which tasks share, a subscriber's"
#define TRANSACTS  "a transaction would take in commands of other tasks on the connection"
#define LOGS_IN    "it would change the login of the connection, which tasks share"
#define CHANGES    "it would change the connection, which tasks share"
#define ENDS       "it would end the connection, which tasks share"
#define REPLICATES "it would make the connection, which tasks share, a replica's"
#define BLOCKS     "it would block the connection, which tasks share"
#define STOPS      "it would stop the server for everyone"

#define SENDS      "PUBLISH and SPUBLISH send; nothing here listens"
#define AS_ONE     "EVAL runs several commands as one"
#define BY_ACCOUNT "the account's url, username and password log in"
#define BY_HAND    "redis-cli does it on a connection of its own"
#define BY_POOL    "the account's pool opens and closes connections"
#define IN_CLUSTER "the account names one server, and its slots are what it serves"

/* In any case of letters. */
static const struct {
	const char *name, *why, *instead;
} refused[] = {
	{ "SUBSCRIBE", SUBSCRIBES, SENDS },
	{ "PSUBSCRIBE", SUBSCRIBES, SENDS },
	{ "SSUBSCRIBE", SUBSCRIBES, SENDS },
	{ "UNSUBSCRIBE", SUBSCRIBES, SENDS },
	{ "PUNSUBSCRIBE", SUBSCRIBES, SENDS },
	{ "SUNSUBSCRIBE", SUBSCRIBES, SENDS },
	{ "MONITOR", CHANGES, BY_HAND },
	{ "MULTI", TRANSACTS, AS_ONE },
	{ "EXEC", TRANSACTS, AS_ONE },
	{ "DISCARD", TRANSACTS, AS_ONE },
	{ "WATCH", TRANSACTS, AS_ONE },
	{ "UNWATCH", TRANSACTS, AS_ONE },
	{ "SELECT", CHANGES, "the account's url names the database" },
	{ "AUTH", LOGS_IN, BY_ACCOUNT },
	{ "HELLO", CHANGES, BY_ACCOUNT },
	{ "RESET", CHANGES, BY_POOL },
	{ "QUIT", ENDS, BY_POOL },
	{ "CLIENT", CHANGES, BY_HAND },
	{ "ASKING", CHANGES, IN_CLUSTER },
	{ "READONLY", CHANGES, IN_CLUSTER },
	{ "READWRITE", CHANGES, IN_CLUSTER },
	{ "SYNC", REPLICATES, BY_HAND },
	{ "PSYNC", REPLICATES, BY_HAND },
	{ "REPLCONF", REPLICATES, BY_HAND },
	{ "SHUTDOWN", STOPS, BY_HAND },
	{ "DEBUG", STOPS, BY_HAND },
	{ "POST", ENDS, "an HTTP action sends to a web server" },
	{ "HOST:", ENDS, "an HTTP action sends to a web server" },
	{ "WAIT", BLOCKS, "min-replicas-to-write asks the server for replicas" },
	{ "WAITAOF", BLOCKS, "appendfsync asks the server for its disk" },
	{ "BLPOP", BLOCKS, "LPOP does not wait" },
	{ "BRPOP", BLOCKS, "RPOP does not wait" },
	{ "BRPOPLPUSH", BLOCKS, "RPOPLPUSH does not wait" },
	{ "BLMOVE", BLOCKS, "LMOVE does not wait" },
	{ "BLMPOP", BLOCKS, "LMPOP does not wait" },
	{ "BZPOPMIN", BLOCKS, "ZPOPMIN does not wait" },
	{ "BZPOPMAX", BLOCKS, "ZPOPMAX does not wait" },
	{ "BZMPOP", BLOCKS, "ZMPOP does not wait" },
};

#define SCRIPT_HINT                                                                        \
	"values go in as KEYS and ARGV; a brace of the script's own that looks like a "    \
	"wildcard is written \\{"

/* Arguments that say what runs: the first one, or all. */
static const struct {
	const char *name;
	bool all;
	const char *what, *instead;
} literal[] = {
	{ "EVAL", false, "the script", SCRIPT_HINT },
	{ "EVAL_RO", false, "the script", SCRIPT_HINT },
	{ "EVALSHA", false, "the script's digest", SCRIPT_HINT },
	{ "EVALSHA_RO", false, "the script's digest", SCRIPT_HINT },
	{ "FCALL", false, "the function's name", "values go in behind the number of keys" },
	{ "FCALL_RO", false, "the function's name",
		"values go in behind the number of keys" },
	{ "SCRIPT", true, "an argument", SCRIPT_HINT },
	{ "FUNCTION", true, "an argument", SCRIPT_HINT },
};

static bool is_scalar(const struct node *node)
{
	return node->kind != NODE_LIST && node->kind != NODE_MAP;
}

static bool has_wildcard(const struct node *node, struct arena *arena)
{
	return is_scalar(node) && wildcard_is_in(node->text, arena);
}

static bool refuse(const struct node *node, const char *name, const char *why,
	const char *instead, struct diag *diag)
{
	diag_error(diag, node->place, "COMMAND refuses %s: %s", name, why);
	diag_hint(diag, "%s", instead);
	return false;
}

static bool is_one_word(struct text name)
{
	for (size_t i = 0; i < name.len; i++) {
		if ((unsigned char)name.at[i] <= ' ' || name.at[i] == 0x7F)
			return false;
	}
	return name.len > 0;
}

static bool check_name(const struct node *name, struct arena *arena, struct diag *diag)
{
	if (node_is_null(name) || !is_scalar(name)) {
		diag_error(diag, name->place, "the command's name cannot be %s",
			node_kind_name(name->kind));
		return false;
	}
	if (wildcard_is_in(name->text, arena)) {
		diag_error(diag, name->place, "the command's name takes no wildcard");
		diag_hint(diag, "an action for each command, and a condition that chooses");
		return false;
	}
	if (!is_one_word(name->text)) {
		diag_error(diag, name->place, "the command's name is one word");
		diag_hint(diag, "each argument is an item of its own: [GET, key]");
		return false;
	}
	for (size_t i = 0; i < array_len(refused); i++) {
		if (text_is_nocase(name->text, refused[i].name))
			return refuse(name, refused[i].name, refused[i].why,
				refused[i].instead, diag);
	}
	return true;
}

static bool check_literal(const struct node *args, struct arena *arena, struct diag *diag)
{
	size_t row = 0, count;

	while (row < array_len(literal) &&
		!text_is_nocase(args->items[0]->text, literal[row].name))
		row++;
	if (row == array_len(literal))
		return true;
	count = literal[row].all || args->count < 2 ? args->count : 2;
	for (size_t i = 1; i < count; i++) {
		if (!has_wildcard(args->items[i], arena))
			continue;
		diag_error(diag, args->items[i]->place, "%s of %s takes no wildcard",
			literal[row].what, literal[row].name);
		diag_hint(diag, "%s", literal[row].instead);
		return false;
	}
	return true;
}

/* SCRIPT DEBUG makes the connection's next EVAL a session of the debugger. */
static bool check_script(const struct node *args, struct diag *diag)
{
	if (args->count < 2 || !text_is_nocase(args->items[0]->text, "SCRIPT") ||
		!is_scalar(args->items[1]) ||
		!text_is_nocase(args->items[1]->text, "DEBUG"))
		return true;
	return refuse(args->items[1], "SCRIPT DEBUG", CHANGES, BY_HAND, diag);
}

/* How many values follow an option of XREAD or XREADGROUP. */
static size_t values_of(struct text option)
{
	if (text_is_nocase(option, "COUNT"))
		return 1;
	return text_is_nocase(option, "GROUP") ? 2 : 0;
}

/*
 * Reads the options as the server does, up to STREAMS: none may be BLOCK, nor a wildcard,
 * whose value could be. The options' own values, and keys and ids, may be.
 */
static bool check_blocking_read(
	const struct node *args, struct arena *arena, struct diag *diag)
{
	struct text name = args->items[0]->text;

	if (!text_is_nocase(name, "XREAD") && !text_is_nocase(name, "XREADGROUP"))
		return true;
	for (size_t i = 1; i < args->count; i++) {
		const struct node *option = args->items[i];

		if (!is_scalar(option) || text_is_nocase(option->text, "STREAMS"))
			return true;
		if (text_is_nocase(option->text, "BLOCK"))
			return refuse(option, "BLOCK", BLOCKS,
				"without BLOCK the command does not wait", diag);
		if (has_wildcard(option, arena)) {
			diag_error(diag, option->place,
				"an option of %.*s takes no wildcard: it could be BLOCK",
				TEXT_ARG(name));
			diag_hint(diag, "keys and ids, behind STREAMS, take wildcards");
			return false;
		}
		i += values_of(option->text);
	}
	return true;
}

bool redis_command_check(const struct node *args, struct arena *arena, struct diag *diag)
{
	if (args->count == 0) {
		diag_error(diag, args->place, "args is empty");
		diag_hint(diag, "it begins with the command's name: [GET, key]");
		return false;
	}
	return check_name(args->items[0], arena, diag) &&
	       check_literal(args, arena, diag) && check_script(args, diag) &&
	       check_blocking_read(args, arena, diag);
}
