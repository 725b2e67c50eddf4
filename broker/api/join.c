/* join.c - one operation a partition, and what comes after the last of them. It knows nothing of
 * what the operations are. */
#include "api/internal.h"

static void step(struct request *r);

static void resume(struct env_timer *yield)
{
    struct request *r = CONTAINER_OF(yield, struct request, yield);
    r->join.yielding = false;
    step(r);
}

/* The request may be gone afterwards. */
static void step(struct request *r)
{
    struct join *j = &r->join;
    ASSERT(!j->stepping);
    ASSERT(!j->yielding);
    int32_t left = j->step_max;
    j->stepping = true;
    while (j->next < j->count && j->pending < j->window_max && left > 0) {
        left--;
        j->post(r, j->next++);
    }
    j->stepping = false;
    if (j->next < j->count && j->pending < j->window_max) {
        j->yielding = true;
        api_request_yield(r, resume);
    } else if (j->pending == 0) {
        j->done(r);
    } /* else what ends next goes on */
}

void api_join(struct request *r, const struct join *join)
{
    ASSERT(r->join.pending == 0);
    ASSERT(join->window_max > 0);
    ASSERT(join->step_max > 0);
    r->join = *join;
    step(r);
}

void api_join_open(struct request *r, void (*done)(struct request *r))
{
    ASSERT(r->join.pending == 0);
    r->join = (struct join){.done = done, .pending = 1};
}

void api_join_hold(struct request *r)
{
    r->join.pending++;
}

void api_join_release(struct request *r)
{
    ASSERT(r->join.pending > 0);
    r->join.pending--;
    if (!r->join.stepping && !r->join.yielding)
        step(r);
}
