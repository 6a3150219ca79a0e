/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table on virtual time: taking back what slots have in hand and have not begun.
 */
#include "worker/slot/claim.h"
#include "worker/table/slot_table.h"

#include <criterion/criterion.h>
#include <string.h>

#define MS  1000u
#define JOB 7u

static struct slot_table *ready(uint32_t slots)
{
    const struct slot_table_program program = {
        .persistent = true, .greets = true, .polite = true, .ahead = true, .yields = true};
    const struct slot_table_function function = {{(const uint8_t *)"f", 1}, 0};
    const struct slot_table_config config = {.slots = slots,
                                             .programs = &program,
                                             .program_count = 1,
                                             .functions = &function,
                                             .function_count = 1,
                                             .start_us = 10000 * MS,
                                             .kill_us = 2000 * MS};
    struct slot_table *s = slot_table_new(&config);
    struct slot_table_action action;

    slot_table_turn(s, 0);
    while (slot_table_next_action(s, &action))
        slot_table_ready(s, action.slot);
    return s;
}

static void dispatch_as(struct slot_table *s, uint64_t first, uint32_t count, bool together)
{
    struct belt_task_item items[200] = {0};
    struct belt_msg_dispatch msg = {
        .job = JOB, .function = {(const uint8_t *)"f", 1}, .tasks = items, .count = count, .together = together};

    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct belt_task_item){.index = first + i, .attempt = 1};
    slot_table_dispatch(s, 0, &msg);
}

static void dispatch(struct slot_table *s, uint64_t first, uint32_t count)
{
    dispatch_as(s, first, count, false);
}

/* Takes all actions of a turn; returns how many are of `type`, the last of them in `*last`. */
static uint32_t turn(struct slot_table *s, uint64_t now, enum slot_table_action_type type,
                     struct slot_table_action *last)
{
    struct slot_table_action action;
    uint32_t count = 0;

    slot_table_turn(s, now);
    while (slot_table_next_action(s, &action)) {
        if (action.type != type)
            continue;
        count++;
        if (last)
            *last = action;
    }
    return count;
}

static void answer(struct slot_table *s, uint64_t now, uint32_t slot, uint64_t service_us)
{
    struct slot_table_outcome o = {.timed = true, .service_us = service_us, .exit_status = -1};

    cr_assert(slot_table_answer(s, now, slot, &o));
}

static void run(struct slot_table *s, uint64_t index, uint64_t us)
{
    struct slot_table_action given = {0};

    dispatch(s, index, 1);
    cr_assert_eq(turn(s, 0, SLOT_TABLE_GIVE, &given), 1);
    answer(s, 0, given.slot, us);
}

/* The function is known to take so long. */
static void measure(struct slot_table *s, uint64_t us)
{
    for (uint32_t i = 0; i < SLOT_TABLE_MEASURED; i++)
        run(s, 100000 + i, us);
    slot_table_recorded(s, SLOT_TABLE_MEASURED);
}

static uint32_t returned(struct slot_table *s)
{
    struct belt_task_ref refs[200];

    return slot_table_take_returned(s, refs, 200);
}

Test(slot_table_take, the_next_task_is_in_hand_however_long)
{
    struct slot_table *s = ready(2);

    measure(s, 5 * MS);
    dispatch(s, 0, 9);
    cr_expect_eq(turn(s, 0, SLOT_TABLE_GIVE, NULL), 4);
    answer(s, 5 * MS, 0, 5 * MS);
    cr_expect_eq(turn(s, 5 * MS, SLOT_TABLE_GIVE, NULL), 1);
    slot_table_free(s);
}

Test(slot_table_take, every_slot_has_one_before_some_have_two)
{
    struct slot_table *s = ready(4);

    measure(s, 5 * MS);
    dispatch(s, 0, 5);
    cr_expect_eq(turn(s, 0, SLOT_TABLE_GIVE, NULL), 5);
    for (uint32_t i = 0; i < 4; i++) {
        struct slot_table_given task;
        cr_expect(slot_table_running(s, i, &task));
    }
    slot_table_free(s);
}

Test(slot_table_take, a_slot_that_idles_gets_what_lies_behind_a_long_one)
{
    struct slot_table *s = ready(2);
    struct slot_table_action take = {0}, given = {0};

    measure(s, 5 * MS);
    dispatch(s, 0, 3);
    cr_assert_eq(turn(s, 0, SLOT_TABLE_GIVE, &given), 3);
    uint32_t laden = given.slot;
    answer(s, 5 * MS, !laden, 5 * MS);
    cr_assert_eq(turn(s, 5 * MS, SLOT_TABLE_RECLAIM, &take), 1);
    cr_expect_eq(take.slot, laden);
    slot_table_reclaimed(s, 5 * MS, laden, 1);
    cr_assert_eq(turn(s, 5 * MS, SLOT_TABLE_GIVE, &given), 1);
    cr_expect_eq(given.slot, !laden);
    cr_expect_eq(returned(s), 0);
    cr_expect_not(slot_table_none(s), "nobody has asked");
    slot_table_free(s);
}

Test(slot_table_take, who_has_begun_all_is_not_asked_at_once_again)
{
    struct slot_table *s = ready(2);
    struct slot_table_action given = {0};

    measure(s, 5 * MS);
    dispatch(s, 0, 3);
    turn(s, 0, SLOT_TABLE_GIVE, &given);
    answer(s, 5 * MS, !given.slot, 5 * MS);
    cr_assert_eq(turn(s, 5 * MS, SLOT_TABLE_RECLAIM, NULL), 1);
    slot_table_reclaimed(s, 5 * MS, given.slot, 0);
    cr_expect_eq(turn(s, 5 * MS, SLOT_TABLE_RECLAIM, NULL), 0, "its answer is on the way");
    slot_table_free(s);
}

Test(slot_table_take, nothing_stays_or_comes_behind_one_that_is_late)
{
    struct slot_table *s = ready(1);

    measure(s, 20);
    dispatch(s, 0, 100);
    cr_assert_eq(turn(s, 0, SLOT_TABLE_GIVE, NULL), SLOT_TABLE_CREDIT_YIELDS_US / 20);
    cr_assert_leq(slot_table_deadline(s), 2 * MS);
    cr_expect_eq(turn(s, MS / 2, SLOT_TABLE_RECLAIM, NULL), 0);
    cr_assert_eq(turn(s, 2 * MS, SLOT_TABLE_RECLAIM, NULL), 1);
    slot_table_reclaimed(s, 2 * MS, 0, SLOT_TABLE_CREDIT_YIELDS_US / 20 - 1);
    cr_expect_eq(turn(s, 2 * MS, SLOT_TABLE_GIVE, NULL), 0);
    cr_expect_eq(turn(s, 30 * MS, SLOT_TABLE_RECLAIM, NULL), 0);
    cr_expect_eq(slot_table_deadline(s), UINT64_MAX, "there is nothing to look for");
    answer(s, 50 * MS, 0, 50 * MS);
    struct slot_table_action given = {0};
    cr_expect_gt(turn(s, 50 * MS, SLOT_TABLE_GIVE, &given), 10);
    struct slot_table_given first;
    cr_assert(slot_table_running(s, 0, &first));
    cr_expect_eq(first.index, 1, "in their old order");
    slot_table_free(s);
}

Test(slot_table_take, a_recall_reaches_what_slots_have_in_hand)
{
    struct slot_table *s = ready(2);

    measure(s, 5 * MS);
    dispatch(s, 0, 5);
    cr_assert_eq(turn(s, 0, SLOT_TABLE_GIVE, NULL), 4);
    slot_table_recall(s, 0, 2);
    cr_expect_eq(returned(s), 1, "the one that waits");
    cr_assert_eq(turn(s, 0, SLOT_TABLE_RECLAIM, NULL), 1, "one more is wanted");
    slot_table_reclaimed(s, 0, 0, 1);
    cr_expect_eq(returned(s), 1);
    cr_expect_not(slot_table_none(s));
    cr_expect_eq(slot_table_held(s), 3);
    slot_table_free(s);
}

Test(slot_table_take, who_is_asked_is_given_nothing_meanwhile)
{
    struct slot_table *s = ready(1);

    measure(s, 20);
    dispatch(s, 0, 2);
    turn(s, 0, SLOT_TABLE_GIVE, NULL);
    slot_table_recall(s, 0, 1);
    dispatch(s, 10, 3);
    cr_expect_eq(turn(s, 0, SLOT_TABLE_GIVE, NULL), 0);
    slot_table_reclaimed(s, 0, 0, 1);
    cr_expect_eq(returned(s), 1);
    struct slot_table_action given = {0};
    cr_expect_eq(turn(s, 0, SLOT_TABLE_GIVE, &given), 3);
    cr_expect_eq(given.task.index, 12);
    slot_table_free(s);
}

Test(slot_table_take, a_recall_that_brings_nothing_is_answered)
{
    struct slot_table *s = ready(1);

    measure(s, 5 * MS);
    dispatch(s, 0, 2);
    turn(s, 0, SLOT_TABLE_GIVE, NULL);
    slot_table_recall(s, 0, 1);
    cr_expect_not(slot_table_none(s), "it is not known yet");
    cr_assert_eq(turn(s, 0, SLOT_TABLE_RECLAIM, NULL), 1);
    slot_table_reclaimed(s, 0, 0, 0);
    cr_expect(slot_table_none(s));
    cr_expect_not(slot_table_none(s), "once");
    slot_table_recall(s, 0, 1);
    turn(s, 0, SLOT_TABLE_RECLAIM, NULL);
    slot_table_died(s, 0, 0, &(struct slot_table_outcome){.exit_status = -1});
    cr_expect(slot_table_none(s), "what it had waits here again");
    slot_table_free(s);
}

Test(slot_table_take, a_chunk_stays_where_it_is)
{
    struct slot_table *s = ready(2);
    struct slot_table_action given = {0};

    measure(s, 5 * MS);
    dispatch_as(s, 0, 4, true);
    cr_assert_eq(turn(s, 0, SLOT_TABLE_GIVE, &given), 2);
    dispatch(s, 10, 1);
    cr_assert_eq(turn(s, 0, SLOT_TABLE_GIVE, NULL), 1);
    answer(s, 5 * MS, !given.slot, 5 * MS);
    cr_expect_eq(turn(s, 5 * MS, SLOT_TABLE_RECLAIM, NULL), 0);
    slot_table_free(s);
}

Test(slot_table_take, who_leaves_gives_back_what_was_not_begun)
{
    struct slot_table *s = ready(1);

    measure(s, 5 * MS);
    dispatch(s, 0, 3);
    turn(s, 0, SLOT_TABLE_GIVE, NULL);
    slot_table_leave(s, 0, 1000 * MS);
    cr_expect_eq(returned(s), 1);
    cr_assert_eq(turn(s, 0, SLOT_TABLE_RECLAIM, NULL), 1);
    slot_table_reclaimed(s, 0, 0, 1);
    cr_expect_eq(returned(s), 1);
    answer(s, 5 * MS, 0, 5 * MS);
    cr_expect_eq(slot_table_held(s), 0);
    slot_table_free(s);
}

/* Whether the slot begins what it reads: one letter each, B or -. */
static const char *reads(struct claim *claim, uint32_t first, uint32_t last)
{
    static char text[32];
    uint32_t count = 0;

    for (uint32_t number = first; number != last + 1; number++)
        text[count++] = claim_begin(claim, number) ? 'B' : '-';
    text[count] = 0;
    return text;
}

Test(claim, what_is_taken_is_not_begun_and_what_comes_later_is)
{
    struct claim claim = {0};

    cr_expect_str_eq(reads(&claim, 1, 3), "BBB");
    cr_expect_eq(claim_take(&claim, 6, false), 3);
    cr_expect_eq(claim_take(&claim, 6, false), 0, "once");
    cr_expect_eq(claim_take(&claim, 8, false), 2, "and those that came since");
    claim = claim_unpack(claim_pack(claim));
    cr_expect_str_eq(reads(&claim, 4, 10), "-----BB");
    cr_expect_eq(claim_take(&claim, 10, false), 0);
}

Test(claim, a_slot_that_rests_keeps_its_first)
{
    struct claim claim = {.begun = UINT32_MAX - 1}; /* numbers go round */

    cr_expect_eq(claim_take(&claim, UINT32_MAX, true), 0, "it has one");
    cr_expect_eq(claim_take(&claim, 3, true), 4);
    cr_expect_eq(claim_take(&claim, 4, true), 1);
    claim = claim_unpack(claim_pack(claim));
    cr_expect_str_eq(reads(&claim, UINT32_MAX, UINT32_MAX), "B");
    cr_expect_str_eq(reads(&claim, 0, 3), "----");
    cr_expect_eq(claim_take(&claim, 4, true), 0, "what it passes over is not its first");
    cr_expect_str_eq(reads(&claim, 4, 4), "-");
    cr_expect_str_eq(reads(&claim, 5, 5), "B");
}

/* Whether a result that is there 100 us after the last ones were sent waits for company. */
static bool waits(struct slot_table *s)
{
    uint64_t first, next, due;

    slot_table_unsent(s, &first, &next);
    cr_assert_lt(first, next);
    slot_table_sent(s, MS, first);
    due = slot_table_results_due(s, MS + 100);
    cr_assert(due == MS + 100 || due == MS + 500);
    return due > MS + 100;
}

Test(slot_table_take, results_wait_while_there_is_enough_to_do)
{
    struct slot_table *s = ready(2);

    cr_expect_eq(slot_table_results_due(s, MS), UINT64_MAX, "there are none");
    measure(s, 20);
    run(s, 0, 20);
    cr_expect_not(waits(s), "nothing is there to be done");
    dispatch(s, 100, 2 * SLOT_TABLE_CREDIT_YIELDS_US / 20);
    turn(s, 0, SLOT_TABLE_GIVE, NULL);
    cr_expect_not(waits(s), "the broker has to send more");
    dispatch(s, 500, 1);
    turn(s, 0, SLOT_TABLE_GIVE, NULL);
    cr_expect(waits(s));
    slot_table_leave(s, 0, 10 * MS);
    cr_expect_not(waits(s));
    slot_table_free(s);

    s = ready(2);
    measure(s, 2 * MS);
    run(s, 0, 2 * MS);
    dispatch(s, 100, 5);
    turn(s, 0, SLOT_TABLE_GIVE, NULL);
    cr_expect_not(waits(s), "long tasks: each result is waited for");
    slot_table_free(s);
}
