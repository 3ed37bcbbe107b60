/*
 * arena.h - bump allocation for things that die together: a run, a snapshot, a file being
 * read.
 *
 * Nothing in an arena is freed singly. Chunks of freed arenas are kept (a bounded number)
 * for the next ones, so that a run usually costs no call of malloc.
 */
#ifndef VOLLEY_BASE_ARENA_H
#define VOLLEY_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "base/text.h"

struct arena;

/* An empty arena; the caller frees it. */
struct arena *arena_new(void);

/*
 * The same for what outlives the events being processed (catalogs, pools): arena_total()
 * leaves it out.
 */
struct arena *arena_new_lasting(void);

/* Frees the arena and all that was allocated in it. NULL is allowed. */
void arena_free(struct arena *arena);

/*
 * Frees about that many bytes of an arena that is not used any more, for giving tens of MiB
 * back takes tens of milliseconds. True: there is more of it; false: it is gone.
 */
must_check bool arena_free_some(struct arena *arena, size_t bytes);

/* Uninitialised bytes, aligned for any type; live as long as the arena. Never NULL. */
void *arena_alloc(struct arena *arena, size_t size);

/* count * size zeroed bytes. */
void *arena_zalloc(struct arena *arena, size_t count, size_t size);

/*
 * Makes the block, old_size bytes, new_size bytes long: in place when it is the newest
 * allocation and fits, else as a copy (the old bytes stay in the arena). A smaller size
 * gives the newest allocation's end back. A NULL block of 0 bytes is a new one.
 */
void *arena_grow(struct arena *arena, void *block, size_t old_size, size_t new_size);

/* A copy of the slice, with a NUL behind it that len does not count. */
struct text arena_text(struct arena *arena, struct text t);

/* printf into the arena, NUL-terminated. */
char *arena_printf(struct arena *arena, const char *format, ...) printf_like(2, 3);

/*
 * Has end(object) called when the arena is freed, before its memory goes; the last one first.
 * For what a thing in the arena refers to elsewhere.
 */
void arena_defer(struct arena *arena, void (*end)(void *object), void *object);

/* Bytes that the arena holds from the system, used or not. */
size_t arena_size(const struct arena *arena);

/* Sum of arena_size over all living arenas of the process but the lasting ones. */
size_t arena_total(void);

/* The same over the lasting ones. */
size_t arena_total_lasting(void);

/* Gives the kept chunks back to the system (at the end, so that leak reports are empty). */
void arena_drop_cache(void);

#endif
