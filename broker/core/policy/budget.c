/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory budget: who may make the broker keep more. Inputs end at three quarters of it, so that results have room;
 * a job that holds less than its part goes on up to the whole. What is not taken stays with its client, which is asked
 * for it later (PROTOCOL.md §7.1).
 */
#include "budget.h"
#include "../model/mark.h"

/* Jobs that wait for room are looked at so many at a time. */
#define STARVED_A_TURN 64u

static uint64_t inputs_end(const struct core *core)
{
    return core->config.memory_budget - core->config.memory_budget / 4;
}

/* The budget's last quarter is shared out among the jobs. */
static uint64_t part_of(const struct core *core)
{
    return core->config.memory_budget / 4 / (core->jobs ? core->jobs : 1);
}

uint64_t budget_left(const struct core *core, const struct job *job)
{
    uint64_t end = inputs_end(core), left = core->bytes < end ? end - core->bytes : 0;
    uint64_t part = part_of(core) > job->bytes ? part_of(core) - job->bytes : 0;
    uint64_t rest = core->bytes < core->config.memory_budget ? core->config.memory_budget - core->bytes : 0;
    if (part > rest)
        part = rest;
    return left > part ? left : part;
}

bool budget_takes(const struct core *core, const struct job *job, uint64_t size)
{
    /* One payload always fits into a broker that keeps little, however small its budget is. */
    return size <= budget_left(core, job) || core->bytes < core->config.memory_budget / 4;
}

bool budget_keeps(const struct core *core, uint64_t size)
{
    return core->bytes + size <= core->config.memory_budget;
}

void budget_starve(struct core *core, struct job *job, uint64_t size)
{
    job->starved_for = size;
    if (job->starved)
        return;
    job->starved = true;
    DL_APPEND2(core->starved, job, starved_prev, starved_next);
}

void budget_feed(struct core *core, struct job *job)
{
    if (job->starved)
        DL_DELETE2(core->starved, job, starved_prev, starved_next);
    job->starved = false;
}

bool budget_has_room(const struct core *core)
{
    const struct job *job;
    uint32_t looked = 0;
    DL_FOREACH2(core->starved, job, starved_next)
    {
        if (looked++ == STARVED_A_TURN)
            break;
        if (budget_takes(core, job, job->starved_for))
            return true;
    }
    return false;
}

void budget_turn(struct core *core)
{
    struct job *job, *next;
    uint32_t looked = 0;
    DL_FOREACH_SAFE2(core->starved, job, next, starved_next)
    {
        if (looked++ == STARVED_A_TURN)
            break;
        if (budget_takes(core, job, job->starved_for)) {
            mark_job(core, job);
            continue;
        }
        DL_DELETE2(core->starved, job, starved_prev, starved_next); /* the next turn begins with others */
        DL_APPEND2(core->starved, job, starved_prev, starved_next);
    }
}
