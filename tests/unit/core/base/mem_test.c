/* mem_test.c - heaps count what lives, arenas keep their limit and give everything back. */
#include "support/test.h"

TEST(mem_counts_live_pieces)
{
    struct mem mem;
    mem_system(&mem);
    void *a = mem_alloc(&mem, 10);
    char *b = mem_text(&mem, "hello, world", 5);
    assert_string_equal(b, "hello");
    assert_int_equal(mem.live_count, 2);
    a = mem_realloc(&mem, a, 20000);
    assert_int_equal(mem.live_count, 2);
    void *c = mem_realloc(&mem, NULL, 1);
    assert_int_equal(mem.live_count, 3);
    mem_free(&mem, NULL);
    mem_free(&mem, a);
    mem_free(&mem, b);
    mem_free(&mem, c);
    assert_int_equal(mem.live_count, 0);
}

TEST(mem_array_is_zeroed_and_refuses_an_overflow)
{
    struct mem mem;
    mem_system(&mem);
    static const uint8_t zeros[64];
    uint8_t *array = mem_array(&mem, 8, 8);
    assert_memory_equal(array, zeros, 64);
    mem_free(&mem, array);
    assert_null(mem_array(&mem, SIZE_MAX / 2, 3));
    void *empty = mem_array(&mem, 0, 8);
    assert_non_null(empty);
    mem_free(&mem, empty);
    assert_int_equal(mem.live_count, 0);
}

TEST(mem_that_refuses_counts_nothing)
{
    struct test_mem mem;
    test_mem_init(&mem);
    void *p = mem_alloc(&mem.mem, 8);
    mem.fail_at = 1;
    assert_null(mem_alloc(&mem.mem, 8));
    mem.fail_at = 1;
    assert_null(mem_realloc(&mem.mem, p, 16));
    assert_int_equal(mem.mem.live_count, 1);
    mem_free(&mem.mem, p);
    test_mem_done(&mem);
}

TEST(arena_gives_zeroed_aligned_pieces_that_do_not_overlap)
{
    struct test_mem mem;
    test_mem_init(&mem);
    struct arena arena;
    arena_init(&arena, &mem.mem, SIZE_MAX);
    struct rng rng = {.state = 61};
    static const uint8_t zeros[6000];
    uint8_t *pieces[300];
    size_t sizes[300];
    for (int i = 0; i < 300; i++) {
        sizes[i] = random_below(rng_next(&rng), i % 10 == 0 ? sizeof zeros : 200);
        pieces[i] = arena_alloc(&arena, sizes[i]);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        assert_memory_equal(pieces[i], zeros, sizes[i]);
        memset(pieces[i], i & 0xff, sizes[i]);
    }
    for (int i = 0; i < 300; i++) {
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(pieces[i][j], i & 0xff);
    }
    arena_free(&arena);
    test_mem_done(&mem);
}

TEST(arena_refuses_what_exceeds_its_limit)
{
    struct test_mem mem;
    test_mem_init(&mem);
    struct arena arena;
    arena_init(&arena, &mem.mem, 1000);
    assert_non_null(arena_alloc(&arena, 999));
    assert_null(arena_alloc(&arena, 2));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_non_null(arena_alloc(&arena, 1));
    assert_null(arena_alloc(&arena, 1));
    assert_non_null(arena_alloc(&arena, 0));
    assert_int_equal(arena.total, 1000);
    arena_reset(&arena);
    assert_non_null(arena_alloc(&arena, 1000));
    arena_free(&arena);
    test_mem_done(&mem);
}

/* A reset keeps one block, so that a loop of requests does not go to the heap each time. */
TEST(arena_after_reset_reuses_its_block)
{
    struct test_mem mem;
    test_mem_init(&mem);
    struct arena arena;
    arena_init(&arena, &mem.mem, SIZE_MAX);
    for (int i = 0; i < 10; i++)
        assert_non_null(arena_alloc(&arena, 3000));
    assert_true(mem.mem.live_count > 1);
    arena_reset(&arena);
    assert_int_equal(mem.mem.live_count, 1);
    mem.fail_at = 1;
    uint8_t *p = arena_alloc(&arena, 3000);
    assert_non_null(p);
    assert_int_equal(p[0], 0);
    arena_free(&arena);
    test_mem_done(&mem);
}

TEST(arena_without_memory_gives_null_and_leaks_nothing)
{
    uint64_t n = 1;
    for (bool failed = true; failed; n++) {
        struct test_mem mem;
        test_mem_init(&mem);
        mem.fail_at = n;
        struct arena arena;
        arena_init(&arena, &mem.mem, SIZE_MAX);
        int null_count = 0;
        for (int i = 0; i < 10; i++)
            null_count += arena_alloc(&arena, 2000) == NULL;
        failed = mem.failed > 0;
        assert_int_equal(null_count, failed);
        arena_free(&arena);
        test_mem_done(&mem);
    }
    assert_true(n > 3);
}

TEST(arena_free_is_harmless_twice)
{
    struct test_mem mem;
    test_mem_init(&mem);
    struct arena arena;
    arena_init(&arena, &mem.mem, 10);
    arena_free(&arena);
    assert_non_null(arena_alloc(&arena, 10));
    arena_free(&arena);
    arena_free(&arena);
    test_mem_done(&mem);
}
