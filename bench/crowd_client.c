/* SPDX-License-Identifier: Apache-2.0
 *
 * A simulated client: jobs without end, fed as far as they are granted, and read as fast as results come (crowd.h).
 */
#include "bench/crowd.h"
#include "bench/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is queued for the socket at most before more is pushed. */
#define QUEUED_BYTES (128u << 10)
/* Results on their way to one reader at most: the broker gives up a peer that leaves 64 MiB unread. */
#define CREDIT 65536u

void client_begin(struct crowd_peer *peer)
{
    struct crowd *crowd = peer->crowd;
    struct belt_msg msg = {.type = BELT_MSG_OPEN};
    char key[64];

    peer->jobs = calloc(crowd->jobs, sizeof(*peer->jobs));
    if (!peer->jobs)
        measure_die("memory");
    for (uint64_t i = 0; i < crowd->jobs; i++) {
        int len = snprintf(key, sizeof(key), "crowd-%u-%u", (unsigned)(peer - crowd->peers), (unsigned)i);
        msg.u.open =
            (struct belt_msg_open){.ref = i + 1,
                                   .key = {(const uint8_t *)key, (size_t)len},
                                   .function = {(const uint8_t *)CROWD_FUNCTION, sizeof(CROWD_FUNCTION) - 1},
                                   .options = {.window_items = crowd->window, .window_bytes = (uint64_t)1 << 40}};
        peer_send(peer, &msg);
    }
}

static void subscribe(struct crowd_peer *peer, uint64_t ref)
{
    struct belt_msg msg = {.type = BELT_MSG_SUBSCRIBE};

    msg.u.subscribe = (struct belt_msg_subscribe){.ref = ref,
                                                  .job = peer->jobs[ref - 1].id,
                                                  .mode = BELT_UNORDERED,
                                                  .cursor = BELT_CURSOR_KEPT,
                                                  .credit = {CREDIT, UINT64_MAX}};
    peer_send(peer, &msg);
}

static struct crowd_job *job_by_id(struct crowd_peer *peer, uint64_t id)
{
    for (uint64_t i = 0; i < peer->crowd->jobs; i++)
        if (peer->jobs[i].id == id)
            return &peer->jobs[i];
    measure_die("a job that was not opened");
}

static void delivered(struct crowd_peer *peer, const struct belt_msg_deliver *msg)
{
    struct crowd *crowd = peer->crowd;
    uint64_t now = measure_now_ns(), at = 0;

    while (at < crowd->jobs && peer->jobs[at].sub != msg->sub)
        at++;
    if (at == crowd->jobs || msg->first != peer->jobs[at].taken)
        measure_die("a result out of its turn");
    if (crowd->taken_ns && now - crowd->taken_ns > crowd->pause_ns)
        crowd->pause_ns = now - crowd->taken_ns;
    peer->jobs[at].taken += msg->count;
    crowd->taken += msg->count;
    crowd->taken_ns = now;
    crowd->deliveries++;
}

void client_message(struct crowd_peer *peer, const struct belt_msg *msg)
{
    struct crowd_job *job = NULL;

    if (msg->type == BELT_MSG_OPENED) {
        job = &peer->jobs[msg->u.opened.ref - 1];
        job->id = msg->u.opened.job;
        job->grant = msg->u.opened.grant;
        peer->crowd->opened++;
        subscribe(peer, msg->u.opened.ref);
    } else if (msg->type == BELT_MSG_SUBSCRIBED) {
        peer->jobs[msg->u.subscribed.ref - 1].sub = msg->u.subscribed.sub;
    } else if (msg->type == BELT_MSG_ACCEPTED) {
        job = job_by_id(peer, msg->u.accepted.job);
        peer->crowd->accepted += msg->u.accepted.next - job->accepted;
        job->accepted = msg->u.accepted.next;
        job->grant = msg->u.accepted.grant;
    } else if (msg->type == BELT_MSG_DELIVER) {
        delivered(peer, &msg->u.deliver);
    } else if (msg->type == BELT_MSG_ERROR) {
        peer_lost(peer, "the broker says", msg->u.error.text);
    }
}

static void acknowledge(struct crowd_peer *peer, struct crowd_job *job)
{
    struct belt_msg msg = {.type = BELT_MSG_ACK};

    if (job->acked == job->taken)
        return;
    job->acked = job->taken;
    msg.u.ack = (struct belt_msg_ack){job->sub, job->acked, {job->acked + CREDIT, UINT64_MAX}};
    peer_send(peer, &msg);
}

static bool may_push(const struct crowd_peer *peer, const struct crowd_job *job, uint64_t next)
{
    return next < job->grant.items && next * peer->crowd->size < job->grant.bytes;
}

static void push(struct crowd_peer *peer, struct crowd_job *job)
{
    static struct belt_task_item items[BELT_MAX_BATCH];
    struct belt_msg msg = {.type = BELT_MSG_PUSH};
    struct belt_batch batch = {0};

    while (may_push(peer, job, job->sent + batch.count) && belt_batch_add(&batch, peer->crowd->payload.len, 16))
        items[batch.count - 1].payload = peer->crowd->payload;
    msg.u.push = (struct belt_msg_push){.job = job->id, .first = job->sent, .tasks = items, .count = batch.count};
    job->sent += batch.count;
    peer_send(peer, &msg);
}

void client_pump(struct crowd_peer *peer)
{
    uint64_t jobs = peer->crowd->jobs, idle = 0;

    for (uint64_t i = 0; i < jobs; i++)
        acknowledge(peer, &peer->jobs[i]);
    for (; idle < jobs && peer->zmtp.out_len - peer->zmtp.out_at < QUEUED_BYTES; peer->turn++) {
        struct crowd_job *job = &peer->jobs[peer->turn % jobs];
        bool may = job->id && may_push(peer, job, job->sent);
        idle = may ? 0 : idle + 1;
        if (may)
            push(peer, job);
    }
}
