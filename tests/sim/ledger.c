/* SPDX-License-Identifier: Apache-2.0
 *
 * What the broker has promised by the messages that left it, and whether a broker that was started anew still keeps
 * it (I9). Looks into the core; decides nothing.
 */
#include "broker/core/model/catalog.h"
#include "broker/core/model/table.h"
#include "broker/core/model/state.h"
#include "tests/sim/sim.h"

#include <stdio.h>

struct job_model *sim_job(struct sim *sim, uint32_t number)
{
    uint32_t client = number / SIM_JOBS, job = number % SIM_JOBS;
    if (client >= sim->client_count || job >= sim->clients[client].job_count)
        return NULL;
    return &sim->clients[client].jobs[job];
}

static struct job_model *model_of(struct sim *sim, const struct job *job)
{
    for (uint32_t number = 0; number < SIM_CLIENTS * SIM_JOBS && !stranger_has(job); number++) {
        struct job_model *model = sim_job(sim, number);
        if (model && strcmp(model->key, job->key) == 0)
            return model->durable ? model : NULL;
    }
    return NULL;
}

static struct job_model *model_by_id(struct sim *sim, uint64_t id, struct job **found)
{
    struct job *job = catalog_find(sim->core, id);
    *found = job;
    return job ? model_of(sim, job) : NULL;
}

/* A new job under the key of one that is over. */
static void begin(struct job_model *model, uint64_t id)
{
    if (model->promised_id == id)
        return;
    model->promised_id = id;
    model->promised_next = 0;
    model->promised_end = model->promised_gone = model->deleted = false;
    memset(model->promised, 0, sizeof(model->promised));
}

static void left_accepted(struct sim *sim, uint64_t id, uint64_t next)
{
    struct job *job;
    struct job_model *model = model_by_id(sim, id, &job);
    if (!model || job->state == BELT_JOB_STOPPED)
        return;
    begin(model, id);
    if (next > model->promised_next)
        model->promised_next = next;
}

static void left_deliver(struct sim *sim, const struct belt_msg_deliver *msg)
{
    struct reader *reader = NULL;
    HASH_FIND(hh, sim->core->readers.by_id, &msg->sub, sizeof(msg->sub), reader);
    struct job_model *model = reader ? model_of(sim, reader->job) : NULL;
    for (uint32_t i = 0; model && i < msg->count; i++)
        if (reader->job->id == model->promised_id && msg->results[i].index < SIM_INPUTS)
            model->promised[msg->results[i].index] = true;
}

static struct agent_model *agent_by_handle(struct sim *sim, uint64_t peer)
{
    for (uint32_t i = 0; i < sim->agent_count; i++)
        if (peer && sim->agents[i].node.handle == peer)
            return &sim->agents[i];
    return NULL;
}

static void left_recorded(struct sim *sim, uint64_t peer, uint64_t upto)
{
    struct agent_model *agent = agent_by_handle(sim, peer);
    uint32_t gone = 0;
    for (; agent && gone < agent->taken_count && agent->taken[gone].number < upto; gone++) {
        struct job_model *model = sim_job(sim, agent->taken[gone].job);
        if (model)
            model->promised[agent->taken[gone].index] = true;
    }
    if (!gone)
        return;
    agent->taken_count -= gone;
    memmove(agent->taken, agent->taken + gone, agent->taken_count * sizeof(*agent->taken));
}

void ledger_left(struct sim *sim, uint64_t peer, const struct belt_msg *msg)
{
    if (peer == sim->stranger.handle && peer)
        stranger_left(sim, msg);
    struct job_model *model;
    struct job *job;
    if (!sim->config.durable)
        return;
    switch (msg->type) {
    case BELT_MSG_OPENED:
        left_accepted(sim, msg->u.opened.job, msg->u.opened.next);
        break;
    case BELT_MSG_ACCEPTED:
        left_accepted(sim, msg->u.accepted.job, msg->u.accepted.next);
        break;
    case BELT_MSG_ENDED:
        model = model_by_id(sim, msg->u.ended.job, &job);
        if (model && model->promised_id == job->id)
            model->promised_end = true;
        break;
    case BELT_MSG_CANCELLED:
        model = model_by_id(sim, msg->u.cancelled.job, &job);
        if (model && model->promised_id == job->id)
            model->promised_gone = true;
        break;
    case BELT_MSG_DELIVER:
        left_deliver(sim, &msg->u.deliver);
        break;
    case BELT_MSG_RECORDED:
        left_recorded(sim, peer, msg->u.recorded.upto);
        break;
    default:
        break;
    }
}

void ledger_expect(struct sim *sim, const struct belt_msg_results *msg)
{
    const struct job *job = sim->core ? catalog_find(sim->core, msg->job) : NULL;
    for (uint32_t i = 0; i < msg->count && i < SIM_BATCH; i++) {
        const struct task *task = job ? table_at(&job->table, msg->results[i].index) : NULL;
        sim->fresh[i] = task && task->state == TASK_RUNNING;
    }
}

void ledger_results(struct sim *sim, uint64_t peer, const struct belt_msg_results *msg)
{
    struct agent_model *agent = agent_by_handle(sim, peer);
    struct job *job;
    struct job_model *model = sim->core && agent ? model_by_id(sim, msg->job, &job) : NULL;
    for (uint32_t i = 0; model && job->id == model->promised_id && i < msg->count; i++) {
        const struct task *task = table_at(&job->table, msg->results[i].index);
        if (!sim->fresh[i] || !task || task->state != TASK_DONE || task->attempt != msg->results[i].attempt)
            continue;
        if (agent->taken_count == agent->taken_room) {
            agent->taken_room = agent->taken_room ? agent->taken_room * 2 : 64;
            agent->taken = realloc(agent->taken, agent->taken_room * sizeof(*agent->taken));
            if (!agent->taken)
                abort();
        }
        agent->taken[agent->taken_count++] =
            (struct taken_result){msg->first + i, model->number, msg->results[i].index};
    }
}

/* ---- SYNC ---- */

static void finished_add(struct sim *sim, const struct belt_task_ref *ref)
{
    if (sim->finished_count == sim->finished_room) {
        sim->finished_room = sim->finished_room ? sim->finished_room * 2 : 64;
        sim->finished = realloc(sim->finished, sim->finished_room * sizeof(*sim->finished));
        if (!sim->finished)
            abort();
    }
    sim->finished[sim->finished_count++] = *ref;
}

/* Before the last SYNC of an agent: what the broker has running there and is done with there. */
void ledger_expect_sync(struct sim *sim, uint64_t peer)
{
    const struct agent_model *model = agent_by_handle(sim, peer);
    const struct session *session = NULL;
    sim->finished_count = 0;
    if (!sim->core || !model)
        return;
    HASH_FIND(by_peer, sim->core->sessions.by_peer, &peer, sizeof(peer), session);
    if (!session || !session->agent)
        return;
    for (const struct run *run = session->agent->runs; run; run = run->next) {
        const struct task *task = table_at(&run->job->table, run->index);
        const struct belt_task_ref ref = {run->job->id, run->index, task->attempt};
        if (!run->dropped && agent_has_result(model, &ref))
            finished_add(sim, &ref);
    }
}

/* Its result comes after SYNC: nobody else must begin with it (PROTOCOL.md §8.4). */
void ledger_synced(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->finished_count; i++) {
        const struct belt_task_ref *ref = &sim->finished[i];
        const struct job *job = sim->core ? catalog_find(sim->core, ref->job) : NULL;
        const struct task *task = job ? table_at(&job->table, ref->index) : NULL;
        if (task && task->state == TASK_WAITING)
            sim_fail(sim, "job %llu task %llu waits again, and its agent has the result", ULL(ref->job),
                     ULL(ref->index));
    }
    sim->finished_count = 0;
}

/* ---- what is gone ---- */

void ledger_deleted(struct sim *sim, uint64_t job)
{
    for (uint32_t number = 0; number < SIM_CLIENTS * SIM_JOBS; number++) {
        struct job_model *model = sim_job(sim, number);
        if (model && model->promised_id == job)
            model->deleted = true;
    }
}

/* ---- after a restart ---- */

/* DETACH is not acknowledged: who finds itself subscribed after all says it again. */
static void detach_again(struct job_model *model, const struct job *job)
{
    for (const struct reader *reader = job->readers.first; reader; reader = reader->next)
        for (uint32_t i = 0; i < model->stream_count; i++) {
            struct stream_model *stream = &model->streams[i];
            if (!stream->left || !stream->leave_at || strcmp(stream->name, reader->name) != 0)
                continue;
            user_reset(model, i);
            stream->left = stream->detached = false;
        }
}

static void check_kept(struct sim *sim, const struct job_model *model, const struct job *job)
{
    if (model->promised_gone)
        sim_fail(sim, "job %llu was cancelled and is back after a restart (I13)", ULL(job->id));
    if (job->input.next < model->promised_next)
        sim_fail(sim, "job %llu: %llu tasks were accepted, %llu are left (I9)", ULL(job->id), ULL(model->promised_next),
                 ULL(job->input.next));
    if (model->promised_end && job->state == BELT_JOB_OPEN)
        sim_fail(sim, "job %llu had ended and is open again (I9)", ULL(job->id));
    for (uint64_t index = 0; index < model->promised_next; index++) {
        const struct task *task = table_at(&job->table, index);
        if (model->promised[index] && task && task->state != TASK_DONE && task->state != TASK_RELEASED)
            sim_fail(sim, "job %llu: the result of task %llu was recorded and is lost (I9)", ULL(job->id), ULL(index));
    }
}

/* A late reader begins where everything is still kept: beyond what the others took, when they read in another order. */
static bool may_begin_at(const struct job_model *model, const struct stream_model *late, uint64_t number)
{
    for (uint32_t i = 0; i < model->stream_count; i++)
        if (model->streams[i].mode != late->mode)
            return number <= model->tasks;
    return number <= model->most_taken;
}

static void check_readers(struct sim *sim, const struct job_model *model, const struct job *job)
{
    for (const struct reader *reader = job->readers.first; reader; reader = reader->next)
        for (uint32_t i = 0; i < model->stream_count; i++)
            if (strcmp(model->streams[i].name, reader->name) == 0 && reader->acked > model->streams[i].reached &&
                !(model->streams[i].leave_at && sim->now >= model->streams[i].leave_at) &&
                (model->streams[i].reached || !may_begin_at(model, &model->streams[i], reader->acked)))
                sim_fail(sim, "job %llu: reader %s took %llu, the broker thinks %llu (I3)", ULL(job->id), reader->name,
                         ULL(model->streams[i].reached), ULL(reader->acked));
}

void ledger_restored(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->agent_count; i++)
        sim->agents[i].taken_count = 0;
    for (uint32_t number = 0; number < SIM_CLIENTS * SIM_JOBS; number++) {
        struct job_model *model = sim_job(sim, number);
        if (!model || !model->durable || !model->promised_id)
            continue;
        const struct job *job = catalog_find(sim->core, model->promised_id);
        if (job && model_of(sim, job) == model) {
            check_kept(sim, model, job);
            check_readers(sim, model, job);
            detach_again(model, job);
        } else if (!model->deleted) {
            sim_fail(sim, "job %llu (%s) was opened and is lost (I9)", ULL(model->promised_id), model->key);
        }
    }
}

/* ---- at the end ---- */

/* Nobody is waited for who has left (PROTOCOL.md §7.2). */
void ledger_readers(struct sim *sim)
{
    for (uint32_t number = 0; number < SIM_CLIENTS * SIM_JOBS; number++) {
        const struct job_model *model = sim_job(sim, number);
        const struct job *job = model ? catalog_find(sim->core, model->id) : NULL;
        for (const struct reader *reader = job ? job->readers.first : NULL; reader; reader = reader->next)
            for (uint32_t i = 0; i < model->stream_count; i++)
                if (model->streams[i].detached && strcmp(model->streams[i].name, reader->name) == 0)
                    sim_fail(sim, "job %llu: %s has left and is still counted", ULL(job->id), reader->name);
    }
}

void ledger_settled(struct sim *sim)
{
    for (const struct job *job = sim->core->jobs.by_id; job; job = job->by_id.next)
        if (job->options.durable && job->state == BELT_JOB_COMPLETE && job->counts.released == job->input.next &&
            (job->on_disk.tasks.count || job->on_disk.results.count))
            sim_fail(sim, "job %llu is read, and %u records of tasks and %u of results are left", ULL(job->id),
                     job->on_disk.tasks.count, job->on_disk.results.count);
}

void ledger_empty(struct sim *sim)
{
    const struct core *core = sim->core;
    if (core->jobs.count || core->memory.bytes != core->dead_letters.bytes + core->history.bytes ||
        core->sessions.bytes || core->sessions.clients || core->sessions.workers)
        sim_fail(sim, "%u jobs, %llu bytes, %u clients and %u workers are left", core->jobs.count,
                 ULL(core->memory.bytes), core->sessions.clients, core->sessions.workers);
    for (uint32_t i = 0; i < sim->disk.count; i++)
        if (sim->disk.rows[i].row.kind < RECORD_OUTLIVES)
            sim_fail(sim, "%u records are left on disk, number %llu of job %llu", sim->disk.count,
                     ULL(sim->disk.rows[i].number), ULL(sim->disk.rows[i].job));
}

void ledger_tell(const struct sim *sim)
{
    for (const struct job *job = sim->core ? sim->core->jobs.by_id : NULL; job; job = job->by_id.next) {
        printf("  job %llu %s of %s: state %u, next %llu, waiting %llu, running %llu, released %llu, bytes %llu, chunk "
               "%u\n",
               ULL(job->id), job->key, job->queue->function, job->state, ULL(job->input.next), ULL(job->counts.waiting),
               ULL(job->counts.running), ULL(job->counts.released), ULL(job->memory.payload_bytes), job->options.chunk);
        for (const struct reader *reader = job->readers.first; reader; reader = reader->next)
            printf("    reader %s (%llu): acked %llu, sent %llu, credit %llu, connected %d\n", reader->name,
                   ULL(reader->id), ULL(reader->acked), ULL(reader->sent), ULL(reader->credit.items),
                   reader->session != NULL);
    }
    for (const struct agent *agent = sim->core ? sim->core->agents : NULL; agent; agent = agent->next)
        printf("  %s: %u queues, %u slots, holds %u of %u, state %u\n", agent->session->name, agent->queue_count,
               agent->slots, agent->held, agent->window_items, agent->state);
}
