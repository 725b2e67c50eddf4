/* cluster.h - brokers that register, beat and go silent before a controller that is driven by hand.
 */
#ifndef KILN_TESTS_CONTROLLER_CLUSTER_H
#define KILN_TESTS_CONTROLLER_CLUSTER_H

#include "box.h"

/* Registers it, of that life, in a rack (NULL: none). The code. */
int16_t cluster_register(struct box *box, int32_t id, uint64_t life, int64_t previous_epoch,
                         const char *rack);
/* The same, of a life that says in which epoch it kept all that it had. */
int16_t cluster_register_kept(struct box *box, int32_t id, uint64_t life, int64_t kept_epoch);
/* It beats, knows all, and would serve. The code. */
int16_t cluster_beat(struct box *box, int32_t id);
/* Registers brokers from 1 to count, without racks, and all of them serve. */
void cluster_up(struct box *box, int32_t count);
int64_t cluster_epoch(const struct box *box, int32_t id);
/* Until the session of that one is over, while all others that serve beat; then it is fenced. */
void cluster_fence(struct box *box, int32_t id);
/* From now on brokers below the minimum leave eligible leaders behind (KIP-966). */
void cluster_allow_elr(struct box *box);
/* A topic of one partition on these brokers, the first of which leads. unclean NULL: it does not
 * say. */
void cluster_topic(struct box *box, const char *name, const int32_t *ids, int32_t count,
                   const char *min_insync, const char *unclean);
const struct metadata_partition *cluster_partition(const struct box *box, const char *topic);
/* The leader asks for these to be in sync, as it knows the partition. The code of the partition. */
int16_t cluster_alter(struct box *box, const char *topic, const int32_t *ids, int32_t count);

#endif
