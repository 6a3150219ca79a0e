/* SPDX-License-Identifier: Apache-2.0
 *
 * The records of durable jobs as a simulated disk keeps them: packed, so that
 * what comes back went through the codec.
 */
#ifndef TESTS_DISK_H
#define TESTS_DISK_H

#include "broker/core/core.h"
#include "broker/record/record.h"

struct disk_row {
    uint64_t number, job;
    uint8_t kind;
    struct store_record row; /* the rest of it; its body lies in: */
    struct belt_buf *body;
};

struct disk {
    struct disk_row *rows; /* in order of number */
    uint32_t count, room;
    uint64_t last_number;
};

/** Applies what a step records. */
void disk_apply(struct disk *disk, const struct core_update *update);
/** Builds `core` anew from what is there. The code of the first record that fits nothing. */
int disk_restore(const struct disk *disk, struct core *core, uint64_t now);
void disk_clear(struct disk *disk);
/** Records of this kind. */
uint32_t disk_count(const struct disk *disk, uint8_t kind);

#endif
