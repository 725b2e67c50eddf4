/* replay.c - the main of a fuzz target without libFuzzer: runs each file named, and each file of
 * each directory named, in the order of their names. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "fuzz.h"

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return -1;
    }
    fseek(file, 0, SEEK_END);
    long end = ftell(file);
    rewind(file);
    uint8_t *data = malloc(end > 0 ? (size_t)end : 1);
    size_t size = fread(data, 1, end > 0 ? (size_t)end : 0, file);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

/* The number of files, or -1. */
static int replay_dir(const char *path)
{
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);
    int total = 0;
    for (int i = 0; i < count; i++) {
        char full[4096];
        snprintf(full, sizeof full, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            total += replay_file(full) == 1;
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    return count < 0 ? -1 : total;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        bool dir = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        int count = dir ? replay_dir(argv[i]) : replay_file(argv[i]);
        if (count < 0)
            return 2;
        total += count;
    }
    printf("%d inputs\n", total);
    return total > 0 ? 0 : 2; /* a corpus that is not there is no pass */
}
