/* SPDX-License-Identifier: Apache-2.0
 *
 * The living jobs that somebody calls by a name and may see (PROTOCOL.md §5.5, §12.2). Private to broker/core.
 */
#ifndef BELT_CORE_NAMED_H
#define BELT_CORE_NAMED_H

#include "broker/core/model/catalog.h"

struct named_jobs {
    struct job **jobs; /* lies in the update */
    uint32_t count;
};
/* The asker's own job first. */
struct named_jobs named_find(struct core *core, const struct session *from, const struct catalog_name *name);

#endif
