/* table.h - what a campaign has come to, for a person: a row a claim in as many columns as there
 * are, and what failed, by check and cause. */
#ifndef KILN_CLI_TABLE_H
#define KILN_CLI_TABLE_H

#include "cli/campaign.h"

/* All runs of one claim. */
struct table_row {
    uint64_t runs, held, faults, events;
    int64_t sim_ns, wall_ns;
    struct check_counts counts;
    uint64_t marks[TRACE_MARK_COUNT];
    bool must_reach[TRACE_MARK_COUNT];
    enum cli_exit exit; /* the gravest */
};

void table_add(struct table_row *row, const struct campaign_outcome *outcome);
/* A line a row below its folder's name, within cli_columns(); the claim where there is room. */
void table_print(const struct campaign_scripts *scripts, const struct table_row *rows);

#define GROUPS_MAX 64        /* further causes are counted */
#define GROUP_SCRIPTS_MAX 16 /* of a group are named */
#define GROUP_SEEDS_MAX 6    /* of a script are named */

/* Runs of a script that failed alike. */
struct group_script {
    int script;
    uint64_t seeds[GROUP_SEEDS_MAX];
    int64_t count;
};

/* Runs that failed alike: by the same check, for the same reason but for its numbers. */
struct group {
    char code[SCRIPT_CODE_MAX], name[SCRIPT_CODE_MAX], text[SCRIPT_PLACE_MAX];
    char cause[SCRIPT_TEXT_MAX];
    int64_t count;
    char replay[CAMPAIGN_PATH_MAX]; /* of the first one */
    struct group_script scripts[GROUP_SCRIPTS_MAX];
    int script_count;
};

struct groups {
    struct group *at; /* GROUPS_MAX of them; NULL: none yet */
    int count;
    int64_t more; /* runs that found no group */
};

/* Why, but for what differs from run to run: two findings of one check and one cause are one. */
void groups_cause(const struct script_finding *finding, char cause[SCRIPT_TEXT_MAX]);
/* Puts a run that failed to those like it, by its worst finding. */
void groups_add(struct groups *groups, int script, uint64_t seed, const char *replay,
                const struct script_result *result);
/* The greatest first. */
void groups_print(struct groups *groups, const struct campaign_scripts *scripts, FILE *out);
void groups_free(struct groups *groups);

#endif
