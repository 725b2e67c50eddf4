/* floor.c - the least that a broker can do: check CRCs, number, write, sync if asked, send. What
 * kiln is measured against; it recovers nothing, and must never be used for data.
 *
 *   floor DIR PORT PARTITIONS [--sync] [--followers N | --follow PORT ID]
 *
 * prints "ready PORT"; runs until it is killed. With followers acks=all waits until each of them
 * has fetched past the batch, as a replica of Kafka does; a follower (ID 1 to N) fetches from the
 * leader at PORT, checks, writes, syncs if asked, and asks for more. A consumer is shown what is
 * written, whoever has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/base.h"
#include "bench/common.h"

#define PEERS_MAX 1024
#define READ_SIZE (1 << 20)
#define FRAME_MAX (128 << 20)
#define BATCH_HEAD 61
#define BATCH_CRC_FROM 21
#define FOLLOWERS_MAX 8
/* What a follower of Kafka's asks for when nobody has set anything. */
#define FOLLOW_WAIT_MS 500
#define FOLLOW_BYTES (10 << 20)
#define FOLLOW_PARTITION_BYTES (1 << 20)

struct mark {
    int64_t offset, position;
};

/* A partition: one file, and where each batch begins in it. */
struct part {
    int fd;
    int64_t next_offset, size;
    struct mark *marks;
    int32_t mark_count, mark_cap;
    bool dirty;
    int64_t counted;                 /* so far it is written, and synced if asked */
    int64_t follower[FOLLOWERS_MAX]; /* so far they have come */
};

/* What waits to be sent: memory, or a range of a file. */
struct out {
    struct out *next;
    size_t size, sent;
    int fd; /* -1: memory */
    off_t position;
    const struct part *part; /* it may leave when all replicas of that have come to until */
    int64_t until;
    uint8_t data[];
};

struct peer {
    int fd;
    uint8_t *in;
    size_t in_size, in_cap;
    struct out *first, **last;
    int64_t parked_until_ns; /* its first frame is a fetch that waits for data; 0: none waits */
    bool blocked;            /* the socket is full */
    uint32_t interest;       /* what epoll was told */
    bool follows;            /* its fetches are a follower's */
    bool leads;              /* it answers ours */
};

static struct part *parts;
static int part_count, epoll, follower_count;
static bool sync_first;
static struct peer *peers[PEERS_MAX];

static struct out *out_new(struct peer *p, size_t room)
{
    struct out *o = malloc(sizeof *o + room);
    *o = (struct out){.size = room, .fd = -1};
    *p->last = o;
    p->last = &o->next;
    return o;
}

/* Moves what w holds to the peer's output. */
static void out_writer(struct peer *p, struct writer *w)
{
    memcpy(out_new(p, w->size)->data, w->data, w->size);
    w->size = 0;
}

/* Starts an answer; its size is patched in by out_writer's callers, or here when all is in w. */
static void answer_head(struct writer *w, const uint8_t *frame)
{
    writer_i32(w, 0);
    writer_i32(w, get_i32(frame + 8));
}

static void answer(struct peer *p, struct writer *w)
{
    put_u32(w->data, (uint32_t)(w->size - 4));
    out_writer(p, w);
}

static void mark_add(struct part *part, int64_t position)
{
    if (part->mark_count == part->mark_cap) {
        part->mark_cap = MAX(1024, part->mark_cap * 2);
        part->marks = realloc(part->marks, (size_t)part->mark_cap * sizeof *part->marks);
    }
    part->marks[part->mark_count++] = (struct mark){part->next_offset, position};
}

/* Checks, numbers and writes the batches; gives Kafka's code. */
static int16_t append(struct part *part, uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        uint8_t *b = data + at;
        size_t whole = size - at < BATCH_HEAD ? SIZE_MAX : (size_t)get_u32(b + 8) + 12;
        if (whole > size - at ||
            crc32c(0, b + BATCH_CRC_FROM, whole - BATCH_CRC_FROM) != get_u32(b + 17))
            return 2;
        put_u64(b, (uint64_t)part->next_offset);
        put_u32(b + 12, 0);
        mark_add(part, part->size + (int64_t)at);
        part->next_offset += get_i32(b + 23) + 1;
        at += whole;
    }
    if (pwrite(part->fd, data, size, part->size) != (ssize_t)size)
        die("write: %s", strerror(errno));
    part->size += (int64_t)size;
    part->dirty = true;
    return 0;
}

static bool is_replicated(const struct part *part, int64_t until)
{
    bool all = part->counted >= until;
    for (int i = 0; i < follower_count; i++)
        all &= part->follower[i] >= until;
    return all;
}

/* What is answered from here on waits for all replicas of part. */
static void out_barrier(struct peer *p, const struct part *part)
{
    struct out *o = out_new(p, 0);
    o->part = part;
    o->until = part->next_offset;
}

static void produce(struct peer *p, struct reader r, struct writer *w)
{
    reader_text(&r); /* transactional id */
    int16_t acks = reader_i16(&r);
    reader_i32(&r);
    int32_t topic_count = reader_i32(&r);
    writer_i32(w, topic_count);
    for (int32_t t = 0; t < topic_count; t++) {
        writer_text(w, reader_text(&r));
        int32_t count = reader_i32(&r);
        writer_i32(w, count);
        for (int32_t i = 0; i < count; i++) {
            int32_t index = reader_i32(&r);
            struct bytes records = reader_bytes(&r);
            bool known = index >= 0 && index < part_count;
            int64_t base = known ? parts[index].next_offset : -1;
            writer_i32(w, index);
            writer_i16(w, known ? append(&parts[index], (uint8_t *)records.data, records.size) : 3);
            writer_i64(w, base);
            writer_i64(w, -1);
            writer_i64(w, 0);
            if (known && acks < 0 && follower_count > 0)
                out_barrier(p, &parts[index]);
        }
    }
    writer_i32(w, 0);
    if (acks != 0)
        answer(p, w);
}

static int64_t position_of(const struct part *part, int64_t offset)
{
    int32_t low = 0, high = part->mark_count;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        if (part->marks[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 || offset >= part->next_offset ? part->size : part->marks[low - 1].position;
}

/* As much of size, from a batch's beginning, as is whole batches, but at least one. */
static int64_t whole_batches(const struct part *part, int64_t from, int64_t size)
{
    int32_t low = 0, high = part->mark_count;
    if (from + size >= part->size)
        return part->size - from;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        if (part->marks[middle].position <= from + size)
            low = middle + 1;
        else
            high = middle;
    }
    bool none = low == 0 || part->marks[low - 1].position <= from;
    int64_t next = low < part->mark_count ? part->marks[low].position : part->size;
    return (none ? next : part->marks[low - 1].position) - from;
}

/* Answers a fetch, or (p NULL) only counts the bytes that it would bring. */
static int64_t fetch(struct peer *p, struct reader r, struct writer *w)
{
    int64_t left = reader_i32(&r), total = 0, in_memory = 0;
    reader_take(&r, 1);
    int32_t topic_count = reader_i32(&r);
    struct out **head = p == NULL ? NULL : p->last;
    writer_i32(w, 0);
    writer_i32(w, topic_count);
    for (int32_t t = 0; t < topic_count; t++) {
        writer_text(w, reader_text(&r));
        int32_t count = reader_i32(&r);
        writer_i32(w, count);
        for (int32_t i = 0; i < count; i++) {
            int32_t index = reader_i32(&r);
            struct part *part = &parts[index >= 0 && index < part_count ? index : 0];
            int64_t offset = reader_i64(&r), from = position_of(part, offset);
            int64_t max = reader_i32(&r), here = part->size - from;
            int64_t size = MIN(here, MIN(max, left - total));
            if (p != NULL && p->follows && size > 0)
                size = whole_batches(part, from, size);
            total += size;
            writer_i32(w, index);
            writer_i16(w, offset > part->next_offset ? 1 : 0);
            writer_i64(w, part->next_offset);
            writer_i64(w, part->next_offset);
            writer_i32(w, -1);
            writer_i32(w, (int32_t)size);
            if (p == NULL || size == 0)
                continue;
            in_memory += (int64_t)w->size;
            out_writer(p, w);
            struct out *o = out_new(p, 0);
            *o = (struct out){.size = (size_t)size, .fd = part->fd, .position = from};
        }
    }
    if (p != NULL) {
        in_memory += (int64_t)w->size;
        out_writer(p, w);
        put_u32((*head)->data, (uint32_t)(in_memory + total - 4));
    }
    w->size = 0;
    return total;
}

/* From where a follower asks, so far it has come. */
static void note_follower(int32_t id, struct reader r)
{
    reader_take(&r, 4 + 4 + 4 + 1);
    for (int32_t topic_count = reader_i32(&r); topic_count > 0; topic_count--) {
        reader_text(&r);
        for (int32_t count = reader_i32(&r); count > 0; count--) {
            int32_t index = reader_i32(&r);
            int64_t offset = reader_i64(&r);
            reader_i32(&r);
            if (index >= 0 && index < part_count)
                parts[index].follower[id - 1] = offset;
        }
    }
}

/* False: there is too little to send and the client is willing to wait. */
static bool fetch_or_park(struct peer *p, struct reader r, struct writer *w, const uint8_t *frame)
{
    int32_t replica = reader_i32(&r);
    p->follows = replica > 0 && replica <= follower_count;
    if (p->follows && p->parked_until_ns == 0)
        note_follower(replica, r);
    int64_t wait_ns = reader_i32(&r) * 1000000ll, now = clock_ns();
    int32_t bytes_min = reader_i32(&r);
    if (p->parked_until_ns == 0)
        p->parked_until_ns = now + wait_ns;
    if (now < p->parked_until_ns && fetch(NULL, r, w) < bytes_min)
        return false;
    p->parked_until_ns = 0;
    w->size = 0;
    answer_head(w, frame);
    fetch(p, r, w);
    return true;
}

static void list_offsets(struct peer *p, struct reader r, struct writer *w)
{
    reader_i32(&r);
    int32_t topic_count = reader_i32(&r);
    writer_i32(w, topic_count);
    for (int32_t t = 0; t < topic_count; t++) {
        writer_text(w, reader_text(&r));
        int32_t count = reader_i32(&r);
        writer_i32(w, count);
        for (int32_t i = 0; i < count; i++) {
            int32_t index = reader_i32(&r);
            bool known = index >= 0 && index < part_count;
            int64_t timestamp = reader_i64(&r);
            writer_i32(w, index);
            writer_i16(w, known ? 0 : 3);
            writer_i64(w, -1);
            writer_i64(w, !known || timestamp == -2 ? 0 : parts[index].next_offset);
        }
    }
    answer(p, w);
}

static void metadata_topic(struct writer *w, struct bytes name, int16_t version)
{
    writer_i16(w, 0);
    writer_text(w, name);
    if (version >= 1)
        *writer_room(w, 1) = 0;
    writer_i32(w, part_count);
    for (int32_t i = 0; i < part_count; i++) {
        writer_i16(w, 0);
        writer_i32(w, i);
        writer_i32(w, 0);             /* the leader */
        for (int k = 0; k < 2; k++) { /* the replicas, and those in sync */
            writer_i32(w, 1);
            writer_i32(w, 0);
        }
    }
}

static void metadata(struct peer *p, struct reader r, struct writer *w, int16_t version, int port)
{
    int32_t listed = reader_i32(&r), count = MAX(0, listed); /* null: all, which has no names */
    if (version >= 3)
        writer_i32(w, 0);
    writer_i32(w, 1);
    writer_i32(w, 0);
    writer_text(w, bytes_text("127.0.0.1"));
    writer_i32(w, port);
    if (version >= 1)
        writer_i16(w, -1);
    if (version >= 2)
        writer_i16(w, -1);
    if (version >= 1)
        writer_i32(w, 0);
    writer_i32(w, count);
    for (int32_t i = 0; i < count; i++)
        metadata_topic(w, reader_text(&r), version);
    answer(p, w);
}

static void api_versions(struct peer *p, struct writer *w, int16_t version)
{
    static const int16_t rows[][3] = {{0, 0, 7}, {1, 0, 4},  {2, 0, 1},
                                      {3, 0, 4}, {18, 0, 2}, {22, 0, 1}};
    writer_i16(w, version > 2 ? 35 : 0);
    writer_i32(w, COUNT_OF(rows));
    for (int i = 0; i < COUNT_OF(rows); i++) {
        for (int k = 0; k < 3; k++)
            writer_i16(w, rows[i][k]);
    }
    if (version == 1 || version == 2)
        writer_i32(w, 0);
    answer(p, w);
}

static void init_producer_id(struct peer *p, struct writer *w)
{
    static int64_t next = 1;
    writer_i32(w, 0);
    writer_i16(w, 0);
    writer_i64(w, next++);
    writer_i16(w, 0);
    answer(p, w);
}

/* ---- following ---- */

static int32_t follower_id;

static void follow_ask(struct peer *p)
{
    static struct writer w;
    writer_i32(&w, 0);
    writer_i16(&w, 1);
    writer_i16(&w, 4);
    writer_i32(&w, 0);
    writer_text(&w, bytes_text("floor"));
    writer_i32(&w, follower_id);
    writer_i32(&w, FOLLOW_WAIT_MS);
    writer_i32(&w, 1);
    writer_i32(&w, FOLLOW_BYTES);
    writer_i8(&w, 0);
    writer_i32(&w, 1);
    writer_text(&w, bytes_text("t"));
    writer_i32(&w, part_count);
    for (int32_t i = 0; i < part_count; i++) {
        writer_i32(&w, i);
        writer_i64(&w, parts[i].next_offset);
        writer_i32(&w, FOLLOW_PARTITION_BYTES);
    }
    answer(p, &w);
}

/* What the leader has, written as it is numbered there; the next fetch leaves behind the sync. */
static void follow_take(struct peer *p, const uint8_t *frame, size_t size)
{
    struct reader r = {frame + 8, frame + size};
    reader_take(&r, 8); /* throttled for, topics */
    reader_text(&r);
    for (int32_t count = reader_i32(&r); count > 0; count--) {
        int32_t index = reader_i32(&r);
        int16_t code = reader_i16(&r);
        reader_take(&r, 8);
        reader_take(&r, 8);
        reader_i32(&r);
        struct bytes records = reader_bytes(&r);
        if (code != 0 || index < 0 || index >= part_count ||
            append(&parts[index], (uint8_t *)(uintptr_t)records.data, records.size) != 0)
            die("floor: the leader answers what cannot be taken");
    }
    follow_ask(p);
}

/* False: the frame stays and is tried again. */
static bool handle(struct peer *p, const uint8_t *frame, size_t size, int port)
{
    static struct writer w;
    struct reader r = {frame + 4, frame + size};
    int16_t key = reader_i16(&r), version = reader_i16(&r);
    reader_i32(&r);
    reader_text(&r);
    w.size = 0;
    answer_head(&w, frame);
    switch (key) {
    case 0:
        produce(p, r, &w);
        return true;
    case 1:
        return fetch_or_park(p, r, &w, frame);
    case 2:
        list_offsets(p, r, &w);
        return true;
    case 3:
        metadata(p, r, &w, version, port);
        return true;
    case 18:
        api_versions(p, &w, version);
        return true;
    case 22:
        init_producer_id(p, &w);
        return true;
    }
    die("floor: no such API: %d", key);
}

static void handle_frames(struct peer *p, int port)
{
    size_t at = 0;
    while (p->in_size - at >= 4) {
        size_t size = (size_t)get_u32(p->in + at) + 4;
        if (size > FRAME_MAX)
            die("floor: a frame of %zu bytes", size);
        if (size > p->in_cap) {
            p->in = realloc(p->in, size + READ_SIZE);
            p->in_cap = size + READ_SIZE;
        }
        if (p->in_size - at < size)
            break;
        if (p->leads)
            follow_take(p, p->in + at, size);
        else if (!handle(p, p->in + at, size, port))
            break;
        at += size;
    }
    memmove(p->in, p->in + at, p->in_size - at);
    p->in_size -= at;
}

static void peer_close(struct peer *p, int index)
{
    close(p->fd);
    while (p->first != NULL) {
        struct out *o = p->first;
        p->first = o->next;
        free(o);
    }
    free(p->in);
    free(p);
    peers[index] = NULL;
}

/* False: the other side is gone. */
static bool peer_read(struct peer *p, int port)
{
    if (p->in_cap - p->in_size < READ_SIZE / 4) {
        p->in_cap += READ_SIZE;
        p->in = realloc(p->in, p->in_cap);
    }
    ssize_t n = read(p->fd, p->in + p->in_size, p->in_cap - p->in_size);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        return false;
    p->in_size += (size_t)MAX(n, 0);
    handle_frames(p, port);
    return true;
}

static bool may_leave(const struct out *o)
{
    return o != NULL && (o->part == NULL || is_replicated(o->part, o->until));
}

/* False: the other side is gone. */
static bool peer_send(struct peer *p)
{
    p->blocked = false;
    while (may_leave(p->first)) {
        struct out *o = p->first;
        off_t from = o->position + (off_t)o->sent;
        ssize_t n = o->size == 0 ? 0
                    : o->fd < 0  ? send(p->fd, o->data + o->sent, o->size - o->sent,
                                        MSG_NOSIGNAL | (may_leave(o->next) ? MSG_MORE : 0))
                                 : sendfile(p->fd, o->fd, &from, o->size - o->sent);
        p->blocked = n < 0 && errno == EAGAIN;
        if (n < 0)
            return p->blocked;
        o->sent += (size_t)n;
        if (o->sent < o->size)
            continue;
        p->first = o->next;
        if (p->first == NULL)
            p->last = &p->first;
        free(o);
    }
    return true;
}

static struct peer *peer_new(int fd)
{
    int on = 1, index = 0;
    while (index < PEERS_MAX && peers[index] != NULL)
        index++;
    if (fd < 0 || index == PEERS_MAX)
        die("floor: connection: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct peer *p = calloc(1, sizeof *p);
    p->fd = fd;
    p->last = &p->first;
    peers[index] = p;
    p->interest = EPOLLIN;
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
    return p;
}

static void follow(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("floor: no leader at port %d: %s", port, strerror(errno));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct peer *p = peer_new(fd);
    p->leads = true;
    follow_ask(p);
    if (!peer_send(p))
        die("floor: the leader is gone");
}

/* A peer whose fetch waits, or who does not take its answers, is not read from. */
static void watch(struct peer *p, int index)
{
    uint32_t interest = p->blocked ? EPOLLOUT : p->parked_until_ns != 0 ? 0 : EPOLLIN;
    struct epoll_event ev = {.events = interest, .data.u32 = (uint32_t)index};
    if (interest != p->interest)
        epoll_ctl(epoll, EPOLL_CTL_MOD, p->fd, &ev);
    p->interest = interest;
}

/* True when something was written since the last round. */
static bool sync_round(void)
{
    bool dirty = false;
    for (int i = 0; i < part_count; i++) {
        if (parts[i].dirty && sync_first && fdatasync(parts[i].fd) != 0)
            die("floor: fdatasync: %s", strerror(errno));
        dirty |= parts[i].dirty;
        parts[i].dirty = false;
        parts[i].counted = parts[i].next_offset;
    }
    return dirty;
}

/* Milliseconds until the first parked fetch has waited long enough; -1: none is parked. */
static int patience_ms(void)
{
    int64_t first = INT64_MAX, now = clock_ns();
    for (int i = 0; i < PEERS_MAX; i++) {
        if (peers[i] != NULL && peers[i]->parked_until_ns != 0)
            first = MIN(first, peers[i]->parked_until_ns);
    }
    return first == INT64_MAX ? -1 : (int)MAX(0, (first - now + 999999) / 1000000);
}

/* Parked fetches see what is new, or have waited long enough; all send what they can. */
static void send_all(bool news, int port)
{
    for (int i = 0; i < PEERS_MAX; i++) {
        struct peer *p = peers[i];
        if (p == NULL)
            continue;
        if (p->parked_until_ns != 0 && (news || clock_ns() >= p->parked_until_ns))
            handle_frames(p, port);
        if (!peer_send(p))
            peer_close(p, i);
        else
            watch(p, i);
    }
}

static bool is_dirty(void)
{
    for (int i = 0; i < part_count; i++) {
        if (parts[i].dirty)
            return true;
    }
    return false;
}

/* One pass: take what has come, let followers have it, sync once for all of it, let parked fetches
 * see it, send. */
static void pass(int listener, int port)
{
    struct epoll_event events[64];
    int count = epoll_wait(epoll, events, COUNT_OF(events), patience_ms());
    for (int i = 0; i < count; i++) {
        int index = (int)events[i].data.u32;
        if (index == PEERS_MAX)
            peer_new(accept4(listener, NULL, NULL, SOCK_NONBLOCK));
        else if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) &&
                 !peer_read(peers[index], port))
            peer_close(peers[index], index);
    }
    if (sync_first && follower_count > 0 && is_dirty())
        send_all(true, port);
    send_all(sync_round(), port);
}

static int listen_on(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)*port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, size) != 0 || listen(fd, 128) != 0)
        die("floor: cannot listen on port %d: %s", *port, strerror(errno));
    getsockname(fd, (struct sockaddr *)&at, &size);
    *port = ntohs(at.sin_port);
    return fd;
}

static void take_words(char **words, int *leader)
{
    for (; *words != NULL; words++) {
        if (strcmp(*words, "--sync") == 0) {
            sync_first = true;
        } else if (strcmp(*words, "--followers") == 0 && words[1] != NULL) {
            follower_count = atoi(*++words);
        } else if (strcmp(*words, "--follow") == 0 && words[1] != NULL && words[2] != NULL) {
            *leader = atoi(*++words);
            follower_id = atoi(*++words);
        } else {
            die("floor: what is %s?", *words);
        }
    }
    if (follower_count < 0 || follower_count > FOLLOWERS_MAX)
        die("floor: 0 to %d followers", FOLLOWERS_MAX);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        die("usage: floor DIR PORT PARTITIONS [--sync] [--followers N | --follow PORT ID]");
    int port = atoi(argv[2]), leader = 0;
    part_count = atoi(argv[3]);
    take_words(argv + 4, &leader);
    parts = calloc((size_t)part_count, sizeof *parts);
    for (int i = 0; i < part_count; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%d.log", argv[1], i);
        parts[i].fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
        if (parts[i].fd < 0)
            die("floor: %s: %s", path, strerror(errno));
    }
    int listener = listen_on(&port);
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = PEERS_MAX};
    epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev);
    if (leader != 0)
        follow(leader);
    printf("ready %d\n", port);
    fflush(stdout);
    for (;;)
        pass(listener, port);
}
