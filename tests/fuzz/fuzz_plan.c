/* fuzz_plan.c - bytes as a plan of faults. What parses must print as text that parses to the same
 * plan, in whatever order a sort puts it. */
#include "fault/fault.h"
#include "fuzz.h"

static void check_same(const struct fault_plan *a, const struct fault_plan *b)
{
    ASSERT(a->count == b->count);
    for (int32_t i = 0; i < a->count; i++)
        ASSERT(fault_line_id(&a->lines[i]) == fault_line_id(&b->lines[i]));
}

/* One more round through text; it must change nothing, the text included. */
static void check_again(const struct fault_plan *plan, struct mem *mem)
{
    struct fault_plan again;
    struct text first, second;
    text_init(&first, mem);
    text_init(&second, mem);
    fault_plan_init(&again, mem);
    again.named = again.names.open = plan->named;
    fault_plan_print(plan, &first);
    enum err e = fault_plan_parse(&again, bytes_of(first.data, first.size), NULL);
    ASSERT(e == ERR_NONE);
    check_same(plan, &again);
    fault_plan_print(&again, &second);
    ASSERT(bytes_equal(bytes_of(first.data, first.size), bytes_of(second.data, second.size)));
    text_free(&first);
    text_free(&second);
    fault_plan_free(&again);
}

static void check_sorted(struct fault_plan *plan)
{
    enum err e = fault_plan_sort(plan);
    ASSERT(e == ERR_NONE);
    for (int32_t i = 1; i < plan->count; i++)
        ASSERT(plan->lines[i - 1].at_ns <= plan->lines[i].at_ns);
}

static void check_time(struct bytes in, struct mem *mem)
{
    struct text text;
    int64_t ns, again;
    if (fault_time_parse(in, &ns) != ERR_NONE)
        return;
    text_init(&text, mem);
    fault_time_print(ns, &text);
    enum err e = fault_time_parse(bytes_of(text.data, text.size), &again);
    ASSERT(e == ERR_NONE);
    ASSERT(again == ns);
    text_free(&text);
}

/* Nodes are numbers or have names. */
static void check_plan(struct bytes in, bool named)
{
    struct mem mem;
    struct fault_plan plan;
    struct errmsg msg = {{0}};
    mem_system(&mem);
    fault_plan_init(&plan, &mem);
    plan.named = plan.names.open = named;
    enum err e = fault_plan_parse(&plan, in, &msg);
    ASSERT(e == ERR_NONE || e == ERR_INVALID);
    ASSERT((e == ERR_NONE) == (msg.text[0] == 0));
    check_again(&plan, &mem);
    check_sorted(&plan);
    check_again(&plan, &mem);
    check_time(in, &mem);
    fault_plan_free(&plan);
    ASSERT(mem.live_count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_plan(bytes_of(data, size), false);
    check_plan(bytes_of(data, size), true);
    return 0;
}
