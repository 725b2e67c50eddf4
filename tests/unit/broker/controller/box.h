/* box.h - a controller's surroundings by hand: an image, chance that counts, batches that are
 * looked into. */
#ifndef KILN_TESTS_CONTROLLER_BOX_H
#define KILN_TESTS_CONTROLLER_BOX_H

#include "controller/controller.h"
#include "support/test.h"

struct box {
    struct test_mem mem;
    struct controller_settings settings;
    struct controller_chance chance;
    uint64_t draws;
    struct metadata_image *image; /* with all that was decided */
    struct metadata_batch batch;  /* of the last command, finished */
    int64_t records;              /* that it added */
    int32_t writes_max;           /* of a command, which reach the log */
    struct controller_sessions sessions;
    int64_t now_ns;
};

#define BOX_SESSION_NS (9ll * 1000000000)

/* An empty cluster. */
void box_init(struct box *box);
/* Its one broker registers. */
void box_register(struct box *box);
void box_done(struct box *box);
/* Decides, and no more. */
void box_judge(struct box *box, struct controller_command *command);
/* Makes the image of what was decided. */
void box_apply(struct box *box);
/* Decides, and makes the image of what comes of it. */
void box_decide(struct box *box, struct controller_command *command);
/* Creates one topic; its code. */
int16_t box_create(struct box *box, const char *name, int32_t partition_count);

#endif
