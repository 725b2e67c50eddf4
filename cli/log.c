/* log.c - kiln log: shows and checks files of a log directory, offline and read-only. */
#include <stdio.h>
#include <stdlib.h>
#include "cli/cli.h"
#include "log/log.h"

static void write_out(struct log_inspect *in, struct bytes piece)
{
    (void)in;
    fwrite(piece.data, 1, piece.size, stdout);
}

static int dump_file(struct log_inspect *in, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct log_inspect_file file = {.name = slash == NULL ? path : slash + 1};
    enum err e = cli_read_file(path, &file.bytes);
    if (e == ERR_NONE) {
        e = log_inspect_dump(in, path, &file);
        cli_free(file.bytes);
    }
    if (e != ERR_NONE)
        return cli_complain("cannot read %s: %s", path, err_text(e)), EXIT_FAILURE;
    return CLI_OK;
}

int cli_log(int argc, char **argv)
{
    struct mem mem;
    struct cli_words words;
    struct log_inspect in = {.mem = &mem, .write = write_out};
    const struct cli_option options[] = {
        {"--json", CLI_FLAG, &in.json, 0, 0, NULL, "one object a line"},
    };
    const struct cli_usage usage = {"kiln log dump FILE...",
                                    "Shows files of a log directory without a broker. Nothing is "
                                    "ever written.",
                                    options, COUNT_OF(options), NULL};
    mem_system(&mem);
    int exit = cli_parse(&usage, argc, argv, &words);
    if (exit >= 0)
        return exit;
    if (words.count < 2 || strcmp(words.word[0], "dump") != 0)
        return cli_complain("usage: %s", usage.synopsis);
    exit = CLI_OK;
    for (int i = 1; i < words.count; i++) {
        int one = dump_file(&in, words.word[i]);
        exit = one == CLI_OK ? exit : one;
    }
    return exit;
}
