/*
 * http_server.h - HTTP/1.1 and 1.0 ingress: bytes to requests, replies to bytes.
 *
 * Strict where RFC 9112 leaves room for smuggling, bounded everywhere. A request lives in
 * an arena of its own that its handler may take over, so that a payload is never copied
 * again.
 */
#ifndef VOLLEY_NET_HTTP_SERVER_H
#define VOLLEY_NET_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/macros.h"
#include "base/metric.h"
#include "base/text.h"
#include "loop/loop.h"
#include "loop/tls.h"
#include "net/http1.h"

struct evbuffer;

/* What a connection is doing: the server's list that it stands on. */
enum http_conn_state {
	HTTP_CONN_IDLE, /* between requests: idle_timeout, or until another needs the room */
	HTTP_CONN_HANDSHAKE, /* of TLS: head_timeout */
	HTTP_CONN_HEAD,      /* a head has begun: head_timeout, then 408 */
	HTTP_CONN_BODY,      /* a body is being read or dropped: body_timeout, then 408 */
	HTTP_CONN_WORK,      /* handlers work on its requests */
	HTTP_CONN_WRITE,     /* replies wait for the client to take them: reply_timeout */
	HTTP_CONN_LINGER, /* our side has ended; what still comes is dropped for a second */
	HTTP_CONN_CLOSED, /* on no list; its memory waits for the reap point */
	HTTP_CONN_STATES = HTTP_CONN_CLOSED
};

struct http_request {
	struct arena *arena; /* holds everything below; see http_take_arena() */
	struct text method;  /* "POST" */
	struct text path;    /* percent-decoded once, without the query */
	const struct http_header *headers;
	size_t header_count;
	struct text body; /* complete in on_request(); empty in on_head() */
	bool has_length;  /* Content-Length was given; body_length says what */
	uint64_t body_length;
	uint64_t started; /* monotonic ns: when its first byte was parsed */
	const char
		*peer; /* for logs; lives as long as the connection, so not after gone() */
	void *context; /* the handler's; NULL at first */
};

/*
 * What the front does with requests. Each request ends with exactly one http_reply(),
 * during on_head() (a refusal, before any of the body is read), during on_request(), or
 * later, unless gone() came first.
 */
struct http_handler {
	/* The head is complete and is valid HTTP. Reply here to refuse; else the body is
	 * read. */
	void (*on_head)(void *owner, struct http_request *request);
	/*
	 * The body, not complete yet, needs more memory. True: it may have it. False: the
	 * handler has refused the request with a reply.
	 */
	bool (*may_grow)(void *owner, struct http_request *request);
	/* The body is complete. Not called when on_head() replied. */
	void (*on_request)(void *owner, struct http_request *request);
	/*
	 * No reply is wanted any more: the client left, or the server itself refused after
	 * on_head() (slow, malformed or too large a body). Nothing may be sent, the request
	 * dies after this call. A request that was refused before on_head() has none.
	 */
	void (*gone)(void *owner, struct http_request *request);
	/*
	 * The server itself refuses (bad syntax, a limit, a timeout): gives the body and
	 * content type of this status, appended to the arena.
	 */
	struct text (*error_body)(void *owner, int status, const char *detail,
		struct arena *arena, const char **content_type);
};

struct http_limits {
	unsigned connections; /* open connections; the longest idle one makes room */
	size_t body;          /* bytes; more is 413 */
	size_t head;          /* bytes of request line and headers; more is 431 */
	unsigned headers;     /* more is 431 */
	unsigned pipeline;    /* requests of one connection being worked on; reading pauses
				 there */
	size_t unsent; /* bytes of replies that clients have not taken, all together; beyond
			  it, who has not taken its own is not read from */
	uint64_t head_timeout, body_timeout, reply_timeout, idle_timeout; /* ns */
};

struct http_server;

/* Starts without listeners. The handler must live as long. */
struct http_server *http_server_new(struct loop *loop, const struct http_limits *limits,
	const struct http_handler *handler, void *owner);

/* Puts other limits in force, from the next request and the next deadline on. */
void http_server_limits(struct http_server *server, const struct http_limits *limits);

/* A listener to be. */
struct http_listen {
	const char *
		address; /* "127.0.0.1:8080", "[::]:8080", "unix:PATH"; port 0: a free one */
	struct tls_context *tls; /* NULL: plain. The server takes a reference of its own */
	const char *message; /* what the log says when it is opened; NULL: "listening" */
	mode_t mode;         /* of a unix socket, such as 0600; 0: as the umask says */
};

/*
 * Makes the open listeners those of the list. What stays open goes on, with the TLS context
 * that the list names now; what is new is opened first, on a socket that was handed to the
 * process where one has that address (inherited.h). False: errbuf says which address and why,
 * and all is as it was. A unix socket that nobody listens on is replaced; it is removed when
 * its listener is closed.
 */
must_check bool http_server_listeners(struct http_server *server,
	const struct http_listen *list, size_t count, struct errbuf *errbuf);

/* Stops accepting; idle connections close, others close after their replies. */
void http_server_drain(struct http_server *server);

/* Connections that are still open. */
size_t http_server_connections(const struct http_server *server);

/* Statuses that refusals are counted by; the last counts all others. */
#define HTTP_REFUSALS                                                                      \
	"400|401|403|404|405|408|409|413|414|415|417|422|429|431|500|501|503|505|other"
enum { HTTP_REFUSAL_COUNT = 19 };

/* What a server has counted since it was made, and its connections by state. */
struct http_figures {
	uint64_t connections[HTTP_CONN_STATES];
	uint64_t limit;         /* connections at most */
	uint64_t accepted;      /* connections */
	uint64_t evicted;       /* closed to make room for another client */
	uint64_t accept_pauses; /* no room or no file: times that accepting was paused */
	uint64_t handshakes_failed;
	uint64_t timed_out[HTTP_CONN_STATES];
	uint64_t replies;
	uint64_t refusals[HTTP_REFUSAL_COUNT];
};
extern const struct metric http_metrics[];

/* Refusals by status, as a table of its own. */
extern const struct metric http_refusal_metrics[];

/* Bytes of replies that clients have not taken yet. */
size_t http_server_unsent(const struct http_server *server);

/* As they are now; lives as long as the server. */
const struct http_figures *http_server_figures(struct http_server *server);

/* Closes everything at once. */
void http_server_free(struct http_server *server);

/* The first header of that name (ASCII case ignored), or NULL. */
const struct text *http_header(const struct http_request *request, const char *name);

/* How often a header stands in the request. */
size_t http_header_count(const struct http_request *request, const char *name);

/*
 * One reply. Extra headers are pairs name, value. The body is copied or sent before return.
 */
struct http_reply {
	int status;
	const char *content_type;  /* NULL: none */
	const char *(*headers)[2]; /* may be NULL */
	size_t header_count;
	struct text body;
	/* In place of body: is moved, not copied, and empty afterwards. NULL: body. */
	struct evbuffer *pages;
};

/*
 * Sends the reply (in the order of the connection's requests); the request is dead
 * afterwards. Its arena is freed unless it was taken over.
 */
void http_reply(struct http_request *request, const struct http_reply *reply);

/* Hands the arena to the caller, who frees it; the request itself stays usable until its
 * reply. */
struct arena *http_take_arena(struct http_request *request);

/*
 * The standard reason of a status ("Created"); "Unknown" for one that is not in the table.
 */
const char *http_reason(int status);

#endif
