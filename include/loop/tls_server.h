/*
 * tls_server.h - TLS for those who connect to us: who we are, and whose certificates we want.
 */
#ifndef VOLLEY_LOOP_TLS_SERVER_H
#define VOLLEY_LOOP_TLS_SERVER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/macros.h"
#include "loop/tls.h"

/* Files are in PEM format. */
struct tls_server_settings {
	const char *certificate; /* our own, then its chain */
	const char *key;         /* of our certificate */
	const char
		*client_ca; /* who signs clients' certificates, then required; NULL: none */
	bool only_1_3;      /* TLS 1.3 or newer; false: 1.2 or newer */
};

/*
 * A context for listeners; the caller holds one reference (tls_context_release()). Reads the
 * files, unless a living context was made of the same ones as they are now. NULL: *part and
 * errbuf say what is wrong, with the file's name. Blocks: when a project is read.
 */
must_check struct tls_context *tls_server_context(
	const struct tls_server_settings *settings, enum tls_part *part,
	struct errbuf *errbuf);

/* What clients will say of our certificate: "has expired", "is not valid yet"; NULL: nothing. */
const char *tls_server_out_of_date(const struct tls_context *context);

/* The state of a connection that was accepted on fd, before its handshake; for tls_end(). */
struct ssl_st *tls_server_begin(struct tls_context *context, int fd);

/* What a step of the handshake came to. */
enum tls_step {
	TLS_STEP_DONE,
	TLS_STEP_READ,  /* more input is needed */
	TLS_STEP_WRITE, /* room in the socket is needed */
	TLS_STEP_FAILED /* *code is OpenSSL's; 0: the other side hung up */
};

/* Goes on with the handshake as far as the socket allows: some milliseconds of CPU time. */
enum tls_step tls_server_step(struct ssl_st *ssl, unsigned long *code);

/* Whether that code means that the client spoke plain HTTP. */
bool tls_server_is_http(unsigned long code);

#endif
