/* SPDX-License-Identifier: Apache-2.0
 *
 * A row of the store as a record (record.h). One function for each kind; write.c is its mirror.
 *
 * A payload must outlive the row, and small ones must not keep large ones alive. So the bytes of the payloads are
 * copied once the row is known to be sound: each large one into a buffer of its own, the small ones together into one.
 */
#include "broker/record/record.h"
#include "broker/record/fields.h"

#include "proto/codec_scan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Memory that is allocated once, grows to the largest record seen and is used again. */
struct scratch {
    void *data;
    size_t bytes;
};

struct record_decoder {
    struct scanner s;
    uint32_t max_payload;
    struct scratch items, extras, owned;
    uint32_t extras_used;
    struct belt_buf *small; /* of the payloads of the last record */
    uint32_t owned_count;   /* large payloads of it, whose buffers stand in `owned` */
};

struct record_decoder *record_decoder_new(uint32_t max_payload)
{
    struct record_decoder *decoder = calloc(1, sizeof(*decoder));
    if (decoder)
        decoder->max_payload = max_payload;
    return decoder;
}

static void let_go(struct record_decoder *d)
{
    struct belt_buf **owned = d->owned.data;
    belt_buf_unref(d->small);
    d->small = NULL;
    while (d->owned_count)
        belt_buf_unref(owned[--d->owned_count]);
}

void record_decoder_free(struct record_decoder *decoder)
{
    if (!decoder)
        return;
    let_go(decoder);
    free(decoder->items.data);
    free(decoder->extras.data);
    free(decoder->owned.data);
    free(decoder);
}

const char *record_decoder_error(const struct record_decoder *decoder)
{
    return decoder->s.error;
}

static bool no_memory(struct record_decoder *d)
{
    return scan_fail(&d->s, BELT_NO_MEMORY, NULL, "out of memory");
}

static void *room(struct record_decoder *d, struct scratch *scratch, size_t count, size_t size)
{
    if (count * size <= scratch->bytes)
        return scratch->data;
    free(scratch->data);
    scratch->data = malloc(count * size);
    scratch->bytes = scratch->data ? count * size : 0;
    if (!scratch->data)
        (void)no_memory(d);
    return scratch->data;
}

/* ---- values ---- */

static bool read_payload(struct record_decoder *d, const char *field, uint32_t limit, struct belt_bytes *bytes)
{
    if (!scan_bytes(&d->s, field, SCAN_BIN, UINT32_MAX, bytes))
        return false;
    if (bytes->len <= limit)
        return true;
    return scan_fail(&d->s, BELT_TOO_LARGE, field, "has %zu bytes, at most %" PRIu32 " are allowed", bytes->len, limit);
}

/* Of one task: its bytes stay in the row for now. */
static bool read_task_payload(struct record_decoder *d, const char *field, struct belt_payload *payload)
{
    struct belt_bytes bytes;
    if (!read_payload(d, field, d->max_payload, &bytes))
        return false;
    *payload = (struct belt_payload){.data = bytes.data, .len = (uint32_t)bytes.len};
    return true;
}

/* Whoever may send an argument within a message may do so whatever the limit of payloads is. */
static uint32_t argument_limit(const struct record_decoder *d)
{
    return d->max_payload > BELT_MAX_ARGUMENT ? d->max_payload : BELT_MAX_ARGUMENT;
}

static bool read_bits(struct record_decoder *d, const struct field *field, uint8_t *bits)
{
    struct belt_bytes bytes;
    if (!scan_bytes(&d->s, field->key, SCAN_BIN, field->max, &bytes))
        return false;
    if (bytes.len != field->max)
        return scan_fail(&d->s, BELT_BAD_MESSAGE, field->key, "must have %" PRIu64 " bytes", field->max);
    memcpy(bits, bytes.data, bytes.len);
    return true;
}

static bool read_uint(struct scanner *s, const struct field *field, uint8_t *to)
{
    uint64_t value = 0;
    if (!scan_uint(s, field->key, field->max, &value))
        return false;
    if (field->type == FIELD_UINT8)
        *to = (uint8_t)value;
    else if (field->type == FIELD_UINT32)
        *(uint32_t *)(void *)to = (uint32_t)value;
    else
        *(uint64_t *)(void *)to = field->type == FIELD_BACKOFF && !value ? BELT_NO_BACKOFF : value;
    return true;
}

static bool read_int(struct scanner *s, const struct field *field, int32_t *to)
{
    int32_t most = (int32_t)field->max;
    return scan_i32(s, field->key, most == INT32_MAX ? INT32_MIN : -most, most, to);
}

static bool read_field(struct record_decoder *d, const struct field *field, void *to)
{
    struct scanner *s = &d->s;
    switch (field->type) {
    case FIELD_INT32:
    case FIELD_STATUS:
        return read_int(s, field, to);
    case FIELD_TRUE:
        return scan_bool(s, field->key, to);
    case FIELD_KEY:
        return scan_key(s, field->key, to);
    case FIELD_NAME:
        return scan_name(s, field->key, to);
    case FIELD_TEXT:
    case FIELD_BYTES:
        return scan_bytes(s, field->key, SCAN_BIN, field->max, to);
    case FIELD_PAYLOAD:
        return read_payload(d, field->key, argument_limit(d), to);
    case FIELD_BITS:
        return read_bits(d, field, to);
    default:
        return read_uint(s, field, to);
    }
}

static const struct field *find_field(const struct field_map *map, struct belt_bytes key)
{
    for (uint32_t i = 0; i < map->count; i++)
        if (key.len == strlen(map->fields[i].key) && !memcmp(key.data, map->fields[i].key, key.len))
            return &map->fields[i];
    return NULL;
}

/* The struct is neutral before. */
static bool read_map(struct record_decoder *d, const struct field_map *map, void *to)
{
    uint32_t count = 0, seen = 0;
    if (!scan_map(&d->s, NULL, map->count, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct belt_bytes key;
        if (!scan_bytes(&d->s, "key", SCAN_STR, BELT_MAX_NAME, &key))
            return false;
        const struct field *field = find_field(map, key);
        if (!field)
            return scan_fail(&d->s, BELT_BAD_MESSAGE, NULL, "has a field that this format does not know");
        uint32_t bit = (uint32_t)1 << (field - map->fields);
        if (seen & bit)
            return scan_fail(&d->s, BELT_BAD_MESSAGE, field->key, "is there twice");
        seen |= bit;
        if (!read_field(d, field, (uint8_t *)to + field->at))
            return false;
    }
    return true;
}

static bool read_extras(struct record_decoder *d, uint32_t items, const struct belt_result_extras **extras)
{
    *extras = NULL;
    if (scan_nil(&d->s))
        return true;
    /* Room for all at once, so that the first ones do not move. */
    struct belt_result_extras *all = room(d, &d->extras, items, sizeof(*all));
    if (!all)
        return false;
    struct belt_result_extras *one = &all[d->extras_used++];
    *one = (struct belt_result_extras){.exit_status = -1};
    *extras = one;
    return read_map(d, &record_extras_map, one);
}

/* ---- payloads ---- */

/* What the payloads of a record need: bytes of the small ones together, and how many large ones there are. */
struct payload_sizes {
    size_t small, large;
};

static void count_payload(struct payload_sizes *sizes, const struct belt_payload *payload)
{
    if (payload->len > BELT_INLINE_PAYLOAD)
        sizes->large++;
    else
        sizes->small += payload->len;
}

static bool make_buffers(struct record_decoder *d, const struct payload_sizes *sizes)
{
    if (sizes->large && !room(d, &d->owned, sizes->large, sizeof(struct belt_buf *)))
        return false;
    if (!sizes->small)
        return true;
    d->small = belt_buf_new(sizes->small);
    return d->small || no_memory(d);
}

/* `*at` is where the next small one goes. */
static bool own_payload(struct record_decoder *d, struct belt_payload *payload, size_t *at)
{
    struct belt_buf **owned = d->owned.data;
    if (!payload->len)
        return true;
    if (payload->len > BELT_INLINE_PAYLOAD) {
        payload->buf = belt_buf_copy(payload->data, payload->len);
        if (!payload->buf)
            return no_memory(d);
        payload->data = payload->buf->data;
        owned[d->owned_count++] = payload->buf;
        return true;
    }
    payload->data = memcpy(d->small->data + *at, payload->data, payload->len);
    payload->buf = d->small;
    *at += payload->len;
    return true;
}

/* ---- kinds ---- */

static bool read_job(struct record_decoder *d, struct record_job *job)
{
    *job = (struct record_job){.options.durable = true};
    if (!read_map(d, &record_job_map, job))
        return false;
    return job->function.len || scan_fail(&d->s, BELT_BAD_MESSAGE, "function", "is missing");
}

/* An array with as many items as the row says; they go into the scratch. NULL when something is wrong. */
static void *read_items(struct record_decoder *d, const struct store_record *row, const char *name, size_t size)
{
    uint32_t count = 0;
    if (!scan_array(&d->s, name, RECORD_ITEMS_MAX, &count))
        return NULL;
    if (count == 0 || count != row->count || row->first > UINT64_MAX - count) {
        scan_fail(&d->s, BELT_BAD_MESSAGE, name, "are not as many as the row says");
        return NULL;
    }
    d->s.list = name;
    return room(d, &d->items, count, size);
}

static bool read_tasks(struct record_decoder *d, const struct store_record *row, struct record_tasks *tasks)
{
    struct belt_payload *inputs = read_items(d, row, "inputs", sizeof(*inputs));
    struct payload_sizes sizes = {0};
    size_t at = 0;
    if (!inputs)
        return false;
    for (uint32_t i = 0; i < row->count; i++) {
        d->s.item = i;
        if (!read_task_payload(d, NULL, &inputs[i]))
            return false;
        count_payload(&sizes, &inputs[i]);
    }
    *tasks = (struct record_tasks){row->first, row->count, inputs};
    if (!make_buffers(d, &sizes))
        return false;
    for (uint32_t i = 0; i < row->count; i++)
        if (!own_payload(d, &inputs[i], &at))
            return false;
    return true;
}

static bool read_result(struct record_decoder *d, uint32_t items, struct belt_result_item *item)
{
    struct scanner *s = &d->s;
    uint64_t attempt = 0, code = 0, service_us = 0;
    *item = (struct belt_result_item){0};
    if (!scan_tuple(s, NULL, 6) || !scan_uint(s, "index", UINT64_MAX - 1, &item->index) ||
        !scan_uint(s, "attempt", UINT32_MAX, &attempt) || !scan_uint(s, "code", RECORD_CODE_MAX, &code) ||
        !scan_uint(s, "service_us", UINT32_MAX, &service_us) || !read_task_payload(d, "payload", &item->payload) ||
        !read_extras(d, items, &item->extras))
        return false;
    item->attempt = (uint32_t)attempt;
    item->code = (uint32_t)code;
    item->service_us = (uint32_t)service_us;
    return true;
}

static bool read_results(struct record_decoder *d, const struct store_record *row, struct record_results *results)
{
    struct belt_result_item *items = read_items(d, row, "results", sizeof(*items));
    struct payload_sizes sizes = {0};
    size_t at = 0;
    if (!items)
        return false;
    for (uint32_t i = 0; i < row->count; i++) {
        d->s.item = i;
        if (!read_result(d, row->count, &items[i]))
            return false;
        count_payload(&sizes, &items[i].payload);
    }
    *results = (struct record_results){row->first, row->count, items};
    if (!make_buffers(d, &sizes))
        return false;
    for (uint32_t i = 0; i < row->count; i++)
        if (!own_payload(d, &items[i].payload, &at))
            return false;
    return true;
}

static bool read_taken(struct record_decoder *d, const struct store_record *row, struct record_taken *taken)
{
    uint64_t *indexes = read_items(d, row, "indexes", sizeof(*indexes));
    if (!indexes)
        return false;
    for (uint32_t i = 0; i < row->count; i++) {
        d->s.item = i;
        if (!scan_uint(&d->s, NULL, UINT64_MAX - 1, &indexes[i]))
            return false;
    }
    *taken = (struct record_taken){row->first, row->count, indexes};
    return true;
}

static bool read_end(struct record_decoder *d, struct record_end *end)
{
    return scan_tuple(&d->s, NULL, 1) && scan_u64(&d->s, "tasks", &end->tasks);
}

static bool read_reader(struct record_decoder *d, struct record_reader *reader)
{
    *reader = (struct record_reader){0};
    return read_map(d, &record_reader_map, reader);
}

static bool read_mark(struct record_decoder *d, struct record_mark *mark)
{
    struct scanner *s = &d->s;
    struct belt_bytes digest;
    *mark = (struct record_mark){0};
    if (!scan_tuple(s, NULL, 5) || !scan_u64(s, "next", &mark->next) || !scan_u64(s, "bytes", &mark->bytes) ||
        !scan_u64(s, "place", &mark->place) || !scan_u64(s, "failed", &mark->failed))
        return false;
    if (scan_nil(s))
        return true;
    if (!scan_bytes(s, "digest", SCAN_BIN, BELT_DIGEST_BYTES, &digest))
        return false;
    if (digest.len != BELT_DIGEST_BYTES)
        return scan_fail(s, BELT_BAD_MESSAGE, "digest", "must have %u bytes", BELT_DIGEST_BYTES);
    mark->digested = true;
    memcpy(mark->digest.bytes, digest.data, digest.len);
    return true;
}

static bool read_tries(struct record_decoder *d, struct record_tries *tries)
{
    struct scanner *s = &d->s;
    uint64_t failures = 0, losses = 0;
    if (!scan_tuple(s, NULL, 4) || !scan_uint(s, "index", UINT64_MAX - 1, &tries->index) ||
        !scan_u32(s, "attempt", &tries->attempt) || !scan_uint(s, "failures", UINT16_MAX, &failures) ||
        !scan_uint(s, "losses", UINT16_MAX, &losses))
        return false;
    tries->failures = (uint16_t)failures;
    tries->losses = (uint16_t)losses;
    return true;
}

static bool read_failed_job(struct record_decoder *d, struct record_failed_job *job)
{
    *job = (struct record_failed_job){.options.durable = true};
    if (!read_map(d, &record_failed_job_map, job))
        return false;
    return job->function.len || scan_fail(&d->s, BELT_BAD_MESSAGE, "function", "is missing");
}

static bool read_failed_task(struct record_decoder *d, struct record_failed_task *task)
{
    struct scanner *s = &d->s;
    struct payload_sizes sizes = {0};
    uint64_t code = 0;
    size_t at = 0;
    *task = (struct record_failed_task){0};
    if (!scan_tuple(s, NULL, 6) || !scan_uint(s, "index", UINT64_MAX - 1, &task->index) ||
        !scan_u32(s, "attempt", &task->attempt) || !scan_uint(s, "code", RECORD_CODE_MAX, &code) ||
        !scan_u64(s, "failed_at", &task->failed_at) || !read_task_payload(d, "input", &task->input) ||
        !read_extras(d, 1, &task->extras))
        return false;
    task->code = (uint32_t)code;
    count_payload(&sizes, &task->input);
    return make_buffers(d, &sizes) && own_payload(d, &task->input, &at);
}

static bool read_let_go(struct record_decoder *d, struct record_let_go *let_go)
{
    return scan_tuple(&d->s, NULL, 1) && scan_u64(&d->s, "count", &let_go->count);
}

static bool read_history(struct record_decoder *d, struct record_history *history)
{
    *history = (struct record_history){0};
    return read_map(d, &record_history_map, history);
}

static bool read_body(struct record_decoder *d, const struct store_record *row, struct core_record *record)
{
    switch (row->kind) {
    case RECORD_JOB:
        return read_job(d, &record->u.job);
    case RECORD_TASKS:
        return read_tasks(d, row, &record->u.tasks);
    case RECORD_RESULTS:
        return read_results(d, row, &record->u.results);
    case RECORD_TAKEN:
        return read_taken(d, row, &record->u.taken);
    case RECORD_END:
        return read_end(d, &record->u.end);
    case RECORD_READER:
        return read_reader(d, &record->u.reader);
    case RECORD_MARK:
        return read_mark(d, &record->u.mark);
    case RECORD_TRIES:
        return read_tries(d, &record->u.tries);
    case RECORD_FAILED_JOB:
        return read_failed_job(d, &record->u.failed_job);
    case RECORD_FAILED_TASK:
        return read_failed_task(d, &record->u.failed_task);
    case RECORD_LET_GO:
        return read_let_go(d, &record->u.let_go);
    case RECORD_HISTORY:
        return read_history(d, &record->u.history);
    default:
        return scan_fail(&d->s, BELT_BAD_MESSAGE, "kind", "is %u, which this format does not know", row->kind);
    }
}

int record_unpack(struct record_decoder *decoder, const struct store_record *row, struct core_record *record)
{
    struct scanner *s = &decoder->s;
    const char *name = record_kind_name(row->kind);
    let_go(decoder);
    decoder->extras_used = 0;
    *s = (struct scanner){.message = name ? name : "record"};
    s->at = row->body.len ? row->body.data : (const uint8_t *)"";
    s->end = s->at + row->body.len;
    record->op = CORE_PUT;
    record->number = row->number;
    record->job = row->job;
    record->kind = row->kind;
    if (!read_body(decoder, row, record))
        return s->code;
    s->list = NULL;
    if (s->at != s->end)
        scan_fail(s, BELT_BAD_MESSAGE, NULL, "%zu bytes follow its end", (size_t)(s->end - s->at));
    return s->code;
}
