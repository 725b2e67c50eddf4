/* raw.c - a client that costs next to nothing: batches encoded once, sent again and again, answers
 * hardly looked at. What it measures is the broker. Linux, loopback, one thread.
 *
 *   raw produce PORT TOPIC PARTITIONS MIB FLIGHT [ACKS [CODEC]]   256 KiB batches of 1 KiB records;
 * with a codec of text, and compressed
 *   raw fetch   PORT TOPIC PARTITIONS RECORDS             until that many records have been read
 *   raw pipelined PORT TOPIC REQUESTS FLIGHT [ACKS]       batches of one 1 KiB record
 *   raw latency PORT TOPIC RATE SECONDS [ACKS]            single 1 KiB records, from the moment
 * when each should have been sent: to its acknowledgement, and until a consumer sees it
 *   raw start   PORT TOPIC COMMAND...                     runs the broker: from its start to the
 * first acknowledged record; idle memory
 *
 * Prints one line of key=value.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "wire/wire.h"
#include "bench/common.h"

#define RECORD_SIZE 1024
#define BATCH_SIZE (256 << 10)
#define FETCH_PARTITION_BYTES (4 << 20)
#define FETCH_BYTES (50 << 20)
#define START_NS_MAX (60 * 1000000000ll)
#define IDLE_US 500000
#define NODES_MAX 16

/* ---- a connection ---- */

struct link {
    int fd, port;
    uint8_t *in; /* the last answer, or its beginning */
    size_t size, cap;
    int32_t correlation_id;
};

/* -1: nobody listens. */
static int try_connect(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    socklen_t size = sizeof from;
    /* A free port of the ephemeral range can be drawn as its own peer. */
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ||
        getsockname(fd, (struct sockaddr *)&from, &size) != 0 || from.sin_port == to.sin_port) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static struct link link_open(int port)
{
    struct link l = {.fd = try_connect(port), .port = port};
    if (l.fd < 0)
        die("raw: no broker at port %d", port);
    return l;
}

/* Sends body behind a header, then tail. */
static void ask(struct link *l, int16_t key, int16_t version, const struct writer *body,
                struct bytes tail)
{
    uint8_t head[17];
    put_u32(head, (uint32_t)(sizeof head - 4 + body->size + tail.size));
    put_u16(head + 4, (uint16_t)key);
    put_u16(head + 6, (uint16_t)version);
    put_u32(head + 8, (uint32_t)l->correlation_id++);
    put_u16(head + 12, 3);
    memcpy(head + 14, "raw", 3);
    struct iovec parts[] = {
        {head, sizeof head}, {body->data, body->size}, {(void *)(uintptr_t)tail.data, tail.size}};
    size_t left = sizeof head + body->size + tail.size;
    for (int first = 0; left > 0;) {
        ssize_t n = writev(l->fd, parts + first, 3 - first);
        if (n < 0)
            die("raw: send: %s", strerror(errno));
        left -= (size_t)n;
        for (; first < 3 && (size_t)n >= parts[first].iov_len; first++)
            n -= (ssize_t)parts[first].iov_len;
        if (first < 3) {
            parts[first].iov_base = (uint8_t *)parts[first].iov_base + n;
            parts[first].iov_len -= (size_t)n;
        }
    }
}

/* Reads once. True: a whole answer is there; it starts at l->in + 8, behind size and id. */
static bool receive_some(struct link *l)
{
    size_t wanted = l->size < 4 ? 4096 : get_u32(l->in) + 4;
    if (wanted > l->cap) {
        l->cap = wanted;
        l->in = realloc(l->in, l->cap);
    }
    size_t room = l->size < 4 ? 4 - l->size : wanted - l->size;
    ssize_t n = recv(l->fd, l->in + l->size, room, 0);
    if (n <= 0)
        die("raw: the broker closed the connection");
    l->size += (size_t)n;
    return l->size >= 4 && l->size == get_u32(l->in) + 4;
}

static struct reader answer(struct link *l)
{
    l->size = 0;
    while (!receive_some(l))
        continue;
    return (struct reader){l->in + 8, l->in + l->size};
}

/* ---- requests ---- */

/* A broker, as metadata name it. */
struct node {
    int32_t id, port;
};

static int port_of(const struct node *nodes, int32_t count, int32_t id)
{
    for (int32_t i = 0; i < count; i++) {
        if (nodes[i].id == id)
            return nodes[i].port;
    }
    return -1;
}

/* Asks until the topic has partitions with leaders, which creates it where that is allowed. Then l
 * is a connection to the leader of all: one client, one connection. */
static void wait_for_topic(struct link *l, const char *topic, int32_t partition_count)
{
    struct node nodes[NODES_MAX];
    int32_t leader = -1, brokers = 0;
    bool apart = partition_count < 1;
    for (int32_t with_leader = 0; with_leader < partition_count;) {
        struct writer w = {0};
        writer_i32(&w, 1);
        writer_text(&w, bytes_text(topic));
        writer_i8(&w, 1);
        ask(l, 3, 4, &w, bytes_of(NULL, 0));
        free(w.data);
        struct reader r = answer(l);
        reader_i32(&r);
        brokers = reader_i32(&r);
        if (brokers > NODES_MAX)
            die("raw: more than %d brokers", NODES_MAX);
        for (int32_t i = 0; i < brokers; i++) {
            nodes[i].id = reader_i32(&r);
            reader_text(&r);
            nodes[i].port = reader_i32(&r);
            reader_text(&r);
        }
        reader_text(&r);
        reader_i32(&r);
        reader_i32(&r); /* one topic */
        reader_i16(&r);
        reader_text(&r);
        reader_take(&r, 1);
        int32_t count = reader_i32(&r);
        with_leader = 0;
        leader = -1;
        apart = false;
        for (int32_t i = 0; i < count; i++) {
            reader_i16(&r);
            reader_i32(&r);
            int32_t led_by = reader_i32(&r);
            with_leader += led_by >= 0;
            apart |= leader >= 0 && led_by >= 0 && led_by != leader;
            leader = led_by;
            for (int k = 0; k < 2; k++) {
                int32_t ids = reader_i32(&r);
                reader_take(&r, (size_t)ids * 4);
            }
        }
    }
    int port = port_of(nodes, brokers, leader);
    if (apart || port < 0)
        die("raw: the partitions of %s have not one leader", topic);
    if (port != l->port) {
        close(l->fd);
        free(l->in);
        *l = link_open(port);
    }
}

static void produce_body(struct writer *w, const char *topic, int32_t partition, int16_t acks,
                         size_t batch_size)
{
    w->size = 0;
    writer_i16(w, -1);
    writer_i16(w, acks);
    writer_i32(w, 30000);
    writer_i32(w, 1);
    writer_text(w, bytes_text(topic));
    writer_i32(w, 1);
    writer_i32(w, partition);
    writer_i32(w, (int32_t)batch_size);
}

static void check_produced(struct reader r)
{
    reader_i32(&r);
    reader_text(&r);
    reader_i32(&r);
    reader_i32(&r);
    int16_t code = reader_i16(&r);
    if (code != 0)
        die("raw: produce was answered with error %d", code);
}

/* What logs and JSON look like to a codec: words of a small vocabulary, and numbers. */
static void fill_text(uint8_t *value, size_t size, struct rng *rng)
{
    static const char words[] = "order customer amount status currency created shipped pending ";
    for (size_t i = 0; i < size; i++) {
        bool digit = i % 24 >= 16;
        value[i] = digit ? (uint8_t)('0' + random_below(rng_next(rng), 10))
                         : (uint8_t)words[(i * 7 / 24 + i) % (sizeof words - 1)];
    }
}

/* Compresses it in place; gives its size. */
static size_t compress_batch(struct wire_builder *b, enum wire_codec codec)
{
    struct mem mem;
    mem_system(&mem);
    uint8_t *data = b->data;
    size_t cap = WIRE_BATCH_HEAD + wire_codec_bound(codec, b->size);
    uint8_t *room = mem_alloc(&mem, cap);
    if (room == NULL || wire_builder_compress(b, &mem, codec, wire_codec_level_default(codec), room,
                                              cap) != ERR_NONE)
        die("raw: the batch cannot be compressed");
    memcpy(data, room, b->size);
    mem_free(&mem, room);
    return b->size;
}

/* A batch of records with bytes that do not repeat. Returns its size. */
static size_t make_batch(uint8_t *data, size_t cap, int32_t record_max, enum wire_codec codec,
                         int32_t *record_count)
{
    struct wire_builder b;
    struct rng rng = {.state = 1};
    uint8_t value[RECORD_SIZE];
    wire_builder_init(&b, data, cap);
    do {
        for (size_t i = 0; i < sizeof value; i += 8)
            put_u64(value + i, rng_next(&rng));
        if (codec != WIRE_CODEC_NONE)
            fill_text(value, sizeof value, &rng);
    } while (b.record_count < record_max &&
             wire_builder_add(&b, 1700000000000, WIRE_NULL_BYTES,
                              (struct wire_bytes){.data = value, .size = sizeof value}, NULL,
                              0) == ERR_NONE);
    *record_count = b.record_count;
    wire_builder_finish(&b, &(struct wire_builder_head){
                                .producer_id = -1, .producer_epoch = -1, .base_sequence = -1});
    return codec == WIRE_CODEC_NONE ? b.size : compress_batch(&b, codec);
}

/* ---- produce ---- */

static void produce(int port, const char *topic, int partition_count, int64_t batches,
                    int32_t record_max, int flight, int16_t acks, enum wire_codec codec)
{
    static uint8_t batch[BATCH_SIZE];
    struct link l = link_open(port);
    struct writer w = {0};
    int32_t per_batch;
    size_t size = make_batch(batch, sizeof batch, record_max, codec, &per_batch);
    int64_t sent = 0;
    wait_for_topic(&l, topic, partition_count);
    int64_t start_ns = clock_ns();
    for (int64_t answered = 0; answered < batches; answered++) {
        for (; sent < batches && sent - answered < flight; sent++) {
            produce_body(&w, topic, (int32_t)(sent % partition_count), acks, size);
            ask(&l, 0, 7, &w, bytes_of(batch, size));
        }
        check_produced(answer(&l));
    }
    double seconds = (double)(clock_ns() - start_ns) / 1e9;
    int64_t records = batches * per_batch;
    printf("records=%lld seconds=%.3f records_s=%.0f bytes=%lld\n", (long long)records, seconds,
           (double)records / seconds, (long long)(batches * (int64_t)size));
}

/* ---- fetch ---- */

static void fetch_body(struct writer *w, const char *topic, const int64_t *offsets,
                       int32_t partition_count, int32_t wait_ms)
{
    w->size = 0;
    writer_i32(w, -1);
    writer_i32(w, wait_ms);
    writer_i32(w, 1);
    writer_i32(w, FETCH_BYTES);
    writer_i8(w, 0);
    writer_i32(w, 1);
    writer_text(w, bytes_text(topic));
    writer_i32(w, partition_count);
    for (int32_t i = 0; i < partition_count; i++) {
        writer_i32(w, i);
        writer_i64(w, offsets[i]);
        writer_i32(w, FETCH_PARTITION_BYTES);
    }
}

/* Moves the offsets behind the whole batches of the answer; calls each for every batch. Returns how
 * many records there were. */
static int64_t take_fetched(struct reader r, int64_t *offsets, int64_t *bytes,
                            void (*each)(struct bytes batch))
{
    int64_t records = 0;
    reader_i32(&r);
    reader_i32(&r);
    reader_text(&r);
    int32_t count = reader_i32(&r);
    for (int32_t i = 0; i < count; i++) {
        int32_t index = reader_i32(&r);
        int16_t code = reader_i16(&r);
        if (code != 0)
            die("raw: fetch was answered with error %d", code);
        reader_i64(&r);
        reader_i64(&r);
        int32_t aborted = reader_i32(&r);
        reader_take(&r, (size_t)MAX(aborted, 0) * 16);
        struct bytes in = reader_bytes(&r);
        for (size_t at = 0; in.size - at >= WIRE_BATCH_HEAD;) {
            const uint8_t *b = in.data + at;
            size_t size = get_u32(b + 8) + 12;
            if (in.size - at < size)
                break;
            if (get_i64(b) + get_i32(b + 23) >= offsets[index] && each != NULL)
                each(bytes_of(b, size));
            records += get_i64(b) + get_i32(b + 23) + 1 - offsets[index];
            offsets[index] = get_i64(b) + get_i32(b + 23) + 1;
            at += size;
        }
        *bytes += (int64_t)in.size;
    }
    return records;
}

static void fetch(int port, const char *topic, int partition_count, int64_t records)
{
    struct link l = link_open(port);
    struct writer w = {0};
    int64_t *offsets = calloc((size_t)partition_count, sizeof *offsets);
    int64_t bytes = 0, have = 0;
    wait_for_topic(&l, topic, partition_count);
    int64_t start_ns = clock_ns();
    while (have < records) {
        fetch_body(&w, topic, offsets, partition_count, 100);
        ask(&l, 1, 4, &w, bytes_of(NULL, 0));
        have += take_fetched(answer(&l), offsets, &bytes, NULL);
    }
    double seconds = (double)(clock_ns() - start_ns) / 1e9;
    printf("records=%lld seconds=%.3f records_s=%.0f bytes=%lld\n", (long long)have, seconds,
           (double)have / seconds, (long long)bytes);
}

/* ---- latency ---- */

static struct {
    int64_t start_ns, interval_ns, count;
    int64_t base_offset;       /* of its first record */
    int64_t *ack_ns, *seen_ns; /* latencies; 0: not yet */
    int64_t seen_count, answer_count;
} lat;

static int64_t end_offset(struct link *l, const char *topic)
{
    struct writer w = {0};
    writer_i32(&w, -1);
    writer_i32(&w, 1);
    writer_text(&w, bytes_text(topic));
    writer_i32(&w, 1);
    writer_i32(&w, 0);
    writer_i64(&w, -1);
    ask(l, 2, 1, &w, bytes_of(NULL, 0));
    free(w.data);
    struct reader r = answer(l);
    reader_i32(&r);
    reader_text(&r);
    reader_take(&r, 8);
    if (reader_i16(&r) != 0)
        die("raw: the end of %s is not told", topic);
    reader_i64(&r);
    return reader_i64(&r);
}

static int64_t intended_ns(int64_t i)
{
    return lat.start_ns + i * lat.interval_ns;
}

/* Nobody else writes there. */
static void on_seen(struct bytes batch)
{
    int64_t now = clock_ns(), first = get_i64(batch.data) - lat.base_offset;
    for (int64_t i = first; i <= first + get_i32(batch.data + 23) && i < lat.count; i++) {
        lat.seen_ns[i] = now - intended_ns(i);
        lat.seen_count++;
    }
}

static int compare_ns(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double quantile_us(int64_t *ns, int64_t count, double q)
{
    struct mem mem;
    mem_system(&mem);
    if (sort_stable(&mem, ns, (size_t)count, sizeof *ns, compare_ns) != ERR_NONE)
        die("raw: out of memory");
    return (double)ns[(int64_t)((double)(count - 1) * q)] / 1e3;
}

static void print_quantiles(const char *of, int64_t *ns, int64_t count)
{
    printf("%sp50_us=%.1f %sp99_us=%.1f %sp999_us=%.1f ", of, quantile_us(ns, count, .5), of,
           quantile_us(ns, count, .99), of, quantile_us(ns, count, .999));
}

static void print_latency(void)
{
    int64_t skip = lat.count / 10; /* while everything is still cold */
    int64_t count = lat.count - skip;
    print_quantiles("ack_", lat.ack_ns + skip, count);
    print_quantiles("", lat.seen_ns + skip, count);
    printf("answers=%lld\n", (long long)lat.answer_count);
}

static void latency(int port, const char *topic, int64_t rate, int64_t seconds, int16_t acks)
{
    static uint8_t batch[2 * RECORD_SIZE];
    struct link p = link_open(port);
    struct writer w = {0};
    int32_t one;
    int64_t bytes = 0, sent = 0, acked = 0;
    size_t size = make_batch(batch, sizeof batch, 1, WIRE_CODEC_NONE, &one);
    wait_for_topic(&p, topic, 1);
    struct link c = link_open(p.port);
    int64_t offset = lat.base_offset = end_offset(&c, topic);
    prctl(PR_SET_TIMERSLACK, 1);
    p.size = c.size = 0;
    lat.count = rate * seconds;
    lat.interval_ns = 1000000000 / rate;
    lat.ack_ns = calloc((size_t)lat.count, sizeof *lat.ack_ns);
    lat.seen_ns = calloc((size_t)lat.count, sizeof *lat.seen_ns);
    lat.start_ns = clock_ns() + 100000000;
    fetch_body(&w, topic, &offset, 1, 500);
    ask(&c, 1, 4, &w, bytes_of(NULL, 0));
    while (acked < lat.count || lat.seen_count < lat.count) {
        struct pollfd fds[] = {{.fd = p.fd, .events = POLLIN}, {.fd = c.fd, .events = POLLIN}};
        int64_t wait = sent < lat.count ? MAX(0, intended_ns(sent) - clock_ns()) : 1000000000;
        struct timespec timeout = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
        ppoll(fds, 2, &timeout, NULL);
        for (; sent < lat.count && clock_ns() >= intended_ns(sent); sent++) {
            produce_body(&w, topic, 0, acks, size);
            ask(&p, 0, 7, &w, bytes_of(batch, size));
        }
        if ((fds[0].revents & POLLIN) && receive_some(&p)) {
            check_produced((struct reader){p.in + 8, p.in + p.size});
            lat.ack_ns[acked] = clock_ns() - intended_ns(acked);
            acked++;
            lat.answer_count++;
            p.size = 0;
        }
        if ((fds[1].revents & POLLIN) && receive_some(&c)) {
            take_fetched((struct reader){c.in + 8, c.in + c.size}, &offset, &bytes, on_seen);
            lat.answer_count++;
            c.size = 0;
            fetch_body(&w, topic, &offset, 1, 500);
            ask(&c, 1, 4, &w, bytes_of(NULL, 0));
        }
    }
    print_latency();
}

/* ---- start ---- */

static int64_t resident_kib(pid_t pid)
{
    char path[64], line[256];
    long long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        sscanf(line, "VmRSS: %lld", &kib);
    if (file != NULL)
        fclose(file);
    return kib;
}

static void start(int port, const char *topic, char **command)
{
    static uint8_t batch[2 * RECORD_SIZE];
    struct writer w = {0};
    struct link l = {.port = port};
    int32_t one;
    size_t size = make_batch(batch, sizeof batch, 1, WIRE_CODEC_NONE, &one);
    int64_t start_ns = clock_ns();
    pid_t pid = fork();
    if (pid == 0) {
        freopen("/dev/null", "w", stdout);
        execv(command[0], command);
        die("raw: %s: %s", command[0], strerror(errno));
    }
    for (l.fd = -1; l.fd < 0; l.fd = try_connect(port)) {
        if (clock_ns() - start_ns > START_NS_MAX || waitpid(pid, NULL, WNOHANG) == pid)
            die("raw: the broker does not come up");
        usleep(200);
    }
    double listening_ms = (double)(clock_ns() - start_ns) / 1e6;
    wait_for_topic(&l, topic, 1);
    produce_body(&w, topic, 0, -1, size);
    ask(&l, 0, 7, &w, bytes_of(batch, size));
    check_produced(answer(&l));
    double ms = (double)(clock_ns() - start_ns) / 1e6;
    close(l.fd);
    usleep(IDLE_US);
    printf("listening_ms=%.1f first_ack_ms=%.1f rss_kib=%lld\n", listening_ms, ms,
           (long long)resident_kib(pid));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static enum wire_codec codec_of(const char *name)
{
    enum wire_codec codec;
    if (!wire_codec_parse(bytes_text(name), &codec))
        die("raw: there is no codec %s", name);
    return codec;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 4 ? argv[1] : "";
    int port = argc > 2 ? atoi(argv[2]) : 0;
    if (strcmp(verb, "produce") == 0 && argc > 6)
        produce(port, argv[3], atoi(argv[4]), (atoll(argv[5]) << 20) / BATCH_SIZE, INT32_MAX,
                atoi(argv[6]), (int16_t)(argc > 7 ? atoi(argv[7]) : -1),
                codec_of(argc > 8 ? argv[8] : "none"));
    else if (strcmp(verb, "pipelined") == 0 && argc > 5)
        produce(port, argv[3], 1, atoll(argv[4]), 1, atoi(argv[5]),
                (int16_t)(argc > 6 ? atoi(argv[6]) : -1), WIRE_CODEC_NONE);
    else if (strcmp(verb, "fetch") == 0 && argc > 5)
        fetch(port, argv[3], atoi(argv[4]), atoll(argv[5]));
    else if (strcmp(verb, "latency") == 0 && argc > 5)
        latency(port, argv[3], atoll(argv[4]), atoll(argv[5]),
                (int16_t)(argc > 6 ? atoi(argv[6]) : 1));
    else if (strcmp(verb, "start") == 0)
        start(port, argv[3], argv + 4);
    else
        die("usage: raw produce|pipelined|fetch|latency|start ...; the head of raw.c says how");
    return 0;
}
