/*
 * certificates.h - certificates made on the spot, for tests of TLS.
 */
#ifndef CERTIFICATES_H
#define CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/x509.h>

struct identity {
	X509 *certificate;
	EVP_PKEY *key;
};

/*
 * A new identity: names as OpenSSL writes them ("DNS:localhost,IP:127.0.0.1"; NULL: a CA),
 * valid from a day ago until `seconds` from now (negative: it has expired); by NULL: signed
 * by itself.
 */
struct identity identity_new(const char *names, long seconds, const struct identity *by);
void identity_free(struct identity *identity);

/* Writes them in PEM format; the key's file is private. */
void write_certificate(const char *path, X509 *certificate);
void write_key(const char *path, EVP_PKEY *key, const char *passphrase);

#endif
