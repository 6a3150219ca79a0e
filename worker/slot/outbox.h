/* SPDX-License-Identifier: Apache-2.0
 *
 * What waits to be written to a slot: bytes, and among them large payloads that
 * are written from where they lie. Pure: says what to write next, writes nothing.
 */
#ifndef BELT_WORKER_SLOT_OUTBOX_H
#define BELT_WORKER_SLOT_OUTBOX_H

#include "worker/slot/protocol.h"

struct slot_apart;

struct slot_outbox {
    struct slot_queue bytes;         /* all but the payloads that lie apart */
    struct slot_apart *first, *last; /* in their order */
    size_t behind;                   /* bytes behind the last of them */
};

/** Appends a copy of `len` bytes. 0, or -1 when out of memory. */
int slot_outbox_add(struct slot_outbox *outbox, const void *data, size_t len);
/** Appends a payload: copies a small one, takes a reference to a large one. 0, or -1 when out of memory. */
int slot_outbox_payload(struct slot_outbox *outbox, struct belt_payload payload);
/** Appends a task, whose payload is `payload` (task->payload is not looked at). 0, or -1 when out of memory. */
int slot_outbox_task(struct slot_outbox *outbox, const struct slot_task *task, struct belt_payload payload);
/** Appends a task whose payload lies at `at` in memory that the slot shares. 0, or -1 when out of memory. */
int slot_outbox_task_at(struct slot_outbox *outbox, const struct slot_task *task, uint32_t payload_len, size_t at);
/** The next parts to write, at most `most`; returns how many. Borrowed until the next call. */
unsigned slot_outbox_parts(const struct slot_outbox *outbox, struct belt_bytes *parts, unsigned most);
/** The first `len` bytes were written. */
void slot_outbox_sent(struct slot_outbox *outbox, size_t len);
bool slot_outbox_empty(const struct slot_outbox *outbox);
/** Forgets what waits. */
void slot_outbox_clear(struct slot_outbox *outbox);
void slot_outbox_free(struct slot_outbox *outbox);

#endif
