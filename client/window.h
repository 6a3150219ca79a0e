/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader's half of a stream: how many inputs may be drawn, at which place
 * of the stream an input or a failed input stands, which result is next.
 * Pure: no clock, no lock. Belongs to the user's thread; what goes over the
 * wire is stream.h, on the I/O thread.
 *
 * Inputs that failed in the source never reach the broker, so there are two
 * counts: the caller's index (every input) and the broker's (tasks only).
 */
#ifndef BELT_CLIENT_WINDOW_H
#define BELT_CLIENT_WINDOW_H

#include "proto/message.h"

/* buffersize=auto: enough for a host's slots at first, then as fast as the reader really is. */
#define CLIENT_WINDOW_FIRST 64u
#define CLIENT_WINDOW_LAST  65536u
/* A window taken in less than this is too small: a pause of that length anywhere would be felt. */
#define CLIENT_WINDOW_LAP_MS 250u
/* Inputs that the broker has already may be so many ahead of the comparison: they are dropped by it at once. */
#define CLIENT_WINDOW_COMPARED 1024u

/** From the broker's index `from` on, `failures` inputs stand before a task. */
struct client_gap {
    uint64_t from;
    uint64_t failures;
};

struct client_window {
    enum belt_mode mode;
    bool automatic;
    bool ended;     /* no more inputs: `drawn` is the total */
    uint64_t size;  /* items */
    uint64_t bytes; /* payload bytes that may be ahead of what the broker has released */
    uint64_t drawn; /* inputs so far, failed ones included: the caller's next index */
    uint64_t drawn_bytes;
    uint64_t taken;    /* results given; ordered: the next index */
    uint64_t failures; /* inputs that failed so far */
    uint64_t known;    /* tasks that the broker has of an earlier run: to be drawn and compared before any result */
    uint64_t compared, compared_bytes; /* of these, so far */
    bool lap_started;
    uint64_t lap_ms; /* when the present lap of a whole window began */
    uint64_t lap_taken;
    struct client_gap *gaps; /* unordered only */
    size_t gap_count, gap_capacity;
};

/** `size` 0: automatic. */
void client_window_init(struct client_window *window, enum belt_mode mode, uint64_t size, uint64_t bytes);
void client_window_fini(struct client_window *window);

/** True when one more input may be drawn. `granted_bytes`: the broker's running total, 0 when it is not known. */
bool client_window_open(const struct client_window *window, uint64_t granted_bytes);
/** An input of `len` bytes was drawn and becomes a task. */
void client_window_draw(struct client_window *window, uint64_t len);
/** An input failed: `*index` is its place. False when out of memory. */
bool client_window_fail(struct client_window *window, uint64_t *index);
/** The reader starts at `cursor` and not at 0: others have read and released what is before. */
void client_window_start(struct client_window *window, uint64_t cursor);
/** True when the failed input at `index` is the next to give. */
bool client_window_due(const struct client_window *window, uint64_t index);
/** The caller's index of the task with the broker's index `task`, which is given next. */
uint64_t client_window_index(const struct client_window *window, uint64_t task);
/** What became of an input that was drawn. `after`: of failed inputs that were not given yet, how many stand at `index`
 * or behind it (ordered only). False: it failed, or its result was given. */
bool client_window_task(const struct client_window *window, uint64_t index, uint64_t after, uint64_t *task);
/** The broker has `known` tasks already (0: nothing is compared any more), `compared` of which were found the same. */
void client_window_compare(struct client_window *window, uint64_t known, uint64_t compared, uint64_t compared_bytes);
/** Of a job that is only handed in: the broker has accepted so many tasks, which is what opens the window. */
void client_window_accept(struct client_window *window, uint64_t accepted);
/** One result was given to the caller. True when a lap is full: call client_window_lap(). */
bool client_window_take(struct client_window *window);
void client_window_lap(struct client_window *window, uint64_t now);
/** True when every input has given its result. */
bool client_window_over(const struct client_window *window);

#endif
