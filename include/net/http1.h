/*
 * http1.h - HTTP/1.1 and 1.0 messages: strict parsing of heads and chunked bodies (RFC
 * 9112).
 *
 * Knows bytes, not sockets: heads are found in pieces as they arrive, then parsed in one go
 * from one stretch of memory. Strict where two parsers could disagree about where a message
 * ends.
 */
#ifndef VOLLEY_NET_HTTP1_H
#define VOLLEY_NET_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"

#define HTTP1_LINE_MAX    ((size_t)8 << 10) /* of a start line, without CRLF */
#define HTTP1_TRAILER_MAX ((size_t)8 << 10) /* of the trailer section */

struct http_header {
	struct text name;  /* as it was sent */
	struct text value; /* trimmed; bytes without control characters but tabs */
};

/* Why a message was refused. */
struct http1_error {
	int status;       /* what a server answers; 0: nothing is wrong */
	const char *text; /* a literal for people */
};

/* ---- where a head ends ---- */

/* The search through the bytes of one head. */
struct http1_scan {
	size_t max;    /* bytes that the head may have; more is 431 */
	size_t length; /* bytes seen */
	size_t line;   /* of these in the line that is being read */
	size_t lines;  /* lines that have ended */
	bool skipped;  /* an empty line before the start line was passed over */
	char last;     /* the last byte seen */
};

void http1_scan_init(struct http1_scan *scan, size_t max);

/*
 * Looks at the next bytes of a head and sets used to how many of them belong to it. True:
 * it is complete. It is an error when a line ends without CR or begins with a blank
 * (obs-fold), when the start line is too long (414) or the head is (431).
 */
must_check bool http1_scan_head(struct http1_scan *scan, const char *bytes, size_t len,
	size_t *used, struct http1_error *error);

/* ---- heads ---- */

/* A parsed head. Slices point into the bytes that were parsed, or into the arena. */
struct http1_head {
	struct text method; /* requests */
	struct text target; /* requests: as it was sent */
	struct text path;   /* requests: percent-decoded once, without the query */
	int status;         /* responses */
	struct http_header *headers;
	size_t header_count;
	unsigned minor;       /* HTTP/1.minor: 0 or 1 */
	bool keep_alive;      /* the sender keeps the connection open after this message */
	bool chunked;         /* the body is chunked */
	bool has_length;      /* Content-Length was given */
	bool expects;         /* requests: Expect: 100-continue */
	uint64_t body_length; /* what Content-Length said, else 0 */
};

/*
 * Parses a complete request head, as http1_scan_head() found it; the bytes must live as
 * long as the result. At most max_headers headers (more is 431). Refuses (RFC 9112): what
 * is no request line, versions other than 1.0 and 1.1 (505), unknown methods and CONNECT
 * (501), blanks in or after a name, control characters, targets that are no path, bad
 * percent escapes and %00, no Host or two, Content-Length that is no number or stands twice
 * or beside Transfer-Encoding, Transfer-Encoding in HTTP/1.0 (400) or other than exactly
 * "chunked" (501), expectations other than 100-continue (417).
 */
must_check bool http1_parse_request(struct arena *arena, struct text bytes,
	unsigned max_headers, struct http1_head *head, struct http1_error *error);

/*
 * Parses a complete response head likewise; whether a body follows depends on the request,
 * too (HEAD), and without a length or chunks it lasts until the connection ends.
 */
must_check bool http1_parse_response(struct arena *arena, struct text bytes,
	unsigned max_headers, struct http1_head *head, struct http1_error *error);

/* The first header of that name (ASCII case ignored), or NULL. */
const struct text *http1_header(
	const struct http_header *headers, size_t count, const char *name);

/* ---- chunked bodies ---- */

enum http1_chunk_state {
	CHUNK_SIZE,      /* hexadecimal digits */
	CHUNK_BLANK,     /* blanks between size and ';' */
	CHUNK_EXTENSION, /* what follows ';', up to CR */
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER, /* in a trailer line, or at its start */
	CHUNK_TRAILER_LF,
	CHUNK_END
};

struct http1_chunks {
	enum http1_chunk_state state;
	uint64_t left;   /* data of this chunk still to come */
	unsigned digits; /* of the size, without leading zeros */
	size_t line;     /* bytes of this size line or trailer line */
	size_t trailer;  /* bytes of all trailer lines */
};

void http1_chunks_init(struct http1_chunks *chunks);

enum http1_chunk {
	HTTP1_CHUNK_MORE, /* the input is used up */
	HTTP1_CHUNK_DATA, /* data is the next stretch of the body, a slice of the input */
	HTTP1_CHUNK_DONE, /* the body and its trailers (dropped) have ended */
	HTTP1_CHUNK_BAD   /* error says why: 400, or 431 for trailers that are too long */
};

/* Takes what it used off the front of the input. Call again until it is not DATA. */
enum http1_chunk http1_chunks_next(struct http1_chunks *chunks, struct text *input,
	struct text *data, struct http1_error *error);

#endif
