/* known_bug.h - marks the line where a historic mistake can be put back. In everything that ships
 * the mark is the constant 0. */
#ifndef KILN_BASE_KNOWN_BUG_H
#define KILN_BASE_KNOWN_BUG_H

#include <stdbool.h>

#ifdef KILN_KNOWN_BUGS
/* Each name has a row in sim/known_bugs.def, which defines the switch; a mark without a row does
 * not link. */
#define KNOWN_BUG(name)                                                                            \
    ({                                                                                             \
        extern bool known_bug_##name;                                                              \
        known_bug_##name;                                                                          \
    })
#else
#define KNOWN_BUG(name) 0
#endif

#endif
