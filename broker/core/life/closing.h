/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a job: complete, cancelled or given up; how long it is kept and remembered when it is over (PROTOCOL.md
 * §7.1, §7.3, §7.5). Private to broker/core.
 */
#ifndef BELT_CORE_CLOSING_H
#define BELT_CORE_CLOSING_H

#include "broker/core/model/state.h"

void closing_stop(struct core *core, struct job *job, const char *who, const char *why); /* either is NULL */
void closing_orphan(struct core *core, struct session *owner);
void closing_idle_turn(struct core *core, struct job *job);       /* it is due, maybe for this */
void closing_remembered_turn(struct core *core, struct job *job); /* its key is free when the time is over */
void closing_settle(struct core *core, struct job *job); /* complete? retired? call when something of it ended */
void closing_free(struct core *core, struct job *job);
void closing_keep_all(
    struct core *core); /* the store works again: those that are over stay for as long as if they were only now */
void closing_turn(struct core *core);
/* Somebody who asked for it hears of it, maybe later than now: it stays for as long as if it were over only now. */
void closing_anew(struct core *core, struct job *job);
/* A new job finds no room: those that are over, and then those that were read longest ago, are not remembered any
 * more. */
void closing_make_room(struct core *core, const struct session *from, const struct belt_open_options *options);

#endif
