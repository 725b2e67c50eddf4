/* inspect_codec_test.c - kiln log check looks into compressed batches. */
#include "box.h"

#define MIDDLE BOX_NAME(0010, ".log")

static void damaged(struct box *box, const char *kind, const char *file)
{
    box_expect(box, NULL, kind, file, true);
}

TEST(compressed_records_that_cannot_be_are_found_behind_a_right_checksum)
{
    struct box box;
    box_fill(&box);
    size_t at = box_place(&box, MIDDLE, 10);
    box_bytes(&box, MIDDLE)[at + WIRE_BATCH_HEAD + 20] ^= 0x10; /* inside of the gzip stream */
    box_reseal(&box, MIDDLE, at);
    damaged(&box, "bad_records", MIDDLE);
    box_free(&box);
}
