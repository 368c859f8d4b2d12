/* SPDX-License-Identifier: MIT */
/*
 * list.h - an intrusive doubly linked list.
 *
 *   struct job { struct list_node link; ... };
 *   static struct list jobs;                           all zero is an empty list
 *
 *   list_push_back(&jobs, &job->link);
 *   list_for_each (n, &jobs)
 *           use(list_entry(n, struct job, link));
 *
 * Invariants; list_check() verifies them:
 *   L1  the next node's prev is this node, the previous node's next is this node
 *   L2  the first node has no prev, the last has no next; both are NULL when the list is empty
 *
 * A node is in one list at most; the list does not own it.  list_for_each() must not remove the
 * node that it is at: take the next one first, or pop.
 *
 * Locking: the owner's.
 */
#pragma once

#include "lib/types.h"

struct list_node {
	struct list_node *next, *prev;
};

struct list {
	struct list_node *first, *last;
};

/* The struct of `type` whose `member` is the node; n is not NULL. */
#define list_entry(n, type, member) container_of((n), type, member)

/* The same, NULL when n is NULL. */
#define list_entry_or_null(n, type, member) ((n) == NULL ? NULL : list_entry((n), type, member))

#define list_for_each(n, list)                                                                     \
	for (struct list_node *n = (list)->first; n != NULL; n = n->next) /* NOLINT */

static inline bool list_is_empty(const struct list *l)
{
	return l->first == NULL;
}

static inline void list_push_back(struct list *l, struct list_node *n)
{
	n->next = NULL;
	n->prev = l->last;
	if (l->last == NULL)
		l->first = n;
	else
		l->last->next = n;
	l->last = n;
}

static inline void list_push_front(struct list *l, struct list_node *n)
{
	n->prev = NULL;
	n->next = l->first;
	if (l->first == NULL)
		l->last = n;
	else
		l->first->prev = n;
	l->first = n;
}

/* Insert n behind `at`, which is in the list. */
static inline void list_insert_after(struct list *l, struct list_node *at, struct list_node *n)
{
	n->prev = at;
	n->next = at->next;
	if (at->next == NULL)
		l->last = n;
	else
		at->next->prev = n;
	at->next = n;
}

/* n is in the list. */
static inline void list_remove(struct list *l, struct list_node *n)
{
	if (n->prev == NULL)
		l->first = n->next;
	else
		n->prev->next = n->next;
	if (n->next == NULL)
		l->last = n->prev;
	else
		n->next->prev = n->prev;
}

/* Remove and return the first node; NULL: the list is empty. */
static inline struct list_node *list_pop_front(struct list *l)
{
	struct list_node *n = l->first;

	if (n != NULL)
		list_remove(l, n);
	return n;
}

/* L1 and L2, of at most `max` nodes, which ends a cycle too. */
__must_check static inline bool list_check(const struct list *l, size_t max)
{
	const struct list_node *before = NULL;

	list_for_each (n, l) {
		if (n->prev != before || max-- == 0)
			return false;
		before = n;
	}
	return l->last == before;
}
