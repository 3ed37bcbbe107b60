/*
 * tls_files.c - certificates and keys from PEM files, and contexts shared by those who name
 * the same files.
 *
 * A context is known by the paths and by what stood there (device, inode, size, time of
 * change): whoever asks again gets the same one, with its sessions' keys, until a file
 * changes. Refused: SSL_CTX_use_certificate_chain_file() and its like; they read whatever the
 * path names, without a bound, and ask on the terminal for the passphrase of a key.
 */
#include "loop/tls_files.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

enum { FILE_MAX = 4 * 1024 * 1024, KEY_MAX = 64 * 1024 };

static struct list contexts = { .head = { &contexts.head, &contexts.head } };

/* ---- files ---- */

/* A key is never asked for on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
	return 0;
}

static const char *last_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	return reason ? reason : "no reason given";
}

/* The file's bytes in the arena, behind a BIO; NULL: the reason is in errbuf. */
static BIO *open_file(
	const char *path, size_t max, struct arena *arena, struct errbuf *errbuf)
{
	struct text bytes;
	BIO *bio;

	if (!file_read(arena, path, max, &bytes, errbuf))
		return NULL;
	bio = BIO_new_mem_buf(bytes.at, (int)bytes.len);
	if (!bio)
		mem_exhausted();
	return bio;
}

struct tls_bundle {
	struct arena *arena; /* holds this, too */
	const char *path;
	BIO *bio;
	size_t count; /* of certificates taken */
};

struct tls_bundle *tls_bundle_open(const char *path, struct errbuf *errbuf)
{
	struct arena *arena = arena_new_lasting();
	struct tls_bundle *bundle = arena_zalloc(arena, 1, sizeof(*bundle));

	bundle->arena = arena;
	bundle->path = arena_text(arena, text_of(path)).at;
	bundle->bio = open_file(path, FILE_MAX, arena, errbuf);
	if (bundle->bio)
		return bundle;
	arena_free(arena);
	return NULL;
}

void tls_bundle_close(struct tls_bundle *bundle)
{
	if (!bundle)
		return;
	BIO_free(bundle->bio);
	arena_free(bundle->arena);
}

/* There is no next certificate: whether that is all right. */
static bool is_end(const struct tls_bundle *bundle, struct errbuf *errbuf)
{
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		errbuf_set(errbuf, "%s: certificate %zu is broken: %s", bundle->path,
			bundle->count + 1, last_reason());
	else if (bundle->count == 0)
		errbuf_set(
			errbuf, "%s: no certificate in PEM format is in it", bundle->path);
	else
		return true;
	return false;
}

enum tls_take tls_bundle_take(struct tls_bundle *bundle, unsigned most,
	bool (*take)(void *context, X509 *, bool), void *context, struct errbuf *errbuf)
{
	enum tls_take result = TLS_TAKE_MORE;

	ERR_clear_error();
	for (unsigned i = 0; i < most && result == TLS_TAKE_MORE; i++) {
		X509 *certificate = PEM_read_bio_X509_AUX(
			bundle->bio, NULL, no_passphrase, NULL);

		if (!certificate) {
			result = is_end(bundle, errbuf) ? TLS_TAKE_END : TLS_TAKE_BROKEN;
		} else if (!take(context, certificate, bundle->count++ == 0)) {
			errbuf_set(errbuf, "%s: certificate %zu is not usable: %s",
				bundle->path, bundle->count, last_reason());
			result = TLS_TAKE_BROKEN;
		}
	}
	ERR_clear_error();
	return result;
}

bool tls_each_certificate(const char *path, bool (*take)(void *context, X509 *, bool),
	void *context, struct errbuf *errbuf)
{
	struct tls_bundle *bundle = tls_bundle_open(path, errbuf);
	enum tls_take result = TLS_TAKE_BROKEN;

	if (bundle)
		result = tls_bundle_take(bundle, UINT_MAX, take, context, errbuf);
	tls_bundle_close(bundle);
	return result == TLS_TAKE_END;
}

bool tls_trust(void *store, X509 *certificate, bool is_first)
{
	int done = X509_STORE_add_cert(store, certificate);

	X509_free(certificate);
	return done == 1;
}

/* ---- who we are ---- */

static bool use_certificate(void *context, X509 *certificate, bool is_first)
{
	int done;

	if (!is_first)
		done = SSL_CTX_add0_chain_cert(context, certificate);
	else
		done = SSL_CTX_use_certificate(context, certificate);
	if (is_first || !done)
		X509_free(certificate);
	return done == 1;
}

bool tls_use_certificate(SSL_CTX *ssl, const char *path, struct errbuf *errbuf)
{
	return tls_each_certificate(path, use_certificate, ssl, errbuf);
}

static EVP_PKEY *read_key(const char *path, struct errbuf *errbuf)
{
	struct arena *arena = arena_new();
	BIO *bio = open_file(path, KEY_MAX, arena, errbuf);
	EVP_PKEY *key = NULL;
	char *bytes;
	long len;

	if (bio) {
		ERR_clear_error();
		len = BIO_get_mem_data(bio, &bytes);
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
		if (!key && memmem(bytes, (size_t)len, "ENCRYPTED", 9))
			errbuf_set(errbuf,
				"%s: the key is encrypted; a passphrase cannot be given",
				path);
		else if (!key)
			errbuf_set(
				errbuf, "%s: no private key in PEM format is in it", path);
		ERR_clear_error();
		BIO_free(bio);
		explicit_bzero(bytes, (size_t)len);
	}
	arena_free(arena);
	return key;
}

bool tls_use_key(
	SSL_CTX *ssl, const char *path, const char *certificate_path, struct errbuf *errbuf)
{
	EVP_PKEY *key = read_key(path, errbuf);
	bool good;

	if (!key)
		return false;
	good = SSL_CTX_use_PrivateKey(ssl, key) == 1 && SSL_CTX_check_private_key(ssl) == 1;
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (!good)
		errbuf_set(errbuf, "%s: the key does not belong to the certificate in %s",
			path, certificate_path);
	return good;
}

/* ---- contexts ---- */

SSL_CTX *tls_new_ssl_ctx(const SSL_METHOD *method)
{
	SSL_CTX *ssl = SSL_CTX_new(method);

	if (!ssl || SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1)
		mem_exhausted();
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/*
	 * No partial writes: bufferevent_openssl would go on behind what it believes was
	 * written.
	 */
	SSL_CTX_set_mode(
		ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ssl;
}

void tls_identify_file(struct strbuf *out, const char *path)
{
	struct stat st;

	if (!path || stat(path, &st) != 0) {
		strbuf_printf(out, "%s;", path ? path : "");
		return;
	}
	strbuf_printf(out, "%s %llu %llu %lld %lld.%09ld;", path,
		(unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
		(long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

struct tls_context *tls_context_find(const char *identity)
{
	list_for_each (&contexts, link) {
		struct tls_context *context = container_of(link, struct tls_context, link);

		if (strcmp(context->identity, identity) == 0)
			return tls_context_hold(context);
	}
	return NULL;
}

struct tls_context *tls_context_new(char *identity, SSL_CTX *ssl)
{
	struct tls_context *context = mem_zalloc(1, sizeof(*context));

	context->references = 1;
	context->identity = identity;
	context->stamp = hash_bytes(identity, strlen(identity));
	context->ssl = ssl;
	list_append(&contexts, &context->link);
	return context;
}

struct tls_context *tls_context_hold(struct tls_context *context)
{
	context->references++;
	return context;
}

void tls_context_release(struct tls_context *context)
{
	if (--context->references)
		return;
	list_remove(&contexts, &context->link);
	SSL_CTX_free(context->ssl);
	free(context->identity);
	free(context);
}

uint64_t tls_context_stamp(const struct tls_context *context)
{
	return context->stamp;
}
