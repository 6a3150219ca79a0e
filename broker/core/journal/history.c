/* SPDX-License-Identifier: Apache-2.0
 *
 * The history: a line of each job that is over and forgotten, for some time and
 * within bounds; those of durable jobs on disk (PROTOCOL.md §7.3).
 */
#include "broker/core/journal/history.h"
#include "broker/core/model/mark.h"
#include "broker/core/model/name.h"
#include "broker/core/model/row.h"
#include "broker/core/journal/records.h"
#include "broker/core/journal/write.h"

#include <stdlib.h>
#include <string.h>

struct history_job *history_find(struct core *core, uint64_t id)
{
    struct history_job *past = NULL;
    HASH_FIND(by_id, core->history.by_id, &id, sizeof(id), past);
    return past;
}

struct belt_bytes history_owner(const struct history_job *past)
{
    return past->row.keyed ? past->row.owner : (struct belt_bytes){0};
}

struct history_job *history_of_key(struct core *core, struct belt_bytes key)
{
    struct history_job *past = NULL;
    if (key.len)
        HASH_FIND(by_key, core->history.by_key, key.data, (unsigned)key.len, past);
    return past;
}

/* Those of one key hang on the one that is in the table. */
static void key_add(struct core *core, struct history_job *past)
{
    struct history_job *first = history_of_key(core, past->row.key);
    past->same_key = NULL;
    if (!first) {
        HASH_ADD_KEYPTR(by_key, core->history.by_key, past->row.key.data, (unsigned)past->row.key.len, past);
        return;
    }
    past->same_key = first->same_key;
    first->same_key = past;
}

static void key_remove(struct core *core, struct history_job *past)
{
    struct history_job *first = history_of_key(core, past->row.key), *rest = past->same_key;
    if (first != past) {
        while (first->same_key != past)
            first = first->same_key;
        first->same_key = rest;
        return;
    }
    HASH_DELETE(by_key, core->history.by_key, past);
    if (rest)
        HASH_ADD_KEYPTR(by_key, core->history.by_key, rest->row.key.data, (unsigned)rest->row.key.len, rest);
}

static size_t words_of(const struct belt_row_job *row)
{
    return row->key.len + row->function.len + row->owner.len + row->why.len;
}

static void copy_word(struct belt_bytes *word, uint8_t **at)
{
    if (word->len)
        memcpy(*at, word->data, word->len);
    word->data = *at;
    *at += word->len;
}

static void copy_words(struct belt_row_job *row, uint8_t **at)
{
    copy_word(&row->key, at);
    copy_word(&row->function, at);
    copy_word(&row->owner, at);
    copy_word(&row->why, at);
}

/* Copies the row. */
static struct history_job *past_new(struct core *core, const struct belt_row_job *row)
{
    struct history_job *past = calloc(1, sizeof(*past) + words_of(row));
    if (!past)
        abort();
    uint8_t *at = past->words;
    past->row = *row;
    copy_words(&past->row, &at);
    past->row.past = true;
    past->since_ms = core->now;
    past->expire_ms = core->now + core->config.history_ms;
    HASH_ADD(by_id, core->history.by_id, row.job, sizeof(past->row.job), past);
    key_add(core, past);
    DL_APPEND(core->history.first, past);
    core->history.count++;
    core->history.bytes += sizeof(*past) + words_of(row);
    core->memory.bytes += sizeof(*past) + words_of(row);
    return past;
}

void history_drop(struct core *core, struct history_job *past)
{
    records_drop(core, past->row.job, &past->number);
    list_remove(&past->due);
    key_remove(core, past);
    HASH_DELETE(by_id, core->history.by_id, past);
    DL_DELETE(core->history.first, past);
    core->history.count--;
    core->history.bytes -= sizeof(*past) + words_of(&past->row);
    core->memory.bytes -= sizeof(*past) + words_of(&past->row);
    free(past);
}

static void trim(struct core *core)
{
    while (core->history.first && (core->history.count > core->config.max_history ||
                                   core->history.bytes > core->config.memory_budget / BELT_HISTORY_SHARE))
        history_drop(core, core->history.first);
}

/* ---- on disk ---- */

void history_note(struct core *core, struct job *job)
{
    if (core->store.failed || job->on_disk.past || !core->out)
        return;
    struct belt_row_job row = row_job(core, job);
    row.why = name_bytes(job->closing.stopped);
    job->on_disk.past = write_history(core, &row);
}

void history_add(struct core *core, struct job *job)
{
    struct belt_row_job row = row_job(core, job);
    row.why = name_bytes(job->closing.stopped);
    struct history_job *past = past_new(core, &row);
    past->number = job->on_disk.past;
    if (job->options.durable && !past->number) {
        list_append(&core->history.due, &past->due);
    }
    trim(core);
}

void history_turn(struct core *core)
{
    while (core->history.first && core->history.first->expire_ms <= core->now)
        history_drop(core, core->history.first);
    if (core->history.first)
        mark_alarm(core, core->history.first->expire_ms);
    struct history_job *past;
    while ((past = LIST_FIRST(&core->history.due, struct history_job, due)) && !core->store.failed) {
        list_remove(&past->due);
        past->number = write_history(core, &past->row);
    }
}

void history_restore(struct core *core, uint64_t number, const struct belt_row_job *row)
{
    struct history_job *past = past_new(core, row);
    uint64_t over = row->over_at && core->wall > row->over_at ? core->wall - row->over_at : 0;
    past->number = number;
    past->row.age_ms = row->opened_at && core->wall > row->opened_at ? core->wall - row->opened_at : 0;
    past->expire_ms -= over < core->config.history_ms ? over : core->config.history_ms;
}

void history_free_all(struct core *core)
{
    while (core->history.first)
        history_drop(core, core->history.first);
}
