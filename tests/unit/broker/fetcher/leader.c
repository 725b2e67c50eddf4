/* leader.c - the nodes that stand in for leaders: see rig.h. */
#include "rig.h"

extern struct rig *rig_current;

struct reply {
    struct conn_answer answer;
    struct env_part part;
    struct mem *mem;
    struct wire_out out;
};

static void reply_free(struct conn_answer *answer)
{
    struct reply *reply = CONTAINER_OF(answer, struct reply, answer);
    wire_out_free(&reply->out);
    mem_free(reply->mem, reply);
}

static void reply(struct leader_conn *c, struct conn_request *request, int16_t key, int16_t version,
                  int32_t correlation_id, const void *body)
{
    struct mem *mem = c->conn.mem;
    const struct wire_api *api = wire_api(key);
    struct reply *r = mem_zalloc(mem, sizeof *r);
    struct wire_response_header header = {.correlation_id = correlation_id};
    assert_non_null(r);
    r->mem = mem;
    wire_out_init(&r->out, mem);
    assert_ok(wire_encode(&wire_response_header_message, wire_response_header_version(api, version),
                          &header, &r->out));
    assert_ok(wire_encode(api->response, version, body, &r->out));
    if (rig_current->babble && key == 1)
        memset(r->out.data + r->out.size - 8, 0xfe, 8);
    r->part = (struct env_part){.data = r->out.data, .size = r->out.size};
    r->answer = (struct conn_answer){&r->part, 1, reply_free};
    conn_answer(&c->conn, request, &r->answer);
}

static void say_versions(struct leader_conn *c, struct conn_request *request,
                         const struct wire_request_header *h)
{
    struct wire_api_versions_response_api_key keys[] = {
        {.api_key = 1, .min_version = 4, .max_version = rig_current->fetch_newest},
        {.api_key = 2, .min_version = 1, .max_version = 11},
    };
    struct wire_api_versions_response body;
    wire_api_versions_response_defaults(&body);
    body.api_keys = keys;
    body.api_keys_count = COUNT_OF(keys);
    reply(c, request, 18, h->request_api_version, h->correlation_id, &body);
}

/* ---- a partition ---- */

int64_t rig_led_end(const struct led *led)
{
    return led->batch_count == 0 ? led->start : led->batches[led->batch_count - 1].end;
}

static void epoch_end(const struct led *led, int32_t epoch, int32_t *found, int64_t *end)
{
    *found = -1;
    *end = led->start;
    if (epoch >= led->epoch) {
        *found = led->epoch;
        *end = rig_led_end(led);
        if (epoch == led->epoch)
            return;
    }
    for (int i = 0; i < led->batch_count; i++) {
        if (led->batches[i].epoch > epoch)
            break;
        *found = led->batches[i].epoch;
        *end = led->batches[i].end;
    }
}

/* From the first batch that reaches beyond the offset. */
static struct wire_bytes records_from(const struct led *led, int64_t offset, int32_t bytes_max,
                                      struct arena *arena)
{
    uint8_t *all = arena_alloc(arena, sizeof led->batches);
    struct wire_bytes out = {.data = all};
    assert_non_null(all);
    for (int i = 0; i < led->batch_count; i++) {
        const struct led_batch *b = &led->batches[i];
        if (b->end <= offset || (out.size > 0 && out.size + b->size > bytes_max))
            continue;
        memcpy(all + out.size, b->bytes, (size_t)b->size);
        out.size += b->size;
    }
    return out.size > 0 ? out : WIRE_NULL_BYTES;
}

static int16_t code_of(const struct leader *l, const struct led *led, const struct named *n)
{
    if (led->code != 0)
        return led->code;
    if (led->leader != l->id)
        return WIRE_ERROR_NOT_LEADER_OR_FOLLOWER;
    if (n->epoch < led->epoch)
        return WIRE_ERROR_FENCED_LEADER_EPOCH;
    return n->epoch > led->epoch ? WIRE_ERROR_UNKNOWN_LEADER_EPOCH : WIRE_ERROR_NONE;
}

/* True: the row says something that the follower does not know. */
static bool fill_row(struct leader *l, int32_t partition, struct wire_fetch_response_partition *row,
                     struct arena *arena)
{
    struct led *led = &rig_current->led[partition];
    struct named *n = &l->named[partition];
    int32_t found = -1;
    int64_t end = -1;
    wire_fetch_response_partition_defaults(row);
    row->partition_index = partition;
    row->high_watermark = led->high_watermark;
    row->log_start_offset = led->start;
    row->error_code = code_of(l, led, n);
    if (row->error_code != WIRE_ERROR_NONE) {
        row->high_watermark = row->log_start_offset = -1;
        return true;
    }
    if (n->last_epoch >= 0 && n->offset >= led->start) {
        epoch_end(led, n->last_epoch, &found, &end);
        if (found < n->last_epoch || end < n->offset) {
            row->diverging_epoch.epoch = MAX(found, 0);
            row->diverging_epoch.end_offset = end;
            return true;
        }
    }
    if (n->offset < led->start || n->offset > rig_led_end(led)) {
        row->error_code = WIRE_ERROR_OFFSET_OUT_OF_RANGE;
        if (led->no_start)
            row->log_start_offset = -1;
        return true;
    }
    if (!n->quiet)
        row->records = records_from(led, n->offset, 4096, arena);
    n->quiet |= row->records.size > 0 && led->durable_end >= 0;
    bool moved = n->told_high_watermark != led->high_watermark;
    n->told_high_watermark = led->high_watermark;
    return row->records.size > 0 || moved;
}

/* ---- a fetch ---- */

static void on_request(struct conn *conn, struct conn_request *request, struct slice frame);

static void answer_now(struct leader *l, struct wire_fetch_response *body, struct arena *arena)
{
    struct conn_request *request = l->request;
    l->request = NULL;
    env_disarm(l->seat->env, &l->parked);
    if (rig_current->twist != NULL)
        rig_current->twist(l, body, arena);
    reply(l->on, request, 1, l->version, l->correlation_id, body);
    if (l->next_request == NULL)
        return;
    struct slice frame = l->next_frame;
    request = l->next_request;
    l->next_request = NULL;
    on_request(&l->on->conn, request, frame);
    buf_release(frame.buf);
}

static void look(struct leader *l)
{
    struct wire_fetch_response body;
    struct arena arena;
    arena_init(&arena, l->seat->mem, 64 << 20);
    wire_fetch_response_defaults(&body);
    body.session_id = l->session_id;
    int32_t count = rig_current->partition_count;
    body.responses = arena_alloc(&arena, (size_t)count * sizeof *body.responses);
    struct wire_fetch_response_partition *rows = arena_alloc(&arena, (size_t)count * sizeof *rows);
    for (int32_t i = 0; i < count; i++) {
        struct wire_fetch_response_partition *row = rows + body.responses_count;
        if (!l->named[i].is || (!fill_row(l, i, row, &arena) && !l->full))
            continue;
        body.responses[body.responses_count++] =
            (struct wire_fetch_response_topic){.topic = wire_text(""),
                                               .topic_id = *rig_topic_id(i),
                                               .partitions = row,
                                               .partitions_count = 1};
    }
    bool some = false;
    for (int32_t i = 0; i < body.responses_count; i++) {
        const struct wire_fetch_response_partition *row = body.responses[i].partitions;
        some |= row->records.size > 0 || row->error_code != 0 || !l->full ||
                row->diverging_epoch.end_offset >= 0;
    }
    if (some || env_now(l->seat->env) >= l->until_ns)
        answer_now(l, &body, &arena);
    else
        env_arm(l->seat->env, &l->parked, env_now(l->seat->env) + MS);
    arena_free(&arena);
}

static void on_parked(struct env_timer *timer)
{
    look(CONTAINER_OF(timer, struct leader, parked));
}

static void name_row(struct leader *l, const struct wire_uuid *id,
                     const struct wire_fetch_request_partition *row)
{
    int32_t i = row->partition;
    assert_in_range(i, 0, rig_current->partition_count - 1);
    assert_true(wire_uuid_equal(id, rig_topic_id(i)));
    assert_true(row->current_leader_epoch >= 0);
    struct led *led = &rig_current->led[i];
    /* Whoever asks from an offset says that he has what is before it. */
    struct replica_ends ends = rig_ends(rig_current, i);
    if (ends.leader_epoch == row->current_leader_epoch) {
        bool says = row->durable_end >= 0;
        assert_true(row->fetch_offset <= (says ? ends.written_end : ends.counting_end));
        rig_current->overstated += row->durable_end > ends.durable_end;
        assert_true(!says || rig_current->takes_durable_end);
    }
    bool stands = l->named[i].is && l->named[i].offset == row->fetch_offset &&
                  l->named[i].epoch == row->current_leader_epoch;
    bool says_end_alone = row->durable_end >= 0 && row->partition_max_bytes == 0;
    bool quiet = says_end_alone && (!stands || l->named[i].quiet);
    l->named_count += !l->named[i].is;
    led->durable_end = row->durable_end;
    l->named[i] = (struct named){.is = true,
                                 .quiet = quiet,
                                 .offset = row->fetch_offset,
                                 .told_high_watermark = -1,
                                 .epoch = row->current_leader_epoch,
                                 .last_epoch = row->last_fetched_epoch};
    l->named_rows++;
    led->asked_offset = row->fetch_offset;
    led->asked_epoch = row->current_leader_epoch;
    led->asked_last_epoch = row->last_fetched_epoch;
    led->asked_count++;
}

static void name_rows(struct leader *l, const struct wire_fetch_request *in)
{
    int count = 0;
    for (int32_t i = 0; i < in->topics_count; i++) {
        for (int32_t k = 0; k < in->topics[i].partitions_count; k++, count++)
            name_row(l, &in->topics[i].topic_id, &in->topics[i].partitions[k]);
    }
    assert_true(count <= FETCHER_NAMED_MAX);
    l->most_named = MAX(l->most_named, count);
    for (int32_t i = 0; i < in->forgotten_topics_data_count; i++) {
        const struct wire_fetch_request_forgotten_topic *topic = &in->forgotten_topics_data[i];
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            int32_t number = topic->partitions[k];
            assert_true(l->named[number].is);
            l->named[number].is = false;
            l->named_count--;
            l->forgotten_rows++;
        }
    }
}

/* Kafka's FetchManager: 0, or why the session does not go on. */
static int16_t take_session(struct leader *l, const struct wire_fetch_request *in)
{
    int16_t refused = rig_current->refuse_once;
    rig_current->refuse_once = 0;
    if (refused != 0) {
        l->session_id = 0;
        return refused;
    }
    l->full = in->session_epoch == 0;
    if (l->full) {
        static int32_t last_id = 100;
        memset(l->named, 0, sizeof l->named);
        l->named_count = 0;
        l->session_id = rig_current->refuse_sessions ? 0 : ++last_id;
        l->session_epoch = 1;
        l->full_fetches++;
        return WIRE_ERROR_NONE;
    }
    if (in->session_id != l->session_id)
        return WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND;
    assert_int_equal(in->session_epoch, l->session_epoch);
    l->session_epoch++;
    return WIRE_ERROR_NONE;
}

static void on_fetch(struct leader_conn *c, struct conn_request *request,
                     const struct wire_request_header *h, const struct wire_fetch_request *in)
{
    struct leader *l = c->leader;
    if (l->request != NULL && l->on == c) { /* it comes back for what it has to say */
        l->until_ns = 0;
        look(l);
    }
    env_disarm(l->seat->env, &l->parked); /* of a connection that was lost */
    l->fetches++;
    l->on = c;
    l->request = request;
    l->correlation_id = h->correlation_id;
    l->version = h->request_api_version;
    l->bytes_max = in->max_bytes;
    l->wait_ms = in->max_wait_ms;
    l->until_ns = env_now(l->seat->env) + in->max_wait_ms * MS;
    int32_t id = l->version >= 15 ? in->replica_state.replica_id : in->replica_id;
    assert_int_equal(id, FOLLOWER_ID);
    assert_int_equal(in->replica_state.replica_epoch,
                     l->version >= 15 ? BROKER_EPOCH + rig_current->registrations : -1);
    assert_int_equal(in->isolation_level, 0);
    int16_t code = take_session(l, in);
    if (code == WIRE_ERROR_NONE) {
        name_rows(l, in);
        look(l);
        return;
    }
    struct wire_fetch_response body;
    wire_fetch_response_defaults(&body);
    body.error_code = code;
    answer_now(l, &body, NULL);
}

static void on_seek(struct leader_conn *c, struct conn_request *request,
                    const struct wire_request_header *h, const struct wire_list_offsets_request *in)
{
    const struct wire_list_offsets_request_partition *asked = &in->topics[0].partitions[0];
    const struct led *led = &rig_current->led[asked->partition_index];
    assert_int_equal(in->replica_id, FOLLOWER_ID);
    c->leader->seeks++;
    struct wire_list_offsets_response_partition row;
    wire_list_offsets_response_partition_defaults(&row);
    row.partition_index = asked->partition_index;
    row.offset = asked->timestamp == -1 ? rig_led_end(led) : led->start;
    if (asked->current_leader_epoch != led->epoch)
        row.error_code = WIRE_ERROR_FENCED_LEADER_EPOCH;
    struct wire_list_offsets_response_topic topic = {
        .name = in->topics[0].name, .partitions = &row, .partitions_count = 1};
    struct wire_list_offsets_response body = {.topics = &topic, .topics_count = 1};
    reply(c, request, 2, h->request_api_version, h->correlation_id, &body);
}

/* ---- connections ---- */

static void on_request(struct conn *conn, struct conn_request *request, struct slice frame)
{
    struct leader_conn *c = CONTAINER_OF(conn, struct leader_conn, conn);
    struct wire_request_header h;
    struct arena arena;
    size_t used = 0;
    assert_ok(wire_decode_request_header(slice_bytes(frame), &used, &h, NULL));
    if (rig_current->mute)
        return;
    struct leader *l = c->leader;
    if (rig_current->in_line && l->request != NULL && l->on == c) { /* as at Kafka's */
        assert_null(l->next_request);
        l->next_request = request;
        l->next_frame = frame;
        buf_retain(frame.buf);
        return;
    }
    const struct wire_message *m = wire_api(h.request_api_key)->request;
    arena_init(&arena, conn->mem, 16 << 20);
    void *body = arena_alloc(&arena, m->size);
    assert_ok(wire_decode(m, h.request_api_version, bytes_of(frame.data + used, frame.size - used),
                          NULL, body, &arena, NULL));
    if (h.request_api_key == 18)
        say_versions(c, request, &h);
    else if (h.request_api_key == 1)
        on_fetch(c, request, &h, body);
    else
        on_seek(c, request, &h, body);
    arena_free(&arena);
}

static void on_gone(struct conn *conn, struct conn_request *request, enum err e)
{
    struct leader *l = CONTAINER_OF(conn, struct leader_conn, conn)->leader;
    (void)e;
    if (l->next_request == request) {
        l->next_request = NULL;
        buf_release(l->next_frame.buf);
    }
    if (l->request != request)
        return;
    l->request = NULL;
    env_disarm(l->seat->env, &l->parked);
}

static void maybe_exit(struct leader *l)
{
    struct world_seat *seat = l->seat;
    if (!l->stopping || !l->unlistened || l->open_count > 0 || l->accepting.in_flight)
        return;
    rig_current->leaders[l->id - FIRST_LEADER] = NULL;
    mem_free(seat->mem, l);
    world_exit(seat, ERR_NONE);
}

static void on_closed(struct conn *conn, enum err e)
{
    struct leader_conn *c = CONTAINER_OF(conn, struct leader_conn, conn);
    (void)e;
    c->used = false;
    c->leader->open_count--;
    maybe_exit(c->leader);
}

static const struct conn_owner owner = {
    .request = on_request, .cancel = on_gone, .closed = on_closed};

static void accept_next(struct leader *l);

static void on_accepted(struct env_op *op, enum err e, uint64_t stream)
{
    struct leader *l = CONTAINER_OF(op, struct leader, accepting);
    struct conn_limits limits = {.frame_bytes_max = 1 << 20, .in_flight_bytes = 1 << 20};
    if (l->stopping) {
        maybe_exit(l);
        return;
    }
    for (int i = 0; i < CONNS_MAX && e == ERR_NONE; i++) {
        struct leader_conn *c = &l->conns[i];
        if (c->used)
            continue;
        *c = (struct leader_conn){.leader = l, .used = true};
        l->open_count++;
        conn_start(&c->conn, CONN_SERVER, l->seat->env, l->seat->mem, l->seat->trace, stream,
                   &limits, &owner);
        break;
    }
    accept_next(l);
}

static void accept_next(struct leader *l)
{
    env_accept(l->seat->env, &l->accepting, l->listener, NULL, on_accepted);
}

static void on_listening(struct env_op *op, enum err e, uint64_t n)
{
    struct leader *l = CONTAINER_OF(op, struct leader, listening);
    assert_ok(e);
    l->listener = n;
    accept_next(l);
}

static void on_unlistened(struct env_op *op, enum err e, uint64_t n)
{
    struct leader *l = CONTAINER_OF(op, struct leader, unlistening);
    (void)e;
    (void)n;
    l->unlistened = true;
    maybe_exit(l);
}

static enum err leader_start(struct world_seat *seat)
{
    struct leader *l = mem_zalloc(seat->mem, sizeof *l);
    assert_non_null(l);
    l->seat = seat;
    l->id = seat->args.data[0] - '0';
    l->parked.fire = on_parked;
    seat->self = l;
    rig_current->leaders[l->id - FIRST_LEADER] = l;
    env_listen(seat->env, &l->listening, l->id == FIRST_LEADER ? "first" : "second", PORT,
               on_listening);
    return ERR_NONE;
}

static void leader_stop(struct world_seat *seat)
{
    struct leader *l = seat->self;
    l->stopping = true;
    env_close(seat->env, &l->unlistening, l->listener, on_unlistened);
    for (int i = 0; i < CONNS_MAX; i++) {
        if (l->conns[i].used)
            conn_close(&l->conns[i].conn, ERR_NONE);
    }
}

extern const struct world_program rig_leader_program;
const struct world_program rig_leader_program = {
    .kind = "leader", .start = leader_start, .stop = leader_stop};
