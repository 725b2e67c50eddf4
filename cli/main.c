/* main.c - finds the verb. */
#include <stdio.h>
#include <string.h>
#include "cli/pages.h"

static const struct cli_verb verbs[] = {
#ifndef KILN_KNOWN_BUGS
    {"broker", cli_broker, "serve Kafka clients from a directory"},
    {"dev", cli_dev, "a cluster of brokers on this machine, for a terminal or a test suite"},
    {"topic", cli_topic, "create, list, describe, change, trim and delete topics"},
    {"config", cli_config, "what is set for topics and brokers, and change it while they run"},
    {"cluster", cli_cluster, "who belongs to the cluster, and whether all of it serves"},
    {"format", cli_format, "make a directory for a node of a quorum whose log says who votes"},
    {"quorum", cli_quorum, "who leads the metadata log, who votes, and how far each is"},
    {"features", cli_features, "levels of the cluster's features: describe, upgrade, downgrade"},
    {"log", cli_log, "dump and check segment files, offline"},
#endif
    {"run", cli_run, "run scenarios in the simulated world"},
    {"replay", cli_replay, "repeat a failed run exactly"},
    {"shrink", cli_shrink, "make the least scenario of a failed run"},
    {"trace", cli_trace, "show what a trace file holds (kiln run --trace)"},
    {"verify", cli_verify,
     "run a seed twice under different circumstances and compare every event"},
    {"bugs", cli_bugs, "known bugs: what each is, and how fast the checks find it"},
    {"version", cli_version, "versions of kiln and of what is linked into it"},
};

/* Jemalloc reads it. A broker's loop allocates nearly all that it holds; without this each thread
 * that lists a folder has an arena of its own, which keeps some 90 KiB. A node in the simulator has
 * an arena that is not of this number. */
extern const char *malloc_conf;
const char *malloc_conf = "narenas:1";

#define NAME_COLUMNS 12 /* of a name in the list, with the blanks around it */

static void print_name(FILE *out, const char *name, const char *summary)
{
    char left[32];
    snprintf(left, sizeof left, "  %s", name);
    cli_row(out, left, NAME_COLUMNS, summary);
}

static void help(FILE *out)
{
    cli_wrap(
        out, "", 0,
        "kiln - a message queue that speaks Kafka's protocols, and the world that breaks it\n\n"
        "usage: kiln VERB [OPTIONS]\n");
    for (int i = 0; i < COUNT_OF(verbs); i++)
        print_name(out, verbs[i].name, verbs[i].summary);
    cli_wrap(out, "\n", 0,
             "kiln --version says what this is, kiln help VERB more of a verb, kiln help PAGE:\n");
    for (int i = 0; i < cli_page_count; i++)
        print_name(out, cli_pages[i].name, cli_pages[i].summary);
}

static int unknown_verb(const char *word)
{
    const char *names[COUNT_OF(verbs)];
    for (int i = 0; i < COUNT_OF(verbs); i++)
        names[i] = verbs[i].name;
    const char *nearest = cli_nearest(word, names, COUNT_OF(verbs));
    if (nearest != NULL)
        return cli_complain("there is no verb \"%s\"; did you mean \"%s\"?", word, nearest);
    help(stderr);
    return cli_complain("there is no verb \"%s\"", word);
}

static bool show_page(const char *name)
{
    for (int i = 0; i < cli_page_count; i++) {
        if (strcmp(name, cli_pages[i].name) != 0)
            continue;
        cli_show_page(&cli_pages[i]);
        return true;
    }
    return false;
}

static const struct cli_verb *find_verb(const char *name)
{
    for (int i = 0; i < COUNT_OF(verbs); i++) {
        if (strcmp(name, verbs[i].name) == 0)
            return &verbs[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "help";
    cli_called(argc > 0 ? argv[0] : NULL);
    const struct cli_verb *verb = find_verb(word);
    if (verb != NULL)
        return verb->run(argc - 1, argv + 1);
    if (argc == 2 && show_page(word)) /* kiln faults is kiln help faults */
        return CLI_OK;
    if (strcmp(word, "--version") == 0) {
        argv[1] = argv[0];
        return cli_version(argc - 1, argv + 1);
    }
    bool asked =
        strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    if (asked && argc > 2) { /* kiln help VERB is kiln VERB --help */
        word = argv[2];
        verb = find_verb(word);
        char option[] = "--help";
        char *words[] = {argv[2], option, NULL};
        if (verb != NULL)
            return verb->run(2, words);
        if (show_page(word))
            return CLI_OK;
    } else if (asked) {
        help(stdout);
        return CLI_OK;
    }
    return unknown_verb(word);
}
