/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/state.h"
#include "broker/record/format_1.h"

#include <stdio.h>

struct store *state_open(const char *directory, char *error, uint32_t size)
{
    struct store_upgrade *upgrade = format_1_new();
    if (!upgrade) {
        snprintf(error, size, "out of memory");
        return NULL;
    }
    struct store *store = store_sqlite_open_older(directory, upgrade, error, size);
    format_1_free(upgrade);
    return store;
}
