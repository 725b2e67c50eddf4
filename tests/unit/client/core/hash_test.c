/* hash_test.c - keys go where every client of Kafka's sends them. */
#include "client/core/core.h"
#include "support/test.h"

/* The values of Kafka's own UtilsTest.testMurmur2. */
TEST(murmur2_gives_the_values_that_kafka_gives)
{
    static const struct {
        const char *key;
        int32_t hash;
    } known[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    for (int i = 0; i < COUNT_OF(known); i++)
        assert_int_equal((int32_t)client_murmur2(bytes_text(known[i].key)), known[i].hash);
}

TEST(a_hash_with_the_sign_bit_still_names_a_partition)
{
    int32_t positive = -973932308 & 0x7fffffff;
    assert_int_equal(client_partition_of(bytes_text("21"), 7), positive % 7);
    assert_int_equal(client_partition_of(bytes_text("21"), 1), 0);
}
