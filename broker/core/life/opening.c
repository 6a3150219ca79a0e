/* SPDX-License-Identifier: Apache-2.0
 *
 * A new job, in the books and in its queue.
 */
#include "broker/core/life/opening.h"
#include "broker/core/journal/dead_letter.h"
#include "broker/core/journal/history.h"
#include "broker/core/model/account.h"
#include "broker/core/model/catalog.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/name.h"
#include "broker/core/model/owner.h"
#include "broker/core/model/queue.h"
#include "broker/core/model/table.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/budget.h"
#include "broker/core/policy/quota.h"
#include "broker/core/life/expire.h"
#include "broker/core/life/grant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One session leaves places for others. */
static uint32_t session_jobs(const struct core *core)
{
    return core->config.max_jobs - core->config.max_jobs / BELT_SESSION_JOBS_SHARE;
}

/* Jobs that outlive their clients leave places for those that do not. */
static uint32_t detached_jobs(const struct core *core)
{
    return core->config.max_jobs - core->config.max_jobs / BELT_DETACHED_JOBS_SHARE;
}

bool opening_refused(struct core *core, struct session *from, uint64_t ref, const struct belt_open_options *options)
{
    if (core->draining)
        update_error(core, from, ref, 0, BELT_DRAINING,
                     update_text(core, "the broker is shutting down: open the job on another, or later"));
    else if (core->store.failed && !options->never_durable)
        update_error(core, from, ref, 0, BELT_STORE_FAILED,
                     update_text(core,
                                 "the disk of the broker is full, or fails: it takes durable jobs again when results "
                                 "have been read or room was made; a volatile job needs no disk"));
    else if (options->durable && !core->config.durable)
        update_error(core, from, ref, 0, BELT_NOT_DURABLE, update_text(core, "this broker keeps no durable jobs"));
    else if (core->jobs.count >= core->config.max_jobs)
        update_error(core, from, ref, 0, BELT_LIMIT,
                     update_text(core, "the broker has %u jobs already, its limit", core->jobs.count));
    else if (from->jobs >= session_jobs(core))
        update_error(core, from, ref, 0, BELT_LIMIT,
                     update_text(core, "your session has %u jobs already, the limit of one session: end some of them",
                                 from->jobs));
    else if (options->detached && core->jobs.detached >= detached_jobs(core))
        update_error(
            core, from, ref, 0, BELT_LIMIT,
            update_text(core,
                        "the broker has %u detached jobs already, its limit: read and forget some ('belt jobs' "
                        "lists them, 'belt cancel' ends them)",
                        core->jobs.detached));
    else if (options->keep_ms > core->config.keep_max_ms)
        update_error(core, from, ref, 0, BELT_BAD_OPTION,
                     update_text(core,
                                 "keep_ms is %llu, and this broker keeps a job that nobody attends for %llu ms at the "
                                 "most: ask for less, or start it with a larger --keep-max",
                                 (unsigned long long)options->keep_ms, (unsigned long long)core->config.keep_max_ms));
    else if (!budget_keeps(core, from, budget_job_cost(options)))
        update_error(core, from, ref, 0, BELT_LIMIT, budget_refusal(core, from, "job"));
    else
        return quota_of_jobs(core, from, ref);
    return true;
}

static void join_account(struct job *job, struct account *account)
{
    job->owner.account = account_hold(account);
    if (!account)
        return;
    account->jobs++;
    memcpy(job->owner.name, account->name, sizeof(job->owner.name));
}

struct job *opening_new(struct core *core, struct account *account, struct session *owner, uint64_t id,
                        const struct belt_msg_open *msg)
{
    struct job *job = calloc(1, sizeof(*job));
    if (!job)
        abort();
    job->id = id;
    if (core->jobs.last_id < id && is_durable(core, &msg->options))
        core->jobs.last_id = id;
    if (msg->key.len)
        name_copy(job->key, sizeof(job->key), msg->key);
    else
        snprintf(job->key, sizeof(job->key), "job-%llx-%llu", (unsigned long long)core->config.epoch,
                 (unsigned long long)job->id);
    char function[BELT_MAX_NAME + 1];
    name_copy(function, sizeof(function), msg->function);
    job->queue = queue_get(core, function);
    job->queue->jobs++;
    job->options = msg->options;
    join_account(job, account);
    job->share.client = share_take(job->queue, job->owner.account, owner);
    job->options.durable = is_durable(core, &msg->options);
    if (!job->options.max_attempts)
        job->options.max_attempts = BELT_MAX_ATTEMPTS_DEFAULT;
    if (msg->options.argument.len)
        job->argument = belt_payload_copy(msg->options.argument.data, (uint32_t)msg->options.argument.len);
    job->options.argument = (struct belt_bytes){job->argument.data, job->argument.len};
    job->times.opened_at = core->wall;
    job->times.opened_ms = core->now;
    table_init(&job->table);
    HASH_ADD(by_id, core->jobs.by_id, id, sizeof(job->id), job);
    struct job **keys = account_keys(core, job->owner.account);
    HASH_ADD(by_key, *keys, key, (unsigned)strlen(job->key), job);
    catalog_add(core, job);
    core->jobs.count++;
    core->jobs.detached += job->options.detached;
    core->jobs.timed += job->options.timeout_ms > 0;
    budget_fixed(core, job, (int64_t)budget_job_cost(&job->options));
    expire_times(core, job);
    owner_set(core, job, owner);
    job->input.granted = grant_now(core, job);
    mark_job(core, job);
    return job;
}

uint64_t opening_id(struct core *core, bool durable)
{
    uint64_t *last = durable ? &core->jobs.last_id : &core->jobs.last_volatile_id;
    do
        ++*last;
    while (catalog_find(core, *last) || dead_letter_job_find(core, *last) || history_find(core, *last));
    return *last;
}
