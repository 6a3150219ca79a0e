/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/core/disk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void put(struct disk *disk, const struct core_record *record)
{
    struct disk_row new = {.number = record->number, .job = record->job, .kind = record->kind};
    new.body = record_pack(record, &new.row);
    assert(new.body);
    for (uint32_t i = 0; i < disk->count; i++)
        if (disk->rows[i].number == record->number) {
            belt_buf_unref(disk->rows[i].body);
            disk->rows[i] = new;
            return;
        }
    assert(record->number > disk->last_number);
    disk->last_number = record->number;
    if (disk->count == disk->room) {
        disk->room = disk->room ? disk->room * 2 : 64;
        disk->rows = realloc(disk->rows, disk->room * sizeof(*disk->rows));
        assert(disk->rows);
    }
    disk->rows[disk->count++] = new;
}

static void remove_if(struct disk *disk, uint64_t number, uint64_t job)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < disk->count; i++) {
        if (disk->rows[i].number == number || (job && disk->rows[i].job == job && disk->rows[i].kind < RECORD_OUTLIVES))
            belt_buf_unref(disk->rows[i].body);
        else
            disk->rows[kept++] = disk->rows[i];
    }
    assert(job || kept == disk->count - 1); /* what is deleted was there */
    disk->count = kept;
}

void disk_apply(struct disk *disk, const struct core_update *update)
{
    for (uint32_t i = 0; i < update->record_count; i++) {
        const struct core_record *record = &update->records[i];
        if (record->op == CORE_PUT)
            put(disk, record);
        else
            remove_if(disk, record->number, record->op == CORE_DELETE_JOB ? record->job : 0);
    }
}

int disk_restore(const struct disk *disk, struct core *core, uint64_t now)
{
    struct record_decoder *decoder = record_decoder_new(BELT_MAX_PAYLOAD_DEFAULT);
    int rc = BELT_OK;
    for (uint32_t i = 0; rc == BELT_OK && i < disk->count; i++) {
        struct core_record record;
        struct store_record row = disk->rows[i].row;
        row.number = disk->rows[i].number;
        rc = record_unpack(decoder, &row, &record);
        if (rc == BELT_OK)
            rc = core_restore(core, now, &record);
    }
    record_decoder_free(decoder);
    if (rc == BELT_OK)
        rc = core_restored(core, now, disk->last_number);
    return rc;
}

void disk_clear(struct disk *disk)
{
    for (uint32_t i = 0; i < disk->count; i++)
        belt_buf_unref(disk->rows[i].body);
    free(disk->rows);
    *disk = (struct disk){0};
}

uint32_t disk_count(const struct disk *disk, uint8_t kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < disk->count; i++)
        count += disk->rows[i].kind == kind;
    return count;
}
