/*
 * test_hash.c - SipHash-1-3 against values of other implementations, and uthash on top.
 *
 * The values under the zero key are those of CPython 3.11 (PYTHONHASHSEED=0), which agree
 * with the reference implementation's that OCaml's tests list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/macros.h"

static void known_values(void **state)
{
	static const struct {
		size_t len; /* of the message 00 01 02 ... */
		uint64_t hash;
	} rows[] = {
		{ 0, UINT64_C(0xd1fba762150c532c) },
		{ 1, UINT64_C(0x68a914128e01e473) },
		{ 2, UINT64_C(0x010bac45c41e3669) },
		{ 7, UINT64_C(0x2f098ab0c751325a) },
		{ 8, UINT64_C(0xead411e67ebe2eea) },
		{ 9, UINT64_C(0x75927f9d95124362) },
		{ 15, UINT64_C(0xf30eb725bb91c9ea) },
		{ 16, UINT64_C(0x8972188433a5c5b7) },
		{ 63, UINT64_C(0x385d3e39e5f37359) },
	};
	static const unsigned char zero[16];
	unsigned char message[64];

	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (unsigned char)i;
	for (size_t i = 0; i < array_len(rows); i++)
		assert_true(hash_bytes_keyed(zero, message, rows[i].len) == rows[i].hash);
}

/* Both halves of the key count, in their order. */
static void the_key_counts(void **state)
{
	unsigned char key[16] = { 0 };
	uint64_t zero = hash_bytes_keyed(key, "text", 4), first, last;

	key[0] = 1;
	first = hash_bytes_keyed(key, "text", 4);
	key[0] = 0;
	key[15] = 1;
	last = hash_bytes_keyed(key, "text", 4);
	assert_true(zero != first && first != last && zero != last);
	for (unsigned char i = 0; i < 16; i++)
		key[i] = i;
	assert_true(hash_bytes_keyed(key, NULL, 0) == UINT64_C(0xabac0158050fc4dc));
}

/* The process's key stays, and another process has another. */
static void key_of_the_process(void **state)
{
	uint64_t theirs = 0;
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork(); /* before the first use of the key */
	assert_true(pid >= 0);
	if (pid == 0) {
		uint64_t hash = hash_bytes("name", 4);

		_exit(write(ends[1], &hash, sizeof(hash)) != sizeof(hash));
	}
	assert_int_equal(read(ends[0], &theirs, sizeof(theirs)), sizeof(theirs));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(hash_bytes("name", 4) == hash_bytes("name", 4));
	assert_true(hash_bytes("name", 4) != theirs);
	assert_true(hash_bytes("name", 4) != hash_bytes("nam", 3));
	close(ends[0]);
	close(ends[1]);
}

struct entry {
	char name[24];
	UT_hash_handle hh;
};

static void table(void **state)
{
	enum { COUNT = 1000 };
	static struct entry entries[COUNT];
	struct entry *head = NULL, *found;

	for (int i = 0; i < COUNT; i++) {
		snprintf(entries[i].name, sizeof(entries[i].name), "name-%d", i);
		HASH_ADD_KEYPTR(
			hh, head, entries[i].name, strlen(entries[i].name), &entries[i]);
	}
	assert_int_equal(HASH_COUNT(head), COUNT);
	HASH_FIND(hh, head, "name-777", 8, found);
	assert_ptr_equal(found, &entries[777]);
	HASH_FIND(hh, head, "name-1000", 9, found);
	assert_null(found);
	HASH_CLEAR(hh, head);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values),
		cmocka_unit_test(the_key_counts),
		cmocka_unit_test(key_of_the_process),
		cmocka_unit_test(table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
