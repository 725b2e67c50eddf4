/* connect.c - how streams begin: names become addresses, listeners accept, connecting goes through
 * the addresses of a host one by one. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "posix/internal.h"

/* ---- addresses ---- */

static void add_address(struct addresses *a, const void *address, socklen_t size)
{
    if (a->count == ADDRESSES_MAX)
        return;
    ASSERT(size <= sizeof a->address[0]);
    memcpy(&a->address[a->count], address, size);
    a->size[a->count++] = size;
}

/* An address written in digits needs no name server and no thread. */
static void parse_address(struct addresses *a, const char *host, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
        add_address(a, &v4, sizeof v4);
    else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
        add_address(a, &v6, sizeof v6);
}

static void set_port(struct sockaddr *address, uint16_t port)
{
    if (address->sa_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
}

static struct addresses *addresses_of(const struct env_op *op)
{
    return (struct addresses *)(uintptr_t)op->door_done;
}

/* IPv4 first: who listens on "localhost" is then found by those who know only 127.0.0.1. */
void posix_resolve(struct env_op *op)
{
    struct addresses *a = addresses_of(op);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(op->path, NULL, &hints, &found) != 0)
        return;
    static const int families[] = {AF_INET, AF_INET6};
    for (int i = 0; i < COUNT_OF(families); i++) {
        for (struct addrinfo *f = found; f != NULL; f = f->ai_next) {
            if (f->ai_family != families[i])
                continue;
            set_port(f->ai_addr, op->port);
            add_address(a, f->ai_addr, f->ai_addrlen);
        }
    }
    freeaddrinfo(found);
}

static void resolve(struct posix *p, struct env_op *op)
{
    struct addresses *a = mem_zalloc(p->mem, sizeof *a);
    if (a == NULL) {
        posix_finish(p, op, ERR_NOMEM, 0);
        return;
    }
    list_init(&a->link);
    list_push_back(&p->resolving, &a->link);
    op->door_done = (uint64_t)(uintptr_t)a;
    parse_address(a, op->path, op->port);
    if (a->count > 0)
        posix_resolved(p, op);
    else
        posix_pool_submit(&p->pool, op);
}

static void free_addresses(struct posix *p, struct addresses *a)
{
    list_remove(&a->link);
    mem_free(p->mem, a);
}

void posix_addresses_free(struct posix *p)
{
    LIST_EACH (a, &p->resolving, struct addresses, link)
        free_addresses(p, a);
}

static int open_socket(const struct addresses *a, int i)
{
    return socket(a->address[i].ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* ---- listen and accept ---- */

/* A listening descriptor; -1: errno. */
static int listen_on(const struct addresses *a, int i)
{
    int on = 1;
    int fd = open_socket(a, i);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const struct sockaddr *address = (const struct sockaddr *)&a->address[i];
    if (bind(fd, address, a->size[i]) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    int failed = getsockname(fd, (struct sockaddr *)&address, &size);
    ASSERT(failed == 0);
    return ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                              : ((struct sockaddr_in6 *)&address)->sin6_port);
}

static enum err listener_new(struct posix *p, int fd, struct listener **out)
{
    struct listener *l = mem_zalloc(p->mem, sizeof *l);
    if (l == NULL) {
        close(fd);
        return ERR_NOMEM;
    }
    l->handle = (struct handle){.kind = HANDLE_LISTENER, .fd = fd};
    enum err e = posix_name_give(&p->names, p->mem, &l->handle, port_of(fd));
    if (e != ERR_NONE) {
        close(fd);
        mem_free(p->mem, l);
        return e;
    }
    p->socket_count++;
    e = posix_epoll_add(p, fd, EPOLLIN, l->handle.name);
    if (e != ERR_NONE) {
        posix_listener_free(p, l);
        return e;
    }
    *out = l;
    return ERR_NONE;
}

static void listen_resolved(struct posix *p, struct env_op *op, const struct addresses *a)
{
    int fd = -1;
    errno = EHOSTUNREACH;
    for (int i = 0; i < a->count && fd < 0; i++)
        fd = listen_on(a, i);
    if (fd < 0) {
        posix_fail(p, op, errno);
        return;
    }
    struct listener *l = NULL;
    enum err e = listener_new(p, fd, &l);
    posix_finish(p, op, e, e == ERR_NONE ? l->handle.name : 0);
}

/* A connection that died in the queue is the next one's business. */
static bool died_waiting(int number)
{
    return number == ECONNABORTED || number == EPROTO || number == EINTR || number == ENETDOWN ||
           number == EHOSTDOWN || number == EHOSTUNREACH || number == ENETUNREACH;
}

static void print_peer(const struct sockaddr_storage *address, socklen_t size, char *peer)
{
    char host[INET6_ADDRSTRLEN] = "?";
    char port[sizeof "65535"] = "?";
    int failed = getnameinfo((const struct sockaddr *)address, size, host, sizeof host, port,
                             sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    bool colons = failed == 0 && strchr(host, ':') != NULL;
    snprintf(peer, ENV_PEER_SIZE, colons ? "[%s]:%s" : "%s:%s", host, port);
}

static void accepted(struct posix *p, struct env_op *op, int fd)
{
    struct stream *s = NULL;
    enum err e = posix_stream_new(p, STREAM_OPEN, &s);
    if (e != ERR_NONE) {
        close(fd);
        posix_finish(p, op, e, 0);
        return;
    }
    s->writable = true;
    e = posix_stream_attach(p, s, fd);
    if (e == ERR_NONE) {
        posix_finish(p, op, ERR_NONE, s->handle.name);
        return;
    }
    posix_stream_free(p, s);
    posix_finish(p, op, e, 0);
}

static void try_accept(struct posix *p, struct listener *l)
{
    int fd;
    struct sockaddr_storage peer;
    socklen_t size;
    int number = FAULT("net/accept", EMFILE);
    if (number != 0) {
        posix_fail(p, l->accepting, number);
        return;
    }
    do {
        size = sizeof peer;
        fd = accept4(l->handle.fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && died_waiting(errno));
    if (fd >= 0 && l->accepting->buffer != NULL)
        print_peer(&peer, size, l->accepting->buffer);
    if (fd >= 0)
        accepted(p, l->accepting, fd);
    else if (errno == EAGAIN)
        l->readable = false;
    else
        posix_fail(p, l->accepting, errno);
}

static struct listener *find_listener(struct posix *p, uint64_t name)
{
    struct handle *handle = posix_name_find(&p->names, name);
    ASSERT(handle != NULL);
    ASSERT(handle->kind == HANDLE_LISTENER);
    return CONTAINER_OF(handle, struct listener, handle);
}

void posix_accept_submit(struct posix *p, struct env_op *op)
{
    struct listener *l = find_listener(p, op->handle);
    ASSERT(l->accepting == NULL);
    ASSERT(l->closing == NULL);
    l->accepting = op;
    if (l->readable)
        try_accept(p, l);
}

void posix_accept_settle(struct posix *p, struct env_op *op)
{
    find_listener(p, op->handle)->accepting = NULL;
}

void posix_listener_event(struct posix *p, struct listener *l)
{
    l->readable = true;
    if (l->closing == NULL && l->accepting != NULL && !list_linked(&l->accepting->link))
        try_accept(p, l);
}

/* An accepted stream of which nobody was told yet goes with its listener. */
static void cancel_accept(struct posix *p, struct env_op *op)
{
    if (list_linked(&op->link) && op->door_err == ERR_NONE) {
        struct handle *handle = posix_name_find(&p->names, op->door_done);
        posix_stream_free(p, CONTAINER_OF(handle, struct stream, handle));
    }
    posix_cancel(p, op);
}

void posix_listener_close(struct posix *p, struct listener *l, struct env_op *op)
{
    ASSERT(l->closing == NULL);
    l->closing = op;
    if (l->accepting != NULL)
        cancel_accept(p, l->accepting);
    posix_finish(p, op, ERR_NONE, 0);
}

void posix_listener_free(struct posix *p, struct listener *l)
{
    close(l->handle.fd);
    posix_name_take(&p->names, &l->handle);
    mem_free(p->mem, l);
    p->socket_count--;
}

/* ---- connect ---- */

static void end_connect(struct posix *p, struct stream *s, enum err e)
{
    struct env_op *op = s->connecting;
    posix_disarm(&p->public.env, &s->timer);
    free_addresses(p, s->addresses);
    s->addresses = NULL;
    s->connecting = NULL;
    if (e == ERR_NONE) {
        s->state = STREAM_OPEN;
        posix_finish(p, op, ERR_NONE, s->handle.name);
    } else {
        posix_stream_free(p, s);
        posix_finish(p, op, e, 0);
    }
}

/* Begins to connect to one address. 0, or errno. */
static int try_address(struct posix *p, struct stream *s, int i)
{
    const struct addresses *a = s->addresses;
    int number = FAULT("net/connect", ECONNREFUSED);
    if (number != 0)
        return number;
    int fd = open_socket(a, i);
    if (fd < 0)
        return errno;
    int failed = connect(fd, (const struct sockaddr *)&a->address[i], a->size[i]);
    number = failed == 0 || errno == EINPROGRESS ? 0 : errno;
    if (posix_stream_attach(p, s, fd) != ERR_NONE)
        return ENOMEM;
    return number;
}

/* Goes on with the next address; number says why the one before was not it. */
static void next_address(struct posix *p, struct stream *s, int number)
{
    struct addresses *a = s->addresses;
    while (a->next < a->count) {
        if (s->handle.fd >= 0)
            close(s->handle.fd);
        s->handle.fd = -1;
        s->readable = s->writable = s->ended = false;
        number = try_address(p, s, a->next++);
        if (number == 0) {
            int64_t deadline_ns = p->public.env.now_ns + POSIX_CONNECT_NS_MAX;
            posix_arm(&p->public.env, &s->timer, deadline_ns);
            return;
        }
    }
    end_connect(p, s, posix_errno(ENV_CONNECT, number));
}

static void connect_timed_out(struct env_timer *timer)
{
    struct stream *s = CONTAINER_OF(timer, struct stream, timer);
    next_address(s->posix, s, ETIMEDOUT);
}

/* Connecting to a port of one's own range that nobody listens on may meet oneself. */
static bool met_itself(int fd, const struct sockaddr_storage *peer, socklen_t peer_size)
{
    struct sockaddr_storage self;
    socklen_t size = sizeof self;
    if (getsockname(fd, (struct sockaddr *)&self, &size) != 0 || size != peer_size)
        return false;
    return memcmp(&self, peer, size) == 0;
}

void posix_connect_event(struct posix *p, struct stream *s)
{
    int number = 0;
    socklen_t size = sizeof number;
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof peer;
    if (getsockopt(s->handle.fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0)
        number = errno;
    if (number == 0 && getpeername(s->handle.fd, (struct sockaddr *)&peer, &peer_size) != 0) {
        if (errno == ENOTCONN && !s->ended)
            return; /* an event of an earlier address's socket */
        number = ECONNRESET;
    }
    if (number == 0 && met_itself(s->handle.fd, &peer, peer_size))
        number = ECONNREFUSED;
    if (number == 0)
        end_connect(p, s, ERR_NONE);
    else
        next_address(p, s, number);
}

static void connect_resolved(struct posix *p, struct env_op *op, struct addresses *a)
{
    struct stream *s = NULL;
    enum err e = posix_stream_new(p, STREAM_CONNECTING, &s);
    if (e != ERR_NONE) {
        free_addresses(p, a);
        posix_finish(p, op, e, 0);
        return;
    }
    s->connecting = op;
    s->addresses = a;
    s->timer.fire = connect_timed_out;
    next_address(p, s, EHOSTUNREACH);
}

void posix_connect_submit(struct posix *p, struct env_op *op)
{
    resolve(p, op);
}

void posix_listen_submit(struct posix *p, struct env_op *op)
{
    resolve(p, op);
}

void posix_resolved(struct posix *p, struct env_op *op)
{
    struct addresses *a = addresses_of(op);
    if (op->verb == ENV_CONNECT) {
        connect_resolved(p, op, a);
        return;
    }
    listen_resolved(p, op, a);
    free_addresses(p, a);
}
