/* applied.c - the image follows the high watermark: by the leader's own changes where it has them,
 * else by what stands in the log, a named amount at a time. Nothing that is not committed goes into
 * the current image. */
#include "quorum/internal.h"

#define AGAIN_NS (100ll * 1000000) /* until what could not be read is tried again */
#define ARENA_BYTES (16u << 20)

/* What is loaded once more is, by somebody who has waited. */
static void later(struct quorum *q)
{
    q->member->load_again_ns = env_now(q->env) + AGAIN_NS;
}

/* Whole batches from where the image ends. */
static enum err apply(struct quorum *q, struct bytes in, struct metadata_edit *edit,
                      struct errmsg *msg)
{
    struct member *m = q->member;
    struct wire_batch head;
    for (size_t at = 0; at < in.size; at += (size_t)head.size) {
        if (wire_batch_at(in, at, &head, msg) != WIRE_AT_BATCH)
            return ERR_CORRUPT;
        if (wire_batch_last_offset(&head) <= edit->image->offset)
            continue;
        bool opened = q->opened || KNOWN_BUG(removed_while_joining);
        bool told = opened && head.base_offset >= m->removed_end;
        edit->removed = told ? NULL : &q->removed;
        enum err e = metadata_batch_replay(edit, &head, bytes_of(in.data + at, (size_t)head.size),
                                           &m->arena, msg);
        if (e != ERR_NONE)
            return e;
    }
    return ERR_NONE;
}

static enum err take(struct quorum *q, struct bytes in, struct errmsg *msg)
{
    struct member *m = q->member;
    struct metadata_edit edit;
    int64_t first = q->committed->offset + 1;
    enum err e = metadata_edit_begin(&edit, q->mem, q->committed);
    if (e != ERR_NONE)
        return e;
    arena_init(&m->arena, q->mem, ARENA_BYTES);
    e = apply(q, in, &edit, msg);
    arena_free(&m->arena);
    if (e != ERR_NONE) {
        metadata_edit_abandon(&edit);
        return e;
    }
    struct metadata_image *image = metadata_edit_finish(&edit);
    metadata_image_release(q->tail);
    q->tail = image;
    metadata_image_retain(image);
    quorum_change_current(q, image, first);
    q->unsnapped_bytes += (int64_t)in.size;
    quorum_snapshot_consider(q);
    return ERR_NONE;
}

/* What is committed and cannot be understood is not passed over: this node follows no further. */
static void failed(struct quorum *q, enum err e, const struct errmsg *msg)
{
    struct member *m = q->member;
    if (e == ERR_NOMEM || e == ERR_IO || e == ERR_TOOMANY || e == ERR_CANCELLED || e == ERR_RANGE) {
        later(q);
        return;
    }
    m->load_again_ns = INT64_MAX;
    m->why = *msg;
    m->stop = m->why.text;
    m->open = false;
}

static void on_loaded(struct log_op *op, enum err e)
{
    struct member *m = CONTAINER_OF(op, struct member, read.op);
    struct quorum *q = m->install.q;
    bool paused = quorum_member_pause(q);
    m->loading = false;
    struct errmsg msg = op->msg;
    if (e == ERR_NONE && m->read.part_count > 0) {
        bool follows = !m->active && m->read.offset == q->committed->offset + 1;
        if (follows) /* else a snapshot has taken its place */
            e = take(q, bytes_of(m->read.parts[0].data, (size_t)m->read.parts[0].size), &msg);
        log_read_release(&m->read);
    } else if (e == ERR_NONE) {
        later(q);
    }
    if (e != ERR_NONE)
        failed(q, e, &msg);
    m->again = true;
    quorum_member_resume(q, paused);
}

bool quorum_applied_follow(struct quorum *q)
{
    struct member *m = q->member;
    if (m->load_again_ns <= env_now(q->env))
        m->load_again_ns = INT64_MAX;
    if (!m->open || m->loading || q->closing || m->busy == MEMBER_CUTS || m->log_done)
        return false;
    if (m->install.installed) {
        quorum_install_publish(q);
        return true;
    }
    int64_t end = MIN(raft_high_watermark(q->raft), log_end(q->log));
    if (m->active) {
        struct change *oldest = LIST_FIRST(&q->changes, struct change, link);
        bool moves = oldest != NULL && oldest->end <= end;
        quorum_change_publish(q, end);
        return moves;
    }
    int64_t next = q->committed->offset + 1;
    if (next >= end || next < log_start(q->log) || m->load_again_ns != INT64_MAX ||
        m->failed != ERR_NONE)
        return false;
    m->loading = true;
    m->read = (struct log_read){
        .offset = next, .offset_end = end, .bytes_max = QUORUM_REPLAY_BYTES, .at_least_one = true};
    log_load(q->log, &m->read, on_loaded);
    return !m->loading;
}
