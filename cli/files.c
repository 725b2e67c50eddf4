/* files.c - whole files, and who this program is. */
#include <elf.h>
#include <errno.h>
#include <ftw.h>
#include <link.h>
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

/* ---- the program itself ---- */

#define ID_BYTES 8

static bool is_build_id(const ElfW(Nhdr) * note)
{
    return note->n_type == NT_GNU_BUILD_ID && note->n_namesz == sizeof "GNU" &&
           memcmp(note + 1, "GNU", sizeof "GNU") == 0 && note->n_descsz >= ID_BYTES;
}

static bool take_id(const uint8_t *at, const uint8_t *end, char *id)
{
    while ((size_t)(end - at) >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = (const void *)at;
        const uint8_t *bytes = at + sizeof *note + (note->n_namesz + 3) / 4 * 4;
        if (is_build_id(note)) {
            for (int i = 0; i < ID_BYTES; i++)
                snprintf(id + (ptrdiff_t)i * 2, 3, "%02x", bytes[i]);
            return true;
        }
        at = bytes + (note->n_descsz + 3) / 4 * 4;
    }
    return false;
}

/* Of the first object, which is the program; the others are libraries. */
static int on_object(struct dl_phdr_info *info, size_t size, void *id)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const uint8_t *notes = (const uint8_t *)(info->dlpi_addr + segment->p_vaddr);
        if (segment->p_type == PT_NOTE && segment->p_align <= 4 &&
            take_id(notes, notes + segment->p_memsz, id))
            break;
    }
    return 1;
}

const char *cli_build_id(void)
{
    static char id[ID_BYTES * 2 + 1];
    if (id[0] == 0)
        dl_iterate_phdr(on_object, id);
    return id[0] != 0 ? id : "unknown";
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
