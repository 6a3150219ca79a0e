/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: its beginning and end, one turn in its order, leaving and pauses. Pure. See slot_table.h.
 */
#include "worker/table/slot_table.h"
#include "worker/table/capacity.h"
#include "worker/table/deadline.h"
#include "worker/table/judge.h"
#include "worker/table/lifecycle.h"
#include "worker/table/pending.h"
#include "worker/table/placement.h"
#include "worker/table/reclaim.h"
#include "worker/table/stop.h"
#include "worker/table/task.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool slot_table_init(struct slot_table *table, const struct slot_table_config *config)
{
    table->cap = config->slots;
    table->slot_count = config->slots * config->program_count;
    table->program_count = config->program_count;
    table->function_count = config->function_count;
    table->start_us = config->start_us;
    table->kill_us = config->kill_us;
    table->max_tasks = config->max_tasks;
    table->alone = config->alone;
    table->leave_until = table->look_us = SLOT_TABLE_NEVER;
    table->programs = calloc(config->program_count, sizeof(*table->programs));
    table->functions = calloc(config->function_count, sizeof(*table->functions));
    table->slots = calloc(table->slot_count, sizeof(*table->slots));
    return table->programs && table->functions && table->slots;
}

static bool slot_table_init_functions(struct slot_table *table, const struct slot_table_config *config)
{
    for (uint32_t i = 0; i < config->function_count; i++) {
        struct slot_table_function_state *f = &table->functions[i];
        uint8_t *name = malloc(config->functions[i].name.len + 1);
        if (!name)
            return false;
        memcpy(name, config->functions[i].name.data, config->functions[i].name.len);
        f->pub = (struct slot_table_function){{name, config->functions[i].name.len}, config->functions[i].program};
        assert(f->pub.program < config->program_count);
        HASH_ADD_KEYPTR(hh, table->by_name, f->pub.name.data, f->pub.name.len, f);
    }
    return true;
}

struct slot_table *slot_table_new(const struct slot_table_config *config)
{
    assert(config->slots > 0 && config->program_count > 0 && config->function_count > 0);
    struct slot_table *table = calloc(1, sizeof(*table));

    if (!table)
        return NULL;
    if (!slot_table_init(table, config) || !slot_table_init_functions(table, config)) {
        slot_table_free(table);
        return NULL;
    }
    for (uint32_t i = 0; i < config->program_count; i++)
        table->programs[i].pub = config->programs[i];
    for (uint32_t i = table->slot_count; i-- > 0;) {
        struct slot_table_slot *slot = &table->slots[i];
        struct slot_table_program_state *program = &table->programs[i / table->cap];
        *slot = (struct slot_table_slot){.number = i, .program = i / table->cap, .deadline_us = SLOT_TABLE_NEVER};
        slot->state = program->pub.persistent ? SLOT_TABLE_OFF : SLOT_TABLE_READY;
        if (program->pub.persistent)
            DL_PREPEND(program->off, slot);
        else
            slot_table_room_update(table, slot);
    }
    return table;
}

void slot_table_free(struct slot_table *table)
{
    if (!table)
        return;
    for (uint32_t i = 0; table->slots && i < table->slot_count; i++) {
        slot_table_tasks_free(table, table->slots[i].given);
        slot_table_tasks_free(table, table->slots[i].bound);
    }
    for (uint32_t i = 0; table->programs && i < table->program_count; i++)
        slot_table_tasks_free(table, table->programs[i].waiting);
    while (table->pending) {
        struct slot_table_task *task = table->pending;
        slot_table_pending_remove(table, task);
        slot_table_task_free(table, task);
    }
    for (uint64_t n = table->result_base; n < table->result_next; n++)
        slot_table_task_free(table, table->results[n % table->result_cap]);
    HASH_CLEAR(hh, table->by_name);
    for (uint32_t i = 0; table->functions && i < table->function_count; i++)
        free((void *)(uintptr_t)table->functions[i].pub.name.data);
    slot_table_blocks_free(table);
    slot_table_index_free(&table->tasks);
    free(table->programs);
    free(table->functions);
    free(table->slots);
    heap_free(&table->deadlines);
    free(table->results);
    free(table->actions);
    free(table->returned);
    free(table);
}

/* ------------------------------------------------------------------- turns */

uint64_t slot_table_deadline(const struct slot_table *table)
{
    const struct slot_table_slot *first = slot_table_deadline_first(table);
    const uint64_t times[] = {first ? first->deadline_us : SLOT_TABLE_NEVER, table->leave_until,
                              slot_table_pending_due(table), table->look_us, slot_table_start_due(table)};
    uint64_t when = SLOT_TABLE_NEVER;

    if (table->paused)
        return SLOT_TABLE_NEVER;
    for (unsigned i = 0; i < sizeof(times) / sizeof(*times); i++)
        if (times[i] < when)
            when = times[i];
    return when;
}

/* The grace of leaving is over: what still runs goes back. */
static void leave_expired(struct slot_table *table, uint64_t now)
{
    table->leave_until = SLOT_TABLE_NEVER;
    for (uint32_t i = 0; i < table->slot_count; i++) {
        struct slot_table_slot *slot = &table->slots[i];
        struct slot_table_task *task;
        DL_FOREACH (slot->given, task)
            task->dropped = true;
        if (slot->given && slot->stop < SLOT_TABLE_STOP_TERMED) {
            slot->stop = SLOT_TABLE_STOP_ASKED;
            slot_table_stop_step(table, now, slot);
        }
    }
}

static void expire(struct slot_table *table, uint64_t now)
{
    while (slot_table_overdue(table, now))
        slot_table_slot_expired(table, now, slot_table_deadline_first(table));
    if (table->leave_until <= now)
        leave_expired(table, now);
}

void slot_table_turn(struct slot_table *table, uint64_t now)
{
    if (table->paused)
        return;
    expire(table, now);
    slot_table_judge_turn(table, now);
    slot_table_place_turn(table, now);
    slot_table_reclaim_turn(table, now);
    slot_table_start_wanted(table, now);
    slot_table_give_up(table, now);
}

/* ------------------------------------------------------- leaving and pauses */

void slot_table_leave(struct slot_table *table, uint64_t now, uint64_t until)
{
    table->leaving = true;
    table->leave_until = until > now ? until : now;
    for (uint32_t i = 0; i < table->slot_count; i++)
        slot_table_unbind(table, &table->slots[i]);
    slot_table_reclaim_all(table, now);
}

void slot_table_abandon(struct slot_table *table)
{
    table->leaving = true;
    slot_table_judge_return(table);
    for (uint32_t i = 0; i < table->slot_count; i++) {
        struct slot_table_slot *slot = &table->slots[i];
        slot_table_actions_forget(table, slot->number);
        slot_table_requeue(table, slot);
        slot_table_reclaim_over(table, slot);
        slot->given_count = 0;
        slot_table_reclaimable_update(table, slot);
    }
    slot_table_reclaim_all(table, 0);
}

void slot_table_pause(struct slot_table *table, uint64_t now)
{
    if (!table->paused)
        table->paused_us = now;
    table->paused = true;
}

/* Nobody's time has gone on meanwhile. All deadlines move alike, so the heap stays in order. */
void slot_table_resume(struct slot_table *table, uint64_t now)
{
    uint64_t away = now - table->paused_us;

    if (!table->paused)
        return;
    table->paused = false;
    for (uint32_t i = 0; i < table->slot_count; i++) {
        struct slot_table_slot *slot = &table->slots[i];
        slot->since_us += away;
        if (slot->deadline_us != SLOT_TABLE_NEVER)
            slot->deadline_us += away;
    }
    if (table->leave_until != SLOT_TABLE_NEVER)
        table->leave_until += away;
}
