/* log_test.c - a partition in a world that does no harm: what goes in comes out, over clean and
 * unclean ends. */
#include <stdlib.h>
#include "rig.h"

TEST(a_fresh_log_takes_records_and_gives_them_back)
{
    struct rig *rig = rig_new(1);
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(log_end(rig->log), 0);
    struct log_appended out = rig_append(rig, 3, 100);
    assert_int_equal(out.verdict, LOG_APPENDED);
    assert_int_equal(out.first, 0);
    assert_int_equal(out.last, 2);
    assert_int_equal(log_end(rig->log), 3);
    assert_int_equal(log_counting_end(rig->log), 0);
    assert_true(rig_until_durable(rig));
    assert_int_equal(log_counting_end(rig->log), 3);
    assert_int_equal(rig_read_all(rig, 3, 1 << 20, false), 3);
    assert_int_equal(rig_read_all(rig, 3, 1 << 20, true), 3);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(records_survive_a_clean_end)
{
    struct rig *rig = rig_new(2);
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < 50; i++)
        rig_append(rig, 4, 200);
    rig_ok(rig, rig_close(rig));
    rig_ok(rig, rig_boot(rig));
    assert_true(dir_clean(rig->dir));
    assert_int_equal(log_end(rig->log), 200);
    assert_int_equal(log_durable_end(rig->log), 200);
    assert_int_equal(rig_read_all(rig, 200, 4096, false), 200);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(records_survive_a_kill)
{
    struct rig *rig = rig_new(3);
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < 50; i++)
        rig_append(rig, 4, 200);
    assert_true(rig_until_durable(rig));
    rig_kill(rig);
    rig_ok(rig, rig_boot(rig));
    assert_false(dir_clean(rig->dir));
    assert_int_equal(log_end(rig->log), 200);
    assert_true(rig_until_durable(rig));
    assert_int_equal(log_durable_end(rig->log), 200);
    assert_int_equal(rig_read_all(rig, 200, 4096, false), 200);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(segments_roll_by_size_and_are_read_across)
{
    struct rig *rig = rig_new(4);
    rig->config.segment_bytes = 8192;
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < 100; i++) {
        rig_append(rig, 2, 300);
        if (i % 7 == 0)
            assert_true(rig_until_durable(rig));
    }
    assert_true(rig_until_durable(rig));
    assert_true(rig_count(rig, "data/orders-0", ".log") >= 8);
    assert_int_equal(rig_read_all(rig, 200, 2000, false), 200);
    assert_int_equal(rig_read_all(rig, 200, 100000, true), 200);
    rig_ok(rig, rig_close(rig));
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(rig_read_all(rig, 200, 2000, false), 200);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}
