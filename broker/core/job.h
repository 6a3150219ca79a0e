/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs and their input. Private to broker/core.
 */
#ifndef BELT_CORE_JOB_H
#define BELT_CORE_JOB_H

#include "pin.h"
#include "state.h"

struct job *job_find(struct core *core, uint64_t id);
void job_open(struct core *core, struct session *from, const struct belt_msg_open *msg);
void job_push(struct core *core, struct session *from, const struct belt_msg_push *msg);
void job_end(struct core *core, struct session *from, const struct belt_msg_end *msg);
void job_cancel(struct core *core, struct session *from, const struct belt_msg_cancel *msg);
void job_stop(struct core *core, struct job *job, const char *who, const char *why); /* either is NULL */
void job_orphan(struct core *core, struct session *owner);
void job_attend(struct core *core, struct job *job);          /* somebody came to it or left it */
void job_idle_turn(struct core *core, struct job *job);       /* it is due, maybe for this */
void job_remembered_turn(struct core *core, struct job *job); /* its key is free when the time is over */
void job_settle(struct core *core, struct job *job);          /* complete? retired? call when something of it ended */
void job_free(struct core *core, struct job *job);
void job_keep_retired(
    struct core *core); /* the store works again: those that are over stay for as long as if they were only now */
struct job *job_new(struct core *core, struct session *owner, uint64_t id, const struct belt_msg_open *msg);
uint64_t job_new_id(struct core *core, bool durable); /* durable jobs count from 1 for the life of the store */
void job_touch(struct core *core, struct job *job);   /* the turn looks at its grant */
bool job_refused(struct core *core, struct session *from, uint64_t ref, const struct belt_open_options *options);
void job_take(struct core *core, struct job *job, struct belt_payload payload, struct pinned *last); /* its next task */
void job_accept(struct core *core, struct job *job); /* turn: ACCEPTED when owed */
void job_expire(struct core *core);
uint64_t job_keep_left(const struct core *core, const struct job *job); /* ms until it is given up when nobody comes */
bool job_is_attended(const struct job *job); /* somebody who is connected feeds or reads it */
const char *job_state_name(unsigned state);

#endif
