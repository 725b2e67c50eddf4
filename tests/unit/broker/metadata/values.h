/* values.h - the records of batches as values: in lists that can be compared. */
#ifndef KILN_TESTS_METADATA_VALUES_H
#define KILN_TESTS_METADATA_VALUES_H

#include "metadata/metadata.h"
#include "support/test.h"

#define VALUES_MAX 100000

struct values {
    struct wire_bytes *items;
    int count;
};

/* Takes apart all batches in bytes up to that offset; edit NULL: the records are only listed;
 * values NULL: they are only applied. The views are into bytes. */
void values_read(struct bytes bytes, int64_t end, struct metadata_edit *edit, struct arena *arena,
                 struct values *values);
/* The records that an image is dumped as, in their order; *batch holds the bytes. */
void values_of_image(const struct metadata_image *image, struct mem *mem, int32_t step,
                     struct metadata_batch *batch, struct values *values);
void values_free(struct values *values);
void values_sort(struct values *values);
/* Fails unless both hold the same, one by one. */
void values_assert_equal(const struct values *a, const struct values *b);

#endif
