/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking back what lies unstarted at an agent whose slots are all busy with tasks that are much longer than was
 * expected, so that it begins elsewhere in the order in which it was to go. After what time an agent counts as stuck is
 * decided in model/run_time.c, and how much it holds in sizing.c.
 */
#include "broker/core/policy/stuck.h"
#include "broker/core/model/mark.h"
#include "broker/core/policy/balance.h"
#include "broker/core/policy/fair.h"
#include "broker/core/model/run_time.h"

/* An agent gives each slot this many tasks in a row before the next slot has its turn (worker/table/placement.c), so
 * tasks begin and end out of order by as much. */
#define ROW_MAX 8u
/* An agent gives back what is too much when it holds this many times what it should. */
#define SURPLUS_TIMES 2u

/* One list for each pace: who has been without a result longest is first, and due first. */
static void watch(struct core *core, struct agent *agent, uint8_t pace)
{
    list_remove(&agent->stuck.watched);
    if (agent->stuck.stuck || agent->parts <= agent->slots || pace == RUN_TIME_PACES)
        return;
    agent->stuck.pace = pace;
    agent->stuck.moved_ms = core->now;
    list_append(&core->stuck.watched[pace], &agent->stuck.watched);
}

void stuck_watch(struct core *core, struct agent *agent, double typical_us)
{
    uint8_t pace = run_time_pace(typical_us);
    watch(core, agent, list_holds(&agent->stuck.watched) && agent->stuck.pace > pace ? agent->stuck.pace : pace);
}

void stuck_moved(struct core *core, struct agent *agent)
{
    agent->stuck.stuck = false;
    if (list_holds(&agent->stuck.watched))
        watch(core, agent, agent->stuck.pace);
}

void stuck_forget(struct agent *agent)
{
    list_remove(&agent->stuck.watched);
    agent->stuck.stuck = agent->stuck.surplus = agent->stuck.surplus_asked = false;
}

/* Nobody else could have it sooner when there is nobody else. */
static bool is_alone(const struct agent *agent)
{
    return !agent->runs || agent->runs->prev->job->queue->agent_count < 2;
}

/* How many of the tasks that came last make up `parts` chunks and single tasks. */
static uint32_t tasks_of(const struct agent *agent, uint32_t parts)
{
    uint32_t count = 0;
    for (const struct run *run = agent->runs->prev; parts && count < agent->held; run = run->prev, count++)
        parts -= !run->chunk || run == agent->runs || run->prev->chunk != run->chunk;
    return count;
}

/* Takes back what the agent has not begun, but for `keep` less its slots. */
static bool give_back(struct core *core, struct agent *agent, uint32_t keep, const char *why)
{
    if (agent->parts <= keep || is_alone(agent))
        return false;
    const struct queue *last = agent->runs->prev->job->queue; /* what came last is given back first */
    return balance_recall(core, last, agent, tasks_of(agent, agent->parts - keep), why);
}

/* It runs for much longer than was expected, as far as can be seen, and than what came before it and is still there. */
static bool is_late(const struct core *core, const struct run *run, double before_us, uint64_t margin)
{
    uint8_t pace = run_time_pace((double)run->cost_us);
    if (pace == RUN_TIME_PACES || run->chunk || run->order + margin >= run->agent->stuck.passed)
        return false;
    return core->now > run->dispatched_ms + run_time_stuck_ms(pace) + (uint64_t)(before_us / 1000);
}

uint32_t stuck_late(const struct core *core, const struct agent *agent)
{
    uint32_t late = 0, first = 0;
    double before_us = 0;
    if (agent->stuck.stuck || agent->stuck.surplus)
        return agent->slots;
    for (const struct run *run = agent->runs; run && first < agent->slots; run = run->next, first++) {
        late += is_late(core, run, before_us, (uint64_t)ROW_MAX * agent->slots);
        before_us += (double)run->cost_us;
    }
    return late;
}

void stuck_check(struct core *core, struct agent *agent, const struct job *job, uint32_t held, uint32_t target)
{
    uint32_t much = held < agent->parts ? held : agent->parts;   /* by number and by time */
    bool is_last = agent->runs && agent->runs->prev->job == job; /* another job's may be as many as they should */
    if (is_last && much / SURPLUS_TIMES >= target && core->now >= agent->recall.again_ms)
        (void)give_back(core, agent, target > agent->slots ? target : agent->slots,
                        "some of its slots are busy with long ones");
}

static void ask_surplus(struct core *core, struct agent *agent)
{
    if (!agent->stuck.surplus || agent->recall.under_way)
        return;
    agent->stuck.surplus_asked = give_back(core, agent, agent->slots, "its tasks take longer than was expected");
    agent->stuck.surplus = agent->stuck.surplus_asked;
}

void stuck_shift(struct core *core)
{
    struct queue *queue;
    LIST_EACH (&core->marks.queues, queue, marked) {
        for (uint32_t i = 0; queue->risen && i < queue->agent_count; i++) {
            queue->agents[i]->stuck.surplus = true;
            ask_surplus(core, queue->agents[i]);
        }
        queue->risen = false;
    }
}

void stuck_returned(struct core *core, struct agent *agent)
{
    struct run *run;
    if (agent->stuck.surplus_asked) {
        agent->stuck.surplus = agent->stuck.surplus_asked = false;
        DL_FOREACH (agent->runs, run)
            fair_charge_anew(core, run);
    }
    ask_surplus(core, agent);
}

static void look_at(struct core *core, uint8_t pace, bool again)
{
    uint64_t after = run_time_stuck_ms(pace);
    struct agent *agent, *next;
    LIST_EACH_SAFE (&core->stuck.watched[pace], agent, next, stuck.watched) {
        uint64_t when = agent->stuck.moved_ms + after;
        if (when > core->now || again) {
            mark_alarm(core, when > core->now ? when : core->now + 1);
            break;
        }
        if (agent->recall.under_way) /* its answer comes first */
            continue;
        list_remove(&agent->stuck.watched);
        agent->stuck.ended = 0;
        agent->stuck.stuck = give_back(core, agent, agent->slots, "its slots are busy with long ones");
    }
}

/* What lies there goes to others, in the order in which it was to go: those that waited longest come first. */
void stuck_turn(struct core *core)
{
    bool again = core->now == core->stuck.looked_ms; /* once a ms will do */
    core->stuck.looked_ms = core->now;
    for (uint8_t pace = 0; pace < RUN_TIME_PACES; pace++)
        look_at(core, pace, again);
}
