/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tasks of a chaos run are: everything about a task (its payload, its result, how long it takes) follows from
 * the job's seed and its index, so that a checker needs nothing but the two. Pure, but for work_run().
 */
#ifndef BELT_CHAOS_WORK_H
#define BELT_CHAOS_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORK_FUNCTION "work"
#define WORK_MAX      65536u /* bytes of a payload */

uint64_t work_mix(uint64_t value);
/** Writes the payload of a task to `bytes` (WORK_MAX); returns its length. */
size_t work_input(uint64_t seed, uint64_t index, uint8_t *bytes);
/** The same of its result. */
size_t work_result(uint64_t seed, uint64_t index, uint8_t *bytes);
uint64_t work_hash(const void *bytes, size_t len);
/** Runs the task with this payload: takes its time, or dies now and then. Returns the length of the result, 0 for a
 *  payload that is not of ours. */
size_t work_run(const uint8_t *input, size_t len, uint8_t *result);

/** A job with this seed is read with acknowledgements, and goes on after its reader was killed: started again, with the
 *  same log. Jobs with other seeds end with their client. */
#define WORK_RESUMES(seed) ((seed) % 4 < 3)

/** What a client saw, as it wrote it down: one record for each result, and one (`index` WORK_OVER) at the end. */
struct work_seen {
    uint64_t index;
    uint32_t code; /* of the result; of belt_stream_next() at the end */
    uint32_t len;
    uint64_t hash;
};
#define WORK_OVER UINT64_MAX

/* Exit codes of a client. */
#define WORK_EXIT_REFUSED 75 /* the broker takes no durable work at present */

/** The processes that a run is made of: `belt-chaos client|agent|slot …`. Each returns its exit code. */
int work_client(const char *broker, bool ordered, uint64_t seed, uint64_t count, const char *log);
int work_agent(const char *broker);
int work_slot(void);

#endif
