/*
 * stream.h - a non-blocking byte stream over a bufferevent: buffered writes, one write per
 * pass.
 *
 * Plain streams keep EV_WRITE off; what was written in a pass leaves in one call at its
 * flush point, and EV_WRITE is only on while the kernel's buffer is full. The owner never
 * sees partial writes. A stream with TLS is the same to its owner; libevent does the writing
 * there.
 */
#ifndef VOLLEY_LOOP_STREAM_H
#define VOLLEY_LOOP_STREAM_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "loop/loop.h"
#include "loop/tls.h"

struct stream;

/* What the owner is told; always from the loop, never inside one of its own calls. */
struct stream_events {
	/* The connection stands, the TLS handshake included; not for a plain stream_accept. */
	void (*connected)(void *owner);
	/* Bytes arrived; take them from stream_input(). */
	void (*readable)(void *owner);
	/* Everything written has left; may be NULL. */
	void (*drained)(void *owner);
	/*
	 * The peer ended its side (error 0) or the connection failed (an errno value; EPROTO
	 * for TLS, stream_reason() says more). Nothing more is read. The owner calls
	 * stream_close() now or later.
	 */
	void (*ended)(void *owner, int error);
};

/*
 * Takes over an accepted, non-blocking socket. With TLS unless tls is NULL; then nothing may
 * be written before connected().
 */
struct stream *stream_accept(struct loop *loop, int fd, struct tls_context *tls,
	const struct stream_events *events, void *owner);

/*
 * Begins to connect (TCP with TCP_NODELAY, or a unix socket), with TLS unless tls is NULL;
 * that peer lives until stream_close(). NULL: failed at once, errno says why.
 */
must_check struct stream *stream_connect(struct loop *loop, const struct sockaddr *address,
	socklen_t len, struct tls_peer *tls, const struct stream_events *events,
	void *owner);

/* Another owner takes the stream over, with whatever has been read. */
void stream_set_owner(
	struct stream *stream, const struct stream_events *events, void *owner);

/* TCP stands, the TLS handshake does not yet. */
bool stream_is_in_handshake(const struct stream *stream);

/*
 * For ended(), after stream_accept() with TLS: whether the client has sent anything, and
 * whether that was plain HTTP. stream_say_plainly() answers such a client, as far as one call
 * takes it.
 */
bool stream_has_begun(const struct stream *stream);
bool stream_met_http(const struct stream *stream);
void stream_say_plainly(struct stream *stream, const void *bytes, size_t len);

/* For ended(): why it failed, in words; "the other side closed it" when error was 0. */
const char *stream_reason(const struct stream *stream);

/* The bytes that have arrived and were not drained yet. */
struct evbuffer *stream_input(struct stream *stream);

/* Append here to write; then call stream_touch() (both together: stream_write()). */
struct evbuffer *stream_output(struct stream *stream);
void stream_touch(struct stream *stream);
void stream_write(struct stream *stream, const void *bytes, size_t len);

/* Bytes written and not yet taken by the kernel. */
size_t stream_pending(const struct stream *stream);

/* Whether the kernel holds bytes of the peer's that were not read yet; a system call. */
bool stream_has_unread(const struct stream *stream);

/* Reading on or off (back pressure). */
void stream_read_enable(struct stream *stream, bool on);

/* Shuts down the sending side once everything written has left. */
void stream_shutdown_write(struct stream *stream);

/* Closes now, unsent bytes are lost; memory goes at the reap point. No event follows. */
void stream_close(struct stream *stream);

/* The peer's address for logs ("127.0.0.1:5000", "unix"); lives as long as the stream. */
const char *stream_peer(const struct stream *stream);

#endif
