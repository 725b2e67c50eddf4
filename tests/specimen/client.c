/* client.c - who uses the register: writes numbers that nobody else writes, reads, and says in rows
 * what it asked and what it was told. */
#include <stdio.h>
#include "specimen/specimen.h"

#define THINK_NS_MAX (20 * 1000000ll)
#define PATIENCE_NS (400 * 1000000ll)
#define REDIAL_NS (50 * 1000000ll)
#define LIVES_APART 1000000 /* vids of one life */

struct client {
    struct world_seat *seat;
    struct talk talk;
    struct env_timer next;
    uint32_t guess; /* who leads */
    bool reads;     /* and nothing else */
    uint64_t asked; /* operations so far */
    bool under_way, is_read;
    uint64_t vid;
};

static void next_in(struct client *client, int64_t ns)
{
    env_arm(client->seat->env, &client->next, env_now(client->seat->env) + ns);
}

static void think(struct client *client)
{
    uint64_t bits = env_random(client->seat->env, "register/think", client->asked);
    next_in(client, 1 + (int64_t)random_below(bits, THINK_NS_MAX));
}

static void ask(struct env_timer *timer)
{
    struct client *client = CONTAINER_OF(timer, struct client, next);
    struct world_seat *seat = client->seat;
    uint64_t life = (uint64_t)seat->node * 1000 + seat->incarnation;
    bool is_read = client->reads || client->asked % 3 == 2;
    struct message m = {.type = is_read ? MESSAGE_READ : MESSAGE_WRITE};
    m.vid = is_read ? client->asked : life * LIVES_APART + client->asked;
    if (!talk_ask(&client->talk, client->guess, &m)) {
        client->guess = (client->guess + 1) % client->talk.peer_count;
        next_in(client, REDIAL_NS);
        return;
    }
    client->asked++;
    client->under_way = true;
    client->is_read = is_read;
    client->vid = m.vid;
    if (is_read)
        TRACE(seat->trace, POLL_INVOKE, .op = (int64_t)m.vid);
    else
        TRACE(seat->trace, PRODUCE_INVOKE, .partition = REGISTER_PARTITION, .vid = m.vid);
}

/* Nobody knows what became of it. */
static void fail(struct client *client)
{
    struct trace *trace = client->seat->trace;
    if (client->is_read)
        TRACE(trace, POLL_FAIL, .op = (int64_t)client->vid);
    else
        TRACE(trace, PRODUCE_UNKNOWN, .partition = REGISTER_PARTITION, .vid = client->vid);
    client->under_way = false;
    client->guess = (client->guess + 1) % client->talk.peer_count;
    think(client);
}

static void on_answered(struct talk *talk, uint32_t peer, const struct message *m)
{
    struct client *client = CONTAINER_OF(talk, struct client, talk);
    struct trace *trace = client->seat->trace;
    (void)peer;
    ASSERT(client->under_way);
    if (m->answer != ANSWER_YES) {
        fail(client);
        return;
    }
    if (client->is_read)
        TRACE(trace, POLL_RECORD, .op = (int64_t)client->vid, .partition = REGISTER_PARTITION,
              .offset = m->index, .vid = m->vid);
    else
        TRACE(trace, PRODUCE_OK, .partition = REGISTER_PARTITION, .vid = client->vid,
              .offset = m->index);
    client->under_way = false;
    think(client);
}

static void on_lost(struct talk *talk, uint32_t peer)
{
    struct client *client = CONTAINER_OF(talk, struct client, talk);
    (void)peer;
    if (client->under_way)
        fail(client);
}

static enum err start_client(struct world_seat *seat)
{
    unsigned count, reads;
    char hosts[TALK_PEERS_MAX][WORLD_NAME_MAX];
    struct client *client = mem_zalloc(seat->mem, sizeof *client);
    if (client == NULL)
        return ERR_NOMEM;
    if (sscanf((const char *)seat->args.data, "%u %u", &count, &reads) != 2 ||
        count > TALK_PEERS_MAX)
        return ERR_INVALID;
    for (uint32_t i = 0; i < count; i++)
        snprintf(hosts[i], sizeof hosts[i], "register%u", i);
    client->seat = seat;
    client->reads = reads != 0;
    client->talk =
        (struct talk){.patience_ns = PATIENCE_NS, .answered = on_answered, .lost = on_lost};
    talk_init(&client->talk, seat, count, hosts);
    client->next.fire = ask;
    seat->self = client;
    next_in(client, REDIAL_NS);
    return ERR_NONE;
}

const struct world_program register_client_program = {.kind = "register client",
                                                      .start = start_client};
