/*
 * reference.c - the references of the manual, printed from the tables that the code reads.
 *
 *   reference mdoc        accounts and templates, the generated part of volley-project(5)
 *   reference json        the same for tests
 *   reference settings    the settings, the generated part of volley.yaml(5)
 *
 * It knows no service and no setting by name: a new action, field or service is in the manual once `make
 * reference` has run, and `make check` fails until then. Refused: a page that quotes the
 * tables by hand; it would be wrong after the first field that somebody adds.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "conf/settings.h"
#include "service/service.h"
#include "value/json.h"

/* mandoc wants lines of at most 80 bytes. */
enum { LINE_MAX_BYTES = 78, DOCUMENT_MAX = 4 * 1024 * 1024, PHRASE_MAX = 4096 };

/* What a kind of field is called, and what that means: for the page's legend. */
static const struct {
	enum field_kind kind;
	const char *name, *meaning;
} kinds[] = {
	{ FIELD_TEXT, "text",
		"one scalar, rendered as text; wildcards may stand anywhere in it" },
	{ FIELD_VALUE, "any value",
		"a scalar, list or mapping with wildcards anywhere in it; one that is "
		"exactly a wildcard keeps the JSON type" },
	{ FIELD_IDENTIFIER, "name",
		"a name; what a wildcard stands for is one identifier, whatever is in it" },
	{ FIELD_LIST, "list", "a list whose elements may hold wildcards" },
	{ FIELD_MAP, "mapping", "literal keys, whose values may hold wildcards" },
	{ FIELD_FLAG, "true or false", "written out, no wildcard" },
	{ FIELD_CHOICE, "one of some words", "written out, no wildcard" },
	{ FIELD_LITERAL, "literal text", "no wildcard" },
	{ FIELD_DURATION, "duration",
		"500ms, 10s, 5m, 24h, 7d; through a wildcard also a number of seconds" },
};

static const char *kind_name(enum field_kind kind)
{
	for (size_t i = 0; i < array_len(kinds); i++)
		if (kinds[i].kind == kind)
			return kinds[i].name;
	fprintf(stderr, "reference: a field of kind %d has no name here\n", (int)kind);
	exit(1);
}

/* What a buffer holds, as a string that lives as long as it. */
static const char *finished(struct strbuf *buf)
{
	strbuf_char(buf, '\0');
	if (!buf->failed)
		return buf->data;
	fputs("reference: a text is longer than it may be\n", stderr);
	exit(1);
}

/* "one of a, b" for "a|b". */
static void append_choices(struct strbuf *out, const char *choices)
{
	strbuf_string(out, "one of ");
	for (const char *at = choices; *at; at++)
		strbuf_string(out, *at == '|' ? ", " : (const char[]){ *at, '\0' });
}

/* What the parentheses behind a field's name say. */
static void describe_field(const struct field *field, struct strbuf *out)
{
	if (field->kind == FIELD_CHOICE)
		append_choices(out, field->choices);
	else
		strbuf_string(out, kind_name(field->kind));
	if (field->flags & FIELD_REQUIRED)
		strbuf_string(out, "; required");
	if (field->fallback)
		strbuf_printf(out, "; default: %s", field->fallback);
	if (field->flags & FIELD_SECRET)
		strbuf_string(out, "; secret");
	if (field->flags & FIELD_ADDRESS)
		strbuf_string(out, "; secret when a password is in it");
}

/* ---- mdoc ---- */

/* Ends the line of `*column` bytes and begins another. */
static void break_line(size_t *column)
{
	putchar('\n');
	*column = 0;
}

static void print_word(struct text word, size_t *column)
{
	if (*column > 0 && *column + 1 + word.len > LINE_MAX_BYTES)
		break_line(column);
	if (*column > 0)
		putchar(' ');
	else if (word.at[0] == '.' || word.at[0] == '\'')
		fputs("\\&", stdout); /* no request */
	for (size_t i = 0; i < word.len; i++) {
		if (word.at[i] == '\\')
			fputs("\\e", stdout);
		else
			putchar(word.at[i]);
	}
	*column += (*column > 0) + word.len;
}

/* A paragraph of text: wrapped, and every sentence on a line of its own. */
static void print_text(const char *text)
{
	size_t column = 0;

	while (*(text += strspn(text, " "))) {
		size_t len = strcspn(text, " ");

		print_word((struct text){ text, len }, &column);
		if (strchr(".!?", text[len - 1]))
			break_line(&column);
		text += len;
	}
	if (column > 0)
		break_line(&column);
}

/* One argument of a macro, in quotes: nothing in it is a macro's name or a delimiter. */
static void print_argument(const char *argument)
{
	putchar('"');
	for (; *argument; argument++) {
		if (*argument == '"')
			fputs("\\(dq", stdout);
		else if (*argument == '\\')
			fputs("\\e", stdout);
		else
			putchar(*argument);
	}
	putchar('"');
}

static void print_fields(const struct field *fields)
{
	puts(".Bl -tag -width Ds -compact");
	for (const struct field *field = fields; field->name; field++) {
		struct strbuf phrase;

		strbuf_init(&phrase, PHRASE_MAX);
		strbuf_char(&phrase, '(');
		describe_field(field, &phrase);
		strbuf_char(&phrase, ')');
		printf(".It Sy %s No ", field->name);
		print_argument(finished(&phrase));
		putchar('\n');
		print_text(field->help);
		strbuf_free(&phrase);
	}
	puts(".El");
}

/* The first action that has the same fields: told once. */
static const struct action_kind *first_with_fields(
	const struct service_ops *ops, const struct action_kind *kind)
{
	const struct action_kind *first = ops->actions;

	while (first->fields != kind->fields)
		first++;
	return first;
}

static void print_action(const struct service_ops *ops, const struct action_kind *kind)
{
	const struct action_kind *first = first_with_fields(ops, kind);
	struct strbuf phrase;

	strbuf_init(&phrase, PHRASE_MAX);
	printf(".It Sy %s\n", kind->name);
	strbuf_string(&phrase, kind->help);
	if (kind->mapped)
		strbuf_printf(&phrase, "; replies call it %s", kind->mapped);
	if (kind->flags & ACTION_IDEMPOTENT)
		strbuf_string(&phrase, "; may be repeated when unanswered");
	if (first != kind) {
		strbuf_string(&phrase, ". Fields as of ");
		strbuf_printf(&phrase, "%s: ", first->name);
		for (const struct field *field = kind->fields; field->name; field++)
			strbuf_printf(&phrase, "%s%s", field == kind->fields ? "" : ", ",
				field->name);
	}
	strbuf_char(&phrase, '.');
	print_text(finished(&phrase));
	strbuf_free(&phrase);
	if (first == kind)
		print_fields(kind->fields);
}

static void print_account(const struct service_ops *ops)
{
	if (!ops->account) {
		puts("It needs no account.");
		return;
	}
	printf("An account half opens at most %u connection%s, unless its\n"
	       ".Sy pool.connections\nsays otherwise.\nIts own fields:\n",
		ops->connections, ops->connections == 1 ? "" : "s");
	print_fields(ops->account);
	puts(".Pp\nActions and the fields of their templates:");
}

/* Help is a phrase; here it is a sentence. */
static void print_help(const char *help)
{
	struct strbuf sentence;

	strbuf_init(&sentence, PHRASE_MAX);
	strbuf_printf(&sentence, "%c%s.", toupper((unsigned char)help[0]), help + 1);
	print_text(finished(&sentence));
	strbuf_free(&sentence);
}

static void print_service(const struct service_ops *ops)
{
	printf(".Ss %s\n", ops->type);
	print_help(ops->help);
	for (const char *const *alias = ops->aliases; alias && *alias; alias++)
		printf("The type may also be written\n.Cm %s .\n", *alias);
	print_account(ops);
	puts(".Bl -tag -width Ds");
	for (const struct action_kind *kind = ops->actions; kind->name; kind++)
		print_action(ops, kind);
	puts(".El");
}

static void print_mdoc(void)
{
	puts("Kinds of fields:\n.Bl -tag -width Ds -compact");
	for (size_t i = 0; i < array_len(kinds); i++) {
		printf(".It \"%s\"\n", kinds[i].name);
		print_text(kinds[i].meaning);
	}
	puts(".El");
	for (const struct service_ops *const *ops = services; *ops; ops++)
		print_service(*ops);
}

/* ---- settings ---- */

/* A custom option has a form of its own, which its help tells. */
static const char *const option_types[] = {
	[OPTION_UNSIGNED] = "number",
	[OPTION_SIZE] = "size",
	[OPTION_DURATION] = "duration",
	[OPTION_TEXT] = "text",
	[OPTION_CHOICE] = NULL,
	[OPTION_FACTOR] = "number, fractions allowed",
	[OPTION_CUSTOM] = NULL,
};

/* Appends a part of a list in parentheses. */
static void append_part(struct strbuf *out, const char *label, const char *value)
{
	strbuf_string(out, out->len ? "; " : "(");
	strbuf_printf(out, "%s%s", label, value);
}

/* "(duration; default: 15s; from 1ms to 1h)"; empty when there is nothing to say. */
static void describe_option(const struct conf_option *option, struct strbuf *out)
{
	if (option->type == OPTION_CHOICE) {
		strbuf_char(out, '(');
		append_choices(out, option->choices);
	} else if (option_types[option->type]) {
		append_part(out, option_types[option->type], "");
	}
	append_part(out, option->fallback ? "default: " : "no default",
		option->fallback ? option->fallback : "");
	if (option->min)
		append_part(out, option->max ? "from " : "at least ", option->min);
	if (option->max)
		strbuf_printf(
			out, "%s%s", option->min ? " to " : "; at most ", option->max);
	strbuf_char(out, ')');
}

static void print_option(const struct conf_option *option)
{
	struct strbuf phrase;

	strbuf_init(&phrase, PHRASE_MAX);
	describe_option(option, &phrase);
	printf(".It Sy %s No ", option->name);
	print_argument(finished(&phrase));
	putchar('\n');
	print_help(option->help);
	if (!option->in_force)
		puts("Checked, and not in force in this version.");
	strbuf_free(&phrase);
}

static void print_settings(void)
{
	puts(".Bl -tag -width Ds");
	for (const struct conf_option *option = settings_table; option->name; option++)
		print_option(option);
	puts(".El");
}

/* ---- JSON ---- */

static void json_optional(yajl_gen gen, const char *key, const char *string)
{
	if (string)
		json_string(gen, key, text_of(string));
	else
		json_null(gen, key);
}

static void json_fields(yajl_gen gen, const char *key, const struct field *fields)
{
	json_key(gen, key);
	yajl_gen_array_open(gen);
	for (const struct field *field = fields; field && field->name; field++) {
		yajl_gen_map_open(gen);
		json_optional(gen, "name", field->name);
		json_optional(gen, "kind", kind_name(field->kind));
		json_boolean(gen, "required", field->flags & FIELD_REQUIRED);
		json_boolean(gen, "secret", field->flags & FIELD_SECRET);
		json_boolean(gen, "address", field->flags & FIELD_ADDRESS);
		json_optional(gen, "choices", field->choices);
		json_optional(gen, "default", field->fallback);
		json_optional(gen, "help", field->help);
		yajl_gen_map_close(gen);
	}
	yajl_gen_array_close(gen);
}

static void json_actions(yajl_gen gen, const struct service_ops *ops)
{
	json_key(gen, "actions");
	yajl_gen_array_open(gen);
	for (const struct action_kind *kind = ops->actions; kind->name; kind++) {
		yajl_gen_map_open(gen);
		json_optional(gen, "name", kind->name);
		json_optional(gen, "mapped", kind->mapped);
		json_boolean(gen, "idempotent", kind->flags & ACTION_IDEMPOTENT);
		json_optional(gen, "help", kind->help);
		json_fields(gen, "fields", kind->fields);
		yajl_gen_map_close(gen);
	}
	yajl_gen_array_close(gen);
}

static void print_json(void)
{
	struct strbuf out;
	yajl_gen gen;

	strbuf_init(&out, DOCUMENT_MAX);
	gen = json_begin(&out);
	yajl_gen_array_open(gen);
	for (const struct service_ops *const *ops = services; *ops; ops++) {
		yajl_gen_map_open(gen);
		json_optional(gen, "type", (*ops)->type);
		json_optional(gen, "help", (*ops)->help);
		json_integer(gen, "connections", (*ops)->connections);
		json_fields(gen, "account", (*ops)->account);
		json_actions(gen, *ops);
		yajl_gen_map_close(gen);
	}
	yajl_gen_array_close(gen);
	json_end(gen);
	puts(finished(&out));
	strbuf_free(&out);
	json_drop_cache();
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "mdoc") == 0) {
		print_mdoc();
	} else if (argc == 2 && strcmp(argv[1], "json") == 0) {
		print_json();
	} else if (argc == 2 && strcmp(argv[1], "settings") == 0) {
		print_settings();
	} else {
		fputs("usage: reference mdoc|json|settings\n", stderr);
		return 2;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
