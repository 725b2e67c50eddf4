/* list_offsets_test.c - where a partition begins and ends, and where a time stands in it. */
#include "support/broker/help.h"

TEST(every_version_of_list_offsets_knows_start_end_and_time)
{
    struct help h;
    help_setup(&h, 6, "");
    struct wire_uuid id = help_make_topic(&h);
    help_produce(&h, 9, -1, id, help_batch(&h, 10, -1, 0, 1000));
    help_produce(&h, 9, -1, id, help_batch(&h, 10, -1, 0, 2000));
    help_go(&h, 1000);
    for (int16_t v = 1; v <= 11; v++) {
        int end = help_offsets(&h, v, -1);
        int start = help_offsets(&h, v, -2);
        int time = help_offsets(&h, v, 2005);
        int never = help_offsets(&h, v, 3000);
        help_go(&h, 1000);
        assert_int_equal(help_listed(&h, end).offset, 20);
        assert_int_equal(help_listed(&h, start).offset, 0);
        assert_int_equal(help_listed(&h, time).offset, 15);
        assert_int_equal(help_listed(&h, never).offset, -1);
    }
    help_teardown(&h);
}
