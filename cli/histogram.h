/* SPDX-License-Identifier: Apache-2.0
 *
 * Times in ns counted in buckets that are 3 % wide, whatever their size: percentiles of any number of samples
 * in a fixed room. Pure.
 */
#ifndef BELT_CLI_HISTOGRAM_H
#define BELT_CLI_HISTOGRAM_H

#include <stdint.h>

/* 32 buckets for each power of two. */
#define HISTOGRAM_BUCKETS (60u * 32u)

struct histogram {
    uint64_t count, most;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);
/** The value that `share` (0 .. 1) of the samples do not exceed; 0 without samples. */
uint64_t histogram_at(const struct histogram *histogram, double share);

#endif
