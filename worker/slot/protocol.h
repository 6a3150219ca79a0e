/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot protocol of SLOTS.md as bytes: an incremental reader and a writer,
 * for both ends, and the line mode of filters. Pure: does not know where the
 * bytes come from. Whatever comes in, the reader never keeps more than one message of
 * the limit, and grows only as bytes really arrive.
 */
#ifndef BELT_WORKER_SLOT_PROTOCOL_H
#define BELT_WORKER_SLOT_PROTOCOL_H

#include "proto/message.h"

/* The first line of a message: keyword, name and five numbers fit with room to spare. */
#define SLOT_MAX_LINE 512u
/* From here on a payload is written from where it lies and read to where it stays: a copy costs more than a part of its
 * own. */
#define SLOT_LARGE_BYTES (32u << 10)
/* How long a slot may take before it says hello (SLOTS.md, "From the slot"). */
#define SLOT_HELLO_MS 10000u

/** Bytes that wait to be written. */
struct slot_queue {
    uint8_t *data;
    size_t pos, len, cap; /* [pos, len) waits */
    unsigned small;       /* uses in a row that needed little of it */
};

void slot_queue_free(struct slot_queue *queue);
/** Room for `len` more bytes at the end; NULL when out of memory. The caller fills them and adds to `len` itself. */
uint8_t *slot_queue_room(struct slot_queue *queue, size_t len);
/** 0, or -1 when out of memory. */
int slot_queue_add(struct slot_queue *queue, const void *data, size_t len);
/** The first `len` waiting bytes were written. */
void slot_queue_consume(struct slot_queue *queue, size_t len);

/** A task as the agent writes it and a slot reads it. */
struct slot_task {
    uint64_t job, index;
    uint32_t attempt;
    struct belt_bytes function, argument, payload;
};

/** Each appends one message; 0, or -1 when out of memory. */
int slot_write_task(struct slot_queue *queue, const struct slot_task *task);
/** All but the payload: the caller sends it right behind. */
int slot_write_task_line(struct slot_queue *queue, const struct slot_task *task);
/** The same with a payload that lies at `at` in memory that both share: nothing is sent behind the argument. */
int slot_write_task_at(struct slot_queue *queue, const struct slot_task *task, size_t at);
int slot_write_hello(struct slot_queue *queue);
/** In place of the hello: the slot cannot serve, and why. */
int slot_write_unable(struct slot_queue *queue, struct belt_bytes text);
/** Answers of C functions are marked with their task; NULL: they are not. */
int slot_write_ok(struct slot_queue *queue, const struct slot_task *task, struct belt_bytes payload,
                  uint64_t service_us);
/** The line alone: the caller sends a payload of `len` bytes right behind it. */
int slot_write_ok_line(struct slot_queue *queue, const struct slot_task *task, size_t len, uint64_t service_us);
/** The payload lies at `at` in memory that both share. */
int slot_write_ok_at(struct slot_queue *queue, const struct slot_task *task, size_t len, uint64_t service_us,
                     size_t at);
int slot_write_fail(struct slot_queue *queue, const struct slot_task *task, unsigned code, struct belt_bytes text,
                    struct belt_bytes payload, uint64_t service_us);
int slot_write_progress(struct slot_queue *queue, uint64_t done, uint64_t total);

enum slot_side {
    SLOT_SIDE_AGENT, /* reads what slots write */
    SLOT_SIDE_SLOT,  /* reads tasks */
    SLOT_SIDE_FILTER /* reads lines, each an answer */
};

enum slot_got {
    SLOT_GOT_NOTHING, /* more bytes are needed */
    SLOT_GOT_HELLO,
    SLOT_GOT_UNABLE, /* the text says why */
    SLOT_GOT_OK,
    SLOT_GOT_FAIL,
    SLOT_GOT_PROGRESS,
    SLOT_GOT_TASK,
    SLOT_GOT_BAD,  /* not the protocol: slot_reader.error says what; final */
    SLOT_GOT_LARGE /* a length over the limit: likewise */
};

/** One message; its bytes are valid until the next slot_reader_room() or slot_reader_next(). */
struct slot_got_message {
    struct belt_bytes text, payload;
    struct belt_payload kept; /* a large payload once more, in a buffer to share; borrowed like the bytes */
    bool shared;              /* OK, TASK: the payload lies in slot_reader.shared, and stays there */
    bool timed;               /* the slot measured service_us itself */
    bool named, marked;       /* OK, FAIL: the answer names its task, or says the last digit of its index */
    uint8_t mark;
    uint64_t job, index;
    uint64_t service_us;
    unsigned code; /* FAIL: TASK_FAILED unless the slot said otherwise */
    uint64_t done, total;
    struct slot_task task;
};

struct slot_reader {
    enum slot_side side;
    uint32_t max_payload;
    struct belt_bytes shared; /* memory of both sides, in which payloads may lie; set by the caller. Else of length 0 */
    bool broken;
    uint8_t *data;
    size_t pos, len, cap;   /* [pos, len) is not parsed yet */
    size_t scanned;         /* no newline in [pos, pos + scanned) */
    unsigned small;         /* uses in a row that needed little of it */
    struct belt_buf *large; /* an answer's payload that is read to where it stays; NULL: none */
    size_t large_at;        /* so much of it is there */
    bool large_told;        /* it was whole, and its message is told */
    uint64_t large_us;      /* what its line said, and the next six */
    bool large_timed, large_named, large_marked;
    uint8_t large_mark;
    uint64_t large_job, large_index;
    char error[256];
};

void slot_reader_init(struct slot_reader *reader, enum slot_side side, uint32_t max_payload);
void slot_reader_free(struct slot_reader *reader);
/** Where to read more into, at least a page or up to the end of a large payload; NULL when out of memory. */
uint8_t *slot_reader_room(struct slot_reader *reader, size_t *room);
/** So many bytes were read there. */
void slot_reader_filled(struct slot_reader *reader, size_t len);
enum slot_got slot_reader_next(struct slot_reader *reader, struct slot_got_message *message);
/** Whether bytes wait that slot_reader_next() has not consumed. */
bool slot_reader_pending(const struct slot_reader *reader);

#endif
