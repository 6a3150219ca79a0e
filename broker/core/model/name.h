/* SPDX-License-Identifier: Apache-2.0
 *
 * Names in messages and in the books. Private to broker/core.
 */
#ifndef BELT_CORE_NAME_H
#define BELT_CORE_NAME_H

#include "proto/buf.h"

#include <stdbool.h>
#include <string.h>

static inline bool name_equals(const char *name, struct belt_bytes bytes)
{
    return strlen(name) == bytes.len && memcmp(name, bytes.data, bytes.len) == 0;
}
static inline void name_copy(char *to, size_t room, struct belt_bytes from)
{
    size_t len = from.len < room - 1 ? from.len : room - 1;
    if (len)
        memcpy(to, from.data, len);
    to[len] = 0;
}
static inline struct belt_bytes name_bytes(const char *name)
{
    return (struct belt_bytes){(const uint8_t *)name, strlen(name)};
}

#endif
