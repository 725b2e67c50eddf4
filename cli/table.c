/* table.c - a claim a line, within the width of the terminal. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>
#include "cli/table.h"

#define FIGURES_WIDTH 52 /* all columns but name and claim, with what stands between them */
#define NAME_WIDTH_MIN 10
#define CLAIM_WIDTH_MIN 24 /* with less room there is no claim */
#define CLAIM_WIDTH_MAX SCRIPT_CLAIM_MAX

static void add_counts(struct check_counts *to, const struct check_counts *from)
{
    to->acked += from->acked;
    to->read += from->read;
    to->sent += from->sent;
    to->lost_allowed += from->lost_allowed;
    to->twice_allowed += from->twice_allowed;
}

void table_add(struct table_row *row, const struct campaign_outcome *o)
{
    const struct script_result *x = &o->result;
    row->runs++;
    row->wall_ns += o->wall_ns;
    row->exit = campaign_graver(row->exit, campaign_exit(o));
    row->faults += x->faults;
    row->events += x->events;
    row->sim_ns += x->sim_ns;
    if (o->crashed)
        return;
    row->held += x->verdict == SCRIPT_HELD;
    add_counts(&row->counts, &x->counts);
    for (int i = 0; i < TRACE_MARK_COUNT; i++) {
        row->marks[i] += x->mark_count[i];
        row->must_reach[i] |= x->must_reach[i];
    }
}

/* ---- cells ---- */

#define CELL_SIZE 16

/* At most six characters: 159728 is 160k. */
static void print_amount(char cell[CELL_SIZE], uint64_t n)
{
    static const char units[] = " kMGT";
    int unit = 0;
    double value = (double)n;
    for (; value >= 99999.5 && unit < 4; unit++)
        value /= 1000;
    snprintf(cell, CELL_SIZE, unit == 0 ? "%.0f" : "%.0f%c", value, units[unit]);
}

/* At most seven: 999 min. */
static void print_span(char cell[CELL_SIZE], int64_t ns)
{
    double s = (double)ns / 1e9;
    if (s < 9.95)
        snprintf(cell, CELL_SIZE, "%.2f s", s);
    else if (s < 999.5)
        snprintf(cell, CELL_SIZE, "%.0f s", s);
    else if (s < 59970)
        snprintf(cell, CELL_SIZE, "%.0f min", s / 60);
    else if (s < 359970)
        snprintf(cell, CELL_SIZE, "%.0f h", s / 3600);
    else
        snprintf(cell, CELL_SIZE, "%.0f d", s / 86400);
}

static const char *word_of(enum cli_exit exit)
{
    switch (exit) {
    case CLI_OK:
        return "held";
    case CLI_BROKEN:
        return "BROKEN";
    case CLI_INCONCLUSIVE:
        return "inconclusive";
    case CLI_STUCK:
        return "STUCK";
    case CLI_DIFFERED:
        return "DIFFERED";
    case CLI_NOTHING:
        return "nothing ran";
    case CLI_CRASHED:
        return "CRASHED";
    case CLI_USAGE:
        return "WRONG SCRIPT";
    }
    UNREACHABLE();
}

static const char *colour_of(enum cli_exit exit)
{
    if (exit == CLI_OK)
        return "\033[32m";
    return exit == CLI_INCONCLUSIVE || exit == CLI_NOTHING ? "\033[33m" : "\033[1;31m";
}

/* ---- lines ---- */

struct layout {
    int name, claim; /* widths; claim 0: none */
    bool colour;
};

/* The last part of a path, without its ending. */
static struct bytes stem_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    size_t size = strlen(base);
    bool lua = size > 4 && strcmp(base + size - 4, ".lua") == 0;
    return bytes_of(base, lua ? size - 4 : size);
}

static struct bytes folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? bytes_text(".") : bytes_of(path, (size_t)(slash - path));
}

static struct layout lay_out(const struct campaign_scripts *scripts)
{
    int columns = cli_columns(stdout);
    struct layout l = {.name = NAME_WIDTH_MIN, .colour = cli_colours(STDOUT_FILENO)};
    for (int i = 0; i < scripts->count; i++)
        l.name = MAX(l.name, (int)stem_of(scripts->at[i].path).size);
    l.name = MAX(MIN(l.name, columns - FIGURES_WIDTH), NAME_WIDTH_MIN);
    int room = columns - FIGURES_WIDTH - l.name - 2;
    if (room >= CLAIM_WIDTH_MIN)
        l.claim = MIN(room, CLAIM_WIDTH_MAX);
    return l;
}

/* In exactly so many columns; what does not fit ends in a dot each. */
static void print_within(struct bytes text, int width)
{
    int size = (int)MIN(text.size, (size_t)width);
    if ((int)text.size > width && width > 3)
        printf("%.*s...", width - 3, (const char *)text.data);
    else
        printf("%.*s%*s", size, (const char *)text.data, width - size, "");
}

static void print_head(const struct layout *l)
{
    printf("\n  %-*s ", l->name, "scenario");
    if (l->claim > 0)
        printf(" %-*s ", l->claim, "claim");
    printf("%5s %6s %6s %7s %7s  verdict\n", "seeds", "faults", "events", "virtual", "wall");
}

static void print_row(const struct layout *l, const struct campaign_script *script,
                      const struct table_row *row)
{
    char faults[CELL_SIZE], events[CELL_SIZE], sim[CELL_SIZE], wall[CELL_SIZE];
    print_amount(faults, row->faults);
    print_amount(events, row->events);
    print_span(sim, row->sim_ns);
    print_span(wall, row->wall_ns);
    printf("  ");
    print_within(stem_of(script->path), l->name);
    printf(" ");
    if (l->claim > 0) {
        printf(" ");
        print_within(bytes_text(script->claim), l->claim);
        printf(" ");
    }
    printf("%5" PRIu64 " %6s %6s %7s %7s  %s%s%s\n", row->runs, faults, events, sim, wall,
           l->colour ? colour_of(row->exit) : "", word_of(row->exit), l->colour ? "\033[m" : "");
}

static void print_allowed(const struct table_row *row)
{
    if (row->counts.lost_allowed > 0)
        printf("    %" PRIu64 " of %" PRIu64
               " acknowledged records were lost, as the contract allows\n",
               row->counts.lost_allowed, row->counts.acked);
    if (row->counts.twice_allowed > 0)
        printf("    %" PRIu64 " records were stored twice, as the contract allows\n",
               row->counts.twice_allowed);
}

void table_print(const struct campaign_scripts *scripts, const struct table_row *rows)
{
    struct layout l = lay_out(scripts);
    struct bytes folder = {0};
    print_head(&l);
    for (int i = 0; i < scripts->count; i++) {
        struct bytes own = folder_of(scripts->at[i].path);
        if (i == 0 || !bytes_equal(own, folder))
            printf("%s%.*s%s\n", l.colour ? "\033[1m" : "", (int)own.size, (const char *)own.data,
                   l.colour ? "\033[m" : "");
        folder = own;
        print_row(&l, &scripts->at[i], &rows[i]);
        print_allowed(&rows[i]);
    }
}
