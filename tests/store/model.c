/* SPDX-License-Identifier: Apache-2.0
 *
 * The model of a store (model.h).
 */
#include "tests/store/model.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PATTERN_BYTES  (9u << 20)
#define PATTERN_SHIFTS 4096u

static int last_load;

uint64_t model_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

struct belt_bytes model_body(uint64_t number, size_t len)
{
    static uint8_t pattern[PATTERN_BYTES + PATTERN_SHIFTS];
    static bool made;

    for (uint64_t state = 1; !made;) {
        for (size_t i = 0; i < sizeof(pattern); i++)
            pattern[i] = (uint8_t)model_random(&state);
        made = true;
    }
    assert(len <= PATTERN_BYTES);
    return (struct belt_bytes){pattern + number % PATTERN_SHIFTS, len};
}

void model_init(struct model *model, uint64_t seed)
{
    memset(model, 0, sizeof(*model));
    model->seed = seed;
    model->next = 1;
}

static uint64_t present_number(const struct model *model, uint64_t *random)
{
    uint64_t start = model_random(random) % model->next;

    for (uint64_t i = 0; i < model->next; i++)
        if (model->records[(start + i) % model->next].there)
            return (start + i) % model->next;
    return 0;
}

static void put(struct model *model, struct store_change *change, uint64_t *random, uint32_t most)
{
    uint64_t number = model->next++;
    uint32_t len = (uint32_t)(model_random(random) % (most + 1));

    if (model_random(random) % 4 == 0)
        len %= 64;
    struct model_record *record = &model->records[number];
    *record = (struct model_record){.there = true,
                                    .kind = (uint8_t)model_random(random),
                                    .job = model_random(random) % MODEL_JOBS * UINT64_C(0x2492492492492493),
                                    .first = model_random(random),
                                    .count = (uint32_t)model_random(random),
                                    .len = len};
    change->op = STORE_PUT;
    change->record = (struct store_record){.number = number,
                                           .job = record->job,
                                           .kind = record->kind,
                                           .first = record->first,
                                           .count = record->count,
                                           .body = model_body(number, len)};
}

static void delete_job(struct model *model, uint64_t job)
{
    for (uint64_t i = 0; i < model->next; i++)
        if (model->records[i].job == job && model->records[i].kind < STORE_OUTLIVES_JOB)
            model->records[i].there = false;
}

uint32_t model_step(struct model *model, struct store_change changes[MODEL_CHANGES], uint32_t most)
{
    uint64_t random = model->seed * 1000003 + model->commits++;
    uint32_t count = 1 + (uint32_t)(model_random(&random) % MODEL_CHANGES);

    memset(changes, 0, MODEL_CHANGES * sizeof(*changes));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t dice = model_random(&random) % 100;
        uint64_t there = present_number(model, &random);
        if (dice < 55 || !there) {
            put(model, &changes[i], &random, most);
        } else if (dice < 98) {
            changes[i].op = STORE_DELETE;
            changes[i].record.number = there;
            model->records[there].there = false;
        } else {
            changes[i].op = STORE_DELETE_JOB;
            changes[i].record.job = model->records[there].job;
            delete_job(model, model->records[there].job);
        }
    }
    assert(model->next + MODEL_CHANGES < MODEL_RECORDS);
    return count;
}

struct comparison {
    const struct model *model;
    uint64_t seen, last;
    char *text;
    size_t size;
};

static int compare_record(void *ctx, const struct store_record *record)
{
    struct comparison *comparison = ctx;
    const struct model_record *wanted =
        record->number < MODEL_RECORDS ? &comparison->model->records[record->number] : NULL;

    if (comparison->text[0])
        return 0;
    if (!wanted || !wanted->there)
        snprintf(comparison->text, comparison->size, "record %" PRIu64 " should not be there", record->number);
    else if (record->number <= comparison->last)
        snprintf(comparison->text, comparison->size, "record %" PRIu64 " comes out of order", record->number);
    else if (record->job != wanted->job || record->kind != wanted->kind || record->first != wanted->first ||
             record->count != wanted->count || record->body.len != wanted->len ||
             (wanted->len && memcmp(record->body.data, model_body(record->number, wanted->len).data, wanted->len) != 0))
        snprintf(comparison->text, comparison->size, "record %" PRIu64 " is not what was put", record->number);
    comparison->last = record->number;
    comparison->seen++;
    return 0;
}

const char *model_compare(const struct model *model, struct store *store)
{
    static char text[700];
    struct comparison comparison = {.model = model, .text = text, .size = sizeof(text)};
    uint64_t wanted = 0;

    text[0] = 0;
    last_load = store->ops->load(store, compare_record, &comparison);
    if (last_load != BELT_OK) {
        snprintf(text, sizeof(text), "load: %s", store->error);
        return text;
    }
    for (uint64_t i = 0; i < MODEL_RECORDS; i++)
        wanted += model->records[i].there;
    if (!text[0] && wanted != comparison.seen)
        snprintf(text, sizeof(text), "%" PRIu64 " records where %" PRIu64 " should be", comparison.seen, wanted);
    return text[0] ? text : NULL;
}

int model_load_code(void)
{
    return last_load;
}
