/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory that an agent shares with the slots of C functions (SHARED_MEMORY.md).
 */
#ifndef BELT_WORKER_SLOT_MEMORY_H
#define BELT_WORKER_SLOT_MEMORY_H

#include "worker/slot/claim.h"
#include "worker/slot/pipe.h"

#include <stdatomic.h>
#include <stdint.h>

/* Memory of two slots never shares a page of this size, so that each can be kept from the other. */
#define SLOT_MEMORY_PAGE 4096

/**
 * What an agent shares with one slot of C functions, in pages that no other slot has. A function may write where it
 * should not: the agent checks all that it reads here, and kills a slot that breaks the rules.
 */
struct slot_memory {
    _Alignas(SLOT_MEMORY_PAGE) atomic_uint begun, ended; /* tasks that the process began and ended; 0 when it starts */
    atomic_ullong begun_us;                              /* when it began the last one, CLOCK_MONOTONIC */
    atomic_uint stop;                                    /* number (from 1) of the task that is to stop; 0: none */
    atomic_ullong claim;                                 /* claim.h, packed */
    struct slot_rings rings;
};

/** What the agent tells the keeper and all slots, which can only read it. */
struct slots_shared {
    atomic_uint max_payload; /* the broker's limit, 0 before the first welcome */
    uint32_t slot_count;
    atomic_int groups[]; /* by slot number: the process group that runs there, 0: none */
};

#endif
