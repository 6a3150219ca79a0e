/* SPDX-License-Identifier: Apache-2.0
 *
 * The committer over a scripted store: slow (it stops at a gate until the
 * test lets it through), failing, recovering, stuck; and once over SQLite.
 */
#include "broker/committer.h"
#include "tests/store/model.h"
#include "tests/store/place.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64, PATIENCE_MS = 20000 };

/* Fails the first commits with the codes given; writes down each transaction. */
struct scripted {
    struct store base;
    bool gated;
    sem_t reached, gate; /* a commit has begun; it may go on */
    int codes[8], code_count;
    int calls;
    int transactions; /* that succeeded */
    uint32_t changes[MOST];
    uint64_t numbers[MOST];
    uint32_t number_count;
    uint8_t first_byte[MOST];
    bool signals_blocked;
    int tidy_steps;
    sem_t tidied;
    int full_until; /* tidy steps until there is room */
};

static int scripted_commit(struct store *base, const struct store_change *changes, uint32_t count)
{
    struct scripted *script = (struct scripted *)base;
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    script->signals_blocked = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGINT) && sigismember(&mask, SIGUSR1);
    if (script->gated) {
        sem_post(&script->reached);
        sem_wait(&script->gate);
    }
    int call = script->calls++;
    if (call < script->code_count && script->codes[call] != BELT_OK) {
        snprintf(base->error, sizeof(base->error), "failure %d", call);
        return script->codes[call];
    }
    script->changes[script->transactions++] = count;
    for (uint32_t i = 0; i < count && script->number_count < MOST; i++) {
        script->first_byte[script->number_count] = changes[i].record.body.len ? changes[i].record.body.data[0] : 0;
        script->numbers[script->number_count++] = changes[i].record.number;
    }
    return BELT_OK;
}

static int scripted_tidy(struct store *base, bool *more)
{
    struct scripted *script = (struct scripted *)base;

    *more = --script->tidy_steps > 0;
    if (script->full_until)
        base->full = --script->full_until > 0;
    sem_post(&script->tidied);
    return BELT_OK;
}

static const struct store_ops scripted_ops = {.name = "scripted", .commit = scripted_commit, .tidy = scripted_tidy};

static void script_init(struct scripted *script)
{
    memset(script, 0, sizeof(*script));
    script->base.ops = &scripted_ops;
    sem_init(&script->reached, 0, 0);
    sem_init(&script->gate, 0, 0);
    sem_init(&script->tidied, 0, 0);
}

static struct committer *start(struct store *store, struct committer_config config)
{
    char error[256];

    if (!config.retry_min_ms)
        config.retry_min_ms = config.retry_max_ms = 1;
    if (!config.tidy_ms)
        config.tidy_ms = 3600000;
    struct committer *committer = committer_start(store, &config, error, sizeof(error));
    cr_assert(committer, "%s", error);
    return committer;
}

static int hand(struct committer *committer, uint64_t number, size_t len)
{
    struct store_change change = {STORE_PUT, {.number = number, .job = 1, .body = model_body(number, len)}};

    return committer_hand(committer, &change, 1, NULL, number);
}

/* Waits for news; fails the test when none come. */
static uint64_t await_news(struct committer *committer, int *code)
{
    struct pollfd ready = {.fd = committer_fd(committer), .events = POLLIN};
    uint64_t through;

    cr_assert_eq(poll(&ready, 1, PATIENCE_MS), 1, "no news");
    cr_assert(committer_done(committer, &through, code));
    return through;
}

static void await_through(struct committer *committer, uint64_t wanted)
{
    uint64_t through = 0;
    int code = BELT_OK;

    while (through < wanted) {
        through = await_news(committer, &code);
        cr_assert_eq(code, BELT_OK, "%s", committer_error(committer));
    }
    cr_assert_eq(through, wanted);
}

Test(committer, tells_when_a_batch_is_durable)
{
    struct scripted script;
    uint64_t through = 99;
    int code = 99;

    script_init(&script);
    struct committer *committer = start(&script.base, (struct committer_config){0});
    cr_assert(!committer_done(committer, &through, &code), "nothing is new yet");
    cr_assert(through == 0 && code == BELT_OK);
    cr_assert_eq(hand(committer, 7, 10), BELT_OK);
    await_through(committer, 7);
    cr_assert_eq(committer_queued(committer, NULL), 0);
    cr_assert(script.signals_blocked, "signals belong to the loop");
    cr_assert_eq(committer_stop(committer, PATIENCE_MS), BELT_OK);
}

Test(committer, what_arrives_during_a_commit_is_one_transaction)
{
    struct scripted script;

    script_init(&script);
    script.gated = true;
    struct committer *committer = start(&script.base, (struct committer_config){0});
    hand(committer, 1, 10);
    sem_wait(&script.reached);
    for (uint64_t number = 2; number <= 20; number++)
        cr_assert_eq(hand(committer, number, 10), BELT_OK);
    sem_post(&script.gate);
    sem_post(&script.gate);
    await_through(committer, 20);
    cr_assert_eq(committer_stop(committer, PATIENCE_MS), BELT_OK);
    cr_assert_eq(script.transactions, 2);
    cr_assert(script.changes[0] == 1 && script.changes[1] == 19);
    for (uint32_t i = 0; i < 20; i++)
        cr_assert_eq(script.numbers[i], i + 1, "out of order");
}

Test(committer, a_transaction_is_bounded_in_bytes)
{
    struct scripted script;

    script_init(&script);
    script.gated = true;
    struct committer *committer = start(&script.base, (struct committer_config){.group_bytes = 25000});
    hand(committer, 1, 10);
    sem_wait(&script.reached);
    static const size_t sizes[] = {10000, 10000, 10000, 90000, 10};
    for (uint64_t i = 0; i < 5; i++)
        hand(committer, 2 + i, sizes[i]);
    for (int i = 0; i < 5; i++)
        sem_post(&script.gate);
    await_through(committer, 6);
    cr_assert_eq(committer_stop(committer, PATIENCE_MS), BELT_OK);
    cr_assert_eq(script.transactions, 5);
    static const uint32_t wanted[] = {1, 2, 1, 1, 1};
    cr_assert_arr_eq(script.changes, wanted, sizeof(wanted));
}

Test(committer, a_failure_is_told_once_and_heals)
{
    struct scripted script;
    int code;

    script_init(&script);
    script.gated = true;
    script.code_count = 4;
    for (int i = 0; i < 4; i++)
        script.codes[i] = BELT_STORE_FAILED;
    struct committer *committer = start(&script.base, (struct committer_config){0});
    hand(committer, 1, 10);
    sem_post(&script.gate);
    cr_assert_eq(await_news(committer, &code), 0);
    cr_assert_eq(code, BELT_STORE_FAILED);
    cr_assert_str_eq(committer_error(committer), "failure 0");
    hand(committer, 2, 10);
    sem_wait(&script.reached);
    for (int i = 0; i < 3; i++) {
        sem_post(&script.gate);
        sem_wait(&script.reached);
    }
    /* Four attempts have failed, the fifth is at the gate. */
    sem_wait(&script.reached);
    uint64_t through;
    cr_assert(!committer_done(committer, &through, &code), "told again");
    cr_assert_eq(code, BELT_STORE_FAILED);
    sem_post(&script.gate);
    sem_post(&script.gate);
    await_through(committer, 2);
    cr_assert_str_empty(committer_error(committer));
    cr_assert_eq(committer_stop(committer, PATIENCE_MS), BELT_OK);
    cr_assert(script.number_count == 2 && script.numbers[0] == 1 && script.numbers[1] == 2, "each once");
}

Test(committer, a_store_that_lives_from_its_reserve_is_told_of_and_goes_on)
{
    struct scripted script;
    uint64_t through = 0;
    int code = BELT_OK;

    script_init(&script);
    script.base.full = true;
    snprintf(script.base.error, sizeof(script.base.error), "no room");
    script.full_until = 5;
    script.gated = true;
    struct committer *committer = start(&script.base, (struct committer_config){0});
    cr_assert_eq(await_news(committer, &code), 0, "it is full from the start");
    cr_assert_eq(code, BELT_STORE_FAILED);
    cr_assert_str_eq(committer_error(committer), "no room");
    cr_assert_eq(hand(committer, 7, 10), BELT_OK);
    sem_post(&script.gate);
    while (through < 7 || code != BELT_OK)
        through = await_news(committer, &code);
    cr_assert_str_eq(committer_error(committer), "");
    cr_assert_eq(committer_stop(committer, PATIENCE_MS), BELT_OK);
}

/* A broker that was started on a full disk and has nothing to write. */
Test(committer, a_store_that_is_full_from_the_start_looks_for_room_by_itself)
{
    struct scripted script;
    int code = BELT_OK;

    script_init(&script);
    script.base.full = true;
    script.full_until = 3;
    struct committer *committer = start(&script.base, (struct committer_config){0});
    cr_assert_eq(await_news(committer, &code), 0);
    cr_assert_eq(code, BELT_STORE_FAILED);
    while (code != BELT_OK)
        cr_assert_eq(await_news(committer, &code), 0);
    cr_assert_eq(committer_stop(committer, PATIENCE_MS), BELT_OK);
}

Test(committer, a_final_failure_ends_all_commits)
{
    struct scripted script;
    int code;

    script_init(&script);
    script.code_count = 1;
    script.codes[0] = BELT_SYSTEM;
    struct committer *committer = start(&script.base, (struct committer_config){0});
    hand(committer, 1, 10);
    cr_assert_eq(await_news(committer, &code), 0);
    cr_assert_eq(code, BELT_SYSTEM);
    cr_assert_eq(hand(committer, 2, 10), BELT_OK);
    cr_assert_eq(committer_stop(committer, PATIENCE_MS), BELT_SYSTEM);
    cr_assert_eq(script.calls, 1);
}

Test(committer, the_queue_is_bounded_and_frees_itself)
{
    struct scripted script;
    uint64_t number = 2, most, queued;

    script_init(&script);
    script.gated = true;
    struct committer *committer = start(&script.base, (struct committer_config){.queue_bytes = 10000});
    cr_assert_eq(hand(committer, 1, 50000), BELT_OK, "an empty queue takes any batch");
    cr_assert_eq(hand(committer, 2, 10), BELT_LIMIT);
    sem_wait(&script.reached);
    sem_post(&script.gate);
    await_through(committer, 1);
    while (hand(committer, number, 1000) == BELT_OK)
        cr_assert_lt(number++, 100);
    queued = committer_queued(committer, &most);
    cr_assert_eq(most, 10000);
    cr_assert(queued > 8000 && queued <= most, "%u", (unsigned)queued);
    for (uint64_t i = 0; i < number; i++)
        sem_post(&script.gate);
    await_through(committer, number - 1);
    cr_assert_eq(committer_stop(committer, PATIENCE_MS), BELT_OK);
}

Test(committer, a_copied_batch_is_the_callers_no_more)
{
    struct scripted script;
    uint8_t body[3] = {'a', 'b', 'c'};
    struct store_change change = {STORE_PUT, {.number = 1, .body = {body, sizeof(body)}}};

    script_init(&script);
    script.gated = true;
    struct committer *committer = start(&script.base, (struct committer_config){0});
    cr_assert_eq(committer_hand(committer, &change, 1, NULL, 1), BELT_OK);
    memset(body, 'x', sizeof(body));
    memset(&change, 0xff, sizeof(change));
    sem_post(&script.gate);
    await_through(committer, 1);
    cr_assert_eq(committer_stop(committer, PATIENCE_MS), BELT_OK);
    cr_assert(script.first_byte[0] == 'a' && script.numbers[0] == 1);
}

Test(committer, an_owned_body_is_kept_until_it_is_durable_and_then_released)
{
    struct scripted script;
    struct belt_buf *buf = belt_buf_copy("abc", 3);
    struct store_change changes[2] = {{STORE_PUT, {.number = 1, .body = {buf->data, 3}}},
                                      {STORE_DELETE, {.number = 9}}};

    script_init(&script);
    script.gated = true;
    struct committer *committer = start(&script.base, (struct committer_config){0});
    cr_assert_eq(committer_hand(committer, changes, 2, (struct belt_buf *[]){buf, NULL}, 1), BELT_OK);
    cr_assert_eq(atomic_load(&buf->refs), 2);
    sem_post(&script.gate);
    cr_assert_eq(committer_stop(committer, PATIENCE_MS), BELT_OK);
    cr_assert_eq(atomic_load(&buf->refs), 1);
    cr_assert_eq(script.first_byte[0], 'a');
    belt_buf_unref(buf);
}

Test(committer, a_stop_commits_what_waits)
{
    struct scripted script;

    script_init(&script);
    script.code_count = 2;
    script.codes[0] = script.codes[1] = BELT_STORE_FAILED;
    struct committer *committer = start(&script.base, (struct committer_config){.group_bytes = 1});
    for (uint64_t number = 1; number <= 10; number++)
        hand(committer, number, 10);
    cr_assert_eq(committer_stop(committer, PATIENCE_MS), BELT_OK);
    cr_assert_eq(script.transactions, 10);
    cr_assert_eq(committer_stop(NULL, 0), BELT_OK);
}

Test(committer, a_stop_does_not_wait_for_ever)
{
    static struct scripted failing, stuck;
    static const int never[] = {BELT_STORE_FAILED, BELT_STORE_FAILED, BELT_STORE_FAILED, BELT_STORE_FAILED};

    script_init(&failing);
    memcpy(failing.codes, never, sizeof(never));
    failing.code_count = 4;
    struct committer *committer =
        start(&failing.base, (struct committer_config){.retry_min_ms = 3600000, .retry_max_ms = 3600000});
    hand(committer, 1, 10);
    cr_assert_eq(committer_stop(committer, 50), BELT_STORE_FAILED);
    script_init(&stuck);
    stuck.gated = true;
    committer = start(&stuck.base, (struct committer_config){0});
    hand(committer, 1, 10);
    sem_wait(&stuck.reached);
    cr_assert_eq(committer_stop(committer, 50), BELT_AGAIN);
}

Test(committer, an_idle_store_is_tidied_until_nothing_is_left)
{
    struct scripted script;

    script_init(&script);
    script.tidy_steps = 5;
    struct committer *committer = start(&script.base, (struct committer_config){.tidy_ms = 1});
    hand(committer, 1, 10);
    for (int i = 0; i < 5; i++)
        sem_wait(&script.tidied);
    cr_assert_eq(committer_stop(committer, PATIENCE_MS), BELT_OK);
    cr_assert_eq(script.tidy_steps, 0);
}

Test(committer, over_sqlite_everything_told_is_there)
{
    static struct model model;
    char directory[256];

    place_make(directory, sizeof(directory));
    model_init(&model, 9);
    struct store *store = place_open(directory);
    struct committer *committer = start(store, (struct committer_config){.tidy_ms = 1});
    for (int i = 0; i < 300; i++) {
        struct store_change changes[MODEL_CHANGES];
        uint32_t count = model_step(&model, changes, 3000);
        cr_assert_eq(committer_hand(committer, changes, count, NULL, model.next - 1), BELT_OK);
        if (i % 100 == 99)
            await_through(committer, model.next - 1);
    }
    cr_assert_eq(committer_stop(committer, PATIENCE_MS), BELT_OK);
    store_close(store);
    store = place_open(directory);
    const char *difference = model_compare(&model, store);
    cr_assert_null(difference, "%s", difference);
    store_close(store);
    place_remove(directory);
}
