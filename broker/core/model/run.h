/* SPDX-License-Identifier: Apache-2.0
 *
 * A run: one task in the hands of an agent. It begins when the task is dispatched (policy/run.c) and ends with its
 * result, or when the agent gives it back or is gone (life/outcome.c). Owned by its agent. Private to broker/core.
 */
#ifndef BELT_CORE_MODEL_RUN_H
#define BELT_CORE_MODEL_RUN_H

#include <stdbool.h>
#include <stdint.h>

struct agent;
struct job;

struct run {
    struct job *job;
    struct agent *agent;
    uint64_t index;             /* of the task in its job */
    uint64_t order;             /* number of this dispatch at its agent, from 1 */
    uint64_t dispatched_ms;     /* when the task was given to the agent */
    uint64_t begun_ms;          /* since when the run is among those that have a slot (life/overdue.c); 0: it is not */
    uint32_t progress_permille; /* as the task told it last */
    uint32_t bytes;             /* of its payload: the byte window of its agent counts them */
    float cost_us;              /* what its job was charged for it, in us of service */
    uint32_t used_us;           /* what it took, in us; 0: it did not run to its end */
    uint64_t chunk;             /* runs of one chunk are neighbours and share this number; 0: the run is alone */
    bool named;                 /* the SYNC that is being read has named it */
    bool dropped;               /* DROP was sent: its result is not wanted */
    bool cancelled;             /* this task alone is not wanted any more, the rest of its job is */
    bool halted;                /* if it has not begun, it is not tried again, here or anywhere else */
    bool refused;               /* there was no room for its result, which its agent keeps */
    uint32_t back; /* bytes that its result seems to take, a part of core->memory.expected; refused: that it takes */
    struct run *prev, *next; /* of the agent in order of dispatch; when refused: in agent->results.refused */
    struct run *refused_prev, *refused_next; /* in job->results.refused */
};

#endif
