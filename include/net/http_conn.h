/*
 * http_conn.h - one connection of the HTTP server: what its files share among themselves.
 *
 * http_listener.c opens listeners, http_server.c accepts connections and watches deadlines,
 * http_conn.c reads requests, http_write.c writes replies, http_figures.c tells what was
 * counted. Users of the server include http_server.h only.
 */
#ifndef VOLLEY_NET_HTTP_CONN_H
#define VOLLEY_NET_HTTP_CONN_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "loop/loop.h"
#include "loop/stream.h"
#include "net/http1.h"
#include "net/http_server.h"

/* What the next byte of the input belongs to. */
enum http_reader {
	READ_HEAD,     /* a request's head, of current or of the next one */
	READ_CONTINUE, /* current's body, once 100 Continue may be sent */
	READ_BODY,     /* current's body */
	READ_DROP,     /* the body of a request that was refused */
	READ_NOTHING   /* no further request is taken: it is dropped */
};

/* One request and its reply. The request's arena holds its bytes, not this struct. */
struct http_exchange {
	struct http_request request;
	struct http_conn *conn;
	struct link link; /* in conn->exchanges */
	struct http1_scan scan;
	char *head; /* its bytes so far; from malloc(), and then in the request's arena */
	size_t head_len, head_room;
	char *body; /* the bytes of the body so far */
	size_t body_len, body_room;
	struct evbuffer *held; /* the reply, while earlier requests' replies are due */
	bool begun;            /* on_head() was called and no reply has come */
	bool own_arena;        /* there is one, and the handler has not taken it over */
	bool is_head;          /* HEAD: the reply has no body */
	bool keep_alive;       /* the client wants the connection kept */
	bool is_old;           /* HTTP/1.0: must be told that it is kept */
	bool expects;          /* waits for 100 Continue */
};

struct http_conn {
	struct http_server *server;
	struct stream *stream;
	struct link link; /* in the list of its state */
	enum http_conn_state state;
	uint64_t since;     /* monotonic ns: when it came into this state */
	uint64_t requests;  /* begun so far */
	uint64_t moved_for; /* value of requests at the last move */
	enum http_reader reader;
	struct http_exchange *current; /* whose head or body is being read, or NULL */
	struct list exchanges;         /* whose reply is due, oldest first */
	bool chunked;                  /* the body being read or dropped */
	struct http1_chunks chunks;
	uint64_t body_left; /* of a body that is not chunked */
	size_t drop_left;   /* READ_DROP: bytes that may still be dropped */
	size_t held;        /* bytes of replies held back */
	size_t unsent; /* bytes of replies that the client has not taken: in server->unsent */
	size_t reply_size;   /* of its replies' bodies, the largest of late */
	uint64_t produced;   /* bytes written to the stream so far */
	uint64_t taken;      /* bytes that had left at that time: */
	uint64_t owed_since; /* monotonic ns; 0: nothing waits to leave */
	size_t owed;         /* bytes that waited at that time */
	bool skipped_line;   /* an empty line before the next head was passed over */
	bool client_ended;   /* the client's side has ended */
	bool in_turn;        /* take_turn() is on the stack */
	struct loop_item turn, reap;
};

/*
 * The connections of one state, longest there first, and the one timer of their deadline.
 */
struct http_state {
	struct list conns;
	uint64_t limit; /* ns; 0: no deadline */
	struct loop_timer timer;
	struct loop_item more; /* deadlines that the last pass left over */
	struct http_server *server;
};

/* An open listener. */
struct http_listener {
	struct http_server *server;
	struct link link;
	struct event *event;
	int fd;
	char *address;           /* as it was asked for */
	const char *message;     /* when it is opened */
	struct tls_context *tls; /* a reference; NULL: plain */
	bool inherited; /* the socket is not ours to close, nor its file to remove */
	bool wanted;    /* while listeners are exchanged: it stays */
};

struct http_server {
	struct loop *loop;
	struct http_limits limits;
	const struct http_handler *handler;
	void *owner;
	struct http_state states[HTTP_CONN_STATES];
	size_t connections;
	size_t unsent; /* bytes of replies that clients have not taken */
	struct http_figures figures;
	unsigned spare; /* requests that turns of this pass may begin beyond their first */
	uint64_t spare_in; /* which pass that is: its loop_now() */
	struct list listeners;
	struct loop_timer pause; /* until accepting goes on after EMFILE */
	struct loop_item drain;  /* draining: idle connections are left to be closed */
	struct loop_timer room;  /* until the longest idle connection may be closed */
	uint64_t complained; /* monotonic ns: when a failure to accept was last logged */
	bool accepting;      /* the listeners' events are on */
	bool draining;
	int64_t date_second; /* what date holds */
	char date[32];       /* the Date header's value */
};

/* ---- http_server.c ---- */

/*
 * The only writer of conn->state: moves it between the server's lists, arms the deadline.
 */
void http_conn_move(struct http_conn *conn, enum http_conn_state state);

/* A connection waits to be accepted. */
void http_server_accept(evutil_socket_t fd, short what, void *listener);

/* ---- http_listener.c ---- */

/* Closes all of them. */
void http_listeners_close(struct http_server *server);

/* ---- http_conn.c ---- */

/* Takes over an accepted socket; tls may be NULL. */
void http_conn_open(struct http_server *server, int fd, struct tls_context *tls);

/* The state's deadline has passed. */
void http_conn_expired(struct http_conn *conn);

/* The server is draining: takes no further request. */
void http_conn_drain(struct http_conn *conn);

/* Closes now; what handlers still work on is gone. */
void http_conn_close(struct http_conn *conn);

/* ---- http_write.c ---- */

/* Refuses the request that is being read; a head that cannot be parsed makes one, too. */
void http_conn_refuse(struct http_conn *conn, int status, const char *detail);

/* Counts what now waits to be taken by the client; the only writer of conn->unsent. */
void http_conn_count_unsent(struct http_conn *conn);

/* Tells a client that spoke plain HTTP where TLS was expected. */
void http_conn_answer_http(struct http_conn *conn);

/* Sends 100 Continue. */
void http_conn_continue(struct http_conn *conn);

/* Frees an exchange that is on no list any more. */
void http_exchange_free(struct http_exchange *exchange);

#endif
