/*
 * test_arena.c - blocks do not overlap, sums are right, chunks are used again.
 */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/process.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

static void blocks_are_apart(void **state)
{
	enum { COUNT = 2000 };
	struct arena *arena = arena_new();
	unsigned char *blocks[COUNT];
	size_t sizes[COUNT];

	srandom(1);
	for (size_t i = 0; i < COUNT; i++) {
		sizes[i] = i % 400 == 399 ? 300000 : (size_t)random() % 700;
		blocks[i] = arena_alloc(arena, sizes[i]);
		assert_int_equal((uintptr_t)blocks[i] % alignof(max_align_t), 0);
		memset(blocks[i], (int)i, sizes[i]);
	}
	for (size_t i = 0; i < COUNT; i++) {
		for (size_t j = 0; j < sizes[i]; j++)
			assert_int_equal(blocks[i][j], (unsigned char)i);
	}
	arena_free(arena);
	arena_free(NULL);
}

static void empty_blocks_have_addresses(void **state)
{
	struct arena *arena = arena_new();
	char *a = arena_alloc(arena, 0), *b = arena_alloc(arena, 0);

	assert_non_null(a);
	assert_non_null(b);
	assert_ptr_not_equal(a, b);
	arena_free(arena);
}

static void zeroed(void **state)
{
	struct arena *arena = arena_new();
	char *dirt = arena_alloc(arena, 3000);
	char *block;

	memset(dirt, 0x55, 3000);
	arena_free(arena);
	arena = arena_new();
	block = arena_zalloc(arena, 100, 30);
	for (size_t i = 0; i < 3000; i++)
		assert_int_equal(block[i], 0);
	arena_free(arena);
}

static void growing(void **state)
{
	struct arena *arena = arena_new();
	char *a = arena_alloc(arena, 10), *b, *c;

	memcpy(a, "0123456789", 10);
	assert_ptr_equal(arena_grow(arena, a, 10, 1000), a); /* newest: in place */
	b = arena_alloc(arena, 10);
	memcpy(a + 10, "tail", 4);
	c = arena_grow(arena, a, 1000, 1010); /* b stands behind it: a copy */
	assert_ptr_not_equal(c, a);
	assert_memory_equal(c, "0123456789tail", 14);
	assert_memory_equal(a, "0123456789tail", 14);
	assert_ptr_equal(arena_grow(arena, b, 10, 4), b);
	memset(c, 1, 1010);
	a = arena_grow(arena, c, 1010, 2000000); /* beyond any chunk */
	assert_int_equal(a[1009], 1);
	memset(a, 2, 2000000);
	assert_non_null(arena_grow(arena, NULL, 0, 20));
	arena_free(arena);
}

static void shrinking_gives_back(void **state)
{
	struct arena *arena = arena_new();
	char *a = arena_alloc(arena, 3000), *b;

	assert_ptr_equal(arena_grow(arena, a, 3000, 16), a);
	b = arena_alloc(arena, 16);
	assert_true(b >= a + 16 && b < a + 100);
	arena_free(arena);
}

static void texts(void **state)
{
	struct arena *arena = arena_new();
	char big[600];
	struct text copy = arena_text(arena, TEXT("a\0b"));

	assert_int_equal(copy.len, 3);
	assert_memory_equal(copy.at, "a\0b", 4);
	copy = arena_text(arena, (struct text){ NULL, 0 });
	assert_string_equal(copy.at, "");
	assert_string_equal(arena_printf(arena, "%s-%d", "x", 7), "x-7");
	memset(big, 'y', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	for (size_t len = 250; len < 260; len++) { /* around the size of its stack buffer */
		char *text = arena_printf(arena, "%.*s", (int)len, big);

		assert_int_equal(strlen(text), len);
	}
	assert_string_equal(arena_printf(arena, "%s", big), big);
	arena_free(arena);
}

static void sizes_add_up(void **state)
{
	size_t before = arena_total();
	struct arena *a = arena_new(), *b = arena_new();

	assert_int_equal(arena_size(a), 4096);
	assert_int_equal(arena_total() - before, 8192);
	arena_alloc(a, 3000);
	assert_int_equal(arena_size(a), 4096);
	arena_alloc(a, 3000); /* the next chunk is twice as large */
	assert_int_equal(arena_size(a), 4096 + 8192);
	arena_alloc(b, 1000000);
	assert_in_range(arena_size(b), 4096 + 1000000, 4096 + 1000100);
	arena_alloc(b, 3000); /* a block of its own leaves the first chunk in use */
	assert_in_range(arena_size(b), 4096 + 1000000, 4096 + 1000100);
	assert_int_equal(arena_total() - before, arena_size(a) + arena_size(b));
	arena_free(a);
	arena_free(b);
	assert_int_equal(arena_total(), before);
}

/* What outlives events has a sum of its own. */
static void lasting_ones_are_apart(void **state)
{
	size_t before = arena_total(), lasting = arena_total_lasting();
	struct arena *arena = arena_new_lasting();
	struct process_figures process;

	arena_alloc(arena, 1000000);
	arena_alloc(arena, 6000);
	assert_int_equal(arena_total(), before);
	assert_int_equal(arena_total_lasting() - lasting, arena_size(arena));
	process_read(&process);
	assert_int_equal(process.arenas, before + arena_total_lasting());
	arena_free(arena);
	assert_int_equal(arena_total_lasting(), lasting);
}

static int ended_early;

static void note_early_end(void *object)
{
	++*(int *)object;
}

/* Some megabytes at a time, down to the chunk that holds the arena itself. */
static void freed_in_pieces(void **state)
{
	size_t before = arena_total(), left, pieces = 1;
	struct arena *arena = arena_new();

	arena_defer(arena, note_early_end, &ended_early);
	for (int i = 0; i < 40; i++) {
		arena_alloc(arena, 1000000); /* a chunk of its own */
		arena_alloc(arena, 100000);
	}
	while ((left = arena_total()), arena_free_some(arena, 4000000)) {
		assert_int_equal(ended_early, 1);
		assert_in_range(left - arena_total(), 4000000, 5100000);
		pieces++;
	}
	assert_in_range(pieces, 9, 12);
	assert_int_equal(arena_total(), before);
}

static void large_chunks_stop_doubling(void **state)
{
	struct arena *arena = arena_new();
	size_t size;

	for (int i = 0; i < 3000; i++)
		arena_alloc(arena, 1000);
	size = arena_size(arena);
	while (arena_size(arena) == size)
		arena_alloc(arena, 1000);
	assert_int_equal(arena_size(arena) - size, 256 * 1024);
	arena_free(arena);
}

static void chunks_are_used_again(void **state)
{
#ifndef __SANITIZE_ADDRESS__
	struct arena *first = arena_new(), *second;
	char *block = arena_alloc(first, 5000);

	arena_free(first);
	second = arena_new();
	assert_ptr_equal(second, first);
	assert_ptr_equal(arena_alloc(second, 5000), block);
	arena_free(second);
#endif
	arena_drop_cache();
	arena_drop_cache();
	assert_int_equal(arena_total(), 0);
}

static int ended[4], end_count;

static void note_end(void *object)
{
	ended[end_count++] = *(int *)object;
}

/* The object lives in the arena itself: it must be whole when it is ended. */
static void ends_run_in_reverse_order(void **state)
{
	struct arena *arena = arena_new();

	for (int i = 0; i < 3; i++) {
		int *object = arena_alloc(arena, sizeof(*object));

		*object = i;
		arena_defer(arena, note_end, object);
		arena_alloc(arena, 100000); /* another chunk */
	}
	assert_int_equal(end_count, 0);
	arena_free(arena);
	assert_int_equal(end_count, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ended[i], 2 - i);
}

/* With the sanitizer a read just behind a block must be reported. */
static void overflow_is_seen(void **state)
{
#ifdef __SANITIZE_ADDRESS__
	struct arena *arena = arena_new();
	char *a = arena_alloc(arena, 13), *b = arena_alloc(arena, 16);

	assert_false(__asan_address_is_poisoned(a + 12));
	assert_true(__asan_address_is_poisoned(a + 13));
	assert_false(__asan_address_is_poisoned(b + 15));
	assert_true(__asan_address_is_poisoned(b + 16));
	b = arena_grow(arena, b, 16, 40);
	assert_false(__asan_address_is_poisoned(b + 39));
	assert_true(__asan_address_is_poisoned(b + 40));
	b = arena_grow(arena, b, 40, 8);
	assert_true(__asan_address_is_poisoned(b + 8));
	arena_free(arena);
#endif
}

/* A product that wraps must not give a small block. */
static void impossible_sizes_end_the_process(void **state)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		close(STDERR_FILENO);
		arena_zalloc(arena_new(), SIZE_MAX / 2, 4);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_apart),
		cmocka_unit_test(empty_blocks_have_addresses),
		cmocka_unit_test(zeroed),
		cmocka_unit_test(growing),
		cmocka_unit_test(shrinking_gives_back),
		cmocka_unit_test(texts),
		cmocka_unit_test(sizes_add_up),
		cmocka_unit_test(lasting_ones_are_apart),
		cmocka_unit_test(freed_in_pieces),
		cmocka_unit_test(large_chunks_stop_doubling),
		cmocka_unit_test(chunks_are_used_again),
		cmocka_unit_test(ends_run_in_reverse_order),
		cmocka_unit_test(overflow_is_seen),
		cmocka_unit_test(impossible_sizes_end_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
