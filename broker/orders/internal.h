/* internal.h - what the files of orders share and nobody else sees. */
#ifndef KILN_ORDERS_INTERNAL_H
#define KILN_ORDERS_INTERNAL_H

#include "orders/orders.h"

/* That a request is made of, or its answer decodes to. */
#define ORDERS_ARENA_BYTES (16u << 20)

struct orders {
    struct env *env;
    struct mem *mem;
    struct quorum *quorum;
    struct peers *peers; /* NULL: this node is its own quorum */
    struct orders_self self;
    int64_t heard_until_ns;
    struct list list; /* struct order, those that are under way */
    bool ended;
    const char *cluster_id;
};

#endif
