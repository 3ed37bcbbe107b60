/*
 * arena.c - chunks that double in size, each filled from its front.
 *
 * The first chunk holds the struct arena itself, so a small arena is one block of memory.
 * Freed chunks wait in one free list per size, bounded in bytes, for the next arenas. What
 * is larger than the largest size has a chunk of its own and is never kept. One free list
 * with a search for a fit was refused: sizes are few, and a list each needs no search.
 *
 * With AddressSanitizer nothing is kept, and the bytes outside of blocks are poisoned, so
 * that a write past a block is reported as it would be on the heap.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define poison(at, len)   __asan_poison_memory_region(at, len)
#define unpoison(at, len) __asan_unpoison_memory_region(at, len)
#define BLOCK_GAP         16 /* poisoned bytes behind each block */
#define CACHE_MAX         0
#else
#define poison(at, len)   ((void)(at), (void)(len))
#define unpoison(at, len) ((void)(at), (void)(len))
#define BLOCK_GAP         0
#define CACHE_MAX         ((size_t)4 << 20) /* bytes of kept chunks */
#endif

#define CHUNK_FIRST   ((size_t)4 << 10)
#define CHUNK_CLASSES 7 /* 4 KiB ... 256 KiB */
#define CHUNK_LAST    (CHUNK_FIRST << (CHUNK_CLASSES - 1))
#define CLASS_MAX     ((size_t)1 << 20) /* kept bytes of one size */
#define ALIGNMENT     alignof(max_align_t)
#define SIZE_SANE     (SIZE_MAX / 4) /* sums below it cannot wrap */

struct chunk {
	struct chunk *next;
	size_t size; /* with this header */
	alignas(max_align_t) char data[];
};

/* What is to be called when the arena ends. */
struct deferred {
	struct deferred *next;
	void (*end)(void *object);
	void *object;
};

struct arena {
	struct chunk *chunks;      /* all; the newest of the doubling ones in front */
	char *at, *end;            /* what is left of that one */
	char *newest;              /* the last block taken from it; NULL: none */
	size_t next_size;          /* of the next doubling chunk */
	size_t size;               /* sum over chunks */
	struct deferred *deferred; /* the newest first */
	size_t *total;             /* the sum that it counts for */
};

static struct chunk *kept[CHUNK_CLASSES]; /* by size: CHUNK_FIRST << index */
static size_t kept_bytes[CHUNK_CLASSES];
static size_t kept_total;
static size_t total, total_lasting; /* sums of size over all living arenas */

static size_t round_up(size_t size)
{
	return (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

/* The free list of a size; CHUNK_CLASSES when there is none. */
static unsigned class_of(size_t size)
{
	unsigned class = 0;

	while (class < CHUNK_CLASSES && size != CHUNK_FIRST << class)
		class ++;
	return class;
}

static struct chunk *chunk_take(size_t size, size_t *sum)
{
	unsigned class = class_of(size);
	struct chunk *chunk;

	if (class < CHUNK_CLASSES && kept[class]) {
		chunk = kept[class];
		kept[class] = chunk->next;
		kept_bytes[class] -= size;
		kept_total -= size;
	} else {
		chunk = mem_alloc(size);
		chunk->size = size;
	}
	*sum += size;
	return chunk;
}

static void chunk_give_back(struct chunk *chunk, size_t *sum)
{
	size_t size = chunk->size;
	unsigned class = class_of(size);

	*sum -= size;
	unpoison(chunk->data, size - sizeof(*chunk));
#ifdef VOLLEY_DEBUG
	memset(chunk->data, 0xDB, size - sizeof(*chunk));
#endif
	if (class == CHUNK_CLASSES || size + kept_total > CACHE_MAX ||
		size + kept_bytes[class] > CLASS_MAX) {
		free(chunk);
		return;
	}
	chunk->next = kept[class];
	kept[class] = chunk;
	kept_bytes[class] += size;
	kept_total += size;
}

static struct arena *new_arena(size_t *sum)
{
	struct chunk *chunk = chunk_take(CHUNK_FIRST, sum);
	struct arena *arena = (struct arena *)chunk->data;

	chunk->next = NULL;
	arena->chunks = chunk;
	arena->at = chunk->data + round_up(sizeof(*arena));
	arena->end = (char *)chunk + chunk->size;
	arena->newest = NULL;
	arena->next_size = CHUNK_FIRST * 2;
	arena->size = chunk->size;
	arena->deferred = NULL;
	arena->total = sum;
	poison(arena->at, (size_t)(arena->end - arena->at));
	return arena;
}

struct arena *arena_new(void)
{
	return new_arena(&total);
}

struct arena *arena_new_lasting(void)
{
	return new_arena(&total_lasting);
}

static void run_deferred(struct arena *arena)
{
	struct deferred *deferred = arena->deferred;

	arena->deferred = NULL;
	for (; deferred; deferred = deferred->next)
		deferred->end(deferred->object);
}

/* Takes a chunk out; the one that holds the arena itself when it is the only one left. */
static struct chunk *detach_chunk(struct arena *arena)
{
	struct chunk *chunk = arena->chunks;

	if (chunk->data != (char *)arena) {
		arena->chunks = chunk->next;
	} else if (chunk->next) {
		chunk = chunk->next;
		arena->chunks->next = chunk->next;
	}
	return chunk;
}

bool arena_free_some(struct arena *arena, size_t bytes)
{
	size_t *sum = arena->total, freed = 0;
	struct chunk *chunk;
	bool more = true;

	run_deferred(arena);
	while (more && freed < bytes) {
		chunk = detach_chunk(arena);
		more = chunk->data != (char *)arena;
		freed += chunk->size;
		chunk_give_back(chunk, sum);
	}
	return more;
}

void arena_free(struct arena *arena)
{
	while (arena && arena_free_some(arena, SIZE_MAX))
		;
}

/* A chunk for one block only. It goes behind the front one, whose rest stays in use. */
static void *alloc_alone(struct arena *arena, size_t size, size_t room)
{
	struct chunk *chunk = chunk_take(sizeof(*chunk) + room, arena->total);

	chunk->next = arena->chunks->next;
	arena->chunks->next = chunk;
	arena->size += chunk->size;
	poison(chunk->data + size, room - size);
	return chunk->data;
}

/* Puts a chunk with at least room bytes in front. */
static void add_chunk(struct arena *arena, size_t room)
{
	size_t size = arena->next_size;
	struct chunk *chunk;

	while (size < sizeof(*chunk) + room)
		size *= 2;
	chunk = chunk_take(size, arena->total);
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	arena->size += size;
	arena->at = chunk->data;
	arena->end = (char *)chunk + size;
	arena->next_size = size < CHUNK_LAST ? size * 2 : CHUNK_LAST;
	poison(arena->at, (size_t)(arena->end - arena->at));
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size_t room;

	if (size > SIZE_SANE)
		mem_exhausted();
	size += size == 0; /* two blocks never share an address */
	room = round_up(size) + BLOCK_GAP;
	if (room > (size_t)(arena->end - arena->at)) {
		if (room > CHUNK_LAST - sizeof(struct chunk))
			return alloc_alone(arena, size, room);
		add_chunk(arena, room);
	}
	arena->newest = arena->at;
	arena->at += room;
	unpoison(arena->newest, size);
	return arena->newest;
}

void *arena_zalloc(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;
	void *block;

	if (__builtin_mul_overflow(count, size, &bytes))
		mem_exhausted();
	block = arena_alloc(arena, bytes);
	memset(block, 0, bytes);
	return block;
}

void *arena_grow(struct arena *arena, void *block, size_t old_size, size_t new_size)
{
	void *copy;

	if (new_size > SIZE_SANE)
		mem_exhausted();
	if (block && block == arena->newest) {
		size_t room = round_up(new_size + (new_size == 0)) + BLOCK_GAP;

		if (room <= (size_t)(arena->end - arena->newest)) {
			poison(arena->newest, (size_t)(arena->at - arena->newest));
			unpoison(arena->newest, new_size);
			arena->at = arena->newest + room;
			return block;
		}
	}
	if (block && new_size <= old_size)
		return block;
	copy = arena_alloc(arena, new_size);
	if (block)
		memcpy(copy, block, old_size);
	return copy;
}

struct text arena_text(struct arena *arena, struct text t)
{
	char *copy;

	if (t.len > SIZE_SANE)
		mem_exhausted();
	copy = arena_alloc(arena, t.len + 1);
	if (t.len)
		memcpy(copy, t.at, t.len);
	copy[t.len] = '\0';
	return (struct text){ copy, t.len };
}

/* Most texts fit the stack's buffer and are formatted once. */
char *arena_printf(struct arena *arena, const char *format, ...)
{
	char small[256];
	char *text;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(small, sizeof(small), format, args);
	va_end(args);
	if (len <
		0) /* only a conversion that we never use can fail, or a text over 2 GiB */
		mem_exhausted();
	text = arena_alloc(arena, (size_t)len + 1);
	if ((size_t)len < sizeof(small)) {
		memcpy(text, small, (size_t)len + 1);
		return text;
	}
	va_start(args, format);
	(void)vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return text;
}

void arena_defer(struct arena *arena, void (*end)(void *object), void *object)
{
	struct deferred *deferred = arena_alloc(arena, sizeof(*deferred));

	*deferred = (struct deferred){ arena->deferred, end, object };
	arena->deferred = deferred;
}

size_t arena_size(const struct arena *arena)
{
	return arena->size;
}

size_t arena_total(void)
{
	return total;
}

size_t arena_total_lasting(void)
{
	return total_lasting;
}

void arena_drop_cache(void)
{
	for (unsigned class = 0; class < CHUNK_CLASSES; class ++) {
		while (kept[class]) {
			struct chunk *chunk = kept[class];

			kept[class] = chunk->next;
			free(chunk);
		}
		kept_bytes[class] = 0;
	}
	kept_total = 0;
}
