/* SPDX-License-Identifier: Apache-2.0
 *
 * The log of completions: in which order the tasks of a job got their results. A place in it is the number of an
 * unordered delivery.
 */
#include "broker/core/model/completions.h"
#include "broker/core/model/table.h"

#include <stdlib.h>

uint64_t completions_at(const struct job *job, uint64_t place)
{
    return job->completions.ring[(job->completions.head + (place - job->completions.base)) % job->completions.room];
}

void completions_add(struct job *job, uint64_t index)
{
    if (job->completions.count == job->completions.room) {
        uint64_t room = job->completions.room ? job->completions.room * 2 : 64;
        uint64_t *log = malloc(room * sizeof(*log));
        if (!log)
            abort();
        for (uint64_t i = 0; i < job->completions.count; i++)
            log[i] = completions_at(job, job->completions.base + i);
        free(job->completions.ring);
        job->memory.list_bytes += (room - job->completions.room) * sizeof(*log);
        job->completions.ring = log;
        job->completions.room = room;
        job->completions.head = 0;
    }
    job->completions.ring[(job->completions.head + job->completions.count) % job->completions.room] = index;
    job->completions.count++;
}

void completions_note(struct job *job, uint64_t place, uint64_t index)
{
    struct task *task = table_at(&job->table, index);
    if (task && task->state == TASK_DONE)
        task->place = (uint32_t)place;
    else if (place >= job->release.whole_from[BELT_UNORDERED])
        job->release.whole_from[BELT_UNORDERED] = place + 1;
}

uint64_t completions_place(const struct job *job, const struct task *task)
{
    return job->completions.base + (uint32_t)(task->place - (uint32_t)job->completions.base);
}

void completions_set(struct job *job, uint64_t place, uint64_t index)
{
    job->completions.ring[(job->completions.head + (place - job->completions.base)) % job->completions.room] = index;
    completions_note(job, place, index);
}

bool completions_released(const struct job *job, uint64_t index)
{
    const struct task *task = table_at(&job->table, index);
    return !task || task->state == TASK_RELEASED;
}

/* A durable job looks at its places again when they are recorded, and when the record is not needed any more. */
static bool is_kept(const struct job *job, uint64_t place)
{
    return job->options.durable && job->state != BELT_JOB_STOPPED && place >= job->on_disk.taken;
}

void completions_trim(struct job *job)
{
    while (job->completions.count && !is_kept(job, job->completions.base) &&
           completions_released(job, job->completions.ring[job->completions.head])) {
        job->completions.head = (job->completions.head + 1) % job->completions.room;
        job->completions.base++;
        job->completions.count--;
    }
}
