/*
 * tls.c - TLS contexts for connections to servers, and the servers themselves.
 *
 * All that a context needs is in memory once it is made: a handshake reads no file. Whom it
 * trusts is the business of tls_store. Refused: a context for each account; those that name
 * the same files share one, and a reload whose files did not change makes none.
 */
#include "loop/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "loop/tls_files.h"
#include "loop/tls_store.h"

struct tls_peer {
	struct tls_context *context;
	char *host;
	bool is_address;
	SSL_SESSION *session; /* the newest that the server gave us; NULL: none */
};

/* ---- whom we trust ---- */

static bool set_trust(
	SSL_CTX *ssl, const struct tls_settings *settings, struct errbuf *errbuf)
{
	X509_STORE *store;

	if (!settings->verify) {
		SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
		return true;
	}
	store = settings->ca ? tls_store_read(settings->ca, errbuf)
			     : tls_store_system(errbuf);
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

/* An end without goodbye stays an error. */
static SSL_CTX *new_ssl_ctx(void)
{
	SSL_CTX *ssl = tls_new_ssl_ctx(TLS_client_method());

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
		good = tls_use_certificate(ssl, settings->certificate, errbuf);
	}
	if (good && settings->key) {
		*part = TLS_KEY;
		good = tls_use_key(ssl, settings->key, settings->certificate, errbuf);
	}
	if (good)
		return ssl;
	SSL_CTX_free(ssl);
	return NULL;
}

/* What makes two contexts one; for free(). */
static char *identify(const struct tls_settings *settings)
{
	struct strbuf out;

	strbuf_init(&out, SIZE_MAX);
	strbuf_printf(&out, "%d%d ", settings->verify, settings->ca != NULL);
	if (settings->verify)
		tls_identify_file(&out, settings->ca ? settings->ca : tls_system_bundle());
	tls_identify_file(&out, settings->certificate);
	tls_identify_file(&out, settings->key);
	strbuf_char(&out, '\0');
	return out.data;
}

struct tls_context *tls_client_context(
	const struct tls_settings *settings, enum tls_part *part, struct errbuf *errbuf)
{
	char *identity = identify(settings);
	struct tls_context *context = tls_context_find(identity);
	SSL_CTX *ssl = context ? NULL : make_ssl_ctx(settings, part, errbuf);

	if (ssl)
		return tls_context_new(identity, ssl);
	free(identity);
	return context;
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
