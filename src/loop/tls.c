/*
 * tls.c - TLS contexts read from files, shared and counted.
 *
 * All that a context needs is in memory once it is made: a handshake reads no file. That is
 * why the system's certificates are taken from its bundle, in one store for all contexts
 * (parsing it takes as long as hundreds of handshakes), and not from its folder of hashed
 * names, which OpenSSL would search during a handshake.
 *
 * Refused: SSL_CTX_use_certificate_chain_file() and its like; they read whatever the path
 * names, without a bound, and ask on the terminal for the passphrase of a key.
 */
#include "loop/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/strbuf.h"

enum { FILE_MAX = 4 * 1024 * 1024, KEY_MAX = 64 * 1024 };

struct tls_context {
	struct link link; /* contexts */
	unsigned references;
	char *identity; /* the settings and what the files were when they were read */
	uint64_t stamp; /* hash of it */
	SSL_CTX *ssl;
};

struct tls_peer {
	struct tls_context *context;
	char *host;
	bool is_address;
	SSL_SESSION *session; /* the newest that the server gave us; NULL: none */
};

static struct list contexts = { .head = { &contexts.head, &contexts.head } };
static X509_STORE *system_store;

/* Where systems keep the bundle of all CAs, beside where OpenSSL was told to look. */
static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem" };

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

/*
 * Hands each certificate of the file to take(), which owns it then; false: there is none, or
 * one is broken, or take() did not want it.
 */
static bool each_certificate(const char *path, bool (*take)(void *context, X509 *, bool),
	void *context, struct errbuf *errbuf)
{
	struct arena *arena = arena_new();
	BIO *bio = open_file(path, FILE_MAX, arena, errbuf);
	size_t count = 0;
	X509 *certificate;
	bool good = bio != NULL;

	ERR_clear_error();
	while (good &&
		(certificate = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL))) {
		if (!take(context, certificate, count++ == 0)) {
			errbuf_set(errbuf, "%s: certificate %zu is not usable: %s", path,
				count, last_reason());
			good = false;
		}
	}
	if (good && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
		errbuf_set(errbuf, "%s: certificate %zu is broken: %s", path, count + 1,
			last_reason());
		good = false;
	} else if (good && count == 0) {
		errbuf_set(errbuf, "%s: no certificate in PEM format is in it", path);
		good = false;
	}
	ERR_clear_error();
	BIO_free(bio);
	arena_free(arena);
	return good;
}

/* ---- whom we trust ---- */

static bool trust(void *context, X509 *certificate, bool is_first)
{
	int done = X509_STORE_add_cert(context, certificate);

	X509_free(certificate);
	return done == 1;
}

static X509_STORE *read_store(const char *path, struct errbuf *errbuf)
{
	X509_STORE *store = X509_STORE_new();

	if (!store)
		mem_exhausted();
	if (each_certificate(path, trust, store, errbuf))
		return store;
	X509_STORE_free(store);
	return NULL;
}

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

/* The store of these settings with a reference for the caller; NULL: see errbuf. */
static X509_STORE *get_store(const struct tls_settings *settings, struct errbuf *errbuf)
{
	const char *bundle;

	if (settings->ca)
		return read_store(settings->ca, errbuf);
	if (!system_store) {
		bundle = tls_system_bundle();
		if (!bundle) {
			errbuf_set(errbuf, "the system has no file of certificates");
			return NULL;
		}
		system_store = read_store(bundle, errbuf);
	}
	if (system_store)
		X509_STORE_up_ref(system_store);
	return system_store;
}

void tls_drop_cache(void)
{
	X509_STORE_free(system_store);
	system_store = NULL;
}

static bool set_trust(
	SSL_CTX *ssl, const struct tls_settings *settings, struct errbuf *errbuf)
{
	X509_STORE *store;

	if (!settings->verify) {
		SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
		return true;
	}
	store = get_store(settings, errbuf);
	if (!store)
		return false;
	SSL_CTX_set_cert_store(ssl, store);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	/* A certificate that the account names is trusted, whoever has signed it. */
	if (settings->ca)
		X509_VERIFY_PARAM_set_flags(
			SSL_CTX_get0_param(ssl), X509_V_FLAG_PARTIAL_CHAIN);
	return true;
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

static bool use_key(
	SSL_CTX *ssl, const struct tls_settings *settings, struct errbuf *errbuf)
{
	EVP_PKEY *key = read_key(settings->key, errbuf);
	bool good;

	if (!key)
		return false;
	good = SSL_CTX_use_PrivateKey(ssl, key) == 1 && SSL_CTX_check_private_key(ssl) == 1;
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (!good)
		errbuf_set(errbuf, "%s: the key does not belong to the certificate in %s",
			settings->key, settings->certificate);
	return good;
}

/* ---- contexts ---- */

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_peer *peer = SSL_get_app_data(ssl);

	if (!peer)
		return 0;
	SSL_SESSION_free(peer->session);
	peer->session = session;
	return 1; /* the reference is ours */
}

static SSL_CTX *new_ssl_ctx(void)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_client_method());

	if (!ssl || SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1)
		mem_exhausted();
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/*
	 * An end without goodbye stays an error. No partial writes: bufferevent_openssl
	 * would go on behind what it believes was written.
	 */
	SSL_CTX_set_mode(
		ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(
		ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ssl, keep_session);
	return ssl;
}

static SSL_CTX *make_ssl_ctx(
	const struct tls_settings *settings, enum tls_part *part, struct errbuf *errbuf)
{
	SSL_CTX *ssl = new_ssl_ctx();
	bool good;

	*part = TLS_CA;
	good = set_trust(ssl, settings, errbuf);
	if (good && settings->certificate) {
		*part = TLS_CERTIFICATE;
		good = each_certificate(
			settings->certificate, use_certificate, ssl, errbuf);
	}
	if (good && settings->key) {
		*part = TLS_KEY;
		good = use_key(ssl, settings, errbuf);
	}
	if (good)
		return ssl;
	SSL_CTX_free(ssl);
	return NULL;
}

static void add_file(struct strbuf *out, const char *path)
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

/* What makes two contexts one; for free(). */
static char *identify(const struct tls_settings *settings)
{
	struct strbuf out;

	strbuf_init(&out, SIZE_MAX);
	strbuf_printf(&out, "%d ", settings->verify);
	add_file(&out, settings->verify ? settings->ca : NULL);
	add_file(&out, settings->certificate);
	add_file(&out, settings->key);
	strbuf_char(&out, '\0');
	return out.data;
}

struct tls_context *tls_client_context(
	const struct tls_settings *settings, enum tls_part *part, struct errbuf *errbuf)
{
	char *identity = identify(settings);
	struct tls_context *context;
	SSL_CTX *ssl;

	list_for_each (&contexts, link) {
		context = container_of(link, struct tls_context, link);
		if (strcmp(context->identity, identity) == 0) {
			free(identity);
			return tls_context_hold(context);
		}
	}
	ssl = make_ssl_ctx(settings, part, errbuf);
	if (!ssl) {
		free(identity);
		return NULL;
	}
	context = mem_zalloc(1, sizeof(*context));
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

/* ---- peers ---- */

struct tls_peer *tls_peer_new(struct tls_context *context, const char *host)
{
	struct tls_peer *peer = mem_zalloc(1, sizeof(*peer));
	unsigned char address[sizeof(struct in6_addr)];
	size_t len = strlen(host);

	peer->context = tls_context_hold(context);
	/* "example.com." is how the DNS may be asked; no certificate is for it. */
	peer->host = mem_copy(host, len > 0 && host[len - 1] == '.' ? len - 1 : len);
	peer->is_address = inet_pton(AF_INET, host, address) == 1 ||
			   inet_pton(AF_INET6, host, address) == 1;
	return peer;
}

void tls_peer_free(struct tls_peer *peer)
{
	if (!peer)
		return;
	SSL_SESSION_free(peer->session);
	tls_context_release(peer->context);
	free(peer->host);
	free(peer);
}

/* What the certificate must say; an address has no place in the server name indication. */
static bool set_host(SSL *ssl, const struct tls_peer *peer)
{
	if (peer->is_address)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), peer->host) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set_tlsext_host_name(ssl, peer->host) == 1 &&
	       SSL_set1_host(ssl, peer->host) == 1;
}

SSL *tls_begin(struct tls_peer *peer)
{
	SSL *ssl = SSL_new(peer->context->ssl);

	ERR_clear_error();
	if (!ssl || !set_host(ssl, peer) || SSL_set_app_data(ssl, peer) != 1)
		mem_exhausted();
	if (peer->session)
		(void)SSL_set_session(ssl, peer->session);
	ERR_clear_error();
	return ssl;
}

void tls_say_goodbye(SSL *ssl)
{
	ERR_clear_error();
	(void)SSL_shutdown(ssl);
	ERR_clear_error();
}

void tls_detach(SSL *ssl)
{
	(void)SSL_set_app_data(ssl, NULL);
}

void tls_end(SSL *ssl)
{
	SSL_free(ssl);
}

/* ---- failures ---- */

static void verification_failure(SSL *ssl, struct errbuf *out)
{
	long result = SSL_get_verify_result(ssl);
	const struct tls_peer *peer = SSL_get_app_data(ssl);
	const char *text = X509_verify_cert_error_string(result);

	if (peer && (result == X509_V_ERR_HOSTNAME_MISMATCH ||
			    result == X509_V_ERR_IP_ADDRESS_MISMATCH))
		errbuf_set(out, "TLS: %s: the server's certificate is not for %s", text,
			peer->host);
	else
		errbuf_set(out, "TLS: %s", text);
}

unsigned long tls_last_words(SSL *ssl)
{
	unsigned long code;
	char byte;

	ERR_clear_error();
	code = SSL_peek(ssl, &byte, 1) > 0 ? 0 : ERR_peek_error();
	ERR_clear_error();
	if (ERR_GET_LIB(code) != ERR_LIB_SSL ||
		ERR_GET_REASON(code) <= SSL_AD_REASON_OFFSET)
		return 0;
	return code;
}

void tls_failure(SSL *ssl, unsigned long code, struct errbuf *out)
{
	const char *reason = ERR_reason_error_string(code);
	int number = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;

	if (number == SSL_R_CERTIFICATE_VERIFY_FAILED)
		verification_failure(ssl, out);
	else if (number == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		errbuf_set(out, "TLS: the other side hung up without saying goodbye");
	else if (number == SSL_R_WRONG_VERSION_NUMBER ||
		 number == SSL_R_PACKET_LENGTH_TOO_LONG)
		errbuf_set(out, "TLS: the answer is no TLS (%s)", reason);
	else
		errbuf_set(out, "TLS: %s", reason ? reason : "failed");
}
