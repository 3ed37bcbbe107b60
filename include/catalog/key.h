/*
 * key.h - API keys: who may send what, in which environment.
 */
#ifndef VOLLEY_CATALOG_KEY_H
#define VOLLEY_CATALOG_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/hash.h"
#include "base/text.h"
#include "catalog/account.h"

enum { KEY_HASH_SIZE = 32 };

struct key {
	struct text name, client_key;
	enum environment environment;
	unsigned char secret_hash[KEY_HASH_SIZE]; /* SHA-256 of the secret */
	struct text *events;                      /* ids; NULL: all */
	size_t event_count;
	double rate;        /* requests a second; 0: unlimited */
	struct place place; /* of clientKey; its source is the messages' */
	UT_hash_handle hh;
};

/* Whether the key may send this event. */
bool key_allows(const struct key *key, struct text event_id);

/*
 * Whether the secret is the key's: SHA-256, compared in constant time. key may be NULL
 * (unknown): then a dummy is compared, in the same time, and the answer is false.
 */
bool key_matches(const struct key *key, struct text secret);

/* SHA-256 of the bytes. */
void key_hash(struct text secret, unsigned char out[KEY_HASH_SIZE]);

/* Frees what hashing keeps for the next time: at the end of the process. */
void key_cleanup(void);

#endif
