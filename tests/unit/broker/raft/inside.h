/* inside.h - what the files of the model share. */
#ifndef KILN_TEST_RAFT_INSIDE_H
#define KILN_TEST_RAFT_INSIDE_H

#include "model.h"

#define MS 1000000ll

uint64_t model_draw(struct model *m, int64_t below);
/* The node takes one event. brought, by: the message that brings it, or NULL. */
void model_take(struct model *m, struct node *n, struct raft_event *event,
                const struct brought *brought, const struct flight *by);
/* Its state is durable: what waited for that is done. */
void model_saved(struct model *m, struct node *n);
/* The first of what the disk has to do is done. */
void model_disk(struct model *m, struct node *n);
/* The piece of a snapshot is stored, or is not. */
void model_piece(struct model *m, struct node *n);
/* A life ends, with some of what the disk had to do; another one begins. */
void model_die(struct model *m, struct node *n);
void model_live(struct model *m, struct node *n);
/* A node that is down loses its quorum-state, where that may happen. */
void model_lose_vote(struct model *m, struct node *n);
/* ... or its disk. */
void model_wipe(struct model *m, struct node *n);
/* The message is under way no more. */
void model_land(struct model *m, int flight);
int model_node_of(const struct model *m, int32_t id);
/* False: it does not wait for that response. */
bool model_forget_number(struct node *n, uint64_t number);
/* Who votes, by a log: in ascending order; the first is in force where the log starts. */
int32_t model_voter_sets(const struct model *m, const struct model_log *log,
                         struct raft_voter_set *out);

#endif
