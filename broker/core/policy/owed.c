/* SPDX-License-Identifier: Apache-2.0
 *
 * Acknowledgements that wait for company. Nobody waits for an ACCEPTED or a RECORDED: they only let the other side
 * forget. Sent one by one they would be half of all messages of a conversation of single tasks, and wake two
 * processes each. So they leave when there is enough to tell, or some ms later. Whatever must be on disk
 * first is told as soon as it is there: somebody may wait for that.
 */
#include "broker/core/policy/owed.h"
#include "broker/core/model/mark.h"

/* So many tasks or results are told at once; fewer when they are large. */
#define OWED_ITEMS 256u

void owed_accept(struct core *core, struct job *job)
{
    if (!job->accept_due)
        job->accept_ms = core->now + core->config.ack_ms;
    job->accept_due = true;
}

/* Who feeds it learns from each delivery that its task was accepted. Others must not be told of results of tasks that
 * he would hand in anew, after a broker that had kept nothing. */
static bool is_read_by_others(const struct job *job)
{
    return job->reader_count > 1 || (job->readers && job->readers->session != job->owner);
}

bool owed_accept_waits(struct core *core, struct job *job)
{
    if (core->draining || core->now >= job->accept_ms || job->state != BELT_JOB_OPEN || job->options.durable ||
        is_read_by_others(job) || job->next - job->accepted >= OWED_ITEMS ||
        job->next_bytes - job->accepted_bytes >= BELT_BATCH_BYTES)
        return false;
    if (!job->owed)
        DL_APPEND2(core->owed_jobs, job, owed_prev, owed_next);
    job->owed = true;
    return true;
}

static void leave_jobs(struct core *core, struct job *job)
{
    if (job->owed)
        DL_DELETE2(core->owed_jobs, job, owed_prev, owed_next);
    job->owed = false;
}

void owed_accept_told(struct core *core, struct job *job)
{
    leave_jobs(core, job);
    job->accept_due = false;
    job->accepted = job->next;
    job->accepted_bytes = job->next_bytes;
}

void owed_record(struct core *core, struct agent *agent, const struct belt_msg_results *msg)
{
    for (uint32_t i = 0; i < msg->count; i++)
        agent->record_bytes += msg->results[i].payload.len;
    if (!agent->record_due)
        agent->record_ms = core->now + core->config.ack_ms;
    agent->record_due = true;
}

bool owed_record_waits(struct core *core, struct agent *agent)
{
    if (core->draining || core->now >= agent->record_ms || agent->leaving || agent->holds_kept ||
        agent->results_next - agent->recorded >= OWED_ITEMS || agent->record_bytes >= BELT_BATCH_BYTES)
        return false;
    if (!agent->owed)
        DL_APPEND2(core->owed_agents, agent, owed_prev, owed_next);
    agent->owed = true;
    return true;
}

static void leave_agents(struct core *core, struct agent *agent)
{
    if (agent->owed)
        DL_DELETE2(core->owed_agents, agent, owed_prev, owed_next);
    agent->owed = false;
}

void owed_record_told(struct core *core, struct agent *agent)
{
    leave_agents(core, agent);
    agent->record_due = false;
    agent->recorded = agent->results_next;
    agent->record_bytes = 0;
}

/* All wait equally long, so they are due in the order in which they came; one that was told meanwhile came anew. A
 * broker that drains tells all: an agent that stops with it would wait for the rest. */
void owed_turn(struct core *core)
{
    while (core->owed_jobs && (core->draining || core->owed_jobs->accept_ms <= core->now)) {
        mark_job(core, core->owed_jobs);
        leave_jobs(core, core->owed_jobs);
    }
    while (core->owed_agents && (core->draining || core->owed_agents->record_ms <= core->now)) {
        mark_agent(core, core->owed_agents);
        leave_agents(core, core->owed_agents);
    }
}

void owed_turn_over(struct core *core)
{
    if (core->owed_jobs)
        mark_alarm(core, core->owed_jobs->accept_ms);
    if (core->owed_agents)
        mark_alarm(core, core->owed_agents->record_ms);
}
