/* replay_file.c - a failure as a file: everything that decides a run, readable, and what it came
 * to. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/record.h"
#include "history/history.h"

/* Lines "key value", then blocks "key SIZE" followed by that many bytes and a newline. */
#define FIRST_LINE "kiln-replay 1\n"

/* Its directory and its own name: claims of two directories may have the same name. */
static void name_of(const char *path, char *name, size_t size)
{
    const char *base = strrchr(path, '/');
    base = base == NULL ? path : base + 1;
    size_t length = strcspn(base, ".");
    const char *dir = base == path ? base : base - 1;
    while (dir > path && dir[-1] != '/' && dir[-1] != '.')
        dir--;
    int dir_length = base == path ? 0 : (int)(base - 1 - dir);
    snprintf(name, size, "%.*s%s%.*s", dir_length, dir, dir_length > 0 ? "-" : "",
             (int)MIN(length, size - 1), base);
}

static void write_block(FILE *file, const char *key, struct bytes block)
{
    fprintf(file, "%s %zu\n", key, block.size);
    if (block.size > 0)
        fwrite(block.data, 1, block.size, file);
    fputc('\n', file);
}

bool campaign_replay_write(char path[CAMPAIGN_PATH_MAX], const struct campaign_script *script,
                           uint64_t seed, const struct campaign_mode *mode, struct bytes plan)
{
    char name[256];
    name_of(script->path, name, sizeof name);
    (void)snprintf(path, CAMPAIGN_PATH_MAX, "failures/%s-%" PRIu64 "%s%s.replay", name, seed,
                   mode->bug != NULL ? "-" : "", mode->bug != NULL ? mode->bug : "");
    if (mkdir("failures", 0777) != 0 && errno != EEXIST) {
        cli_complain("cannot make the directory failures/ here, where a run that fails leaves its "
                     "files: %s",
                     strerror(errno));
        return false;
    }
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        cli_complain("cannot write %s: %s", path, strerror(errno));
        return false;
    }
    fprintf(file, FIRST_LINE "build %s\nseed %" PRIu64 "\ndisk %s\npath %s\n", cli_build_id(), seed,
            mode->files ? "files" : "memory", script->path);
    if (mode->bug != NULL)
        fprintf(file, "bug %s\n", mode->bug);
    if (mode->time_max_ns != 0)
        fprintf(file, "time_ns %" PRId64 "\n", mode->time_max_ns);
    write_block(file, "script", script->source);
    if (mode->plan_path != NULL)
        write_block(file, "plan", plan);
    if (fclose(file) == 0)
        return true;
    cli_complain("cannot write %s", path);
    return false;
}

void campaign_beside(const char *replay_path, const char *ending, char path[CAMPAIGN_PATH_MAX])
{
    size_t size = strlen(replay_path);
    const char *own = ".replay";
    if (size > strlen(own) && strcmp(replay_path + size - strlen(own), own) == 0)
        size -= strlen(own);
    snprintf(path, CAMPAIGN_PATH_MAX, "%.*s%s", (int)MIN(size, CAMPAIGN_PATH_MAX - 8), replay_path,
             ending);
}

void campaign_replay_remove(const char *path)
{
    static const char *const endings[] = {".steps", ".plan", ".trace", ".disks"};
    unlink(path);
    for (int i = 0; i < COUNT_OF(endings); i++) {
        char other[CAMPAIGN_PATH_MAX];
        campaign_beside(path, endings[i], other);
        cli_remove_tree(other);
    }
    rmdir("failures"); /* when nothing else is there */
}

bool campaign_replay_finish(const char *path, const struct campaign_outcome *o)
{
    FILE *file = fopen(path, "ab");
    if (file == NULL)
        return false;
    fprintf(file, "verdict %s\n", o->crashed ? "crashed" : script_verdict_name(o->result.verdict));
    campaign_write_findings(&o->result, "why ", file);
    fprintf(file, "events %" PRIu64 "\nhash %016" PRIx64 "\n", o->result.events, o->result.hash);
    fprintf(file, "rows %016" PRIx64 "\n", o->result.rows_hash);
    for (uint32_t i = 0; o->record != NULL && i < o->record->piece_count; i++)
        fprintf(file, "checkpoint %" PRIu64 " %016" PRIx64 "\n",
                (uint64_t)(i + 1) * RECORD_PIECE_EVENTS, o->record->pieces[i].hash);
    return fclose(file) == 0;
}

struct cursor {
    struct bytes rest;
};

/* The next line without its end; false at the end of the file. */
static bool next_line(struct cursor *c, struct bytes *line)
{
    if (c->rest.size == 0)
        return false;
    const uint8_t *end = memchr(c->rest.data, '\n', c->rest.size);
    size_t size = end == NULL ? c->rest.size : (size_t)(end - c->rest.data);
    *line = bytes_of(c->rest.data, size);
    size_t step = MIN(size + 1, c->rest.size);
    c->rest = bytes_of(c->rest.data + step, c->rest.size - step);
    return true;
}

static bool is_key(struct bytes line, const char *key, struct bytes *value)
{
    size_t size = strlen(key);
    if (line.size <= size || memcmp(line.data, key, size) != 0 || line.data[size] != ' ')
        return false;
    *value = bytes_of(line.data + size + 1, line.size - size - 1);
    return true;
}

static bool take_block(struct cursor *c, struct bytes size_text, struct bytes *block)
{
    int64_t size;
    if (text_parse_int(size_text, &size) != ERR_NONE || size < 0 || (size_t)size > c->rest.size)
        return false;
    *block = bytes_of(c->rest.data, (size_t)size);
    size_t step = MIN((size_t)size + 1, c->rest.size);
    c->rest = bytes_of(c->rest.data + step, c->rest.size - step);
    return true;
}

static void copy_text(char *to, size_t size, struct bytes from)
{
    snprintf(to, size, "%.*s", (int)MIN(from.size, size - 1), (const char *)from.data);
}

static uint64_t number_of(struct bytes text, int base)
{
    char copy[32];
    copy_text(copy, sizeof copy, text);
    return strtoull(copy, NULL, base);
}

/* "3000 0123456789abcdef": the chain after so many events. */
static bool take_checkpoint(struct campaign_replay *r, struct bytes v)
{
    const uint8_t *space = memchr(v.data, ' ', v.size);
    if (space == NULL || r->piece_count == RECORD_PIECES_MAX)
        return space != NULL;
    if (r->pieces == NULL)
        r->pieces = calloc(RECORD_PIECES_MAX, sizeof *r->pieces);
    if (r->pieces == NULL)
        return false;
    size_t at = (size_t)(space - v.data) + 1;
    r->pieces[r->piece_count++].hash = number_of(bytes_of(v.data + at, v.size - at), 16);
    return number_of(v, 10) == (uint64_t)r->piece_count * RECORD_PIECE_EVENTS;
}

static bool take_line(struct campaign_replay *r, struct cursor *c, struct bytes line)
{
    struct bytes v;
    if (is_key(line, "build", &v)) {
        copy_text(r->build, sizeof r->build, v);
    } else if (is_key(line, "path", &v)) {
        copy_text(r->script.path, sizeof r->script.path, v);
    } else if (is_key(line, "bug", &v)) {
        copy_text(r->bug, sizeof r->bug, v);
    } else if (is_key(line, "disk", &v)) {
        r->files = bytes_equal(v, bytes_text("files"));
    } else if (is_key(line, "seed", &v)) {
        r->seed = number_of(v, 10);
    } else if (is_key(line, "events", &v)) {
        r->events = number_of(v, 10);
    } else if (is_key(line, "verdict", &v)) {
        r->crashed = bytes_equal(v, bytes_text("crashed"));
    } else if (is_key(line, "checkpoint", &v)) {
        return take_checkpoint(r, v);
    } else if (is_key(line, "hash", &v)) {
        r->hash = number_of(v, 16);
        r->has_hash = true;
    } else if (is_key(line, "rows", &v)) {
        r->rows_hash = number_of(v, 16);
    } else if (is_key(line, "script", &v)) {
        return take_block(c, v, &r->script.source);
    } else if (is_key(line, "plan", &v)) {
        r->has_plan = true;
        return take_block(c, v, &r->plan);
    } else if (is_key(line, "time_ns", &v)) {
        return text_parse_int(v, &r->time_max_ns) == ERR_NONE && r->time_max_ns > 0;
    }
    return true;
}

void campaign_replay_free(struct campaign_replay *r)
{
    free(r->pieces);
    r->pieces = NULL;
    cli_free(r->file);
}

static bool begins(struct bytes file, const char *text)
{
    size_t size = strlen(text);
    return file.size >= size && memcmp(file.data, text, size) == 0;
}

/* A failure leaves several files beside each other, each for another verb. */
static void tell_what_it_is(const char *path, struct bytes file)
{
    char program[CLI_QUOTED_MAX], quoted[CLI_QUOTED_MAX];
    cli_quote(cli_program(), program);
    cli_quote(path, quoted);
    if (begins(file, HISTORY_MAGIC))
        cli_complain("%s is a trace, not a replay file; %s trace %s shows it", path, program,
                     quoted);
    else if (begins(file, "nodes ") || begins(file, "at "))
        cli_complain("%s is a plan, not a replay file; %s run SCENARIO --plan %s runs it", path,
                     program, quoted);
    else
        cli_complain("%s is no replay file; kiln run leaves one in failures/ when it fails", path);
}

bool campaign_replay_read(const char *path, struct campaign_replay *r)
{
    *r = (struct campaign_replay){0};
    struct errmsg msg = {{0}};
    if (cli_read_input(path, CLI_INPUT_BYTES_MAX, &r->file, &msg) != ERR_NONE) {
        cli_complain("%s", msg.text);
        return false;
    }
    struct cursor c = {r->file};
    struct bytes line;
    size_t first = strlen(FIRST_LINE);
    bool is_replay = r->file.size > first && memcmp(r->file.data, FIRST_LINE, first) == 0;
    bool good = is_replay;
    while (good && next_line(&c, &line))
        good = take_line(r, &c, line);
    if (!is_replay)
        tell_what_it_is(path, r->file);
    else if (!good || r->script.source.data == NULL)
        cli_complain("%s is cut short or was changed by hand: it does not hold its whole script",
                     path);
    if (good && r->script.source.data != NULL)
        return true;
    campaign_replay_free(r);
    return false;
}
