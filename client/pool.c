/* SPDX-License-Identifier: Apache-2.0
 *
 * What everybody needs who has a pool: the clock, whether it is lost, and its end with that of its last stream. See
 * pool.h.
 */
#include "client/pool.h"

#include "proto/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

uint64_t client_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

uint64_t client_deadline(int64_t timeout_ms)
{
    return timeout_ms < 0 ? UINT64_MAX : client_now_ms() + (uint64_t)timeout_ms;
}

bool client_pool_signalled(const belt_pool *pool)
{
    return wait_signalled() && pool->interruptible;
}

int client_pool_check(belt_pool *pool)
{
    int rc = BELT_OK;

    if (!atomic_load(&pool->lost))
        return BELT_OK;
    pthread_mutex_lock(&pool->lock);
    if (pool->code != BELT_OK)
        rc = belt_error_set((int)pool->code, "%s", pool->text);
    pthread_mutex_unlock(&pool->lock);
    return rc;
}

void client_pool_ref(belt_pool *pool)
{
    atomic_fetch_add(&pool->refs_held, 1);
}

void client_pool_unref(belt_pool *pool)
{
    if (atomic_fetch_sub(&pool->refs_held, 1) != 1)
        return;
    if (pool->wake_fd >= 0)
        close(pool->wake_fd);
    if (pool->standby_fd >= 0)
        close(pool->standby_fd);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->shared_lock);
    belt_access_link_wipe(&pool->keys);
    free(pool);
}

void client_stream_free(struct belt_stream *stream)
{
    struct client_mail *mail = &stream->mail;
    belt_pool *pool = stream->pool;

    client_stream_fini(&stream->wire);
    client_results_drop(&mail->results);
    client_results_drop(&stream->hand);
    client_results_drop(&stream->failed);
    for (size_t i = 0; i < mail->task_count; i++)
        belt_payload_clear(&mail->tasks[i]);
    free(mail->tasks);
    free(mail->unwanted);
    free(stream->spare);
    belt_buf_unref(stream->chunk);
    client_window_fini(&stream->window);
    client_hold_fini(&stream->hold);
    client_shelf_leave(stream->shelf);
    if (mail->fd >= 0)
        close(mail->fd);
    pthread_mutex_destroy(&mail->lock);
    pthread_mutex_destroy(&stream->calls);
    free(stream->words);
    if (stream->tasks)
        stream->tasks->free(stream);
    free(stream);
    client_pool_unref(pool);
}

int client_pool_too_large(const belt_pool *pool, char *text, size_t size)
{
    unsigned limit = atomic_load(&pool->max_payload);

    if (limit >= BELT_MAX_PAYLOAD_CEILING)
        return snprintf(text, size, "%u, the most there can be: hand over the name of a file instead", limit);
    return snprintf(text, size, "%u: %s", limit, pool->larger);
}
