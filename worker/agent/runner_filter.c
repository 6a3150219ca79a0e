/* SPDX-License-Identifier: Apache-2.0
 *
 * Runner: filters, long-lived processes that answer each line with one line.
 */
#include "worker/agent/persistent.h"
#include "worker/agent/process.h"
#include "worker/agent/runner.h"
#include "worker/agent/state.h"

#include <string.h>

/* A payload that cannot be a line fails without being written; its answer must
 * wait for those of the tasks before it. process->captured lists the numbers of such tasks, counted from the start of
 * the process. */

static void refuse(struct agent *agent, struct process *process)
{
    static const char text[] = "the input holds a newline and cannot be given to a filter";
    struct slot_table_outcome outcome = {.code = BELT_TASK_FAILED, .timed = true, .exit_status = -1};

    outcome.text = (struct belt_bytes){(const uint8_t *)text, sizeof(text) - 1};
    slot_table_answer(agent->table, agent->now, process->slot, &outcome);
    process->answered++;
}

static void filter_answered(struct agent *agent, struct process *process)
{
    uint64_t number;

    while (process->captured.pos < process->captured.len) {
        memcpy(&number, process->captured.data + process->captured.pos, sizeof(number));
        if (number != process->answered)
            return;
        slot_queue_consume(&process->captured, sizeof(number));
        refuse(agent, process);
    }
}

static void filter_give(struct agent *agent, struct process *process, const struct slot_table_given *task)
{
    uint64_t number = process->given++;
    bool line = task->payload.len == 0 || !memchr(task->payload.data, '\n', task->payload.len);

    if (line) {
        if (slot_outbox_payload(&process->queue, task->payload) | slot_outbox_add(&process->queue, "\n", 1))
            slot_table_no_memory();
        agent_process_dirty(agent, process);
    } else if (number == process->answered) {
        refuse(agent, process);
    } else if (slot_queue_add(&process->captured, &number, sizeof(number)) != 0) {
        slot_table_no_memory();
    }
}

const struct runner runner_filter = {
    .kind = {.persistent = true, .ahead = true},
    .side = SLOT_SIDE_FILTER,
    .start = persistent_spawn,
    .give = filter_give,
    .answered = filter_answered,
    .output = persistent_output,
    .ended = persistent_ended,
};
