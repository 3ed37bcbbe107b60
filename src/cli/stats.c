/*
 * stats.c - `volley stats`: the daemon's figures as tables, once or every second.
 *
 * With --watch each table shows what happened in the last second beside the totals; rows are
 * found again by their ids, since a reload may have moved them. Refused: curses, for a screen
 * that is only ever written from top to bottom.
 */
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/admin.h"
#include "cli/document.h"
#include "cli/table.h"

/* One look at the figures. */
struct look {
	struct arena *arena;
	const struct value *document;
	struct text text;
	uint64_t at; /* monotonic ns; 0: none */
};

/* What is shown, and how it was before. */
struct view {
	const struct look *now, *before;
	double seconds; /* between the two; 0: there is no before */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
	interrupted = 1;
}

/* ---- rows ---- */

static const char *const row_ids[] = { "id", "event", "filter", "environment" };

static bool is_same_row(const struct value *a, const struct value *b)
{
	for (size_t i = 0; i < array_len(row_ids); i++)
		if (!text_equal(document_text(a, row_ids[i]), document_text(b, row_ids[i])))
			return false;
	return true;
}

/* The row that was this one; mostly it stands where it stood. */
static const struct value *row_before(
	const struct view *view, const char *list, const struct value *row, size_t index)
{
	const struct value *rows = document_get(view->before->document, list), *found;

	if (view->seconds <= 0)
		return NULL;
	found = value_at(rows, index);
	if (found && is_same_row(found, row))
		return found;
	for (size_t i = 0; (found = value_at(rows, i)); i++)
		if (is_same_row(found, row))
			return found;
	return NULL;
}

/* A number two levels down: "tasks", "failed". */
static double inner(const struct value *row, const char *object, const char *name)
{
	return document_number(document_get(row, object), name, 0);
}

/* The columns that all tables end with: how many a second, and how long they took. */
static void put_rate(const struct view *view, struct table *table, size_t column,
	const struct value *row, const struct value *before)
{
	double count = inner(row, "latencyMS", "count");

	if (view->seconds > 0)
		table_cell(table, column, "%.1f",
			(count - inner(before, "latencyMS", "count")) / view->seconds);
	else
		table_cell(table, column, "-");
	table_cell(table, column + 1, "%.3g", inner(row, "latencyMS", "p50"));
	table_cell(table, column + 2, "%.3g", inner(row, "latencyMS", "p99"));
	table_cell(table, column + 3, "%.3g", inner(row, "latencyMS", "max"));
}

static void put_text(
	struct table *table, size_t column, const struct value *row, const char *name)
{
	table_cell(table, column, "%.*s", TEXT_ARG(document_text(row, name)));
}

static void print_table(const struct table *table)
{
	if (table->rows > 0)
		putchar('\n');
	table_print(table, stdout);
}

/* ---- tables ---- */

static void print_events(const struct view *view)
{
	static const char *const columns[] = { "EVENT", "ENVIRONMENT", ">201", ">202",
		">GONE", ">PER S", ">P50 MS", ">P99 MS", ">MAX MS", NULL };
	const struct value *rows = document_get(view->now->document, "events"), *row;
	struct table table;

	table_init(&table, view->now->arena, columns);
	for (size_t i = 0; (row = value_at(rows, i)); i++) {
		double gone = inner(row, "replies", "gone");

		if (inner(row, "latencyMS", "count") + gone <= 0)
			continue;
		table_row(&table);
		put_text(&table, 0, row, "id");
		put_text(&table, 1, row, "environment");
		table_cell(&table, 2, "%.0f", inner(row, "replies", "201"));
		table_cell(&table, 3, "%.0f", inner(row, "replies", "202"));
		table_cell(&table, 4, "%.0f", gone);
		put_rate(view, &table, 5, row, row_before(view, "events", row, i));
	}
	print_table(&table);
}

static void print_actions(const struct view *view)
{
	static const char *const columns[] = { "EVENT", "FILTER", "ACTION", "ENVIRONMENT",
		">DONE", ">FAILED", ">PER S", ">P50 MS", ">P99 MS", ">MAX MS", NULL };
	const struct value *rows = document_get(view->now->document, "actions"), *row;
	struct table table;

	table_init(&table, view->now->arena, columns);
	for (size_t i = 0; (row = value_at(rows, i)); i++) {
		if (inner(row, "latencyMS", "count") <= 0)
			continue;
		table_row(&table);
		put_text(&table, 0, row, "event");
		put_text(&table, 1, row, "filter");
		put_text(&table, 2, row, "id");
		put_text(&table, 3, row, "environment");
		table_cell(&table, 4, "%.0f", inner(row, "tasks", "done"));
		table_cell(&table, 5, "%.0f", inner(row, "tasks", "failed"));
		put_rate(view, &table, 6, row, row_before(view, "actions", row, i));
	}
	print_table(&table);
}

static void print_accounts(const struct view *view)
{
	static const char *const columns[] = { "ACCOUNT", "ENVIRONMENT", ">BUSY", ">OPEN",
		">LIMIT", ">WAITING", ">DONE", ">FAILED", ">PER S", ">P50 MS", ">P99 MS",
		">MAX MS", NULL };
	const struct value *rows = document_get(view->now->document, "accounts"), *row;
	struct table table;

	table_init(&table, view->now->arena, columns);
	for (size_t i = 0; (row = value_at(rows, i)); i++) {
		const struct value *pool = document_get(row, "pool");
		double busy = inner(pool, "connections", "busy");

		table_row(&table);
		put_text(&table, 0, row, "id");
		put_text(&table, 1, row, "environment");
		table_cell(&table, 2, "%.0f", busy);
		table_cell(&table, 3, "%.0f", busy + inner(pool, "connections", "idle"));
		table_cell(&table, 4, "%.0f", document_number(pool, "limit", 0));
		table_cell(&table, 5, "%.0f", document_number(pool, "waiting", 0));
		table_cell(&table, 6, "%.0f", inner(row, "attempts", "done"));
		table_cell(&table, 7, "%.0f", inner(row, "attempts", "failed"));
		put_rate(view, &table, 8, row, row_before(view, "accounts", row, i));
	}
	print_table(&table);
}

static void print_daemon(const struct view *view)
{
	const struct value *stats = view->now->document;
	const struct value *loop = document_get(stats, "loop");
	const struct value *cpu = document_get(loop, "cpuMS");
	const struct value *memory = document_get(document_get(stats, "memory"), "bytes");
	const struct value *files = document_get(stats, "files");
	const struct value *runs = document_get(stats, "runs");

	printf("volleyd %.*s is %.*s; %.0f runs in flight, %.1f MiB, %.0f files\n",
		TEXT_ARG(document_text(stats, "version")),
		TEXT_ARG(document_text(stats, "state")),
		document_number(runs, "inflight", 0),
		document_number(memory, "resident", 0) / (1024 * 1024),
		document_number(files, "open", 0));
	printf("loop: %.0f passes, CPU p50 %.3g, p99 %.3g, p99.9 %.3g, max %.3g ms; "
	       "%.0f unexpected waits\n",
		document_number(loop, "passes", 0), document_number(cpu, "p50", 0),
		document_number(cpu, "p99", 0), document_number(cpu, "p999", 0),
		document_number(cpu, "max", 0),
		document_number(loop, "unexpectedWaits", 0));
	if (view->seconds > 0) {
		double used = document_number(stats, "cpuMS", 0) -
			      document_number(view->before->document, "cpuMS", 0);

		printf("CPU: %.1f%%\n", used / view->seconds / 10);
	}
}

static void print_tables(const struct view *view)
{
	print_daemon(view);
	print_events(view);
	print_actions(view);
	print_accounts(view);
}

/* ---- looking ---- */

static enum cli_exit take_look(struct cli_admin *admin, struct look *look)
{
	look->arena = arena_new();
	look->at = clock_now();
	return cli_admin_stats(admin, look->arena, &look->text, &look->document);
}

static void print_look(struct cli *cli, const struct look *now, const struct look *before)
{
	struct view view = { .now = now, .before = before };

	if (cli->option[CLI_JSON]) {
		printf("%.*s\n", TEXT_ARG(now->text));
		fflush(stdout);
		return;
	}
	if (before->at)
		view.seconds = (double)(now->at - before->at) / (double)NS_PER_SEC;
	if (cli->option[CLI_WATCH] && isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	else if (before->at)
		putchar('\n');
	print_tables(&view);
	fflush(stdout);
}

static void wait_a_second(void)
{
	const struct timespec second = { .tv_sec = 1 };

	if (!interrupted)
		nanosleep(&second, NULL);
}

static void catch_interrupt(void)
{
	struct sigaction action = { .sa_handler = on_interrupt };

	sigaction(SIGINT, &action, NULL);
}

static enum cli_exit watch(struct cli_admin *admin)
{
	struct look before = { .at = 0 }, now;
	enum cli_exit code;

	do {
		code = take_look(admin, &now);
		if (code == CLI_DONE)
			print_look(admin->cli, &now, &before);
		arena_free(before.arena);
		before = now;
		if (code == CLI_DONE && admin->cli->option[CLI_WATCH])
			wait_a_second();
	} while (code == CLI_DONE && admin->cli->option[CLI_WATCH] && !interrupted);
	arena_free(before.arena);
	return code;
}

enum cli_exit verb_stats(struct cli *cli)
{
	struct cli_admin admin;
	enum cli_exit code = cli_admin_open(cli, &admin);

	if (code != CLI_DONE)
		return code;
	if (cli->option[CLI_WATCH])
		catch_interrupt();
	code = watch(&admin);
	cli_admin_close(&admin);
	return code;
}
