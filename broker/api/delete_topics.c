/* delete_topics.c - 20: topics that are to be no more, by name or by id; answered when that is
 * committed. Their names are free then; their directories go in the background. */
#include "api/internal.h"

struct delete_topics {
    struct api_commanded commanded;
    struct controller_delete_topics delete;
};

/* Of a code that comes without one, in Kafka's words (Errors.java). */
static const char *sentence_of(int16_t code)
{
    switch (code) {
    case WIRE_ERROR_NONE:
        return NULL;
    case WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION:
        return "This server does not host this topic-partition.";
    case WIRE_ERROR_UNKNOWN_TOPIC_ID:
        return "This server does not host this topic ID.";
    default:
        return wire_error_text(code);
    }
}

static void fill(const struct controller_old_topic *topic,
                 struct wire_delete_topics_response_topic *out)
{
    const char *sentence = topic->sentence != NULL ? topic->sentence : sentence_of(topic->code);
    bool named = topic->name.data != NULL; /* an empty name is one, and not null */
    *out = (struct wire_delete_topics_response_topic){
        .name = named ? (struct wire_string){.data = (const char *)topic->name.data,
                                             .size = (int32_t)topic->name.size}
                      : WIRE_NULL_STRING,
        .topic_id = topic->id,
        .error_code = topic->code,
        .error_message = sentence == NULL ? WIRE_NULL_STRING : wire_text(sentence),
    };
}

static void answer(struct request *r)
{
    struct delete_topics *s = CONTAINER_OF(r, struct delete_topics, commanded.request);
    struct wire_delete_topics_response body;
    wire_defaults(&wire_delete_topics_response_message, &body);
    body.responses = api_request_alloc(r, (size_t)s->delete.topic_count, sizeof *body.responses);
    if (body.responses == NULL) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    for (int32_t i = 0; i < s->delete.topic_count; i++) {
        if (!s->delete.topics[i].omitted)
            fill(&s->delete.topics[i], &body.responses[body.responses_count++]);
    }
    api_request_answer(r, &body);
}

/* What is being deleted will be; who asked is told only that it took too long. */
static void fail(struct request *r, int16_t code)
{
    struct delete_topics *s = CONTAINER_OF(r, struct delete_topics, commanded.request);
    for (int32_t i = 0; i < s->delete.topic_count; i++) {
        struct controller_old_topic *topic = &s->delete.topics[i];
        if (api_command_is_open(topic->code)) {
            topic->code = code;
            topic->sentence = NULL;
        }
    }
}

static const struct api_command_kind kind = {
    .until = QUORUM_COMMITTED, .answer = answer, .fail = fail};

/* ---- what is asked for ---- */

static const struct wire_uuid nothing;

static struct bytes name_of(struct wire_string s)
{
    return bytes_of(s.data, s.size < 0 ? 0 : (size_t)s.size);
}

/* Until version 5 there are names alone. */
static int32_t count_asked(const struct request *r)
{
    const struct wire_delete_topics_request *in = r->body;
    return MAX(api_request_version(r) >= 6 ? in->topics_count : in->topic_names_count, 0);
}

/* Of an empty name, too, there is no topic. */
static void take(struct controller_old_topic *out,
                 const struct wire_delete_topics_request_topic *in)
{
    bool has_id = !wire_uuid_equal(&in->topic_id, &nothing);
    *out = (struct controller_old_topic){.name = name_of(in->name), .id = in->topic_id};
    if (in->name.size >= 0 && has_id) {
        out->code = WIRE_ERROR_INVALID_REQUEST;
        out->sentence = "You may not specify both topic name and topic id.";
    } else if (in->name.size < 0 && !has_id) {
        out->code = WIRE_ERROR_INVALID_REQUEST;
        out->sentence = "Neither topic name nor id were specified.";
    } else if (in->name.size == 0) {
        out->code = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
}

/* What nobody has is unknown at once: the controller does not ask again who may delete what was
 * made meanwhile. */
static void check_named(const struct request *r, struct controller_old_topic *topic)
{
    bool is_there = metadata_find(quorum_current(r->api->quorum), topic->name) != NULL;
    if (!api_may(r, API_DESCRIBE, API_TOPIC, topic->name))
        topic->code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    else if (!is_there)
        topic->code = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    else if (!api_may(r, API_DELETE, API_TOPIC, topic->name))
        topic->code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
}

/* The name is told to who may know it. */
static void check_by_id(const struct request *r, struct controller_old_topic *topic)
{
    const struct metadata_topic *found =
        metadata_find_id(quorum_current(r->api->quorum), &topic->id);
    if (found == NULL) {
        topic->code = WIRE_ERROR_UNKNOWN_TOPIC_ID;
        return;
    }
    struct bytes name = bytes_text(found->name);
    if (api_may(r, API_DELETE, API_TOPIC, name))
        return;
    topic->code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    if (!api_may(r, API_DESCRIBE, API_TOPIC, name))
        return;
    memcpy(topic->found, name.data, name.size);
    topic->name = bytes_of(topic->found, name.size);
}

/* Who may delete any topic, or each one that he asks for (ControllerApis.deleteTopics). */
static void check_access(struct delete_topics *s)
{
    const struct request *r = &s->commanded.request;
    if (api_may_cluster(r, API_DELETE))
        return;
    for (int32_t i = 0; i < s->delete.topic_count; i++) {
        struct controller_old_topic *topic = &s->delete.topics[i];
        if (topic->code != WIRE_ERROR_NONE || topic->omitted)
            continue;
        if (topic->name.size > 0)
            check_named(r, topic);
        else
            check_by_id(r, topic);
    }
}

/* What stands twice is refused once: where it stands last. */
static void refuse_twice(const struct api_places *places)
{
    for (int32_t i = 0; i < places->count; i++) {
        struct controller_old_topic *topic = (void *)(uintptr_t)places->items[i].row;
        topic->omitted = false;
        if (!places->items[i].twice)
            continue;
        topic->code = WIRE_ERROR_INVALID_REQUEST;
        topic->sentence = topic->name.size > 0 ? "Duplicate topic name." : "Duplicate topic id.";
    }
}

/* Names and ids are told apart by the number that places have for partitions. */
static bool place_all(struct delete_topics *s, int32_t count)
{
    struct api_places places;
    if (api_places_begin(&places, &s->commanded.request, count, count) != ERR_NONE)
        return false;
    for (int32_t i = 0; i < count; i++) {
        struct controller_old_topic *topic = &s->delete.topics[i];
        bool named = topic->name.size > 0;
        if (topic->code != WIRE_ERROR_NONE)
            continue;
        topic->omitted = true;
        api_places_topic(&places, named ? topic->name : bytes_of(topic->id.b, sizeof topic->id.b));
        api_places_partition(&places, named, topic);
    }
    refuse_twice(&places);
    api_places_end(&places);
    return true;
}

static bool take_all(struct delete_topics *s)
{
    const struct wire_delete_topics_request *in = s->commanded.request.body;
    int32_t count = count_asked(&s->commanded.request);
    controller_delete_topics_init(&s->delete);
    s->delete.topics =
        api_request_alloc(&s->commanded.request, (size_t)count, sizeof *s->delete.topics);
    if (s->delete.topics == NULL)
        return false;
    s->delete.topic_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct wire_delete_topics_request_topic named = {0};
        if (api_request_version(&s->commanded.request) < 6)
            named.name = in->topic_names[i];
        take(&s->delete.topics[i],
             api_request_version(&s->commanded.request) < 6 ? &named : &in->topics[i]);
    }
    return place_all(s, count);
}

static void begin(struct request *r)
{
    struct delete_topics *s = CONTAINER_OF(r, struct delete_topics, commanded.request);
    const struct wire_delete_topics_request *in = r->body;
    if (!take_all(s)) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    check_access(s);
    api_command(r, &kind, &s->delete.command, in->timeout_ms);
}

const struct handler api_handler_delete_topics = {
    .key = 20,
    .state_size = sizeof(struct delete_topics),
    .begin = begin,
    .hurry = api_command_hurry,
    .drop = api_command_drop,
};
