/* SPDX-License-Identifier: Apache-2.0
 *
 * How the slots of a program are run: one file for each kind, runner_*.c.
 */
#ifndef BELT_WORKER_AGENT_RUNNER_H
#define BELT_WORKER_AGENT_RUNNER_H

#include "worker/slot/protocol.h"
#include "worker/table/slot_table.h"

struct agent;
struct process;

/** How the slots of a program are run: one file each. */
struct runner {
    struct slot_table_program kind;
    enum slot_side side; /* of the reader, for persistent slots */
    bool names;          /* an answer may name its task; a slot that names none gets its tasks one by one */
    /** Starts the process of a persistent slot; agent_process_lost() when that fails. */
    void (*start)(struct agent *agent, struct process *process);
    void (*give)(struct agent *agent, struct process *process, const struct slot_table_given *task);
    /** Takes back the tasks that the slot has not begun, and tells slot_table_reclaimed(). NULL: it gives none back. */
    void (*reclaim)(struct agent *agent, struct process *process);
    /** A persistent slot answered a task; may be NULL. */
    void (*answered)(struct agent *agent, struct process *process);
    /** Tells the table which task runs, if the slot says more than its answers; may be NULL. */
    void (*look)(struct agent *agent, struct process *process);
    /** Has the slot give back memory that it does not use; called from time to time, may be NULL. */
    void (*rest)(struct agent *agent, struct process *process);
    /** Tells the slot that its running task is to stop; NULL: only a signal can. */
    void (*ask)(struct agent *agent, struct process *process);
    /** There is output to read. */
    void (*output)(struct agent *agent, struct process *process);
    /** The process has ended and was reaped. */
    void (*ended)(struct agent *agent, struct process *process, int status);
};

extern const struct runner runner_c, runner_command, runner_coproc, runner_filter;

/** A program of the slot table. */
struct program {
    const struct runner *runner;
    const char *command; /* COPROC, FILTER */
};

#endif
