/* voters_test.c - kraft.version 1: who votes stands in the log, and a voter is a directory. */
#include "one.h"

/* The first leader writes down who votes, behind its LeaderChange; nobody does so again. */
TEST(the_first_leader_writes_down_who_votes)
{
    for (int known = 0; known < 2; known++) {
        struct one o;
        int32_t count;
        prepare(&o, 1);
        o.settings.writes_voters = true;
        if (known == 1) {
            has_log(&o, 1, 5);
            o.state.epoch = 1;
            o.sets[0].offset = 2;
        }
        begin(&o);
        assert_int_equal(raft_role(o.raft), RAFT_LEADER);
        assert_int_equal(o.out.log, RAFT_LOG_LEADER_CHANGE);
        assert_int_equal(o.out.log_count, known == 1 ? 1 : RAFT_FIRST_RECORDS);
        const struct raft_voter_set *sets = raft_voter_sets(o.raft, &count);
        assert_int_equal(count, known == 1 ? 1 : 2);
        assert_int_equal(sets[count - 1].offset, known == 1 ? 2 : 0);
        assert_int_equal(raft_voters(o.raft)->count, 1);
        end(&o);
    }
}

/* A disk that does not take them: who votes is as the configuration said. */
TEST(voters_that_were_not_written_are_written_again)
{
    struct one o;
    int32_t count;
    prepare(&o, 1);
    o.settings.writes_voters = true;
    begin(&o);
    saved(&o);
    take(&o, (struct raft_event){.type = RAFT_CUT, .cut.end = 0});
    const struct raft_voter_set *sets = raft_voter_sets(o.raft, &count);
    assert_int_equal(o.out.log_count, RAFT_FIRST_RECORDS);
    assert_int_equal(count, 2);
    assert_int_equal(sets[0].offset, -1);
    end(&o);
}

/* VoterSet.isVoter: of a voter whose directory is known no other is that voter, nor who keeps
 * silent of it. */
TEST(who_does_not_say_its_directory_is_no_voter_that_has_one)
{
    struct raft_key voter = key_of(1), silent = {.id = 1}, other = key_of(2);
    other.id = 1;
    assert_true(raft_key_votes(&voter, &voter));
    assert_false(raft_key_votes(&voter, &silent));
    assert_false(raft_key_votes(&voter, &other));
    assert_true(raft_key_votes(&silent, &voter));
}

/* It asks at an address that it was given, and stands for nothing. */
TEST(who_is_told_of_no_voters_asks_around)
{
    struct one o;
    prepare(&o, 0);
    o.settings.writes_voters = true;
    o.settings.bootstrap_count = 2;
    begin(&o);
    assert_false(raft_is_voter(o.raft));
    assert_int_equal(raft_role(o.raft), RAFT_UNATTACHED);
    assert_int_equal(o.out.message_count, 1);
    assert_int_equal(o.out.messages[0].api, RAFT_FETCH);
    assert_int_equal(o.out.messages[0].bootstrap, 0);
    o.now_ns += 60000 * MS;
    take(&o, (struct raft_event){.type = RAFT_TICK});
    assert_int_equal(raft_role(o.raft), RAFT_UNATTACHED);
    assert_int_equal(raft_state(o.raft)->epoch, 0);
    end(&o);
}
