/*
 * metric.h - figures, declared once by the module that counts them.
 *
 * A module keeps its figures in a struct of uint64_t and struct histogram, and describes them
 * in a table. The Prometheus page, /stats and the manual's list are made from the tables.
 */
#ifndef VOLLEY_BASE_METRIC_H
#define VOLLEY_BASE_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/macros.h"
#include "base/strbuf.h"
#include "base/text.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* What a stored number is in; Prometheus wants seconds, people milliseconds. */
enum metric_unit {
	METRIC_PLAIN,       /* a number or bytes, shown as it is */
	METRIC_NANOSECONDS, /* shown as seconds, in /stats as milliseconds */
	METRIC_MILLISECONDS /* a point in time: shown as seconds since 1970 */
};

/* One family of the page. */
struct metric {
	const char *name; /* "volley_loop_passes_total"; NULL ends a table */
	const char *key;  /* in /stats; "pool.waiting" stands in an object of its own; NULL:
			     not there */
	enum metric_type type;
	enum metric_unit unit;
	size_t offset; /* of the uint64_t or struct histogram; with values, of an array */
	const char *label;  /* one more label, whose values are: */
	const char *values; /* "idle|busy", a number of the array for each; NULL: none */
	bool sparse;        /* left out of the page for objects that have no value yet */
	const char *help;   /* one line, no period */
};

enum { METRIC_LABELS = 4, METRIC_TABLES = 3 };

/* A label of a group's objects. */
struct metric_label {
	const char *name; /* on the page; NULL: only in /stats */
	const char *key;  /* in /stats; NULL ends the labels */
};

/* What is told about one object: an account half, an action, the loop. */
struct metric_object {
	struct text labels[METRIC_LABELS];  /* values, as the group's labels */
	const void *figures[METRIC_TABLES]; /* the struct of each table */
	bool skipped;                       /* nothing is to be told about this one */
};

/* Objects of one kind, all with the same families. */
struct metric_group {
	const char *key; /* in /stats; NULL: its figures stand at the top */
	bool is_list;    /* any number of objects; else exactly one */
	struct metric_label labels[METRIC_LABELS + 1];
	const struct metric *tables[METRIC_TABLES + 1]; /* NULL-terminated */
	/* Fills in the object at this index; false: there is none any more. */
	bool (*read)(void *view, size_t index, struct metric_object *object);
};

/* ---- the text format of Prometheus, version 0.0.4 ---- */

#define METRIC_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* HELP and TYPE of a family. */
void metric_write_head(struct strbuf *out, const struct metric *metric);

/* All lines of one object in the family; `figures` is the struct of the metric's table. */
void metric_write(struct strbuf *out, const struct metric *metric,
	const struct metric_label *labels, const struct metric_object *object,
	const void *figures);

/* ---- values ---- */

/* The number at the metric's offset, or number `index` of its array. */
uint64_t metric_number(const struct metric *metric, const void *figures, size_t index);
const struct histogram *metric_histogram(const struct metric *metric, const void *figures);

/* Takes the next word off "idle|busy"; false: none is left. */
must_check bool metric_next_value(const char **values, struct text *value);

/* A number of thousandths or billionths as an exact decimal: 1.5, 0.000025, 0. */
void metric_append_seconds(struct strbuf *out, uint64_t number, uint64_t per_second);

#endif
