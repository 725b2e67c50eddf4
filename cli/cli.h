/* cli.h - the command line: one file a verb, one table of them, one way to read options. */
#ifndef KILN_CLI_H
#define KILN_CLI_H

#include <stdio.h>
#include "base/base.h"

/* Exit codes; of several, the first of this order counts: CRASHED, DIFFERED, BROKEN, STUCK,
 * INCONCLUSIVE, NOTHING, OK. */
enum cli_exit {
    CLI_OK = 0,
    CLI_BROKEN = 1,
    CLI_INCONCLUSIVE = 2,
    CLI_STUCK = 3,
    CLI_DIFFERED = 4,
    CLI_NOTHING = 5,
    CLI_CRASHED = 6,
    CLI_USAGE = 64,
};

/* A verb. argv[0] is its name. */
struct cli_verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

int cli_broker(int argc, char **argv);
int cli_dev(int argc, char **argv);
int cli_topic(int argc, char **argv);
int cli_config(int argc, char **argv);
int cli_cluster(int argc, char **argv);
int cli_join(int argc, char **argv); /* a word of cli_cluster */
int cli_format(int argc, char **argv);
int cli_quorum(int argc, char **argv);
int cli_features(int argc, char **argv);
int cli_log(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_replay(int argc, char **argv);
int cli_shrink(int argc, char **argv);
int cli_verify(int argc, char **argv);
int cli_bugs(int argc, char **argv);
int cli_trace(int argc, char **argv);
int cli_version(int argc, char **argv);

/* ---- options ---- */

enum cli_option_type {
    CLI_FLAG,     /* bool */
    CLI_INT,      /* int64_t within [min, max] */
    CLI_TEXT,     /* const char * */
    CLI_CHOICE,   /* int: the index into choices, "a|b" */
    CLI_SETTINGS, /* struct cli_settings; may be given several times */
};

#define CLI_SETTINGS_MAX 64
/* Each is "KEY=VALUE" with a key. */
struct cli_settings {
    const char *at[CLI_SETTINGS_MAX];
    int count;
};

struct cli_option {
    const char *name; /* "--seed" */
    enum cli_option_type type;
    void *value;
    int64_t min, max;
    const char *choices;
    const char *help;
};

#define CLI_WORDS_MAX 256
#define CLI_PATH_MAX 512

struct cli_usage {
    const char *synopsis; /* "kiln run SCENARIO... | DIR [OPTIONS]" */
    const char *about;    /* a paragraph */
    const struct cli_option *options;
    int option_count;
    /* Takes an option that no row knows (value is what follows, or NULL); false: nobody knows it.
     * May be NULL. */
    bool (*other)(const char *name, const char *value, struct errmsg *msg);
};

struct cli_words {
    const char *word[CLI_WORDS_MAX];
    int count;
};

/* Reads argv behind the verb: "--name value", "--name=value", "-v" for flags of one letter. -1: go
 * on; else the exit code
 * (--help was asked for, or a mistake was told on stderr). */
int cli_parse(const struct cli_usage *usage, int argc, char **argv, struct cli_words *words);
void cli_help(const struct cli_usage *usage);
/* The value of an option that is a time above 0; text NULL: *ns stays. False: told on stderr. */
bool cli_parse_time(const char *option, const char *text, int64_t *ns);
/* The one of names that a person who wrote word may have meant; NULL: none is near. */
const char *cli_nearest(const char *word, const char *const *names, int count);
/* "kiln: " and the sentence on stderr. Returns CLI_USAGE. */
int cli_complain(const char *format, ...) PRINTF_LIKE(1, 2);

/* ---- terminals ---- */

/* May colours be written there? NO_COLOR (no-color.org) and TERM=dumb say no. */
bool cli_colours(int fd);
/* Columns of a line there: COLUMNS, or the terminal's, or 80. */
int cli_columns(FILE *out);

/* Who reads our output may go away, as head(1) does: what is written then is lost, and nothing
 * else. For verbs that have files to put in order at their end. */
void cli_outlive_readers(void);

/* ---- a broker's configuration, by options of any of its keys ---- */

struct broker_config;
/* As cli_usage.other. */
bool cli_broker_take_key(const char *name, const char *value, struct errmsg *msg);
/* A file, the keys that were taken over it, and over them data (log.dirs) and listen (listeners);
 * each may be NULL. ERR_INVALID, and as cli_read_input; msg names the key. */
enum err cli_broker_configure(struct broker_config *config, const char *path, const char *data,
                              const char *listen, struct errmsg *msg) MUST_USE;

/* ---- lines ---- */

/* before and text, on lines of at most cli_columns(out), broken between words; a longer word has a
 * line of its own. All but the first begin with indent blanks. A newline in text stays one. */
void cli_wrap(FILE *out, const char *before, int indent, const char *text);
/* A row of a list: left, and text from that column on. */
void cli_row(FILE *out, const char *left, int indent, const char *text);
#define CLI_SENTENCE_MAX 4096
void cli_wrapf(FILE *out, int indent, const char *format, ...) PRINTF_LIKE(3, 4);
/* The same of a command: where it is broken a shell goes on reading. */
void cli_print_command(FILE *out, const char *before, const char *command);
/* A word as a shell takes it; gives quoted, which it fills. */
#define CLI_QUOTED_MAX 2048
const char *cli_quote(const char *word, char quoted[CLI_QUOTED_MAX]);
/* What this program is called in a command: as it was typed, where that was a path; else "kiln",
 * which the shell found and will find again. cli_called is told argv[0]. */
void cli_called(const char *name);
const char *cli_program(void);

/* ---- JSON ---- */

/* One object on a line of its own. */
struct cli_json {
    struct mem mem;
    struct text text;
    struct json json;
};

struct json *cli_json_begin(struct cli_json *line);
/* Ends the object, prints it with a newline and lets go of it. */
void cli_json_end(struct cli_json *line, FILE *out);

/* ---- files and identity ---- */

/* A file that somebody names: at most bytes_max, and each piece of it within CLI_INPUT_WAIT_MS,
 * with a zero behind it. The message names it. ERR_NOTFOUND, ERR_ACCESS, ERR_INVALID (a directory),
 * ERR_LIMIT, ERR_IO, ERR_NOMEM. */
#define CLI_INPUT_WAIT_MS 5000
#define CLI_INPUT_BYTES_MAX                                                                        \
    (256u << 20) /* of what the tools read: 15 million events of a trace                           \
                  */
enum err cli_read_input(const char *path, size_t bytes_max, struct bytes *out,
                        struct errmsg *msg) MUST_USE;
enum err cli_write_file(const char *path, struct bytes data) MUST_USE;
void cli_free(struct bytes data);
/* A new directory or empty file "kiln-NAME-..." in $TMPDIR, or /tmp; the caller removes it.
 * ERR_NOTFOUND, ERR_ACCESS, ERR_NOSPACE, ERR_READONLY, ERR_IO. */
enum err cli_temporary_dir(char path[CLI_PATH_MAX], const char *name) MUST_USE;
enum err cli_temporary_file(char path[CLI_PATH_MAX], const char *name) MUST_USE;
/* A directory and all below it, as far as they can be removed. Follows no links. */
void cli_remove_tree(const char *path);
/* This verb, as it was given, by the program that has the known bugs. -1: that is this one; else it
 * could not be started, which was told. */
int cli_with_bugs(int argc, char **argv);
/* Is there a known bug of that name in this program? False: told on stderr. */
bool cli_knows_bug(const char *name);
/* 16 hex digits that the linker makes of all that it puts into this program; stripped, it has them
 * still. */
const char *cli_build_id(void);

#endif
