/* SPDX-License-Identifier: Apache-2.0
 *
 * Percentiles in a fixed room (histogram.h).
 */
#include "cli/histogram.h"

/* Below 32 each value has its bucket; above, the five bits behind the leading one choose among 32. */
static uint32_t bucket_of(uint64_t ns)
{
    if (ns < 32)
        return (uint32_t)ns;
    uint32_t power = 63u - (uint32_t)__builtin_clzll(ns);
    return (power - 4) * 32 + (uint32_t)((ns >> (power - 5)) & 31);
}

/* The most that falls into it. */
static uint64_t bucket_top(uint32_t bucket)
{
    if (bucket < 32)
        return bucket;
    uint32_t power = bucket / 32 + 4;
    return ((32ull + bucket % 32 + 1) << (power - 5)) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    uint32_t bucket = bucket_of(ns);

    histogram->buckets[bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1]++;
    histogram->count++;
    if (ns > histogram->most)
        histogram->most = ns;
}

uint64_t histogram_at(const struct histogram *histogram, double share)
{
    uint64_t below = 0, wanted = (uint64_t)((double)histogram->count * share + 0.5);

    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS && histogram->count; i++) {
        below += histogram->buckets[i];
        if (below >= wanted && below)
            return bucket_top(i) < histogram->most ? bucket_top(i) : histogram->most;
    }
    return histogram->most;
}
