/* state_test.c - the text of quorum-state: what is written is read, both versions of Kafka's are,
 * and nothing else. */
#include "quorum/internal.h"
#include "support/test.h"

static bool parse(const char *text, struct raft_state *state)
{
    return quorum_state_parse(bytes_text(text), state);
}

TEST(a_state_is_read_as_it_was_written)
{
    struct test_mem mem;
    struct text text;
    struct raft_state before = {.epoch = 7, .leader_id = RAFT_NOBODY, .voted.id = 2}, after;
    struct raft_voters voters = {.keys = {{.id = 1}, {.id = 2}, {.id = 3}}, .count = 3};
    test_mem_init(&mem);
    text_init(&text, &mem.mem);
    quorum_state_print(&text, &before, &voters);
    assert_string_equal(text.data,
                        "{\"clusterId\":\"\",\"leaderId\":-1,\"leaderEpoch\":7,\"votedId\":2,"
                        "\"appliedOffset\":0,\"currentVoters\":[{\"voterId\":1},{\"voterId\":2},"
                        "{\"voterId\":3}],\"data_version\":0}");
    assert_true(quorum_state_parse(bytes_of(text.data, text.size), &after));
    assert_int_equal(after.epoch, 7);
    assert_int_equal(after.leader_id, RAFT_NOBODY);
    assert_int_equal(after.voted.id, 2);
    text_free(&text);
    test_mem_done(&mem);
}

/* As FileQuorumStateStore of Kafka 4.3.1 writes them, and with blanks. */
TEST(both_versions_of_kafkas_are_read)
{
    static const struct wire_uuid zero;
    struct raft_state got;
    assert_true(parse("{\"leaderId\":3,\"leaderEpoch\":12,\"votedId\":-1,\"votedDirectoryId\":"
                      "\"AAAAAAAAAAAAAAAAAAAAAA\",\"data_version\":1}",
                      &got));
    assert_int_equal(got.epoch, 12);
    assert_int_equal(got.leader_id, 3);
    assert_int_equal(got.voted.id, RAFT_NOBODY);
    assert_true(parse("{\"leaderId\":-1,\"leaderEpoch\":2,\"votedId\":1,\"votedDirectoryId\":"
                      "\"Q7Pj6OXHRlK_aQ72lS_qmA\",\"data_version\":1}",
                      &got));
    assert_int_equal(got.voted.id, 1);
    assert_false(wire_uuid_equal(&got.voted.directory, &zero));
    assert_true(
        parse(" { \"clusterId\" : \"abc\" ,\n\"leaderId\": 1, \"leaderEpoch\": 0, \"votedId\":"
              " -1, \"appliedOffset\": 5, \"currentVoters\": null, \"data_version\": 0 }\n",
              &got));
    assert_int_equal(got.leader_id, 1);
    assert_true(parse("{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":1,\"currentVoters\":[],"
                      "\"data_version\":0}",
                      &got));
}

TEST(what_is_no_state_is_not_read)
{
    static const char *const texts[] = {
        "",
        "{}",
        "null",
        "[]",
        "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":1}",
        "{\"leaderId\":1,\"leaderEpoch\":1,\"data_version\":0}",
        "{\"leaderId\":1,\"votedId\":1,\"data_version\":0}",
        "{\"leaderEpoch\":1,\"votedId\":1,\"data_version\":0}",
        "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":1,\"data_version\":2}",
        "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":1,\"data_version\":1}",
        "{\"leaderId\":1,\"leaderEpoch\":-1,\"votedId\":1,\"data_version\":0}",
        "{\"leaderId\":1,\"leaderEpoch\":2147483647,\"votedId\":1,\"data_version\":0}",
        "{\"leaderId\":-2,\"leaderEpoch\":1,\"votedId\":1,\"data_version\":0}",
        "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":4294967297,\"data_version\":0}",
        "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":1,\"votedId\":2,\"data_version\":0}",
        "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":1,\"other\":2,\"data_version\":0}",
        "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":1,\"data_version\":0}}",
        "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":1,\"data_version\":0",
        "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":1,,\"data_version\":0}",
        "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":1,\"data_version\":0,}",
        "{\"leaderId\":1,\"leaderEpoch\":1.0,\"votedId\":1,\"data_version\":0}",
        "{\"leaderId\":\"1\",\"leaderEpoch\":1,\"votedId\":1,\"data_version\":0}",
        "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":1,\"currentVoters\":[{}],\"data_version\":"
        "0}",
        "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":1,\"currentVoters\":[{\"voterId\":1}"
        ",],\"data_version\":0}",
        "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":1,\"votedDirectoryId\":\"short\","
        "\"data_version\":1}",
    };
    struct raft_state got;
    for (int i = 0; i < COUNT_OF(texts); i++) {
        if (parse(texts[i], &got))
            print_message("%s\n", texts[i]);
        assert_false(parse(texts[i], &got));
    }
}

/* However much of it a crash has left. */
TEST(a_torn_state_is_not_read)
{
    static const char text[] =
        "{\"clusterId\":\"\",\"leaderId\":3,\"leaderEpoch\":12,\"votedId\":-1,"
        "\"appliedOffset\":0,\"currentVoters\":[{\"voterId\":1}],"
        "\"data_version\":0}";
    struct raft_state got;
    for (size_t size = 0; size + 1 < sizeof text; size++)
        assert_false(quorum_state_parse(bytes_of(text, size), &got));
    assert_true(quorum_state_parse(bytes_of(text, sizeof text - 1), &got));
}

/* QuorumStateData.json, version 1, as FileQuorumStateStore writes it where the log has the voters.
 */
TEST(the_state_of_a_quorum_whose_log_has_its_voters_is_kafkas)
{
    struct test_mem mem;
    struct text text;
    struct raft_state before = {.epoch = 2, .leader_id = RAFT_NOBODY, .voted.id = 1}, after;
    test_mem_init(&mem);
    assert_ok(wire_uuid_parse(bytes_text("Q7Pj6OXHRlK_aQ72lS_qmA"), &before.voted.directory));
    text_init(&text, &mem.mem);
    quorum_state_print(&text, &before, NULL);
    assert_string_equal(text.data,
                        "{\"leaderId\":-1,\"leaderEpoch\":2,\"votedId\":1,\"votedDirectoryId\":"
                        "\"Q7Pj6OXHRlK_aQ72lS_qmA\",\"data_version\":1}");
    assert_true(quorum_state_parse(bytes_of(text.data, text.size), &after));
    assert_true(wire_uuid_equal(&after.voted.directory, &before.voted.directory));
    text_free(&text);
    test_mem_done(&mem);
}
