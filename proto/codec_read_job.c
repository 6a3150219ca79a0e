/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames -> struct belt_msg: the messages of a client about its jobs and subscriptions, and their answers (PROTOCOL.md
 * §7). See codec_read.c.
 */
#include "proto/codec_read.h"

#include <inttypes.h>
#include <string.h>

static bool read_grant(struct scanner *s, const char *items, const char *bytes, struct belt_grant *grant)
{
    return scan_u64(s, items, &grant->items) && scan_u64(s, bytes, &grant->bytes);
}

struct open_options {
    struct belt_msg_open *open;
    uint32_t mask;
};

static bool read_backoff(struct scanner *s, uint64_t *ms)
{
    if (!scan_uint(s, "backoff_ms", BELT_MAX_WAIT_MS, ms))
        return false;
    if (*ms == 0)
        *ms = BELT_NO_BACKOFF;
    return true;
}

static bool read_statuses(struct belt_decoder *d, struct belt_open_options *o)
{
    struct belt_bytes bits;
    if (!scan_bytes(&d->s, "final_status", SCAN_BIN, BELT_STATUS_BYTES, &bits))
        return false;
    if (bits.len != BELT_STATUS_BYTES)
        return reader_bad(d, "final_status", "must have 32 bytes");
    memcpy(o->final_status, bits.data, bits.len);
    return true;
}

static bool read_open_option(struct belt_decoder *d, struct belt_bytes key, void *into)
{
    static const char *const names[] = {"window_items", "window_bytes", "priority",     "retries",  "max_attempts",
                                        "chunk",        "timeout_ms",   "detail",       "detached", "durable",
                                        "volatile",     "argument",     "backoff_ms",   "after_ms", "deadline_ms",
                                        "after_at",     "deadline_at",  "final_status", "keep_ms",  "remember_ms",
                                        "digest",       "take_over",    "share"};
    struct open_options *to = into;
    struct belt_open_options *o = &to->open->options;
    struct scanner *s = &d->s;
    switch (reader_find_key(d, key, names, 23, &to->mask)) {
    case 0:
        return scan_uint(s, "window_items", BELT_WINDOW_ITEMS_MAX, &o->window_items);
    case 1:
        return scan_u64(s, "window_bytes", &o->window_bytes);
    case 2:
        return scan_i32(s, "priority", -100, 100, &o->priority);
    case 3:
        return scan_u32(s, "retries", &o->retries);
    case 4:
        return scan_u32(s, "max_attempts", &o->max_attempts);
    case 5:
        return scan_u32(s, "chunk", &o->chunk);
    case 6:
        return scan_u64(s, "timeout_ms", &o->timeout_ms);
    case 7:
        return scan_bool(s, "detail", &o->detail);
    case 8:
        return scan_bool(s, "detached", &o->detached);
    case 9:
        return scan_bool(s, "durable", &o->durable);
    case 10:
        return scan_bool(s, "volatile", &o->never_durable);
    case 11:
        return reader_argument(d, &o->argument);
    case 12:
        return read_backoff(s, &o->backoff_ms);
    case 13:
        return scan_uint(s, "after_ms", BELT_MAX_WAIT_MS, &o->after_ms);
    case 14:
        return scan_uint(s, "deadline_ms", BELT_MAX_WAIT_MS, &o->deadline_ms);
    case 15:
        return scan_u64(s, "after_at", &o->after_at);
    case 16:
        return scan_u64(s, "deadline_at", &o->deadline_at);
    case 17:
        return read_statuses(d, o);
    case 18:
        return scan_u64(s, "keep_ms", &o->keep_ms);
    case 19:
        return scan_uint(s, "remember_ms", BELT_MAX_WAIT_MS, &o->remember_ms);
    case 20:
        return scan_bool(s, "digest", &o->digest);
    case 21:
        return scan_bool(s, "take_over", &to->open->take_over);
    case 22:
        return scan_bool(s, "share", &o->share);
    case 23:
        return reader_unknown_option(d, key);
    default:
        return false;
    }
}

bool reader_open(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_open *m = &msg->u.open;
    struct open_options options = {.open = m, .mask = 0};
    memset(m, 0, sizeof(*m));
    if (!scan_u64(&d->s, "ref", &m->ref) || !scan_key(&d->s, "key", &m->key) ||
        !scan_name(&d->s, "function", &m->function))
        return false;
    return reader_options(d, read_open_option, &options);
}

struct opened_options {
    struct belt_msg_opened *to;
    uint32_t mask;
};

static bool read_digest(struct belt_decoder *d, struct belt_digest *digest)
{
    struct belt_bytes bytes;
    if (!scan_bytes(&d->s, "digest", SCAN_BIN, BELT_DIGEST_BYTES, &bytes))
        return false;
    if (bytes.len != BELT_DIGEST_BYTES)
        return reader_bad(d, "digest", "must have 16 bytes");
    memcpy(digest->bytes, bytes.data, bytes.len);
    return true;
}

/* What a later broker may say beside it is skipped (§10). */
static bool read_opened_option(struct belt_decoder *d, struct belt_bytes key, void *into)
{
    static const char *const names[] = {"digest"};
    struct opened_options *options = into;
    switch (reader_find_key(d, key, names, 1, &options->mask)) {
    case 0:
        options->to->digested = true;
        return read_digest(d, &options->to->digest);
    case 1:
        return scan_skip(&d->s, "options", 3);
    default:
        return false;
    }
}

bool reader_opened(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_opened *m = &msg->u.opened;
    struct opened_options options = {.to = m};
    m->digested = false;
    if (!scan_u64(&d->s, "ref", &m->ref) || !scan_u64(&d->s, "job", &m->job) || !scan_u64(&d->s, "next", &m->next) ||
        !scan_u64(&d->s, "next_bytes", &m->next_bytes) || !read_grant(&d->s, "grant_items", "grant_bytes", &m->grant) ||
        !scan_u8(&d->s, "state", BELT_JOB_STOPPED, &m->state))
        return false;
    return !d->optional || reader_map(d, "options", read_opened_option, &options);
}

bool reader_accepted(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_accepted *m = &msg->u.accepted;
    return scan_u64(&d->s, "job", &m->job) && scan_u64(&d->s, "next", &m->next) &&
           read_grant(&d->s, "grant_items", "grant_bytes", &m->grant);
}

bool reader_end(struct belt_decoder *d, struct belt_msg *msg)
{
    return scan_u64(&d->s, "job", &msg->u.end.job) && scan_u64(&d->s, "count", &msg->u.end.count);
}

struct subscribe_options {
    struct belt_msg_subscribe *to;
    uint32_t mask;
};

static bool read_subscribe_option(struct belt_decoder *d, struct belt_bytes key, void *into)
{
    static const char *const names[] = {"take_over"};
    struct subscribe_options *options = into;
    switch (reader_find_key(d, key, names, 1, &options->mask)) {
    case 0:
        return scan_bool(&d->s, "take_over", &options->to->take_over);
    case 1:
        return reader_unknown_option(d, key);
    default:
        return false;
    }
}

bool reader_subscribe(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_subscribe *m = &msg->u.subscribe;
    struct subscribe_options options = {.to = m};
    m->take_over = false;
    if (!scan_u64(&d->s, "ref", &m->ref) || !scan_u64(&d->s, "job", &m->job) ||
        !scan_key(&d->s, "reader", &m->reader) || !scan_u8(&d->s, "mode", BELT_UNORDERED, &m->mode))
        return false;
    if (scan_nil(&d->s))
        m->cursor = BELT_CURSOR_KEPT;
    else if (!scan_uint(&d->s, "cursor", UINT64_MAX - 1, &m->cursor))
        return false;
    if (!read_grant(&d->s, "credit_items", "credit_bytes", &m->credit))
        return false;
    return !d->optional || reader_options(d, read_subscribe_option, &options);
}

bool reader_subscribed(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_subscribed *m = &msg->u.subscribed;
    return scan_u64(&d->s, "ref", &m->ref) && scan_u64(&d->s, "job", &m->job) && scan_u64(&d->s, "sub", &m->sub) &&
           scan_u64(&d->s, "cursor", &m->cursor);
}

bool reader_ack(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_ack *m = &msg->u.ack;
    return scan_u64(&d->s, "sub", &m->sub) && scan_u64(&d->s, "upto", &m->upto) &&
           read_grant(&d->s, "credit_items", "credit_bytes", &m->credit);
}

bool reader_done(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_done *m = &msg->u.done;
    if (!scan_u64(&d->s, "sub", &m->sub) || !scan_u64(&d->s, "count", &m->count) || !scan_u32(&d->s, "code", &m->code))
        return false;
    return m->code == BELT_OK || m->code == BELT_JOB_CANCELLED || m->code == BELT_UNKNOWN_READER ||
           reader_bad(d, "code", "is none of OK, JOB_CANCELLED and UNKNOWN_READER");
}

bool reader_detach(struct belt_decoder *d, struct belt_msg *msg)
{
    return scan_u64(&d->s, "sub", &msg->u.detach.sub);
}

bool reader_cancelled(struct belt_decoder *d, struct belt_msg *msg)
{
    msg->u.cancelled = (struct belt_msg_cancel){0};
    return scan_u64(&d->s, "ref", &msg->u.cancelled.ref) && scan_u64(&d->s, "job", &msg->u.cancelled.job);
}

struct cancel_options {
    struct belt_msg_cancel *to;
    uint32_t mask;
};

static bool read_cancel_option(struct belt_decoder *d, struct belt_bytes key, void *into)
{
    static const char *const names[] = {"forget", "waiting", "task", "reader"};
    struct cancel_options *options = into;
    switch (reader_find_key(d, key, names, 4, &options->mask)) {
    case 0:
        return scan_bool(&d->s, "forget", &options->to->forget);
    case 1:
        return scan_bool(&d->s, "waiting", &options->to->waiting);
    case 2:
        options->to->one = true;
        return scan_u64(&d->s, "task", &options->to->task);
    case 3:
        options->to->leaves = true;
        return scan_key(&d->s, "reader", &options->to->reader);
    case 4:
        return reader_unknown_option(d, key);
    default:
        return false;
    }
}

bool reader_cancel(struct belt_decoder *d, struct belt_msg *msg)
{
    struct cancel_options options = {.to = &msg->u.cancel};
    if (!reader_cancelled(d, msg))
        return false;
    return !d->optional || reader_options(d, read_cancel_option, &options);
}
