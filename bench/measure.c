/* SPDX-License-Identifier: Apache-2.0
 *
 * What the peers' programs share (measure.h).
 */
#include "bench/measure.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t measure_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

noreturn void measure_die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

uint64_t measure_number(const char *text)
{
    char *end = NULL;
    unsigned long long value = text ? strtoull(text, &end, 10) : 0;

    if (!text || !*text || *end) {
        fprintf(stderr, "bench: '%s' is no number\n", text ? text : "");
        exit(2);
    }
    return value;
}

void measure_fork(struct measure *measure, const char *name, void (*run)(void *argument), void *argument)
{
    pid_t parent = getpid(), pid = fork();

    if (pid < 0)
        measure_die("fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(0);
        run(argument);
        _exit(0);
    }
    measure->child[measure->child_count].pid = pid;
    measure->child[measure->child_count++].name = name;
}

static uint64_t cpu_us(int who)
{
    struct rusage use;

    getrusage(who, &use);
    return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000u +
           (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

/* Of one of our processes, with all its threads. */
static uint64_t cpu_of_us(pid_t pid)
{
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        measure_die("a process is gone");
    return (uint64_t)used.tv_sec * 1000000u + (uint64_t)used.tv_nsec / 1000u;
}

void measure_begin(struct measure *measure)
{
    for (int i = 0; i < measure->child_count; i++)
        measure->child[i].begin_cpu_us = cpu_of_us(measure->child[i].pid);
    measure->begin_cpu_us = cpu_us(RUSAGE_SELF);
    measure->begin_ns = measure_now_ns();
}

void measure_latency(struct measure *measure, uint64_t ns)
{
    if (measure->latency_count == measure->latency_room) {
        measure->latency_room = measure->latency_room ? measure->latency_room * 2 : 4096;
        measure->latencies = realloc(measure->latencies, measure->latency_room * sizeof(*measure->latencies));
        if (!measure->latencies)
            measure_die("latencies");
    }
    measure->latencies[measure->latency_count++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

void measure_end(struct measure *measure, uint64_t tasks)
{
    measure->seconds = (double)(measure_now_ns() - measure->begin_ns) / 1e9;
    measure->client_cpu_seconds = (double)(cpu_us(RUSAGE_SELF) - measure->begin_cpu_us) / 1e6;
    for (int i = 0; i < measure->child_count; i++)
        measure->child[i].cpu_us = cpu_of_us(measure->child[i].pid) - measure->child[i].begin_cpu_us;
    measure->tasks = tasks;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

void measure_print(struct measure *measure)
{
    static const struct {
        const char *name;
        double share;
    } shares[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    double tasks = (double)measure->tasks;

    printf("{\"tasks\":%llu,\"seconds\":%.6f,\"tasks_per_second\":%.1f,\"cpu_us\":{\"client\":%.3f",
           (unsigned long long)measure->tasks, measure->seconds, tasks / measure->seconds,
           measure->client_cpu_seconds * 1e6 / tasks);
    for (int i = 0; i < measure->child_count; i++) {
        kill(measure->child[i].pid, SIGKILL);
        while (waitpid(measure->child[i].pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        printf(",\"%s\":%.3f", measure->child[i].name, (double)measure->child[i].cpu_us / tasks);
    }
    printf("}");
    if (measure->latency_count) {
        qsort(measure->latencies, measure->latency_count, sizeof(*measure->latencies), compare);
        for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
            printf(",\"%s_us\":%.1f", shares[i].name,
                   measure->latencies[(uint32_t)((double)measure->latency_count * shares[i].share)] / 1e3);
    }
    printf("}\n");
    free(measure->latencies);
}
