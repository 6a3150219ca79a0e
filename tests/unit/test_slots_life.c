/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table on virtual time: how slots start, fail to start and die, and which task takes the blame.
 */
#include "tests/unit/slots_rig.h"

#include <criterion/criterion.h>
#include <string.h>

Test(slot_table_life, a_dead_slot_takes_only_its_running_task)
{
    struct slot_table *s = rig_ready(1, 0);
    struct slot_table_action given = {0};
    struct slot_table_result r;

    rig_measure(s, "f", 50);
    rig_dispatch(s, 1, "f", 0, 20);
    cr_expect_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, NULL), 10);
    rig_answer(s, 10, 0, 50);
    slot_table_turn(s, 10); /* its actions are not taken: they must not outlive the slot */
    rig_die(s, 20, 0);
    rig_result(s, SLOT_TABLE_MEASURED + 1, &r);
    cr_expect_eq(r.item.code, BELT_TASK_LOST);
    cr_expect_eq(r.item.index, 1);
    cr_expect_eq(r.extras.term_signal, 9);
    cr_expect_eq(slot_table_held(s), 18);
    cr_expect_eq(rig_turn(s, 30, SLOT_TABLE_START, NULL), 1);
    slot_table_ready(s, 0);
    slot_table_turn(s, 40);
    cr_assert(slot_table_running(s, 0, &given.task));
    cr_expect_eq(given.task.index, 2, "the others are first in the queue, in their order");
    slot_table_free(s);
}

Test(slot_table_life, a_program_is_started_when_it_is_asked_for)
{
    struct slot_table *s = rig_ready(2, 0);
    struct slot_table_action start = {0};

    rig_dispatch(s, 1, "co", 0, 1);
    cr_expect_eq(rig_turn(s, 0, SLOT_TABLE_START, &start), 1);
    cr_expect_eq(slot_table_program_of(s, start.slot), 2);
    slot_table_ready(s, start.slot);
    cr_expect_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, NULL), 1);
    slot_table_free(s);
}

Test(slot_table_life, a_slot_that_keeps_failing_is_left_alone_for_a_while)
{
    struct slot_table *s = rig_table(1, 0);

    for (uint32_t i = 0; i < SLOT_TABLE_FAILURES; i++) {
        cr_expect_eq(rig_turn(s, i, SLOT_TABLE_START, NULL), 1);
        rig_die(s, i, 0);
    }
    cr_expect_eq(rig_turn(s, 10, SLOT_TABLE_START, NULL), 0);
    cr_expect_eq(slot_table_deadline(s), SLOT_TABLE_FAILURES - 1 + SLOT_TABLE_PAUSE_US);
    cr_expect_eq(rig_turn(s, 3 + SLOT_TABLE_PAUSE_US, SLOT_TABLE_START, NULL), 1);
    rig_die(s, 3 + SLOT_TABLE_PAUSE_US, 0);
    cr_expect_eq(slot_table_deadline(s), 3 + 3 * SLOT_TABLE_PAUSE_US, "the pause doubles");
    slot_table_free(s);
}

Test(slot_table_life, without_a_hello_the_slot_is_killed)
{
    struct slot_table *s = rig_table(1, 0);

    rig_turn(s, 0, SLOT_TABLE_START, NULL);
    cr_expect_eq(rig_turn(s, 10000 * MS, SLOT_TABLE_TERM, NULL), 1);
    cr_expect_eq(rig_turn(s, 10999 * MS, SLOT_TABLE_KILL, NULL), 0);
    cr_expect_eq(rig_turn(s, 11000 * MS, SLOT_TABLE_KILL, NULL), 1);
    rig_die(s, 11001 * MS, 0);
    slot_table_free(s);
}

Test(slot_table_life, a_spent_slot_is_closed)
{
    struct slot_table *s = rig_ready(1, 2);

    rig_dispatch(s, 1, "f", 0, 3);
    rig_turn(s, 0, SLOT_TABLE_GIVE, NULL);
    rig_answer(s, 1, 0, 1);
    rig_turn(s, 1, SLOT_TABLE_GIVE, NULL);
    rig_answer(s, 2, 0, 1);
    cr_expect_eq(rig_actions(s, SLOT_TABLE_CLOSE, NULL), 1);
    cr_expect_eq(rig_turn(s, 2, SLOT_TABLE_GIVE, NULL), 0);
    rig_die(s, 3, 0);
    cr_expect_eq(rig_turn(s, 3, SLOT_TABLE_START, NULL), 1);
    cr_expect_eq(slot_table_held(s), 1);
    slot_table_free(s);
}

Test(slot_table_life, blame_hits_the_task_that_ran_though_answers_are_held_back)
{
    struct slot_table *s = rig_ready(1, 0);
    struct slot_table_result r;

    rig_measure(s, "f", 50);
    rig_dispatch(s, 1, "f", 0, 6);
    cr_assert_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, NULL), 6);
    rig_answer(s, 10, 0, 50);
    slot_table_look(s, 0, 2, true, 20); /* 1 and 2 have ended unheard, 3 runs */
    cr_expect_eq(slot_table_ahead(s, 0), 2);
    rig_die(s, 30, 0);
    rig_result(s, SLOT_TABLE_MEASURED + 1, &r);
    cr_expect_eq(r.item.index, 3);
    cr_expect_eq(r.item.code, BELT_TASK_LOST);
    cr_expect_eq(slot_table_unrecorded(s), 2, "nobody else takes blame");
    cr_expect_eq(slot_table_held(s), 4);
    slot_table_free(s);
}

Test(slot_table_life, nobody_is_blamed_when_nothing_ran)
{
    struct slot_table *s = rig_ready(1, 0);

    rig_measure(s, "f", 50);
    rig_dispatch(s, 1, "f", 0, 3);
    rig_turn(s, 0, SLOT_TABLE_GIVE, NULL);
    slot_table_look(s, 0, 2, false, 20);
    rig_die(s, 30, 0);
    cr_expect_eq(slot_table_unrecorded(s), 0);
    cr_expect_eq(slot_table_held(s), 3);
    slot_table_free(s);
}

Test(slot_table_life, a_task_that_has_ended_unheard_is_not_asked_to_stop)
{
    struct slot_table *s = rig_ready(1, 0);

    rig_dispatch(s, 1, "f", 0, 1);
    cr_assert_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, NULL), 1);
    slot_table_look(s, 0, 1, false, 20);
    slot_table_drop(s, 30, &(struct belt_task_ref){1, 0, 1}, 1);
    cr_expect_eq(rig_turn(s, 30, SLOT_TABLE_ASK, NULL), 0, "the slot's next task would stop");
    cr_expect_eq(rig_turn(s, 5 * MS, SLOT_TABLE_ASK, NULL), 0);
    rig_answer(s, 6 * MS, 0, 50);
    rig_dispatch(s, 2, "f", 0, 1);
    cr_expect_eq(rig_turn(s, 6 * MS, SLOT_TABLE_GIVE, NULL), 1);
    cr_expect_eq(rig_turn(s, 7 * MS, SLOT_TABLE_ASK, NULL), 0);
    slot_table_free(s);
}

static void die_starting(struct slot_table *s, uint64_t now, uint32_t slot)
{
    struct slot_table_outcome o = {
        .exit_status = 3, .text = rig_text("exit status 3"), .log = rig_text("first\nno licence\n")};

    slot_table_died(s, now, slot, &o);
}

/* One coprocess program alone in the table, with one slot. */
static struct slot_table *coprocess(bool alone)
{
    static const struct slot_table_program program = {.persistent = true, .greets = true, .ahead = true};
    const struct slot_table_function function = {rig_text("co"), 0};
    const struct slot_table_config config = {.slots = 1,
                                             .programs = &program,
                                             .program_count = 1,
                                             .functions = &function,
                                             .function_count = 1,
                                             .start_us = 10000 * MS,
                                             .kill_us = 2000 * MS,
                                             .alone = alone};

    return slot_table_new(&config);
}

/* It fails to start three times; tasks wait. */
static struct slot_table *broken(bool alone)
{
    struct slot_table *s = coprocess(alone);

    rig_dispatch(s, 1, "co", 0, 3);
    for (uint32_t i = 0; i < SLOT_TABLE_FAILURES; i++) {
        cr_assert_eq(rig_turn(s, i, SLOT_TABLE_START, NULL), 1);
        cr_assert_eq(slot_table_unrecorded(s), 0);
        die_starting(s, i, 0);
    }
    return s;
}

Test(slot_table_life, tasks_do_not_wait_for_a_slot_that_cannot_start)
{
    struct slot_table *s = broken(true);
    struct slot_table_result r;

    cr_expect_eq(rig_turn(s, 5, SLOT_TABLE_START, NULL), 0);
    cr_assert_eq(slot_table_unrecorded(s), 3);
    cr_expect_eq(slot_table_held(s), 0);
    rig_result(s, 2, &r);
    cr_expect_eq(r.item.code, BELT_SLOT_FAILED);
    cr_expect_eq(r.extras.text.len, strlen("the slot cannot start: exit status 3: no licence"));
    cr_expect_eq(memcmp(r.extras.text.data, "the slot cannot start: exit status 3: no licence", r.extras.text.len), 0);
    rig_dispatch(s, 1, "co", 3, 1);
    rig_turn(s, 6, SLOT_TABLE_START, NULL);
    cr_expect_eq(slot_table_unrecorded(s), 4, "nor do those that come in the pause");
    slot_table_free(s);
}

Test(slot_table_life, a_slot_that_says_why_it_cannot_serve_is_believed_the_first_time)
{
    struct slot_table *s = coprocess(true);
    struct slot_table_result r;
    struct belt_bytes why = {(const uint8_t *)"no model\nfile", 13};

    rig_dispatch(s, 1, "co", 0, 1);
    cr_assert_eq(rig_turn(s, 0, SLOT_TABLE_START, NULL), 1);
    cr_assert(slot_table_unable(s, 0, why));
    die_starting(s, 1, 0);
    cr_expect_eq(rig_turn(s, 2, SLOT_TABLE_START, NULL), 0, "trying again would tell the same");
    cr_assert_eq(slot_table_unrecorded(s), 1);
    rig_result(s, 0, &r);
    cr_expect_eq(r.item.code, BELT_SLOT_FAILED);
    cr_expect(r.extras.text.len == why.len && memcmp(r.extras.text.data, why.data, why.len) == 0);
    slot_table_free(s);
}

Test(slot_table_life, a_shared_worker_gives_its_tasks_to_others_until_a_slot_starts)
{
    struct slot_table *s = broken(false);
    struct slot_table_result r;

    rig_turn(s, 5, SLOT_TABLE_START, NULL);
    cr_assert_eq(slot_table_unrecorded(s), 3);
    rig_result(s, 0, &r);
    cr_expect_eq(r.item.code, BELT_NOT_SERVED);
    cr_expect_not(slot_table_recovered(s));
    uint64_t when = slot_table_deadline(s);
    cr_assert_eq(when, SLOT_TABLE_FAILURES - 1 + SLOT_TABLE_PAUSE_US);
    cr_assert_eq(rig_turn(s, when, SLOT_TABLE_START, NULL), 1);
    die_starting(s, when, 0);
    rig_turn(s, when, SLOT_TABLE_START, NULL);
    cr_expect_eq(slot_table_deadline(s), when + 2 * SLOT_TABLE_PAUSE_US, "longer and longer");
    cr_assert_eq(rig_turn(s, when + 2 * SLOT_TABLE_PAUSE_US, SLOT_TABLE_START, NULL), 1);
    slot_table_ready(s, 0);
    cr_expect(slot_table_recovered(s));
    cr_expect_not(slot_table_recovered(s), "once");
    slot_table_free(s);
}

/* One slot that starts a process for each task: a command's. */
static struct slot_table *commands(uint32_t count, bool alone)
{
    static const struct slot_table_program program = {.persistent = false};
    const struct slot_table_function function = {rig_text("run"), 0};
    const struct slot_table_config config = {.slots = count,
                                             .programs = &program,
                                             .program_count = 1,
                                             .functions = &function,
                                             .function_count = 1,
                                             .kill_us = 2000 * MS,
                                             .alone = alone};
    return slot_table_new(&config);
}

Test(slot_table_life, a_task_waits_while_the_system_has_no_room_for_its_process)
{
    struct slot_table *s = commands(2, true);
    struct slot_table_action given = {0};

    rig_dispatch(s, 1, "run", 0, 2);
    cr_assert_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, NULL), 2);
    slot_table_short(s, 0, 0, "no room");
    slot_table_short(s, 0, 1, "no room");
    cr_expect_eq(slot_table_held(s), 2);
    cr_expect_eq(rig_turn(s, 1, SLOT_TABLE_GIVE, NULL), 0);
    cr_expect_eq(slot_table_deadline(s), SLOT_TABLE_SHORT_US);
    cr_assert_eq(rig_turn(s, SLOT_TABLE_SHORT_US, SLOT_TABLE_GIVE, &given), 1, "one at a time");
    cr_expect_eq(given.task.index, 0, "in their order");
    rig_answer(s, SLOT_TABLE_SHORT_US + 1, given.slot, 1);
    cr_assert_eq(rig_turn(s, 2 * SLOT_TABLE_SHORT_US, SLOT_TABLE_GIVE, &given), 1);
    cr_expect_eq(given.task.index, 1);
    rig_answer(s, 2 * SLOT_TABLE_SHORT_US + 1, given.slot, 1);
    slot_table_turn(s, 3 * SLOT_TABLE_SHORT_US);
    cr_expect_eq(slot_table_unrecorded(s), 2);
    slot_table_free(s);
}

Test(slot_table_life, tasks_of_a_pool_of_ones_own_wait_as_long_as_it_takes)
{
    struct slot_table *s = commands(1, true);
    struct slot_table_action given = {0};
    uint64_t now = 0;

    rig_dispatch(s, 1, "run", 0, 1);
    for (; now < 3 * SLOT_TABLE_SHORT_MAX_US; now = slot_table_deadline(s)) {
        cr_assert_eq(rig_turn(s, now, SLOT_TABLE_GIVE, &given), 1);
        slot_table_short(s, now, given.slot, "no room");
    }
    cr_expect_eq(slot_table_held(s), 1);
    cr_expect_eq(slot_table_unrecorded(s), 0);
    slot_table_free(s);
}

Test(slot_table_life, a_shared_worker_without_room_leaves_its_tasks_to_others)
{
    struct slot_table *s = commands(1, false);
    struct slot_table_result r;
    struct slot_table_action given = {0};
    uint64_t now = 0;

    rig_dispatch(s, 1, "run", 0, 1);
    for (; now <= SLOT_TABLE_SHORT_MAX_US; now = slot_table_deadline(s)) {
        cr_assert_eq(slot_table_unrecorded(s), 0, "not before its time");
        cr_assert_eq(rig_turn(s, now, SLOT_TABLE_GIVE, &given), 1);
        slot_table_short(s, now, given.slot, "no room");
        slot_table_turn(s, now);
    }
    rig_result(s, 0, &r);
    cr_expect_eq(r.item.code, BELT_NOT_SERVED, "which blames nobody");
    slot_table_free(s);
}

Test(slot_table_life, a_slot_that_the_system_had_no_room_for_is_no_failed_start)
{
    struct slot_table *s = rig_table(1, 0);
    struct slot_table_action start = {0};
    uint64_t now = 0;

    for (uint32_t i = 0; i < 2 * SLOT_TABLE_FAILURES; i++, now += SLOT_TABLE_SHORT_US) {
        cr_assert_eq(rig_turn(s, now, SLOT_TABLE_START, &start), 1);
        slot_table_short(s, now, start.slot, "no room");
        cr_expect_eq(slot_table_failures(s, start.slot), 0);
    }
    cr_assert_eq(rig_turn(s, now, SLOT_TABLE_START, &start), 1);
    slot_table_ready(s, start.slot);
    rig_dispatch(s, 1, "f", 0, 1);
    cr_expect_eq(rig_turn(s, now, SLOT_TABLE_GIVE, NULL), 1);
    slot_table_free(s);
}
