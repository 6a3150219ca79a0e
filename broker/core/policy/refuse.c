/* SPDX-License-Identifier: Apache-2.0
 *
 * Results that there is no room for. Their agents keep them, and send them again when there is room (PROTOCOL.md §8.2).
 * Whether there is room is decided in budget.c.
 */
#include "broker/core/policy/refuse.h"
#include "broker/core/model/cursor.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/letter.h"
#include "broker/core/model/pin.h"
#include "broker/core/model/table.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/budget.h"
#include "broker/core/policy/run.h"
#include "broker/core/model/steps.h"

/* In one turn at most this many refused results are looked at, of one agent and of all together. */
#define LOOKED_AT_ONE 1024u
#define LOOKED_AT     4096u
/* After this time it is looked again whether there is room, whatever has happened in between. */
#define LOOK_AGAIN_MS 50u

/* A task that failed is kept with its input and its texts once more (dead_letter.c). */
static uint64_t cost_of(const struct task *task, const struct belt_result_item *item, const struct pinned *last)
{
    uint64_t texts = (uint64_t)extras_bytes(item->extras), large = task->len > BELT_INLINE_PAYLOAD ? task->len : 0;
    uint64_t cost = pin_cost(last, &item->payload) + texts;
    if (item->code != BELT_OK)
        return cost + texts + sizeof(struct dead_letter) + (large ? 0 : task->len);
    return cost > large ? cost - large : 0; /* which is given back for it */
}

static void keep_at_agent(struct core *core, struct run *run)
{
    struct agent *agent = run->agent;
    struct job *job = run->job;
    run_unload(core, run);
    run->refused = true;
    DL_APPEND(agent->results.refused, run);
    DL_APPEND2(job->results.refused, run, refused_prev, refused_next);
    job->results.refused_count++;
    if (!list_holds(&agent->results.refusing))
        list_append(&core->memory.refusing, &agent->results.refusing);
    update_trace(core, "%s > job %llu task %llu: no room for its result, which stays there", agent->session->name,
                 (unsigned long long)job->id, (unsigned long long)run->index);
}

/* Whether a reader waits for the result is looked up only when there is no room otherwise, since that takes longer. */
static bool has_room(const struct core *core, const struct run *run, uint64_t cost)
{
    return budget_takes_result(core, run->job, cost, false) ||
           (cursor_awaited(run->job, run->index) && budget_takes_result(core, run->job, cost, true));
}

bool refuse_result(struct core *core, struct run *run, const struct task *task, const struct belt_result_item *item,
                   const struct pinned *last)
{
    uint64_t cost = cost_of(task, item, last);
    if (run->dropped || item->code == BELT_NOT_SERVED || has_room(core, run, cost))
        return false;
    if (!run->refused)
        keep_at_agent(core, run);
    run->back = cost < UINT32_MAX ? (uint32_t)cost : UINT32_MAX;
    return true;
}

/* The last result that the agent was asked to keep has been taken, or is not wanted any more: so all that it has sent
 * can be acknowledged. */
static void has_none_left(struct core *core, struct agent *agent)
{
    list_remove(&agent->results.refusing);
    agent->results.refused_from = REFUSED_NONE;
    agent->results.resent_upto = 0;
    if (agent->results.next_number < agent->results.seen)
        agent->results.next_number = agent->results.seen;
    agent->record.due = true;
    agent->record.when_ms = core->now;
    mark_agent(core, agent);
}

void refuse_over(struct core *core, struct run *run)
{
    struct agent *agent = run->agent;
    DL_DELETE(agent->results.refused, run);
    DL_DELETE2(run->job->results.refused, run, refused_prev, refused_next);
    run->job->results.refused_count--;
    run->refused = false;
    if (!agent->results.refused)
        has_none_left(core, agent);
}

void refuse_noted(struct agent *agent, const struct belt_msg_results *msg, uint64_t refused)
{
    uint64_t end = msg->first + msg->count, next = refused < end ? refused : end;
    if (end > agent->results.seen)
        agent->results.seen = end;
    if (end >= agent->results.resent_upto)
        agent->results.resent_upto = 0;
    if (agent->results.refused_from != REFUSED_NONE &&
        (msg->first > agent->results.refused_from || end <= agent->results.refused_from))
        return; /* those in between come again, and these with them */
    agent->results.refused_from = refused;
    if (next > agent->results.next_number)
        agent->results.next_number = next;
}

/* ---- asking for them ---- */

static bool may_ask(const struct agent *agent)
{
    return agent_is_synced(agent) && !agent->results.resent_upto;
}

/* The agent is to send its results again; the turn tells it so (peer_ask_again). */
static void ask(struct core *core, struct agent *agent)
{
    agent->results.resent_upto = agent->results.seen;
    if (!list_holds(&agent->results.asked))
        list_prepend(&core->memory.asked, &agent->results.asked);
}

static bool is_wanted(const struct core *core, const struct run *run)
{
    return has_room(core, run, run->back);
}

void refuse_awaited(struct core *core, const struct reader *reader)
{
    struct job *job = reader->job;
    struct task *task = table_at(&job->table, reader->sent);
    struct run *run = job->results.refused;
    if (run && reader->mode == BELT_ORDERED)
        run = task && task->state == TASK_RUNNING && task->u.run->refused ? task->u.run : NULL;
    if (!run || !may_ask(run->agent) || !is_wanted(core, run))
        return;
    ask(core, run->agent);
    core->marks.again = true;
}

/* Those looked at go to the end: in time the turn comes to each. */
static uint32_t look_at(struct core *core, struct agent *agent)
{
    uint32_t looked = 0;
    for (struct run *run = agent->results.refused; run && looked < LOOKED_AT_ONE; run = agent->results.refused) {
        looked++;
        if (is_wanted(core, run)) {
            ask(core, agent);
            break;
        }
        DL_DELETE(agent->results.refused, run);
        DL_APPEND(agent->results.refused, run);
    }
    return looked;
}

void refuse_turn(struct core *core)
{
    struct agent *agent, *next;
    uint32_t looked = 0;
    LIST_EACH_SAFE (&core->memory.refusing, agent, next, results.refusing) {
        if (looked >= LOOKED_AT)
            break;
        if (!may_ask(agent))
            continue;
        looked += look_at(core, agent);
        list_remove(&agent->results.refusing);
        list_append(&core->memory.refusing, &agent->results.refusing);
    }
    if (!list_is_empty(&core->memory.refusing))
        mark_alarm(core, core->now + LOOK_AGAIN_MS);
}
