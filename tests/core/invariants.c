/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/core/invariants.h"

#include "broker/core/model/account.h"
#include "broker/core/model/completions.h"
#include "broker/core/model/past.h"
#include "broker/core/model/pin.h"
#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

#include <stdarg.h>
#include <stdio.h>

static char wrong[512];

static const char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(wrong, sizeof(wrong), format, args);
    va_end(args);
    return wrong;
}

#define ULL(x) ((unsigned long long)(x))
#define MUST(condition, job_id)                                                                                        \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return say("job/agent %llu: %s (%s:%d)", ULL(job_id), #condition, __FILE__, __LINE__);                     \
    } while (0)

struct counts {
    uint64_t waiting, delayed, running, refused, kept, released, unread;
};

static const char *check_task(const struct job *job, uint64_t index, struct counts *counts)
{
    const struct task *task = table_at(&job->table, index);
    if (!task || task->state == TASK_RELEASED) {
        counts->released++;
        return NULL;
    }
    if (task->state == TASK_WAITING) {
        counts->waiting++;
    } else if (task->state == TASK_DELAYED) {
        counts->delayed++;
    } else if (task->state == TASK_DONE) {
        counts->kept++;
        counts->unread += task->len + (uint64_t)extras_bytes(task->u.extras);
        MUST(completions_place(job, task) < job->completions.base + job->completions.count, job->id);
        MUST(completions_at(job, completions_place(job, task)) == index, job->id);
    } else {
        counts->running++;
        counts->refused += task->u.run->refused;
        MUST(task->u.run && task->u.run->job == job && task->u.run->index == index, job->id);
        MUST(task->attempt > 0, job->id);
    }
    return NULL;
}

static const char *check_readers(const struct job *job)
{
    uint32_t readers = 0;
    const struct reader *reader;
    DL_FOREACH (job->readers.first, reader) {
        readers++;
        MUST(reader->acked <= reader->sent, job->id);
        if (job->state != BELT_JOB_STOPPED && reader->mode == BELT_UNORDERED) {
            MUST(reader->sent <= job->completions.base + job->completions.count || reader->sent == reader->acked,
                 job->id);
            MUST(!reader->engaged || reader->acked >= job->completions.base, job->id);
        }
    }
    MUST(readers == job->readers.count, job->id);
    return NULL;
}

static bool heap_has(const struct heap *heap, const struct heap_node *node)
{
    return heap_holds(node) && node->place <= heap->count && heap->nodes[node->place - 1] == node;
}

/* Whose turn it is: what waits is in both heaps, at the place it knows of. */
static const char *check_place(const struct job *job)
{
    const struct share *share = job->share.client;
    bool active = list_holds(&job->waiting.active);
    MUST(active == heap_holds(&job->share.turn), job->id);
    if (!active)
        return NULL;
    MUST(heap_has(&share->jobs_heap, &job->share.turn), job->id);
    MUST(heap_has(&job->queue->shares_heap, &share->turn), job->id);
    return NULL;
}

static const char *check_job(const struct job *job)
{
    struct counts counts = {0};
    uint64_t index = job->table.used ? job->table.base : job->input.next;
    counts.released = index;
    for (; index < job->input.next; index++) {
        const char *bad = check_task(job, index, &counts);
        if (bad)
            return bad;
    }
    MUST(counts.waiting == job->counts.waiting, job->id);
    MUST(counts.running == job->counts.running && counts.refused == job->results.refused_count, job->id);
    MUST(counts.released == job->counts.released && counts.unread == job->memory.unread_bytes, job->id);
    MUST(job->input.next <= job->input.granted.items, job->id);
    MUST(counts.delayed == job->counts.delayed && job->counts.delayed <= job->delayed.heap.count, job->id);
    MUST(list_holds(&job->waiting.active) == (job->counts.waiting > 0 && !job->times.start_ms), job->id);
    if (job->state != BELT_JOB_STOPPED) {
        MUST(job->counts.done + job->counts.failed == counts.kept + counts.released, job->id);
        MUST(job->completions.base + job->completions.count == job->counts.done + job->counts.failed, job->id);
    } else {
        MUST(counts.waiting == 0 && counts.kept == 0, job->id);
    }
    MUST(job->state != BELT_JOB_COMPLETE || job->counts.done + job->counts.failed == job->input.next, job->id);
    const char *bad = check_place(job);
    return bad ? bad : check_readers(job);
}

static const char *check_agent(const struct agent *agent)
{
    uint64_t id = agent->session->peer, bytes = 0;
    uint32_t held = 0, parts = 0;
    uint64_t chunk = 0;
    const struct run *run;
    DL_FOREACH (agent->runs, run) {
        const struct task *task = table_at(&run->job->table, run->index);
        MUST(!run->refused && run->agent == agent && task && task->state == TASK_RUNNING && task->u.run == run, id);
        MUST(run->bytes == task->len, id);
        held++;
        parts += !run->chunk || run->chunk != chunk;
        chunk = run->chunk;
        bytes += run->bytes;
    }
    DL_FOREACH (agent->results.refused, run)
        MUST(run->refused && run->agent == agent && list_holds(&agent->results.refusing), id);
    MUST(list_holds(&agent->results.refusing) == (agent->results.refused != NULL), id);
    MUST(parts == agent->parts, id);
    MUST(held == agent->held && bytes == agent->held_bytes, id);
    return NULL;
}

static const char *check_queue(struct core *core, const struct queue *queue)
{
    uint64_t waiting = 0, running = 0, delayed = 0;
    uint32_t jobs = 0, slots = 0;
    const struct job *job;
    for (job = core->jobs.by_id; job; job = job->by_id.next) {
        if (job->queue != queue)
            continue;
        jobs++;
        waiting += job->counts.waiting;
        delayed += job->counts.delayed;
        running += job->counts.running;
    }
    MUST(waiting == queue->waiting && running == queue->running && delayed == queue->delayed && jobs == queue->jobs, 0);
    for (uint32_t i = 0; i < queue->agent_count; i++)
        slots += queue->agents[i]->slots;
    MUST(slots == queue->slots, 0);
    return NULL;
}

static uint64_t table_bytes(const struct table *table)
{
    uint64_t bytes = table->room * sizeof(*table->segments);
    for (uint32_t i = 0; i < table->used; i++) {
        const struct table_segment *segment = table->segments[(table->head + i) % table->room];
        bytes += segment ? sizeof(*segment) + segment->room * sizeof(*segment->tasks) : 0;
    }
    return bytes;
}

/* What a job keeps beside payloads, counted anew. */
static const char *check_own_bytes(const struct job *job)
{
    const struct reader *reader;
    uint64_t fixed = sizeof(*job) + sizeof(*job->share.client) + sizeof(*job->queue) + job->argument.len;
    uint64_t lists = job->completions.room * sizeof(*job->completions.ring) + pairs_bytes(&job->waiting.again) +
                     pairs_bytes(&job->delayed.heap) + job->counts.running * sizeof(struct run) +
                     HASH_COUNT(job->tries.by_index) * (sizeof(*job->tries.by_index) + 16);
    DL_FOREACH (job->readers.first, reader)
        fixed += sizeof(*reader) + 16;
    MUST(job->memory.fixed_bytes == fixed && job->memory.list_bytes == lists, job->id);
    MUST(job->table.bytes == table_bytes(&job->table), job->id);
    MUST(job->memory.own_bytes ==
             fixed + lists + job->table.bytes + job->on_disk.tasks.bytes + job->on_disk.results.bytes,
         job->id);
    return NULL;
}

/* Every charge is part of one account of the core, and the jobs' of one of their owner as well. */
static const char *check_accounts(struct core *core)
{
    uint64_t bytes = core->dead_letters.bytes + core->history.bytes, fixed = 0, payloads = 0, peers = 0, owned = 0,
             past = 0;
    const struct session *session;
    const struct history_job *line;
    for (const struct job *job = core->jobs.by_id; job; job = job->by_id.next) {
        const char *bad = check_own_bytes(job);
        if (bad)
            return bad;
        bytes += job->memory.own_bytes + job->memory.payload_bytes;
        fixed += job->memory.fixed_bytes;
        payloads += job->memory.payload_bytes;
        owned += job->owner.session ? job->memory.fixed_bytes : 0;
    }
    for (session = core->sessions.by_id; session; session = session->by_id.next) {
        peers += session->cost;
        owned -= session->fixed_bytes;
    }
    DL_FOREACH (core->history.first, line)
        past += sizeof(*line) + line->row.key.len + line->row.function.len + line->row.owner.len + line->row.why.len;
    MUST(past == core->history.bytes && bytes == core->memory.bytes, 0);
    MUST(payloads == core->memory.payload_bytes, 0);
    MUST(fixed == core->memory.fixed_bytes && owned == 0 && peers == core->sessions.bytes, 0);
    return NULL;
}

/* What each owner is said to have is what its jobs, sessions and readers have. */
static const char *check_owner(struct core *core, const struct account *account)
{
    uint64_t connections = 0, jobs = 0, bytes = 0, unread = 0, fixed = 0, expected = 0;
    const struct session *session;
    const struct agent *agent;
    const struct run *run;
    for (const struct job *job = core->jobs.by_id; job; job = job->by_id.next) {
        if (job->owner.account != account)
            continue;
        jobs++;
        bytes += job->memory.payload_bytes;
        unread += job->memory.unread_bytes;
        fixed += job->memory.fixed_bytes;
    }
    for (session = core->sessions.by_id; session; session = session->by_id.next)
        connections += session->account == account && session->peer;
    DL_FOREACH (core->agents, agent)
        DL_FOREACH (agent->runs, run)
            expected += run->job->owner.account == account ? run->back : 0;
    MUST(account->jobs == jobs && HASH_CNT(by_key, account->by_key) == jobs, 0);
    MUST(account->connections == connections && account->users >= jobs + connections, 0);
    MUST(account->bytes == bytes && account->unread == unread, 0);
    MUST(account->fixed_bytes == fixed && account->expected == expected, 0);
    return NULL;
}

static const char *check_owners(struct core *core)
{
    const char *bad = NULL;
    const struct account *account;
    for (account = core->accounts.by_owner; account && !bad; account = account->hh.next)
        bad = check_owner(core, account);
    return bad;
}

static const char *check_totals(struct core *core)
{
    uint64_t runs = 0, held = 0, expected = 0;
    uint32_t jobs = 0, slots = 0;
    const struct job *job;
    const struct agent *agent;
    for (job = core->jobs.by_id; job; job = job->by_id.next) {
        runs += job->counts.running - job->results.refused_count;
        jobs++;
    }
    DL_FOREACH (core->agents, agent) {
        const struct run *run;
        held += agent->held;
        slots += agent->slots;
        DL_FOREACH (agent->runs, run)
            expected += run->back;
    }
    MUST(expected == core->memory.expected, 0);
    MUST(runs == held && jobs == core->jobs.count && slots == core->sessions.slots, 0);
    const char *bad = check_owners(core);
    return bad ? bad : check_accounts(core);
}

const char *invariants_broken(struct core *core)
{
    const char *bad = check_totals(core);
    for (const struct job *job = core->jobs.by_id; job && !bad; job = job->by_id.next)
        bad = check_job(job);
    for (const struct agent *agent = core->agents; agent && !bad; agent = agent->next)
        bad = check_agent(agent);
    for (const struct queue *queue = core->queues; queue && !bad; queue = queue->hh.next)
        bad = check_queue(core, queue);
    return bad;
}
