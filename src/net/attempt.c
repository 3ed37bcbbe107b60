/*
 * attempt.c - how an attempt ends: its outcome is queued, and the loop delivers it.
 */
#include "net/attempt.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

static void deliver(struct loop_item *item)
{
	struct attempt *attempt = container_of(item, struct attempt, item);

	attempt->done(attempt);
}

void attempt_finish(struct attempt *attempt)
{
	attempt->ended = clock_now();
	attempt->item.run = deliver;
	loop_deliver(attempt->loop, &attempt->item);
}

void attempt_fail(
	struct attempt *attempt, enum err err, const char *detail, const char *format, ...)
{
	struct errbuf message;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message.text, sizeof message.text, format, args);
	va_end(args);
	attempt->outcome = (struct outcome){
		.err = err,
		.code = err_kind(err)->code,
		.message = arena_text(attempt->arena, text_of(message.text)),
	};
	if (detail)
		attempt->outcome.detail = arena_text(attempt->arena, text_of(detail));
	attempt_finish(attempt);
}

void account_figures_add(struct account_figures *sum, const struct account_figures *one)
{
	sum->connecting += one->connecting;
	sum->idle += one->idle;
	sum->busy += one->busy;
	sum->limit += one->limit;
	sum->waiting += one->waiting;
	sum->waiting_bytes += one->waiting_bytes;
	sum->waiting_limit += one->waiting_limit;
	sum->connects += one->connects;
	sum->failures += one->failures;
}

bool attempt_recall(struct attempt *attempt)
{
	if (!link_is_listed(&attempt->item.link))
		return false;
	loop_cancel(attempt->loop, &attempt->item);
	return true;
}
