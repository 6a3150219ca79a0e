/* SPDX-License-Identifier: Apache-2.0
 *
 * What the intact records of one job say. Pure. See salvage_survey.h.
 */
#include "broker/salvage_survey.h"
#include "proto/text_cut.h"

#include <stdlib.h>

bool numbers_add(struct numbers *numbers, uint64_t value)
{
    if (numbers->count == numbers->room) {
        size_t room = numbers->room ? 2 * numbers->room : 256;
        uint64_t *at = realloc(numbers->at, room * sizeof(*at));
        if (!at)
            return false;
        numbers->at = at;
        numbers->room = room;
    }
    numbers->at[numbers->count++] = value;
    return true;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *one = a, *two = b;

    return *one < *two ? -1 : *one > *two;
}

static void raise_to(uint64_t *value, uint64_t at_least)
{
    if (*value < at_least)
        *value = at_least;
}

static void survey_name(char *to, size_t size, struct belt_bytes name)
{
    text_print(to, size, "%.*s", (int)name.len, (const char *)name.data);
}

static bool survey_tasks(struct survey *survey, const struct record_tasks *tasks)
{
    raise_to(&survey->next, tasks->first + tasks->count);
    for (uint32_t i = 0; i < tasks->count; i++) {
        survey->bytes += tasks->inputs[i].len;
        if (!numbers_add(&survey->tasks, tasks->first + i))
            return false;
    }
    return true;
}

static void survey_place(struct survey *survey, uint64_t first)
{
    if (!survey->has_base)
        survey->log_base = first;
    survey->has_base = true;
}

static bool survey_result(struct survey *survey, uint64_t index)
{
    raise_to(&survey->next, index + 1);
    return numbers_add(&survey->results, index);
}

bool survey_record(struct survey *survey, const struct core_record *record)
{
    bool good = true;

    switch (record->kind) {
    case RECORD_JOB:
        survey->opened = true;
        survey_name(survey->key, sizeof(survey->key), record->u.job.key);
        survey_name(survey->function, sizeof(survey->function), record->u.job.function);
        break;
    case RECORD_FAILED_JOB:
        survey_name(survey->function, sizeof(survey->function), record->u.failed_job.function);
        break;
    case RECORD_HISTORY:
        survey_name(survey->key, sizeof(survey->key), record->u.history.key);
        survey_name(survey->function, sizeof(survey->function), record->u.history.function);
        break;
    case RECORD_TASKS:
        return survey_tasks(survey, &record->u.tasks);
    case RECORD_RESULTS:
        survey_place(survey, record->u.results.first);
        for (uint32_t i = 0; good && i < record->u.results.count; i++)
            good = survey_result(survey, record->u.results.items[i].index);
        break;
    case RECORD_TAKEN:
        survey_place(survey, record->u.taken.first);
        for (uint32_t i = 0; good && i < record->u.taken.count; i++)
            good = survey_result(survey, record->u.taken.indexes[i]);
        break;
    case RECORD_READER:
        survey->subscribed = true;
        break;
    case RECORD_END:
        raise_to(&survey->next, record->u.end.tasks);
        break;
    case RECORD_MARK:
        survey->marked = true;
        survey->mark_place = record->u.mark.place;
        raise_to(&survey->next, record->u.mark.next);
        break;
    default:
        break;
    }
    return good;
}

void survey_close(struct survey *survey)
{
    if (survey->tasks.count)
        qsort(survey->tasks.at, survey->tasks.count, sizeof(uint64_t), by_value);
    if (survey->results.count)
        qsort(survey->results.at, survey->results.count, sizeof(uint64_t), by_value);
    if (!survey->has_base || (survey->marked && survey->log_base > survey->mark_place))
        survey->log_base = survey->mark_place;
    if (!survey->subscribed) /* nobody has read: what is missing in front was lost */
        survey->log_base = 0;
}

static bool has(const struct numbers *numbers, uint64_t value)
{
    return numbers->count && bsearch(&value, numbers->at, numbers->count, sizeof(value), by_value);
}

bool survey_find_lost(const struct survey *survey, uint64_t lost, struct numbers *found)
{
    for (uint64_t index = survey->next; index > 0 && found->count < lost; index--)
        if (!has(&survey->tasks, index - 1) && !has(&survey->results, index - 1) && !numbers_add(found, index - 1))
            return false;
    if (found->count)
        qsort(found->at, found->count, sizeof(uint64_t), by_value);
    return found->count == lost;
}

uint64_t survey_waiting(const struct survey *survey)
{
    uint64_t waiting = 0;

    for (size_t i = 0; i < survey->tasks.count; i++)
        waiting += !has(&survey->results, survey->tasks.at[i]);
    return waiting;
}
