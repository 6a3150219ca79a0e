/* SPDX-License-Identifier: Apache-2.0
 *
 * What the peers' programs of this folder share: time, processes and their CPU
 * time, latencies, the line of JSON that bench/run reads.
 */
#ifndef BELT_BENCH_MEASURE_H
#define BELT_BENCH_MEASURE_H

#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#define MEASURE_CHILDREN 8

struct measure {
    uint64_t begin_ns, begin_cpu_us;
    uint64_t tasks;
    double seconds, client_cpu_seconds;
    uint32_t *latencies; /* ns; only while one task runs at a time */
    uint32_t latency_count, latency_room;
    struct {
        pid_t pid;
        const char *name;
        uint64_t begin_cpu_us, cpu_us;
    } child[MEASURE_CHILDREN];
    int child_count;
};

uint64_t measure_now_ns(void);
/** The message, the error of the system, and the end. */
noreturn void measure_die(const char *what);
/** Forks `run(argument)` as `name`; it ends with this process. */
void measure_fork(struct measure *measure, const char *name, void (*run)(void *argument), void *argument);
void measure_begin(struct measure *measure);
void measure_latency(struct measure *measure, uint64_t ns);
/** `tasks` were done since measure_begin(). */
void measure_end(struct measure *measure, uint64_t tasks);
/** Kills the children and prints one line of JSON: tasks, seconds, tasks_per_second, cpu_us by process
 *  and task, p50_us, p90_us, p99_us, p999_us. */
void measure_print(struct measure *measure);
/** A number of the command line. */
uint64_t measure_number(const char *text);

#endif
