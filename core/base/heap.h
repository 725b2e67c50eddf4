/* heap.h - an intrusive pairing heap: a priority queue that never allocates (Fredman et al., 1986).
 */
#ifndef KILN_BASE_HEAP_H
#define KILN_BASE_HEAP_H

#include "base/assert.h"

struct heap_node {
    struct heap_node *child, *next,
        *prev; /* prev: elder sibling, or the parent of an eldest child */
    bool queued;
};

/* True when a must leave before b. Must be a strict total order. */
typedef bool heap_before(const struct heap_node *a, const struct heap_node *b);

struct heap {
    heap_before *before;
    struct heap_node *root;
};

void heap_init(struct heap *heap, heap_before *before);
static inline bool heap_empty(const struct heap *heap)
{
    return heap->root == NULL;
}
/* The least node, or NULL. */
static inline struct heap_node *heap_min(const struct heap *heap)
{
    return heap->root;
}
/* node must not be queued anywhere. O(1). */
void heap_insert(struct heap *heap, struct heap_node *node);
/* node must be queued in this heap. O(log n) amortised. */
void heap_remove(struct heap *heap, struct heap_node *node);
/* Removes and returns the least node, NULL when empty. O(log n) amortised. */
struct heap_node *heap_pop(struct heap *heap);

#endif
