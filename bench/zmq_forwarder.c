/* SPDX-License-Identifier: Apache-2.0
 *
 * The floor that Belt is measured against: a ROUTER in the middle that hands tasks to two DEALER workers, which
 * answer with their input. No table of tasks, no acknowledgement, no requeue: what ZeroMQ alone costs.
 *
 *   zmq_forwarder raw SIZE TASKS [OUTSTANDING]     one message a task, credit 100 for each worker
 *   zmq_forwarder packed SIZE TASKS [OUTSTANDING]  as many tasks in a message as are there, up to 64 KiB;
 *                                                  broker and workers take them apart and count them one by one
 *
 *   zmq_forwarder fifo MIX                         tasks that take the times of a mix (180x5ms,20x300ms), in this
 *                                                  order, on four workers with credit 1: first in, first out
 *
 * The client keeps OUTSTANDING tasks (10,000, or 64 MiB of them) on their way; with 1 it measures round trips.
 * A task of the packed way is its length (4 bytes) and its bytes.
 */
#include "bench/measure.h"

#include "cli/mix.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define WORKERS     2
#define WORKERS_MIX 4
#define CREDIT      100u
#define PACK_BYTES  (64u << 10)
/* From here on a message is handed on as it is. */
#define LARGE             (16u << 10)
#define OUTSTANDING       10000u
#define OUTSTANDING_BYTES (64u << 20)

struct setup {
    bool packed;
    int workers;
    const struct mix *mix; /* run times by index, which is the payload; NULL: tasks take none */
    size_t size;
    uint64_t tasks, outstanding;
    char front[64], back[64]; /* the broker's addresses */
    int ready[2];
};

static void *socket_new(void *context, int type)
{
    void *socket = zmq_socket(context, type);
    int none = 0, linger = 0;

    if (!socket || zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof(none)) != 0 ||
        zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof(none)) != 0 ||
        zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger)) != 0)
        measure_die("socket");
    return socket;
}

/* ---- packed tasks ---- */

static uint64_t pack_most(const struct setup *setup)
{
    uint64_t fit = PACK_BYTES / (setup->size + 4);

    return fit ? fit : 1;
}

/* Copies up to `most` records, one by one. Returns how many; moves both ends. */
static uint64_t repack(uint8_t **to, const uint8_t **from, const uint8_t *end, uint64_t most)
{
    uint64_t count = 0;

    while (*from < end && count < most) {
        uint32_t len;
        memcpy(&len, *from, 4);
        memcpy(*to, &len, 4);
        memcpy(*to + 4, *from + 4, len);
        *to += 4 + len;
        *from += 4 + len;
        count++;
    }
    return count;
}

/* ---- worker: answers with what comes ---- */

static void answer_packed(zmq_msg_t *msg)
{
    zmq_msg_t answer;
    const uint8_t *from = zmq_msg_data(msg), *end = from + zmq_msg_size(msg);

    zmq_msg_init_size(&answer, zmq_msg_size(msg));
    uint8_t *to = zmq_msg_data(&answer);
    repack(&to, &from, end, UINT64_MAX);
    zmq_msg_move(msg, &answer);
}

static void work(const struct mix *mix, zmq_msg_t *msg)
{
    uint64_t index;

    memcpy(&index, zmq_msg_data(msg), sizeof(index));
    uint64_t us = mix->us[index % mix->count];
    struct timespec time = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000 * 1000)};
    while (nanosleep(&time, &time) != 0 && errno == EINTR)
        continue;
}

static void run_worker(void *argument)
{
    struct setup *setup = argument;
    void *context = zmq_ctx_new(), *socket = socket_new(context, ZMQ_DEALER);
    zmq_msg_t msg;

    if (zmq_connect(socket, setup->back) != 0 || zmq_send(socket, "", 0, 0) != 0)
        measure_die("worker");
    for (;;) {
        zmq_msg_init(&msg);
        if (zmq_msg_recv(&msg, socket, 0) < 0)
            measure_die("worker");
        if (setup->packed && setup->size < LARGE)
            answer_packed(&msg);
        if (setup->mix)
            work(setup->mix, &msg);
        if (zmq_msg_send(&msg, socket, 0) < 0)
            measure_die("worker");
    }
}

/* ---- broker ---- */

struct route {
    uint8_t bytes[16];
    size_t len;
    uint64_t held; /* tasks */
};

/* Tasks that wait: messages (raw), or bytes of packed tasks. */
struct broker {
    const struct setup *setup;
    void *front, *back;
    struct route client, worker[WORKERS_MIX];
    int workers;
    zmq_msg_t *queue; /* ring; raw */
    size_t head, count, room;
};

static bool receive(void *socket, zmq_msg_t *msg, int flags)
{
    zmq_msg_init(msg);
    int rc;
    do
        rc = zmq_msg_recv(msg, socket, flags);
    while (rc < 0 && errno == EINTR);
    if (rc < 0 && errno != EAGAIN)
        measure_die("receive");
    return rc >= 0;
}

static void send_to(void *socket, const struct route *route, zmq_msg_t *msg)
{
    if (zmq_send(socket, route->bytes, route->len, ZMQ_SNDMORE) < 0 || zmq_msg_send(msg, socket, 0) < 0)
        measure_die("send");
}

static bool receive_routed(void *socket, struct route *route, zmq_msg_t *msg)
{
    int len = zmq_recv(socket, route->bytes, sizeof(route->bytes), ZMQ_DONTWAIT);

    if (len < 0 && errno != EAGAIN && errno != EINTR)
        measure_die("receive");
    if (len < 0)
        return false;
    route->len = (size_t)len;
    return receive(socket, msg, 0);
}

static void enqueue(struct broker *broker, zmq_msg_t *msg)
{
    if (broker->count == broker->room) {
        size_t room = broker->room ? broker->room * 2 : 4096;
        zmq_msg_t *queue = malloc(room * sizeof(*queue));
        if (!queue)
            measure_die("queue");
        for (size_t i = 0; i < broker->count; i++) {
            zmq_msg_init(&queue[i]);
            zmq_msg_move(&queue[i], &broker->queue[(broker->head + i) & (broker->room - 1)]);
        }
        free(broker->queue);
        broker->queue = queue;
        broker->room = room;
        broker->head = 0;
    }
    zmq_msg_t *at = &broker->queue[(broker->head + broker->count++) & (broker->room - 1)];
    zmq_msg_init(at);
    zmq_msg_move(at, msg);
}

/* The tasks in a message. */
static uint64_t tasks_in(const struct setup *setup, zmq_msg_t *msg)
{
    return setup->packed ? zmq_msg_size(msg) / (setup->size + 4) : 1;
}

/* Each worker has as many tasks as its credit; a packed message counts with all of its tasks. */
static void dispatch(struct broker *broker)
{
    uint64_t most = broker->setup->packed ? 2 * pack_most(broker->setup) : broker->setup->mix ? 1 : CREDIT;

    while (broker->count && broker->workers) {
        struct route *best = &broker->worker[0];
        for (int i = 1; i < broker->workers; i++)
            if (broker->worker[i].held < best->held)
                best = &broker->worker[i];
        if (best->held >= most)
            return;
        zmq_msg_t *msg = &broker->queue[broker->head];
        best->held += tasks_in(broker->setup, msg);
        send_to(broker->back, best, msg);
        broker->head = (broker->head + 1) & (broker->room - 1);
        broker->count--;
    }
}

/* A new message for each so many tasks, as a broker that decides task by task has to make. */
static void enqueue_packed(struct broker *broker, zmq_msg_t *msg)
{
    const uint8_t *from = zmq_msg_data(msg), *end = from + zmq_msg_size(msg);

    while (from < end) {
        zmq_msg_t part;
        size_t left = (size_t)(end - from), fit = pack_most(broker->setup) * (broker->setup->size + 4);
        zmq_msg_init_size(&part, left < fit ? left : fit);
        uint8_t *to = zmq_msg_data(&part);
        repack(&to, &from, end, pack_most(broker->setup));
        enqueue(broker, &part);
    }
    zmq_msg_close(msg);
}

static void from_client(struct broker *broker)
{
    bool packed = broker->setup->packed && broker->setup->size < LARGE;
    zmq_msg_t msg;

    for (int i = 0; i < 1000 && receive_routed(broker->front, &broker->client, &msg); i++)
        if (packed)
            enqueue_packed(broker, &msg);
        else
            enqueue(broker, &msg);
}

static void from_workers(struct broker *broker)
{
    struct route from;
    zmq_msg_t msg;

    for (int i = 0; i < 1000 && receive_routed(broker->back, &from, &msg); i++) {
        int at = 0;
        while (at < broker->workers &&
               (broker->worker[at].len != from.len || memcmp(broker->worker[at].bytes, from.bytes, from.len) != 0))
            at++;
        if (at == broker->workers) { /* its hello */
            from.held = 0;
            broker->worker[broker->workers++] = from;
            zmq_msg_close(&msg);
            if (broker->workers == broker->setup->workers && write(broker->setup->ready[1], "!", 1) != 1)
                measure_die("ready");
            continue;
        }
        broker->worker[at].held -= tasks_in(broker->setup, &msg);
        if (broker->setup->packed && broker->setup->size < LARGE)
            answer_packed(&msg);
        send_to(broker->front, &broker->client, &msg);
    }
}

static void run_broker(void *argument)
{
    struct setup *setup = argument;
    struct broker broker = {.setup = setup};
    void *context = zmq_ctx_new();

    broker.front = socket_new(context, ZMQ_ROUTER);
    broker.back = socket_new(context, ZMQ_ROUTER);
    size_t len = sizeof(setup->front);
    if (zmq_bind(broker.front, "tcp://127.0.0.1:*") != 0 || zmq_bind(broker.back, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt(broker.front, ZMQ_LAST_ENDPOINT, setup->front, &len) != 0 || (len = sizeof(setup->back)) == 0 ||
        zmq_getsockopt(broker.back, ZMQ_LAST_ENDPOINT, setup->back, &len) != 0 ||
        write(setup->ready[1], setup, sizeof(*setup)) != (ssize_t)sizeof(*setup))
        measure_die("bind");
    for (;;) {
        zmq_pollitem_t items[] = {{.socket = broker.front, .events = ZMQ_POLLIN},
                                  {.socket = broker.back, .events = ZMQ_POLLIN}};
        if (zmq_poll(items, 2, -1) < 0 && errno != EINTR)
            measure_die("poll");
        from_client(&broker);
        from_workers(&broker);
        dispatch(&broker);
    }
}

/* ---- client ---- */

struct client {
    const struct setup *setup;
    void *socket;
    uint64_t sent, done;
    uint8_t *payload;
};

/* One message of up to `most` tasks. */
static void client_send(struct client *client, uint64_t most)
{
    const struct setup *setup = client->setup;
    zmq_msg_t msg;

    if (!setup->packed) {
        zmq_msg_init_size(&msg, setup->size);
        memcpy(zmq_msg_data(&msg), client->payload, setup->size);
        client->sent++;
    } else {
        uint64_t count = pack_most(setup);
        uint32_t len = (uint32_t)setup->size;
        if (count > most)
            count = most;
        zmq_msg_init_size(&msg, count * (setup->size + 4));
        uint8_t *at = zmq_msg_data(&msg);
        for (uint64_t i = 0; i < count; i++, at += setup->size) {
            memcpy(at, &len, 4);
            memcpy(at += 4, client->payload, setup->size);
        }
        client->sent += count;
    }
    if (zmq_msg_send(&msg, client->socket, 0) < 0)
        measure_die("send");
}

static void client_run(struct client *client, struct measure *measure, uint64_t tasks)
{
    const struct setup *setup = client->setup;
    /* Packed tasks leave when a quarter of what is outstanding came back, or nothing is on its way. */
    uint64_t batch = setup->packed ? setup->outstanding / 4 : 1;

    client->sent = client->done = 0;
    while (client->done < tasks) {
        uint64_t start = measure_now_ns();
        uint64_t room = setup->outstanding - (client->sent - client->done), left = tasks - client->sent;
        while (left && room && (room >= batch || client->sent == client->done)) {
            client_send(client, room < left ? room : left);
            room = setup->outstanding - (client->sent - client->done);
            left = tasks - client->sent;
        }
        zmq_msg_t msg;
        receive(client->socket, &msg, 0);
        do {
            client->done += tasks_in(setup, &msg);
            zmq_msg_close(&msg);
        } while (client->sent > client->done && receive(client->socket, &msg, ZMQ_DONTWAIT));
        if (setup->outstanding == 1)
            measure_latency(measure, measure_now_ns() - start);
    }
}

/* Hands the mix in at once, and notes when each result is there. */
static void client_mix(struct client *client, const struct mix *mix)
{
    uint64_t *there_us = calloc(mix->count, sizeof(*there_us)), begin = measure_now_ns(), index;

    if (!there_us)
        measure_die("memory");
    for (index = 0; index < mix->count; index++)
        if (zmq_send(client->socket, &index, sizeof(index), 0) < 0)
            measure_die("send");
    for (uint32_t done = 0; done < mix->count; done++) {
        zmq_msg_t msg;
        receive(client->socket, &msg, 0);
        memcpy(&index, zmq_msg_data(&msg), sizeof(index));
        there_us[index] = (measure_now_ns() - begin) / 1000;
        zmq_msg_close(&msg);
    }
    struct mix_times took = mix_times_of(there_us, mix->count), bound = mix_greedy(mix, mix->count, WORKERS_MIX);
    printf(
        "{\"seconds\": %.6f, \"bound_seconds\": %.6f, \"in_order_seconds\": %.6f, \"bound_in_order_seconds\": %.6f}\n",
        (double)took.makespan_us / 1e6, (double)bound.makespan_us / 1e6, took.in_order_us / 1e6,
        bound.in_order_us / 1e6);
    free(there_us);
}

static void client_measure(struct client *client, struct measure *measure, const struct setup *setup)
{
    struct measure warm = {0};

    client_run(client, &warm, setup->tasks / 10 + 1);
    free(warm.latencies);
    measure_begin(measure);
    client_run(client, measure, setup->tasks);
    measure_end(measure, setup->tasks);
    measure_print(measure);
}

static bool setup_read(struct setup *setup, struct mix *mix, int argc, char **argv)
{
    setup->workers = WORKERS;
    if (argc == 3 && strcmp(argv[1], "fifo") == 0 && mix_parse(mix, argv[2])) {
        setup->workers = WORKERS_MIX;
        setup->mix = mix;
        setup->size = sizeof(uint64_t);
        return true;
    }
    if (argc < 4 || (strcmp(argv[1], "raw") != 0 && strcmp(argv[1], "packed") != 0))
        return false;
    setup->packed = !strcmp(argv[1], "packed");
    setup->size = measure_number(argv[2]);
    setup->tasks = measure_number(argv[3]);
    setup->outstanding = argc > 4 ? measure_number(argv[4]) : OUTSTANDING;
    if (argc < 5 && setup->size * OUTSTANDING > OUTSTANDING_BYTES)
        setup->outstanding = OUTSTANDING_BYTES / setup->size;
    return true;
}

int main(int argc, char **argv)
{
    static const char *const names[WORKERS_MIX] = {"worker1", "worker2", "worker3", "worker4"};
    struct setup setup = {0};
    struct measure measure = {0};
    struct mix mix = {0};

    if (!setup_read(&setup, &mix, argc, argv)) {
        fprintf(stderr, "usage: zmq_forwarder raw|packed SIZE TASKS [OUTSTANDING], or zmq_forwarder fifo MIX\n");
        return 2;
    }
    if (pipe(setup.ready) != 0)
        measure_die("pipe");
    measure_fork(&measure, "broker", run_broker, &setup);
    if (read(setup.ready[0], &setup, sizeof(setup)) != (ssize_t)sizeof(setup))
        measure_die("the broker did not start");
    for (int i = 0; i < setup.workers; i++)
        measure_fork(&measure, names[i], run_worker, &setup);
    char byte;
    if (read(setup.ready[0], &byte, 1) != 1)
        measure_die("the workers did not come");
    void *context = zmq_ctx_new();
    struct client client = {
        .setup = &setup, .socket = socket_new(context, ZMQ_DEALER), .payload = calloc(1, setup.size + 1)};
    if (!client.payload || zmq_connect(client.socket, setup.front) != 0)
        measure_die("client");
    if (setup.mix)
        client_mix(&client, setup.mix);
    else
        client_measure(&client, &measure, &setup);
    mix_free(&mix);
    free(client.payload);
    zmq_close(client.socket);
    zmq_ctx_term(context);
    return 0;
}
