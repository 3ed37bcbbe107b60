/*
 * tls_server.c - contexts for listeners, and the handshake of one accepted connection.
 *
 * A handshake is taken in steps by whoever calls, and not by bufferevent_openssl: one step
 * signs with our key, which takes up to some milliseconds, and only the caller can see to it
 * that a pass of the loop does not do that for everyone who has just connected.
 *
 * Refused: a cache of sessions. Tickets do the same without memory, and their keys live and
 * die with the context, so that a renewed CA is asked about old friends, too.
 */
#include "loop/tls_server.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "loop/tls_files.h"

/* ---- contexts ---- */

/*
 * HTTP/1.1 is all we speak. To clients that do not offer it we say nothing, and they do as they
 * like: a refusal would help nobody.
 */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *offered, unsigned offered_len, void *context)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, offered,
		    offered_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* Trusts the CA, and names it to clients, which choose their certificate by it. */
static bool take_client_ca(void *context, X509 *certificate, bool is_first)
{
	if (SSL_CTX_add_client_CA(context, certificate) != 1) {
		X509_free(certificate);
		return false;
	}
	return tls_trust(SSL_CTX_get_cert_store(context), certificate, is_first);
}

static bool require_clients(SSL_CTX *ssl, const char *path, struct errbuf *errbuf)
{
	if (!tls_each_certificate(path, take_client_ca, ssl, errbuf))
		return false;
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	/* What the file names is trusted, whoever has signed it. */
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ssl), X509_V_FLAG_PARTIAL_CHAIN);
	return true;
}

static SSL_CTX *new_ssl_ctx(const struct tls_server_settings *settings)
{
	static const unsigned char name[] = "volley";
	SSL_CTX *ssl = tls_new_ssl_ctx(TLS_server_method());

	if (settings->only_1_3 && SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) != 1)
		mem_exhausted();
	/*
	 * A client that leaves without goodbye has left: where its request ends is told by
	 * HTTP, and one that is cut short is refused as it is without TLS.
	 */
	SSL_CTX_set_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* What the file has is sent; a chain from the clients' CAs would be built each time. */
	SSL_CTX_set_mode(ssl, SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_session_id_context(ssl, name, sizeof(name) - 1);
	SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
	return ssl;
}

static SSL_CTX *make_ssl_ctx(const struct tls_server_settings *settings,
	enum tls_part *part, struct errbuf *errbuf)
{
	SSL_CTX *ssl = new_ssl_ctx(settings);
	bool good;

	*part = TLS_CERTIFICATE;
	good = tls_use_certificate(ssl, settings->certificate, errbuf);
	if (good) {
		*part = TLS_KEY;
		good = tls_use_key(ssl, settings->key, settings->certificate, errbuf);
	}
	if (good && settings->client_ca) {
		*part = TLS_CA;
		good = require_clients(ssl, settings->client_ca, errbuf);
	}
	if (good)
		return ssl;
	SSL_CTX_free(ssl);
	return NULL;
}

/* What makes two contexts one; for free(). */
static char *identify(const struct tls_server_settings *settings)
{
	struct strbuf out;

	strbuf_init(&out, SIZE_MAX);
	strbuf_printf(&out, "server %d ", settings->only_1_3);
	tls_identify_file(&out, settings->certificate);
	tls_identify_file(&out, settings->key);
	tls_identify_file(&out, settings->client_ca);
	strbuf_char(&out, '\0');
	return out.data;
}

struct tls_context *tls_server_context(const struct tls_server_settings *settings,
	enum tls_part *part, struct errbuf *errbuf)
{
	char *identity = identify(settings);
	struct tls_context *context = tls_context_find(identity);
	SSL_CTX *ssl = context ? NULL : make_ssl_ctx(settings, part, errbuf);

	if (ssl)
		return tls_context_new(identity, ssl);
	free(identity);
	return context;
}

const char *tls_server_out_of_date(const struct tls_context *context)
{
	const X509 *certificate = SSL_CTX_get0_certificate(context->ssl);

	if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
		return "has expired";
	if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
		return "is not valid yet";
	return NULL;
}

/* ---- handshakes ---- */

SSL *tls_server_begin(struct tls_context *context, int fd)
{
	SSL *ssl = SSL_new(context->ssl);

	if (!ssl || SSL_set_fd(ssl, fd) != 1)
		mem_exhausted();
	SSL_set_accept_state(ssl);
	return ssl;
}

enum tls_step tls_server_step(SSL *ssl, unsigned long *code)
{
	int result;

	*code = 0;
	ERR_clear_error();
	result = SSL_do_handshake(ssl);
	if (result == 1)
		return TLS_STEP_DONE;
	switch (SSL_get_error(ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return TLS_STEP_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_STEP_WRITE;
	default:
		/* The first is the cause, later ones are what followed from it. */
		*code = ERR_peek_error();
		ERR_clear_error();
		return TLS_STEP_FAILED;
	}
}

bool tls_server_is_http(unsigned long code)
{
	return ERR_GET_LIB(code) == ERR_LIB_SSL &&
	       ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
}
