/*
 * timeline.c - who ran when, drawn to scale.
 */
#include "cli/timeline.h"

#include "cli/document.h"

enum { BAR_WIDTH = 40, LABEL_MAX = 32, DETAIL_MAX = 24 };

/* What the drawing needs of a task. */
struct bar {
	struct text label, detail, state;
	long long code;     /* 0: none yet */
	double start, time; /* ms; time < 0: still pending */
	struct text message;
};

/* Calls visit for each task of the reply, in its order. */
static void each_task(const struct value *reply,
	void (*visit)(const struct bar *bar, void *context), void *context)
{
	const struct value *filters = document_get(reply, "match_rules"), *filter;

	for (size_t f = 0; (filter = value_at(filters, f)); f++) {
		const struct value *tasks = document_get(filter, "actions"), *task;

		for (size_t t = 0; (task = value_at(tasks, t)); t++) {
			const struct value *action = document_get(task, "action");
			const struct value *response = document_get(task, "response");
			struct bar bar = { .label = document_text(action, "id"),
				.detail = document_text(action, "serviceAction"),
				.state = document_text(response, "state"),
				.code = (long long)document_number(
					response, "responseCode", 0),
				.start = document_number(response, "startedMS", 0),
				.time = document_number(response, "responseTimeMS", -1),
				.message = document_text(response, "responseMessage") };

			visit(&bar, context);
		}
	}
}

static void note_failure(const struct bar *bar, void *context)
{
	*(bool *)context |= text_is(bar->state, "failed");
}

bool timeline_has_failure(const struct value *reply)
{
	bool failed = false;

	each_task(reply, note_failure, &failed);
	return failed;
}

struct drawing {
	FILE *out;
	bool unicode;
	double total;
	int label, detail; /* widths */
};

static int wider(int width, struct text t, int max)
{
	int len = t.len > (size_t)max ? max : (int)t.len;

	return len > width ? len : width;
}

static void measure(const struct bar *bar, void *context)
{
	struct drawing *drawing = context;

	drawing->label = wider(drawing->label, bar->label, LABEL_MAX);
	drawing->detail = wider(drawing->detail, bar->detail, DETAIL_MAX);
}

static void repeat(FILE *out, const char *what, int times)
{
	for (int i = 0; i < times; i++)
		fputs(what, out);
}

/* The text, cut or filled to the width, and two blanks. */
static void put_column(FILE *out, struct text t, int width)
{
	int len = t.len > (size_t)width ? width : (int)t.len;

	fprintf(out, "%.*s%*s", len, len ? t.at : "", width - len + 2, "");
}

/* A column of the scale for a time of the run. */
static int column(const struct drawing *drawing, double ms)
{
	double at = drawing->total > 0 ? ms / drawing->total * BAR_WIDTH : 0;

	return at < 0 ? 0 : at > BAR_WIDTH ? BAR_WIDTH : (int)(at + 0.5);
}

static void draw_bar(const struct bar *bar, void *context)
{
	struct drawing *drawing = context;
	double end = bar->time < 0 ? drawing->total : bar->start + bar->time;
	int from = column(drawing, bar->start), to = column(drawing, end);

	if (from == BAR_WIDTH)
		from = BAR_WIDTH - 1;
	if (to <= from)
		to = from + 1;
	fputs("  ", drawing->out);
	put_column(drawing->out, bar->label, drawing->label);
	put_column(drawing->out, bar->detail, drawing->detail);
	if (bar->code)
		fprintf(drawing->out, "%3lld  ", bar->code);
	else
		fputs("  -  ", drawing->out);
	repeat(drawing->out, " ", from);
	repeat(drawing->out,
		bar->time < 0      ? "."
		: drawing->unicode ? "\xe2\x96\x88"
				   : "#",
		to - from);
	repeat(drawing->out, " ", BAR_WIDTH - to);
	if (bar->time < 0)
		fprintf(drawing->out, "  %.*s", TEXT_ARG(bar->state));
	else
		fprintf(drawing->out, "  %8.3f ms", bar->time);
	if (bar->message.len)
		fprintf(drawing->out, "  %.*s", TEXT_ARG(bar->message));
	fputc('\n', drawing->out);
}

void timeline_draw(const struct value *reply, bool unicode, FILE *out)
{
	struct drawing drawing = { .out = out,
		.unicode = unicode,
		.total = document_number(reply, "totalTimeMS", 0),
		.label = 5 };

	each_task(reply, measure, &drawing);
	each_task(reply, draw_bar, &drawing);
	fprintf(out, "  %-*s  %*s       ", drawing.label, "total", drawing.detail, "");
	repeat(out, unicode ? "\xe2\x94\x80" : "-", BAR_WIDTH);
	fprintf(out, "  %8.3f ms\n", drawing.total);
}
