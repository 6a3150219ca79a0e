/* SPDX-License-Identifier: Apache-2.0
 *
 * A fuzz input as a source of choices: each draw takes bytes off its front, and
 * says 0 when there are none left. So a mutated input is a mutated story. And the main of a target that runs without
 * libFuzzer: random inputs from a seed.
 */
#ifndef BELT_TESTS_DRAWN_H
#define BELT_TESTS_DRAWN_H

#include "tests/fuzz/rounds.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct drawn {
    const uint8_t *at, *end;
};

static inline uint32_t draw(struct drawn *from, uint32_t below)
{
    uint32_t value = 0;

    for (uint32_t most = below - 1; most > 0 && from->at < from->end; most >>= 8)
        value = value << 8 | *from->at++;
    return value % below;
}

static inline bool chance(struct drawn *from, uint32_t of)
{
    return draw(from, of) == of - 1; /* an input that is used up does the plain thing */
}

/** Mostly below `usual`, now and then at an edge of what there is. */
static inline uint64_t draw_number(struct drawn *from, uint32_t usual)
{
    static const uint64_t edges[] = {0, 1, UINT32_MAX, (uint64_t)UINT32_MAX + 1, INT64_MAX, UINT64_MAX - 1, UINT64_MAX};

    return chance(from, 40) ? edges[draw(from, sizeof(edges) / sizeof(*edges))] : draw(from, usual);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef BELT_FUZZ
static int drawn_main(int argc, char **argv, size_t most)
{
    uint64_t state = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    uint8_t *input = malloc(most);
    struct rounds rounds = rounds_begin(argc, argv);

    while (input && rounds_next(&rounds)) {
        for (size_t k = 0; k < most; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            input[k] = (uint8_t)(state >> 56);
        }
        LLVMFuzzerTestOneInput(input, most);
    }
    free(input);
    return rounds_end(&rounds);
}
#endif

#endif
