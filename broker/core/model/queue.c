/* SPDX-License-Identifier: Apache-2.0
 *
 * Queues, one for each function: the agents that serve it, and its clients' shares.
 */
#include "broker/core/model/queue.h"
#include "broker/core/model/account.h"
#include "broker/core/model/mark.h"

#include <stdlib.h>
#include <string.h>

/* Function names that are remembered although nobody uses them: their totals are worth showing. */
#define IDLE_QUEUES_MAX 1024u

struct queue *queue_get(struct core *core, const char *function)
{
    struct queue *queue = NULL;
    HASH_FIND_STR(core->queues, function, queue);
    if (queue)
        return queue;
    queue = calloc(1, sizeof(*queue));
    if (!queue)
        abort();
    memcpy(queue->function, function, strlen(function) + 1);
    queue->rate_ms = core->now;
    queue->hungry = true;
    HASH_ADD_STR(core->queues, function, queue);
    return queue;
}

void queue_free(struct queue *queue)
{
    free(queue->agents);
    heap_free(&queue->shares_heap);
    free(queue);
}

void queue_prune(struct core *core, struct queue *queue)
{
    if (queue->jobs || queue->dead_letters.jobs || queue->agent_count || HASH_COUNT(core->queues) <= IDLE_QUEUES_MAX)
        return;
    list_remove(&queue->marked);
    HASH_DEL(core->queues, queue);
    queue_free(queue);
}

void queue_serve(struct core *core, struct queue *queue, struct agent *agent)
{
    for (uint32_t i = 0; i < agent->queue_count; i++)
        if (agent->queues[i] == queue)
            return;
    if (queue->agent_count == queue->agent_room) {
        queue->agent_room = queue->agent_room ? queue->agent_room * 2 : 4;
        queue->agents = realloc(queue->agents, queue->agent_room * sizeof(*queue->agents));
        if (!queue->agents)
            abort();
    }
    queue->agents[queue->agent_count++] = agent;
    queue->slots += agent->slots;
    agent->passes[agent->queue_count] = agent->level;
    agent->queues[agent->queue_count++] = queue;
    queue->hungry = true;
    mark_queue(core, queue);
    struct job *job;
    LIST_EACH (&queue->active, job, waiting.active)
        mark_job(core, job); /* its notice is over */
}

void queue_unserve(struct core *core, struct queue *queue, struct agent *agent)
{
    for (uint32_t i = 0; i < agent->queue_count; i++)
        if (agent->queues[i] == queue) {
            agent->queues[i] = agent->queues[--agent->queue_count];
            agent->passes[i] = agent->passes[agent->queue_count];
        }
    for (uint32_t i = 0; i < queue->agent_count; i++)
        if (queue->agents[i] == agent) {
            queue->agents[i] = queue->agents[--queue->agent_count];
            queue->slots -= agent->slots;
        }
    struct job *job;
    if (queue->agent_count == 0)
        LIST_EACH (&queue->active, job, waiting.active)
            mark_job(core, job);
    queue_prune(core, queue);
}

bool share_is_there(const struct queue *queue, const struct account *account)
{
    struct share *share = NULL;
    HASH_FIND(hh, queue->shares, account->share, BELT_SESSION_LEN, share);
    return share != NULL;
}

struct share *share_take(struct queue *queue, const struct account *account, const struct session *client)
{
    static const uint8_t nobody[BELT_SESSION_LEN];
    const uint8_t *id = account ? account->share : client ? client->id : nobody;
    struct share *share = NULL;
    HASH_FIND(hh, queue->shares, id, BELT_SESSION_LEN, share);
    if (!share) {
        share = calloc(1, sizeof(*share));
        if (!share)
            abort();
        memcpy(share->client, id, BELT_SESSION_LEN);
        share->pass = queue->level;
        queue->share_count++;
        HASH_ADD(hh, queue->shares, client, BELT_SESSION_LEN, share);
    }
    share->jobs++;
    return share;
}

void share_drop(struct queue *queue, struct share *share)
{
    if (--share->jobs > 0)
        return;
    HASH_DELETE(hh, queue->shares, share);
    queue->share_count--;
    heap_free(&share->jobs_heap);
    free(share);
}
