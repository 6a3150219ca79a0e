/* SPDX-License-Identifier: Apache-2.0
 *
 * One thread of a pool wakes another. See wake.h.
 */
#include "client/wake.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

void client_wake_raise(int fd)
{
    const uint64_t one = 1;

    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

/* The state of the helm as it is exchanged. */
union helm_word {
    uint64_t word;
    struct client_helm state;
};
static_assert(sizeof(struct client_helm) == sizeof(uint64_t), "the helm's state is exchanged as one word");

struct client_helm client_wake_helm(const belt_pool *pool)
{
    return (union helm_word){.word = atomic_load(&pool->helm)}.state;
}

uint32_t client_wake_step(belt_pool *pool, client_helm_step *make, uint32_t argument)
{
    union helm_word before = {.word = atomic_load(&pool->helm)}, after;
    uint32_t answer;

    do {
        after = before;
        answer = make(&after.state, argument);
    } while (after.word != before.word && !atomic_compare_exchange_weak(&pool->helm, &before.word, after.word));
    return answer;
}

void client_wake_ring(belt_pool *pool, uint32_t rings)
{
    if (rings & CLIENT_HELM_RING_DRIVER)
        client_wake_raise(pool->wake_fd);
    if (rings & CLIENT_HELM_RING_ASIDE)
        client_wake_raise(pool->standby_fd);
}

void client_wake(belt_pool *pool, bool urgent)
{
    int saved = errno;

    client_wake_ring(pool, client_wake_step(pool, client_helm_kick, urgent));
    errno = saved;
}

void client_wake_touch(struct belt_stream *stream)
{
    belt_pool *pool = stream->pool;
    struct belt_stream *head;

    if (atomic_exchange(&stream->queued, true))
        return;
    head = atomic_load(&pool->queue);
    do
        stream->queue_next = head;
    while (!atomic_compare_exchange_weak(&pool->queue, &head, stream));
}
