/*
 * stats_page.c - one page in the making: where it stands, and the two forms it can have.
 *
 * Each pass of the loop adds a piece of bounded size, at the upkeep point. The deployment is
 * held meanwhile, so that places in its lists stay what they are; figures go on counting, but
 * those of one object in one family are written in one go. Refused: a thread that writes
 * pages, since every counter would then need atomics.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "front/stats.h"
#include "value/json.h"

/*
 * What the pieces of one pass hold at most, of all pages together and give or take one object
 * each: half a millisecond or less.
 */
enum { PIECE_BYTES = 32 * 1024, PIECE_OBJECTS = 1000 };

struct stats_page {
	struct stats_sources *sources;
	struct stats_view view;
	enum stats_format format;
	struct loop_item item;
	struct evbuffer *body;
	struct strbuf piece;
	size_t group, table, row, index; /* what comes next */
	void (*done)(void *owner, struct evbuffer *body);
	void *owner;
};

/* ---- Prometheus ---- */

static const struct metric *next_family(struct stats_page *page)
{
	for (;; page->group++, page->table = 0) {
		const struct metric_group *group = &stats_groups[page->group];

		if (!group->read)
			return NULL;
		for (; group->tables[page->table]; page->table++, page->row = 0) {
			const struct metric *metric =
				&group->tables[page->table][page->row];

			if (metric->name)
				return metric;
		}
	}
}

/* One object of one family; false: that was all. */
static bool write_metrics(struct stats_page *page)
{
	const struct metric *metric = next_family(page);
	const struct metric_group *group = &stats_groups[page->group];
	struct metric_object object = { .skipped = false };

	if (!metric)
		return false;
	if (page->index == 0)
		metric_write_head(&page->piece, metric);
	if (!group->read(&page->view, page->index++, &object)) {
		page->row++;
		page->index = 0;
	} else if (!object.skipped) {
		metric_write(&page->piece, metric, group->labels, &object,
			object.figures[page->table]);
	}
	return true;
}

/* ---- JSON ---- */

/* The members of one JSON object: a comma before all but the first. */
struct members {
	struct strbuf *out;
	bool comma;
};

static void put_key(struct members *members, struct text key)
{
	if (members->comma)
		strbuf_char(members->out, ',');
	members->comma = true;
	json_append_string(members->out, key);
	strbuf_char(members->out, ':');
}

static struct members open_object(struct strbuf *out)
{
	strbuf_char(out, '{');
	return (struct members){ out, false };
}

static void put_time(struct members *members, const char *key, uint64_t ns)
{
	put_key(members, text_of(key));
	json_append_milliseconds(members->out, ns);
}

static void put_histogram(struct strbuf *out, const struct histogram *histogram)
{
	struct members members = open_object(out);

	put_key(&members, TEXT("count"));
	json_append_integer(out, (long long)histogram->count);
	put_time(
		&members, "mean", histogram->count ? histogram->sum / histogram->count : 0);
	put_time(&members, "p50", histogram_quantile(histogram, 0.5));
	put_time(&members, "p99", histogram_quantile(histogram, 0.99));
	put_time(&members, "p999", histogram_quantile(histogram, 0.999));
	put_time(&members, "max", histogram->max);
	strbuf_char(out, '}');
}

static void put_number(
	struct strbuf *out, const struct metric *metric, const void *figures, size_t index)
{
	uint64_t number = metric_number(metric, figures, index);

	if (metric->unit == METRIC_NANOSECONDS)
		json_append_milliseconds(out, number);
	else
		json_append_integer(out, (long long)number);
}

static void put_value(struct strbuf *out, const struct metric *metric, const void *figures)
{
	const char *values = metric->values;
	struct members members;
	struct text value;
	size_t index = 0;

	if (metric->type == METRIC_HISTOGRAM) {
		put_histogram(out, metric_histogram(metric, figures));
	} else if (!values) {
		put_number(out, metric, figures, 0);
	} else {
		members = open_object(out);
		while (metric_next_value(&values, &value)) {
			put_key(&members, value);
			put_number(out, metric, figures, index++);
		}
		strbuf_char(out, '}');
	}
}

/* "pool.limit" is the member "limit" of the object "pool"; its rows stand together. */
static void put_table(
	struct members *members, const struct metric *metric, const void *figures)
{
	struct members inner = { .out = members->out };
	struct text outer = { 0 };

	for (; metric->name; metric++) {
		const char *dot = metric->key ? strchr(metric->key, '.') : NULL;
		struct text group = { metric->key, dot ? (size_t)(dot - metric->key) : 0 };

		if (!metric->key)
			continue;
		if (outer.len > 0 && !text_equal(outer, group))
			strbuf_char(members->out, '}');
		if (group.len > 0 && !text_equal(outer, group)) {
			put_key(members, group);
			inner = open_object(members->out);
		}
		outer = group;
		put_key(dot ? &inner : members, text_of(dot ? dot + 1 : metric->key));
		put_value(members->out, metric, figures);
	}
	if (outer.len > 0)
		strbuf_char(members->out, '}');
}

static void put_object(struct members *members, const struct metric_group *group,
	const struct metric_object *object)
{
	for (size_t i = 0; group->labels[i].key; i++) {
		put_key(members, text_of(group->labels[i].key));
		json_append_string(members->out, object->labels[i]);
	}
	for (size_t i = 0; group->tables[i]; i++)
		put_table(members, group->tables[i], object->figures[i]);
}

/* A comma, and the key of the group if it has one. */
static void begin_group(struct stats_page *page, const struct metric_group *group)
{
	struct strbuf *out = &page->piece;

	strbuf_char(out, page->group == 0 ? '{' : ',');
	if (group->key) {
		json_append_string(out, text_of(group->key));
		strbuf_string(out, group->is_list ? ":[" : ":{");
	}
	page->row = 0; /* objects written */
}

/* One object with all of its tables; false: that was all. */
static bool write_json(struct stats_page *page)
{
	const struct metric_group *group = &stats_groups[page->group];
	struct strbuf *out = &page->piece;
	struct metric_object object = { .skipped = false };
	struct members members = { out, false };

	if (!group->read) {
		strbuf_string(out, "}\n");
		return false;
	}
	if (page->index == 0)
		begin_group(page, group);
	if (!group->read(&page->view, page->index++, &object)) {
		if (group->key)
			strbuf_char(out, group->is_list ? ']' : '}');
		page->group++;
		page->index = 0;
		return true;
	}
	if (object.skipped)
		return true;
	if (group->is_list)
		strbuf_string(out, page->row++ > 0 ? ",{" : "{");
	put_object(&members, group, &object);
	if (group->is_list)
		strbuf_char(out, '}');
	return true;
}

/* ---- the page ---- */

/* Writes the next piece; false: the page is complete. */
static bool write_piece(struct stats_page *page)
{
	size_t pages = page->sources->pages, objects = 0;
	bool more = true;

	strbuf_clear(&page->piece);
	while (more && page->piece.len < PIECE_BYTES / pages &&
		objects++ < PIECE_OBJECTS / pages)
		more = page->format == STATS_METRICS ? write_metrics(page)
						     : write_json(page);
	if (evbuffer_add(page->body, page->piece.data, page->piece.len) != 0)
		mem_exhausted();
	return more;
}

static void on_reap(struct loop_item *item)
{
	struct stats_page *page = container_of(item, struct stats_page, item);

	evbuffer_free(page->body);
	strbuf_free(&page->piece);
	loop_dispose(page, sizeof(*page));
}

static void end_page(struct stats_page *page)
{
	deployment_release(page->view.deployment);
	page->sources->pages--;
	page->item.run = on_reap;
	loop_reap(page->sources->loop, &page->item);
}

static void on_step(struct loop_item *item)
{
	struct stats_page *page = container_of(item, struct stats_page, item);

	if (write_piece(page)) {
		loop_upkeep(page->sources->loop, &page->item);
		return;
	}
	page->done(page->owner, page->body);
	end_page(page);
}

struct stats_page *stats_page_new(struct stats_sources *sources, enum stats_format format,
	void (*done)(void *owner, struct evbuffer *body), void *owner)
{
	struct stats_page *page = mem_zalloc(1, sizeof(*page));

	page->sources = sources;
	page->view.sources = sources;
	sources->pages++;
	page->view.deployment = deployment_hold(engine_deployment(sources->engine));
	page->format = format;
	page->body = evbuffer_new();
	if (!page->body)
		mem_exhausted();
	strbuf_init(&page->piece, SIZE_MAX);
	page->item.run = on_step;
	page->done = done;
	page->owner = owner;
	loop_upkeep(sources->loop, &page->item);
	return page;
}

void stats_page_cancel(struct stats_page *page)
{
	end_page(page);
}
