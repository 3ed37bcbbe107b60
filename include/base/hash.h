/*
 * hash.h - uthash with a hash function that a stranger cannot predict.
 *
 * Text that a request controls would otherwise choose its own bucket. Include this instead
 * of <uthash.h>; the usual HASH_ADD_KEYPTR, HASH_FIND, ... follow.
 */
#ifndef VOLLEY_BASE_HASH_H
#define VOLLEY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

/* SipHash-1-3 of the bytes under a key drawn once per process (Aumasson and Bernstein,
 * 2012). */
uint64_t hash_bytes(const void *bytes, size_t len);

/* The same under a key that the caller holds (16 bytes), for hashes that are compared
 * later. */
uint64_t hash_bytes_keyed(const unsigned char key[16], const void *bytes, size_t len);

#define HASH_FUNCTION(keyptr, keylen, hashv)                                               \
	((hashv) = (unsigned)hash_bytes((keyptr), (keylen)))
#define uthash_fatal(message) mem_exhausted()
#include <uthash.h>

#endif
