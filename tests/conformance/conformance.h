/* conformance.h - the one list of cases that every door must pass, written against core/env alone:
 * what a case is, what it may call, and what a door brings so that the cases can run on it. */
#ifndef KILN_CONFORMANCE_H
#define KILN_CONFORMANCE_H

#include <setjmp.h>
#include "env/env.h"

struct conformance;

/* A door under test. Each start gives a fresh machine with an empty root and no other load. */
struct conformance_door {
    const char *name;
    int variant_count; /* of the same machine, each of which must pass */
    /* Fills t->env and t->host (where its listeners are found). */
    void (*start)(struct conformance *t);
    /* Delivers events; false when t->patience_ns have passed, or for ever would, without one. */
    bool (*step)(struct conformance *t);
    void (*finish)(struct conformance *t);
};

extern const struct conformance_door conformance_posix;
extern const struct conformance_door conformance_sim;

#define CONFORMANCE_TEXT_SIZE 512
#define CONFORMANCE_BYTES_MAX (64u << 20)

/* One run of one case on one door. */
struct conformance {
    const struct conformance_door *door;
    struct env *env;
    const char *host;
    int64_t patience_ns;
    int variant;
    void *self; /* the door's */
    /* The run's own. Operations live in the arena, which outlives the door. */
    struct mem heap;
    struct arena arena;
    jmp_buf out;
    char failure[CONFORMANCE_TEXT_SIZE]; /* the first; empty: none */
    int starting;                        /* a verb is being called */
    int in_flight_count;
    uint64_t done_count;
    int64_t last_now_ns;
    uint64_t n; /* of the last operation that was waited for */
};

typedef void conformance_case(struct conformance *t);

/* Something wrong with the door before the case is run: what the self-check puts in. */
typedef void conformance_spoil(struct conformance *t);

/* Runs it; true when the door passed, else failure says what it did wrong. */
bool conformance_try(const struct conformance_door *door, int variant, conformance_case *run,
                     conformance_spoil *spoil, int64_t patience_ns, char *failure);
/* The same as a test, on all variants. */
void conformance_run(const struct conformance_door *door, conformance_case *run);
/* Ends the case; for the case's own code, outside of completions. */
_Noreturn void conformance_fail(struct conformance *t, const char *file, int line,
                                const char *format, ...) PRINTF_LIKE(4, 5);
/* Notes a failure and goes on; for completions. */
void conformance_note(struct conformance *t, const char *format, ...) PRINTF_LIKE(2, 3);

#define CHECK(t, cond) ((cond) ? (void)0 : conformance_fail((t), __FILE__, __LINE__, "%s", #cond))
#define CHECK_ERR(t, expression, expected)                                                         \
    do {                                                                                           \
        enum err check_err = (expression);                                                         \
        if (check_err != (expected))                                                               \
            conformance_fail((t), __FILE__, __LINE__, "%s is %s, not %s", #expression,             \
                             err_name(check_err), err_name(expected));                             \
    } while (0)
#define CHECK_OK(t, expression) CHECK_ERR(t, expression, ERR_NONE)
#define CHECK_INT(t, expression, expected)                                                         \
    do {                                                                                           \
        uint64_t check_value = (uint64_t)(expression);                                             \
        uint64_t check_wanted = (uint64_t)(expected);                                              \
        if (check_value != check_wanted)                                                           \
            conformance_fail((t), __FILE__, __LINE__, "%s is %llu, not %llu", #expression,         \
                             (unsigned long long)check_value, (unsigned long long)check_wanted);   \
    } while (0)

/* A case: its name is the claim. It becomes posix.NAME and, where there is one, sim.NAME. */
#define CASE(sentence)                                                                             \
    conformance_case conformance_##sentence;                                                       \
    CASE_ON(posix, sentence)                                                                       \
    CASE_ON_SIM(sentence)                                                                          \
    void conformance_##sentence(struct conformance *t)

#define CASE_ON(where, sentence)                                                                   \
    static void where##_##sentence(__attribute__((unused)) void **state)                           \
    {                                                                                              \
        conformance_run(&conformance_##where, conformance_##sentence);                             \
    }                                                                                              \
    __attribute__((constructor)) static void register_##where##_##sentence(void)                   \
    {                                                                                              \
        static struct test_case test = {.name = #where "." #sentence, .run = where##_##sentence};  \
        test_register(&test);                                                                      \
    }

#ifdef CONFORMANCE_SIM
#define CASE_ON_SIM(sentence) CASE_ON(sim, sentence)
#else
#define CASE_ON_SIM(sentence)
#endif

/* ---- what a case calls ---- */

/* Zeroed memory that lives as long as the run. */
void *take(struct conformance *t, size_t size);
/* Bytes that tell their place: byte i of every pattern with that key is the same. */
uint8_t pattern_byte(uint64_t key, uint64_t i);
uint8_t *pattern(struct conformance *t, uint64_t key, uint64_t size);
bool is_pattern(const uint8_t *bytes, uint64_t key, uint64_t from, uint64_t size);
struct env_part part_of(const void *data, uint64_t size);

/* One operation that somebody waits for. It may be started again when it is done. */
struct ask {
    struct env_op op;
    struct conformance *t;
    bool done;
    enum err e;
    uint64_t n;
    uint64_t order;                /* among all completions of the run */
    void (*then)(struct ask *ask); /* called within the completion; may be NULL */
    char peer[ENV_PEER_SIZE];      /* of an accept */
};

struct ask *ask_new(struct conformance *t);
/* Waits; returns its error and leaves n in t->n. */
enum err await(struct ask *ask);
/* Delivers what comes without waiting for anything that must: a few short timers' worth. */
void settle(struct conformance *t);

void ask_open(struct ask *ask, const char *path, unsigned flags);
void ask_close_file(struct ask *ask, env_file file);
void ask_read(struct ask *ask, env_file file, uint64_t offset, void *buffer, uint64_t size);
void ask_write(struct ask *ask, env_file file, uint64_t offset, const struct env_part *parts,
               int count);
void ask_append(struct ask *ask, env_file file, const struct env_part *parts, int count);
void ask_truncate(struct ask *ask, env_file file, uint64_t size);
void ask_size(struct ask *ask, env_file file);
void ask_sync(struct ask *ask, env_file file);
void ask_sync_dir(struct ask *ask, const char *path);
void ask_rename(struct ask *ask, const char *path, const char *path_to);
void ask_unlink(struct ask *ask, const char *path);
void ask_make_dir(struct ask *ask, const char *path);
void ask_list(struct ask *ask, const char *path, void *buffer, uint64_t size);
void ask_space(struct ask *ask, const char *path);
void ask_listen(struct ask *ask, const char *host, uint16_t port);
void ask_accept(struct ask *ask, env_listener listener);
void ask_connect(struct ask *ask, const char *host, uint16_t port);
void ask_send(struct ask *ask, env_stream stream, const struct env_part *parts, int count);
void ask_receive(struct ask *ask, env_stream stream, void *buffer, uint64_t size);
void ask_close(struct ask *ask, uint64_t stream_or_listener);
void ask_offload(struct ask *ask, void (*function)(void *argument), void *argument);

/* The same, waited for; n is left in t->n. */
enum err do_open(struct conformance *t, const char *path, unsigned flags);
enum err do_close_file(struct conformance *t, env_file file);
enum err do_read(struct conformance *t, env_file file, uint64_t offset, void *buffer,
                 uint64_t size);
enum err do_write(struct conformance *t, env_file file, uint64_t offset, const void *data,
                  uint64_t size);
enum err do_append(struct conformance *t, env_file file, const void *data, uint64_t size);
enum err do_truncate(struct conformance *t, env_file file, uint64_t size);
enum err do_size(struct conformance *t, env_file file);
enum err do_sync(struct conformance *t, env_file file);
enum err do_sync_dir(struct conformance *t, const char *path);
enum err do_rename(struct conformance *t, const char *path, const char *path_to);
enum err do_unlink(struct conformance *t, const char *path);
enum err do_make_dir(struct conformance *t, const char *path);
enum err do_list(struct conformance *t, const char *path, void *buffer, uint64_t size);
enum err do_space(struct conformance *t, const char *path);
enum err do_listen(struct conformance *t, const char *host, uint16_t port);
enum err do_connect(struct conformance *t, const char *host, uint16_t port);
enum err do_send(struct conformance *t, env_stream stream, const void *data, uint64_t size);
enum err do_receive(struct conformance *t, env_stream stream, void *buffer, uint64_t size);
enum err do_close(struct conformance *t, uint64_t stream_or_listener);

/* For cases about something else: they fail the case when they do not succeed. */
env_file new_file(struct conformance *t, const char *path);
env_file file_with(struct conformance *t, const char *path, const void *data, uint64_t size);
void connected_pair(struct conformance *t, env_stream *here, env_stream *there);
/* Receives until size bytes are there. */
void receive_all(struct conformance *t, env_stream stream, uint8_t *buffer, uint64_t size);

#define READ_WRITE_CREATE (ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE)

#endif
