/* loop.c - cases about events: time, timers, chance, work away from the loop, and when completions
 * come. */
#include "support/test.h"
#include "conformance/conformance.h"

#define MS 1000000ll
#define TICK_NS 100

/* ---- timers ---- */

struct alarm {
    struct env_timer timer;
    struct conformance *t;
    int fired_count;
    uint64_t order;
    int64_t deadline_ns, fired_ns;
};

static void ring(struct env_timer *timer)
{
    struct alarm *alarm = CONTAINER_OF(timer, struct alarm, timer);
    struct conformance *t = alarm->t;
    if (t->starting > 0)
        conformance_note(t, "a timer fired inside the call of a verb");
    if (env_armed(timer))
        conformance_note(t, "a timer that fires is still armed");
    alarm->fired_count++;
    alarm->order = ++t->done_count;
    alarm->fired_ns = env_now(t->env);
}

static struct alarm *alarm_new(struct conformance *t)
{
    struct alarm *alarm = take(t, sizeof *alarm);
    alarm->t = t;
    alarm->timer.fire = ring;
    return alarm;
}

static void arm_in(struct alarm *alarm, int64_t ns)
{
    struct env *env = alarm->t->env;
    int64_t now_ns = env_now(env);
    alarm->t->starting++;
    env_arm(env, &alarm->timer, now_ns + ns);
    alarm->t->starting--;
}

/* Waits until a timer armed now for a little later has fired. */
static void pass(struct conformance *t, int64_t ns)
{
    struct alarm *end = alarm_new(t);
    arm_in(end, ns);
    while (end->fired_count == 0)
        settle(t);
}

CASE(a_timer_fires_once_and_not_early)
{
    struct alarm *alarm = alarm_new(t);
    int64_t armed_ns = env_now(t->env);
    arm_in(alarm, 50 * MS); /* long: a busy machine must not make an early one look on time */
    CHECK(t, env_armed(&alarm->timer));
    CHECK_INT(t, alarm->fired_count, 0);
    pass(t, 80 * MS);
    CHECK_INT(t, alarm->fired_count, 1);
    CHECK(t, alarm->fired_ns >= armed_ns + 50 * MS);
    CHECK(t, !env_armed(&alarm->timer));
}

CASE(timers_fire_by_deadline_then_by_arming)
{
    enum { COUNT = 50 };
    struct alarm *alarms[COUNT];
    int64_t now_ns = env_now(t->env);
    for (int i = 0; i < COUNT; i++) {
        alarms[i] = alarm_new(t);
        alarms[i]->deadline_ns = now_ns + (5 + i * 7 % 5) * MS;
        env_arm(t->env, &alarms[i]->timer, alarms[i]->deadline_ns);
    }
    pass(t, 30 * MS);
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < i; k++) {
            bool later = alarms[k]->deadline_ns <= alarms[i]->deadline_ns;
            CHECK(t, (alarms[k]->order < alarms[i]->order) == later);
        }
    }
}

CASE(arming_again_moves_a_timer)
{
    struct alarm *later = alarm_new(t);
    struct alarm *sooner = alarm_new(t);
    struct alarm *same = alarm_new(t);
    int64_t start_ns = env_now(t->env);
    arm_in(later, 2 * MS);
    arm_in(sooner, 10000 * MS);
    arm_in(same, 8 * MS);
    env_arm(t->env, &later->timer, start_ns + 15 * MS);
    env_arm(t->env, &sooner->timer, start_ns + 8 * MS); /* armed after its equal */
    pass(t, 30 * MS);
    CHECK_INT(t, later->fired_count, 1);
    CHECK_INT(t, sooner->fired_count, 1);
    CHECK(t, later->fired_ns >= start_ns + 15 * MS);
    CHECK(t, same->order < sooner->order);
    CHECK(t, sooner->order < later->order);
}

CASE(a_disarmed_timer_does_not_fire)
{
    struct alarm *alarm = alarm_new(t);
    env_disarm(t->env, &alarm->timer);
    arm_in(alarm, 2 * MS);
    env_disarm(t->env, &alarm->timer);
    CHECK(t, !env_armed(&alarm->timer));
    pass(t, 10 * MS);
    CHECK_INT(t, alarm->fired_count, 0);
    arm_in(alarm, 2 * MS);
    pass(t, 10 * MS);
    CHECK_INT(t, alarm->fired_count, 1);
}

CASE(a_timer_whose_time_has_passed_fires_next)
{
    struct alarm *alarm = alarm_new(t);
    pass(t, 2 * MS);
    env_arm(t->env, &alarm->timer, 1);
    CHECK_INT(t, alarm->fired_count, 0);
    pass(t, 1 * MS);
    CHECK_INT(t, alarm->fired_count, 1);
}

struct ticking {
    struct env_timer timer;
    struct conformance *t;
    int count;
};

static void tick(struct env_timer *timer)
{
    struct ticking *ticking = CONTAINER_OF(timer, struct ticking, timer);
    ticking->count++;
    env_arm(ticking->t->env, timer, env_now(ticking->t->env) + TICK_NS);
}

/* On a real machine it is due again before it has returned. */
CASE(a_timer_that_is_always_due_starves_nobody)
{
    env_stream here, there;
    struct ticking *ticking = take(t, sizeof *ticking);
    uint8_t *buffer = take(t, 3);
    connected_pair(t, &here, &there);
    *ticking = (struct ticking){.timer.fire = tick, .t = t};
    env_arm(t->env, &ticking->timer, env_now(t->env));
    CHECK_OK(t, do_send(t, here, "abc", 3));
    receive_all(t, there, buffer, 3);
    env_disarm(t->env, &ticking->timer);
    CHECK(t, ticking->count > 0);
    CHECK_OK(t, do_close(t, here));
    CHECK_OK(t, do_close(t, there));
}

/* ---- the clock ---- */

struct stare {
    struct ask ask;
    int64_t now_ns, wall_ms;
    bool moved;
};

static void stare(struct ask *ask)
{
    struct stare *s = CONTAINER_OF(ask, struct stare, ask);
    struct env *env = ask->t->env;
    s->now_ns = env_now(env);
    s->wall_ms = env_wall(env);
    for (int i = 0; i < 100000; i++)
        s->moved |= env_now(env) != s->now_ns || env_wall(env) != s->wall_ms;
    struct ask *other = ask_new(ask->t);
    ask_space(other, ".");
    s->moved |= env_now(env) != s->now_ns || env_wall(env) != s->wall_ms;
}

CASE(clocks_stand_still_during_an_event)
{
    struct stare *s = take(t, sizeof *s);
    s->ask = (struct ask){.t = t, .then = stare};
    ask_space(&s->ask, ".");
    CHECK_OK(t, await(&s->ask));
    CHECK(t, !s->moved);
    CHECK(t, s->now_ns > 0);
    CHECK(t, s->wall_ms > 0);
    settle(t);
}

CASE(now_goes_on_from_event_to_event)
{
    int64_t before_ns = env_now(t->env);
    CHECK(t, before_ns > 0);
    pass(t, 3 * MS);
    CHECK(t, env_now(t->env) >= before_ns + 3 * MS);
}

/* ---- chance ---- */

CASE(random_numbers_differ)
{
    enum { COUNT = 100 };
    uint64_t drawn[COUNT];
    for (uint64_t i = 0; i < COUNT; i++) {
        drawn[i] = env_random(t->env, "conformance/draw", i % 10);
        for (uint64_t k = 0; k < i; k++)
            CHECK(t, drawn[k] != drawn[i]);
    }
}

/* ---- work away from the loop ---- */

struct sum {
    const uint8_t *bytes;
    uint64_t size, sum;
};

static void add_up(void *argument)
{
    struct sum *sum = argument;
    for (uint64_t i = 0; i < sum->size; i++)
        sum->sum += sum->bytes[i];
}

CASE(offloaded_functions_run)
{
    enum { COUNT = 20, SIZE = 10000 };
    struct sum *sums = take(t, COUNT * sizeof *sums);
    struct ask *asks[COUNT];
    for (uint64_t i = 0; i < COUNT; i++) {
        sums[i] = (struct sum){.bytes = pattern(t, i, SIZE), .size = SIZE};
        asks[i] = ask_new(t);
        ask_offload(asks[i], add_up, &sums[i]);
    }
    for (uint64_t i = 0; i < COUNT; i++) {
        struct sum again = {.bytes = sums[i].bytes, .size = SIZE};
        CHECK_OK(t, await(asks[i]));
        CHECK_INT(t, asks[i]->n, 0);
        add_up(&again);
        CHECK_INT(t, sums[i].sum, again.sum);
    }
}

/* ---- completions ---- */

/* The checks of every completion do the work: none may come before the call returns. */
CASE(no_verb_completes_inside_its_call)
{
    char *list = take(t, 100);
    struct env_part *part = take(t, sizeof *part);
    struct sum *sum = take(t, sizeof *sum);
    struct ask *asks[12];
    env_file file = file_with(t, "f", "abc", 3);
    *part = part_of("xyz", 3);
    for (int i = 0; i < COUNT_OF(asks); i++)
        asks[i] = ask_new(t);
    ask_open(asks[0], "g", READ_WRITE_CREATE);
    ask_read(asks[1], file, 0, list, 3);
    ask_write(asks[2], file, 0, part, 1);
    ask_append(asks[3], file, part, 1);
    ask_size(asks[4], file);
    ask_sync(asks[5], file);
    ask_sync_dir(asks[6], ".");
    ask_make_dir(asks[7], "d");
    ask_list(asks[8], ".", list + 10, 90);
    ask_space(asks[9], ".");
    ask_listen(asks[10], t->host, 0);
    ask_offload(asks[11], add_up, sum);
    for (int i = 0; i < COUNT_OF(asks); i++)
        CHECK(t, !asks[i]->done);
    for (int i = 0; i < COUNT_OF(asks); i++)
        CHECK_OK(t, await(asks[i]));
    CHECK_OK(t, do_close(t, asks[10]->n));
}

struct chain {
    struct ask ask;
    env_file file;
    struct env_part part;
    int left;
};

static void next_link(struct ask *ask)
{
    struct chain *chain = CONTAINER_OF(ask, struct chain, ask);
    if (ask->e != ERR_NONE || ask->n != (uint64_t)(1000 - chain->left) * 2)
        conformance_note(ask->t, "append %d of a chain stands at %llu", 1000 - chain->left,
                         (unsigned long long)ask->n);
    if (--chain->left > 0)
        ask_append(ask, chain->file, &chain->part, 1);
}

CASE(a_completion_may_start_the_same_operation_again)
{
    struct chain *chain = take(t, sizeof *chain);
    *chain = (struct chain){.ask = {.t = t, .then = next_link}, .left = 1000};
    chain->file = new_file(t, "f");
    chain->part = part_of("ab", 2);
    ask_append(&chain->ask, chain->file, &chain->part, 1);
    while (chain->left > 0)
        await(&chain->ask);
    CHECK_OK(t, do_size(t, chain->file));
    CHECK_INT(t, t->n, 2000);
}

/* An owner may free operation, path and buffer within the completion. */
struct owned {
    struct ask ask;
    struct mem *heap;
    struct owned **slot;
    char path[16];
};

static void free_owner(struct ask *ask)
{
    struct owned *owned = CONTAINER_OF(ask, struct owned, ask);
    *owned->slot = NULL;
    mem_free(owned->heap, owned);
}

CASE(after_a_completion_the_door_holds_nothing)
{
    enum { COUNT = 50 };
    struct owned **all = take(t, COUNT * sizeof(struct owned *));
    for (int i = 0; i < COUNT; i++) {
        struct owned *owned = all[i] = mem_zalloc(&t->heap, sizeof *owned);
        CHECK(t, owned != NULL);
        *owned = (struct owned){.ask = {.t = t, .then = free_owner}, .heap = &t->heap};
        owned->slot = &all[i];
        owned->path[0] = '.';
        ask_space(&owned->ask, owned->path);
    }
    for (int i = 0; i < COUNT; i++)
        while (all[i] != NULL)
            settle(t);
}
