/* test_main.c - runs the registered cases: all, or the one named; --list prints their names. */
#include <stdio.h>
#include <signal.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "support/test.h"

static struct test_case *first, **last = &first;

void test_register(struct test_case *test)
{
    *last = test;
    last = &test->next;
}

_Noreturn void panic(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    abort();
}

bool test_dies(void (*broken)(void *arg), void *arg)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO);
        broken(arg);
        _exit(0);
    }
    return waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGABRT;
}

static int run_one(const struct test_case *test)
{
    const struct CMUnitTest one[] = {{.name = test->name, .test_func = test->run}};
    /* The count of failures is no exit code: 256 of them would be 0. */
    return _cmocka_run_group_tests(test->name, one, 1, NULL, NULL) != 0;
}

int main(int argc, char **argv)
{
    int failed_count = 0;
    int run_count = 0;
    bool list = argc > 1 && strcmp(argv[1], "--list") == 0;
    for (const struct test_case *test = first; test != NULL; test = test->next) {
        if (list) {
            puts(test->name);
        } else if (argc < 2 || strcmp(argv[1], test->name) == 0) {
            failed_count += run_one(test);
            run_count++;
        }
    }
    if (!list && run_count == 0) {
        fprintf(stderr, "no such case: %s\n", argc > 1 ? argv[1] : "(none registered)");
        return 2;
    }
    return failed_count != 0;
}

uint8_t *test_read_file(const char *path, size_t *size)
{
    char full[1024];
    snprintf(full, sizeof full, "%s/tests/%s", KILN_SOURCE_DIR, path);
    FILE *file = fopen(full, "rb");
    if (file == NULL)
        fail_msg("cannot open %s", full);
    fseek(file, 0, SEEK_END);
    long end = ftell(file);
    rewind(file);
    uint8_t *data = malloc((size_t)end + 1);
    *size = fread(data, 1, (size_t)end, file);
    data[*size] = 0;
    fclose(file);
    return data;
}

static bool refuse(struct test_mem *t)
{
    if (t->fail_at == 0 || --t->fail_at > 0)
        return false;
    t->failed++;
    return true;
}

static void *count(struct test_mem *t, void *p)
{
    t->bytes += malloc_usable_size(p);
    t->bytes_peak = MAX(t->bytes_peak, t->bytes);
    return p;
}

static void *count_alloc(struct mem *mem, size_t size)
{
    struct test_mem *t = CONTAINER_OF(mem, struct test_mem, mem);
    return refuse(t) ? NULL : count(t, malloc(size));
}

static void *count_realloc(struct mem *mem, void *p, size_t size)
{
    struct test_mem *t = CONTAINER_OF(mem, struct test_mem, mem);
    if (refuse(t))
        return NULL;
    t->bytes -= malloc_usable_size(p);
    return count(t, realloc(p, size));
}

static void count_free(struct mem *mem, void *p)
{
    CONTAINER_OF(mem, struct test_mem, mem)->bytes -= malloc_usable_size(p);
    free(p);
}

void test_mem_init(struct test_mem *t)
{
    static const struct mem_impl impl = {
        .alloc = count_alloc, .realloc = count_realloc, .free = count_free};
    *t = (struct test_mem){.mem = {.impl = &impl}};
}

void test_mem_done(struct test_mem *t)
{
    assert_int_equal(t->mem.live_count, 0);
    assert_int_equal(t->bytes, 0);
}
