/* options.c - options as rows: parsing, ranges, help and "did you mean" all follow from them. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>
#include "cli/cli.h"
#include "fault/fault.h"

/* In a file a sentence is a line, by which it is found. */
int cli_complain(const char *format, ...)
{
    char text[CLI_SENTENCE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (isatty(STDERR_FILENO))
        cli_wrap(stderr, "kiln: ", 2, text);
    else
        fprintf(stderr, "kiln: %s\n", text);
    return CLI_USAGE;
}

static const char *value_word(const struct cli_option *o)
{
    switch (o->type) {
    case CLI_FLAG:
        return "";
    case CLI_INT:
        return " N";
    case CLI_TEXT:
        return " TEXT";
    case CLI_SETTINGS:
        return " KEY=VALUE";
    case CLI_CHOICE:
        return o->choices;
    }
    UNREACHABLE();
}

#define COMMAND_COLUMNS 12 /* of a usage: what follows stands behind them */
#define OPTION_COLUMNS 27  /* of an option and its value, with the blanks around them */

void cli_help(const struct cli_usage *usage)
{
    cli_wrap(stdout, "usage: ", COMMAND_COLUMNS, usage->synopsis);
    putchar('\n');
    cli_wrap(stdout, "", 0, usage->about);
    if (usage->option_count > 0)
        putchar('\n');
    for (int i = 0; i < usage->option_count; i++) {
        const struct cli_option *o = &usage->options[i];
        char left[80];
        snprintf(left, sizeof left, "  %s%s%s", o->name, o->type == CLI_CHOICE ? " " : "",
                 value_word(o));
        cli_row(stdout, left, OPTION_COLUMNS, o->help);
    }
}

static bool set_choice(const struct cli_option *o, const char *value)
{
    size_t size = strlen(value);
    int index = 0;
    for (const char *at = o->choices; at != NULL; index++) {
        const char *bar = strchr(at, '|');
        size_t length = bar == NULL ? strlen(at) : (size_t)(bar - at);
        if (length == size && memcmp(at, value, size) == 0) {
            *(int *)o->value = index;
            return true;
        }
        at = bar == NULL ? NULL : bar + 1;
    }
    cli_complain("%s: \"%s\" is none of %s", o->name, value, o->choices);
    return false;
}

static bool set_int(const struct cli_option *o, const char *value)
{
    int64_t n;
    if (text_parse_int(bytes_text(value), &n) != ERR_NONE || n < o->min || n > o->max) {
        cli_complain("%s: \"%s\" is no number from %" PRId64 " to %" PRId64, o->name, value, o->min,
                     o->max);
        return false;
    }
    *(int64_t *)o->value = n;
    return true;
}

static bool add_setting(const struct cli_option *o, const char *value)
{
    struct cli_settings *settings = o->value;
    const char *equals = strchr(value, '=');
    if (equals == NULL || equals == value || settings->count == CLI_SETTINGS_MAX) {
        cli_complain("%s takes KEY=VALUE, up to %d times", o->name, CLI_SETTINGS_MAX);
        return false;
    }
    settings->at[settings->count++] = value;
    return true;
}

static bool set_option(const struct cli_option *o, const char *value)
{
    if (o->type == CLI_FLAG && value != NULL) {
        cli_complain("%s takes no value", o->name);
        return false;
    }
    if (o->type == CLI_FLAG) {
        *(bool *)o->value = true;
        return true;
    }
    if (value == NULL) {
        cli_complain("%s needs a value", o->name);
        return false;
    }
    if (o->type == CLI_INT)
        return set_int(o, value);
    if (o->type == CLI_CHOICE)
        return set_choice(o, value);
    if (o->type == CLI_SETTINGS)
        return add_setting(o, value);
    *(const char **)o->value = value;
    return true;
}

static const struct cli_option *find(const struct cli_usage *usage, const char *name)
{
    for (int i = 0; i < usage->option_count; i++) {
        if (strcmp(usage->options[i].name, name) == 0)
            return &usage->options[i];
    }
    return NULL;
}

/* Two letters differ at most, and fewer than half of them: "--sed" is near "--seed", "a" is near
 * nothing. */
#define NEAREST_DISTANCE_MAX 2

const char *cli_nearest(const char *word, const char *const *names, int count)
{
    const char *nearest = NULL;
    int best = NEAREST_DISTANCE_MAX + 1;
    for (int i = 0; i < count; i++) {
        int distance = text_distance(word, names[i]);
        bool begins = strlen(word) > 2 && strncmp(word, names[i], strlen(word)) == 0;
        if (begins)
            distance = MIN(distance, NEAREST_DISTANCE_MAX);
        if (distance < best && (begins || distance * 2 < (int)strlen(names[i]))) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

#define OPTIONS_MAX 64

static int unknown(const struct cli_usage *usage, const char *name, const struct errmsg *msg)
{
    const char *names[OPTIONS_MAX];
    ASSERT(usage->option_count <= OPTIONS_MAX);
    for (int i = 0; i < usage->option_count; i++)
        names[i] = usage->options[i].name;
    const char *nearest = cli_nearest(name, names, usage->option_count);
    if (nearest != NULL)
        return cli_complain("there is no option %s; did you mean %s?", name, nearest);
    if (msg->text[0] != 0)
        return cli_complain("%s", msg->text);
    return cli_complain("there is no option %s; usage: %s", name, usage->synopsis);
}

#define NAME_MAX_BYTES 128

/* Takes argv[*i] and, when it has one, its value. -1: go on. */
static int take_option(const struct cli_usage *usage, int argc, char **argv, int *i)
{
    char name[NAME_MAX_BYTES];
    const char *equals = strchr(argv[*i], '=');
    size_t size = equals == NULL ? strlen(argv[*i]) : (size_t)(equals - argv[*i]);
    if (size >= sizeof name)
        return cli_complain("an option of %zu letters", size);
    memcpy(name, argv[*i], size);
    name[size] = 0;
    const struct cli_option *o = find(usage, name);
    bool takes_next = equals == NULL && (o == NULL || o->type != CLI_FLAG) && *i + 1 < argc;
    const char *value = equals != NULL ? equals + 1 : takes_next ? argv[*i + 1] : NULL;
    if (o != NULL) {
        *i += takes_next;
        return set_option(o, value) ? -1 : CLI_USAGE;
    }
    struct errmsg msg = {{0}};
    if (usage->other == NULL || !usage->other(name, value, &msg))
        return unknown(usage, name, &msg);
    *i += takes_next;
    return -1;
}

int cli_parse(const struct cli_usage *usage, int argc, char **argv, struct cli_words *words)
{
    *words = (struct cli_words){0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            cli_help(usage);
            return CLI_OK;
        }
        if (argv[i][0] == '-' && argv[i][1] != 0) {
            int exit = take_option(usage, argc, argv, &i);
            if (exit >= 0)
                return exit;
        } else if (words->count == CLI_WORDS_MAX) {
            return cli_complain("more than %d words", CLI_WORDS_MAX);
        } else {
            words->word[words->count++] = argv[i];
        }
    }
    return -1;
}

bool cli_parse_time(const char *option, const char *text, int64_t *ns)
{
    if (text == NULL || (fault_time_parse(bytes_text(text), ns) == ERR_NONE && *ns > 0))
        return true;
    cli_complain("%s: \"%s\" is no time, as 90s or 2h", option, text);
    return false;
}

struct json *cli_json_begin(struct cli_json *line)
{
    mem_system(&line->mem);
    text_init(&line->text, &line->mem);
    json_put_init(&line->json, &line->text);
    json_put_object(&line->json, NULL);
    return &line->json;
}

void cli_json_end(struct cli_json *line, FILE *out)
{
    json_put_end(&line->json);
    ASSERT(line->json.depth == 0);
    text_add(&line->text, "\n", 1);
    if (!line->text.failed)
        fwrite(line->text.data, 1, line->text.size, out);
    fflush(out);
    text_free(&line->text);
}
