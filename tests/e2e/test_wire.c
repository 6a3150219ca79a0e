/* SPDX-License-Identifier: Apache-2.0
 *
 * Peers that were written from proto/PROTOCOL.md alone (wire.h) and do not keep to it, against the real broker.
 * Whatever they do, the broker stays up, its memory stays bounded, and honest work goes on.
 */
#include "tests/e2e/stage.h"
#include "tests/e2e/wire.h"

#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <sys/socket.h>

/* The broker's memory under all of this. */
#ifdef BELT_SANITIZED
#define BOUND_KIB (2048L << 10) /* freed memory is kept for a while */
#else
#define BOUND_KIB (400L << 10)
#endif

static struct stage stage;
static struct process *honest_worker;

static void open_stage(void)
{
    stage_open(&stage, STAGE_TCP, false, WORDS("--max-payload", "1M", "--memory-budget", "64M", "--lease", "5s"));
    honest_worker = stage_worker(&stage, STAGE_C, "2");
}

/* An honest job runs, and the broker is the one that it was and no larger than it may be. */
static void close_stage(void)
{
    char *input = stage_numbers(50, ":1");
    struct process *map = stage_run(&stage, input, 0, WORDS("map", "f"));
    long kib = process_rss_kib(stage.broker);

    stage_expect(process_out(map), 50, true);
    process_free(map);
    free(input);
    cr_assert_gt(kib, 0);
    cr_assert_lt(kib, BOUND_KIB, "the broker has grown to %ld KiB", kib);
    stage_stop_worker(honest_worker);
    stage_close(&stage);
}

TestSuite(wire, .init = open_stage, .fini = close_stage);

#define NEVER_USED 0xc1 /* no value of MessagePack begins with this byte */

static void client(struct wire *wire)
{
    wire_open(wire, stage.clients);
    wire_hello(wire, CLIENT, NULL);
}

/* What was refused has changed nothing: the connection goes on. */
static void goes_on(struct wire *wire)
{
    wire_begin(wire, PING, 0);
    wire_send(wire);
    wire_expect(wire, PONG);
}

Test(wire, garbage_before_and_after_hello)
{
    struct wire wire, stranger;
    uint8_t bytes[300];

    wire_open(&stranger, stage.workers);
    client(&wire);
    for (int i = 0; i < 2000; i++) {
        size_t len = 1 + (size_t)randof(sizeof(bytes));
        for (size_t at = 0; at < len; at++)
            bytes[at] = (uint8_t)randof(256);
        bytes[0] = (uint8_t)(bytes[0] == 0x90 ? 0x91 : bytes[0]);
        /* A message of type 1 is a HELLO, whatever follows it, and may be told that its version is the fault. */
        if (len > 1)
            bytes[1] = (uint8_t)(bytes[1] == HELLO ? NEVER_USED : bytes[1]);
        wire_send_raw(&stranger, bytes, len);
        wire_send_raw(&wire, bytes, len);
        wire.sent++; /* a dropped message counts as received */
        wire_expect_error(&wire, BAD_MESSAGE);
    }
    wire_expect(&stranger, ERROR);
    goes_on(&wire);
    wire_close(&stranger);
    wire_close(&wire);
}

Test(wire, counts_that_the_bytes_do_not_hold)
{
    static const uint8_t bombs[][8] = {{0xdd, 0xff, 0xff, 0xff, 0xff},
                                       {0x95, 12, 1, 0xdf, 0x7f, 0xff, 0xff, 0xff},
                                       {0x95, 12, 1, 1, 0, 0xdd, 0x20, 0},
                                       {0xc6, 0xff, 0xff, 0xff, 0xff}};
    struct wire wire;

    client(&wire);
    for (size_t i = 0; i < sizeof(bombs) / sizeof(*bombs); i++) {
        wire_send_raw(&wire, bombs[i], sizeof(bombs[i]));
        wire.sent++;
        wire_expect_error(&wire, BAD_MESSAGE);
    }
    goes_on(&wire);
    wire_close(&wire);
}

Test(wire, truncated_at_every_byte)
{
    struct wire wire;
    uint64_t job;
    char whole[200];
    size_t len;

    client(&wire);
    job = wire_job(&wire, "nobody", 10);
    for (size_t cut = 1;; cut++) {
        wire_begin(&wire, PUSH, 3);
        wire_uint(&wire, job);
        wire_uint(&wire, 0);
        msgpack_pack_array(&wire.pack, 2);
        wire_payload(&wire, "hello", 5);
        wire_payload(&wire, "world", 5);
        len = wire.header.size;
        memcpy(whole, wire.header.data, len);
        if (cut == len)
            break;
        wire_send_raw(&wire, whole, cut);
        wire_expect_error(&wire, BAD_MESSAGE);
    }
    wire_send_raw(&wire, whole, len);
    wire_expect(&wire, ACCEPTED);
    cr_assert_eq(wire_field(&wire, 1), 2, "only the whole message counts");
    wire_close(&wire);
}

Test(wire, too_large)
{
    struct wire wire;
    size_t len = 1200 << 10; /* over --max-payload */
    uint8_t *bytes = calloc(1, 3 << 20);
    uint64_t job;

    client(&wire);
    job = wire_job(&wire, "nobody", 10);
    wire_begin(&wire, PUSH, 3);
    wire_uint(&wire, job);
    wire_uint(&wire, 0);
    msgpack_pack_array(&wire.pack, 1);
    wire_payload(&wire, bytes, len);
    wire_send(&wire);
    wire_expect_error(&wire, TOO_LARGE);
    cr_assert_eq(wire_field(&wire, 1), job);
    goes_on(&wire); /* on the same connection */
    /* The transport cuts off what is longer than the frame that WELCOME has named. */
    wire_send_raw(&wire, bytes, 3 << 20);
    wire_close(&wire);
    client(&wire);
    goes_on(&wire);
    wire_close(&wire);
    free(bytes);
}

Test(wire, unknown_messages_and_those_of_other_roles)
{
    struct wire wire;

    client(&wire);
    SAY(&wire, 99, 1);
    wire_expect_error(&wire, BAD_MESSAGE);
    SAY(&wire, CANCELLED, 1, 1);
    wire_expect_error(&wire, BAD_MESSAGE);
    wire_begin(&wire, LEAVING, 0);
    wire_send(&wire);
    wire_expect_error(&wire, BAD_MESSAGE);
    wire_begin(&wire, OPEN, 4);
    wire_uint(&wire, 1);
    wire_text(&wire, "");
    wire_text(&wire, "f");
    msgpack_pack_map(&wire.pack, 1);
    wire_text(&wire, "colour");
    wire_text(&wire, "blue");
    wire_send(&wire);
    wire_expect_error(&wire, BAD_OPTION);
    goes_on(&wire);
    wire_close(&wire);
}

static void refused_hello(const char *endpoint, unsigned version, unsigned role, unsigned code)
{
    struct wire wire;

    wire_open(&wire, endpoint);
    wire_hello_as(&wire, version, role, role == WORKER ? WORDS("f") : NULL);
    wire_expect_error(&wire, code);
    wire_close(&wire);
}

Test(wire, another_version_or_role)
{
    struct wire wire;

    refused_hello(stage.clients, 2, CLIENT, BAD_VERSION);
    refused_hello(stage.clients, 0, CLIENT, BAD_VERSION);
    refused_hello(stage.clients, VERSION, WORKER, BAD_ROLE);
    refused_hello(stage.workers, VERSION, CLIENT, BAD_ROLE);
    wire_open(&wire, stage.clients);
    SAY(&wire, END, 1, 1); /* no hello at all */
    wire_expect_error(&wire, SYNC_LOST);
    wire_close(&wire);
}

Test(wire, a_gap_in_the_sequence)
{
    struct wire wire;

    client(&wire);
    wire.sent += 3;
    wire_begin(&wire, PING, 0);
    wire_send(&wire);
    wire_expect_error(&wire, SYNC_LOST);
    wire_hello(&wire, CLIENT, NULL);
    goes_on(&wire);
    wire_close(&wire);
}

Test(wire, endless_frames)
{
    struct wire wire;

    client(&wire);
    for (int i = 0; i < 100000; i++) {
        zframe_t *frame = zframe_new("x", 1);
        cr_assert_eq(zframe_send(&frame, wire.socket, ZFRAME_MORE), 0);
    }
    wire_send_raw(&wire, "x", 1);
    wire.sent++;
    wire_expect(&wire, ERROR);
    zframe_t *header = zframe_new("\x94\x0e\x02\x07\x00", 5); /* END of job 7 with 100 attachments */
    cr_assert_eq(zframe_send(&header, wire.socket, ZFRAME_MORE), 0);
    for (int i = 0; i < 100; i++) {
        zframe_t *frame = zframe_new("x", 1);
        cr_assert_eq(zframe_send(&frame, wire.socket, i < 99 ? ZFRAME_MORE : 0), 0);
    }
    wire.sent++;
    wire_expect_error(&wire, BAD_MESSAGE);
    cr_assert_eq(wire_field(&wire, 1), 7, "the header tells what it is about");
    wire_close(&wire);
}

static void subscribe(struct wire *wire, uint64_t job, const char *reader)
{
    wire_begin(wire, SUBSCRIBE, 7);
    wire_uint(wire, 5);
    wire_uint(wire, job);
    wire_text(wire, reader);
    wire_uint(wire, 0);
    msgpack_pack_nil(&wire->pack);
    wire_uint(wire, UINT64_MAX);
    wire_uint(wire, UINT64_MAX);
    wire_send(wire);
}

Test(wire, other_peoples_jobs)
{
    struct wire owner, thief;
    uint64_t job;

    client(&owner);
    client(&thief);
    job = wire_job(&owner, "nobody", 10);
    subscribe(&owner, job, "r1");
    wire_expect(&owner, SUBSCRIBED);
    wire_begin(&thief, PUSH, 3);
    wire_uint(&thief, job);
    wire_uint(&thief, 0);
    msgpack_pack_array(&thief.pack, 1);
    wire_payload(&thief, "mine", 4);
    wire_send(&thief);
    wire_expect(&thief, ERROR);
    SAY(&thief, END, job, 0);
    wire_expect(&thief, ERROR);
    SAY(&thief, CANCEL, 9, job);
    wire_expect_error(&thief, NOT_ALLOWED);
    subscribe(&thief, job, "r1"); /* would take the owner's results away */
    wire_expect_error(&thief, NOT_ALLOWED);
    SAY(&thief, ACK, wire_field(&owner, 2), 1, 1, 1);
    wire_expect_error(&thief, UNKNOWN_READER);
    SAY(&thief, CANCEL, 9, job + 1000);
    wire_expect_error(&thief, UNKNOWN_JOB);
    goes_on(&owner);
    wire_close(&thief);
    wire_close(&owner);
}

Test(wire, credit_that_was_not_given)
{
    struct wire wire;
    uint64_t job, sub;

    client(&wire);
    job = wire_job(&wire, "nobody", 4);
    wire_begin(&wire, PUSH, 3);
    wire_uint(&wire, job);
    wire_uint(&wire, 0);
    msgpack_pack_array(&wire.pack, 5);
    for (int i = 0; i < 5; i++)
        wire_payload(&wire, "x", 1);
    wire_send(&wire);
    wire_expect_error(&wire, BAD_MESSAGE);
    subscribe(&wire, job, "r");
    wire_expect(&wire, SUBSCRIBED);
    sub = wire_field(&wire, 2);
    SAY(&wire, ACK, sub, UINT64_MAX, UINT64_MAX, UINT64_MAX);
    wire_expect_error(&wire, BAD_MESSAGE);
    SAY(&wire, END, job, 1000);
    wire_expect_error(&wire, SYNC_LOST);
    goes_on(&wire);
    wire_close(&wire);
}

static void result(struct wire *wire, uint64_t number, uint64_t job, uint64_t index)
{
    wire_begin(wire, RESULTS, 3);
    wire_uint(wire, number);
    wire_uint(wire, job);
    msgpack_pack_array(&wire->pack, 1);
    msgpack_pack_array(&wire->pack, 6);
    wire_uint(wire, index);
    wire_uint(wire, 1);
    wire_uint(wire, 0);
    wire_uint(wire, 1);
    wire_payload(wire, "forged", 6);
    msgpack_pack_nil(&wire->pack);
    wire_send(wire);
}

Test(wire, results_that_nobody_asked_for)
{
    struct wire wire, owner;
    uint64_t job;

    client(&owner);
    job = wire_job(&owner, "nobody", 10);
    wire_open(&wire, stage.workers);
    wire_hello(&wire, WORKER, WORDS("other"));
    result(&wire, 0, job, 0);
    result(&wire, 1, 987654, 3);
    result(&wire, 2, job, UINT64_MAX - 1);
    do {
        wire_expect(&wire, RECORDED);
    } while (wire_field(&wire, 0) < 3);
    cr_assert_eq(stage_number(&stage, "broker", "stale"), 3);
    cr_assert_eq(stage_number(&stage, "broker", "done"), 0);
    wire_close(&wire);
    wire_close(&owner);
}

Test(wire, jobs_and_subscriptions_up_to_their_limits)
{
    struct wire wire;
    char reader[16];
    uint64_t job;
    unsigned opened = 0;

    client(&wire);
    job = wire_job(&wire, "nobody", 1);
    for (int i = 0; i < 64; i++) {
        snprintf(reader, sizeof(reader), "r%d", i);
        subscribe(&wire, job, reader);
        wire_expect(&wire, SUBSCRIBED);
    }
    subscribe(&wire, job, "one-more");
    wire_expect_error(&wire, LIMIT);
    for (int i = 0; i < 70000; i++) {
        wire_begin(&wire, OPEN, 4);
        wire_uint(&wire, 6);
        wire_text(&wire, "");
        wire_text(&wire, "nobody");
        msgpack_pack_map(&wire.pack, 0);
        wire_send(&wire);
        while (wire_receive(&wire, i % 100 == 99 ? ANSWER_MS : 0) && wire.type != ERROR && i % 100 == 99 &&
               ++opened % 100 != 0)
            ;
        if (wire.type == ERROR)
            break;
    }
    while (wire.type != ERROR)
        cr_assert(wire_receive(&wire, ANSWER_MS));
    cr_assert_eq(wire_field(&wire, 2), LIMIT);
    wire_begin(&wire, BYE, 1); /* its jobs go with it: there is room again */
    wire_text(&wire, "");
    wire_send(&wire);
    zclock_sleep(200);
    wire_close(&wire);
}

Test(wire, a_peer_that_never_reads)
{
    struct wire wire;

    client(&wire);
    for (int i = 0; i < 300000; i++) {
        wire_begin(&wire, STATUS, 3);
        wire_uint(&wire, 1);
        wire_uint(&wire, 4);
        wire_text(&wire, "");
        wire_send(&wire);
    }
    stage_number(&stage, "broker", "clients");
    wire_close(&wire);
}

Test(wire, floods_of_connections_and_hellos)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct wire wire;
    int fds[400];

    address.sin_port = htons((uint16_t)atoi(strrchr(stage.clients, ':') + 1));
    for (int i = 0; i < 400; i++) { /* half-open: never a word */
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(connect(fds[i], (struct sockaddr *)&address, sizeof(address)), 0);
    }
    wire_open(&wire, stage.clients);
    for (int i = 0; i < 20000; i++) /* a session each */
        wire_hello_as(&wire, VERSION, CLIENT, NULL);
    do {
        cr_assert(wire_receive(&wire, ANSWER_MS));
    } while (wire.type == WELCOME && wire_receive(&wire, 300));
    for (int i = 0; i < 400; i++)
        close(fds[i]);
    wire_close(&wire);
    /* Who is there already is served; new ones are, once the leases of the false ones are over. */
    for (int64_t end = zclock_mono() + BOUND_MS;; zclock_sleep(200)) {
        struct process *ping = stage_belt(&stage, NULL, WORDS("ping", "--connect-timeout", "2s"));
        bool well = process_wait(ping, BOUND_MS) && process_status(ping) == 0;
        process_free(ping);
        if (well)
            break;
        cr_assert_lt(zclock_mono(), end, "no client gets in any more");
    }
}

Test(wire, routing_ids_of_their_own_choice)
{
    struct wire one, two;
    static const char id[] = "\x01\x6b\x8b\x45\x67";

    for (int i = 0; i < 2; i++) {
        struct wire *wire = i ? &two : &one;
        wire_open(wire, stage.clients);
        zsock_disconnect(wire->socket, "%s", stage.clients);
        zmq_setsockopt(zsock_resolve(wire->socket), ZMQ_ROUTING_ID, id, 5);
        cr_assert_eq(zsock_connect(wire->socket, "%s", stage.clients), 0);
        wire_hello_as(wire, VERSION, CLIENT, NULL);
    }
    cr_assert(wire_receive(&one, ANSWER_MS) || wire_receive(&two, ANSWER_MS));
    wire_close(&one);
    wire_close(&two);
}
