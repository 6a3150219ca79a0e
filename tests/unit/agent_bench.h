/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of the agent with real processes: an agent with functions of every kind, and its broker of a few lines. No
 * tests.
 */
#ifndef BELT_TESTS_AGENT_BENCH_H
#define BELT_TESTS_AGENT_BENCH_H

#include "tests/unit/fake_broker.h"

struct bench {
    struct fake_broker *broker;
    pid_t agent;
};

/** C functions "echo" and "act", whose input says what to do; commands "shout", "count", "sh" and "exec". */
extern const struct belt_agent_function bench_functions[];

/** An agent that has said hello; without functions in `options` it serves bench_functions. */
struct bench bench_start(struct belt_agent_options options);
/** Ends the agent, which must say BYE and exit with 0. */
void bench_stop(struct bench *bench);
/** The result of a task, which must be there. */
const struct fake_result *bench_one(struct bench *bench, uint64_t job, uint64_t index);
void bench_expect(const struct fake_result *r, const char *data);
/** Tasks from index 0. */
void bench_strings(struct bench *bench, uint64_t job, const char *function, const char *const *inputs, uint32_t count);

#endif
