/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of libbelt: a private pool with some functions, and numbers as input. No tests.
 */
#ifndef BELT_TESTS_LIBRARY_STOCK_H
#define BELT_TESTS_LIBRARY_STOCK_H

#include <belt/belt.h>

#include <stdbool.h>
#include <stdint.h>

#define WAIT_MS 20000

/** Numbers as text, with what a source can do wrong on the way. */
struct numbers {
    uint64_t next, count;
    uint64_t fail_at;  /* UINT64_MAX: never */
    uint64_t pause_at; /* answers "nothing yet" once */
    char text[32];
};

/** Registers what stock_pool() serves. */
void stock_functions(void);
/** A pool that serves "echo", "endless", and what does something else on one input: "picky", "deadly", "deadly_late",
 * "endless_late", "late". */
belt_pool *stock_pool(int slots);
/** "late" answers "0" once this was called. */
void stock_end_late(void);
/** A new directory in which private pools have theirs. */
void stock_home(char path[64]);
/** Where the one private broker in `home` listens for clients, as on a cluster. */
void stock_endpoint(const char *home, char endpoint[160]);
struct numbers stock_numbers(uint64_t count);
/** The source of a job; `ctx` is a struct numbers. */
int stock_next(void *ctx, belt_input *input);
/** True: the result is its index as text. */
bool stock_says_number(const belt_result *result);
belt_job_options stock_options(uint32_t chunksize, uint64_t buffersize);
int stock_start(belt_pool *pool, bool ordered, const char *function, struct numbers *numbers,
                const belt_job_options *options, belt_stream **stream);

#endif
