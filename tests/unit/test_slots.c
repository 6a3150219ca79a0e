/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table on virtual time: placing, credit, chunks, time-outs, taking back, results.
 */
#include "tests/unit/slots_rig.h"
#include "worker/table/state.h"

#include <criterion/criterion.h>

Test(slots, unmeasured_tasks_go_one_to_a_slot_in_order)
{
    struct slot_table *s = rig_ready(2, 0);
    struct slot_table_action given = {0};

    rig_dispatch(s, 1, "f", 0, 5);
    cr_expect_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, &given), 2);
    cr_expect_eq(given.task.index, 1);
    rig_answer(s, 10, given.slot, 10);
    cr_expect_eq(rig_turn(s, 10, SLOT_TABLE_GIVE, &given), 1);
    cr_expect_eq(given.task.index, 2);
    slot_table_free(s);
}

Test(slots, credit_is_time)
{
    struct slot_table *s = rig_ready(2, 0);
    struct slot_table_action given = {0};

    rig_measure(s, "f", 50);
    rig_dispatch(s, 1, "f", 0, 100);
    cr_expect_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, &given), 2 * SLOT_TABLE_CREDIT_US / 50);
    rig_dispatch(s, 2, "cmd", 0, 9);
    cr_expect_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, &given), 0, "all places are taken");
    slot_table_free(s);

    s = rig_ready(2, 0);
    rig_measure(s, "f", 50);
    rig_dispatch(s, 1, "f", 0, 6);
    cr_expect_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, &given), 6, "few tasks are shared out");
    cr_expect_eq(slot_table_deadline(s), UINT64_MAX);
    rig_answer(s, 0, 0, 50);
    rig_answer(s, 0, 0, 50);
    rig_answer(s, 0, 0, 50);
    rig_answer(s, 0, 1, 50);
    rig_answer(s, 0, 1, 50);
    rig_answer(s, 0, 1, 50);
    slot_table_free(s);

    s = rig_ready(1, 0);
    rig_measure(s, "f", 600);
    rig_dispatch(s, 1, "f", 0, 6);
    cr_expect_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, &given), 1, "a long task goes alone");
    slot_table_free(s);
}

Test(slots, one_that_writes_a_log_goes_alone)
{
    struct slot_table *s = rig_ready(1, 0);

    rig_measure(s, "f", 5);
    rig_dispatch(s, 1, "f", 0, 1);
    rig_turn(s, 0, SLOT_TABLE_GIVE, NULL);
    slot_table_one_by_one(s, 0);
    rig_answer(s, 0, 0, 5);
    rig_dispatch(s, 1, "f", 1, 6);
    cr_expect_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, NULL), 1);
    slot_table_free(s);
}

Test(slots, a_chunk_goes_to_one_slot)
{
    struct slot_table *s = rig_ready(2, 0);
    struct slot_table_action given = {0};

    rig_dispatch_with(s, 1, "f", 0, 3, (struct belt_msg_dispatch){.together = true}, 1);
    rig_dispatch_with(s, 1, "f", 3, 2, (struct belt_msg_dispatch){.together = true}, 1);
    cr_expect_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, &given), 2);
    uint32_t second = given.slot, first = 1 - second;
    cr_expect_eq(given.task.index, 3);
    rig_answer(s, 1, second, 1000);
    rig_answer(s, 1, first, 1000);
    cr_expect_eq(rig_turn(s, 1, SLOT_TABLE_GIVE, &given), 2);
    rig_answer(s, 2, second, 1000);
    rig_answer(s, 2, first, 1000);
    cr_expect_eq(rig_turn(s, 2, SLOT_TABLE_GIVE, &given), 1);
    cr_expect_eq(given.slot, first);
    cr_expect_eq(given.task.index, 2);
    slot_table_free(s);
}

Test(slots, a_time_out_asks_terms_and_kills)
{
    struct slot_table *s = rig_ready(1, 0);
    struct slot_table_result r;

    rig_dispatch_with(s, 1, "f", 0, 2, (struct belt_msg_dispatch){.timeout_ms = 100}, 1);
    rig_turn(s, 0, SLOT_TABLE_GIVE, NULL);
    cr_expect_eq(slot_table_deadline(s), 100 * MS);
    cr_expect_eq(rig_turn(s, 99 * MS, SLOT_TABLE_ASK, NULL), 0);
    cr_expect_eq(rig_turn(s, 100 * MS, SLOT_TABLE_ASK, NULL), 1);
    cr_expect_eq(rig_turn(s, 1100 * MS, SLOT_TABLE_TERM, NULL), 1);
    cr_expect_eq(rig_turn(s, 2100 * MS, SLOT_TABLE_KILL, NULL), 1);
    cr_expect_eq(slot_table_deadline(s), UINT64_MAX);
    rig_die(s, 2101 * MS, 0);
    rig_result(s, 0, &r);
    cr_expect_eq(r.item.code, BELT_TASK_TIMEOUT);
    cr_expect_eq(slot_table_held(s), 1, "the next one is not blamed");
    slot_table_free(s);
}

Test(slots, a_task_that_ends_when_asked_keeps_its_slot)
{
    struct slot_table *s = rig_ready(1, 0);
    struct slot_table_result r;

    rig_dispatch_with(s, 1, "f", 0, 2, (struct belt_msg_dispatch){.timeout_ms = 100}, 1);
    rig_turn(s, 0, SLOT_TABLE_GIVE, NULL);
    cr_expect_eq(rig_turn(s, 100 * MS, SLOT_TABLE_ASK, NULL), 1);
    rig_answer(s, 110 * MS, 0, 110 * MS);
    rig_result(s, 0, &r);
    cr_expect_eq(r.item.code, BELT_TASK_TIMEOUT);
    cr_expect_eq(rig_turn(s, 110 * MS, SLOT_TABLE_GIVE, NULL), 1);
    cr_expect_eq(slot_table_deadline(s), 210 * MS);
    slot_table_free(s);
}

Test(slots, recall_gives_back_the_last_first)
{
    struct slot_table *s = rig_ready(1, 0);
    struct belt_task_ref refs[8];

    rig_dispatch(s, 1, "f", 0, 4);
    rig_turn(s, 0, SLOT_TABLE_GIVE, NULL);
    slot_table_recall(s, 0, 2);
    cr_expect_eq(slot_table_take_returned(s, refs, 8), 2);
    cr_expect_eq(refs[0].index, 3);
    cr_expect_eq(refs[1].index, 2);
    slot_table_recall(s, 0, 9);
    cr_expect_eq(slot_table_take_returned(s, refs, 8), 1);
    cr_expect_eq(slot_table_held(s), 1);
    slot_table_free(s);
}

Test(slots, drop_forgets_stops_and_answers_for_the_unknown)
{
    struct slot_table *s = rig_ready(1, 0);
    struct belt_task_ref refs[8], drop[] = {{1, 1, 1}, {1, 0, 1}, {7, 7, 1}};

    rig_dispatch(s, 1, "f", 0, 3);
    rig_turn(s, 0, SLOT_TABLE_GIVE, NULL);
    slot_table_drop(s, 10, drop, 3);
    cr_expect_eq(rig_actions(s, SLOT_TABLE_ASK, NULL), 1);
    cr_expect_eq(slot_table_take_returned(s, refs, 8), 2);
    rig_answer(s, 20, 0, 20);
    cr_expect_eq(slot_table_take_returned(s, refs, 8), 1);
    cr_expect_eq(refs[0].index, 0);
    cr_expect_eq(slot_table_unrecorded(s), 0);
    cr_expect_eq(slot_table_held(s), 1);
    slot_table_free(s);
}

Test(slots, the_higher_attempt_wins)
{
    struct slot_table *s = rig_ready(1, 0);
    struct slot_table_result r;

    rig_dispatch(s, 1, "f", 0, 1);
    rig_dispatch(s, 1, "f", 0, 1);
    cr_expect_eq(slot_table_held(s), 1, "an equal one is a duplicate");
    rig_turn(s, 0, SLOT_TABLE_GIVE, NULL);
    rig_dispatch_with(s, 1, "f", 0, 1, (struct belt_msg_dispatch){0}, 2);
    rig_answer(s, 10, 0, 10);
    cr_expect_eq(slot_table_unrecorded(s), 0, "the old one is nobody's business");
    rig_turn(s, 10, SLOT_TABLE_GIVE, NULL);
    rig_answer(s, 20, 0, 10);
    rig_result(s, 0, &r);
    cr_expect_eq(r.item.attempt, 2);
    slot_table_free(s);
}

Test(slots, results_are_kept_until_recorded_and_sent_again)
{
    struct slot_table *s = rig_ready(1, 0);
    struct belt_task_ref refs[8];
    uint64_t first, next;

    for (uint32_t i = 0; i < 3; i++) {
        rig_dispatch(s, 1, "f", i, 1);
        rig_turn(s, i, SLOT_TABLE_GIVE, NULL);
        rig_answer(s, i, 0, 1000);
    }
    rig_dispatch(s, 1, "f", 3, 1);
    slot_table_sent(s, 0, 3);
    slot_table_recorded(s, 1);
    cr_expect_eq(slot_table_sync(s, refs), 3);
    slot_table_resend(s);
    slot_table_unsent(s, &first, &next);
    cr_expect_eq(first, 1);
    cr_expect_eq(next, 3);
    slot_table_recorded(s, 99);
    cr_expect_eq(slot_table_unrecorded(s), 0);
    slot_table_free(s);
}

Test(slots, over_all_programs_no_more_than_the_slots_are_busy)
{
    struct slot_table *s = rig_ready(2, 0);
    struct slot_table_action given = {0};

    rig_dispatch(s, 1, "cmd", 0, 2);
    rig_dispatch(s, 2, "f", 0, 2);
    cr_expect_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, &given), 2);
    cr_expect_eq(slot_table_program_of(s, given.slot), 1);
    rig_answer(s, 10, given.slot, 0);
    cr_expect_eq(rig_turn(s, 10, SLOT_TABLE_GIVE, &given), 1);
    cr_expect_eq(slot_table_program_of(s, given.slot), 0);
    slot_table_free(s);
}

Test(slots, leaving_returns_what_did_not_start_and_then_the_rest)
{
    struct slot_table *s = rig_ready(1, 0);
    struct belt_task_ref refs[8];

    rig_dispatch(s, 1, "f", 0, 3);
    rig_turn(s, 0, SLOT_TABLE_GIVE, NULL);
    slot_table_leave(s, 0, 500 * MS);
    cr_expect_eq(slot_table_take_returned(s, refs, 8), 2);
    rig_dispatch(s, 1, "f", 9, 1);
    cr_expect_eq(slot_table_take_returned(s, refs, 8), 1);
    cr_expect_eq(slot_table_deadline(s), 500 * MS);
    cr_expect_eq(rig_turn(s, 500 * MS, SLOT_TABLE_TERM, NULL), 1);
    rig_die(s, 501 * MS, 0);
    cr_expect_eq(slot_table_take_returned(s, refs, 8), 1);
    cr_expect_eq(slot_table_held(s), 0);
    cr_expect_eq(rig_turn(s, 502 * MS, SLOT_TABLE_START, NULL), 0);
    slot_table_free(s);
}

Test(slots, nothing_is_lost_whatever_happens)
{
    uint64_t seed = 42, now = 0;

    for (uint32_t round = 0; round < 50; round++) {
        struct slot_table *s = rig_ready(3, round % 3 ? 0 : 5);
        uint32_t dispatched = 0, ended = 0;
        struct belt_task_ref refs[64];
        for (uint32_t step = 0; step < 400; step++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint32_t dice = (uint32_t)(seed >> 33), slot = dice / 16 % 3;
            struct slot_table_given running;
            now += dice % 3000;
            if (dice % 8 == 0) {
                rig_dispatch_with(s, round, dice & 64 ? "f" : "g", dispatched, 5,
                                  (struct belt_msg_dispatch){.together = dice & 128, .timeout_ms = dice & 256 ? 3 : 0},
                                  1);
                dispatched += 5;
            } else if (dice % 8 < 6) {
                if (slot_table_running(s, slot, &running))
                    rig_answer(s, now, slot, dice % 200);
            } else if (slot_table_running(s, slot, &running)) {
                if (dice % 16 == 7)
                    slot_table_drop(s, now, &(struct belt_task_ref){round, running.index, 1}, 1);
                else if (dice % 3 == 0)
                    rig_die(s, now, slot);
            } else {
                slot_table_recall(s, 0, 1);
            }
            slot_table_turn(s, now);
            struct slot_table_action action;
            while (slot_table_next_action(s, &action)) {
                if (action.type == SLOT_TABLE_START)
                    slot_table_ready(s, action.slot);
                else if (action.type == SLOT_TABLE_CLOSE || action.type == SLOT_TABLE_KILL)
                    rig_die(s, now, action.slot);
            }
            for (uint32_t n; (n = slot_table_take_returned(s, refs, 64)) > 0;)
                ended += n;
            cr_assert_eq(dispatched, ended + slot_table_held(s) + slot_table_unrecorded(s), "round %u, step %u", round,
                         step);
        }
        slot_table_free(s);
    }
}

Test(slots, a_time_out_hits_the_task_that_runs)
{
    struct slot_table *s = rig_ready(1, 0);
    struct slot_table_action action;
    struct slot_table_result r;

    rig_measure(s, "f", 50);
    rig_dispatch_with(s, 1, "f", 0, 3, (struct belt_msg_dispatch){.timeout_ms = 100}, 1);
    cr_assert_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, NULL), 3);
    slot_table_look(s, 0, 1, true, 40 * MS); /* 0 is held back, 1 runs since 40 ms */
    cr_expect_eq(rig_turn(s, 100 * MS, SLOT_TABLE_ASK, NULL), 0);
    cr_expect_eq(slot_table_deadline(s), 140 * MS);
    cr_expect_eq(rig_turn(s, 140 * MS, SLOT_TABLE_ASK, &action), 1);
    rig_answer(s, 150 * MS, 0, 50);
    cr_expect_eq(rig_turn(s, 150 * MS, SLOT_TABLE_TERM, NULL), 0);
    rig_die(s, 160 * MS, 0);
    rig_result(s, SLOT_TABLE_MEASURED, &r);
    cr_expect_eq(r.item.index, 0);
    cr_expect_eq(r.item.code, BELT_OK);
    rig_result(s, SLOT_TABLE_MEASURED + 1, &r);
    cr_expect_eq(r.item.index, 1);
    cr_expect_eq(r.item.code, BELT_TASK_TIMEOUT);
    cr_expect_eq(slot_table_held(s), 1);
    slot_table_free(s);
}

Test(slots, a_drop_stops_the_task_that_runs_behind_a_held_answer)
{
    struct slot_table *s = rig_ready(1, 0);
    struct belt_task_ref ref = {1, 1, 1};

    rig_measure(s, "f", 50);
    rig_dispatch(s, 1, "f", 0, 3);
    rig_turn(s, 0, SLOT_TABLE_GIVE, NULL);
    slot_table_drop(s, 10, &ref, 1);
    cr_expect_eq(rig_turn(s, 10, SLOT_TABLE_ASK, NULL), 0);
    uint64_t when = slot_table_deadline(s);
    slot_table_look(s, 0, 1, true, 40);
    cr_expect_eq(rig_turn(s, when, SLOT_TABLE_ASK, NULL), 1);
    slot_table_free(s);
}

/* Tasks of three jobs with overlapping indexes come and go at random, beside a plain array of what is there. */
Test(slots, tasks_are_found_by_their_key)
{
    enum { JOBS = 3, SPAN = 400 };
    static struct slot_table_task tasks[JOBS][SPAN];
    static bool there[JOBS][SPAN];
    struct slot_table_index index = {0};
    uint64_t dice = 20261126;
    uint32_t count = 0;

    for (int round = 0; round < 200000; round++) {
        dice = dice * 6364136223846793005u + 1442695040888963407u;
        unsigned job = (unsigned)(dice >> 33) % JOBS, at = (unsigned)(dice >> 40) % SPAN;
        struct slot_table_task *task = &tasks[job][at];
        task->key = (struct slot_table_key){job, at};
        cr_assert_eq(slot_table_index_find(&index, job, at), there[job][at] ? task : NULL);
        if (there[job][at])
            slot_table_index_remove(&index, task);
        else
            slot_table_index_add(&index, task);
        there[job][at] = !there[job][at];
        count += there[job][at] ? 1u : UINT32_MAX;
        cr_assert_eq(index.count, count);
    }
    slot_table_index_free(&index);
}
