/* commit.c - group commit: one round of syncs at a time in a directory, each file once. A round
 * makes durable what had been written when it began. No sync that failed is ever tried again. */
#include "dir/internal.h"

/* ---- what nobody waits for ---- */

void dir_commit_flush(struct dir *dir)
{
    dir->unsynced_bytes = 0;
    dir->flush_now = true;
    dir_commit_kick(dir);
}

static void on_flush(struct env_timer *timer)
{
    struct dir *dir = CONTAINER_OF(timer, struct dir, flush);
    dir_touch(dir);
    if (dir->status == ERR_NONE && !dir->closing && dir->unsynced_bytes > 0)
        dir_commit_flush(dir);
}

static void flush_later(struct dir *dir)
{
    if (dir->status != ERR_NONE || dir->closing)
        return;
    if (dir->unsynced_bytes >= dir->config.flush_bytes && !dir->flush_now)
        dir_commit_flush(dir);
    if (env_armed(&dir->flush))
        return;
    dir->flush.fire = on_flush;
    env_arm(dir->env, &dir->flush, env_now(dir->env) + ENV_NS_OF_MS(dir->config.flush_ms));
}

void dir_set_flush_interval(struct dir *dir, int64_t flush_ms)
{
    ASSERT(flush_ms > 0);
    if (dir->config.flush_ms == flush_ms)
        return;
    dir->config.flush_ms = flush_ms;
    int64_t next_ns = env_now(dir->env) + ENV_NS_OF_MS(flush_ms);
    if (env_armed(&dir->flush) && next_ns < dir->flush.deadline_ns)
        env_arm(dir->env, &dir->flush, next_ns);
}

void dir_wrote_unsynced(struct dir *dir, int64_t bytes)
{
    dir->unsynced_bytes += bytes;
    dir_touch(dir);
}

void dir_wrote_synced(struct dir *dir, int64_t bytes)
{
    dir->synced_bytes += bytes;
}

static void line_up(struct dir_member *m, enum dir_turn turn)
{
    list_remove(&m->dirty);
    m->turn = (uint8_t)turn;
    list_push_back(&m->dir->dirty[turn], &m->dirty);
}

void dir_commit_mark(struct dir_member *m, enum dir_turn turn)
{
    struct dir *dir = m->dir;
    dir_touch(dir);
    if (!m->in_round && (!list_linked(&m->dirty) || turn < m->turn))
        line_up(m, turn);
    /* Also in a crowd: it may be over before a round takes this one in. */
    if (turn == DIR_TURN_IDLE)
        flush_later(dir);
    if (turn != DIR_TURN_IDLE || dir_writers_wait(dir))
        dir_commit_kick(dir);
}

/* ---- the end of a member's part ---- */

static void end_round(struct dir *dir)
{
    TRACE(dir->trace, SYNC_DONE, .round = dir->round, .err = dir->round_err);
    dir->round_running = false;
    if (dir->round_short)
        env_arm(dir->env, &dir->round_timer, env_now(dir->env) + DIR_SHORT_MS * 1000000ll);
    dir_commit_kick(dir);
    if (dir->synced_bytes > 0)
        dir_checkpoint_later(dir);
    dir_work_ends(dir);
}

static void leave_round(struct dir_member *m)
{
    m->in_round = false;
    list_remove(&m->dirty);
    if (m->dir->status == ERR_NONE && !m->round_short)
        m->calls->durable(m);
}

static void end_part(struct dir_member *m)
{
    struct dir *dir = m->dir;
    if (--m->round_pending > 0)
        return;
    leave_round(m);
    m->calls->round_over(m);
    if (--dir->round_pending == 0)
        end_round(dir);
}

static void sync_failed(struct dir_member *m, enum err e)
{
    struct dir *dir = m->dir;
    dir->round_err = e;
    if (dir_sync_tried(e)) {
        dir_sync_failed(dir, e);
        return;
    }
    m->round_short = dir->round_short = true;
    dir_files_trim(dir, dir->open_files / 2);
}

static void on_synced(struct env_op *op, enum err e, uint64_t n)
{
    struct dir_writer *w = CONTAINER_OF(op, struct dir_writer, sync);
    struct dir_member *m = w->member;
    if (e != ERR_NONE && KNOWN_BUG(sync_retried)) {
        env_sync(m->dir->env, op, w->file->handle, on_synced);
        return;
    }
    w->syncing = false;
    if (e == ERR_NONE && n > 0 && m->calls->unnamed(m, w)) {
        m->round_short = true;
    } else if (e == ERR_NONE) {
        m->dir->synced_bytes += (int64_t)(w->sync_size - w->synced);
        w->synced = w->sync_size;
    } else {
        sync_failed(m, e);
    }
    m->calls->file_synced(m, w);
    end_part(m);
}

static void on_folder_synced(struct env_op *op, enum err e, uint64_t n)
{
    struct dir_member *m = CONTAINER_OF(op, struct dir_member, folder_sync);
    struct list *link;
    (void)n;
    if (e == ERR_NOTFOUND) {
        m->round_short = true;
        m->calls->missing(m, m->path);
    } else if (e != ERR_NONE) {
        sync_failed(m, e);
    }
    while ((link = list_pop_front(&m->entries)) != NULL) {
        struct dir_writer *w = CONTAINER_OF(link, struct dir_writer, entry);
        w->entry_durable |= e == ERR_NONE;
    }
    end_part(m);
}

/* ---- the beginning of a round ---- */

/* A new file is as durable as its entry is (KAFKA-3968). */
static void sync_entry(struct dir_writer *w)
{
    struct dir_member *m = w->member;
    if (w->entry_durable || w->file->create)
        return;
    if (KNOWN_BUG(file_without_dir_sync)) {
        w->entry_durable = true;
        return;
    }
    list_push_back(&m->entries, &w->entry);
    if (m->folder_sync.in_flight)
        return;
    m->round_pending++;
    env_sync_dir(m->dir->env, &m->folder_sync, m->path, on_folder_synced);
}

static void sync_file(struct dir_writer *w)
{
    if (w->written == w->synced)
        return;
    ASSERT(w->state == DIR_WRITER_HELD);
    w->syncing = true;
    w->sync_size = w->written;
    w->member->round_pending++;
    env_sync(w->member->dir->env, &w->sync, w->file->handle, on_synced);
}

void dir_writer_sync(struct dir_writer *w)
{
    ASSERT(w->member->in_round);
    sync_file(w);
    sync_entry(w);
}

/* Moves up to max of those whose turn it is into the round; how many. */
static int32_t gather(struct dir *dir, enum dir_turn turn, int32_t max)
{
    int32_t count = 0;
    LIST_EACH (m, &dir->dirty[turn], struct dir_member, dirty) {
        if (count >= max)
            break;
        if (!m->calls->may_sync(m))
            continue;
        list_remove(&m->dirty);
        list_push_back(&dir->in_round, &m->dirty);
        m->in_round = true;
        count++;
    }
    return count;
}

/* Each kind has a share of the round, and the first the rest of it. */
static void gather_all(struct dir *dir)
{
    int32_t share = DIR_ROUND_MEMBERS / 4;
    if (dir->flush_now || dir_writers_wait(dir)) {
        LIST_EACH (m, &dir->dirty[DIR_TURN_IDLE], struct dir_member, dirty)
            line_up(m, DIR_TURN_FLUSH);
    }
    dir->flush_now = false;
    int32_t count = gather(dir, DIR_TURN_SOON, DIR_ROUND_MEMBERS - 2 * share);
    count += gather(dir, DIR_TURN_LATE, share);
    count += gather(dir, DIR_TURN_FLUSH, share);
    for (enum dir_turn turn = DIR_TURN_SOON; turn <= DIR_TURN_FLUSH; turn++)
        count += gather(dir, turn, DIR_ROUND_MEMBERS - count);
    ASSERT(count <= DIR_ROUND_MEMBERS);
}

/* A member of which all bytes have been synced by an earlier round is durable at once. */
static int32_t start_round(struct dir *dir)
{
    int32_t files = 0;
    dir->round++;
    dir->round_err = ERR_NONE;
    dir->round_short = false;
    dir->round_pending = 0;
    LIST_EACH (m, &dir->in_round, struct dir_member, dirty) {
        m->round_pending = 0;
        m->round_short = false;
        m->calls->round_begins(m);
        files += m->round_pending;
        dir->round_pending += m->round_pending > 0;
        if (m->round_pending == 0)
            leave_round(m);
    }
    return files;
}

void dir_commit_kick(struct dir *dir)
{
    dir_touch(dir);
    while (!dir->round_running && dir->status == ERR_NONE && !env_armed(&dir->round_timer)) {
        gather_all(dir);
        if (list_empty(&dir->in_round))
            return;
        dir->round_running = true; /* whoever is told may append, and come here again */
        int32_t files = start_round(dir);
        dir->round_running = dir->round_pending > 0;
        if (dir->round_running) {
            dir_work_begins(dir);
            TRACE(dir->trace, SYNC_START, .round = dir->round, .files = files);
        }
    }
}

static void on_timer(struct env_timer *timer)
{
    dir_commit_kick(CONTAINER_OF(timer, struct dir, round_timer));
}

void dir_commit_init(struct dir *dir)
{
    for (int i = 0; i < DIR_TURNS; i++)
        list_init(&dir->dirty[i]);
    list_init(&dir->in_round);
    dir->round_timer.fire = on_timer;
}
