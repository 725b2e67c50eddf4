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
    unsigned xxhash = XXH_versionNumber();
    printf(json ? "{\"kiln\":\"%s\",\"build\":\"%s\",\"compiler\":\"%s\",\"lua\":\"%s (%s)\","
                  "\"zstd\":\"%s\",\"xxhash\":\"%u.%u.%u\"}\n"
                : "kiln %s\nbuild %s\ncompiler %s\nlua %s (%s)\nzstd %s\nxxhash %u.%u.%u\n",
           KILN_VERSION, cli_build_id(), __VERSION__, LUA_VERSION_MAJOR "." LUA_VERSION_MINOR,
           LUA_VERSION_RELEASE, ZSTD_versionString(), xxhash / 10000, xxhash / 100 % 100,
           xxhash % 100);
    return CLI_OK;
}
