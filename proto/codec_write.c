/* SPDX-License-Identifier: Apache-2.0
 *
 * struct belt_msg -> frames (codec.h). One function per message, in the order
 * of PROTOCOL.md §5. Checks what would make a receiver refuse the message, so
 * that a mistake of ours shows where it is made.
 */
#include "proto/codec_write.h"

#include <assert.h>
#include <string.h>

/* Beyond its payload an item takes array header, five integers and a length; see task() and result(). */
#define ITEM_WORDS (1u + 6u * PACK_WORD)
/* More than any message needs beside its items and texts. */
#define FIRST_ROOM 256u

bool pack_grow(struct packer *p, size_t more)
{
    if (p->code != BELT_OK)
        return false;
    size_t need = p->len + more;
    if (need > BELT_MAX_HEADER) {
        p->code = BELT_INVALID;
        goto failed;
    }
    size_t cap = p->cap * 2 > need ? p->cap * 2 : need;
    struct belt_buf *buf = p->buf ? belt_buf_resize(p->buf, cap) : belt_buf_new(cap);
    if (!buf) {
        p->code = BELT_NO_MEMORY;
        goto failed;
    }
    p->buf = buf;
    p->cap = cap;
    return true;
failed:
    p->cap = p->len; /* whoever asks for room comes here again */
    return false;
}

void writer_refuse(struct writer *w)
{
    if (w->p.code == BELT_OK)
        w->p.code = BELT_INVALID;
    w->p.cap = w->p.len;
}

/* Where belt_frames_stamp() finds the seq: after an array header and a type of one byte each, always 64 bits wide. */
#define SEQ_AT 2u

void writer_head(struct writer *w, const struct belt_msg *msg, uint32_t fields)
{
    pack_array(&w->p, fields + 2);
    pack_uint(&w->p, msg->type);
    if (!pack_room(&w->p, PACK_WORD))
        return;
    pack_byte(&w->p, 0xcf);
    pack_be(&w->p, msg->seq, 8);
}

void belt_frames_stamp(struct belt_frames *frames, uint64_t seq)
{
    assert(frames->count > 0 && frames->frame[0]->len >= SEQ_AT + 9 && frames->frame[0]->data[SEQ_AT] == 0xcf);
    struct packer p = {.buf = frames->frame[0], .len = SEQ_AT + 1, .cap = SEQ_AT + 9};
    pack_be(&p, seq, 8);
}

void writer_str(struct writer *w, struct belt_bytes bytes, size_t max)
{
    if (bytes.len > max)
        writer_refuse(w);
    else
        pack_str(&w->p, bytes.data, (uint32_t)bytes.len);
}

void writer_name(struct writer *w, struct belt_bytes bytes)
{
    if (bytes.len == 0)
        writer_refuse(w);
    writer_str(w, bytes, BELT_MAX_NAME);
}

static void bin(struct writer *w, struct belt_bytes bytes, size_t max)
{
    if (bytes.len > max)
        writer_refuse(w);
    else
        pack_bin(&w->p, bytes.data, (uint32_t)bytes.len);
}

void writer_key(struct writer *w, const char *key)
{
    pack_str(&w->p, (const uint8_t *)key, (uint32_t)strlen(key));
}

void writer_map_uint(struct writer *w, const char *key, uint64_t value)
{
    if (value == 0)
        return;
    writer_key(w, key);
    pack_uint(&w->p, value);
}

void writer_map_true(struct writer *w, const char *key, bool value)
{
    if (!value)
        return;
    writer_key(w, key);
    pack_bool(&w->p, true);
}

static void list(struct writer *w, uint32_t count, uint32_t max)
{
    if (count > max)
        writer_refuse(w);
    else
        pack_array(&w->p, count);
}

/* §4 payload: the next attachment. */
static void attach(struct writer *w, const struct belt_payload *payload)
{
    struct belt_frames *out = w->out;
    if (out->count == BELT_MAX_FRAMES) {
        writer_refuse(w);
        return;
    }
    struct belt_buf *buf = payload->buf ? belt_buf_slice(payload->buf, payload->data, payload->len)
                                        : belt_buf_copy(payload->data, payload->len);
    if (!buf) {
        w->p.code = BELT_NO_MEMORY;
        w->p.cap = w->p.len;
        return;
    }
    out->frame[out->count++] = buf;
    pack_uint_unchecked(&w->p, payload->len);
}

static inline void payload_unchecked(struct writer *w, const struct belt_payload *payload)
{
    if (payload->len <= BELT_INLINE_PAYLOAD)
        pack_bin_unchecked(&w->p, payload->data, payload->len);
    else
        attach(w, payload);
}

void writer_payload(struct writer *w, const struct belt_payload *payload)
{
    if (pack_room(&w->p, PACK_WORD + (payload->len <= BELT_INLINE_PAYLOAD ? payload->len : 0)))
        payload_unchecked(w, payload);
}

static inline size_t item_room(const struct belt_payload *payload)
{
    return ITEM_WORDS + (payload->len <= BELT_INLINE_PAYLOAD ? payload->len : 0);
}

void writer_extras(struct writer *w, const struct belt_result_extras *e)
{
    int optional = (e->text.len > 0) + (e->log.len > 0) + (e->host.len > 0) + (e->started_ms > 0);
    pack_map(&w->p, (uint32_t)optional + 2);
    if (e->text.len) {
        writer_key(w, "text");
        writer_text(w, e->text);
    }
    if (e->log.len) {
        writer_key(w, "log");
        bin(w, e->log, BELT_MAX_LOG);
    }
    if (e->host.len) {
        writer_key(w, "host");
        writer_text(w, e->host);
    }
    writer_map_uint(w, "started_ms", e->started_ms);
    writer_key(w, "exit_status");
    pack_int(&w->p, e->exit_status);
    writer_key(w, "term_signal");
    pack_int(&w->p, e->term_signal);
}

static void results(struct writer *w, const struct belt_result_item *items, uint32_t count)
{
    list(w, count, BELT_MAX_BATCH);
    for (uint32_t i = 0; i < count && pack_room(&w->p, item_room(&items[i].payload)); i++) {
        const struct belt_result_item *item = &items[i];
        if (item->code > 31)
            writer_refuse(w);
        pack_byte(&w->p, 0x96);
        pack_uint_unchecked(&w->p, item->index);
        pack_uint_unchecked(&w->p, item->attempt);
        pack_uint_unchecked(&w->p, item->code);
        pack_uint_unchecked(&w->p, item->service_us);
        payload_unchecked(w, &item->payload);
        if (item->extras)
            writer_extras(w, item->extras);
        else
            pack_nil(&w->p);
    }
}

static void refs(struct writer *w, const struct belt_msg_refs *m)
{
    list(w, m->count, BELT_MAX_BATCH);
    for (uint32_t i = 0; i < m->count && pack_room(&w->p, ITEM_WORDS); i++) {
        pack_byte(&w->p, 0x93);
        pack_uint_unchecked(&w->p, m->refs[i].job);
        pack_uint_unchecked(&w->p, m->refs[i].index);
        pack_uint_unchecked(&w->p, m->refs[i].attempt);
    }
}

void writer_grant(struct writer *w, struct belt_grant g)
{
    pack_uint(&w->p, g.items);
    pack_uint(&w->p, g.bytes);
}

static void write_hello(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_hello *m = &msg->u.hello;
    const struct belt_worker_props *worker = &m->worker;
    writer_head(w, msg, 5);
    pack_uint(&w->p, m->version);
    pack_uint(&w->p, m->role);
    if (m->session.len != BELT_SESSION_LEN)
        writer_refuse(w);
    bin(w, m->session, BELT_SESSION_LEN);
    writer_text(w, m->name);
    if (m->role != BELT_ROLE_WORKER) {
        pack_map(&w->p, 0);
        return;
    }
    pack_map(&w->p, 4);
    writer_key(w, "slots");
    pack_uint(&w->p, worker->slots);
    writer_key(w, "window_items");
    pack_uint(&w->p, worker->window_items);
    writer_key(w, "window_bytes");
    pack_uint(&w->p, worker->window_bytes);
    writer_key(w, "functions");
    list(w, worker->function_count, BELT_MAX_FUNCTIONS);
    for (uint32_t i = 0; i < worker->function_count && w->p.code == BELT_OK; i++)
        writer_name(w, worker->functions[i]);
}

static void write_welcome(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_welcome *m = &msg->u.welcome;
    writer_head(w, msg, 3);
    pack_uint(&w->p, m->version);
    pack_uint(&w->p, m->epoch);
    pack_map(&w->p, 5u + (m->next_key.len > 0));
    writer_key(w, "heartbeat_ms");
    pack_uint(&w->p, m->heartbeat_ms);
    writer_key(w, "lease_ms");
    pack_uint(&w->p, m->lease_ms);
    writer_key(w, "max_payload");
    pack_uint(&w->p, m->max_payload);
    writer_key(w, "max_frame");
    pack_uint(&w->p, m->max_frame);
    writer_key(w, "name");
    writer_text(w, m->name);
    if (!m->next_key.len)
        return;
    writer_key(w, "next_key");
    writer_public_key(w, m->next_key);
}

static void write_error(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_error *m = &msg->u.error;
    writer_head(w, msg, 4);
    pack_uint(&w->p, m->ref);
    pack_uint(&w->p, m->job);
    pack_uint(&w->p, m->code);
    writer_text(w, m->text);
}

static void write_empty(struct writer *w, const struct belt_msg *msg)
{
    writer_head(w, msg, 0);
}

static void write_bye(struct writer *w, const struct belt_msg *msg)
{
    writer_head(w, msg, 1);
    writer_text(w, msg->u.bye.text);
}

void writer_map_text(struct writer *w, const char *key, struct belt_bytes text)
{
    if (!text.len)
        return;
    writer_key(w, key);
    writer_text(w, text);
}

void writer_map_bin(struct writer *w, const char *key, struct belt_bytes bytes, size_t max)
{
    if (!bytes.len)
        return;
    writer_key(w, key);
    bin(w, bytes, max);
}

void writer_argument(struct writer *w, struct belt_bytes bytes, struct belt_buf *buf)
{
    struct belt_payload payload = {.buf = buf, .data = bytes.data, .len = (uint32_t)bytes.len};
    if (bytes.len <= BELT_MAX_ARGUMENT) {
        writer_map_bin(w, "argument", bytes, BELT_MAX_ARGUMENT);
        return;
    }
    writer_key(w, "argument");
    if (bytes.len > BELT_MAX_PAYLOAD_CEILING)
        writer_refuse(w);
    else if (pack_room(&w->p, PACK_WORD))
        attach(w, &payload);
}

static void write_push(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_push *m = &msg->u.push;
    writer_head(w, msg, 3);
    pack_uint(&w->p, m->job);
    pack_uint(&w->p, m->first);
    list(w, m->count, BELT_MAX_BATCH);
    for (uint32_t i = 0; i < m->count && pack_room(&w->p, item_room(&m->tasks[i].payload)); i++)
        payload_unchecked(w, &m->tasks[i].payload);
}

static void write_deliver(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_deliver *m = &msg->u.deliver;
    writer_head(w, msg, 3);
    pack_uint(&w->p, m->sub);
    pack_uint(&w->p, m->first);
    results(w, m->results, m->count);
}

static void write_notice(struct writer *w, const struct belt_msg *msg)
{
    writer_head(w, msg, 3);
    pack_uint(&w->p, msg->u.notice.job);
    pack_uint(&w->p, msg->u.notice.code);
    writer_text(w, msg->u.notice.text);
}

static void write_sync(struct writer *w, const struct belt_msg *msg)
{
    writer_head(w, msg, 2);
    refs(w, &msg->u.sync);
    pack_bool(&w->p, msg->u.sync.more);
}

static void write_refs(struct writer *w, const struct belt_msg *msg)
{
    writer_head(w, msg, 1);
    refs(w, &msg->u.returned);
}

static void write_dispatch(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_dispatch *m = &msg->u.dispatch;
    writer_head(w, msg, 4);
    pack_uint(&w->p, m->job);
    writer_name(w, m->function);
    pack_map(&w->p, (uint32_t)((m->timeout_ms > 0) + m->detail + m->together + (m->argument.len > 0)));
    writer_map_uint(w, "timeout_ms", m->timeout_ms);
    writer_map_true(w, "detail", m->detail);
    writer_map_true(w, "together", m->together);
    writer_argument(w, m->argument, m->argument_buf);
    list(w, m->count, BELT_MAX_BATCH);
    for (uint32_t i = 0; i < m->count && pack_room(&w->p, item_room(&m->tasks[i].payload)); i++) {
        pack_byte(&w->p, 0x93);
        pack_uint_unchecked(&w->p, m->tasks[i].index);
        pack_uint_unchecked(&w->p, m->tasks[i].attempt);
        payload_unchecked(w, &m->tasks[i].payload);
    }
}

static void write_results(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_results *m = &msg->u.results;
    writer_head(w, msg, 3);
    pack_uint(&w->p, m->first);
    pack_uint(&w->p, m->job);
    results(w, m->results, m->count);
}

static void write_recorded(struct writer *w, const struct belt_msg *msg)
{
    writer_head(w, msg, 1);
    pack_uint(&w->p, msg->u.recorded.upto);
}

static void write_recall(struct writer *w, const struct belt_msg *msg)
{
    writer_head(w, msg, 1);
    pack_uint(&w->p, msg->u.recall.count);
}

static void write_progress(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_progress *m = &msg->u.progress;
    writer_head(w, msg, 5);
    pack_uint(&w->p, m->task.job);
    pack_uint(&w->p, m->task.index);
    pack_uint(&w->p, m->task.attempt);
    pack_uint(&w->p, m->done);
    pack_uint(&w->p, m->total);
}

typedef void (*write_fn)(struct writer *w, const struct belt_msg *msg);

static const write_fn writers[] = {
    [BELT_MSG_HELLO] = write_hello,
    [BELT_MSG_WELCOME] = write_welcome,
    [BELT_MSG_ERROR] = write_error,
    [BELT_MSG_PING] = write_empty,
    [BELT_MSG_PONG] = write_empty,
    [BELT_MSG_BYE] = write_bye,
    [BELT_MSG_JOIN] = writer_join,
    [BELT_MSG_JOINED] = writer_joined,
    [BELT_MSG_OPEN] = writer_open,
    [BELT_MSG_OPENED] = writer_opened,
    [BELT_MSG_PUSH] = write_push,
    [BELT_MSG_ACCEPTED] = writer_accepted,
    [BELT_MSG_END] = writer_end,
    [BELT_MSG_ENDED] = writer_end,
    [BELT_MSG_SUBSCRIBE] = writer_subscribe,
    [BELT_MSG_SUBSCRIBED] = writer_subscribed,
    [BELT_MSG_DELIVER] = write_deliver,
    [BELT_MSG_ACK] = writer_ack,
    [BELT_MSG_DONE] = writer_done,
    [BELT_MSG_DETACH] = writer_detach,
    [BELT_MSG_CANCEL] = writer_cancel,
    [BELT_MSG_CANCELLED] = writer_cancel,
    [BELT_MSG_NOTICE] = write_notice,
    [BELT_MSG_STATUS] = writer_status,
    [BELT_MSG_REPORT] = writer_report,
    [BELT_MSG_FAILED] = writer_failed,
    [BELT_MSG_FAILURES] = writer_failures,
    [BELT_MSG_SYNC] = write_sync,
    [BELT_MSG_DISPATCH] = write_dispatch,
    [BELT_MSG_RESULTS] = write_results,
    [BELT_MSG_RECORDED] = write_recorded,
    [BELT_MSG_RECALL] = write_recall,
    [BELT_MSG_RETURNED] = write_refs,
    [BELT_MSG_DROP] = write_refs,
    [BELT_MSG_LEAVING] = write_empty,
    [BELT_MSG_PROGRESS] = write_progress,
};

int belt_encode(const struct belt_msg *msg, struct belt_frames *out)
{
    struct writer w = {.p = {.code = BELT_OK}, .out = out};
    out->count = 1;
    out->cut = false;
    out->frame[0] = NULL;
    if (msg->type >= sizeof(writers) / sizeof(writers[0]) || !writers[msg->type])
        w.p.code = BELT_INVALID;
    if (pack_room(&w.p, FIRST_ROOM))
        writers[msg->type](&w, msg);
    out->frame[0] = w.p.buf;
    if (w.p.code != BELT_OK) {
        belt_frames_clear(out);
        return w.p.code;
    }
    w.p.buf->len = w.p.len;
    return BELT_OK;
}

void belt_frames_clear(struct belt_frames *frames)
{
    for (uint32_t i = 0; i < frames->count; i++)
        belt_buf_unref(frames->frame[i]);
    frames->count = 0;
    frames->cut = false;
}

size_t belt_frames_bytes(const struct belt_frames *frames)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < frames->count; i++)
        bytes += frames->frame[i]->len;
    return bytes;
}
