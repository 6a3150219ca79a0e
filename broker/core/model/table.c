/* SPDX-License-Identifier: Apache-2.0
 *
 * The tasks of one job, in segments of a fixed size (table.h).
 */
#include "broker/core/model/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *table)
{
    memset(table, 0, sizeof(*table));
}

static size_t segment_size(uint32_t room)
{
    return sizeof(struct table_segment) + room * sizeof(struct task);
}

static struct table_segment *segment_new(struct table *table, uint32_t room)
{
    struct table_segment *segment = calloc(1, segment_size(room));
    if (!segment)
        return NULL;
    segment->room = room;
    table->bytes += segment_size(room);
    return segment;
}

static struct table_segment **segment_slot(const struct table *table, uint32_t n)
{
    return &table->segments[(table->head + n) % table->room];
}

void table_clear(struct table *table)
{
    for (uint32_t i = 0; i < table->used; i++) {
        struct table_segment *segment = *segment_slot(table, i);
        if (!segment)
            continue;
        for (uint32_t k = 0; k < segment->room; k++)
            if (segment->tasks[k].state != TASK_RELEASED)
                task_release(&segment->tasks[k]);
        free(segment);
    }
    free(table->segments);
    memset(table, 0, sizeof(*table));
}

/* NULL: it is released, or not added yet. */
static struct task *segment_at(struct table_segment *segment, uint64_t index)
{
    uint32_t place = index % TABLE_SEGMENT;
    return place >= segment->first && place < segment->first + segment->room ? &segment->tasks[place - segment->first]
                                                                             : NULL;
}

struct task *table_at(const struct table *table, uint64_t index)
{
    if (index < table->base)
        return NULL;
    uint64_t n = (index - table->base) / TABLE_SEGMENT;
    if (n >= table->used)
        return NULL;
    struct table_segment *segment = *segment_slot(table, (uint32_t)n);
    return segment ? segment_at(segment, index) : NULL;
}

uint64_t table_seek(const struct table *table, uint64_t index)
{
    if (index < table->base)
        index = table->base;
    for (uint64_t n = (index - table->base) / TABLE_SEGMENT; n < table->used; n++) {
        const struct table_segment *segment = *segment_slot(table, (uint32_t)n);
        uint64_t start = table->base + n * TABLE_SEGMENT;
        if (segment && index < start + segment->first)
            index = start + segment->first;
        if (segment && index < start + segment->first + segment->room)
            return index;
        index = start + TABLE_SEGMENT;
    }
    return UINT64_MAX;
}

static bool table_grow(struct table *table)
{
    uint32_t room = table->room ? table->room * 2 : 4;
    struct table_segment **segments = calloc(room, sizeof(*segments));
    if (!segments)
        return false;
    for (uint32_t i = 0; i < table->used; i++)
        segments[i] = *segment_slot(table, i);
    free(table->segments);
    table->segments = segments;
    table->bytes += (room - table->room) * sizeof(*segments);
    table->room = room;
    table->head = 0;
    return true;
}

static bool table_add_segment(struct table *table, uint64_t index)
{
    if (table->used == table->room && !table_grow(table))
        return false;
    struct table_segment *segment = segment_new(table, TABLE_LEAST);
    if (!segment)
        return false;
    if (table->used == 0)
        table->base = index - index % TABLE_SEGMENT;
    table->used++;
    *segment_slot(table, table->used - 1) = segment;
    return true;
}

static uint32_t segment_end(const struct table_segment *segment)
{
    return segment->first + segment->room;
}

/* Four times the room, as far as there are places. */
static uint32_t grown(const struct table_segment *segment)
{
    uint32_t most = TABLE_SEGMENT - segment->first;
    return segment->room * 4 < most ? segment->room * 4 : most;
}

uint64_t table_cost(const struct table *table, uint64_t next)
{
    uint64_t ring = table->used < table->room ? 0 : table->room ? table->room : 4;
    if (next % TABLE_SEGMENT == 0)
        return segment_size(TABLE_LEAST) + ring * sizeof(*table->segments);
    const struct table_segment *last = *segment_slot(table, table->used - 1);
    return next % TABLE_SEGMENT < segment_end(last) ? 0 : segment_size(grown(last)) - segment_size(last->room);
}

static bool segment_resize(struct table *table, struct table_segment **slot, uint32_t room)
{
    uint32_t before = (*slot)->room;
    struct table_segment *segment = realloc(*slot, segment_size(room));
    if (!segment)
        return false;
    if (room > before)
        memset(segment->tasks + before, 0, (room - before) * sizeof(struct task));
    segment->room = room;
    table->bytes += segment_size(room) - segment_size(before);
    *slot = segment;
    return true;
}

struct task *table_add(struct table *table, uint64_t index)
{
    if (index % TABLE_SEGMENT == 0 && !table_add_segment(table, index))
        return NULL;
    uint32_t n = (uint32_t)((index - table->base) / TABLE_SEGMENT);
    assert(table->used > 0 && n == table->used - 1);
    struct table_segment **slot = segment_slot(table, n);
    if (index % TABLE_SEGMENT >= segment_end(*slot) && !segment_resize(table, slot, grown(*slot)))
        return NULL;
    (*slot)->live++;
    struct task *task = segment_at(*slot, index);
    memset(task, 0, sizeof(*task));
    return task;
}

/* Room for one more pointer at the front or the end. */
static bool table_extend(struct table *table, uint64_t base)
{
    if (table->used == table->room && !table_grow(table))
        return false;
    if (table->used == 0) {
        table->base = base;
    } else if (base < table->base) {
        table->head = (table->head + table->room - 1) % table->room;
        table->base -= TABLE_SEGMENT;
        table->used++;
        *segment_slot(table, 0) = NULL;
        return true;
    }
    table->used++;
    *segment_slot(table, table->used - 1) = NULL;
    return true;
}

/* The segment of `index`, all of it RELEASED when it is new. */
static struct table_segment *table_reach(struct table *table, uint64_t index)
{
    uint64_t base = index - index % TABLE_SEGMENT;
    while (table->used == 0 || base < table->base || base >= table->base + (uint64_t)table->used * TABLE_SEGMENT)
        if (!table_extend(table, base))
            return NULL;
    struct table_segment **slot = segment_slot(table, (uint32_t)((base - table->base) / TABLE_SEGMENT));
    if (!*slot && (*slot = segment_new(table, TABLE_SEGMENT)))
        for (uint32_t i = 0; i < TABLE_SEGMENT; i++)
            (*slot)->tasks[i].state = TASK_RELEASED;
    return *slot;
}

struct task *table_restore(struct table *table, uint64_t index)
{
    struct table_segment *segment = table_reach(table, index);
    table->restoring = true;
    if (!segment)
        return NULL;
    segment->live++;
    struct task *task = segment_at(segment, index);
    memset(task, 0, sizeof(*task));
    return task;
}

void table_restored(struct table *table, uint64_t next)
{
    if (next % TABLE_SEGMENT && !table_reach(table, next))
        abort();
    table->restoring = false;
    /* The next segment is added behind all that ever were, also those that are gone. */
    while (table->used && table->base + (uint64_t)table->used * TABLE_SEGMENT < next)
        if (!table_extend(table, next))
            abort();
}

/* Nothing in it is left, and more will come from the place `first` on. */
static void segment_begin_anew(struct table *table, struct table_segment **slot, uint32_t first)
{
    if ((*slot)->room > TABLE_LEAST && !segment_resize(table, slot, TABLE_LEAST))
        return;
    (*slot)->first = first;
    memset((*slot)->tasks, 0, (*slot)->room * sizeof(struct task));
}

void table_release(struct table *table, uint64_t index, uint64_t next)
{
    struct task *task = table_at(table, index);
    assert(task && task->state != TASK_RELEASED);
    task_release(task);
    struct table_segment **slot = segment_slot(table, (uint32_t)((index - table->base) / TABLE_SEGMENT));
    bool full = index - index % TABLE_SEGMENT + TABLE_SEGMENT <= next;
    if (--(*slot)->live > 0)
        return;
    if (!full && table->restoring)
        return;
    if (!full) {
        segment_begin_anew(table, slot, next % TABLE_SEGMENT);
        return;
    }
    table->bytes -= segment_size((*slot)->room);
    free(*slot);
    *slot = NULL;
    while (table->used > 0 && !*segment_slot(table, 0)) {
        table->head = (table->head + 1) % table->room;
        table->base += TABLE_SEGMENT;
        table->used--;
    }
}
