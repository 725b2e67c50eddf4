/* format.c - a new directory is given what its first life begins with (kiln format, KIP-853). */
#include "node/internal.h"

/* One of ID@HOST:PORT:DIRID. */
struct initial {
    int32_t id;
    struct endpoint at;
    struct wire_uuid directory;
};

struct formatting {
    struct initial initials[RAFT_VOTERS_MAX];
    int32_t count;
    struct quorum_format format;
    struct wire_voters_record record;
    struct wire_voters_record_voter voters[RAFT_VOTERS_MAX];
    struct wire_voters_record_endpoint endpoints[RAFT_VOTERS_MAX];
    char listener[LISTENER_NAME_SIZE];
    struct broker *broker;
};

/* ---- words ---- */

/* Those below 100 are nobody's (DirectoryId.reserved). */
static bool is_reserved(const struct wire_uuid *id)
{
    static const uint8_t zeros[sizeof id->b - 1];
    return memcmp(id->b, zeros, sizeof zeros) == 0 && id->b[sizeof zeros] < 100;
}

static bool parse_initial(struct bytes text, struct initial *out)
{
    const uint8_t *sign = memchr(text.data, '@', text.size);
    size_t end = text.size;
    int64_t id = 0;
    while (end > 0 && text.data[end - 1] != ':')
        end--;
    if (sign == NULL || end == 0 || text.data + end <= sign + 1)
        return false;
    size_t head = (size_t)(sign - text.data);
    if (text_parse_int(bytes_of(text.data, head), &id) != ERR_NONE || id < 0 || id > INT32_MAX)
        return false;
    out->id = (int32_t)id;
    struct bytes address = bytes_of(text.data + head + 1, end - 1 - head - 1);
    return broker_parse_address(address, &out->at) && out->at.host[0] != 0 && out->at.port != 0 &&
           wire_uuid_parse(bytes_of(text.data + end, text.size - end), &out->directory) ==
               ERR_NONE &&
           !is_reserved(&out->directory);
}

static enum err parse_initials(const char *text, struct initial *out, int32_t *count,
                               struct errmsg *msg)
{
    struct bytes list = bytes_text(text);
    struct bytes entry;
    for (*count = 0; broker_next_entry(&list, &entry); (*count)++) {
        if (*count == RAFT_VOTERS_MAX)
            return errmsg_set(msg, ERR_INVALID, "--initial-controllers names more than %d",
                              RAFT_VOTERS_MAX);
        if (!parse_initial(entry, &out[*count]))
            return errmsg_set(msg, ERR_INVALID,
                              "--initial-controllers: \"%.*s\" is not of the form "
                              "ID@HOST:PORT:DIRID (DIRID: 22 characters, a UUID in base64)",
                              (int)entry.size, (const char *)entry.data);
        for (int32_t i = 0; i < *count; i++) {
            if (out[i].id == out[*count].id ||
                wire_uuid_equal(&out[i].directory, &out[*count].directory))
                return errmsg_set(msg, ERR_INVALID,
                                  "--initial-controllers names a node or a directory twice: %.*s",
                                  (int)entry.size, (const char *)entry.data);
        }
    }
    return *count > 0 ? ERR_NONE
                      : errmsg_set(msg, ERR_INVALID, "--initial-controllers names nobody");
}

/* A voter is where its own listener for controllers is. */
static enum err check_initials(const struct broker_format *format,
                               const struct broker_config *config,
                               const struct quorum_members *members, struct errmsg *msg)
{
    struct initial initials[RAFT_VOTERS_MAX];
    int32_t count;
    enum err e = parse_initials(format->controllers, initials, &count, msg);
    for (int32_t i = 0; e == ERR_NONE && i < count; i++) {
        if (initials[i].id == config->node_id)
            return ERR_NONE;
    }
    if (e == ERR_NONE && members->is_controller)
        e = errmsg_set(msg, ERR_INVALID,
                       "--initial-controllers does not name this controller, whose node.id is "
                       "%lld; who is none of them is formatted with --no-initial-controllers",
                       (long long)config->node_id);
    return e;
}

static enum err find_listener(const struct broker_config *config, struct listener_address *out,
                              struct errmsg *msg)
{
    struct listener_list list;
    enum err e = broker_listeners_parse(config, true, &list, msg);
    for (int i = 0; i < list.count && e == ERR_NONE; i++) {
        *out = list.at[i];
        if (list.at[i].of_quorum)
            return ERR_NONE;
    }
    return e != ERR_NONE
               ? e
               : errmsg_set(msg, ERR_INVALID,
                            "listeners: \"%s\" names none of controller.listener.names (%s), "
                            "where others would reach this controller",
                            config->listeners, config->controller_listener_names);
}

enum err broker_format_check(const struct broker_format *format, const struct broker_config *config,
                             struct errmsg *msg)
{
    struct quorum_members members;
    struct listener_address own;
    enum err e = broker_members_parse(config, &members, msg);
    if (e != ERR_NONE || format->kind == BROKER_FORMAT_NONE)
        return e;
    if (members.voter_count > 0)
        return errmsg_set(msg, ERR_INVALID,
                          "controller.quorum.voters is set: its voters stand in the configuration "
                          "(kraft.version 0), and need no format; for kraft.version 1 set "
                          "controller.quorum.bootstrap.servers instead");
    if (members.bootstrap_count == 0)
        return errmsg_set(msg, ERR_INVALID,
                          "controller.quorum.bootstrap.servers is missing: HOST:PORT of "
                          "controllers, where this node finds who leads");
    bool votes = format->kind != BROKER_FORMAT_NO_INITIAL_CONTROLLERS;
    if (format->kind == BROKER_FORMAT_STANDALONE && !members.is_controller)
        return errmsg_set(msg, ERR_INVALID,
                          "process.roles: a node that is no controller cannot be the one voter; "
                          "format it with --no-initial-controllers");
    if (votes && members.is_controller)
        e = find_listener(config, &own, msg);
    if (e == ERR_NONE && format->kind == BROKER_FORMAT_STANDALONE && own.advertised.port == 0 &&
        own.at.port == 0)
        e = errmsg_set(msg, ERR_INVALID,
                       "listeners: others are told where this voter is, and port 0 says nothing");
    if (e == ERR_NONE && format->kind == BROKER_FORMAT_INITIAL_CONTROLLERS)
        e = check_initials(format, config, &members, msg);
    return e;
}

/* ---- the record ---- */

static void fill_record(struct formatting *f)
{
    f->record = (struct wire_voters_record){.voters = f->voters, .voters_count = f->count};
    for (int32_t i = 0; i < f->count; i++) {
        const struct initial *initial = &f->initials[i];
        f->endpoints[i] = (struct wire_voters_record_endpoint){.name = wire_text(f->listener),
                                                               .host = wire_text(initial->at.host),
                                                               .port = initial->at.port};
        f->voters[i] = (struct wire_voters_record_voter){
            .voter_id = initial->id,
            .voter_directory_id = initial->directory,
            .endpoints = &f->endpoints[i],
            .endpoints_count = 1,
            .kraft_version_feature = {.max_supported_version = QUORUM_KRAFT_VERSION}};
    }
}

static enum err take_standalone(struct broker *b, struct formatting *f, struct errmsg *msg)
{
    struct listener_address own;
    enum err e = find_listener(&b->config, &own, msg);
    if (e != ERR_NONE)
        return e;
    struct initial *self = &f->initials[f->count++];
    self->id = (int32_t)b->config.node_id;
    self->at = own.advertised.port != 0 ? own.advertised : own.at;
    if (self->at.host[0] == 0)
        text_fit(self->at.host, sizeof self->at.host, "localhost");
    memcpy(self->directory.b, dir_id(b->dir), sizeof self->directory.b);
    text_fit(f->listener, sizeof f->listener, "%s", own.name);
    return ERR_NONE;
}

/* ---- the life of it ---- */

enum err broker_format_open(struct broker *b, const uint8_t **directory_id)
{
    struct errmsg msg = {{0}};
    if (b->format == NULL || b->format->kind == BROKER_FORMAT_NONE)
        return ERR_NONE;
    struct formatting *f = mem_zalloc(b->mem, sizeof *f);
    if (f == NULL)
        return ERR_NOMEM;
    f->broker = b;
    b->formatting = f;
    struct bytes names = bytes_text(b->config.controller_listener_names), name = {0};
    broker_next_entry(&names, &name);
    text_fit(f->listener, sizeof f->listener, "%.*s", (int)MIN(name.size, sizeof f->listener - 1),
             (const char *)name.data);
    if (b->format->kind != BROKER_FORMAT_INITIAL_CONTROLLERS)
        return ERR_NONE;
    enum err e = parse_initials(b->format->controllers, f->initials, &f->count, &msg);
    ASSERT(e == ERR_NONE); /* it was checked */
    for (int32_t i = 0; i < f->count; i++) {
        if (f->initials[i].id == b->config.node_id)
            *directory_id = f->initials[i].directory.b;
    }
    return ERR_NONE;
}

static void on_formatted(struct quorum_op *op, enum err e)
{
    struct formatting *f = CONTAINER_OF(op, struct formatting, format.op);
    struct broker *b = f->broker;
    if (e != ERR_NONE) {
        broker_start_failed(b, e, &op->msg);
        return;
    }
    if (b->format->formatted != NULL)
        b->format->formatted(b->format);
    broker_start_formatted(b);
}

/* What was done before is not done again, and nothing is changed. */
static enum err refuse_old(const struct broker *b, struct errmsg *msg)
{
    if (dir_is_formatted(b->dir))
        return errmsg_set(msg, ERR_INVALID,
                          "%s is formatted already, for node %lld of cluster %s: nothing was "
                          "changed. To begin anew, remove it, or name another directory",
                          dir_path(b->dir), (long long)b->config.node_id, dir_cluster_id(b->dir));
    return errmsg_set(msg, ERR_INVALID,
                      "%s holds what node %lld of cluster %s has written: nothing was changed. "
                      "Name a new directory",
                      dir_path(b->dir), (long long)b->config.node_id, dir_cluster_id(b->dir));
}

bool broker_format_begin(struct broker *b)
{
    struct formatting *f = b->formatting;
    struct errmsg msg = {{0}};
    enum err e = ERR_NONE;
    if (f == NULL || (!dir_is_new(b->dir) && !b->format->only))
        return false;
    bool grows = b->format->kind == BROKER_FORMAT_STANDALONE && !dir_is_formatted(b->dir);
    if (!dir_is_new(b->dir) && !grows)
        e = refuse_old(b, &msg);
    else if (b->format->kind == BROKER_FORMAT_STANDALONE)
        e = take_standalone(b, f, &msg);
    if (e != ERR_NONE) {
        broker_start_failed(b, e, &msg);
        return true;
    }
    /* A broker alone votes for nobody, whoever the voters are: it hears of them from the log. */
    bool votes = b->members.is_controller && f->count > 0;
    fill_record(f);
    quorum_format(&f->format, b->env, b->mem, b->dir, votes ? &f->record : NULL, on_formatted);
    return true;
}

void broker_format_free(struct broker *b)
{
    mem_free(b->mem, b->formatting);
    b->formatting = NULL;
}
