/* internal.h - what the files of controller share and nobody else sees. */
#ifndef KILN_CONTROLLER_INTERNAL_H
#define KILN_CONTROLLER_INTERNAL_H

#include "controller/controller.h"

#define PARTITION_CHANGE_VERSION 2 /* of the records that are written */

/* One verb. */
struct verb {
    /* As controller_decide; the command's own results are set to nothing. */
    void (*decide)(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch);
    /* As controller_lost. NULL: its code is all that there is. */
    void (*lost)(struct controller_command *command, const struct metadata_image *image,
                 int16_t code, const char *sentence);
};

extern const struct verb controller_verb_register, controller_verb_create_topics,
    controller_verb_assign_directories, controller_verb_allocate_producer_ids;

/* A random id of version 4 (RFC 4122) for that use. */
struct wire_uuid controller_draw_uuid(struct controller_chance *chance, const char *site,
                                      uint64_t key);
/* Kafka's code for a record that could not be added. */
int16_t controller_code_of(enum err e);

#endif
