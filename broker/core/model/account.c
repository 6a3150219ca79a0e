/* SPDX-License-Identifier: Apache-2.0
 *
 * Accounts of owners (account.h).
 */
#include "broker/core/model/account.h"
#include "broker/core/model/name.h"

#include <stdlib.h>
#include <string.h>

struct account *account_find(struct core *core, const char *owner)
{
    struct account *account = NULL;
    HASH_FIND_STR(core->accounts.by_owner, owner, account);
    return account;
}

struct account *account_take(struct core *core, struct belt_bytes owner)
{
    char name[BELT_MAX_NAME + 1];
    name_copy(name, sizeof(name), owner);
    struct account *account = account_find(core, name);
    if (!account) {
        account = calloc(1, sizeof(*account));
        if (!account)
            abort();
        memcpy(account->name, name, sizeof(name));
        /* No session has this id: where there are keys, queues know shares by accounts alone. */
        uint64_t number = ++core->accounts.last_number;
        memcpy(account->share, &number, sizeof(number));
        HASH_ADD_STR(core->accounts.by_owner, name, account);
    }
    return account_hold(account);
}

struct account *account_hold(struct account *account)
{
    if (account)
        account->users++;
    return account;
}

void account_drop(struct core *core, struct account *account)
{
    if (!account || --account->users > 0)
        return;
    HASH_DEL(core->accounts.by_owner, account);
    free(account);
}

struct job **account_keys(struct core *core, struct account *account)
{
    return account ? &account->by_key : &core->jobs.by_key;
}

bool account_is_of(const struct account *account, struct belt_bytes owner)
{
    return account && name_equals(account->name, owner);
}

struct belt_bytes account_name(const struct account *account)
{
    return account ? name_bytes(account->name) : (struct belt_bytes){0};
}
