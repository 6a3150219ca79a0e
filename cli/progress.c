/* SPDX-License-Identifier: Apache-2.0
 *
 * How far a map is. Pure.
 */
#include "cli/progress.h"

#include "cli/units.h"

#include <stdio.h>

void progress_init(struct progress *progress, uint64_t now_ms)
{
    *progress = (struct progress){.begun_ms = now_ms, .samples[0].ms = now_ms, .count = 1, .next = 1};
}

void progress_update(struct progress *progress, uint64_t now_ms, const struct progress_counts *counts)
{
    unsigned last = (progress->next + PROGRESS_SAMPLES - 1) % PROGRESS_SAMPLES;

    if (now_ms - progress->samples[last].ms < PROGRESS_SAMPLE_MS)
        return;
    progress->samples[progress->next].ms = now_ms;
    progress->samples[progress->next].finished = counts->done + counts->failed;
    progress->next = (progress->next + 1) % PROGRESS_SAMPLES;
    if (progress->count < PROGRESS_SAMPLES)
        progress->count++;
}

double progress_rate(const struct progress *progress, uint64_t now_ms, const struct progress_counts *counts)
{
    unsigned oldest = (progress->next + PROGRESS_SAMPLES - progress->count) % PROGRESS_SAMPLES;
    uint64_t ms = now_ms - progress->samples[oldest].ms;
    uint64_t finished = counts->done + counts->failed - progress->samples[oldest].finished;

    return ms ? (double)finished * 1000 / (double)ms : 0;
}

uint64_t progress_eta(const struct progress *progress, uint64_t now_ms, const struct progress_counts *counts)
{
    uint64_t finished = counts->done + counts->failed;
    double rate = progress_rate(progress, now_ms, counts);

    /* Slow tasks may finish none within the samples: then all the time so far speaks. */
    if (!(rate > 0) && now_ms > progress->begun_ms)
        rate = (double)finished * 1000 / (double)(now_ms - progress->begun_ms);
    if (!counts->ended || !(rate > 0))
        return UINT64_MAX;
    return (uint64_t)((double)(counts->started - finished) / rate * 1000);
}

uint64_t progress_running(const struct progress_counts *counts)
{
    uint64_t open = counts->started - counts->done - counts->failed;

    return counts->slots && open > counts->slots ? counts->slots : open;
}

void progress_line(const struct progress *progress, uint64_t now_ms, const struct progress_counts *counts, char *out,
                   size_t size, size_t width)
{
    char done[UNITS_TEXT], total[UNITS_TEXT] = "?", failed[UNITS_TEXT], running[UNITS_TEXT], rate[UNITS_TEXT],
                           left[UNITS_TEXT];
    uint64_t eta = progress_eta(progress, now_ms, counts);

    if (counts->ended)
        units_show_count(counts->started, total);
    snprintf(out, size < width + 1 ? size : width + 1, "%s/%s done, %s failed, %s %s, %s/s%s%s",
             units_show_count(counts->done, done), total, units_show_count(counts->failed, failed),
             units_show_count(progress_running(counts), running), counts->slots ? "running" : "in flight",
             units_show_rate(progress_rate(progress, now_ms, counts), rate), eta == UINT64_MAX ? "" : ", ",
             eta == UINT64_MAX ? "" : units_show_ms(eta, left));
    if (eta != UINT64_MAX) {
        size_t len = 0;
        while (out[len])
            len++;
        if (len + 5 < size && len + 5 <= width)
            snprintf(out + len, size - len, " left");
    }
}
