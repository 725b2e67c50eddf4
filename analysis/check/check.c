/* check.c - takes rows in, hands them to their checks, keeps what they find. */
#include "check/internal.h"

const struct check_info check_infos[CHECK_CODE_COUNT] = {
#define X(code, name, gravity, text) [CHECK_##name] = {#code, #name, CHECK_##gravity, text},
    CHECK_TABLE(X)
#undef X
};

static const struct check_rule *const rules[] = {
    &check_rule_cluster, &check_rule_replicas, &check_rule_disk,  &check_rule_senders,
    &check_rule_canon,   &check_rule_service,  &check_rule_times, &check_rule_records,
    &check_rule_readers, &check_rule_ids,      &check_rule_ends,  &check_rule_retention,
    &check_rule_quorum,  &check_rule_members,  &check_rule_isr,   &check_rule_lag,
};

int check_rule_count(void)
{
    return COUNT_OF(rules);
}

const struct check_rule *check_rule_at(int index)
{
    return rules[index];
}

static bool replica_equal(const void *key, const struct hmap_node *node)
{
    return memcmp(CONTAINER_OF(node, struct replica, node)->key, key, 2 * sizeof(uint64_t)) == 0;
}

static bool host_equal(const void *key, const struct hmap_node *node)
{
    return CONTAINER_OF(node, struct host, node)->id == *(const uint64_t *)key;
}

static bool sender_equal(const void *key, const struct hmap_node *node)
{
    return memcmp(CONTAINER_OF(node, struct sender, node)->key, key, 3 * sizeof(uint64_t)) == 0;
}

/* Who asked for which rows, and where in them the columns stand that many look at. */
static void ask(struct check *c)
{
    for (int i = 0; i < COUNT_OF(rules); i++) {
        for (int k = 0; k < rules[i]->kind_count; k++) {
            enum trace_kind kind = rules[i]->kinds[k];
            ASSERT(c->asked_count[kind] < CHECK_RULES_MAX);
            c->asked[kind][c->asked_count[kind]++] = rules[i];
        }
    }
    for (int kind = 0; kind < TRACE_KIND_COUNT; kind++) {
        for (int i = trace_kinds[kind].column_count - 1; i >= 0; i--) {
            uint8_t type = trace_kinds[kind].columns[i].type;
            if (type == TRACE_PARTITION)
                c->partition_at[kind] = (uint8_t)(i + 1);
            if (type == TRACE_TOPIC_ID)
                c->topic_id_at[kind] = (uint8_t)(i + 1);
        }
    }
}

static bool init_maps(struct check *c)
{
    if (hmap_init(&c->replicas, c->mem, replica_equal) != ERR_NONE)
        return false;
    if (hmap_init(&c->senders, c->mem, sender_equal) != ERR_NONE)
        return false;
    if (hmap_init(&c->hosts, c->mem, host_equal) != ERR_NONE)
        return false;
    return check_quorum_init(c) && check_tables_init(&c->tables, c->mem) == ERR_NONE;
}

enum err check_new(struct check **out, struct mem *mem, const struct check_contract *contract)
{
    struct check *c = mem_zalloc(mem, sizeof *c);
    if (c == NULL)
        return ERR_NOMEM;
    c->mem = mem;
    c->contract = *contract;
    ask(c);
    if (!init_maps(c)) {
        check_free(c);
        return ERR_NOMEM;
    }
    *out = c;
    return ERR_NONE;
}

static void free_replicas(struct check *c)
{
    if (c->replicas.buckets == NULL)
        return;
    LIST_EACH (r, &c->replicas.order, struct replica, node.order) {
        mem_free(c->mem, r->batches);
        mem_free(c->mem, r->isr);
        mem_free(c->mem, r->lag);
    }
}

#define FREE_ALL(c, map, type)                                                                     \
    do {                                                                                           \
        if ((map)->buckets != NULL) {                                                              \
            LIST_EACH (item, &(map)->order, type, node.order)                                      \
                mem_free((c)->mem, item);                                                          \
        }                                                                                          \
        hmap_free(map);                                                                            \
    } while (0)

void check_free(struct check *c)
{
    if (c == NULL)
        return;
    free_replicas(c);
    FREE_ALL(c, &c->replicas, struct replica);
    FREE_ALL(c, &c->senders, struct sender);
    FREE_ALL(c, &c->hosts, struct host);
    FREE_ALL(c, &c->quorum.voters, struct voter);
    if (c->tables.mem != NULL)
        check_tables_free(&c->tables);
    mem_free(c->mem, c);
}

void check_note(struct check *c, enum check_code code, const struct trace_row *row,
                struct about about, bool allowed, const char *format, ...)
{
    struct check_finding *f = &c->findings[code];
    f->allowed_count += allowed;
    f->count += !allowed;
    bool first = allowed ? f->count == 0 && f->allowed_count == 1 : f->count == 1;
    if (!first)
        return;
    f->row = *row;
    f->partition = about.partition;
    f->offset = about.partition == 0 ? CHECK_NO_OFFSET : about.offset;
    f->vid = about.vid;
    va_list args;
    va_start(args, format);
    errmsg_vset(&f->msg, format, args);
    va_end(args);
}

struct part *check_part_of(struct check *c, const struct trace_row *row)
{
    uint8_t at = c->partition_at[row->kind], id_at = c->topic_id_at[row->kind];
    ASSERT(at > 0);
    uint64_t id = trace_words(row)[at - 1];
    uint64_t topic_id = id_at == 0 ? 0 : trace_words(row)[id_at - 1];
    struct part *last = c->part_last; /* who has a topic's id keeps it */
    if (topic_id != 0 && last != NULL && last->id == id && last->topic_id == topic_id)
        return last;
    return c->part_last = check_tables_part(&c->tables, id, topic_id);
}

void check_row(struct check *c, const struct trace_row *row)
{
    ASSERT(!c->ended);
    c->last_ns = row->time_ns;
    for (int i = 0; i < c->asked_count[row->kind]; i++)
        c->asked[row->kind][i]->on_row(c, row);
    if (c->tables.failed)
        c->error = ERR_NOMEM;
}

enum err check_leave_out(struct check *c, uint64_t partition)
{
    struct part_name *name = check_tables_part_name(&c->tables, partition);
    if (name == NULL)
        return ERR_NOMEM;
    name->left_out = true;
    for (struct part *part = name->newest; part != NULL; part = part->older)
        part->left_out = true;
    return ERR_NONE;
}

void check_end(struct check *c)
{
    ASSERT(!c->ended);
    for (int i = 0; i < COUNT_OF(rules); i++) {
        if (rules[i]->on_end != NULL)
            rules[i]->on_end(c);
    }
    c->ended = true;
}

uint64_t check_violations(const struct check *c)
{
    uint64_t sum = 0;
    for (int i = 0; i < CHECK_CODE_COUNT; i++)
        sum += c->findings[i].count;
    return sum;
}

const struct check_finding *check_finding(const struct check *c, enum check_code code)
{
    return &c->findings[code];
}

const struct check_counts *check_counts(const struct check *c)
{
    return &c->counts;
}

enum err check_status(const struct check *c)
{
    return c->error;
}

bool check_disk_damaged(const struct check *c)
{
    LIST_EACH (host, &c->hosts.order, struct host, node.order) {
        if (host->damaged)
            return true;
    }
    return false;
}
