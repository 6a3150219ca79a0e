/* SPDX-License-Identifier: Apache-2.0
 *
 * Readers of a job: who reads, under which name, and where it stands. Private to broker/core.
 */
#ifndef BELT_CORE_READER_H
#define BELT_CORE_READER_H

#include "broker/core/model/state.h"

/* `account`: whose reader it is, NULL: of the owner of the job. */
struct reader *reader_new(struct core *core, struct job *job, struct account *account, struct belt_bytes name,
                          uint8_t mode, uint64_t acked);
void reader_free_all(struct core *core, struct job *job);
struct reader *reader_find(struct core *core, uint64_t id);
struct reader *reader_by_name(struct job *job, const struct account *account, struct belt_bytes name);
/* The first one of this name, whosever it is. */
struct reader *reader_of_anybody(struct job *job, struct belt_bytes name);
/* Who reads as it from now on; NULL: nobody. */
void reader_seat(struct core *core, struct reader *reader, struct session *session);
void reader_free(struct core *core, struct reader *reader);

#endif
