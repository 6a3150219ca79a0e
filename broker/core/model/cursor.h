/* SPDX-License-Identifier: Apache-2.0
 *
 * What a reader could take next. Private to broker/core.
 */
#ifndef BELT_CORE_CURSOR_H
#define BELT_CORE_CURSOR_H

#include "broker/core/model/table.h"
#include "broker/core/model/state.h"

bool cursor_lags(const struct job *job); /* there are results that a reader could take and has not */
bool cursor_has_credit(const struct reader *reader);
bool cursor_is_full(const struct reader *reader); /* what it was sent has not left */
/* A reader has credit, and could be sent this task with those that are there (any: it waits for one that waits). */
bool cursor_awaited(const struct job *job, uint64_t index);
bool cursor_awaits_any(const struct job *job);
struct task *cursor_task(const struct reader *reader, uint64_t number, uint64_t *index);

#endif
