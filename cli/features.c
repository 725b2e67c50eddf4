/* features.c - kiln features: what levels of its features a cluster has and could have, and orders
 * that change them, through the client library. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/session.h"

enum what {
    WHAT_DESCRIBE,
    WHAT_UPGRADE,
    WHAT_DOWNGRADE,
};

struct features_verb {
    struct cli_session session;
    struct cli_words words;
    enum what what;
    bool dry_run, unsafe;
    struct client_feature wanted[CLIENT_FEATURES_MAX];
    int32_t wanted_count;
    struct loop_features features;
    struct loop_update_features update;
};

/* ---- describe ---- */

static void print_feature(const struct features_verb *v, const struct client_feature *f)
{
    struct cli_json line;
    if (!v->session.json) {
        cli_wrapf(stdout, 2, "%s: finalized %d, supported %d to %d", f->name, (int)f->finalized,
                  (int)f->oldest, (int)f->newest);
        return;
    }
    struct json *j = cli_json_begin(&line);
    json_put_string(j, "feature", f->name);
    json_put_int(j, "finalized", f->finalized);
    json_put_int(j, "supported_min", f->oldest);
    json_put_int(j, "supported_max", f->newest);
    json_put_int(j, "epoch", v->features.features.epoch);
    cli_json_end(&line, stdout);
}

static void on_features(struct loop_features *op)
{
    struct features_verb *v = CONTAINER_OF(op, struct features_verb, features);
    if (op->features.op.outcome != CLIENT_OK)
        cli_session_failed(&v->session);
    else
        for (int32_t i = 0; i < op->features.count; i++)
            print_feature(v, &op->features.features[i]);
    cli_session_end(&v->session);
}

/* ---- upgrade, downgrade ---- */

static void print_updated(const struct features_verb *v, const struct client_feature *f)
{
    struct cli_json line;
    if (!v->session.json) {
        printf("%s %s %d\n", f->name, v->dry_run ? "could be" : "is", (int)f->finalized);
        return;
    }
    struct json *j = cli_json_begin(&line);
    json_put_string(j, "feature", f->name);
    json_put_int(j, "finalized", f->finalized);
    json_put_bool(j, "dry_run", v->dry_run);
    cli_json_end(&line, stdout);
}

static void on_updated(struct loop_update_features *op)
{
    struct features_verb *v = CONTAINER_OF(op, struct features_verb, update);
    if (op->update.op.outcome != CLIENT_OK)
        cli_session_failed(&v->session);
    else
        for (int32_t i = 0; i < v->wanted_count; i++)
            print_updated(v, &v->wanted[i]);
    cli_session_end(&v->session);
}

static void ask(struct cli_session *s)
{
    struct features_verb *v = CONTAINER_OF(s, struct features_verb, session);
    if (v->what == WHAT_DESCRIBE) {
        v->features = (struct loop_features){.done = on_features};
        cli_session_ask(s, &v->features.features.op, NULL, "cannot describe features");
        loop_features(&s->client, &v->features);
        return;
    }
    v->update = (struct loop_update_features){.done = on_updated};
    v->update.update.features = v->wanted;
    v->update.update.count = v->wanted_count;
    v->update.update.validate_only = v->dry_run;
    v->update.update.type = v->what == WHAT_UPGRADE ? CLIENT_UPGRADE
                            : v->unsafe             ? CLIENT_UNSAFE_DOWNGRADE
                                                    : CLIENT_SAFE_DOWNGRADE;
    cli_session_ask(s, &v->update.update.op, v->update.update.message, "cannot %s features",
                    v->words.word[0]);
    loop_update_features(&s->client, &v->update);
}

/* ---- words ---- */

/* NAME=LEVEL */
static bool take_level(const char *word, struct client_feature *out)
{
    const char *equals = strchr(word, '=');
    int64_t level = 0;
    if (equals == NULL || equals == word || equals - word >= CLIENT_FEATURE_NAME_MAX ||
        text_parse_int(bytes_text(equals + 1), &level) != ERR_NONE || level < 0 ||
        level > INT16_MAX)
        return false;
    memcpy(out->name, word, (size_t)(equals - word));
    out->finalized = (int16_t)level;
    return true;
}

/* -1: go on; else the exit code, and why was told. */
static int take_levels(struct features_verb *v)
{
    const struct cli_words *words = &v->words;
    if (words->count < 2)
        return cli_complain("%s which feature? NAME=LEVEL, as metadata.version=25", words->word[0]);
    for (int i = 1; i < words->count; i++) {
        if (v->wanted_count == CLIENT_FEATURES_MAX)
            return cli_complain("at most %d features at once", CLIENT_FEATURES_MAX);
        if (!take_level(words->word[i], &v->wanted[v->wanted_count++]))
            return cli_complain("%s takes NAME=LEVEL, as metadata.version=25, not \"%s\"",
                                words->word[0], words->word[i]);
    }
    return -1;
}

static int choose(struct features_verb *v, const char *synopsis)
{
    static const char *const names[] = {"describe", "upgrade", "downgrade"};
    const struct cli_words *words = &v->words;
    int at = 0;
    if (words->count == 0)
        return cli_complain("usage: %s", synopsis);
    while (at < COUNT_OF(names) && strcmp(words->word[0], names[at]) != 0)
        at++;
    if (at == COUNT_OF(names)) {
        const char *nearest = cli_nearest(words->word[0], names, COUNT_OF(names));
        if (nearest != NULL)
            return cli_complain("there is no kiln features %s; did you mean %s?", words->word[0],
                                nearest);
        return cli_complain("usage: %s", synopsis);
    }
    v->what = (enum what)at;
    if (v->what != WHAT_DOWNGRADE && v->unsafe)
        return cli_complain("--unsafe belongs to kiln features downgrade");
    if (v->what != WHAT_DESCRIBE)
        return take_levels(v);
    if (v->dry_run)
        return cli_complain("--dry-run belongs to upgrade and downgrade");
    if (words->count > 1)
        return cli_complain("describe is of all features, and takes no name; usage: %s", synopsis);
    return -1;
}

int cli_features(int argc, char **argv)
{
    struct features_verb *v = calloc(1, sizeof *v);
    if (v == NULL)
        return cli_complain("out of memory"), EXIT_FAILURE;
    v->session.next = ask;
    struct cli_option options[CLI_SESSION_OPTIONS + 2] = {
        {"--dry-run", CLI_FLAG, &v->dry_run, 0, 0, NULL,
         "upgrade, downgrade: only says whether it could be done"},
        {"--unsafe", CLI_FLAG, &v->unsafe, 0, 0, NULL,
         "downgrade: also where metadata would be lost"},
    };
    cli_session_options(&v->session, options + 2);
    const struct cli_usage usage = {
        "kiln features describe | upgrade NAME=LEVEL... | downgrade NAME=LEVEL...",
        "describe shows which level of each feature the cluster has finalized, and which ones the "
        "node that is asked supports; upgrade and downgrade change all that are named, or none.\n"
        "Exit: 0 done; 1 the controller refused or did not answer; 64 usage.",
        options, COUNT_OF(options), NULL};
    int exit = cli_parse(&usage, argc, argv, &v->words);
    if (exit < 0)
        exit = choose(v, usage.synopsis);
    if (exit < 0)
        exit = cli_session_run(&v->session);
    free(v);
    return exit;
}
