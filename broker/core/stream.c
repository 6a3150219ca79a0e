/* SPDX-License-Identifier: Apache-2.0
 *
 * Subscriptions: cursors, credit, deliveries, acknowledgements, and the
 * release of what every reader has taken (PROTOCOL.md §7.2). Ordering happens
 * here: a delivery number is an index (ordered) or a place in the job's log
 * of completions (unordered).
 */
#include "stream.h"
#include "durable.h"
#include "job.h"
#include "name.h"
#include "release.h"
#include "update.h"

/* Batches sent to one reader in one turn: the others' turn comes soon. */
#define BATCHES_A_TURN 32u
#define BYTES_A_TURN   (4u * BELT_BATCH_ATTACHED)

static struct reader *reader_find(struct core *core, uint64_t id)
{
    struct reader *reader = NULL;
    HASH_FIND(hh, core->readers, &id, sizeof id, reader);
    return reader;
}

static void reader_touch(struct core *core, struct reader *reader)
{
    if (reader->dirty || !reader->session)
        return;
    reader->dirty = true;
    LL_PREPEND2(core->dirty_readers, reader, dirty_next);
}

void stream_wake(struct core *core, struct job *job)
{
    struct reader *reader;
    DL_FOREACH(job->readers, reader)
    reader_touch(core, reader);
}

/* ---- the log of completions ---- */

uint64_t stream_log_at(const struct job *job, uint64_t place)
{
    return job->log[(job->log_head + (place - job->log_base)) % job->log_room];
}

void stream_log_add(struct job *job, uint64_t index)
{
    if (job->log_count == job->log_room) {
        uint64_t room = job->log_room ? job->log_room * 2 : 64;
        uint64_t *log = malloc(room * sizeof *log);
        if (!log)
            abort();
        for (uint64_t i = 0; i < job->log_count; i++)
            log[i] = stream_log_at(job, job->log_base + i);
        free(job->log);
        job->log = log;
        job->log_room = room;
        job->log_head = 0;
    }
    job->log[(job->log_head + job->log_count) % job->log_room] = index;
    job->log_count++;
}

/* The task knows its place; the table keeps the lower half of it, which is enough above log_base. */
static void note_place(struct job *job, uint64_t place, uint64_t index)
{
    struct task *task = table_at(&job->table, index);
    if (task && task->state == TASK_DONE)
        task->place = (uint32_t)place;
    else if (place >= job->whole_from[BELT_UNORDERED])
        job->whole_from[BELT_UNORDERED] = place + 1;
}

uint64_t stream_place(const struct job *job, const struct task *task)
{
    return job->log_base + (uint32_t)(task->place - (uint32_t)job->log_base);
}

void stream_log_set(struct job *job, uint64_t place, uint64_t index)
{
    job->log[(job->log_head + (place - job->log_base)) % job->log_room] = index;
    note_place(job, place, index);
}

bool stream_is_released(const struct job *job, uint64_t index)
{
    const struct task *task = table_at(&job->table, index);
    return !task || task->state == TASK_RELEASED;
}

/* A durable job looks at its places again when they are recorded, and when the record is not needed any more. */
static bool is_kept(const struct job *job, uint64_t place)
{
    return job->options.durable && job->state != BELT_JOB_STOPPED && place >= job->kept.taken;
}

void stream_log_trim(struct job *job)
{
    while (job->log_count && !is_kept(job, job->log_base) && stream_is_released(job, job->log[job->log_head])) {
        job->log_head = (job->log_head + 1) % job->log_room;
        job->log_base++;
        job->log_count--;
    }
}

/* ---- taking and releasing ---- */

/* The index that delivery `number` of `reader` shows. */
static uint64_t shown(const struct reader *reader, uint64_t number)
{
    return reader->mode == BELT_ORDERED ? number : stream_log_at(reader->job, number);
}

static void acknowledge(struct core *core, struct reader *reader, uint64_t upto)
{
    uint64_t from = reader->acked;
    if (upto <= from)
        return;
    reader->acked = upto;
    release_acknowledged(core, reader, from);
}

void stream_finished(struct core *core, struct job *job, uint64_t index)
{
    struct task *task = table_at(&job->table, index);
    struct reader *reader;
    stream_log_add(job, index);
    note_place(job, job->log_base + job->log_count - 1, index);
    job_touch(core, job);
    task->tie = job->options.durable ? TIE_UNKEPT : TIE_NONE;
    DL_FOREACH(job->readers, reader)
    if (reader->mode == BELT_UNORDERED || reader->sent == index)
        reader_touch(core, reader);
    release_finished(core, job, index, task);
}

/* ---- subscribing ---- */

struct reader *stream_reader_new(struct core *core, struct job *job, struct belt_bytes name, uint8_t mode,
                                 uint64_t acked)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        abort();
    reader->id = ++core->last_reader;
    reader->job = job;
    reader->mode = mode;
    name_copy(reader->name, sizeof reader->name, name);
    HASH_ADD(hh, core->readers, id, sizeof reader->id, reader);
    reader->acked = reader->sent = acked;
    DL_APPEND(job->readers, reader);
    job->reader_count++;
    job->was_read = true;
    job_touch(core, job);
    return reader;
}

static struct reader *reader_by_name(struct job *job, struct belt_bytes name)
{
    struct reader *reader;
    DL_FOREACH(job->readers, reader)
    if (name_equals(reader->name, name))
        return reader;
    return NULL;
}

/* Who reads as it from now on; NULL: nobody. */
static void reader_seat(struct core *core, struct reader *reader, struct session *session)
{
    if (reader->session)
        DL_DELETE2(reader->session->readers, reader, session_prev, session_next);
    reader->session = session;
    if (session)
        DL_APPEND2(session->readers, reader, session_prev, session_next);
    job_attend(core, reader->job);
}

/* A reader holds results back until it has taken them, so not everybody may add one (§7.2). */
static bool may_add_reader(const struct job *job, const struct session *from)
{
    return job->options.detached || job->owner == from || !job->owner || from->role == BELT_ROLE_ADMIN;
}

/* The answer when `from` may not read the job as this reader; false: it may. */
static bool subscribe_refused(struct core *core, struct session *from, const struct belt_msg_subscribe *msg,
                              const struct job *job, const struct reader *reader)
{
    bool owned = !job->options.detached || memcmp(job->ousted, from->id, sizeof job->ousted) == 0;
    bool privileged = job->owner == from || from->role == BELT_ROLE_ADMIN;
    if (reader && reader->session && reader->session != from && job->owner != from && owned &&
        from->role != BELT_ROLE_ADMIN)
        update_error(core, from, msg->ref, msg->job, BELT_NOT_ALLOWED,
                     update_text(core, "another client reads job %llu under this name", (unsigned long long)job->id));
    else if (!reader && !may_add_reader(job, from))
        update_error(core, from, msg->ref, msg->job, BELT_NOT_ALLOWED,
                     update_text(core,
                                 "job %llu belongs to another client: only a detached job takes readers of others",
                                 (unsigned long long)job->id));
    else if (!reader && job->reader_count >= BELT_MAX_READERS - (privileged ? 0 : BELT_READERS_RESERVED))
        update_error(core, from, msg->ref, msg->job, BELT_LIMIT,
                     update_text(core,
                                 "job %llu has %u readers already, the limit: 'belt readers' lists them, and removes "
                                 "those that nobody needs",
                                 (unsigned long long)job->id, job->reader_count));
    else
        return false;
    return true;
}

/* A reader that has given no credit holds nothing back, so what it has not read may be gone: it goes on behind that. */
static void skip_released(struct reader *reader)
{
    if (!reader->engaged && reader->acked < reader->job->whole_from[reader->mode])
        reader->acked = reader->job->whole_from[reader->mode];
    if (reader->sent < reader->acked)
        reader->sent = reader->acked;
}

/* From its first credit on it holds back what it has not acknowledged. */
static void engage(struct core *core, struct reader *reader)
{
    if (reader->engaged || reader->credit.items == 0 || reader->credit.bytes == 0)
        return;
    reader->engaged = true;
    job_attend(core, reader->job);
    release_came(core, reader);
}

static void seat_anew(struct core *core, struct reader *reader, struct session *from)
{
    struct job *job = reader->job;
    if (reader->session && reader->session != from) { /* §7.2 */
        struct belt_msg *done = update_send_kept(core, reader->session, job, BELT_MSG_DONE);
        done->u.done = (struct belt_msg_done){.sub = reader->id, .count = reader->sent, .code = BELT_UNKNOWN_READER};
    }
    reader_seat(core, reader, from);
    reader->was_left = false;
    if (job->accept_due) /* who feeds the job knows what others may be shown (late.c) */
        job_accept(core, job);
}

void stream_subscribe(struct core *core, struct session *from, const struct belt_msg_subscribe *msg)
{
    struct job *job = job_find(core, msg->job);
    if (!job) {
        update_error(core, from, msg->ref, msg->job, BELT_UNKNOWN_JOB,
                     update_text(core, "there is no job %llu: it ended, or never was", (unsigned long long)msg->job));
        return;
    }
    struct reader *reader = reader_by_name(job, msg->reader);
    if (subscribe_refused(core, from, msg, job, reader))
        return;
    if (reader)
        skip_released(reader);
    uint64_t from_number = reader ? reader->acked : job->whole_from[msg->mode];
    uint64_t end = (reader ? reader->mode : msg->mode) == BELT_ORDERED ? job->next : job->log_base + job->log_count;
    uint64_t cursor = msg->cursor == BELT_CURSOR_KEPT ? from_number : msg->cursor;
    if (cursor < from_number || (cursor > end && cursor > from_number)) {
        update_error(core, from, msg->ref, msg->job, BELT_GONE,
                     update_text(core, "delivery %llu cannot be had: results %llu to %llu are kept",
                                 (unsigned long long)cursor, (unsigned long long)from_number, (unsigned long long)end));
        return;
    }
    if (!reader)
        reader = stream_reader_new(core, job, msg->reader, msg->mode, from_number);
    seat_anew(core, reader, from);
    reader->sent = cursor;
    reader->credit = msg->credit;
    reader->sent_bytes = 0;
    reader->done_sent = false;
    engage(core, reader);
    struct belt_msg *answer = update_send_kept(core, from, job, BELT_MSG_SUBSCRIBED);
    answer->u.subscribed =
        (struct belt_msg_subscribed){.ref = msg->ref, .job = job->id, .sub = reader->id, .cursor = cursor};
    reader_touch(core, reader);
    job_touch(core, job);
}

static void reader_free(struct core *core, struct reader *reader);

/* Its first credit comes after results that it was to see were let go: it has to say where it wants to begin. */
static bool comes_too_late(struct core *core, struct reader *reader)
{
    struct job *job = reader->job;
    if (reader->engaged || reader->sent >= job->whole_from[reader->mode])
        return false;
    update_error(core, reader->session, 0, job->id, BELT_GONE,
                 update_text(core,
                             "delivery %llu cannot be had: reader '%s' gave no credit, and the other readers have "
                             "taken the results; subscribe again without a cursor",
                             (unsigned long long)reader->sent, reader->name));
    reader_free(core, reader);
    return true;
}

void stream_ack(struct core *core, struct session *from, const struct belt_msg_ack *msg)
{
    struct reader *reader = reader_find(core, msg->sub);
    if (!reader || reader->session != from) {
        update_error(core, from, 0, 0, BELT_UNKNOWN_READER,
                     update_text(core, "there is no subscription %llu of yours", (unsigned long long)msg->sub));
        return;
    }
    /* It may have taken what was sent before it subscribed again: held messages cross a hello. */
    if (msg->upto > reader->sent && msg->upto <= reader->most_sent)
        reader->sent = msg->upto;
    if (msg->upto > reader->sent) {
        update_error(core, from, 0, reader->job->id, BELT_BAD_MESSAGE,
                     update_text(core, "delivery %llu was never sent", (unsigned long long)msg->upto - 1));
        return;
    }
    if (comes_too_late(core, reader))
        return;
    skip_released(reader);
    if (msg->credit.items > reader->credit.items)
        reader->credit.items = msg->credit.items;
    if (msg->credit.bytes > reader->credit.bytes)
        reader->credit.bytes = msg->credit.bytes;
    engage(core, reader);
    reader_touch(core, reader);
    acknowledge(core, reader, msg->upto);
}

static void reader_free(struct core *core, struct reader *reader)
{
    struct job *job = reader->job;
    if (reader->dirty)
        LL_DELETE2(core->dirty_readers, reader, dirty_next);
    durable_reader_gone(core, reader);
    reader_seat(core, reader, NULL);
    DL_DELETE(job->readers, reader);
    job->reader_count--;
    HASH_DELETE(hh, core->readers, reader);
    free(reader);
}

/* What it alone held back is free. */
static void reader_remove(struct core *core, struct reader *reader)
{
    struct job *job = reader->job;
    uint64_t acked = reader->acked;
    unsigned mode = reader->mode;
    bool engaged = reader->engaged;
    reader_free(core, reader);
    if (engaged)
        release_left(core, job, mode, acked);
    job_settle(core, job);
}

/* Who lost its connection may have lost its DETACH with it, and says it again without subscribing (§7.2). */
static bool may_detach(const struct reader *reader, const struct session *from)
{
    if (reader->session || !reader->was_left)
        return reader->session == from;
    return memcmp(reader->client, from->id, BELT_SESSION_LEN) == 0;
}

void stream_detach(struct core *core, struct session *from, const struct belt_msg_sub *msg)
{
    struct reader *reader = reader_find(core, msg->sub);
    if (!reader || !may_detach(reader, from))
        return; /* gone already: what was wanted */
    reader_remove(core, reader);
}

void stream_free_all(struct core *core, struct job *job)
{
    while (job->readers)
        reader_free(core, job->readers);
}

void stream_unplug(struct core *core, struct session *session)
{
    while (session->readers) {
        struct reader *reader = session->readers;
        if (!reader->engaged) {
            reader_remove(core, reader);
            continue;
        }
        reader_seat(core, reader, NULL);
        reader->was_left = true;
        memcpy(reader->client, session->id, BELT_SESSION_LEN);
        job_settle(core, reader->job); /* nobody waits for its DONE */
    }
}

void stream_resume(struct core *core, struct session *session)
{
    struct reader *reader;
    DL_FOREACH2(session->readers, reader, session_next)
    reader_touch(core, reader);
    core->again = true;
}

/* ---- delivering (turn) ---- */

static struct task *deliverable(const struct reader *reader, uint64_t number, uint64_t *index)
{
    const struct job *job = reader->job;
    if (reader->mode == BELT_UNORDERED && number >= job->log_base + job->log_count)
        return NULL;
    if (reader->mode == BELT_UNORDERED && number < job->log_base)
        return NULL;
    *index = shown(reader, number);
    struct task *task = table_at(&job->table, *index);
    return task && task->state == TASK_DONE && task->tie != TIE_UNKEPT ? task : NULL;
}

bool stream_lags(const struct job *job)
{
    const struct reader *reader;
    uint64_t index;
    bool any = false;
    DL_FOREACH(job->readers, reader)
    {
        any |= reader->engaged;
        if (reader->engaged && deliverable(reader, reader->acked, &index))
            return true;
    }
    return !any;
}

static bool has_credit(const struct reader *reader)
{
    return reader->sent < reader->credit.items && reader->sent_bytes < reader->credit.bytes;
}

struct belt_result_item stream_item_of(uint64_t index, const struct task *task)
{
    return (struct belt_result_item){.index = index,
                                     .attempt = task->attempt,
                                     .code = task->code,
                                     .service_us = task->n.service_us,
                                     .payload = {task->buf, task->data, task->len},
                                     .extras = task->u.extras};
}

static size_t extras_size(const struct belt_result_extras *extras)
{
    return extras ? 64 + extras->text.len + extras->log.len + extras->host.len : 16;
}

/* One message; false when there was nothing to send. */
static bool deliver_batch(struct core *core, struct reader *reader)
{
    const struct job *job = reader->job;
    uint64_t index, first = reader->sent;
    struct task *task = has_credit(reader) ? deliverable(reader, reader->sent, &index) : NULL;
    if (!task)
        return false;
    uint64_t kept = job->done + job->failed - job->released;
    uint32_t room = kept < BELT_MAX_BATCH ? (uint32_t)kept : BELT_MAX_BATCH;
    struct belt_result_item *items = update_alloc(core, room * sizeof *items);
    struct belt_batch batch = {0};
    while (task && belt_batch_add(&batch, task->len, extras_size(task->u.extras))) {
        items[batch.count - 1] = stream_item_of(index, task);
        reader->sent++;
        reader->sent_bytes += task->len;
        task = has_credit(reader) && batch.count < room ? deliverable(reader, reader->sent, &index) : NULL;
    }
    if (reader->sent > reader->most_sent)
        reader->most_sent = reader->sent;
    struct belt_msg *msg = update_send_kept(core, reader->session, job, BELT_MSG_DELIVER);
    msg->u.deliver =
        (struct belt_msg_deliver){.sub = reader->id, .first = first, .results = items, .count = batch.count};
    return true;
}

static void deliver_done(struct core *core, struct reader *reader)
{
    struct job *job = reader->job;
    bool stopped = job->state == BELT_JOB_STOPPED;
    if (reader->done_sent || !(stopped || (job->state == BELT_JOB_COMPLETE && reader->sent == job->next)))
        return;
    struct belt_msg *msg = update_send_kept(core, reader->session, job, BELT_MSG_DONE);
    msg->u.done = (struct belt_msg_done){
        .sub = reader->id, .count = reader->sent, .code = stopped ? BELT_JOB_CANCELLED : BELT_OK};
    reader->done_sent = true;
    job_settle(core, job);
}

static bool is_full(const struct reader *reader)
{
    return reader->session->full & (reader->job->options.durable ? FULL_LINK | FULL_DISK : FULL_LINK);
}

void stream_deliver(struct core *core, struct reader *reader)
{
    if (!reader->session)
        return;
    uint32_t batches = 0;
    uint64_t end = reader->sent_bytes + BYTES_A_TURN;
    if (reader->job->state != BELT_JOB_STOPPED && !is_full(reader)) /* else stream_resume() comes back to it */
        while (batches < BATCHES_A_TURN && reader->sent_bytes < end && deliver_batch(core, reader))
            batches++;
    if (batches == BATCHES_A_TURN || reader->sent_bytes >= end) {
        core->again = true;
        reader_touch(core, reader);
    }
    deliver_done(core, reader);
}
