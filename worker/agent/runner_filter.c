/* SPDX-License-Identifier: Apache-2.0
 *
 * Runner: filters, long-lived processes that answer each line with one line.
 */
#include "worker/agent/lasting.h"
#include "worker/agent/place.h"
#include "worker/agent/runner.h"
#include "worker/agent/state.h"

#include <string.h>

/* A payload that cannot be a line fails without being written; its answer must
 * wait for those of the tasks before it. place->captured is the list of such tasks' places in the order of tasks. */

static void refuse(struct agent *agent, struct place *place)
{
    static const char text[] = "the input holds a newline and cannot be given to a filter";
    struct slot_table_outcome outcome = {.code = BELT_TASK_FAILED, .timed = true, .exit_status = -1};

    outcome.text = (struct belt_bytes){(const uint8_t *)text, sizeof(text) - 1};
    slot_table_answer(agent->table, agent->now, place->slot, &outcome);
    place->answered++;
}

static void filter_answered(struct agent *agent, struct place *place)
{
    uint64_t number;

    while (place->captured.pos < place->captured.len) {
        memcpy(&number, place->captured.data + place->captured.pos, sizeof(number));
        if (number != place->answered)
            return;
        slot_queue_consume(&place->captured, sizeof(number));
        refuse(agent, place);
    }
}

static void filter_give(struct agent *agent, struct place *place, const struct slot_table_given *task)
{
    uint64_t number = place->given++;
    bool line = task->payload.len == 0 || !memchr(task->payload.data, '\n', task->payload.len);

    if (line) {
        if (slot_outbox_payload(&place->queue, task->payload) | slot_outbox_add(&place->queue, "\n", 1))
            slot_table_no_memory();
        place_dirty(agent, place);
    } else if (number == place->answered) {
        refuse(agent, place);
    } else if (slot_queue_add(&place->captured, &number, sizeof(number)) != 0) {
        slot_table_no_memory();
    }
}

const struct runner runner_filter = {
    .kind = {.lasting = true, .ahead = true},
    .side = SLOT_SIDE_FILTER,
    .start = lasting_spawn,
    .give = filter_give,
    .answered = filter_answered,
    .output = lasting_output,
    .ended = lasting_ended,
};
