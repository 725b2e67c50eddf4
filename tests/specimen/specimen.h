/* specimen.h - a replicated register, small enough to be read in one sitting and wrong on demand:
 * what the world's faults and the ideas behind a replicated log are tried on. Never a model for
 * production.
 *
 * One log of writes. A leader is elected by majority and appends; followers fetch what is behind
 * their end and tell how far they are durable; what a majority holds durably is committed, if the
 * leader's own epoch reaches there (Ongaro, Raft, 5.4.2). A read waits until a majority has said
 * that it still follows. */
#ifndef SPECIMEN_H
#define SPECIMEN_H

#include "specimen/talk.h"
#include "steps/steps.h"

/* X(name, what it does wrong) */
#define MISTAKES(X)                                                                                \
    X(COUNTS_UNSYNCED, "counts a copy that is not synced")                                         \
    X(VOTES_TWICE, "forgets its vote when it dies")                                                \
    X(KEEPS_FOLLOWERS, "what it knew of its followers outlasts its leadership")                    \
    X(STALE_SERVES, "answers reads without asking whether it still leads")                         \
    X(CUTS_TO_WATERMARK, "cuts its log to its watermark when it follows another (KIP-101)")        \
    X(RESURRECTS, "leads on, after it died, in the epoch of its old life")

enum mistake {
    MISTAKE_NONE,
#define X(name, text) MISTAKE_##name,
    MISTAKES(X)
#undef X
        MISTAKE_COUNT
};

/* args: "ME COUNT MISTAKE". The nodes are register0, register1, ... up to COUNT. */
extern const struct world_program register_program;
/* args: "COUNT READS". Writes and reads, or (READS 1) reads alone, one thing after the other; its
 * rows say what it was told. */
extern const struct world_program register_client_program;

#define REGISTER_PARTITION 1 /* in rows */
#define REGISTER_MAX 8192    /* writes of one history */

/* ---- disk.c: what a node keeps ---- */

struct register_disk {
    struct world_seat *seat;
    /* Runs when all that was kept is read, and durable. */
    void (*opened)(struct register_disk *disk);
    void (*moved)(struct register_disk *disk); /* durable, or the vote was kept */
    struct entry *log;
    uint64_t end, durable;
    uint64_t epoch, voted_for; /* a node's number + 1; 0: nobody */
    uint64_t kept_epoch, kept_vote;
    bool forgets_votes;
    /* its own */
    struct steps opening;
    struct env_op op, vote_op;
    env_file file, old_file, vote_file;
    uint8_t *bytes;
    uint64_t written, covers, limit;
    uint64_t vote_serial;
    uint8_t vote_bytes[32];
    struct env_part part, vote_part;
    bool busy, keeping;
};

/* Any error of the disk ends the node. */
void register_disk_open(struct register_disk *disk, struct world_seat *seat);
void register_disk_append(struct register_disk *disk, struct entry entry);
void register_disk_cut(struct register_disk *disk, uint64_t end);
/* epoch and voted_for have changed. */
void register_disk_vote(struct register_disk *disk);
/* They are durable. */
bool register_disk_is_kept(const struct register_disk *disk);
uint64_t register_disk_last_epoch(const struct register_disk *disk);

#endif
