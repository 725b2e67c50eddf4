/* scripts.c - finds scenario files and asks each what it claims. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "cli/campaign.h"

static bool add_file(struct campaign_scripts *scripts, const char *path)
{
    struct mem mem;
    struct errmsg msg = {{0}};
    mem_system(&mem);
    if (scripts->count == CAMPAIGN_CLAIMS_MAX || strlen(path) >= CAMPAIGN_PATH_MAX) {
        cli_complain("%s: more than %d scenarios, or too long a name", path, CAMPAIGN_CLAIMS_MAX);
        return false;
    }
    struct campaign_script *script = &scripts->at[scripts->count];
    if (cli_read_input(path, CLI_INPUT_BYTES_MAX, &script->source, &msg) != ERR_NONE) {
        /* Told, and passed over: the others are as good as ever. */
        cli_complain("%s", msg.text);
        scripts->wrong_count++;
        return true;
    }
    snprintf(script->path, sizeof script->path, "%s", path);
    if (script_claim(&mem, path, script->source, script->claim, &msg) == ERR_NONE) {
        scripts->count++;
        return true;
    }
    cli_complain("%s", msg.text);
    cli_free(script->source);
    scripts->wrong_count++;
    return true;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool add_path(struct campaign_scripts *scripts, const char *path, bool named);

static bool add_directory(struct campaign_scripts *scripts, const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, by_name);
    bool good = count >= 0;
    if (!good) { /* told, and passed over, as a file is */
        cli_complain("cannot read the directory %s: %s", path, strerror(errno));
        scripts->wrong_count++;
        return true;
    }
    for (int i = 0; i < count; i++) {
        char inner[CAMPAIGN_PATH_MAX];
        size_t size = strlen(path);
        const char *slash = size > 0 && path[size - 1] == '/' ? "" : "/";
        int n = snprintf(inner, sizeof inner, "%s%s%s", path, slash, entries[i]->d_name);
        if (good && entries[i]->d_name[0] != '.' && n < (int)sizeof inner)
            good = add_path(scripts, inner, false);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return good;
}

/* A file that was found, not named, counts only as *.lua. */
static bool add_path(struct campaign_scripts *scripts, const char *path, bool named)
{
    struct stat st;
    if (stat(path, &st) != 0 && named) {
        if (errno == ENOENT)
            cli_complain("there is no scenario or directory %s", path);
        else
            cli_complain("cannot look at %s: %s", path, strerror(errno));
        return false;
    }
    if (stat(path, &st) != 0)
        return true; /* a link to nowhere, or gone meanwhile */
    if (S_ISDIR(st.st_mode))
        return add_directory(scripts, path);
    if (!named && !text_ends_with(path, ".lua"))
        return true;
    return add_file(scripts, path);
}

bool campaign_load(struct campaign_scripts *scripts, const char *const *paths, int count)
{
    scripts->at = calloc(CAMPAIGN_CLAIMS_MAX, sizeof *scripts->at);
    scripts->count = scripts->wrong_count = 0;
    bool good = scripts->at != NULL;
    for (int i = 0; good && i < count; i++) {
        int before = scripts->count + scripts->wrong_count;
        good = add_path(scripts, paths[i], true);
        if (good && scripts->count + scripts->wrong_count == before)
            cli_complain("there is no scenario in %s, nor below it: no file ends in .lua",
                         paths[i]);
    }
    if (scripts->count == 0 && scripts->wrong_count > 0)
        good = false;
    if (!good)
        campaign_unload(scripts);
    return good;
}

void campaign_unload(struct campaign_scripts *scripts)
{
    for (int i = 0; i < scripts->count; i++)
        cli_free(scripts->at[i].source);
    free(scripts->at);
    *scripts = (struct campaign_scripts){0};
}
