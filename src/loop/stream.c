/*
 * stream.c - a socket behind a bufferevent whose writes leave once per pass.
 *
 * Each write through bufferevent would switch EV_WRITE on and off, two system calls for
 * every reply. So EV_WRITE stays off, and the flush point writes the output buffer itself
 * (bufferevent keeps that buffer's front frozen, hence the unfreezing); only what the
 * kernel did not take is left to bufferevent. Writing at once in stream_write() was
 * refused: pipelined replies would leave in a packet each.
 *
 * With TLS the bufferevent is bufferevent_openssl's, which writes by itself, and whose
 * callbacks are deferred: only then what was read is told before the end that came with it.
 * It holds events of the socket until it is freed, so the socket is closed after it. Of an
 * accepted connection it gets to know when the handshake is through.
 */
#include "loop/stream.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/tls_server.h"

#define PEER_SIZE (INET6_ADDRSTRLEN + sizeof("[]:65535"))
#define NOT_SENT_MAX                                                                       \
	(64 << 10) /* bytes of an accepted connection that wait in the kernel */

enum stream_state {
	STREAM_CONNECTING, /* until TCP stands */
	STREAM_HANDSHAKE,  /* of TLS */
	STREAM_OPEN,
	STREAM_FAILED, /* nothing moves any more; the owner is, or will be, told */
	STREAM_CLOSED  /* nothing is told any more */
};

struct stream {
	enum stream_state state;
	struct loop *loop;
	const struct stream_events *events;
	void *owner;
	struct bufferevent *bev;
	struct evbuffer *output;
	struct ssl_st *ssl; /* NULL: no TLS */
	int fd;
	struct event *waiting; /* for the connection or its handshake; NULL: it stands */
	struct tls_context
		*context; /* of an accepted one that has sent nothing; else NULL */
	struct loop_item step, flush, tell, reap;
	int error;     /* what tell will say */
	char *reason;  /* of a failure; NULL: what errno says */
	bool reading;  /* EV_READ is on, or will be once connected */
	bool at_eof;   /* the peer sends nothing more */
	bool shutdown; /* the sending side ends when all has left */
	bool met_http; /* in place of a handshake */
	char peer[PEER_SIZE];
};

/* ---- the end ---- */

static void tell_ended(struct loop_item *item)
{
	struct stream *stream = container_of(item, struct stream, tell);

	stream->events->ended(stream->owner, stream->error);
}

/* From now on nothing moves; the owner hears of it at the deliver point. */
static void fail(struct stream *stream, int error)
{
	if (stream->state >= STREAM_FAILED)
		return;
	stream->state = STREAM_FAILED;
	stream->error = error ? error : ECONNRESET;
	if (stream->bev)
		bufferevent_disable(stream->bev, EV_READ | EV_WRITE);
	loop_deliver(stream->loop, &stream->tell);
}

/*
 * OpenSSL's errors come the last first, and what the SSL library says is the cause in other
 * words than its helpers'. libevent's own, which stand among them, belong to no library.
 * 0: the socket failed, not TLS.
 */
static unsigned long tls_error(struct stream *stream)
{
	unsigned long code = 0, next;

	while ((next = bufferevent_get_openssl_error(stream->bev))) {
		if (ERR_GET_LIB(next) == ERR_LIB_SSL ||
			(ERR_GET_LIB(next) && ERR_GET_LIB(code) != ERR_LIB_SSL))
			code = next;
	}
	return ERR_GET_LIB(code) == ERR_LIB_SYS ? 0 : code;
}

static void fail_tls(struct stream *stream, int error)
{
	unsigned long code = tls_error(stream);
	struct errbuf reason;

	if (!code)
		code = tls_last_words(stream->ssl);
	if (code) {
		tls_failure(stream->ssl, code, &reason);
		stream->reason = mem_strdup(reason.text);
		error = EPROTO;
	}
	fail(stream, error);
}

/* bufferevent_openssl stops at the end of the input; what is to be written still goes. */
static void resume_writing(struct stream *stream)
{
	bufferevent_disable(stream->bev, EV_READ | EV_WRITE);
	bufferevent_enable(stream->bev, EV_WRITE);
}

static void open_now(struct stream *stream);

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct stream *stream = arg;
	int error = EVUTIL_SOCKET_ERROR();

	loop_woke(stream->loop);
	if (what & BEV_EVENT_CONNECTED) {
		open_now(stream);
	} else if (what & BEV_EVENT_ERROR && stream->ssl) {
		fail_tls(stream, error);
	} else if (what & BEV_EVENT_ERROR) {
		fail(stream, error);
	} else if (what & BEV_EVENT_EOF) {
		stream->reading = false;
		stream->at_eof = true;
		if (stream->ssl)
			resume_writing(stream);
		stream->events->ended(stream->owner, 0);
	}
}

const char *stream_reason(const struct stream *stream)
{
	if (stream->reason)
		return stream->reason;
	return stream->error ? strerror(stream->error) : "the other side closed it";
}

/* ---- reading ---- */

static void on_read(struct bufferevent *bev, void *arg)
{
	struct stream *stream = arg;

	loop_woke(stream->loop);
	/* A deferred call may come after reading was switched off: see below. */
	if (stream->reading || stream->at_eof)
		stream->events->readable(stream->owner);
}

void stream_read_enable(struct stream *stream, bool on)
{
	if (stream->state >= STREAM_FAILED || stream->at_eof || stream->reading == on)
		return;
	stream->reading = on;
	/* bufferevent_openssl only keeps it in mind until the handshake is through. */
	if (stream->state != STREAM_OPEN && !stream->ssl)
		return;
	if (!on) {
		bufferevent_disable(stream->bev, EV_READ);
		return;
	}
	bufferevent_enable(stream->bev, EV_READ);
	if (stream->ssl && evbuffer_get_length(stream_input(stream)) > 0)
		bufferevent_trigger(stream->bev, EV_READ, BEV_OPT_DEFER_CALLBACKS);
}

bool stream_has_unread(const struct stream *stream)
{
	int count = 0;

	return ioctl(stream->fd, FIONREAD, &count) == 0 && count > 0;
}

struct evbuffer *stream_input(struct stream *stream)
{
	return bufferevent_get_input(stream->bev);
}

/* ---- writing ---- */

static void all_has_left(struct stream *stream)
{
	if (stream->shutdown && stream->ssl)
		tls_say_goodbye(stream->ssl);
	if (stream->shutdown)
		shutdown(stream->fd, SHUT_WR);
	if (stream->events->drained)
		stream->events->drained(stream->owner);
}

/* bufferevent has written what the kernel did not take in flush_output(). */
static void on_written(struct bufferevent *bev, void *arg)
{
	struct stream *stream = arg;

	loop_woke(stream->loop);
	if (stream->state != STREAM_OPEN || stream_pending(stream) > 0)
		return;
	if (!stream->ssl)
		bufferevent_disable(bev, EV_WRITE);
	all_has_left(stream);
}

static void flush_output(struct loop_item *item)
{
	struct stream *stream = container_of(item, struct stream, flush);
	int written, error;

	if (stream->state != STREAM_OPEN)
		return;
	if (bufferevent_get_enabled(stream->bev) & EV_WRITE) {
		if (stream->ssl && stream_pending(stream) == 0)
			all_has_left(stream);
		return;
	}
	if (evbuffer_get_length(stream->output) > 0) {
		evbuffer_unfreeze(stream->output, 1);
		written = evbuffer_write(stream->output, stream->fd);
		error = errno;
		evbuffer_freeze(stream->output, 1);
		if (written < 0 && error != EAGAIN && error != EINTR) {
			fail(stream, error);
			return;
		}
	}
	if (evbuffer_get_length(stream->output) > 0)
		bufferevent_enable(stream->bev, EV_WRITE);
	else
		all_has_left(stream);
}

struct evbuffer *stream_output(struct stream *stream)
{
	return stream->output;
}

void stream_touch(struct stream *stream)
{
	/* With TLS, on_written() follows whatever there is to write. */
	if (stream->ssl && stream_pending(stream) > 0)
		return;
	loop_flush(stream->loop, &stream->flush);
}

void stream_write(struct stream *stream, const void *bytes, size_t len)
{
	assert(stream->output); /* not during the handshake of an accepted one */
	if (evbuffer_add(stream->output, bytes, len) != 0)
		mem_exhausted();
	stream_touch(stream);
}

size_t stream_pending(const struct stream *stream)
{
	return stream->output ? evbuffer_get_length(stream->output) : 0;
}

void stream_shutdown_write(struct stream *stream)
{
	if (stream->shutdown)
		return;
	stream->shutdown = true;
	stream_touch(stream);
}

/* ---- life ---- */

static void reap(struct loop_item *item)
{
	struct stream *stream = container_of(item, struct stream, reap);

	if (stream->bev)
		bufferevent_free(stream->bev);
	if (stream->ssl) {
		tls_end(stream->ssl);
		close(stream->fd);
	}
	free(stream->reason);
	loop_dispose(stream, sizeof(*stream));
}

/* Until it is freed, bufferevent_openssl may still read and write: the socket outlives it. */
static void close_tls(struct stream *stream)
{
	if (stream->state == STREAM_OPEN)
		tls_say_goodbye(stream->ssl);
	tls_detach(stream->ssl);
	shutdown(stream->fd, SHUT_RDWR);
}

void stream_close(struct stream *stream)
{
	if (stream->state == STREAM_CLOSED)
		return;
	if (stream->bev) {
		bufferevent_setcb(stream->bev, NULL, NULL, NULL, NULL);
		bufferevent_disable(stream->bev, EV_READ | EV_WRITE);
	}
	if (stream->waiting)
		event_free(stream->waiting);
	stream->waiting = NULL;
	if (stream->context)
		tls_context_release(stream->context);
	if (stream->ssl)
		close_tls(stream);
	else
		close(stream->fd);
	stream->state = STREAM_CLOSED;
	loop_cancel(stream->loop, &stream->step);
	loop_cancel(stream->loop, &stream->flush);
	loop_cancel(stream->loop, &stream->tell);
	loop_reap(stream->loop, &stream->reap);
}

void stream_set_owner(
	struct stream *stream, const struct stream_events *events, void *owner)
{
	stream->events = events;
	stream->owner = owner;
}

static void format_peer(struct stream *stream, const struct sockaddr *address)
{
	char host[INET6_ADDRSTRLEN] = "";

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)address;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(stream->peer, PEER_SIZE, "%s:%u", host, ntohs(in->sin_port));
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)address;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(stream->peer, PEER_SIZE, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else {
		snprintf(stream->peer, PEER_SIZE, "unix");
	}
}

const char *stream_peer(const struct stream *stream)
{
	return stream->peer;
}

/* Replies are whole when they are written: waiting for more (Nagle) only delays them. */
static void set_nodelay(int fd, const struct sockaddr *address)
{
	int on = 1;

	if (address->sa_family == AF_INET || address->sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void set_bufferevent(struct stream *stream, struct bufferevent *bev)
{
	if (!bev)
		mem_exhausted();
	stream->bev = bev;
	stream->output = bufferevent_get_output(bev);
	bufferevent_setcb(bev, on_read, on_written, on_event, stream);
	if (stream->ssl)
		bufferevent_enable(bev, EV_READ | EV_WRITE);
	else
		bufferevent_disable(bev, EV_WRITE);
}

static struct stream *stream_new(struct loop *loop, int fd, const struct sockaddr *address,
	const struct stream_events *events, void *owner)
{
	struct stream *stream = mem_zalloc(1, sizeof(*stream));

	stream->loop = loop;
	stream->fd = fd;
	stream->events = events;
	stream->owner = owner;
	stream->flush.run = flush_output;
	stream->tell.run = tell_ended;
	stream->reap.run = reap;
	stream->reading = true;
	set_nodelay(fd, address);
	format_peer(stream, address);
	return stream;
}

/*
 * A peer that does not read would otherwise fill megabytes of the kernel's memory with its
 * replies, and what it reads of them would not show here for as long.
 */
static void set_little_unsent(int fd, const struct sockaddr *address)
{
	int bytes = NOT_SENT_MAX;

	if (address->sa_family == AF_INET || address->sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

/* ---- accepting ---- */

/* Waits until the socket can be read, or written; `then` is called once. */
static void wait_for(struct stream *stream, short what, event_callback_fn then)
{
	if (stream->waiting)
		event_free(stream->waiting);
	stream->waiting = event_new(
		loop_base(stream->loop), stream->fd, what, then, stream);
	if (!stream->waiting || event_add(stream->waiting, NULL) != 0)
		mem_exhausted();
}

/* Steps of handshakes are costly: many come at once, and a pass takes a few. */
static void on_handshake_ready(evutil_socket_t fd, short what, void *arg)
{
	struct stream *stream = arg;

	loop_woke(stream->loop);
	loop_costly(stream->loop, &stream->step);
}

/* What the client has sent and nobody will read must not turn our alert into a reset. */
static void fail_handshake(struct stream *stream, unsigned long code)
{
	struct errbuf reason;

	stream->met_http = tls_server_is_http(code);
	/* tcp(7) allows NULL with MSG_TRUNC; cppcheck does not know. */
	// cppcheck-suppress nullPointer
	(void)recv(stream->fd, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT);
	if (code) {
		tls_failure(stream->ssl, code, &reason);
		stream->reason = mem_strdup(reason.text);
	}
	fail(stream, code ? EPROTO : ECONNRESET);
}

static void open_accepted(struct stream *stream)
{
	event_free(stream->waiting);
	stream->waiting = NULL;
	stream->state = STREAM_OPEN;
	set_bufferevent(stream,
		bufferevent_openssl_socket_new(loop_base(stream->loop), stream->fd,
			stream->ssl, BUFFEREVENT_SSL_OPEN, BEV_OPT_DEFER_CALLBACKS));
	stream->events->connected(stream->owner);
}

/* False: the client has left without a word, as those do who only look whether we are there. */
static bool begin_handshake(struct stream *stream)
{
	char byte;

	if (recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		return false;
	stream->ssl = tls_server_begin(stream->context, stream->fd);
	tls_context_release(stream->context);
	stream->context = NULL;
	return true;
}

static void take_step(struct loop_item *item)
{
	struct stream *stream = container_of(item, struct stream, step);
	unsigned long code;

	if (!stream->ssl && !begin_handshake(stream)) {
		fail(stream, ECONNRESET);
		return;
	}
	switch (tls_server_step(stream->ssl, &code)) {
	case TLS_STEP_DONE:
		open_accepted(stream);
		break;
	case TLS_STEP_READ:
		wait_for(stream, EV_READ, on_handshake_ready);
		break;
	case TLS_STEP_WRITE:
		wait_for(stream, EV_WRITE, on_handshake_ready);
		break;
	case TLS_STEP_FAILED:
		fail_handshake(stream, code);
		break;
	}
}

struct stream *stream_accept(struct loop *loop, int fd, struct tls_context *tls,
	const struct stream_events *events, void *owner)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(address);
	struct stream *stream;

	(void)getpeername(fd, (struct sockaddr *)&address, &len);
	stream = stream_new(loop, fd, (struct sockaddr *)&address, events, owner);
	set_little_unsent(fd, (struct sockaddr *)&address);
	if (tls) {
		stream->state = STREAM_HANDSHAKE;
		stream->context = tls_context_hold(tls);
		stream->step.run = take_step;
		wait_for(stream, EV_READ, on_handshake_ready);
	} else {
		stream->state = STREAM_OPEN;
		set_bufferevent(stream, bufferevent_socket_new(loop_base(loop), fd, 0));
		bufferevent_enable(stream->bev, EV_READ);
	}
	return stream;
}

bool stream_has_begun(const struct stream *stream)
{
	return stream->ssl != NULL;
}

bool stream_met_http(const struct stream *stream)
{
	return stream->met_http;
}

void stream_say_plainly(struct stream *stream, const void *bytes, size_t len)
{
	(void)send(stream->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- connecting ---- */

bool stream_is_in_handshake(const struct stream *stream)
{
	return stream->state == STREAM_HANDSHAKE;
}

/* All of the connection stands. */
static void open_now(struct stream *stream)
{
	if (stream->state >= STREAM_OPEN)
		return;
	stream->state = STREAM_OPEN;
	if (stream->reading && !stream->ssl)
		bufferevent_enable(stream->bev, EV_READ);
	if (stream_pending(stream) > 0 || stream->shutdown)
		stream_touch(stream);
	stream->events->connected(stream->owner);
}

static void on_connect(evutil_socket_t fd, short what, void *arg)
{
	struct stream *stream = arg;
	int error = 0;
	socklen_t len = sizeof(error);

	loop_woke(stream->loop);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	event_free(stream->waiting);
	stream->waiting = NULL;
	if (error) {
		fail(stream, error);
	} else if (!stream->ssl) {
		open_now(stream);
	} else {
		stream->state = STREAM_HANDSHAKE;
		if (bufferevent_setfd(stream->bev, fd) != 0)
			fail(stream, ENOMEM);
	}
}

static struct bufferevent *new_bufferevent(struct stream *stream)
{
	struct event_base *base = loop_base(stream->loop);

	if (!stream->ssl)
		return bufferevent_socket_new(base, stream->fd, 0);
	/* It gets the socket, and begins the handshake, when TCP stands. */
	return bufferevent_openssl_socket_new(
		base, -1, stream->ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_DEFER_CALLBACKS);
}

struct stream *stream_connect(struct loop *loop, const struct sockaddr *address,
	socklen_t len, struct tls_peer *tls, const struct stream_events *events,
	void *owner)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stream *stream;

	if (fd < 0)
		return NULL;
	if (connect(fd, address, len) != 0 && errno != EINPROGRESS) {
		int error = errno;

		close(fd);
		errno = error;
		return NULL;
	}
	stream = stream_new(loop, fd, address, events, owner);
	stream->ssl = tls ? tls_begin(tls) : NULL;
	set_bufferevent(stream, new_bufferevent(stream));
	wait_for(stream, EV_WRITE, on_connect);
	return stream;
}
