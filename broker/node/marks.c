/* marks.c - tells the metadata log which partitions have been made here, many in one batch. Until
 * that is durable nothing of them counts; a crash in between makes nothing worse, because they were
 * empty for everybody. */
#include "node/internal.h"

#define MARKS_MAX 4096 /* partitions of one batch */

void broker_marks_init(struct broker *b)
{
    list_init(&b->marking.waiting);
    list_init(&b->marking.under_way);
}

static void let_go(struct list *openings)
{
    LIST_EACH (o, openings, struct opening, link)
        broker_partitions_free_opening(o);
}

void broker_marks_free(struct broker *b)
{
    ASSERT(!b->marking.busy);
    let_go(&b->marking.waiting);
    let_go(&b->marking.under_way);
}

void broker_marks_add(struct broker *b, struct opening *o)
{
    ASSERT(o->unmarked);
    ASSERT(!list_linked(&o->link));
    list_push_back(&b->marking.waiting, &o->link);
}

static void on_assigned(struct order *order)
{
    struct broker *b = CONTAINER_OF(order, struct broker, marking.order);
    ASSERT(b->marking.busy);
    b->marking.busy = false;
    mem_free(b->mem, b->marking.places);
    b->marking.places = NULL;
    if (b->marking.assign.command.code !=
        WIRE_ERROR_NONE) { /* a full disk, perhaps: with the next that are made */
        list_splice_back(&b->marking.waiting, &b->marking.under_way);
        broker_partitions_later(b);
        return;
    }
    LIST_EACH (o, &b->marking.under_way, struct opening, link)
        replica_mark(o->replica);
    let_go(&b->marking.under_way);
    broker_marks_write(b);
}

static int32_t batch_count(struct broker *b)
{
    int32_t count = 0;
    LIST_EACH (o, &b->marking.waiting, struct opening, link) {
        if (count == MARKS_MAX)
            break;
        count++;
    }
    return count;
}

static void take_places(struct broker *b, struct controller_place *places, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        struct list *link = list_pop_front(&b->marking.waiting);
        list_push_back(&b->marking.under_way, link);
        places[i] = CONTAINER_OF(link, struct opening, link)->place;
    }
}

static void submit(struct broker *b, int32_t count)
{
    struct controller_assign_directories *assign = &b->marking.assign;
    controller_assign_directories_init(assign);
    assign->broker_id = quorum_node_id(b->quorum);
    assign->broker_epoch = broker_membership_epoch(b);
    memcpy(assign->directory.b, dir_id(b->dir), sizeof assign->directory.b);
    assign->places = b->marking.places;
    assign->count = count;
    orders_give(b->orders, &b->marking.order, &assign->command, ORDERS_FOREVER, on_assigned);
}

void broker_marks_write(struct broker *b)
{
    if (b->marking.busy || b->phase == BROKER_CLOSING || list_empty(&b->marking.waiting))
        return;
    int32_t count = batch_count(b);
    struct controller_place *places = mem_array(b->mem, (size_t)count, sizeof *places);
    if (places == NULL) {
        broker_partitions_later(b);
        return;
    }
    take_places(b, places, count);
    b->marking.busy = true;
    b->marking.places = places;
    submit(b, count);
}
