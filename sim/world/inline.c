/* inline.c - nodes in the world's own thread: the reference of what other hosts of them do. */
#include "world/half.h"

struct inline_guest {
    struct half_guest guest;
    struct mem *mem;
    struct world_half *half;
};

static struct inline_guest *guest_of(struct half_guest *guest)
{
    ASSERT(guest->impl == world_inline_host.impl);
    return CONTAINER_OF(guest, struct inline_guest, guest);
}

struct world_half *world_inline_half(struct half_guest *guest)
{
    return guest_of(guest)->half;
}

static enum err inline_new(struct half_host *host, struct half_guest **out,
                           const struct half_options *options)
{
    struct inline_guest *g = mem_zalloc(options->mem, sizeof *g);
    if (g == NULL)
        return ERR_NOMEM;
    *g = (struct inline_guest){.guest = {.impl = host->impl}, .mem = options->mem};
    enum err e = world_half_new(&g->half, options);
    if (e != ERR_NONE)
        mem_free(options->mem, g);
    else
        *out = &g->guest;
    return e;
}

static void inline_free(struct half_guest *guest)
{
    struct inline_guest *g = guest_of(guest);
    world_half_free(g->half);
    mem_free(g->mem, g);
}

static void inline_set_program(struct half_guest *guest, const struct world_program *program)
{
    world_half_set_program(guest_of(guest)->half, program);
}

static enum err inline_begin(struct half_guest *guest, uint32_t life, struct bytes args,
                             struct env_disk disk)
{
    return world_half_begin(guest_of(guest)->half, life, args, disk);
}

static void inline_end(struct half_guest *guest)
{
    world_half_end(guest_of(guest)->half);
}

static enum half_fate inline_run(struct half_guest *guest, const struct half_event *event,
                                 struct half_state *state)
{
    world_half_run(guest_of(guest)->half, event, state);
    return HALF_RAN;
}

static void inline_refuse_at(struct half_guest *guest, uint32_t rate)
{
    world_half_refuse_at(guest_of(guest)->half, rate);
}

static void inline_refuse_no_more(struct half_guest *guest)
{
    world_half_refuse_no_more(guest_of(guest)->half);
}

static const uint32_t *inline_marks(const struct half_guest *guest)
{
    return world_half_marks(CONTAINER_OF(guest, struct inline_guest, guest)->half);
}

static const struct half_host_impl inline_impl = {
    .new = inline_new,
    .free = inline_free,
    .set_program = inline_set_program,
    .begin = inline_begin,
    .end = inline_end,
    .run = inline_run,
    .refuse_at = inline_refuse_at,
    .refuse_no_more = inline_refuse_no_more,
    .marks = inline_marks,
};

struct half_host world_inline_host = {.impl = &inline_impl};
