/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking back what lies unstarted at an agent whose slots are all busy with tasks that are much longer than was
 * expected, so that it begins elsewhere in the order in which it was to go. When is sizing.c's.
 */
#include "parts.h"
#include "sizing.h"

static void watch_out(struct core *core, struct agent *agent)
{
    if (agent->watched)
        DL_DELETE2(core->watched[agent->pace], agent, watched_prev, watched_next);
    agent->watched = false;
}

/* One list for each pace: who has been without a result longest is first, and due first. */
static void watch(struct core *core, struct agent *agent, uint8_t pace)
{
    watch_out(core, agent);
    if (agent->stuck || agent->parts <= agent->slots || pace == SIZING_PACES)
        return;
    agent->watched = true;
    agent->pace = pace;
    agent->moved_ms = core->now;
    DL_APPEND2(core->watched[pace], agent, watched_prev, watched_next);
}

void stuck_watch(struct core *core, struct agent *agent, double typical_us)
{
    uint8_t pace = sizing_pace(typical_us);
    watch(core, agent, agent->watched && agent->pace > pace ? agent->pace : pace);
}

void stuck_moved(struct core *core, struct agent *agent)
{
    agent->stuck = false;
    if (agent->watched)
        watch(core, agent, agent->pace);
}

void stuck_forget(struct core *core, struct agent *agent)
{
    watch_out(core, agent);
    agent->stuck = false;
}

/* Others were given tasks that came later than what lies there; else nobody could have it sooner. */
static bool is_passed_over(const struct agent *agent)
{
    return agent->runs && agent->runs->job->queue->given_ms > agent->moved_ms;
}

static void give_way(struct core *core, struct agent *agent)
{
    uint32_t keep = sizing_stuck(agent->slots);
    const struct queue *last = agent->runs->prev->job->queue; /* what came last is given back first */
    watch_out(core, agent);
    agent->stuck = agent->parts > keep &&
                   balance_recall(core, last, agent, agent->parts - keep, "its slots are busy with long ones");
}

static void look_at(struct core *core, uint8_t pace, bool again)
{
    uint64_t after = sizing_stuck_ms(pace);
    struct agent *agent, *next;
    DL_FOREACH_SAFE2(core->watched[pace], agent, next, watched_next)
    {
        uint64_t when = agent->moved_ms + after;
        if (when > core->now || again) {
            core_alarm(core, when > core->now ? when : core->now + 1);
            break;
        }
        if (is_passed_over(agent))
            give_way(core, agent);
    }
}

/* What lies there goes to others, in the order in which it was to go: those that waited longest come first. */
void stuck_turn(struct core *core)
{
    bool again = core->now == core->stuck_ms; /* once a ms will do */
    core->stuck_ms = core->now;
    for (uint8_t pace = 0; pace < SIZING_PACES; pace++)
        look_at(core, pace, again);
}
