/* registration.c - a broker asks to be one of the cluster (B-1, B-2; ClusterControlManager
 * .registerBroker): it is fenced until it has caught up, and where it may have lost what it had it
 * is in sync nowhere. Pure. */
#include "controller/internal.h"

#define ARENA_BYTES (1 << 20)

static int16_t refuse(struct controller_register_broker *c, int16_t code, const char *sentence)
{
    errmsg_set(&c->command.msg, ERR_INVALID, "%s", sentence);
    return code;
}

static bool has_directory(const struct wire_register_broker_record *r, const struct wire_uuid *id)
{
    for (int32_t i = 0; i < r->log_dirs_count; i++) {
        if (wire_uuid_equal(&r->log_dirs[i], id))
            return true;
    }
    return false;
}

static int16_t check_other(const struct metadata_broker *other,
                           struct controller_register_broker *c, struct arena *arena)
{
    struct wire_register_broker_record theirs;
    const struct wire_register_broker_record *r = c->record;
    if (other->id == r->broker_id)
        return WIRE_ERROR_NONE;
    if (metadata_broker_record(other, &theirs, arena) != ERR_NONE)
        return refuse(c, WIRE_ERROR_UNKNOWN_SERVER_ERROR, "the controller is out of memory");
    for (int32_t i = 0; i < r->log_dirs_count; i++) {
        if (!has_directory(&theirs, &r->log_dirs[i]))
            continue;
        errmsg_set(&c->command.msg, ERR_EXISTS,
                   "Broker %d is already registered with a directory of that ID: a disk was copied",
                   (int)other->id);
        return WIRE_ERROR_INVALID_REGISTRATION;
    }
    return WIRE_ERROR_NONE;
}

/* Two directories of one id would pass for one another (KIP-858). */
static int16_t check_directories(const struct controller_view *view,
                                 struct controller_register_broker *c, struct arena *arena)
{
    const struct wire_register_broker_record *r = c->record;
    int16_t code = WIRE_ERROR_NONE;
    if (r->log_dirs_count <= 0)
        return refuse(c, WIRE_ERROR_INVALID_REGISTRATION, "No directories specified in request");
    for (int32_t i = 1; i < r->log_dirs_count; i++) {
        struct wire_register_broker_record before = {.log_dirs = r->log_dirs, .log_dirs_count = i};
        if (has_directory(&before, &r->log_dirs[i]))
            return refuse(c, WIRE_ERROR_INVALID_REGISTRATION, "Duplicate directory ID in request");
    }
    for (int32_t i = 0; i < metadata_map_count(&view->image->brokers) && code == WIRE_ERROR_NONE;
         i++)
        code = check_other(metadata_broker_at(view->image, i), c, arena);
    return code;
}

/* What a broker does not name it does not know. */
static int16_t check_feature(const struct controller_view *view,
                             struct controller_register_broker *c, const char *name)
{
    int16_t level = metadata_feature_level(view->image, name);
    int16_t oldest = 0, newest = 0;
    for (int32_t i = 0; i < c->record->features_count; i++) {
        const struct wire_register_broker_record_feature *f = &c->record->features[i];
        if (!wire_string_equal(f->name, wire_text(name)))
            continue;
        oldest = f->min_supported_version;
        newest = f->max_supported_version;
    }
    if (level >= oldest && level <= newest)
        return WIRE_ERROR_NONE;
    errmsg_set(&c->command.msg, ERR_UNSUPPORTED,
               "Unable to register because the broker does not support finalized version %d of "
               "%s. The broker wants a version between %d and %d, inclusive.",
               (int)level, name, (int)oldest, (int)newest);
    return WIRE_ERROR_UNSUPPORTED_VERSION;
}

/* It must understand what the others write. */
static int16_t check_features(const struct controller_view *view,
                              struct controller_register_broker *c)
{
    int16_t code = WIRE_ERROR_NONE;
    for (int i = 0; i < METADATA_FEATURES && code == WIRE_ERROR_NONE; i++)
        code = check_feature(view, c, metadata_features[i].name);
    return code;
}

/* As it was registered before. */
struct past {
    const struct metadata_broker *broker; /* NULL: it was not */
    bool same_life;                       /* it is still the same incarnation */
};

static int16_t check_past(const struct controller_view *view, struct controller_register_broker *c,
                          struct past *past, struct arena *arena)
{
    struct wire_register_broker_record was;
    *past = (struct past){.broker = metadata_find_broker(view->image, c->record->broker_id)};
    if (past->broker == NULL)
        return WIRE_ERROR_NONE;
    if (metadata_broker_record(past->broker, &was, arena) != ERR_NONE)
        return refuse(c, WIRE_ERROR_UNKNOWN_SERVER_ERROR, "the controller is out of memory");
    past->same_life = wire_uuid_equal(&was.incarnation_id, &c->record->incarnation_id);
    bool own = view->settings->is_alone && past->broker->id == view->settings->node_id;
    if (past->same_life ||
        (!own && !controller_session_is_valid(view->sessions, past->broker->id, past->broker->epoch,
                                              view->now_ns)))
        return WIRE_ERROR_NONE;
    return refuse(c, WIRE_ERROR_DUPLICATE_BROKER_REGISTRATION,
                  "Another broker is registered with that broker id. If the broker was recently "
                  "restarted this should self-resolve once the heartbeat manager expires the "
                  "broker's session.");
}

/* The new life of a broker is out of sync wherever the old one was, and where it knows neither the
 * epoch of its last clean end nor that of a life that kept what it had, it is not eligible either
 * (B-2): in the same write as its
 * registration, or a crash between the two would elect it (KAFKA-15586). */
static enum err add_end_of_past(const struct controller_view *view,
                                const struct controller_register_broker *c, const struct past *past,
                                struct metadata_batch *batch)
{
    struct controller_turn turn = CONTROLLER_NO_TURN;
    if (past->broker == NULL || past->same_life)
        return controller_expect(batch, 1, 0, "a registration");
    if (c->previous_epoch == past->broker->epoch || c->kept_epoch == past->broker->epoch)
        turn.leaves = past->broker->id;
    else
        turn.lost = past->broker->id;
    return controller_add_turn(view, &turn, 1, batch);
}

static enum err add_registration(const struct controller_view *view,
                                 struct controller_register_broker *c, const struct past *past,
                                 struct metadata_batch *batch)
{
    struct wire_register_broker_record record = *c->record;
    record.fenced = true;
    record.in_controlled_shutdown = false;
    enum err e = add_end_of_past(view, c, past, batch);
    record.broker_epoch = batch->offset + metadata_batch_count(batch);
    if (past->same_life) { /* KAFKA-16952 */
        record.broker_epoch = past->broker->epoch;
        record.fenced = past->broker->fenced;
        record.in_controlled_shutdown = past->broker->in_controlled_shutdown;
    }
    c->epoch = record.broker_epoch;
    if (e == ERR_NONE)
        e = controller_add(batch, &wire_register_broker_record_message, REGISTER_VERSION, &record);
    return e == ERR_NONE ? controller_end(batch) : e;
}

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_register_broker *c =
        CONTAINER_OF(command, struct controller_register_broker, command);
    struct arena arena;
    struct past past;
    arena_init(&arena, view->mem, ARENA_BYTES);
    c->epoch = -1;
    command->rests_on_image = true;
    command->code = check_past(view, c, &past, &arena);
    if (command->code == WIRE_ERROR_NONE)
        command->code = check_directories(view, c, &arena);
    if (command->code == WIRE_ERROR_NONE)
        command->code = check_features(view, c);
    if (command->code == WIRE_ERROR_NONE) {
        enum err e = add_registration(view, c, &past, batch);
        if (e == ERR_NONE)
            e = controller_session_touch(view->sessions, c->record->broker_id, c->epoch, -1,
                                         view->now_ns);
        command->code = controller_code_of(e);
    }
    arena_free(&arena);
}

void controller_register_broker_init(struct controller_register_broker *c)
{
    *c = (struct controller_register_broker){.command.verb = CONTROLLER_REGISTER_BROKER,
                                             .previous_epoch = CONTROLLER_NO_EPOCH,
                                             .kept_epoch = CONTROLLER_NO_EPOCH};
}

const struct verb controller_verb_register_broker = {.decide = decide};
