/* quorum_test.c - histories of a metadata quorum of three, and what each must be found to break. */
#include "run.h"

#define METADATA trace_partition("__cluster_metadata", 0)
#define SECOND 1000000000ll

enum { UNATTACHED, PROSPECTIVE, CANDIDATE, LEADER, FOLLOWER, RESIGNED };

/* Nodes 0, 1 and 2 have ids 100, 101 and 102. */
static int64_t id_of(uint32_t node)
{
    return 100 + (int64_t)node;
}

static void quorum(struct run *r)
{
    begin(r, (struct check_contract){.retention_ms = -1, .voter_count = 3});
    for (uint32_t node = 0; node < 3; node++) {
        SAY(r, node, LOG_OPEN, METADATA, 0, 0, 0, 1);
        SAY(r, node, QUORUM_ROLE, 0, UNATTACHED, -1, -1, 0);
    }
}

static void role(struct run *r, uint32_t node, int64_t epoch, int64_t is, int64_t leader)
{
    SAY(r, node, QUORUM_ROLE, epoch, is, leader, -1, 0);
}

static void saved(struct run *r, uint32_t node, int64_t epoch, int64_t leader, int64_t voted)
{
    SAY(r, node, QUORUM_SAVED, epoch, leader, voted);
}

static void vote(struct run *r, uint32_t node, int64_t epoch, int64_t candidate)
{
    saved(r, node, epoch, -1, candidate);
    SAY(r, node, QUORUM_VOTE, epoch, candidate, 1, 0);
}

static void log_append(struct run *r, uint32_t node, uint64_t first, uint64_t crc, int64_t epoch)
{
    SAY(r, node, LOG_APPEND, METADATA, first, first, crc, -1, -1, 100, -1, epoch);
}

static void log_sync(struct run *r, uint32_t node, uint64_t to)
{
    SAY(r, node, LOG_WRITTEN, METADATA, to);
    SAY(r, node, LOG_DURABLE, METADATA, to);
}

static void log_store(struct run *r, uint32_t node, uint64_t first, uint64_t crc, int64_t epoch)
{
    log_append(r, node, first, crc, epoch);
    log_sync(r, node, first + 1);
}

static void commit(struct run *r, uint32_t node, int64_t epoch, uint64_t to)
{
    SAY(r, node, QUORUM_COMMIT, epoch, to, to);
}

static void stand(struct run *r, uint32_t node, int64_t epoch)
{
    role(r, node, epoch - 1, PROSPECTIVE, -1);
    role(r, node, epoch, CANDIDATE, -1);
    saved(r, node, epoch, -1, id_of(node));
}

static void lead(struct run *r, uint32_t node, int64_t epoch)
{
    role(r, node, epoch, LEADER, id_of(node));
    saved(r, node, epoch, id_of(node), id_of(node));
}

static void follow(struct run *r, uint32_t node, int64_t epoch, uint32_t leader)
{
    role(r, node, epoch, FOLLOWER, id_of(leader));
}

static void elect(struct run *r, uint32_t node, int64_t epoch, uint32_t voter)
{
    stand(r, node, epoch);
    role(r, voter, epoch, UNATTACHED, -1);
    vote(r, voter, epoch, id_of(node));
    lead(r, node, epoch);
    follow(r, voter, epoch, node);
}

/* The leader's batch is on its disk and on one follower's, and both know it. */
static void replicate(struct run *r, uint32_t from, uint32_t to, uint64_t offset, int64_t epoch)
{
    log_store(r, from, offset, 7 + offset, epoch);
    log_store(r, to, offset, 7 + offset, epoch);
    commit(r, from, epoch, offset + 1);
    commit(r, to, epoch, offset + 1);
}

static void die(struct run *r, uint32_t node)
{
    SAY(r, node, NODE_KILL, 0);
}

/* As a life of the given number; the others keep theirs. */
static void live(struct run *r, uint32_t node, uint16_t life, uint64_t end, int64_t epoch,
                 int64_t first_role)
{
    r->incarnation = life;
    SAY(r, node, LOG_OPEN, METADATA, 0, end, 0, 0);
    SAY(r, node, LOG_DURABLE, METADATA, end);
    SAY(r, node, QUORUM_ROLE, epoch, first_role, -1, -1, 0);
    r->incarnation = 0;
}

TEST(elections_votes_and_commits_as_they_must_be_are_no_finding)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    follow(&r, 2, 1, 0);
    replicate(&r, 0, 1, 0, 1);
    replicate(&r, 0, 1, 1, 1);
    assert_int_equal(check_counts(r.check)->elections, 1);
    assert_int_equal(check_counts(r.check)->committed, 2);
    die(&r, 0);
    stand(&r, 1, 2);
    role(&r, 2, 2, UNATTACHED, -1);
    vote(&r, 2, 2, 101);
    lead(&r, 1, 2);
    follow(&r, 2, 2, 1);
    log_store(&r, 2, 0, 7, 1);
    log_store(&r, 2, 1, 8, 1);
    replicate(&r, 1, 2, 2, 2);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(what_is_said_again_is_no_second_vote_and_no_second_leader)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    SAY(&r, 1, QUORUM_VOTE, 1, 100, 1, 0);
    role(&r, 0, 1, LEADER, 100);
    assert_int_equal(check_counts(r.check)->elections, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(two_leaders_of_an_epoch_are_found)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    stand(&r, 2, 1);
    lead(&r, 2, 1);
    expect_only(&r, CHECK_TWO_CONTROLLERS);
}

/* KAFKA-10527: who led resumes in its epoch, and writes other records at the same offsets. */
TEST(a_life_that_leads_on_in_the_epoch_of_the_one_before_is_found)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    die(&r, 0);
    live(&r, 0, 1, 0, 1, CANDIDATE);
    r.incarnation = 1;
    lead(&r, 0, 1);
    expect_only(&r, CHECK_TWO_CONTROLLERS);
}

/* It died before anything that depended on leading was done: it may be elected again. */
TEST(a_leader_whose_state_was_not_saved_has_not_led)
{
    struct run r;
    quorum(&r);
    stand(&r, 0, 1);
    role(&r, 1, 1, UNATTACHED, -1);
    vote(&r, 1, 1, 100);
    role(&r, 0, 1, LEADER, 100);
    die(&r, 0);
    live(&r, 0, 1, 0, 1, CANDIDATE);
    r.incarnation = 1;
    lead(&r, 0, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(a_second_vote_in_an_epoch_is_found)
{
    struct run r;
    quorum(&r);
    vote(&r, 1, 1, 100);
    SAY(&r, 1, QUORUM_VOTE, 1, 102, 0, 0); /* refused */
    SAY(&r, 1, QUORUM_VOTE, 2, 102, 1, 1); /* a pre-vote */
    assert_int_equal(count(&r, CHECK_VOTED_TWICE), 0);
    vote(&r, 1, 1, 102);
    expect_only(&r, CHECK_VOTED_TWICE);
}

TEST(a_vote_that_a_restart_forgot_is_found)
{
    struct run r;
    quorum(&r);
    vote(&r, 1, 1, 100);
    die(&r, 1);
    live(&r, 1, 1, 0, 1, UNATTACHED);
    saved(&r, 1, 1, -1, -1);
    expect_only(&r, CHECK_VOTED_TWICE);
}

/* With the disk its vote was lost, and a quorum of static voters cannot know of it. */
TEST(a_second_vote_on_a_disk_that_was_lost_is_allowed)
{
    struct run r;
    quorum(&r);
    vote(&r, 1, 1, 100);
    die(&r, 1);
    say(&r, 1, TRACE_FAULT, &(const struct trace_FAULT){hash_text("disk lose"), 0, 0}, "disk lose");
    live(&r, 1, 1, 0, 0, UNATTACHED);
    r.incarnation = 1;
    vote(&r, 1, 1, 102);
    assert_int_equal(check_finding(r.check, CHECK_VOTED_TWICE)->allowed_count > 0, true);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(a_vote_that_leaves_before_it_is_saved_is_found)
{
    struct run r;
    quorum(&r);
    SAY(&r, 1, QUORUM_VOTE, 1, 100, 1, 0);
    expect_only(&r, CHECK_VOTE_NOT_SAVED);
}

TEST(an_epoch_that_goes_back_is_found)
{
    struct run r;
    quorum(&r);
    role(&r, 1, 5, UNATTACHED, -1);
    role(&r, 1, 4, UNATTACHED, -1);
    expect_only(&r, CHECK_QUORUM_EPOCH_BACK);
    quorum(&r);
    saved(&r, 1, 5, -1, -1);
    die(&r, 1);
    live(&r, 1, 1, 0, 4, UNATTACHED);
    expect_only(&r, CHECK_QUORUM_EPOCH_BACK);
    /* What was not saved may be forgotten. */
    quorum(&r);
    role(&r, 1, 5, UNATTACHED, -1);
    die(&r, 1);
    live(&r, 1, 1, 0, 0, UNATTACHED);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(a_role_that_no_node_may_take_is_found)
{
    static const int64_t cases[][2] = {
        {UNATTACHED, LEADER}, {FOLLOWER, CANDIDATE}, {LEADER, CANDIDATE}, {RESIGNED, LEADER}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct run r;
        quorum(&r);
        if (cases[i][0] == LEADER || cases[i][0] == RESIGNED)
            elect(&r, 1, 1, 0);
        if (cases[i][0] != LEADER)
            role(&r, 1, 1, cases[i][0], 102);
        role(&r, 1, 1, cases[i][1], 101);
        expect_only(&r, CHECK_ROLE_OUT_OF_TURN);
    }
}

TEST(a_life_that_begins_as_a_leader_is_found)
{
    struct run r;
    quorum(&r);
    die(&r, 1);
    live(&r, 1, 1, 0, 1, LEADER);
    expect_only(&r, CHECK_ROLE_OUT_OF_TURN);
}

/* KAFKA-10533 and etcd #14370: an end that is not on the disk counts. */
TEST(what_too_few_have_on_disk_must_not_be_committed)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    log_store(&r, 0, 0, 7, 1);
    log_append(&r, 1, 0, 7, 1);
    commit(&r, 0, 1, 1);
    expect_only(&r, CHECK_COMMITTED_EARLY);
}

/* The life after a kill reads what was durable before anybody counts it anew. */
TEST(what_a_dead_voter_has_on_disk_counts)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    log_store(&r, 0, 0, 7, 1);
    log_store(&r, 1, 0, 7, 1);
    die(&r, 1);
    commit(&r, 0, 1, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* The Raft paper's figure 8: a record of an older epoch is on a majority, and none of this one. */
TEST(an_older_epochs_record_must_not_be_committed_by_counting)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    log_store(&r, 0, 0, 7, 1);
    stand(&r, 0, 2);
    lead(&r, 0, 2);
    log_store(&r, 1, 0, 7, 1);
    commit(&r, 0, 2, 1);
    end(&r);
    assert_int_equal(count(&r, CHECK_COMMITTED_EARLY), 1);
    check_free(r.check);
    test_mem_done(&r.mem);
}

TEST(a_follower_that_knows_more_to_be_committed_than_any_leader_is_found)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    replicate(&r, 0, 1, 0, 1);
    log_store(&r, 1, 1, 9, 1);
    commit(&r, 1, 1, 2);
    expect_only(&r, CHECK_COMMITTED_UNKNOWN);
}

TEST(a_watermark_that_goes_back_within_a_life_is_found)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    replicate(&r, 0, 1, 0, 1);
    replicate(&r, 0, 1, 1, 1);
    commit(&r, 1, 1, 1);
    expect_only(&r, CHECK_WATERMARK_BACK);
}

TEST(a_watermark_ahead_of_its_own_disk_is_found)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    replicate(&r, 0, 1, 0, 1);
    log_append(&r, 2, 0, 7, 1);
    SAY(&r, 2, QUORUM_COMMIT, 1, 1, 0);
    expect_only(&r, CHECK_WATERMARK_AHEAD);
}

TEST(a_leader_with_a_shorter_log_than_what_was_committed_is_found)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    replicate(&r, 0, 1, 0, 1);
    die(&r, 0);
    elect(&r, 2, 2, 1);
    expect_only(&r, CHECK_LEADER_INCOMPLETE);
}

TEST(a_committed_record_that_another_has_otherwise_is_found)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    follow(&r, 2, 1, 0);
    replicate(&r, 0, 1, 0, 1);
    log_store(&r, 2, 0, 99, 1);
    expect_only(&r, CHECK_LOG_DIVERGED);
}

TEST(a_follower_that_cuts_what_is_committed_is_found)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    replicate(&r, 0, 1, 0, 1);
    SAY(&r, 1, LOG_CUT, METADATA, 0, 1, 0);
    expect_only(&r, CHECK_COMMITTED_CUT);
}

TEST(images_of_one_offset_that_differ_are_found)
{
    struct run r;
    quorum(&r);
    SAY(&r, 0, QUORUM_IMAGE, 10, 77);
    SAY(&r, 1, QUORUM_IMAGE, 10, 77);
    SAY(&r, 1, QUORUM_IMAGE, 20, 78);
    assert_int_equal(check_counts(r.check)->images_compared, 1);
    assert_int_equal(count(&r, CHECK_IMAGES_DIFFER), 0);
    SAY(&r, 2, QUORUM_IMAGE, 20, 79);
    expect_only(&r, CHECK_IMAGES_DIFFER);
}

/* Two are there, nothing is broken, and nobody leads for more than half a minute. */
TEST(a_quorum_that_finds_no_leader_is_found)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    die(&r, 0);
    r.now_ns += 40 * SECOND;
    elect(&r, 1, 2, 2);
    expect_only(&r, CHECK_NO_CONTROLLER);
}

TEST(a_quorum_without_a_majority_needs_no_leader)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    die(&r, 0);
    die(&r, 1);
    r.now_ns += 40 * SECOND;
    live(&r, 1, 1, 0, 1, UNATTACHED);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(harm_that_lasts_keeps_a_quorum_from_a_leader)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    say(&r, 0, TRACE_FAULT, &(const struct trace_FAULT){hash_text("cut"), 0, 60 * SECOND}, "cut");
    role(&r, 0, 1, RESIGNED, -1);
    r.now_ns += 40 * SECOND;
    follow(&r, 0, 2, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* The leader had it committed by others; here the disk did not take it. */
TEST(an_append_that_the_disk_did_not_take_may_be_cut)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    follow(&r, 2, 1, 0);
    replicate(&r, 0, 1, 0, 1);
    log_append(&r, 2, 0, 7, 1);
    SAY(&r, 2, LOG_CUT, METADATA, 0, 1, 3);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* A leader that is asked to end hands over; two that lose it one after the other were not. */
TEST(a_quorum_that_elects_again_and_again_in_peace_is_found)
{
    for (int count = 1; count < 3; count++) {
        struct run r;
        quorum(&r);
        elect(&r, 0, 1, 1);
        r.now_ns += 40 * SECOND;
        elect(&r, 1, 2, 2);
        if (count == 2)
            elect(&r, 2, 3, 0);
        expect_only(&r, count == 2 ? CHECK_NEEDLESS_ELECTION : CHECK_CODE_COUNT);
    }
}

TEST(a_leader_that_ends_is_followed_by_another)
{
    struct run r;
    quorum(&r);
    elect(&r, 0, 1, 1);
    r.now_ns += 40 * SECOND;
    elect(&r, 1, 2, 2);
    SAY(&r, 0, NODE_EXIT, 0);
    r.now_ns += 40 * SECOND;
    elect(&r, 2, 3, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}
