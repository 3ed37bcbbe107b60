/*
 * uuid.c - UUIDs of version 7, in ascending order within the process.
 *
 * 48 bits of milliseconds, then a counter in the 12 bits of rand_a (RFC 9562 section 6.2,
 * method 1), then 62 random bits. The counter begins at a random value below its half in
 * each millisecond. Random bits come from the system 4 KiB at a time, which makes an id a
 * matter of copying; a generator of our own was refused: the system's needs no seed, and
 * no state of ours could leak what comes next.
 */
#include "base/uuid.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define POOL_SIZE   4096
#define COUNTER_MAX 0xFFF
#define EXIT_RANDOM 70 /* EX_SOFTWARE of sysexits.h */

/* A wall clock that was set back by less keeps the ids' order; beyond it they follow it. */
#define STEP_BACK_MS 10000

void uuid_random(void *out, size_t len)
{
	char *at = out;

	while (len) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			fprintf(stderr, "volley: the system gives no random numbers: %s\n",
				strerror(errno));
			_exit(EXIT_RANDOM);
		}
		at += got;
		len -= (size_t)got;
	}
}

/* Only for ids: what was handed out stays in memory until the pool is filled again. */
static void take_random(void *out, size_t len)
{
	static unsigned char pool[POOL_SIZE];
	static size_t used = POOL_SIZE;

	if (len > POOL_SIZE - used) {
		uuid_random(pool, POOL_SIZE);
		used = 0;
	}
	memcpy(out, pool + used, len);
	used += len;
}

/* The stamp and counter of the next id: above those of the last one. */
static uint64_t next_stamp(uint64_t wall_ms, unsigned seed, unsigned *counter)
{
	static uint64_t last_ms;
	static unsigned last_counter;

	if (wall_ms > last_ms || last_ms - wall_ms > STEP_BACK_MS) {
		last_ms = wall_ms;
		last_counter = seed & (COUNTER_MAX >> 1);
	} else if (last_counter < COUNTER_MAX) {
		last_counter++;
	} else {
		last_ms++;
		last_counter = seed & (COUNTER_MAX >> 1);
	}
	*counter = last_counter;
	return last_ms;
}

void uuid_v7(uint64_t wall_ms, char out[UUID_TEXT_LEN + 1])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char bytes[16];
	unsigned counter;
	uint64_t ms;
	char *at = out;

	take_random(bytes + 6, 10);
	ms = next_stamp(wall_ms, (unsigned)bytes[6] << 8 | bytes[7], &counter);
	for (int i = 0; i < 6; i++)
		bytes[i] = (unsigned char)(ms >> (40 - 8 * i));
	bytes[6] = (unsigned char)(0x70 | counter >> 8);
	bytes[7] = (unsigned char)counter;
	bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3F));
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = hex[bytes[i] >> 4];
		*at++ = hex[bytes[i] & 0x0F];
	}
	*at = '\0';
}
