/* SPDX-License-Identifier: Apache-2.0
 *
 * A peer written from proto/PROTOCOL.md alone, with czmq and msgpack-c: nothing of Belt's own codec or session is in
 * it.
 */
#ifndef BELT_TEST_WIRE_H
#define BELT_TEST_WIRE_H

#include <czmq.h>
#include <msgpack.h>

#define VERSION    1
#define CLIENT     1
#define WORKER     2
#define INLINE_MAX 16384u
#define ANSWER_MS  20000

/* §5 */
enum {
    HELLO = 1,
    WELCOME,
    ERROR,
    PING,
    PONG,
    BYE,
    OPEN = 10,
    OPENED,
    PUSH,
    ACCEPTED,
    END,
    ENDED,
    SUBSCRIBE,
    SUBSCRIBED,
    DELIVER,
    ACK,
    DONE,
    DETACH,
    CANCEL,
    CANCELLED,
    NOTICE,
    STATUS,
    REPORT,
    SYNC = 40,
    DISPATCH,
    RESULTS,
    RECORDED,
    RECALL,
    RETURNED,
    DROP,
    LEAVING,
    PROGRESS
};
/* codes.h */
enum {
    BAD_MESSAGE = 32,
    BAD_VERSION,
    BAD_ROLE,
    SYNC_LOST,
    UNKNOWN_JOB,
    UNKNOWN_READER,
    BAD_OPTION,
    TOO_LARGE,
    LIMIT,
    DRAINING,
    NOT_DURABLE,
    NOT_ALLOWED,
    GONE,
    JOB_ENDED
};

struct wire {
    zsock_t *socket;
    uint64_t sent, expected; /* §6.2: number of the last message sent, and of the next to come */
    /* the message that is being written */
    msgpack_sbuffer header;
    msgpack_packer pack;
    zmsg_t *attachments;
    /* the last that came */
    zmsg_t *message;
    msgpack_unpacked unpacked;
    uint64_t type;
    const msgpack_object *field; /* those behind type and seq */
    uint32_t fields;
};

void wire_open(struct wire *wire, const char *endpoint);
void wire_close(struct wire *wire);

/** Starts a message; its fields follow with msgpack_pack_* on &wire->pack, then wire_send(). */
void wire_begin(struct wire *wire, unsigned type, unsigned fields);
void wire_text(struct wire *wire, const char *text);
void wire_uint(struct wire *wire, uint64_t value);
/** Inline or as an attachment, as §4 says. */
void wire_payload(struct wire *wire, const void *bytes, size_t len);
void wire_send(struct wire *wire);
/** Header and nothing else, as it is. */
void wire_send_raw(struct wire *wire, const void *bytes, size_t len);
/** Fields that are all unsigned. */
void wire_say(struct wire *wire, unsigned type, unsigned count, const uint64_t *fields);
#define SAY(wire, type, ...)                                                                                           \
    wire_say(wire, type, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), (const uint64_t[]){__VA_ARGS__})

/** HELLO. `functions`: of a worker, NULL-terminated. */
void wire_hello_as(struct wire *wire, unsigned version, unsigned role, const char *const *functions);
/** The same with what is right, and takes the WELCOME; of a worker: an empty SYNC. */
void wire_hello(struct wire *wire, unsigned role, const char *const *functions);
/** Takes the next message. False: none within `ms`. Fails the test when its seq is not the next. */
bool wire_receive(struct wire *wire, int ms);
/** Takes messages until one of this type; fails the test when none comes. */
void wire_expect(struct wire *wire, unsigned type);
/** The same for an ERROR of this code. */
void wire_expect_error(struct wire *wire, unsigned code);
uint64_t wire_field(const struct wire *wire, uint32_t i);
/** Bytes of a payload at `object`: of the header, or of attachment `*next`, which is counted up. */
const void *wire_bytes(const struct wire *wire, const msgpack_object *object, unsigned *next, size_t *len);
/** OPEN without a key; returns the job. */
uint64_t wire_job(struct wire *wire, const char *function, uint64_t window);

#endif
