/* SPDX-License-Identifier: Apache-2.0
 *
 * What a store should hold, kept in the plainest way, and random transactions
 * that change both. A transaction follows from the seed and its own number
 * alone, so a test can play the same ones again.
 */
#ifndef BELT_TEST_STORE_MODEL_H
#define BELT_TEST_STORE_MODEL_H

#include "broker/store/store.h"

#define MODEL_RECORDS 4096
#define MODEL_JOBS    7
#define MODEL_CHANGES 12

struct model_record {
    bool there;
    uint8_t kind;
    uint64_t job, first;
    uint32_t count, len;
};

struct model {
    uint64_t seed, commits, next;
    struct model_record records[MODEL_RECORDS]; /* by number; when `next` is at the end, all tests end */
};

/** Pseudo-random numbers: splitmix64. */
uint64_t model_random(uint64_t *state);

void model_init(struct model *model, uint64_t seed);
/** The changes of transaction model->commits, with bodies up to `most` bytes, applied to the model. How many. */
uint32_t model_step(struct model *model, struct store_change changes[MODEL_CHANGES], uint32_t most);
/** The body that belongs to a record of that number: borrowed, valid for ever. */
struct belt_bytes model_body(uint64_t number, size_t len);

/** NULL when the store holds exactly what the model holds; else what differs (valid until the next call). */
const char *model_compare(const struct model *model, struct store *store);
/** How the load ended that model_compare() did last. */
int model_load_code(void);

#endif
