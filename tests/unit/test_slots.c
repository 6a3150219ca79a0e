/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table on virtual time: placing, credit, chunks, time-outs, taking back, results.
 */
#include "slots_rig.h"
#include "worker/slots_table.h"

#include <criterion/criterion.h>

Test(slots, unmeasured_tasks_go_one_to_a_slot_in_order)
{
    struct slots *s = rig_ready(2, 0);
    struct slots_action given = {0};

    rig_dispatch(s, 1, "f", 0, 5);
    cr_expect_eq(rig_turn(s, 0, SLOTS_GIVE, &given), 2);
    cr_expect_eq(given.task.index, 1);
    rig_answer(s, 10, given.slot, 10);
    cr_expect_eq(rig_turn(s, 10, SLOTS_GIVE, &given), 1);
    cr_expect_eq(given.task.index, 2);
    slots_free(s);
}

Test(slots, credit_is_time)
{
    struct slots *s = rig_ready(2, 0);
    struct slots_action given = {0};

    rig_measure(s, "f", 50);
    rig_dispatch(s, 1, "f", 0, 100);
    cr_expect_eq(rig_turn(s, 0, SLOTS_GIVE, &given), 2 * SLOTS_CREDIT_US / 50);
    rig_dispatch(s, 2, "cmd", 0, 9);
    cr_expect_eq(rig_turn(s, 0, SLOTS_GIVE, &given), 0, "all places are taken");
    slots_free(s);

    s = rig_ready(2, 0);
    rig_measure(s, "f", 50);
    rig_dispatch(s, 1, "f", 0, 6);
    cr_expect_eq(rig_turn(s, 0, SLOTS_GIVE, &given), 6, "few tasks are shared out");
    cr_expect_eq(slots_deadline(s), UINT64_MAX);
    rig_answer(s, 0, 0, 50);
    rig_answer(s, 0, 0, 50);
    rig_answer(s, 0, 0, 50);
    rig_answer(s, 0, 1, 50);
    rig_answer(s, 0, 1, 50);
    rig_answer(s, 0, 1, 50);
    slots_free(s);

    s = rig_ready(1, 0);
    rig_measure(s, "f", 600);
    rig_dispatch(s, 1, "f", 0, 6);
    cr_expect_eq(rig_turn(s, 0, SLOTS_GIVE, &given), 1, "a long task goes alone");
    slots_free(s);
}

Test(slots, one_that_writes_a_log_goes_alone)
{
    struct slots *s = rig_ready(1, 0);

    rig_measure(s, "f", 5);
    rig_dispatch(s, 1, "f", 0, 1);
    rig_turn(s, 0, SLOTS_GIVE, NULL);
    slots_one_by_one(s, 0);
    rig_answer(s, 0, 0, 5);
    rig_dispatch(s, 1, "f", 1, 6);
    cr_expect_eq(rig_turn(s, 0, SLOTS_GIVE, NULL), 1);
    slots_free(s);
}

Test(slots, a_chunk_goes_to_one_slot)
{
    struct slots *s = rig_ready(2, 0);
    struct slots_action given = {0};

    rig_dispatch_with(s, 1, "f", 0, 3, (struct belt_msg_dispatch){.together = true}, 1);
    rig_dispatch_with(s, 1, "f", 3, 2, (struct belt_msg_dispatch){.together = true}, 1);
    cr_expect_eq(rig_turn(s, 0, SLOTS_GIVE, &given), 2);
    uint32_t second = given.slot, first = 1 - second;
    cr_expect_eq(given.task.index, 3);
    rig_answer(s, 1, second, 1000);
    rig_answer(s, 1, first, 1000);
    cr_expect_eq(rig_turn(s, 1, SLOTS_GIVE, &given), 2);
    rig_answer(s, 2, second, 1000);
    rig_answer(s, 2, first, 1000);
    cr_expect_eq(rig_turn(s, 2, SLOTS_GIVE, &given), 1);
    cr_expect_eq(given.slot, first);
    cr_expect_eq(given.task.index, 2);
    slots_free(s);
}

Test(slots, a_time_out_asks_terms_and_kills)
{
    struct slots *s = rig_ready(1, 0);
    struct slots_result r;

    rig_dispatch_with(s, 1, "f", 0, 2, (struct belt_msg_dispatch){.timeout_ms = 100}, 1);
    rig_turn(s, 0, SLOTS_GIVE, NULL);
    cr_expect_eq(slots_deadline(s), 100 * MS);
    cr_expect_eq(rig_turn(s, 99 * MS, SLOTS_ASK, NULL), 0);
    cr_expect_eq(rig_turn(s, 100 * MS, SLOTS_ASK, NULL), 1);
    cr_expect_eq(rig_turn(s, 1100 * MS, SLOTS_TERM, NULL), 1);
    cr_expect_eq(rig_turn(s, 2100 * MS, SLOTS_KILL, NULL), 1);
    cr_expect_eq(slots_deadline(s), UINT64_MAX);
    rig_die(s, 2101 * MS, 0);
    rig_result(s, 0, &r);
    cr_expect_eq(r.item.code, BELT_TASK_TIMEOUT);
    cr_expect_eq(slots_held(s), 1, "the next one is not blamed");
    slots_free(s);
}

Test(slots, a_task_that_ends_when_asked_keeps_its_slot)
{
    struct slots *s = rig_ready(1, 0);
    struct slots_result r;

    rig_dispatch_with(s, 1, "f", 0, 2, (struct belt_msg_dispatch){.timeout_ms = 100}, 1);
    rig_turn(s, 0, SLOTS_GIVE, NULL);
    cr_expect_eq(rig_turn(s, 100 * MS, SLOTS_ASK, NULL), 1);
    rig_answer(s, 110 * MS, 0, 110 * MS);
    rig_result(s, 0, &r);
    cr_expect_eq(r.item.code, BELT_TASK_TIMEOUT);
    cr_expect_eq(rig_turn(s, 110 * MS, SLOTS_GIVE, NULL), 1);
    cr_expect_eq(slots_deadline(s), 210 * MS);
    slots_free(s);
}

Test(slots, recall_gives_back_the_last_first)
{
    struct slots *s = rig_ready(1, 0);
    struct belt_task_ref refs[8];

    rig_dispatch(s, 1, "f", 0, 4);
    rig_turn(s, 0, SLOTS_GIVE, NULL);
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
    struct slots *s = rig_ready(1, 0);
    struct belt_task_ref refs[8], drop[] = {{1, 1, 1}, {1, 0, 1}, {7, 7, 1}};

    rig_dispatch(s, 1, "f", 0, 3);
    rig_turn(s, 0, SLOTS_GIVE, NULL);
    slots_drop(s, 10, drop, 3);
    cr_expect_eq(rig_actions(s, SLOTS_ASK, NULL), 1);
    cr_expect_eq(slots_take_returned(s, refs, 8), 2);
    rig_answer(s, 20, 0, 20);
    cr_expect_eq(slots_take_returned(s, refs, 8), 1);
    cr_expect_eq(refs[0].index, 0);
    cr_expect_eq(slots_unrecorded(s), 0);
    cr_expect_eq(slots_held(s), 1);
    slots_free(s);
}

Test(slots, the_higher_attempt_wins)
{
    struct slots *s = rig_ready(1, 0);
    struct slots_result r;

    rig_dispatch(s, 1, "f", 0, 1);
    rig_dispatch(s, 1, "f", 0, 1);
    cr_expect_eq(slots_held(s), 1, "an equal one is a duplicate");
    rig_turn(s, 0, SLOTS_GIVE, NULL);
    rig_dispatch_with(s, 1, "f", 0, 1, (struct belt_msg_dispatch){0}, 2);
    rig_answer(s, 10, 0, 10);
    cr_expect_eq(slots_unrecorded(s), 0, "the old one is nobody's business");
    rig_turn(s, 10, SLOTS_GIVE, NULL);
    rig_answer(s, 20, 0, 10);
    rig_result(s, 0, &r);
    cr_expect_eq(r.item.attempt, 2);
    slots_free(s);
}

Test(slots, results_are_kept_until_recorded_and_sent_again)
{
    struct slots *s = rig_ready(1, 0);
    struct belt_task_ref refs[8];
    uint64_t first, next;

    for (uint32_t i = 0; i < 3; i++) {
        rig_dispatch(s, 1, "f", i, 1);
        rig_turn(s, i, SLOTS_GIVE, NULL);
        rig_answer(s, i, 0, 1000);
    }
    rig_dispatch(s, 1, "f", 3, 1);
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
    struct slots *s = rig_ready(2, 0);
    struct slots_action given = {0};

    rig_dispatch(s, 1, "cmd", 0, 2);
    rig_dispatch(s, 2, "f", 0, 2);
    cr_expect_eq(rig_turn(s, 0, SLOTS_GIVE, &given), 2);
    cr_expect_eq(slots_program_of(s, given.slot), 1);
    rig_answer(s, 10, given.slot, 0);
    cr_expect_eq(rig_turn(s, 10, SLOTS_GIVE, &given), 1);
    cr_expect_eq(slots_program_of(s, given.slot), 0);
    slots_free(s);
}

Test(slots, leaving_returns_what_did_not_start_and_then_the_rest)
{
    struct slots *s = rig_ready(1, 0);
    struct belt_task_ref refs[8];

    rig_dispatch(s, 1, "f", 0, 3);
    rig_turn(s, 0, SLOTS_GIVE, NULL);
    slots_leave(s, 0, 500 * MS);
    cr_expect_eq(slots_take_returned(s, refs, 8), 2);
    rig_dispatch(s, 1, "f", 9, 1);
    cr_expect_eq(slots_take_returned(s, refs, 8), 1);
    cr_expect_eq(slots_deadline(s), 500 * MS);
    cr_expect_eq(rig_turn(s, 500 * MS, SLOTS_TERM, NULL), 1);
    rig_die(s, 501 * MS, 0);
    cr_expect_eq(slots_take_returned(s, refs, 8), 1);
    cr_expect_eq(slots_held(s), 0);
    cr_expect_eq(rig_turn(s, 502 * MS, SLOTS_START, NULL), 0);
    slots_free(s);
}

Test(slots, nothing_is_lost_whatever_happens)
{
    uint64_t seed = 42, now = 0;

    for (uint32_t round = 0; round < 50; round++) {
        struct slots *s = rig_ready(3, round % 3 ? 0 : 5);
        uint32_t dispatched = 0, ended = 0;
        struct belt_task_ref refs[64];
        for (uint32_t step = 0; step < 400; step++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint32_t dice = (uint32_t)(seed >> 33), slot = dice / 16 % 3;
            struct slots_given running;
            now += dice % 3000;
            if (dice % 8 == 0) {
                rig_dispatch_with(s, round, dice & 64 ? "f" : "g", dispatched, 5,
                                  (struct belt_msg_dispatch){.together = dice & 128, .timeout_ms = dice & 256 ? 3 : 0},
                                  1);
                dispatched += 5;
            } else if (dice % 8 < 6) {
                if (slots_running(s, slot, &running))
                    rig_answer(s, now, slot, dice % 200);
            } else if (slots_running(s, slot, &running)) {
                if (dice % 16 == 7)
                    slots_drop(s, now, &(struct belt_task_ref){round, running.index, 1}, 1);
                else if (dice % 3 == 0)
                    rig_die(s, now, slot);
            } else {
                slots_recall(s, 0, 1);
            }
            slots_turn(s, now);
            struct slots_action action;
            while (slots_next_action(s, &action)) {
                if (action.type == SLOTS_START)
                    slots_ready(s, action.slot);
                else if (action.type == SLOTS_CLOSE || action.type == SLOTS_KILL)
                    rig_die(s, now, action.slot);
            }
            for (uint32_t n; (n = slots_take_returned(s, refs, 64)) > 0;)
                ended += n;
            cr_assert_eq(dispatched, ended + slots_held(s) + slots_unrecorded(s), "round %u, step %u", round, step);
        }
        slots_free(s);
    }
}

Test(slots, a_time_out_hits_the_task_that_runs)
{
    struct slots *s = rig_ready(1, 0);
    struct slots_action action;
    struct slots_result r;

    rig_measure(s, "f", 50);
    rig_dispatch_with(s, 1, "f", 0, 3, (struct belt_msg_dispatch){.timeout_ms = 100}, 1);
    cr_assert_eq(rig_turn(s, 0, SLOTS_GIVE, NULL), 3);
    slots_look(s, 0, 1, true, 40 * MS); /* 0 is held back, 1 runs since 40 ms */
    cr_expect_eq(rig_turn(s, 100 * MS, SLOTS_ASK, NULL), 0);
    cr_expect_eq(slots_deadline(s), 140 * MS);
    cr_expect_eq(rig_turn(s, 140 * MS, SLOTS_ASK, &action), 1);
    rig_answer(s, 150 * MS, 0, 50);
    cr_expect_eq(rig_turn(s, 150 * MS, SLOTS_TERM, NULL), 0);
    rig_die(s, 160 * MS, 0);
    rig_result(s, SLOTS_MEASURED, &r);
    cr_expect_eq(r.item.index, 0);
    cr_expect_eq(r.item.code, BELT_OK);
    rig_result(s, SLOTS_MEASURED + 1, &r);
    cr_expect_eq(r.item.index, 1);
    cr_expect_eq(r.item.code, BELT_TASK_TIMEOUT);
    cr_expect_eq(slots_held(s), 1);
    slots_free(s);
}

Test(slots, a_drop_stops_the_task_that_runs_behind_a_held_answer)
{
    struct slots *s = rig_ready(1, 0);
    struct belt_task_ref ref = {1, 1, 1};

    rig_measure(s, "f", 50);
    rig_dispatch(s, 1, "f", 0, 3);
    rig_turn(s, 0, SLOTS_GIVE, NULL);
    slots_drop(s, 10, &ref, 1);
    cr_expect_eq(rig_turn(s, 10, SLOTS_ASK, NULL), 0);
    uint64_t when = slots_deadline(s);
    slots_look(s, 0, 1, true, 40);
    cr_expect_eq(rig_turn(s, when, SLOTS_ASK, NULL), 1);
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
