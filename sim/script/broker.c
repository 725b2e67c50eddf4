/* broker.c - the real broker as a program of the simulated world. */
#include "node/node.h"
#include "script/script.h"
#include "script/workload.h"

struct seated {
    struct world_seat *seat;
    struct broker *broker;
    struct broker_op starting, stopping;
    struct notes notes;
    bool ended;
    struct broker_format format;
    char controllers[SCRIPT_ARGS_MAX];
    bool bugged; /* a known bug is on: it is for the checks to see, not for the broker's asserts */
};

static void say(struct seated *s, const char *sentence)
{
    trace_put_text(s->seat->trace, TRACE_SAY, NULL, sentence);
}

static void on_note(struct notes *notes, enum note_kind kind, const char *sentence)
{
    (void)kind;
    say(CONTAINER_OF(notes, struct seated, notes), sentence);
}

static void end(struct seated *s, enum err e)
{
    struct world_seat *seat = s->seat;
    broker_free(s->broker);
    mem_free(seat->mem, s);
    world_exit(seat, e);
}

static void on_started(struct broker_op *op, enum err e)
{
    struct seated *s = CONTAINER_OF(op, struct seated, starting);
    /* A start that is cut short by a stop ends with the stop. */
    if (e == ERR_NONE || s->ended)
        return;
    say(s, op->msg.text);
    end(s, e);
}

static void on_stopped(struct broker_op *op, enum err e)
{
    (void)e; /* The next start recovers; that is no failure of the world. */
    end(CONTAINER_OF(op, struct seated, stopping), ERR_NONE);
}

static void stop(struct world_seat *seat)
{
    struct seated *s = seat->self;
    if (s->ended)
        return;
    s->ended = true;
    broker_stop(s->broker, &s->stopping, on_stopped);
}

#define FORMAT_PREFIX "format=" /* who votes first (kraft.version 1) */
#define LIMIT_PREFIX "limit."
#define KEY_MAX 64

struct arguments {
    struct broker_config config;
    struct broker_limits limits;
    struct bytes format; /* a view into the arguments; empty: none */
};

/* "limit.KEY=VALUE", which is no key of a broker's file. */
static enum err set_limit(struct broker_limits *limits, struct bytes line, struct errmsg *msg)
{
    char key[KEY_MAX];
    const uint8_t *equals = memchr(line.data, '=', line.size);
    size_t prefix = strlen(LIMIT_PREFIX);
    size_t size = equals == NULL ? line.size : (size_t)(equals - line.data);
    if (equals == NULL || size - prefix >= sizeof key)
        return errmsg_set(msg, ERR_INVALID, "no limit: %.*s", (int)line.size,
                          (const char *)line.data);
    memcpy(key, line.data + prefix, size - prefix);
    key[size - prefix] = 0;
    struct bytes value = bytes_of(equals + 1, line.size - size - 1);
    return config_set(&broker_limits_table, limits, key, value, msg);
}

static struct bytes next_line(struct bytes *rest)
{
    const uint8_t *end = memchr(rest->data, '\n', rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    struct bytes line = bytes_of(rest->data, size);
    size_t step = MIN(size + 1, rest->size);
    *rest = bytes_of(rest->data + step, rest->size - step);
    return line;
}

static enum err read_arguments(struct bytes args, const char *name, struct arguments *out,
                               struct errmsg *msg)
{
    uint8_t file[SCRIPT_ARGS_MAX];
    size_t used = 0;
    enum err e = ERR_NONE;
    ASSERT(args.size < sizeof file);
    out->format = bytes_of(NULL, 0);
    config_defaults(&broker_config_table, &out->config);
    config_defaults(&broker_limits_table, &out->limits);
    while (args.size > 0 && e == ERR_NONE) {
        struct bytes line = next_line(&args);
        if (line.size > strlen(LIMIT_PREFIX) &&
            memcmp(line.data, LIMIT_PREFIX, strlen(LIMIT_PREFIX)) == 0) {
            e = set_limit(&out->limits, line, msg);
            continue;
        }
        if (line.size > strlen(FORMAT_PREFIX) &&
            memcmp(line.data, FORMAT_PREFIX, strlen(FORMAT_PREFIX)) == 0) {
            out->format =
                bytes_of(line.data + strlen(FORMAT_PREFIX), line.size - strlen(FORMAT_PREFIX));
            continue;
        }
        memcpy(file + used, line.data, line.size);
        used += line.size;
        file[used++] = '\n';
    }
    if (e == ERR_NONE)
        e = config_parse(&broker_config_table, &out->config, bytes_of(file, used), name, NULL, msg);
    return e == ERR_NONE ? broker_config_check(&out->config, msg) : e;
}

/* Keys are lines of a file only between the script and here. */
static void without_line(struct errmsg *msg)
{
    size_t head = strcspn(msg->text, ":");
    size_t digits = msg->text[head] == ':' ? strspn(msg->text + head + 1, "0123456789") : 0;
    const char *rest = msg->text + head + 1 + digits;
    if (digits > 0 && strncmp(rest, ": ", 2) == 0)
        memmove(msg->text, rest + 2, strlen(rest + 2) + 1);
}

enum err script_broker_check(struct bytes args, struct errmsg *msg)
{
    struct arguments arguments;
    enum err e = read_arguments(args, "config", &arguments, msg);
    without_line(msg);
    return e;
}

static bool is_bugged(void)
{
    const struct script_bug *bugs;
    int count = script_bugs(&bugs);
    for (int i = 0; i < count; i++) {
        if (*bugs[i].on)
            return true;
    }
    return false;
}

static enum err start(struct world_seat *seat)
{
    struct errmsg msg = {{0}};
    struct arguments arguments;
    enum err e = read_arguments(seat->args, seat->name, &arguments, &msg);
    if (e != ERR_NONE)
        return e;
    struct seated *s = mem_zalloc(seat->mem, sizeof *s);
    if (s == NULL)
        return ERR_NOMEM;
    s->seat = seat;
    s->bugged = is_bugged();
    /* What goes well has rows of its own. */
    s->notes = (struct notes){.write = on_note, .level = NOTE_LEVEL_WARNING};
    seat->self = s;
    e = broker_new(&s->broker, seat->env, seat->mem, seat->trace, &arguments.config, &s->notes);
    if (e != ERR_NONE) {
        mem_free(seat->mem, s);
        return e;
    }
    broker_set_filtering(s->broker, script_filtering());
    broker_set_limits(s->broker, &arguments.limits);
    /* An operator formats a disk once: one that comes in its place is left as it is. */
    if (arguments.format.size > 0 && seat->incarnation == 0) {
        ASSERT(arguments.format.size < sizeof s->controllers);
        memcpy(s->controllers, arguments.format.data, arguments.format.size);
        s->format = (struct broker_format){.kind = BROKER_FORMAT_INITIAL_CONTROLLERS,
                                           .controllers = s->controllers};
        broker_set_format(s->broker, &s->format);
    }
    broker_start(s->broker, &s->starting, on_started);
    return ERR_NONE;
}

static void check(struct world_seat *seat, bool whole)
{
    struct seated *s = seat->self;
    if (!s->bugged)
        broker_assert(s->broker, whole);
}

const struct world_program script_broker = {
    .kind = "broker", .start = start, .stop = stop, .check = check};
