/*
 * tls_store.c - stores of trusted certificates; the system's one is shared and filled in
 * steps.
 *
 * A store belongs to the bundle as it was when it was read: after a change of the file the
 * next context gets a new one, and those that stand keep theirs. Refused: OpenSSL's folder of
 * hashed names, which it would search during a handshake.
 */
#include "loop/tls_store.h"

#include <limits.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "loop/tls_files.h"

/* Where systems keep the bundle of all CAs, beside where OpenSSL was told to look. */
static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem" };

static struct {
	X509_STORE *store;         /* NULL: none was needed so far */
	char *identity;            /* of the bundle that it is of */
	struct tls_bundle *bundle; /* what it is still filled from; NULL: it is full */
} system_store;

static X509_STORE *new_store(void)
{
	X509_STORE *store = X509_STORE_new();

	if (!store)
		mem_exhausted();
	return store;
}

X509_STORE *tls_store_read(const char *path, struct errbuf *errbuf)
{
	X509_STORE *store = new_store();

	if (tls_each_certificate(path, tls_trust, store, errbuf))
		return store;
	X509_STORE_free(store);
	return NULL;
}

/* ---- the system's ---- */

const char *tls_system_bundle(void)
{
	const char *path = getenv(X509_get_default_cert_file_env());
	struct stat st;

	if (path && *path)
		return path;
	path = X509_get_default_cert_file();
	for (size_t i = 0; stat(path, &st) != 0; i++) {
		if (i == array_len(bundles))
			return NULL;
		path = bundles[i];
	}
	return path;
}

/* What the bundle is now; for free(). */
static char *identify(const char *bundle)
{
	struct strbuf out;

	strbuf_init(&out, SIZE_MAX);
	tls_identify_file(&out, bundle);
	strbuf_char(&out, '\0');
	return out.data;
}

static bool begin(const char *bundle, char *identity, struct errbuf *errbuf)
{
	struct tls_bundle *opened = tls_bundle_open(bundle, errbuf);
	struct errbuf ignored;

	if (!opened)
		return false;
	/* The file has changed between two contexts of one load: the first one's is filled
	 * now, for nobody will come back to it. */
	while (system_store.bundle && tls_store_fill(UINT_MAX, &ignored))
		;
	tls_drop_cache();
	system_store.store = new_store();
	system_store.identity = identity;
	system_store.bundle = opened;
	return true;
}

X509_STORE *tls_store_system(struct errbuf *errbuf)
{
	const char *bundle = tls_system_bundle();
	char *identity;

	if (!bundle) {
		errbuf_set(errbuf, "the system has no file of certificates");
		return NULL;
	}
	identity = identify(bundle);
	if (system_store.store && strcmp(system_store.identity, identity) == 0) {
		free(identity);
	} else if (!begin(bundle, identity, errbuf)) {
		free(identity);
		return NULL;
	}
	X509_STORE_up_ref(system_store.store);
	return system_store.store;
}

bool tls_store_fill(unsigned certificates, struct errbuf *errbuf)
{
	enum tls_take result;

	errbuf->text[0] = '\0';
	if (!system_store.bundle)
		return false;
	result = tls_bundle_take(
		system_store.bundle, certificates, tls_trust, system_store.store, errbuf);
	if (result == TLS_TAKE_MORE)
		return true;
	tls_bundle_close(system_store.bundle);
	system_store.bundle = NULL;
	if (result == TLS_TAKE_BROKEN)
		tls_drop_cache();
	return false;
}

void tls_store_abandon(void)
{
	if (system_store.bundle)
		tls_drop_cache();
}

void tls_drop_cache(void)
{
	tls_bundle_close(system_store.bundle);
	X509_STORE_free(system_store.store);
	free(system_store.identity);
	memset(&system_store, 0, sizeof(system_store));
}
