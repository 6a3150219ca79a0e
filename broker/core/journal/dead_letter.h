/* SPDX-License-Identifier: Apache-2.0
 *
 * Failed tasks that are kept. Private to broker/core.
 */
#ifndef BELT_CORE_DEAD_LETTER_H
#define BELT_CORE_DEAD_LETTER_H

#include "broker/core/model/table.h"
#include "broker/core/model/letter.h"
#include "broker/core/model/state.h"

void dead_letter_add(struct core *core, struct job *job, const struct task *task, const struct belt_result_item *item);
void dead_letter_drop(struct core *core, struct dead_letter *letter);
struct dead_letter_job *dead_letter_job_find(struct core *core, uint64_t id);
void dead_letter_tell(struct core *core);                     /* turn: to the log what was let go */
uint64_t dead_letter_let_go(struct core *core, uint64_t job); /* failed tasks of this job that were */
void dead_letter_turn(struct core *core);                     /* turn: what is on disk of them */
/* From their records: what the failed tasks of a job share, and one of them. */
struct dead_letter_job *dead_letter_restore_job(struct core *core, uint64_t id, struct account *account,
                                                struct queue *queue, const struct belt_open_options *options);
void dead_letter_restore(struct core *core, struct dead_letter_job *job, uint64_t number,
                         const struct record_failed_task *task);
void dead_letter_free_all(struct core *core);

#endif
