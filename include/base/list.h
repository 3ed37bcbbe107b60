/*
 * list.h - circular doubly linked lists threaded through their members, with a count.
 *
 * A state is a list: an object stands on one list of its owner for each link that it has,
 * and the figures shown to people are these lists' lengths.
 */
#ifndef VOLLEY_BASE_LIST_H
#define VOLLEY_BASE_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

struct link {
	struct link *next, *prev; /* both NULL: on no list */
};

struct list {
	struct link head;
	size_t count;
};

static inline void list_init(struct list *list)
{
	list->head.next = list->head.prev = &list->head;
	list->count = 0;
}

static inline bool list_empty(const struct list *list)
{
	return list->head.next == &list->head;
}

static inline bool link_is_listed(const struct link *link)
{
	return link->next != NULL;
}

static inline void list_insert_before(struct list *list, struct link *at, struct link *link)
{
	link->next = at;
	link->prev = at->prev;
	at->prev->next = link;
	at->prev = link;
	list->count++;
}

/* The link must be on no list. */
static inline void list_append(struct list *list, struct link *link)
{
	list_insert_before(list, &list->head, link);
}

static inline void list_prepend(struct list *list, struct link *link)
{
	list_insert_before(list, list->head.next, link);
}

/* The link must be on this list. */
static inline void list_remove(struct list *list, struct link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->next = link->prev = NULL;
	list->count--;
}

/* The first link, or NULL. */
static inline struct link *list_first(const struct list *list)
{
	return list_empty(list) ? NULL : list->head.next;
}

static inline struct link *list_last(const struct list *list)
{
	return list_empty(list) ? NULL : list->head.prev;
}

/* Takes the first link off the list; NULL when there is none. */
static inline struct link *list_take(struct list *list)
{
	struct link *link = list_first(list);

	if (link)
		list_remove(list, link);
	return link;
}

/* The same from the end. */
static inline struct link *list_take_last(struct list *list)
{
	struct link *link = list_last(list);

	if (link) {
		assert(link->next == &list->head);
		list_remove(list, link);
	}
	return link;
}

/* The link after this one, or NULL. */
static inline struct link *list_next(const struct list *list, const struct link *link)
{
	return link->next == &list->head ? NULL : link->next;
}

/*
 * Walks the list; the body must not remove `link` (take list_next() before where it does).
 */
#define list_for_each(list, link)                                                          \
	for (struct link *link = list_first(list); link; link = list_next(list, link))

#endif
