/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold of the core's books after every step. Each sum that is kept is counted anew from what it is the sum
 * of, and each relation is looked at from both ends. Reads only.
 */
#include "broker/core/core.h"
#include "broker/core/model/completions.h"
#include "broker/core/model/past.h"
#include "broker/core/model/pin.h"
#include "broker/core/model/state.h"
#include "broker/core/model/table.h"

#include <stdio.h>

/* A look at all the books, and what it has found. */
struct check {
    char *text; /* borrowed: room for what is wrong */
    size_t room;
    uint64_t looked; /* tasks, runs, jobs and queues that were looked at: what the check costs */
};
/* Between two checks as many steps go by as keep their cost, in things looked at, at this many a step. */
#define LOOKED_AT_A_STEP 64u

static bool fail(struct check *check, const char *what, uint64_t id, const char *condition, int line)
{
    snprintf(check->text, check->room, "%s %llu: %s (%s:%d)", what, (unsigned long long)id, condition, __FILE__, line);
    return false;
}

#define MUST(condition, what, id)                                                                                      \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return fail(check, what, id, #condition, __LINE__);                                                        \
    } while (0)

struct counts {
    uint64_t waiting, delayed, running, refused, kept, released, unread;
};

static bool check_task(struct check *check, const struct job *job, uint64_t index, struct counts *counts)
{
    const struct task *task = table_at(&job->table, index);
    if (!task || task->state == TASK_RELEASED) {
        counts->released++;
        return true;
    }
    if (task->state == TASK_WAITING) {
        counts->waiting++;
    } else if (task->state == TASK_DELAYED) {
        counts->delayed++;
    } else if (task->state == TASK_DONE) {
        counts->kept++;
        counts->unread += task->len + (uint64_t)extras_bytes(task->u.extras);
        MUST(completions_place(job, task) < job->completions.base + job->completions.count, "job", job->id);
        MUST(completions_at(job, completions_place(job, task)) == index, "job", job->id);
    } else {
        counts->running++;
        counts->refused += task->u.run->refused;
        MUST(task->u.run && task->u.run->job == job && task->u.run->index == index, "job", job->id);
        MUST(task->attempt > 0, "job", job->id);
    }
    return true;
}

static bool check_readers(struct check *check, const struct job *job)
{
    uint32_t readers = 0;
    const struct reader *reader;
    DL_FOREACH (job->readers.first, reader) {
        readers++;
        MUST(reader->acked <= reader->sent, "job", job->id);
        if (job->state != BELT_JOB_STOPPED && reader->mode == BELT_UNORDERED) {
            MUST(reader->sent <= job->completions.base + job->completions.count || reader->sent == reader->acked, "job",
                 job->id);
            MUST(!reader->engaged || reader->acked >= job->completions.base, "job", job->id);
        }
    }
    MUST(readers == job->readers.count, "job", job->id);
    return true;
}

static bool heap_has(const struct heap *heap, const struct heap_node *node)
{
    return heap_holds(node) && node->place <= heap->count && heap->nodes[node->place - 1] == node;
}

/* A job with waiting tasks is in the heap of its client, and the client in that of the queue, at the places they know
 * of. */
static bool check_place(struct check *check, const struct job *job)
{
    const struct share *share = job->share.client;
    bool active = list_holds(&job->waiting.active);
    MUST(active == heap_holds(&job->share.turn), "job", job->id);
    if (!active)
        return true;
    MUST(heap_has(&share->jobs_heap, &job->share.turn), "job", job->id);
    MUST(heap_has(&job->queue->shares_heap, &share->turn), "job", job->id);
    return true;
}

static bool check_job(struct check *check, const struct job *job)
{
    struct counts counts = {0};
    uint64_t index = job->table.used ? job->table.base : job->input.next;
    counts.released = index;
    for (; index < job->input.next; index++) {
        if (!check_task(check, job, index, &counts))
            return false;
    }
    MUST(counts.waiting == job->counts.waiting, "job", job->id);
    MUST(counts.running == job->counts.running && counts.refused == job->results.refused_count, "job", job->id);
    MUST(counts.released == job->counts.released && counts.unread == job->memory.unread_bytes, "job", job->id);
    MUST(job->input.next <= job->input.granted.items, "job", job->id);
    MUST(counts.delayed == job->counts.delayed && job->counts.delayed <= job->delayed.heap.count, "job", job->id);
    MUST(list_holds(&job->waiting.active) == (job->counts.waiting > 0 && !job->times.start_ms), "job", job->id);
    if (job->state != BELT_JOB_STOPPED) {
        MUST(job->counts.done + job->counts.failed == counts.kept + counts.released, "job", job->id);
        MUST(job->completions.base + job->completions.count == job->counts.done + job->counts.failed, "job", job->id);
    } else {
        MUST(counts.waiting == 0 && counts.kept == 0, "job", job->id);
    }
    MUST(job->state != BELT_JOB_COMPLETE || job->counts.done + job->counts.failed == job->input.next, "job", job->id);
    MUST(heap_holds(&job->times.due) == (job->times.due_ms != UINT64_MAX), "job", job->id);
    MUST(list_holds(&job->closing.remembered) == (job->closing.remember_ms > 0), "job", job->id);
    MUST(list_holds(&job->owner.owned) == (job->owner.session != NULL), "job", job->id);
    check->looked += 1 + job->input.next - counts.released;
    return check_place(check, job) && check_readers(check, job);
}

static bool check_agent(struct check *check, const struct agent *agent)
{
    uint64_t id = agent->session->peer, bytes = 0;
    uint32_t held = 0, parts = 0;
    check->looked += 1 + agent->held;
    uint64_t chunk = 0;
    const struct run *run;
    DL_FOREACH (agent->runs, run) {
        const struct task *task = table_at(&run->job->table, run->index);
        MUST(!run->refused && run->agent == agent && task && task->state == TASK_RUNNING && task->u.run == run, "agent",
             id);
        MUST(run->bytes == task->len, "agent", id);
        held++;
        parts += !run->chunk || run->chunk != chunk;
        chunk = run->chunk;
        bytes += run->bytes;
    }
    DL_FOREACH (agent->results.refused, run)
        MUST(run->refused && run->agent == agent && list_holds(&agent->results.refusing), "agent", id);
    MUST(list_holds(&agent->results.refusing) == (agent->results.refused != NULL), "agent", id);
    MUST(parts == agent->parts, "agent", id);
    MUST(held == agent->held && bytes == agent->held_bytes, "agent", id);
    return true;
}

static bool check_queue(struct check *check, struct core *core, const struct queue *queue)
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
    MUST(waiting == queue->waiting && running == queue->running && delayed == queue->delayed && jobs == queue->jobs,
         "core", 0);
    for (uint32_t i = 0; i < queue->agent_count; i++)
        slots += queue->agents[i]->slots;
    MUST(slots == queue->slots, "core", 0);
    return true;
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
static bool check_own_bytes(struct check *check, const struct job *job)
{
    const struct reader *reader;
    uint64_t fixed = sizeof(*job) + sizeof(*job->share.client) + sizeof(*job->queue) + job->argument.len;
    uint64_t lists = job->completions.room * sizeof(*job->completions.ring) + pairs_bytes(&job->waiting.again) +
                     pairs_bytes(&job->delayed.heap) + job->counts.running * sizeof(struct run) +
                     HASH_COUNT(job->tries.by_index) * (sizeof(*job->tries.by_index) + 16);
    DL_FOREACH (job->readers.first, reader)
        fixed += sizeof(*reader) + 16;
    MUST(job->memory.fixed_bytes == fixed && job->memory.list_bytes == lists, "job", job->id);
    MUST(job->table.bytes == table_bytes(&job->table), "job", job->id);
    MUST(job->memory.own_bytes ==
             fixed + lists + job->table.bytes + job->on_disk.tasks.bytes + job->on_disk.results.bytes,
         "job", job->id);
    return true;
}

/* Every charge is part of one account of the core, and the jobs' of one of their owner as well. */
static bool check_accounts(struct check *check, struct core *core)
{
    uint64_t bytes = core->dead_letters.bytes + core->history.bytes, fixed = 0, payloads = 0, peers = 0, owned = 0,
             past = 0;
    const struct session *session;
    const struct history_job *line;
    for (const struct job *job = core->jobs.by_id; job; job = job->by_id.next) {
        if (!check_own_bytes(check, job))
            return false;
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
    MUST(past == core->history.bytes && bytes == core->memory.bytes, "core", 0);
    MUST(payloads == core->memory.payload_bytes, "core", 0);
    MUST(fixed == core->memory.fixed_bytes && owned == 0 && peers == core->sessions.bytes, "core", 0);
    return true;
}

static uint32_t count_of(const struct list *list)
{
    uint32_t count = 0;
    for (const struct list_node *node = list_first(list); node; node = list_after(list, node))
        count++;
    return count;
}

/* A session is where its state says, and owns what it counts. */
static bool check_session(struct check *check, const struct session *session)
{
    const struct job *job;
    uint64_t id = session->peer;
    MUST((session->state == SESSION_CONNECTED) == (session->peer != 0), "session", id);
    MUST(list_holds(&session->asking) == (session->question_count > 0), "session", id);
    MUST(count_of(&session->owned) == session->jobs, "session", id);
    LIST_EACH (&session->owned, job, owner.owned)
        MUST(job->owner.session == session, "session", id);
    MUST(!session->agent || session->agent->session == session, "session", id);
    return true;
}

/* What each owner is said to have is what its jobs, sessions and readers have. */
static bool check_owner(struct check *check, struct core *core, const struct account *account)
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
    MUST(account->jobs == jobs && HASH_CNT(by_key, account->by_key) == jobs, "core", 0);
    MUST(account->connections == connections && account->users >= jobs + connections, "core", 0);
    MUST(account->bytes == bytes && account->unread == unread, "core", 0);
    MUST(account->fixed_bytes == fixed && account->expected == expected, "core", 0);
    return true;
}

static bool check_owners(struct check *check, struct core *core)
{
    const struct account *account;
    for (account = core->accounts.by_owner; account; account = account->hh.next)
        if (!check_owner(check, core, account))
            return false;
    return true;
}

static bool check_totals(struct check *check, struct core *core)
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
    MUST(expected == core->memory.expected, "core", 0);
    MUST(runs == held && jobs == core->jobs.count && slots == core->sessions.slots, "core", 0);
    MUST(count_of(&core->closing.retired) == core->closing.retired_count, "core", 0);
    return check_owners(check, core) && check_accounts(check, core);
}

bool core_check(struct core *core, char *text, size_t room)
{
    struct check check = {.text = text, .room = room};
    if (!check_totals(&check, core))
        return false;
    for (const struct job *job = core->jobs.by_id; job; job = job->by_id.next)
        if (!check_job(&check, job))
            return false;
    for (const struct agent *agent = core->agents; agent; agent = agent->next)
        if (!check_agent(&check, agent))
            return false;
    for (const struct session *session = core->sessions.by_id; session; session = session->by_id.next)
        if (!check_session(&check, session))
            return false;
    for (const struct queue *queue = core->queues; queue; queue = queue->hh.next)
        if (!check_queue(&check, core, queue))
            return false;
    core->check_after = (check.looked + (uint64_t)core->jobs.count * HASH_COUNT(core->queues)) / LOOKED_AT_A_STEP;
    return true;
}

bool core_check_sometimes(struct core *core, char *text, size_t room)
{
    if (core->check_after == 0)
        return core_check(core, text, room);
    core->check_after--;
    return true;
}
