/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of slots_rig.h; the time is what a test says.
 */
#include "slots_rig.h"

#include <criterion/criterion.h>
#include <string.h>

struct belt_bytes rig_text(const char *text)
{
    return (struct belt_bytes){(const uint8_t *)text, strlen(text)};
}

struct slots *rig_table(uint32_t slots, uint64_t max_tasks)
{
    static const struct slots_program programs[] = {{.lasting = true, .greets = true, .polite = true, .ahead = true},
                                                    {.lasting = false},
                                                    {.lasting = true, .greets = true}};
    const struct slots_function functions[] = {
        {rig_text("f"), 0}, {rig_text("g"), 0}, {rig_text("cmd"), 1}, {rig_text("co"), 2}};
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

void rig_dispatch_with(struct slots *s, uint64_t job, const char *function, uint64_t first, uint32_t count,
                       struct belt_msg_dispatch msg, uint32_t attempt)
{
    struct belt_task_item items[1000] = {0};

    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct belt_task_item){.index = first + i, .attempt = attempt};
    msg.job = job;
    msg.function = rig_text(function);
    msg.tasks = items;
    msg.count = count;
    slots_dispatch(s, 0, &msg);
}

void rig_dispatch(struct slots *s, uint64_t job, const char *function, uint64_t first, uint32_t count)
{
    rig_dispatch_with(s, job, function, first, count, (struct belt_msg_dispatch){0}, 1);
}

uint32_t rig_actions(struct slots *s, enum slots_action_type type, struct slots_action *last)
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

uint32_t rig_turn(struct slots *s, uint64_t now, enum slots_action_type type, struct slots_action *last)
{
    slots_turn(s, now);
    return rig_actions(s, type, last);
}

void rig_answer(struct slots *s, uint64_t now, uint32_t slot, uint64_t service_us)
{
    struct slots_outcome o = {.timed = true, .service_us = service_us, .exit_status = -1};

    cr_assert(slots_answer(s, now, slot, &o));
}

void rig_die(struct slots *s, uint64_t now, uint32_t slot)
{
    struct slots_outcome o = {.exit_status = -1, .term_signal = 9, .text = rig_text("killed by signal 9 (SIGKILL)")};

    slots_died(s, now, slot, &o);
}

struct slots *rig_ready(uint32_t slots, uint64_t max_tasks)
{
    struct slots *s = rig_table(slots, max_tasks);

    cr_assert_eq(rig_turn(s, 0, SLOTS_START, NULL), slots, "C slots are started ahead, coprocesses are not");
    for (uint32_t i = 0; i < slots; i++)
        slots_ready(s, i);
    return s;
}

void rig_measure(struct slots *s, const char *function, uint64_t us)
{
    for (uint32_t i = 0; i < SLOTS_MEASURED; i++) {
        struct slots_action given = {0};
        rig_dispatch(s, 1000, function, i, 1);
        cr_assert_eq(rig_turn(s, 0, SLOTS_GIVE, &given), 1);
        rig_answer(s, 0, given.slot, us);
    }
    slots_recorded(s, SLOTS_MEASURED);
}

void rig_result(struct slots *s, uint64_t number, struct slots_result *r)
{
    uint64_t first, next;

    slots_unsent(s, &first, &next);
    cr_assert(number < next, "no result %llu", (unsigned long long)number);
    slots_result(s, number, r);
}
