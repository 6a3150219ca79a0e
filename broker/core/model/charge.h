/* SPDX-License-Identifier: Apache-2.0
 *
 * What a job is charged for beside payloads. Private to broker/core.
 */
#ifndef BELT_CORE_CHARGE_H
#define BELT_CORE_CHARGE_H

#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

/* Of a reader, and of the tries of a task that are on disk, each with its place in a hash. */
#define READER_COST ((int64_t)sizeof(struct reader) + 16)
#define TRIED_COST  (sizeof(struct tried) + 16)

/* What the job keeps beside payloads has grown or shrunk. */
static inline void charge_own(struct core *core, struct job *job)
{
    uint64_t own = job->memory.fixed_bytes + job->memory.list_bytes + job->table.bytes + job->on_disk.tasks.bytes +
                   job->on_disk.results.bytes;
    core->memory.bytes += own - job->memory.own_bytes;
    job->memory.own_bytes = own;
}

#endif
