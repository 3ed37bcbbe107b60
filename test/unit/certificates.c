/*
 * certificates.c - certificates made on the spot, for tests of TLS.
 */
#include "certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

static EVP_PKEY *new_key(void)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;

	assert_int_equal(EVP_PKEY_keygen_init(context), 1);
	assert_int_equal(
		EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1), 1);
	assert_int_equal(EVP_PKEY_keygen(context, &key), 1);
	EVP_PKEY_CTX_free(context);
	return key;
}

static void extend(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

struct identity identity_new(const char *names, long seconds, const struct identity *by)
{
	static long serial = 1;
	struct identity made = { X509_new(), new_key() };
	X509_NAME *name = X509_get_subject_name(made.certificate);
	const struct identity *issuer = by ? by : &made;

	X509_set_version(made.certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), serial++);
	X509_gmtime_adj(X509_getm_notBefore(made.certificate), -24 * 3600);
	X509_gmtime_adj(X509_getm_notAfter(made.certificate), seconds);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
		(const unsigned char *)(names ? "server"
					: by  ? "between"
					      : "ca"),
		-1, -1, 0);
	X509_set_issuer_name(made.certificate, X509_get_subject_name(issuer->certificate));
	X509_set_pubkey(made.certificate, made.key);
	extend(made.certificate, NID_basic_constraints, names ? "CA:FALSE" : "CA:TRUE");
	if (names)
		extend(made.certificate, NID_subject_alt_name, names);
	assert_true(X509_sign(made.certificate, issuer->key, EVP_sha256()) > 0);
	return made;
}

void identity_free(struct identity *identity)
{
	X509_free(identity->certificate);
	EVP_PKEY_free(identity->key);
}

void write_certificate(const char *path, X509 *certificate)
{
	FILE *file = fopen(path, "a");

	assert_non_null(file);
	assert_int_equal(PEM_write_X509(file, certificate), 1);
	fclose(file);
}

void write_key(const char *path, EVP_PKEY *key, const char *passphrase)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(
		PEM_write_PrivateKey(file, key, passphrase ? EVP_aes_128_cbc() : NULL,
			(const unsigned char *)passphrase,
			passphrase ? (int)strlen(passphrase) : 0, NULL, NULL),
		1);
	fclose(file);
}
