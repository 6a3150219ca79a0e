/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: messages of the broker, ends of tasks, results. Pure. See table/slot_table.h.
 */
#include "worker/table/tasks.h"
#include "worker/table/books.h"
#include "worker/table/doubts.h"
#include "worker/table/lives.h"
#include "worker/table/placing.h"
#include "worker/table/taking.h"
#include "proto/text_cut.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <stddef.h>
#include <string.h>

_Noreturn void slot_table_no_memory(void)
{
    fputs("belt worker: out of memory\n", stderr);
    abort();
}

void *slot_table_grow(void *array, uint32_t *cap, uint32_t need, size_t size)
{
    if (need <= *cap)
        return array;
    uint32_t to = *cap ? *cap : 64;
    while (to < need)
        to *= 2;
    array = realloc(array, to * size);
    if (!array)
        slot_table_no_memory();
    *cap = to;
    return array;
}

void slot_table_act(struct slot_table *slots, enum slot_table_action_type type, uint32_t slot)
{
    slots->actions =
        slot_table_grow(slots->actions, &slots->action_cap, slots->action_count + 1, sizeof(*slots->actions));
    slots->actions[slots->action_count++] = (struct slot_table_action){.type = type, .slot = slot};
}

/* -------------------------------------------------------------- lifecycle */

static bool slot_table_init(struct slot_table *slots, const struct slot_table_config *config)
{
    slots->cap = config->slots;
    slots->slot_count = config->slots * config->program_count;
    slots->program_count = config->program_count;
    slots->function_count = config->function_count;
    slots->start_us = config->start_us;
    slots->kill_us = config->kill_us;
    slots->max_tasks = config->max_tasks;
    slots->alone = config->alone;
    slots->leave_until = slots->look_us = SLOT_TABLE_NEVER;
    slots->programs = calloc(config->program_count, sizeof(*slots->programs));
    slots->functions = calloc(config->function_count, sizeof(*slots->functions));
    slots->slots = calloc(slots->slot_count, sizeof(*slots->slots));
    slots->heap = calloc((size_t)slots->slot_count + 1, sizeof(struct slot_table_slot *));
    return slots->programs && slots->functions && slots->slots && slots->heap;
}

static bool slot_table_init_functions(struct slot_table *slots, const struct slot_table_config *config)
{
    for (uint32_t i = 0; i < config->function_count; i++) {
        struct slot_table_function_state *f = &slots->functions[i];
        uint8_t *name = malloc(config->functions[i].name.len + 1);
        if (!name)
            return false;
        memcpy(name, config->functions[i].name.data, config->functions[i].name.len);
        f->pub = (struct slot_table_function){{name, config->functions[i].name.len}, config->functions[i].program};
        assert(f->pub.program < config->program_count);
        HASH_ADD_KEYPTR(hh, slots->by_name, f->pub.name.data, f->pub.name.len, f);
    }
    return true;
}

struct slot_table *slot_table_new(const struct slot_table_config *config)
{
    assert(config->slots > 0 && config->program_count > 0 && config->function_count > 0);
    struct slot_table *slots = calloc(1, sizeof(*slots));

    if (!slots)
        return NULL;
    if (!slot_table_init(slots, config) || !slot_table_init_functions(slots, config)) {
        slot_table_free(slots);
        return NULL;
    }
    for (uint32_t i = 0; i < config->program_count; i++)
        slots->programs[i].pub = config->programs[i];
    for (uint32_t i = slots->slot_count; i-- > 0;) {
        struct slot_table_slot *slot = &slots->slots[i];
        struct slot_table_program_state *program = &slots->programs[i / slots->cap];
        *slot = (struct slot_table_slot){.number = i, .program = i / slots->cap, .deadline_us = SLOT_TABLE_NEVER};
        slot->state = program->pub.persistent ? SLOT_TABLE_OFF : SLOT_TABLE_READY;
        if (program->pub.persistent)
            DL_PREPEND(program->off, slot);
        else
            slot_table_room_update(slots, slot);
    }
    return slots;
}

static void job_unref(struct slot_table *slots, struct slot_table_job_entry *job)
{
    if (--job->refs > 0)
        return;
    if (job->hashed)
        HASH_DEL(slots->jobs, job);
    belt_payload_clear(&job->pub.argument);
    free(job);
}

#define BLOCK_TASKS 64u

struct slot_table_block {
    struct slot_table_block *next;
    struct slot_table_task tasks[BLOCK_TASKS];
};

/* A task of which only its name is not set to zero. */
static struct slot_table_task *task_alloc(struct slot_table *slots)
{
    if (!slots->spare) {
        struct slot_table_block *block = malloc(sizeof(*block));
        if (!block)
            slot_table_no_memory();
        LL_PREPEND(slots->blocks, block);
        for (uint32_t i = BLOCK_TASKS; i-- > 0;)
            LL_PREPEND(slots->spare, &block->tasks[i]);
    }
    struct slot_table_task *task = slots->spare;
    slots->spare = task->next;
    memset(task, 0, offsetof(struct slot_table_task, small));
    return task;
}

/* Nobody can name it any more. */
static void task_forget(struct slot_table *slots, struct slot_table_task *task)
{
    if (task->known)
        slot_table_index_remove(&slots->tasks, task);
    task->known = false;
}

static void task_free(struct slot_table *slots, struct slot_table_task *task)
{
    task_forget(slots, task);
    belt_payload_clear(&task->payload);
    job_unref(slots, task->job);
    free(task->extras);
    LL_PREPEND(slots->spare, task);
}

/* Copies what is small into the task itself. */
static void task_payload(struct slot_table_task *task, struct belt_bytes bytes)
{
    if (bytes.len > SLOT_TABLE_SMALL) {
        task->payload = belt_payload_copy(bytes.data, (uint32_t)bytes.len);
        if (!task->payload.buf)
            slot_table_no_memory();
        return;
    }
    if (bytes.len > 0)
        memcpy(task->small, bytes.data, bytes.len);
    task->payload = (struct belt_payload){NULL, task->small, (uint32_t)bytes.len};
}

static void tasks_free(struct slot_table *slots, struct slot_table_task *list)
{
    struct slot_table_task *task, *next;

    DL_FOREACH_SAFE (list, task, next)
        task_free(slots, task);
}

void slot_table_free(struct slot_table *slots)
{
    if (!slots)
        return;
    for (uint32_t i = 0; slots->slots && i < slots->slot_count; i++) {
        tasks_free(slots, slots->slots[i].given);
        tasks_free(slots, slots->slots[i].bound);
    }
    for (uint32_t i = 0; slots->programs && i < slots->program_count; i++)
        tasks_free(slots, slots->programs[i].waiting);
    while (slots->doubted) {
        struct slot_table_task *task = slots->doubted;
        slot_table_doubt_withdraw(slots, task);
        task_free(slots, task);
    }
    for (uint64_t n = slots->result_base; n < slots->result_next; n++)
        task_free(slots, slots->results[n % slots->result_cap]);
    HASH_CLEAR(hh, slots->by_name);
    for (uint32_t i = 0; slots->functions && i < slots->function_count; i++)
        free((void *)(uintptr_t)slots->functions[i].pub.name.data);
    struct slot_table_block *block, *next;
    LL_FOREACH_SAFE (slots->blocks, block, next)
        free(block);
    slot_table_index_free(&slots->tasks);
    free(slots->programs);
    free(slots->functions);
    free(slots->slots);
    free(slots->heap);
    free(slots->results);
    free(slots->actions);
    free(slots->returned);
    free(slots);
}

/* ------------------------------------------------------------------ tasks */

static void returned_add(struct slot_table *slots, struct belt_task_ref ref)
{
    slots->returned =
        slot_table_grow(slots->returned, &slots->returned_cap, slots->returned_count + 1, sizeof(*slots->returned));
    slots->returned[slots->returned_count++] = ref;
}

void slot_table_task_return(struct slot_table *slots, struct slot_table_task *task)
{
    if (!task->silent)
        returned_add(slots, slot_table_ref(task));
    slots->held--;
    task_free(slots, task);
}

static struct slot_table_program_state *task_program(struct slot_table *slots, const struct slot_table_task *task)
{
    return &slots->programs[slots->functions[task->job->pub.function].pub.program];
}

struct slot_table_task *slot_table_enqueue_again(struct slot_table *slots, struct slot_table_task *task,
                                                 struct slot_table_task *behind)
{
    struct slot_table_program_state *program = task_program(slots, task);

    if (!behind) { /* what comes back is older than most of what waits */
        behind = program->waiting;
        while (behind && behind->order < task->order)
            behind = behind->next;
    }
    while (behind && behind != program->waiting && behind->prev->order > task->order)
        behind = behind->prev;
    task->state = SLOT_TABLE_WAITING;
    if (behind)
        DL_PREPEND_ELEM(program->waiting, behind, task);
    else
        DL_APPEND(program->waiting, task);
    program->waiting_count++;
    return task;
}

/* Takes a task that was not handed over out of its queue. */
void slot_table_withdraw(struct slot_table *slots, struct slot_table_task *task)
{
    struct slot_table_program_state *program = task_program(slots, task);

    if (task->state == SLOT_TABLE_WAITING) {
        DL_DELETE(program->waiting, task);
        program->waiting_count--;
    } else if (task->state == SLOT_TABLE_DOUBTED) {
        slot_table_doubt_withdraw(slots, task);
    } else {
        assert(task->state == SLOT_TABLE_BOUND);
        DL_DELETE(slots->slots[task->slot].bound, task);
    }
}

/* ---------------------------------------------------------------- results */

/* The bytes of text and log behind the struct: one allocation, one free. */
static struct belt_result_extras *extras_new(struct belt_bytes text, const struct slot_table_outcome *o)
{
    struct belt_bytes log = o->log;
    size_t room = text.len < BELT_MAX_TEXT ? text.len : BELT_MAX_TEXT;

    if (log.len > BELT_MAX_LOG)
        log = (struct belt_bytes){log.data + (log.len - BELT_MAX_LOG), BELT_MAX_LOG};
    struct belt_result_extras *extras = calloc(1, sizeof(*extras) + room + log.len);
    if (!extras)
        slot_table_no_memory();
    uint8_t *bytes = (uint8_t *)(extras + 1);
    size_t len = text_cut(bytes, room, text);
    if (log.len > 0)
        memcpy(bytes + len, log.data, log.len);
    extras->text = (struct belt_bytes){bytes, len};
    extras->log = (struct belt_bytes){bytes + len, log.len};
    extras->exit_status = o->exit_status;
    extras->term_signal = o->term_signal;
    return extras;
}

static void result_push(struct slot_table *slots, struct slot_table_task *task)
{
    uint32_t count = (uint32_t)(slots->result_next - slots->result_base);

    if (count == slots->result_cap) {
        uint32_t cap = slots->result_cap ? 2 * slots->result_cap : 64;
        struct slot_table_task **ring = calloc(cap, sizeof(struct slot_table_task *));
        if (!ring)
            slot_table_no_memory();
        for (uint64_t n = slots->result_base; n < slots->result_next; n++)
            ring[n % cap] = slots->results[n % slots->result_cap];
        free(slots->results);
        slots->results = ring;
        slots->result_cap = cap;
    }
    slots->results[slots->result_next++ % slots->result_cap] = task;
}

static void task_done(struct slot_table *slots, struct slot_table_task *task, const struct slot_table_outcome *o)
{
    char text[80];
    struct belt_bytes why = o->text;

    task->code = o->code;
    if (task->timed_out) {
        int len = snprintf(text, sizeof(text), "ran over its time-out of %llu ms and was stopped",
                           (unsigned long long)(task->job->pub.timeout_us / 1000));
        why = (struct belt_bytes){(const uint8_t *)text, (size_t)len};
        task->code = BELT_TASK_TIMEOUT;
    }
    belt_payload_clear(&task->payload);
    if (o->kept.buf)
        task->payload = belt_payload_ref(o->kept);
    else
        task_payload(task, o->payload);
    if (why.len > 0 || o->log.len > 0 || o->exit_status >= 0 || o->term_signal > 0)
        task->extras = extras_new(why, o);
    task->state = SLOT_TABLE_DONE;
    slots->held--;
    result_push(slots, task);
}

/* A task that is in no list any more has ended. */
void slot_table_task_end(struct slot_table *slots, uint64_t now, struct slot_table_task *task,
                         const struct slot_table_outcome *outcome)
{
    task->service_us = outcome->timed ? outcome->service_us : now - task->started_us;
    if (task->silent || task->dropped)
        slot_table_task_return(slots, task);
    else
        task_done(slots, task, outcome);
}

/* --------------------------------------------------------------- messages */

static struct slot_table_job_entry *job_get(struct slot_table *slots, const struct belt_msg_dispatch *msg,
                                            uint32_t function)
{
    struct slot_table_job_entry *job = NULL;

    HASH_FIND(hh, slots->jobs, &msg->job, sizeof(msg->job), job);
    if (job && job->pub.function == function && job->pub.argument.len == msg->argument.len &&
        (msg->argument.len == 0 || memcmp(job->pub.argument.data, msg->argument.data, msg->argument.len) == 0))
        return job;
    if (job) { /* another broker's job of this number: its tasks keep what they came with */
        HASH_DEL(slots->jobs, job);
        job->hashed = false;
    }
    job = calloc(1, sizeof(*job));
    if (!job)
        slot_table_no_memory();
    job->pub = (struct slot_table_job){.job = msg->job, .function = function};
    job->pub.argument = belt_payload_copy(msg->argument.data, (uint32_t)msg->argument.len);
    if (msg->argument.len > 0 && !job->pub.argument.buf)
        slot_table_no_memory();
    HASH_ADD(hh, slots->jobs, pub.job, sizeof(job->pub.job), job);
    job->hashed = true;
    return job;
}

/* The table held an older attempt of the task: it makes way (PROTOCOL.md §8.2). */
static void task_supersede(struct slot_table *slots, uint64_t now, struct slot_table_task *old)
{
    task_forget(slots, old);
    if (old->state == SLOT_TABLE_DONE)
        return;
    old->silent = true;
    if (old->state == SLOT_TABLE_GIVEN) {
        old->dropped = true;
        if (slots->slots[old->slot].given == old)
            slot_table_stop(slots, now, &slots->slots[old->slot], true);
        return;
    }
    slot_table_withdraw(slots, old);
    slot_table_task_return(slots, old);
}

static struct slot_table_task *task_new(struct slot_table *slots, struct slot_table_job_entry *job,
                                        const struct belt_task_item *item)
{
    struct slot_table_task *task = task_alloc(slots);

    task->key = (struct slot_table_key){job->pub.job, item->index};
    task->attempt = item->attempt;
    task->job = job;
    job->refs++;
    task->order = ++slots->orders;
    if (item->payload.buf)
        task->payload = belt_payload_ref(item->payload);
    else
        task_payload(task, (struct belt_bytes){item->payload.data, item->payload.len});
    slot_table_index_add(&slots->tasks, task);
    task->known = true;
    slots->held++;
    return task;
}

/* A function that nobody here serves: said so, task by task. */
static void dispatch_refuse(struct slot_table *slots, const struct belt_msg_dispatch *msg, struct slot_table_task *task)
{
    char text[BELT_MAX_NAME + 64];
    int len = snprintf(text, sizeof(text), "this worker does not serve '%.*s'", (int)msg->function.len,
                       (const char *)msg->function.data);
    struct slot_table_outcome outcome = {.code = BELT_NOT_SERVED, .timed = true, .exit_status = -1};

    outcome.text = (struct belt_bytes){(const uint8_t *)text, (size_t)len};
    slot_table_task_end(slots, 0, task, &outcome);
}

static void dispatch_one(struct slot_table *slots, uint64_t now, const struct belt_msg_dispatch *msg,
                         struct slot_table_job_entry *job, const struct belt_task_item *item, uint64_t chunk)
{
    const struct slot_table_function_state *function = NULL;
    struct slot_table_task *old = slot_table_index_find(&slots->tasks, msg->job, item->index);

    if (old && old->attempt >= item->attempt && !old->dropped)
        return;
    if (old)
        task_supersede(slots, now, old);
    if (job->pub.function != SLOT_TABLE_NO_FUNCTION)
        function = &slots->functions[job->pub.function];
    struct slot_table_task *task = task_new(slots, job, item);
    task->chunk = chunk;
    if (!function) {
        dispatch_refuse(slots, msg, task);
    } else if (slots->leaving) {
        slot_table_task_return(slots, task);
    } else {
        struct slot_table_program_state *program = &slots->programs[function->pub.program];
        DL_APPEND(program->waiting, task);
        program->waiting_count++;
    }
}

void slot_table_dispatch(struct slot_table *slots, uint64_t now, const struct belt_msg_dispatch *msg)
{
    struct slot_table_function_state *function = NULL;

    HASH_FIND(hh, slots->by_name, msg->function.data, msg->function.len, function);
    struct slot_table_job_entry *job =
        job_get(slots, msg, function ? (uint32_t)(function - slots->functions) : SLOT_TABLE_NO_FUNCTION);
    uint64_t chunk = msg->together && msg->count > 1 ? ++slots->chunks : 0;
    job->refs++; /* ours, while tasks come and go */
    job->pub.timeout_us = msg->timeout_ms > UINT64_MAX / 2000 ? 0 : msg->timeout_ms * 1000;
    job->pub.detail = msg->detail;
    for (uint32_t i = 0; i < msg->count; i++)
        dispatch_one(slots, now, msg, job, &msg->tasks[i], chunk);
    job_unref(slots, job);
}

void slot_table_drop(struct slot_table *slots, uint64_t now, const struct belt_task_ref *refs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct slot_table_task *task = slot_table_index_find(&slots->tasks, refs[i].job, refs[i].index);
        if (!task || task->attempt > refs[i].attempt || task->state == SLOT_TABLE_DONE) {
            /* A broker that was restarted counts attempts anew: what it does not want must not hide what it sends. */
            if (task && task->attempt == refs[i].attempt)
                task_forget(slots, task);
            returned_add(slots, refs[i]);
        } else if (task->state != SLOT_TABLE_GIVEN) {
            slot_table_withdraw(slots, task);
            slot_table_task_return(slots, task);
        } else {
            struct slot_table_slot *slot = &slots->slots[task->slot];
            task->dropped = true;
            if (slot->given == task || slots->programs[slot->program].pub.polite) /* it may be running already */
                slot_table_stop(slots, now, slot, true);
        }
    }
}

void slot_table_recorded(struct slot_table *slots, uint64_t upto)
{
    while (slots->result_base < upto && slots->result_base < slots->result_next)
        task_free(slots, slots->results[slots->result_base++ % slots->result_cap]);
    if (slots->result_unsent < slots->result_base)
        slots->result_unsent = slots->result_base;
}

bool slot_table_answer(struct slot_table *slots, uint64_t now, uint32_t number,
                       const struct slot_table_outcome *outcome)
{
    struct slot_table_slot *slot = &slots->slots[number];
    struct slot_table_task *task = slot->given;

    if (!task)
        return false;
    DL_DELETE(slot->given, task);
    slot->given_count--;
    bool ran = slot->ahead == 0;
    if (!ran)
        slot->ahead--;
    slot->load_us -= task->cost_us;
    slot->answered = true;
    slot->late = false;
    slots->programs[slot->program].failures = 0;
    slots->programs[slot->program].pause_us = 0;
    slots->programs[slot->program].scarce = false;
    task->started_us = slot->since_us;
    if (!task->timed_out && !task->dropped)
        slot_table_measure(slots, task, outcome->timed ? outcome->service_us : now - slot->since_us);
    slot_table_doubt(slots, now, task, outcome, slot_table_ours(slot));
    if (ran)
        slot->since_us = now;
    slot_table_laden_update(slots, slot);
    slot_table_retire(slots, now, slot, ran);
    return true;
}
