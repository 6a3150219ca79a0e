/* SPDX-License-Identifier: Apache-2.0
 *
 * What a task says around a signal from outside, by itself and in the slot table.
 */
#include "tests/unit/slots_rig.h"

#include "worker/table/verdict.h"

#include <criterion/criterion.h>
#include <signal.h>

Test(verdict, a_command_waits_and_a_persistent_slot_for_its_share)
{
    cr_expect_eq(verdict_hold(VERDICT_COMMAND, 1), VERDICT_LEAST_US);
    cr_expect_eq(verdict_hold(VERDICT_COMMAND, 100 * MS), 2 * MS);
    cr_expect_eq(verdict_hold(VERDICT_COMMAND, 1000 * MS), VERDICT_US);
    cr_expect_eq(verdict_hold(VERDICT_PERSISTENT, 20), 0);
    cr_expect_eq(verdict_hold(VERDICT_PERSISTENT, VERDICT_SHARE * VERDICT_LEAST_US - 1), 0);
    cr_expect_eq(verdict_hold(VERDICT_PERSISTENT, VERDICT_SHARE * VERDICT_LEAST_US), VERDICT_LEAST_US);
    cr_expect_eq(verdict_hold(VERDICT_PERSISTENT, 1000 * MS), VERDICT_US);
    cr_expect_eq(verdict_hold(VERDICT_FUNCTION, 1000 * MS), 0);
}

Test(verdict, an_outcome_counts_when_its_time_is_over)
{
    struct verdict_signals signals = {0};

    cr_expect_eq(verdict_of(&signals, 100 * MS, 100 * MS, VERDICT_US), VERDICT_WAITS);
    cr_expect_eq(verdict_due(&signals, 100 * MS, VERDICT_US), 100 * MS + VERDICT_US);
    cr_expect_eq(verdict_of(&signals, 100 * MS + VERDICT_US, 100 * MS, VERDICT_US), VERDICT_COUNTS);
    cr_expect_eq(verdict_of(&signals, 100 * MS, 100 * MS, 0), VERDICT_COUNTS, "a short one does not wait");
}

Test(verdict, what_ends_around_the_signal_was_cut_off)
{
    struct verdict_signals signals = {0};
    const uint64_t at = 1000 * MS;

    verdict_signalled(&signals, at);
    cr_expect_eq(verdict_of(&signals, at + 200 * MS, at - VERDICT_US - 1, VERDICT_US), VERDICT_COUNTS);
    cr_expect_eq(verdict_of(&signals, at, at - VERDICT_US, VERDICT_US), VERDICT_INTERRUPTED);
    cr_expect_eq(verdict_of(&signals, at, at - 1, VERDICT_US), VERDICT_INTERRUPTED);
    cr_expect_eq(verdict_of(&signals, at + 1, at + 1, VERDICT_US), VERDICT_INTERRUPTED);
    cr_expect_eq(verdict_of(&signals, at + 200 * MS, at + VERDICT_US, VERDICT_US), VERDICT_INTERRUPTED);
}

Test(verdict, later_it_depends_on_who_else_got_the_signal)
{
    struct verdict_signals signals = {0};
    const uint64_t at = 1000 * MS, ended = at + 50 * MS;

    verdict_signalled(&signals, at);
    cr_expect_eq(verdict_of(&signals, ended + VERDICT_US, ended, VERDICT_US), VERDICT_WAITS);
    cr_expect_eq(verdict_due(&signals, ended, 0), at + VERDICT_SHARED_US, "short ones wait for that too");
    cr_expect_eq(verdict_of(&signals, at + VERDICT_SHARED_US, ended, VERDICT_US), VERDICT_COUNTS);
    verdict_shared(&signals);
    cr_expect_eq(verdict_of(&signals, ended + VERDICT_US, ended, VERDICT_US), VERDICT_INTERRUPTED);
    cr_expect_eq(verdict_of(&signals, at + 9000 * MS, at + 8000 * MS, 0), VERDICT_INTERRUPTED);
    cr_expect_eq(verdict_of(&signals, at + 9000 * MS, at - 10 * MS, VERDICT_US), VERDICT_COUNTS);
}

Test(verdict, a_continued_agent_expects_a_signal)
{
    struct verdict_signals signals = {0};

    verdict_warned(&signals, 100 * MS);
    cr_expect_eq(verdict_due(&signals, 101 * MS, VERDICT_US), 100 * MS + VERDICT_WARNED_US);
    cr_expect_eq(verdict_of(&signals, 110 * MS, 101 * MS, VERDICT_US), VERDICT_WAITS);
    verdict_signalled(&signals, 120 * MS);
    cr_expect_eq(verdict_of(&signals, 120 * MS, 101 * MS, VERDICT_US), VERDICT_INTERRUPTED);
    cr_expect_eq(verdict_of(&signals, 120 * MS, 60 * MS, VERDICT_US), VERDICT_COUNTS);
    cr_expect_eq(verdict_of(&signals, 110 * MS, 101 * MS, 0), VERDICT_INTERRUPTED, "functions too");
}

Test(verdict, a_status_tells_of_signals_that_end)
{
    cr_expect(verdict_status(-1, SIGTERM) && verdict_status(-1, SIGINT) && verdict_status(-1, SIGHUP));
    cr_expect(verdict_status(128 + SIGTERM, 0) && verdict_status(128 + SIGINT, 0) && verdict_status(128 + SIGHUP, 0));
    cr_expect_not(verdict_status(0, 0) || verdict_status(1, 0) || verdict_status(137, 0) ||
                  verdict_status(-1, SIGKILL));
    cr_expect_not(verdict_status(-1, SIGSEGV) || verdict_status(-1, 0));
}

/* ------------------------------------------------------------ in the table */

static void ends(struct slot_table *s, uint64_t now, uint32_t slot, int status, int signal)
{
    struct slot_table_outcome o = {.code = status ? BELT_TASK_FAILED : BELT_OK,
                                   .payload = rig_text("said"),
                                   .exit_status = status,
                                   .term_signal = signal};

    cr_assert(slot_table_answer(s, now, slot, &o));
}

static uint32_t returned(struct slot_table *s)
{
    struct belt_task_ref refs[64];

    return slot_table_take_returned(s, refs, 64);
}

/* A command runs in a slot since 0; its number. */
static uint32_t runs(struct slot_table *s)
{
    struct slot_table_action given;

    rig_dispatch(s, 7, "cmd", 0, 1);
    cr_assert_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, &given), 1);
    return given.slot;
}

Test(doubt_table, the_slot_is_free_at_once_and_the_result_comes_a_moment_later)
{
    struct slot_table *s = rig_table(1, 0);
    uint32_t slot = runs(s);
    struct slot_table_result r;
    struct belt_task_ref refs[4];

    rig_dispatch(s, 7, "cmd", 1, 1);
    ends(s, 100 * MS, slot, 0, 0);
    cr_expect_eq(rig_turn(s, 100 * MS, SLOT_TABLE_GIVE, NULL), 1, "the next runs");
    cr_expect_eq(slot_table_unrecorded(s), 0);
    cr_expect_eq(slot_table_held(s), 2);
    cr_expect_eq(slot_table_sync(s, refs), 2, "it is named to a broker that comes back");
    cr_expect_eq(slot_table_deadline(s), 100 * MS + VERDICT_US);
    slot_table_turn(s, 100 * MS + VERDICT_US);
    cr_assert_eq(slot_table_unrecorded(s), 1);
    rig_result(s, 0, &r);
    cr_expect_eq(r.item.code, BELT_OK);
    cr_expect_eq(r.item.payload.len, 4);
    cr_expect_eq(r.item.service_us, 100 * MS, "the wait is not its run time");
    slot_table_free(s);
}

Test(doubt_table, a_success_before_the_agents_signal_goes_back)
{
    struct slot_table *s = rig_table(1, 0);
    uint32_t slot = runs(s);

    ends(s, 100 * MS, slot, 0, 0);
    slot_table_signalled(s, 100 * MS + 300);
    slot_table_leave(s, 100 * MS + 300, 10100 * MS);
    slot_table_turn(s, 100 * MS + VERDICT_US);
    cr_expect_eq(slot_table_unrecorded(s), 0);
    cr_expect_eq(returned(s), 1);
    cr_expect_eq(slot_table_held(s), 0);
    slot_table_free(s);
}

Test(doubt_table, a_drain_counts_what_ends_unless_all_were_signalled)
{
    for (int shared = 0; shared < 2; shared++) {
        struct slot_table *s = rig_table(1, 0);
        uint32_t slot = runs(s);

        slot_table_signalled(s, 100 * MS);
        slot_table_leave(s, 100 * MS, 10100 * MS);
        if (shared)
            slot_table_shared(s);
        ends(s, 3000 * MS, slot, 0, 0);
        slot_table_turn(s, 3000 * MS + VERDICT_US);
        cr_expect_eq(slot_table_unrecorded(s), shared ? 0 : 1);
        cr_expect_eq(returned(s), shared ? 1 : 0);
        slot_table_free(s);
    }
}

Test(doubt_table, one_that_somebody_elses_signal_ended_runs_again_but_not_for_ever)
{
    static const int statuses[][2] = {{-1, SIGTERM}, {143, 0}, {130, 0}, {-1, SIGHUP}};

    for (unsigned i = 0; i < 4; i++) {
        struct slot_table *s = rig_table(1, 0);
        uint32_t slot = runs(s), run;
        struct slot_table_result r;

        for (run = 1; run < VERDICT_RUNS; run++) {
            ends(s, run * 100 * MS, slot, statuses[i][0], statuses[i][1]);
            cr_expect_eq(rig_turn(s, run * 100 * MS, SLOT_TABLE_GIVE, NULL), 0);
            cr_expect_eq(rig_turn(s, run * 100 * MS + VERDICT_US, SLOT_TABLE_GIVE, NULL), 1);
            cr_expect_eq(slot_table_unrecorded(s), 0);
        }
        ends(s, run * 100 * MS, slot, statuses[i][0], statuses[i][1]);
        slot_table_turn(s, run * 100 * MS + VERDICT_US);
        cr_assert_eq(slot_table_unrecorded(s), 1);
        rig_result(s, 0, &r);
        cr_expect_eq(r.item.attempt, 1, "nobody was blamed in between");
        cr_expect_eq(r.item.code, BELT_TASK_FAILED);
        slot_table_free(s);
    }
}

Test(doubt_table, belts_own_signal_is_no_doubt)
{
    struct slot_table *s = rig_table(1, 0);
    struct slot_table_action given;
    struct slot_table_result r;

    rig_dispatch_with(s, 7, "cmd", 0, 1, (struct belt_msg_dispatch){.timeout_ms = 10}, 1);
    rig_turn(s, 0, SLOT_TABLE_GIVE, &given);
    cr_assert_eq(rig_turn(s, 10 * MS, SLOT_TABLE_TERM, NULL), 1);
    ends(s, 11 * MS, given.slot, 143, 0);
    cr_assert_eq(slot_table_unrecorded(s), 1);
    rig_result(s, 0, &r);
    cr_expect_eq(r.item.code, BELT_TASK_TIMEOUT);
    slot_table_free(s);
}

Test(doubt_table, what_is_dropped_meanwhile_is_returned)
{
    struct slot_table *s = rig_table(1, 0);
    uint32_t slot = runs(s);
    struct belt_task_ref ref = {7, 0, 1};

    ends(s, 100 * MS, slot, 0, 0);
    slot_table_drop(s, 101 * MS, &ref, 1);
    cr_expect_eq(returned(s), 1);
    cr_expect_eq(slot_table_held(s), 0);
    slot_table_turn(s, 200 * MS);
    cr_expect_eq(slot_table_unrecorded(s), 0);
    slot_table_free(s);
}

Test(doubt_table, a_persistent_slot_that_a_stranger_ends_is_not_blamed)
{
    struct slot_table *s = rig_table(1, 0);
    struct slot_table_outcome how = {.exit_status = -1, .term_signal = SIGTERM};
    struct slot_table_action start, given;

    rig_actions(s, SLOT_TABLE_START, NULL);
    rig_dispatch(s, 7, "co", 0, 1);
    cr_assert_geq(rig_turn(s, 0, SLOT_TABLE_START, &start), 1);
    slot_table_ready(s, start.slot);
    cr_assert_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, &given), 1);
    slot_table_died(s, 100 * MS, given.slot, &how);
    slot_table_turn(s, 100 * MS + VERDICT_US);
    cr_expect_eq(slot_table_unrecorded(s), 0);
    cr_expect_eq(slot_table_held(s), 1, "it waits to run again");
    slot_table_free(s);
}

Test(doubt_table, what_is_left_of_a_crash_is_stopped_and_the_crash_counts)
{
    struct slot_table *s = rig_table(1, 0);
    uint32_t slot = runs(s);
    struct slot_table_result r;

    slot_table_remains(s, 100 * MS, slot);
    cr_expect_eq(rig_actions(s, SLOT_TABLE_TERM, NULL), 1);
    cr_expect_eq(rig_turn(s, 2100 * MS, SLOT_TABLE_KILL, NULL), 1);
    ends(s, 2101 * MS, slot, 139, SIGSEGV);
    slot_table_turn(s, 2200 * MS);
    rig_result(s, 0, &r);
    cr_expect_eq(r.item.code, BELT_TASK_FAILED);
    slot_table_free(s);
}

Test(doubt_table, while_paused_no_time_goes_on)
{
    struct slot_table *s = rig_table(1, 0);
    struct slot_table_action given;

    rig_dispatch_with(s, 7, "cmd", 0, 2, (struct belt_msg_dispatch){.timeout_ms = 100}, 1);
    rig_turn(s, 0, SLOT_TABLE_GIVE, &given);
    slot_table_pause(s, 50 * MS);
    cr_expect_eq(slot_table_deadline(s), UINT64_MAX);
    cr_expect_eq(rig_turn(s, 9000 * MS, SLOT_TABLE_TERM, NULL), 0);
    slot_table_resume(s, 10050 * MS);
    cr_expect_eq(rig_turn(s, 10099 * MS, SLOT_TABLE_TERM, NULL), 0);
    cr_expect_eq(rig_turn(s, 10100 * MS, SLOT_TABLE_TERM, NULL), 1);
    slot_table_free(s);
}

/* One that was cut off ran for a short time: that is no reason to believe it sooner. */
Test(doubt_table, an_early_answer_waits_as_long_as_its_like)
{
    struct slot_table *s = rig_table(1, 0);
    struct slot_table_action start, given;

    rig_actions(s, SLOT_TABLE_START, NULL);
    rig_dispatch(s, 7, "co", 0, 1);
    cr_assert_geq(rig_turn(s, 0, SLOT_TABLE_START, &start), 1);
    slot_table_ready(s, start.slot);
    cr_assert_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, &given), 1);
    rig_answer(s, 2 * MS, given.slot, 2 * MS);
    slot_table_signalled(s, 2 * MS + 300);
    slot_table_leave(s, 2 * MS + 300, 9000 * MS);
    slot_table_turn(s, 2 * MS + VERDICT_US);
    cr_expect_eq(slot_table_unrecorded(s), 0);
    cr_expect_eq(returned(s), 1);
    slot_table_free(s);
}
