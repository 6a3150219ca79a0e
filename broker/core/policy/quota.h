/* SPDX-License-Identifier: Apache-2.0
 *
 * Quotas: what one owner may have at a time (PROTOCOL.md §12.3), beside the bounds of all. Where the broker has no keys
 * there are no owners, and nothing is bounded here. Private to broker/core.
 */
#ifndef BELT_CORE_QUOTA_H
#define BELT_CORE_QUOTA_H

#include "broker/core/model/state.h"

/* 0 stands for the default. */
static inline uint64_t quota_or_default(uint64_t quota, uint64_t fallback)
{
    return quota ? quota : fallback;
}

/* Bytes of inputs that the owner may add. */
uint64_t quota_of_inputs(const struct core *core, const struct account *account);
/* An input of this size may come: there is room, or the owner has no other that waits. */
bool quota_has_room(const struct core *core, const struct account *account, uint64_t size);
/* Results of this size may be kept beside those that are kept, or are to be expected (`expected`). */
bool quota_has_room_for_result(const struct core *core, const struct account *account, uint64_t size, bool expected);

/* The same of the owner of a job. Most jobs have none, which costs no call: tasks pass here. */
static inline uint64_t quota_left(const struct core *core, const struct job *job)
{
    return job->owner.account ? quota_of_inputs(core, job->owner.account) : UINT64_MAX;
}
static inline bool quota_takes(const struct core *core, const struct job *job, uint64_t size)
{
    return !job->owner.account || quota_has_room(core, job->owner.account, size);
}
static inline bool quota_keeps(const struct core *core, const struct job *job, uint64_t size, bool expected)
{
    return !job->owner.account || quota_has_room_for_result(core, job->owner.account, size, expected);
}
/* The owner of the session has all the jobs that it may have. True after the answer. */
bool quota_of_jobs(struct core *core, struct session *from, uint64_t ref);

#endif
