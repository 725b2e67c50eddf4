/* heap.c - the pairing heap: melds, and the two passes that pair the children of a node that left.
 */
#include "base/heap.h"

void heap_init(struct heap *heap, heap_before *before)
{
    *heap = (struct heap){.before = before};
}

/* Makes the later root the eldest child of the other. Either may be NULL. */
static struct heap_node *meld(const struct heap *heap, struct heap_node *a, struct heap_node *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    struct heap_node *winner = heap->before(b, a) ? b : a;
    struct heap_node *loser = winner == a ? b : a;
    loser->prev = winner;
    loser->next = winner->child;
    if (winner->child != NULL)
        winner->child->prev = loser;
    winner->child = loser;
    return winner;
}

static struct heap_node *detach_eldest(struct heap_node **siblings)
{
    struct heap_node *node = *siblings;
    if (node != NULL) {
        *siblings = node->next;
        node->next = NULL;
        node->prev = NULL;
    }
    return node;
}

/* Melds siblings pair by pair from the left, then the pairs from the right: this order is what
 * makes a removal O(log n) amortised. A loop, for a heap may be a million siblings wide. */
static struct heap_node *meld_siblings(const struct heap *heap, struct heap_node *siblings)
{
    struct heap_node *pairs = NULL;
    while (siblings != NULL) {
        struct heap_node *a = detach_eldest(&siblings);
        struct heap_node *b = detach_eldest(&siblings);
        struct heap_node *pair = meld(heap, a, b);
        pair->next = pairs;
        pairs = pair;
    }
    struct heap_node *root = NULL;
    while (pairs != NULL) {
        struct heap_node *pair = detach_eldest(&pairs);
        root = meld(heap, root, pair);
    }
    return root;
}

void heap_insert(struct heap *heap, struct heap_node *node)
{
    ASSERT(!node->queued);
    *node = (struct heap_node){.queued = true};
    heap->root = meld(heap, heap->root, node);
}

/* Takes a node that is not the root out of its siblings; its own children stay with it. */
static void cut(struct heap_node *node)
{
    if (node->prev->child == node)
        node->prev->child = node->next;
    else
        node->prev->next = node->next;
    if (node->next != NULL)
        node->next->prev = node->prev;
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    ASSERT(node->queued);
    ASSERT(heap->root != NULL);
    struct heap_node *orphans = meld_siblings(heap, node->child);
    if (heap->root == node) {
        heap->root = orphans;
    } else {
        ASSERT(node->prev != NULL);
        cut(node);
        heap->root = meld(heap, heap->root, orphans);
    }
    *node = (struct heap_node){0};
}

struct heap_node *heap_pop(struct heap *heap)
{
    struct heap_node *min = heap->root;
    if (min != NULL)
        heap_remove(heap, min);
    return min;
}
