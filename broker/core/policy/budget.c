/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory budget: who may make the broker keep more. Inputs end at three quarters of it, so that results have room,
 * and results at seven eighths; a job that holds less than its part goes on up to the whole. Inputs that are not taken
 * stay with their client, which is asked for them later (PROTOCOL.md §7.1), results with their agent (refuse.c).
 */
#include "broker/core/policy/budget.h"
#include "broker/core/model/account.h"
#include "broker/core/model/cursor.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/quota.h"

/* In one turn at most this many of the jobs that wait for room are looked at. */
#define STARVED_A_TURN 64u

/* Jobs and readers themselves find room although all is full of results: who reads makes room. */
static uint64_t reserve_of(const struct core *core)
{
    return core->config.memory_budget / 8;
}

static uint64_t used(const struct core *core)
{
    uint64_t reserve = reserve_of(core);
    return core->memory.bytes + (core->memory.fixed_bytes < reserve ? reserve - core->memory.fixed_bytes : 0);
}

static uint64_t inputs_end(const struct core *core)
{
    return core->config.memory_budget - core->config.memory_budget / 4;
}

static uint64_t results_end(const struct core *core)
{
    return core->config.memory_budget - core->config.memory_budget / 8;
}

/* The budget's last eighth is shared out among the jobs. */
static uint64_t part_of(const struct core *core)
{
    return core->config.memory_budget / 8 / (core->jobs.count ? core->jobs.count : 1);
}

uint64_t budget_left(const struct core *core, const struct job *job)
{
    uint64_t end = inputs_end(core), left = used(core) < end ? end - used(core) : 0;
    uint64_t part = part_of(core) > job->memory.payload_bytes ? part_of(core) - job->memory.payload_bytes : 0;
    uint64_t rest = used(core) < core->config.memory_budget ? core->config.memory_budget - used(core) : 0;
    if (part > rest)
        part = rest;
    uint64_t quota = quota_left(core, job), most = left > part ? left : part;
    return most < quota ? most : quota;
}

bool budget_takes(const struct core *core, const struct job *job, uint64_t size)
{
    if (!quota_takes(core, job, size))
        return false;
    /* One payload always fits into a broker that keeps little or no other, however small its budget is. */
    return size <= budget_left(core, job) || used(core) < core->config.memory_budget / 4 ||
           core->memory.payload_bytes == 0;
}

/* ---- results ---- */

/* What a result seems to take before its job has had one. */
#define RESULT_GUESS 1024u

/* Beyond the budget there is room for one result of any size: else a reader that waits for it would never make room. */
static uint64_t overdraft(const struct core *core)
{
    return core->config.memory_budget + core->config.max_payload + BELT_MAX_HEADER;
}

static uint64_t typical_of(const struct job *job)
{
    uint32_t known = job->results.typical_bytes ? job->results.typical_bytes : job->queue->result_bytes;
    return known ? known : RESULT_GUESS;
}

uint32_t budget_expect(struct core *core, const struct job *job)
{
    core->memory.expected += typical_of(job);
    if (job->owner.account)
        job->owner.account->expected += typical_of(job);
    return (uint32_t)typical_of(job);
}

bool budget_takes_result(const struct core *core, const struct job *job, uint64_t size, bool awaited)
{
    uint64_t after = used(core) + size;
    bool within = quota_keeps(core, job, size, false);
    if (within && after <= results_end(core))
        return true;
    if (within && after <= core->config.memory_budget && job->memory.payload_bytes + size <= part_of(core))
        return true;
    return awaited && after <= overdraft(core);
}

void budget_learn(struct job *job, uint64_t size)
{
    uint32_t now = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX, known = job->results.typical_bytes;
    job->results.typical_bytes = now >= known ? now : known - (known - now) / 16;
    job->queue->result_bytes = job->results.typical_bytes;
}

bool budget_is_short(const struct core *core, const struct job *job)
{
    uint64_t one = typical_of(job), own = (job->counts.running - job->results.refused_count) * one;
    bool within = quota_keeps(core, job, one, true);
    if (within && (used(core) + core->memory.expected + one <= results_end(core) ||
                   job->memory.payload_bytes + own + one <= part_of(core)))
        return false;
    return job->counts.running > job->results.refused_count || !cursor_awaits_any(job);
}

bool budget_holds_back(struct core *core, struct job *job)
{
    if (!budget_is_short(core, job))
        return false;
    job->queue->revisit = core->marks.revisit = true;
    core->memory.held_back = true;
    return true;
}

void budget_looked(struct core *core)
{
    if (core->memory.looked_bytes < core->memory.bytes + core->memory.expected)
        core->memory.looked_bytes = core->memory.bytes + core->memory.expected;
}

bool budget_has_fallen(const struct core *core)
{
    return (core->memory.held_back || !list_is_empty(&core->memory.refusing)) &&
           (core->memory.bytes + core->memory.expected < core->memory.looked_bytes ||
            core->deliveries.count != core->memory.looked_delivered);
}

/* ---- what is kept before any task ---- */

/* As if it were the only job of its client and of its function. */
uint64_t budget_job_cost(const struct belt_open_options *options)
{
    return sizeof(struct job) + sizeof(struct share) + sizeof(struct queue) + options->argument.len;
}

/* Jobs and readers without their tasks leave most of the budget to those; one client's leave something to others. */
static uint64_t fixed_end(const struct core *core)
{
    return core->config.memory_budget / 8 * 3;
}

static uint64_t owner_end(const struct core *core)
{
    return core->config.memory_budget / 16 * 5;
}

/* Of all jobs of a session, or of all sessions of an owner. */
static uint64_t fixed_of(const struct session *owner)
{
    return !owner ? 0 : owner->account ? owner->account->fixed_bytes : owner->fixed_bytes;
}

bool budget_keeps(const struct core *core, const struct session *owner, uint64_t size)
{
    bool room =
        core->memory.fixed_bytes + size <= reserve_of(core) || core->memory.bytes + size <= core->config.memory_budget;
    return room && core->memory.fixed_bytes + size <= fixed_end(core) && fixed_of(owner) + size <= owner_end(core);
}

void budget_fixed(struct core *core, struct job *job, int64_t bytes)
{
    job->memory.fixed_bytes += (uint64_t)bytes;
    core->memory.fixed_bytes += (uint64_t)bytes;
    if (job->owner.session)
        job->owner.session->fixed_bytes += (uint64_t)bytes;
    if (job->owner.account)
        job->owner.account->fixed_bytes += (uint64_t)bytes;
    charge_own(core, job);
}

const char *budget_option(const struct core *core)
{
    return core->config.memory_option ? core->config.memory_option : "--memory-budget of the broker";
}

struct belt_bytes budget_refusal(struct core *core, const struct session *owner, const char *what)
{
    unsigned long long budget = core->config.memory_budget;
    if (fixed_of(owner) + BELT_MAX_ARGUMENT > owner_end(core))
        return update_text(
            core,
            "the jobs of one client, with their arguments and readers, take five sixteenths of the "
            "broker's memory budget of %llu bytes at most: it takes another %s when some of them are over",
            budget, what);
    if (core->memory.fixed_bytes + BELT_MAX_ARGUMENT > fixed_end(core))
        return update_text(
            core,
            "jobs, with their arguments and readers, take three eighths of the broker's memory budget of %llu "
            "bytes at most: it takes another %s when some of them are over, or raise %s",
            budget, what, budget_option(core));
    return update_text(core,
                       "the broker's memory budget of %llu bytes is used up: it takes another %s when results have "
                       "been read, or raise %s",
                       budget, what, budget_option(core));
}

bool budget_admits(const struct core *core, uint64_t had, uint64_t cost)
{
    return cost <= had || core->sessions.bytes - had + cost <= core->config.peer_budget;
}

void budget_starve(struct core *core, struct job *job, uint64_t size)
{
    job->input.starved_for = size;
    if (!list_holds(&job->input.starving))
        list_append(&core->memory.starving, &job->input.starving);
}

void budget_feed(struct job *job)
{
    list_remove(&job->input.starving);
}

bool budget_has_room(const struct core *core)
{
    const struct job *job;
    uint32_t looked = 0;
    LIST_EACH (&core->memory.starving, job, input.starving) {
        if (looked++ == STARVED_A_TURN)
            break;
        if (budget_takes(core, job, job->input.starved_for))
            return true;
    }
    return false;
}

void budget_turn(struct core *core)
{
    struct job *job, *next;
    uint32_t looked = 0;
    LIST_EACH_SAFE (&core->memory.starving, job, next, input.starving) {
        if (looked++ == STARVED_A_TURN)
            break;
        if (budget_takes(core, job, job->input.starved_for)) {
            mark_job(core, job);
            continue;
        }
        list_remove(&job->input.starving); /* the next turn begins with others */
        list_append(&core->memory.starving, &job->input.starving);
    }
}
