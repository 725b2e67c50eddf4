/* check.c - takes rows in, hands them to their checks, keeps what they find. */
#include "check/internal.h"

const struct check_info check_infos[CHECK_CODE_COUNT] = {
#define X(code, name, gravity, text) [CHECK_##name] = {#code, #name, CHECK_##gravity, text},
    CHECK_TABLE(X)
#undef X
};

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

static bool init_maps(struct check *c)
{
    if (hmap_init(&c->replicas, c->mem, replica_equal) != ERR_NONE)
        return false;
    if (hmap_init(&c->senders, c->mem, sender_equal) != ERR_NONE)
        return false;
    if (hmap_init(&c->hosts, c->mem, host_equal) != ERR_NONE)
        return false;
    return check_tables_init(&c->tables, c->mem) == ERR_NONE;
}

enum err check_new(struct check **out, struct mem *mem, const struct check_contract *contract)
{
    struct check *c = mem_zalloc(mem, sizeof *c);
    if (c == NULL)
        return ERR_NOMEM;
    c->mem = mem;
    c->contract = *contract;
    c->power_loss_ns = -1;
    if (!init_maps(c)) {
        check_free(c);
        return ERR_NOMEM;
    }
    *out = c;
    return ERR_NONE;
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
    FREE_ALL(c, &c->replicas, struct replica);
    FREE_ALL(c, &c->senders, struct sender);
    FREE_ALL(c, &c->hosts, struct host);
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

/* The first column of that type; 0 where there is none. */
static uint64_t column_of(const struct trace_row *row, enum trace_type type)
{
    const struct trace_kind_info *info = &trace_kinds[row->kind];
    for (int i = 0; i < info->column_count; i++) {
        if (info->columns[i].type == type)
            return trace_words(row)[i];
    }
    return 0;
}

uint64_t check_partition_of(const struct trace_row *row)
{
    return column_of(row, TRACE_PARTITION);
}

uint64_t check_topic_id_of(const struct trace_row *row)
{
    return column_of(row, TRACE_TOPIC_ID);
}

struct part *check_part_of(struct check *c, const struct trace_row *row)
{
    return check_tables_part(&c->tables, check_partition_of(row), check_topic_id_of(row));
}

void check_row(struct check *c, const struct trace_row *row)
{
    ASSERT(!c->ended);
    check_client_row(c, row);
    check_topic_row(c, row);
    if (row->kind >= TRACE_LOG_OPEN) /* before it stand those of clients */
        check_broker_row(c, row);
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
    check_judge_records(c);
    check_judge_topics(c);
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
    return c->damaged;
}
