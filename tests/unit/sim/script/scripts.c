/* scripts.c - runs scripts for the tests. */
#include "scripts.h"

static void on_print(void *context, int64_t time_ns, const char *text)
{
    struct scripted *t = context;
    (void)time_ns;
    text_printf(&t->printed, "%s\n", text);
}

void scripted_init(struct scripted *t)
{
    test_mem_init(&t->mem);
    text_init(&t->printed, &t->mem.mem);
    t->options = (struct script_options){.seed = 1, .print = on_print, .print_context = t};
}

void scripted_done(struct scripted *t)
{
    text_free(&t->printed);
    test_mem_done(&t->mem);
}

void scripted_run(struct scripted *t, const char *source)
{
    text_free(&t->printed);
    text_init(&t->printed, &t->mem.mem);
    script_run(&t->mem.mem, "orders.lua", bytes_text(source), &t->options, &t->result, NULL);
}

void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" does not hold \"%s\"", text, part);
}

void assert_prints(const char *source, const char *printed)
{
    struct scripted t;
    struct text whole;
    scripted_init(&t);
    text_init(&whole, &t.mem.mem);
    text_printf(&whole, "%s\nerror(\"THE END\", 0)\n", source);
    scripted_run(&t, whole.data);
    assert_contains(t.result.why, "THE END");
    assert_string_equal(t.printed.data == NULL ? "" : t.printed.data, printed);
    text_free(&whole);
    scripted_done(&t);
}

void assert_mistake(const char *source, const char *text)
{
    struct scripted t;
    scripted_init(&t);
    scripted_run(&t, source);
    assert_contains(t.result.why, text);
    assert_int_equal(t.result.verdict, SCRIPT_WRONG);
    scripted_done(&t);
}
