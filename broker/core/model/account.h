/* SPDX-License-Identifier: Apache-2.0
 *
 * What the owner of some keys has at the broker: an account for each owner that has a session, a job, a reader or
 * failed tasks. A broker without keys has none, and sessions and jobs point to NULL. Private to broker/core.
 */
#ifndef BELT_CORE_ACCOUNT_H
#define BELT_CORE_ACCOUNT_H

#include "broker/core/model/state.h"

struct account {
    char name[BELT_MAX_NAME + 1]; /* of the owner */
    uint32_t users;               /* sessions, jobs, readers and failed jobs that point here */
    uint64_t connections;         /* of its sessions */
    uint64_t jobs;                /* those that are over and not yet forgotten are among them */
    uint64_t bytes;               /* of payloads of its jobs: part of core->bytes */
    uint64_t unread;              /* bytes of results of its jobs that are not released: job->unread of all */
    uint64_t expected;            /* bytes that the results of its running tasks seem to take: part of core->expected */
    uint64_t fixed_bytes;         /* of its jobs and their readers before any task: part of core->fixed_bytes */
    struct belt_quotas quotas;    /* as the key that spoke last says them; 0: the default */
    struct job *by_key;           /* hash of its jobs by key */
    uint8_t share[BELT_SESSION_LEN]; /* by which a queue knows its share; drawn like a session */
    UT_hash_handle hh;
};

/* The account of this owner, a new one if there is none; the caller holds it until account_drop(). Aborts without
 * memory. */
struct account *account_take(struct core *core, struct belt_bytes owner);
/* Holds it once more. NULL: nothing happens, and NULL is returned. */
struct account *account_hold(struct account *account);
/* It is freed with the last one that holds it. NULL: nothing happens. */
void account_drop(struct core *core, struct account *account);
/* NULL: no session or job is this owner's. */
struct account *account_find(struct core *core, const char *owner);
/* The jobs of an owner (NULL: those that are nobody's) by key. */
struct job **account_keys(struct core *core, struct account *account);
/* The name of its owner; empty for NULL. */
struct belt_bytes account_name(const struct account *account);
/* The account is of this owner. */
bool account_is_of(const struct account *account, struct belt_bytes owner);

#endif
