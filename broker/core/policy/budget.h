/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may make the broker keep more. Private to broker/core.
 */
#ifndef BELT_CORE_BUDGET_H
#define BELT_CORE_BUDGET_H

#include "broker/core/model/charge.h"
#include "broker/core/model/state.h"

uint64_t budget_left(const struct core *core, const struct job *job); /* bytes of inputs that the job may add */
bool budget_takes(const struct core *core, const struct job *job, uint64_t size); /* an input of this size */
/* A result of the job, which takes so much: there is room, or (`awaited`) a reader waits for it and nothing else. */
bool budget_takes_result(const struct core *core, const struct job *job, uint64_t size, bool awaited);
uint32_t budget_expect(struct core *core, const struct job *job); /* the result of one more that runs; charged */
void budget_learn(struct job *job, uint64_t size);                /* a result was so large */
/* The results of what runs seem to need all the room: no more of the job is given out, unless a reader waits for it. */
bool budget_is_short(const struct core *core, const struct job *job);
bool budget_holds_back(struct core *core, struct job *job);        /* the same, and the next turn looks again */
uint64_t budget_job_cost(const struct belt_open_options *options); /* what a job takes before it has any task */
/* Since somebody was held back, or refused, there is more room, or another reader waits: the next turn looks again. */
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
/* It waits until there is room for a task of this size. */
void budget_starve(struct core *core, struct job *job, uint64_t size);
void budget_feed(struct job *job); /* it has room, or is over */
void budget_turn(struct core *core);
bool budget_has_room(
    const struct core *core); /* for a job that waits: what a turn has freed is the next one's to give */

#endif
