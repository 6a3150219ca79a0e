/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: memory and the list of actions, which every part of it uses. Pure. See state.h.
 */
#include "worker/table/state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

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

void slot_table_act(struct slot_table *table, enum slot_table_action_type type, uint32_t slot)
{
    table->actions =
        slot_table_grow(table->actions, &table->action_cap, table->action_count + 1, sizeof(*table->actions));
    table->actions[table->action_count++] = (struct slot_table_action){.type = type, .slot = slot};
}

/* What was to be done with a slot that is no more. */
void slot_table_actions_forget(struct slot_table *table, uint32_t number)
{
    uint32_t kept = table->action_at;

    for (uint32_t i = table->action_at; i < table->action_count; i++)
        if (table->actions[i].slot != number)
            table->actions[kept++] = table->actions[i];
    table->action_count = kept;
}

#define TO(state) (1u << (state))

/* From each state of a task, the states that may follow. A task that is refused or dropped is done where it waits. */
static const uint8_t task_steps[] = {
    [SLOT_TABLE_WAITING] = TO(SLOT_TABLE_BOUND) | TO(SLOT_TABLE_GIVEN) | TO(SLOT_TABLE_DONE),
    [SLOT_TABLE_BOUND] = TO(SLOT_TABLE_GIVEN) | TO(SLOT_TABLE_WAITING),
    [SLOT_TABLE_GIVEN] = TO(SLOT_TABLE_PENDING) | TO(SLOT_TABLE_DONE) | TO(SLOT_TABLE_WAITING),
    [SLOT_TABLE_PENDING] = TO(SLOT_TABLE_DONE) | TO(SLOT_TABLE_WAITING),
    [SLOT_TABLE_DONE] = 0,
};

void slot_table_task_becomes(struct slot_table_task *task, enum slot_table_task_state state)
{
    assert(task_steps[task->state] & TO(state));
    task->state = (uint8_t)state;
}

/* From each state of a slot, the states that may follow. */
static const uint8_t slot_steps[] = {
    [SLOT_TABLE_OFF] = TO(SLOT_TABLE_STARTING),
    [SLOT_TABLE_STARTING] = TO(SLOT_TABLE_READY) | TO(SLOT_TABLE_OFF),
    [SLOT_TABLE_READY] = TO(SLOT_TABLE_CLOSING) | TO(SLOT_TABLE_OFF),
    [SLOT_TABLE_CLOSING] = TO(SLOT_TABLE_OFF),
};

void slot_table_slot_becomes(struct slot_table_slot *slot, enum slot_table_state state)
{
    assert(slot_steps[slot->state] & TO(state));
    slot->state = (uint8_t)state;
}
