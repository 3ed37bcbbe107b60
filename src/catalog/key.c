/*
 * key.c - credentials: SHA-256 of the secret against the stored hash, in constant time.
 *
 * The algorithm is fetched once and its context reused: OpenSSL 3 looks an implementation up
 * by name on every implicit fetch, which costs more than the hash. Refused: a slow password
 * hash. A secret has 192 random bits, so guessing needs no slowing down.
 */
#include "catalog/key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/mem.h"

static EVP_MD *algorithm;
static EVP_MD_CTX *context;

static const unsigned char dummy[KEY_HASH_SIZE];

bool key_allows(const struct key *key, struct text event_id)
{
	if (!key->events)
		return true;
	for (size_t i = 0; i < key->event_count; i++) {
		if (text_equal(key->events[i], event_id))
			return true;
	}
	return false;
}

void key_hash(struct text secret, unsigned char out[KEY_HASH_SIZE])
{
	if (!context) {
		algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
		context = EVP_MD_CTX_new();
		if (!algorithm || !context)
			mem_exhausted();
	}
	/* With a fetched algorithm and a context of its own these fail only without memory. */
	if (!EVP_DigestInit_ex(context, algorithm, NULL) ||
		!EVP_DigestUpdate(context, secret.len ? secret.at : "", secret.len) ||
		!EVP_DigestFinal_ex(context, out, NULL))
		mem_exhausted();
}

bool key_matches(const struct key *key, struct text secret)
{
	unsigned char hash[KEY_HASH_SIZE];
	bool equal;

	key_hash(secret, hash);
	equal = CRYPTO_memcmp(hash, key ? key->secret_hash : dummy, sizeof(hash)) == 0;
	return equal && key != NULL;
}

void key_cleanup(void)
{
	EVP_MD_CTX_free(context);
	EVP_MD_free(algorithm);
	context = NULL;
	algorithm = NULL;
}
