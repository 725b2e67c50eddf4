/* steps_test.c - the engine of the step tables: which step runs when, and how the work ends. */
#include <stdlib.h>
#include "support/test.h"
#include "steps/steps.h"

/* Work whose steps say what they did, one letter each. */
struct work {
    struct steps steps;
    struct waiter *waiter; /* what a step waits for */
    struct waiter *other;
    enum err given; /* how it ends, where a step ends it itself */
    bool at_once;   /* it does, before the step returns */
    int rounds;     /* that are left */
    enum err seen;  /* by the step after a try */
    int ended_count;
    enum err ended;
    char said[32];
};

static struct work *work_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct work, steps);
}

static void say(struct steps *steps, char letter)
{
    char *said = work_of(steps)->said;
    said[strlen(said)] = letter;
}

static void ended(struct steps *steps, enum err e)
{
    struct work *w = work_of(steps);
    w->ended_count++;
    w->ended = e;
}

static void run(struct work *w, const struct step *table)
{
    steps_start(&w->steps, NULL, table, ended);
}

static void begin_wait(struct work *w)
{
    w->waiter = steps_waiter(&w->steps);
    if (w->at_once)
        waiter_tell(w->waiter, w->given);
}

static enum steps_flow step_a(struct steps *steps)
{
    say(steps, 'a');
    return STEPS_NEXT;
}

static enum steps_flow step_b(struct steps *steps)
{
    say(steps, 'b');
    return STEPS_NEXT;
}

static enum steps_flow step_wait(struct steps *steps)
{
    say(steps, 'w');
    begin_wait(work_of(steps));
    return STEPS_WAIT;
}

static enum steps_flow step_try(struct steps *steps)
{
    say(steps, 't');
    begin_wait(work_of(steps));
    return STEPS_TRY;
}

static enum steps_flow step_look(struct steps *steps)
{
    say(steps, 'l');
    work_of(steps)->seen = steps->err;
    return STEPS_NEXT;
}

static enum steps_flow step_fail(struct steps *steps)
{
    say(steps, 'f');
    return steps_fail(steps, ERR_CORRUPT);
}

static enum steps_flow step_end(struct steps *steps)
{
    say(steps, 'e');
    return steps_go(steps, STEPS_END);
}

static enum steps_flow step_back(struct steps *steps)
{
    say(steps, 'r');
    return work_of(steps)->rounds-- > 0 ? steps_go(steps, 0) : STEPS_NEXT;
}

static enum steps_flow step_again(struct steps *steps)
{
    struct work *w = work_of(steps);
    say(steps, 'g');
    if (w->rounds-- == 0)
        return STEPS_NEXT;
    steps_then(steps, STEPS_AGAIN);
    begin_wait(w);
    return STEPS_WAIT;
}

static void check(const struct work *w, const char *said, enum err e)
{
    assert_string_equal(w->said, said);
    assert_int_equal(w->ended_count, 1);
    assert_int_equal(w->ended, e);
}

TEST(steps_run_in_the_order_of_the_table)
{
    static const struct step table[] = {{"a", step_a}, {"b", step_b}, {"a", step_a}, {NULL, NULL}};
    struct work w = {0};
    run(&w, table);
    check(&w, "aba", ERR_NONE);
}

TEST(an_empty_table_ends_at_once)
{
    static const struct step table[] = {{NULL, NULL}};
    struct work w = {0};
    run(&w, table);
    check(&w, "", ERR_NONE);
}

TEST(the_next_step_runs_when_what_was_waited_for_has_ended)
{
    static const struct step table[] = {{"wait", step_wait}, {"a", step_a}, {NULL, NULL}};
    struct work w = {0};
    run(&w, table);
    assert_string_equal(w.said, "w");
    assert_int_equal(w.ended_count, 0);
    waiter_tell(w.waiter, ERR_NONE);
    check(&w, "wa", ERR_NONE);
}

TEST(what_ends_inside_of_the_step_that_waits_for_it_goes_on_behind_it)
{
    static const struct step table[] = {
        {"try", step_try}, {"look", step_look}, {"wait", step_wait}, {"a", step_a}, {NULL, NULL}};
    struct work w = {.at_once = true};
    run(&w, table);
    check(&w, "tlwa", ERR_NONE);
}

TEST(an_error_ends_the_work_and_names_its_step)
{
    static const struct step table[] = {
        {"a", step_a}, {"wait", step_wait}, {"b", step_b}, {NULL, NULL}};
    for (int at_once = 0; at_once < 2; at_once++) {
        struct work w = {.at_once = at_once == 1, .given = ERR_IO};
        run(&w, table);
        if (!w.at_once)
            waiter_tell(w.waiter, ERR_IO);
        check(&w, "aw", ERR_IO);
        assert_string_equal(steps_what(&w.steps), "wait");
    }
}

TEST(the_step_behind_a_try_sees_the_error_and_goes_on)
{
    static const struct step table[] = {
        {"try", step_try}, {"look", step_look}, {"a", step_a}, {NULL, NULL}};
    for (int at_once = 0; at_once < 2; at_once++) {
        struct work w = {.at_once = at_once == 1, .given = ERR_NOSPACE};
        run(&w, table);
        if (!w.at_once)
            waiter_tell(w.waiter, ERR_NOSPACE);
        check(&w, "tla", ERR_NONE);
        assert_int_equal(w.seen, ERR_NOSPACE);
    }
}

/* Only the wait that was a try forgives. */
TEST(a_wait_behind_a_try_ends_the_work)
{
    static const struct step table[] = {
        {"try", step_try}, {"wait", step_wait}, {"a", step_a}, {NULL, NULL}};
    struct work w = {0};
    run(&w, table);
    waiter_tell(w.waiter, ERR_IO);
    assert_int_equal(w.ended_count, 0);
    waiter_tell(w.waiter, ERR_IO);
    check(&w, "tw", ERR_IO);
}

TEST(a_step_may_fail)
{
    static const struct step table[] = {
        {"a", step_a}, {"fail", step_fail}, {"b", step_b}, {NULL, NULL}};
    struct work w = {0};
    run(&w, table);
    check(&w, "af", ERR_CORRUPT);
    assert_string_equal(steps_what(&w.steps), "fail");
}

TEST(a_step_may_end_the_work)
{
    static const struct step table[] = {{"end", step_end}, {"b", step_b}, {NULL, NULL}};
    struct work w = {0};
    run(&w, table);
    check(&w, "e", ERR_NONE);
}

TEST(a_step_may_jump)
{
    static const struct step table[] = {
        {"a", step_a}, {"back", step_back}, {"b", step_b}, {NULL, NULL}};
    struct work w = {.rounds = 2};
    run(&w, table);
    check(&w, "arararb", ERR_NONE);
}

/* However many times what it waits for ends inside of it: no call stands upon the other. */
TEST(a_step_may_run_again)
{
    static const struct step table[] = {{"again", step_again}, {"a", step_a}, {NULL, NULL}};
    for (int at_once = 0; at_once < 2; at_once++) {
        struct work w = {.rounds = 3, .at_once = at_once == 1};
        run(&w, table);
        while (w.ended_count == 0)
            waiter_tell(w.waiter, ERR_NONE);
        check(&w, "gggga", ERR_NONE);
    }
}

static void end_frees(struct steps *steps, enum err e)
{
    assert_int_equal(e, ERR_IO);
    free(work_of(steps));
}

/* Under the sanitizers of `./dev build asan` a look at the steps after it would be caught. */
TEST(the_end_may_free_the_owner)
{
    static const struct step wait_table[] = {{"wait", step_wait}, {NULL, NULL}};
    static const struct step again_table[] = {{"again", step_again}, {NULL, NULL}};
    for (int i = 0; i < 4; i++) {
        struct work *w = calloc(1, sizeof *w);
        w->at_once = i % 2 == 1;
        w->given = ERR_IO;
        w->rounds = 5;
        steps_start(&w->steps, NULL, i < 2 ? wait_table : again_table, end_frees);
        if (i % 2 == 0)
            waiter_tell(w->waiter, ERR_IO);
    }
}

static void end_starts_anew(struct steps *steps, enum err e)
{
    static const struct step table[] = {{"b", step_b}, {NULL, NULL}};
    assert_int_equal(e, ERR_NONE);
    steps_start(steps, NULL, table, ended);
}

TEST(the_end_may_start_another_table)
{
    static const struct step table[] = {{"a", step_a}, {"wait", step_wait}, {NULL, NULL}};
    struct work w = {0};
    steps_start(&w.steps, NULL, table, end_starts_anew);
    waiter_tell(w.waiter, ERR_NONE);
    check(&w, "awb", ERR_NONE);
}

/* ---- an operation of the door ---- */

/* As if the door had it. */
static enum steps_flow step_io(struct steps *steps)
{
    say(steps, 'i');
    steps->io.in_flight = true;
    return STEPS_WAIT;
}

static void complete(struct work *w, enum err e, uint64_t n)
{
    w->steps.io.in_flight = false;
    steps_done(&w->steps.io, e, n);
}

TEST(an_operation_of_the_door_gives_its_number)
{
    static const struct step table[] = {{"io", step_io}, {"a", step_a}, {NULL, NULL}};
    struct work w = {0};
    run(&w, table);
    assert_int_equal(w.ended_count, 0);
    complete(&w, ERR_NONE, 17);
    check(&w, "ia", ERR_NONE);
    assert_int_equal(w.steps.n, 17);
}

/* ---- what must not be: each of these ends the process ---- */

struct broken {
    const struct step *table;
    void (*harm)(struct work *w); /* done to it then */
};

static void run_broken(void *arg)
{
    const struct broken *broken = arg;
    struct work w = {0};
    run(&w, broken->table);
    if (broken->harm != NULL)
        broken->harm(&w);
}

static void assert_dies(const struct step *table, void (*harm)(struct work *w))
{
    struct broken broken = {.table = table, .harm = harm};
    assert_true(test_dies(run_broken, &broken));
}

static enum steps_flow step_asks_twice(struct steps *steps)
{
    struct work *w = work_of(steps);
    w->waiter = steps_waiter(steps);
    w->other = steps_waiter(steps);
    return STEPS_WAIT;
}

static enum steps_flow step_waits_for_both(struct steps *steps)
{
    work_of(steps)->waiter = steps_waiter(steps);
    return step_io(steps);
}

static enum steps_flow step_waits_for_nothing(struct steps *steps)
{
    (void)steps;
    return STEPS_WAIT;
}

static enum steps_flow step_leaves_it(struct steps *steps)
{
    work_of(steps)->waiter = steps_waiter(steps);
    return STEPS_NEXT;
}

static enum steps_flow step_jumps_out(struct steps *steps)
{
    return steps_go(steps, 7);
}

TEST(a_step_waits_for_exactly_one_thing)
{
    static const struct step twice[] = {{"twice", step_asks_twice}, {NULL, NULL}};
    static const struct step both[] = {{"both", step_waits_for_both}, {NULL, NULL}};
    static const struct step nothing[] = {{"nothing", step_waits_for_nothing}, {NULL, NULL}};
    static const struct step leaves[] = {{"leaves", step_leaves_it}, {NULL, NULL}};
    assert_dies(twice, NULL);
    assert_dies(both, NULL);
    assert_dies(nothing, NULL);
    assert_dies(leaves, NULL);
}

TEST(a_step_goes_on_within_its_table)
{
    static const struct step table[] = {{"out", step_jumps_out}, {NULL, NULL}};
    assert_dies(table, NULL);
}

static void tell_twice(struct work *w)
{
    waiter_tell(w->waiter, ERR_NONE);
    waiter_tell(w->waiter, ERR_NONE);
}

static void tell_what_waits_for_the_door(struct work *w)
{
    waiter_tell(&w->steps.waiter, ERR_NONE);
}

static void complete_what_waits_for_a_waiter(struct work *w)
{
    steps_done(&w->steps.io, ERR_NONE, 0);
}

TEST(only_what_is_waited_for_resumes)
{
    static const struct step wait[] = {{"wait", step_wait}, {"io", step_io}, {NULL, NULL}};
    static const struct step io[] = {{"io", step_io}, {NULL, NULL}};
    assert_dies(wait, tell_twice);
    assert_dies(wait, complete_what_waits_for_a_waiter);
    assert_dies(io, tell_what_waits_for_the_door);
}
