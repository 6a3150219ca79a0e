/* SPDX-License-Identifier: Apache-2.0
 *
 * What a reader could take next. Private to broker/core.
 */
#ifndef BELT_CORE_CURSOR_H
#define BELT_CORE_CURSOR_H

#include "table.h"
#include "state.h"

bool cursor_lags(const struct job *job); /* there are results that a reader could take and has not */
struct task *cursor_task(const struct reader *reader, uint64_t number, uint64_t *index);

#endif
