/* SPDX-License-Identifier: Apache-2.0
 *
 * What a kept payload really costs. A small payload keeps the whole frame it
 * came in; so the frame is charged to the job, once, until the last payload in
 * it is let go. Without this a peer could make the broker keep a megabyte for each byte it is charged for.
 * A large payload has a frame of its own, which is sent on as it is and may be let go on
 * another thread: it is charged by its length instead.
 */
#include "broker/core/model/pin.h"
#include "broker/core/model/table.h"

#include <stdlib.h>

struct pin {
    struct belt_buf buf; /* what the payloads count references of */
    struct belt_buf *frame;
    struct core *core;
    struct job *job;
};

static void pin_release(struct belt_buf *buf)
{
    struct pin *pin = (struct pin *)buf;
    charge_bytes(pin->core, pin->job, -(int64_t)(sizeof(*pin) + pin->frame->len));
    belt_buf_unref(pin->frame);
    free(pin);
}

static struct pin *pin_new(struct core *core, struct job *job, struct belt_buf *frame)
{
    struct pin *pin = malloc(sizeof(*pin));
    if (!pin)
        abort();
    *pin = (struct pin){.frame = belt_buf_ref(frame), .core = core, .job = job};
    atomic_init(&pin->buf.refs, 1);
    pin->buf.len = frame->len;
    pin->buf.data = frame->data;
    pin->buf.share = false;
    pin->buf.release = pin_release;
    charge_bytes(core, job, (int64_t)(sizeof(*pin) + frame->len));
    return pin;
}

uint64_t pin_cost(const struct pinned *last, const struct belt_payload *payload)
{
    if (!payload->buf || payload->len > BELT_INLINE_PAYLOAD)
        return payload->len;
    return payload->buf == last->frame ? 0 : sizeof(struct pin) + payload->buf->len;
}

struct belt_payload pin_payload(struct core *core, struct job *job, struct pinned *last, struct belt_payload payload)
{
    if (!payload.buf)
        return (struct belt_payload){0};
    if (payload.len > BELT_INLINE_PAYLOAD) {
        charge_bytes(core, job, payload.len);
        return belt_payload_ref(payload);
    }
    if (last->frame != payload.buf) {
        pin_done(last);
        last->frame = payload.buf;
        last->pin = &pin_new(core, job, payload.buf)->buf;
    }
    payload.buf = belt_buf_ref(last->pin);
    return payload;
}

void pin_drop(struct core *core, struct job *job, struct task *task)
{
    if (task->len > BELT_INLINE_PAYLOAD)
        charge_bytes(core, job, -(int64_t)task->len);
    task_drop_payload(task);
}

void pin_done(struct pinned *last)
{
    belt_buf_unref(last->pin);
    *last = (struct pinned){0};
}
