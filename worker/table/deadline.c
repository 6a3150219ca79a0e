/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: when each slot must be looked at. Pure. See deadline.h.
 */
#include "worker/table/deadline.h"
#include "proto/util/heap.h"

static bool is_earlier(const struct heap_node *a, const struct heap_node *b)
{
    return HEAP_OWNER(a, const struct slot_table_slot, by_deadline)->deadline_us <
           HEAP_OWNER(b, const struct slot_table_slot, by_deadline)->deadline_us;
}

void slot_table_deadline_set(struct slot_table *table, struct slot_table_slot *slot, uint64_t when)
{
    if (slot->deadline_us == when)
        return;
    slot->deadline_us = when;
    if (when == SLOT_TABLE_NEVER)
        heap_remove(&table->deadlines, is_earlier, &slot->by_deadline);
    else if (heap_holds(&slot->by_deadline))
        heap_move(&table->deadlines, is_earlier, &slot->by_deadline);
    else
        heap_add(&table->deadlines, is_earlier, &slot->by_deadline);
}

struct slot_table_slot *slot_table_deadline_first(const struct slot_table *table)
{
    return table->deadlines.count > 0 ? HEAP_FIRST(&table->deadlines, struct slot_table_slot, by_deadline) : NULL;
}

bool slot_table_overdue(const struct slot_table *table, uint64_t now)
{
    const struct slot_table_slot *first = slot_table_deadline_first(table);

    return first && first->deadline_us <= now;
}
