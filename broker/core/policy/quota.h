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

/* Bytes of inputs that the owner of the job may add; UINT64_MAX: as many as the broker has room for. */
uint64_t quota_left(const struct core *core, const struct job *job);
/* An input of this size may come: there is room, or the owner has no other that waits. */
bool quota_takes(const struct core *core, const struct job *job, uint64_t size);
/* Results of this size may be kept beside those that are kept, or are to be expected (`expected`). */
bool quota_keeps(const struct core *core, const struct job *job, uint64_t size, bool expected);
/* The owner of the session has all the jobs that it may have. True after the answer. */
bool quota_of_jobs(struct core *core, struct session *from, uint64_t ref);

#endif
