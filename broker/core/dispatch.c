/* SPDX-License-Identifier: Apache-2.0
 *
 * Who gets what: queues, fair choice among jobs, filling agents. How much is
 * sizing.c's, taking back what lies unstarted balance.c's and stuck.c's.
 */
#include "state.h"
#include "sizing.h"

/* A partial chunk is given out when it has waited this long: progress goes before a round number. */
#define CHUNK_WAIT_MS 100u
/* Cost of a task that was never measured, for fairness: some work, in us. */
#define UNMEASURED_US 1000.0
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

void queue_prune(struct core *core, struct queue *queue)
{
    if (queue->jobs || queue->letter_jobs || queue->agent_count || HASH_COUNT(core->queues) <= IDLE_QUEUES_MAX)
        return;
    if (queue->dirty)
        LL_DELETE2(core->dirty_queues, queue, dirty_next);
    HASH_DEL(core->queues, queue);
    free(queue->agents);
    free(queue);
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
    DL_FOREACH2 (queue->active, job, active_next)
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
        DL_FOREACH2 (queue->active, job, active_next)
            job_touch(core, job);
    queue_prune(core, queue);
}

/* ---- clients' shares ---- */

struct share *share_take(struct queue *queue, const struct session *client)
{
    static const uint8_t nobody[BELT_SESSION_LEN];
    const uint8_t *id = client ? client->id : nobody;
    struct share *share;
    LL_FOREACH (queue->shares, share)
        if (memcmp(share->client, id, BELT_SESSION_LEN) == 0)
            break;
    if (!share) {
        share = calloc(1, sizeof *share);
        if (!share)
            abort();
        memcpy(share->client, id, BELT_SESSION_LEN);
        share->pass = queue->level;
        queue->share_count++;
        LL_PREPEND(queue->shares, share);
    }
    share->jobs++;
    return share;
}

void share_drop(struct queue *queue, struct share *share)
{
    if (--share->jobs > 0)
        return;
    LL_DELETE(queue->shares, share);
    queue->share_count--;
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
    } else if (!ready && job->active) {
        job->active = false;
        DL_DELETE2(queue->active, job, active_prev, active_next);
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
    *run = (struct run){
        .job = job, .agent = agent, .index = index, .bytes = task->len, .chunk = chunk, .dispatched_ms = core->now};
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
        bool more = last && last->job == job && last->chunk && last->index + 1 == index && agent->adopted < job->options.chunk;
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

static bool may_go(struct core *core, struct job *job)
{
    return !job->expired && !is_stalled(core, job) && !is_partial(core, job) && !is_recovering(core, job);
}

/* Priority first, then the client that has had least of the queue, then its job that has had least. */
static bool goes_before(const struct job *a, const struct job *b)
{
    if (a->options.priority != b->options.priority)
        return a->options.priority > b->options.priority;
    if (a->share != b->share)
        return a->share->pass < b->share->pass;
    return a->pass < b->pass;
}

static struct job *best_of(struct core *core, const struct queue *queue)
{
    struct job *best = NULL, *job;
    DL_FOREACH2 (queue->active, job, active_next)
        if ((!best || goes_before(job, best)) && may_go(core, job))
            best = job;
    return best;
}

/* Among the functions of one agent: priority, then the one that has had least of it. */
static struct job *choose(struct core *core, const struct agent *agent, uint32_t *place)
{
    struct job *best = NULL;
    for (uint32_t i = 0; i < agent->queue_count; i++) {
        struct job *job = best_of(core, agent->queues[i]);
        if (!job || (best && job->options.priority < best->options.priority))
            continue;
        if (best && job->options.priority == best->options.priority && agent->passes[i] >= agent->passes[*place])
            continue;
        best = job;
        *place = i;
    }
    return best;
}

/* Who was away does not save up: it starts level with the one served last. */
static void charge_one(double *pass, double *level, double cost)
{
    if (*pass < *level)
        *pass = *level;
    *level = *pass;
    *pass += cost;
}

static float cost_of(const struct job *job)
{
    return (float)(job->typical_us > 0 ? job->typical_us : UNMEASURED_US);
}

static void charge(struct agent *agent, uint32_t place, struct job *job, uint32_t count)
{
    double cost = (double)cost_of(job) * count;
    struct queue *queue = job->queue;
    charge_one(&job->pass, &job->share->level, cost);
    charge_one(&job->share->pass, &queue->level, cost);
    /* A function that many clients wait for has as many parts. */
    charge_one(&agent->passes[place], &agent->level, cost / (queue->share_count ? queue->share_count : 1));
}

/* It was charged for what a task seemed to take; this is what it took: 0 when it did not run to its end. */
void dispatch_settle(const struct run *run)
{
    double more = (double)run->used_us - (double)run->cost_us;
    run->job->pass += more;
    run->job->share->pass += more;
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
        task->attempt++;
        struct run *run = run_new(core, agent, job, index, task, chunk);
        run->cost_us = cost_of(job);
        agent->load_us += (double)run->cost_us;
        items[batch.count - 1] =
            (struct belt_task_item){index, task->attempt, {task->buf, task->data, task->len}};
    }
    if (batch.count == 0)
        return 0;
    fill_dispatch(update_send(core, agent->session, BELT_MSG_DISPATCH), job, items, batch.count);
    job->chunk_ms = 0;
    dispatch_waiting_changed(core, job);
    return batch.count;
}

/* A chunk goes to one slot: one for each, one ahead, and more as far as chunks are short work. It is cut only where the
 * agent's window ends and a slot idles. */
static uint32_t chunk_share(const struct agent *agent, const struct job *job, bool eager)
{
    uint32_t size = job->waiting < job->options.chunk ? (uint32_t)job->waiting : job->options.chunk;
    uint32_t room = agent->window_items - agent->held;
    uint32_t target = eager ? agent->slots : sizing_target(job->typical_us * job->options.chunk, agent->slots);
    if (agent->parts >= (target > agent->slots ? target : agent->slots + !eager))
        return 0;
    if (size <= room)
        return size;
    return agent->parts < agent->slots ? room : 0;
}

/* How many tasks of `job` the agent should get now; it has room for one at least. `eager`: fill idle slots only. */
static uint32_t share_of(const struct agent *agent, const struct job *job, bool eager)
{
    uint32_t room = agent->window_items - agent->held;
    if (job->options.chunk > 1)
        return chunk_share(agent, job, eager);
    uint32_t slots = agent->slots;
    uint32_t target = eager ? slots : agent->stuck ? sizing_stuck(slots) : sizing_target(job->typical_us, slots);
    uint32_t held = sizing_held(job->typical_us, agent->parts, agent->load_us, slots);
    uint32_t share = sizing_share(target, held, slots, job->queue->slots, job->waiting);
    return share < room ? share : room;
}

static bool feed(struct core *core, struct agent *agent, bool eager)
{
    if (!agent->synced || agent->leaving || !agent->session->peer || agent->held >= agent->window_items)
        return false;
    uint32_t place = 0;
    struct job *job = choose(core, agent, &place);
    uint32_t share = job ? share_of(agent, job, eager) : 0;
    uint32_t given = share ? give(core, agent, job, share) : 0;
    if (given) {
        charge(agent, place, job, given);
        job->queue->given_ms = core->now;
        stuck_watch(core, agent, job->typical_us);
    }
    return given > 0;
}

/* Round after round over the agents that may have room, until none takes more: idle slots first, then what lies ahead. */
static void feed_all(struct core *core, struct agent **agents, uint32_t count)
{
    for (int eager = 1; eager >= 0; eager--) {
        bool any = true;
        while (any) {
            any = false;
            for (uint32_t i = 0; i < count; i++)
                any |= feed(core, agents[i], eager);
        }
    }
}

/* ---- the turn ---- */

/* Agents worth a look: those that got room, and all of a queue that had nothing for them before. */
static uint32_t candidates(struct core *core, struct agent ***list)
{
    struct queue *queue;
    LL_FOREACH2 (core->dirty_queues, queue, dirty_next)
        if (queue->hungry && queue->waiting)
            for (uint32_t i = 0; i < queue->agent_count; i++)
                worker_touch(core, queue->agents[(queue->cursor + i) % queue->agent_count]);
    uint32_t count = 0;
    struct agent *agent;
    LL_FOREACH2 (core->dirty_agents, agent, dirty_next)
        count++;
    *list = update_alloc(core, (count + 1) * sizeof **list);
    count = 0;
    LL_FOREACH2 (core->dirty_agents, agent, dirty_next)
        (*list)[count++] = agent;
    return count;
}

static bool has_eligible(struct core *core, struct queue *queue)
{
    struct job *job;
    DL_FOREACH2 (queue->active, job, active_next)
        if (may_go(core, job))
            return true;
    return false;
}

static void look_again(struct core *core)
{
    struct queue *queue, *next;
    if (!core->revisit)
        return;
    core->revisit = false;
    HASH_ITER (hh, core->queues, queue, next) {
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
    uint32_t count = candidates(core, &agents);
    feed_all(core, agents, count);
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
        core_alarm(core, job->unserved_ms);
        job_touch(core, job);
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
