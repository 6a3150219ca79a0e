/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker and workers for tests of faults, over TCP or local sockets. Everything serves one function, "f": its input
 * is "N" (20 ms, then N), "N:MS" (so many ms), or "die" (the slot kills itself).
 */
#ifndef BELT_TEST_STAGE_H
#define BELT_TEST_STAGE_H

#include "tests/e2e/process.h"

#include <jansson.h>

#define BOUND_MS 60000

enum stage_transport { STAGE_TCP, STAGE_IPC };
/** How a worker runs "f". */
enum stage_kind { STAGE_C, STAGE_COMMAND, STAGE_COPROC, STAGE_KINDS };

struct stage {
    char dir[32], state[48], clients[96], workers[96];
    const char *const *broker_options; /* NULL-terminated, more words for `belt broker`; may be NULL */
    struct process *broker;
};

/** Starts the broker; `durable`: with --state. Short leases (800 ms). */
void stage_open(struct stage *stage, enum stage_transport transport, bool durable, const char *const *broker_options);
/** (Re)starts it at the same place. */
void stage_start_broker(struct stage *stage);
/** SIGTERM must end it with 0; removes the directory. */
void stage_close(struct stage *stage);

/** With this many slots, connected. */
struct process *stage_worker(const struct stage *stage, enum stage_kind kind, const char *slots);
/** SIGTERM drains: must end with 0. Frees. */
void stage_stop_worker(struct process *worker);
/** Some command of `belt`: argv[0] is the command's name. */
struct process *stage_belt(const struct stage *stage, const char *input, const char *const *argv);
/** The same, waited for; fails the test when it exits with another status. */
struct process *stage_run(const struct stage *stage, const char *input, int status, const char *const *argv);

/** "1\n2\n … count\n", to be freed. `suffix` is put behind each number. */
char *stage_numbers(unsigned count, const char *suffix);
/** Fails the test unless `text` is 1 … count, each on a line: in this order, or each once in any. */
void stage_expect(const char *text, unsigned count, bool ordered);

/** A number of the first row of "queues", "workers", "jobs", or of "broker", as `belt … --json` shows it; -1: no row.
 */
long long stage_number(const struct stage *stage, const char *rows, const char *key);
/** Waits until stage_number() is at least that. */
void stage_wait_number(const struct stage *stage, const char *rows, const char *key, long long at_least);
/** Slots of a worker that run now: its processes, but for the keeper. Up to `max`. */
unsigned stage_slots(const struct process *worker, pid_t *pids, unsigned max);

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
