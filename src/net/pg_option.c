/*
 * pg_option.c - single options of a PostgreSQL connection string.
 */
#include "net/pg_option.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

const char *pg_option_value(const PQconninfoOption *options, const char *keyword)
{
	for (const PQconninfoOption *o = options; o->keyword; o++) {
		if (strcmp(o->keyword, keyword) == 0)
			return o->val && *o->val ? o->val : NULL;
	}
	return NULL;
}

void pg_option_append(struct strbuf *out, const char *keyword, const char *value)
{
	strbuf_printf(out, "%s%s='", out->len ? " " : "", keyword);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			strbuf_char(out, '\\');
		strbuf_char(out, *value);
	}
	strbuf_char(out, '\'');
}

void pg_option_suggest(struct errbuf *errbuf, const struct suggest *suggest)
{
	struct errbuf before = *errbuf;

	if (suggest_found(suggest))
		errbuf_set(errbuf, "%s; did you mean '%.*s'?", before.text,
			TEXT_ARG(suggest->best));
}

/* Options that have a few words; libpq looks at them when it connects. */
static const struct choice {
	const char *keyword;
	const char *words[7];
} choices[] = {
	{ "sslmode",
		{ "disable", "allow", "prefer", "require", "verify-ca", "verify-full" } },
	{ "channel_binding", { "disable", "prefer", "require" } },
	{ "ssl_min_protocol_version", { "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3" } },
	{ "ssl_max_protocol_version", { "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3" } },
	{ "sslsni", { "0", "1" } },
	{ "gssencmode", { "disable", "prefer", "require" } },
	{ "target_session_attrs", { "any", "read-write", "read-only", "primary", "standby",
					  "prefer-standby" } },
};

static const char *const numbers[] = { "connect_timeout", "keepalives", "keepalives_idle",
	"keepalives_interval", "keepalives_count", "tcp_user_timeout" };

/* What is written is not told: only its place says that it is no secret. */
static bool check_choice(
	const PQconninfoOption *options, const struct choice *choice, struct errbuf *errbuf)
{
	const char *value = pg_option_value(options, choice->keyword);
	struct errbuf words = { "" };
	struct suggest suggest;

	if (!value)
		return true;
	suggest_init(&suggest, text_of(value));
	for (const char *const *word = choice->words; *word; word++) {
		struct errbuf before = words;

		if (strcmp(value, *word) == 0)
			return true;
		errbuf_set(&words, "%s%s%s", before.text, *before.text ? ", " : "", *word);
		suggest_offer(&suggest, text_of(*word));
	}
	errbuf_set(errbuf, "%s is one of %s", choice->keyword, words.text);
	pg_option_suggest(errbuf, &suggest);
	return false;
}

static bool check_number(
	const PQconninfoOption *options, const char *keyword, struct errbuf *errbuf)
{
	const char *value = pg_option_value(options, keyword);
	char *end;
	long number;

	if (!value)
		return true;
	errno = 0;
	number = strtol(value, &end, 10);
	if (end != value && end[strspn(end, " ")] == '\0' && errno == 0 &&
		number >= INT_MIN && number <= INT_MAX)
		return true;
	errbuf_set(errbuf, "%s is not a whole number", keyword);
	return false;
}

bool pg_option_check(const PQconninfoOption *options, struct errbuf *errbuf)
{
	for (size_t i = 0; i < array_len(choices); i++) {
		if (!check_choice(options, &choices[i], errbuf))
			return false;
	}
	for (size_t i = 0; i < array_len(numbers); i++) {
		if (!check_number(options, numbers[i], errbuf))
			return false;
	}
	return true;
}
