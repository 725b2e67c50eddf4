/* log.c - kiln log: shows and checks the files of a log directory, offline and read-only. Finds the
 * files and maps them; what they mean is broker/inspect's to say. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/cli.h"
#include "inspect/inspect.h"

#define STEM_DIGITS 20 /* of a segment's base offset: its files share it */
#define OUT_BUFFER (256 << 10)

/* A directory's files; names and paths are malloc'ed. */
struct folder {
    struct inspect_dir dir;
    char *path, *name;
    int32_t cap;
    char **folders; /* names of directories in it */
    int32_t folder_count, folder_cap;
};

struct verb {
    struct inspect in;
    struct mem mem;
    bool check;
    int exit;
    int32_t partition_count;
};

/* ---- memory ---- */

static void *must(void *p)
{
    if (p != NULL)
        return p;
    cli_complain("out of memory");
    exit(CLI_INCONCLUSIVE);
}

static char *join(const char *folder, const char *name)
{
    bool slash = folder[0] != 0 && folder[strlen(folder) - 1] != '/';
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = must(malloc(size));
    snprintf(path, size, "%s%s%s", folder, slash ? "/" : "", name);
    return path;
}

/* The last part of what path really is: "." may be a partition's directory. */
static char *last_part(const char *path)
{
    char *real = realpath(path, NULL);
    const char *whole = real != NULL ? real : path;
    const char *slash = strrchr(whole, '/');
    char *part = must(strdup(slash == NULL ? whole : slash + 1));
    free(real);
    return part;
}

/* ---- mapping ---- */

static void write_out(struct inspect *in, struct bytes piece)
{
    (void)in;
    fwrite(piece.data, 1, piece.size, stdout);
}

static enum err from_errno(void)
{
    return errno == ENOENT ? ERR_NOTFOUND : errno == EACCES ? ERR_ACCESS : ERR_IO;
}

static enum err map_fd(int fd, struct inspect_file *file)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return from_errno();
    if (!S_ISREG(st.st_mode))
        return ERR_INVALID;
    file->bytes = bytes_of("", (size_t)st.st_size);
    if (st.st_size == 0)
        return ERR_NONE;
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return from_errno();
    file->bytes.data = data;
    return ERR_NONE;
}

static enum err map_file(struct inspect *in, const struct inspect_dir *dir,
                         struct inspect_file *file)
{
    (void)in;
    char *path = join(dir->path, file->name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum err e = fd < 0 ? from_errno() : map_fd(fd, file);
    free(path);
    if (fd >= 0)
        close(fd);
    return e;
}

static void unmap_file(struct inspect *in, struct inspect_file *file)
{
    (void)in;
    if (file->bytes.size > 0)
        munmap((void *)(uintptr_t)file->bytes.data, file->bytes.size);
    file->bytes.data = NULL;
}

/* A mapped file that shrinks, or a disk that cannot give what it holds. */
static void on_bus_error(int signal)
{
    static const char text[] = "kiln: a file shrank while it was read, or the disk cannot read it: "
                               "stop the broker, look into the system's log, and try again\n";
    (void)signal;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(CLI_BROKEN);
}

/* ---- directories ---- */

static void add_file(struct folder *f, const char *name, int64_t size)
{
    if (f->dir.file_count == f->cap) {
        f->cap = f->cap == 0 ? 64 : f->cap * 2;
        f->dir.files = must(realloc(f->dir.files, (size_t)f->cap * sizeof *f->dir.files));
    }
    f->dir.files[f->dir.file_count++] =
        (struct inspect_file){.name = must(strdup(name)), .bytes = bytes_of(NULL, (size_t)size)};
}

static void add_folder(struct folder *f, const char *name)
{
    if (f->folder_count == f->folder_cap) {
        f->folder_cap = f->folder_cap == 0 ? 64 : f->folder_cap * 2;
        f->folders = must(realloc(f->folders, (size_t)f->folder_cap * sizeof *f->folders));
    }
    f->folders[f->folder_count++] = must(strdup(name));
}

/* A directory that is no partition's is told of by its name, as a file is. */
static void add_entry(struct folder *f, const char *name)
{
    struct stat st;
    char *path = join(f->path, name);
    if (stat(path, &st) != 0)
        add_file(f, name, 0); /* reading it will say why */
    else if (S_ISDIR(st.st_mode) && inspect_is_partition(name))
        add_folder(f, name);
    else
        add_file(f, name, S_ISREG(st.st_mode) ? st.st_size : 0);
    free(path);
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct inspect_file *)a)->name, ((const struct inspect_file *)b)->name);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(void *items, int32_t count, size_t size, sort_compare *compare)
{
    struct mem mem;
    mem_system(&mem);
    if (sort_stable(&mem, items, (size_t)count, size, compare) != ERR_NONE)
        must(NULL);
}

static void open_empty(struct folder *f, const char *path)
{
    *f = (struct folder){.path = must(strdup(path)), .name = last_part(path)};
    f->dir = (struct inspect_dir){.path = f->path, .name = f->name};
}

/* False: told on stderr. */
static bool open_folder(struct folder *f, const char *path)
{
    const struct dirent *entry;
    open_empty(f, path);
    DIR *stream = opendir(path);
    if (stream == NULL) {
        cli_complain("cannot read %s: %s", path, strerror(errno));
        return false;
    }
    while ((entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            add_entry(f, entry->d_name);
    }
    closedir(stream);
    sort(f->dir.files, f->dir.file_count, sizeof *f->dir.files, compare_files);
    sort(f->folders, f->folder_count, sizeof *f->folders, compare_names);
    return true;
}

static void close_folder(struct folder *f)
{
    for (int32_t i = 0; i < f->dir.file_count; i++)
        free((void *)(uintptr_t)f->dir.files[i].name);
    for (int32_t i = 0; i < f->folder_count; i++)
        free(f->folders[i]);
    free(f->dir.files);
    free(f->folders);
    free(f->path);
    free(f->name);
}

/* A broker that runs may change what is read; its lock says so. */
static void warn_if_locked(const char *path)
{
    char *lock = join(path, ".lock");
    int fd = open(lock, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        fprintf(stderr,
                "kiln: a broker is using %s: what it is writing may look torn, and what it removes "
                "missing\n",
                path);
    if (fd >= 0)
        close(fd);
    free(lock);
}

/* ---- what is asked for ---- */

static void fail(struct verb *v, enum err e)
{
    if (e == ERR_NONE)
        return;
    cli_complain("%s", err_text(e));
    v->exit = CLI_INCONCLUSIVE;
}

static void dump_files(struct verb *v, struct folder *f)
{
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < f->dir.file_count && e == ERR_NONE; i++)
        e = inspect_dump(&v->in, &f->dir, &f->dir.files[i]);
    fail(v, e);
}

static void check_partition(struct verb *v, struct inspect_root *root, const char *path)
{
    struct folder f;
    if (open_folder(&f, path)) {
        v->partition_count++;
        fail(v, inspect_check(&v->in, root, &f.dir, false));
    } else {
        v->exit = CLI_USAGE;
    }
    close_folder(&f);
}

static void dump_root(struct verb *v, struct folder *f)
{
    dump_files(v, f);
    for (int32_t i = 0; i < f->folder_count && v->exit == CLI_OK; i++) {
        struct folder inner;
        char *path = join(f->path, f->folders[i]);
        if (open_folder(&inner, path))
            dump_files(v, &inner);
        else
            v->exit = CLI_USAGE;
        close_folder(&inner);
        free(path);
    }
}

static void check_root(struct verb *v, struct folder *f)
{
    struct inspect_root *root;
    enum err e = inspect_root_new(&v->in, &f->dir, true, &root);
    /* The metadata log first: it says what the others are. */
    for (int turn = 0; turn < 2; turn++) {
        for (int32_t i = 0; e == ERR_NONE && i < f->folder_count; i++) {
            bool metadata = strcmp(f->folders[i], "__cluster_metadata-0") == 0;
            char *path = join(f->path, f->folders[i]);
            if (metadata == (turn == 0))
                check_partition(v, root, path);
            free(path);
        }
    }
    if (e == ERR_NONE)
        e = inspect_root_end(&v->in, root, (const char *const *)f->folders, f->folder_count);
    fail(v, e);
    inspect_root_free(&v->in, root);
}

/* The directory around a partition's tells what was durable. */
static void check_alone(struct verb *v, struct folder *f)
{
    struct folder around;
    struct inspect_root *root = NULL;
    enum err e = ERR_NONE;
    char *real = realpath(f->path, NULL);
    char *parent = join(real != NULL ? real : f->path, "..");
    bool found = open_folder(&around, parent);
    if (found)
        e = inspect_root_new(&v->in, &around.dir, false, &root);
    fail(v, e);
    if (e == ERR_NONE) {
        v->partition_count++;
        fail(v, inspect_check(&v->in, root, &f->dir, false));
    }
    inspect_root_free(&v->in, root);
    close_folder(&around);
    free(parent);
    free(real);
}

static bool is_root(const struct folder *f)
{
    for (int32_t i = 0; i < f->dir.file_count; i++) {
        if (strcmp(f->dir.files[i].name, "meta.properties") == 0)
            return true;
    }
    return f->folder_count > 0;
}

/* Whose files are none of ours would all be told to be moved away. */
static bool is_ours(const struct folder *f)
{
    bool ours = f->folder_count > 0 || inspect_is_partition(f->name);
    for (int32_t i = 0; i < f->dir.file_count && !ours; i++)
        ours = inspect_knows(f->dir.files[i].name);
    return ours;
}

static void take_folder(struct verb *v, const char *path)
{
    struct folder f;
    warn_if_locked(path);
    if (!open_folder(&f, path))
        v->exit = CLI_USAGE;
    else if (!is_ours(&f))
        v->exit = cli_complain("%s is no log directory, and no partition's: it has no "
                               "meta.properties, no directory like orders-0 and no segment",
                               path);
    else if (!v->check)
        dump_root(v, &f);
    else if (is_root(&f))
        check_root(v, &f);
    else
        check_alone(v, &f);
    close_folder(&f);
}

/* Files that say something of each other: a segment's, or a file and its checksum. */
static bool belongs(const char *name, const char *other)
{
    size_t stem = strspn(name, "0123456789");
    if (stem == STEM_DIGITS)
        return strncmp(name, other, stem) == 0 && strstr(other, ".log.cut-") == NULL;
    size_t size = strlen(name);
    return strncmp(name, other, size) == 0 &&
           (other[size] == 0 || strcmp(other + size, ".crc") == 0);
}

static void keep_related(struct folder *f, const char *name)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < f->dir.file_count; i++) {
        if (strcmp(name, f->dir.files[i].name) == 0 || belongs(name, f->dir.files[i].name))
            f->dir.files[kept++] = f->dir.files[i];
        else
            free((void *)(uintptr_t)f->dir.files[i].name);
    }
    f->dir.file_count = kept;
}

static void take_file(struct verb *v, const char *path, int64_t size)
{
    struct folder f;
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    if (!inspect_knows(name)) {
        v->exit = cli_complain("%s: neither kiln nor Kafka names a file so; a segment is called "
                               "00000000000000000000.log after its first offset",
                               path);
        return;
    }
    char *parent = slash == NULL ? must(strdup(".")) : must(strndup(path, (size_t)(slash - path)));
    if (!v->check) {
        open_empty(&f, slash == path ? "/" : parent);
        add_file(&f, name, size);
        dump_files(v, &f);
    } else if (open_folder(&f, slash == path ? "/" : parent)) {
        keep_related(&f, name);
        fail(v, inspect_check(&v->in, NULL, &f.dir, true));
    } else {
        v->exit = CLI_USAGE;
    }
    close_folder(&f);
    free(parent);
}

static void take_path(struct verb *v, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        v->exit = cli_complain("cannot find %s: %s", path, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        take_folder(v, path);
    else if (S_ISREG(st.st_mode))
        take_file(v, path, st.st_size);
    else
        v->exit = cli_complain("%s is neither a file nor a directory", path);
}

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

static int finish(struct verb *v)
{
    const struct inspect *in = &v->in;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        cli_complain("cannot write to stdout: %s", strerror(errno));
        return v->exit == CLI_USAGE ? CLI_USAGE : CLI_INCONCLUSIVE;
    }
    if (v->check && v->exit == CLI_OK)
        fprintf(stderr, "kiln: %lld file%s of %d partition%s: %lld damaged place%s, %lld note%s\n",
                (long long)in->file_count, plural(in->file_count), (int)v->partition_count,
                plural(v->partition_count), (long long)in->damage_count, plural(in->damage_count),
                (long long)in->note_count, plural(in->note_count));
    if (v->exit != CLI_OK)
        return v->exit;
    if (in->damage_count > 0)
        return CLI_BROKEN;
    return in->skipped_count > 0 ? CLI_INCONCLUSIVE : CLI_OK;
}

static int run(struct verb *v, const struct cli_words *words)
{
    struct sigaction action = {.sa_handler = on_bus_error};
    sigaction(SIGBUS, &action, NULL);
    setvbuf(stdout, NULL, _IOFBF, OUT_BUFFER);
    for (int i = 1; i < words->count && v->exit == CLI_OK; i++)
        take_path(v, words->word[i]);
    return finish(v);
}

static int refuse(const struct cli_words *words, const char *synopsis)
{
    static const char *const names[] = {"dump", "check"};
    const char *word = words->count > 0 ? words->word[0] : "";
    const char *nearest = cli_nearest(word, names, COUNT_OF(names));
    for (int i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(word, names[i]) == 0)
            return cli_complain("%s which file or directory? usage: %s", word, synopsis);
    }
    if (nearest != NULL)
        return cli_complain("there is no kiln log %s; did you mean %s?", word, nearest);
    return cli_complain("usage: %s", synopsis);
}

int cli_log(int argc, char **argv)
{
    struct verb v = {.exit = CLI_OK};
    struct cli_words words;
    mem_system(&v.mem);
    inspect_init(&v.in, &v.mem);
    v.in.write = write_out;
    v.in.map = map_file;
    v.in.unmap = unmap_file;
    const struct cli_option options[] = {
        {"--json", CLI_FLAG, &v.in.json, 0, 0, NULL, "one object a line"},
        {"--records", CLI_FLAG, &v.in.records, 0, 0, NULL,
         "dump: the records of batches, too, compressed or not"},
    };
    const struct cli_usage usage = {
        "kiln log dump|check FILE|DIR...",
        "Shows what files of a log directory hold, or checks them against each other, without "
        "a broker. DIR is a partition's directory or a whole log directory. Nothing is ever "
        "written.\n"
        "Exit codes: 0 clean, 1 damage was found, 2 not all could be looked at (messages of an "
        "older format, too), 64 usage.",
        options, COUNT_OF(options), NULL};
    int exit = cli_parse(&usage, argc, argv, &words);
    if (exit < 0) {
        v.check = words.count > 0 && strcmp(words.word[0], "check") == 0;
        bool dump = words.count > 0 && strcmp(words.word[0], "dump") == 0;
        exit = words.count < 2 || (!v.check && !dump) ? refuse(&words, usage.synopsis)
                                                      : run(&v, &words);
    }
    inspect_free(&v.in);
    return exit;
}
