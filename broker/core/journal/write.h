/* SPDX-License-Identifier: Apache-2.0
 *
 * What each kind of record says (record.h): one function for each, which takes it from the model. The mirror is
 * events/restore.c, which builds the model from them. When something is written is decided in durable.c, tries.c,
 * dead_letter.c and history.c.
 *
 * Each function answers the number of the record: a new one, or `number` when that is not 0, whose record is written
 * anew. Private to broker/core.
 */
#ifndef BELT_CORE_WRITE_H
#define BELT_CORE_WRITE_H

#include "broker/core/model/letter.h"
#include "broker/core/model/state.h"

uint64_t write_job(struct core *core, const struct job *job, uint64_t number);
/** The inputs of the tasks `first` to `first + count - 1`, all of which are there. */
uint64_t write_tasks(struct core *core, const struct job *job, uint64_t first, uint32_t count);
/** The results at `count` places of the log from `first` on, all of which are there. */
uint64_t write_results(struct core *core, const struct job *job, uint64_t first, uint32_t count);
/** The indexes at these places: every reader has taken their results. */
uint64_t write_taken(struct core *core, const struct job *job, uint64_t first, uint32_t count, uint64_t number);
uint64_t write_end(struct core *core, const struct job *job);
uint64_t write_reader(struct core *core, const struct reader *reader);
uint64_t write_mark(struct core *core, const struct job *job);
/** `attempt`: the last run of the task that ended. */
uint64_t write_tries(struct core *core, const struct job *job, uint64_t index, const struct task *task,
                     uint32_t attempt);
uint64_t write_failed_job(struct core *core, const struct dead_letter_job *job);
uint64_t write_failed_task(struct core *core, const struct dead_letter *letter);
uint64_t write_let_go(struct core *core, const struct dead_letter_job *job, uint64_t number);
/** Copies the texts of the row: the job that it is of may be freed before the record is written. */
uint64_t write_history(struct core *core, const struct belt_row_job *row);

#endif
