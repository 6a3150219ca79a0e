/* SPDX-License-Identifier: Apache-2.0
 *
 * The slot table on virtual time: taking back what slots have in hand and have not begun.
 */
#include "worker/claim.h"
#include "worker/slots.h"

#include <criterion/criterion.h>
#include <string.h>

#define MS  1000u
#define JOB 7u

static struct slots *ready(uint32_t slots)
{
    const struct slots_program program = {
        .lasting = true, .greets = true, .polite = true, .ahead = true, .yields = true};
    const struct slots_function function = {{(const uint8_t *)"f", 1}, 0};
    const struct slots_config config = {.slots = slots,
                                        .programs = &program,
                                        .program_count = 1,
                                        .functions = &function,
                                        .function_count = 1,
                                        .start_us = 10000 * MS,
                                        .kill_us = 2000 * MS};
    struct slots *s = slots_new(&config);
    struct slots_action action;

    slots_turn(s, 0);
    while (slots_next_action(s, &action))
        slots_ready(s, action.slot);
    return s;
}

static void dispatch_as(struct slots *s, uint64_t first, uint32_t count, bool together)
{
    struct belt_task_item items[200] = {0};
    struct belt_msg_dispatch msg = {
        .job = JOB, .function = {(const uint8_t *)"f", 1}, .tasks = items, .count = count, .together = together};

    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct belt_task_item){.index = first + i, .attempt = 1};
    slots_dispatch(s, 0, &msg);
}

static void dispatch(struct slots *s, uint64_t first, uint32_t count)
{
    dispatch_as(s, first, count, false);
}

/** Takes all actions of a turn; returns how many are of `type`, the last of them in `*last`. */
static uint32_t turn(struct slots *s, uint64_t now, enum slots_action_type type, struct slots_action *last)
{
    struct slots_action action;
    uint32_t count = 0;

    slots_turn(s, now);
    while (slots_next_action(s, &action)) {
        if (action.type != type)
            continue;
        count++;
        if (last)
            *last = action;
    }
    return count;
}

static void answer(struct slots *s, uint64_t now, uint32_t slot, uint64_t service_us)
{
    struct slots_outcome o = {.timed = true, .service_us = service_us, .exit_status = -1};

    cr_assert(slots_answer(s, now, slot, &o));
}

static void run(struct slots *s, uint64_t index, uint64_t us)
{
    struct slots_action given = {0};

    dispatch(s, index, 1);
    cr_assert_eq(turn(s, 0, SLOTS_GIVE, &given), 1);
    answer(s, 0, given.slot, us);
}

/** The function is known to take so long. */
static void measure(struct slots *s, uint64_t us)
{
    for (uint32_t i = 0; i < SLOTS_MEASURED; i++)
        run(s, 100000 + i, us);
    slots_recorded(s, SLOTS_MEASURED);
}

static uint32_t returned(struct slots *s)
{
    struct belt_task_ref refs[200];

    return slots_take_returned(s, refs, 200);
}

Test(slots_take, the_next_task_is_in_hand_however_long)
{
    struct slots *s = ready(2);

    measure(s, 5 * MS);
    dispatch(s, 0, 9);
    cr_expect_eq(turn(s, 0, SLOTS_GIVE, NULL), 4);
    answer(s, 5 * MS, 0, 5 * MS);
    cr_expect_eq(turn(s, 5 * MS, SLOTS_GIVE, NULL), 1);
    slots_free(s);
}

Test(slots_take, every_slot_has_one_before_some_have_two)
{
    struct slots *s = ready(4);

    measure(s, 5 * MS);
    dispatch(s, 0, 5);
    cr_expect_eq(turn(s, 0, SLOTS_GIVE, NULL), 5);
    for (uint32_t i = 0; i < 4; i++) {
        struct slots_given task;
        cr_expect(slots_running(s, i, &task));
    }
    slots_free(s);
}

Test(slots_take, a_slot_that_idles_gets_what_lies_behind_a_long_one)
{
    struct slots *s = ready(2);
    struct slots_action take = {0}, given = {0};

    measure(s, 5 * MS);
    dispatch(s, 0, 3);
    cr_assert_eq(turn(s, 0, SLOTS_GIVE, &given), 3);
    uint32_t laden = given.slot;
    answer(s, 5 * MS, !laden, 5 * MS);
    cr_assert_eq(turn(s, 5 * MS, SLOTS_TAKE, &take), 1);
    cr_expect_eq(take.slot, laden);
    slots_taken(s, 5 * MS, laden, 1);
    cr_assert_eq(turn(s, 5 * MS, SLOTS_GIVE, &given), 1);
    cr_expect_eq(given.slot, !laden);
    cr_expect_eq(returned(s), 0);
    cr_expect_not(slots_none(s), "nobody has asked");
    slots_free(s);
}

Test(slots_take, who_has_begun_all_is_not_asked_at_once_again)
{
    struct slots *s = ready(2);
    struct slots_action given = {0};

    measure(s, 5 * MS);
    dispatch(s, 0, 3);
    turn(s, 0, SLOTS_GIVE, &given);
    answer(s, 5 * MS, !given.slot, 5 * MS);
    cr_assert_eq(turn(s, 5 * MS, SLOTS_TAKE, NULL), 1);
    slots_taken(s, 5 * MS, given.slot, 0);
    cr_expect_eq(turn(s, 5 * MS, SLOTS_TAKE, NULL), 0, "its answer is on the way");
    slots_free(s);
}

Test(slots_take, nothing_stays_or_comes_behind_one_that_is_late)
{
    struct slots *s = ready(1);

    measure(s, 20);
    dispatch(s, 0, 100);
    cr_assert_eq(turn(s, 0, SLOTS_GIVE, NULL), SLOTS_CREDIT_YIELDS_US / 20);
    cr_assert_leq(slots_deadline(s), 2 * MS);
    cr_expect_eq(turn(s, MS / 2, SLOTS_TAKE, NULL), 0);
    cr_assert_eq(turn(s, 2 * MS, SLOTS_TAKE, NULL), 1);
    slots_taken(s, 2 * MS, 0, SLOTS_CREDIT_YIELDS_US / 20 - 1);
    cr_expect_eq(turn(s, 2 * MS, SLOTS_GIVE, NULL), 0);
    cr_expect_eq(turn(s, 30 * MS, SLOTS_TAKE, NULL), 0);
    cr_expect_eq(slots_deadline(s), UINT64_MAX, "there is nothing to look for");
    answer(s, 50 * MS, 0, 50 * MS);
    struct slots_action given = {0};
    cr_expect_gt(turn(s, 50 * MS, SLOTS_GIVE, &given), 10);
    struct slots_given first;
    cr_assert(slots_running(s, 0, &first));
    cr_expect_eq(first.index, 1, "in their old order");
    slots_free(s);
}

Test(slots_take, a_recall_reaches_what_slots_have_in_hand)
{
    struct slots *s = ready(2);

    measure(s, 5 * MS);
    dispatch(s, 0, 5);
    cr_assert_eq(turn(s, 0, SLOTS_GIVE, NULL), 4);
    slots_recall(s, 0, 2);
    cr_expect_eq(returned(s), 1, "the one that waits");
    cr_assert_eq(turn(s, 0, SLOTS_TAKE, NULL), 1, "one more is wanted");
    slots_taken(s, 0, 0, 1);
    cr_expect_eq(returned(s), 1);
    cr_expect_not(slots_none(s));
    cr_expect_eq(slots_held(s), 3);
    slots_free(s);
}

Test(slots_take, who_is_asked_is_given_nothing_meanwhile)
{
    struct slots *s = ready(1);

    measure(s, 20);
    dispatch(s, 0, 2);
    turn(s, 0, SLOTS_GIVE, NULL);
    slots_recall(s, 0, 1);
    dispatch(s, 10, 3);
    cr_expect_eq(turn(s, 0, SLOTS_GIVE, NULL), 0);
    slots_taken(s, 0, 0, 1);
    cr_expect_eq(returned(s), 1);
    struct slots_action given = {0};
    cr_expect_eq(turn(s, 0, SLOTS_GIVE, &given), 3);
    cr_expect_eq(given.task.index, 12);
    slots_free(s);
}

Test(slots_take, a_recall_that_brings_nothing_is_answered)
{
    struct slots *s = ready(1);

    measure(s, 5 * MS);
    dispatch(s, 0, 2);
    turn(s, 0, SLOTS_GIVE, NULL);
    slots_recall(s, 0, 1);
    cr_expect_not(slots_none(s), "it is not known yet");
    cr_assert_eq(turn(s, 0, SLOTS_TAKE, NULL), 1);
    slots_taken(s, 0, 0, 0);
    cr_expect(slots_none(s));
    cr_expect_not(slots_none(s), "once");
    slots_recall(s, 0, 1);
    turn(s, 0, SLOTS_TAKE, NULL);
    slots_died(s, 0, 0, &(struct slots_outcome){.exit_status = -1});
    cr_expect(slots_none(s), "what it had waits here again");
    slots_free(s);
}

Test(slots_take, a_chunk_stays_where_it_is)
{
    struct slots *s = ready(2);
    struct slots_action given = {0};

    measure(s, 5 * MS);
    dispatch_as(s, 0, 4, true);
    cr_assert_eq(turn(s, 0, SLOTS_GIVE, &given), 2);
    dispatch(s, 10, 1);
    cr_assert_eq(turn(s, 0, SLOTS_GIVE, NULL), 1);
    answer(s, 5 * MS, !given.slot, 5 * MS);
    cr_expect_eq(turn(s, 5 * MS, SLOTS_TAKE, NULL), 0);
    slots_free(s);
}

Test(slots_take, who_leaves_gives_back_what_was_not_begun)
{
    struct slots *s = ready(1);

    measure(s, 5 * MS);
    dispatch(s, 0, 3);
    turn(s, 0, SLOTS_GIVE, NULL);
    slots_leave(s, 0, 1000 * MS);
    cr_expect_eq(returned(s), 1);
    cr_assert_eq(turn(s, 0, SLOTS_TAKE, NULL), 1);
    slots_taken(s, 0, 0, 1);
    cr_expect_eq(returned(s), 1);
    answer(s, 5 * MS, 0, 5 * MS);
    cr_expect_eq(slots_held(s), 0);
    slots_free(s);
}

/** Whether the slot begins what it reads: one letter each, B or -. */
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

/** Whether a result that is there 100 us after the last ones were sent waits for company. */
static bool waits(struct slots *s)
{
    uint64_t first, next, due;

    slots_unsent(s, &first, &next);
    cr_assert_lt(first, next);
    slots_sent(s, MS, first);
    due = slots_results_due(s, MS + 100);
    cr_assert(due == MS + 100 || due == MS + 500);
    return due > MS + 100;
}

Test(slots_take, results_wait_while_there_is_enough_to_do)
{
    struct slots *s = ready(2);

    cr_expect_eq(slots_results_due(s, MS), UINT64_MAX, "there are none");
    measure(s, 20);
    run(s, 0, 20);
    cr_expect_not(waits(s), "nothing is there to be done");
    dispatch(s, 100, 2 * SLOTS_CREDIT_YIELDS_US / 20);
    turn(s, 0, SLOTS_GIVE, NULL);
    cr_expect_not(waits(s), "the broker has to send more");
    dispatch(s, 500, 1);
    turn(s, 0, SLOTS_GIVE, NULL);
    cr_expect(waits(s));
    slots_leave(s, 0, 10 * MS);
    cr_expect_not(waits(s));
    slots_free(s);

    s = ready(2);
    measure(s, 2 * MS);
    run(s, 0, 2 * MS);
    dispatch(s, 100, 5);
    turn(s, 0, SLOTS_GIVE, NULL);
    cr_expect_not(waits(s), "long tasks: each result is waited for");
    slots_free(s);
}
