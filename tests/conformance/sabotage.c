/* sabotage.c - a check that never failed is not a check: doors that are broken on purpose, each of
 * which the list of cases must report. The breakage stands between the cases and the real door. */
#include "support/test.h"
#include "conformance/conformance.h"

#define PATIENCE_NS 300000000ll

/* The door underneath, and what the one in front remembers. One run at a time. */
struct sabotage {
    struct env_door door;
    const struct env_door *real;
    struct conformance *t;
    struct env_op *held;      /* not passed on yet */
    env_done *done;           /* of the operation whose completion is tampered with */
    struct env_op *cancelled; /* its completion is kept back until its stream is closed */
    struct env_timer *first;  /* armed */
    int count;
};

static struct sabotage *sabotage_of(struct env *env)
{
    return CONTAINER_OF((struct env_door *)(uintptr_t)env->door, struct sabotage, door);
}

static void spoil(struct conformance *t, void (*submit)(struct env *env, struct env_op *op),
                  void (*arm)(struct env *env, struct env_timer *timer, int64_t deadline_ns),
                  void (*disarm)(struct env *env, struct env_timer *timer))
{
    struct sabotage *s = take(t, sizeof *s);
    s->t = t;
    s->real = t->env->door;
    s->door = *s->real;
    s->door.submit = submit != NULL ? submit : s->door.submit;
    s->door.arm = arm != NULL ? arm : s->door.arm;
    s->door.disarm = disarm != NULL ? disarm : s->door.disarm;
    t->env->door = &s->door;
}

static void expect_report(conformance_spoil *how, conformance_case *run, const char *what)
{
    char failure[CONFORMANCE_TEXT_SIZE];
    bool passed = conformance_try(&conformance_posix, 0, run, how, PATIENCE_NS, failure);
    if (passed)
        fail_msg("a door that %s passed", what);
    assert_true(failure[0] != 0);
}

/* SABOTAGE(name, case): the functions name_submit and so on break the door; case must report it. */
#define SABOTAGE(name, submit, arm, disarm, the_case)                                              \
    conformance_case conformance_##the_case;                                                       \
    static void spoil_##name(struct conformance *t)                                                \
    {                                                                                              \
        spoil(t, submit, arm, disarm);                                                             \
    }                                                                                              \
    TEST(a_door_that_##name##_is_reported)                                                         \
    {                                                                                              \
        expect_report(spoil_##name, conformance_##the_case, #name);                                \
    }

static void pass_on(struct env *env, struct env_op *op)
{
    sabotage_of(env)->real->submit(env, op);
}

/* ---- completions ---- */

static void complete_inside(struct env *env, struct env_op *op)
{
    if (op->verb != ENV_SIZE) {
        pass_on(env, op);
        return;
    }
    op->in_flight = false;
    op->done(op, ERR_NONE, 3);
}
SABOTAGE(completes_inside_the_call, complete_inside, NULL, NULL, no_verb_completes_inside_its_call)

/* The completion of one operation goes through tamper, which finds the rest in the one sabotage. */
static void tamper_with(struct env *env, struct env_op *op, env_done *tamper)
{
    struct sabotage *s = sabotage_of(env);
    s->done = op->done;
    op->done = tamper;
    /* The path is the only field of a file's or stream's operation that no verb of those uses. */
    op->path_to = (const char *)s;
    s->real->submit(env, op);
}

static struct sabotage *tampered(struct env_op *op)
{
    struct sabotage *s = (struct sabotage *)(uintptr_t)op->path_to;
    op->done = s->done;
    return s;
}

static void done_timeless(struct env_op *op, enum err e, uint64_t n)
{
    struct sabotage *s = tampered(op);
    op->modified_ms = 0;
    s->done(op, e, n);
}

static void forget_times(struct env *env, struct env_op *op)
{
    if (op->verb == ENV_SIZE)
        tamper_with(env, op, done_timeless);
    else
        pass_on(env, op);
}
SABOTAGE(forgets_when_files_were_written, forget_times, NULL, NULL,
         a_size_tells_when_the_file_was_written)

static void done_twice(struct env_op *op, enum err e, uint64_t n)
{
    struct sabotage *s = tampered(op);
    s->done(op, e, n);
    s->done(op, e, n);
}

static void complete_twice(struct env *env, struct env_op *op)
{
    if (op->verb == ENV_SIZE)
        tamper_with(env, op, done_twice);
    else
        pass_on(env, op);
}
SABOTAGE(completes_twice, complete_twice, NULL, NULL, truncate_cuts_and_extends_with_zeros)

static void done_never(struct env_op *op, enum err e, uint64_t n)
{
    struct sabotage *s = tampered(op);
    if (e != ERR_CANCELLED)
        s->done(op, e, n);
}

static void lose_cancels(struct env *env, struct env_op *op)
{
    if (op->verb == ENV_RECEIVE)
        tamper_with(env, op, done_never);
    else
        pass_on(env, op);
}
SABOTAGE(loses_a_cancel, lose_cancels, NULL, NULL, close_cancels_a_receive_first)

static void done_later(struct env_op *op, enum err e, uint64_t n)
{
    struct sabotage *s = tampered(op);
    if (e == ERR_CANCELLED)
        s->cancelled = op;
    else
        s->done(op, e, n);
}

static void done_then_cancel(struct env_op *op, enum err e, uint64_t n)
{
    struct sabotage *s = (struct sabotage *)(uintptr_t)op->path_to;
    op->done = s->t->env->door == &s->door ? s->done : op->done;
    s->done(op, e, n);
    if (s->cancelled != NULL)
        s->cancelled->done(s->cancelled, ERR_CANCELLED, 0);
    s->cancelled = NULL;
}

static void cancel_late(struct env *env, struct env_op *op)
{
    if (op->verb == ENV_RECEIVE)
        tamper_with(env, op, done_later);
    else if (op->verb == ENV_CLOSE)
        tamper_with(env, op, done_then_cancel);
    else
        pass_on(env, op);
}
SABOTAGE(cancels_after_the_close, cancel_late, NULL, NULL, close_cancels_a_receive_first)

static void done_unlisted(struct env_op *op, enum err e, uint64_t n)
{
    (void)e;
    (void)n;
    tampered(op)->done(op, ERR_TIMEOUT, 0);
}

static void end_unlisted(struct env *env, struct env_op *op)
{
    if (op->verb == ENV_SYNC)
        tamper_with(env, op, done_unlisted);
    else
        pass_on(env, op);
}
SABOTAGE(ends_with_an_error_it_does_not_list, end_unlisted, NULL, NULL,
         syncs_of_files_and_directories_succeed)

static void done_short(struct env_op *op, enum err e, uint64_t n)
{
    tampered(op)->done(op, e, n > 1 ? n - 1 : n);
}

static void read_short(struct env *env, struct env_op *op)
{
    if (op->verb == ENV_READ)
        tamper_with(env, op, done_short);
    else
        pass_on(env, op);
}
SABOTAGE(reads_short_before_the_end, read_short, NULL, NULL, reads_are_short_only_at_the_end)

static void done_empty(struct env_op *op, enum err e, uint64_t n)
{
    (void)e;
    (void)n;
    tampered(op)->done(op, ERR_NONE, 0);
}

static void receive_nothing(struct env *env, struct env_op *op)
{
    if (op->verb == ENV_RECEIVE)
        tamper_with(env, op, done_empty);
    else
        pass_on(env, op);
}
SABOTAGE(receives_no_byte, receive_nothing, NULL, NULL, a_receive_gives_what_is_there)

/* ---- files ---- */

static void swap_appends(struct env *env, struct env_op *op)
{
    struct sabotage *s = sabotage_of(env);
    if (op->verb == ENV_APPEND && s->held == NULL && s->count++ == 3) {
        s->held = op;
        return;
    }
    pass_on(env, op);
    if (s->held != NULL)
        pass_on(env, s->held);
    s->held = NULL;
}
SABOTAGE(swaps_appends, swap_appends, NULL, NULL, many_appends_in_flight_keep_their_order)

static void keep_size(struct env *env, struct env_op *op)
{
    if (op->verb == ENV_TRUNCATE)
        op->size = MAX(op->size, 3);
    pass_on(env, op);
}
SABOTAGE(truncates_wrongly, keep_size, NULL, NULL, truncate_cuts_and_extends_with_zeros)

static void write_beside(struct env *env, struct env_op *op)
{
    struct sabotage *s = sabotage_of(env);
    if (op->verb == ENV_WRITE && s->count++ == 20)
        op->offset++;
    pass_on(env, op);
}
SABOTAGE(writes_once_beside, write_beside, NULL, NULL,
         a_thousand_random_calls_answer_as_a_naive_model_does)

static void drop_a_part(struct env *env, struct env_op *op)
{
    if (op->verb == ENV_WRITE && op->part_count > 1)
        op->part_count--;
    pass_on(env, op);
}
SABOTAGE(drops_a_part, drop_a_part, NULL, NULL, a_write_puts_its_parts_one_behind_the_other)

static void open_unlocked(struct env *env, struct env_op *op)
{
    if (op->verb == ENV_OPEN)
        op->flags &= (uint16_t)~ENV_OPEN_LOCK;
    pass_on(env, op);
}
SABOTAGE(does_not_lock, open_unlocked, NULL, NULL, a_lock_keeps_others_out_until_it_is_closed)

/* ---- streams ---- */

static void swap_parts(struct env *env, struct env_op *op)
{
    struct sabotage *s = sabotage_of(env);
    if (op->verb == ENV_SEND && op->part_count == 6) {
        struct env_part *parts = take(s->t, 6 * sizeof *parts);
        memcpy(parts, op->parts, 6 * sizeof *parts);
        parts[1] = op->parts[2];
        parts[2] = op->parts[1];
        op->parts = parts;
    }
    pass_on(env, op);
}
SABOTAGE(swaps_parts, swap_parts, NULL, NULL, parts_of_memory_and_files_are_sent_in_order)

static void accept_blindly(struct env *env, struct env_op *op)
{
    if (op->verb == ENV_CONNECT)
        tamper_with(env, op, done_empty);
    else
        pass_on(env, op);
}
SABOTAGE(connects_to_nobody, accept_blindly, NULL, NULL, nobody_listens_is_refused)

static void accept_silently(struct env *env, struct env_op *op)
{
    if (op->verb == ENV_ACCEPT)
        op->buffer = NULL;
    pass_on(env, op);
}
SABOTAGE(tells_nobody_who_connected, accept_silently, NULL, NULL, an_accept_tells_who_connected)

/* ---- time ---- */

static void move_clock(struct env *env, struct env_op *op)
{
    env->now_ns++;
    pass_on(env, op);
}
SABOTAGE(moves_the_clock_during_an_event, move_clock, NULL, NULL,
         clocks_stand_still_during_an_event)

static void done_earlier(struct env_op *op, enum err e, uint64_t n)
{
    struct sabotage *s = tampered(op);
    int64_t now_ns = s->t->env->now_ns;
    s->t->env->now_ns = 1;
    s->done(op, e, n);
    s->t->env->now_ns = now_ns;
}

static void turn_back(struct env *env, struct env_op *op)
{
    if (op->verb == ENV_SIZE)
        tamper_with(env, op, done_earlier);
    else
        pass_on(env, op);
}
SABOTAGE(turns_the_clock_back, turn_back, NULL, NULL, truncate_cuts_and_extends_with_zeros)

static void arm_early(struct env *env, struct env_timer *timer, int64_t deadline_ns)
{
    sabotage_of(env)->real->arm(env, timer, deadline_ns - 49000000);
}
SABOTAGE(fires_early, NULL, arm_early, NULL, a_timer_fires_once_and_not_early)

static void arm_once(struct env *env, struct env_timer *timer, int64_t deadline_ns)
{
    if (!env_armed(timer))
        sabotage_of(env)->real->arm(env, timer, deadline_ns);
}
SABOTAGE(does_not_move_timers, NULL, arm_once, NULL, arming_again_moves_a_timer)

/* The last armed of equal deadlines comes first. */
static void arm_last_first(struct env *env, struct env_timer *timer, int64_t deadline_ns)
{
    struct sabotage *s = sabotage_of(env);
    s->real->arm(env, timer, deadline_ns - ++s->count);
}
SABOTAGE(forgets_the_order_of_arming, NULL, arm_last_first, NULL,
         timers_fire_by_deadline_then_by_arming)

static void disarm_nothing(struct env *env, struct env_timer *timer)
{
    (void)env;
    (void)timer;
}
SABOTAGE(does_not_disarm, NULL, NULL, disarm_nothing, a_disarmed_timer_does_not_fire)

/* ---- and the list itself ---- */

TEST(a_sound_door_is_not_reported)
{
    char failure[CONFORMANCE_TEXT_SIZE];
    bool passed = conformance_try(&conformance_posix, 0, conformance_close_cancels_a_receive_first,
                                  NULL, PATIENCE_NS, failure);
    assert_true(passed);
}
