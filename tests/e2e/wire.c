/* SPDX-License-Identifier: Apache-2.0
 *
 * See wire.h. Answers of the broker are trusted: msgpack_unpack reads them (of strangers it could not).
 */
#include "tests/e2e/wire.h"

#include <criterion/criterion.h>

void wire_open(struct wire *wire, const char *endpoint)
{
    zsys_handler_set(NULL);
    memset(wire, 0, sizeof(*wire));
    wire->socket = zsock_new(ZMQ_DEALER);
    cr_assert_not_null(wire->socket);
    zsock_set_linger(wire->socket, 0);
    zsock_set_sndhwm(wire->socket, 0);
    cr_assert_eq(zsock_connect(wire->socket, "%s", endpoint), 0);
    msgpack_sbuffer_init(&wire->header);
    msgpack_packer_init(&wire->pack, &wire->header, msgpack_sbuffer_write);
    msgpack_unpacked_init(&wire->unpacked);
}

void wire_close(struct wire *wire)
{
    zsock_destroy(&wire->socket);
    zmsg_destroy(&wire->message);
    zmsg_destroy(&wire->attachments);
    msgpack_sbuffer_destroy(&wire->header);
    msgpack_unpacked_destroy(&wire->unpacked);
}

void wire_begin(struct wire *wire, unsigned type, unsigned fields)
{
    msgpack_sbuffer_clear(&wire->header);
    zmsg_destroy(&wire->attachments);
    wire->attachments = zmsg_new();
    wire->sent = type == HELLO ? 0 : wire->sent + 1;
    msgpack_pack_array(&wire->pack, 2 + fields);
    msgpack_pack_uint64(&wire->pack, type);
    msgpack_pack_uint64(&wire->pack, wire->sent);
}

void wire_text(struct wire *wire, const char *text)
{
    msgpack_pack_str(&wire->pack, strlen(text));
    msgpack_pack_str_body(&wire->pack, text, strlen(text));
}

void wire_uint(struct wire *wire, uint64_t value)
{
    msgpack_pack_uint64(&wire->pack, value);
}

void wire_payload(struct wire *wire, const void *bytes, size_t len)
{
    if (len <= INLINE_MAX) {
        msgpack_pack_bin(&wire->pack, len);
        msgpack_pack_bin_body(&wire->pack, bytes, len);
        return;
    }
    msgpack_pack_uint64(&wire->pack, len);
    zmsg_addmem(wire->attachments, bytes, len);
}

void wire_send(struct wire *wire)
{
    zmsg_pushmem(wire->attachments, wire->header.data, wire->header.size);
    cr_assert_eq(zmsg_send(&wire->attachments, wire->socket), 0);
}

void wire_send_raw(struct wire *wire, const void *bytes, size_t len)
{
    zframe_t *frame = zframe_new(bytes, len);

    cr_assert_eq(zframe_send(&frame, wire->socket, 0), 0);
}

void wire_say(struct wire *wire, unsigned type, unsigned count, const uint64_t *fields)
{
    wire_begin(wire, type, count);
    for (unsigned i = 0; i < count; i++)
        wire_uint(wire, fields[i]);
    wire_send(wire);
}

static void props(struct wire *wire, const char *const *functions)
{
    uint32_t count = 0;

    if (!functions) {
        msgpack_pack_map(&wire->pack, 0);
        return;
    }
    while (functions[count])
        count++;
    msgpack_pack_map(&wire->pack, 4);
    wire_text(wire, "slots");
    wire_uint(wire, 2);
    wire_text(wire, "window_items");
    wire_uint(wire, 8);
    wire_text(wire, "window_bytes");
    wire_uint(wire, 1 << 20);
    wire_text(wire, "functions");
    msgpack_pack_array(&wire->pack, count);
    for (uint32_t i = 0; i < count; i++)
        wire_text(wire, functions[i]);
}

void wire_hello_as(struct wire *wire, unsigned version, unsigned role, const char *const *functions)
{
    uint8_t session[16];

    for (size_t i = 0; i < sizeof(session); i++)
        session[i] = (uint8_t)randof(256);
    wire_begin(wire, HELLO, 5);
    wire_uint(wire, version);
    wire_uint(wire, role);
    msgpack_pack_bin(&wire->pack, sizeof(session));
    msgpack_pack_bin_body(&wire->pack, session, sizeof(session));
    wire_text(wire, "independent");
    props(wire, functions);
    wire_send(wire);
}

void wire_hello(struct wire *wire, unsigned role, const char *const *functions)
{
    wire_hello_as(wire, VERSION, role, functions);
    wire_expect(wire, WELCOME);
    cr_assert_eq(wire_field(wire, 0), VERSION);
    cr_assert_neq(wire_field(wire, 1), 0);
    if (role != WORKER)
        return;
    wire_begin(wire, SYNC, 2);
    msgpack_pack_array(&wire->pack, 0);
    msgpack_pack_false(&wire->pack);
    wire_send(wire);
}

bool wire_receive(struct wire *wire, int ms)
{
    zmq_pollitem_t item = {.socket = zsock_resolve(wire->socket), .events = ZMQ_POLLIN};
    zframe_t *header;
    size_t offset = 0;
    uint64_t seq;

    if (zmq_poll(&item, 1, ms) != 1)
        return false;
    zmsg_destroy(&wire->message);
    wire->message = zmsg_recv(wire->socket);
    cr_assert_not_null(wire->message);
    header = zmsg_first(wire->message);
    cr_assert_eq(msgpack_unpack_next(&wire->unpacked, (const char *)zframe_data(header), zframe_size(header), &offset),
                 MSGPACK_UNPACK_SUCCESS);
    cr_assert_eq(offset, zframe_size(header), "bytes after the array");
    cr_assert_eq(wire->unpacked.data.type, MSGPACK_OBJECT_ARRAY);
    wire->field = wire->unpacked.data.via.array.ptr + 2;
    wire->fields = wire->unpacked.data.via.array.size - 2;
    wire->type = wire->field[-2].via.u64;
    seq = wire->field[-1].via.u64;
    if (wire->type == WELCOME)
        wire->expected = 0;
    cr_assert(seq == wire->expected || (wire->type == ERROR && seq == 0), "seq %" PRIu64 ", expected %" PRIu64, seq,
              wire->expected);
    if (seq == wire->expected)
        wire->expected++;
    return true;
}

void wire_expect(struct wire *wire, unsigned type)
{
    do {
        cr_assert(wire_receive(wire, ANSWER_MS), "message %u does not come", type);
        cr_assert(wire->type == type || wire->type != ERROR, "ERROR %" PRIu64 " instead of message %u: %.*s",
                  wire_field(wire, 2), type, (int)wire->field[3].via.str.size, wire->field[3].via.str.ptr);
    } while (wire->type != type);
}

void wire_expect_error(struct wire *wire, unsigned code)
{
    wire_expect(wire, ERROR);
    cr_assert_eq(wire_field(wire, 2), code, "ERROR %" PRIu64 " instead of %u: %.*s", wire_field(wire, 2), code,
                 (int)wire->field[3].via.str.size, wire->field[3].via.str.ptr);
    cr_assert_gt(wire->field[3].via.str.size, 0, "an error says what is wrong");
}

uint64_t wire_field(const struct wire *wire, uint32_t i)
{
    cr_assert_lt(i, wire->fields);
    cr_assert_eq(wire->field[i].type, MSGPACK_OBJECT_POSITIVE_INTEGER);
    return wire->field[i].via.u64;
}

const void *wire_bytes(const struct wire *wire, const msgpack_object *object, unsigned *next, size_t *len)
{
    zframe_t *frame;

    if (object->type == MSGPACK_OBJECT_BIN) {
        *len = object->via.bin.size;
        return object->via.bin.ptr;
    }
    frame = zmsg_first(wire->message);
    for (unsigned i = 0; i <= *next; i++)
        frame = zmsg_next(wire->message);
    ++*next;
    cr_assert_not_null(frame);
    *len = zframe_size(frame);
    cr_assert_eq(*len, object->via.u64);
    return zframe_data(frame);
}

uint64_t wire_job(struct wire *wire, const char *function, uint64_t window)
{
    wire_begin(wire, OPEN, 4);
    wire_uint(wire, 77);
    wire_text(wire, "");
    wire_text(wire, function);
    msgpack_pack_map(&wire->pack, 1);
    wire_text(wire, "window_items");
    wire_uint(wire, window);
    wire_send(wire);
    wire_expect(wire, OPENED);
    cr_assert_eq(wire_field(wire, 0), 77);
    return wire_field(wire, 1);
}
