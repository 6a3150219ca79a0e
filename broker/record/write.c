/* SPDX-License-Identifier: Apache-2.0
 *
 * A record as a row of the store (record.h). One function for each kind; read.c is its mirror.
 *
 * The room that a body takes is counted first, not exactly but enough, so that nothing is copied twice.
 */
#include "broker/record/record.h"
#include "broker/record/fields.h"

#include "proto/codec_pack.h"

#include <string.h>

/* ---- how much room ---- */

static size_t map_room(const struct field_map *map, const void *from)
{
    size_t room = PACK_WORD;
    for (uint32_t i = 0; i < map->count; i++) {
        const struct field *field = &map->fields[i];
        const uint8_t *at = (const uint8_t *)from + field->at;
        room += strlen(field->key) + 2 * PACK_WORD;
        if (field->type >= FIELD_KEY && field->type <= FIELD_PAYLOAD)
            room += ((const struct belt_bytes *)at)->len;
    }
    return room + BELT_STATUS_BYTES;
}

static size_t extras_room(const struct belt_result_extras *extras)
{
    return extras ? map_room(&record_extras_map, extras) : 1;
}

static size_t results_room(const struct record_results *results)
{
    size_t room = PACK_WORD;
    for (uint32_t i = 0; i < results->count; i++)
        room += 1 + 5 * PACK_WORD + results->items[i].payload.len + extras_room(results->items[i].extras);
    return room;
}

static size_t tasks_room(const struct record_tasks *tasks)
{
    size_t room = PACK_WORD;
    for (uint32_t i = 0; i < tasks->count; i++)
        room += PACK_WORD + tasks->inputs[i].len;
    return room;
}

static size_t room_of(const struct core_record *record)
{
    switch (record->kind) {
    case RECORD_JOB:
        return map_room(&record_job_map, &record->u.job);
    case RECORD_TASKS:
        return tasks_room(&record->u.tasks);
    case RECORD_RESULTS:
        return results_room(&record->u.results);
    case RECORD_TAKEN:
        return (1 + (size_t)record->u.taken.count) * PACK_WORD;
    case RECORD_READER:
        return map_room(&record_reader_map, &record->u.reader);
    case RECORD_FAILED_JOB:
        return map_room(&record_failed_job_map, &record->u.failed_job);
    case RECORD_FAILED_TASK:
        return 6 * PACK_WORD + record->u.failed_task.input.len + extras_room(record->u.failed_task.extras);
    case RECORD_HISTORY:
        return map_room(&record_history_map, &record->u.history);
    default: /* a few numbers and a digest */
        return 6 * PACK_WORD + BELT_DIGEST_BYTES;
    }
}

/* ---- maps ---- */

static void refuse(struct packer *p)
{
    if (p->code == BELT_OK)
        p->code = BELT_INVALID;
    p->cap = p->len;
}

static bool any_bit(const uint8_t *bits)
{
    static const uint8_t none[BELT_STATUS_BYTES];
    return memcmp(bits, none, sizeof(none)) != 0;
}

#define VALUE(type, at) (*(const type *)(const void *)(at))

static bool is_set(const struct field *field, const uint8_t *at)
{
    switch (field->type) {
    case FIELD_UINT64:
    case FIELD_BACKOFF:
        return VALUE(uint64_t, at) != 0;
    case FIELD_UINT32:
        return VALUE(uint32_t, at) != 0;
    case FIELD_UINT8:
        return *at != 0;
    case FIELD_INT32:
        return VALUE(int32_t, at) != 0;
    case FIELD_STATUS:
        return VALUE(int32_t, at) != -1;
    case FIELD_TRUE:
        return VALUE(bool, at);
    case FIELD_BITS:
        return any_bit(at);
    default:
        return VALUE(struct belt_bytes, at).len != 0;
    }
}

static void write_bytes(struct packer *p, const struct field *field, struct belt_bytes bytes)
{
    if (bytes.len > field->max)
        refuse(p);
    else if (field->type == FIELD_KEY || field->type == FIELD_NAME)
        pack_str(p, bytes.data, (uint32_t)bytes.len);
    else
        pack_bin(p, bytes.data, (uint32_t)bytes.len);
}

static void write_uint(struct packer *p, const struct field *field, uint64_t value)
{
    if (value > field->max)
        refuse(p);
    else
        pack_uint(p, value);
}

static void write_field(struct packer *p, const struct field *field, const uint8_t *at)
{
    pack_str(p, (const uint8_t *)field->key, (uint32_t)strlen(field->key));
    switch (field->type) {
    case FIELD_UINT64:
        write_uint(p, field, VALUE(uint64_t, at));
        break;
    case FIELD_BACKOFF:
        write_uint(p, field, VALUE(uint64_t, at) == BELT_NO_BACKOFF ? 0 : VALUE(uint64_t, at));
        break;
    case FIELD_UINT32:
        write_uint(p, field, VALUE(uint32_t, at));
        break;
    case FIELD_UINT8:
        write_uint(p, field, *at);
        break;
    case FIELD_INT32:
    case FIELD_STATUS:
        pack_int(p, VALUE(int32_t, at));
        break;
    case FIELD_TRUE:
        pack_bool(p, true);
        break;
    case FIELD_BITS:
        pack_bin(p, at, BELT_STATUS_BYTES);
        break;
    default:
        write_bytes(p, field, VALUE(struct belt_bytes, at));
    }
}

static void write_map(struct packer *p, const struct field_map *map, const void *from)
{
    uint32_t set = 0;
    for (uint32_t i = 0; i < map->count; i++)
        set += is_set(&map->fields[i], (const uint8_t *)from + map->fields[i].at);
    pack_map(p, set);
    for (uint32_t i = 0; i < map->count; i++) {
        const uint8_t *at = (const uint8_t *)from + map->fields[i].at;
        if (is_set(&map->fields[i], at))
            write_field(p, &map->fields[i], at);
    }
}

/* ---- kinds ---- */

static void write_items(struct packer *p, struct store_record *row, uint64_t first, uint32_t count)
{
    row->first = first;
    row->count = count;
    if (count == 0 || count > RECORD_ITEMS_MAX)
        refuse(p);
    else
        pack_array(p, count);
}

static void write_tasks(struct packer *p, const struct record_tasks *tasks, struct store_record *row)
{
    write_items(p, row, tasks->first, tasks->count);
    for (uint32_t i = 0; i < tasks->count && pack_room(p, PACK_WORD + tasks->inputs[i].len); i++)
        pack_bin_unchecked(p, tasks->inputs[i].data, tasks->inputs[i].len);
}

static void write_extras(struct packer *p, const struct belt_result_extras *extras)
{
    if (extras)
        write_map(p, &record_extras_map, extras);
    else
        pack_nil(p);
}

static void write_results(struct packer *p, const struct record_results *results, struct store_record *row)
{
    write_items(p, row, results->first, results->count);
    for (uint32_t i = 0; i < results->count; i++) {
        const struct belt_result_item *item = &results->items[i];
        if (!pack_room(p, 1 + 5 * PACK_WORD + item->payload.len))
            return;
        pack_array_unchecked(p, 6);
        pack_uint_unchecked(p, item->index);
        pack_uint_unchecked(p, item->attempt);
        pack_uint_unchecked(p, item->code);
        pack_uint_unchecked(p, item->service_us);
        pack_bin_unchecked(p, item->payload.data, item->payload.len);
        write_extras(p, item->extras);
    }
}

static void write_taken(struct packer *p, const struct record_taken *taken, struct store_record *row)
{
    write_items(p, row, taken->first, taken->count);
    for (uint32_t i = 0; i < taken->count && pack_room(p, PACK_WORD); i++)
        pack_uint_unchecked(p, taken->indexes[i]);
}

static void write_end(struct packer *p, const struct record_end *end)
{
    pack_array(p, 1);
    pack_uint(p, end->tasks);
}

static void write_mark(struct packer *p, const struct record_mark *mark)
{
    pack_array(p, 5);
    pack_uint(p, mark->next);
    pack_uint(p, mark->bytes);
    pack_uint(p, mark->place);
    pack_uint(p, mark->failed);
    if (mark->digested)
        pack_bin(p, mark->digest.bytes, BELT_DIGEST_BYTES);
    else
        pack_nil(p);
}

static void write_tries(struct packer *p, const struct record_tries *tries)
{
    pack_array(p, 4);
    pack_uint(p, tries->index);
    pack_uint(p, tries->attempt);
    pack_uint(p, tries->failures);
    pack_uint(p, tries->losses);
}

static void write_failed_task(struct packer *p, const struct record_failed_task *task, struct store_record *row)
{
    row->first = task->index;
    row->count = 1;
    pack_array(p, 6);
    pack_uint(p, task->index);
    pack_uint(p, task->attempt);
    pack_uint(p, task->code);
    pack_uint(p, task->failed_at);
    pack_bin(p, task->input.data, task->input.len);
    write_extras(p, task->extras);
}

static void write_let_go(struct packer *p, const struct record_let_go *let_go)
{
    pack_array(p, 1);
    pack_uint(p, let_go->count);
}

static void write_record(struct packer *p, const struct core_record *record, struct store_record *row)
{
    switch (record->kind) {
    case RECORD_JOB:
        write_map(p, &record_job_map, &record->u.job);
        break;
    case RECORD_TASKS:
        write_tasks(p, &record->u.tasks, row);
        break;
    case RECORD_RESULTS:
        write_results(p, &record->u.results, row);
        break;
    case RECORD_TAKEN:
        write_taken(p, &record->u.taken, row);
        break;
    case RECORD_END:
        write_end(p, &record->u.end);
        break;
    case RECORD_READER:
        write_map(p, &record_reader_map, &record->u.reader);
        break;
    case RECORD_MARK:
        write_mark(p, &record->u.mark);
        break;
    case RECORD_TRIES:
        write_tries(p, &record->u.tries);
        break;
    case RECORD_FAILED_JOB:
        write_map(p, &record_failed_job_map, &record->u.failed_job);
        break;
    case RECORD_FAILED_TASK:
        write_failed_task(p, &record->u.failed_task, row);
        break;
    case RECORD_LET_GO:
        write_let_go(p, &record->u.let_go);
        break;
    case RECORD_HISTORY:
        write_map(p, &record_history_map, &record->u.history);
        break;
    default:
        refuse(p);
    }
}

struct belt_buf *record_pack(const struct core_record *record, struct store_record *row)
{
    size_t room = room_of(record);
    struct packer p = {.buf = belt_buf_new(room), .cap = room, .code = BELT_OK};
    *row = (struct store_record){.number = record->number, .job = record->job, .kind = record->kind};
    if (!p.buf)
        return NULL;
    write_record(&p, record, row);
    if (p.code != BELT_OK) {
        belt_buf_unref(p.buf);
        return NULL;
    }
    p.buf->len = p.len;
    row->body = (struct belt_bytes){p.buf->data, p.len};
    return p.buf;
}
