/* SPDX-License-Identifier: Apache-2.0
 *
 * A job as a row of a report, with the reason why it does not move in a person's words. Reads, never decides. Private
 * to broker/core.
 */
#ifndef BELT_CORE_ROW_H
#define BELT_CORE_ROW_H

#include "broker/core/model/state.h"

uint64_t row_since(const struct core *core, uint64_t then);
struct belt_row_job row_job(struct core *core, const struct job *job);

#endif
