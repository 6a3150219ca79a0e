/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages that carry tasks, results and references by the batch, and what
 * they are made of: payloads with their attachments, result extras (PROTOCOL.md
 * §4, §5). This is the hot path.
 */
#include "proto/codec_read.h"

#include <inttypes.h>
#include <string.h>

static bool attached(struct belt_decoder *d, const char *what, struct belt_payload *payload)
{
    uint64_t len = 0;
    if (!scan_uint(&d->s, what, UINT64_MAX, &len))
        return false;
    if (len > d->max_payload)
        return scan_fail(&d->s, BELT_TOO_LARGE, what, "has %" PRIu64 " bytes, at most %" PRIu32 " are allowed", len,
                         d->max_payload);
    if (d->attachment == d->frames->count)
        return reader_bad(d, what, "names an attachment that is not there");
    struct belt_buf *frame = d->frames->frame[d->attachment++];
    if (frame->len != len)
        return scan_fail(&d->s, BELT_BAD_MESSAGE, what, "is declared with %" PRIu64 " bytes, its attachment has %zu",
                         len, frame->len);
    *payload = (struct belt_payload){.buf = len ? frame : NULL, .data = frame->data, .len = (uint32_t)len};
    return true;
}

bool reader_argument(struct belt_decoder *d, struct belt_bytes *argument)
{
    struct belt_payload payload = {0};
    if (!scan_is_int(&d->s))
        return scan_bytes(&d->s, "argument", SCAN_BIN, BELT_MAX_ARGUMENT, argument);
    if (!attached(d, "argument", &payload))
        return false;
    *argument = (struct belt_bytes){payload.data, payload.len};
    return true;
}

static inline bool read_payload(struct belt_decoder *d, struct belt_payload *payload)
{
    struct scanner *s = &d->s;
    struct belt_bytes bytes;
    if (scan_is_int(s))
        return attached(d, "payload", payload);
    if (s->end - s->at >= 2 && *s->at == 0xc4 && s->end - s->at - 2 >= s->at[1]) {
        bytes = (struct belt_bytes){.data = s->at + 2, .len = s->at[1]};
        s->at += 2 + bytes.len;
    } else if (!scan_bytes(s, "payload", SCAN_BIN, BELT_INLINE_PAYLOAD, &bytes)) {
        return false;
    }
    if (bytes.len > d->max_payload)
        return scan_fail(s, BELT_TOO_LARGE, "payload", "has %zu bytes, at most %" PRIu32 " are allowed", bytes.len,
                         d->max_payload);
    payload->buf = bytes.len ? d->frames->frame[0] : NULL;
    payload->data = bytes.data;
    payload->len = (uint32_t)bytes.len;
    return true;
}

/* The header of a list: its elements go into the items scratch. NULL on failure. */
static void *list(struct belt_decoder *d, const char *name, size_t size, uint32_t *count)
{
    if (!scan_array(&d->s, name, BELT_MAX_BATCH, count))
        return NULL;
    d->s.list = name;
    return reader_room(d, &d->items, *count, size);
}

/* A position is followed by others: it must leave room to count on. */
static bool check_last(struct belt_decoder *d, uint64_t first, uint32_t count)
{
    return first <= UINT64_MAX - count || reader_bad(d, "first", "is too large for so many items");
}

struct extras_in {
    struct belt_result_extras *extras;
    uint32_t mask;
};

static bool read_extra(struct belt_decoder *d, struct belt_bytes key, void *into)
{
    static const char *const names[] = {"text", "log", "host", "started_ms", "exit_status", "term_signal"};
    struct scanner *s = &d->s;
    struct extras_in *to = into;
    switch (reader_find_key(d, key, names, 6, &to->mask)) {
    case 0:
        return scan_text(s, "text", &to->extras->text);
    case 1:
        return scan_bytes(s, "log", SCAN_BIN, BELT_MAX_LOG, &to->extras->log);
    case 2:
        return scan_text(s, "host", &to->extras->host);
    case 3:
        return scan_u64(s, "started_ms", &to->extras->started_ms);
    case 4:
        return scan_i32(s, "exit_status", INT32_MIN, INT32_MAX, &to->extras->exit_status);
    case 5:
        return scan_i32(s, "term_signal", INT32_MIN, INT32_MAX, &to->extras->term_signal);
    case 6: /* of a newer worker: §10 */
        return scan_skip(s, "extras", BELT_MAX_DEPTH - 4);
    default:
        return false;
    }
}

static bool read_extras(struct belt_decoder *d, uint32_t results, struct belt_result_item *item)
{
    /* Room for all at once, so that the first ones do not move. */
    struct belt_result_extras *all = reader_room(d, &d->extras, results, sizeof(*all));
    if (!all)
        return false;
    struct extras_in into = {.extras = &all[d->extra_count++], .mask = 0};
    *into.extras = (struct belt_result_extras){.exit_status = -1};
    item->extras = into.extras;
    return reader_map(d, "extras", read_extra, &into);
}

static bool read_results(struct belt_decoder *d, uint64_t first, const struct belt_result_item **results,
                         uint32_t *count)
{
    struct scanner *s = &d->s;
    struct belt_result_item *items = list(d, "results", sizeof(*items), count);
    if (!items || !check_last(d, first, *count))
        return false;
    for (uint32_t i = 0; i < *count; i++) {
        struct belt_result_item *item = &items[i];
        uint64_t attempt = 0, code = 0, service_us = 0;
        s->item = i;
        if (!scan_tuple(s, NULL, 6) || !scan_uint(s, "index", UINT64_MAX - 1, &item->index) ||
            !scan_uint(s, "attempt", UINT32_MAX, &attempt) || !scan_uint(s, "code", 31, &code) ||
            !scan_uint(s, "service_us", UINT32_MAX, &service_us) || !read_payload(d, &item->payload))
            return false;
        item->attempt = (uint32_t)attempt;
        item->code = (uint32_t)code;
        item->service_us = (uint32_t)service_us;
        item->extras = NULL;
        if (!scan_nil(s) && !read_extras(d, *count, item))
            return false;
    }
    *results = items;
    return true;
}

bool reader_ref(struct scanner *s, struct belt_task_ref *ref)
{
    return scan_u64(s, "job", &ref->job) && scan_uint(s, "index", UINT64_MAX - 1, &ref->index) &&
           scan_u32(s, "attempt", &ref->attempt);
}

bool reader_refs(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_refs *m = &msg->u.returned;
    struct belt_task_ref *refs = list(d, "refs", sizeof(*refs), &m->count);
    if (!refs)
        return false;
    for (uint32_t i = 0; i < m->count; i++) {
        d->s.item = i;
        if (!scan_tuple(&d->s, NULL, 3) || !reader_ref(&d->s, &refs[i]))
            return false;
    }
    m->refs = refs;
    m->more = false;
    return true;
}

bool reader_push(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_push *m = &msg->u.push;
    if (!scan_u64(&d->s, "job", &m->job) || !scan_u64(&d->s, "first", &m->first))
        return false;
    struct belt_task_item *tasks = list(d, "tasks", sizeof(*tasks), &m->count);
    if (!tasks || !check_last(d, m->first, m->count))
        return false;
    for (uint32_t i = 0; i < m->count; i++) {
        d->s.item = i;
        if (!read_payload(d, &tasks[i].payload))
            return false;
        tasks[i].index = m->first + i;
        tasks[i].attempt = 0;
    }
    m->tasks = tasks;
    return true;
}

bool reader_deliver(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_deliver *m = &msg->u.deliver;
    return scan_u64(&d->s, "sub", &m->sub) && scan_u64(&d->s, "first", &m->first) &&
           read_results(d, m->first, &m->results, &m->count);
}

bool reader_sync(struct belt_decoder *d, struct belt_msg *msg)
{
    if (!reader_refs(d, msg))
        return false;
    d->s.list = NULL;
    return scan_bool(&d->s, "more", &msg->u.sync.more);
}

struct dispatch_options {
    struct belt_msg_dispatch *dispatch;
    uint32_t mask;
};

static bool read_dispatch_option(struct belt_decoder *d, struct belt_bytes key, void *into)
{
    static const char *const names[] = {"timeout_ms", "detail", "together", "argument"};
    struct dispatch_options *to = into;
    struct belt_msg_dispatch *m = to->dispatch;
    switch (reader_find_key(d, key, names, 4, &to->mask)) {
    case 0:
        return scan_u64(&d->s, "timeout_ms", &m->timeout_ms);
    case 1:
        return scan_bool(&d->s, "detail", &m->detail);
    case 2:
        return scan_bool(&d->s, "together", &m->together);
    case 3:
        return reader_argument(d, &m->argument);
    case 4:
        return reader_unknown_option(d, key);
    default:
        return false;
    }
}

bool reader_dispatch(struct belt_decoder *d, struct belt_msg *msg)
{
    struct scanner *s = &d->s;
    struct belt_msg_dispatch *m = &msg->u.dispatch;
    struct dispatch_options options = {.dispatch = m, .mask = 0};
    memset(m, 0, sizeof(*m));
    if (!scan_u64(s, "job", &m->job) || !scan_name(s, "function", &m->function) ||
        !reader_map(d, "options", read_dispatch_option, &options))
        return false;
    struct belt_task_item *tasks = list(d, "tasks", sizeof(*tasks), &m->count);
    if (!tasks)
        return false;
    for (uint32_t i = 0; i < m->count; i++) {
        uint64_t attempt = 0;
        s->item = i;
        if (!scan_tuple(s, NULL, 3) || !scan_uint(s, "index", UINT64_MAX - 1, &tasks[i].index) ||
            !scan_uint(s, "attempt", UINT32_MAX, &attempt) || !read_payload(d, &tasks[i].payload))
            return false;
        tasks[i].attempt = (uint32_t)attempt;
    }
    m->tasks = tasks;
    return true;
}

bool reader_results(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_results *m = &msg->u.results;
    return scan_u64(&d->s, "first", &m->first) && scan_u64(&d->s, "job", &m->job) &&
           read_results(d, m->first, &m->results, &m->count);
}

static bool read_failed_option(struct belt_decoder *d, struct belt_bytes key, void *into)
{
    (void)into;
    return reader_unknown_option(d, key);
}

bool reader_failed(struct belt_decoder *d, struct belt_msg *msg)
{
    struct scanner *s = &d->s;
    struct belt_msg_failed *m = &msg->u.failed;
    if (!scan_u64(s, "ref", &m->ref) || !scan_u8(s, "action", BELT_FAILED_DROP, &m->action))
        return false;
    if (m->action == 0)
        return reader_bad(d, "action", "is 0, 1 to 4 are allowed");
    if (!scan_text(s, "function", &m->function) || !scan_u64(s, "job", &m->job) || !scan_u64(s, "from", &m->from))
        return false;
    uint64_t *indexes = list(d, "indexes", sizeof(*indexes), &m->count);
    if (!indexes)
        return false;
    for (uint32_t i = 0; i < m->count; i++) {
        s->item = i;
        if (!scan_u64(s, NULL, &indexes[i]))
            return false;
    }
    m->indexes = indexes;
    m->extended = d->optional;
    s->list = NULL;
    return !d->optional || reader_options(d, read_failed_option, NULL);
}

static bool read_letter(struct belt_decoder *d, uint32_t count, struct belt_letter *letter)
{
    struct scanner *s = &d->s;
    uint64_t code = 0;
    if (!scan_tuple(s, NULL, 10) || !scan_u64(s, "serial", &letter->serial) || !scan_u64(s, "job", &letter->job) ||
        !scan_u64(s, "index", &letter->index) || !scan_u32(s, "attempt", &letter->attempt) ||
        !scan_uint(s, "code", 31, &code) || !scan_u64(s, "failed_at", &letter->failed_at) ||
        !scan_u32(s, "size", &letter->size) || !scan_name(s, "function", &letter->function) ||
        !read_payload(d, &letter->payload))
        return false;
    letter->code = (uint32_t)code;
    letter->extras = NULL;
    if (scan_nil(s))
        return true;
    struct belt_result_item item = {0};
    bool ok = read_extras(d, count, &item);
    letter->extras = item.extras;
    return ok;
}

struct failures_options {
    struct belt_msg_failures *to;
    uint32_t mask;
};

static bool read_failures_option(struct belt_decoder *d, struct belt_bytes key, void *into)
{
    static const char *const names[] = {"let_go"};
    struct failures_options *options = into;
    switch (reader_find_key(d, key, names, 1, &options->mask)) {
    case 0:
        return scan_u64(&d->s, "let_go", &options->to->let_go);
    case 1:
        return scan_skip(&d->s, "options", 3);
    default:
        return false;
    }
}

bool reader_failures(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_failures *m = &msg->u.failures;
    if (!scan_u64(&d->s, "ref", &m->ref) || !scan_u64(&d->s, "count", &m->count) ||
        !scan_u64(&d->s, "dropped", &m->dropped) || !scan_u64(&d->s, "job", &m->job))
        return false;
    struct belt_letter *letters = list(d, "letters", sizeof(*letters), &m->letter_count);
    if (!letters)
        return false;
    for (uint32_t i = 0; i < m->letter_count; i++) {
        d->s.item = i;
        if (!read_letter(d, m->letter_count, &letters[i]))
            return false;
    }
    m->letters = letters;
    m->extended = d->optional;
    m->let_go = 0;
    d->s.list = NULL;
    struct failures_options options = {.to = m};
    return !d->optional || reader_map(d, "options", read_failures_option, &options);
}
