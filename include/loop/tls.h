/*
 * tls.h - who we are and whom we trust on TLS connections.
 *
 * A context holds what was read from the files; contexts of the same files are one. It is
 * made when a project is read, for that costs milliseconds and blocks. A peer is one server
 * to be reached under a context: the name that its certificate must bear, and the session
 * that makes the next handshake short.
 */
#ifndef VOLLEY_LOOP_TLS_H
#define VOLLEY_LOOP_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"

struct ssl_st; /* OpenSSL's SSL */
struct tls_context;
struct tls_peer;

/* Files are in PEM format. */
struct tls_settings {
	const char *ca;          /* whom we trust; NULL: the system's certificates */
	const char *certificate; /* our own, then its chain; NULL: none */
	const char *key;         /* of our certificate; NULL: none */
	bool verify;             /* false: whoever answers is taken */
};

/* Which of the settings a failure is about. */
enum tls_part { TLS_CA, TLS_CERTIFICATE, TLS_KEY };

/*
 * A context for connections to servers, TLS 1.2 or newer; the caller holds one reference.
 * Reads the files, unless a living context was made of the same ones as they are now. NULL:
 * *part and errbuf say what is wrong, with the file's name. Reads local files. One that trusts
 * the system's certificates is of use once tls_store_fill() has nothing left to do.
 */
must_check struct tls_context *tls_client_context(
	const struct tls_settings *settings, enum tls_part *part, struct errbuf *errbuf);

/* Another reference. */
struct tls_context *tls_context_hold(struct tls_context *context);
void tls_context_release(struct tls_context *context);

/* Differs when a context was made of other files, or of the same ones after a change. */
uint64_t tls_context_stamp(const struct tls_context *context);

/* A server: host is its name or IP address, as its certificate must have it. */
struct tls_peer *tls_peer_new(struct tls_context *context, const char *host);

/* Connections to it are closed before. */
void tls_peer_free(struct tls_peer *peer);

/* The state of a new connection to it, before its handshake; for tls_end(). */
struct ssl_st *tls_begin(struct tls_peer *peer);

/* Tells the other side that nothing more will be sent, as far as that is possible now. */
void tls_say_goodbye(struct ssl_st *ssl);

/* The connection is closed: its peer may die before tls_end(). */
void tls_detach(struct ssl_st *ssl);
void tls_end(struct ssl_st *ssl);

/*
 * After writing failed: the code of the alert that the other side left before it hung up (it
 * judges our certificate when for us the handshake is through); 0: none.
 */
unsigned long tls_last_words(struct ssl_st *ssl);

/* Why a connection failed, in words ("TLS: certificate has expired"); code is OpenSSL's. */
void tls_failure(struct ssl_st *ssl, unsigned long code, struct errbuf *out);

#endif
