/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs: opening, input, grants, the end, cancelling, and how long a job that
 * is over is remembered (PROTOCOL.md §7.1, §7.3, §7.5).
 */
#include "broker/core/events/job.h"
#include "broker/core/journal/history.h"
#include "broker/core/life/claim.h"
#include "broker/core/life/closing.h"
#include "broker/core/life/expire.h"
#include "broker/core/life/grant.h"
#include "broker/core/life/opening.h"
#include "broker/core/model/catalog.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/owner.h"
#include "broker/core/model/pin.h"
#include "broker/core/model/queue.h"
#include "broker/core/model/table.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/access.h"
#include "broker/core/policy/budget.h"
#include "broker/core/policy/fair.h"
#include "broker/core/policy/owed.h"
#include "broker/core/policy/waiting.h"
#include "broker/core/events/key.h"
#include "broker/core/model/steps.h"

#include <string.h>

/* ---- input ---- */

static void job_error(struct core *core, struct session *to, uint64_t job, unsigned code, struct belt_bytes text)
{
    update_error(core, to, 0, job, code, text);
}

/* The job that `from` may feed, or NULL after an answer. */
static struct job *job_to_feed(struct core *core, struct session *from, uint64_t id)
{
    struct job *job = catalog_find(core, id);
    if (!job)
        update_unknown_job(core, from, 0, id);
    else if (job->owner.session != from)
        job_error(core, from, id, BELT_NOT_ALLOWED,
                  update_text(core, "job %llu belongs to another client", (unsigned long long)id));
    else if (job->state == BELT_JOB_STOPPED)
        job_error(core, from, id, BELT_JOB_CANCELLED,
                  update_text(core, "job %llu was cancelled", (unsigned long long)id));
    else
        return job;
    return NULL;
}

/* True when one more task of the job may be accepted. */
static bool within_grant(const struct job *job)
{
    return job->input.next < job->input.granted.items && job->input.bytes < job->input.granted.bytes;
}

/* Tasks that there is no room for are not taken: their client keeps them, and is asked for them later (§7.1). */
static bool is_put_off(const struct core *core, struct job *job, uint64_t end)
{
    if (job->input.resync_due && end > job->input.next) /* what comes behind those that were not taken */
        return true;
    if (!core->store.failed || !job->options.durable || job->state != BELT_JOB_OPEN || end <= job->input.next)
        return false;
    job->input.resync_due = true;
    return true;
}

void job_push(struct core *core, struct session *from, const struct belt_msg_push *msg)
{
    struct job *job = job_to_feed(core, from, msg->job);
    if (!job || is_put_off(core, job, msg->first + msg->count))
        return;
    if (msg->first > job->input.next) {
        job_error(core, from, job->id, BELT_SYNC_LOST,
                  update_text(core, "task %llu is next, not %llu", (unsigned long long)job->input.next,
                              (unsigned long long)msg->first));
        return;
    }
    uint64_t skip = job->input.next - msg->first;
    uint64_t before = job->input.next;
    struct pinned last = {0};
    for (uint64_t i = skip; i < msg->count; i++) {
        if (job->state != BELT_JOB_OPEN) {
            job_error(core, from, job->id, BELT_JOB_ENDED,
                      update_text(core, "the job has %llu inputs, and more were handed in: use another key",
                                  (unsigned long long)job->input.next));
            break;
        }
        if (!within_grant(job)) {
            job_error(core, from, job->id, BELT_BAD_MESSAGE,
                      update_text(core, "task %llu is beyond the grant", (unsigned long long)job->input.next));
            break;
        }
        uint64_t cost = pin_cost(&last, &msg->tasks[i].payload) + table_cost(&job->table, job->input.next);
        if (cost && !budget_takes(core, job, cost)) {
            budget_starve(core, job, cost);
            job->input.resync_due = true;
            break;
        }
        grant_take(core, job, msg->tasks[i].payload, &last);
    }
    pin_done(&last);
    core->counts.accepted += job->input.next - before;
    job->queue->waiting += job->input.next - before;
    owed_accept(core, job);
    mark_job(core, job);
    if (job->input.next > before)
        waiting_changed(core, job);
    if (job->times.expired)
        expire_more(core, job);
}

void job_end(struct core *core, struct session *from, const struct belt_msg_end *msg)
{
    struct job *job = job_to_feed(core, from, msg->job);
    if (!job || is_put_off(core, job, msg->count))
        return;
    if (msg->count > job->input.next) {
        job_error(core, from, job->id, BELT_SYNC_LOST,
                  update_text(core, "task %llu is next, the end was said at %llu", (unsigned long long)job->input.next,
                              (unsigned long long)msg->count));
        return;
    }
    if (msg->count < job->input.next) {
        job_error(core, from, job->id, BELT_BAD_MESSAGE,
                  update_text(core, "the job has %llu inputs, and the end was said at %llu: use another key",
                              (unsigned long long)job->input.next, (unsigned long long)msg->count));
        return;
    }
    struct belt_msg *answer = update_send_kept(core, from, job, BELT_MSG_ENDED);
    answer->u.ended = (struct belt_msg_end){.job = job->id, .count = job->input.next};
    if (job->state != BELT_JOB_OPEN)
        return;
    job_step(core, job, BELT_JOB_ENDED_INPUT, NULL);
    waiting_changed(core, job); /* a partial chunk may go */
    closing_settle(core, job);
}

/* ---- opening ---- */

static void opened(struct core *core, struct session *to, const struct belt_msg_open *open, const struct job *job)
{
    struct belt_msg *msg = update_send_kept(core, to, job, BELT_MSG_OPENED);
    msg->u.opened = (struct belt_msg_opened){.ref = open->ref,
                                             .job = job->id,
                                             .next = job->input.next,
                                             .next_bytes = job->input.bytes,
                                             .grant = job->input.granted,
                                             .state = job->state,
                                             .digested = open->options.digest && job->options.digest,
                                             .digest = job->input.digest};
}

static bool contradicts_itself(struct core *core, struct session *from, const struct belt_msg_open *msg)
{
    if (!msg->options.durable || !msg->options.never_durable)
        return false;
    update_error(core, from, msg->ref, 0, BELT_BAD_OPTION,
                 update_text(core, "durable and volatile contradict each other: a job is on the broker's disk, or it "
                                   "is not"));
    return true;
}

/* Another session that is not gone feeds it, or did last. */
static bool is_held(const struct job *job, const struct session *from)
{
    return job->owner.session && job->owner.session != from && job->owner.session->state != SESSION_GONE;
}

/* The job is `from`'s from now on. */
static void open_known(struct core *core, struct job *job, struct session *from, const struct belt_msg_open *msg)
{
    if (job->owner.session != from) {
        if (job->owner.session)
            memcpy(job->owner.ousted, job->owner.session->id, sizeof(job->owner.ousted));
        fair_leave(job);
        share_drop(job->queue, job->share.client);
        job->share.client = share_take(job->queue, job->owner.account, from);
        if (list_holds(&job->waiting.active))
            fair_enter(core, job);
        owner_set(core, job, from);
    }
    closing_anew(core, job);
    opened(core, from, msg, job);
}

void job_open(struct core *core, struct session *from, const struct belt_msg_open *msg)
{
    struct job *job;
    if (contradicts_itself(core, from, msg))
        return;
    job = catalog_of_key(core, from->account, msg->key);
    if (!job)
        closing_make_room(core, from, &msg->options);
    if (job && job->owner.session && job->owner.session != from && !job->options.detached) {
        update_error(core, from, msg->ref, 0, BELT_NOT_ALLOWED,
                     update_text(core, "a job with this key belongs to another client"));
        return;
    }
    if (job ? key_refused(core, from, msg, job) : opening_refused(core, from, msg->ref, &msg->options))
        return;
    if (job && is_held(job, from) && !msg->take_over) {
        claim_open(core, from, msg, job);
        return;
    }
    if (!job) {
        job = opening_new(core, from->account, from, opening_id(core, is_durable(core, &msg->options)), msg);
        update_trace(core, "%s > job %llu opened: function %s", from->name, (unsigned long long)job->id,
                     job->queue->function);
    }
    open_known(core, job, from, msg);
}

enum claim_verdict job_claim(struct core *core, struct claim *claim)
{
    struct job *job = catalog_find(core, claim->job);
    enum claim_verdict verdict = claim_judge(core, claim, job ? job->owner.session : NULL);
    uint64_t ref = claim->msg.open.ref;
    if (verdict == CLAIM_GRANTED && job)
        open_known(core, job, claim->from, &claim->msg.open);
    else if (verdict == CLAIM_GRANTED)
        update_error(
            core, claim->from, ref, 0, BELT_UNKNOWN_JOB,
            update_text(core, "job %llu, which this key named, is over: try again", (unsigned long long)claim->job));
    else if (verdict == CLAIM_REFUSED)
        update_error(core, claim->from, ref, 0, BELT_NOT_ALLOWED,
                     update_text(core,
                                 "job %llu is another client's ('%s'), which has fed it for %llu s and is connected: "
                                 "wait until that ends or stop it, or ask to take the job over (--take-over)",
                                 (unsigned long long)job->id, job->owner.session->name,
                                 (unsigned long long)(core->now - job->owner.since_ms) / 1000));
    return verdict;
}

/* ---- cancelling ---- */

static void cancelled(struct core *core, struct session *to, const struct belt_msg_cancel *msg, const struct job *job)
{
    struct belt_msg *answer =
        job ? update_send_kept(core, to, job, BELT_MSG_CANCELLED) : update_send(core, to, BELT_MSG_CANCELLED);
    answer->u.cancelled = (struct belt_msg_cancel){.ref = msg->ref, .job = msg->job};
}

/* §7.3: complete is complete. */
static void complete_already(struct core *core, struct session *to, const struct belt_msg_cancel *msg, bool past)
{
    update_error(core, to, msg->ref, msg->job, BELT_JOB_ENDED,
                 update_text(core, "job %llu is complete: there is nothing to cancel%s", (unsigned long long)msg->job,
                             past ? "" : ", and its results stay until they are read"));
}

/* A job that is over and forgotten, but for its line in the history. */
static void cancel_past(struct core *core, struct session *from, const struct belt_msg_cancel *msg)
{
    struct history_job *past = history_find(core, msg->job);
    if (!past || !access_to_past(from, ACCESS_CANCEL, history_owner(past)))
        update_unknown_job(core, from, msg->ref, msg->job);
    else if (msg->forget && access_rules(from, NULL)) {
        history_drop(core, past);
        cancelled(core, from, msg, NULL);
    } else if (msg->forget || past->row.state == BELT_JOB_STOPPED)
        cancelled(core, from, msg, NULL);
    else
        complete_already(core, from, msg, true);
}

void job_cancel(struct core *core, struct session *from, const struct belt_msg_cancel *msg)
{
    struct job *job = catalog_find(core, msg->job);
    if (!job) {
        cancel_past(core, from, msg);
        return;
    }
    if (!access_rules(from, job) && job->owner.session != from && !job->options.detached) {
        update_error(core, from, msg->ref, msg->job, BELT_NOT_ALLOWED,
                     update_text(core, "job %llu belongs to another client", (unsigned long long)msg->job));
        return;
    }
    if (msg->one) {
        if (job->state < BELT_JOB_COMPLETE)
            expire_one(core, job, msg->task, msg->waiting, from->name);
        return;
    }
    if (msg->waiting) {
        if (job->state < BELT_JOB_COMPLETE)
            expire_halt(core, job, from->name);
        return;
    }
    if (job->state == BELT_JOB_COMPLETE && !msg->forget) {
        complete_already(core, from, msg, false);
        return;
    }
    job->closing.forgotten |= job->state == BELT_JOB_COMPLETE;
    closing_stop(core, job, from->name, NULL);
    cancelled(core, from, msg, job);
}

void job_leave(struct core *core, struct session *owner)
{
    struct job *job, *next;
    LIST_EACH_SAFE (&owner->owned, job, next, owner.owned)
        if (job->options.keep_ms && !job->options.detached)
            owner_set(core, job, NULL);
}
