/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs by id and by name. Private to broker/core.
 */
#ifndef BELT_CORE_CATALOG_H
#define BELT_CORE_CATALOG_H

#include "broker/core/model/state.h"

void catalog_add(struct core *core, struct job *job);
void catalog_remove(struct core *core, struct job *job);
/* Both lists of jobs, each from its next job on. */
struct catalog_place {
    struct job *at[2];
};
struct catalog_place catalog_from(struct core *core, uint64_t after); /* ids above it */
struct job *catalog_next(struct catalog_place *place);                /* in order of id; NULL: that was all */
/* What somebody calls a job: an id, or else a key. */
struct catalog_name {
    bool is_id;
    uint64_t id;
    struct belt_bytes key;
};
struct catalog_name catalog_name(struct belt_bytes text);
/* The living job of this owner (NULL: nobody) with this key. */
struct job *catalog_of_key(struct core *core, struct account *account, struct belt_bytes key);
struct job *catalog_find(struct core *core, uint64_t id);

#endif
