/* SPDX-License-Identifier: Apache-2.0
 *
 * See checker.h. The expected results are made anew from seed and index.
 */
#include "tests/chaos/checker.h"
#include "tests/chaos/work.h"

#include <belt/codes.h>
#include <stdio.h>
#include <stdlib.h>

/* Of one log, so many lines are enough to see the pattern. */
#define LINES_MAX 5u

struct reading {
    const char *path;
    uint64_t seed, count, next;
    bool ordered;
    uint8_t *shown;
    unsigned lines;
    struct checker_counts *counts;
};

static void complain(struct reading *reading, const char *what, uint64_t index, uint64_t detail)
{
    if (reading->lines++ < LINES_MAX)
        fprintf(stderr, "VIOLATION %s: index %llu: %s (%llu)\n", reading->path, (unsigned long long)index, what,
                (unsigned long long)detail);
}

static void check_result(struct reading *reading, const struct work_seen *seen)
{
    static uint8_t wanted[WORK_MAX];
    uint64_t place = reading->next++;
    size_t len;

    reading->counts->results++;
    if (seen->index >= reading->count) {
        reading->counts->wrong++;
        complain(reading, "there is no such task; the count is", seen->index, reading->count);
        return;
    }
    if (reading->shown[seen->index]++) {
        reading->counts->twice++;
        complain(reading, "shown again, at place", seen->index, place);
    }
    if (reading->ordered && seen->index != place) {
        reading->counts->disorder++;
        complain(reading, "out of order, at place", seen->index, place);
    }
    len = work_result(reading->seed, seen->index, wanted);
    if (seen->code != BELT_OK || seen->len != len || seen->hash != work_hash(wanted, len)) {
        reading->counts->wrong++;
        complain(reading, "not its result; code", seen->index, seen->code);
    }
}

static void check_end(struct reading *reading, int code)
{
    if (code != BELT_END) {
        reading->counts->failed++;
        return;
    }
    reading->counts->ended++;
    for (uint64_t i = 0; i < reading->count; i++)
        if (!reading->shown[i]) {
            reading->counts->lost++;
            complain(reading, "never shown, though the stream ended; count", i, reading->count);
        }
}

bool checker_read(const char *path, bool ordered, uint64_t seed, uint64_t count, struct checker_counts *counts,
                  int *code)
{
    struct reading reading = {.path = path, .seed = seed, .count = count, .ordered = ordered, .counts = counts};
    struct work_seen seen;
    FILE *file = fopen(path, "re");

    *code = -1;
    if (!file)
        return true;
    reading.shown = calloc(count + 1, 1);
    while (reading.shown && fread(&seen, sizeof(seen), 1, file) == 1) {
        if (seen.index == WORK_OVER)
            *code = (int)seen.code;
        else
            check_result(&reading, &seen);
    }
    if (reading.shown && *code >= 0)
        check_end(&reading, *code);
    free(reading.shown);
    fclose(file);
    return reading.lines == 0;
}
