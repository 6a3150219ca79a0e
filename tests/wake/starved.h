/* SPDX-License-Identifier: Apache-2.0
 *
 * How long the threads of this process and of its descendants were ready to run and had no processor, as the kernel
 * accounts for it. Linux alone: elsewhere it finds no threads, and so no time.
 */
#ifndef BELT_TEST_STARVED_H
#define BELT_TEST_STARVED_H

#include <stddef.h>
#include <stdint.h>

#define STARVED_THREADS 256

struct starved_threads {
    size_t count;
    struct {
        int id;
        uint64_t waited_us; /* since the thread began */
    } thread[STARVED_THREADS];
};

void starved_look(struct starved_threads *threads);
/** The time that the one of them which waited longest has waited since, in microseconds. */
uint64_t starved_since(const struct starved_threads *before);

#endif
