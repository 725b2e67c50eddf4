/* waiter.h - whoever waits for something that ends once: embedded in who waits, and in the list of
 * what is waited for, if others may wait for the same. */
#ifndef KILN_BASE_WAITER_H
#define KILN_BASE_WAITER_H

#include "base/err.h"
#include "base/list.h"

struct waiter {
    struct list link;
    void (*done)(struct waiter *waiter, enum err e);
};

/* It is told once; it may wait again, or be freed, from then on. */
static inline void waiter_tell(struct waiter *waiter, enum err e)
{
    waiter->done(waiter, e);
}

static inline void waiter_add(struct list *waiters, struct waiter *waiter)
{
    list_init(&waiter->link);
    list_push_back(waiters, &waiter->link);
}

/* Tells all of them, those too who come meanwhile. */
static inline void waiters_tell(struct list *waiters, enum err e)
{
    struct list *link;
    while ((link = list_pop_front(waiters)) != NULL)
        waiter_tell(CONTAINER_OF(link, struct waiter, link), e);
}

#endif
