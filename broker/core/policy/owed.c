/* SPDX-License-Identifier: Apache-2.0
 *
 * Acknowledgements that wait for company. Nobody waits for an ACCEPTED or a RECORDED: they only let the other side
 * forget. Sent one by one they would be half of all messages of a conversation of single tasks, and wake two
 * processes each. So they leave when there is enough to tell, or some ms later. Whatever must be on disk
 * first is told as soon as it is there: somebody may wait for that.
 */
#include "broker/core/policy/owed.h"
#include "broker/core/model/mark.h"

/* An acknowledgement leaves at once when it tells of this many tasks or results, or of a batch of bytes. */
#define OWED_ITEMS 256u

void owed_accept(struct core *core, struct job *job)
{
    if (!job->accept.due)
        job->accept.when_ms = core->now + core->config.ack_ms;
    job->accept.due = true;
}

/* Who feeds it learns from each delivery that its task was accepted. Others must not be told of results of tasks that
 * he would hand in anew, after a broker that had kept nothing. */
static bool is_read_by_others(const struct job *job)
{
    return job->readers.count > 1 || (job->readers.first && job->readers.first->session != job->owner.session);
}

bool owed_accept_waits(struct core *core, struct job *job)
{
    if (core->draining || core->now >= job->accept.when_ms || job->state != BELT_JOB_OPEN || job->options.durable ||
        is_read_by_others(job) || job->input.next - job->accept.told >= OWED_ITEMS ||
        job->input.bytes - job->accept.told_bytes >= BELT_BATCH_BYTES)
        return false;
    if (!list_holds(&job->accept.owed))
        list_append(&core->owed.jobs, &job->accept.owed);
    return true;
}

void owed_accept_told(struct job *job)
{
    list_remove(&job->accept.owed);
    job->accept.due = false;
    job->accept.told = job->input.next;
    job->accept.told_bytes = job->input.bytes;
}

void owed_record(struct core *core, struct agent *agent, const struct belt_msg_results *msg)
{
    for (uint32_t i = 0; i < msg->count; i++)
        agent->record.untold_bytes += msg->results[i].payload.len;
    if (!agent->record.due)
        agent->record.when_ms = core->now + core->config.ack_ms;
    agent->record.due = true;
}

bool owed_record_waits(struct core *core, struct agent *agent)
{
    if (core->draining || core->now >= agent->record.when_ms || agent->state == AGENT_LEAVING ||
        agent->record.needs_disk || agent->results.next_number - agent->record.told >= OWED_ITEMS ||
        agent->record.untold_bytes >= BELT_BATCH_BYTES)
        return false;
    if (!list_holds(&agent->record.owed))
        list_append(&core->owed.agents, &agent->record.owed);
    return true;
}

void owed_record_told(struct agent *agent)
{
    list_remove(&agent->record.owed);
    agent->record.due = false;
    agent->record.told = agent->results.next_number;
    agent->record.untold_bytes = 0;
}

static struct job *first_job(const struct core *core)
{
    return LIST_FIRST(&core->owed.jobs, struct job, accept.owed);
}

static struct agent *first_agent(const struct core *core)
{
    return LIST_FIRST(&core->owed.agents, struct agent, record.owed);
}

/* All wait equally long, so they are due in the order in which they came; one that was told meanwhile came anew. A
 * broker that drains tells all: an agent that stops with it would wait for the rest. */
void owed_turn(struct core *core)
{
    struct job *job;
    struct agent *agent;
    while ((job = first_job(core)) && (core->draining || job->accept.when_ms <= core->now)) {
        mark_job(core, job);
        list_remove(&job->accept.owed);
    }
    while ((agent = first_agent(core)) && (core->draining || agent->record.when_ms <= core->now)) {
        mark_agent(core, agent);
        list_remove(&agent->record.owed);
    }
}

void owed_turn_over(struct core *core)
{
    if (first_job(core))
        mark_alarm(core, first_job(core)->accept.when_ms);
    if (first_agent(core))
        mark_alarm(core, first_agent(core)->record.when_ms);
}
