/* run.c - runs one case on one door, and watches at every completion what holds for all of them. */
#include <stdio.h>
#include <stdlib.h>
#include "support/test.h"
#include "conformance/conformance.h"

#define PATIENCE_NS 10000000000ll

static void vnote(struct conformance *t, const char *format, va_list args)
{
    if (t->failure[0] == 0)
        vsnprintf(t->failure, sizeof t->failure, format, args);
}

void conformance_note(struct conformance *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vnote(t, format, args);
    va_end(args);
}

void conformance_fail(struct conformance *t, const char *file, int line, const char *format, ...)
{
    char text[CONFORMANCE_TEXT_SIZE / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    conformance_note(t, "%s:%d: %s", file, line, text);
    longjmp(t->out, 1);
}

bool conformance_try(const struct conformance_door *door, int variant, conformance_case *run,
                     conformance_spoil *spoil, int64_t patience_ns, char *failure)
{
    struct conformance *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->door = door;
    t->variant = variant;
    t->patience_ns = patience_ns;
    mem_system(&t->heap);
    arena_init(&t->arena, &t->heap, CONFORMANCE_BYTES_MAX);
    door->start(t);
    if (spoil != NULL)
        spoil(t);
    if (setjmp(t->out) == 0) {
        run(t);
        settle(t);
        CHECK_INT(t, t->in_flight_count, 0);
    }
    door->finish(t); /* a case that failed left operations in flight: the door ends before them */
    arena_free(&t->arena);
    bool passed = t->failure[0] == 0;
    memcpy(failure, t->failure, CONFORMANCE_TEXT_SIZE);
    free(t);
    return passed;
}

void conformance_run(const struct conformance_door *door, conformance_case *run)
{
    char failure[CONFORMANCE_TEXT_SIZE];
    for (int i = 0; i < door->variant_count; i++)
        if (!conformance_try(door, i, run, NULL, PATIENCE_NS, failure))
            fail_msg("the %s door, variant %d: %s", door->name, i, failure);
}

/* ---- what holds at every completion ---- */

#define BIT(name) (1u << ERR_##name)

/* What env.h lists for each verb; ERR_NONE and ERR_NOMEM may come from all. */
static const uint32_t listed[ENV_VERB_COUNT] = {
    [ENV_OPEN] = BIT(NOTFOUND) | BIT(EXISTS) | BIT(NOTDIR) | BIT(ACCESS) | BIT(NOTFILE) |
                 BIT(READONLY) | BIT(NOSPACE) | BIT(TOOMANY) | BIT(IO) | BIT(BUSY),
    [ENV_CLOSE_FILE] = BIT(IO),
    [ENV_READ] = BIT(IO),
    [ENV_WRITE] = BIT(NOSPACE) | BIT(IO) | BIT(READONLY),
    [ENV_APPEND] = BIT(NOSPACE) | BIT(IO) | BIT(READONLY) | BIT(OFFLINE),
    [ENV_TRUNCATE] = BIT(NOSPACE) | BIT(IO) | BIT(READONLY),
    [ENV_SIZE] = BIT(IO),
    [ENV_SYNC] = BIT(IO) | BIT(NOSPACE),
    [ENV_SYNC_DIR] = BIT(NOTFOUND) | BIT(NOTDIR) | BIT(ACCESS) | BIT(TOOMANY) | BIT(IO),
    [ENV_RENAME] = BIT(NOTFOUND) | BIT(NOTDIR) | BIT(NOTEMPTY) | BIT(ACCESS) | BIT(NOTFILE) |
                   BIT(READONLY) | BIT(NOSPACE) | BIT(IO),
    [ENV_UNLINK] = BIT(NOTFOUND) | BIT(NOTDIR) | BIT(NOTEMPTY) | BIT(ACCESS) | BIT(READONLY) |
                   BIT(BUSY) | BIT(IO),
    [ENV_MAKE_DIR] = BIT(EXISTS) | BIT(NOTFOUND) | BIT(NOTDIR) | BIT(ACCESS) | BIT(READONLY) |
                     BIT(NOSPACE) | BIT(IO),
    [ENV_LIST] = BIT(RANGE) | BIT(NOTFOUND) | BIT(NOTDIR) | BIT(ACCESS) | BIT(TOOMANY) | BIT(IO),
    [ENV_SPACE] = BIT(NOTFOUND) | BIT(ACCESS) | BIT(IO),
    [ENV_LISTEN] = BIT(BUSY) | BIT(ACCESS) | BIT(UNREACHABLE) | BIT(TOOMANY),
    [ENV_ACCEPT] = BIT(TOOMANY) | BIT(CANCELLED),
    [ENV_CONNECT] = BIT(REFUSED) | BIT(UNREACHABLE) | BIT(TIMEOUT) | BIT(RESET) | BIT(TOOMANY),
    [ENV_SEND] = BIT(CORRUPT) | BIT(RESET) | BIT(IO) | BIT(CANCELLED),
    [ENV_RECEIVE] = BIT(EOF) | BIT(RESET) | BIT(TIMEOUT) | BIT(CANCELLED),
};

static void watch_clock(struct conformance *t)
{
    int64_t now_ns = env_now(t->env);
    if (now_ns <= 0)
        conformance_note(t, "env_now is %lld", (long long)now_ns);
    if (now_ns < t->last_now_ns)
        conformance_note(t, "env_now went back by %lld ns", (long long)(t->last_now_ns - now_ns));
    t->last_now_ns = now_ns;
}

static void watch_end(struct ask *ask, enum err e, uint64_t n)
{
    struct conformance *t = ask->t;
    const char *verb = env_verb_names[ask->op.verb];
    if (t->starting > 0)
        conformance_note(t, "%s completed inside the call of a verb", verb);
    if (ask->done)
        conformance_note(t, "%s completed twice", verb);
    if (ask->op.in_flight)
        conformance_note(t, "%s completed and is still in flight", verb);
    if (e != ERR_NONE && e != ERR_NOMEM && (listed[ask->op.verb] & 1u << e) == 0)
        conformance_note(t, "%s ended with %s, which it does not list", verb, err_name(e));
    if (e != ERR_NONE && e != ERR_RANGE && n != 0)
        conformance_note(t, "%s failed and says n = %llu", verb, (unsigned long long)n);
    watch_clock(t);
}

static void ended(struct env_op *op, enum err e, uint64_t n)
{
    struct ask *ask = CONTAINER_OF(op, struct ask, op);
    struct conformance *t = ask->t;
    watch_end(ask, e, n);
    t->in_flight_count--;
    ask->done = true;
    ask->e = e;
    ask->n = n;
    ask->order = ++t->done_count;
    if (ask->then != NULL)
        ask->then(ask);
}

/* ---- waiting ---- */

static bool step(struct conformance *t)
{
    bool moved = t->door->step(t);
    if (t->failure[0] != 0)
        longjmp(t->out, 1);
    return moved;
}

enum err await(struct ask *ask)
{
    struct conformance *t = ask->t;
    while (!ask->done) {
        if (!step(t))
            conformance_fail(t, __FILE__, __LINE__, "%s never completed",
                             env_verb_names[ask->op.verb]);
    }
    t->n = ask->n;
    return ask->e;
}

struct pause {
    struct env_timer timer;
    bool over;
};

static void pause_over(struct env_timer *timer)
{
    CONTAINER_OF(timer, struct pause, timer)->over = true;
}

void settle(struct conformance *t)
{
    enum { ROUNDS = 3, ROUND_NS = 3000000 };
    for (int i = 0; i < ROUNDS; i++) {
        struct pause *pause = take(t, sizeof *pause);
        pause->timer.fire = pause_over;
        env_arm(t->env, &pause->timer, env_now(t->env) + ROUND_NS);
        while (!pause->over)
            CHECK(t, step(t));
    }
}

/* ---- the verbs ---- */

struct ask *ask_new(struct conformance *t)
{
    struct ask *ask = take(t, sizeof *ask);
    ask->t = t;
    return ask;
}

#define ASK(ask, call)                                                                             \
    do {                                                                                           \
        (ask)->done = false;                                                                       \
        (ask)->t->in_flight_count++;                                                               \
        (ask)->t->starting++;                                                                      \
        call;                                                                                      \
        (ask)->t->starting--;                                                                      \
    } while (0)

void ask_open(struct ask *ask, const char *path, unsigned flags)
{
    ASK(ask, env_open_file(ask->t->env, &ask->op, path, flags, ended));
}

void ask_close_file(struct ask *ask, env_file file)
{
    ASK(ask, env_close_file(ask->t->env, &ask->op, file, ended));
}

void ask_read(struct ask *ask, env_file file, uint64_t offset, void *buffer, uint64_t size)
{
    ASK(ask, env_read(ask->t->env, &ask->op, file, offset, buffer, size, ended));
}

void ask_write(struct ask *ask, env_file file, uint64_t offset, const struct env_part *parts,
               int count)
{
    ASK(ask, env_write(ask->t->env, &ask->op, file, offset, parts, count, ended));
}

void ask_append(struct ask *ask, env_file file, const struct env_part *parts, int count)
{
    ASK(ask, env_append(ask->t->env, &ask->op, file, parts, count, ended));
}

void ask_truncate(struct ask *ask, env_file file, uint64_t size)
{
    ASK(ask, env_truncate(ask->t->env, &ask->op, file, size, ended));
}

void ask_size(struct ask *ask, env_file file)
{
    ASK(ask, env_size(ask->t->env, &ask->op, file, ended));
}

void ask_sync(struct ask *ask, env_file file)
{
    ASK(ask, env_sync(ask->t->env, &ask->op, file, ended));
}

void ask_sync_dir(struct ask *ask, const char *path)
{
    ASK(ask, env_sync_dir(ask->t->env, &ask->op, path, ended));
}

void ask_rename(struct ask *ask, const char *path, const char *path_to)
{
    ASK(ask, env_rename(ask->t->env, &ask->op, path, path_to, ended));
}

void ask_unlink(struct ask *ask, const char *path)
{
    ASK(ask, env_unlink(ask->t->env, &ask->op, path, ended));
}

void ask_make_dir(struct ask *ask, const char *path)
{
    ASK(ask, env_make_dir(ask->t->env, &ask->op, path, ended));
}

void ask_list(struct ask *ask, const char *path, void *buffer, uint64_t size)
{
    ASK(ask, env_list(ask->t->env, &ask->op, path, buffer, size, ended));
}

void ask_space(struct ask *ask, const char *path)
{
    ASK(ask, env_space(ask->t->env, &ask->op, path, ended));
}

void ask_listen(struct ask *ask, const char *host, uint16_t port)
{
    ASK(ask, env_listen(ask->t->env, &ask->op, host, port, ended));
}

void ask_accept(struct ask *ask, env_listener listener)
{
    ASK(ask, env_accept(ask->t->env, &ask->op, listener, ask->peer, ended));
}

void ask_connect(struct ask *ask, const char *host, uint16_t port)
{
    ASK(ask, env_connect(ask->t->env, &ask->op, host, port, ended));
}

void ask_send(struct ask *ask, env_stream stream, const struct env_part *parts, int count)
{
    ASK(ask, env_send(ask->t->env, &ask->op, stream, parts, count, ended));
}

void ask_receive(struct ask *ask, env_stream stream, void *buffer, uint64_t size)
{
    ASK(ask, env_receive(ask->t->env, &ask->op, stream, buffer, size, ended));
}

void ask_close(struct ask *ask, uint64_t stream_or_listener)
{
    ASK(ask, env_close(ask->t->env, &ask->op, stream_or_listener, ended));
}

void ask_offload(struct ask *ask, void (*function)(void *argument), void *argument)
{
    ASK(ask, env_offload(ask->t->env, &ask->op, function, argument, ended));
}
