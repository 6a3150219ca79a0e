/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/durability.h"
#include "broker/record/record.h"
#include "broker/state.h"
#include "proto/text_cut.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parts of the store's reserve. What is on its way when the disk turns out to be full: the store's log (a quarter), the
 * queue, one turn and one payload. A group is in the log once more while it is committed. */
#define QUEUE_SHARE 4u
#define GROUP_SHARE 16u
#define TURN_SHARE  32u
#define SPARE_SHARE 16u

/* ---- reading back ---- */

struct restoring {
    struct core *core;
    struct record_decoder *decoder;
    uint64_t now;
    char *error;
    uint32_t size;
};

static int damaged(const struct restoring *to, const struct store_record *record, const char *what)
{
    text_print(to->error, to->size, "the store is damaged: record %llu of job %llu: %s; see 'belt store check'",
               (unsigned long long)record->number, (unsigned long long)record->job, what);
    return BELT_SYSTEM;
}

/* Whoever lowers the limit has tasks or results of before in the store. */
static int over_limit(const struct restoring *to, const struct store_record *record)
{
    text_print(
        to->error, to->size,
        "job %llu has a payload over the limit (%s): start the broker with the --max-payload that it had, or let "
        "the job end first",
        (unsigned long long)record->job, record_decoder_error(to->decoder));
    return BELT_INVALID;
}

static int restore_record(void *ctx, const struct store_record *row)
{
    struct restoring *to = ctx;
    struct core_record record;
    int rc = record_unpack(to->decoder, row, &record);
    if (rc == BELT_TOO_LARGE)
        return over_limit(to, row);
    if (rc != BELT_OK)
        return damaged(to, row, record_decoder_error(to->decoder));
    return core_restore(to->core, to->now, &record) == BELT_OK ? BELT_OK : damaged(to, row, "it fits no job");
}

static int restore(struct durability *durability, struct core *core, uint32_t max_payload, uint64_t now, char *error,
                   uint32_t size)
{
    struct restoring to = {.core = core, .now = now, .error = error, .size = size};
    to.decoder = record_decoder_new(max_payload);
    if (!to.decoder) {
        snprintf(error, size, "out of memory");
        return BELT_NO_MEMORY;
    }
    error[0] = 0;
    int rc = durability->store->ops->load(durability->store, restore_record, &to);
    if (rc != BELT_OK && !error[0])
        text_print(error, size, "%s", durability->store->error);
    record_decoder_free(to.decoder);
    return rc;
}

static struct committer_config limits_of(struct durability *durability)
{
    uint64_t reserve = durability->store->reserve;
    durability->turn_bytes = reserve / TURN_SHARE;
    durability->spare = reserve / SPARE_SHARE;
    return (struct committer_config){.queue_bytes = reserve / QUEUE_SHARE, .group_bytes = reserve / GROUP_SHARE};
}

int durability_open(struct durability *durability, const char *directory, struct core *core, uint32_t max_payload,
                    uint64_t now, char *error, uint32_t size)
{
    struct store_stats stats;
    *durability = (struct durability){0};
    durability->store = state_open(directory, error, size);
    if (!durability->store)
        return BELT_SYSTEM;
    struct committer_config limits = limits_of(durability);
    core_store_works(core, true, durability->turn_bytes);
    int rc = restore(durability, core, max_payload, now, error, size);
    if (rc == BELT_OK && (rc = durability->store->ops->stats(durability->store, &stats)) != BELT_OK)
        text_print(error, size, "%s", durability->store->error);
    if (rc == BELT_OK && core_restored(core, now, stats.last_number) != BELT_OK) {
        snprintf(error, size, "the store is damaged: the records of a job do not add up; see 'belt store check'");
        rc = BELT_SYSTEM;
    }
    if (rc == BELT_OK) {
        durability->recorded = durability->durable = stats.last_number;
        durability->committer = committer_start(durability->store, &limits, error, size);
        rc = durability->committer ? BELT_OK : BELT_SYSTEM;
    }
    if (rc != BELT_OK) {
        store_close(durability->store);
        durability->store = NULL;
    }
    return rc;
}

/* ---- writing ---- */

/* *Gives* the body of what is put. False: out of memory, or over a limit. */
static bool pack_change(const struct core_record *record, struct store_change *change, struct belt_buf **body)
{
    static const enum store_op ops[] = {
        [CORE_PUT] = STORE_PUT, [CORE_DELETE] = STORE_DELETE, [CORE_DELETE_JOB] = STORE_DELETE_JOB};
    change->op = ops[record->op];
    change->record = (struct store_record){.number = record->number, .job = record->job};
    if (record->op == CORE_PUT)
        *body = record_pack(record, &change->record);
    return record->op != CORE_PUT || *body;
}

bool durability_records(struct durability *durability, const struct core_update *update)
{
    uint32_t count = update->record_count, packed = 0;
    struct store_change *changes = calloc(count, sizeof(*changes));
    struct belt_buf **bodies = calloc(count, sizeof(*bodies));
    uint64_t through = 0;
    bool taken = false;
    if (!changes || !bodies)
        goto out;
    for (; packed < count; packed++) {
        const struct core_record *record = &update->records[packed];
        if (!pack_change(record, &changes[packed], &bodies[packed]))
            goto out;
        if (record->op != CORE_DELETE && record->number > through) /* a job's end is waited for, too */
            through = record->number;
    }
    taken = committer_hand(durability->committer, changes, count, bodies, through) == BELT_OK;
    if (taken && through > durability->recorded)
        durability->recorded = through;
out:
    for (uint32_t i = 0; bodies && i < count; i++)
        belt_buf_unref(bodies[i]);
    free(bodies);
    free(changes);
    return taken;
}

bool durability_hold(struct durability *durability, uint64_t peer, uint8_t type, struct belt_frames *frames)
{
    struct held_message *held = malloc(sizeof(*held));
    if (!held)
        return false;
    *held = (struct held_message){.through = UINT64_MAX, .peer = peer, .type = type, .frames = *frames};
    *frames = (struct belt_frames){0};
    if (durability->last)
        durability->last->next = held;
    else
        durability->first = held;
    durability->last = held;
    return true;
}

void durability_turn_over(struct durability *durability)
{
    for (struct held_message *held = durability->first; held; held = held->next)
        if (held->through == UINT64_MAX)
            held->through = durability->recorded;
}

int durability_fd(const struct durability *durability)
{
    return committer_fd(durability->committer);
}

bool durability_news(struct durability *durability)
{
    int code, before = durability->code;
    uint64_t through;
    committer_done(durability->committer, &through, &code);
    if (through > durability->durable) /* what was read back at the start is durable before the first commit */
        durability->durable = through;
    durability->code = code;
    return code != before;
}

struct held_message *durability_release(struct durability *durability)
{
    struct held_message *held = durability->first;
    if (!held || held->through > durability->durable)
        return NULL;
    durability->first = held->next;
    if (!durability->first)
        durability->last = NULL;
    return held;
}

void durability_free(struct held_message *held)
{
    belt_frames_clear(&held->frames);
    free(held);
}

int durability_close(struct durability *durability, uint64_t within_ms)
{
    int rc = committer_stop(durability->committer, within_ms);
    while (durability->first) {
        struct held_message *held = durability->first;
        durability->first = held->next;
        durability_free(held);
    }
    if (rc != BELT_AGAIN)
        store_close(durability->store);
    *durability = (struct durability){0};
    return rc;
}
