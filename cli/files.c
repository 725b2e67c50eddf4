/* files.c - whole files, and who this program is. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/cli.h"

static enum err from_errno(void)
{
    switch (errno) {
    case ENOENT:
        return ERR_NOTFOUND;
    case EACCES:
    case EPERM:
        return ERR_ACCESS;
    case ENOSPC:
        return ERR_NOSPACE;
    case EROFS:
        return ERR_READONLY;
    default:
        return ERR_IO;
    }
}

enum err cli_write_file(const char *path, struct bytes data)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return from_errno();
    bool good = fwrite(data.data, 1, data.size, file) == data.size;
    good &= fclose(file) == 0;
    return good ? ERR_NONE : from_errno();
}

void cli_free(struct bytes data)
{
    free((void *)(uintptr_t)data.data);
}

const char *cli_build_id(void)
{
    static char id[17];
    struct bytes self;
    struct errmsg msg;
    if (id[0] != 0)
        return id;
    if (cli_read_input("/proc/self/exe", CLI_INPUT_BYTES_MAX, &self, &msg) != ERR_NONE)
        return "unknown";
    snprintf(id, sizeof id, "%016llx", (unsigned long long)hash_bytes(self.data, self.size, 0));
    cli_free(self);
    return id;
}

/* ---- what is there only for a while ---- */

#define TREE_HANDLES_MAX 16 /* that the walk below a directory holds open */

static void temporary_path(char path[CLI_PATH_MAX], const char *name)
{
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] == 0 || strlen(folder) + strlen(name) + 16 > CLI_PATH_MAX)
        folder = "/tmp";
    snprintf(path, CLI_PATH_MAX, "%s/kiln-%s-XXXXXX", folder, name);
}

enum err cli_temporary_dir(char path[CLI_PATH_MAX], const char *name)
{
    temporary_path(path, name);
    return mkdtemp(path) != NULL ? ERR_NONE : from_errno();
}

enum err cli_temporary_file(char path[CLI_PATH_MAX], const char *name)
{
    temporary_path(path, name);
    int fd = mkstemp(path);
    if (fd < 0)
        return from_errno();
    close(fd);
    return ERR_NONE;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void cli_remove_tree(const char *path)
{
    nftw(path, remove_entry, TREE_HANDLES_MAX, FTW_DEPTH | FTW_PHYS);
}
