/* topics_test.c - a topic that is made again under the name of a deleted one is another: what stood
 * in the old one counts no more, what stands in the new one does, and neither is taken for the
 * other. */
#include "run.h"

enum { NAME = 0x77, OLD = 0xa1, NEW = 0xb2, OTHER_BROKER = 5 };

static void log_of(struct run *r, uint32_t broker, uint64_t id, uint64_t to)
{
    SAY(r, broker, LOG_OPENS, .partition = P, .topic_id = id);
    SAY(r, broker, LOG_OPEN, .partition = P, .end = to, .topic_id = id);
}

/* One record is sent to the name, and stored in the topic of that id. */
static void store_in(struct run *r, uint64_t id, uint64_t vid, uint64_t offset)
{
    SAY(r, PRODUCER, PRODUCE_INVOKE, .partition = P, .vid = vid, .key = 1, .body = BODY,
        .flags = ALL);
    SAY(r, BROKER, LOG_APPEND, .partition = P, .first = offset, .last = offset, .producer_id = -1,
        .topic_id = id);
    SAY(r, PRODUCER, PRODUCE_OK, .partition = P, .vid = vid, .offset = offset, .topic_id = id);
}

static void read_from(struct run *r, uint64_t id, uint64_t vid, uint64_t offset)
{
    SAY(r, READER, POLL_RECORD, .op = 1, .partition = P, .offset = offset, .vid = vid, .key = 1,
        .body = BODY, .topic_id = id);
}

static void add(struct run *r, uint32_t broker, uint64_t id)
{
    SAY(r, broker, TOPIC_ADDED, .topic = NAME, .partitions = 1, .topic_id = id);
}

static void final_of(struct run *r, uint64_t id, uint64_t to)
{
    SAY(r, READER, FINAL_READ, .partition = P, .end = to, .topic_id = id);
}

/* Two records stand in the old topic, both acknowledged. */
static void old_topic(struct run *r)
{
    durable(r);
    add(r, BROKER, OLD);
    SAY(r, PRODUCER, TOPIC_CREATE_OK, .topic = NAME, .partitions = 1, .topic_id = OLD);
    log_of(r, BROKER, OLD, 0);
    store_in(r, OLD, VID(1, 0), 0);
    store_in(r, OLD, VID(1, 1), 1);
}

static void delete_old(struct run *r)
{
    SAY(r, PRODUCER, TOPIC_DELETE_INVOKE, .topic = NAME);
    SAY(r, BROKER, TOPIC_REMOVED, .topic = NAME, .partitions = 1, .topic_id = OLD);
    SAY(r, PRODUCER, TOPIC_DELETE_END, .topic = NAME, .known = 1);
}

static void made_anew(struct run *r)
{
    old_topic(r);
    delete_old(r);
    add(r, BROKER, NEW);
    log_of(r, BROKER, NEW, 0);
}

TEST(a_topic_that_is_made_again_begins_at_no_offset)
{
    struct run r;
    old_topic(&r);
    read_from(&r, OLD, VID(1, 0), 0);
    delete_old(&r);
    add(&r, BROKER, NEW);
    log_of(&r, BROKER, NEW, 0);
    store_in(&r, NEW, VID(1, 2), 0);
    read_from(&r, NEW, VID(1, 2), 0);
    final_of(&r, NEW, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(a_record_lost_in_the_new_topic_is_found)
{
    struct run r;
    made_anew(&r);
    store_in(&r, NEW, VID(1, 2), 0);
    final_of(&r, NEW, 1);
    expect_only(&r, CHECK_LOST_WRITE);
}

TEST(a_record_lost_in_a_topic_whose_deletion_was_asked_for_in_vain_is_found)
{
    struct run r;
    old_topic(&r);
    SAY(&r, PRODUCER, TOPIC_DELETE_INVOKE, .topic = NAME);
    SAY(&r, PRODUCER, TOPIC_DELETE_END, .topic = NAME);
    read_from(&r, OLD, VID(1, 0), 0);
    final_of(&r, OLD, 2);
    expect_only(&r, CHECK_LOST_WRITE);
}

static void send(struct run *r, uint64_t vid)
{
    SAY(r, PRODUCER, PRODUCE_INVOKE, .partition = P, .vid = vid, .key = 1, .body = BODY,
        .flags = ALL);
}

static void stored(struct run *r, uint64_t vid, uint64_t offset)
{
    SAY(r, BROKER, LOG_APPEND, .partition = P, .first = offset, .last = offset, .producer_id = -1,
        .topic_id = NEW);
    SAY(r, PRODUCER, PRODUCE_OK, .partition = P, .vid = vid, .offset = offset, .topic_id = NEW);
}

/* A new log takes whichever sequence comes first (I-1): what was under way as the old one went may
 * come behind what was sent later. */
TEST(what_was_sent_to_the_old_topic_has_no_order_in_the_new_one)
{
    struct run r;
    old_topic(&r);
    send(&r, VID(1, 2));
    delete_old(&r);
    add(&r, BROKER, NEW);
    log_of(&r, BROKER, NEW, 0);
    send(&r, VID(1, 3));
    stored(&r, VID(1, 3), 0);
    stored(&r, VID(1, 2), 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(what_was_sent_to_the_new_topic_keeps_its_order_there)
{
    struct run r;
    made_anew(&r);
    send(&r, VID(1, 2));
    send(&r, VID(1, 3));
    stored(&r, VID(1, 3), 0);
    stored(&r, VID(1, 2), 1);
    expect_only(&r, CHECK_NONMONOTONIC_SEND);
}

TEST(a_record_of_the_old_topic_that_is_read_in_the_new_one_is_found)
{
    struct run r;
    made_anew(&r);
    read_from(&r, NEW, VID(1, 0), 0);
    final_of(&r, NEW, 1);
    expect_only(&r, CHECK_OTHER_TOPIC);
}

/* It was stored in the old topic, nobody was told so, and the producer sent it again. */
TEST(a_record_without_an_answer_may_stand_in_both)
{
    struct run r;
    old_topic(&r);
    SAY(&r, PRODUCER, PRODUCE_INVOKE, .partition = P, .vid = VID(1, 2), .key = 1, .body = BODY,
        .flags = ALL);
    read_from(&r, OLD, VID(1, 2), 0); /* the reader begins there */
    delete_old(&r);
    add(&r, BROKER, NEW);
    log_of(&r, BROKER, NEW, 0);
    SAY(&r, PRODUCER, PRODUCE_OK, .partition = P, .vid = VID(1, 2), .offset = 0, .topic_id = NEW);
    read_from(&r, NEW, VID(1, 2), 0);
    final_of(&r, NEW, 1);
    end(&r);
    assert_int_equal(count(&r, CHECK_OTHER_TOPIC), 0);
    assert_int_equal(count(&r, CHECK_DUPLICATE), 0);
    check_free(r.check);
    test_mem_done(&r.mem);
}

/* A producer that has not heard of the deletion says the old topic's id, and either may have taken
 * the record when it left before the deletion; later only the new one can. */
TEST(an_answer_that_names_a_removed_topic_speaks_of_the_new_one_or_of_none)
{
    for (int late = 0; late < 2; late++) {
        struct run r;
        old_topic(&r);
        if (!late)
            SAY(&r, PRODUCER, PRODUCE_INVOKE, .partition = P, .vid = VID(1, 2), .flags = ALL);
        delete_old(&r);
        add(&r, BROKER, NEW);
        log_of(&r, BROKER, NEW, 0);
        if (late)
            SAY(&r, PRODUCER, PRODUCE_INVOKE, .partition = P, .vid = VID(1, 2), .flags = ALL);
        SAY(&r, PRODUCER, PRODUCE_OK, .partition = P, .vid = VID(1, 2), .topic_id = OLD);
        final_of(&r, NEW, 1);
        expect_only(&r, late ? CHECK_LOST_WRITE : CHECK_CODE_COUNT);
    }
}

TEST(a_new_log_that_begins_with_records_has_them_from_another_topic)
{
    struct run r;
    old_topic(&r);
    delete_old(&r);
    add(&r, BROKER, NEW);
    log_of(&r, BROKER, NEW, 2);
    expect_only(&r, CHECK_OTHER_TOPIC);
}

TEST(a_log_that_is_opened_again_begins_with_its_own)
{
    struct run r;
    old_topic(&r);
    log_of(&r, BROKER, OLD, 2);
    delete_old(&r);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* One that has not heard of the removal yet is no finding. */
TEST(a_log_of_a_removed_topic_that_is_opened_again_returns)
{
    for (int knows = 0; knows < 2; knows++) {
        struct run r;
        old_topic(&r);
        delete_old(&r);
        log_of(&r, knows ? BROKER : OTHER_BROKER, OLD, 2);
        expect_only(&r, knows ? CHECK_TOPIC_RETURNED : CHECK_CODE_COUNT);
    }
}

/* Nobody can take back what the disk is doing; an opening that begins later is another matter. */
TEST(a_log_whose_opening_was_under_way_when_its_topic_was_removed_has_not_returned)
{
    for (int later = 0; later < 2; later++) {
        struct run r;
        old_topic(&r);
        SAY(&r, BROKER, LOG_OPENS, .partition = P, .topic_id = OLD);
        delete_old(&r);
        SAY(&r, BROKER, LOG_OPEN, .partition = P, .end = 2, .topic_id = OLD);
        if (later)
            SAY(&r, BROKER, LOG_OPENS, .partition = P, .topic_id = OLD);
        expect_only(&r, later ? CHECK_TOPIC_RETURNED : CHECK_CODE_COUNT);
    }
}

static void list(struct run *r, uint64_t id)
{
    SAY(r, PRODUCER, TOPIC_SEEN, .topic = NAME, .topic_id = id);
    SAY(r, PRODUCER, TOPIC_SEEN, .topic = 0);
}

TEST(a_removed_topic_that_is_listed_returns)
{
    struct run r;
    old_topic(&r);
    delete_old(&r);
    list(&r, OLD);
    expect_only(&r, CHECK_TOPIC_RETURNED);
}

/* Of two brokers one may not have heard of it yet. */
TEST(a_removed_topic_that_a_broker_lists_late_has_not_returned)
{
    for (int all = 0; all < 2; all++) {
        struct run r;
        old_topic(&r);
        SAY(&r, BROKER, BROKER_READY, .broker = 1);
        SAY(&r, OTHER_BROKER, BROKER_READY, .broker = 2);
        delete_old(&r);
        if (all)
            SAY(&r, OTHER_BROKER, TOPIC_REMOVED, .topic = NAME, .partitions = 1, .topic_id = OLD);
        list(&r, OLD);
        expect_only(&r, all ? CHECK_TOPIC_RETURNED : CHECK_CODE_COUNT);
    }
}

TEST(a_topic_that_goes_although_nobody_asked_is_lost)
{
    for (int asked = 0; asked < 2; asked++) {
        struct run r;
        old_topic(&r);
        if (asked)
            SAY(&r, PRODUCER, TOPIC_DELETE_INVOKE, .topic = NAME);
        SAY(&r, BROKER, TOPIC_REMOVED, .topic = NAME, .partitions = 1, .topic_id = OLD);
        expect_only(&r, asked ? CHECK_CODE_COUNT : CHECK_LOST_TOPIC);
    }
}

TEST(a_topic_whose_place_another_one_takes_is_lost)
{
    struct run r;
    old_topic(&r);
    add(&r, BROKER, NEW);
    expect_only(&r, CHECK_LOST_TOPIC);
}

/* The old one is listed, the new one was acknowledged. */
TEST(an_acknowledged_topic_is_lost_although_one_of_its_name_is_listed)
{
    struct run r;
    made_anew(&r);
    SAY(&r, PRODUCER, TOPIC_CREATE_OK, .topic = NAME, .partitions = 1, .topic_id = NEW);
    SAY(&r, PRODUCER, TOPIC_SEEN, .topic = NAME, .topic_id = 0xcc);
    SAY(&r, PRODUCER, TOPIC_SEEN, .topic = 0);
    expect_only(&r, CHECK_LOST_TOPIC);
}

/* Nobody knows what became of it: it may yet take the topic that is made next. */
TEST(a_deletion_without_an_answer_may_take_a_later_topic)
{
    for (int known = 0; known < 2; known++) {
        struct run r;
        durable(&r);
        SAY(&r, PRODUCER, TOPIC_DELETE_INVOKE, .topic = NAME);
        SAY(&r, PRODUCER, TOPIC_DELETE_END, .topic = NAME, .known = known);
        add(&r, BROKER, NEW);
        SAY(&r, BROKER, TOPIC_REMOVED, .topic = NAME, .partitions = 1, .topic_id = NEW);
        expect_only(&r, known ? CHECK_LOST_TOPIC : CHECK_CODE_COUNT);
    }
}
