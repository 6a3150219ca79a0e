/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps that jobs, agents and sessions may make; those of a task stand in task.c. ARCHITECTURE.md draws them.
 */
#include "broker/core/model/steps.h"
#include "broker/core/model/update.h"
#include "broker/core/util/transition.h"

/* A job begins as OPEN. */
static const uint8_t job_steps[] = {
    [BELT_JOB_OPEN] = TO(BELT_JOB_ENDED_INPUT) | TO(BELT_JOB_STOPPED),
    [BELT_JOB_ENDED_INPUT] = TO(BELT_JOB_COMPLETE) | TO(BELT_JOB_STOPPED),
    [BELT_JOB_COMPLETE] = TO(BELT_JOB_STOPPED),
    [BELT_JOB_STOPPED] = 0,
};

void job_step(struct core *core, struct job *job, enum belt_job_state to, const char *why)
{
    transition_check(job_steps, job->state, to);
    job->state = (uint8_t)to;
    if (to == BELT_JOB_COMPLETE)
        update_trace(core, "job %llu > complete: %llu done, %llu failed", (unsigned long long)job->id,
                     (unsigned long long)job->counts.done, (unsigned long long)job->counts.failed);
    else if (to == BELT_JOB_STOPPED)
        update_trace(core, "job %llu > cancelled: %s", (unsigned long long)job->id, why);
    else
        update_trace(core, "job %llu > its input has ended: %llu tasks", (unsigned long long)job->id,
                     (unsigned long long)job->input.next);
}

/* An agent begins as AWAY, and may say hello again at any time. */
static const uint8_t agent_steps[] = {
    [AGENT_AWAY] = TO(AGENT_GREETED),
    [AGENT_GREETED] = TO(AGENT_GREETED) | TO(AGENT_SYNCED) | TO(AGENT_AWAY),
    [AGENT_SYNCED] = TO(AGENT_LEAVING) | TO(AGENT_GREETED) | TO(AGENT_AWAY),
    [AGENT_LEAVING] = TO(AGENT_GREETED),
};

void agent_step(struct core *core, struct agent *agent, enum agent_state to)
{
    transition_check(agent_steps, agent->state, to);
    agent->state = (uint8_t)to;
    if (to == AGENT_LEAVING)
        update_trace(core, "%s > leaving", agent->session->name);
}

bool agent_is_synced(const struct agent *agent)
{
    return agent->session->peer && agent->state >= AGENT_SYNCED;
}

/* A session begins as PARTED, and is freed when a worker's lease or a client's time of grace
 * is over, or when it says BYE. */
static const uint8_t session_steps[] = {
    [SESSION_PARTED] = TO(SESSION_CONNECTED) | TO(SESSION_GONE),
    [SESSION_CONNECTED] = TO(SESSION_PARTED),
    [SESSION_GONE] = TO(SESSION_CONNECTED),
};

void session_step(struct core *core, struct session *session, enum session_state to)
{
    transition_check(session_steps, session->state, to);
    if (session->state == SESSION_GONE) {
        DL_DELETE(core->sessions.gone, session);
        DL_APPEND(core->sessions.live, session);
    }
    if (to == SESSION_GONE) {
        DL_DELETE(core->sessions.live, session);
        DL_APPEND(core->sessions.gone, session);
        session->gone_ms = core->now;
    } else if (to == SESSION_PARTED) {
        session->parted_ms = core->now;
    }
    session->state = (uint8_t)to;
}
