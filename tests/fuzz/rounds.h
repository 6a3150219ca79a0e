/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a fuzz target that has a main of its own goes on: for the number of inputs that its first argument names,
 * or, without one, for two seconds of processor time. A busy machine may take ten times as long for those, so 20
 * seconds of the clock end it as well: the number of inputs is printed, and no test depends on it.
 */
#ifndef BELT_TESTS_ROUNDS_H
#define BELT_TESTS_ROUNDS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS_CPU_SECONDS   2
#define ROUNDS_CLOCK_SECONDS 20

struct rounds {
    unsigned long wanted; /* 0: as many as there is time for */
    unsigned long done;
    clock_t cpu_end;
    time_t clock_end;
};

static inline struct rounds rounds_begin(int argc, char **argv)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (struct rounds){.wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 0,
                           .cpu_end = clock() + ROUNDS_CPU_SECONDS * CLOCKS_PER_SEC,
                           .clock_end = now.tv_sec + ROUNDS_CLOCK_SECONDS};
}

/** Whether there is another round; counts it. Looks at the time once in 64 rounds. */
static inline bool rounds_next(struct rounds *rounds)
{
    struct timespec now;

    if (rounds->wanted > 0) {
        if (rounds->done == rounds->wanted)
            return false;
    } else if (rounds->done % 64 == 63) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (clock() >= rounds->cpu_end || now.tv_sec >= rounds->clock_end)
            return false;
    }
    rounds->done++;
    return true;
}

static inline int rounds_end(const struct rounds *rounds)
{
    printf("%lu inputs\n", rounds->done);
    return 0;
}

#endif
