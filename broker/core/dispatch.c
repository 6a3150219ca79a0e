/* SPDX-License-Identifier: Apache-2.0
 *
 * Who gets what: queues, filling agents. Whose turn it is says fair.c, how much
 * sizing.c; taking back what lies unstarted is balance.c's and stuck.c's.
 */
#include "dispatch.h"
#include "balance.h"
#include "fair.h"
#include "job.h"
#include "name.h"
#include "stream.h"
#include "stuck.h"
#include "timer.h"
#include "update.h"
#include "worker.h"
#include "sizing.h"

/* A partial chunk is given out when it has waited this long: progress goes before a round number. */
#define CHUNK_WAIT_MS 100u
/* What is given out in one turn: some milliseconds' work. With many agents all that waits may go at once, and meanwhile
 * nobody else would be heard. */
#define TASKS_A_TURN    32768u
#define MESSAGES_A_TURN 512u
/* Function names that are remembered although nobody uses them: their totals are worth showing. */
#define IDLE_QUEUES_MAX 1024u

/* ---- queues ---- */

struct queue *queue_get(struct core *core, const char *function)
{
    struct queue *queue = NULL;
    HASH_FIND_STR(core->queues, function, queue);
    if (queue)
        return queue;
    queue = calloc(1, sizeof *queue);
    if (!queue)
        abort();
    memcpy(queue->function, function, strlen(function) + 1);
    queue->rate_ms = core->now;
    queue->hungry = true;
    HASH_ADD_STR(core->queues, function, queue);
    return queue;
}

void queue_free(struct queue *queue)
{
    free(queue->agents);
    free(queue->shares_heap.members);
    free(queue);
}

void queue_prune(struct core *core, struct queue *queue)
{
    if (queue->jobs || queue->letter_jobs || queue->agent_count || HASH_COUNT(core->queues) <= IDLE_QUEUES_MAX)
        return;
    if (queue->dirty)
        LL_DELETE2(core->dirty_queues, queue, dirty_next);
    HASH_DEL(core->queues, queue);
    queue_free(queue);
}

void queue_touch(struct core *core, struct queue *queue)
{
    if (queue->dirty)
        return;
    queue->dirty = true;
    LL_PREPEND2(core->dirty_queues, queue, dirty_next);
}

void dispatch_serve(struct core *core, struct queue *queue, struct agent *agent)
{
    for (uint32_t i = 0; i < agent->queue_count; i++)
        if (agent->queues[i] == queue)
            return;
    if (queue->agent_count == queue->agent_room) {
        queue->agent_room = queue->agent_room ? queue->agent_room * 2 : 4;
        queue->agents = realloc(queue->agents, queue->agent_room * sizeof *queue->agents);
        if (!queue->agents)
            abort();
    }
    queue->agents[queue->agent_count++] = agent;
    queue->slots += agent->slots;
    agent->passes[agent->queue_count] = agent->level;
    agent->queues[agent->queue_count++] = queue;
    queue->hungry = true;
    queue_touch(core, queue);
    struct job *job;
    DL_FOREACH2(queue->active, job, active_next)
    job_touch(core, job); /* its notice is over */
}

void dispatch_unserve(struct core *core, struct queue *queue, struct agent *agent)
{
    for (uint32_t i = 0; i < agent->queue_count; i++)
        if (agent->queues[i] == queue) {
            agent->queues[i] = agent->queues[--agent->queue_count];
            agent->passes[i] = agent->passes[agent->queue_count];
        }
    for (uint32_t i = 0; i < queue->agent_count; i++)
        if (queue->agents[i] == agent) {
            queue->agents[i] = queue->agents[--queue->agent_count];
            queue->slots -= agent->slots;
        }
    struct job *job;
    if (queue->agent_count == 0)
        DL_FOREACH2(queue->active, job, active_next)
    job_touch(core, job);
    queue_prune(core, queue);
}

/* ---- clients' shares ---- */

struct share *share_take(struct queue *queue, const struct session *client)
{
    static const uint8_t nobody[BELT_SESSION_LEN];
    const uint8_t *id = client ? client->id : nobody;
    struct share *share = NULL;
    HASH_FIND(hh, queue->shares, id, BELT_SESSION_LEN, share);
    if (!share) {
        share = calloc(1, sizeof *share);
        if (!share)
            abort();
        memcpy(share->client, id, BELT_SESSION_LEN);
        share->pass = queue->level;
        queue->share_count++;
        HASH_ADD(hh, queue->shares, client, BELT_SESSION_LEN, share);
    }
    share->jobs++;
    return share;
}

void share_drop(struct queue *queue, struct share *share)
{
    if (--share->jobs > 0)
        return;
    HASH_DELETE(hh, queue->shares, share);
    queue->share_count--;
    free(share->jobs_heap.members);
    free(share);
}

/* ---- what waits ---- */

static void again_push(struct job *job, uint64_t index)
{
    if (job->again_count == job->again_room) {
        job->again_room = job->again_room ? job->again_room * 2 : 16;
        job->again = realloc(job->again, job->again_room * sizeof *job->again);
        if (!job->again)
            abort();
    }
    uint32_t at = job->again_count++;
    for (; at && job->again[(at - 1) / 2] > index; at = (at - 1) / 2)
        job->again[at] = job->again[(at - 1) / 2];
    job->again[at] = index;
}

static uint64_t again_pop(struct job *job)
{
    uint64_t first = job->again[0], last = job->again[--job->again_count];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < job->again_count; at = child) {
        if (child + 1 < job->again_count && job->again[child + 1] < job->again[child])
            child++;
        if (last <= job->again[child])
            break;
        job->again[at] = job->again[child];
    }
    job->again[at] = last;
    return first;
}

static bool waits(const struct job *job, uint64_t index)
{
    const struct task *task = table_at(&job->table, index);
    return task && task->state == TASK_WAITING;
}

uint64_t dispatch_oldest(const struct job *job)
{
    uint64_t oldest = UINT64_MAX;
    if (job->again_count && waits(job, job->again[0]))
        oldest = table_at(&job->table, job->again[0])->u.since_ms;
    if (waits(job, job->fresh) && table_at(&job->table, job->fresh)->u.since_ms < oldest)
        oldest = table_at(&job->table, job->fresh)->u.since_ms;
    return oldest;
}

/* The lowest index that waits; call only when job->waiting > 0. */
static uint64_t waiting_pop(struct job *job)
{
    while (job->again_count) {
        uint64_t index = again_pop(job);
        if (index < job->fresh && waits(job, index))
            return index;
    }
    while (!waits(job, job->fresh))
        job->fresh++;
    return job->fresh++;
}

void dispatch_wait(struct core *core, struct job *job, uint64_t index, struct task *task)
{
    task->state = TASK_WAITING;
    task->u.since_ms = core->now;
    if (index < job->fresh)
        again_push(job, index);
    job->waiting++;
    job->queue->waiting++;
    dispatch_waiting_changed(core, job);
}

void dispatch_waiting_changed(struct core *core, struct job *job)
{
    struct queue *queue = job->queue;
    bool ready = job->waiting && !job->start_ms;
    if (ready && !job->active) {
        job->active = true;
        DL_APPEND2(queue->active, job, active_prev, active_next);
        fair_enter(core, job);
    } else if (!ready && job->active) {
        job->active = false;
        DL_DELETE2(queue->active, job, active_prev, active_next);
        fair_leave(core, job);
    }
    job_touch(core, job); /* notices */
    queue_touch(core, queue);
}

static struct run *run_new(struct core *core, struct agent *agent, struct job *job, uint64_t index, struct task *task,
                           uint64_t chunk)
{
    struct run *run = core->spare_runs;
    if (run)
        LL_DELETE(core->spare_runs, run);
    else if (!(run = malloc(sizeof *run)))
        abort();
    *run = (struct run){.job = job,
                        .agent = agent,
                        .index = index,
                        .order = ++agent->orders,
                        .bytes = task->len,
                        .chunk = chunk,
                        .dispatched_ms = core->now};
    task->state = TASK_RUNNING;
    task->u.run = run;
    DL_APPEND(agent->runs, run);
    agent->parts += !chunk || run == agent->runs || run->prev->chunk != chunk;
    agent->held++;
    agent->held_bytes += run->bytes;
    job->waiting--;
    job->running++;
    job->queue->waiting--;
    job->queue->running++;
    return run;
}

struct run *dispatch_adopt(struct core *core, struct agent *agent, struct job *job, uint64_t index, struct task *task)
{
    /* What is left of a chunk comes back in a row: no gap, and not more than a chunk. Tasks that are taken for chunks
     * of their own cost a question at most; chunks that are taken for one would lie unseen behind one another. */
    const struct run *last = agent->runs ? agent->runs->prev : NULL;
    uint64_t chunk = 0;
    if (job->options.chunk > 1) {
        bool more =
            last && last->job == job && last->chunk && last->index + 1 == index && agent->adopted < job->options.chunk;
        agent->adopted = more ? agent->adopted + 1 : 1;
        chunk = more ? last->chunk : ++core->last_chunk;
    }
    struct run *run = run_new(core, agent, job, index, task, chunk);
    dispatch_waiting_changed(core, job);
    return run;
}

void dispatch_come_back(struct core *core, struct queue *queue, uint64_t when)
{
    queue->revisit = core->revisit = true;
    core_alarm(core, when);
}

/* ---- choosing a job ---- */

/* A job whose results nobody takes must not fill the broker. When its readers have taken all they can, and wait for
 * one that is not done, it goes on one task at a time. */
static bool is_stalled(const struct core *core, const struct job *job)
{
    uint64_t window = job->options.window_bytes ? job->options.window_bytes : core->config.memory_budget;
    return job->unread > window && (job->running > 0 || stream_lags(job));
}

/* A chunk that could still fill up waits for that, for a moment. */
static bool is_partial(struct core *core, struct job *job)
{
    if (job->options.chunk <= 1 || job->waiting >= job->options.chunk || job->state != BELT_JOB_OPEN ||
        job->next >= job->granted.items || job->next_bytes >= job->granted.bytes)
        return false;
    if (!job->chunk_ms)
        job->chunk_ms = core->now;
    if (core->now >= job->chunk_ms + CHUNK_WAIT_MS)
        return false;
    dispatch_come_back(core, job->queue, job->chunk_ms + CHUNK_WAIT_MS);
    return true;
}

static bool is_recovering(struct core *core, struct job *job)
{
    if (core->now >= job->recover_ms)
        return false;
    dispatch_come_back(core, job->queue, job->recover_ms);
    return true;
}

bool dispatch_may_go(struct core *core, struct job *job)
{
    return !job->expired && !is_stalled(core, job) && !is_partial(core, job) && !is_recovering(core, job);
}

/* Among the functions of one agent: priority, then the one that has had least of it. */
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
        .tasks = items,
        .count = count,
    };
}

bool dispatch_has_room(const struct agent *agent, uint32_t bytes)
{
    return agent->held == 0 || agent->held_bytes + bytes <= agent->window_bytes;
}

/* Not one that an agent has spoken of since the restart (worker.c). */
static uint32_t next_attempt(const struct job *job, uint64_t index, const struct task *task)
{
    bool spoken = index < job->spoken_of && job->spoken > task->attempt;
    return (spoken ? job->spoken : task->attempt) + 1;
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
    struct belt_task_item *items = update_alloc(core, want * sizeof *items);
    struct belt_batch batch = {0};
    uint64_t chunk = job->options.chunk > 1 ? ++core->last_chunk : 0;
    while (batch.count < want && job->waiting) {
        uint64_t index = waiting_pop(job);
        struct task *task = table_at(&job->table, index);
        if (!dispatch_has_room(agent, task->len) || !belt_batch_add(&batch, task->len, 16)) {
            again_push(job, index);
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
    job->chunk_ms = 0;
    dispatch_waiting_changed(core, job);
    return batch.count;
}

/* A chunk goes to one slot: one for each, one ahead, and more as far as chunks are short work. It is cut only where the
 * agent's window ends and a slot idles. */
static uint32_t chunk_share(const struct agent *agent, const struct job *job, uint32_t late, bool eager)
{
    uint32_t size = job->waiting < job->options.chunk ? (uint32_t)job->waiting : job->options.chunk;
    uint32_t room = agent->window_items - agent->held;
    uint32_t target = eager ? agent->slots : sizing_target(job->typical.us * job->options.chunk, agent->slots);
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
        late + (late < agent->slots ? sizing_target(sizing_expect(&job->typical), agent->slots - late) : 0);
    uint64_t most = sizing_most(agent->slots, agent->ended);
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
    uint32_t held = sizing_held(job->typical.us, agent->parts, agent->load_us, slots);
    if (late)
        stuck_check(core, agent, job, held, target);
    uint32_t share = sizing_share(target, held, slots, job->queue->slots, job->queue->waiting);
    if (share > job->waiting)
        share = (uint32_t)job->waiting;
    return share < room ? share : room;
}

/* So much waits that all idle slots find some of it, whoever is served first: an agent gets what fills its slots and
 * what lies ahead in one message. */
static bool is_plenty(const struct job *job)
{
    return job->options.chunk <= 1 && job->queue->waiting / 256 >= job->queue->slots;
}

static uint32_t feed(struct core *core, struct agent *agent, bool eager)
{
    if (!agent->synced || agent->leaving || !agent->session->peer || agent->held >= agent->window_items)
        return 0;
    uint32_t place = 0;
    struct job *job = choose(core, agent, &place);
    uint32_t share = !job || (eager && is_plenty(job)) ? 0 : share_of(core, agent, job, eager);
    uint32_t given = share ? give(core, agent, job, share) : 0;
    if (given) {
        fair_given(agent, place, job, given);
        job->queue->given_ms = core->now;
        stuck_watch(core, agent, job->typical.us);
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
        agent->unfed = true;
        DL_APPEND2(core->unfed, agent, unfed_prev, unfed_next);
    }
    core->again = true;
}

/* ---- the turn ---- */

/* Agents worth a look: those of the last turn, those that got room, and all of a queue that had nothing for them
 * before. */
static uint32_t candidates(struct core *core, struct agent ***list)
{
    struct queue *queue;
    LL_FOREACH2(core->dirty_queues, queue, dirty_next)
    if (queue->hungry && queue->waiting)
        for (uint32_t i = 0; i < queue->agent_count; i++)
            worker_touch(core, queue->agents[(queue->cursor + i) % queue->agent_count]);
    uint32_t count = 0;
    struct agent *agent;
    LL_FOREACH2(core->dirty_agents, agent, dirty_next)
    count += !agent->unfed;
    DL_FOREACH2(core->unfed, agent, unfed_next)
    count++;
    *list = update_alloc(core, (count + 1) * sizeof **list);
    count = 0;
    DL_FOREACH2(core->unfed, agent, unfed_next)
    (*list)[count++] = agent;
    LL_FOREACH2(core->dirty_agents, agent, dirty_next)
    if (!agent->unfed)
        (*list)[count++] = agent;
    while ((agent = core->unfed)) {
        DL_DELETE2(core->unfed, agent, unfed_prev, unfed_next);
        agent->unfed = false;
    }
    return count;
}

static bool has_eligible(struct core *core, struct queue *queue)
{
    struct job *job;
    DL_FOREACH2(queue->active, job, active_next)
    if (dispatch_may_go(core, job))
        return true;
    return false;
}

static void look_again(struct core *core)
{
    struct queue *queue, *next;
    if (!core->revisit)
        return;
    core->revisit = false;
    HASH_ITER(hh, core->queues, queue, next)
    {
        if (queue->revisit) {
            queue->hungry = true; /* an agent may have found nothing that was ready */
            queue_touch(core, queue);
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
    while (core->dirty_queues) {
        struct queue *queue = core->dirty_queues;
        LL_DELETE2(core->dirty_queues, queue, dirty_next);
        queue->dirty = false;
        queue->cursor++;
        queue->hungry = !has_eligible(core, queue);
        balance_turn(core, queue);
    }
}

void dispatch_notices(struct core *core, struct job *job)
{
    bool served = job->queue->agent_count > 0 || !job->active || job->state == BELT_JOB_STOPPED;
    if (served) {
        job->unserved_ms = 0;
        if (job->unserved) {
            job->unserved = false;
            update_send(core, job->owner, BELT_MSG_NOTICE)->u.notice = (struct belt_msg_notice){.job = job->id};
        }
        return;
    }
    if (job->unserved)
        return;
    if (!job->unserved_ms)
        job->unserved_ms = core->now + core->config.heartbeat_ms;
    if (core->now < job->unserved_ms) {
        timer_set(core, job); /* comes back to it */
        return;
    }
    job->unserved = true;
    struct belt_msg *msg = update_send(core, job->owner, BELT_MSG_NOTICE);
    msg->u.notice = (struct belt_msg_notice){
        .job = job->id,
        .code = BELT_NO_WORKER,
        .text = update_text(core, "no connected worker serves function '%s': %llu tasks wait", job->queue->function,
                            (unsigned long long)job->waiting),
    };
}
