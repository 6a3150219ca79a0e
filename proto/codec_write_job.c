/* SPDX-License-Identifier: Apache-2.0
 *
 * struct belt_msg -> frames: the messages of a client about its jobs and subscriptions, and their answers (PROTOCOL.md
 * §7), but for those that carry payloads. See codec_write.c.
 */
#include "proto/codec_write.h"

#include <string.h>

/* 0 says: no pause. */
static void backoff(struct writer *w, uint64_t ms)
{
    if (!ms)
        return;
    writer_key(w, "backoff_ms");
    pack_uint(&w->p, ms == BELT_NO_BACKOFF ? 0 : ms);
}

static bool any_status(const struct belt_open_options *o)
{
    static const uint8_t none[BELT_STATUS_BYTES];
    return memcmp(o->final_status, none, sizeof(none)) != 0;
}

static void open_options(struct writer *w, const struct belt_msg_open *m)
{
    const struct belt_open_options *o = &m->options;
    struct belt_bytes statuses = {o->final_status, any_status(o) ? sizeof(o->final_status) : 0};
    int keys = (o->window_items > 0) + (o->window_bytes > 0) + (o->priority != 0) + (o->retries > 0) +
               (o->max_attempts > 0) + (o->chunk > 0) + (o->timeout_ms > 0) + o->detail + o->detached + o->durable +
               o->never_durable + (o->argument.len > 0) + (o->backoff_ms > 0) + (o->after_ms > 0) +
               (o->deadline_ms > 0) + (o->after_at > 0) + (o->deadline_at > 0) + (statuses.len > 0) + (o->keep_ms > 0) +
               (o->remember_ms > 0) + o->digest + m->take_over + o->share;
    pack_map(&w->p, (uint32_t)keys);
    writer_map_uint(w, "window_items", o->window_items);
    writer_map_uint(w, "window_bytes", o->window_bytes);
    if (o->priority) {
        writer_key(w, "priority");
        pack_int(&w->p, o->priority);
    }
    writer_map_uint(w, "retries", o->retries);
    writer_map_uint(w, "max_attempts", o->max_attempts);
    writer_map_uint(w, "chunk", o->chunk);
    writer_map_uint(w, "timeout_ms", o->timeout_ms);
    writer_map_true(w, "detail", o->detail);
    writer_map_true(w, "detached", o->detached);
    writer_map_true(w, "durable", o->durable);
    writer_map_true(w, "volatile", o->never_durable);
    writer_argument(w, o->argument, NULL);
    backoff(w, o->backoff_ms);
    writer_map_uint(w, "after_ms", o->after_ms);
    writer_map_uint(w, "deadline_ms", o->deadline_ms);
    writer_map_uint(w, "after_at", o->after_at);
    writer_map_uint(w, "deadline_at", o->deadline_at);
    writer_map_bin(w, "final_status", statuses, BELT_STATUS_BYTES);
    writer_map_uint(w, "keep_ms", o->keep_ms);
    writer_map_uint(w, "remember_ms", o->remember_ms);
    writer_map_true(w, "digest", o->digest);
    writer_map_true(w, "take_over", m->take_over);
    writer_map_true(w, "share", o->share);
}

void writer_open(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_open *m = &msg->u.open;
    writer_head(w, msg, 4);
    pack_uint(&w->p, m->ref);
    writer_str(w, m->key, BELT_MAX_KEY);
    writer_name(w, m->function);
    open_options(w, m);
}

void writer_opened(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_opened *m = &msg->u.opened;
    writer_head(w, msg, 7u + m->digested);
    pack_uint(&w->p, m->ref);
    pack_uint(&w->p, m->job);
    pack_uint(&w->p, m->next);
    pack_uint(&w->p, m->next_bytes);
    writer_grant(w, m->grant);
    pack_uint(&w->p, m->state);
    if (!m->digested)
        return;
    pack_map(&w->p, 1);
    writer_map_bin(w, "digest", (struct belt_bytes){m->digest.bytes, BELT_DIGEST_BYTES}, BELT_DIGEST_BYTES);
}

void writer_accepted(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_accepted *m = &msg->u.accepted;
    writer_head(w, msg, 4);
    pack_uint(&w->p, m->job);
    pack_uint(&w->p, m->next);
    writer_grant(w, m->grant);
}

void writer_end(struct writer *w, const struct belt_msg *msg)
{
    writer_head(w, msg, 2);
    pack_uint(&w->p, msg->u.end.job);
    pack_uint(&w->p, msg->u.end.count);
}

void writer_subscribe(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_subscribe *m = &msg->u.subscribe;
    writer_head(w, msg, 7u + m->take_over);
    pack_uint(&w->p, m->ref);
    pack_uint(&w->p, m->job);
    writer_str(w, m->reader, BELT_MAX_KEY);
    pack_uint(&w->p, m->mode);
    if (m->cursor == BELT_CURSOR_KEPT)
        pack_nil(&w->p);
    else
        pack_uint(&w->p, m->cursor);
    writer_grant(w, m->credit);
    if (!m->take_over)
        return;
    pack_map(&w->p, 1);
    writer_map_true(w, "take_over", true);
}

void writer_subscribed(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_subscribed *m = &msg->u.subscribed;
    writer_head(w, msg, 4);
    pack_uint(&w->p, m->ref);
    pack_uint(&w->p, m->job);
    pack_uint(&w->p, m->sub);
    pack_uint(&w->p, m->cursor);
}

void writer_ack(struct writer *w, const struct belt_msg *msg)
{
    writer_head(w, msg, 4);
    pack_uint(&w->p, msg->u.ack.sub);
    pack_uint(&w->p, msg->u.ack.upto);
    writer_grant(w, msg->u.ack.credit);
}

void writer_done(struct writer *w, const struct belt_msg *msg)
{
    writer_head(w, msg, 3);
    pack_uint(&w->p, msg->u.done.sub);
    pack_uint(&w->p, msg->u.done.count);
    pack_uint(&w->p, msg->u.done.code);
}

void writer_detach(struct writer *w, const struct belt_msg *msg)
{
    writer_head(w, msg, 1);
    pack_uint(&w->p, msg->u.detach.sub);
}

void writer_cancel(struct writer *w, const struct belt_msg *msg)
{
    bool forget = msg->type == BELT_MSG_CANCEL && msg->u.cancel.forget;
    bool waiting = msg->type == BELT_MSG_CANCEL && msg->u.cancel.waiting;
    bool one = msg->type == BELT_MSG_CANCEL && msg->u.cancel.one;
    bool leaves = msg->type == BELT_MSG_CANCEL && msg->u.cancel.leaves;
    writer_head(w, msg, 2u + (forget || waiting || one || leaves));
    pack_uint(&w->p, msg->u.cancel.ref);
    pack_uint(&w->p, msg->u.cancel.job);
    if (!forget && !waiting && !one && !leaves)
        return;
    pack_map(&w->p, (uint32_t)forget + waiting + one + leaves);
    writer_map_true(w, "forget", forget);
    writer_map_true(w, "waiting", waiting);
    if (one) {
        writer_key(w, "task");
        pack_uint(&w->p, msg->u.cancel.task);
    }
    if (leaves) {
        writer_key(w, "reader");
        writer_str(w, msg->u.cancel.reader, BELT_MAX_KEY);
    }
}
