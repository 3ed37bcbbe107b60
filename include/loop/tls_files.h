/*
 * tls_files.h - what TLS contexts of both sides are made of: PEM files, and the list of living
 * contexts. Of no use outside the TLS files of loop/.
 */
#ifndef VOLLEY_LOOP_TLS_FILES_H
#define VOLLEY_LOOP_TLS_FILES_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/strbuf.h"
#include "loop/tls.h"

struct tls_context {
	struct link link; /* in the list of all */
	unsigned references;
	char *identity; /* the settings and what the files were when they were read */
	uint64_t stamp; /* hash of it */
	SSL_CTX *ssl;
};

/* A file of certificates that is taken in piece by piece; it is read whole when opened. */
struct tls_bundle;

/* NULL: it cannot be read, see errbuf. */
must_check struct tls_bundle *tls_bundle_open(const char *path, struct errbuf *errbuf);
void tls_bundle_close(struct tls_bundle *bundle);

enum tls_take {
	TLS_TAKE_MORE,  /* there may be more certificates in it */
	TLS_TAKE_END,   /* that was the last one */
	TLS_TAKE_BROKEN /* as when tls_each_certificate() is false; see errbuf */
};

/* Hands at most that many more certificates to take(), as tls_each_certificate() does. */
must_check enum tls_take tls_bundle_take(struct tls_bundle *bundle, unsigned most,
	bool (*take)(void *context, X509 *, bool is_first), void *context,
	struct errbuf *errbuf);

/*
 * Hands each certificate of the file to take(), which owns it then (the first with true);
 * false: there is none, or one is broken, or take() did not want it. Blocks.
 */
must_check bool tls_each_certificate(const char *path,
	bool (*take)(void *context, X509 *, bool is_first), void *context,
	struct errbuf *errbuf);

/* For tls_each_certificate(), its context being an X509_STORE: trusts the certificate. */
bool tls_trust(void *store, X509 *certificate, bool is_first);

/* Our own certificate, and the chain that follows it in the file. */
must_check bool tls_use_certificate(SSL_CTX *ssl, const char *path, struct errbuf *errbuf);

/* The key of the certificate that was set before, from the file of that name. */
must_check bool tls_use_key(SSL_CTX *ssl, const char *path, const char *certificate_path,
	struct errbuf *errbuf);

/* A context of that method with what holds for all: TLS 1.2 or newer, no renegotiation. */
SSL_CTX *tls_new_ssl_ctx(const SSL_METHOD *method);

/* Appends which file stands at the path (NULL: none is named), as part of an identity. */
void tls_identify_file(struct strbuf *out, const char *path);

/* The living context of that identity, with a reference for the caller; NULL: none. */
struct tls_context *tls_context_find(const char *identity);

/* A new one with one reference; takes over identity (for free()) and ssl. */
struct tls_context *tls_context_new(char *identity, SSL_CTX *ssl);

#endif
