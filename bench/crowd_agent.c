/* SPDX-License-Identifier: Apache-2.0
 *
 * A simulated agent: every task is done when it comes (crowd.h).
 */
#include "bench/crowd.h"

void agent_serve(struct crowd_peer *peer)
{
    struct belt_msg msg = {.type = BELT_MSG_SYNC}; /* it holds nothing */

    peer_send(peer, &msg);
    peer_flush(peer);
}

static void answer(struct crowd_peer *peer, const struct belt_msg_dispatch *dispatch)
{
    static struct belt_result_item items[BELT_MAX_BATCH];
    struct belt_msg msg = {.type = BELT_MSG_RESULTS};

    for (uint32_t i = 0; i < dispatch->count; i++)
        items[i] = (struct belt_result_item){.index = dispatch->tasks[i].index,
                                             .attempt = dispatch->tasks[i].attempt,
                                             .service_us = (uint32_t)peer->crowd->service_us,
                                             .payload = dispatch->tasks[i].payload};
    msg.u.results = (struct belt_msg_results){
        .first = peer->results, .job = dispatch->job, .results = items, .count = dispatch->count};
    peer->results += dispatch->count;
    peer->crowd->dispatches++;
    peer_send(peer, &msg);
}

void agent_message(struct crowd_peer *peer, const struct belt_msg *msg)
{
    struct belt_msg nothing = {.type = BELT_MSG_RETURNED};

    if (msg->type == BELT_MSG_DISPATCH)
        answer(peer, &msg->u.dispatch);
    else if (msg->type == BELT_MSG_RECALL) /* nothing is left to give back */
        peer_send(peer, &nothing);
    else if (msg->type == BELT_MSG_ERROR)
        peer_lost(peer, "the broker says", msg->u.error.text);
}
