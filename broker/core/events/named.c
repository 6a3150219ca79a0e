/* SPDX-License-Identifier: Apache-2.0
 *
 * An id names one job; a key one of each owner.
 */
#include "broker/core/events/named.h"
#include "broker/core/model/account.h"
#include "broker/core/model/update.h"
#include "broker/core/policy/access.h"

static void add(struct named_jobs *found, const struct session *from, struct job *job)
{
    if (job && access_to_job(from, ACCESS_LIST, job) == ACCESS_GRANTED)
        found->jobs[found->count++] = job;
}

struct named_jobs named_find(struct core *core, const struct session *from, const struct catalog_name *name)
{
    struct named_jobs found = {update_alloc(core, (HASH_COUNT(core->accounts.by_owner) + 1) * sizeof(*found.jobs)), 0};
    struct account *account, *next;
    if (name->is_id) {
        add(&found, from, catalog_find(core, name->id));
        return found;
    }
    add(&found, from, catalog_of_key(core, from->account, name->key));
    if (from->account)
        add(&found, from, catalog_of_key(core, NULL, name->key));
    HASH_ITER (hh, core->accounts.by_owner, account, next)
        if (account != from->account)
            add(&found, from, catalog_of_key(core, account, name->key));
    return found;
}
