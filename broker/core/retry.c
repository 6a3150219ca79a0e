/* SPDX-License-Identifier: Apache-2.0
 *
 * What runs again and when: which outcomes are final, the pause before the next
 * try, the tasks that wait for theirs, and the tries of durable tasks on disk
 * (PROTOCOL.md §9.1).
 */
#include "retry.h"
#include "dispatch.h"
#include "durable.h"
#include "job.h"
#include "timer.h"

static bool is_final_status(const struct job *job, const struct belt_result_item *item)
{
    int32_t status = item->extras ? item->extras->exit_status : -1;
    if (status < 0 || status >= (int32_t)(8 * BELT_STATUS_BYTES))
        return false;
    return job->options.final_status[status / 8] >> (status % 8) & 1;
}

/* The counts have 16 bits and stay there: nobody waits for so many tries. */
static uint32_t count_try(uint16_t *tries)
{
    if (*tries < UINT16_MAX)
        ++*tries;
    return *tries;
}

bool retry_wanted(struct core *core, struct job *job, struct task *task, const struct belt_result_item *item)
{
    bool again = false;
    if (item->code == BELT_TASK_LOST)
        again = count_try(&task->n.tries.losses) < job->options.max_attempts;
    else if (item->code == BELT_TASK_TIMEOUT || item->code == BELT_SLOT_FAILED ||
             (item->code == BELT_TASK_FAILED && !is_final_status(job, item)))
        again = count_try(&task->n.tries.failures) <= job->options.retries;
    if (again)
        retry_note(core, job, item->index);
    return again;
}

/* splitmix64: the bits need only be spread well. */
static uint64_t draw(struct core *core)
{
    uint64_t z = core->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t retry_pause(struct core *core, const struct job *job, const struct task *task)
{
    uint64_t base = job->options.backoff_ms ? job->options.backoff_ms : BELT_BACKOFF_MS;
    uint32_t tries = (uint32_t)task->n.tries.failures + task->n.tries.losses;
    if (base == BELT_NO_BACKOFF)
        return 0;
    uint64_t most = base > BELT_BACKOFF_MAX_MS ? base : BELT_BACKOFF_MAX_MS;
    while (--tries && base < most)
        base *= 2;
    if (base > most)
        base = most;
    return base - base / 2 + draw(core) % (base / 2 + 1);
}

/* ---- tasks that wait for their next try ---- */

static void heap_push(struct job *job, struct delay delay)
{
    if (job->delayed_count == job->delayed_room) {
        job->delayed_room = job->delayed_room ? job->delayed_room * 2 : 8;
        job->delayed = realloc(job->delayed, job->delayed_room * sizeof *job->delayed);
        if (!job->delayed)
            abort();
    }
    uint32_t at = job->delayed_count++;
    for (; at && job->delayed[(at - 1) / 2].when > delay.when; at = (at - 1) / 2)
        job->delayed[at] = job->delayed[(at - 1) / 2];
    job->delayed[at] = delay;
}

static struct delay heap_pop(struct job *job)
{
    struct delay first = job->delayed[0], last = job->delayed[--job->delayed_count];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < job->delayed_count; at = child) {
        if (child + 1 < job->delayed_count && job->delayed[child + 1].when < job->delayed[child].when)
            child++;
        if (job->delayed[child].when >= last.when)
            break;
        job->delayed[at] = job->delayed[child];
    }
    job->delayed[at] = last;
    return first;
}

void retry_delay(struct core *core, struct job *job, uint64_t index, struct task *task, uint64_t pause)
{
    task->state = TASK_DELAYED;
    task->u.until_ms = core->now + pause;
    job->delays++;
    job->queue->delayed++;
    heap_push(job, (struct delay){task->u.until_ms, index});
    timer_set(core, job);
}

void retry_undelay(struct core *core, struct job *job, struct task *task)
{
    (void)core;
    task->state = TASK_WAITING;
    job->delays--;
    job->queue->delayed--;
}

void retry_due(struct core *core, struct job *job)
{
    while (job->delayed_count && job->delayed[0].when <= core->now) {
        struct delay delay = heap_pop(job);
        struct task *task = table_at(&job->table, delay.index);
        if (!task || task->state != TASK_DELAYED || task->u.until_ms != delay.when)
            continue; /* it was adopted, or has expired */
        retry_undelay(core, job, task);
        dispatch_wait(core, job, delay.index, task);
    }
}

void retry_forget(struct core *core, struct job *job)
{
    job->queue->delayed -= job->delays;
    job->delays = 0;
    job->delayed_count = 0;
    timer_set(core, job);
}

/* ---- tries on disk ---- */

static void note(struct core *core, struct job *job, struct tried *tried)
{
    job_touch(core, job);
    if (tried->due)
        return;
    tried->due = true;
    LL_PREPEND2(job->tried_due, tried, due_next);
}

static struct tried *tried_get(struct job *job, uint64_t index)
{
    struct tried *tried = NULL;
    HASH_FIND(hh, job->tried, &index, sizeof index, tried);
    if (tried)
        return tried;
    tried = calloc(1, sizeof *tried);
    if (!tried)
        abort();
    tried->index = index;
    HASH_ADD(hh, job->tried, index, sizeof tried->index, tried);
    return tried;
}

void retry_note(struct core *core, struct job *job, uint64_t index)
{
    if (job->options.durable)
        note(core, job, tried_get(job, index));
}

void retry_over(struct core *core, struct job *job, uint64_t index)
{
    struct tried *tried = NULL;
    if (!job->tried)
        return;
    HASH_FIND(hh, job->tried, &index, sizeof index, tried);
    if (!tried)
        return;
    tried->over = true;
    note(core, job, tried);
}

static void write_tried(struct core *core, struct job *job, struct tried *tried)
{
    const struct task *task = table_at(&job->table, tried->index);
    kept_drop(core, job->id, &tried->number);
    /* A run under way is not on disk: the attempt is the last one that ended. 0: a loss was taken back. */
    uint32_t ended = task ? task->attempt - (task->state == TASK_RUNNING) : 0;
    if (tried->over || !ended || task->state == TASK_DONE || task->state == TASK_RELEASED) {
        HASH_DELETE(hh, job->tried, tried);
        free(tried);
        return;
    }
    struct belt_msg msg = {.type = BELT_MSG_PROGRESS};
    msg.u.progress = (struct belt_msg_progress){
        .task = {job->id, tried->index, ended}, .done = task->n.tries.failures, .total = task->n.tries.losses};
    tried->number = kept_put(core, job->id, msg, tried->index, 1);
}

/* Until its result is on disk its tries are not forgiven. */
static bool result_withheld(const struct job *job, uint64_t index)
{
    const struct task *task = table_at(&job->table, index);
    return task && task->state == TASK_DONE && task->tie == TIE_UNKEPT;
}

void retry_persist(struct core *core, struct job *job)
{
    struct tried *later = NULL;
    while (job->tried_due) {
        struct tried *tried = job->tried_due;
        LL_DELETE2(job->tried_due, tried, due_next);
        if (result_withheld(job, tried->index)) {
            LL_PREPEND2(later, tried, due_next);
            continue;
        }
        tried->due = false;
        write_tried(core, job, tried);
    }
    job->tried_due = later;
}

int retry_restore(struct core *core, struct job *job, uint64_t number, const struct belt_msg_progress *msg)
{
    struct task *task = table_at(&job->table, msg->task.index);
    struct tried *tried = tried_get(job, msg->task.index);
    if (tried->number || msg->task.attempt > INT32_MAX || msg->done > UINT16_MAX || msg->total > UINT16_MAX)
        return BELT_BAD_MESSAGE;
    tried->number = number;
    if (!task || task->state != TASK_WAITING) {
        tried->over = true;
        note(core, job, tried);
        return BELT_OK;
    }
    task->attempt = msg->task.attempt;
    task->tie = TIE_NONE; /* this attempt is over; a later one may be running somewhere */
    task->n.tries.failures = (uint16_t)msg->done;
    task->n.tries.losses = (uint16_t)msg->total;
    return BELT_OK;
}

void retry_forget_tries(struct job *job)
{
    struct tried *tried, *next;
    HASH_ITER(hh, job->tried, tried, next)
    {
        HASH_DELETE(hh, job->tried, tried);
        free(tried);
    }
    job->tried_due = NULL;
}
