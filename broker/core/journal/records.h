/* SPDX-License-Identifier: Apache-2.0
 *
 * What is on disk, record by record: writing and deleting them, and which records of a job there are. Private to
 * broker/core.
 */
#ifndef BELT_CORE_RECORDS_H
#define BELT_CORE_RECORDS_H

#include "broker/core/model/state.h"

struct kept_record {
    uint64_t number;
    uint64_t first; /* the lowest index of its tasks, or place of its results in the log of completions */
    uint32_t count; /* of tasks or results */
    uint32_t live;  /* of a record of tasks: how many have no result on disk */
    uint64_t bytes; /* of a record of results: of their payloads, texts and logs */
};
void records_add(struct kept_list *list, uint64_t number, uint64_t first, uint32_t count, uint64_t bytes);
void records_drop(struct core *core, uint64_t job, uint64_t *number);
/* The task at `index` has its result on disk. True: so have all tasks of its record, which may go. */
bool records_settle(struct job *job, uint64_t index);
/* The record that holds `at`, or NULL. */
struct kept_record *records_find(const struct kept_list *list, uint64_t at);
/* Forgets the records at the front that were deleted. */
void records_trim(struct kept_list *list);
struct kept_record *records_last(const struct kept_list *list);

#endif
