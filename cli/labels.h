/* SPDX-License-Identifier: Apache-2.0
 *
 * The inputs whose results are not printed yet, by their place in the job: for
 * messages, tags and the joblog. As many as the window lets through. Pure.
 */
#ifndef BELT_CLI_LABELS_H
#define BELT_CLI_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct label {
    struct label *next;
    uint64_t task;  /* index in the job */
    uint64_t input; /* index in the input: more, when a resumed run skips */
    size_t full;    /* length of the input */
    size_t len;     /* how much of it is kept */
    char data[];
};

struct labels {
    struct label **slots;
    size_t size, count; /* size is a power of two */
};

/** Keeps a copy of the first `keep` bytes at most. False when out of memory. */
bool labels_put(struct labels *labels, uint64_t task, uint64_t input, const char *data, size_t len, size_t keep);
/** *Gives* the label, which free() frees. NULL: there is none. */
struct label *labels_take(struct labels *labels, uint64_t task);
void labels_free(struct labels *labels);

#endif
