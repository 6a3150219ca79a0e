/* SPDX-License-Identifier: Apache-2.0
 *
 * Which failures are final, and the pause before the next try of the others (PROTOCOL.md §9.1). The tasks that wait for
 * their next try are kept in policy/delay.c, and the tries on disk in journal/tries.c.
 */
#include "broker/core/life/retry.h"
#include "broker/core/journal/tries.h"
#include "broker/core/model/table.h"

static bool is_final_status(const struct job *job, const struct belt_result_item *item)
{
    int32_t status = item->extras ? item->extras->exit_status : -1;
    if (status < 0 || status >= (int32_t)(8 * BELT_STATUS_BYTES))
        return false;
    return job->options.final_status[status / 8] >> (status % 8) & 1;
}

/* A count has 16 bits, and stays at its highest value: no task is tried so often. */
static uint32_t count_try(uint16_t *tries)
{
    if (*tries < UINT16_MAX)
        ++*tries;
    return *tries;
}

bool retry_wanted(struct core *core, struct job *job, struct task *task, const struct belt_result_item *item)
{
    bool again = false;
    if (item->code == BELT_TASK_LOST)
        again = count_try(&task->n.tries.losses) < job->options.max_attempts;
    else if (item->code == BELT_TASK_TIMEOUT || item->code == BELT_SLOT_FAILED ||
             (item->code == BELT_TASK_FAILED && !is_final_status(job, item)))
        again = count_try(&task->n.tries.failures) <= job->options.retries;
    if (again)
        tries_note(core, job, item->index);
    return again;
}

/* splitmix64: the bits need only be spread well. */
static uint64_t draw(struct core *core)
{
    uint64_t z = core->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t retry_pause(struct core *core, const struct job *job, const struct task *task)
{
    uint64_t base = job->options.backoff_ms ? job->options.backoff_ms : BELT_BACKOFF_MS;
    uint32_t tries = (uint32_t)task->n.tries.failures + task->n.tries.losses;
    if (base == BELT_NO_BACKOFF)
        return 0;
    uint64_t most = base > BELT_BACKOFF_MAX_MS ? base : BELT_BACKOFF_MAX_MS;
    while (--tries && base < most)
        base *= 2;
    if (base > most)
        base = most;
    return base - base / 2 + draw(core) % (base / 2 + 1);
}

/* ---- tries on disk ---- */
