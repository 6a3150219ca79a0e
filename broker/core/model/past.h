/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs that are over and forgotten, of each a line (journal/history.c). Private to broker/core.
 */
#ifndef BELT_CORE_PAST_H
#define BELT_CORE_PAST_H

#include "broker/core/core.h"
#include "broker/core/util/hash.h"
#include "broker/core/util/list.h"

/* A job that is over and forgotten, but for its line in the history. */
struct history_job {
    struct belt_row_job row; /* its texts lie in `words`; its age was so at `since_ms` */
    uint64_t since_ms;
    uint64_t expire_ms;              /* when the line goes, too */
    uint64_t number;                 /* of its record on disk, 0: none */
    struct history_job *same_key;    /* another one of this key */
    struct history_job *prev, *next; /* in core->history, the earliest that was over first */
    struct list_node due;            /* in core->history.due: to be written */
    UT_hash_handle by_id, by_key;    /* by_key: only the first of those with the same */
    uint8_t words[];
};

#endif
