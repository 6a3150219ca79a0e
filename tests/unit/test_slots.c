/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table on virtual time: placing, credit, chunks, time-outs, deaths, taking back, results.
 */
#include "worker/slots_table.h"

#include <criterion/criterion.h>
#include <string.h>

#define MS 1000u

static struct belt_bytes text_of(const char *text)
{
    return (struct belt_bytes){(const uint8_t *)text, strlen(text)};
}

/** Programs: 0 C functions "f" and "g", 1 a command "cmd", 2 a coprocess "co". */
static struct slots *table(uint32_t slots, uint64_t max_tasks)
{
    static const struct slots_program programs[] = {{.lasting = true, .greets = true, .polite = true, .ahead = true},
                                                    {.lasting = false},
                                                    {.lasting = true, .greets = true}};
    const struct slots_function functions[] = {
        {text_of("f"), 0}, {text_of("g"), 0}, {text_of("cmd"), 1}, {text_of("co"), 2}};
    const struct slots_config config = {.slots = slots,
                                        .programs = programs,
                                        .program_count = 3,
                                        .functions = functions,
                                        .function_count = 4,
                                        .start_us = 10000 * MS,
                                        .kill_us = 2000 * MS,
                                        .max_tasks = max_tasks};

    return slots_new(&config);
}

static void dispatch_with(struct slots *s, uint64_t job, const char *function, uint64_t first, uint32_t count,
                          struct belt_msg_dispatch msg, uint32_t attempt)
{
    struct belt_task_item items[1000] = {0};

    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct belt_task_item){.index = first + i, .attempt = attempt};
    msg.job = job;
    msg.function = text_of(function);
    msg.tasks = items;
    msg.count = count;
    slots_dispatch(s, 0, &msg);
}

static void dispatch(struct slots *s, uint64_t job, const char *function, uint64_t first, uint32_t count)
{
    dispatch_with(s, job, function, first, count, (struct belt_msg_dispatch){0}, 1);
}

/** Takes all actions; returns how many are of `type`, the last of them in `*last`. */
static uint32_t actions(struct slots *s, enum slots_action_type type, struct slots_action *last)
{
    struct slots_action action;
    uint32_t count = 0;

    if (last)
        *last = (struct slots_action){.slot = 0};
    while (slots_next_action(s, &action)) {
        if (action.type != type)
            continue;
        count++;
        if (last)
            *last = action;
    }
    return count;
}

static uint32_t turn(struct slots *s, uint64_t now, enum slots_action_type type, struct slots_action *last)
{
    slots_turn(s, now);
    return actions(s, type, last);
}

static void answer(struct slots *s, uint64_t now, uint32_t slot, uint64_t service_us)
{
    struct slots_outcome o = {.timed = true, .service_us = service_us, .exit_status = -1};

    cr_assert(slots_answer(s, now, slot, &o));
}

static void die(struct slots *s, uint64_t now, uint32_t slot)
{
    struct slots_outcome o = {.exit_status = -1, .term_signal = 9, .text = text_of("killed by signal 9 (SIGKILL)")};

    slots_died(s, now, slot, &o);
}

/** A table whose C slots have said hello. */
static struct slots *ready(uint32_t slots, uint64_t max_tasks)
{
    struct slots *s = table(slots, max_tasks);

    cr_assert_eq(turn(s, 0, SLOTS_START, NULL), slots, "C slots are started ahead, coprocesses are not");
    for (uint32_t i = 0; i < slots; i++)
        slots_ready(s, i);
    return s;
}

/** Lets one slot measure the function at `us`. */
static void measure(struct slots *s, const char *function, uint64_t us)
{
    for (uint32_t i = 0; i < SLOTS_MEASURED; i++) {
        struct slots_action given = {0};
        dispatch(s, 1000, function, i, 1);
        cr_assert_eq(turn(s, 0, SLOTS_GIVE, &given), 1);
        answer(s, 0, given.slot, us);
    }
    slots_recorded(s, SLOTS_MEASURED);
}

static void result(struct slots *s, uint64_t number, struct slots_result *r)
{
    uint64_t first, next;

    slots_unsent(s, &first, &next);
    cr_assert(number < next, "no result %llu", (unsigned long long)number);
    slots_result(s, number, r);
}

Test(slots, unmeasured_tasks_go_one_to_a_slot_in_order)
{
    struct slots *s = ready(2, 0);
    struct slots_action given = {0};

    dispatch(s, 1, "f", 0, 5);
    cr_expect_eq(turn(s, 0, SLOTS_GIVE, &given), 2);
    cr_expect_eq(given.task.index, 1);
    answer(s, 10, given.slot, 10);
    cr_expect_eq(turn(s, 10, SLOTS_GIVE, &given), 1);
    cr_expect_eq(given.task.index, 2);
    slots_free(s);
}

Test(slots, credit_is_time)
{
    struct slots *s = ready(2, 0);
    struct slots_action given = {0};

    measure(s, "f", 50);
    dispatch(s, 1, "f", 0, 100);
    cr_expect_eq(turn(s, 0, SLOTS_GIVE, &given), 2 * SLOTS_CREDIT_US / 50);
    dispatch(s, 2, "cmd", 0, 9);
    cr_expect_eq(turn(s, 0, SLOTS_GIVE, &given), 0, "all places are taken");
    slots_free(s);

    s = ready(2, 0);
    measure(s, "f", 50);
    dispatch(s, 1, "f", 0, 6);
    cr_expect_eq(turn(s, 0, SLOTS_GIVE, &given), 6, "few tasks are shared out");
    cr_expect_eq(slots_deadline(s), UINT64_MAX);
    answer(s, 0, 0, 50);
    answer(s, 0, 0, 50);
    answer(s, 0, 0, 50);
    answer(s, 0, 1, 50);
    answer(s, 0, 1, 50);
    answer(s, 0, 1, 50);
    slots_free(s);

    s = ready(1, 0);
    measure(s, "f", 600);
    dispatch(s, 1, "f", 0, 6);
    cr_expect_eq(turn(s, 0, SLOTS_GIVE, &given), 1, "a long task goes alone");
    slots_free(s);
}

Test(slots, one_that_writes_a_log_goes_alone)
{
    struct slots *s = ready(1, 0);

    measure(s, "f", 5);
    dispatch(s, 1, "f", 0, 1);
    turn(s, 0, SLOTS_GIVE, NULL);
    slots_talks(s, 0);
    answer(s, 0, 0, 5);
    dispatch(s, 1, "f", 1, 6);
    cr_expect_eq(turn(s, 0, SLOTS_GIVE, NULL), 1);
    slots_free(s);
}

Test(slots, a_chunk_goes_to_one_slot)
{
    struct slots *s = ready(2, 0);
    struct slots_action given = {0};

    dispatch_with(s, 1, "f", 0, 3, (struct belt_msg_dispatch){.together = true}, 1);
    dispatch_with(s, 1, "f", 3, 2, (struct belt_msg_dispatch){.together = true}, 1);
    cr_expect_eq(turn(s, 0, SLOTS_GIVE, &given), 2);
    uint32_t second = given.slot, first = 1 - second;
    cr_expect_eq(given.task.index, 3);
    answer(s, 1, second, 1000);
    answer(s, 1, first, 1000);
    cr_expect_eq(turn(s, 1, SLOTS_GIVE, &given), 2);
    answer(s, 2, second, 1000);
    answer(s, 2, first, 1000);
    cr_expect_eq(turn(s, 2, SLOTS_GIVE, &given), 1);
    cr_expect_eq(given.slot, first);
    cr_expect_eq(given.task.index, 2);
    slots_free(s);
}

Test(slots, a_dead_slot_takes_only_its_running_task)
{
    struct slots *s = ready(1, 0);
    struct slots_action given = {0};
    struct slots_result r;

    measure(s, "f", 50);
    dispatch(s, 1, "f", 0, 20);
    cr_expect_eq(turn(s, 0, SLOTS_GIVE, NULL), 10);
    answer(s, 10, 0, 50);
    slots_turn(s, 10); /* its actions are not taken: they must not outlive the slot */
    die(s, 20, 0);
    result(s, SLOTS_MEASURED + 1, &r);
    cr_expect_eq(r.item.code, BELT_TASK_LOST);
    cr_expect_eq(r.item.index, 1);
    cr_expect_eq(r.extras.term_signal, 9);
    cr_expect_eq(slots_held(s), 18);
    cr_expect_eq(turn(s, 30, SLOTS_START, NULL), 1);
    slots_ready(s, 0);
    slots_turn(s, 40);
    cr_assert(slots_running(s, 0, &given.task));
    cr_expect_eq(given.task.index, 2, "the others are first in the queue, in their order");
    slots_free(s);
}

Test(slots, a_time_out_asks_terms_and_kills)
{
    struct slots *s = ready(1, 0);
    struct slots_result r;

    dispatch_with(s, 1, "f", 0, 2, (struct belt_msg_dispatch){.timeout_ms = 100}, 1);
    turn(s, 0, SLOTS_GIVE, NULL);
    cr_expect_eq(slots_deadline(s), 100 * MS);
    cr_expect_eq(turn(s, 99 * MS, SLOTS_ASK, NULL), 0);
    cr_expect_eq(turn(s, 100 * MS, SLOTS_ASK, NULL), 1);
    cr_expect_eq(turn(s, 1100 * MS, SLOTS_TERM, NULL), 1);
    cr_expect_eq(turn(s, 2100 * MS, SLOTS_KILL, NULL), 1);
    cr_expect_eq(slots_deadline(s), UINT64_MAX);
    die(s, 2101 * MS, 0);
    result(s, 0, &r);
    cr_expect_eq(r.item.code, BELT_TASK_TIMEOUT);
    cr_expect_eq(slots_held(s), 1, "the next one is not blamed");
    slots_free(s);
}

Test(slots, a_task_that_ends_when_asked_keeps_its_slot)
{
    struct slots *s = ready(1, 0);
    struct slots_result r;

    dispatch_with(s, 1, "f", 0, 2, (struct belt_msg_dispatch){.timeout_ms = 100}, 1);
    turn(s, 0, SLOTS_GIVE, NULL);
    cr_expect_eq(turn(s, 100 * MS, SLOTS_ASK, NULL), 1);
    answer(s, 110 * MS, 0, 110 * MS);
    result(s, 0, &r);
    cr_expect_eq(r.item.code, BELT_TASK_TIMEOUT);
    cr_expect_eq(turn(s, 110 * MS, SLOTS_GIVE, NULL), 1);
    cr_expect_eq(slots_deadline(s), 210 * MS);
    slots_free(s);
}

Test(slots, recall_gives_back_the_last_first)
{
    struct slots *s = ready(1, 0);
    struct belt_task_ref refs[8];

    dispatch(s, 1, "f", 0, 4);
    turn(s, 0, SLOTS_GIVE, NULL);
    slots_recall(s, 0, 2);
    cr_expect_eq(slots_take_returned(s, refs, 8), 2);
    cr_expect_eq(refs[0].index, 3);
    cr_expect_eq(refs[1].index, 2);
    slots_recall(s, 0, 9);
    cr_expect_eq(slots_take_returned(s, refs, 8), 1);
    cr_expect_eq(slots_held(s), 1);
    slots_free(s);
}

Test(slots, drop_forgets_stops_and_answers_for_the_unknown)
{
    struct slots *s = ready(1, 0);
    struct belt_task_ref refs[8], drop[] = {{1, 1, 1}, {1, 0, 1}, {7, 7, 1}};

    dispatch(s, 1, "f", 0, 3);
    turn(s, 0, SLOTS_GIVE, NULL);
    slots_drop(s, 10, drop, 3);
    cr_expect_eq(actions(s, SLOTS_ASK, NULL), 1);
    cr_expect_eq(slots_take_returned(s, refs, 8), 2);
    answer(s, 20, 0, 20);
    cr_expect_eq(slots_take_returned(s, refs, 8), 1);
    cr_expect_eq(refs[0].index, 0);
    cr_expect_eq(slots_unrecorded(s), 0);
    cr_expect_eq(slots_held(s), 1);
    slots_free(s);
}

Test(slots, the_higher_attempt_wins)
{
    struct slots *s = ready(1, 0);
    struct slots_result r;

    dispatch(s, 1, "f", 0, 1);
    dispatch(s, 1, "f", 0, 1);
    cr_expect_eq(slots_held(s), 1, "an equal one is a duplicate");
    turn(s, 0, SLOTS_GIVE, NULL);
    dispatch_with(s, 1, "f", 0, 1, (struct belt_msg_dispatch){0}, 2);
    answer(s, 10, 0, 10);
    cr_expect_eq(slots_unrecorded(s), 0, "the old one is nobody's business");
    turn(s, 10, SLOTS_GIVE, NULL);
    answer(s, 20, 0, 10);
    result(s, 0, &r);
    cr_expect_eq(r.item.attempt, 2);
    slots_free(s);
}

Test(slots, results_are_kept_until_recorded_and_sent_again)
{
    struct slots *s = ready(1, 0);
    struct belt_task_ref refs[8];
    uint64_t first, next;

    for (uint32_t i = 0; i < 3; i++) {
        dispatch(s, 1, "f", i, 1);
        turn(s, i, SLOTS_GIVE, NULL);
        answer(s, i, 0, 1000);
    }
    dispatch(s, 1, "f", 3, 1);
    slots_sent(s, 0, 3);
    slots_recorded(s, 1);
    cr_expect_eq(slots_sync(s, refs), 3);
    slots_resend(s);
    slots_unsent(s, &first, &next);
    cr_expect_eq(first, 1);
    cr_expect_eq(next, 3);
    slots_recorded(s, 99);
    cr_expect_eq(slots_unrecorded(s), 0);
    slots_free(s);
}

Test(slots, over_all_programs_no_more_than_the_slots_are_busy)
{
    struct slots *s = ready(2, 0);
    struct slots_action given = {0};

    dispatch(s, 1, "cmd", 0, 2);
    dispatch(s, 2, "f", 0, 2);
    cr_expect_eq(turn(s, 0, SLOTS_GIVE, &given), 2);
    cr_expect_eq(slots_program_of(s, given.slot), 1);
    answer(s, 10, given.slot, 0);
    cr_expect_eq(turn(s, 10, SLOTS_GIVE, &given), 1);
    cr_expect_eq(slots_program_of(s, given.slot), 0);
    slots_free(s);
}

Test(slots, a_program_is_started_when_it_is_asked_for)
{
    struct slots *s = ready(2, 0);
    struct slots_action start = {0};

    dispatch(s, 1, "co", 0, 1);
    cr_expect_eq(turn(s, 0, SLOTS_START, &start), 1);
    cr_expect_eq(slots_program_of(s, start.slot), 2);
    slots_ready(s, start.slot);
    cr_expect_eq(turn(s, 0, SLOTS_GIVE, NULL), 1);
    slots_free(s);
}

Test(slots, a_slot_that_keeps_failing_is_left_alone_for_a_while)
{
    struct slots *s = table(1, 0);

    for (uint32_t i = 0; i < SLOTS_FAILURES; i++) {
        cr_expect_eq(turn(s, i, SLOTS_START, NULL), 1);
        die(s, i, 0);
    }
    cr_expect_eq(turn(s, 10, SLOTS_START, NULL), 0);
    cr_expect_eq(slots_deadline(s), SLOTS_FAILURES - 1 + SLOTS_PAUSE_US);
    cr_expect_eq(turn(s, 3 + SLOTS_PAUSE_US, SLOTS_START, NULL), 1);
    die(s, 3 + SLOTS_PAUSE_US, 0);
    cr_expect_eq(slots_deadline(s), 3 + 3 * SLOTS_PAUSE_US, "the pause doubles");
    slots_free(s);
}

Test(slots, without_a_hello_the_slot_is_killed)
{
    struct slots *s = table(1, 0);

    turn(s, 0, SLOTS_START, NULL);
    cr_expect_eq(turn(s, 10000 * MS, SLOTS_KILL, NULL), 1);
    die(s, 10001 * MS, 0);
    slots_free(s);
}

Test(slots, a_spent_slot_is_closed)
{
    struct slots *s = ready(1, 2);

    dispatch(s, 1, "f", 0, 3);
    turn(s, 0, SLOTS_GIVE, NULL);
    answer(s, 1, 0, 1);
    turn(s, 1, SLOTS_GIVE, NULL);
    answer(s, 2, 0, 1);
    cr_expect_eq(actions(s, SLOTS_CLOSE, NULL), 1);
    cr_expect_eq(turn(s, 2, SLOTS_GIVE, NULL), 0);
    die(s, 3, 0);
    cr_expect_eq(turn(s, 3, SLOTS_START, NULL), 1);
    cr_expect_eq(slots_held(s), 1);
    slots_free(s);
}

Test(slots, leaving_returns_what_did_not_start_and_then_the_rest)
{
    struct slots *s = ready(1, 0);
    struct belt_task_ref refs[8];

    dispatch(s, 1, "f", 0, 3);
    turn(s, 0, SLOTS_GIVE, NULL);
    slots_leave(s, 0, 500 * MS);
    cr_expect_eq(slots_take_returned(s, refs, 8), 2);
    dispatch(s, 1, "f", 9, 1);
    cr_expect_eq(slots_take_returned(s, refs, 8), 1);
    cr_expect_eq(slots_deadline(s), 500 * MS);
    cr_expect_eq(turn(s, 500 * MS, SLOTS_TERM, NULL), 1);
    die(s, 501 * MS, 0);
    cr_expect_eq(slots_take_returned(s, refs, 8), 1);
    cr_expect_eq(slots_held(s), 0);
    cr_expect_eq(turn(s, 502 * MS, SLOTS_START, NULL), 0);
    slots_free(s);
}

Test(slots, nothing_is_lost_whatever_happens)
{
    uint64_t seed = 42, now = 0;

    for (uint32_t round = 0; round < 50; round++) {
        struct slots *s = ready(3, round % 3 ? 0 : 5);
        uint32_t dispatched = 0, ended = 0;
        struct belt_task_ref refs[64];
        for (uint32_t step = 0; step < 400; step++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint32_t dice = (uint32_t)(seed >> 33), slot = dice / 16 % 3;
            struct slots_given running;
            now += dice % 3000;
            if (dice % 8 == 0) {
                dispatch_with(s, round, dice & 64 ? "f" : "g", dispatched, 5,
                              (struct belt_msg_dispatch){.together = dice & 128, .timeout_ms = dice & 256 ? 3 : 0}, 1);
                dispatched += 5;
            } else if (dice % 8 < 6) {
                if (slots_running(s, slot, &running))
                    answer(s, now, slot, dice % 200);
            } else if (slots_running(s, slot, &running)) {
                if (dice % 16 == 7)
                    slots_drop(s, now, &(struct belt_task_ref){round, running.index, 1}, 1);
                else if (dice % 3 == 0)
                    die(s, now, slot);
            } else {
                slots_recall(s, 0, 1);
            }
            slots_turn(s, now);
            struct slots_action action;
            while (slots_next_action(s, &action)) {
                if (action.type == SLOTS_START)
                    slots_ready(s, action.slot);
                else if (action.type == SLOTS_CLOSE || action.type == SLOTS_KILL)
                    die(s, now, action.slot);
            }
            for (uint32_t n; (n = slots_take_returned(s, refs, 64)) > 0;)
                ended += n;
            cr_assert_eq(dispatched, ended + slots_held(s) + slots_unrecorded(s), "round %u, step %u", round, step);
        }
        slots_free(s);
    }
}

Test(slots, blame_hits_the_task_that_ran_though_answers_are_held_back)
{
    struct slots *s = ready(1, 0);
    struct slots_result r;

    measure(s, "f", 50);
    dispatch(s, 1, "f", 0, 6);
    cr_assert_eq(turn(s, 0, SLOTS_GIVE, NULL), 6);
    answer(s, 10, 0, 50);
    slots_look(s, 0, 2, true, 20); /* 1 and 2 have ended unheard, 3 runs */
    cr_expect_eq(slots_ahead(s, 0), 2);
    die(s, 30, 0);
    result(s, SLOTS_MEASURED + 1, &r);
    cr_expect_eq(r.item.index, 3);
    cr_expect_eq(r.item.code, BELT_TASK_LOST);
    cr_expect_eq(slots_unrecorded(s), 2, "nobody else takes blame");
    cr_expect_eq(slots_held(s), 4);
    slots_free(s);
}

Test(slots, nobody_is_blamed_when_nothing_ran)
{
    struct slots *s = ready(1, 0);

    measure(s, "f", 50);
    dispatch(s, 1, "f", 0, 3);
    turn(s, 0, SLOTS_GIVE, NULL);
    slots_look(s, 0, 2, false, 20);
    die(s, 30, 0);
    cr_expect_eq(slots_unrecorded(s), 0);
    cr_expect_eq(slots_held(s), 3);
    slots_free(s);
}

Test(slots, a_time_out_hits_the_task_that_runs)
{
    struct slots *s = ready(1, 0);
    struct slots_action action;
    struct slots_result r;

    measure(s, "f", 50);
    dispatch_with(s, 1, "f", 0, 3, (struct belt_msg_dispatch){.timeout_ms = 100}, 1);
    cr_assert_eq(turn(s, 0, SLOTS_GIVE, NULL), 3);
    slots_look(s, 0, 1, true, 40 * MS); /* 0 is held back, 1 runs since 40 ms */
    cr_expect_eq(turn(s, 100 * MS, SLOTS_ASK, NULL), 0);
    cr_expect_eq(slots_deadline(s), 140 * MS);
    cr_expect_eq(turn(s, 140 * MS, SLOTS_ASK, &action), 1);
    answer(s, 150 * MS, 0, 50);
    cr_expect_eq(turn(s, 150 * MS, SLOTS_TERM, NULL), 0);
    die(s, 160 * MS, 0);
    result(s, SLOTS_MEASURED, &r);
    cr_expect_eq(r.item.index, 0);
    cr_expect_eq(r.item.code, BELT_OK);
    result(s, SLOTS_MEASURED + 1, &r);
    cr_expect_eq(r.item.index, 1);
    cr_expect_eq(r.item.code, BELT_TASK_TIMEOUT);
    cr_expect_eq(slots_held(s), 1);
    slots_free(s);
}

Test(slots, a_drop_stops_the_task_that_runs_behind_a_held_answer)
{
    struct slots *s = ready(1, 0);
    struct belt_task_ref ref = {1, 1, 1};

    measure(s, "f", 50);
    dispatch(s, 1, "f", 0, 3);
    turn(s, 0, SLOTS_GIVE, NULL);
    slots_drop(s, 10, &ref, 1);
    cr_expect_eq(turn(s, 10, SLOTS_ASK, NULL), 0);
    uint64_t when = slots_deadline(s);
    slots_look(s, 0, 1, true, 40);
    cr_expect_eq(turn(s, when, SLOTS_ASK, NULL), 1);
    slots_free(s);
}

static void die_starting(struct slots *s, uint64_t now, uint32_t slot)
{
    struct slots_outcome o = {
        .exit_status = 3, .text = text_of("exit status 3"), .log = text_of("first\nno licence\n")};

    slots_died(s, now, slot, &o);
}

/** One coprocess program alone in the table, which fails to start three times; a task waits. */
static struct slots *broken(bool alone)
{
    static const struct slots_program program = {.lasting = true, .greets = true, .ahead = true};
    const struct slots_function function = {text_of("co"), 0};
    const struct slots_config config = {.slots = 1,
                                        .programs = &program,
                                        .program_count = 1,
                                        .functions = &function,
                                        .function_count = 1,
                                        .start_us = 10000 * MS,
                                        .kill_us = 2000 * MS,
                                        .alone = alone};
    struct slots *s = slots_new(&config);

    dispatch(s, 1, "co", 0, 3);
    for (uint32_t i = 0; i < SLOTS_FAILURES; i++) {
        cr_assert_eq(turn(s, i, SLOTS_START, NULL), 1);
        cr_assert_eq(slots_unrecorded(s), 0);
        die_starting(s, i, 0);
    }
    return s;
}

Test(slots, tasks_do_not_wait_for_a_slot_that_cannot_start)
{
    struct slots *s = broken(true);
    struct slots_result r;

    cr_expect_eq(turn(s, 5, SLOTS_START, NULL), 0);
    cr_assert_eq(slots_unrecorded(s), 3);
    cr_expect_eq(slots_held(s), 0);
    result(s, 2, &r);
    cr_expect_eq(r.item.code, BELT_TASK_FAILED);
    cr_expect_eq(r.extras.text.len, strlen("the slot cannot start: exit status 3: no licence"));
    cr_expect_eq(memcmp(r.extras.text.data, "the slot cannot start: exit status 3: no licence", r.extras.text.len), 0);
    dispatch(s, 1, "co", 3, 1);
    turn(s, 6, SLOTS_START, NULL);
    cr_expect_eq(slots_unrecorded(s), 4, "nor do those that come in the pause");
    slots_free(s);
}

Test(slots, a_shared_worker_gives_its_tasks_to_others_until_a_slot_starts)
{
    struct slots *s = broken(false);
    struct slots_result r;

    turn(s, 5, SLOTS_START, NULL);
    cr_assert_eq(slots_unrecorded(s), 3);
    result(s, 0, &r);
    cr_expect_eq(r.item.code, BELT_NOT_SERVED);
    cr_expect_not(slots_recovered(s));
    uint64_t when = slots_deadline(s);
    cr_assert_eq(when, SLOTS_FAILURES - 1 + SLOTS_PAUSE_US);
    cr_assert_eq(turn(s, when, SLOTS_START, NULL), 1);
    die_starting(s, when, 0);
    turn(s, when, SLOTS_START, NULL);
    cr_expect_eq(slots_deadline(s), when + 2 * SLOTS_PAUSE_US, "longer and longer");
    cr_assert_eq(turn(s, when + 2 * SLOTS_PAUSE_US, SLOTS_START, NULL), 1);
    slots_ready(s, 0);
    cr_expect(slots_recovered(s));
    cr_expect_not(slots_recovered(s), "once");
    slots_free(s);
}

/* Tasks of three jobs with overlapping indexes come and go at random, beside a plain array of what is there. */
Test(slots, tasks_are_found_by_their_key)
{
    enum { JOBS = 3, SPAN = 400 };
    static struct slots_task tasks[JOBS][SPAN];
    static bool there[JOBS][SPAN];
    struct slots_index index = {0};
    uint64_t dice = 20261126;
    uint32_t count = 0;

    for (int round = 0; round < 200000; round++) {
        dice = dice * 6364136223846793005u + 1442695040888963407u;
        unsigned job = (unsigned)(dice >> 33) % JOBS, at = (unsigned)(dice >> 40) % SPAN;
        struct slots_task *task = &tasks[job][at];
        task->key = (struct slots_key){job, at};
        cr_assert_eq(slots_index_find(&index, job, at), there[job][at] ? task : NULL);
        if (there[job][at])
            slots_index_remove(&index, task);
        else
            slots_index_add(&index, task);
        there[job][at] = !there[job][at];
        count += there[job][at] ? 1u : UINT32_MAX;
        cr_assert_eq(index.count, count);
    }
    slots_index_free(&index);
}
