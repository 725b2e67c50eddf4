/* fuzz_log.c - bytes as what two broken nodes leave in the memory that they share with the world:
 * logs, rows and bytes of sends, well made at first and then bent anywhere. The world lives on, and
 * says of a node what is wrong with it; the checks look at every row. */
#include "check/check.h"
#include "fuzz.h"
#include "shm/area.h"

#define NODES 2
#define EVENTS_MAX 3000
#define RECORDS_MAX 8 /* of one handler */
#define HANDLES_MAX 32
#define BYTES_MAX 5000 /* of a read, a write or a send */

/* The input, and what the nodes were told so far. */
static struct {
    const uint8_t *at;
    size_t left;
    uint64_t handles[HANDLES_MAX];
    uint32_t handle_count;
    struct shm_area area;
    struct half_log log; /* of the node that speaks, in the area */
    uint8_t *extent;     /* where the next one goes */
    int broken;
} fuzz;

struct guest {
    struct half_guest guest;
    struct half_options options;
};

static struct guest guests[NODES];

static uint8_t take_byte(void)
{
    if (fuzz.left == 0)
        return 0;
    fuzz.left--;
    return *fuzz.at++;
}

static uint32_t take_number(uint32_t below)
{
    uint32_t high = take_byte();
    return (high << 8 | take_byte()) % below;
}

/* ---- what a node says ---- */

/* One that was given, or any number. */
static uint64_t take_handle(void)
{
    uint8_t which = take_byte();
    return which < fuzz.handle_count ? fuzz.handles[which] : which;
}

static const char *take_path(void)
{
    static const char *const paths[] = {"a",  "b", "dir",       "dir/a", "dir/b",
                                        "..", "",  "localhost", "one",   "/a/b/c"};
    return paths[take_byte() % COUNT_OF(paths)];
}

static bool takes_path(uint8_t verb)
{
    return verb == ENV_OPEN || (verb >= ENV_SYNC_DIR && verb <= ENV_LISTEN) || verb == ENV_CONNECT;
}

static bool takes_parts(uint8_t verb)
{
    return verb == ENV_WRITE || verb == ENV_APPEND || verb == ENV_SEND;
}

static size_t padded(size_t size)
{
    return (size + 7) / 8 * 8;
}

static void add_extent(uint64_t size)
{
    memcpy(fuzz.extent, &size, sizeof size);
    fuzz.extent += sizeof size + padded(size);
    fuzz.area.head->extent_count++;
}

/* Its record is as long as it need be. */
static size_t put_ask(uint8_t verb, uint8_t *at)
{
    struct half_ask ask = {.verb = verb, .flags = take_byte(), .port = take_byte() % 4};
    ask.handle = take_handle();
    ask.offset = take_number(BYTES_MAX);
    ask.size = 1 + take_number(BYTES_MAX);
    uint8_t *path = at + sizeof ask;
    if (takes_path(verb)) {
        const char *text = take_path(), *other = verb == ENV_RENAME ? take_path() : NULL;
        ask.path_size = (uint16_t)(strlen(text) + 1);
        ask.path_to_size = (uint16_t)(other == NULL ? 0 : strlen(other) + 1);
        memcpy(path, text, ask.path_size);
        if (other != NULL)
            memcpy(path + ask.path_size, other, ask.path_to_size);
    }
    size_t size = padded(sizeof ask + ask.path_size + ask.path_to_size);
    if (takes_parts(verb)) {
        struct half_part parts[2] = {{.size = ask.size / 2}, {.size = ask.size - ask.size / 2}};
        parts[1].file = verb == ENV_SEND && take_byte() % 4 == 0 ? take_handle() : 0;
        ask.part_count = COUNT_OF(parts);
        ask.extent = fuzz.area.head->extent_count;
        memcpy(at + size, parts, sizeof parts);
        size += sizeof parts + (verb == ENV_SEND ? 0 : ask.size);
        if (verb == ENV_SEND)
            add_extent(ask.size);
    }
    memcpy(at, &ask, sizeof ask);
    return size;
}

static size_t put_refusal(uint8_t *at, const struct half_event *event, uint32_t node)
{
    struct fault_line line = {
        .at_ns = event->time_ns, .kind = FAULT_FAIL, .nodes = fault_node(node)};
    line.param[FAULT_P_SITE] = FAULT_ALLOC;
    memcpy(at, &line, sizeof line);
    return sizeof line;
}

static void put_record(const struct half_event *event, uint32_t node)
{
    uint8_t what = take_byte() % (ENV_VERB_COUNT + 4);
    uint8_t *begin = fuzz.area.log + fuzz.log.size;
    struct half_record record = {.type = HALF_ASKS, .id = fuzz.log.size};
    uint8_t *at = begin + sizeof record;
    if (what < ENV_VERB_COUNT) {
        record.size = put_ask(what, at);
    } else if (what == ENV_VERB_COUNT) {
        record.type = HALF_EXITS;
    } else if (what == ENV_VERB_COUNT + 1) {
        record.type = HALF_REFUSES;
        record.size = put_refusal(at, event, node);
    } else {
        record.type = HALF_REPLIES;
        record.size = take_number(100);
    }
    memcpy(begin, &record, sizeof record);
    fuzz.log.size += sizeof record + padded(record.size);
}

static void put_rows(struct shm_head *head)
{
    uint32_t count = take_byte() % 4, size = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct trace_row *row = (struct trace_row *)(head->rows + size);
        uint8_t kind = take_byte() % TRACE_KIND_COUNT;
        *row = (struct trace_row){.kind = kind, .width = trace_kinds[kind].column_count};
        row->width = (uint8_t)(row->width + trace_kinds[kind].has_text);
        size += TRACE_HEAD_WORDS;
        for (int word = 0; word < row->width; word++)
            head->rows[size++] = take_byte();
    }
    head->state.rows_size = size;
}

/* Bytes anywhere in it become other ones. */
static void bend(struct shm_head *head)
{
    for (uint8_t often = take_byte(), i = 0; often > 224 && i < often % 4; i++) {
        uint8_t *const regions[] = {fuzz.area.log, fuzz.area.extents, (uint8_t *)&head->state,
                                    (uint8_t *)&head->rows[0], (uint8_t *)&head->log_size};
        const uint32_t sizes[] = {(uint32_t)MAX(fuzz.log.size, 1), 4096, sizeof head->state,
                                  40 * sizeof head->rows[0],
                                  sizeof head->log_size + sizeof head->extent_count};
        uint8_t which = take_byte() % COUNT_OF(regions);
        uint32_t at = take_number(MIN(sizes[which], 65536));
        /* A send may be of a gigabyte, but not thousands of inputs a minute. */
        if (regions[which] == fuzz.area.extents && at % 8 > 1)
            at |= 7;
        regions[which][at] = take_byte();
    }
}

static void speak(const struct half_event *event, uint32_t node)
{
    struct shm_head *head = fuzz.area.head;
    fuzz.log.size = 0;
    fuzz.extent = fuzz.area.extents;
    head->extent_count = 0;
    head->state = (struct half_state){0};
    for (uint8_t count = take_byte() % RECORDS_MAX; count > 0 && fuzz.left > 0; count--)
        put_record(event, node);
    head->log_size = fuzz.log.size;
    put_rows(head);
    head->state.has_timer = take_byte() % 2 == 1 && fuzz.left > 0;
    head->state.deadline_ns = event->now_ns + 1000 * take_number(60000);
    bend(head);
}

/* ---- the host ---- */

static enum err guest_new(struct half_host *host, struct half_guest **out,
                          const struct half_options *options)
{
    struct guest *g = &guests[options->node];
    *g = (struct guest){.guest.impl = host->impl, .options = *options};
    *options->log =
        (struct half_log){.mem = options->log->mem, .data = fuzz.area.log, .fixed = true};
    *out = &g->guest;
    return ERR_NONE;
}

static void guest_free(struct half_guest *guest)
{
    (void)guest;
}

static enum err guest_begin(struct half_guest *guest, uint32_t life, struct bytes args,
                            struct env_disk disk)
{
    (void)guest, (void)life, (void)args, (void)disk;
    return ERR_NONE;
}

static enum half_fate guest_run(struct half_guest *guest, const struct half_event *event,
                                struct half_state *state)
{
    struct guest *g = CONTAINER_OF(guest, struct guest, guest);
    if (event->type == HALF_DONE && event->n != 0 && fuzz.handle_count < HANDLES_MAX)
        fuzz.handles[fuzz.handle_count++] = event->n;
    speak(event, g->options.node);
    const char *why = shm_area_take_answer(&fuzz.area, g->options.log, g->options.rows, state);
    if (why != NULL)
        shm_area_take_rows(&fuzz.area, g->options.rows);
    (void)errmsg_set(&guest->why, ERR_CORRUPT, "%s", why == NULL ? "" : why);
    return why == NULL ? HALF_RAN : HALF_BROKE;
}

static const uint32_t *guest_marks(const struct half_guest *guest)
{
    static const uint32_t none[TRACE_MARK_COUNT];
    (void)guest;
    return none;
}

static const struct half_host_impl host_impl = {
    .distrusted = true,
    .new = guest_new,
    .free = guest_free,
    .begin = guest_begin,
    .end = guest_free,
    .run = guest_run,
    .marks = guest_marks,
};

/* ---- one input ---- */

struct watcher {
    struct world_sink sink;
    struct check *check;
};

static void on_row(struct world_sink *sink, const struct trace_row *row)
{
    check_row(CONTAINER_OF(sink, struct watcher, sink)->check, row);
}

static void on_broke(struct world_sink *sink, const struct world_break *broke)
{
    (void)sink;
    ASSERT(broke->why[0] != 0);
    fuzz.broken++;
}

static void live(struct world *world)
{
    static const struct world_program nobody = {.kind = "nobody"};
    static const char *const names[NODES] = {"one", "other"};
    for (int i = 0; i < NODES; i++) {
        uint32_t node;
        enum err e = world_add_node(world, &nobody, names[i], bytes_of(NULL, 0), &node);
        ASSERT(e == ERR_NONE);
        world_start(world, node);
    }
    for (int i = 0; i < EVENTS_MAX && fuzz.left > 0 && world_step(world); i++)
        continue;
    ASSERT(fuzz.broken <= 1);
    world_seal(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct half_host host = {.impl = &host_impl};
    struct mem mem;
    struct watcher watcher = {.sink = {.row = on_row, .broke = on_broke}};
    struct check_contract contract = {.retention_ms = -1};
    mem_system(&mem);
    if (fuzz.area.head == NULL && shm_area_new(&fuzz.area) != ERR_NONE)
        return 0;
    fuzz.at = data;
    fuzz.left = size;
    fuzz.handle_count = 0;
    fuzz.broken = 0;
    struct world_config config = {.seed = 1, .armed = 1u << FAULT_ALLOC, .host = &host};
    struct world *world = world_new(&mem, &config, NULL);
    ASSERT(world != NULL);
    enum err e = check_new(&watcher.check, &mem, &contract);
    ASSERT(e == ERR_NONE);
    world_add_sink(world, &watcher.sink);
    live(world);
    world_free(world);
    check_end(watcher.check);
    check_free(watcher.check);
    ASSERT(mem.live_count == 0);
    return 0;
}
