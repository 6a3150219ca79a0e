/* SPDX-License-Identifier: Apache-2.0
 *
 * Subscriptions: cursors, credit, deliveries, acknowledgements, and the
 * release of what every reader has taken (PROTOCOL.md §7.2). Ordering happens
 * here: a delivery number is an index (ordered) or a place in the job's log
 * of completions (unordered).
 */
#include "broker/core/events/subscription.h"
#include "broker/core/life/claim.h"
#include "broker/core/life/closing.h"
#include "broker/core/life/grant.h"
#include "broker/core/life/reader.h"
#include "broker/core/life/release.h"
#include "broker/core/model/attend.h"
#include "broker/core/model/catalog.h"
#include "broker/core/model/cursor.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/table.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/access.h"
#include "broker/core/policy/budget.h"
#include "broker/core/policy/refuse.h"

#include <string.h>

/* Batches sent to one reader in one turn: the others' turn comes soon. */
#define BATCHES_A_TURN 32u
#define BYTES_A_TURN   (4u * BELT_BATCH_ATTACHED)

/* ---- taking and releasing ---- */

static void acknowledge(struct core *core, struct reader *reader, uint64_t upto)
{
    uint64_t from = reader->acked;
    if (upto <= from)
        return;
    reader->acked = upto;
    release_acknowledged(core, reader, from);
}

/* ---- subscribing ---- */

/* A reader holds results back until it has taken them, so not everybody may add one (§7.2). */
static bool may_add_reader(const struct job *job, const struct session *from)
{
    return job->options.detached || job->owner.session == from || !job->owner.session || access_rules(from, job) ||
           access_reader_of(from, job); /* who may see it at all may read it: the table has been asked */
}

/* The answer when `from` may not read the job as this reader; false: it may. */
static bool subscribe_refused(struct core *core, struct session *from, const struct belt_msg_subscribe *msg,
                              const struct job *job, const struct reader *reader)
{
    bool owned = !job->options.detached || memcmp(job->owner.ousted, from->id, sizeof(job->owner.ousted)) == 0;
    bool privileged = job->owner.session == from || access_rules(from, job);
    if (reader && reader->session && reader->session != from && !reader->account && !privileged && owned)
        update_error(core, from, msg->ref, msg->job, BELT_NOT_ALLOWED,
                     update_text(core, "another client reads job %llu under this name", (unsigned long long)job->id));
    else if (!reader && !may_add_reader(job, from))
        update_error(core, from, msg->ref, msg->job, BELT_NOT_ALLOWED,
                     update_text(core,
                                 "job %llu belongs to another client: only a detached job takes readers of others",
                                 (unsigned long long)job->id));
    else if (!reader && job->readers.count >= BELT_MAX_READERS - (privileged ? 0 : BELT_READERS_RESERVED))
        update_error(core, from, msg->ref, msg->job, BELT_LIMIT,
                     update_text(core,
                                 "job %llu has %u readers already, the limit: 'belt readers' lists them, and removes "
                                 "those that nobody needs",
                                 (unsigned long long)job->id, job->readers.count));
    else if (!reader && !budget_keeps(core, job->owner.session, READER_COST))
        update_error(core, from, msg->ref, msg->job, BELT_LIMIT, budget_refusal(core, job->owner.session, "reader"));
    else
        return false;
    return true;
}

/* A reader that has given no credit holds nothing back, so what it has not read may be gone: it goes on behind that. */
static void skip_released(struct reader *reader)
{
    if (!reader->engaged && reader->acked < reader->job->release.whole_from[reader->mode])
        reader->acked = reader->job->release.whole_from[reader->mode];
    if (reader->sent < reader->acked)
        reader->sent = reader->acked;
}

/* From its first credit on it holds back what it has not acknowledged. */
static void engage(struct core *core, struct reader *reader)
{
    if (reader->engaged || reader->credit.items == 0 || reader->credit.bytes == 0)
        return;
    reader->engaged = true;
    attend_note(core, reader->job);
    release_came(core, reader);
}

/* Who read as it until now is told that it does not any more (§7.2). */
static void taken_away(struct core *core, struct reader *reader)
{
    struct belt_msg *done = update_send_kept(core, reader->session, reader->job, BELT_MSG_DONE);
    done->u.done = (struct belt_msg_done){.sub = reader->id, .count = reader->sent, .code = BELT_UNKNOWN_READER};
}

/* The session that reads as it, or did when its connection ended and may come back; NULL: it is gone. */
static struct session *holder_of(struct core *core, const struct reader *reader)
{
    struct session *session = reader->session;
    if (!session && reader->was_left)
        HASH_FIND(by_id, core->sessions.by_id, reader->client, BELT_SESSION_LEN, session);
    return session && session->state != SESSION_GONE ? session : NULL;
}

/* A reader goes through a job's results in one order, and whoever reads as it gets that order (§7.2). */
static bool mode_differs(struct core *core, struct session *from, const struct belt_msg_subscribe *msg,
                         const struct reader *reader)
{
    if (!reader || reader->mode == msg->mode)
        return false;
    update_error(core, from, msg->ref, msg->job, BELT_BAD_OPTION,
                 update_text(core, "reader '%s' of job %llu gets results %s: read %s, or under another name",
                             reader->name, (unsigned long long)msg->job,
                             reader->mode == BELT_ORDERED ? "in the order of the inputs" : "as they finish",
                             reader->mode == BELT_ORDERED ? "in order" : "unordered"));
    return true;
}

static void seat_anew(struct core *core, struct reader *reader, struct session *from)
{
    struct job *job = reader->job;
    if (reader->session && reader->session != from)
        taken_away(core, reader);
    reader_seat(core, reader, from);
    reader->was_left = false;
    if (job->accept.due) /* who feeds the job knows what others may be shown (owed.c) */
        grant_accept(core, job);
}

void subscription_open(struct core *core, struct session *from, const struct belt_msg_subscribe *msg)
{
    struct job *job = catalog_find(core, msg->job);
    if (!job) {
        update_unknown_job(core, from, msg->ref, msg->job);
        return;
    }
    struct account *account = access_reader_of(from, job);
    struct reader *reader = reader_by_name(job, account, msg->reader);
    if (subscribe_refused(core, from, msg, job, reader) || mode_differs(core, from, msg, reader))
        return;
    struct session *holder = reader ? holder_of(core, reader) : NULL;
    if (holder && holder != from && !msg->take_over) {
        claim_subscribe(core, from, msg, job);
        return;
    }
    if (reader)
        skip_released(reader);
    uint64_t from_number = reader ? reader->acked : job->release.whole_from[msg->mode];
    uint64_t end = (reader ? reader->mode : msg->mode) == BELT_ORDERED ? job->input.next
                                                                       : job->completions.base + job->completions.count;
    uint64_t cursor = msg->cursor == BELT_CURSOR_KEPT ? from_number : msg->cursor;
    if (cursor < from_number || (cursor > end && cursor > from_number)) {
        update_error(core, from, msg->ref, msg->job, BELT_GONE,
                     update_text(core, "delivery %llu cannot be had: results %llu to %llu are kept",
                                 (unsigned long long)cursor, (unsigned long long)from_number, (unsigned long long)end));
        return;
    }
    if (!reader)
        reader = reader_new(core, job, account, msg->reader, msg->mode, from_number);
    seat_anew(core, reader, from);
    reader->sent = cursor;
    reader->credit = msg->credit;
    reader->sent_bytes = 0;
    reader->done_sent = false;
    engage(core, reader);
    struct belt_msg *answer = update_send_kept(core, from, job, BELT_MSG_SUBSCRIBED);
    answer->u.subscribed =
        (struct belt_msg_subscribed){.ref = msg->ref, .job = job->id, .sub = reader->id, .cursor = cursor};
    mark_reader(core, reader);
    mark_job(core, job);
}

enum claim_verdict stream_claim(struct core *core, struct claim *claim)
{
    struct job *job = catalog_find(core, claim->job);
    struct belt_msg_subscribe *msg = &claim->msg.subscribe;
    struct reader *reader = job ? reader_by_name(job, access_reader_of(claim->from, job), msg->reader) : NULL;
    enum claim_verdict verdict = claim_judge(core, claim, reader ? holder_of(core, reader) : NULL);
    if (verdict == CLAIM_GRANTED) {
        msg->take_over = true; /* from one that may still be remembered */
        subscription_open(core, claim->from, msg);
    } else if (verdict == CLAIM_REFUSED)
        update_error(core, claim->from, msg->ref, msg->job, BELT_NOT_ALLOWED,
                     update_text(core,
                                 "another client ('%s') has read job %llu as reader '%s' for %llu s and is connected: "
                                 "read under another name, wait until it ends, or ask to take over (--take-over)",
                                 holder_of(core, reader)->name, (unsigned long long)job->id, reader->name,
                                 (unsigned long long)(core->now - reader->seated_ms) / 1000));
    return verdict;
}

/* Its first credit comes after results that it was to see were let go: it has to say where it wants to begin. */
static bool comes_too_late(struct core *core, struct reader *reader)
{
    struct job *job = reader->job;
    if (reader->engaged || reader->sent >= job->release.whole_from[reader->mode])
        return false;
    update_error(core, reader->session, 0, job->id, BELT_GONE,
                 update_text(core,
                             "delivery %llu cannot be had: reader '%s' gave no credit, and the other readers have "
                             "taken the results; subscribe again without a cursor",
                             (unsigned long long)reader->sent, reader->name));
    reader_free(core, reader);
    return true;
}

void subscription_ack(struct core *core, struct session *from, const struct belt_msg_ack *msg)
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
    mark_reader(core, reader);
    acknowledge(core, reader, msg->upto);
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
    closing_settle(core, job);
}

/* Who lost its connection may have lost its DETACH with it, and says it again without subscribing (§7.2). */
static bool may_detach(const struct reader *reader, const struct session *from)
{
    if (reader->session || !reader->was_left)
        return reader->session == from;
    return memcmp(reader->client, from->id, BELT_SESSION_LEN) == 0;
}

void subscription_detach(struct core *core, struct session *from, const struct belt_msg_sub *msg)
{
    struct reader *reader = reader_find(core, msg->sub);
    if (!reader || !may_detach(reader, from))
        return; /* gone already: what was wanted */
    reader_remove(core, reader);
}

void subscription_cancel(struct core *core, struct session *from, const struct belt_msg_cancel *msg)
{
    struct job *job = catalog_find(core, msg->job);
    struct reader *reader = job ? reader_by_name(job, access_reader_of(from, job), msg->reader) : NULL;
    if (job && !reader)
        reader = reader_of_anybody(job, msg->reader);
    if (!job) {
        update_unknown_job(core, from, msg->ref, msg->job);
        return;
    }
    if (job->owner.session != from && !access_rules(from, job)) {
        update_error(core, from, msg->ref, msg->job, BELT_NOT_ALLOWED,
                     update_text(core, "job %llu is not yours: its owner and administrators remove its readers",
                                 (unsigned long long)job->id));
        return;
    }
    if (!reader) {
        update_error(core, from, msg->ref, msg->job, BELT_UNKNOWN_READER,
                     update_text(core, "job %llu has no reader of this name: 'belt readers' lists them",
                                 (unsigned long long)job->id));
        return;
    }
    update_trace(core, "job %llu > its reader %s is removed by %s", (unsigned long long)job->id, reader->name,
                 from->name);
    if (reader->session)
        taken_away(core, reader);
    reader_remove(core, reader);
    update_send_kept(core, from, job, BELT_MSG_CANCELLED)->u.cancelled =
        (struct belt_msg_cancel){.ref = msg->ref, .job = msg->job};
    mark_job(core, job);
}

void subscription_unplug(struct core *core, struct session *session)
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
        closing_settle(core, reader->job); /* nobody waits for its DONE */
    }
}

void subscription_resume(struct core *core, struct session *session)
{
    struct reader *reader;
    DL_FOREACH2(session->readers, reader, session_next)
    mark_reader(core, reader);
    core->marks.again = true;
}

/* ---- delivering (turn) ---- */

static size_t extras_size(const struct belt_result_extras *extras)
{
    return extras ? 64 + extras->text.len + extras->log.len + extras->host.len : 16;
}

/* One message; false when there was nothing to send. */
static bool deliver_batch(struct core *core, struct reader *reader)
{
    const struct job *job = reader->job;
    uint64_t index, first = reader->sent;
    struct task *task = cursor_has_credit(reader) ? cursor_task(reader, reader->sent, &index) : NULL;
    if (!task)
        return false;
    uint64_t kept = job->counts.done + job->counts.failed - job->counts.released;
    uint32_t room = kept < BELT_MAX_BATCH ? (uint32_t)kept : BELT_MAX_BATCH;
    struct belt_result_item *items = update_alloc(core, room * sizeof(*items));
    struct belt_batch batch = {0};
    while (task && belt_batch_add(&batch, task->len, extras_size(task->u.extras))) {
        items[batch.count - 1] = task_item(index, task);
        reader->sent++;
        reader->sent_bytes += task->len;
        core->deliveries.turn_bytes += task->len + extras_size(task->u.extras);
        task = cursor_has_credit(reader) && batch.count < room ? cursor_task(reader, reader->sent, &index) : NULL;
    }
    core->deliveries.count++;
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
    if (reader->done_sent || !(stopped || (job->state == BELT_JOB_COMPLETE && reader->sent == job->input.next)))
        return;
    struct belt_msg *msg = update_send_kept(core, reader->session, job, BELT_MSG_DONE);
    msg->u.done = (struct belt_msg_done){
        .sub = reader->id, .count = reader->sent, .code = stopped ? BELT_JOB_CANCELLED : BELT_OK};
    reader->done_sent = true;
    closing_settle(core, job);
}

static bool turn_is_full(const struct core *core)
{
    return core->config.turn_bytes && core->deliveries.turn_bytes >= core->config.turn_bytes;
}

void subscription_deliver(struct core *core, struct reader *reader)
{
    if (!reader->session)
        return;
    uint32_t batches = 0;
    uint64_t end = reader->sent_bytes + BYTES_A_TURN;
    if (reader->job->state != BELT_JOB_STOPPED &&
        !cursor_is_full(reader)) /* else subscription_resume() comes back to it */
        while (batches < BATCHES_A_TURN && reader->sent_bytes < end && !turn_is_full(core) &&
               deliver_batch(core, reader))
            batches++;
    if (batches == BATCHES_A_TURN || reader->sent_bytes >= end || turn_is_full(core)) {
        core->marks.again = true;
        mark_reader(core, reader);
    }
    deliver_done(core, reader);
    refuse_awaited(core, reader);
}
