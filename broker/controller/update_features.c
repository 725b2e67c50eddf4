/* update_features.c - feature levels of the cluster: all of a request's, or none
 * (FeatureControlManager). There is one, metadata.version, and it only rises. Pure. */
#include "controller/internal.h"

void controller_update_features_init(struct controller_update_features *c)
{
    *c = (struct controller_update_features){.command.verb = CONTROLLER_UPDATE_FEATURES};
}

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

/* Why the level cannot be that, behind the words that say which. */
static enum err check_level(const struct controller_view *view, const struct controller_feature *f,
                            struct errmsg *msg)
{
    int16_t present = view->image->metadata_version;
    int node = (int)view->settings->node_id;
    bool known = bytes_equal(f->name, bytes_text("metadata.version"));
    if (f->type < CONTROLLER_UPGRADE || f->type > CONTROLLER_UNSAFE_DOWNGRADE)
        return errmsg_set(msg, ERR_INVALID,
                          "The controller does not support the given upgrade type.");
    if (f->level < 0)
        return errmsg_set(msg, ERR_INVALID, "A feature version cannot be less than 0.");
    if (!known && f->level == 0)
        return errmsg_set(msg, ERR_INVALID, "Feature %.*s not found.", (int)f->name.size,
                          (const char *)f->name.data);
    if (!known)
        return errmsg_set(msg, ERR_INVALID, "Local controller %d does not support this feature.",
                          node);
    if (f->level < METADATA_VERSION_OLDEST || f->level > METADATA_VERSION)
        return errmsg_set(msg, ERR_INVALID, "Local controller %d only supports versions %d-%d",
                          node, METADATA_VERSION_OLDEST, METADATA_VERSION);
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
    int16_t present = view->image->metadata_version;
    if (check_level(view, f, &why) != ERR_NONE)
        return errmsg_set(msg, ERR_INVALID, "Invalid update version %d for feature %.*s. %s",
                          f->level, (int)MIN(f->name.size, 200u), (const char *)f->name.data,
                          why.text);
    return f->level < present ? check_downgrade(f->level, present, f->type, msg) : ERR_NONE;
}

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_update_features *c =
        CONTAINER_OF(command, struct controller_update_features, command);
    struct errmsg msg = {0};
    int16_t level = view->image->metadata_version;
    command->rests_on_image = true;
    for (int32_t i = 0; i < c->feature_count; i++) {
        if (judge(view, &c->features[i], &msg) != ERR_NONE) {
            command->code = WIRE_ERROR_INVALID_UPDATE_VERSION;
            errmsg_set(&command->msg, ERR_INVALID,
                       "The update failed for all features since the following feature had an "
                       "error: %s",
                       msg.text);
            return;
        }
        level = MAX(level, c->features[i].level);
    }
    if (level == view->image->metadata_version || c->validate_only)
        return;
    struct wire_feature_level_record record = {.name = wire_text("metadata.version"),
                                               .feature_level = level};
    command->code = controller_code_of(
        metadata_batch_add(batch, &wire_feature_level_record_message, 0, &record));
}

const struct verb controller_verb_update_features = {.decide = decide};
