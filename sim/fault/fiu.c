/* fiu.c - fault points as libfiu knows them: each armed site is enabled by its exact name, and its
 * external callback asks our engine. The only mutable things outside of a world: libfiu itself is
 * one table a process, and it hands its callback neither world nor key, so the question that is
 * being asked stands here. */
#define FIU_ENABLE 1
#include <fiu.h>
#include <fiu-control.h>
#include "fault/inside.h"

/* What is being asked, for as long as fiu_fail runs. */
static _Thread_local struct {
    struct fault_points *points;
    uint64_t key;
    enum fault_site site;
    enum err answer;
} asked;

static int decide(const char *name, int *failnum, void **failinfo, unsigned int *flags)
{
    (void)name;
    (void)failnum;
    (void)failinfo;
    (void)flags;
    if (asked.points == NULL)
        return 0;
    asked.answer = fault_points_decide(asked.points, asked.site, asked.key);
    asked.points = NULL;
    return asked.answer != ERR_NONE;
}

/* Once a process: libfiu loses a string each time a name is enabled again. */
static bool bound[FAULT_SITE_COUNT];

void fault_fiu_bind(enum fault_site site)
{
    if (bound[site])
        return;
    bound[site] = true;
    int e = fiu_init(0);
    ASSERT(e == 0);
    e = fiu_enable_external(fault_site_name(site), 1, NULL, 0, decide);
    ASSERT(e == 0);
}

enum err fault_fiu_ask(struct fault_points *points, enum fault_site site, uint64_t key)
{
    asked.points = points;
    asked.site = site;
    asked.key = key;
    asked.answer = ERR_NONE;
    bool failed = fiu_fail(fault_site_name(site)) != 0;
    asked.points = NULL;
    if (asked.answer == ERR_NONE && failed)
        return fault_site_error(site); /* somebody else enabled the point: fiu-ctrl */
    return asked.answer;
}
