/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker of a few lines for tests of the agent: it welcomes, dispatches what
 * a test says and records what comes back. And the agent, as a child process.
 */
#ifndef BELT_TESTS_FAKE_BROKER_H
#define BELT_TESTS_FAKE_BROKER_H

#include "proto/link.h"
#include "worker/agent.h"

#include <sys/types.h>

#define FAKE_RESULTS 4096u

struct fake_result {
    uint64_t job, index;
    uint32_t attempt, code, service_us;
    uint32_t len;
    uint8_t data[512]; /* the first bytes */
    char text[BELT_MAX_TEXT + 1], log[512];
    int exit_status, term_signal;
    uint64_t sum; /* of all bytes of the payload */
};

struct fake_broker {
    void *context, *socket;
    char endpoint[BELT_MAX_TEXT];
    struct belt_decoder *decoder;
    struct belt_route route;
    uint64_t seq;
    bool welcomed, synced, leaving, bye, silent; /* silent: results are not recorded */
    uint32_t synced_refs;
    uint32_t slots, window_items;
    uint32_t hellos;
    struct fake_result results[FAKE_RESULTS];
    uint32_t result_count;
    uint64_t result_next; /* number of the next new result */
    uint32_t repeated;    /* results that came again */
    struct belt_task_ref returned[FAKE_RESULTS];
    uint32_t returned_count;
    uint64_t progress_done, progress_total;
    uint32_t progress_count;
};

/** An agent with these options (`broker` and `quiet` are filled in) as a child that closes `not_for_agent` (-1: none),
 * and its broker. */
struct fake_broker *fake_new(struct belt_agent_options options, int not_for_agent, pid_t *agent);
void fake_free(struct fake_broker *broker);
/** Handles what comes until `done` or 20 s. True: done. */
bool fake_until(struct fake_broker *broker, bool (*done)(struct fake_broker *broker, uint64_t want), uint64_t want);
bool fake_ready(struct fake_broker *broker, uint64_t want);   /* synced */
bool fake_leaving(struct fake_broker *broker, uint64_t want); /* synced, and LEAVING came after it */
bool fake_hellos(struct fake_broker *broker, uint64_t want);  /* so many hellos, and synced */
bool fake_results(struct fake_broker *broker, uint64_t want); /* so many results */
bool fake_returned(struct fake_broker *broker, uint64_t want);
bool fake_gone(struct fake_broker *broker, uint64_t want); /* said BYE */
bool fake_progress(struct fake_broker *broker, uint64_t want);
/** The result of a task; NULL: none. */
const struct fake_result *fake_result(const struct fake_broker *broker, uint64_t job, uint64_t index);

struct fake_dispatch {
    uint64_t job;
    const char *function;
    uint64_t timeout_ms;
    bool together;
    struct belt_bytes argument;
    uint64_t first;
    uint32_t attempt; /* 0: 1 */
};
/** Tasks from `first`, their payloads `payloads`. */
void fake_dispatch(struct fake_broker *broker, const struct fake_dispatch *dispatch, const struct belt_bytes *payloads,
                   uint32_t count);
void fake_strings(struct fake_broker *broker, const struct fake_dispatch *dispatch, const char *const *payloads,
                  uint32_t count);
void fake_drop(struct fake_broker *broker, struct belt_task_ref ref);
void fake_recall(struct fake_broker *broker, uint32_t count);
/** Forgets the connection: the agent must say hello again. */
void fake_lose(struct fake_broker *broker);

/** The exit status of an agent after it ended; kills it after 20 s (-1). */
int fake_wait(pid_t pid);

#endif
