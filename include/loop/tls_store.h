/*
 * tls_store.h - whom we trust: the certificates of a file, or those of the system.
 *
 * The system's are in one store that all contexts share. Parsing its bundle takes 20 to 40
 * ms, so a store is given out empty and filled in steps, before anything connects with it.
 */
#ifndef VOLLEY_LOOP_TLS_STORE_H
#define VOLLEY_LOOP_TLS_STORE_H

#include <openssl/types.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/macros.h"

/* The file's certificates, all of them; NULL: see errbuf. For X509_STORE_free(). */
must_check X509_STORE *tls_store_read(const char *path, struct errbuf *errbuf);

/*
 * The system's certificates, for X509_STORE_free(); NULL: see errbuf. While the bundle is the
 * same file, unchanged, it is the same store; a new one is to be filled.
 */
must_check X509_STORE *tls_store_system(struct errbuf *errbuf);

/*
 * Puts up to that many more certificates of the bundle into the system's store. True: there
 * may be more to do. False: nothing is left to do, or errbuf says what is wrong with the
 * bundle (its text is empty otherwise); then the next tls_store_system() begins anew.
 */
must_check bool tls_store_fill(unsigned certificates, struct errbuf *errbuf);

/* Whoever was to use a store that is not full yet will not: it is forgotten. */
void tls_store_abandon(void);

/* The file of the system's certificates; NULL: there is none. */
const char *tls_system_bundle(void);

/* Frees the system's certificates, which are kept for the next context. */
void tls_drop_cache(void);

#endif
