/* stream.c - open streams: receive, send (memory, and files without a copy), close. Every call is
 * nonblocking; what would wait goes on at the next edge that epoll reports. */
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>
#include "posix/internal.h"

/* Unread bytes of a closed stream are thrown away in steps; who sends more than all of them at once
 * has not read what we sent and will not. */
#define DISCARD_BYTES (1 << 20)
#define DISCARD_STEPS_MAX 64

/* ---- life ---- */

static struct stream *open_stream(struct posix *p, uint64_t name)
{
    struct handle *handle = posix_name_find(&p->names, name);
    ASSERT(handle != NULL);
    ASSERT(handle->kind == HANDLE_STREAM);
    struct stream *s = CONTAINER_OF(handle, struct stream, handle);
    ASSERT(s->state == STREAM_OPEN);
    return s;
}

static struct stream *any_stream(struct posix *p, uint64_t name)
{
    struct handle *handle = posix_name_find(&p->names, name);
    ASSERT(handle != NULL);
    return CONTAINER_OF(handle, struct stream, handle);
}

enum err posix_stream_new(struct posix *p, enum stream_state state, struct stream **out)
{
    struct stream *s = mem_zalloc(p->mem, sizeof *s);
    if (s == NULL)
        return ERR_NOMEM;
    *s = (struct stream){.handle = {.kind = HANDLE_STREAM, .fd = -1}, .posix = p, .state = state};
    list_init(&s->again);
    enum err e = posix_name_give(&p->names, p->mem, &s->handle, 0);
    if (e != ERR_NONE) {
        mem_free(p->mem, s);
        return e;
    }
    p->socket_count++;
    *out = s;
    return ERR_NONE;
}

enum err posix_stream_attach(struct posix *p, struct stream *s, int fd)
{
    int on = 1;
    ASSERT(s->handle.fd < 0);
    s->handle.fd = fd;
    /* Without them it is slower, and learns of a dead peer by its owner's limits alone. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return posix_epoll_add(p, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP, s->handle.name);
}

void posix_stream_free(struct posix *p, struct stream *s)
{
    posix_disarm(&p->public.env, &s->timer);
    list_remove(&s->again);
    if (s->handle.fd >= 0)
        close(s->handle.fd);
    posix_name_take(&p->names, &s->handle);
    mem_free(p->mem, s);
    p->socket_count--;
}

/* ---- receive ---- */

static void end_receive(struct posix *p, struct stream *s, enum err e)
{
    /* The kernel reports a reset once; to the next call the stream looks closed in good order. */
    s->receive_err = e == ERR_EOF && s->broken == ERR_RESET ? ERR_RESET : e;
    posix_finish(p, s->receiving, s->receive_err, 0);
}

static void try_receive(struct posix *p, struct stream *s)
{
    struct env_op *op = s->receiving;
    int number = FAULT("net/receive", ECONNRESET);
    if (number != 0) {
        end_receive(p, s, posix_errno(ENV_RECEIVE, number));
        return;
    }
    ssize_t n;
    do
        n = recv(s->handle.fd, op->buffer, op->size, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        /* A short read has emptied the socket; epoll tells when more comes. */
        s->readable = (uint64_t)n == op->size || s->ended;
        p->public.counters.bytes_received += (uint64_t)n;
        posix_finish(p, op, ERR_NONE, (uint64_t)n);
    } else if (n == 0) {
        end_receive(p, s, ERR_EOF);
    } else if (errno == EAGAIN) {
        s->readable = false;
    } else {
        end_receive(p, s, posix_errno(ENV_RECEIVE, errno));
    }
}

void posix_receive_submit(struct posix *p, struct env_op *op)
{
    struct stream *s = open_stream(p, op->handle);
    ASSERT(s->receiving == NULL);
    s->receiving = op;
    if (s->receive_err != ERR_NONE)
        end_receive(p, s, s->receive_err);
    else if (s->readable)
        try_receive(p, s);
}

/* ---- send ---- */

static void end_send(struct posix *p, struct stream *s, enum err e)
{
    s->broken = e;
    posix_finish(p, s->sending, e, 0);
}

static const struct env_part *current_part(const struct stream *s)
{
    ASSERT(s->part_index < s->sending->part_count);
    return &s->sending->parts[s->part_index];
}

/* Moves over n bytes that were sent, and over parts that are done or empty. */
static void advance(struct stream *s, uint64_t n)
{
    s->sent += n;
    s->part_offset += n;
    while (s->part_index < s->sending->part_count && s->part_offset >= current_part(s)->size) {
        s->part_offset -= current_part(s)->size;
        s->part_index++;
        s->cached_until = 0;
    }
}

struct gathered {
    struct iovec iov[GATHER_MAX];
    int count;
    uint32_t copied; /* bytes in the scratch memory */
    bool all;        /* nothing is left behind them */
};

/* A small range of a file travels beside its neighbours. False: it is large, or not cached. */
static bool copy_file_part(struct posix *p, struct gathered *g, const struct env_part *part,
                           uint64_t skip)
{
    uint64_t left = part->size - skip;
    if (left > COPY_MAX || left > SCRATCH_SIZE - g->copied)
        return false;
    uint8_t *to = p->scratch + g->copied;
    struct file *file = posix_file(p, part->file);
    if (posix_read_cached(file, to, left, part->offset + skip) != (ssize_t)left)
        return false;
    g->copied += (uint32_t)left;
    g->iov[g->count++] = (struct iovec){to, left};
    return true;
}

/* Collects what one sendmsg can take, from where the send stands. */
static void gather(struct posix *p, const struct stream *s, struct gathered *g)
{
    g->count = 0;
    g->copied = 0;
    int32_t i = s->part_index;
    for (; i < s->sending->part_count && g->count < GATHER_MAX; i++) {
        const struct env_part *part = &s->sending->parts[i];
        uint64_t skip = i == s->part_index ? s->part_offset : 0;
        if (part->data != NULL)
            g->iov[g->count++] =
                (struct iovec){(void *)(uintptr_t)(part->data + skip), part->size - skip};
        else if (part->size > 0 && !copy_file_part(p, g, part, skip))
            break;
    }
    g->all = i == s->sending->part_count;
}

static ssize_t send_gathered(const struct stream *s, struct gathered *g)
{
    struct msghdr message = {.msg_iov = g->iov, .msg_iovlen = (size_t)g->count};
    return sendmsg(s->handle.fd, &message, MSG_NOSIGNAL | (g->all ? 0 : MSG_MORE));
}

/* Where a file system does not say what is cached, it is believed to be while the disk is well. */
static int blind(const struct posix *p, const struct file *file)
{
    return file->nowait_refused && !posix_disk_slow(p, file->disk);
}

/* Is this range in the page cache? Looks at its first and last byte, since it is read and evicted
 * in runs. 1: yes; 0: no; -1: errno, where ERANGE says that the file ends before. */
static int is_cached(struct posix *p, struct file *file, uint64_t offset, uint64_t size)
{
    uint8_t byte;
    const uint64_t probes[] = {offset, offset + size - 1};
    for (int i = 0; i < COUNT_OF(probes) && !file->nowait_refused; i++) {
        ssize_t n = posix_read_cached(file, &byte, 1, probes[i]);
        if (n == 0)
            errno = ERANGE;
        if (n != 1)
            return n < 0 && errno == EAGAIN ? blind(p, file) : -1;
    }
    return file->nowait_refused ? blind(p, file) : 1;
}

/* Lets a thread read the range first, so that sendfile does not wait for the disk. */
static void prefetch(struct posix *p, struct stream *s, struct file *file, uint64_t size)
{
    struct env_op *op = s->sending;
    op->door_id = TWO_FDS(file->handle.fd, file->disk);
    op->offset = current_part(s)->offset + s->part_offset;
    op->door_done = size;
    s->cached_until = s->part_offset + size;
    s->prefetching = true;
    p->public.counters.read_missed_count++;
    posix_pool_submit(&p->pool, op);
}

/* Bytes sent; -1: errno, where ERANGE says that the file is too short and EINPROGRESS that a thread
 * reads it first. */
static ssize_t send_file(struct posix *p, struct stream *s)
{
    const struct env_part *part = current_part(s);
    struct file *file = posix_file(p, part->file);
    uint64_t size = MIN(part->size - s->part_offset, FILE_CHUNK);
    off_t offset = (off_t)(part->offset + s->part_offset);
    if (s->part_offset + size > s->cached_until) {
        int cached = is_cached(p, file, (uint64_t)offset, size);
        if (cached < 0)
            return -1;
        if (cached == 0) {
            prefetch(p, s, file, size);
            errno = EINPROGRESS;
            return -1;
        }
        s->cached_until = s->part_offset + size;
    }
    ssize_t n = sendfile(s->handle.fd, file->handle.fd, &offset, size);
    if (n == 0) {
        errno = ERANGE;
        return -1;
    }
    return n;
}

static ssize_t send_some(struct posix *p, struct stream *s)
{
    struct gathered g;
    int number = FAULT("net/send", ECONNRESET);
    if (number != 0) {
        errno = number;
        return -1;
    }
    gather(p, s, &g);
    return g.count > 0 ? send_gathered(s, &g) : send_file(p, s);
}

/* Sends until the socket is full, the disk must be asked, all is sent, or the stream has had its
 * share of this turn. */
static void try_send(struct posix *p, struct stream *s)
{
    uint64_t limit = s->sent + SEND_TURN_BYTES;
    while (s->part_index < s->sending->part_count) {
        if (s->sent >= limit) {
            list_push_back(&p->again, &s->again);
            return;
        }
        ssize_t n = send_some(p, s);
        if (n >= 0) {
            p->public.counters.bytes_sent += (uint64_t)n;
            advance(s, (uint64_t)n);
        } else if (errno == EAGAIN) {
            s->writable = false;
            return;
        } else if (errno == EINPROGRESS) {
            return;
        } else if (errno != EINTR) {
            end_send(p, s, errno == ERANGE ? ERR_CORRUPT : posix_errno(ENV_SEND, errno));
            return;
        }
    }
    posix_finish(p, s->sending, ERR_NONE, s->sent);
}

void posix_send_submit(struct posix *p, struct env_op *op)
{
    struct stream *s = open_stream(p, op->handle);
    ASSERT(s->sending == NULL);
    s->sending = op;
    s->part_index = 0;
    s->part_offset = s->sent = s->cached_until = 0;
    advance(s, 0);
    if (s->broken != ERR_NONE)
        end_send(p, s, s->broken);
    else if (s->writable)
        try_send(p, s);
}

void posix_stream_again(struct posix *p)
{
    struct list turn;
    list_init(&turn);
    list_splice_back(&turn, &p->again);
    for (struct list *l = list_pop_front(&turn); l != NULL; l = list_pop_front(&turn))
        try_send(p, CONTAINER_OF(l, struct stream, again));
}

/* ---- close ---- */

static void end_close(struct posix *p, struct stream *s)
{
    if (s->sending != NULL)
        posix_cancel(p, s->sending);
    posix_finish(p, s->closing, ERR_NONE, 0);
}

void posix_stream_close(struct posix *p, struct stream *s, struct env_op *op)
{
    ASSERT(s->state == STREAM_OPEN);
    s->state = STREAM_CLOSING;
    s->closing = op;
    list_remove(&s->again);
    if (s->receiving != NULL)
        posix_cancel(p, s->receiving);
    if (!s->prefetching) /* else the send is a thread's; posix_send_blocked goes on */
        end_close(p, s);
}

void posix_send_blocked(struct posix *p, struct env_op *op)
{
    struct stream *s = any_stream(p, op->handle);
    ASSERT(s->prefetching);
    s->prefetching = false;
    if (s->state == STREAM_CLOSING)
        end_close(p, s);
    else if (op->door_err != ERR_NONE)
        end_send(p, s, op->door_err);
    else if (s->writable)
        try_send(p, s);
}

/* True when the other side has ended too and nothing can be lost any more. */
static bool discard(struct stream *s)
{
    for (int i = 0; i < DISCARD_STEPS_MAX; i++) {
        ssize_t n = recv(s->handle.fd, NULL, DISCARD_BYTES, MSG_TRUNC);
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n == 0 || (n < 0 && errno != EINTR))
            return true;
    }
    return true;
}

static void lingered(struct env_timer *timer)
{
    struct stream *s = CONTAINER_OF(timer, struct stream, timer);
    posix_stream_free(s->posix, s);
}

/* To close a socket with unread bytes, or that gets some later, resets it, and what is still on its
 * way out is lost (RFC 2525, 2.17). So the sending half ends first, and the socket goes when the
 * other side is through. */
static void let_go(struct posix *p, struct stream *s)
{
    int unsent = 0;
    int unread = 0;
    ioctl(s->handle.fd, SIOCOUTQ, &unsent);
    ioctl(s->handle.fd, FIONREAD, &unread);
    bool harmless = s->broken != ERR_NONE || (unsent == 0 && unread == 0);
    if (harmless || shutdown(s->handle.fd, SHUT_WR) != 0 || discard(s)) {
        posix_stream_free(p, s);
        return;
    }
    s->state = STREAM_LINGERING;
    s->timer.fire = lingered;
    posix_arm(&p->public.env, &s->timer, p->public.env.now_ns + POSIX_LINGER_NS_MAX);
}

/* ---- events ---- */

static void go_on(struct posix *p, struct stream *s)
{
    if (s->readable && s->receiving != NULL && !list_linked(&s->receiving->link))
        try_receive(p, s);
    bool may_send = s->writable && s->sending != NULL && !s->prefetching;
    if (may_send && !list_linked(&s->again) && !list_linked(&s->sending->link))
        try_send(p, s);
}

void posix_stream_event(struct posix *p, struct stream *s, uint32_t events)
{
    bool over = (events & (EPOLLHUP | EPOLLERR)) != 0;
    s->readable |= over || (events & (EPOLLIN | EPOLLRDHUP)) != 0;
    s->writable |= over || (events & EPOLLOUT) != 0;
    s->ended |= over || (events & EPOLLRDHUP) != 0;
    switch (s->state) {
    case STREAM_CONNECTING:
        posix_connect_event(p, s);
        return;
    case STREAM_OPEN:
        go_on(p, s);
        return;
    case STREAM_CLOSING:
        return;
    case STREAM_LINGERING:
        if (discard(s))
            posix_stream_free(p, s);
        return;
    }
    UNREACHABLE();
}

void posix_stream_settle(struct posix *p, struct env_op *op)
{
    struct stream *s = any_stream(p, op->handle);
    struct env_op **slot = op->verb == ENV_SEND ? &s->sending : &s->receiving;
    ASSERT(*slot == op);
    *slot = NULL;
}

void posix_stream_close_settle(struct posix *p, struct stream *s)
{
    ASSERT(s->sending == NULL);
    ASSERT(s->receiving == NULL);
    let_go(p, s);
}
