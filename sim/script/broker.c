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

static enum err read_config(struct bytes args, const char *name, struct broker_config *config,
                            struct errmsg *msg)
{
    config_defaults(&broker_config_table, config);
    enum err e = config_parse(&broker_config_table, config, args, name, NULL, msg);
    return e == ERR_NONE ? broker_config_check(config, msg) : e;
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
    struct broker_config config;
    enum err e = read_config(args, "config", &config, msg);
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
    struct broker_config config;
    enum err e = read_config(seat->args, seat->name, &config, &msg);
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
    e = broker_new(&s->broker, seat->env, seat->mem, seat->trace, &config, &s->notes);
    if (e != ERR_NONE) {
        mem_free(seat->mem, s);
        return e;
    }
    broker_set_filtering(s->broker, script_filtering());
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
