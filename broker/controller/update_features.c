/* update_features.c - feature levels of the cluster: all of a request's, or none
 * (FeatureControlManager). metadata.version only rises. Pure. */
#include "controller/internal.h"

void controller_update_features_init(struct controller_update_features *c)
{
    *c = (struct controller_update_features){.command.verb = CONTROLLER_UPDATE_FEATURES};
}

/* Only metadata.version says what stands in the records that are there. */
static enum err check_downgrade(int16_t level, int16_t present, enum controller_upgrade type,
                                struct errmsg *msg)
{
    return errmsg_set(msg, ERR_INVALID, "Unsupported metadata.version downgrade from %d to %d. %s",
                      present, level,
                      type == CONTROLLER_SAFE_DOWNGRADE
                          ? "Refusing to perform the requested downgrade because it might delete "
                            "metadata information."
                          : "Unsafe metadata downgrade is not supported in this version.");
}

/* NULL: nobody here knows it. */
static const struct metadata_feature *find(struct bytes name)
{
    for (int i = 0; i < METADATA_FEATURES; i++) {
        if (bytes_equal(name, bytes_text(metadata_features[i].name)))
            return &metadata_features[i];
    }
    return NULL;
}

/* Why the level cannot be that, behind the words that say which. */
static enum err check_level(const struct controller_view *view, const struct controller_feature *f,
                            struct errmsg *msg)
{
    const struct metadata_feature *known = find(f->name);
    int16_t present = known == NULL ? 0 : metadata_feature_level(view->image, known->name);
    int node = (int)view->settings->node_id;
    if (f->type < CONTROLLER_UPGRADE || f->type > CONTROLLER_UNSAFE_DOWNGRADE)
        return errmsg_set(msg, ERR_INVALID,
                          "The controller does not support the given upgrade type.");
    if (f->level < 0)
        return errmsg_set(msg, ERR_INVALID, "A feature version cannot be less than 0.");
    if (known == NULL && f->level == 0)
        return errmsg_set(msg, ERR_INVALID, "Feature %.*s not found.", (int)f->name.size,
                          (const char *)f->name.data);
    if (known == NULL)
        return errmsg_set(msg, ERR_INVALID, "Local controller %d does not support this feature.",
                          node);
    if (f->level < known->oldest || f->level > known->newest)
        return errmsg_set(msg, ERR_INVALID, "Local controller %d only supports versions %d-%d",
                          node, known->oldest, known->newest);
    if (f->level < present && f->type == CONTROLLER_UPGRADE)
        return errmsg_set(msg, ERR_INVALID,
                          "Can't downgrade the version of this feature without setting the upgrade "
                          "type to either safe or unsafe downgrade.");
    if (f->level > present && f->type != CONTROLLER_UPGRADE)
        return errmsg_set(msg, ERR_INVALID, "Can't downgrade to a newer version.");
    return ERR_NONE;
}

static enum err judge(const struct controller_view *view, const struct controller_feature *f,
                      struct errmsg *msg)
{
    struct errmsg why = {0};
    if (check_level(view, f, &why) != ERR_NONE)
        return errmsg_set(msg, ERR_INVALID, "Invalid update version %d for feature %.*s. %s",
                          f->level, (int)MIN(f->name.size, 200u), (const char *)f->name.data,
                          why.text);
    int16_t present = view->image->metadata_version;
    bool of_records = find(f->name) == &metadata_features[0];
    return of_records && f->level < present ? check_downgrade(f->level, present, f->type, msg)
                                            : ERR_NONE;
}

/* Who is eligible is kept up to date only while that counts. */
static enum err add_level(const struct controller_view *view, const struct metadata_feature *f,
                          int16_t level, struct metadata_batch *batch)
{
    struct wire_feature_level_record record = {.name = wire_text(f->name), .feature_level = level};
    struct wire_clear_elr_record nobody = {.topic_name = wire_text("")};
    if (level == metadata_feature_level(view->image, f->name))
        return ERR_NONE;
    enum err e = metadata_batch_add(batch, &wire_feature_level_record_message, 0, &record);
    if (e == ERR_NONE && level == 0 && strcmp(f->name, METADATA_FEATURE_ELR) == 0)
        e = metadata_batch_add(batch, &wire_clear_elr_record_message, 0, &nobody);
    return e;
}

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_update_features *c =
        CONTAINER_OF(command, struct controller_update_features, command);
    struct errmsg msg = {0};
    int16_t levels[METADATA_FEATURES];
    enum err e = ERR_NONE;
    command->rests_on_image = true;
    for (int i = 0; i < METADATA_FEATURES; i++)
        levels[i] = metadata_feature_level(view->image, metadata_features[i].name);
    for (int32_t i = 0; i < c->feature_count; i++) {
        if (judge(view, &c->features[i], &msg) != ERR_NONE) {
            command->code = WIRE_ERROR_INVALID_UPDATE_VERSION;
            errmsg_set(&command->msg, ERR_INVALID,
                       "The update failed for all features since the following feature had an "
                       "error: %s",
                       msg.text);
            return;
        }
        levels[find(c->features[i].name) - metadata_features] = c->features[i].level;
    }
    for (int i = 0; i < METADATA_FEATURES && e == ERR_NONE && !c->validate_only; i++)
        e = add_level(view, &metadata_features[i], levels[i], batch);
    command->code = controller_code_of(e);
}

const struct verb controller_verb_update_features = {.decide = decide};
