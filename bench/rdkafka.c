/* rdkafka.c - librdkafka as its users use it, as fast as it goes: one topic, delivery reports,
 * consumption in batches.
 *
 *   rdkafka produce PORT TOPIC RECORDS SIZE
 *   rdkafka consume PORT TOPIC PARTITIONS RECORDS
 *
 * Prints one line of key=value.
 */
#include <librdkafka/rdkafka.h>
#include <string.h>
#include "bench/common.h"

#define CONSUME_BATCH 10000
#define GIVE_UP_NS (120 * 1000000000ll)

static int64_t delivered, failed;

static void on_delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    (void)opaque;
    delivered++;
    failed += message->err != 0;
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char error[256];
    if (rd_kafka_conf_set(conf, key, value, error, sizeof error) != RD_KAFKA_CONF_OK)
        die("rdkafka: %s", error);
}

static rd_kafka_t *client_new(rd_kafka_type_t type, const char *port)
{
    char servers[64], error[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    snprintf(servers, sizeof servers, "127.0.0.1:%s", port);
    set(conf, "bootstrap.servers", servers);
    set(conf, "broker.address.family", "v4");
    if (type == RD_KAFKA_PRODUCER) {
        set(conf, "linger.ms", "5");
        set(conf, "batch.size", "1000000");
        set(conf, "queue.buffering.max.messages", "1000000");
        set(conf, "acks", "all");
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
    } else {
        set(conf, "fetch.message.max.bytes", "4194304");
        set(conf, "queued.max.messages.kbytes", "262144");
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, error, sizeof error);
    if (rk == NULL)
        die("rdkafka: %s", error);
    return rk;
}

static void report(int64_t records, int64_t start_ns)
{
    double seconds = (double)(clock_ns() - start_ns) / 1e9;
    printf("records=%lld seconds=%.3f records_s=%.0f\n", (long long)records, seconds,
           (double)records / seconds);
}

static void produce(const char *port, const char *topic, int64_t records, size_t size)
{
    rd_kafka_t *rk = client_new(RD_KAFKA_PRODUCER, port);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    uint8_t *value = malloc(size);
    const struct rd_kafka_metadata *metadata;
    uint64_t state = 1;
    for (size_t i = 0; i < size; i++)
        value[i] = (uint8_t)((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
    if (rd_kafka_metadata(rk, 0, rkt, &metadata, 10000) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
    int64_t start_ns = clock_ns();
    for (int64_t i = 0; i < records;) {
        if (rd_kafka_produce(rkt, RD_KAFKA_PARTITION_UA, 0, value, size, NULL, 0, NULL) == 0)
            i++;
        else
            rd_kafka_poll(rk, 1);
        if ((i & 1023) == 0)
            rd_kafka_poll(rk, 0);
    }
    while (delivered < records && clock_ns() - start_ns < GIVE_UP_NS)
        rd_kafka_poll(rk, 10);
    if (delivered < records || failed > 0)
        die("rdkafka: %lld records delivered, %lld failed", (long long)delivered,
            (long long)failed);
    report(records, start_ns);
}

static void consume(const char *port, const char *topic, int32_t partitions, int64_t records)
{
    static rd_kafka_message_t *messages[CONSUME_BATCH];
    rd_kafka_t *rk = client_new(RD_KAFKA_CONSUMER, port);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    int64_t start_ns = clock_ns(), have = 0;
    for (int32_t i = 0; i < partitions; i++)
        rd_kafka_consume_start_queue(rkt, i, RD_KAFKA_OFFSET_BEGINNING, queue);
    while (have < records && clock_ns() - start_ns < GIVE_UP_NS) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, 100, messages, CONSUME_BATCH);
        for (ssize_t i = 0; i < n; i++) {
            have += messages[i]->err == 0;
            rd_kafka_message_destroy(messages[i]);
        }
    }
    if (have < records)
        die("rdkafka: %lld of %lld records consumed", (long long)have, (long long)records);
    report(have, start_ns);
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "produce") == 0)
        produce(argv[2], argv[3], atoll(argv[4]), (size_t)atoll(argv[5]));
    else if (argc == 6 && strcmp(argv[1], "consume") == 0)
        consume(argv[2], argv[3], atoi(argv[4]), atoll(argv[5]));
    else
        die("usage: rdkafka produce PORT TOPIC RECORDS SIZE | consume PORT TOPIC PARTITIONS "
            "RECORDS");
    return 0; /* without destroying it: that would wait for nothing we measure */
}
