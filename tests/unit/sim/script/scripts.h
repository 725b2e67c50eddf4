/* scripts.h - what the tests of the script language share: a script run to its end, with what it
 * printed. */
#ifndef KILN_TEST_SCRIPTS_H
#define KILN_TEST_SCRIPTS_H

#include "script/script.h"
#include "support/test.h"

struct scripted {
    struct test_mem mem;
    struct script_options options;
    struct script_result result;
    struct text printed; /* a line each */
};

void scripted_init(struct scripted *t);
void scripted_done(struct scripted *t);
/* Runs it as orders.lua with t->options; t->result and t->printed say what came of it. */
void scripted_run(struct scripted *t, const char *source);

/* Runs source alone. It must print exactly that, and then fail for the error that is added as its
 * last line, so that no world is ever made. */
void assert_prints(const char *source, const char *printed);
/* Runs source alone. It must be told as a mistake of the script, by a text that holds that. */
void assert_mistake(const char *source, const char *text);
void assert_contains(const char *text, const char *part);

#endif
