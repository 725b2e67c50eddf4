/* list.h - intrusive doubly linked lists. A node that is in no list points to itself. */
#ifndef KILN_BASE_LIST_H
#define KILN_BASE_LIST_H

#include "base/assert.h"

struct list {
    struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

/* True while the node stands in some list. */
static inline bool list_linked(const struct list *node)
{
    return node->next != node;
}

static inline void list_insert_before(struct list *at, struct list *node)
{
    ASSERT(!list_linked(node));
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

static inline void list_push_back(struct list *head, struct list *node)
{
    list_insert_before(head, node);
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_insert_before(head->next, node);
}

/* Harmless on a node that is in no list. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* NULL when empty. */
static inline struct list *list_pop_front(struct list *head)
{
    struct list *first = head->next;
    if (first == head)
        return NULL;
    list_remove(first);
    return first;
}

/* Moves all of from to the back of to. */
static inline void list_splice_back(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define LIST_FIRST(head, type, member)                                                             \
    (list_empty(head) ? NULL : CONTAINER_OF((head)->next, type, member))

/* The body may remove item from the list (and free it), and nothing else. */
#define LIST_EACH(item, head, type, member)                                                        \
    for (type *item = CONTAINER_OF((head)->next, type, member),                                    \
              *item##_next = CONTAINER_OF(item->member.next, type, member);                        \
         &item->member != (head);                                                                  \
         item = item##_next, item##_next = CONTAINER_OF(item->member.next, type, member))

#endif
