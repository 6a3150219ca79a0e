/* SPDX-License-Identifier: Apache-2.0
 *
 * The size of a store, for `belt store`.
 */
#ifndef BELT_BROKER_STORE_STATS_H
#define BELT_BROKER_STORE_STATS_H

#include <stdint.h>

struct store_stats {
    uint64_t records, jobs, body_bytes, file_bytes, free_bytes;
    uint64_t reserve_bytes; /* 0: given up, since the disk is full */
    uint64_t last_number;   /* the highest that was ever put, deleted or not */
    uint32_t format;
};

#endif
