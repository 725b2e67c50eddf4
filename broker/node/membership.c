/* membership.c - what this broker is to its cluster (B-1 to B-6): it registers with whoever leads
 * the metadata quorum, is heard of again and again, serves when it is not fenced any more, and asks
 * before it goes. A node that is its own quorum, or no broker, is no member. */
#include "node/internal.h"

#define REGISTER_AGAIN_NS ENV_NS_OF_MS(200) /* after a registration that was refused */
#define UNHEARD_BEAT_NS                                                                            \
    ENV_NS_OF_MS(100)                  /* until it knows that a controller counts on it (heard.c) */
#define LEAVE_BEAT_NS ENV_NS_OF_MS(20) /* between the questions of who wants to go */
/* Who wants to go goes when nobody has answered for so long, and after so long anyhow. */
#define LEAVE_SILENCE_NS_MAX ENV_NS_OF_MS(2000)
#define LEAVE_NS_MAX ENV_NS_OF_MS(30000)

static const struct state states[] = {
    [MEMBERSHIP_NONE] = {"none", TO(MEMBERSHIP_REGISTERS) | TO(MEMBERSHIP_OVER)},
    [MEMBERSHIP_REGISTERS] = {"registers", TO(MEMBERSHIP_CATCHES_UP) | TO(MEMBERSHIP_OVER)},
    [MEMBERSHIP_CATCHES_UP] = {"catches up", TO(MEMBERSHIP_REGISTERS) | TO(MEMBERSHIP_OPENS) |
                                                 TO(MEMBERSHIP_SERVES) | TO(MEMBERSHIP_OVER)},
    [MEMBERSHIP_OPENS] = {"opens",
                          TO(MEMBERSHIP_REGISTERS) | TO(MEMBERSHIP_SERVES) | TO(MEMBERSHIP_OVER)},
    [MEMBERSHIP_SERVES] = {"serves",
                           TO(MEMBERSHIP_REGISTERS) | TO(MEMBERSHIP_LEAVES) | TO(MEMBERSHIP_OVER)},
    [MEMBERSHIP_LEAVES] = {"leaves", TO(MEMBERSHIP_OVER)},
    [MEMBERSHIP_OVER] = {"over", 0},
};

static void move(struct broker *b, enum membership_state to)
{
    STATE_MOVE(states, &b->membership.state, to);
}

static bool is_registered(const struct membership *m)
{
    return m->state > MEMBERSHIP_REGISTERS && m->state < MEMBERSHIP_OVER;
}

/* What is next to be said is said in an event of its own, when nothing else is under way. */
static void speak_at(struct broker *b, int64_t at_ns)
{
    struct membership *m = &b->membership;
    m->next_ns = MIN(m->next_ns, at_ns);
    if (!orders_under_way(&m->order))
        env_arm(b->env, &m->next, MAX(m->next_ns, env_now(b->env)));
}

static void speak_now(struct broker *b)
{
    speak_at(b, env_now(b->env));
}

void broker_membership_hurry(struct broker *b)
{
    if (b->membership.state == MEMBERSHIP_SERVES)
        speak_now(b);
}

/* ---- registration ---- */

static void draw_incarnation(struct broker *b, uint64_t key)
{
    struct membership *m = &b->membership;
    for (int i = 0; i < 2; i++)
        put_u64(m->incarnation.b + 8 * i,
                env_random(b->env, "node/incarnation", key + (uint64_t)i));
}

static void fill_record(struct broker *b)
{
    struct membership *m = &b->membership;
    struct wire_register_broker_record *record = &m->record;
    wire_defaults(&wire_register_broker_record_message, record);
    record->broker_id = (int32_t)b->config.node_id;
    record->incarnation_id = m->incarnation;
    record->end_points = m->end_points;
    for (int i = 0; i < b->listener_count; i++) {
        const struct api_listener *told = &b->listeners[i].told;
        if (b->listeners[i].address.of_quorum)
            continue;
        m->end_points[record->end_points_count++] = (struct wire_register_broker_record_endpoint){
            .name = wire_text(told->name), .host = wire_text(told->host), .port = told->port};
    }
    for (int i = 0; i < METADATA_FEATURES; i++)
        m->features[i] = (struct wire_register_broker_record_feature){
            .name = wire_text(metadata_features[i].name),
            .min_supported_version = metadata_features[i].oldest,
            .max_supported_version = metadata_features[i].newest};
    record->features = m->features;
    record->features_count = METADATA_FEATURES;
    if (b->members.dynamic)
        m->features[record->features_count++] = (struct wire_register_broker_record_feature){
            .name = wire_text("kraft.version"), .max_supported_version = QUORUM_KRAFT_VERSION};
    /* From 0 on: a controller of Kafka's refuses who cannot do without a feature that it lacks. */
    m->features[record->features_count++] = (struct wire_register_broker_record_feature){
        .name = wire_text(METADATA_FEATURE_REPLICATION),
        .min_supported_version = 0,
        .max_supported_version = METADATA_REPLICATION};
    ASSERT(record->features_count <= COUNT_OF(m->features));
    memcpy(m->directory.b, dir_id(b->dir), sizeof m->directory.b);
    record->log_dirs = &m->directory;
    record->log_dirs_count = 1;
    record->rack =
        b->config.broker_rack[0] == 0 ? WIRE_NULL_STRING : wire_text(b->config.broker_rack);
}

static void refused(struct broker *b)
{
    struct membership *m = &b->membership;
    const struct controller_command *command = &m->registration.command;
    if (command->code != m->told_code)
        NOTE(b->notes, REGISTRATION_REFUSED, "this broker is not registered: %s (%s)",
             command->msg.text[0] != 0 ? command->msg.text : "the controller refuses it",
             wire_error_name(command->code));
    m->told_code = command->code;
    speak_at(b, env_now(b->env) + REGISTER_AGAIN_NS);
}

static void on_registered(struct order *order)
{
    struct membership *m = CONTAINER_OF(order, struct membership, order);
    struct broker *b = CONTAINER_OF(m, struct broker, membership);
    if (m->registration.command.code != WIRE_ERROR_NONE) {
        refused(b);
        return;
    }
    m->told_code = WIRE_ERROR_NONE;
    m->epoch = m->registration.epoch;
    m->is_fenced = true;
    broker_heard_lapse(b);
    b->led = true; /* the cluster knows how the last life ended */
    env_disarm(b->env, &m->deadline);
    orders_set_self(b->orders, (struct orders_self){.broker_id = m->record.broker_id,
                                                    .broker_epoch = m->epoch});
    NOTE(b->notes, REGISTERED, "this broker is registered with epoch %lld", (long long)m->epoch);
    move(b, MEMBERSHIP_CATCHES_UP);
    broker_membership_look(b);
    speak_now(b);
}

static void register_it(struct broker *b)
{
    struct membership *m = &b->membership;
    fill_record(b);
    controller_register_broker_init(&m->registration);
    m->registration.record = &m->record;
    m->registration.previous_epoch = m->epoch;
    m->registration.kept_epoch = CONTROLLER_NO_EPOCH;
    if (m->epoch < 0 && !m->renewed) {
        m->registration.previous_epoch = dir_clean_epoch(b->dir);
        if (!KNOWN_BUG(crash_is_unclean))
            m->registration.kept_epoch = dir_kept_epoch(b->dir);
    }
    orders_give(b->orders, &m->order, &m->registration.command, ORDERS_FOREVER, on_registered);
}

static const char *no_controller(const struct broker_config *config)
{
    return config->controller_quorum_voters[0] != 0
               ? "no controller answers; see that most of controller.quorum.voters run, can be "
                 "reached and have this cluster.id"
               : "no controller leads; see that most voters run, are of this cluster.id and can be "
                 "reached at controller.quorum.bootstrap.servers, and that they were formatted "
                 "as such (kiln format)";
}

static void on_late(struct env_timer *timer)
{
    struct membership *m = CONTAINER_OF(timer, struct membership, deadline);
    struct broker *b = CONTAINER_OF(m, struct broker, membership);
    struct errmsg msg = {{0}};
    const char *why = m->registration.command.msg.text;
    if (m->state == MEMBERSHIP_LEAVES) {
        SOMETIMES(b->trace, LEFT_UNANSWERED, true);
        NOTE(b->notes, LEAVE_UNANSWERED,
             "no controller says that this broker may go, and it goes all the same");
        broker_stop_left(b);
        return;
    }
    errmsg_set(&msg, ERR_TIMEOUT,
               "this broker could not be registered within %lld ms "
               "(initial.broker.registration.timeout.ms): %s",
               (long long)b->config.initial_broker_registration_timeout_ms,
               m->told_code != WIRE_ERROR_NONE && why[0] != 0 ? why : no_controller(&b->config));
    broker_start_failed(b, ERR_TIMEOUT, &msg);
}

/* ---- heartbeats ---- */

static int64_t beat_pause_ns(const struct broker *b)
{
    const struct membership *m = &b->membership;
    int64_t usual_ns = ENV_NS_OF_MS(b->config.broker_heartbeat_interval_ms);
    if (m->state == MEMBERSHIP_LEAVES)
        return LEAVE_BEAT_NS;
    bool unheard = m->state == MEMBERSHIP_SERVES && !m->is_fenced && !orders_is_heard(b->orders);
    return unheard ? MIN(usual_ns, UNHEARD_BEAT_NS) : usual_ns;
}

/* The controller knows this registration no more: it is made anew, of the same life. */
static void lost_registration(struct broker *b)
{
    struct membership *m = &b->membership;
    if (m->state == MEMBERSHIP_LEAVES) {
        broker_stop_left(b);
        return;
    }
    m->is_fenced = true;
    broker_heard_lapse(b);
    move(b, MEMBERSHIP_REGISTERS);
    speak_now(b);
}

static void tell_fenced(struct broker *b, bool was_fenced)
{
    const struct membership *m = &b->membership;
    if (m->is_fenced == was_fenced || m->state != MEMBERSHIP_SERVES)
        return;
    SOMETIMES(b->trace, BROKER_FENCED, m->is_fenced);
    if (m->is_fenced)
        NOTE(b->notes, FENCED,
             "the controller had not heard of this broker for too long: it leads nothing until it "
             "is let in again");
    else
        NOTE(b->notes, UNFENCED, "this broker serves its cluster");
}

/* What this broker lacks has no words that its controller knows (one of another make). As a life of
 * which nothing is known it is in sync nowhere, once its session is over. */
static void renew(struct broker *b)
{
    struct membership *m = &b->membership;
    m->renewed = true;
    m->epoch = CONTROLLER_NO_EPOCH;
    draw_incarnation(b, 2);
    lost_registration(b);
}

static void on_beaten(struct order *order)
{
    struct membership *m = CONTAINER_OF(order, struct membership, order);
    struct broker *b = CONTAINER_OF(m, struct broker, membership);
    bool was_fenced = m->is_fenced;
    if (m->beat.command.code == WIRE_ERROR_STALE_BROKER_EPOCH) {
        lost_registration(b);
        return;
    }
    if (m->beat.command.code == WIRE_ERROR_NONE) {
        m->is_fenced = m->beat.is_fenced;
        broker_heard_beat(b, order);
        tell_fenced(b, was_fenced);
        if (!broker_reports_taken(b, &m->beat)) {
            renew(b);
            return;
        }
        if (m->opened && m->state == MEMBERSHIP_SERVES && broker_reports_are_told(b))
            broker_kept_look(b);
    }
    if (m->state == MEMBERSHIP_LEAVES && m->beat.command.code == WIRE_ERROR_NONE) {
        if (m->beat.may_go) {
            broker_stop_left(b);
            return;
        }
        env_arm(b->env, &m->deadline,
                MIN(env_now(b->env) + LEAVE_SILENCE_NS_MAX, m->leave_deadline_ns));
    }
    broker_membership_look(b);
    if (m->state < MEMBERSHIP_OVER)
        speak_at(b, env_now(b->env) + beat_pause_ns(b));
}

static void beat(struct broker *b)
{
    struct membership *m = &b->membership;
    controller_heartbeat_init(&m->beat);
    m->beat.broker_id = m->record.broker_id;
    m->beat.broker_epoch = m->epoch;
    m->beat.metadata_offset = quorum_current(b->quorum)->offset;
    m->beat.want_fence =
        !m->opened || (dir_status(b->dir) != ERR_NONE && !KNOWN_BUG(offline_serves));
    m->beat.want_shutdown = m->state == MEMBERSHIP_LEAVES;
    if (m->opened)
        broker_reports_fill(b, &m->beat);
    orders_give(b->orders, &m->order, &m->beat.command, ORDERS_FOREVER, on_beaten);
}

static void on_next(struct env_timer *timer)
{
    struct membership *m = CONTAINER_OF(timer, struct membership, next);
    struct broker *b = CONTAINER_OF(m, struct broker, membership);
    m->next_ns = INT64_MAX;
    if (m->state == MEMBERSHIP_REGISTERS)
        register_it(b);
    else
        beat(b);
}

/* ---- what it leads to ---- */

/* The image has this registration, and what it says of this broker counts. NULL: not yet. */
static const struct metadata_broker *find_self(const struct broker *b)
{
    const struct membership *m = &b->membership;
    const struct metadata_broker *self =
        metadata_find_broker(quorum_current(b->quorum), (int32_t)b->config.node_id);
    return self != NULL && self->epoch == m->epoch ? self : NULL;
}

void broker_membership_look(struct broker *b)
{
    struct membership *m = &b->membership;
    if (!is_registered(m))
        return;
    const struct metadata_broker *self = find_self(b);
    if (m->state == MEMBERSHIP_CATCHES_UP && self != NULL) {
        move(b, m->opened ? MEMBERSHIP_SERVES : MEMBERSHIP_OPENS);
        speak_now(b);
        if (!m->opened) {
            broker_start_settings(b);
            broker_partitions_open_all(b);
        }
    } else if (m->state == MEMBERSHIP_SERVES && self != NULL && !self->fenced &&
               b->phase == BROKER_JOINING) {
        broker_start_joined(b);
    }
    broker_heard_look(b, find_self(b));
}

void broker_membership_opened(struct broker *b)
{
    struct membership *m = &b->membership;
    m->opened = true;
    if (m->state != MEMBERSHIP_OPENS)
        return; /* it is being registered anew */
    move(b, MEMBERSHIP_SERVES);
    speak_now(b);
}

/* Others are to lead what it cannot serve. */
static void on_failing(struct env_timer *timer)
{
    struct membership *m = CONTAINER_OF(timer, struct membership, failing);
    struct broker *b = CONTAINER_OF(m, struct broker, membership);
    broker_clients_refuse(b);
    speak_now(b);
}

/* A client's own request may have met it first. */
void broker_membership_failed(struct broker *b)
{
    struct membership *m = &b->membership;
    if (!is_registered(m))
        return;
    m->failing.fire = on_failing;
    env_arm(b->env, &m->failing, env_now(b->env));
}

int64_t broker_membership_epoch(const struct broker *b)
{
    return b->membership.epoch;
}

/* ---- life ---- */

void broker_membership_init(struct broker *b)
{
    b->membership.epoch = b->membership.heard.epoch = CONTROLLER_NO_EPOCH;
    b->membership.next_ns = INT64_MAX;
    b->membership.next.fire = on_next;
    b->membership.deadline.fire = on_late;
}

void broker_membership_begin(struct broker *b)
{
    struct membership *m = &b->membership;
    draw_incarnation(b, 0);
    move(b, MEMBERSHIP_REGISTERS);
    env_arm(b->env, &m->deadline,
            env_now(b->env) + ENV_NS_OF_MS(b->config.initial_broker_registration_timeout_ms));
    speak_now(b);
}

bool broker_membership_leave(struct broker *b)
{
    struct membership *m = &b->membership;
    if (m->state != MEMBERSHIP_SERVES)
        return false;
    int64_t now_ns = env_now(b->env);
    move(b, MEMBERSHIP_LEAVES);
    broker_heard_lapse(b);
    m->leave_deadline_ns = now_ns + LEAVE_NS_MAX;
    env_arm(b->env, &m->deadline, now_ns + LEAVE_SILENCE_NS_MAX);
    orders_cancel(&m->order);
    speak_now(b);
    return true;
}

void broker_membership_end(struct broker *b)
{
    struct membership *m = &b->membership;
    orders_cancel(&m->order);
    env_disarm(b->env, &m->next);
    env_disarm(b->env, &m->deadline);
    env_disarm(b->env, &m->failing);
    if (m->state != MEMBERSHIP_OVER)
        move(b, MEMBERSHIP_OVER);
}
