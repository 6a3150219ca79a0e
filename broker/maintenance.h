/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator does with the state directory of a broker that does not run: checks, measures, compacts or copies
 * it.
 */
#ifndef BELT_BROKER_MAINTENANCE_H
#define BELT_BROKER_MAINTENANCE_H

#include "broker/store_stats.h"

#include <stdint.h>

enum maintenance {
    MAINTENANCE_STATS,   /* nothing but the figures */
    MAINTENANCE_CHECK,   /* reads every record */
    MAINTENANCE_COMPACT, /* gives unused room back */
};

/**
 * Does it to the store in `directory`, and fills its figures as they are behind it. BELT_OK, or a code with the reason
 * in `error` (`size` bytes). A broker that has the directory keeps COMPACT out of it.
 */
int maintenance_run(enum maintenance what, const char *directory, struct store_stats *stats, char *error,
                    uint32_t size);
/** Copies the store in `directory` to `target`, which must not be there yet. The same answers. */
int maintenance_backup(const char *directory, const char *target, char *error, uint32_t size);

#endif
