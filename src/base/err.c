/*
 * err.c - the table of error kinds.
 *
 * One row per row of the manual's table "What can happen to an attempt". What HTTP services
 * answer keeps their own status and is judged where the status is known, so it has no row.
 * A class per service was refused: engine and breaker would have to know the services.
 */
#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define OK        ERR_CLASS_OK
#define RETRYABLE ERR_CLASS_RETRYABLE
#define PERMANENT ERR_CLASS_PERMANENT
#define UNKNOWN   ERR_CLASS_UNKNOWN
#define COUNTS    true

/* clang-format off */
static const struct err_kind kinds[] = {
	[ERR_NONE]               = { "none", "done", 200, OK, false },
	[ERR_RENDER]             = { "render", "the request could not be rendered", 422, PERMANENT, false },
	[ERR_NOT_SERVED]         = { "not_served", "this version does not serve the action", 501, PERMANENT, false },
	[ERR_QUEUE_FULL]         = { "queue_full", "the account is busy: its queue is full", 503, RETRYABLE, false },
	[ERR_CONNECT]            = { "connect", "could not connect", 503, RETRYABLE, COUNTS },
	[ERR_LOGIN]              = { "login", "the service refused the credentials", 403, RETRYABLE, COUNTS },
	[ERR_LOST_UNSENT]        = { "lost_unsent", "connection lost before anything was sent", 503, RETRYABLE, COUNTS },
	[ERR_LOST_SENT]          = { "lost_sent", "connection lost before an answer came", 504, UNKNOWN, COUNTS },
	[ERR_GARBAGE]            = { "garbage", "the answer is not in the service's protocol", 502, UNKNOWN, COUNTS },
	[ERR_TIMEOUT_QUEUED]     = { "timeout_queued", "timed out waiting for a free connection", 503, RETRYABLE, false },
	[ERR_TIMEOUT_CONNECTING] = { "timeout_connecting", "timed out while connecting", 504, RETRYABLE, COUNTS },
	[ERR_TIMEOUT_SENT]       = { "timeout_sent", "timed out waiting for an answer", 504, UNKNOWN, COUNTS },
	[ERR_PG_CANCELLED]       = { "pg_cancelled", "the server cancelled the statement", 504, RETRYABLE, COUNTS },
	[ERR_PG_CONFLICT]        = { "pg_conflict", "the statement met a concurrent one", 503, RETRYABLE, false },
	[ERR_PG_RESOURCES]       = { "pg_resources", "the server lacks resources", 503, RETRYABLE, COUNTS },
	[ERR_PG_LOST]            = { "pg_lost", "connection lost before an answer came", 503, UNKNOWN, COUNTS },
	[ERR_PG_CONSTRAINT]      = { "pg_constraint", "a constraint refused the row", 409, PERMANENT, false },
	[ERR_PG_STATEMENT]       = { "pg_statement", "the server refused the statement or its data", 400, PERMANENT, false },
	[ERR_PG_DENIED]          = { "pg_denied", "permission denied", 403, PERMANENT, false },
	[ERR_PG_OTHER]           = { "pg_other", "the statement failed", 500, PERMANENT, false },
	[ERR_REDIS_BUSY]         = { "redis_busy", "the server cannot do it now", 503, RETRYABLE, COUNTS },
	[ERR_REDIS_DENIED]       = { "redis_denied", "permission denied", 403, PERMANENT, false },
	[ERR_REDIS_OTHER]        = { "redis_other", "the server refused the command", 400, PERMANENT, false },
	[ERR_RESPONSE_LIMIT]     = { "response_limit", "the answer is too large or too deep", 502, PERMANENT, false },
};
/* clang-format on */

_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == ERR_COUNT, "a row for each kind");

const struct err_kind *err_kind(enum err err)
{
	assert((unsigned)err < ERR_COUNT);
	return &kinds[err];
}

/* Where a cut text ends: not inside a UTF-8 sequence. */
static size_t whole_characters(const char *text, size_t len)
{
	size_t lead = len;

	while (lead > 0 && len - lead < 3 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80)
		lead--;
	if (lead == 0 || (unsigned char)text[lead - 1] < 0xC0)
		return len;
	lead--;
	return text_utf8((struct text){ text + lead, len - lead }) ? len : lead;
}

void errbuf_set(struct errbuf *errbuf, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(errbuf->text, sizeof(errbuf->text), format, args);
	va_end(args);
	if (len < 0)
		errbuf->text[0] = '\0';
	else if ((size_t)len >= sizeof(errbuf->text))
		errbuf->text[whole_characters(errbuf->text, sizeof(errbuf->text) - 1)] =
			'\0';
}
