/* SPDX-License-Identifier: Apache-2.0
 *
 * Results as the caller sees them, and the shelf of a stream that they come
 * from and go back to. A result may outlive its stream: the shelf goes with
 * the last of them.
 *
 * Threads: the I/O thread makes results, any thread frees them. Taking from
 * the shelf is for one thread only (its owner); putting back is for all.
 */
#ifndef BELT_CLIENT_RESULT_H
#define BELT_CLIENT_RESULT_H

#include "proto/message.h"

#include <belt/belt.h>

struct client_shelf;

struct client_result {
    belt_result shown; /* first: a belt_result * is a client_result * */
    struct client_result *next;
    struct client_shelf *shelf; /* NULL: allocated by itself */
    struct belt_payload payload;
    char *words;   /* text, host and log, one allocation, or NULL */
    uint64_t task; /* the broker's index */
};

/** A queue of results. */
struct client_results {
    struct client_result *first;
    struct client_result **tail; /* &first when empty */
};

void client_results_init(struct client_results *results);
void client_results_add(struct client_results *results, struct client_result *result);
/** Moves all of `from` to the end of `to`. */
void client_results_move(struct client_results *to, struct client_results *from);
struct client_result *client_results_pop(struct client_results *results);
void client_results_drop(struct client_results *results);

/** NULL when out of memory. */
struct client_shelf *client_shelf_new(void);
/** The owner needs it no more; it goes when its results are back. Accepts NULL. */
void client_shelf_leave(struct client_shelf *shelf);

/** Where the payloads of one delivery are copied to that do not lie at a multiple of BELT_ALIGNMENT. */
struct client_room {
    struct belt_buf *buf; /* NULL: none of them needs it */
    size_t used;
};
/** Room for these items. False: out of memory. */
bool client_room_open(struct client_room *room, const struct belt_result_item *items, uint32_t count);
void client_room_close(struct client_room *room);

/** From a delivery whose room is open; takes references of its own. NULL when out of memory. */
struct client_result *client_result_new(struct client_shelf *shelf, const struct belt_result_item *item,
                                        struct client_room *room);
/** For an input that never became a task. NULL when out of memory. */
struct client_result *client_result_local(uint64_t index, unsigned code, const char *text, size_t len);
void client_result_drop(struct client_result *result);

#endif
