/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a job: complete, cancelled or given up; how long it is kept and remembered when it is over (PROTOCOL.md
 * §7.1, §7.3, §7.5).
 */
#include "broker/core/life/closing.h"
#include "broker/core/journal/durable.h"
#include "broker/core/journal/history.h"
#include "broker/core/model/account.h"
#include "broker/core/model/catalog.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/owner.h"
#include "broker/core/model/pin.h"
#include "broker/core/model/queue.h"
#include "broker/core/model/sweep.h"
#include "broker/core/model/table.h"
#include "broker/core/model/timer.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/budget.h"
#include "broker/core/policy/delay.h"
#include "broker/core/policy/fair.h"
#include "broker/core/policy/owed.h"
#include "broker/core/policy/run.h"
#include "broker/core/policy/waiting.h"
#include "broker/core/life/reader.h"
#include "broker/core/model/steps.h"
#include "proto/text_cut.h"

#include <stdio.h>
#include <stdlib.h>

/* Jobs that are over are kept for a client that lost its connection just then, but not more than these. */
#define RETIRED_MAX 1024u

static uint64_t retired_for(const struct core *core)
{
    return 2 * (uint64_t)core->config.lease_ms;
}

static struct job *first_retired(const struct core *core)
{
    return LIST_FIRST(&core->closing.retired, struct job, closing.retired);
}

static struct job *first_remembered(const struct core *core)
{
    return LIST_FIRST(&core->closing.remembered, struct job, closing.remembered);
}

static void retire(struct core *core, struct job *job)
{
    if (list_holds(&job->closing.retired))
        return;
    job->closing.retired_ms = core->now;
    list_append(&core->closing.retired, &job->closing.retired);
    core->closing.retired_count++;
    mark_alarm(core, core->now + retired_for(core));
}

void closing_anew(struct core *core, struct job *job)
{
    if (!list_holds(&job->closing.retired) || !job->closing.retired_ms)
        return;
    job->closing.retired_ms = core->now;
    list_remove(&job->closing.retired);
    list_append(&core->closing.retired, &job->closing.retired);
}

void closing_keep_all(struct core *core)
{
    struct job *job;
    LIST_EACH (&core->closing.retired, job, closing.retired)
        if (job->closing.retired_ms)
            job->closing.retired_ms = core->now;
}

/* Free at the next look, wherever it stands in the list. */
static void retire_now(struct core *core, struct job *job)
{
    retire(core, job);
    job->closing.retired_ms = 0;
    mark_alarm(core, core->now); /* this turn may have looked already */
    list_remove(&job->closing.retired);
    list_prepend(&core->closing.retired, &job->closing.retired);
}

static void unremember(struct core *core, struct job *job)
{
    if (!job->closing.remember_ms)
        return;
    list_remove(&job->closing.remembered);
    job->closing.remember_ms = 0;
    timer_set(core, job);
}

/* All was read, and nothing is kept of it but what its key stands for (§7.1). */
static void remember(struct core *core, struct job *job)
{
    if (job->closing.remember_ms || list_holds(&job->closing.retired))
        return;
    uint64_t least = retired_for(core); /* as long as any other job that is over */
    job->closing.remember_ms = core->now + (job->options.remember_ms > least ? job->options.remember_ms : least);
    list_append(&core->closing.remembered, &job->closing.remembered);
    timer_set(core, job);
}

void closing_remembered_turn(struct core *core, struct job *job)
{
    if (!job->closing.remember_ms || core->now < job->closing.remember_ms)
        return;
    unremember(core, job);
    retire_now(core, job);
}

static bool read_to_the_end(const struct job *job)
{
    const struct reader *reader;
    if (!job->readers.was_read || job->counts.released < job->input.next)
        return false;
    DL_FOREACH (job->readers.first, reader)
        if (!reader->done_sent && reader->session && reader->engaged)
            return false;
    return true;
}

void closing_settle(struct core *core, struct job *job)
{
    if (job->state == BELT_JOB_ENDED_INPUT && job->counts.done + job->counts.failed == job->input.next) {
        job_step(core, job, BELT_JOB_COMPLETE, NULL);
        if (!job->times.over_at) /* it may have been so before a restart */
            job->times.over_at = core->wall;
        timer_set(core, job);
        mark_readers(core, job);
    }
    if (job->state == BELT_JOB_COMPLETE && read_to_the_end(job)) {
        if (job->options.remember_ms)
            remember(core, job);
        else
            retire(core, job);
    }
    if (job->state == BELT_JOB_STOPPED)
        unremember(core, job);
    if (job->state == BELT_JOB_STOPPED && job->counts.running == 0) {
        if (job->owner.session)
            retire(core, job);
        else
            retire_now(core, job);
    }
}

/* Jobs that outlive their client do not live for ever. */
void closing_idle_turn(struct core *core, struct job *job)
{
    if (job->times.idle_ms && timer_patience_left(core, job) == 0 && !job->closing.remember_ms &&
        !list_holds(&job->closing.retired))
        closing_stop(core, job, NULL, "nobody came for it");
}

/* In its place comes its line in the history. */
static void let_go(struct core *core, struct job *job)
{
    durable_forget(core, job);
    history_add(core, job);
    closing_free(core, job);
}

void closing_turn(struct core *core)
{
    uint64_t keep = retired_for(core);
    struct job *job;
    while ((job = first_retired(core))) {
        if (job->closing.retired_ms && core->closing.retired_count <= RETIRED_MAX &&
            (core->store.failed ||
             core->now < job->closing.retired_ms + keep)) { /* answers about it may wait for the store */
            mark_alarm(core, core->now < job->closing.retired_ms + keep ? job->closing.retired_ms + keep : UINT64_MAX);
            return;
        }
        let_go(core, job);
    }
}

static struct job *first_remembered_of(const struct core *core, const struct account *account)
{
    struct job *job;
    LIST_EACH (&core->closing.remembered, job, closing.remembered)
        if (job->owner.account == account)
            return job;
    return NULL;
}

/* What is remembered of an owner fills no more of the broker than its jobs by default may: then its next job takes the
 * place of one of its own, and the keys of others stay. */
static void make_room_of_own(struct core *core, const struct account *account)
{
    struct job *own;
    if (account && account->jobs >= core->config.max_jobs / BELT_QUOTA_SHARE &&
        (own = first_remembered_of(core, account)))
        let_go(core, own);
}

void closing_make_room(struct core *core, const struct session *from, const struct belt_open_options *options)
{
    make_room_of_own(core, from->account);
    if (core->jobs.count >= core->config.max_jobs && first_remembered(core))
        let_go(core, first_remembered(core));
    while (first_retired(core) && !core->store.failed && !budget_keeps(core, from, budget_job_cost(options)))
        let_go(core, first_retired(core));
    while (first_remembered(core) && !budget_keeps(core, from, budget_job_cost(options)))
        let_go(core, first_remembered(core));
}

static void leave_account(struct core *core, struct job *job)
{
    struct account *account = job->owner.account;
    if (!account)
        return;
    account->jobs--;
    account->bytes -= job->memory.payload_bytes;
    account->unread -= job->memory.unread_bytes;
    account->fixed_bytes -= job->memory.fixed_bytes;
    account_drop(core, account);
}

void closing_free(struct core *core, struct job *job)
{
    struct queue *queue = job->queue;
    durable_forget(core, job);
    sweep_forget(job);
    reader_free_all(core, job);
    owed_accept_told(job);
    timer_remove(core, job);
    core->closing.retired_count -= list_holds(&job->closing.retired);
    list_remove(&job->closing.retired);
    list_remove(&job->closing.remembered);
    list_remove(&job->waiting.active);
    fair_leave(job);
    list_remove(&job->marked);
    owner_leave(job);
    catalog_remove(core, job);
    queue->waiting -= job->counts.waiting;
    queue->delayed -= job->counts.delayed;
    share_drop(queue, job->share.client);
    queue->jobs--;
    core->jobs.count--;
    core->jobs.detached -= job->options.detached;
    core->jobs.timed -= job->options.timeout_ms > 0;
    HASH_DELETE(by_id, core->jobs.by_id, job);
    struct job **keys = account_keys(core, job->owner.account);
    HASH_DELETE(by_key, *keys, job);
    table_clear(&job->table);
    core->memory.bytes -=
        job->memory.payload_bytes + job->memory.own_bytes; /* large payloads, texts and logs; itself */
    core->memory.fixed_bytes -= job->memory.fixed_bytes;
    core->memory.payload_bytes -= job->memory.payload_bytes;
    leave_account(core, job);
    budget_feed(job);
    belt_payload_clear(&job->argument);
    pairs_free(&job->waiting.again);
    pairs_free(&job->delayed.heap);
    free(job->completions.ring);
    free(job);
    queue_prune(core, queue);
}

/* Everything but what runs is let go. */
static void release_all(struct core *core, struct job *job)
{
    for (uint64_t index = table_seek(&job->table, 0); index < job->input.next;
         index = table_seek(&job->table, index + 1)) {
        struct task *task = table_at(&job->table, index);
        if (task->state == TASK_RELEASED || task->state == TASK_RUNNING)
            continue;
        task_forget(core, job, index, task);
    }
    job->queue->waiting -= job->counts.waiting;
    job->counts.waiting = 0;
    job->waiting.fresh = job->input.next;
    job->waiting.again.count = 0;
    delay_forget(core, job);
    job->completions.base += job->completions.count;
    job->completions.count = 0;
}

/* Agents have done with these, and their results are not wanted any more. */
static void forget_refused(struct core *core, struct job *job)
{
    while (job->results.refused) {
        uint64_t index = job->results.refused->index;
        run_free(core, job->results.refused);
        task_forget(core, job, index, table_at(&job->table, index));
    }
}

void closing_stop(struct core *core, struct job *job, const char *who, const char *why)
{
    if (job->state == BELT_JOB_STOPPED)
        return;
    text_print(job->closing.stopped, sizeof(job->closing.stopped), "%s%s",
               !who                     ? "given up: "
               : job->closing.forgotten ? "its results were dropped by "
                                        : "cancelled by ",
               who ? who : why);
    job_step(core, job, BELT_JOB_STOPPED, who ? who : why);
    budget_feed(job);
    if (!job->times.over_at)
        job->times.over_at = core->wall;
    timer_set(core, job);
    durable_forget(core, job);
    sweep_forget(job);
    release_all(core, job);
    run_drop_job(core, job);
    forget_refused(core, job);
    waiting_changed(core, job);
    mark_readers(core, job);
    closing_settle(core, job);
}

void closing_orphan(struct core *core, struct session *owner)
{
    struct job *job;
    while ((job = LIST_FIRST(&owner->owned, struct job, owner.owned))) {
        owner_set(core, job, NULL);
        if (job->options.detached)
            continue;
        if (job->closing.remember_ms)
            continue;
        if (!list_holds(&job->closing.retired))
            closing_stop(core, job, NULL, "its client is gone");
        if (job->counts.running == 0)
            retire_now(core, job);
    }
}
