/* elect_leaders.c - somebody asks for other leaders (KIP-460): the preferred ones, or any where
 * nobody is in sync, though what is acknowledged may be lost by that. Pure. */
#include "controller/internal.h"

static int16_t refuse(struct controller_election *a, int16_t code, const char *sentence)
{
    errmsg_set(&a->msg, ERR_INVALID, "%s", sentence);
    return code;
}

/* Whether there is nothing to be done. */
static bool is_settled(const struct metadata_partition *p, bool unclean)
{
    struct metadata_ids replicas = metadata_ids(p, METADATA_REPLICAS);
    if (unclean)
        return p->leader != CONTROLLER_NOBODY;
    return replicas.count > 0 && replicas.ids[0] == p->leader;
}

static enum err elect(const struct controller_view *view, const struct controller_elect_leaders *c,
                      struct controller_election *a, const struct metadata_topic *topic,
                      const struct metadata_topic_config *defaults, struct arena *arena,
                      struct metadata_batch *batch)
{
    struct wire_partition_change_record record;
    struct controller_rules rules;
    bool differs = false;
    struct controller_change change = {.topic = topic,
                                       .partition = a->partition,
                                       .isr.count = -1,
                                       .leaves = CONTROLLER_NOBODY,
                                       .comes = CONTROLLER_NOBODY,
                                       .lost = CONTROLLER_NOBODY,
                                       .election = c->unclean ? CONTROLLER_ELECT_UNCLEAN
                                                              : CONTROLLER_ELECT_PREFERRED};
    controller_rules_of(view, topic, defaults, &rules);
    enum err e = controller_change_partition(view, &change, &rules, arena, &record, &differs);
    if (e != ERR_NONE)
        return e;
    if (!differs || record.leader == METADATA_SAME_LEADER || record.leader == CONTROLLER_NOBODY) {
        a->code = c->unclean ? refuse(a, WIRE_ERROR_ELIGIBLE_LEADERS_NOT_AVAILABLE,
                                      "no replica is there to lead it")
                             : refuse(a, WIRE_ERROR_PREFERRED_LEADER_NOT_AVAILABLE,
                                      "its first replica is not in sync, or not there");
        return ERR_NONE;
    }
    return controller_add(batch, &wire_partition_change_record_message, PARTITION_CHANGE_VERSION,
                          &record);
}

static enum err judge(const struct controller_view *view, const struct controller_elect_leaders *c,
                      struct controller_election *a, const struct metadata_topic_config *defaults,
                      struct arena *arena, struct metadata_batch *batch)
{
    const struct metadata_topic *topic = metadata_find(view->image, a->topic);
    if (topic == NULL) {
        errmsg_set(&a->msg, ERR_NOTFOUND, "No such topic as %.*s", (int)a->topic.size,
                   (const char *)a->topic.data);
        a->code = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        return ERR_NONE;
    }
    if (a->partition < 0 || a->partition >= topic->partition_count) {
        errmsg_set(&a->msg, ERR_NOTFOUND, "No such partition as %.*s-%d", (int)a->topic.size,
                   (const char *)a->topic.data, (int)a->partition);
        a->code = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        return ERR_NONE;
    }
    if (is_settled(metadata_partition(topic, a->partition), c->unclean)) {
        a->code = WIRE_ERROR_ELECTION_NOT_NEEDED;
        return ERR_NONE;
    }
    return elect(view, c, a, topic, defaults, arena, batch);
}

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_elect_leaders *c =
        CONTAINER_OF(command, struct controller_elect_leaders, command);
    struct metadata_topic_config defaults;
    struct arena arena;
    command->rests_on_image = true;
    arena_init(&arena, view->mem, CONTROLLER_CHANGE_ARENA_BYTES);
    controller_topic_defaults(view, &defaults);
    enum err e = controller_expect(batch, c->count,
                                   (int64_t)c->count * CONTROLLER_CHANGE_BYTES_MAX(1), "elections");
    for (int32_t i = 0; i < c->count && e == ERR_NONE; i++) {
        if (c->elections[i].code == WIRE_ERROR_NONE)
            e = judge(view, c, &c->elections[i], &defaults, &arena, batch);
        arena_reset(&arena);
    }
    if (e == ERR_NONE)
        e = controller_end(batch);
    command->code = controller_code_of(e);
    arena_free(&arena);
}

static void lost(struct controller_command *command, const struct metadata_image *image,
                 int16_t code, const char *sentence)
{
    struct controller_elect_leaders *c =
        CONTAINER_OF(command, struct controller_elect_leaders, command);
    (void)image;
    command->code = code;
    errmsg_set(&command->msg, ERR_IO, "%s", sentence);
    for (int32_t i = 0; i < c->count; i++)
        c->elections[i].code = refuse(&c->elections[i], code, sentence);
}

void controller_elect_leaders_init(struct controller_elect_leaders *c)
{
    *c = (struct controller_elect_leaders){.command.verb = CONTROLLER_ELECT_LEADERS};
}

const struct verb controller_verb_elect_leaders = {.decide = decide, .lost = lost};
