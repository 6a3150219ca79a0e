/* SPDX-License-Identifier: Apache-2.0
 *
 * The store in memory: for tests, and for a broker without a state directory.
 * Keeps the contract of store.h but for one thing: it ends with its process.
 *
 * Records stand in an array in order of number. A deleted one leaves a hole
 * (number kept, `gone` set), closed when half of the array is holes.
 */
#include "broker/store/store_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cell {
    struct store_record record; /* body.data is ours */
    uint32_t sum;
    bool gone;
};

struct memory {
    struct store base;
    struct cell *cells;
    size_t count, room, holes;
    uint64_t last_number;
};

static struct memory *memory_of(struct store *store)
{
    return (struct memory *)store;
}

/* Where `number` is, or would have to be put in. */
static size_t position_of(const struct memory *memory, uint64_t number)
{
    size_t low = 0, high = memory->count;

    if (high && memory->cells[high - 1].record.number < number)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memory->cells[middle].record.number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void remove_cell(struct memory *memory, struct cell *cell)
{
    if (cell->gone)
        return;
    free((uint8_t *)cell->record.body.data);
    cell->record.body = (struct belt_bytes){NULL, 0};
    cell->gone = true;
    memory->holes++;
}

static void close_holes(struct memory *memory)
{
    size_t kept = 0;

    if (memory->holes * 2 <= memory->count)
        return;
    for (size_t i = 0; i < memory->count; i++)
        if (!memory->cells[i].gone)
            memory->cells[kept++] = memory->cells[i];
    memory->count = kept;
    memory->holes = 0;
}

/* Room for it was made before: cannot fail. Takes the body. */
static void put(struct memory *memory, const struct store_record *record, const uint8_t *body)
{
    size_t at = position_of(memory, record->number);
    struct cell *cell = &memory->cells[at];

    if (at < memory->count && cell->record.number == record->number) {
        remove_cell(memory, cell);
        memory->holes--;
    } else {
        memmove(cell + 1, cell, (memory->count - at) * sizeof(*cell));
        memory->count++;
    }
    *cell = (struct cell){.record = *record, .sum = store_record_sum(record)};
    cell->record.body.data = body;
    if (record->number > memory->last_number)
        memory->last_number = record->number;
}

static void apply(struct memory *memory, const struct store_change *change, const uint8_t *body)
{
    switch (change->op) {
    case STORE_PUT:
        put(memory, &change->record, body);
        break;
    case STORE_DELETE: {
        size_t at = position_of(memory, change->record.number);
        if (at < memory->count && memory->cells[at].record.number == change->record.number)
            remove_cell(memory, &memory->cells[at]);
        break;
    }
    case STORE_DELETE_JOB:
        for (size_t i = 0; i < memory->count; i++)
            if (memory->cells[i].record.job == change->record.job && memory->cells[i].record.kind < STORE_OUTLIVES_JOB)
                remove_cell(memory, &memory->cells[i]);
        break;
    }
}

static bool make_room(struct memory *memory, size_t more)
{
    size_t wanted = memory->count + more;

    if (wanted <= memory->room)
        return true;
    size_t room = wanted > memory->room * 2 ? wanted : memory->room * 2;
    struct cell *cells = realloc(memory->cells, room * sizeof(*cells));
    if (!cells)
        return false;
    memory->cells = cells;
    memory->room = room;
    return true;
}

static int out_of_memory(struct store *store)
{
    store_say(store->error, sizeof(store->error),
              "the store in memory cannot grow: out of memory; read or cancel jobs");
    return BELT_STORE_FAILED;
}

/* Copies of all bodies first: from then on nothing can fail, which makes the transaction whole. */
static uint8_t **copy_bodies(const struct store_change *changes, uint32_t count)
{
    uint8_t **bodies = calloc(count + 1u, sizeof(*bodies));

    for (uint32_t i = 0; bodies && i < count; i++) {
        const struct belt_bytes *body = &changes[i].record.body;
        if (changes[i].op != STORE_PUT || !body->len)
            continue;
        bodies[i] = malloc(body->len);
        if (!bodies[i]) {
            while (i--)
                free(bodies[i]);
            free(bodies);
            return NULL;
        }
        memcpy(bodies[i], body->data, body->len);
    }
    return bodies;
}

static int memory_commit(struct store *store, const struct store_change *changes, uint32_t count)
{
    struct memory *memory = memory_of(store);

    for (uint32_t i = 0; i < count; i++) {
        assert(changes[i].op != STORE_PUT || (changes[i].record.number > 0 && changes[i].record.number <= INT64_MAX));
        if (changes[i].op == STORE_PUT && changes[i].record.body.len > STORE_MAX_BODY) {
            store_say(store->error, sizeof(store->error), "record %llu has %zu bytes: the store takes %u at most",
                      (unsigned long long)changes[i].record.number, changes[i].record.body.len, STORE_MAX_BODY);
            return BELT_TOO_LARGE;
        }
    }
    uint8_t **bodies = make_room(memory, count) ? copy_bodies(changes, count) : NULL;
    if (!bodies)
        return out_of_memory(store);
    for (uint32_t i = 0; i < count; i++)
        apply(memory, &changes[i], bodies[i]);
    close_holes(memory);
    free(bodies);
    return BELT_OK;
}

static int memory_load(struct store *store, store_visit visit, void *ctx)
{
    struct memory *memory = memory_of(store);

    for (size_t i = 0; i < memory->count; i++) {
        const struct cell *cell = &memory->cells[i];
        if (cell->gone)
            continue;
        if (store_record_sum(&cell->record) != cell->sum) {
            store_say(store->error, sizeof(store->error),
                      "record %llu of job %016llx in memory is damaged: its checksum does not match; test this "
                      "machine's memory",
                      (unsigned long long)cell->record.number, (unsigned long long)cell->record.job);
            return BELT_SYSTEM;
        }
        int rc = visit ? visit(ctx, &cell->record) : 0;
        if (rc)
            return rc;
    }
    return BELT_OK;
}

static int memory_check(struct store *store)
{
    return memory_load(store, NULL, NULL);
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static int memory_stats(struct store *store, struct store_stats *stats)
{
    struct memory *memory = memory_of(store);
    uint64_t *jobs = calloc(memory->count + 1, sizeof(*jobs));

    if (!jobs)
        return out_of_memory(store);
    *stats = (struct store_stats){.last_number = memory->last_number, .format = STORE_FORMAT};
    for (size_t i = 0; i < memory->count; i++)
        if (!memory->cells[i].gone) {
            jobs[stats->records++] = memory->cells[i].record.job;
            stats->body_bytes += memory->cells[i].record.body.len;
        }
    qsort(jobs, stats->records, sizeof(*jobs), compare_numbers);
    for (size_t i = 0; i < stats->records; i++)
        stats->jobs += i == 0 || jobs[i] != jobs[i - 1];
    free(jobs);
    return BELT_OK;
}

static int memory_compact(struct store *store)
{
    struct memory *memory = memory_of(store);

    close_holes(memory);
    return BELT_OK;
}

static int memory_tidy(struct store *store, bool *more)
{
    (void)store;
    *more = false;
    return BELT_OK;
}

static void memory_close(struct store *store)
{
    struct memory *memory = memory_of(store);

    for (size_t i = 0; i < memory->count; i++)
        free((uint8_t *)memory->cells[i].record.body.data);
    free(memory->cells);
    free(memory);
}

static const struct store_ops memory_ops = {
    .name = "memory",
    .load = memory_load,
    .commit = memory_commit,
    .stats = memory_stats,
    .check = memory_check,
    .compact = memory_compact,
    .tidy = memory_tidy,
    .close = memory_close,
};

struct store *store_memory_open(void)
{
    struct memory *memory = calloc(1, sizeof(*memory));

    if (!memory)
        return NULL;
    memory->base.ops = &memory_ops;
    return &memory->base;
}
