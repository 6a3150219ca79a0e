/* SPDX-License-Identifier: Apache-2.0
 *
 * Dead letters: tasks that failed for good, kept with their input (journal/dead_letter.c). Private to broker/core.
 */
#ifndef BELT_CORE_LETTER_H
#define BELT_CORE_LETTER_H

#include "broker/core/core.h"
#include "broker/core/util/hash.h"
#include "broker/core/util/list.h"

struct account;
struct queue;

/* What failed tasks of one job share; outlives the job. */
struct dead_letter_job {
    uint64_t id;
    struct account *account; /* of the owner of the job; NULL: it is nobody's */
    struct queue *queue;
    struct belt_open_options options;
    struct belt_payload argument;
    uint64_t number; /* of its record on disk, 0: none */
    uint64_t let_go; /* failed tasks of it that were not kept, or not for long */
    uint64_t let_go_number;
    struct list_node let_go_due; /* in core->dead_letters.let_go_due: `let_go` is to be written */
    uint32_t count;
    bool durable;
    UT_hash_handle hh;
};

/* A failed task with its input. */
struct dead_letter {
    struct dead_letter_job *job;
    uint64_t serial, index, failed_at;
    uint32_t attempt, code;
    struct belt_payload payload;
    struct belt_result_extras *extras;
    uint64_t number;                         /* of its record on disk, 0: none */
    struct dead_letter *prev, *next;         /* of the queue */
    struct dead_letter *all_prev, *all_next; /* in core->dead_letters */
    struct list_node due;                    /* in core->dead_letters.due: to be written */
};

#endif
