/*
 * preferences.c - RFC 7240: comma-separated preferences, each a token with an optional
 * value; what is not known or not well-formed is ignored, as its section 2 asks.
 */
#include "front/preferences.h"

/* Cuts the text before the next separator that stands outside quotes off the front. */
static struct text cut(struct text *rest, char separator)
{
	struct text part = { rest->at, 0 };
	bool quoted = false;

	while (part.len < rest->len) {
		char c = rest->at[part.len];

		if (c == separator && !quoted)
			break;
		if (c == '\\' && quoted && part.len + 1 < rest->len)
			part.len++;
		else if (c == '"')
			quoted = !quoted;
		part.len++;
	}
	rest->at += part.len;
	rest->len -= part.len;
	if (rest->len) {
		rest->at++;
		rest->len--;
	}
	return text_trim(part);
}

static bool read_seconds(struct text value, uint64_t *seconds)
{
	if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
		value = (struct text){ value.at + 1, value.len - 2 };
	if (value.len == 0)
		return false;
	*seconds = 0;
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return false;
		*seconds = *seconds * 10 + (uint64_t)(value.at[i] - '0');
		if (*seconds > PREFERENCES_WAIT_MAX)
			*seconds = PREFERENCES_WAIT_MAX;
	}
	return true;
}

static void read_preference(struct text preference, struct preferences *out)
{
	struct text word = cut(&preference, ';'); /* what follows are its parameters */
	struct text name = cut(&word, '=');
	uint64_t seconds;

	if (text_is_nocase(name, "respond-async")) {
		out->respond_async = true;
	} else if (text_is_nocase(name, "wait") && !out->wait &&
		   read_seconds(text_trim(word), &seconds)) {
		out->wait = true;
		out->seconds = seconds;
	}
}

struct preferences preferences_read(const struct http_request *request)
{
	struct preferences out = { 0 };

	for (size_t i = 0; i < request->header_count; i++) {
		struct text rest = request->headers[i].value;

		if (!text_is_nocase(request->headers[i].name, "prefer"))
			continue;
		while (rest.len)
			read_preference(cut(&rest, ','), &out);
	}
	return out;
}
