/* version.c - kiln version: what this program is made of. */
#include <lua.h>
#include <stdio.h>
#include <zstd.h>
#include "cli/cli.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

int cli_version(int argc, char **argv)
{
    bool json = false;
    const struct cli_option options[] = {{"--json", CLI_FLAG, &json, 0, 0, NULL, "as an object"}};
    const struct cli_usage usage = {"kiln version [--json]", "Prints versions.", options,
                                    COUNT_OF(options), NULL};
    struct cli_words words;
    int exit = cli_parse(&usage, argc, argv, &words);
    if (exit >= 0)
        return exit;
    unsigned number = XXH_versionNumber();
    char xxhash[32];
    snprintf(xxhash, sizeof xxhash, "%u.%u.%u", number / 10000, number / 100 % 100, number % 100);
    const struct {
        const char *name, *value;
    } versions[] = {
        {"kiln", KILN_VERSION},
        {"build", cli_build_id()},
        {"compiler", __VERSION__},
        {"lua", LUA_VERSION_MAJOR "." LUA_VERSION_MINOR "." LUA_VERSION_RELEASE},
        {"zstd", ZSTD_versionString()},
        {"xxhash", xxhash},
    };
    struct cli_json line;
    struct json *j = json ? cli_json_begin(&line) : NULL;
    for (int i = 0; i < COUNT_OF(versions); i++) {
        if (json)
            json_put_string(j, versions[i].name, versions[i].value);
        else
            printf("%s %s\n", versions[i].name, versions[i].value);
    }
    if (json)
        cli_json_end(&line, stdout);
    return CLI_OK;
}
