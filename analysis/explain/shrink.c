/* shrink.c - the least that still fails: pieces by delta debugging, numbers by halving and by
 * rounding. It asks one question at a time, and knows the next ones. */
#include "explain/internal.h"

enum err explain_shrink_init(struct explain_shrink *s, const struct explain_case *c)
{
    ASSERT(!c->failed);
    *s = (struct explain_shrink){.c = c, .cursor = {.low = -1}};
    s->settled = mem_array(c->mem, (size_t)MAX(c->number_count, 1), sizeof *s->settled);
    s->members = mem_array(c->mem, (size_t)MAX(c->piece_count, 1), sizeof *s->members);
    if (s->settled != NULL && s->members != NULL && explain_state_init(c, &s->best) == ERR_NONE)
        return ERR_NONE;
    explain_shrink_free(s);
    return ERR_NOMEM;
}

void explain_shrink_free(struct explain_shrink *s)
{
    explain_state_free(s->c, &s->best);
    mem_free(s->c->mem, s->settled);
    mem_free(s->c->mem, s->members);
    s->settled = NULL;
    s->members = NULL;
}

static void next_pass(struct explain_cursor *at)
{
    bool again = at->moved;
    int32_t pass = at->pass + 1;
    bool round = pass == PASS_COUNT;
    *at = (struct explain_cursor){
        .pass = round ? 0 : pass, .moved = !round && again, .low = -1, .over = round && !again};
}

/* ---- pieces ---- */

/* What of this pass is still there. */
static int32_t find_members(struct explain_shrink *s, int32_t pass)
{
    int32_t count = 0;
    for (int32_t i = 0; i < s->c->piece_count; i++) {
        if (s->c->pieces[i].pass == pass && explain_is_on(s->c, &s->best, i))
            s->members[count++] = i;
    }
    return count;
}

/* The next chunk to be left out, of at->chunk pieces from at->at on. False: the pass is over. */
static bool next_chunk(const struct explain_shrink *s, struct explain_cursor *at, int32_t count)
{
    (void)s;
    if (at->chunk == 0)
        at->chunk = count;
    at->chunk = MIN(at->chunk, count);
    while (count > 0 && at->at >= count) {
        if (at->chunk == 1 && !at->dropped)
            return false;
        at->chunk = MAX(at->chunk / 2, 1);
        at->at = 0;
        at->dropped = false;
    }
    return count > 0;
}

/* ---- numbers ---- */

static int64_t power_below(int64_t value)
{
    int64_t power = 1;
    while (value / power >= 10)
        power *= 10;
    return power;
}

/* With so many digits that are not 0. */
static int64_t rounded(int64_t value, int digits, bool up)
{
    int64_t power = power_below(MAX(value, 1));
    for (int i = 1; i < digits && power > 1; i++)
        power /= 10;
    return value / power * power + (up && value % power != 0 ? power : 0);
}

#define HALVINGS 6 /* steps after the first */
static const struct {
    int digits;
    bool up;
} roundings[] = {{1, false}, {1, true}, {2, false}, {2, true}, {3, false}, {3, true}};

/* What is tried in that step, or the value itself: nothing. */
static int64_t tried(const struct explain_shrink *s, const struct explain_cursor *at)
{
    int64_t value = s->best.value[at->number];
    int64_t least = s->c->numbers[at->number].least;
    if (at->step == 0 || s->settled[at->number])
        return at->step == 0 ? least : value;
    if (at->step <= HALVINGS) {
        int64_t low = MAX(at->low, least), middle = low + (value - low) / 2;
        int64_t neat = rounded(middle, 2, false);
        return neat > low && neat < value ? neat : middle > low ? middle : value;
    }
    int i = at->step - HALVINGS - 1;
    int64_t neat = rounded(value, roundings[i].digits, roundings[i].up);
    return neat >= least ? neat : value;
}

#define STEPS (1 + HALVINGS + COUNT_OF(roundings))

static void next_number(struct explain_cursor *at)
{
    at->number++;
    at->step = 0;
    at->low = -1;
}

/* False: the pass is over. */
static bool find_number(const struct explain_shrink *s, struct explain_cursor *at)
{
    const struct explain_case *c = s->c;
    while (at->number < c->number_count) {
        const struct explain_number *n = &c->numbers[at->number];
        bool here = n->pass == at->pass && explain_is_on(c, &s->best, n->piece);
        if (here && at->step < STEPS && tried(s, at) != s->best.value[at->number])
            return true;
        if (here && at->step < STEPS)
            at->step++;
        else
            next_number(at);
    }
    return false;
}

/* ---- together ---- */

/* Goes to the next candidate, which is there unless it is over. */
static void find_candidate(struct explain_shrink *s, struct explain_cursor *at)
{
    while (!at->over) {
        bool found = explain_is_of_numbers(at->pass) ? find_number(s, at)
                                                     : next_chunk(s, at, find_members(s, at->pass));
        if (found)
            return;
        next_pass(at);
    }
}

static void apply(struct explain_shrink *s, const struct explain_cursor *at,
                  struct explain_state *state)
{
    if (explain_is_of_numbers(at->pass)) {
        state->value[at->number] = tried(s, at);
        return;
    }
    int32_t count = find_members(s, at->pass);
    for (int32_t i = at->at; i < MIN(at->at + at->chunk, count); i++)
        state->on[s->members[i]] = false;
}

/* The candidate does not fail. */
static void pass_over(struct explain_shrink *s, struct explain_cursor *at)
{
    if (!explain_is_of_numbers(at->pass)) {
        at->at += at->chunk;
        return;
    }
    if (at->step <= HALVINGS)
        at->low = MAX(at->low, tried(s, at));
    at->step++;
}

bool explain_shrink_next(struct explain_shrink *s, int32_t skipped, struct explain_state *candidate)
{
    struct explain_cursor at = s->cursor;
    find_candidate(s, &at);
    for (; skipped > 0 && !at.over; skipped--) {
        pass_over(s, &at);
        find_candidate(s, &at);
    }
    if (at.over)
        return false;
    explain_state_copy(s->c, candidate, &s->best);
    apply(s, &at, candidate);
    return true;
}

/* What was rounded is not halved again, or it would come and go. */
static void take_number(struct explain_shrink *s, struct explain_cursor *at)
{
    int64_t value = tried(s, at);
    bool rounds = at->step > HALVINGS;
    s->best.value[at->number] = value;
    s->settled[at->number] |= rounds;
    if (at->step == 0 || rounds)
        next_number(at);
    else
        at->step++;
}

void explain_shrink_answer(struct explain_shrink *s, bool fails)
{
    struct explain_cursor *at = &s->cursor;
    find_candidate(s, at);
    ASSERT(!at->over);
    if (!fails) {
        pass_over(s, at);
        return;
    }
    at->moved = true;
    if (explain_is_of_numbers(at->pass)) {
        take_number(s, at);
        return;
    }
    apply(s, at, &s->best);
    at->dropped = true;
    ASSERT(at->chunk > 0);
}
