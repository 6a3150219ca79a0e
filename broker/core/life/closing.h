/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a job: complete, cancelled or given up; how long it is kept and remembered when it is over (PROTOCOL.md
 * §7.1, §7.3, §7.5). Private to broker/core.
 */
#ifndef BELT_CORE_CLOSING_H
#define BELT_CORE_CLOSING_H

#include "broker/core/model/state.h"

/* Stops the job: `who` has cancelled it, or it is given up because of `why`. The other one is NULL. */
void closing_stop(struct core *core, struct job *job, const char *who, const char *why);
/* The session `owner` is over: its jobs are stopped, but for those that are to outlive it. */
void closing_orphan(struct core *core, struct session *owner);
/* For a job that is due: stops it when nobody has fed or read it for longer than it is kept. */
void closing_idle_turn(struct core *core, struct job *job);
/* For a job that is due: forgets it when its key has stood for it for long enough. */
void closing_remembered_turn(struct core *core, struct job *job);
/* Makes the job complete or retires it when all that this needs has ended. Called whenever some of it has. */
void closing_settle(struct core *core, struct job *job);
/* Takes the job out of all lists, and frees it with all that it owns. */
void closing_free(struct core *core, struct job *job);
/* The store works again: answers about jobs that are over may have waited for it, so these jobs stay as long as if they
 * had ended just now. */
void closing_keep_all(struct core *core);
/* Frees the retired jobs whose time is over, or that are too many. */
void closing_turn(struct core *core);
/* Somebody asked for a job that is over, and may hear the answer late: the job stays as long as if it had ended just
 * now. */
void closing_anew(struct core *core, struct job *job);
/* Frees jobs that are over until a new job of `from` with these options finds room: retired ones first, then remembered
 * ones, of these the one that was read longest ago first. */
void closing_make_room(struct core *core, const struct session *from, const struct belt_open_options *options);

#endif
