/* quorum.c - kiln quorum: who leads the metadata log, who votes, and how far each replica of it is,
 * through the client library. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/session.h"
#include "wire/wire.h"

#define LINE_MAX_BYTES 128

struct quorum_verb {
    struct cli_session session;
    struct cli_words words;
    bool status, replication; /* only that; neither: both */
    struct loop_quorum quorum;
};

/* ---- figures ---- */

static int32_t told(const struct client_quorum *q)
{
    return MIN(q->voter_count + q->observer_count, CLIENT_REPLICAS_MAX);
}

/* Where the leader's log ends; -1: nobody says so. */
static int64_t leader_end(const struct client_quorum *q)
{
    for (int32_t i = 0; i < told(q); i++) {
        if (q->replicas[i].id == q->leader)
            return q->replicas[i].end;
    }
    return -1;
}

/* In offsets; -1: not known. */
static int64_t lag_of(const struct client_quorum *q, const struct client_replica_info *r)
{
    int64_t end = leader_end(q);
    return end < 0 || r->end < 0 ? -1 : MAX(end - r->end, 0);
}

/* How long ago that was; -1: not known. */
static int64_t since_ms(const struct quorum_verb *v, int64_t at_ms)
{
    return at_ms < 0 ? -1 : MAX(env_wall(&v->session.door->env) - at_ms, 0);
}

/* Of the voters that follow; -1: of none it is known. */
static int64_t greatest_lag(const struct client_quorum *q)
{
    int64_t most = -1;
    for (int32_t i = 0; i < MIN(q->voter_count, told(q)); i++)
        most = MAX(most, lag_of(q, &q->replicas[i]));
    return most;
}

static int64_t greatest_lag_ms(const struct quorum_verb *v)
{
    const struct client_quorum *q = &v->quorum.quorum;
    int64_t most = 0;
    for (int32_t i = 0; i < MIN(q->voter_count, told(q)); i++) {
        const struct client_replica_info *r = &q->replicas[i];
        if (r->id != q->leader && lag_of(q, r) != 0)
            most = MAX(most, since_ms(v, r->caught_up_ms));
    }
    return most;
}

/* "": it is not known. */
static const char *directory_of(const struct client_replica_info *r, char text[WIRE_UUID_TEXT_SIZE])
{
    struct wire_uuid id;
    static const struct wire_uuid none;
    memcpy(id.b, r->directory, sizeof id.b);
    text[0] = 0;
    if (!wire_uuid_equal(&id, &none))
        wire_uuid_print(&id, text);
    return text;
}

/* ---- JSON ---- */

static void put_replica(struct json *j, const struct client_quorum *q,
                        const struct client_replica_info *r)
{
    char directory[WIRE_UUID_TEXT_SIZE];
    json_put_object(j, NULL);
    json_put_int(j, "id", r->id);
    json_put_string(j, "directory_id", directory_of(r, directory));
    if (r->endpoint[0] != 0)
        json_put_string(j, "endpoint", r->endpoint);
    json_put_int(j, "log_end_offset", r->end);
    json_put_int(j, "lag", lag_of(q, r));
    json_put_int(j, "last_fetch_ms", r->fetched_ms);
    json_put_int(j, "last_caught_up_ms", r->caught_up_ms);
    json_put_end(j);
}

static void print_json(const struct quorum_verb *v)
{
    const struct client_quorum *q = &v->quorum.quorum;
    struct cli_json line;
    struct json *j = cli_json_begin(&line);
    json_put_int(j, "leader", q->leader);
    json_put_int(j, "leader_epoch", q->leader_epoch);
    json_put_int(j, "high_watermark", q->high_watermark);
    json_put_int(j, "voter_lag_max", greatest_lag(q));
    json_put_int(j, "voter_lag_ms_max", greatest_lag_ms(v));
    json_put_array(j, "voters");
    for (int32_t i = 0; i < MIN(q->voter_count, told(q)); i++)
        put_replica(j, q, &q->replicas[i]);
    json_put_end(j);
    json_put_array(j, "observers");
    for (int32_t i = q->voter_count; i < told(q); i++)
        put_replica(j, q, &q->replicas[i]);
    json_put_end(j);
    cli_json_end(&line, stdout);
}

/* ---- text ---- */

static void print_status(const struct quorum_verb *v)
{
    const struct client_quorum *q = &v->quorum.quorum;
    char directory[WIRE_UUID_TEXT_SIZE];
    cli_wrapf(stdout, 2,
              "led by %d, leader epoch %d, high watermark %" PRId64
              "; the voter that is farthest behind lacks %" PRId64 " offsets, for %" PRId64 " ms",
              (int)q->leader, (int)q->leader_epoch, q->high_watermark, greatest_lag(q),
              greatest_lag_ms(v));
    for (int32_t i = 0; i < told(q); i++) {
        const struct client_replica_info *r = &q->replicas[i];
        bool named = directory_of(r, directory)[0] != 0;
        cli_wrapf(stdout, 2, "%s %d%s%s%s%s", i < q->voter_count ? "voter" : "observer", (int)r->id,
                  r->endpoint[0] == 0 ? "" : " at ", r->endpoint, named ? ", directory " : "",
                  directory);
    }
}

/* "12 ms", "5 s". */
static const char *span(int64_t ms, char text[LINE_MAX_BYTES])
{
    if (ms < 0)
        snprintf(text, LINE_MAX_BYTES, "-");
    else if (ms < 10000)
        snprintf(text, LINE_MAX_BYTES, "%" PRId64 " ms", ms);
    else
        snprintf(text, LINE_MAX_BYTES, "%" PRId64 " s", ms / 1000);
    return text;
}

static const char *number(int64_t n, char text[LINE_MAX_BYTES])
{
    snprintf(text, LINE_MAX_BYTES, n < 0 ? "-" : "%" PRId64, n);
    return text;
}

static void print_replication(const struct quorum_verb *v)
{
    const struct client_quorum *q = &v->quorum.quorum;
    char end[LINE_MAX_BYTES], lag[LINE_MAX_BYTES], fetched[LINE_MAX_BYTES], caught[LINE_MAX_BYTES];
    char directory[WIRE_UUID_TEXT_SIZE];
    printf("%-5s %-22s %8s %7s %9s %9s  %s\n", "node", "directory", "end", "lag", "fetched",
           "caught up", "is");
    for (int32_t i = 0; i < told(q); i++) {
        const struct client_replica_info *r = &q->replicas[i];
        bool leads = r->id == q->leader && i < q->voter_count;
        const char *named = directory_of(r, directory)[0] == 0 ? "-" : directory;
        printf("%-5d %-22s %8s %7s %9s %9s  %s\n", (int)r->id, named, number(r->end, end),
               number(lag_of(q, r), lag), span(leads ? -1 : since_ms(v, r->fetched_ms), fetched),
               span(leads ? -1 : since_ms(v, r->caught_up_ms), caught),
               leads                ? "leader"
               : i < q->voter_count ? "follower"
                                    : "observer");
    }
    if (q->voter_count + q->observer_count > told(q))
        printf("and %d more\n", (int)(q->voter_count + q->observer_count - told(q)));
}

static void on_quorum(struct loop_quorum *op)
{
    struct quorum_verb *v = CONTAINER_OF(op, struct quorum_verb, quorum);
    bool all = !v->status && !v->replication;
    if (op->quorum.op.outcome != CLIENT_OK) {
        cli_session_failed(&v->session);
    } else {
        if (v->session.json)
            print_json(v);
        if (!v->session.json && (all || v->status))
            print_status(v);
        if (!v->session.json && (all || v->replication))
            print_replication(v);
        v->session.exit = op->quorum.leader >= 0 ? 0 : EXIT_FAILURE;
    }
    cli_session_end(&v->session);
}

static void ask(struct cli_session *s)
{
    struct quorum_verb *v = CONTAINER_OF(s, struct quorum_verb, session);
    v->quorum = (struct loop_quorum){.done = on_quorum};
    cli_session_ask(s, &v->quorum.quorum.op, NULL, "cannot describe the metadata quorum");
    loop_quorum(&s->client, &v->quorum);
}

/* ---- words ---- */

/* -1: go on; else the exit code, and why was told. */
static int check(const struct cli_words *words, const char *synopsis)
{
    static const char *const names[] = {"describe"};
    if (words->count == 1 && strcmp(words->word[0], names[0]) == 0)
        return -1;
    if (words->count > 1 && strcmp(words->word[0], names[0]) == 0)
        return cli_complain("describe is of the whole quorum, and takes no name; usage: %s",
                            synopsis);
    const char *nearest =
        words->count == 0 ? NULL : cli_nearest(words->word[0], names, COUNT_OF(names));
    if (nearest != NULL)
        return cli_complain("there is no kiln quorum %s; did you mean %s?", words->word[0],
                            nearest);
    return cli_complain("usage: %s", synopsis);
}

int cli_quorum(int argc, char **argv)
{
    struct quorum_verb *v = calloc(1, sizeof *v);
    if (v == NULL)
        return cli_complain("out of memory"), EXIT_FAILURE;
    v->session.next = ask;
    struct cli_option options[CLI_SESSION_OPTIONS + 2] = {
        {"--status", CLI_FLAG, &v->status, 0, 0, NULL,
         "only who leads and votes, and where each is reached"},
        {"--replication", CLI_FLAG, &v->replication, 0, 0, NULL,
         "only how far each replica of the metadata log is"},
    };
    cli_session_options(&v->session, options + 2);
    const struct cli_usage usage = {
        "kiln quorum describe",
        "describe shows who leads the metadata log, who votes for it and who only reads it, the "
        "directory of each, and how far each is.\n"
        "Exit: 0 somebody leads; 1 nobody does, or nobody answered; 64 usage.",
        options, COUNT_OF(options), NULL};
    int exit = cli_parse(&usage, argc, argv, &v->words);
    if (exit < 0)
        exit = check(&v->words, usage.synopsis);
    if (exit < 0)
        exit = cli_session_run(&v->session);
    free(v);
    return exit;
}
