/* SPDX-License-Identifier: Apache-2.0
 *
 * What is on disk, record by record: writing and deleting them, and which records of a job there are.
 */
#include "broker/core/journal/records.h"
#include "broker/core/model/update.h"

#include <stdlib.h>
#include <string.h>

void records_add(struct kept_list *list, uint64_t number, uint64_t first, uint32_t count, uint64_t bytes)
{
    if (list->head + list->count == list->room) {
        if (list->head > list->room / 2) {
            memmove(list->rows, list->rows + list->head, list->count * sizeof(*list->rows));
            list->head = 0;
        } else {
            list->bytes += (list->room ? list->room : 8) * sizeof(*list->rows);
            list->room = list->room ? list->room * 2 : 8;
            list->rows = realloc(list->rows, list->room * sizeof(*list->rows));
            if (!list->rows)
                abort();
        }
    }
    list->rows[list->head + list->count++] =
        (struct kept_record){.number = number, .first = first, .count = count, .live = count, .bytes = bytes};
}

struct kept_record *records_find(const struct kept_list *list, uint64_t at)
{
    uint32_t low = list->head, high = list->head + list->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (list->rows[middle].first + list->rows[middle].count <= at)
            low = middle + 1;
        else
            high = middle;
    }
    struct kept_record *row = low < list->head + list->count ? &list->rows[low] : NULL;
    return row && row->first <= at && row->number ? row : NULL;
}

void records_trim(struct kept_list *list)
{
    while (list->count && list->rows[list->head].number == 0) {
        list->head++;
        list->count--;
    }
    if (list->count == 0)
        list->head = 0;
}

struct kept_record *records_last(const struct kept_list *list)
{
    return list->count ? &list->rows[list->head + list->count - 1] : NULL;
}

void records_drop(struct core *core, uint64_t job, uint64_t *number)
{
    if (*number && core->out)
        *update_record(core) = (struct core_record){.op = CORE_DELETE, .number = *number, .job = job};
    *number = 0;
}

bool records_settle(struct job *job, uint64_t index)
{
    struct kept_record *row = records_find(&job->on_disk.tasks, index);
    return row && --row->live == 0;
}
