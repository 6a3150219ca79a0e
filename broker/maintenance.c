/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator does with the state directory of a broker. See maintenance.h.
 */
#include "broker/maintenance.h"
#include "broker/state.h"
#include "broker/store/store.h"
#include "proto/text_cut.h"

int maintenance_run(enum maintenance what, const char *directory, struct store_stats *stats, char *error, uint32_t size)
{
    struct store *store =
        what == MAINTENANCE_COMPACT ? state_open(directory, error, size) : store_sqlite_look(directory, error, size);
    int code = BELT_OK;

    if (!store)
        return BELT_SYSTEM;
    if (what == MAINTENANCE_CHECK)
        code = store->ops->check(store);
    else if (what == MAINTENANCE_COMPACT)
        code = store->ops->compact(store);
    if (code == BELT_OK)
        code = store->ops->stats(store, stats);
    if (code != BELT_OK)
        text_print(error, size, "%s", store->error);
    store_close(store);
    return code;
}

int maintenance_backup(const char *directory, const char *target, char *error, uint32_t size)
{
    return store_sqlite_backup(directory, target, error, size);
}
