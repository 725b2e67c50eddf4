/* bugs.c - the switches of the known bugs; in a program without them there is not even a name. */
#include "script/script.h"

#ifdef KILN_KNOWN_BUGS

#define BUG(name, origin, check, scenario, text, happened, why) extern bool known_bug_##name;
#include "known_bugs.def"
#undef BUG
#define BUG(name, origin, check, scenario, text, happened, why) bool known_bug_##name;
#include "known_bugs.def"
#undef BUG

static const struct script_bug bugs[] = {
#define BUG(name, origin, check, scenario, text, happened, why)                                    \
    {#name, origin, check, scenario, text, happened, why, &known_bug_##name},
#include "known_bugs.def"
#undef BUG
};

int script_bugs(const struct script_bug **out)
{
    *out = bugs;
    return COUNT_OF(bugs);
}

#else

int script_bugs(const struct script_bug **out)
{
    *out = NULL;
    return 0;
}

#endif
