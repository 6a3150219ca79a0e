/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose turn it is: among the jobs of a queue priority first, then the client that has had least of the queue, then
 * its job that has had least. A heap of clients and for each a heap of its jobs with waiting tasks follow what is
 * given, so a dispatch costs the same beside one job and beside thousands. How much is given is sizing.c's.
 */
#include "broker/core/policy/fair.h"
#include "proto/util/heap.h"
#include "broker/core/policy/ready.h"

/* Cost of a task that was never measured, for fairness: some work, in us. */
#define UNMEASURED_US 1000.0

/* ---- who goes before whom ---- */

static bool job_before(const struct heap_node *left, const struct heap_node *right)
{
    const struct job *a = HEAP_OWNER(left, struct job, share.turn), *b = HEAP_OWNER(right, struct job, share.turn);
    if (a->options.priority != b->options.priority)
        return a->options.priority > b->options.priority;
    if (a->share.pass != b->share.pass)
        return a->share.pass < b->share.pass;
    return a->share.rank < b->share.rank; /* the one that waits for longer */
}

static struct job *first_job(const struct share *share)
{
    return HEAP_FIRST(&share->jobs_heap, struct job, share.turn);
}

static bool share_before(const struct heap_node *left, const struct heap_node *right)
{
    const struct share *one = HEAP_OWNER(left, struct share, turn), *other = HEAP_OWNER(right, struct share, turn);
    const struct job *first = first_job(one), *second = first_job(other);
    if (first->options.priority != second->options.priority)
        return first->options.priority > second->options.priority;
    if (one->pass != other->pass)
        return one->pass < other->pass;
    return first->share.rank < second->share.rank;
}

/* ---- who is in ---- */

static void enter(struct job *job)
{
    struct share *share = job->share.client;
    heap_add(&share->jobs_heap, job_before, &job->share.turn);
    if (heap_holds(&share->turn))
        heap_move(&job->queue->shares_heap, share_before, &share->turn);
    else
        heap_add(&job->queue->shares_heap, share_before, &share->turn);
}

static void leave(struct job *job)
{
    struct share *share = job->share.client;
    heap_remove(&share->jobs_heap, job_before, &job->share.turn);
    if (share->jobs_heap.count)
        heap_move(&job->queue->shares_heap, share_before, &share->turn);
    else /* a share that has no job is compared with none: its node knows its place */
        heap_remove(&job->queue->shares_heap, share_before, &share->turn);
}

void fair_enter(struct core *core, struct job *job)
{
    job->share.rank = ++core->fair.last_rank;
    enter(job);
}

struct job *fair_first(struct core *core, struct queue *queue)
{
    while (queue->shares_heap.count) {
        struct job *job = first_job(HEAP_FIRST(&queue->shares_heap, struct share, turn));
        if (ready_may_go(core, job))
            return job;
        leave(job);
        list_prepend(&core->fair.aside, &job->share.aside);
    }
    return NULL;
}

void fair_turn_over(struct core *core)
{
    struct job *job;
    while ((job = LIST_FIRST(&core->fair.aside, struct job, share.aside))) {
        list_remove(&job->share.aside);
        enter(job);
    }
}

/* ---- what it costs ---- */

/* A job or client that had nothing to do for some time has not saved up service: it starts level with the one that was
 * served last. */
static void charge_one(double *pass, double *level, double cost)
{
    if (*pass < *level)
        *pass = *level;
    *level = *pass;
    *pass += cost;
}

float fair_cost(const struct job *job)
{
    return (float)(job->share.typical.us > 0 ? job->share.typical.us : UNMEASURED_US);
}

static void charge(struct agent *agent, uint32_t place, struct job *job, uint32_t count)
{
    double cost = (double)fair_cost(job) * count;
    struct queue *queue = job->queue;
    charge_one(&job->share.pass, &job->share.client->level, cost);
    charge_one(&job->share.client->pass, &queue->level, cost);
    /* A function that many clients wait for has as many parts. */
    charge_one(&agent->passes[place], &agent->level, cost / (queue->share_count ? queue->share_count : 1));
}

/* What they have had has changed: they find their places. */
static void moved(struct job *job)
{
    struct share *share = job->share.client;
    if (heap_holds(&job->share.turn))
        heap_move(&share->jobs_heap, job_before, &job->share.turn);
    if (heap_holds(&share->turn))
        heap_move(&job->queue->shares_heap, share_before, &share->turn);
}

void fair_given(struct agent *agent, uint32_t place, struct job *job, uint32_t count)
{
    charge(agent, place, job, count);
    moved(job);
}

/* A job that was charged too much, for tasks that came back unstarted, gets that back in full: the level goes down with
 * it, since a pass below the level would be raised, and the rest be lost. */
static void settle_one(double *pass, double *level, double owes)
{
    *pass += owes;
    if (owes < 0 && *level > *pass)
        *level = *level + owes > *pass ? *level + owes : *pass;
}

/* Results come by the hundred, so a job finds its place once for all of them. */
static void settle(struct job *job)
{
    if (!list_holds(&job->share.unsettled))
        return;
    list_remove(&job->share.unsettled);
    settle_one(&job->share.pass, &job->share.client->level, job->share.owes_us);
    settle_one(&job->share.client->pass, &job->queue->level, job->share.owes_us);
    job->share.owes_us = 0;
    moved(job);
}

static void owe(struct core *core, struct job *job, double more)
{
    job->share.owes_us += more;
    if (!list_holds(&job->share.unsettled))
        list_prepend(&core->fair.unsettled, &job->share.unsettled);
}

/* The job was charged for what the task seemed to take. Now it is charged for what it took, which is nothing when the
 * task did not run to its end. */
void fair_settle(struct core *core, const struct run *run)
{
    double more = (double)run->used_us - (double)run->cost_us;
    owe(core, run->job, more);
}

void fair_charge_anew(struct core *core, struct run *run)
{
    float cost = fair_cost(run->job);
    run->agent->load_us += (double)cost - (double)run->cost_us;
    owe(core, run->job, (double)cost - (double)run->cost_us);
    run->cost_us = cost;
}

void fair_turn(struct core *core)
{
    while (!list_is_empty(&core->fair.unsettled))
        settle(LIST_FIRST(&core->fair.unsettled, struct job, share.unsettled));
}

void fair_leave(struct job *job)
{
    settle(job);
    list_remove(&job->share.aside);
    if (heap_holds(&job->share.turn))
        leave(job);
}
