/* SPDX-License-Identifier: Apache-2.0
 *
 * Echo through a peer's server, as fast as its protocol allows: one client and two workers in processes of their
 * own, everything pipelined, what can be sent together is sent together.
 *
 *   peer_client redis|beanstalkd|nats|gearman PORT SIZE TASKS OUTSTANDING
 *   peer_client gearman PORT MIX      tasks that take the times of a mix, in this order, on four workers
 *
 * redis: LPUSH / BLMOVE to a list of its own for each worker / LPUSH the result, LREM (at-least-once); beanstalkd: put
 * / reserve / put the result, delete; nats: a queue group of the core (at most once); gearman: SUBMIT_JOB / GRAB_JOB.
 * A payload has no meaning but its length.
 */
#include "bench/measure.h"

#include "cli/mix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WORKERS     2
#define WORKERS_MIX 4
#define PIPELINE    100u /* tasks that a worker asks for ahead, where the protocol lets it */
#define READ_BYTES  (256u << 10)

struct wire {
    int fd;
    char *in, *out;
    size_t at, have, room, out_len, out_room;
};

struct setup {
    const char *peer;
    uint16_t port;
    size_t size;
    uint64_t tasks, outstanding;
    char *payload;
    const struct mix *mix; /* run times by index, which is the payload; NULL: tasks take none */
};

/* ---- bytes ---- */

static void wire_open(struct wire *wire, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;

    *wire = (struct wire){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (wire->fd < 0 || connect(wire->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        measure_die("connect");
    setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void wire_flush(struct wire *wire)
{
    for (size_t sent = 0; sent < wire->out_len;) {
        ssize_t n = write(wire->fd, wire->out + sent, wire->out_len - sent);
        if (n < 0 && errno != EINTR)
            measure_die("write");
        sent += n > 0 ? (size_t)n : 0;
    }
    wire->out_len = 0;
}

static void wire_put(struct wire *wire, const void *data, size_t len)
{
    if (wire->out_room - wire->out_len < len) {
        wire->out_room = (wire->out_room + len) * 2;
        wire->out = realloc(wire->out, wire->out_room);
        if (!wire->out)
            measure_die("memory");
    }
    memcpy(wire->out + wire->out_len, data, len);
    wire->out_len += len;
}

__attribute__((format(printf, 2, 3))) static void wire_print(struct wire *wire, const char *format, ...)
{
    char text[256];
    va_list list;

    va_start(list, format);
    int len = vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    wire_put(wire, text, (size_t)len);
}

static bool wire_pending(const struct wire *wire)
{
    return wire->at < wire->have;
}

/* At least `len` bytes to read; what waits to be sent goes first when it has to wait. */
static char *wire_need(struct wire *wire, size_t len)
{
    while (wire->have - wire->at < len) {
        wire_flush(wire);
        if (wire->at > 0)
            memmove(wire->in, wire->in + wire->at, wire->have - wire->at);
        wire->have -= wire->at;
        wire->at = 0;
        if (wire->room - wire->have < READ_BYTES) {
            wire->room = wire->room * 2 + len + READ_BYTES;
            wire->in = realloc(wire->in, wire->room);
            if (!wire->in)
                measure_die("memory");
        }
        ssize_t n = read(wire->fd, wire->in + wire->have, wire->room - wire->have);
        if (n == 0 || (n < 0 && errno != EINTR))
            measure_die("the server closed the connection");
        wire->have += n > 0 ? (size_t)n : 0;
    }
    return wire->in + wire->at;
}

static char *wire_take(struct wire *wire, size_t len)
{
    char *at = wire_need(wire, len);

    wire->at += len;
    return at;
}

/* A line without its end; valid until the next call. */
static char *wire_line(struct wire *wire)
{
    for (size_t len = 0;; len++) {
        if (wire_need(wire, len + 2)[len] != '\r' || wire->in[wire->at + len + 1] != '\n')
            continue;
        char *line = wire_take(wire, len + 2);
        line[len] = '\0';
        return line;
    }
}

/* ---- redis ---- */

static void redis_command(struct wire *wire, int count, const char *name, const char *key)
{
    wire_print(wire, "*%d\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", count, strlen(name), name, strlen(key), key);
}

static void redis_bulk(struct wire *wire, const char *data, size_t len)
{
    wire_print(wire, "$%zu\r\n", len);
    wire_put(wire, data, len);
    wire_put(wire, "\r\n", 2);
}

/* One answer; the length of a bulk and its bytes, else 0. */
static size_t redis_answer(struct wire *wire, char **data)
{
    char *line = wire_line(wire);

    if (line[0] == '-')
        fprintf(stderr, "redis: %s\n", line);
    if (line[0] != '$' || line[1] == '-')
        return 0;
    size_t len = strtoull(line + 1, NULL, 10);
    *data = wire_take(wire, len + 2);
    return len;
}

static void redis_move(struct wire *wire, const char *mine)
{
    redis_command(wire, 6, "BLMOVE", "tasks");
    redis_bulk(wire, mine, strlen(mine));
    redis_bulk(wire, "RIGHT", 5);
    redis_bulk(wire, "LEFT", 4);
    redis_bulk(wire, "0", 1);
}

/* A connection that waits in BLMOVE does nothing else: answers take another one. */
static void redis_worker(struct setup *setup)
{
    struct wire wire, back;
    char mine[32], *data = NULL;

    wire_open(&wire, setup->port);
    wire_open(&back, setup->port);
    snprintf(mine, sizeof(mine), "mine:%d", (int)getpid());
    for (unsigned i = 0; i < PIPELINE; i++)
        redis_move(&wire, mine);
    for (unsigned owed = 0;;) {
        if (!wire_pending(&wire))
            wire_flush(&back);
        size_t len = redis_answer(&wire, &data);
        redis_command(&back, 3, "LPUSH", "results");
        redis_bulk(&back, data, len);
        redis_command(&back, 4, "LREM", mine);
        redis_bulk(&back, "-1", 2);
        redis_bulk(&back, data, len);
        redis_move(&wire, mine);
        for (owed += 2; owed > 4 * PIPELINE; owed--)
            redis_answer(&back, &data);
    }
}

static void redis_client(struct setup *setup, struct wire *wire, uint64_t tasks, struct measure *measure)
{
    static struct wire results;
    uint64_t sent = 0, done = 0, asked = 0, answered = 0;
    char *data;

    if (!results.in)
        wire_open(&results, setup->port);
    while (done < tasks) {
        uint64_t start = measure_now_ns();
        for (; sent < tasks && sent - done < setup->outstanding; sent++) {
            redis_command(wire, 3, "LPUSH", "tasks");
            redis_bulk(wire, setup->payload, setup->size);
        }
        wire_flush(wire);
        for (; asked < sent && asked - done < PIPELINE; asked++) {
            redis_command(&results, 3, "BRPOP", "results");
            redis_bulk(&results, "0", 1);
        }
        redis_answer(&results, &data); /* an array of the list's name and the result */
        redis_answer(&results, &data);
        redis_answer(&results, &data);
        for (done++; answered < done; answered++)
            redis_answer(wire, &data);
        if (setup->outstanding == 1)
            measure_latency(measure, measure_now_ns() - start);
    }
}

/* ---- beanstalkd ---- */

static void beanstalk_put(struct wire *wire, const char *data, size_t len)
{
    wire_print(wire, "put 0 0 120 %zu\r\n", len);
    wire_put(wire, data, len);
    wire_put(wire, "\r\n", 2);
}

/* The next RESERVED: its id and bytes; other answers are passed over. */
static char *beanstalk_reserved(struct wire *wire, unsigned long long *id, size_t *len)
{
    for (;;) {
        char *line = wire_line(wire);
        if (sscanf(line, "RESERVED %llu %zu", id, len) == 2)
            return wire_take(wire, *len + 2);
        if (strncmp(line, "INSERTED", 8) != 0 && strncmp(line, "DELETED", 7) != 0)
            fprintf(stderr, "beanstalkd: %s\n", line);
    }
}

static void beanstalk_worker(struct setup *setup)
{
    struct wire wire;
    unsigned long long id;
    size_t len;

    wire_open(&wire, setup->port);
    wire_print(&wire, "use results\r\nwatch tasks\r\nignore default\r\n");
    for (int i = 0; i < 3; i++)
        wire_line(&wire);
    /* A connection waits in one reserve at a time; the next one is sent with the answer. */
    wire_print(&wire, "reserve\r\n");
    char *copy = malloc(setup->size + 1);
    for (;;) {
        const char *data = beanstalk_reserved(&wire, &id, &len);
        if (len > setup->size)
            measure_die("a task is larger than it was");
        memcpy(copy, data, len);
        beanstalk_put(&wire, copy, len);
        wire_print(&wire, "delete %llu\r\nreserve\r\n", id);
    }
}

static void beanstalk_client(struct setup *setup, struct wire *wire, uint64_t tasks, struct measure *measure)
{
    static struct wire results;
    uint64_t sent = 0, done = 0;
    unsigned long long id;
    size_t len;

    if (!results.in) {
        wire_open(&results, setup->port);
        wire_print(&results, "watch results\r\nignore default\r\n");
        wire_line(&results);
        wire_line(&results);
        wire_print(wire, "use tasks\r\n");
        wire_line(wire);
    }
    wire_print(&results, "reserve\r\n");
    while (done < tasks) {
        uint64_t start = measure_now_ns();
        for (; sent < tasks && sent - done < setup->outstanding; sent++)
            beanstalk_put(wire, setup->payload, setup->size);
        wire_flush(wire);
        beanstalk_reserved(&results, &id, &len);
        wire_print(&results, "delete %llu\r\n", id);
        if (++done < tasks)
            wire_print(&results, "reserve\r\n");
        if (setup->outstanding == 1)
            measure_latency(measure, measure_now_ns() - start);
    }
    wire_flush(&results);
}

/* ---- nats ---- */

static void nats_hello(struct wire *wire, const char *subscription)
{
    wire_line(wire); /* INFO */
    wire_print(wire, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n%sPING\r\n", subscription);
    while (strcmp(wire_line(wire), "PONG") != 0)
        continue;
}

/* The next message; answers pings meanwhile. */
static char *nats_message(struct wire *wire, size_t *len)
{
    for (;;) {
        char *line = wire_line(wire);
        if (!strncmp(line, "MSG ", 4)) {
            *len = strtoull(strrchr(line, ' ') + 1, NULL, 10);
            return wire_take(wire, *len + 2);
        }
        if (!strcmp(line, "PING"))
            wire_print(wire, "PONG\r\n");
    }
}

static void nats_publish(struct wire *wire, const char *subject, const char *data, size_t len)
{
    wire_print(wire, "PUB %s %zu\r\n", subject, len);
    wire_put(wire, data, len);
    wire_put(wire, "\r\n", 2);
}

static void nats_worker(struct setup *setup)
{
    struct wire wire;
    size_t len;

    wire_open(&wire, setup->port);
    nats_hello(&wire, "SUB tasks group 1\r\n");
    for (;;) {
        char *data = nats_message(&wire, &len);
        nats_publish(&wire, "results", data, len);
    }
}

static void nats_client(struct setup *setup, struct wire *wire, uint64_t tasks, struct measure *measure)
{
    static bool greeted;
    uint64_t sent = 0, done = 0, batch = setup->outstanding / 4;
    size_t len;

    if (!greeted)
        nats_hello(wire, "SUB results 1\r\n");
    greeted = true;
    while (done < tasks) {
        uint64_t start = measure_now_ns();
        if (setup->outstanding - (sent - done) >= batch || sent == done)
            for (; sent < tasks && sent - done < setup->outstanding; sent++)
                nats_publish(wire, "tasks", setup->payload, setup->size);
        do {
            nats_message(wire, &len);
            done++;
        } while (wire_pending(wire) && done < sent);
        if (setup->outstanding == 1)
            measure_latency(measure, measure_now_ns() - start);
    }
}

/* ---- gearman ---- */

enum {
    CAN_DO = 1,
    SUBMIT_JOB = 7,
    JOB_CREATED = 8,
    GRAB_JOB = 9,
    NO_JOB = 10,
    JOB_ASSIGN = 11,
    WORK_COMPLETE = 13,
    PRE_SLEEP = 4,
    NOOP = 6
};

static void gearman_head(struct wire *wire, uint32_t type, size_t len)
{
    uint32_t numbers[2] = {htonl(type), htonl((uint32_t)len)};

    wire_put(wire, "\0REQ", 4);
    wire_put(wire, numbers, sizeof(numbers));
}

static uint32_t gearman_packet(struct wire *wire, char **data, size_t *len)
{
    uint32_t numbers[2];

    memcpy(numbers, wire_take(wire, 12) + 4, sizeof(numbers));
    *len = ntohl(numbers[1]);
    *data = wire_take(wire, *len);
    return ntohl(numbers[0]);
}

/* Where the bytes behind `count` NUL-terminated words begin. */
static size_t gearman_skip(const char *data, int count)
{
    size_t at = 0;

    while (count-- > 0)
        at += strlen(data + at) + 1;
    return at;
}

static void work(const struct mix *mix, const char *payload)
{
    uint64_t index;

    memcpy(&index, payload, sizeof(index));
    uint64_t us = mix->us[index % mix->count];
    struct timespec time = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000 * 1000)};
    while (nanosleep(&time, &time) != 0 && errno == EINTR)
        continue;
}

static void gearman_worker(struct setup *setup)
{
    struct wire wire;
    char *data;
    size_t len;

    wire_open(&wire, setup->port);
    gearman_head(&wire, CAN_DO, 4);
    wire_put(&wire, "echo", 4);
    gearman_head(&wire, GRAB_JOB, 0);
    for (;;) {
        uint32_t type = gearman_packet(&wire, &data, &len);
        if (type == NO_JOB)
            gearman_head(&wire, PRE_SLEEP, 0);
        else if (type == JOB_ASSIGN) { /* handle, function, payload -> handle, payload */
            size_t handle = strlen(data) + 1, from = gearman_skip(data, 2);
            if (setup->mix && len - from == sizeof(uint64_t))
                work(setup->mix, data + from);
            gearman_head(&wire, WORK_COMPLETE, handle + len - from);
            wire_put(&wire, data, handle);
            wire_put(&wire, data + from, len - from);
        }
        if (type == NOOP || type == JOB_ASSIGN)
            gearman_head(&wire, GRAB_JOB, 0);
    }
}

static void gearman_client(struct setup *setup, struct wire *wire, uint64_t tasks, struct measure *measure)
{
    uint64_t sent = 0, done = 0;
    char *data;
    size_t len;

    while (done < tasks) {
        uint64_t start = measure_now_ns();
        for (; sent < tasks && sent - done < setup->outstanding; sent++) {
            gearman_head(wire, SUBMIT_JOB, 5 + 1 + setup->size); /* function, an empty id, payload */
            wire_put(wire, "echo\0\0", 6);
            wire_put(wire, setup->payload, setup->size);
        }
        while (gearman_packet(wire, &data, &len) != WORK_COMPLETE)
            continue;
        done++;
        if (setup->outstanding == 1)
            measure_latency(measure, measure_now_ns() - start);
    }
}

/* Hands the mix in at once, and notes when each result is there. */
static void gearman_mix(struct wire *wire, const struct mix *mix)
{
    uint64_t *there_us = calloc(mix->count, sizeof(*there_us)), begin = measure_now_ns(), index;
    char *data;
    size_t len;

    if (!there_us)
        measure_die("memory");
    for (index = 0; index < mix->count; index++) {
        gearman_head(wire, SUBMIT_JOB, 5 + 1 + sizeof(index));
        wire_put(wire, "echo\0\0", 6);
        wire_put(wire, &index, sizeof(index));
    }
    for (uint32_t done = 0; done < mix->count;) {
        if (gearman_packet(wire, &data, &len) != WORK_COMPLETE)
            continue;
        memcpy(&index, data + gearman_skip(data, 1), sizeof(index));
        there_us[index % mix->count] = (measure_now_ns() - begin) / 1000;
        done++;
    }
    struct mix_times took = mix_times_of(there_us, mix->count), bound = mix_greedy(mix, mix->count, WORKERS_MIX);
    printf(
        "{\"seconds\": %.6f, \"bound_seconds\": %.6f, \"in_order_seconds\": %.6f, \"bound_in_order_seconds\": %.6f}\n",
        (double)took.makespan_us / 1e6, (double)bound.makespan_us / 1e6, took.in_order_us / 1e6,
        bound.in_order_us / 1e6);
    free(there_us);
}

/* ---- all of them ---- */

static const struct peer {
    const char *name;
    void (*worker)(struct setup *setup);
    void (*client)(struct setup *setup, struct wire *wire, uint64_t tasks, struct measure *measure);
} peers[] = {{"redis", redis_worker, redis_client},
             {"beanstalkd", beanstalk_worker, beanstalk_client},
             {"nats", nats_worker, nats_client},
             {"gearman", gearman_worker, gearman_client}};

static const struct peer *peer_of(const char *name)
{
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++)
        if (!strcmp(peers[i].name, name))
            return &peers[i];
    fprintf(stderr, "usage: peer_client redis|beanstalkd|nats|gearman PORT SIZE TASKS OUTSTANDING\n");
    exit(2);
}

static void run_worker(void *argument)
{
    struct setup *setup = argument;

    peer_of(setup->peer)->worker(setup);
}

static int run_mix(const char *port, const char *text)
{
    static const char *const names[WORKERS_MIX] = {"worker1", "worker2", "worker3", "worker4"};
    struct mix mix;
    struct measure measure = {0};
    struct setup setup = {.peer = "gearman", .port = (uint16_t)measure_number(port), .mix = &mix};
    struct wire wire;

    if (!mix_parse(&mix, text))
        return 2;
    for (int i = 0; i < WORKERS_MIX; i++)
        measure_fork(&measure, names[i], run_worker, &setup);
    wire_open(&wire, setup.port);
    usleep(200000); /* the workers wait for work */
    gearman_mix(&wire, &mix);
    mix_free(&mix);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "gearman"))
        return run_mix(argv[2], argv[3]);
    struct measure measure = {0}, warm = {0};
    const struct peer *peer = peer_of(argc == 6 ? argv[1] : "");
    struct setup setup = {.peer = peer->name,
                          .port = (uint16_t)measure_number(argv[2]),
                          .size = measure_number(argv[3]),
                          .tasks = measure_number(argv[4]),
                          .outstanding = measure_number(argv[5])};
    struct wire wire;

    setup.payload = malloc(setup.size + 1);
    if (!setup.payload)
        measure_die("memory");
    memset(setup.payload, 'x', setup.size);
    for (int i = 0; i < WORKERS; i++)
        measure_fork(&measure, i ? "worker2" : "worker1", run_worker, &setup);
    wire_open(&wire, setup.port);
    usleep(200000); /* the workers wait for work */
    peer->client(&setup, &wire, setup.tasks / 10 + 1, &warm);
    free(warm.latencies);
    measure_begin(&measure);
    peer->client(&setup, &wire, setup.tasks, &measure);
    measure_end(&measure, setup.tasks);
    measure_print(&measure);
    return 0;
}
