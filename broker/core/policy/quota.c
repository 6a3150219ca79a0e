/* SPDX-License-Identifier: Apache-2.0
 *
 * Quotas of owners (quota.h).
 */
#include "broker/core/policy/quota.h"
#include "broker/core/model/account.h"
#include "broker/core/model/update.h"

static uint64_t part_of_memory(const struct core *core, uint64_t quota)
{
    return quota_or_default(quota, core->config.memory_budget / BELT_QUOTA_SHARE);
}

/* What its inputs without a result take; what their results take beside their own bytes is counted as well. */
static uint64_t waiting_of(const struct account *account)
{
    return account->bytes > account->unread ? account->bytes - account->unread : 0;
}

static bool is_full_of_results(const struct core *core, const struct account *account)
{
    return account->unread >= part_of_memory(core, account->quotas.kept_bytes);
}

uint64_t quota_of_inputs(const struct core *core, const struct account *account)
{
    uint64_t most = part_of_memory(core, account->quotas.waiting_bytes), has = waiting_of(account);
    return has < most && !is_full_of_results(core, account) ? most - has : 0;
}

bool quota_has_room(const struct core *core, const struct account *account, uint64_t size)
{
    if (size <= quota_of_inputs(core, account))
        return true;
    return waiting_of(account) == 0 && !is_full_of_results(core, account);
}

bool quota_has_room_for_result(const struct core *core, const struct account *account, uint64_t size, bool expected)
{
    uint64_t kept = account->unread + (expected ? account->expected : 0);
    return kept + size <= part_of_memory(core, account->quotas.kept_bytes);
}

/* Jobs that are over do not count: those kept for a client that comes back, and those that were read to their end and
 * are remembered for their keys, which make room when the broker has none (closing_make_room()). */
static uint64_t living_of(const struct core *core, const struct account *account)
{
    uint64_t living = account->jobs;
    struct job *job;
    LIST_EACH (&core->closing.retired, job, closing.retired)
        living -= job->owner.account == account;
    LIST_EACH (&core->closing.remembered, job, closing.remembered)
        living -= job->owner.account == account;
    return living;
}

bool quota_of_jobs(struct core *core, struct session *from, uint64_t ref)
{
    const struct account *account = from->account;
    if (!account)
        return false;
    uint64_t most = quota_or_default(account->quotas.jobs, core->config.max_jobs / BELT_QUOTA_SHARE);
    uint64_t living = account->jobs < most ? 0 : living_of(core, account);
    if (living < most)
        return false;
    update_error(core, from, ref, 0, BELT_QUOTA,
                 update_text(core,
                             "jobs: '%s' has %llu, all that its keys may have together: try again when one of them is "
                             "over ('belt jobs' lists them, 'belt cancel' ends them)",
                             account->name, (unsigned long long)living));
    return true;
}
