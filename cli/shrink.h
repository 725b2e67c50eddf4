/* shrink.h - a failed run as a case that can be shrunk. */
#ifndef KILN_CLI_SHRINK_H
#define KILN_CLI_SHRINK_H

#include "cli/campaign.h"
#include "explain/explain.h"

/* What a script said in a run (its record) and the faults that fired in it, as statements: without
 * its loops, waits and draws. False: not all of it was heard, or the case is of no use; nothing was
 * told. */
bool shrink_case_heard(struct explain_case *c, const struct campaign_outcome *run);
/* The script itself, with what fired without its doing as its plan. Likewise. */
bool shrink_case_script(struct explain_case *c, const struct campaign_script *script,
                        const struct campaign_outcome *run);

#endif
