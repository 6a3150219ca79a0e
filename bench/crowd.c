/* SPDX-License-Identifier: Apache-2.0
 *
 * What a broker's task costs when there are many of everything (crowd.h).
 *
 *   bench_crowd CLIENTS-PORT WORKERS-PORT BROKER-PID [NAME=VALUE]…
 *
 *   clients=1 jobs=1 window=10000   each client has so many jobs without end, each with so many tasks in the broker
 *   agents=2 slots=1                agents, and the slots that each of them claims to have
 *   size=16 service_us=1            of a task; the time is what agents report, nothing takes it
 *   tasks=1000000                   to measure, after a tenth of them
 *   fill=0                          1: agents take nothing before all windows are full
 *   idle_ms=0                       measure the broker for so long with all connected and nothing to do, first
 *
 * Prints one line of JSON.
 */
#include "bench/crowd.h"
#include "bench/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#define EVENTS 1024
/* Peers that connect at once: what the broker's listening socket holds. */
#define CONNECTING_MAX 64u
#define TIMER_MS       100u
/* Nothing came for so long: it will not. */
#define STUCK_NS 60000000000ull

static uint64_t cpu_ns(clockid_t clock)
{
    struct timespec used;

    if (clock_gettime(clock, &used) != 0)
        measure_die("the broker's time");
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

static void timers(struct crowd *crowd)
{
    static uint64_t next_ms;

    if (crowd->now_ms < next_ms)
        return;
    next_ms = crowd->now_ms + TIMER_MS;
    for (uint32_t i = 0; i < crowd->peer_count; i++)
        peer_timer(&crowd->peers[i]);
}

static void turn(struct crowd *crowd)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(crowd->epoll, events, EVENTS, (int)TIMER_MS / 2);

    crowd->now_ms = measure_now_ns() / 1000000u;
    for (int i = 0; i < count; i++)
        peer_event(events[i].data.ptr, events[i].events);
    timers(crowd);
    if (crowd->taken_ns && measure_now_ns() - crowd->taken_ns > STUCK_NS) {
        fprintf(stderr, "crowd: no result for a minute, after %llu\n", (unsigned long long)crowd->taken);
        exit(1);
    }
}

static void connect_all(struct crowd *crowd, uint64_t upto, bool is_agent)
{
    while (crowd->welcomed < upto) {
        while (crowd->peer_count < upto && crowd->peer_count < crowd->welcomed + CONNECTING_MAX)
            peer_start(crowd, &crowd->peers[crowd->peer_count++], is_agent);
        turn(crowd);
    }
}

static void run_until(struct crowd *crowd, const uint64_t *count, uint64_t wanted)
{
    while (*count < wanted)
        turn(crowd);
}

static double idle_share(struct crowd *crowd, clockid_t broker)
{
    uint64_t begin = crowd->now_ms, cpu = cpu_ns(broker);

    while (crowd->now_ms < begin + crowd->idle_ms)
        turn(crowd);
    return crowd->idle_ms ? (double)(cpu_ns(broker) - cpu) / (double)(crowd->now_ms - begin) / 1e6 : 0;
}

static void measure_all(struct crowd *crowd, clockid_t broker)
{
    uint64_t clients = crowd->clients, warm = crowd->tasks / 10 + 1;

    if (crowd->idle_ms) { /* without jobs there is nothing to do */
        connect_all(crowd, crowd->agents, true);
        for (uint32_t i = 0; i < crowd->peer_count; i++)
            agent_serve(&crowd->peers[i]);
        printf("{\"agents\":%llu,\"idle_cpu\":%.6f}\n", (unsigned long long)crowd->agents, idle_share(crowd, broker));
        return;
    }
    connect_all(crowd, clients, false);
    if (crowd->fill)
        run_until(crowd, &crowd->accepted, clients * crowd->jobs * crowd->window);
    connect_all(crowd, clients + crowd->agents, true);
    for (uint32_t i = (uint32_t)clients; i < crowd->peer_count; i++)
        agent_serve(&crowd->peers[i]);
    run_until(crowd, &crowd->taken, warm);
    uint64_t begin = measure_now_ns(), cpu = cpu_ns(broker), own = cpu_ns(CLOCK_PROCESS_CPUTIME_ID),
             from = crowd->taken;
    crowd->dispatches = crowd->deliveries = crowd->pause_ns = 0;
    run_until(crowd, &crowd->taken, from + crowd->tasks);
    double tasks = (double)(crowd->taken - from), seconds = (double)(measure_now_ns() - begin) / 1e9;
    printf("{\"tasks\":%.0f,\"seconds\":%.6f,\"tasks_per_second\":%.1f,\"broker_cpu_us\":%.4f,\"crowd_cpu_us\":%.4f,"
           "\"longest_pause_ms\":%.1f,\"waiting\":%llu,\"tasks_per_dispatch\":%.1f,\"tasks_per_delivery\":%.1f}\n",
           tasks, seconds, tasks / seconds, (double)(cpu_ns(broker) - cpu) / tasks / 1e3,
           (double)(cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - own) / tasks / 1e3, (double)crowd->pause_ns / 1e6,
           (unsigned long long)(crowd->accepted - crowd->taken),
           tasks / (double)(crowd->dispatches + !crowd->dispatches),
           tasks / (double)(crowd->deliveries + !crowd->deliveries));
}

static void option(struct crowd *crowd, const char *word)
{
    const struct {
        const char *name;
        uint64_t *value;
    } options[] = {{"clients=", &crowd->clients}, {"jobs=", &crowd->jobs},   {"window=", &crowd->window},
                   {"agents=", &crowd->agents},   {"slots=", &crowd->slots}, {"size=", &crowd->size},
                   {"tasks=", &crowd->tasks},     {"fill=", &crowd->fill},   {"service_us=", &crowd->service_us},
                   {"idle_ms=", &crowd->idle_ms}};

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (!strncmp(word, options[i].name, strlen(options[i].name))) {
            *options[i].value = measure_number(word + strlen(options[i].name));
            return;
        }
    fprintf(stderr, "crowd: '%s' is no option\n", word);
    exit(2);
}

static void prepare(struct crowd *crowd)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        measure_die("descriptors");
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < crowd->clients + crowd->agents + 16) {
        fprintf(stderr, "crowd: %llu descriptors are too few\n", (unsigned long long)files.rlim_max);
        exit(1);
    }
    crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
    crowd->decoder = belt_decoder_new(BELT_MAX_PAYLOAD_DEFAULT);
    crowd->peers = calloc(crowd->clients + crowd->agents, sizeof(*crowd->peers));
    crowd->payload = (struct belt_payload){.buf = belt_buf_new(crowd->size), .len = (uint32_t)crowd->size};
    if (crowd->epoll < 0 || !crowd->decoder || !crowd->peers || !crowd->payload.buf)
        measure_die("start");
    memset(crowd->payload.buf->data, 'x', crowd->size);
    crowd->payload.data = crowd->payload.buf->data;
    crowd->now_ms = measure_now_ns() / 1000000u;
}

int main(int argc, char **argv)
{
    struct crowd crowd = {.clients = 1,
                          .jobs = 1,
                          .window = 10000,
                          .size = 16,
                          .agents = 2,
                          .slots = 1,
                          .service_us = 1,
                          .tasks = 1000000};
    clockid_t broker;

    if (argc < 4) {
        fprintf(stderr, "usage: bench_crowd CLIENTS-PORT WORKERS-PORT BROKER-PID [NAME=VALUE]...\n");
        return 2;
    }
    for (int i = 4; i < argc; i++)
        option(&crowd, argv[i]);
    crowd.client_port = (uint16_t)measure_number(argv[1]);
    crowd.worker_port = (uint16_t)measure_number(argv[2]);
    if (clock_getcpuclockid((pid_t)measure_number(argv[3]), &broker) != 0)
        measure_die("the broker");
    prepare(&crowd);
    measure_all(&crowd, broker);
    belt_decoder_free(crowd.decoder);
    belt_payload_clear(&crowd.payload);
    for (uint32_t i = 0; i < crowd.peer_count; i++) {
        zmtp_close(&crowd.peers[i].zmtp);
        free(crowd.peers[i].jobs);
    }
    free(crowd.peers);
    return 0;
}
