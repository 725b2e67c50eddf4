/* junit.h - the runs of a campaign as JUnit's XML (analysis/report). */
#ifndef KILN_CLI_JUNIT_H
#define KILN_CLI_JUNIT_H

#include "cli/campaign.h"

/* One run, as it ended. */
struct junit_run {
    const struct campaign_script *script;
    uint64_t seed;
    int64_t wall_ns;
    enum cli_exit exit;
    char code[SCRIPT_CODE_MAX], name[SCRIPT_CODE_MAX]; /* of the worst finding */
    char *why;                                         /* a line a finding; malloc'ed, or NULL */
    char *replay;                                      /* the file's name; likewise */
};

struct junit {
    struct junit_run *runs;
    int64_t count, cap;
    bool failed; /* for lack of memory */
};

/* replay: NULL, or where the run can be had again. */
void junit_add(struct junit *junit, const struct campaign_script *script, uint64_t seed,
               const struct campaign_outcome *outcome, const char *replay);
/* With the scenario that shrinking has left beside a replay file. False: told on stderr. */
bool junit_write(struct junit *junit, const char *path);
void junit_free(struct junit *junit);

#endif
