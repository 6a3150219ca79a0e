/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table: outcomes that wait until it is known whether a signal from outside made them. Pure. See pending.h.
 */
#include "worker/table/pending.h"

#include <stdlib.h>
#include <string.h>

struct slot_table_pending *slot_table_pending_new(const struct slot_table_outcome *o)
{
    struct slot_table_pending *pending = calloc(1, sizeof(*pending) + o->text.len + o->log.len);

    if (!pending)
        slot_table_no_memory();
    uint8_t *bytes = (uint8_t *)(pending + 1);
    pending->outcome = *o;
    pending->outcome.payload = (struct belt_bytes){NULL, 0};
    pending->outcome.kept =
        o->kept.buf ? belt_payload_ref(o->kept) : belt_payload_copy(o->payload.data, (uint32_t)o->payload.len);
    if (!o->kept.buf && o->payload.len > 0 && !pending->outcome.kept.buf)
        slot_table_no_memory();
    if (o->text.len > 0)
        memcpy(bytes, o->text.data, o->text.len);
    if (o->log.len > 0)
        memcpy(bytes + o->text.len, o->log.data, o->log.len);
    pending->outcome.text = (struct belt_bytes){bytes, o->text.len};
    pending->outcome.log = (struct belt_bytes){bytes + o->text.len, o->log.len};
    return pending;
}

void slot_table_pending_free(struct slot_table_task *task)
{
    if (!task->pending)
        return;
    belt_payload_clear(&task->pending->outcome.kept);
    free(task->pending);
    task->pending = NULL;
}

/* By the time when they are due: most have waited for equally long, so the place is near the end. */
void slot_table_pending_add(struct slot_table *table, struct slot_table_task *task)
{
    struct slot_table_task *at = table->pending ? table->pending->prev : NULL;

    while (at && at->pending->due_us > task->pending->due_us)
        at = at == table->pending ? NULL : at->prev;
    if (!table->pending)
        DL_APPEND(table->pending, task);
    else if (!at)
        DL_PREPEND(table->pending, task);
    else
        DL_APPEND_ELEM(table->pending, at, task);
}

void slot_table_pending_remove(struct slot_table *table, struct slot_table_task *task)
{
    DL_DELETE(table->pending, task);
    slot_table_pending_free(task);
}

uint64_t slot_table_pending_due(const struct slot_table *table)
{
    return table->pending ? table->pending->pending->due_us : SLOT_TABLE_NEVER;
}
