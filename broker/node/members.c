/* members.c - process.roles and controller.quorum.voters, read as Kafka reads them: what this node
 * is, and who votes in the metadata quorum. What is not served yet is refused here and nowhere
 * else. Pure. */
#include "node/internal.h"

static enum err take_role(struct bytes role, struct quorum_members *out, struct errmsg *msg)
{
    bool broker = bytes_equal(role, bytes_text("broker"));
    bool controller = bytes_equal(role, bytes_text("controller"));
    if (!broker && !controller)
        return errmsg_set(msg, ERR_INVALID,
                          "process.roles: \"%.*s\" is neither broker nor controller",
                          (int)role.size, (const char *)role.data);
    if ((broker && out->is_broker) || (controller && out->is_controller))
        return errmsg_set(msg, ERR_INVALID, "process.roles: names %.*s twice", (int)role.size,
                          (const char *)role.data);
    out->is_broker |= broker;
    out->is_controller |= controller;
    return ERR_NONE;
}

static enum err take_roles(const struct broker_config *config, struct quorum_members *out,
                           struct errmsg *msg)
{
    struct bytes list = bytes_text(config->process_roles);
    struct bytes role;
    enum err e = ERR_NONE;
    while (e == ERR_NONE && broker_next_entry(&list, &role))
        e = take_role(role, out, msg);
    if (e == ERR_NONE && !out->is_broker && !out->is_controller)
        return errmsg_set(msg, ERR_INVALID,
                          "process.roles: names nothing; say broker, controller or both");
    return e;
}

/* "3@host:9093". */
static bool parse_voter(struct bytes text, struct quorum_member *out)
{
    const uint8_t *sign = memchr(text.data, '@', text.size);
    int64_t id = 0;
    if (sign == NULL)
        return false;
    size_t size = (size_t)(sign - text.data);
    bool numbered = text_parse_int(bytes_of(text.data, size), &id) == ERR_NONE;
    if (!numbered || id < 0 || id > INT32_MAX)
        return false;
    out->id = (int32_t)id;
    struct bytes address = bytes_of(text.data + size + 1, text.size - size - 1);
    return broker_parse_address(address, &out->at) && out->at.host[0] != 0 && out->at.port != 0;
}

static enum err take_voter(struct bytes text, struct quorum_members *out, struct errmsg *msg)
{
    struct quorum_member voter;
    if (!parse_voter(text, &voter))
        return errmsg_set(msg, ERR_INVALID,
                          "controller.quorum.voters: \"%.*s\" is not of the form ID@HOST:PORT",
                          (int)text.size, (const char *)text.data);
    for (int32_t i = 0; i < out->voter_count; i++) {
        if (out->voters[i].id == voter.id)
            return errmsg_set(msg, ERR_INVALID, "controller.quorum.voters: names %d twice",
                              (int)voter.id);
    }
    if (out->voter_count == RAFT_VOTERS_MAX)
        return errmsg_set(msg, ERR_INVALID, "controller.quorum.voters: names more than %d",
                          RAFT_VOTERS_MAX);
    out->voters[out->voter_count++] = voter;
    return ERR_NONE;
}

static enum err take_voters(const struct broker_config *config, struct quorum_members *out,
                            struct errmsg *msg)
{
    struct bytes list = bytes_text(config->controller_quorum_voters);
    struct bytes text;
    enum err e = ERR_NONE;
    while (e == ERR_NONE && broker_next_entry(&list, &text))
        e = take_voter(text, out, msg);
    return e;
}

static enum err take_bootstrap(const struct broker_config *config, struct quorum_members *out,
                               struct errmsg *msg)
{
    struct bytes list = bytes_text(config->controller_quorum_bootstrap_servers);
    struct bytes text;
    while (broker_next_entry(&list, &text)) {
        struct endpoint *at = &out->bootstrap[out->bootstrap_count];
        if (out->bootstrap_count == RAFT_VOTERS_MAX)
            return errmsg_set(msg, ERR_INVALID,
                              "controller.quorum.bootstrap.servers: names more than %d",
                              RAFT_VOTERS_MAX);
        if (!broker_parse_address(text, at) || at->host[0] == 0 || at->port == 0)
            return errmsg_set(msg, ERR_INVALID,
                              "controller.quorum.bootstrap.servers: \"%.*s\" is not of the form "
                              "HOST:PORT",
                              (int)text.size, (const char *)text.data);
        out->bootstrap_count++;
    }
    return ERR_NONE;
}

bool broker_members_depend(const struct quorum_members *members)
{
    return members->voter_count == 0 && members->bootstrap_count > 0 && !members->dynamic;
}

/* A node that is both, and knows one address, may be all there is: then its directory decides. */
static void take_kind(struct quorum_members *out)
{
    bool both = out->is_broker && out->is_controller;
    out->dynamic = out->voter_count == 0 && out->bootstrap_count > (both ? 1 : 0);
    out->several = out->dynamic || out->voter_count > 1;
}

/* A controller is one of the voters, and who is none is no voter (KafkaConfig.validateValues). */
static enum err check_place(const struct broker_config *config, struct quorum_members *out,
                            struct errmsg *msg)
{
    out->self = -1;
    for (int32_t i = 0; i < out->voter_count; i++) {
        if (out->voters[i].id == config->node_id)
            out->self = i;
    }
    if (out->voter_count == 0 || (out->self >= 0) == out->is_controller)
        return ERR_NONE;
    if (out->is_controller)
        return errmsg_set(msg, ERR_INVALID,
                          "controller.quorum.voters: \"%s\" does not name this controller, whose "
                          "node.id is %lld",
                          config->controller_quorum_voters, (long long)config->node_id);
    return errmsg_set(msg, ERR_INVALID,
                      "controller.quorum.voters: names node.id %lld, which is no controller; say "
                      "so in process.roles, or take it out",
                      (long long)config->node_id);
}

/* Several voters need to find each other. */
enum err broker_members_place(const struct broker_config *config,
                              const struct quorum_members *members,
                              const struct listener_list *listeners, struct errmsg *msg)
{
    bool found = false;
    bool others = false;
    for (int i = 0; i < listeners->count; i++) {
        found |= listeners->at[i].of_quorum;
        others |= !listeners->at[i].of_quorum;
    }
    if (members->is_controller && members->several && !found)
        return errmsg_set(msg, ERR_INVALID,
                          "listeners: \"%s\" names none of controller.listener.names (%s), where "
                          "other voters would reach this one",
                          config->listeners, config->controller_listener_names);
    if (!members->is_controller && found)
        return errmsg_set(msg, ERR_INVALID,
                          "listeners: \"%s\" names one of controller.listener.names (%s), and a "
                          "node that is broker alone is no controller",
                          config->listeners, config->controller_listener_names);
    if (members->is_broker && !others)
        return errmsg_set(msg, ERR_INVALID,
                          "listeners: \"%s\" names controller.listener.names (%s) alone, and a "
                          "broker needs one for its clients",
                          config->listeners, config->controller_listener_names);
    if (!members->is_broker && others)
        return errmsg_set(msg, ERR_INVALID,
                          "listeners: \"%s\" names more than controller.listener.names (%s), and "
                          "a node that is controller alone has no clients",
                          config->listeners, config->controller_listener_names);
    return ERR_NONE;
}

/* Who is heard of less often than that is fenced though it is well. */
static enum err check_times(const struct broker_config *config,
                            const struct quorum_members *members, struct errmsg *msg)
{
    if (!members->several ||
        config->broker_heartbeat_interval_ms < config->broker_session_timeout_ms)
        return ERR_NONE;
    return errmsg_set(msg, ERR_INVALID,
                      "broker.heartbeat.interval.ms: %lld is not less than "
                      "broker.session.timeout.ms, which is %lld",
                      (long long)config->broker_heartbeat_interval_ms,
                      (long long)config->broker_session_timeout_ms);
}

static enum err check_served(const struct broker_config *config,
                             const struct quorum_members *members, struct errmsg *msg)
{
    if (!members->is_controller && !members->several)
        return errmsg_set(msg, ERR_INVALID,
                          "process.roles: a node that is broker alone needs controllers: name "
                          "controller.quorum.bootstrap.servers, or several voters in "
                          "controller.quorum.voters, or leave process.roles away, and it is its "
                          "own controller");
    if (!members->several && !broker_members_depend(members) &&
        config->default_replication_factor > 1)
        return errmsg_set(msg, ERR_INVALID,
                          "default.replication.factor: %lld brokers are wanted, and this node is a "
                          "cluster of its own",
                          (long long)config->default_replication_factor);
    if (!members->is_broker && !members->several)
        return errmsg_set(msg, ERR_INVALID,
                          "process.roles: a controller alone has nobody to serve; name several "
                          "voters in controller.quorum.voters, or "
                          "controller.quorum.bootstrap.servers, or say broker,controller");
    return ERR_NONE;
}

enum err broker_members_parse(const struct broker_config *config, struct quorum_members *out,
                              struct errmsg *msg)
{
    *out = (struct quorum_members){.self = -1};
    enum err e = take_roles(config, out, msg);
    if (e == ERR_NONE)
        e = take_voters(config, out, msg);
    if (e == ERR_NONE)
        e = take_bootstrap(config, out, msg);
    if (e == ERR_NONE)
        take_kind(out);
    return e == ERR_NONE ? check_place(config, out, msg) : e;
}

enum err broker_members_check(const struct broker_config *config,
                              const struct listener_list *listeners, struct errmsg *msg)
{
    struct quorum_members members;
    enum err e = broker_members_parse(config, &members, msg);
    if (e == ERR_NONE)
        e = broker_members_place(config, &members, listeners, msg);
    if (e == ERR_NONE)
        e = check_times(config, &members, msg);
    return e == ERR_NONE ? check_served(config, &members, msg) : e;
}
