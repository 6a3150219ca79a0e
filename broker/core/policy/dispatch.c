/* SPDX-License-Identifier: Apache-2.0
 *
 * Giving waiting tasks to agents. Whose turn it is is decided in fair.c, and how much an agent gets in sizing.c. Tasks
 * that lie unstarted are taken back by balance.c and stuck.c.
 */
#include "broker/core/policy/dispatch.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/name.h"
#include "broker/core/model/table.h"
#include "broker/core/model/timer.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/balance.h"
#include "broker/core/model/charge.h"
#include "broker/core/policy/fair.h"
#include "broker/core/policy/ready.h"
#include "broker/core/policy/run.h"
#include "broker/core/model/run_time.h"
#include "broker/core/policy/sizing.h"
#include "broker/core/policy/stalled.h"
#include "broker/core/policy/stuck.h"
#include "broker/core/policy/waiting.h"

/* At most this many tasks and messages are given out in one turn, which is some milliseconds of work. With many agents
 * everything that waits could go at once, and meanwhile nobody else would be heard. */
#define TASKS_A_TURN 32768u

#define MESSAGES_A_TURN 512u

/* ---- choosing a job ---- */

/* The job that the agent serves next: among its functions the one with the highest priority goes first, then the one
 * that has had least of the agent. Gives the place of its queue among those of the agent. */
static struct job *choose(struct core *core, const struct agent *agent, uint32_t *place)
{
    struct job *best = NULL;
    for (uint32_t i = 0; i < agent->queue_count; i++) {
        struct job *job = fair_first(core, agent->queues[i]);
        if (!job || (best && job->options.priority < best->options.priority))
            continue;
        if (best && job->options.priority == best->options.priority && agent->passes[i] >= agent->passes[*place])
            continue;
        best = job;
        *place = i;
    }
    return best;
}

/* ---- giving ---- */

static void fill_dispatch(struct belt_msg *msg, struct job *job, const struct belt_task_item *items, uint32_t count)
{
    msg->u.dispatch = (struct belt_msg_dispatch){
        .job = job->id,
        .function = name_bytes(job->queue->function),
        .timeout_ms = job->options.timeout_ms,
        .detail = job->options.detail,
        .together = job->options.chunk > 1,
        .argument = job->options.argument,
        .argument_buf = job->argument.buf,
        .tasks = items,
        .count = count,
    };
}

/* A number that no agent has named for an attempt from before the restart (struct job_fence). */
static uint32_t next_attempt(const struct job *job, uint64_t index, const struct task *task)
{
    bool spoken = index < job->fence.below && job->fence.attempt > task->attempt;
    return (spoken ? job->fence.attempt : task->attempt) + 1;
}

/* A line for each run of neighbours among the tasks that go. */
static void trace_given(struct core *core, const struct agent *agent, const struct job *job,
                        const struct belt_task_item *items, uint32_t count)
{
    for (uint32_t first = 0, i = 1; core->config.trace && i <= count; i++)
        if (i == count || items[i].index != items[i - 1].index + 1) {
            update_trace(core, "%s > job %llu tasks %llu to %llu go there", agent->session->name,
                         (unsigned long long)job->id, (unsigned long long)items[first].index,
                         (unsigned long long)items[i - 1].index);
            first = i;
        }
}

/* One DISPATCH of up to `want` tasks; returns how many went. */
static uint32_t give(struct core *core, struct agent *agent, struct job *job, uint32_t want)
{
    if (want > BELT_MAX_BATCH)
        want = BELT_MAX_BATCH;
    struct belt_task_item *items = update_alloc(core, want * sizeof(*items));
    struct belt_batch batch = {.attached = job->options.argument.len > BELT_MAX_ARGUMENT};
    uint64_t chunk = job->options.chunk > 1 ? ++core->dispatch.last_chunk : 0;
    while (batch.count < want && job->counts.waiting) {
        uint64_t index = waiting_pop(job);
        struct task *task = table_at(&job->table, index);
        if (!run_has_room(agent, task->len) || !belt_batch_add(&batch, task->len, 16)) {
            waiting_put_back(job, index);
            charge_own(core, job);
            break;
        }
        task->attempt = next_attempt(job, index, task);
        struct run *run = run_new(core, agent, job, index, task, chunk);
        run->cost_us = fair_cost(job);
        agent->load_us += (double)run->cost_us;
        items[batch.count - 1] = (struct belt_task_item){index, task->attempt, {task->buf, task->data, task->len}};
    }
    if (batch.count == 0)
        return 0;
    fill_dispatch(update_send(core, agent->session, BELT_MSG_DISPATCH), job, items, batch.count);
    trace_given(core, agent, job, items, batch.count);
    job->times.chunk_ms = 0;
    waiting_changed(core, job);
    return batch.count;
}

/* A chunk goes to one slot: one for each, one ahead, and more as far as chunks are short work. It is cut only where the
 * agent's window ends and a slot idles. */
static uint32_t chunk_share(const struct agent *agent, const struct job *job, uint32_t late, bool eager)
{
    uint32_t size = job->counts.waiting < job->options.chunk ? (uint32_t)job->counts.waiting : job->options.chunk;
    uint32_t room = agent->window_items - agent->held;
    uint32_t target = eager ? agent->slots : sizing_target(job->share.typical.us * job->options.chunk, agent->slots);
    uint32_t least = agent->slots + (!eager && late < agent->slots);
    if (agent->parts >= (target > least && late < agent->slots ? target : least))
        return 0;
    if (size <= room)
        return size;
    return agent->parts < agent->slots ? room : 0;
}

/* What the agent should hold: work for some time, and no more than its part. */
static uint32_t target_of(const struct agent *agent, const struct job *job, uint32_t late)
{
    const struct queue *queue = job->queue;
    uint32_t target =
        late + (late < agent->slots ? sizing_target(run_time_expect(&job->share.typical), agent->slots - late) : 0);
    uint64_t most = sizing_most(agent->slots, agent->stuck.ended);
    if (queue->agent_count > 1 && target > most)
        target = (uint32_t)most;
    uint32_t part = sizing_part(agent->slots, queue->slots, queue->waiting + queue->running);
    if (target > part)
        target = part;
    return target < agent->window_items ? target : agent->window_items;
}

/* How many tasks of `job` the agent should get now; it has room for one at least. `eager`: fill idle slots only. */
static uint32_t share_of(struct core *core, struct agent *agent, const struct job *job, bool eager)
{
    uint32_t room = agent->window_items - agent->held;
    uint32_t slots = agent->slots, late = eager ? 0 : stuck_late(core, agent);
    if (job->options.chunk > 1)
        return chunk_share(agent, job, late, eager);
    uint32_t target = eager ? slots : target_of(agent, job, late);
    uint32_t held = sizing_held(job->share.typical.us, agent->parts, agent->load_us, slots);
    if (late)
        stuck_check(core, agent, job, held, target);
    uint32_t share = sizing_share(target, held, slots, job->queue->slots, job->queue->waiting);
    if (share > job->counts.waiting)
        share = (uint32_t)job->counts.waiting;
    return share < room ? share : room;
}

/* So much waits that all idle slots find some of it, whichever agent is served first. Then an agent gets what fills its
 * slots and what lies ahead of them in one message. */
static bool is_plenty(const struct job *job)
{
    return job->options.chunk <= 1 && job->queue->waiting / 256 >= job->queue->slots;
}

static uint32_t feed(struct core *core, struct agent *agent, bool eager)
{
    if (agent->state != AGENT_SYNCED || agent->held >= agent->window_items || stalled_is_full(agent) ||
        (agent->session->full & FULL_LINK))
        return 0;
    uint32_t place = 0;
    struct job *job = choose(core, agent, &place);
    uint32_t share = !job || (eager && is_plenty(job)) ? 0 : share_of(core, agent, job, eager);
    uint32_t given = share ? give(core, agent, job, share) : 0;
    if (given) {
        fair_given(agent, place, job, given);
        job->queue->given_ms = core->now;
        stuck_watch(core, agent, job->share.typical.us);
    }
    return given;
}

/* Round after round over the agents that may have room, until none takes more: idle slots first, then what lies ahead.
 * Where it ended because that was enough for one turn; else `count`. */
static uint32_t feed_all(struct core *core, struct agent **agents, uint32_t count)
{
    uint32_t tasks = 0, messages = 0;
    for (int eager = 1; eager >= 0; eager--) {
        bool any = true;
        while (any) {
            any = false;
            for (uint32_t i = 0; i < count; i++) {
                if (tasks >= TASKS_A_TURN || messages >= MESSAGES_A_TURN)
                    return i;
                uint32_t given = feed(core, agents[i], eager);
                any |= given > 0;
                tasks += given;
                messages += given > 0;
            }
        }
    }
    return count;
}

/* They are looked at again in the next turn, which comes at once: those first that had least. */
static void go_on_later(struct core *core, struct agent **agents, uint32_t count, uint32_t from)
{
    for (uint32_t i = 0; i < count; i++) {
        struct agent *agent = agents[(from + i) % count];
        list_append(&core->dispatch.unfed, &agent->unfed);
    }
    core->marks.again = true;
}

/* ---- the turn ---- */

/* Agents worth a look: those of the last turn, those that got room, and all of a queue that had nothing for them
 * before. */
static uint32_t candidates(struct core *core, struct agent ***list)
{
    struct queue *queue;
    LIST_EACH (&core->marks.queues, queue, marked)
        if (queue->hungry && queue->waiting)
            for (uint32_t i = 0; i < queue->agent_count; i++)
                mark_agent(core, queue->agents[(queue->cursor + i) % queue->agent_count]);
    uint32_t count = 0;
    struct agent *agent;
    LIST_EACH (&core->marks.agents, agent, marked)
        count += !list_holds(&agent->unfed);
    LIST_EACH (&core->dispatch.unfed, agent, unfed)
        count++;
    *list = update_alloc(core, (count + 1) * sizeof(**list));
    count = 0;
    LIST_EACH (&core->dispatch.unfed, agent, unfed)
        (*list)[count++] = agent;
    LIST_EACH (&core->marks.agents, agent, marked)
        if (!list_holds(&agent->unfed))
            (*list)[count++] = agent;
    while ((agent = LIST_FIRST(&core->dispatch.unfed, struct agent, unfed)))
        list_remove(&agent->unfed);
    return count;
}

static bool has_eligible(struct core *core, struct queue *queue)
{
    struct job *job;
    LIST_EACH (&queue->active, job, waiting.active)
        if (ready_may_go(core, job))
            return true;
    return false;
}

static void look_again(struct core *core)
{
    struct queue *queue, *next;
    if (!core->marks.revisit)
        return;
    core->marks.revisit = false;
    HASH_ITER (hh, core->queues, queue, next) {
        if (queue->revisit) {
            queue->hungry = true; /* an agent may have found nothing that was ready */
            mark_queue(core, queue);
        }
        queue->revisit = false;
    }
}

void dispatch_turn(struct core *core)
{
    struct agent **agents;
    look_again(core);
    fair_turn(core);
    stuck_shift(core);
    uint32_t count = candidates(core, &agents);
    uint32_t end = feed_all(core, agents, count);
    if (end < count)
        go_on_later(core, agents, count, end);
    fair_turn_over(core);
    stuck_turn(core);
    balance_offer(core, agents, count);
    struct queue *queue;
    while ((queue = LIST_FIRST(&core->marks.queues, struct queue, marked))) {
        list_remove(&queue->marked);
        queue->cursor++;
        queue->hungry = !has_eligible(core, queue);
        balance_turn(core, queue);
    }
}

void dispatch_notices(struct core *core, struct job *job)
{
    bool served = job->queue->agent_count > 0 || !list_holds(&job->waiting.active) || job->state == BELT_JOB_STOPPED;
    if (served) {
        job->times.unserved_ms = 0;
        if (job->times.unserved) {
            job->times.unserved = false;
            update_send(core, job->owner.session, BELT_MSG_NOTICE)->u.notice = (struct belt_msg_notice){.job = job->id};
        }
        return;
    }
    if (job->times.unserved)
        return;
    if (!job->times.unserved_ms)
        job->times.unserved_ms = core->now + core->config.heartbeat_ms;
    if (core->now < job->times.unserved_ms) {
        timer_set(core, job); /* comes back to it */
        return;
    }
    job->times.unserved = true;
    struct belt_msg *msg = update_send(core, job->owner.session, BELT_MSG_NOTICE);
    msg->u.notice = (struct belt_msg_notice){
        .job = job->id,
        .code = BELT_NO_WORKER,
        .text = update_text(core, "no connected worker serves function '%s': %llu tasks wait", job->queue->function,
                            (unsigned long long)job->counts.waiting),
    };
}
