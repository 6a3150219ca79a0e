/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose turn it is: among the jobs of a queue priority first, then the client that has had least of the queue, then
 * its job that has had least. A heap of clients and for each a heap of its jobs with waiting tasks follow what is
 * given, so a dispatch costs the same beside one job and beside thousands. How much is given is sizing.c's.
 */
#include "broker/core/policy/fair.h"
#include "broker/core/util/heap.h"
#include "broker/core/policy/ready.h"

/* Cost of a task that was never measured, for fairness: some work, in us. */
#define UNMEASURED_US 1000.0

/* ---- who goes before whom ---- */

static bool job_before(const void *left, const void *right)
{
    const struct job *a = left, *b = right;
    if (a->options.priority != b->options.priority)
        return a->options.priority > b->options.priority;
    if (a->share.pass != b->share.pass)
        return a->share.pass < b->share.pass;
    return a->share.rank < b->share.rank; /* the one that waits for longer */
}

static bool share_before(const void *left, const void *right)
{
    const struct share *one = left, *other = right;
    const struct job *first = one->jobs_heap.members[0], *second = other->jobs_heap.members[0];
    if (first->options.priority != second->options.priority)
        return first->options.priority > second->options.priority;
    if (one->pass != other->pass)
        return one->pass < other->pass;
    return first->share.rank < second->share.rank;
}

static uint32_t *place_of_job(void *job)
{
    return &((struct job *)job)->share.place;
}

static uint32_t *place_of_share(void *share)
{
    return &((struct share *)share)->place;
}

static const struct heap_order by_job = {job_before, place_of_job}, by_share = {share_before, place_of_share};

/* ---- who is in ---- */

static void enter(struct job *job)
{
    struct share *share = job->share.client;
    heap_add(&share->jobs_heap, &by_job, job);
    if (share->place)
        heap_move(&job->queue->shares_heap, &by_share, share);
    else
        heap_add(&job->queue->shares_heap, &by_share, share);
}

static void leave(struct job *job)
{
    struct share *share = job->share.client;
    heap_remove(&share->jobs_heap, &by_job, job);
    if (share->jobs_heap.count) {
        heap_move(&job->queue->shares_heap, &by_share, share);
        return;
    }
    /* Its place is found by its number: nothing of it is compared any more. */
    heap_remove(&job->queue->shares_heap, &by_share, share);
}

void fair_enter(struct core *core, struct job *job)
{
    job->share.rank = ++core->fair.last_rank;
    enter(job);
}

struct job *fair_first(struct core *core, struct queue *queue)
{
    while (queue->shares_heap.count) {
        struct share *share = queue->shares_heap.members[0];
        struct job *job = share->jobs_heap.members[0];
        if (ready_may_go(core, job))
            return job;
        leave(job);
        LL_PREPEND2(core->fair.aside, job, share.aside_next);
    }
    return NULL;
}

void fair_turn_over(struct core *core)
{
    while (core->fair.aside) {
        struct job *job = core->fair.aside;
        LL_DELETE2(core->fair.aside, job, share.aside_next);
        enter(job);
    }
}

/* ---- what it costs ---- */

/* Who was away does not save up: it starts level with the one served last. */
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
    if (job->share.place)
        heap_move(&job->share.client->jobs_heap, &by_job, job);
    if (job->share.client->place)
        heap_move(&job->queue->shares_heap, &by_share, job->share.client);
}

void fair_given(struct agent *agent, uint32_t place, struct job *job, uint32_t count)
{
    charge(agent, place, job, count);
    moved(job);
}

/* Who gets back what he was charged too much, for tasks that came back unstarted, has not saved it up: it must not be
 * lost because others were served meanwhile. */
static void settle_one(double *pass, double *level, double owes)
{
    *pass += owes;
    if (owes < 0 && *level > *pass)
        *level = *level + owes > *pass ? *level + owes : *pass;
}

/* Results come by the hundred: their places are looked for once. */
static void settle(struct core *core, struct job *job)
{
    if (!job->share.unsettled)
        return;
    LL_DELETE2(core->fair.unsettled, job, share.unsettled_next);
    job->share.unsettled = false;
    settle_one(&job->share.pass, &job->share.client->level, job->share.owes_us);
    settle_one(&job->share.client->pass, &job->queue->level, job->share.owes_us);
    job->share.owes_us = 0;
    moved(job);
}

static void owe(struct core *core, struct job *job, double more)
{
    job->share.owes_us += more;
    if (job->share.unsettled)
        return;
    job->share.unsettled = true;
    LL_PREPEND2(core->fair.unsettled, job, share.unsettled_next);
}

/* It was charged for what a task seemed to take; this is what it took: 0 when it did not run to its end. */
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
    while (core->fair.unsettled)
        settle(core, core->fair.unsettled);
}

void fair_leave(struct core *core, struct job *job)
{
    settle(core, job);
    if (job->share.place)
        leave(job);
}
