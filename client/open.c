/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening pools.
 */
#include "client/closing.h"
#include "proto/error.h"
#include "client/inside.h"
#include "client/io.h"
#include "client/open.h"
#include "proto/options.h"
#include "client/pool.h"
#include "local/cluster.h"
#include "proto/access_file.h"
#include "proto/codes.h"
#include "proto/shortage.h"
#include "proto/text_cut.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static int complete_options(const belt_pool_options *given, belt_pool_options *options)
{
    int rc;

    belt_pool_options_init(options);
    rc = belt_options_read(options, sizeof(*options), given, "BELT_POOL_OPTIONS_INIT");
    if (rc != BELT_OK)
        return rc;
    if (options->slots < 0 || options->slots > (int)BELT_MAX_SLOTS)
        return belt_error_set(BELT_INVALID, "a pool has 1 to %u slots, or 0 for one per processor, not %d",
                              BELT_MAX_SLOTS, options->slots);
    if (options->log_bytes < 0 || options->log_bytes > (int64_t)BELT_LOG_BYTES_MAX)
        return belt_error_set(BELT_INVALID, "log_bytes is %lld: give 0 to %u", (long long)options->log_bytes,
                              BELT_LOG_BYTES_MAX);
    if (options->kill_after_ms < 0)
        return belt_error_set(BELT_INVALID, "kill_after_ms is negative: give a time, or 0 for at once");
    if (options->max_payload > BELT_MAX_PAYLOAD_CEILING)
        return belt_error_set(BELT_INVALID, "max_payload is %llu bytes, at most %u are possible",
                              (unsigned long long)options->max_payload, BELT_MAX_PAYLOAD_CEILING);
    if (options->memory > 0 && options->memory < BELT_MEMORY_BUDGET_LEAST)
        return belt_error_set(BELT_INVALID, "memory is %llu bytes, at least %u are needed",
                              (unsigned long long)options->memory, BELT_MEMORY_BUDGET_LEAST);
    return BELT_OK;
}

static int draw_session(belt_pool *pool)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[8];

    if (getrandom(pool->session_id, sizeof(pool->session_id), 0) != (ssize_t)sizeof(pool->session_id) ||
        getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return belt_error_set(BELT_SYSTEM, "cannot draw random numbers: %s", strerror(errno));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        pool->key_prefix[2 * i] = digits[bytes[i] >> 4];
        pool->key_prefix[2 * i + 1] = digits[bytes[i] & 15];
    }
    return BELT_OK;
}

static belt_pool *pool_new(const belt_pool_options *options)
{
    belt_pool *pool = calloc(1, sizeof(*pool));
    char host[64] = "localhost";

    if (!pool)
        return NULL;
    wait_lock_init(&pool->lock, &pool->cond);
    pthread_mutex_init(&pool->shared_lock, NULL);
    pool->wake_fd = pool->standby_fd = -1;
    atomic_init(&pool->refs_held, 1);
    pool->role = BELT_ROLE_CLIENT;
    pool->lost_timeout_ms = options->lost_timeout_ms;
    pool->interruptible = options->signals_interrupt;
    atomic_init(&pool->max_payload, BELT_MAX_PAYLOAD_DEFAULT);
    pool->larger = "start the broker with a larger --max-payload";
    gethostname(host, sizeof(host) - 1);
    if (options->name)
        text_print(pool->name, sizeof(pool->name), "%s", options->name);
    else
        text_print(pool->name, sizeof(pool->name), "%s:%ld", host, (long)getpid());
    return pool;
}

/* Its keys are for tcp:// alone: on ipc:// the operating system says who we are. */
static int read_access(belt_pool *pool, const char *path)
{
    struct belt_access access;
    char error[1024];
    int rc = BELT_OK;

    if (strncmp(pool->endpoint, "tcp://", 6) != 0)
        return BELT_OK;
    switch (belt_access_load(path, &access, NULL, 0, error, sizeof(error))) {
    case BELT_ACCESS_BAD:
        rc = belt_error_set(belt_shortage_advice(errno) ? BELT_SYSTEM : BELT_INVALID, "%s", error);
        break;
    case BELT_ACCESS_FOUND:
        belt_access_link_init(&pool->keys, &access, pool->endpoint, false);
        break;
    default:
        break;
    }
    belt_access_wipe(&access);
    return rc;
}

/* What may be wrong beside the address. */
static const char *key_advice(const belt_pool *pool)
{
    if (pool->keys.keyed)
        return ", and that the broker knows the key of your access file (belt keys list, where the broker runs)";
    return strncmp(pool->endpoint, "tcp://", 6) == 0
               ? "; a broker with keys answers those alone that have an access file (belt keys new)"
               : "";
}

/* Waits for the broker's welcome. */
static int connect_pool(belt_pool *pool, int64_t timeout_ms)
{
    uint64_t deadline = client_deadline(timeout_ms);
    bool stopped = false;
    int rc = client_io_start(pool);

    if (rc != BELT_OK)
        return rc;
    pthread_mutex_lock(&pool->lock);
    while (!pool->ready && pool->code == BELT_OK && !stopped && wait_sleep(&pool->cond, &pool->lock, deadline))
        stopped = client_pool_signalled(pool);
    if (pool->code != BELT_OK)
        rc = belt_error_set((int)pool->code, "%s", pool->text);
    else if (!pool->ready && stopped)
        rc = belt_error_set(BELT_INTERRUPTED, "the wait for the broker at %s was interrupted by a signal",
                            pool->endpoint);
    else if (!pool->ready)
        rc = belt_error_set(BELT_NO_BROKER,
                            "no broker answered at %s within %lld ms: check the address and that it runs%s",
                            pool->endpoint, (long long)timeout_ms, key_advice(pool));
    pthread_mutex_unlock(&pool->lock);
    return rc;
}

/* One that could not be opened. */
static void give_up(belt_pool *pool)
{
    atomic_store(&pool->closing, true);
    client_pool_shut(pool);
}

int belt_pool_open_as(const char *broker, enum belt_role role, const belt_pool_options *options, belt_pool **out)
{
    belt_pool_options complete;
    belt_pool *pool = NULL;
    int rc;

    if (!broker || !out || strlen(broker) >= sizeof(pool->endpoint) || !strstr(broker, "://"))
        return belt_error_set(BELT_INVALID,
                              "\"%s\" is not the address of a broker: it looks like tcp://host:7878 or ipc:///path",
                              broker ? broker : "(none)");
    *out = NULL;
    rc = complete_options(options, &complete);
    if (rc != BELT_OK)
        return rc;
    pool = pool_new(&complete);
    if (!pool)
        return belt_error_set(BELT_NO_MEMORY, "cannot open a pool: out of memory");
    pool->role = role;
    snprintf(pool->endpoint, sizeof(pool->endpoint), "%s", broker);
    rc = read_access(pool, complete.access);
    if (rc == BELT_OK)
        rc = draw_session(pool);
    if (rc == BELT_OK)
        rc = connect_pool(pool, complete.connect_timeout_ms);
    if (rc != BELT_OK) {
        give_up(pool);
        return rc;
    }
    client_pool_publish(pool);
    *out = pool;
    return BELT_OK;
}

int belt_pool_open_private(const struct local_work *work, const belt_pool_options *options, belt_pool **out)
{
    belt_pool_options complete;
    belt_pool *pool = NULL;
    int rc;

    if (!out)
        return belt_error_set(BELT_INVALID, "belt_pool_open: no place for the pool was given");
    *out = NULL;
    rc = complete_options(options, &complete);
    if (rc != BELT_OK)
        return rc;
    if (!complete.external_workers && (!work->functions || work->count == 0))
        return belt_error_set(BELT_INVALID,
                              "a private pool has no functions to run: call belt_function_register() first, "
                              "or give the address of a broker");
    pool = pool_new(&complete);
    if (!pool)
        return belt_error_set(BELT_NO_MEMORY, "cannot open a pool: out of memory");
    pool->larger =
        work->words == BELT_WORDS_OPTIONS ? "give a larger --max-payload" : "open the pool with a larger max_payload";
    rc = draw_session(pool);
    if (rc == BELT_OK)
        rc = local_cluster_start(work, &complete, pool->endpoint, sizeof(pool->endpoint), &pool->children);
    if (rc == BELT_OK)
        rc = connect_pool(pool, complete.connect_timeout_ms);
    if (rc != BELT_OK) {
        give_up(pool);
        return rc;
    }
    client_pool_publish(pool);
    *out = pool;
    return BELT_OK;
}

pid_t belt_pool_agent(const belt_pool *pool)
{
    return pool->children ? local_cluster_agent(pool->children) : 0;
}

const char *belt_pool_workers(const belt_pool *pool)
{
    return pool && pool->children ? local_cluster_workers(pool->children) : NULL;
}

int belt_pool_lifeline(const belt_pool *pool)
{
    return pool && pool->children ? local_cluster_lifeline(pool->children) : -1;
}

int belt_pool_open(const char *broker, const belt_pool_options *options, belt_pool **pool)
{
    struct local_work work = {0};

    if (broker)
        return belt_pool_open_as(broker, BELT_ROLE_CLIENT, options, pool);
    work.functions = belt_function_list(&work.count);
    return belt_pool_open_private(&work, options, pool);
}
