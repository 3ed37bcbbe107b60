/*
 * http1.c - heads: where they end, what they say, and what http-parser lets pass.
 *
 * The scan enforces line structure while bytes arrive. http-parser then reads the whole
 * head at once, so that each of its callbacks has a complete name or value, and the
 * callbacks refuse what it tolerates. Feeding it the raw input piecemeal was refused: names
 * and values would come in pieces, and it takes LF for CRLF and joins folded lines.
 */
#include "net/http1.h"

#include <http_parser.h>
#include <string.h>

/* ---- where a head ends ---- */

static bool refuse(struct http1_error *error, int status, const char *text)
{
	error->status = status;
	error->text = text;
	return false;
}

void http1_scan_init(struct http1_scan *scan, size_t max)
{
	*scan = (struct http1_scan){ .max = max };
}

/* A line, or its end, has come. True: it was the head's last. */
static bool line_ended(struct http1_scan *scan, struct http1_error *error)
{
	bool empty = scan->line == 2;

	scan->line = 0;
	if (!empty) {
		scan->lines++;
		return false;
	}
	if (scan->lines > 0)
		return true;
	if (scan->skipped)
		return refuse(error, 400, "the request line is empty");
	scan->skipped = true; /* RFC 9112 2.2: one empty line is forgiven */
	return false;
}

bool http1_scan_head(struct http1_scan *scan, const char *bytes, size_t len, size_t *used,
	struct http1_error *error)
{
	size_t at = 0;
	bool complete = false;

	while (at < len && !complete && !error->status) {
		const char *lf = memchr(bytes + at, '\n', len - at);
		size_t n = (lf ? (size_t)(lf - bytes) + 1 : len) - at;
		char before = lf && n > 1 ? lf[-1] : scan->last;

		if (scan->line == 0 && (bytes[at] == ' ' || bytes[at] == '\t'))
			return refuse(error, 400, "a line begins with a blank");
		scan->line += n;
		scan->length += n;
		scan->last = bytes[at + n - 1];
		at += n;
		if (scan->lines == 0 && scan->line > HTTP1_LINE_MAX + 2)
			return refuse(error, 414, "the request line is too long");
		if (scan->length > scan->max)
			return refuse(error, 431, "the head is too long");
		if (!lf)
			break;
		if (before != '\r')
			return refuse(error, 400, "a line does not end with CR LF");
		complete = line_ended(scan, error);
	}
	*used = at;
	return complete;
}

/* ---- characters ---- */

enum { TOKEN = 1, VALUE = 2, TARGET = 4, HOST = 8, HEX = 16 };

#define GRAPH  (VALUE | TARGET)
#define LETTER (GRAPH | TOKEN | HOST)

/* RFC 9110 5.6.2 and 5.5; targets are visible ASCII; RFC 3986 3.2.2 for hosts. */
static const unsigned char classes[256] = {
	['\t'] = VALUE,
	[' '] = VALUE,
	['!'] = LETTER,
	['"'] = GRAPH,
	['#'] = VALUE | TOKEN, /* no TARGET: a fragment is never sent */
	['$' ... '\''] = LETTER,
	['('] = GRAPH | HOST,
	[')'] = GRAPH | HOST,
	['*'] = LETTER,
	['+'] = LETTER,
	[','] = GRAPH | HOST,
	['-'] = LETTER,
	['.'] = LETTER,
	['/'] = GRAPH,
	['0' ... '9'] = LETTER | HEX,
	[':'] = GRAPH | HOST,
	[';'] = GRAPH | HOST,
	['<'] = GRAPH,
	['='] = GRAPH | HOST,
	['>' ... '@'] = GRAPH,
	['A' ... 'F'] = LETTER | HEX,
	['G' ... 'Z'] = LETTER,
	['['] = GRAPH | HOST,
	['\\'] = GRAPH,
	[']'] = GRAPH | HOST,
	['^'] = GRAPH | TOKEN,
	['_'] = LETTER,
	['`'] = GRAPH | TOKEN,
	['a' ... 'f'] = LETTER | HEX,
	['g' ... 'z'] = LETTER,
	['{'] = GRAPH,
	['|'] = GRAPH | TOKEN,
	['}'] = GRAPH,
	['~'] = LETTER,
	[0x80 ... 0xFF] = VALUE,
};

static bool all_are(struct text t, unsigned class)
{
	for (size_t i = 0; i < t.len; i++) {
		if (!(classes[(unsigned char)t.at[i]] & class))
			return false;
	}
	return true;
}

static unsigned hex_value(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static bool is_hex(char c)
{
	return classes[(unsigned char)c] & HEX;
}

/* ---- http-parser's callbacks ---- */

struct parse {
	struct http1_head *head;
	struct http1_error *error;
	struct arena *arena;
	size_t capacity; /* of head->headers */
	size_t max_headers;
	unsigned hosts, lengths, encodings, expectations; /* how often each was given */
	struct text host, encoding, expectation;          /* the last one's value */
};

static int stop(struct parse *parse, int status, const char *text)
{
	refuse(parse->error, status, text);
	return 1;
}

static void grow_headers(struct parse *parse)
{
	size_t old = parse->capacity;

	parse->capacity = old ? 2 * old : 16;
	parse->head->headers = arena_grow(parse->arena, parse->head->headers,
		old * sizeof(struct http_header),
		parse->capacity * sizeof(struct http_header));
}

static int on_field(http_parser *parser, const char *at, size_t len)
{
	struct parse *parse = parser->data;
	struct http1_head *head = parse->head;
	struct text name = { at, len };

	if (head->header_count == parse->max_headers)
		return stop(parse, 431, "there are too many headers");
	if (!all_are(name, TOKEN))
		return stop(parse, 400, "a header's name is not a token");
	if (head->header_count == parse->capacity)
		grow_headers(parse);
	head->headers[head->header_count++] = (struct http_header){ name, { at + len, 0 } };
	return 0;
}

/* Remembers the headers that decide about the message's shape. Lengths tell most apart. */
static void note_header(struct parse *parse, const struct http_header *header)
{
	switch (header->name.len) {
	case sizeof("Host") - 1:
		if (!text_is_nocase(header->name, "Host"))
			break;
		parse->hosts++;
		parse->host = header->value;
		break;
	case sizeof("Expect") - 1:
		if (!text_is_nocase(header->name, "Expect"))
			break;
		parse->expectations++;
		parse->expectation = header->value;
		break;
	case sizeof("Content-Length") - 1:
		if (text_is_nocase(header->name, "Content-Length"))
			parse->lengths++;
		break;
	case sizeof("Transfer-Encoding") - 1:
		if (!text_is_nocase(header->name, "Transfer-Encoding"))
			break;
		parse->encodings++;
		parse->encoding = header->value;
		break;
	}
}

static int on_value(http_parser *parser, const char *at, size_t len)
{
	struct parse *parse = parser->data;
	struct http_header *header = &parse->head->headers[parse->head->header_count - 1];

	while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	header->value = (struct text){ at, len };
	if (!all_are(header->value, VALUE))
		return stop(parse, 400, "a header holds a control character");
	note_header(parse, header);
	return 0;
}

static int on_headers_complete(http_parser *parser)
{
	struct parse *parse = parser->data;
	struct http1_head *head = parse->head;

	head->minor = parser->http_minor;
	head->status = parser->status_code;
	head->keep_alive = http_should_keep_alive(parser);
	head->has_length = parser->flags & F_CONTENTLENGTH;
	head->body_length = head->has_length ? parser->content_length : 0;
	return 0;
}

static const http_parser_settings callbacks = {
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_headers_complete,
};

static bool refuse_parsed(struct parse *parse, enum http_errno code)
{
	switch (code) {
	case HPE_INVALID_CONTENT_LENGTH:
	case HPE_UNEXPECTED_CONTENT_LENGTH:
		if (parse->encodings > 0)
			return refuse(parse->error, 400,
				"Content-Length beside Transfer-Encoding");
		return refuse(parse->error, 400,
			"Content-Length is not one number, or stands twice");
	case HPE_INVALID_METHOD:
		return refuse(parse->error, 501, "the method is not implemented");
	case HPE_INVALID_URL:
		return refuse(parse->error, 400, "the request target is malformed");
	case HPE_INVALID_HEADER_TOKEN:
		return refuse(parse->error, 400, "a header is malformed");
	case HPE_LF_EXPECTED:
		return refuse(parse->error, 400, "CR without LF");
	default:
		return refuse(parse->error, 400, "the head is malformed");
	}
}

/* Transfer-Encoding is checked by us after the parser, whose own verdict it replaces. */
static bool run_parser(struct parse *parse, enum http_parser_type type, struct text bytes)
{
	http_parser parser;
	enum http_errno code;

	http_parser_init(&parser, type);
	parser.data = parse;
	http_parser_set_max_header_size(UINT32_MAX / 2); /* the scan has its own bound */
	http_parser_execute(&parser, &callbacks, bytes.at, bytes.len);
	code = HTTP_PARSER_ERRNO(&parser);
	if (parse->error->status)
		return false;
	if (code == HPE_INVALID_TRANSFER_ENCODING)
		on_headers_complete(&parser);
	else if (code != HPE_OK)
		return refuse_parsed(parse, code);
	return true;
}

/* ---- what the headers mean ---- */

static bool check_encoding(struct parse *parse)
{
	if (parse->encodings == 0)
		return true;
	if (parse->head->minor == 0)
		return refuse(parse->error, 400, "Transfer-Encoding in HTTP/1.0");
	if (parse->lengths > 0)
		return refuse(parse->error, 400, "Content-Length beside Transfer-Encoding");
	if (parse->encodings > 1 || !text_is_nocase(parse->encoding, "chunked"))
		return refuse(parse->error, 501,
			"Transfer-Encoding other than chunked is not implemented");
	parse->head->chunked = true;
	return true;
}

static bool check_host(struct parse *parse)
{
	if (parse->hosts > 1)
		return refuse(parse->error, 400, "Host stands twice");
	if (parse->hosts == 0)
		return parse->head->minor == 0 ||
		       refuse(parse->error, 400, "Host is missing");
	if (!all_are(parse->host, HOST))
		return refuse(parse->error, 400, "Host is malformed");
	return true;
}

/* RFC 9110 10.1.1: HTTP/1.0 knows no expectations, and they are ignored there. */
static bool check_expectation(struct parse *parse)
{
	if (parse->expectations == 0 || parse->head->minor == 0)
		return true;
	if (parse->expectations > 1 || !text_is_nocase(parse->expectation, "100-continue"))
		return refuse(parse->error, 417, "only 100-continue can be expected");
	parse->head->expects = true;
	return true;
}

/* ---- request lines ---- */

/* Cuts the text up to the byte off the front of the rest; false when it does not occur. */
static bool cut(struct text *rest, char end, struct text *out)
{
	const char *at = memchr(rest->at, end, rest->len);

	if (!at)
		return false;
	*out = (struct text){ rest->at, (size_t)(at - rest->at) };
	rest->at = at + 1;
	rest->len -= out->len + 1;
	return true;
}

static bool check_version(struct text version, struct http1_error *error)
{
	if (version.len != 8 || memcmp(version.at, "HTTP/", 5) != 0 ||
		version.at[6] != '.' || version.at[5] < '0' || version.at[5] > '9' ||
		version.at[7] < '0' || version.at[7] > '9')
		return refuse(error, 400, "the start line has no HTTP version");
	if (version.at[5] != '1' || version.at[7] > '1')
		return refuse(error, 505, "only HTTP/1.1 and HTTP/1.0 are served");
	return true;
}

static bool parse_request_line(
	struct text bytes, struct http1_head *head, struct http1_error *error)
{
	struct text line;

	if (!cut(&bytes, '\r', &line) || !cut(&line, ' ', &head->method) ||
		!cut(&line, ' ', &head->target))
		return refuse(error, 400,
			"the request line is not a method, a target and a version");
	if (head->method.len == 0 || !all_are(head->method, TOKEN))
		return refuse(error, 400, "the method is not a token");
	if (head->target.len == 0 || !all_are(head->target, TARGET))
		return refuse(error, 400, "the request target is malformed");
	if (!check_version(line, error))
		return false;
	if (text_is(head->method, "CONNECT"))
		return refuse(error, 501, "the method is not implemented");
	return true;
}

/* The path of an absolute-form target (RFC 9112 3.2.2). */
static bool absolute_path(struct text target, struct text *path)
{
	struct http_parser_url url;
	struct text scheme;

	http_parser_url_init(&url);
	if (http_parser_parse_url(target.at, target.len, 0, &url) != 0 ||
		!(url.field_set & 1 << UF_SCHEMA) || !(url.field_set & 1 << UF_HOST) ||
		url.field_set & 1 << UF_USERINFO)
		return false;
	scheme = (struct text){ target.at + url.field_data[UF_SCHEMA].off,
		url.field_data[UF_SCHEMA].len };
	if (!text_is_nocase(scheme, "http") && !text_is_nocase(scheme, "https"))
		return false;
	*path = TEXT("/");
	if (url.field_set & 1 << UF_PATH)
		*path = (struct text){ target.at + url.field_data[UF_PATH].off,
			url.field_data[UF_PATH].len };
	return true;
}

static bool percent_decode(struct arena *arena, struct text *path)
{
	char *out;
	size_t n = 0;

	if (!memchr(path->at, '%', path->len))
		return true;
	out = arena_alloc(arena, path->len);
	for (size_t i = 0; i < path->len; i++) {
		char c = path->at[i];

		if (c == '%') {
			if (path->len - i < 3 || !is_hex(path->at[i + 1]) ||
				!is_hex(path->at[i + 2]))
				return false;
			c = (char)(hex_value(path->at[i + 1]) << 4 |
				   hex_value(path->at[i + 2]));
			if (c == 0)
				return false;
			i += 2;
		}
		out[n++] = c;
	}
	*path = (struct text){ out, n };
	return true;
}

static bool find_path(
	struct arena *arena, struct http1_head *head, struct http1_error *error)
{
	struct text path = head->target, query;

	if (text_is(head->target, "*") && text_is(head->method, "OPTIONS")) {
		head->path = path;
		return true;
	}
	if (path.at[0] != '/' && !absolute_path(head->target, &path))
		return refuse(error, 400, "the request target is not a path");
	if (cut(&path, '?', &query))
		path = query; /* what stands before the '?' */
	if (!percent_decode(arena, &path))
		return refuse(error, 400, "the path holds a bad percent escape");
	head->path = path;
	return true;
}

/* Passes over the empty line that the scan forgave. */
static struct text without_empty_line(struct text bytes)
{
	if (bytes.len >= 2 && bytes.at[0] == '\r')
		return (struct text){ bytes.at + 2, bytes.len - 2 };
	return bytes;
}

bool http1_parse_request(struct arena *arena, struct text bytes, unsigned max_headers,
	struct http1_head *head, struct http1_error *error)
{
	struct parse parse = { head, error, arena, .max_headers = max_headers };

	*head = (struct http1_head){ 0 };
	*error = (struct http1_error){ 0 };
	bytes = without_empty_line(bytes);
	return parse_request_line(bytes, head, error) &&
	       run_parser(&parse, HTTP_REQUEST, bytes) && find_path(arena, head, error) &&
	       check_encoding(&parse) && check_host(&parse) && check_expectation(&parse);
}

bool http1_parse_response(struct arena *arena, struct text bytes, unsigned max_headers,
	struct http1_head *head, struct http1_error *error)
{
	struct parse parse = { head, error, arena, .max_headers = max_headers };
	struct text rest = bytes, line, version;

	*head = (struct http1_head){ 0 };
	*error = (struct http1_error){ 0 };
	if (!cut(&rest, '\r', &line) || !cut(&line, ' ', &version) ||
		!check_version(version, error))
		return refuse(error, 502, "the answer does not begin with a status line");
	return run_parser(&parse, HTTP_RESPONSE, bytes) && check_encoding(&parse);
}

const struct text *http1_header(
	const struct http_header *headers, size_t count, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < count; i++) {
		if (headers[i].name.len == len && text_is_nocase(headers[i].name, name))
			return &headers[i].value;
	}
	return NULL;
}
