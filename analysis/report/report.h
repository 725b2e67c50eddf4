/* report.h - what a campaign came to, for other programs to show. Pure: text in, text out. */
#ifndef KILN_REPORT_H
#define KILN_REPORT_H

#include "base/base.h"

enum report_outcome {
    REPORT_PASSED,
    REPORT_FAILED,
    REPORT_ERROR, /* it could not be told whether it holds: a crash, a mistake of the script */
    REPORT_SKIPPED,
};

/* One run. Texts may be any bytes. */
struct report_case {
    const char *suite; /* those of one are given one behind the other */
    const char *name;
    int64_t time_ns;
    enum report_outcome outcome;
    const char *type;    /* of what is not right, in a word; "" */
    const char *message; /* in a line */
    const char *text;    /* all of it */
    const char *output;  /* what else there is to be read; "": nothing */
};

/* JUnit's XML as CI systems read it (the schema of Jenkins, junit-10.xsd). What is no character of
 * XML 1.0 becomes U+FFFD. */
void report_junit(const char *name, const struct report_case *cases, int64_t count,
                  struct text *out);

#endif
