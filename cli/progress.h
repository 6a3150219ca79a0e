/* SPDX-License-Identifier: Apache-2.0
 *
 * How far a map is: rate, time left, and the line that says so. Pure: the time
 * is an argument.
 */
#ifndef BELT_CLI_PROGRESS_H
#define BELT_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress_counts {
    uint64_t done, failed;
    uint64_t started; /* inputs drawn */
    uint64_t slots;   /* of a private pool; 0: unknown */
    bool ended;       /* `started` is all there is */
};

/* The rate is that of the last samples, so that it follows a change within seconds. */
#define PROGRESS_SAMPLES 16
#define PROGRESS_SAMPLE_MS 500

struct progress {
    uint64_t begun_ms;
    struct {
        uint64_t ms, finished;
    } samples[PROGRESS_SAMPLES];
    unsigned count, next;
};

void progress_init(struct progress *progress, uint64_t now_ms);
void progress_update(struct progress *progress, uint64_t now_ms, const struct progress_counts *counts);
/** Results per second. */
double progress_rate(const struct progress *progress, uint64_t now_ms, const struct progress_counts *counts);
/** ms left; UINT64_MAX: unknown. */
uint64_t progress_eta(const struct progress *progress, uint64_t now_ms, const struct progress_counts *counts);
/** Tasks at work now, as far as it can be told. */
uint64_t progress_running(const struct progress_counts *counts);
/** "12/100 done, 1 failed, 4 running, 3.4/s, 25s left" in at most `width` columns, without newline. */
void progress_line(const struct progress *progress, uint64_t now_ms, const struct progress_counts *counts, char *out, size_t size,
                   size_t width);

#endif
