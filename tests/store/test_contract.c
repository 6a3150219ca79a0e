/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract of store.h, told once and run on each implementation.
 */
#include "tests/store/model.h"
#include "tests/store/place.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One store under test; `again` closes and opens it where that keeps what is in it. */
struct fixture {
    struct store *store;
    char directory[256]; /* empty: in memory */
};

typedef void (*story)(struct fixture *f);

static void run_in_memory(story tell)
{
    struct fixture f = {.store = store_memory_open()};

    cr_assert(f.store);
    tell(&f);
    store_close(f.store);
}

static void run_in_sqlite(story tell)
{
    struct fixture f;

    place_make(f.directory, sizeof(f.directory));
    f.store = place_open(f.directory);
    tell(&f);
    cr_assert_eq(f.store->ops->check(f.store), BELT_OK, "%s", f.store->error);
    store_close(f.store);
    place_remove(f.directory);
}

#define CONTRACT(name)                                                                                                 \
    static void name(struct fixture *f);                                                                               \
    Test(memory, name)                                                                                                 \
    {                                                                                                                  \
        run_in_memory(name);                                                                                           \
    }                                                                                                                  \
    Test(sqlite, name)                                                                                                 \
    {                                                                                                                  \
        run_in_sqlite(name);                                                                                           \
    }                                                                                                                  \
    static void name(struct fixture *f)

static void again(struct fixture *f)
{
    if (!f->directory[0])
        return;
    store_close(f->store);
    f->store = place_open(f->directory);
}

static struct store_change put(uint64_t number, uint64_t job, size_t len)
{
    return (struct store_change){STORE_PUT,
                                 {.number = number,
                                  .job = job,
                                  .kind = (uint8_t)(number % 256),
                                  .first = number * 3,
                                  .count = (uint32_t)number,
                                  .body = model_body(number, len)}};
}

static struct store_change delete_one(uint64_t number)
{
    return (struct store_change){STORE_DELETE, {.number = number}};
}

static struct store_change delete_job(uint64_t job)
{
    return (struct store_change){STORE_DELETE_JOB, {.job = job}};
}

static void commit(struct fixture *f, const struct store_change *changes, uint32_t count)
{
    cr_assert_eq(f->store->ops->commit(f->store, changes, count), BELT_OK, "%s", f->store->error);
}

static void commit_one(struct fixture *f, struct store_change change)
{
    commit(f, &change, 1);
}

struct seen {
    uint64_t numbers[64];
    size_t count, total;
    int answer; /* what the visitor returns */
};

static int see(void *ctx, const struct store_record *record)
{
    struct seen *seen = ctx;

    if (seen->count < 64)
        seen->numbers[seen->count++] = record->number;
    seen->total++;
    return seen->answer;
}

/* The store holds records of just these numbers, in this order. */
static void expect(struct fixture *f, const uint64_t *numbers, size_t count)
{
    struct seen seen = {0};

    cr_assert_eq(f->store->ops->load(f->store, see, &seen), BELT_OK, "%s", f->store->error);
    cr_assert_eq(seen.total, count, "%zu records, not %zu", seen.total, count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(seen.numbers[i], numbers[i], "record %" PRIu64 " at place %zu", seen.numbers[i], i);
}

#define EXPECT(...)                                                                                                    \
    expect(f, (const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static struct store_stats stats(struct fixture *f)
{
    struct store_stats result;

    cr_assert_eq(f->store->ops->stats(f->store, &result), BELT_OK, "%s", f->store->error);
    return result;
}

CONTRACT(a_new_store_is_empty)
{
    expect(f, NULL, 0);
    again(f);
    expect(f, NULL, 0);
    struct store_stats s = stats(f);
    cr_assert(s.records == 0 && s.jobs == 0 && s.body_bytes == 0 && s.last_number == 0 && s.format == STORE_FORMAT);
}

CONTRACT(an_empty_commit_changes_nothing)
{
    commit(f, NULL, 0);
    expect(f, NULL, 0);
}

static int compare_fields(void *ctx, const struct store_record *record)
{
    const struct store_record *wanted = ctx;

    cr_assert(record->number == wanted->number && record->job == wanted->job && record->kind == wanted->kind &&
              record->first == wanted->first && record->count == wanted->count);
    cr_assert_eq(record->body.len, wanted->body.len);
    if (wanted->body.len)
        cr_assert_arr_eq(record->body.data, wanted->body.data, wanted->body.len);
    return 0;
}

CONTRACT(a_record_comes_back_as_it_was)
{
    struct store_change largest = {STORE_PUT,
                                   {.number = INT64_MAX,
                                    .job = UINT64_MAX,
                                    .kind = UINT8_MAX,
                                    .first = UINT64_MAX,
                                    .count = UINT32_MAX,
                                    .body = {(const uint8_t *)"a\0b", 3}}};
    commit_one(f, largest);
    again(f);
    cr_assert_eq(f->store->ops->load(f->store, compare_fields, &largest.record), BELT_OK);
}

CONTRACT(a_body_may_be_empty)
{
    struct store_change empty = {STORE_PUT, {.number = 1, .job = 0}};

    commit_one(f, empty);
    again(f);
    cr_assert_eq(f->store->ops->load(f->store, compare_fields, &empty.record), BELT_OK);
}

CONTRACT(records_load_in_order_of_their_numbers)
{
    commit(f, (struct store_change[]){put(5, 1, 10), put(2, 1, 10), put(9, 2, 10)}, 3);
    commit_one(f, put(3, 2, 10));
    EXPECT(2, 3, 5, 9);
    again(f);
    EXPECT(2, 3, 5, 9);
}

CONTRACT(a_visitor_may_stop_the_load)
{
    struct seen seen = {.answer = 77};

    commit(f, (struct store_change[]){put(1, 1, 10), put(2, 1, 10)}, 2);
    cr_assert_eq(f->store->ops->load(f->store, see, &seen), 77);
    cr_assert_eq(seen.total, 1);
    EXPECT(1, 2);
}

CONTRACT(a_deleted_record_is_gone)
{
    commit(f, (struct store_change[]){put(1, 1, 10), put(2, 1, 10), put(3, 1, 10)}, 3);
    commit_one(f, delete_one(2));
    EXPECT(1, 3);
    again(f);
    EXPECT(1, 3);
}

CONTRACT(deleting_what_is_not_there_is_no_error)
{
    commit_one(f, put(1, 1, 10));
    commit(f, (struct store_change[]){delete_one(7), delete_job(7), delete_one(7)}, 3);
    EXPECT(1);
}

CONTRACT(a_deleted_job_takes_its_records_along)
{
    commit(f, (struct store_change[]){put(1, 1, 10), put(2, UINT64_MAX, 10), put(3, 1, 10), put(4, UINT64_MAX, 10)}, 4);
    commit_one(f, delete_job(UINT64_MAX));
    EXPECT(1, 3);
    again(f);
    commit_one(f, delete_job(1));
    expect(f, NULL, 0);
}

CONTRACT(changes_of_a_transaction_apply_in_their_order)
{
    commit(f, (struct store_change[]){put(1, 1, 10), delete_one(1), put(2, 1, 10), delete_job(1), put(3, 1, 10)}, 5);
    EXPECT(3);
}

CONTRACT(a_record_is_replaced_in_one_transaction)
{
    struct store_change first = put(1, 1, 5000), second = put(1, 2, 70);

    commit_one(f, first);
    commit(f, (struct store_change[]){delete_one(1), second}, 2);
    cr_assert_eq(f->store->ops->load(f->store, compare_fields, &second.record), BELT_OK);
    commit_one(f, first);
    again(f);
    cr_assert_eq(f->store->ops->load(f->store, compare_fields, &first.record), BELT_OK);
    cr_assert_eq(stats(f).records, 1);
    commit_one(f, delete_job(2));
    EXPECT(1);
}

CONTRACT(bodies_of_eight_megabytes_come_back)
{
    struct store_change big = put(1, 1, 8u << 20);

    commit_one(f, big);
    again(f);
    cr_assert_eq(f->store->ops->load(f->store, compare_fields, &big.record), BELT_OK, "%s", f->store->error);
}

CONTRACT(a_body_over_the_limit_is_refused_without_effect)
{
    struct store_change over = put(2, 1, 10);

    over.record.body.len = (size_t)STORE_MAX_BODY + 1;
    cr_assert_eq(f->store->ops->commit(f->store, (struct store_change[]){put(1, 1, 10), over}, 2), BELT_TOO_LARGE);
    cr_assert(strstr(f->store->error, "record 2"), "%s", f->store->error);
    expect(f, NULL, 0);
}

CONTRACT(a_hundred_thousand_records)
{
    enum { EACH = 1000, BATCHES = 100 };
    static struct store_change changes[EACH];
    uint64_t number = 1;

    for (int i = 0; i < BATCHES; i++) {
        for (int j = 0; j < EACH; j++, number++) {
            changes[j] = put(number, number % 100, 64);
            changes[j].record.kind = (uint8_t)(number % STORE_OUTLIVES_JOB);
        }
        commit(f, changes, EACH);
    }
    again(f);
    struct seen seen = {0};
    cr_assert_eq(f->store->ops->load(f->store, see, &seen), BELT_OK, "%s", f->store->error);
    cr_assert_eq(seen.total, EACH * BATCHES);
    cr_assert_eq(stats(f).jobs, 100);
    for (uint64_t job = 0; job < 99; job++)
        commit_one(f, delete_job(job));
    cr_assert_eq(stats(f).records, 1000);
}

CONTRACT(what_outlives_a_job_stays_when_its_records_are_deleted_together)
{
    struct store_change changes[4];

    for (uint64_t i = 0; i < 4; i++) {
        changes[i] = put(i + 1, 5, 10);
        changes[i].record.kind = (uint8_t)(i < 2 ? STORE_OUTLIVES_JOB - 1 : STORE_OUTLIVES_JOB + i - 2);
    }
    commit(f, changes, 4);
    commit_one(f, delete_job(5));
    again(f);
    EXPECT(3, 4);
    commit_one(f, delete_one(3));
    EXPECT(4);
}

CONTRACT(stats_count_what_is_there)
{
    commit(f, (struct store_change[]){put(1, 1, 10), put(2, 2, 20), put(7, 2, 30), put(8, 3, 40)}, 4);
    commit_one(f, delete_one(8));
    again(f);
    struct store_stats s = stats(f);
    cr_assert_eq(s.records, 3);
    cr_assert_eq(s.jobs, 2);
    cr_assert_eq(s.body_bytes, 60);
    cr_assert_eq(s.last_number, 8, "the highest number stays known after its record is gone");
}

CONTRACT(check_and_compact_keep_everything)
{
    struct model model;
    struct store_change changes[MODEL_CHANGES];

    model_init(&model, 5);
    for (int i = 0; i < 50; i++) {
        uint32_t count = model_step(&model, changes, 50000);
        commit(f, changes, count);
    }
    cr_assert_eq(f->store->ops->compact(f->store), BELT_OK, "%s", f->store->error);
    cr_assert_eq(stats(f).free_bytes, 0);
    cr_assert_eq(f->store->ops->check(f->store), BELT_OK, "%s", f->store->error);
    const char *difference = model_compare(&model, f->store);
    cr_assert_null(difference, "%s", difference);
}

CONTRACT(tidying_comes_to_an_end_and_keeps_everything)
{
    struct store_change changes[8];
    bool more = true;

    for (uint64_t i = 0; i < 8; i++)
        changes[i] = put(i + 1, 1, 2u << 20);
    commit(f, changes, 8);
    commit(f, (struct store_change[]){delete_job(1), put(9, 2, 100)}, 2);
    for (int i = 0; more && i < 1000; i++)
        cr_assert_eq(f->store->ops->tidy(f->store, &more), BELT_OK, "%s", f->store->error);
    cr_assert(!more);
    EXPECT(9);
    cr_assert_lt(stats(f).file_bytes, 3u << 20);
}

CONTRACT(random_transactions_agree_with_the_model)
{
    static struct model model;
    struct store_change changes[MODEL_CHANGES];

    model_init(&model, 0);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        for (uint64_t number = 1; number < model.next; number++) /* what the seed before left */
            commit_one(f, delete_one(number));
        model_init(&model, seed);
        for (int i = 0; i < 100; i++) {
            uint32_t count = model_step(&model, changes, 3000);
            commit(f, changes, count);
            if (i % 20 == 19)
                again(f);
        }
        const char *difference = model_compare(&model, f->store);
        cr_assert_null(difference, "seed %" PRIu64 ": %s", seed, difference);
    }
}
