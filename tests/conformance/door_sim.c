/* door_sim.c - the simulated world as a door under test: one node, whose program is the case. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include "support/test.h"
#include "world/world.h"
#include "conformance/conformance.h"

/* Each variant has a seed of its own, which draws delays, orders and what kind of disk it is; every
 * second one delivers streams whole, and the last ones show their disks as real files. */
#define VARIANTS 6
#define VARIANTS_IN_MEMORY 4
#define START_STEPS_MAX 100

struct simulated {
    struct mem mem;
    struct world *world;
    uint32_t node;
    char root[256]; /* of the real files; empty: none */
};

static enum err begin(struct world_seat *seat)
{
    (void)seat;
    return ERR_NONE;
}

static const struct world_program program = {.kind = "conformance", .start = begin};

static void make_root(struct simulated *s)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(s->root, sizeof s->root, "%s/kiln-conformance-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(s->root));
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static void start(struct conformance *t)
{
    struct simulated *s = calloc(1, sizeof *s);
    struct errmsg msg = {0};
    struct world_config config = {.seed = (uint64_t)t->variant,
                                  .split = t->variant % 2 ? NET_SPLIT_NONE : NET_SPLIT_RANDOM};
    assert_non_null(s);
    if (t->variant >= VARIANTS_IN_MEMORY) {
        make_root(s);
        config.disk_dir = s->root;
    }
    mem_system(&s->mem);
    s->world = world_new(&s->mem, &config, &msg);
    assert_non_null(s->world);
    assert_ok(world_add_node(s->world, &program, "alone", bytes_text(""), &s->node));
    world_start(s->world, s->node);
    for (int i = 0; i < START_STEPS_MAX && world_node_life(s->world, s->node) != WORLD_UP; i++)
        assert_true(world_step(s->world));
    world_sit(s->world, s->node);
    t->self = s;
    t->env = world_seat(s->world, s->node)->env;
    t->host = "alone";
}

/* Between events the case sits at the node's place, as if it were a handler. */
static bool step(struct conformance *t)
{
    struct simulated *s = t->self;
    world_rise(s->world, s->node);
    bool moved = world_step(s->world);
    world_sit(s->world, s->node);
    return moved;
}

static void finish(struct conformance *t)
{
    struct simulated *s = t->self;
    world_rise(s->world, s->node);
    world_free(s->world);
    if (s->root[0] != 0)
        assert_int_equal(nftw(s->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    assert_int_equal(s->mem.live_count, 0);
    free(s);
}

const struct conformance_door conformance_sim = {
    .name = "sim", .variant_count = VARIANTS, .start = start, .step = step, .finish = finish};
