/* SPDX-License-Identifier: Apache-2.0
 *
 * The store and its committer (broker/committer.c): what arrives while one commit runs is the next one. A crash
 * leaves a commit that was under way whole or undone; what waited is lost. Commits may fail for a while.
 */
#include "tests/sim/sim.h"

#include <stdio.h>

static struct disk_change *push(struct disk_change **list, uint32_t *count, uint32_t *room)
{
    if (*count == *room) {
        *room = *room ? *room * 2 : 32;
        *list = realloc(*list, *room * sizeof(**list));
        if (!*list)
            abort();
    }
    return &(*list)[(*count)++];
}

/* It is written anew, with less in it. */
static bool is_known(const struct disk *disk, uint64_t number)
{
    for (uint32_t i = 0; i < disk->count; i++)
        if (disk->rows[i].number == number)
            return true;
    for (uint32_t i = 0; i < disk->queued; i++)
        if (disk->queue[i].number == number && disk->queue[i].op == CORE_PUT)
            return true;
    return false;
}

void disk_hand(struct sim *sim, const struct core_update *update)
{
    struct disk *disk = &sim->disk;
    uint64_t through = disk->recorded;
    for (uint32_t i = 0; i < update->record_count; i++) {
        const struct core_record *record = &update->records[i];
        struct store_record row = {0};
        struct belt_buf *body = record->op == CORE_PUT ? record_pack(record, &row) : NULL;
        if (record->op == CORE_PUT && (!body || (record->number <= through && !is_known(disk, record->number))))
            sim_fail(sim, "record %llu of job %llu cannot be written", ULL(record->number), ULL(record->job));
        if (record->number > through && record->op != CORE_DELETE)
            through = record->number;
        *push(&disk->queue, &disk->queued, &disk->queue_room) = (struct disk_change){
            .op = record->op,
            .number = record->number,
            .job = record->job,
            .through = through,
            .row = row,
            .body = body,
            .last = i + 1 == update->record_count,
        };
    }
    disk->recorded = through;
}

static void row_delete(struct disk *disk, uint32_t at)
{
    belt_buf_unref(disk->rows[at].body);
    memmove(&disk->rows[at], &disk->rows[at + 1], (--disk->count - at) * sizeof(*disk->rows));
}

static bool is_deleted(const struct disk_change *row, const struct disk_change *change)
{
    if (change->op == CORE_DELETE_JOB)
        return row->job == change->job && row->row.kind < RECORD_OUTLIVES;
    return row->number == change->number;
}

static void apply(struct sim *sim, const struct disk_change *change)
{
    struct disk *disk = &sim->disk;
    for (uint32_t i = 0; change->op == CORE_PUT && i < disk->count; i++)
        if (disk->rows[i].number == change->number) {
            belt_buf_unref(disk->rows[i].body);
            disk->rows[i].row = change->row;
            disk->rows[i].body = belt_buf_ref(change->body);
            return;
        }
    if (change->op == CORE_PUT) {
        *push(&disk->rows, &disk->count, &disk->room) = *change;
        (void)belt_buf_ref(change->body);
        if (change->number > disk->last_number)
            disk->last_number = change->number;
        return;
    }
    if (change->op == CORE_DELETE_JOB)
        ledger_deleted(sim, change->job);
    for (uint32_t i = disk->count; i-- > 0;)
        if (is_deleted(&disk->rows[i], change))
            row_delete(disk, i);
}

static void queue_drop(struct disk *disk, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        belt_buf_unref(disk->queue[i].body);
    disk->queued -= count;
    if (disk->queued)
        memmove(disk->queue, disk->queue + count, disk->queued * sizeof(*disk->queue));
}

static void commit(struct sim *sim)
{
    struct disk *disk = &sim->disk;
    for (uint32_t i = 0; i < disk->flying; i++)
        apply(sim, &disk->queue[i]);
    if (disk->flying)
        disk->durable = disk->queue[disk->flying - 1].through;
    queue_drop(disk, disk->flying);
    disk->flying = 0;
    disk->done_at = UINT64_MAX;
}

static uint64_t duration(struct sim *sim)
{
    if (sim->now < sim->disk.slow_until)
        return 200 + sim_random(sim, 1500);
    return sim_random(sim, 12);
}

static void begin(struct sim *sim)
{
    struct disk *disk = &sim->disk;
    uint32_t upto = disk->queued;
    if (upto == 0)
        return;
    if (sim_chance(sim, 2000)) /* a group has a size, too: the first transaction only */
        for (upto = 1; !disk->queue[upto - 1].last;)
            upto++;
    disk->flying = upto;
    disk->done_at = sim->now + duration(sim);
}

static void tell_core(struct sim *sim, bool full)
{
    if (full == sim->disk.failing)
        return;
    sim_tell(sim, "disk > %s", full ? "is full" : "works again");
    sim->disk.failing = full;
    core_store_works(sim->core, !full, sim_random(sim, 4000));
}

void disk_run(struct sim *sim)
{
    struct disk *disk = &sim->disk;
    if (!disk->flying)
        tell_core(sim, sim->now < disk->full_until || sim->now < disk->tight_until);
    for (uint32_t i = 0; i < 64 && disk->flying && disk->done_at <= sim->now; i++) {
        bool fails = sim->now < disk->full_until;
        tell_core(sim, fails || sim->now < disk->tight_until);
        if (fails) {
            disk->done_at = sim->now + 100 + sim_random(sim, 900);
            return;
        }
        commit(sim);
        begin(sim);
    }
    if (!disk->flying)
        begin(sim);
}

void disk_crash(struct sim *sim)
{
    struct disk *disk = &sim->disk;
    if (disk->flying && sim_chance(sim, 5000))
        commit(sim);
    queue_drop(disk, disk->queued);
    disk->flying = 0;
    disk->done_at = UINT64_MAX;
    disk->failing = false;
}

void disk_sync(struct sim *sim)
{
    struct disk *disk = &sim->disk;
    if (sim->now < disk->full_until)
        return;
    disk->flying = disk->queued;
    commit(sim);
}

void disk_load(struct sim *sim)
{
    struct disk *disk = &sim->disk;
    for (uint32_t i = 0; i < disk->count && !sim->error[0]; i++) {
        struct core_record record;
        if (record_unpack(sim->records, &disk->rows[i].row, &record) != BELT_OK ||
            core_restore(sim->core, sim->now, &record) != BELT_OK)
            sim_fail(sim, "record %llu of job %llu cannot be read back (I9)", ULL(disk->rows[i].number),
                     ULL(disk->rows[i].job));
    }
    if (!sim->error[0] && core_restored(sim->core, sim->now, disk->last_number) != BELT_OK)
        sim_fail(sim, "what was read back does not add up (I9)");
    disk->recorded = disk->durable = disk->last_number;
}

uint64_t disk_deadline(const struct sim *sim)
{
    return sim->disk.flying ? sim->disk.done_at : UINT64_MAX;
}

void disk_fini(struct sim *sim)
{
    struct disk *disk = &sim->disk;
    queue_drop(disk, disk->queued);
    while (disk->count)
        row_delete(disk, disk->count - 1);
    free(disk->queue);
    free(disk->rows);
}
