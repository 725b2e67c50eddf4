/* delete_topics.c - topics that are to be no more: each that exists becomes one record. Pure. */
#include "controller/internal.h"

void controller_delete_topics_init(struct controller_delete_topics *c)
{
    *c = (struct controller_delete_topics){.command.verb = CONTROLLER_DELETE_TOPICS};
}

/* 0, or the code that there is none. */
static int16_t find(const struct metadata_image *image, const struct controller_old_topic *topic,
                    const struct metadata_topic **out)
{
    bool named = topic->name.size > 0;
    *out = named ? metadata_find(image, topic->name) : metadata_find_id(image, &topic->id);
    if (*out != NULL)
        return WIRE_ERROR_NONE;
    return named ? WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION : WIRE_ERROR_UNKNOWN_TOPIC_ID;
}

static bool is_good(const struct controller_old_topic *topic)
{
    return topic->code == WIRE_ERROR_NONE && !topic->omitted;
}

static int compare_topics(const void *a, const void *b)
{
    const struct controller_old_topic *x = *(struct controller_old_topic *const *)a;
    const struct controller_old_topic *y = *(struct controller_old_topic *const *)b;
    return memcmp(&x->id, &y->id, sizeof x->id);
}

/* ControllerApis.deleteTopics: who is meant by name and by id is not deleted. */
static void refuse_both(struct controller_old_topic *a, struct controller_old_topic *b)
{
    struct controller_old_topic *named = a->name.data == (const uint8_t *)a->found ? b : a;
    struct controller_old_topic *other = named == a ? b : a;
    named->code = WIRE_ERROR_INVALID_REQUEST;
    named->sentence = "The provided topic name maps to an ID that was already supplied.";
    other->omitted = true;
}

static enum err refuse_repeated(const struct controller_view *view,
                                struct controller_delete_topics *c)
{
    struct controller_old_topic **by_id =
        mem_array(view->mem, (size_t)MAX(c->topic_count, 1), sizeof *by_id);
    if (by_id == NULL)
        return ERR_NOMEM;
    int32_t count = 0;
    for (int32_t i = 0; i < c->topic_count; i++) {
        if (is_good(&c->topics[i]))
            by_id[count++] = &c->topics[i];
    }
    enum err e = sort_stable(view->mem, by_id, (size_t)count, sizeof *by_id, compare_topics);
    for (int32_t i = 0; i + 1 < count && e == ERR_NONE; i++) {
        if (wire_uuid_equal(&by_id[i]->id, &by_id[i + 1]->id))
            refuse_both(by_id[i], by_id[i + 1]);
    }
    mem_free(view->mem, by_id);
    return e;
}

static void find_all(const struct controller_view *view, struct controller_delete_topics *c)
{
    for (int32_t i = 0; i < c->topic_count; i++) {
        struct controller_old_topic *topic = &c->topics[i];
        const struct metadata_topic *found = NULL;
        if (!is_good(topic))
            continue;
        topic->code = find(view->image, topic, &found);
        c->command.rests_on_image |= found == NULL;
        if (found == NULL)
            continue;
        topic->id = found->id;
        if (topic->name.size > 0)
            continue;
        topic->name = bytes_of(topic->found, strlen(found->name));
        memcpy(topic->found, found->name, topic->name.size);
    }
}

static enum err add_all(struct controller_delete_topics *c, struct metadata_batch *batch)
{
    int32_t count = 0;
    for (int32_t i = 0; i < c->topic_count; i++)
        count += is_good(&c->topics[i]);
    if (count == 0)
        return ERR_NONE;
    enum err e = controller_expect(batch, count, (int64_t)count * (int64_t)sizeof(struct wire_uuid),
                                   "DeleteTopics");
    for (int32_t i = 0; i < c->topic_count && e == ERR_NONE; i++) {
        struct wire_remove_topic_record record = {.topic_id = c->topics[i].id};
        if (is_good(&c->topics[i]))
            e = controller_add(batch, &wire_remove_topic_record_message, 0, &record);
    }
    return e == ERR_NONE ? controller_end(batch) : e;
}

static void fail_all(struct controller_delete_topics *c, int16_t code, const char *sentence)
{
    for (int32_t i = 0; i < c->topic_count; i++) {
        if (!is_good(&c->topics[i]))
            continue;
        c->topics[i].code = code;
        c->topics[i].sentence = sentence;
    }
}

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_delete_topics *c =
        CONTAINER_OF(command, struct controller_delete_topics, command);
    find_all(view, c);
    enum err e = refuse_repeated(view, c);
    if (e == ERR_NONE)
        e = add_all(c, batch);
    command->code = controller_code_of(e);
    if (e != ERR_NONE)
        fail_all(c, command->code, wire_error_text(command->code));
}

/* Those that were to be deleted stay; that one is not there may not be true. */
static void lost(struct controller_command *command, const struct metadata_image *image,
                 int16_t code, const char *sentence)
{
    struct controller_delete_topics *c =
        CONTAINER_OF(command, struct controller_delete_topics, command);
    const struct metadata_topic *found;
    fail_all(c, code, sentence);
    for (int32_t i = 0; i < c->topic_count; i++) {
        struct controller_old_topic *topic = &c->topics[i];
        bool unknown = topic->code == WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION ||
                       topic->code == WIRE_ERROR_UNKNOWN_TOPIC_ID;
        if (!unknown || find(image, topic, &found) != WIRE_ERROR_NONE)
            continue;
        topic->code = code;
        topic->sentence = sentence;
    }
}

const struct verb controller_verb_delete_topics = {.decide = decide, .lost = lost};
