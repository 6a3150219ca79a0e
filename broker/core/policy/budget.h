/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory budget: who may make the broker keep more. All sizes are in bytes. Private to broker/core.
 */
#ifndef BELT_CORE_BUDGET_H
#define BELT_CORE_BUDGET_H

#include "broker/core/model/charge.h"
#include "broker/core/model/state.h"

/* What the job may add in inputs. */
uint64_t budget_left(const struct core *core, const struct job *job);
/* There is room for an input of this size. */
bool budget_takes(const struct core *core, const struct job *job, uint64_t size);
/* There is room for a result of this size. `awaited`: a reader waits for just this result, so it may exceed the
 * budget. */
bool budget_takes_result(const struct core *core, const struct job *job, uint64_t size, bool awaited);
/* Another task of the job runs: charges what its result seems to take, and answers it. */
uint32_t budget_expect(struct core *core, const struct job *job);
/* A result of the job has this size. */
void budget_learn(struct job *job, uint64_t size);
/* The results of all that runs seem to need the whole room: no more tasks of the job are given out, unless a reader
 * waits for one of them. */
bool budget_is_short(const struct core *core, const struct job *job);
bool budget_holds_back(struct core *core, struct job *job);        /* the same, and the next turn looks again */
uint64_t budget_job_cost(const struct belt_open_options *options); /* what a job takes before it has any task */
/* Notes how much is used after the turn has looked who may go on; true from the second: there is more room since then,
 * or a reader has taken something, and somebody was held back or refused: the next turn looks again. */
void budget_looked(struct core *core);
bool budget_has_fallen(const struct core *core);
/* What is kept of a job before its tasks, in an account of its owner (NULL: nobody) as well. */
bool budget_keeps(const struct core *core, const struct session *owner, uint64_t size);
void budget_fixed(struct core *core, struct job *job, int64_t bytes); /* it is kept, or given back */
/* What is to be raised for more, for whoever reads the advice: "--memory-budget of the broker". */
const char *budget_option(const struct core *core);
/* Says to `owner` why it was not, and when to try again. */
struct belt_bytes budget_refusal(struct core *core, const struct session *owner, const char *what);
bool budget_admits(const struct core *core, uint64_t had, uint64_t cost); /* a session, which `had` so much */
/* The job waits until there is room for a task of this size. */
void budget_starve(struct core *core, struct job *job, uint64_t size);
/* The job does not wait for room any more. */
void budget_feed(struct job *job);
/* Marks jobs that waited and find room. */
void budget_turn(struct core *core);
/* Some job that waits finds room: what a turn has freed is given out by the next one. */
bool budget_has_room(const struct core *core);

#endif
