/* mock_test.c - the client on a real machine against brokers that we did not write: librdkafka's
 * mock cluster, with its errors, its leaders that move and its connections that break. */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/loop/loop.h"
#include "posix/posix.h"
#include "support/test.h"

#define PARTITIONS 4
#define RECORDS 5000
#define POLL_RECORDS 500
#define GIVE_UP_NS (60 * 1000000000ll)

struct visit {
    struct mem mem;
    struct posix_env *env;
    struct trace trace;
    uint64_t rows[10240];
    struct loop_client client;
    struct loop_close closing;
    struct loop_send sends[RECORDS];
    char values[RECORDS][8];
    struct loop_poll poll;
    struct client_fetched records[POLL_RECORDS];
    struct client_assignment assigned[PARTITIONS];
    int last_read[PARTITIONS];
    int stored_count, read_count;
    bool closed;
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
};

static struct visit *current;

static void on_sent(struct loop_send *op)
{
    struct visit *v = current;
    if (op->send.op.outcome != CLIENT_OK)
        fail_msg("%s, code %d, %s", client_outcome_name(op->send.op.outcome), op->send.op.code,
                 err_text(op->send.op.err));
    assert_true(op->send.offset >= 0);
    v->stored_count++;
}

static void poll_next(struct visit *v)
{
    v->poll.poll.records = v->records;
    v->poll.poll.record_max = POLL_RECORDS;
    v->poll.poll.wait_ms = 100;
    loop_poll(&v->client, &v->poll);
}

static void on_polled(struct loop_poll *op)
{
    struct visit *v = CONTAINER_OF(op, struct visit, poll);
    if (op->poll.op.err == ERR_CANCELLED)
        return;
    assert_true(op->poll.notice == CLIENT_NOTICE_NONE || op->poll.notice == CLIENT_NOTICE_STARTED);
    for (int32_t i = 0; i < op->poll.record_count; i++) {
        const struct client_fetched *r = &op->poll.records[i];
        char text[8] = {0};
        memcpy(text, r->value.data, MIN(r->value.size, sizeof text - 1));
        int number = atoi(text), partition = r->assignment->partition;
        assert_int_equal(number % PARTITIONS, partition);
        assert_int_equal(number, v->last_read[partition] + PARTITIONS);
        v->last_read[partition] = number;
        v->read_count++;
    }
    poll_next(v);
}

static void on_closed(struct loop_close *op)
{
    CONTAINER_OF(op, struct visit, closing)->closed = true;
}

static struct visit *visit_new(const char *key, const char *value)
{
    struct visit *v = calloc(1, sizeof *v);
    struct client_config config;
    struct errmsg msg = {0};
    char text[256];
    current = v;
    mem_system(&v->mem);
    trace_init(&v->trace, v->rows, COUNT_OF(v->rows), false);
    v->rk = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof text);
    assert_non_null(v->rk);
    v->cluster = rd_kafka_mock_cluster_new(v->rk, 3);
    rd_kafka_mock_topic_create(v->cluster, "t", PARTITIONS, 1);
    assert_ok(posix_new(&v->env, &v->mem, NULL, NULL, &msg));
    config_defaults(&client_config_table, &config);
    snprintf(config.bootstrap_servers, sizeof config.bootstrap_servers, "%s",
             rd_kafka_mock_cluster_bootstraps(v->cluster));
    assert_ok(config_set(&client_config_table, &config, key, bytes_text(value), &msg));
    assert_ok(loop_start(&v->client, &v->env->env, &v->mem, &v->trace, &config, &msg));
    v->poll.done = on_polled;
    v->closing.done = on_closed;
    return v;
}

static void send_all(struct visit *v)
{
    for (int i = 0; i < RECORDS; i++) {
        snprintf(v->values[i], sizeof v->values[i], "%d", i);
        v->sends[i] = (struct loop_send){.send = {.topic = "t",
                                                  .partition = i % PARTITIONS,
                                                  .timestamp_ms = -1,
                                                  .value = bytes_text(v->values[i])},
                                         .done = on_sent};
        loop_send(&v->client, &v->sends[i]);
    }
}

/* From offset 0, not "earliest": the mock of librdkafka 2.0 answers ListOffsets 5 with four bytes
 * too many. */
static void read_all(struct visit *v)
{
    for (int i = 0; i < PARTITIONS; i++) {
        v->last_read[i] = i - PARTITIONS;
        v->assigned[i] =
            (struct client_assignment){.topic = "t", .partition = i, .start = CLIENT_START_OFFSET};
        loop_assign(&v->client, &v->assigned[i]);
    }
    poll_next(v);
}

static void run_until(struct visit *v, const int *count, int wanted)
{
    int64_t end_ns = env_now(&v->env->env) + GIVE_UP_NS;
    while (*count < wanted && env_now(&v->env->env) < end_ns)
        posix_poll(v->env, 100000000);
    assert_int_equal(*count, wanted);
}

static void visit_done(struct visit *v)
{
    loop_close(&v->client, &v->closing);
    while (!v->closed)
        posix_poll(v->env, -1);
    posix_free(v->env);
    rd_kafka_mock_cluster_destroy(v->cluster);
    rd_kafka_destroy(v->rk);
    assert_int_equal(v->mem.live_count, 0);
    free(v);
}

TEST(records_go_through_librdkafkas_brokers_and_back)
{
    struct visit *v = visit_new("linger.ms", "5");
    send_all(v);
    run_until(v, &v->stored_count, RECORDS);
    read_all(v);
    run_until(v, &v->read_count, RECORDS);
    visit_done(v);
}

/* One in flight: the mock does not look at sequences, so nothing else would keep the order. */
TEST(errors_of_librdkafkas_brokers_delay_and_lose_nothing)
{
    struct visit *v = visit_new("max.in.flight.requests.per.connection", "1");
    rd_kafka_mock_push_request_errors(v->cluster, 0, 4, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR__TRANSPORT); /* closes the connection */
    rd_kafka_mock_push_request_errors(v->cluster, 1, 2, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR__TRANSPORT);
    rd_kafka_mock_push_request_errors(v->cluster, 22, 2,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
                                      RD_KAFKA_RESP_ERR__TRANSPORT);
    send_all(v);
    read_all(v);
    run_until(v, &v->stored_count, RECORDS);
    run_until(v, &v->read_count, RECORDS);
    visit_done(v);
}

TEST(leaders_that_move_are_followed)
{
    struct visit *v = visit_new("batch.size", "500");
    send_all(v);
    read_all(v);
    for (int i = 0; i < 12; i++) {
        rd_kafka_mock_partition_set_leader(v->cluster, "t", i % PARTITIONS, 1 + i % 3);
        int64_t end_ns = env_now(&v->env->env) + 20000000;
        while (env_now(&v->env->env) < end_ns)
            posix_poll(v->env, 5000000);
    }
    run_until(v, &v->stored_count, RECORDS);
    run_until(v, &v->read_count, RECORDS);
    visit_done(v);
}
