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
    return job->log[(job->log_head + (place - job->log_base)) % job->log_room];
}

void completions_add(struct job *job, uint64_t index)
{
    if (job->log_count == job->log_room) {
        uint64_t room = job->log_room ? job->log_room * 2 : 64;
        uint64_t *log = malloc(room * sizeof *log);
        if (!log)
            abort();
        for (uint64_t i = 0; i < job->log_count; i++)
            log[i] = completions_at(job, job->log_base + i);
        free(job->log);
        job->list_bytes += (room - job->log_room) * sizeof *log;
        job->log = log;
        job->log_room = room;
        job->log_head = 0;
    }
    job->log[(job->log_head + job->log_count) % job->log_room] = index;
    job->log_count++;
}

void completions_note(struct job *job, uint64_t place, uint64_t index)
{
    struct task *task = table_at(&job->table, index);
    if (task && task->state == TASK_DONE)
        task->place = (uint32_t)place;
    else if (place >= job->whole_from[BELT_UNORDERED])
        job->whole_from[BELT_UNORDERED] = place + 1;
}

uint64_t completions_place(const struct job *job, const struct task *task)
{
    return job->log_base + (uint32_t)(task->place - (uint32_t)job->log_base);
}

void completions_set(struct job *job, uint64_t place, uint64_t index)
{
    job->log[(job->log_head + (place - job->log_base)) % job->log_room] = index;
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
    return job->options.durable && job->state != BELT_JOB_STOPPED && place >= job->kept.taken;
}

void completions_trim(struct job *job)
{
    while (job->log_count && !is_kept(job, job->log_base) && completions_released(job, job->log[job->log_head])) {
        job->log_head = (job->log_head + 1) % job->log_room;
        job->log_base++;
        job->log_count--;
    }
}
