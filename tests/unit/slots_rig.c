/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of slots_rig.h; the time is what a test says.
 */
#include "tests/unit/slots_rig.h"

#include <criterion/criterion.h>
#include <string.h>

struct belt_bytes rig_text(const char *text)
{
    return (struct belt_bytes){(const uint8_t *)text, strlen(text)};
}

struct slot_table *rig_table(uint32_t slots, uint64_t max_tasks)
{
    static const struct slot_table_program programs[] = {
        {.persistent = true, .greets = true, .polite = true, .ahead = true},
        {.persistent = false},
        {.persistent = true, .greets = true}};
    const struct slot_table_function functions[] = {
        {rig_text("f"), 0}, {rig_text("g"), 0}, {rig_text("cmd"), 1}, {rig_text("co"), 2}};
    const struct slot_table_config config = {.slots = slots,
                                             .programs = programs,
                                             .program_count = 3,
                                             .functions = functions,
                                             .function_count = 4,
                                             .start_us = 10000 * MS,
                                             .kill_us = 2000 * MS,
                                             .max_tasks = max_tasks};

    return slot_table_new(&config);
}

void rig_dispatch_with(struct slot_table *s, uint64_t job, const char *function, uint64_t first, uint32_t count,
                       struct belt_msg_dispatch msg, uint32_t attempt)
{
    struct belt_task_item items[1000] = {0};

    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct belt_task_item){.index = first + i, .attempt = attempt};
    msg.job = job;
    msg.function = rig_text(function);
    msg.tasks = items;
    msg.count = count;
    slot_table_dispatch(s, 0, &msg);
}

void rig_dispatch(struct slot_table *s, uint64_t job, const char *function, uint64_t first, uint32_t count)
{
    rig_dispatch_with(s, job, function, first, count, (struct belt_msg_dispatch){0}, 1);
}

uint32_t rig_actions(struct slot_table *s, enum slot_table_action_type type, struct slot_table_action *last)
{
    struct slot_table_action action;
    uint32_t count = 0;

    if (last)
        *last = (struct slot_table_action){.slot = 0};
    while (slot_table_next_action(s, &action)) {
        if (action.type != type)
            continue;
        count++;
        if (last)
            *last = action;
    }
    return count;
}

uint32_t rig_turn(struct slot_table *s, uint64_t now, enum slot_table_action_type type, struct slot_table_action *last)
{
    slot_table_turn(s, now);
    return rig_actions(s, type, last);
}

void rig_answer(struct slot_table *s, uint64_t now, uint32_t slot, uint64_t service_us)
{
    struct slot_table_outcome o = {.timed = true, .service_us = service_us, .exit_status = -1};

    cr_assert(slot_table_answer(s, now, slot, &o));
}

void rig_die(struct slot_table *s, uint64_t now, uint32_t slot)
{
    struct slot_table_outcome o = {
        .exit_status = -1, .term_signal = 9, .text = rig_text("killed by signal 9 (SIGKILL)")};

    slot_table_died(s, now, slot, &o);
}

struct slot_table *rig_ready(uint32_t slots, uint64_t max_tasks)
{
    struct slot_table *s = rig_table(slots, max_tasks);

    cr_assert_eq(rig_turn(s, 0, SLOT_TABLE_START, NULL), slots, "C slots are started ahead, coprocesses are not");
    for (uint32_t i = 0; i < slots; i++)
        slot_table_ready(s, i);
    return s;
}

void rig_measure(struct slot_table *s, const char *function, uint64_t us)
{
    for (uint32_t i = 0; i < SLOT_TABLE_MEASURED; i++) {
        struct slot_table_action given = {0};
        rig_dispatch(s, 1000, function, i, 1);
        cr_assert_eq(rig_turn(s, 0, SLOT_TABLE_GIVE, &given), 1);
        rig_answer(s, 0, given.slot, us);
    }
    slot_table_recorded(s, SLOT_TABLE_MEASURED);
}

void rig_result(struct slot_table *s, uint64_t number, struct slot_table_result *r)
{
    uint64_t first, next;

    slot_table_unsent(s, &first, &next);
    cr_assert(number < next, "no result %llu", (unsigned long long)number);
    slot_table_result(s, number, r);
}
