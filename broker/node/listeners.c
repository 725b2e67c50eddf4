/* listeners.c - listeners, advertised.listeners and the protocols behind their names, read as Kafka
 * reads them, into the addresses on which a broker listens. Pure. */
#include "node/internal.h"

/* What an entry of listeners or advertised.listeners says. */
struct entry {
    char name[LISTENER_NAME_SIZE]; /* in capitals, as Kafka has them; "": only an address */
    struct endpoint at;
    struct bytes text;
};

/* ---- text ---- */

static struct bytes behind(struct bytes s, size_t at)
{
    return bytes_of(s.data + at, s.size - at);
}

static struct bytes trim(struct bytes s)
{
    while (s.size > 0 && s.data[0] <= ' ')
        s = behind(s, 1);
    while (s.size > 0 && s.data[s.size - 1] <= ' ')
        s.size--;
    return s;
}

bool broker_next_entry(struct bytes *list, struct bytes *entry)
{
    while (list->size > 0) {
        size_t size = 0;
        while (size < list->size && list->data[size] != ',')
            size++;
        *entry = trim(bytes_of(list->data, size));
        *list = behind(*list, MIN(size + 1, list->size));
        if (entry->size > 0)
            return true;
    }
    return false;
}

/* Where needle begins in s; s.size: nowhere. */
static size_t find(struct bytes s, const char *needle)
{
    size_t size = strlen(needle);
    for (size_t i = 0; i + size <= s.size; i++) {
        if (memcmp(s.data + i, needle, size) == 0)
            return i;
    }
    return s.size;
}

/* Listeners' names are compared in capitals. False: it is too long, or none. */
static bool take_name(struct bytes s, char *out)
{
    s = trim(s);
    if (s.size == 0 || s.size >= LISTENER_NAME_SIZE)
        return false;
    for (size_t i = 0; i < s.size; i++) {
        uint8_t c = s.data[i];
        bool lower = c >= 'a' && c <= 'z';
        bool other =
            (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
        if (!lower && !other)
            return false;
        out[i] = lower ? (char)(c - 'a' + 'A') : (char)c;
    }
    out[s.size] = 0;
    return true;
}

/* ---- addresses ---- */

bool broker_parse_address(struct bytes s, struct endpoint *out)
{
    size_t colon = s.size;
    for (size_t i = 0; i < s.size; i++) {
        if (s.data[i] == ':')
            colon = i;
    }
    int64_t port = 0;
    if (colon == s.size || text_parse_int(behind(s, colon + 1), &port) != ERR_NONE)
        return false;
    struct bytes host = bytes_of(s.data, colon);
    if (host.size >= 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
        host = bytes_of(host.data + 1, host.size - 2);
    bool scheme = host.size > 0 && memchr(host.data, '/', host.size) != NULL;
    if (port < 0 || port > UINT16_MAX || scheme || host.size >= sizeof out->host)
        return false;
    *out = (struct endpoint){.port = (uint16_t)port};
    memcpy(out->host, host.data, host.size);
    return true;
}

static bool any_address(const char *host)
{
    return host[0] == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static enum err parse_entry(const char *key, struct bytes text, struct entry *out,
                            struct errmsg *msg)
{
    *out = (struct entry){.text = text};
    size_t name_size = find(text, "://");
    bool named = name_size < text.size;
    bool well = !named || take_name(bytes_of(text.data, name_size), out->name);
    if (!well || !broker_parse_address(named ? behind(text, name_size + 3) : text, &out->at))
        return errmsg_set(msg, ERR_INVALID,
                          "%s: \"%.*s\" is not of the form PLAINTEXT://HOST:PORT, or "
                          "NAME://HOST:PORT (port 0 to 65535)",
                          key, (int)text.size, (const char *)text.data);
    return ERR_NONE;
}

/* ---- what a name means ---- */

static bool is_controllers(const struct broker_config *config, const char *name)
{
    struct bytes list = bytes_text(config->controller_listener_names);
    struct bytes entry;
    char controller[LISTENER_NAME_SIZE];
    while (broker_next_entry(&list, &entry)) {
        if (take_name(entry, controller) && strcmp(controller, name) == 0)
            return true;
    }
    return false;
}

/* The map's word for a listener; a later one counts more. False: it has none. */
static bool protocol_of(const struct broker_config *config, const char *name, char *protocol)
{
    struct bytes list = bytes_text(config->listener_security_protocol_map);
    struct bytes entry;
    char of[LISTENER_NAME_SIZE];
    bool found = false;
    while (broker_next_entry(&list, &entry)) {
        size_t colon = find(entry, ":");
        if (colon == entry.size || !take_name(bytes_of(entry.data, colon), of))
            continue;
        if (strcmp(of, name) == 0)
            found = take_name(behind(entry, colon + 1), protocol);
    }
    return found;
}

/* A listener of controllers that nobody maps speaks as it does in Kafka when all others are plain.
 */
static enum err check_protocol(const struct broker_config *config, const char *name,
                               struct errmsg *msg)
{
    char protocol[LISTENER_NAME_SIZE];
    bool found = protocol_of(config, name, protocol);
    if (!found && is_controllers(config, name))
        return ERR_NONE;
    if (!found)
        return errmsg_set(msg, ERR_INVALID,
                          "listeners: nothing says what %s speaks; add %s:PLAINTEXT to "
                          "listener.security.protocol.map",
                          name, name);
    if (strcmp(protocol, "PLAINTEXT") == 0)
        return ERR_NONE;
    return errmsg_set(msg, ERR_INVALID,
                      "listeners: %s is to speak %s, which is not served yet, and kiln does not "
                      "serve it without encryption instead: take it out of listeners, or map it "
                      "to PLAINTEXT",
                      name, protocol);
}

/* ---- the two lists ---- */

static struct listener_address *find_listener(struct listener_list *list, const char *name)
{
    for (int i = 0; i < list->count; i++) {
        if (strcmp(list->at[i].name, name) == 0)
            return &list->at[i];
    }
    return NULL;
}

static enum err add_listener(const struct broker_config *config, const struct entry *entry,
                             struct listener_list *out, struct errmsg *msg)
{
    bool named = entry->name[0] != 0;
    const char *name = named ? entry->name : "PLAINTEXT";
    if (find_listener(out, name) != NULL)
        return errmsg_set(msg, ERR_INVALID,
                          "listeners: two are named %s; give one another name, and that name a "
                          "protocol in listener.security.protocol.map",
                          name);
    if (out->count == LISTENERS_MAX)
        return errmsg_set(msg, ERR_INVALID, "listeners: \"%s\" names more than %d",
                          config->listeners, LISTENERS_MAX);
    enum err e = named ? check_protocol(config, name, msg) : ERR_NONE;
    if (e != ERR_NONE)
        return e;
    struct listener_address *l = &out->at[out->count++];
    *l = (struct listener_address){.at = entry->at, .of_quorum = is_controllers(config, name)};
    memcpy(l->name, name, strlen(name) + 1);
    if (l->at.host[0] == 0)
        memcpy(l->at.host, "0.0.0.0", sizeof "0.0.0.0");
    return ERR_NONE;
}

static enum err parse_listeners(const struct broker_config *config, bool alone,
                                struct listener_list *out, struct errmsg *msg)
{
    struct bytes list = bytes_text(config->listeners);
    struct bytes text;
    while (broker_next_entry(&list, &text)) {
        struct entry entry;
        enum err e = parse_entry("listeners", text, &entry, msg);
        if (e == ERR_NONE && alone && is_controllers(config, entry.name))
            continue; /* a quorum of one needs no listener */
        if (e == ERR_NONE)
            e = add_listener(config, &entry, out, msg);
        if (e != ERR_NONE)
            return e;
        out->named |= entry.name[0] != 0;
    }
    if (out->count == 0)
        return errmsg_set(msg, ERR_INVALID, "listeners: \"%s\" names no PLAINTEXT://HOST:PORT",
                          config->listeners);
    return ERR_NONE;
}

static enum err advertise(const struct broker_config *config, struct bytes text, bool alone,
                          struct listener_list *out, struct errmsg *msg)
{
    struct entry entry;
    enum err e = parse_entry("advertised.listeners", text, &entry, msg);
    if (e != ERR_NONE || (alone && is_controllers(config, entry.name)))
        return e;
    const char *name = entry.name[0] != 0 ? entry.name : out->at[0].name;
    struct listener_address *l = find_listener(out, name);
    if (l != NULL)
        l->advertised = entry.at;
    else if (out->named)
        return errmsg_set(msg, ERR_INVALID,
                          "advertised.listeners: %s is none of listeners, which are \"%s\"", name,
                          config->listeners);
    return ERR_NONE;
}

/* Without an address of its own a listener is found where it listens. */
static enum err check_advertised(struct listener_address *l, struct errmsg *msg)
{
    bool own = l->advertised.host[0] != 0 || l->advertised.port != 0;
    if (!own)
        l->advertised = l->at;
    /* Voters are where controller.quorum.voters says. */
    if (any_address(l->advertised.host) && !l->of_quorum)
        return errmsg_set(msg, ERR_INVALID,
                          "clients cannot connect to \"%s:%u\": set advertised.listeners to "
                          "%s://HOST:PORT with a host name or address they can reach",
                          l->advertised.host, (unsigned)l->advertised.port, l->name);
    return ERR_NONE;
}

static enum err check_inter_broker(const struct broker_config *config, struct listener_list *list,
                                   struct errmsg *msg)
{
    char name[LISTENER_NAME_SIZE];
    const char *wanted = config->inter_broker_listener_name;
    bool none = wanted[0] == 0 || !list->named;
    if (none || (take_name(bytes_text(wanted), name) && find_listener(list, name) != NULL))
        return ERR_NONE;
    return errmsg_set(msg, ERR_INVALID,
                      "inter.broker.listener.name: %s is none of listeners, which are \"%s\"",
                      wanted, config->listeners);
}

/* Brokers that come by a listener which clients have to use are clients there. */
static void set_apart(const struct broker_config *config, struct listener_list *list)
{
    char name[LISTENER_NAME_SIZE] = "";
    int32_t others = 0;
    bool named = take_name(bytes_text(config->inter_broker_listener_name), name);
    for (int i = 0; i < list->count; i++)
        others += !list->at[i].of_quorum && strcmp(list->at[i].name, name) != 0;
    for (int i = 0; i < list->count; i++) {
        struct listener_address *l = &list->at[i];
        bool is_it = named && strcmp(l->name, name) == 0;
        l->of_nodes = l->of_quorum || (is_it && others > 0);
        l->of_brokers = !l->of_quorum && (is_it || !named || !list->named);
    }
}

enum err broker_listeners_parse(const struct broker_config *config, bool formatted,
                                struct listener_list *out, struct errmsg *msg)
{
    struct quorum_members members;
    *out = (struct listener_list){0};
    enum err e = broker_members_parse(config, &members, msg);
    bool alone = !members.several && !formatted && members.is_broker;
    if (e == ERR_NONE)
        e = parse_listeners(config, alone, out, msg);
    struct bytes list = bytes_text(config->advertised_listeners);
    struct bytes text;
    while (e == ERR_NONE && broker_next_entry(&list, &text))
        e = advertise(config, text, alone, out, msg);
    for (int i = 0; i < out->count && e == ERR_NONE; i++)
        e = check_advertised(&out->at[i], msg);
    if (e == ERR_NONE)
        e = check_inter_broker(config, out, msg);
    if (e == ERR_NONE)
        set_apart(config, out);
    return e;
}
