/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress (I7): no slot idles for long while there is work that it could do.
 */
#include "broker/core/model/catalog.h"
#include "broker/core/policy/budget.h"
#include "broker/core/model/state.h"
#include "broker/core/model/steps.h"
#include "tests/sim/sim.h"

#include <stdio.h>

static struct agent *core_agent(struct sim *sim, const struct agent_model *model)
{
    struct session *session = NULL;
    HASH_FIND(by_peer, sim->core->sessions.by_peer, &model->node.handle, sizeof(model->node.handle), session);
    return session && model->node.handle && session->agent && agent_is_synced(session->agent) ? session->agent : NULL;
}

/* The agent may be one whose process is gone: its session stays for a while. */
bool watch_waits(struct sim *sim, const struct core_send *send)
{
    const struct session *session = NULL;
    if (send->msg.type == BELT_MSG_RECALL)
        return false;
    if (send->msg.type == BELT_MSG_DISPATCH)
        HASH_FIND(by_peer, sim->core->sessions.by_peer, &send->peer, sizeof(send->peer), session);
    if (!session || !session->agent)
        return true;
    const struct agent *agent = session->agent;
    return agent->held - send->msg.u.dispatch.count < agent->slots && agent->window_bytes != SMALL_WINDOW;
}

/* Its window is full of results that are not taken, or the broker's memory is, or its agents may still come back: it
 * waits by right. */
static bool stands_still(const struct sim *sim, const struct job *job)
{
    return job->memory.unread_bytes > job->options.window_bytes || sim->now < job->times.recover_ms ||
           budget_is_short(sim->core, job);
}

static bool work_waits(const struct sim *sim, const struct agent *agent)
{
    const struct job *job;
    for (uint32_t i = 0; i < agent->queue_count; i++)
        LIST_EACH (&agent->queues[i]->active, job, waiting.active)
            if (!stands_still(sim, job))
                return true;
    return false;
}

/* Tasks of a function it serves lie unstarted at another agent. */
static bool work_lies_elsewhere(struct sim *sim, const struct agent_model *idle)
{
    for (uint32_t i = 0; i < sim->agent_count; i++) {
        const struct agent_model *other = &sim->agents[i];
        uint64_t id;
        if (other == idle || !node_ready(&other->node) || sim->now < other->node.asleep_until)
            continue;
        for (uint32_t n = 0; (id = agent_unstarted_job(other, idle->mask, n)); n++) {
            const struct job *job = catalog_find(sim->core, id);
            if (job && !stands_still(sim, job))
                return true;
        }
    }
    return false;
}

static void since(uint64_t *when, bool holds, uint64_t now)
{
    if (!holds)
        *when = 0;
    else if (!*when)
        *when = now;
}

/* A lost message is noticed within a heartbeat or, when more are lost, a lease. */
static uint64_t patience(const struct sim *sim)
{
    return sim->now < sim->faults_until + BELT_LEASE_MS ? 3 * BELT_LEASE_MS : 2 * BELT_HEARTBEAT_MS + 20;
}

static void watch(struct sim *sim, struct agent_model *model)
{
    struct agent *agent = core_agent(sim, model);
    uint32_t held = agent_held(model);
    bool idle = agent && node_ready(&model->node) && !model->leaving && agent->state != AGENT_LEAVING &&
                sim->now >= model->node.asleep_until && sim->now >= sim->asleep_until && held < model->slots;
    bool small = model->window_bytes == SMALL_WINDOW;
    since(&model->starved_since, idle && (!small || held == 0) && work_waits(sim, agent), sim->now);
    since(&model->idle_since, idle && !small && work_lies_elsewhere(sim, model), sim->now);
    uint64_t most = patience(sim);
    if (model->starved_since && sim->now > model->starved_since + most)
        sim_fail(sim, "%s idles since %llu while work waits (I7)", model->node.name, ULL(model->starved_since));
    if (model->idle_since && sim->now > model->idle_since + most && sim->fault_at == UINT64_MAX)
        sim_fail(sim, "%s idles since %llu while another agent has unstarted work (I7)", model->node.name,
                 ULL(model->idle_since));
}

/* Tasks that the broker has are soon known to be accepted: until then their feeder keeps them. */
static void watch_feeder(struct sim *sim, struct client_model *client, struct stream_model *stream)
{
    const struct client_stream *wire = &stream->wire;
    const struct job *job = sim->core && stream->live ? catalog_find(sim->core, wire->job) : NULL;
    bool there = job && job->owner.session && job->owner.session->peer && job->input.next > wire->accepted;
    bool unsure = there && stream->live && stream->feeder && sim->fault_at == UINT64_MAX && node_ready(&client->node) &&
                  sim->now >= client->node.asleep_until && sim->now >= sim->asleep_until &&
                  wire->state == CLIENT_STREAM_READING && !wire->cancel && wire->accepted < wire->sent;
    since(&stream->unsure_since, unsure && !sim->core->store.failed, sim->now);
    if (stream->unsure_since && sim->now > stream->unsure_since + patience(sim))
        sim_fail(sim, "%s: tasks %llu to %llu were pushed and not accepted since %llu", client->node.name,
                 ULL(wire->accepted), ULL(wire->sent), ULL(stream->unsure_since));
}

void watch_progress(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->client_count; i++)
        for (uint32_t k = 0; k < sim->clients[i].job_count; k++)
            for (uint32_t n = 0; n < sim->clients[i].jobs[k].stream_count; n++)
                watch_feeder(sim, &sim->clients[i], &sim->clients[i].jobs[k].streams[n]);
    for (uint32_t i = 0; i < sim->agent_count; i++)
        if (sim->core)
            watch(sim, &sim->agents[i]);
        else
            sim->agents[i].idle_since = sim->agents[i].starved_since = 0;
}
