/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of who may do what (access.h). Nothing else in the broker looks at roles.
 */
#include "broker/core/policy/access.h"
#include "broker/core/model/account.h"

#define OWN    (1u << ACCESS_OWN)
#define SHARED (1u << ACCESS_SHARED)
#define ANY    (OWN | SHARED | 1u << ACCESS_OTHERS | 1u << ACCESS_NOBODYS)

/* Whose jobs each role may do it with, as bits. Not said: none. */
struct allowed {
    unsigned client, worker, observer, admin;
};
static const struct allowed allowed[ACCESS_VERBS] = {
    [ACCESS_FEED] = {.client = OWN, .admin = OWN},
    [ACCESS_READ] = {.client = OWN | SHARED, .admin = ANY},
    [ACCESS_CANCEL] = {.client = OWN, .admin = ANY},
    [ACCESS_LIST] = {.client = OWN | SHARED, .observer = ANY, .admin = ANY},
    [ACCESS_READERS] = {.client = OWN, .observer = ANY, .admin = ANY},
    [ACCESS_LOOK] = {.client = ANY, .observer = ANY, .admin = ANY},
    [ACCESS_FAILED] = {.client = OWN, .admin = ANY},
    [ACCESS_RETRY] = {.admin = ANY},
    [ACCESS_SERVE] = {.worker = ANY},
};

static unsigned allowed_to(unsigned roles, enum access_verb verb)
{
    const struct allowed *row = &allowed[verb];
    return (roles & BELT_MAY_CLIENT ? row->client : 0) | (roles & BELT_MAY_WORKER ? row->worker : 0) |
           (roles & BELT_MAY_OBSERVER ? row->observer : 0) | (roles & BELT_MAY_ADMIN ? row->admin : 0);
}

enum access_verdict access_judge(unsigned roles, enum access_verb verb, enum access_whose whose)
{
    unsigned bit = 1u << whose, may = allowed_to(roles, verb);
    if (may & bit)
        return ACCESS_GRANTED;
    return may && !(allowed_to(roles, ACCESS_LIST) & bit) ? ACCESS_HIDDEN : ACCESS_DENIED;
}

enum access_whose access_whose(const struct session *from, const struct job *job)
{
    if (!job || from->account == job->owner.account)
        return ACCESS_OWN;
    return !job->owner.account ? ACCESS_NOBODYS : job->options.share ? ACCESS_SHARED : ACCESS_OTHERS;
}

enum access_verdict access_to_job(const struct session *from, enum access_verb verb, const struct job *job)
{
    return from->account ? access_judge(from->roles, verb, access_whose(from, job)) : ACCESS_GRANTED;
}

bool access_to_past(const struct session *from, enum access_verb verb, struct belt_bytes owner)
{
    if (!from->account)
        return true;
    enum access_whose whose = !owner.len                            ? ACCESS_NOBODYS
                              : account_is_of(from->account, owner) ? ACCESS_OWN
                                                                    : ACCESS_OTHERS;
    return access_judge(from->roles, verb, whose) == ACCESS_GRANTED;
}

bool access_sees_all(const struct session *from)
{
    return !from->account || access_judge(from->roles, ACCESS_LIST, ACCESS_OTHERS) == ACCESS_GRANTED;
}

bool access_rules(const struct session *from, const struct job *job)
{
    if (!from->account)
        return from->role == BELT_ROLE_ADMIN;
    if (from->roles & BELT_MAY_ADMIN)
        return true;
    return from->role == BELT_ROLE_ADMIN && (!job || access_whose(from, job) == ACCESS_OWN);
}

struct account *access_reader_of(const struct session *from, const struct job *job)
{
    return from->account && from->account != job->owner.account ? from->account : NULL;
}
