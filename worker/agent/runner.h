/* SPDX-License-Identifier: Apache-2.0
 *
 * How the slots of a program are run: one file for each kind, runner_*.c.
 */
#ifndef BELT_WORKER_AGENT_RUNNER_H
#define BELT_WORKER_AGENT_RUNNER_H

#include "worker/slot/protocol.h"
#include "worker/table/slot_table.h"

struct agent;
struct place;

/** How the slots of a program are run: one file each. */
struct runner {
    struct slot_table_program kind;
    enum slot_side side; /* of the reader, for lasting slots */
    bool names;          /* its answers may name their tasks; those that do not get them one by one */
    /** Starts the process of a lasting slot; agent_place_lost() when that fails. */
    void (*start)(struct agent *agent, struct place *place);
    void (*give)(struct agent *agent, struct place *place, const struct slot_table_given *task);
    /** Takes back what it has not begun: slot_table_taken(). Of a program that yields. */
    void (*take)(struct agent *agent, struct place *place);
    /** A lasting slot answered a task; may be NULL. */
    void (*answered)(struct agent *agent, struct place *place);
    /** Tells the table which task runs, if the slot says more than its answers; may be NULL. */
    void (*look)(struct agent *agent, struct place *place);
    /** From time to time: gives back memory that is not used; may be NULL. */
    void (*rest)(struct agent *agent, struct place *place);
    /** Its running task is to stop; NULL: not before a signal. */
    void (*ask)(struct agent *agent, struct place *place);
    /** There is output to read. */
    void (*output)(struct agent *agent, struct place *place);
    /** The process has ended and was reaped. */
    void (*ended)(struct agent *agent, struct place *place, int status);
};

extern const struct runner runner_c, runner_command, runner_coproc, runner_filter;

/** A program of the slot table. */
struct program {
    const struct runner *runner;
    const char *command; /* COPROC, FILTER */
};

#endif
