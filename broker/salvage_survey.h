/* SPDX-License-Identifier: Apache-2.0
 *
 * What the intact records of one job say when others of it are lost. Private to salvage.c.
 */
#ifndef BELT_BROKER_SALVAGE_SURVEY_H
#define BELT_BROKER_SALVAGE_SURVEY_H

#include "broker/core/core.h"

struct numbers {
    uint64_t *at;
    size_t count, room;
};
/* False when out of memory. */
bool numbers_add(struct numbers *numbers, uint64_t value);

/* Zeroed: no record was seen. The arrays of both lists of numbers are its owner's to free. */
struct survey {
    char key[BELT_MAX_KEY + 1], function[BELT_MAX_NAME + 1];
    bool opened, marked, subscribed;
    struct numbers tasks, results; /* indexes of both, sorted */
    uint64_t next, bytes, mark_place, log_base;
    bool has_base;
};

/* Adds what a record says. False when out of memory. */
bool survey_record(struct survey *survey, const struct core_record *record);
/* Behind the last record: the lists are sorted, and it is known where the log of results begins. */
void survey_close(struct survey *survey);
/* The highest indexes that no record names; `lost` of them, ascending. What was read goes from the front, as a rule, so
 * that it is not among these. False when there are fewer, or out of memory. */
bool survey_find_lost(const struct survey *survey, uint64_t lost, struct numbers *found);
/* How many tasks wait: handed in, without a result. */
uint64_t survey_waiting(const struct survey *survey);

#endif
