/*
 * http.c - the client of the command line, on the daemon's own streams and parser.
 *
 * A loop of its own runs until the reply is complete, so a verb reads from top to bottom.
 * Refused: libevent's evhttp, which knows no unix sockets and says of a failed certificate
 * only that nothing came.
 */
#include "cli/http.h"

#include <event2/http.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "net/dial.h"
#include "net/http1.h"

#define CONNECT_TIMEOUT (10 * NS_PER_SEC)
#define TOO_LARGE       "the answer is too large"

enum { HEAD_MAX = 64 * 1024, HEADERS_MAX = 200, BODY_MAX = 1 << 30 };

/* Where the body of the reply ends. */
enum body_end { BODY_NONE, BODY_LENGTH, BODY_CHUNKS, BODY_TO_END };

struct cli_http {
	struct loop *loop;
	const char *name, *host, *prefix; /* for messages, the Host header, paths */
	struct dial_target target;
	struct tls_context *context;
	struct tls_peer *peer;
	struct dial *dial;     /* NULL: none is under way */
	struct stream *stream; /* NULL: not connected */
	struct loop_timer deadline;
	struct loop_item look;

	/* Of the request under way: */
	const struct cli_http_request *request;
	struct arena *arena;
	struct http1_scan scan;
	struct strbuf head_bytes, body;
	struct http1_head head;
	bool has_head, complete;
	enum body_end end;
	struct http1_chunks chunks;
	struct errbuf reason; /* why there is no reply */
};

/* ---- the end of a request ---- */

static void drop_stream(struct cli_http *http)
{
	if (http->stream)
		stream_close(http->stream);
	http->stream = NULL;
}

static void fail(struct cli_http *http, const char *reason)
{
	errbuf_set(&http->reason, "%s", reason);
	drop_stream(http);
	loop_stop(http->loop);
}

static void complete(struct cli_http *http)
{
	http->complete = true;
	if (http->end == BODY_TO_END || !http->head.keep_alive)
		drop_stream(http);
	loop_stop(http->loop);
}

static void on_deadline(struct loop_timer *timer)
{
	struct cli_http *http = container_of(timer, struct cli_http, deadline);

	if (http->dial)
		dial_cancel(http->dial);
	http->dial = NULL;
	fail(http, "no answer in time");
}

/* ---- reading ---- */

static enum body_end body_end_of(
	const struct http1_head *head, const struct cli_http_request *request)
{
	if (strcmp(request->method, "HEAD") == 0 || head->status < 200 ||
		head->status == 204 || head->status == 304)
		return BODY_NONE;
	if (head->chunked)
		return BODY_CHUNKS;
	return head->has_length ? BODY_LENGTH : BODY_TO_END;
}

/* Takes the bytes of the head off the input; false: the reply is none. */
static bool read_head(struct cli_http *http, struct text *input)
{
	struct http1_error error = { 0 };
	size_t used = 0;
	bool ended = http1_scan_head(&http->scan, input->at, input->len, &used, &error);

	strbuf_bytes(&http->head_bytes, input->at, used);
	*input = (struct text){ input->at + used, input->len - used };
	if (error.status == 0 && !ended)
		return true;
	if (error.status != 0 ||
		!http1_parse_response(http->arena, strbuf_get(&http->head_bytes),
			HEADERS_MAX, &http->head, &error)) {
		fail(http, "the answer is no HTTP");
		return false;
	}
	http->has_head = true;
	http->end = body_end_of(&http->head, http->request);
	http1_chunks_init(&http->chunks);
	return true;
}

static void read_chunks(struct cli_http *http, struct text *input)
{
	struct http1_error error;
	enum http1_chunk got;
	struct text data;

	while ((got = http1_chunks_next(&http->chunks, input, &data, &error)) ==
		HTTP1_CHUNK_DATA)
		strbuf_text(&http->body, data);
	if (http->body.failed)
		fail(http, TOO_LARGE);
	else if (got == HTTP1_CHUNK_DONE)
		complete(http);
	else if (got == HTTP1_CHUNK_BAD)
		fail(http, "the answer is no HTTP");
}

static void read_body(struct cli_http *http, struct text *input)
{
	uint64_t left = http->head.body_length - http->body.len;

	switch (http->end) {
	case BODY_NONE:
		complete(http);
		return;
	case BODY_CHUNKS:
		read_chunks(http, input);
		return;
	case BODY_LENGTH:
		strbuf_bytes(&http->body, input->at, input->len < left ? input->len : left);
		if (http->body.len == http->head.body_length)
			complete(http);
		break;
	case BODY_TO_END:
		strbuf_text(&http->body, *input);
		break;
	}
	if (http->body.failed)
		fail(http, TOO_LARGE);
}

static void on_readable(void *owner)
{
	struct cli_http *http = owner;
	struct evbuffer *buffer = stream_input(http->stream);
	size_t len = evbuffer_get_length(buffer);
	struct text input = { (const char *)evbuffer_pullup(buffer, -1), len };

	if (!http->request || http->complete) {
		drop_stream(http); /* nothing was asked */
		return;
	}
	if (!http->has_head && !read_head(http, &input))
		return;
	if (http->has_head)
		read_body(http, &input);
	if (http->stream)
		evbuffer_drain(buffer, len);
}

static void on_ended(void *owner, int error)
{
	struct cli_http *http = owner;

	if (!http->request || http->complete)
		drop_stream(http);
	else if (http->has_head && http->end == BODY_TO_END && error == 0)
		complete(http);
	else
		fail(http, stream_reason(http->stream));
}

static const struct stream_events stream_events = {
	.readable = on_readable,
	.ended = on_ended,
};

/* ---- writing ---- */

static void write_request(struct cli_http *http)
{
	const struct cli_http_request *request = http->request;
	struct strbuf out;

	strbuf_init(&out, SIZE_MAX);
	strbuf_printf(&out, "%s %s%s HTTP/1.1\r\nHost: %s\r\n", request->method,
		http->prefix, request->path, http->host);
	for (size_t i = 0; i < request->header_count; i++)
		strbuf_printf(
			&out, "%s: %s\r\n", request->headers[i][0], request->headers[i][1]);
	if (request->body.len > 0 || strcmp(request->method, "POST") == 0)
		strbuf_printf(&out, "Content-Length: %zu\r\n", request->body.len);
	strbuf_string(&out, "\r\n");
	strbuf_text(&out, request->body);
	stream_write(http->stream, out.data, out.len);
	strbuf_free(&out);
}

static void on_through(void *owner, struct stream *stream)
{
	struct cli_http *http = owner;

	http->dial = NULL;
	http->stream = stream;
	stream_set_owner(stream, &stream_events, http);
	write_request(http);
}

static void on_failed(void *owner, const char *reason)
{
	struct cli_http *http = owner;

	http->dial = NULL;
	fail(http, reason);
}

static const struct dial_events dial_events = {
	.through = on_through,
	.failed = on_failed,
};

/* One pass without waiting: a connection that was closed meanwhile is noticed. */
static void on_look(struct loop_item *item)
{
	loop_stop(container_of(item, struct cli_http, look)->loop);
}

static void look_at_stream(struct cli_http *http)
{
	if (!http->stream)
		return;
	loop_upkeep(http->loop, &http->look);
	loop_run(http->loop);
}

static void begin(
	struct cli_http *http, const struct cli_http_request *request, struct arena *arena)
{
	http->request = request;
	http->arena = arena;
	http->has_head = http->complete = false;
	http1_scan_init(&http->scan, HEAD_MAX);
	strbuf_init_arena(&http->head_bytes, arena, HEAD_MAX);
	strbuf_init_arena(&http->body, arena, BODY_MAX);
	loop_timer_start(&http->deadline, request->timeout);
	if (http->stream)
		write_request(http);
	else
		http->dial = dial_start(http->loop, &http->target, http->peer,
			CONNECT_TIMEOUT, &dial_events, http);
}

/* OpenSSL's words for a certificate whose authority is unknown here. */
static bool unknown_authority(const char *reason)
{
	return strstr(reason, "issuer certificate") ||
	       strstr(reason, "self-signed certificate");
}

/* Who fails a handshake of TLS is there, but need not be a volleyd. */
static enum cli_exit fail_unreachable(const struct cli_http *http)
{
	const char *reason = http->reason.text;

	if (strncmp(reason, "TLS: ", 5) != 0)
		return cli_fail(CLI_UNREACHABLE, "no volleyd answers at %s: %s", http->name,
			reason);
	return cli_fail(CLI_UNREACHABLE, "no connection to %s: %s%s", http->name, reason,
		unknown_authority(reason) ? "; --ca FILE names the authorities to trust"
					  : "");
}

enum cli_exit cli_http_send(struct cli_http *http, const struct cli_http_request *request,
	struct arena *arena, struct cli_http_reply *reply)
{
	uint64_t began = clock_now();

	look_at_stream(http);
	begin(http, request, arena);
	loop_run(http->loop);
	loop_timer_stop(&http->deadline);
	http->request = NULL;
	reply->time = clock_now() - began;
	reply->status = http->head.status;
	reply->body = strbuf_get(&http->body);
	if (http->complete)
		return CLI_DONE;
	return fail_unreachable(http);
}

/* ---- where to ---- */

/* "[::1]" of a URL is connected to as "::1". */
static const char *without_brackets(struct arena *arena, const char *host)
{
	size_t len = strlen(host);

	if (len > 2 && host[0] == '[' && host[len - 1] == ']')
		return arena_text(arena, (struct text){ host + 1, len - 2 }).at;
	return arena_text(arena, text_of(host)).at;
}

static bool read_uri(
	struct cli_http *http, struct arena *arena, const struct evhttp_uri *uri, bool *tls)
{
	const char *host = evhttp_uri_get_host(uri);
	const char *scheme = evhttp_uri_get_scheme(uri);
	const char *path = evhttp_uri_get_path(uri);
	int port = evhttp_uri_get_port(uri);
	size_t len = path ? strlen(path) : 0;

	if (!host || !*host || !scheme ||
		(strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		return false;
	*tls = strcmp(scheme, "https") == 0;
	if (port <= 0)
		port = *tls ? 443 : 80;
	while (len && path[len - 1] == '/')
		len--;
	http->target.host = without_brackets(arena, host);
	http->target.port = (unsigned)port;
	http->host = arena_printf(arena, "%s:%d", host, port);
	http->name = arena_printf(arena, "%s://%s", scheme, http->host);
	http->prefix = arena_printf(arena, "%.*s", (int)len, path ? path : "");
	return true;
}

static bool read_url(struct cli_http *http, struct arena *arena, const char *url, bool *tls)
{
	struct evhttp_uri *uri;
	bool read;

	if (strncmp(url, "unix:", 5) == 0 && url[5]) {
		http->name = arena_text(arena, text_of(url)).at;
		http->target.path = http->name + 5;
		http->host = "localhost";
		http->prefix = "";
		return true;
	}
	uri = evhttp_uri_parse(url);
	read = uri && read_uri(http, arena, uri, tls);
	if (uri)
		evhttp_uri_free(uri);
	return read;
}

static bool prepare_tls(struct cli_http *http, const char *ca)
{
	struct tls_settings settings = { .ca = ca, .verify = true };
	struct errbuf errbuf;
	enum tls_part part;

	http->context = tls_client_context(&settings, &part, &errbuf);
	if (!http->context) {
		cli_fail(CLI_REFUSED, "%s", errbuf.text);
		return false;
	}
	http->peer = tls_peer_new(http->context, http->target.host);
	return true;
}

struct cli_http *cli_http_new(struct cli *cli, const char *url, enum cli_exit *code)
{
	struct cli_http *http = mem_zalloc(1, sizeof(*http));
	bool tls = false;

	log_configure(LOG_ERROR, LOG_LOGFMT);
	http->loop = loop_new();
	if (!http->loop)
		mem_exhausted();
	http->look.run = on_look;
	loop_timer_init(http->loop, &http->deadline, on_deadline);
	*code = CLI_DONE;
	if (!read_url(http, cli->arena, url, &tls))
		*code = cli_fail(CLI_USAGE,
			"'%s' is no address; write http://HOST:PORT, https://HOST:PORT or "
			"unix:PATH",
			url);
	else if (tls && !prepare_tls(http, cli->option[CLI_CA]))
		*code = CLI_REFUSED;
	if (*code == CLI_DONE)
		return http;
	cli_http_free(http);
	return NULL;
}

void cli_http_free(struct cli_http *http)
{
	if (!http)
		return;
	drop_stream(http);
	loop_free(http->loop);
	if (http->peer)
		tls_peer_free(http->peer);
	if (http->context)
		tls_context_release(http->context);
	free(http);
}

const char *cli_http_name(const struct cli_http *http)
{
	return http->name;
}

/* ---- the project's addresses ---- */

const char *cli_listener_url(struct arena *arena, const char *address, bool tls)
{
	const char *scheme = tls ? "https" : "http";

	if (strncmp(address, "unix:", 5) == 0)
		return address;
	if (strncmp(address, "0.0.0.0:", 8) == 0)
		return arena_printf(arena, "%s://127.0.0.1:%s", scheme, address + 8);
	if (strncmp(address, "[::]:", 5) == 0)
		return arena_printf(arena, "%s://[::1]:%s", scheme, address + 5);
	return arena_printf(arena, "%s://%s", scheme, address);
}

const struct volley_settings *cli_settings(struct cli *cli)
{
	const char *path = cli_project_file(cli, "volley.yaml");
	struct diag *diag = diag_new(cli->arena);
	const struct volley_settings *settings;

	if (!path)
		return NULL;
	settings = settings_load(path, cli->arena, diag);
	if (settings && !diag_errors(diag))
		return settings;
	diag_print(diag, stderr);
	return NULL;
}
