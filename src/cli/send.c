/*
 * send.c - `volley send`: posts an event as an application would, and shows what each
 * action did.
 *
 * Events go one after the other over one connection. A choice of how many at once was
 * refused: this is no benchmark, and the daemon's own figures say more.
 */
#include <errno.h>
#include <event2/http.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <unistd.h>
#include <yajl/yajl_gen.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/http.h"
#include "cli/timeline.h"
#include "conf/settings.h"
#include "value/json.h"

enum { MAX_PAYLOAD = 64 * 1024 * 1024, MAX_REPEAT = 10000000 };

struct sender {
	struct cli *cli;
	struct cli_http *http;
	const char *path;
	const char *key, *secret;
	struct text payload;
	struct cli_http_reply reply; /* of the last request */
};

/* Plain TCP before TLS, which needs its CA to be known, and both before unix sockets. */
static int rank(const struct listener *listener)
{
	return 2 * (strncmp(listener->address, "unix:", 5) == 0) + listener->tls;
}

/* Where events are sent: --url, or the best listener of volley.yaml, the first of equals. */
static const char *base_url(struct cli *cli)
{
	const struct volley_settings *settings = cli_settings(cli);
	const struct listener *chosen;

	if (!settings)
		return NULL;
	chosen = &settings->listen[0];
	for (size_t i = 1; i < settings->listen_count; i++)
		if (rank(&settings->listen[i]) < rank(chosen))
			chosen = &settings->listen[i];
	return cli_listener_url(cli->arena, chosen->address, chosen->tls);
}

/* One event; the status, the body and the time are in the sender afterwards. */
static enum cli_exit post(struct sender *sender)
{
	const char *const headers[][2] = { { "Content-Type", "application/json" },
		{ "client_key", sender->key }, { "client_secret", sender->secret } };
	struct cli_http_request request = { .method = "POST",
		.path = sender->path,
		.headers = headers,
		.header_count = array_len(headers),
		.body = sender->payload,
		.timeout = 3600 * NS_PER_SEC };

	return cli_http_send(sender->http, &request, sender->cli->arena, &sender->reply);
}

static bool use_unicode(void)
{
	setlocale(LC_CTYPE, "");
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static void generate(yajl_gen gen, const struct value *v)
{
	switch (v->type) {
	case VALUE_NULL:
		yajl_gen_null(gen);
		break;
	case VALUE_BOOLEAN:
		yajl_gen_bool(gen, v->boolean);
		break;
	case VALUE_NUMBER:
		yajl_gen_number(gen, v->text.at, v->text.len);
		break;
	case VALUE_STRING:
		yajl_gen_string(gen, (const unsigned char *)v->text.at, v->text.len);
		break;
	case VALUE_ARRAY:
		yajl_gen_array_open(gen);
		for (size_t i = 0; i < v->array.count; i++)
			generate(gen, &v->array.items[i]);
		yajl_gen_array_close(gen);
		break;
	case VALUE_OBJECT:
		yajl_gen_map_open(gen);
		for (size_t i = 0; i < v->object.count; i++) {
			const struct member *member = &v->object.members[i];

			yajl_gen_string(gen, (const unsigned char *)member->name.at,
				member->name.len);
			generate(gen, &member->value);
		}
		yajl_gen_map_close(gen);
		break;
	}
}

/* Indented, for people; the daemon's own writer knows only the compact form. */
static void print_beautiful(const struct value *reply)
{
	yajl_gen gen = yajl_gen_alloc(NULL);
	const unsigned char *text;
	size_t len;

	if (!gen)
		mem_exhausted();
	yajl_gen_config(gen, yajl_gen_beautify, 1);
	yajl_gen_config(gen, yajl_gen_indent_string, "  ");
	generate(gen, reply);
	if (yajl_gen_get_buf(gen, &text, &len) == yajl_gen_status_ok)
		printf("%.*s", (int)len, (const char *)text);
	yajl_gen_free(gen);
}

/* Shows one reply; the exit code says whether everything went well. */
static enum cli_exit show(struct sender *sender)
{
	struct json_error error;
	const struct value *reply = json_parse(
		sender->cli->arena, sender->reply.body, JSON_MAX_DEPTH, &error);
	bool is_run = reply && (sender->reply.status == 201 || sender->reply.status == 202);

	if (sender->cli->option[CLI_JSON])
		printf("%.*s\n", TEXT_ARG(sender->reply.body));
	else if (reply)
		print_beautiful(reply);
	if (!is_run) {
		const struct value *message = value_get(reply, TEXT("message"));

		if (message && message->type == VALUE_STRING)
			return cli_fail(CLI_REFUSED, "refused with %d: %.*s",
				sender->reply.status, TEXT_ARG(message->text));
		return cli_fail(CLI_REFUSED, "%s answered %d, which is no reply of volleyd",
			cli_http_name(sender->http), sender->reply.status);
	}
	if (!sender->cli->option[CLI_JSON])
		timeline_draw(reply, use_unicode(), stdout);
	return timeline_has_failure(reply) ? CLI_REFUSED : CLI_DONE;
}

static int compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool went_well(struct sender *sender)
{
	struct json_error error;
	struct arena *arena = arena_new();
	const struct value *reply = json_parse(
		arena, sender->reply.body, JSON_MAX_DEPTH, &error);
	bool well = reply && (sender->reply.status == 201 || sender->reply.status == 202) &&
		    !timeline_has_failure(reply);

	arena_free(arena);
	return well;
}

static void print_summary(
	struct sender *sender, uint64_t *times, size_t count, size_t failed)
{
	uint64_t middle;
	double median, worst;

	qsort(times, count, sizeof(*times), compare_times);
	middle = times[count / 2];
	median = (double)middle / (double)NS_PER_MS;
	worst = (double)times[count - 1] / (double)NS_PER_MS;
	if (sender->cli->option[CLI_JSON])
		printf("{\"sent\":%zu,\"failed\":%zu,\"medianMS\":%.3f,\"maxMS\":%.3f}\n",
			count, failed, median, worst);
	else
		printf("%zu sent, %zu failed; median %.3f ms, longest %.3f ms\n", count,
			failed, median, worst);
}

static void wait_until(uint64_t due)
{
	uint64_t now = clock_now();

	if (now < due)
		usleep((useconds_t)((due - now) / 1000));
}

/* --repeat: one after the other, at most `rate` a second (0: as fast as they go). */
static enum cli_exit send_many(struct sender *sender, size_t count, double rate)
{
	uint64_t *times = mem_zalloc(count, sizeof(*times));
	struct arena *outer = sender->cli->arena;
	uint64_t began = clock_now();
	size_t failed = 0, sent = 0;
	enum cli_exit code = CLI_DONE;

	while (sent < count && code == CLI_DONE) {
		if (rate > 0)
			wait_until(began +
				   (uint64_t)((double)sent / rate * (double)NS_PER_SEC));
		sender->cli->arena = arena_new(); /* of this reply alone */
		code = post(sender);
		if (code == CLI_DONE) {
			times[sent++] = sender->reply.time;
			failed += !went_well(sender);
		}
		arena_free(sender->cli->arena);
	}
	sender->cli->arena = outer;
	if (sent)
		print_summary(sender, times, sent, failed);
	free(times);
	return code != CLI_DONE ? code : failed ? CLI_REFUSED : CLI_DONE;
}

/* Reads to the end; pipes have no size that could be asked for. */
static bool read_all(struct cli *cli, FILE *file, const char *name, struct text *out)
{
	enum { PIECE = 65536 };
	struct strbuf input;
	char *room;
	size_t len;

	strbuf_init_arena(&input, cli->arena, MAX_PAYLOAD);
	do {
		room = strbuf_reserve(&input, PIECE);
		len = room ? fread(room, 1, PIECE, file) : 0;
		if (room)
			strbuf_advance(&input, len);
	} while (len > 0);
	*out = strbuf_get(&input);
	if (input.failed)
		cli_fail(CLI_REFUSED, "%s is longer than %d bytes", name, MAX_PAYLOAD);
	else if (ferror(file))
		cli_fail(CLI_REFUSED, "%s cannot be read", name);
	return !input.failed && !ferror(file);
}

/* The payload: a file, "-" for standard input, or {} when none is named. */
static bool read_payload(struct cli *cli, struct text *out)
{
	const char *path = cli->count > 1 ? cli->arguments[1] : NULL;
	FILE *file;
	bool read;

	*out = TEXT("{}");
	if (!path)
		return true;
	if (strcmp(path, "-") == 0)
		return read_all(cli, stdin, "standard input", out);
	file = fopen(path, "re");
	if (!file) {
		cli_fail(CLI_REFUSED, "%s: %s", path, strerror(errno));
		return false;
	}
	read = read_all(cli, file, path, out);
	fclose(file);
	return read;
}

static const char *credential(struct cli *cli, enum cli_option option, const char *variable)
{
	const char *given = cli->option[option] ? cli->option[option] : getenv(variable);

	if (!given || !*given)
		cli_fail(CLI_USAGE, "credentials are missing: set %s, or give %s", variable,
			cli_option_name(option));
	return given && *given ? given : NULL;
}

static bool read_numbers(struct cli *cli, size_t *count, double *rate)
{
	const char *repeat = cli->option[CLI_REPEAT];
	char *end = NULL;

	*count = 1;
	*rate = 0;
	if (repeat) {
		long number = strtol(repeat, &end, 10);

		if (*end || number < 1 || number > MAX_REPEAT) {
			cli_fail(CLI_USAGE, "--repeat is a number from 1 to %d, not '%s'",
				MAX_REPEAT, repeat);
			return false;
		}
		*count = (size_t)number;
	}
	if (cli->option[CLI_RATE] && !units_rate(text_of(cli->option[CLI_RATE]), rate)) {
		cli_fail(
			CLI_USAGE, "--rate is like 100/s, not '%s'", cli->option[CLI_RATE]);
		return false;
	}
	return true;
}

static enum cli_exit send_event(struct sender *sender, const char *event)
{
	struct cli *cli = sender->cli;
	const char *url = cli->option[CLI_URL];
	enum cli_exit code;
	char *encoded;
	size_t count;
	double rate;

	if (!read_numbers(cli, &count, &rate))
		return CLI_USAGE;
	sender->key = credential(cli, CLI_KEY, "VOLLEY_CLIENT_KEY");
	sender->secret = credential(cli, CLI_SECRET, "VOLLEY_CLIENT_SECRET");
	if (!sender->key || !sender->secret)
		return CLI_USAGE;
	if (!url)
		url = base_url(cli);
	if (!url || !read_payload(cli, &sender->payload))
		return CLI_REFUSED;
	encoded = evhttp_uriencode(event, -1, 0);
	sender->path = arena_printf(cli->arena, "/event/%s", encoded);
	free(encoded);
	sender->http = cli_http_new(cli, url, &code);
	if (!sender->http)
		return code;
	if (cli->option[CLI_REPEAT])
		return send_many(sender, count, rate);
	code = post(sender);
	return code == CLI_DONE ? show(sender) : code;
}

enum cli_exit verb_send(struct cli *cli)
{
	const char *event = cli_argument(cli, 0, "EVENT");
	struct sender sender = { .cli = cli };
	enum cli_exit code;

	if (!event)
		return CLI_USAGE;
	code = send_event(&sender, event);
	cli_http_free(sender.http);
	return code;
}
