/* SPDX-License-Identifier: Apache-2.0
 *
 * How an agent and a slot of C functions agree on which tasks the slot begins and which it gives back. Pure: both sides
 * change the one word by compare and exchange, so each task is either begun or taken back, and both know which.
 */
#ifndef BELT_WORKER_SLOT_CLAIM_H
#define BELT_WORKER_SLOT_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

/** Tasks are numbered from 1 as they are written to the slot. */
struct claim {
    uint32_t begun; /* the last one; of those behind it */
    bool keep;      /* the first is the slot's */
    uint32_t taken; /* and so many behind that one, or behind `begun`, are taken back */
};

static inline unsigned long long claim_pack(struct claim claim)
{
    return (unsigned long long)claim.taken << 33 | (unsigned long long)claim.keep << 32 | claim.begun;
}

static inline struct claim claim_unpack(unsigned long long word)
{
    return (struct claim){(uint32_t)word, word >> 32 & 1, (uint32_t)(word >> 33)};
}

/** The slot has read task `number`. True: it begins it; false: it was taken back, and is passed over. */
static inline bool claim_begin(struct claim *claim, uint32_t number)
{
    if (!claim->keep && number - claim->begun <= claim->taken)
        return false;
    *claim = (struct claim){number, false, claim->keep ? claim->taken : 0};
    return true;
}

/**
 * The agent, which has written `given` tasks, takes back those that were not begun; returns how many. When the slot
 * `rests` (it has begun none of those it has not answered) the first stays its own: one that was stopped, or is
 * reading a large task, would be given and relieved of it again and again.
 */
static inline uint32_t claim_take(struct claim *claim, uint32_t given, bool rests)
{
    uint32_t fresh = given - claim->begun - claim->keep - claim->taken;

    if (rests && !claim->keep) {
        if (fresh == 0 || claim->taken > 0) /* its first one is behind some that it has yet to pass over */
            return 0;
        claim->keep = true;
        fresh--;
    }
    claim->taken += fresh;
    return fresh;
}

#endif
