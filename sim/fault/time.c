/* time.c - spans of time as text: the largest unit that says them exactly. */
#include <stdio.h>
#include "fault/fault.h"

struct unit {
    const char *name;
    int64_t ns;
};

#define SECOND_NS 1000000000ll
#define DAY_NS (86400 * SECOND_NS)

/* Longer names first where one ends another. */
static const struct unit units[] = {
    {"ns", 1},
    {"us", 1000},
    {"ms", 1000000},
    {"y", 365 * DAY_NS},
    {"d", DAY_NS},
    {"h", 3600 * SECOND_NS},
    {"m", 60 * SECOND_NS},
    {"s", SECOND_NS},
};

static const struct unit *largest_exact(uint64_t ns)
{
    static const char *const order[] = {"y", "d", "h", "m"};
    for (int i = 0; i < COUNT_OF(order); i++)
        for (int k = 0; k < COUNT_OF(units); k++)
            if (strcmp(units[k].name, order[i]) == 0 && ns % (uint64_t)units[k].ns == 0)
                return &units[k];
    if (ns >= SECOND_NS)
        return NULL;
    return &units[ns % 1000 != 0 ? 0 : ns % 1000000 != 0 ? 1 : 2];
}

static void print_seconds(uint64_t ns, struct text *out)
{
    char fraction[10];
    snprintf(fraction, sizeof fraction, "%09llu", (unsigned long long)(ns % SECOND_NS));
    size_t size = 9;
    while (size > 0 && fraction[size - 1] == '0')
        size--;
    text_printf(out, "%llu%s%.*ss", (unsigned long long)(ns / SECOND_NS), size > 0 ? "." : "",
                (int)size, fraction);
}

void fault_time_print(int64_t ns, struct text *out)
{
    uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (ns < 0)
        text_add(out, "-", 1);
    if (size == 0) {
        text_add(out, "0s", 2);
        return;
    }
    const struct unit *unit = largest_exact(size);
    if (unit == NULL)
        print_seconds(size, out);
    else
        text_printf(out, "%llu%s", (unsigned long long)size / (uint64_t)unit->ns, unit->name);
}

static const struct unit *unit_of(struct bytes text)
{
    for (int i = 0; i < COUNT_OF(units); i++)
        if (bytes_equal(text, bytes_text(units[i].name)))
            return &units[i];
    return NULL;
}

static size_t digits_at(struct bytes text, size_t at)
{
    size_t n = 0;
    while (at + n < text.size && text.data[at + n] >= '0' && text.data[at + n] <= '9')
        n++;
    return n;
}

/* What stands behind the point, in ns. It must come out even. */
static enum err parse_fraction(struct bytes digits, int64_t unit_ns, int64_t *ns)
{
    int64_t step = unit_ns;
    *ns = 0;
    for (size_t i = 0; i < digits.size; i++) {
        int digit = digits.data[i] - '0';
        if (step % 10 != 0 && digit != 0)
            return ERR_INVALID;
        step /= 10;
        *ns += digit * step;
    }
    return ERR_NONE;
}

enum err fault_time_parse(struct bytes text, int64_t *ns)
{
    size_t at = text.size > 0 && (text.data[0] == '-' || text.data[0] == '+');
    bool negative = at == 1 && text.data[0] == '-';
    size_t whole = digits_at(text, at);
    size_t point = at + whole;
    bool has_point = point < text.size && text.data[point] == '.';
    size_t fraction = has_point ? digits_at(text, point + 1) : 0;
    size_t end = has_point ? point + 1 + fraction : point;
    if (whole == 0 || (has_point && fraction == 0))
        return ERR_INVALID;
    const struct unit *unit = unit_of(bytes_of(text.data + end, text.size - end));
    if (unit == NULL)
        return ERR_INVALID;
    int64_t count, product, rest;
    enum err e = text_parse_int(bytes_of(text.data + at, whole), &count);
    if (e == ERR_NONE)
        e = parse_fraction(bytes_of(text.data + point + has_point, fraction), unit->ns, &rest);
    if (e != ERR_NONE)
        return e;
    if (__builtin_mul_overflow(count, unit->ns, &product) ||
        __builtin_add_overflow(product, rest, &product))
        return ERR_RANGE;
    *ns = negative ? -product : product;
    return ERR_NONE;
}
