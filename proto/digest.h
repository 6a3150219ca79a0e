/* SPDX-License-Identifier: Apache-2.0
 *
 * The digest of a job's input (PROTOCOL.md §7.1): a chain of XXH3-128, one link per task, so that it can be compared at
 * any index and kept in 16 bytes. It tells inputs apart that differ by mistake; it is no seal against somebody who
 * looks for two that agree.
 */
#ifndef BELT_DIGEST_H
#define BELT_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define BELT_DIGEST_BYTES 16u

/** All zero: of no task. */
struct belt_digest {
    uint8_t bytes[BELT_DIGEST_BYTES];
};

/** The next task has this payload. */
void belt_digest_add(struct belt_digest *digest, const void *data, size_t len);

#endif
