/* vectors.h - the byte vectors that Kafka's own serialisers wrote (tests/vectors/SOURCE.md). */
#ifndef KILN_TEST_VECTORS_H
#define KILN_TEST_VECTORS_H

#include <jansson.h>
#include "wire/wire.h"
#include "support/test.h"

struct vector {
    const struct wire_message *message;
    int version;
    uint8_t *bytes; /* malloc'ed to their size, so that ASan sees a step beyond */
    size_t size;
    json_t *json; /* what Kafka says they mean */
};

struct vectors {
    struct vector *items;
    int count;
};

void vectors_read(struct vectors *out);
void vectors_free(struct vectors *vectors);

/* True when the names are equal but for case and underscores: topic_data and topicData. */
bool vectors_same_name(const char *a, const char *b);

#endif
