/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists whose nodes know whether they are in one. A thing has a node for each kind of list that it may be in; the node
 * answers list_holds(), and list_remove() takes it out wherever it is, so nobody keeps a flag beside it, and a thing
 * that is freed leaves its lists with one call each. Zeroed lists and nodes are empty and in none. Lists borrow their
 * nodes. Private to broker/core.
 *
 * utlist, which serves elsewhere in the core, has neither: its nodes do not know, and its removal needs the head.
 */
#ifndef BELT_CORE_LIST_H
#define BELT_CORE_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *prev, *next; /* NULL: in no list */
};
struct list {
    struct list_node ring; /* closes the list at both ends; zeroed until it is used first */
};

static inline bool list_holds(const struct list_node *node)
{
    return node->next;
}

static inline struct list_node *list_first(const struct list *list)
{
    return list->ring.next == &list->ring ? NULL : list->ring.next;
}

static inline struct list_node *list_after(const struct list *list, const struct list_node *node)
{
    return node->next == &list->ring ? NULL : node->next;
}

static inline bool list_is_empty(const struct list *list)
{
    return !list_first(list);
}

static inline void list_insert(struct list_node *prev, struct list_node *node, struct list_node *next)
{
    assert(!list_holds(node));
    node->prev = prev;
    node->next = next;
    prev->next = next->prev = node;
}

static inline struct list_node *list_ring(struct list *list)
{
    if (!list->ring.next)
        list->ring.next = list->ring.prev = &list->ring;
    return &list->ring;
}

/* `node` is in no list. */
static inline void list_append(struct list *list, struct list_node *node)
{
    struct list_node *ring = list_ring(list);
    list_insert(ring->prev, node, ring);
}

/* `node` is in no list. */
static inline void list_prepend(struct list *list, struct list_node *node)
{
    struct list_node *ring = list_ring(list);
    list_insert(ring, node, ring->next);
}

/* A node that is in no list stays as it is. */
static inline void list_remove(struct list_node *node)
{
    if (!list_holds(node))
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = NULL;
}

/* All nodes of `from` go behind those of `list`; `from` is empty then. */
static inline void list_join(struct list *list, struct list *from)
{
    struct list_node *ring = list_ring(list), *first = list_first(from);
    if (!first)
        return;
    struct list_node *last = from->ring.prev;
    first->prev = ring->prev;
    ring->prev->next = first;
    last->next = ring;
    ring->prev = last;
    from->ring.next = from->ring.prev = &from->ring;
}

static inline void *list_owner(const struct list_node *node, size_t offset)
{
    return node ? (char *)node - offset : NULL;
}

/* The thing of this type whose member is the first node of the list; NULL: the list is empty. */
#define LIST_FIRST(list, type, member) ((type *)list_owner(list_first(list), offsetof(type, member)))
#define LIST_OFFSET(var, member)       offsetof(__typeof__(*(var)), member)

#define LIST_EACH(list, var, member)                                                                                   \
    for ((var) = list_owner(list_first(list), LIST_OFFSET(var, member)); (var);                                        \
         (var) = list_owner(list_after(list, &(var)->member), LIST_OFFSET(var, member)))

/* The body may remove `var` from the list. */
#define LIST_EACH_SAFE(list, var, safe, member)                                                                        \
    for ((var) = list_owner(list_first(list), LIST_OFFSET(var, member));                                               \
         (var) && ((safe) = list_owner(list_after(list, &(var)->member), LIST_OFFSET(var, member)), 1);                \
         (var) = (safe))

#endif
