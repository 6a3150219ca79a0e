/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that an agent and a slot of C functions share, for large payloads: a task's lies there while the slot has
 * the task, a result's until the broker has recorded it, so that neither is carried through the rings (slot/pipe.h).
 * What finds no room takes the rings. Pure: the memory is given.
 *
 * The lower half is the agent's: it lends blocks of it, each with one task. The upper half is the slot's: it takes a
 * block for an answer and names it; from then on the block is the agent's, who gives it back when nobody needs the
 * result any more. An answer that lies in what was lent with its task is not copied at all.
 *
 * The agent keeps to itself what is lent and what was named, and believes nothing that it reads there: a slot that has
 * gone mad spoils its own tasks and results, and no others. When a slot dies, results keep their blocks, and the next
 * process has the rest.
 *
 * Threads: the agent's side is one thread's, but the last reference to a result may be given back by any other.
 */
#ifndef BELT_WORKER_SLOT_ARENA_H
#define BELT_WORKER_SLOT_ARENA_H

#include "proto/buf.h"

#include <stdbool.h>

/* Blocks are whole units. */
#define ARENA_UNIT  (32u << 10)
#define ARENA_WORDS 8u /* of 64 units, the most that a half may have: a payload of the default limit (limits.h) */

enum arena_half { ARENA_LOWER, ARENA_UPPER };

/** What is shared. Zeros at first; what was never used takes no memory. */
struct arena_memory {
    _Alignas(64) atomic_ullong taken[ARENA_WORDS]; /* units of the upper half: the slot sets, the agent clears */
    uint32_t units;                                /* of a half; read by the slot */
    _Alignas(4096) uint8_t bytes[];
};

struct arena_block;

/** The agent's side. It must stay where it is, and outlive the payloads that it gave out. */
struct arena {
    struct arena_memory *memory;        /* NULL: none, and there is no room */
    uint32_t units;                     /* of a half */
    uint64_t held[2][ARENA_WORDS];      /* units that are lent, or named and not given back */
    atomic_ullong back[2][ARENA_WORDS]; /* those of them that nobody needs any more */
    atomic_bool some_back;              /* there are some */
    bool used[2], stale[2];             /* since the last arena_spare(); before it */
    struct arena_block *lent;           /* in the order of the tasks */
};

/** Units of a half, for an agent with so many slots. */
uint32_t arena_units(uint32_t slots);
/** Bytes of the memory for halves of so many units; a multiple of a page. */
size_t arena_size(uint32_t units);
/** Bytes in which payloads lie: both halves. */
size_t arena_bytes(uint32_t units);

/* ---- the agent's side ---- */

/** For a new process of the slot, when the one before is dead. Nothing is lent; results stay. */
void arena_open(struct arena *arena, struct arena_memory *memory, uint32_t units);
/** The process is dead: its tasks' blocks are its no more. */
void arena_close(struct arena *arena);
/** Copies the payload of task `number` (above those of the tasks before it) into a block, at `*at`. False: no room. */
bool arena_lend(struct arena *arena, uint64_t number, struct belt_bytes payload, size_t *at);
/** What was given back has room again, for the slot's answers too. */
void arena_collect(struct arena *arena);
/** Tasks up to `number` were answered, and their functions have returned. */
void arena_settle(struct arena *arena, uint64_t number);
/** Tasks above `number` were taken back. */
void arena_unlend(struct arena *arena, uint64_t number);
/** The answer of task `number` is said to lie at `at`. True: `payload` has a reference to it; false: the slot may not
 *  name that. */
bool arena_answer(struct arena *arena, uint64_t number, size_t at, size_t len, struct belt_payload *payload);
/** True: the half was used before the last call, but not since, and nothing lies in it: its pages may go. Those of the
 *  upper half may only while the slot runs nothing. */
bool arena_spare(struct arena *arena, enum arena_half half);

/* ---- the slot's side ---- */

/** A block of the upper half for an answer of `len` bytes, at `*at`, which the caller fills. False: no room. */
bool arena_take(struct arena_memory *memory, size_t len, size_t *at);
/** The same, with a copy of the answer in it. */
bool arena_put(struct arena_memory *memory, struct belt_bytes answer, size_t *at);

#endif
