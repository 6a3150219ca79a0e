/* SPDX-License-Identifier: Apache-2.0
 *
 * A client and a worker that were written from proto/PROTOCOL.md alone (wire.h), against the real broker.
 */
#include "tests/e2e/stage.h"
#include "tests/e2e/wire.h"

#include <criterion/criterion.h>

static struct stage stage;

static void open_stage(void)
{
    stage_open(&stage, STAGE_TCP, false, WORDS("--max-payload", "1M", "--memory-budget", "64M", "--lease", "5s"));
}

static void close_stage(void)
{
    stage_close(&stage);
}

TestSuite(wire_peers, .init = open_stage, .fini = close_stage);

#define TASKS 200u

struct conforming {
    struct wire client, worker;
    uint64_t job, sub, grant, pushed, delivered, numbered;
    bool done;
};

/* A task's payload: its index, and for some so many bytes that it travels as an attachment. */
static size_t task_payload(uint64_t index, uint8_t *bytes)
{
    size_t len = index % 50 == 7 ? 40000 : 9;

    memset(bytes, (int)index, len);
    memcpy(bytes, &index, sizeof(index));
    return len;
}

static void push_granted(struct conforming *it)
{
    static uint8_t bytes[40000];
    uint64_t upto = it->grant < TASKS ? it->grant : TASKS;

    if (it->pushed >= upto)
        return;
    wire_begin(&it->client, PUSH, 3);
    wire_uint(&it->client, it->job);
    wire_uint(&it->client, it->pushed);
    msgpack_pack_array(&it->client.pack, upto - it->pushed);
    for (; it->pushed < upto; it->pushed++)
        wire_payload(&it->client, bytes, task_payload(it->pushed, bytes));
    wire_send(&it->client);
    if (it->pushed == TASKS)
        SAY(&it->client, END, it->job, TASKS);
}

/* Deliveries are checked, taken and acknowledged. */
static void take_deliveries(struct conforming *it)
{
    const msgpack_object *results = &it->client.field[2];
    static uint8_t wanted[40000];
    unsigned next = 0;

    cr_assert_eq(wire_field(&it->client, 0), it->sub);
    cr_assert_eq(wire_field(&it->client, 1), it->delivered, "a gap in the deliveries");
    for (uint32_t i = 0; i < results->via.array.size; i++) {
        const msgpack_object *result = results->via.array.ptr[i].via.array.ptr;
        size_t len;
        const void *bytes = wire_bytes(&it->client, &result[4], &next, &len);

        cr_assert_eq(result[0].via.u64, it->delivered, "ordered by index");
        cr_assert_eq(result[2].via.u64, 0);
        cr_assert_eq(len, task_payload(it->delivered++, wanted));
        cr_assert_eq(memcmp(bytes, wanted, len), 0);
    }
    wire_begin(&it->client, ACK, 4);
    wire_uint(&it->client, it->sub);
    wire_uint(&it->client, it->delivered);
    wire_uint(&it->client, it->delivered + 16);
    wire_uint(&it->client, UINT64_MAX);
    wire_send(&it->client);
}

static void client_turn(struct conforming *it)
{
    if (it->client.type == ACCEPTED) {
        it->grant = wire_field(&it->client, 2);
        push_granted(it);
    } else if (it->client.type == DELIVER) {
        take_deliveries(it);
    } else if (it->client.type == DONE) {
        cr_assert_eq(wire_field(&it->client, 1), TASKS);
        cr_assert_eq(wire_field(&it->client, 2), 0);
        it->done = true;
    } else {
        cr_assert(it->client.type == ENDED || it->client.type == NOTICE || it->client.type == PONG,
                  "message %" PRIu64 " is not expected", it->client.type);
    }
}

/* Answers each task of a DISPATCH with its own payload. */
static void worker_turn(struct conforming *it)
{
    struct wire *wire = &it->worker;
    const msgpack_object *tasks;
    unsigned next = 0;

    if (wire->type != DISPATCH)
        return;
    tasks = &wire->field[3];
    wire_begin(wire, RESULTS, 3);
    wire_uint(wire, it->numbered);
    wire_uint(wire, wire_field(wire, 0));
    msgpack_pack_array(&wire->pack, tasks->via.array.size);
    for (uint32_t i = 0; i < tasks->via.array.size; i++, it->numbered++) {
        const msgpack_object *task = tasks->via.array.ptr[i].via.array.ptr;
        size_t len;
        const void *bytes = wire_bytes(wire, &task[2], &next, &len);

        msgpack_pack_array(&wire->pack, 6);
        wire_uint(wire, task[0].via.u64);
        wire_uint(wire, task[1].via.u64);
        wire_uint(wire, 0);
        wire_uint(wire, 5);
        wire_payload(wire, bytes, len);
        msgpack_pack_nil(&wire->pack);
    }
    wire_send(wire);
}

Test(wire_peers, a_client_and_a_worker_written_from_the_document)
{
    struct conforming it = {.numbered = 0};

    wire_open(&it.client, stage.clients);
    wire_open(&it.worker, stage.workers);
    wire_hello(&it.worker, WORKER, WORDS("own"));
    wire_hello(&it.client, CLIENT, NULL);
    it.job = wire_job(&it.client, "own", 32);
    it.grant = wire_field(&it.client, 4);
    cr_assert_eq(it.grant, 32);
    wire_begin(&it.client, SUBSCRIBE, 7);
    wire_uint(&it.client, 78);
    wire_uint(&it.client, it.job);
    wire_text(&it.client, "reader");
    wire_uint(&it.client, 0);
    msgpack_pack_nil(&it.client.pack);
    wire_uint(&it.client, 16);
    wire_uint(&it.client, UINT64_MAX);
    wire_send(&it.client);
    wire_expect(&it.client, SUBSCRIBED);
    it.sub = wire_field(&it.client, 2);
    cr_assert_eq(wire_field(&it.client, 3), 0);
    push_granted(&it);
    for (int64_t end = zclock_mono() + BOUND_MS; !it.done;) {
        cr_assert_lt(zclock_mono(), end, "stuck after %" PRIu64 " deliveries", it.delivered);
        while (wire_receive(&it.worker, 1))
            worker_turn(&it);
        while (!it.done && wire_receive(&it.client, 1))
            client_turn(&it);
    }
    cr_assert_eq(it.delivered, TASKS);
    wire_begin(&it.worker, BYE, 1);
    wire_text(&it.worker, "done");
    wire_send(&it.worker);
    wire_close(&it.worker);
    wire_close(&it.client);
}
